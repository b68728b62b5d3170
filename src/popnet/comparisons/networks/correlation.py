"""Correlation of expression, the usual basis of co-expression networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from popnet.comparisons.methods import Training
from popnet.networks.correlation import pearson


def correlation(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the absolute Pearson correlation of log-normalised expression.

    It is the default similarity of WGCNA (Zhang and Horvath 2005) and its single-cell successors.
    It is deterministic and needs no training.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        X is log-normalised.
    training, seed
        Unused; every method of network inference has them.

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        Symmetric, in [0, 1]; the diagonal is 0, as are genes that do not vary.
    """
    found = np.abs(pearson(expression_of(cells)))
    np.fill_diagonal(found, 0)
    return found


def expression_of(cells: Any) -> np.ndarray:
    """Return X of an AnnData as a dense matrix, (n_cells, n_genes), float64."""
    expression = cells.X.toarray() if hasattr(cells.X, "toarray") else cells.X
    return np.asarray(expression, dtype=np.float64)
