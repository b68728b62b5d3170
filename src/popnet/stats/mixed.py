"""Linear mixed models of many variables that share their variance ratios.

A variable has too few observations to say how much of its variance is due to donors, batches or
depth; all variables together say it well. Each has its own scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular
from scipy.special import nctdtr, stdtr, stdtrit

from popnet.stats.mixed_model import Model, covariance, draws_of, variance_ratios
from popnet.stats.ranks import MIN_PRESENT, patterns
from popnet.stats.variances import moderate, two_sided

# Of what is left of values, where nothing is but rounding.
ROUNDING = 1e-12
# Random effects that are part of how much observations differ.
BETWEEN = ("donor", "bins")
# Columns that are tested at once.
COLUMNS_AT_ONCE = 2**13


def mixed_t(
    values: np.ndarray, model: Model, ratios: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Test every column against the phenotype by generalised least squares and a moderated t.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation; NaN if missing.
    model : Model
    ratios : mapping of name to float, optional
        Of :func:`popnet.stats.mixed_model.variance_ratios`, which finds them in `values`
        otherwise. Where these are uncertain, p is the mean over their `draws`, and t, se, low and
        high are those that belong to it.

    Returns
    -------
    DataFrame of m rows
        ``estimate`` (per unit of the outcome), ``se``, ``low`` and ``high`` (95 % confidence
        interval), ``statistic`` (the partial correlation that belongs to t: t / sqrt(t^2 + d), d
        the residual degrees of freedom), ``t``, ``df`` (with those of the prior), ``p``
        (two-sided), ``n``, ``sd`` (standard deviation of a value between observations: residual,
        donors and bins, but no batches and technical covariates). NaN where nothing varies, more
        than half of the values are missing, or nothing can be tested.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3; Smyth,
    Michaud and Scott, Bioinformatics 21 (2005), for a correlation that all genes share.
    """
    ratios = variance_ratios(values, model) if ratios is None else ratios
    found = _fit(values, model, ratios)
    t, p = found.t, found.p
    with np.errstate(divide="ignore", invalid="ignore"):
        se = known_se = np.abs(found.slope / t)
        if draws := draws_of(ratios):
            p = np.sum([weight * _fit(values, model, one).p for weight, one in draws], axis=0)
            # The smallest p are 0, to which no t belongs.
            t = np.where(p > 0, -np.sign(t) * stdtrit(found.df, p / 2), t)
            # Of an estimate next to nothing, t says nothing of its error.
            se = known_se * np.where(np.abs(t) > 0.01, np.maximum(found.t / t, 1), 1)
    half = stdtrit(found.df, 0.975) * se
    return pd.DataFrame(
        {
            "estimate": found.slope,
            "se": se,
            "low": found.slope - half,
            "high": found.slope + half,
            "statistic": t / np.sqrt(t**2 + found.own_df),
            "t": t,
            "df": found.df,
            "p": p,
            "n": np.isfinite(values).sum(0),
            "sd": known_se / found.error * np.sqrt(_variance_between(model, ratios)),
        }
    )


