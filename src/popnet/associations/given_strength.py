"""Whether the strength of genes explains hits that only compare genes with each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.stats.designs import Design
from popnet.stats.power import ALPHA

# In each bin the same share of pairs are edges: where some genes lose edges, others gain.
OTHER_GENES = "other genes' edges"


def by_other_genes(
    hits: np.ndarray,
    groups: Sequence[Collection[str]],
    strength: np.ndarray,
    genes: pd.Index,
    design: Design,
    testing: Testing,
) -> np.ndarray:
    """Return what explains the edges of genes, or of groups of genes.

    Parameters
    ----------
    hits : bool ndarray of shape (m,)
    groups : sequence of m collections of str
        The genes of each; those that are not among `genes` do not count.
    strength : ndarray of shape (n_bins, n_genes)
        Sums of weights, of bins with equal depth.
    genes : Index of shape (n_genes,)
    design : Design
        Over the bins.
    testing : Testing

    Returns
    -------
    ndarray of str, of shape (m,)
        `OTHER_GENES` where the mean strength of the genes does not change (p > 0.05 by the mixed
        model), otherwise ``none``; empty for what is no hit.
    """
    found = np.where(hits, "none", "").astype(object)
    at = np.flatnonzero(hits)
    if len(at) and design.testable:
        alike = design.of_model.average(strength)
        members = [genes.isin(list(groups[int(place)])) for place in at]
        share = np.array(members, float) / np.maximum(np.sum(members, axis=1), 1)[:, None]
        observed = design.of_model.average(np.nan_to_num(strength)) @ share.T
        p = testing.by_model(observed, design, alike)[0]["p"].to_numpy()
        found[at[p > ALPHA]] = OTHER_GENES
    return found
