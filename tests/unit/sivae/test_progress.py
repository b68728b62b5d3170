"""What training says of itself while it runs."""

from __future__ import annotations

import io

import pytest

from popnet.sivae import progress as module
from popnet.sivae.progress import Progress
from popnet.sivae.settings import Settings


class Clock:
    """A clock that tests set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


# Times of the stages: 1 x 200, 0.5 x 400 and 2 x 300, that is 20 %, 20 % and 60 %.
SETTINGS = Settings(steps=(200, 400, 300), genes_per_step=64)


def test_a_terminal_has_one_bar():
    stream = Terminal()
    progress = Progress(SETTINGS, stream=stream)
    progress("cells", 100, 200, 1234.56)
    progress("joint", 300, 300, 8.0)
    text = stream.getvalue()
    last = text.split("\r")[-1]
    assert last.startswith("100%|")
    assert "joint 300/300, loss 8" in last
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_a_log_has_a_line_a_minute_and_no_bar(clock):
    stream = io.StringIO()
    progress = Progress(SETTINGS, stream=stream)
    for step in range(1, 201):
        clock.now += 1.01
        progress("cells", step, 200, 1.0)
    assert "\r" not in stream.getvalue()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    # 60 of 200 steps are 6 % of the work and took 61 seconds.
    assert lines[0] == "cells 60/200, loss 1, 15:49 left"


def test_bins_in_stacks(clock):
    stream = io.StringIO()
    progress = Progress(SETTINGS, 10, stream=stream, interval=0)
    progress.begin(4)
    clock.now += 41
    progress("cells", 200, 200, 2.0)
    # A fifth of 4 of 10 bins took 41 seconds.
    assert stream.getvalue() == "0 of 10 bins, cells 200/200, loss 2, 07:51 left\n"
    progress.end()
    progress.begin(4)
    clock.now += 60
    progress("features", 400, 400, 1.0)
    assert stream.getvalue().splitlines()[1].startswith("4 of 10 bins, features 400/400")
    progress.end()
    assert progress.n_done == 8


def test_the_last_stack_ends_the_bar():
    stream = Terminal()
    progress = Progress(SETTINGS, 2, what="fits", stream=stream)
    progress("cells", 1, 200, 1.0)
    progress.end()
    assert "\n" not in stream.getvalue()
    progress("cells", 1, 200, 1.0)
    progress.end()
    assert "1 of 2 fits, cells 1/200" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_fits_that_start_from_another_have_one_stage(clock):
    stream = io.StringIO()
    progress = Progress(Settings(), stream=stream, interval=0, stages=["joint"])
    clock.now += 1
    progress("joint", 1000, 2000, 1.0)
    assert stream.getvalue().endswith(", 00:01 left\n")


def test_a_vae_has_one_stage(clock):
    stream = io.StringIO()
    settings = Settings(model="vae", gamma=0)
    progress = Progress(settings, stream=stream, interval=0)
    clock.now += 1
    progress("cells", 1000, 2000, 1.0)
    assert stream.getvalue().endswith(", 00:01 left\n")
