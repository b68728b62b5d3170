"""How far training is: a live line on a terminal, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from popnet.sivae.settings import Settings

STAGES = ("cells", "features", "joint")


class Progress:
    """Says how many fits are done, the current loss and the time left; for `fit(progress=...)`.

    Around fits of many bins, tell it with `begin` and `end` how many are at work.

    Parameters
    ----------
    settings : Settings
        Of the fits, which say how much of a fit lies behind a step.
    n_fits : int
        How many there will be.
    what : str
        What a fit is of, in the plural.
    live : bool, optional
        Rewrite one line, as terminals and notebooks can; else write a line every `interval`
        seconds. By default, whether the stream is a terminal.
    stream : text file, optional
        Standard error by default.
    interval : float
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        settings: Settings,
        n_fits: int = 1,
        *,
        what: str = "bins",
        live: bool | None = None,
        stream: TextIO | None = None,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.n_fits = n_fits
        self.n_done = 0
        self.what = what
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty() if live is None else live
        self.interval = interval
        self.clock = clock
        self.started = self.last = clock()
        self._shares = _shares(settings)
        self._at_work = 1
        self._width = 0

    def __call__(self, stage: str, step: int, n_steps: int, loss: float) -> None:
        """Take notice of a step of the fits at work; `loss` is their mean."""
        before, share = self._shares[stage]
        work = self.n_done + self._at_work * (before + share * step / n_steps)
        text = f"{self.n_done:,} of {self.n_fits:,} {self.what} · " if self.n_fits > 1 else ""
        text += f"{stage} {step:,}/{n_steps:,} · loss {loss:,.5g}"
        now = self.clock()
        if work > 0:
            left = (now - self.started) * max(self.n_fits - work, 0) / work
            text += f" · {_duration(left)} left"
        if self.live:
            self.stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
            if self.n_fits == 1 and stage == list(self._shares)[-1] and step == n_steps:
                self._new_line()
        elif now - self.last >= self.interval:
            self.stream.write(text + "\n")
            self.last = now
        self.stream.flush()

    def begin(self, n: int) -> None:
        """Begin `n` fits that run at the same time."""
        self._at_work = n

    def end(self) -> None:
        """Count the fits that were begun as done."""
        self.n_done += self._at_work
        self._at_work = 1
        self._new_line()

    def _new_line(self) -> None:
        if self._width:
            self.stream.write("\n")
            self._width = 0


def _shares(settings: Settings) -> dict[str, tuple[float, float]]:
    """Return how much of a fit's time precedes each stage, and how much the stage takes.

    As measured on a CPU with 1,000 cells x 2,000 genes: a joint step takes six times a cell-wise
    one, twice with a quarter of the genes; a feature-wise one half of it.
    """
    costs = dict(zip(STAGES, (1, 0.5, 2 if settings.genes_per_step else 6), strict=True))
    seconds = {
        stage: cost * n_steps
        for (stage, cost), n_steps in zip(costs.items(), settings.steps, strict=True)
        if settings.model == "sivae" or stage == "cells"
    }
    total, before = sum(seconds.values()), 0.0
    shares = {}
    for stage, of_stage in seconds.items():
        shares[stage] = (before / total, of_stage / total)
        before += of_stage
    return shares


def _duration(seconds: float) -> str:
    """Return seconds below two minutes, minutes below two hours, else hours."""
    for unit, length in (("s", 1), ("min", 60)):
        if seconds < 120 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.0f} h"
