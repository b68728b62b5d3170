"""Genes within the gene sets and modules that are called, at a rate over these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.stats.multiplicity import benjamini_hochberg, selected_families

COLUMNS = (
    *("kind", "group", "group_p", "group_q", "n_genes", "gene", "estimate", "t", "p", "q"),
    *("q_within", "explained_by"),
)


def robust(
    genes: pd.DataFrame,
    groups: Mapping[str, pd.Series],
    members: Mapping[str, Mapping[str, Sequence[str]]],
    fdr: float,
) -> pd.DataFrame:
    """Return the genes of the groups that are called, with a q within these.

    A group is a family of tests: its genes. Families are selected by Benjamini-Hochberg over the
    groups of a kind, and the genes of each are held to `fdr` times the share of groups that are
    selected, as the rows of a study are (:func:`popnet.stats.multiplicity.selected_families`): the
    mean false discovery rate of the groups that one looks at is then at most `fdr`. The p of a
    group may come from any test of its own genes; groups of few common genes are assumed.

    Parameters
    ----------
    genes : DataFrame
        gene, estimate, t, p, q and explained_by: centrality.tsv.
    groups : mapping of kind to Series
        The p of every group, by its name.
    members : mapping of kind to mapping of name to genes
    fdr : float

    Returns
    -------
    DataFrame of `COLUMNS`, sorted by kind, the p of the group and p
        The tested genes of selected groups. group_q is over the groups of the kind; q of centrality
        over all genes; q_within is Benjamini-Hochberg in the group, over the share of selected
        groups, so that it is compared with `fdr`.
    """
    table = genes.reindex(columns=["gene", "estimate", "t", "p", "q", "explained_by"])
    tested = table.dropna(subset=["p"]).set_index("gene")
    parts = []
    for kind, p in groups.items():
        q, within = selected_families(p.to_numpy(float), fdr)
        for place in np.flatnonzero(q <= fdr)[np.argsort(p.to_numpy()[q <= fdr], kind="stable")]:
            name = p.index[place]
            own = tested[tested.index.isin(list(members[kind][name]))].reset_index()
            raised = benjamini_hochberg(own["p"].to_numpy()) * fdr / within
            about = {"kind": kind, "group": name, "group_p": p.iloc[place], "group_q": q[place]}
            own = own.assign(**about, n_genes=len(own), q_within=np.minimum(raised, 1))
            parts.append(own.sort_values("p", kind="stable"))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return found.reindex(columns=list(COLUMNS))
