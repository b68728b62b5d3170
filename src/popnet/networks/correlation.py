"""Correlation of genes, by their values and by their ranks."""

from __future__ import annotations

import numpy as np


def pearson(values: np.ndarray) -> np.ndarray:
    """Return the correlation of columns, (n_columns, n_columns); 0 for constant columns."""
    centred = values - values.mean(0)
    norm = np.linalg.norm(centred, axis=0)
    # By rounding, a constant column can differ slightly from its mean.
    varies = norm > 1e-10 * np.maximum(np.linalg.norm(values, axis=0), 1e-300)
    centred = np.where(varies, centred / np.where(varies, norm, 1), 0)
    return np.clip(centred.T @ centred, -1, 1)


def rank_correlation(values: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of columns, (n_columns, n_columns); 0 for constant columns."""
    from scipy.stats import rankdata

    return pearson(rankdata(values, axis=0))
