"""How far a training job is, read from its log (`popnet.sivae.jobs`, `popnet.sivae.progress`)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_KEPT = re.compile(r"([\d,]+) of ([\d,]+) models are trained already")
_DONE = re.compile(r"([\d,]+) of ([\d,]+) (?:in [\d.]+ s|\w+, )")
_STEP = re.compile(r"(?:^|, )(\w+ [\d,]+/[\d,]+), loss ")
# Bytes that are read of its begin, which has the number of models, and of its end.
END = 8192


@dataclass(frozen=True)
class Training:
    """How far a training job is.

    Parameters
    ----------
    n_done : int
        Models that are trained, or were kept.
    n : int
        All of its models; 0 if not known yet.
    stage : str
        What the running models do, such as "joint 300/1,000".
    """

    n_done: int = 0
    n: int = 0
    stage: str = ""

    @property
    def share(self) -> float:
        """Share of the models that are trained."""
        return self.n_done / self.n if self.n else 0.0


def read_training_log(path: str, since: float = 0.0) -> Training | None:
    """Return how far the job is that writes a log; None where there is nothing to read yet.

    Parameters
    ----------
    path : str
    since : float
        Seconds of the epoch. A log that was last written before is of an earlier run.
    """
    try:
        with Path(path).open("rb") as log:
            if os.fstat(log.fileno()).st_mtime < since:
                return None
            begin = log.read(END)
            log.seek(max(log.seek(0, os.SEEK_END) - END, len(begin)))
            text = begin + log.read()
    except OSError:
        return None
    kept, n, n_done, stage = 0, 0, 0, ""
    for line in text.decode("utf-8", "replace").splitlines():
        if found := _KEPT.match(line):
            kept, n = _number(found[1]), _number(found[2])
        elif found := _DONE.match(line):
            n_done = _number(found[1])
        if found := _STEP.search(line):
            stage = found[1]
    return Training(kept + n_done, n, stage) if n or stage else None


def _number(text: str) -> int:
    return int(text.replace(",", ""))
