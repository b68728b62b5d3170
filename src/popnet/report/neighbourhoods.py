"""The network around each gene, in the two groups of a phenotype."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from popnet.networks.consensus import split_halves
from popnet.report.embedding import packed

# Neighbours of a gene that its network shows.
MOST = 12
# Groups of a continuous phenotype.
LOWER, UPPER = "lower third", "upper third"
HALVES = {"control": "lower half", "case": "upper half"}
CASE, CONTROL = "cases", "controls"


def groups_of(phenotype: pd.Series, binary: bool, fewest: int = 1) -> pd.Series:
    """Return the group of each sample; None of the middle third and of unknown values.

    Halves stand in for thirds where these share a value.

    Parameters
    ----------
    phenotype : Series, sample -> float
        Cases 1 and controls 0, or a continuous one.
    binary : bool
    fewest : int
        A group of fewer samples is none.
    """
    known = phenotype.dropna()
    group = pd.Series(None, phenotype.index, dtype=object)
    low, high = known.quantile(1 / 3), known.quantile(2 / 3)
    if binary:
        group[phenotype == 1] = CASE
        group[phenotype == 0] = CONTROL
    elif low < high:
        group[phenotype <= low] = LOWER
        group[phenotype >= high] = UPPER
    elif len(known):
        group[known.index] = split_halves(known).map(HALVES)
    return group.where(group.map(group.value_counts()) >= fewest, None)


def ego_networks(
    edges: pd.DataFrame, group: pd.Series, place: Mapping[str, int]
) -> dict[str, object] | None:
    """Return the neighbours of every gene that most samples of either group have.

    Parameters
    ----------
    edges : DataFrame with columns sample, gene1, gene2, share
        edges.parquet: the share of a sample's bins that have the edge.
    group : Series, sample -> group or None
    place : mapping of gene to int

    Returns
    -------
    dict or None
        groups, the names of the two; gene and other (places), every gene's edges that are most
        frequent; shares of the two groups' samples that have them, packed. None without two groups.
    """
    names = list(dict.fromkeys(group.dropna().sort_values()))
    if len(names) != 2:
        return None
    ends = [edges[name].astype(str).map(place) for name in ("gene1", "gene2")]
    of = edges["sample"].astype(str).map(group)
    kept = of.notna() & ends[0].notna() & ends[1].notna()
    columns = {"one": ends[0], "two": ends[1], "group": of, "share": edges["share"]}
    long = pd.DataFrame(columns)[kept]
    sizes = group.value_counts()
    total = long.groupby(["one", "two", "group"])["share"].sum().unstack("group")
    means = total.reindex(columns=names).fillna(0).div(sizes[names])
    one_way = means.reset_index()
    both = pd.concat([one_way, one_way.rename(columns={"one": "two", "two": "one"})])
    both["most"] = both[names].max(axis=1)
    both = both.sort_values(["one", "most"], ascending=[True, False], kind="stable")
    first = both.groupby("one").head(MOST)
    return {
        "groups": names,
        "gene": first["one"].astype(int).tolist(),
        "other": first["two"].astype(int).tolist(),
        "shares": packed(first[names].to_numpy(float).T if len(first) else np.empty((2, 0)), 8),
    }
