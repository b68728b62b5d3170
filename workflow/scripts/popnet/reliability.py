"""How reproducible a network is: bins of one sample against bins of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse


@dataclass(frozen=True)
class WithinBetween:
    """Mean similarity of two bins of one sample, and of bins of two samples.

    NaN where there is no such pair.
    """

    within: float
    between: float
    n_within: int
    n_between: int


def icc(values: np.ndarray, groups: Sequence[str] | np.ndarray) -> pd.DataFrame:
    """Return per gene the intraclass correlation ICC(1,k) of bins nested in samples.

    One-way random effects by analysis of variance: the reliability of a sample's mean over k
    bins, (MSB - MSW) / MSB. With unequal numbers of bins k is
    n0 = (N - sum(n_i^2) / N) / (n_samples - 1), for which the same formula holds: n0 cancels.

    Parameters
    ----------
    values : array of shape (n_bins, n_genes)
        NaN where a bin has no value for a gene.
    groups : sequence of str
        The sample of each bin.

    Returns
    -------
    DataFrame with columns icc, n_samples, n_bins, one row per gene
        Samples and bins with a value. NaN where no sample has two bins, where there is one
        sample only, and for constant genes. Negative where bins of one sample differ more than
        samples do, cut at -1.

    References
    ----------
    Shrout and Fleiss, Psychological Bulletin 86 (1979); Donner, International Statistical
    Review 54 (1986) for n0.
    """
    values = np.asarray(values, dtype=np.float64)
    code, samples = pd.factorize(np.asarray(groups, dtype=object))
    total = sparse.csr_array(
        (np.ones(len(code)), (code, np.arange(len(code)))), (len(samples), len(code))
    )
    present = ~np.isnan(values)
    sizes = total @ present.astype(np.float64)
    n_bins = present.sum(axis=0)
    n_samples = (sizes > 0).sum(axis=0)

    # Each gene's first value as origin: exact zeros for constant genes.
    first = values[present.argmax(axis=0), np.arange(values.shape[1])]
    centred = np.where(present, values - first, 0.0)
    mean = centred.sum(axis=0) / np.maximum(n_bins, 1)
    centred = np.where(present, centred - mean, 0.0)
    sample_means = (total @ centred) / np.maximum(sizes, 1)
    between = (sizes * sample_means**2).sum(axis=0)
    within = (np.where(present, centred - sample_means[code], 0.0) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_between = between / (n_samples - 1)
        mean_within = within / (n_bins - n_samples)
        reliability = np.maximum(1 - mean_within / mean_between, -1.0)
    reliability[(n_samples < 2) | (n_bins == n_samples)] = np.nan
    return pd.DataFrame({"icc": reliability, "n_samples": n_samples, "n_bins": n_bins})


def within_between(gram: np.ndarray, samples: Sequence[str] | np.ndarray) -> WithinBetween:
    """Return how similar the networks of one sample are, against those of different samples.

    Parameters
    ----------
    gram : array of shape (n_bins, n_bins)
        Similarity of bins; pairs of distinct bins count, each once.
    samples : sequence of str
        The sample of each bin.
    """
    code, _ = pd.factorize(np.asarray(samples, dtype=object))
    distinct = np.triu(np.ones(gram.shape, bool), k=1)
    same = code[:, None] == code
    within, between = gram[same & distinct], gram[~same & distinct]
    return WithinBetween(
        within=float(within.mean()) if within.size else float("nan"),
        between=float(between.mean()) if between.size else float("nan"),
        n_within=within.size,
        n_between=between.size,
    )
