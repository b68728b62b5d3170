"""Outcomes of the methods of a comparison, and their joined tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from popnet.comparisons.methods import Attempt

STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]


class Outcomes:
    """The outcomes of a comparison, one row per method; each is printed when it is added."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def add(self, comparison: str, method: str, attempts: Attempt | Mapping[str, Attempt]) -> None:
        """Add a method with its attempt, or with several attempts by their name."""
        tried = {"": attempts} if isinstance(attempts, Attempt) else attempts
        row = outcome(comparison, method, tried)
        self._rows.append(row)
        print(f"{comparison}, {method}: {row['status']}, {row['seconds']:.1f} s")

    def table(self) -> pd.DataFrame:
        """Return the rows, in the columns `STATES`."""
        return pd.DataFrame(self._rows, columns=STATES)


def outcome(comparison: str, method: str, attempts: Mapping[str, Attempt]) -> dict[str, Any]:
    """Return comparison, method, status, seconds and peak_memory_mb of named attempts.

    The status is "done" if all attempts are done, their common status if it is the same, and
    otherwise a list of the attempts that are not done, with the reasons.
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


def not_tried(why: str) -> Attempt:
    """Return the attempt of a method that was not run."""
    return Attempt(None, why, 0.0, np.nan)


def joined(tables: Iterable[pd.DataFrame], columns: Iterable[str]) -> pd.DataFrame:
    """Return the concatenated tables, or an empty table with `columns` if none has a row.

    Empty tables are left out, because their columns have no type and would change that of others.
    """
    filled = [table for table in tables if len(table)]
    return pd.concat(filled) if filled else pd.DataFrame(columns=list(columns))
