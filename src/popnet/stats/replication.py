"""Whether effects come back in a second cohort, and how many should."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

# Least one-sided p at which a hypothesis is replicated.
ALPHA = 0.05
# Storey's lambda: larger one-sided p are those of hypotheses that are wrong.
LAMBDA = 0.5
# Of the prior: no effect, and standard deviations of true effects in standard errors.
SPREADS = (0.0, *(0.25 * 2 ** (step / 2) for step in range(16)))
# Prior counts of no effect, as of Stephens' ash: it counts where the data do not say otherwise.
NULL_COUNTS = 10
ITERATIONS, TOLERANCE = 2000, 1e-6
# From so many degrees of freedom on, t is normal; beyond this mean, power is 1.
MANY, FAR = 1000, 30.0
# Normal values are rounded to so much, so that as many as there are take no longer than a few.
STEP = 0.02


@dataclass(frozen=True)
class Prior:
    """How true effects are distributed, in standard errors: a mixture of normals around 0.

    Parameters
    ----------
    weights : ndarray of shape (n_spreads,)
        Of the normals with the standard deviations `SPREADS`; they sum to 1.
    """

    weights: np.ndarray


def one_sided_p(p: np.ndarray, estimate: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the p of effects in the given direction, from two-sided p.

    Parameters
    ----------
    p, estimate : ndarray of shape (m,)
        Of the second cohort.
    direction : ndarray of shape (m,)
        Its sign is that of the discovery.
    """
    same = np.sign(estimate) == np.sign(direction)
    one: np.ndarray = np.where(same, p / 2, 1 - p / 2)
    return one


def as_normal(p: np.ndarray) -> np.ndarray:
    """Return the size of a standard normal with these two-sided p."""
    z: np.ndarray = -ndtri(np.maximum(p, 1e-300) / 2)
    return z


def estimate_prior(p: np.ndarray) -> Prior:
    """Return the distribution of true effects behind the statistics of all tests of a family.

    Of the hits, the largest of many statistics, estimates are too large (winner's curse). All
    tests together say by how much: as normal values, those without effect have variance 1.

    Parameters
    ----------
    p : ndarray of shape (m,)
        Two-sided; NaN does not count.

    References
    ----------
    Stephens, Biostatistics 18 (2017), for a mixture of normals.
    """
    rounded = np.round(as_normal(p[np.isfinite(p)]) / STEP)
    z, n_tests = np.unique(rounded, return_counts=True)
    z = z * STEP
    variance = 1 + np.square(SPREADS)
    # On the scale of the largest, so that z of 40 do not underflow.
    log_density = -0.5 * (np.log(variance) + z[:, None] ** 2 / variance)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True, initial=-np.inf))
    counts = np.zeros(len(SPREADS))
    counts[0] = NULL_COUNTS
    weights = np.full(len(SPREADS), 1 / len(SPREADS))
    for _ in range(ITERATIONS):
        share = density * weights
        share /= share.sum(axis=1, keepdims=True)
        new = n_tests @ share + counts
        new /= new.sum()
        change = np.abs(new - weights).max()
        weights = new
        if change < TOLERANCE:
            break
    return Prior(weights)


def expected_replication(
    p: np.ndarray,
    t: np.ndarray,
    ratio: np.ndarray,
    df: np.ndarray,
    prior: Prior,
    alpha: float = ALPHA,
) -> np.ndarray:
    """Return the probability that each hypothesis is replicated, given all tests of the discovery.

    How far an estimate is shrunk, and how much it may be off, follows from the prior; p says which
    part of the prior a hypothesis belongs to. In the second cohort its t is noncentral. The mean
    over hypotheses is the rate that power predicts.

    Parameters
    ----------
    p, t : ndarray of shape (m,)
        Of the discovery; p is two-sided.
    ratio : ndarray of shape (m,)
        Standard error in the discovery divided by that in the second cohort.
    df : ndarray of shape (m,)
        Degrees of freedom in the second cohort.
    prior : Prior
    alpha : float
        Largest one-sided p of a replicated hypothesis.
    """
    columns = (np.asarray(values, float)[:, None] for values in (p, np.abs(t), ratio, df))
    p, t, ratio, df = columns
    variance = np.square(SPREADS)
    log_share = -0.5 * (np.log1p(variance) + as_normal(p) ** 2 / (1 + variance))
    share = prior.weights * np.exp(log_share - log_share.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    kept = variance / (1 + variance)
    spread = np.sqrt(1 + kept * ratio**2)
    expected: np.ndarray = (share * _power(t * kept * ratio, df, alpha, spread)).sum(axis=1)
    return expected


def power_at_estimate(
    t: np.ndarray, ratio: np.ndarray, df: np.ndarray, alpha: float = ALPHA
) -> np.ndarray:
    """Return the probability that each hypothesis is replicated, its estimate taken for the truth.

    This is an upper bound: hits are the largest of many estimates, and are too large.

    Parameters
    ----------
    t : ndarray of shape (m,)
        Of the discovery.
    ratio, df, alpha
        As for :func:`expected_replication`.
    """
    t, ratio, df = (np.asarray(values, float) for values in (np.abs(t), ratio, df))
    return _power(t * ratio, df, alpha, np.ones(()))


def _power(mean: np.ndarray, df: np.ndarray, alpha: float, spread: np.ndarray) -> np.ndarray:
    """Return P(T > its 1 - alpha quantile), T a normal of this mean and spread over chi."""
    # All of scipy's distributions take a second to import.
    from scipy.stats import nct

    few = df < MANY
    limit = np.where(few, stdtrit(np.where(few, df, 1.0), 1 - alpha), ndtri(1 - alpha))
    power: np.ndarray = ndtr((mean - limit) / spread)
    # The noncentral t is not known that far out, where power is 1 anyway.
    exact = nct.sf(limit / spread, np.where(few, df, 1.0), np.clip(mean / spread, None, FAR))
    return np.where(few, exact, power)


def sign_concordance(estimate: np.ndarray, direction: np.ndarray) -> tuple[int, int, float]:
    """Return how many effects have the discovery's sign, of how many, and the binomial p.

    p is one-sided, against a half, and takes hypotheses for independent; genes of one network are
    not, so that it is too small.

    Parameters
    ----------
    estimate, direction : ndarray of shape (m,)
        NaN in `estimate` does not count.
    """
    from scipy.stats import binomtest

    tested = np.isfinite(estimate)
    n = int(tested.sum())
    same = int((np.sign(estimate[tested]) == np.sign(direction[tested])).sum())
    p = float(binomtest(same, n, 0.5, "greater").pvalue) if n else np.nan
    return same, n, p


def pi1(p: np.ndarray) -> float:
    """Return the share of hypotheses that are true, by Storey's estimator of the others.

    Parameters
    ----------
    p : ndarray of shape (m,)
        One-sided; NaN does not count.

    Returns
    -------
    float
        1 - min(1, #{p >= 0.5} / (0.5 m)), NaN without p: ``pi0est(p, lambda = 0.5)`` of R's qvalue.

    References
    ----------
    Storey and Tibshirani, PNAS 100 (2003).
    """
    p = p[np.isfinite(p)]
    if not len(p):
        return np.nan
    return float(1 - min(1.0, (p >= LAMBDA).mean() / (1 - LAMBDA)))
