"""Consensus networks: the edges that many samples of a group share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.networks.edges import PRESENT

# Of a group's samples that must have an edge of its consensus network (paper: 0.2).
MIN_SHARE = 0.2


def split_halves(phenotype: pd.Series, middle: float | None = None) -> pd.Series:
    """Split a continuous phenotype at `middle`: above it ``case``, the others ``control``.

    By default that is the median. Missing values are left out. Where nothing lies above the
    middle, the middle is above.
    """
    phenotype = phenotype.dropna()
    middle = phenotype.median() if middle is None else middle
    high = phenotype > middle
    if not high.any():
        high = phenotype >= middle
    return pd.Series(np.where(high, "case", "control"), index=phenotype.index, name="group")


def consensus(edges: pd.DataFrame, groups: pd.Series, min_share: float = MIN_SHARE) -> pd.DataFrame:
    """Build the consensus networks of cases and of controls.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight.
    groups : Series, sample -> "case" or "control"
        All samples of both groups, those without edges included.
    min_share : float
        Share of a group's samples that must have an edge (paper: 0.2).

    Returns
    -------
    DataFrame
        gene1 gene2 case_share control_share in_case in_control, for edges of either network.
    """
    present = edges[edges["weight"] >= PRESENT]
    group = present["sample"].map(groups)
    table = pd.DataFrame(index=pd.MultiIndex.from_frame(present[["gene1", "gene2"]]).unique())
    for name in ("case", "control"):
        counts = present[group == name].groupby(["gene1", "gene2"], observed=True).size()
        share = counts.reindex(table.index, fill_value=0) / max((groups == name).sum(), 1)
        table[f"{name}_share"] = share
        table[f"in_{name}"] = share >= min_share - 1e-9
    table = table[table["in_case"] | table["in_control"]].reset_index()
    return table[["gene1", "gene2", "case_share", "control_share", "in_case", "in_control"]]