@dataclass(frozen=True)
class _Fit:
    """Generalised least squares of every column, with ratios that are taken for known.

    Parameters
    ----------
    slope, t, df, own_df : ndarray of shape (m,)
        `df` with the degrees of freedom of the prior, `own_df` without.
    error : ndarray of shape (m,)
        The standard error of the slope where the residual variance is 1.
    """

    slope: np.ndarray
    error: np.ndarray
    t: np.ndarray
    df: np.ndarray
    own_df: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Two-sided p of t."""
        p: np.ndarray = 2 * stdtr(self.df, -np.abs(self.t))
        return p


def _fit(values: np.ndarray, model: Model, ratios: Mapping[str, float]) -> _Fit:
    slope, error, variance, own_df = np.full((4, values.shape[1]), np.nan)
    for part in whitened(values, model, ratios):
        basis, upper = np.linalg.qr(part.regressors)
        projected = basis.T @ part.values
        total = (part.values**2).sum(0)
        varies = total - (projected[:-1] ** 2).sum(0) > ROUNDING * total
        left = part.values - basis @ projected
        # The phenotype is last, so that its slope is alone in the last equation.
        slope[part.columns] = np.where(varies, projected[-1] / upper[-1, -1], np.nan)
        error[part.columns] = 1 / abs(upper[-1, -1])
        variance[part.columns] = np.where(varies, (left**2).sum(0) / part.df, np.nan)
        own_df[part.columns] = np.where(varies, part.df, np.nan)
    t, df = moderate(slope, error, variance, own_df)
    return _Fit(slope, error, t, df, own_df)


def equivalence_p(table: pd.DataFrame, margin: float) -> np.ndarray:
    """Return p of the hypothesis that effects are as large as a margin, or larger.

    The larger p of two one-sided tests. The margin is in standard deviations, which are estimated,
    so that t at the margin has the noncentral t distribution.

    Parameters
    ----------
    table : DataFrame
        Of :func:`mixed_t`.
    margin : float
        In units of ``sd``.

    References
    ----------
    Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority (2010), chapter 6.
    """
    at_margin = (margin * table["sd"] / table["se"]).to_numpy(float)
    t = table["t"].abs().to_numpy(float)
    p: np.ndarray = nctdtr(table["df"].to_numpy(float), at_margin, t)
    return p


def conditional_p(
    values: np.ndarray,
    controls: Sequence[np.ndarray],
    model: Model,
    ratios: Mapping[str, float],
) -> np.ndarray:
    """Return p of every column against the phenotype, given controls that each column has.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    controls : sequence of ndarray of shape (n, m)
        Fixed effects of the same column.
    model : Model
    ratios : mapping of name to float
        Of :func:`popnet.stats.mixed_model.variance_ratios`.

    Returns
    -------
    ndarray of shape (m,)
        By the t distribution of generalised least squares, whose variance is the column's own. NaN
        where nothing is left to test, or more than half of the values or controls are missing.
    """
    p = np.full(values.shape[1], np.nan)
    present = np.isfinite(values)
    for control in controls:
        present &= np.isfinite(control)
    enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * model.n, 1))
    for rows, columns in patterns(present, enough):
        if (found := _factored(model.subset(rows), ratios)) is None:
            continue
        factor, regressors = found
        own = [one[np.ix_(rows, columns)] for one in (values, *controls)]
        cause = np.repeat(regressors[:, -1:], len(columns), axis=1)
        fixed, *white = (
            solve_triangular(factor, np.asarray(one, float), lower=True)
            for one in (regressors[:, :-1], cause, *own)
        )
        basis = np.linalg.qr(fixed)[0]
        outcome, value, *others = (one - basis @ (basis.T @ one) for one in white)
        df = np.full(len(columns), len(factor) - regressors.shape[1])
        directions: list[np.ndarray] = []
        for other in others:
            direction, left = remainder(other, directions)
            directions.append(direction)
            df = df - left
        outcome, has_outcome = remainder(outcome, directions)
        value, has_value = remainder(value, directions)
        r = np.clip((outcome * value).sum(0), -1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = r * np.sqrt(df / (1 - r**2))
            found_p = 2 * stdtr(df, -np.abs(t))
        p[columns] = np.where(has_outcome & has_value & (df > 0), found_p, np.nan)
    return p


def remainder(
    columns: np.ndarray, directions: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is left of columns given others, of length 1, and whether anything is.

    Parameters
    ----------
    columns : ndarray of shape (n, m)
    directions : sequence of ndarray of shape (n, m)
        Orthogonal to each other, column by column, and of length 1 or 0.
    """
    left = columns
    for direction in directions:
        left = left - (left * direction).sum(0) * direction
    length = np.sqrt((left**2).sum(0))
    something = length > 1e-5 * np.sqrt((columns**2).sum(0))
    return np.where(something, left / np.where(something, length, 1), 0), something


def permuted_outcomes(model: Model, ratios: Mapping[str, float], n: int, seed: int) -> np.ndarray:
    """Return phenotypes that only chance connects with any values.

    What fixed effects leave of whitened values has no preferred direction if errors are normal: the
    whitened phenotype is rotated at random within what is orthogonal to the whitened fixed effects.

    Parameters
    ----------
    model : Model
    ratios : mapping of name to float
        Of :func:`popnet.stats.mixed_model.variance_ratios`.
    n : int
        Number of phenotypes.
    seed : int

    Returns
    -------
    ndarray of shape (n, n_observations)
        No rows where nothing can be tested.

    References
    ----------
    Langsrud, Statistics and Computing 15 (2005).
    """
    if (found := free_coordinates(model, ratios)) is None:
        return np.zeros((0, model.n))
    factor, basis, own = found
    return rotated(own, n, np.random.default_rng(seed)) @ (factor @ basis).T


