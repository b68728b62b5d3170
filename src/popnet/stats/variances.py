"""Residual variances of many variables, which borrow strength from each other."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma, polygamma, stdtr, stdtrit

# Largest absolute t: of a column that the phenotype determines, only rounding is left.
MAX_T = 1e6


def moderate(
    slope: np.ndarray, error: np.ndarray, variance: np.ndarray, own_df: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moderated t of columns, and its degrees of freedom."""
    posterior, total_df = moderated_variance(variance, own_df)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(slope / (error * np.sqrt(posterior)), -MAX_T, MAX_T), total_df


def moderated_variance(variance: np.ndarray, own_df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of columns, averaged with what all suggest, and its df."""
    prior_variance, prior_df = variance_prior(variance, own_df)
    # Never more degrees of freedom than all columns have together.
    total_df = np.minimum(own_df + prior_df, np.nansum(own_df))
    if math.isinf(prior_df):
        return np.where(np.isfinite(variance), prior_variance, np.nan), total_df
    return (prior_df * prior_variance + own_df * variance) / (prior_df + own_df), total_df


def two_sided(t: np.ndarray, df: np.ndarray, below: float = 1.0) -> np.ndarray:
    """Return p of t statistics, (m,); NaN of missing ones.

    Parameters
    ----------
    t, df : ndarray of shape (m,)
    below : float
        A larger p is not needed, and given as 1: the distribution takes time.
    """
    p = np.where(np.isfinite(t), 1.0, np.nan)
    most = np.nanmax(df, initial=1)
    small = np.flatnonzero(np.abs(t) >= -stdtrit(most, min(below, 1) / 2))
    p[small] = 2 * stdtr(df[small], -np.abs(t[small]))
    return p


def variance_prior(variances: np.ndarray, df: np.ndarray) -> tuple[float, float]:
    """Return the prior of residual variances, a scaled inverse chi-squared distribution.

    By the moments of the log variances. Very small variances count as 1e-5 of the median.

    Parameters
    ----------
    variances : ndarray of shape (m,)
        NaN where unknown.
    df : ndarray of shape (m,)
        Their degrees of freedom.

    Returns
    -------
    variance, df : float
        `df` is infinite where the variances do not differ more than by chance, and 0 where fewer
        than two are known.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), section 6.2.
    """
    known = np.isfinite(variances)
    variances, df = variances[known], df[known]
    median = np.median(variances) if known.any() else 0.0
    if len(variances) < 2 or median <= 0:
        return 0.0, 0.0
    logs = np.log(np.maximum(variances, 1e-5 * median))
    # Numbers of degrees of freedom are few, the polygamma function of each column takes long.
    halves, which = np.unique(df / 2, return_inverse=True)
    logs += (np.log(halves) - digamma(halves))[which]
    excess = float(logs.var(ddof=1) - polygamma(1, halves)[which].mean())
    if excess <= 0:
        return math.exp(logs.mean()), math.inf
    half = inverse_trigamma(excess)
    return math.exp(logs.mean() + float(digamma(half)) - math.log(half)), 2 * half


def inverse_trigamma(value: float) -> float:
    """Return the positive number whose trigamma function is `value`, by Newton's method.

    References
    ----------
    Smyth (2004), appendix.
    """
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, found))
        found += step
        if -step < 1e-10 * found:
            break
    return found
