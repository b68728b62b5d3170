"""Names of groups of genes: the genes that stand for them, and the gene set that is nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.stats.multiplicity import benjamini_hochberg

# Genes that name a group.
N_NAMED = 4


def name_groups(
    score: np.ndarray,
    members: np.ndarray,
    genes: pd.Index,
    gene_sets: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Name groups of genes by their first genes and their best gene set.

    Parameters
    ----------
    score : ndarray of shape (n_genes, n_groups)
        How much a gene stands for a group.
    members : bool ndarray of shape (n_genes, n_groups)
        The genes that are compared with gene sets.
    genes : Index of shape (n_genes,)
    gene_sets : mapping of name to genes

    Returns
    -------
    DataFrame, a row per group
        name (the four genes of largest score), gene_set and gene_set_q: the set that is most
        enriched among the group's members (hypergeometric test, Bonferroni over the sets,
        Benjamini-Hochberg over the groups), empty where no set has q <= 0.05.
    """
    from scipy.stats import hypergeom

    index = pd.Index(genes)
    of_sets = {name: index.isin(list(of_set)) for name, of_set in gene_sets.items()}
    rows = []
    for column, group in zip(score.T, members.T, strict=True):
        order = np.argsort(-column, kind="stable")
        p = {
            name: hypergeom.sf((mask & group).sum() - 1, len(genes), mask.sum(), group.sum())
            for name, mask in of_sets.items()
            if mask.any()
        }
        best = min(p, key=lambda name: (p[name], name), default="")
        rows.append(
            {
                "name": "/".join(index[order[:N_NAMED]]),
                "gene_set": best,
                "p": p.get(best, np.nan) * max(len(p), 1),
            }
        )
    table = pd.DataFrame(rows, columns=["name", "gene_set", "p"])
    q = benjamini_hochberg(np.minimum(table.pop("p").to_numpy(float), 1))
    table["gene_set_q"] = q
    table.loc[~(table["gene_set_q"] <= 0.05), "gene_set"] = ""
    return table