def rotated(own: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a vector turned at random, (n, len(own)): in any direction, of the same length."""
    turned = rng.normal(size=(n, len(own)))
    length = float(np.linalg.norm(own))
    return turned * (length / np.linalg.norm(turned, axis=1, keepdims=True))


def free_coordinates(
    model: Model, ratios: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return where only the phenotype and chance are left, or None where nothing can be tested.

    Parameters
    ----------
    model : Model
    ratios : mapping of name to float
        Of :func:`popnet.stats.mixed_model.variance_ratios`.

    Returns
    -------
    factor : ndarray of shape (n, n)
        The Cholesky factor of V: values multiplied by its inverse are whitened.
    basis : ndarray of shape (n, n - k)
        Orthonormal, and orthogonal to the k whitened fixed effects.
    own : ndarray of shape (n - k,)
        The whitened phenotype in this basis.
    """
    if (found := _factored(model, ratios)) is None:
        return None
    factor, regressors = found
    white = solve_triangular(factor, regressors, lower=True)
    basis = np.linalg.qr(white[:, :-1], mode="complete")[0][:, white.shape[1] - 1 :]
    return factor, basis, basis.T @ white[:, -1]


def permuted_t(
    values: np.ndarray,
    model: Model,
    ratios: Mapping[str, float],
    outcomes: np.ndarray,
    below: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Test every column against other phenotypes, each time with a prior of its own.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    model : Model
    ratios : mapping of name to float
        Of :func:`popnet.stats.mixed_model.variance_ratios`.
    outcomes : ndarray of shape (n_outcomes, n)
        Of :func:`permuted_outcomes`.
    below : float
        A larger p is not needed, and given as 1.

    Returns
    -------
    t, p : ndarray of shape (n_outcomes, m)
        t of the ratios as they are estimated, p as in :func:`mixed_t`.
    """
    t, p = _known_permuted_t(values, model, ratios, outcomes, below)
    if draws := draws_of(ratios):
        p = np.zeros_like(p)
        for weight, one in draws:
            p += weight * _known_permuted_t(values, model, one, outcomes)[1]
    return t, p


def _known_permuted_t(
    values: np.ndarray,
    model: Model,
    ratios: Mapping[str, float],
    outcomes: np.ndarray,
    below: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`permuted_t` as if the ratios were known."""
    m = values.shape[1]
    slope, error, variance = np.full((3, len(outcomes), m), np.nan)
    own_df = np.full(m, np.nan)
    for part in whitened(values, model, ratios, outcomes):
        basis = np.linalg.qr(part.regressors[:, :-1])[0]
        left, causes = (own - basis @ (basis.T @ own) for own in (part.values, part.outcomes))
        size, total = (causes**2).sum(0)[:, None], (left**2).sum(0)
        # In the rows that have values, fixed effects may say all of a phenotype.
        size[size[:, 0] <= ROUNDING * (part.outcomes**2).sum(0)] = np.nan
        varies = total > ROUNDING * (part.values**2).sum(0)
        found = causes.T @ left / size
        slope[:, part.columns] = np.where(varies, found, np.nan)
        unexplained = np.maximum(total - size * found**2, 0) / part.df
        variance[:, part.columns] = np.where(varies, unexplained, np.nan)
        error[:, part.columns] = 1 / np.sqrt(size)
        own_df[part.columns] = np.where(varies, part.df, np.nan)
    t, p = np.full((2, len(outcomes), m), np.nan)
    for run in range(len(outcomes)):
        t[run], total_df = moderate(slope[run], error[run], variance[run], own_df)
        p[run] = two_sided(t[run], total_df, below)
    return t, p


@dataclass(frozen=True)
class Whitened:
    """Columns with the same missing values, multiplied by the inverse Cholesky factor of V.

    Parameters
    ----------
    columns : ndarray of int, of shape (n_columns,)
    regressors : ndarray of shape (n, k)
        The phenotype is last.
    outcomes : ndarray of shape (n, n_outcomes)
    values : ndarray of shape (n, n_columns)
    df : int
        Residual degrees of freedom.
    """

    columns: np.ndarray
    regressors: np.ndarray
    outcomes: np.ndarray
    values: np.ndarray
    df: int


def whitened(
    values: np.ndarray,
    model: Model,
    ratios: Mapping[str, float],
    outcomes: np.ndarray | None = None,
) -> Iterator[Whitened]:
    """Yield the columns that can be tested, some at a time."""
    others = np.zeros((model.n, 0)) if outcomes is None else outcomes.T
    whole = _factored(model, ratios)
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        block = np.asarray(values[:, start : start + COLUMNS_AT_ONCE], float)
        present = np.isfinite(block)
        enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * model.n, 1))
        for rows, columns in patterns(present, enough):
            found = whole if rows.all() else _factored(model.subset(rows), ratios)
            if found is None:
                continue
            factor, regressors = found
            k = regressors.shape[1]
            both = np.column_stack([regressors, others[rows], block[np.ix_(rows, columns)]])
            white = solve_triangular(factor, both, lower=True)
            of_outcomes = slice(k, k + others.shape[1])
            yield Whitened(
                start + columns,
                white[:, :k],
                white[:, of_outcomes],
                white[:, of_outcomes.stop :],
                len(white) - k,
            )


def _factored(model: Model, ratios: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the Cholesky factor of V and the regressors, or None where nothing can be tested."""
    regressors = model.regressors()
    if not _testable(model, regressors):
        return None
    return cholesky(covariance(model, ratios), lower=True), regressors


def _testable(model: Model, regressors: np.ndarray) -> bool:
    k = regressors.shape[1]
    return 0 < k < model.n and np.array_equal(regressors[:, -1], model.outcome)


def _variance_between(model: Model, ratios: Mapping[str, float]) -> float:
    """Return the mean variance of an observation, of residual variance 1, by donors and bins."""
    own = {name: model.random[name] for name in BETWEEN if name in model.random}
    variances = covariance(replace(model, random=own), ratios).diagonal()
    return float(variances.mean()) if model.n else math.nan
