"""What became of the attempts at a method, as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popnet.comparisons.methods import Attempt


def outcome(comparison: str, method: str, attempts: Mapping[str, Attempt]) -> dict[str, Any]:
    """Return comparison, method, status, seconds and peak_memory_mb of attempts by what they are.

    The status is "done" where all are, that of all where they say the same, and otherwise says
    which are not done, and why.
    """
    failed = {name: each.status for name, each in attempts.items() if each.status != "done"}
    status = "done"
    if failed:
        same = len(failed) == len(attempts) and len(set(failed.values())) == 1
        status = (
            next(iter(failed.values()))
            if same
            else "; ".join(f"{name} {why}" for name, why in failed.items())
        )
    peaks = [each.peak_memory for each in attempts.values() if np.isfinite(each.peak_memory)]
    return {
        "comparison": comparison,
        "method": method,
        "status": status,
        "seconds": sum(each.seconds for each in attempts.values()),
        "peak_memory_mb": max(peaks, default=np.nan),
    }
