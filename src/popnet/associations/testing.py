"""How hypotheses are tested, in every question alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from popnet.networks.measures import not_measurable


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
    untested : mapping of measure to str
        Measures of the network that are not tested, and why.
    reliability : mapping of measure to float
        ICC of a sample's mean (median gene); nothing where it is not known.
    """

    permutations: int
    seed: int
    fdr: float = 0.05
    min_icc: float = 0.4
    untested: Mapping[str, str] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)

    __test__ = False  # Not a test case, whatever its name begins with.

    @classmethod
    def from_config(
        cls,
        statistics: Mapping[str, Any],
        seed: int,
        measures: pd.DataFrame | None = None,
        network: str = "",
    ) -> Testing:
        """Return the settings of the config's section `statistics`, and what can be measured.

        Parameters
        ----------
        statistics : mapping
        seed : int
        measures : DataFrame, optional
            measures.tsv of the cell type.
        network : str
        """
        known, untested = {}, {}
        if measures is not None:
            rows = measures[measures["network"] == network].dropna(subset=["icc_sample"])
            known = dict(zip(rows["measure"], rows["icc_sample"], strict=True))
            if not statistics["test_unmeasurable"]:
                untested = not_measurable(measures, network)
        fdr, min_icc = statistics["fdr"], statistics["min_icc"]
        return cls(statistics["permutations"], seed, fdr, min_icc, untested, known)
