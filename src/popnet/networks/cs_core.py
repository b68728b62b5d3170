"""CS-CORE: correlation of the latent expression behind the counts, corrected for depth."""

from __future__ import annotations

import numpy as np

TOLERANCE, MOST_ITERATIONS = 0.05, 11
ALL = slice(None)


class NoVariation(ValueError):
    """Raised where no gene varies more than Poisson counts do."""


def latent_correlation(
    counts: np.ndarray, depth: np.ndarray, genes: np.ndarray | slice = ALL
) -> np.ndarray:
    """Return the correlation of z, if the counts of gene j in cell i are Poisson(s_i z_ij).

    Moments are regressed on the depth s by iteratively reweighted least squares:
    E x = s mu, Var x = s mu + s^2 sigma^2, Cov(x_j, x_k) = s^2 sigma_jk; the weights are the
    inverse variances under the median dispersion of all genes, as in the authors' package
    (Su et al. 2023).

    Parameters
    ----------
    counts : ndarray, (n_cells, n_genes)
    depth : ndarray, (n_cells,)
        Total counts of the cells; positive.
    genes : ndarray of int, optional
        The genes whose pairs are returned. All genes of `counts` say what the dispersion is.

    Returns
    -------
    ndarray, (n_chosen, n_chosen), float64
        Clipped to [-1, 1]; 0 for genes whose variance is estimated as 0 or less.

    Raises
    ------
    NoVariation
        No gene varies more than Poisson counts do.
    """
    x = np.asarray(counts, dtype=np.float64)
    # The estimates do not depend on the unit of depth, except for rounding.
    s = (depth / np.mean(depth)).astype(np.float64)[:, None]
    mu = (x * s).sum(0) / (s**2).sum()
    variance = (((x - s * mu) ** 2 - s * mu) * s**2).sum(0) / (s**4).sum()
    theta = _dispersion(mu, variance)
    for _ in range(MOST_ITERATIONS):
        previous, median = theta, np.nanmedian(theta)
        weight = _count_variance(s * mu, median)
        mu = (x * s / weight).sum(0) / (s**2 / weight).sum(0)
        weight = _count_variance(s * mu, median) ** 2
        variance = (((x - s * mu) ** 2 - s * mu) * s**2 / weight).sum(0) / (s**4 / weight).sum(0)
        theta = _dispersion(mu, variance)
        change = np.abs(np.log(theta / previous))
        if not (change > TOLERANCE).any():
            break
    weight = _count_variance(s * mu[genes], np.nanmedian(theta))
    residual = (x[:, genes] - s * mu[genes]) / weight
    covariance = (s**2 * residual).T @ residual / ((s**2 / weight).T @ (s**2 / weight))
    deviation = np.sqrt(np.where(variance > 0, variance, np.inf))[genes]
    return np.clip(covariance / np.outer(deviation, deviation), -1, 1)


def _dispersion(mu: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return mu^2 / sigma^2 of every gene, NaN if its variance is estimated as 0 or less."""
    if not (variance > 0).any():
        raise NoVariation("counts: no gene varies more than Poisson counts do")
    return mu**2 / np.where(variance > 0, variance, np.nan)


def _count_variance(mean: np.ndarray, dispersion: float) -> np.ndarray:
    """Return the variance of counts with a mean and a dispersion; 1 if the mean is 0."""
    return np.where(mean > 0, mean + mean**2 / dispersion, 1)
