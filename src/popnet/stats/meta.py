"""Effects of several independent studies, combined gene by gene.

An effect is standardised: in standard deviations of what the study's model leaves of the values.
Units of centrality depend on depth, cells per bin and the genes of a study, so that raw effects of
two studies are not on one scale.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr, ndtri, stdtr, stdtrit

from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.variances import moderate

# Half the width of a 95 % confidence interval, in standard errors of a normal distribution.
NORMAL = float(ndtri(0.975))
# Degrees of freedom from which t is taken for normal.
MANY = 1e6
# The smallest p that is turned into a normal score.
SMALLEST = 1e-300


def combine_studies(t: np.ndarray, df: np.ndarray, spread: np.ndarray) -> pd.DataFrame:
    """Combine the tests of several studies, whose donors are not the same.

    Parameters
    ----------
    t : ndarray of shape (m, n_studies)
        Moderated t statistics; NaN where a study has not tested a gene.
    df : ndarray of shape (m, n_studies)
        Their degrees of freedom; may be infinite.
    spread : ndarray of shape (n_studies,)
        Standard error of a standardised effect of 0: of cases against controls
        sqrt(1 / n_case + 1 / n_control), of a continuous phenotype 1 / sqrt(n).

    Returns
    -------
    DataFrame of m rows
        Of :func:`combine_effects`, for the effects of :func:`standardised_effects`; but `p` and `q`
        are of the weighted normal scores of the studies (Stouffer, Lipták), which are exact where
        no study has an effect, however small the studies are.

    References
    ----------
    Lipták, Magyar Tud. Akad. Mat. Kutató Int. Közl. 3 (1958).
    """
    effects, errors = standardised_effects(t, df, spread)
    table = combine_effects(effects, errors)
    tail = np.maximum(stdtr(np.minimum(df, MANY), -np.abs(t)), SMALLEST)
    scores = np.where(np.isfinite(t), -ndtri(tail) * np.sign(t), 0) / spread
    known = np.isfinite(t) / spread**2
    with np.errstate(invalid="ignore"):
        z = scores.sum(1) / np.sqrt(known.sum(1))
    table["p"] = np.where(table["n_studies"] >= 2, 2 * ndtr(-np.abs(z)), np.nan)
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    return table


def standardised_effects(
    t: np.ndarray, df: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return effects in standard deviations, corrected for few observations, and their errors.

    Parameters
    ----------
    t, df, spread
        As of :func:`combine_studies`.

    Returns
    -------
    effects, errors : ndarray of shape (m, n_studies)
        Hedges' g and its standard error.

    References
    ----------
    Hedges, Journal of Educational Statistics 6 (1981).
    """
    effects = (1 - 3 / (4 * df - 1)) * t * spread
    return effects, np.sqrt(spread**2 + effects**2 / (2 * df))


def combine_effects(effects: np.ndarray, errors: np.ndarray) -> pd.DataFrame:
    """Combine independent estimates of the same effects, by fixed and by random effects.

    With two to five studies the variance between studies of one gene is hardly known. The random
    effects model therefore takes one variance between studies for all genes (DerSimonian and
    Laird's estimator of all genes together). The variance of Hartung and Knapp, which says how far
    a gene's studies differ beside it, is averaged with what all genes suggest (limma's moderated t,
    with the studies as observations).

    Parameters
    ----------
    effects, errors : ndarray of shape (m, n_studies)
        Estimates and their standard errors, in the same units; NaN where a study has none.

    Returns
    -------
    DataFrame of m rows
        n_studies; estimate, low, high (95 %), p, q: fixed effects, weighted by the inverse of the
        variance; random_estimate, random_low, random_high, random_p, random_q; of the
        heterogeneity Cochran's `cochran_q`, heterogeneity_p, heterogeneity_q (Benjamini-Hochberg),
        i2 (0 to 1) and tau2 (DerSimonian and Laird's, of the gene alone). NaN with fewer than two
        studies.

    References
    ----------
    DerSimonian and Laird, Controlled Clinical Trials 7 (1986); Hartung and Knapp, Statistics in
    Medicine 20 (2001); Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004),
    article 3.
    """
    known = np.isfinite(effects) & np.isfinite(errors)
    n_studies = known.sum(1)
    several = n_studies >= 2
    own = np.where(known & several[:, None], effects, 0)
    variance = np.where(known & several[:, None], errors, np.inf) ** 2
    df = np.where(several, n_studies - 1, np.nan)
    estimate, total, deviance = _weighted(own, 1 / variance)
    error = 1 / np.sqrt(total)
    weights = 1 / variance
    with np.errstate(invalid="ignore", divide="ignore"):
        # By how much a variance between studies of 1 raises the deviance.
        rise = total - (weights**2).sum(1) / total
        tau2 = np.maximum(0, (deviance - df) / rise)
        i2 = np.maximum(0, 1 - df / deviance)
    between = max(0.0, float(np.nansum(deviance - df) / (np.nansum(rise) or 1)))
    random, random_total, left = _weighted(own, 1 / (variance + between))
    t, t_df = moderate(random, 1 / np.sqrt(random_total), left / df, df)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = stdtrit(t_df, 0.975) * np.abs(random / t)
    p, random_p, heterogeneity_p = (
        2 * ndtr(-np.abs(estimate / error)),
        2 * stdtr(t_df, -np.abs(t)),
        chdtrc(df, deviance),
    )
    return pd.DataFrame(
        {
            "n_studies": n_studies,
            "estimate": estimate,
            "low": estimate - NORMAL * error,
            "high": estimate + NORMAL * error,
            "p": p,
            "q": benjamini_hochberg(p),
            "random_estimate": random,
            "random_low": random - half,
            "random_high": random + half,
            "random_p": random_p,
            "random_q": benjamini_hochberg(random_p),
            "cochran_q": deviance,
            "heterogeneity_p": heterogeneity_p,
            "heterogeneity_q": benjamini_hochberg(heterogeneity_p),
            "i2": i2,
            "tau2": tau2,
        }
    )


def _weighted(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return weighted means of rows, the sums of the weights, and the weighted squares left."""
    total = weights.sum(1)
    total = np.where(total > 0, total, np.nan)
    mean = (weights * values).sum(1) / total
    return mean, total, (weights * (values - mean[:, None]) ** 2).sum(1)


def effects_of_tests(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the degrees of freedom of tests, and their standard errors, from their intervals.

    Parameters
    ----------
    table : DataFrame with columns estimate, low, high, t
        Of :func:`popnet.stats.mixed.mixed_t`; low and high are the 95 % confidence interval.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (table["estimate"] / table["t"]).abs().to_numpy()
        width = ((table["high"] - table["low"]) / 2).to_numpy() / error
    return _df_of(width), error


def _df_of(width: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of which t has its 97.5 % quantile there, by bisection."""
    low, high = np.zeros(width.shape), np.full(width.shape, np.log(MANY))
    for _ in range(60):
        middle = (low + high) / 2
        wide = stdtrit(np.exp(middle), 0.975) > width
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.where(np.isfinite(width), np.exp((low + high) / 2), np.nan)
