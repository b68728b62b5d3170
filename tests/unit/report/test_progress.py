"""The line that says how far a study is."""

from __future__ import annotations

import io
import time

import pytest

from popnet.report import progress as module
from popnet.report.progress import Progress, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_jobs_models_and_time_are_counted(clock):
    progress = Progress(io.StringIO(), clock=clock)
    progress.plan({"train_sivae": 4, "plot": 12}, n_models=40)
    for job in range(12):
        progress.start(job, "plot")
        clock.now += 5
        progress.finish(job)
    progress.start(20, "train_sivae", n_models=10)
    progress.start(21, "train_sivae", n_models=10)
    clock.now += 60
    progress.finish(20)
    assert "13 of 16 steps, 10 of 40 models, train_sivae" in progress.line()
    # Three are left, of which one has run for as long as the first took; one at a time.
    assert progress.line().endswith("about 2 min left")


def test_a_run_within_a_job_counts(clock, tmp_path):
    log = tmp_path / "1.log"
    progress = Progress(io.StringIO(), clock=clock)
    progress.plan({"train_sivae": 1}, n_models=200)
    progress.start(1, "train_sivae", n_models=200, log=str(log))
    assert "0 of 200 models" in progress.line()
    log.write_text(
        "20 of 200 models are trained already; the others 10 at a time\n"
        "30 of 180 in 12.3 s: s 1 bin 1\n"
        "30 of 180 bins, joint 12/1,000, loss 1.5, 10:00 left\n"
    )
    assert "50 of 200 models, train_sivae (joint 12/1,000)" in progress.line()


def test_a_log_of_an_earlier_run_says_nothing(clock, tmp_path):
    log = tmp_path / "1.log"
    log.write_text("20 of 20 models are trained already; the others 1 at a time\n")
    hour_ago = time.time() - 3600
    module.os.utime(log, (hour_ago, hour_ago))
    progress = Progress(io.StringIO(), clock=clock)
    progress.plan({"train_sivae": 1}, n_models=20)
    progress.start(1, "train_sivae", n_models=20, log=str(log))
    assert "0 of 20 models" in progress.line()


def test_a_job_that_failed_may_start_again(clock):
    progress = Progress(io.StringIO(), clock=clock)
    progress.plan({"a": 1}, n_models=0)
    progress.start(1, "a")
    progress.fail(1)
    assert progress.line() == "0 of 1 steps"
    progress.start(1, "a")
    progress.finish(1)
    assert progress.line() == "1 of 1 steps"


def test_a_terminal_has_one_line_and_a_file_short_lines(monkeypatch):
    monkeypatch.setattr(module, "LIVE", 0.01)
    monkeypatch.setattr(module, "PLAIN", 0.02)
    monkeypatch.setenv("TERM", "xterm")
    for stream, live in ((Terminal(), True), (io.StringIO(), False)):
        progress = Progress(stream)
        progress.plan({"a": 2}, n_models=0)
        progress.start(1, "a")
        waited = 0
        while stream.getvalue().count("steps") < 2 and (waited := waited + 1) < 500:
            time.sleep(0.01)
        progress.close()
        text = stream.getvalue()
        assert ("\r" in text, "\n" in text) == (live, not live)
        assert "0 of 2 steps, a" in text
        # Nothing of the line is left.
        assert not live or text.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("seconds", "told"), [(40.4, "40 s"), (700, "12 min"), (12_000, "3 h 20 min")]
)
def test_durations(seconds, told):
    assert duration(seconds) == told
