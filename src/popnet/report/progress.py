"""What a terminal shows while a study runs: one live line, and short lines in a log file."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from time import monotonic, time
from typing import TextIO

from popnet.sivae.training_log import Training, read_training_log

# Seconds between two drawings of the live line, and between two lines in a log file.
LIVE, PLAIN = 1.0, 60.0
# Seconds that the line stays away after other text was written.
AWAY = 0.5
# Jobs that have to be finished before the time left is estimated.
ENOUGH = 10
NAMED = 3
# Seconds that the clock of a file server may be behind.
CLOCKS_APART = 10


@dataclass
class Running:
    """A job that runs; `n_models` are those that it trains, and `log` says how far it is.

    `started` is of the clock, `since` are seconds of the epoch.
    """

    rule: str
    started: float
    n_models: int = 0
    log: str | None = None
    since: float = field(default_factory=time)


class Progress:
    """Counts the jobs of a study, and shows how far it is.

    Parameters
    ----------
    stream : text file
    live : bool, optional
        Draw one line again and again, for terminals; otherwise write a short line once a minute. By
        default, draw if the stream is a terminal that can.
    clock : callable
        Seconds.
    """

    def __init__(
        self, stream: TextIO, live: bool | None = None, clock: Callable[[], float] = monotonic
    ):
        able = os.environ.get("TERM", "dumb") != "dumb"
        self.stream = stream
        self.live = able and stream.isatty() if live is None else live
        self.clock = clock
        self.left: Counter[str] = Counter()
        self.running: dict[int, Running] = {}
        self.n_done = self.n_models = self.n_trained = 0
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._begin = self._last = clock()
        self._quiet_until = 0.0
        self._drawn = False
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def total(self) -> int:
        """All jobs that are known of: those done, running and to come."""
        return self.n_done + sum(self.left.values())

    def plan(self, left: Mapping[str, int], n_models: int) -> None:
        """Set how many jobs of each rule are not finished, and how many models they train."""
        with self._lock:
            self.left = Counter(left)
            self.n_models = self.n_trained + n_models

    def start(self, job: int, rule: str, n_models: int = 0, log: str | None = None) -> None:
        """Note that a job runs."""
        with self._lock:
            self.running[job] = Running(rule, self.clock(), n_models, log)
            if self._thread is None:
                self._thread = threading.Thread(target=self._draw_again, daemon=True)
                self._thread.start()

    def finish(self, job: int) -> None:
        """Note that a job has succeeded."""
        with self._lock:
            self.n_done += 1
            if (done := self.running.pop(job, None)) is None:
                return
            self.left[done.rule] -= 1
            self.n_trained += done.n_models
            self._seconds[done.rule].append(self.clock() - done.started)

    def fail(self, job: int) -> None:
        """Note that a job has failed; it may be started again."""
        with self._lock:
            self.running.pop(job, None)

    def make_room(self) -> None:
        """Take the line away before other text is written."""
        with self._lock:
            self._clear()
            self._quiet_until = self.clock() + AWAY

    def close(self) -> None:
        """Stop, and take the line away."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        with self._lock:
            self._clear()

    def line(self) -> str:
        """Return how far the study is, in one line."""
        with self._lock:
            jobs = [*self.running.values()]
            trained = {
                id(job): read_training_log(job.log, job.since - CLOCKS_APART)
                for job in jobs
                if job.log
            }
            parts = [f"{self.n_done:,} of {self.total:,} steps"]
            if self.n_models:
                now = sum(one.n_done for one in trained.values() if one)
                parts.append(f"{self.n_trained + now:,} of {self.n_models:,} models")
            if jobs:
                parts.append(_named(jobs, trained))
            if seconds := self._seconds_left(trained):
                parts.append(f"about {duration(seconds)} left")
            return ", ".join(parts)

    def _seconds_left(self, trained: Mapping[int, Training | None]) -> float | None:
        """Return the seconds left, from how long jobs of the same rule took; None if unknown.

        A rule of which no job has finished takes as long as the median rule, or as a training that
        runs has left.
        """
        if self.n_done < ENOUGH or not self.running:
            return None
        means = {rule: mean(of_rule) for rule, of_rule in self._seconds.items()}
        usual = median(means.values()) if means else 0.0
        now, seconds = self.clock(), 0.0
        waiting = Counter(self.left)
        for job in self.running.values():
            waiting[job.rule] -= 1
            spent = now - job.started
            training = trained.get(id(job))
            if training and training.share > 0:
                # Of this job itself, which is better than what others took.
                means[job.rule] = max(means.get(job.rule, 0.0), spent / training.share)
            seconds += max(means.get(job.rule, max(usual, spent)) - spent, 0.0)
        seconds += sum(max(n, 0) * means.get(rule, usual) for rule, n in waiting.items())
        return seconds / len(self.running)

    def _draw_again(self) -> None:
        while not self._stop.wait(LIVE):
            with self._lock:
                now = self.clock()
                if self.live and now >= self._quiet_until:
                    width = shutil.get_terminal_size().columns - 1
                    self._write(f"\r\x1b[K{self.line()[:width]}")
                    self._drawn = True
                elif not self.live and now - self._last >= PLAIN:
                    self._last = now
                    self._write(f"{duration(now - self._begin)}: {self.line()}\n")

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            # A terminal that is gone does not end a study.
            self._stop.set()


def duration(seconds: float) -> str:
    """Return seconds as people say them: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def _named(jobs: Sequence[Running], trained: Mapping[int, Training | None]) -> str:
    """Return the rules that run, the one that began first ahead, with the step of a training."""
    numbers = Counter(job.rule for job in jobs)
    stages = {job.rule: one.stage for job in jobs if (one := trained.get(id(job))) and one.stage}
    names = []
    for rule, n in [*numbers.items()][:NAMED]:
        notes = [f"{n}x"] * (n > 1) + [stages.get(rule, "")] * (rule in stages)
        names.append(rule + (f" ({', '.join(notes)})" if notes else ""))
    return " + ".join(names) + " + ..." * (len(numbers) > NAMED)
