"""What training says of itself while it runs."""

from __future__ import annotations

import io

import pytest

from popnet.sivae.progress import Progress, _duration
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
def clock() -> Clock:
    return Clock()


# Times of the stages: 1 x 200, 0.5 x 400 and 2 x 300, that is 20 %, 20 % and 60 %.
SETTINGS = Settings(steps=(200, 400, 300), genes_per_step=64)


def test_a_terminal_has_one_line_that_changes(clock):
    stream = Terminal()
    progress = Progress(SETTINGS, stream=stream, clock=clock)
    clock.now += 10
    progress("cells", 100, 200, 1234.56)
    assert stream.getvalue() == "\rcells 100/200 · loss 1,234.6 · 90 s left"
    clock.now += 50
    progress("joint", 100, 300, 9.0)
    text = stream.getvalue().split("\r")[-1]
    assert text.startswith("joint 100/300 · loss 9 · 40 s left")
    assert len(text) >= len("cells 100/200 · loss 1,234.6 · 90 s left")  # nothing stays behind
    assert "\n" not in stream.getvalue()
    progress("joint", 300, 300, 8.0)
    assert stream.getvalue().endswith("0 s left" + " " * 3 + "\n") or stream.getvalue()[-1] == "\n"


def test_a_log_has_a_line_a_minute(clock):
    stream = io.StringIO()
    progress = Progress(SETTINGS, stream=stream, clock=clock)
    for step in range(1, 201):
        clock.now += 1
        progress("cells", step, 200, 1.0)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "cells 60/200 · loss 1 · 16 min left"


def test_bins_in_stacks(clock):
    stream = io.StringIO()
    progress = Progress(SETTINGS, 10, stream=stream, clock=clock, interval=0)
    progress.begin(4)
    clock.now += 40
    progress("cells", 200, 200, 2.0)
    # A fifth of 4 of 10 bins took 40 seconds.
    assert stream.getvalue() == "0 of 10 bins · cells 200/200 · loss 2 · 8 min left\n"
    progress.end()
    progress.begin(4)
    clock.now += 60
    progress("features", 400, 400, 1.0)
    assert stream.getvalue().splitlines()[1].startswith("4 of 10 bins · features 400/400")
    progress.end()
    assert progress.n_done == 8


def test_a_stack_ends_the_live_line(clock):
    stream = Terminal()
    progress = Progress(SETTINGS, 2, what="fits", stream=stream, clock=clock)
    progress("cells", 1, 200, 1.0)
    assert stream.getvalue().startswith("\r0 of 2 fits · cells")
    progress.end()
    progress.end()
    assert stream.getvalue().count("\n") == 1


def test_a_vae_has_one_stage(clock):
    stream = io.StringIO()
    settings = Settings(model="vae", gamma=0)
    progress = Progress(settings, stream=stream, clock=clock, interval=0)
    clock.now += 1
    progress("cells", 1000, 2000, 1.0)
    assert stream.getvalue().endswith("1 s left\n")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119.2, "119 s"), (150, "2 min"), (9000, "2 h")]
)
def test_durations(seconds, text):
    assert _duration(seconds) == text
