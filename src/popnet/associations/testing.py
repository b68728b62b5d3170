"""How hypotheses are tested, in every question alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Testing:
    """The settings of a test.

    Parameters
    ----------
    permutations : int
        Number of permutations; fewer are made where all arrangements are fewer.
    seed : int
    fdr : float
        Largest q (false discovery rate) of a hit.
    min_icc : float
        Least intraclass correlation over bins of a gene that is called reliable.
    """

    permutations: int
    seed: int
    fdr: float = 0.05
    min_icc: float = 0.4

    __test__ = False  # Not a test case, whatever its name begins with.

    @classmethod
    def from_config(cls, statistics: Mapping[str, Any], seed: int) -> Testing:
        """Return the settings of the config's section `statistics`."""
        return cls(statistics["permutations"], seed, statistics["fdr"], statistics["min_icc"])
