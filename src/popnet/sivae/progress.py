"""Progress of training: a bar on a terminal, one line per minute in a log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import monotonic
from typing import TextIO

from tqdm import tqdm

from popnet.sivae.settings import Settings

STAGES = ("cells", "features", "joint")
BAR = "{percentage:3.0f}%|{bar:20}| {desc}, {remaining} left"
LINE = "{desc}, {remaining} left"


class Progress:
    """Reports how many fits are done, the current loss and the time left; for `fit(progress=...)`.

    If several bins are fitted, call `begin` and `end` around the fits that run at the same time.

    Parameters
    ----------
    settings : Settings
        Of the fits; they determine which part of a fit is done after a step.
    n_fits : int
        Number of fits in total.
    what : str
        What is counted, in the plural, such as "bins".
    live : bool, optional
        Draw a bar, for terminals and notebooks; otherwise write a line every `interval` seconds. By
        default, draw a bar if the stream is a terminal.
    stream : text file, optional
        Standard error by default.
    interval : float
        Seconds.
    stages : sequence of {"cells", "features", "joint"}
        Of every fit; "joint" alone if they start from another fit.
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
        stages: Sequence[str] = STAGES,
    ):
        self.n_fits = n_fits
        self.n_done = 0
        self.what = what
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty() if live is None else live
        self.interval = interval
        self._bar = tqdm(total=n_fits, file=self.stream, bar_format=BAR, disable=not self.live)
        self._started = self._last = monotonic()
        self._shares = _shares(settings, stages)
        self._at_work = 1

    def __call__(self, stage: str, step: int, n_steps: int, loss: float) -> None:
        """Record a step of the running fits; `loss` is the mean of their losses."""
        before, share = self._shares[stage]
        work = self.n_done + self._at_work * (before + share * step / n_steps)
        text = f"{self.n_done:,} of {self.n_fits:,} {self.what}, " if self.n_fits > 1 else ""
        text += f"{stage} {step:,}/{n_steps:,}, loss {loss:,.5g}"
        if self.live:
            self._bar.set_description_str(text, refresh=False)
            self._bar.update(work - self._bar.n)
            if self.n_fits == 1 and stage == list(self._shares)[-1] and step == n_steps:
                self._bar.close()
        elif (now := monotonic()) - self._last >= self.interval:
            self._last = now
            line = tqdm.format_meter(
                work, self.n_fits, now - self._started, prefix=text, bar_format=LINE
            )
            print(line, file=self.stream, flush=True)

    def begin(self, n: int) -> None:
        """Begin `n` fits that run at the same time."""
        self._at_work = n

    def end(self) -> None:
        """Count the fits that were begun as done."""
        self.n_done += self._at_work
        self._at_work = 1
        if self.n_done >= self.n_fits:
            self._bar.close()


def _shares(settings: Settings, stages: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the share of a fit's time before each stage, and the share of the stage itself.

    Measured on a CPU with 1,000 cells x 2,000 genes: relative to a cell-wise step, a joint step
    takes six times as long (twice as long with a quarter of the genes), a feature-wise step half
    as long.
    """
    costs = dict(zip(STAGES, (1, 0.5, 2 if settings.genes_per_step else 6), strict=True))
    seconds = {
        stage: cost * n_steps
        for (stage, cost), n_steps in zip(costs.items(), settings.steps, strict=True)
        if stage in (stages if settings.model == "sivae" else STAGES[:1])
    }
    total, before = sum(seconds.values()), 0.0
    shares = {}
    for stage, of_stage in seconds.items():
        shares[stage] = (before / total, of_stage / total)
        before += of_stage
    return shares
