"""Linear mixed models of many variables that share their variance ratios.

A variable has too few observations to say how much of its variance is due to donors, batches or
depth; all variables together say it well. Each has its own scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import nctdtr, stdtr, stdtrit

from popnet.stats.ranks import MIN_PRESENT, patterns
from popnet.stats.variances import moderate, two_sided

# Ratios to the residual variance are looked for between these, and are 0 below the second.
LARGEST, SMALLEST, NONE = 3e3, 1e-6, 1e-4
# The residual variance of a group over that of the first lies between these.
LEAST_SPREAD, MOST_SPREAD = 0.01, 100
# Of what is left of values, where nothing is but rounding.
ROUNDING = 1e-12
# As many variables and observations say enough of the ratios; the cost grows with the cube of the
# latter.
MOST_VARIABLES, MOST_OBSERVATIONS = 1000, 1000
# Variables among which those with values in the same observations are looked for.
LOOKED_AT = 10 * MOST_VARIABLES
# Random effects that are part of how much observations differ.
BETWEEN = ("donor", "bins")
# Columns that are tested at once.
COLUMNS_AT_ONCE = 2**13
# Steps of the profile likelihood's upper bound.
STEPS = np.geomspace(0.005, 50, 22)


@dataclass(frozen=True)
class Model:
    """What explains the values of observations, beside what is their own.

    Parameters
    ----------
    outcome : ndarray of shape (n,)
        The phenotype: 0 and 1, or numbers.
    fixed : ndarray of shape (n, k)
        The intercept and what has fixed effects; columns may depend on each other.
    random : mapping of name to ndarray of shape (n, q)
        Z of random effects: their covariance is Z Z' times a ratio.
    bounded : tuple of str
        Random effects whose ratio is at its upper profile bound (:func:`variance_ratios`).
    groups : mapping of name to bool ndarray of shape (n,)
        Observations that have a residual variance of their own: of a binary phenotype, cases.
    """

    outcome: np.ndarray
    fixed: np.ndarray
    random: Mapping[str, np.ndarray]
    bounded: tuple[str, ...] = ()
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of observations."""
        return len(self.outcome)

    def donors(self) -> np.ndarray:
        """Return the donor of every observation, as numbers from 0; each its own without donors."""
        shares = self.random.get("donor")
        return np.arange(self.n) if shares is None else shares.argmax(axis=1)

    def subset(self, rows: np.ndarray) -> Model:
        """Return the model of some observations."""
        return replace(
            self,
            outcome=self.outcome[rows],
            fixed=self.fixed[rows],
            random={name: columns[rows] for name, columns in self.random.items()},
            groups={name: members[rows] for name, members in self.groups.items()},
        )

    def regressors(self) -> np.ndarray:
        """Return a basis of the fixed effects, and what is left of the phenotype, (n, rank + 1).

        The last column is the phenotype itself; without it where fixed effects say all of it.
        """
        left, size, _ = np.linalg.svd(self.fixed, full_matrices=False)
        basis = left[:, size > 1e-8 * max(size.max(initial=0), 1e-300)]
        rest = self.outcome - basis @ (basis.T @ self.outcome)
        if (rest**2).sum() <= 1e-10 * (self.outcome**2).sum():
            return basis
        return np.column_stack([basis, self.outcome])


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
        Of :func:`variance_ratios`, which finds them in `values` otherwise.

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
    t, total_df = moderate(slope, error, variance, own_df)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.abs(slope / t)
    half = stdtrit(total_df, 0.975) * se
    return pd.DataFrame(
        {
            "estimate": slope,
            "se": se,
            "low": slope - half,
            "high": slope + half,
            "statistic": t / np.sqrt(t**2 + own_df),
            "t": t,
            "df": total_df,
            "p": 2 * stdtr(total_df, -np.abs(t)),
            "n": np.isfinite(values).sum(0),
            "sd": se / error * np.sqrt(_variance_between(model, ratios)),
        }
    )


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
        Of :func:`variance_ratios`.

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
        Of :func:`variance_ratios`.
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
        Of :func:`variance_ratios`.

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
        Of :func:`variance_ratios`.
    outcomes : ndarray of shape (n_outcomes, n)
        Of :func:`permuted_outcomes`.
    below : float
        A larger p is not needed, and given as 1.

    Returns
    -------
    t, p : ndarray of shape (n_outcomes, m)
        As in :func:`mixed_t`.
    """
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
    return cholesky(_covariance(model, ratios), lower=True), regressors


def _testable(model: Model, regressors: np.ndarray) -> bool:
    k = regressors.shape[1]
    return 0 < k < model.n and np.array_equal(regressors[:, -1], model.outcome)


def variance_ratios(values: np.ndarray, model: Model, pooled: bool = False) -> dict[str, float]:
    """Return the variances of random effects, and of groups, over the residual variance.

    By restricted maximum likelihood of all columns together, each with a scale of its own:
    sum over columns of log|V| + log|X'V^-1 X| + df log(rss), with V = D + sum of ratio Z Z'. A
    `bounded` ratio is raised to where the log likelihood of the effective number of independent
    columns falls by 1/2: where an effect acts strongly, the estimate alone adjusts too little.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        The largest part of the columns that have values in the same observations is looked at; of
        a large table at most `MOST_VARIABLES` columns, and about `MOST_OBSERVATIONS` observations,
        donors as a whole.
    model : Model
    pooled : bool
        All columns have one scale, so that those of large variance count more: the columns are
        coordinates of a map, whose rotation is arbitrary. All of them are looked at.

    Returns
    -------
    dict
        By the name of the random effect, and by that of a group: its residual variance over that
        of the observations of no group. 0 (of a group 1) where nothing can be known.
    """
    most = values.shape[1] if pooled else MOST_VARIABLES
    values = values[:, _spread(values.shape[1], LOOKED_AT if most == MOST_VARIABLES else most)]
    names = list(model.random)
    nothing = dict.fromkeys(names, 0.0) | dict.fromkeys(model.groups, 1.0)
    present = np.isfinite(values)
    enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * model.n, 1))
    parts = sorted(patterns(present, enough), key=lambda part: -len(part[1]))
    if not parts or not nothing:
        return nothing
    rows, columns = np.flatnonzero(parts[0][0]), parts[0][1]
    columns = columns[_spread(len(columns), most)]
    rows = rows[_some_observations(model.subset(rows))]
    part = model.subset(rows)
    likelihood = _Likelihood.of(values[np.ix_(rows, columns)], part, pooled)
    if likelihood is None:
        return nothing
    found = likelihood.maximum()
    for place in (names.index(name) for name in model.bounded if name in names):
        found = likelihood.raised(found, place)
    found = np.where(found < NONE, 0.0, found)
    return dict(zip(nothing, map(float, found), strict=True))


def _spread(n: int, most: int) -> np.ndarray:
    """Return at most so many of n places, evenly spread."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)


def _some_observations(model: Model) -> np.ndarray:
    """Return row numbers: all, or those of random donors where there are too many."""
    if model.n <= MOST_OBSERVATIONS:
        return np.arange(model.n)
    code = model.donors()
    order = np.random.default_rng(0).permutation(code.max() + 1)
    size = np.bincount(code)[order].cumsum()
    chosen = order[: np.searchsorted(size, MOST_OBSERVATIONS) + 1]
    return np.flatnonzero(np.isin(code, chosen))


@dataclass(frozen=True)
class _Likelihood:
    """The restricted likelihood of ratios, given columns of length 1.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    regressors : ndarray of shape (n, k)
    base : ndarray of shape (n,)
        Residual variances that do not depend on ratios.
    kernels : ndarray of shape (n_ratios, n, n)
    limits : list of (smallest, largest)
        Of each log ratio.
    pooled : bool
        Columns have one scale, and lengths as they are.
    """

    values: np.ndarray
    regressors: np.ndarray
    base: np.ndarray
    kernels: np.ndarray
    limits: list[tuple[float, float]]
    pooled: bool

    @classmethod
    def of(cls, values: np.ndarray, model: Model, pooled: bool) -> _Likelihood | None:
        """Return the likelihood, or None where there is nothing to learn from."""
        regressors = model.regressors()
        basis = np.linalg.qr(regressors)[0]
        left = values - basis @ (basis.T @ values)
        size = np.sqrt((left**2).sum(0))
        varies = size > 1e-6 * np.sqrt(((values - values.mean(0)) ** 2).sum(0))
        if pooled and len(size):
            size = np.full_like(size, np.sqrt((size**2).mean()))
        if not varies.any() or model.n - regressors.shape[1] < 2:
            return None
        kernels = [columns @ columns.T for columns in model.random.values()]
        base = np.ones(model.n)
        limits = [(math.log(SMALLEST), math.log(LARGEST))] * len(kernels)
        for members in model.groups.values():
            base[members] = 0
            kernels.append(np.diag(members.astype(float)))
            limits.append((math.log(LEAST_SPREAD), math.log(MOST_SPREAD)))
        scaled = left[:, varies] / size[varies]
        return cls(scaled, regressors, base, np.array(kernels), limits, pooled)

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return len(self.values) - self.regressors.shape[1]

    def parts(self, ratios: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the log determinants, P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, and P values."""
        covariance = np.diag(self.base) + np.tensordot(ratios, self.kernels, 1)
        factor = cholesky(covariance, lower=True)
        inverse = cho_solve((factor, True), np.eye(len(covariance)))
        of_fixed = inverse @ self.regressors
        information = self.regressors.T @ of_fixed
        project = inverse - of_fixed @ np.linalg.solve(information, of_fixed.T)
        determinants = 2 * np.log(factor.diagonal()).sum() + np.linalg.slogdet(information)[1]
        return float(determinants), project, project @ self.values

    def loss(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return minus the mean log likelihood of a column, and its gradient by log ratios."""
        ratios = np.exp(logs)
        determinants, project, projected = self.parts(ratios)
        rss = self.squares(projected)
        mean = (projected / rss) @ projected.T * (self.df / self.values.shape[1])
        gradient = ((project - mean) * self.kernels).sum(axis=(1, 2)) * ratios / 2
        return (determinants + self.df * float(np.log(rss).mean())) / 2, gradient

    def squares(self, projected: np.ndarray) -> np.ndarray:
        """Return the residual sum of squares of columns, the mean one of all where pooled."""
        rss = np.maximum((self.values * projected).sum(0), 1e-300)
        return np.full_like(rss, rss.mean()) if self.pooled else rss

    def maximum(self) -> np.ndarray:
        """Return the ratios of the largest likelihood, from two starts."""
        found = [
            minimize(self.loss, np.full(len(self.kernels), start), jac=True, bounds=self.limits)
            for start in (-1.0, -4.0)
        ]
        ratios: np.ndarray = np.exp(min(found, key=lambda one: float(one.fun)).x)
        return ratios

    def raised(self, ratios: np.ndarray, place: int) -> np.ndarray:
        """Return the ratios with one at its upper profile bound."""
        lowest, tried = self.loss(np.log(ratios))[0], ratios.copy()
        many = self.effective(ratios)
        scale = max(1.0, np.delete(ratios, place).max(initial=0))
        raised = ratios.copy()
        for step in STEPS[STEPS * scale > ratios[place]]:
            tried[place] = step * scale
            if (self.loss(np.log(tried))[0] - lowest) * many > 0.5:
                break
            raised = tried.copy()
        return raised

    def effective(self, ratios: np.ndarray) -> float:
        """Return how many independent columns there are, by their mean squared correlation."""
        projected, m = self.parts(ratios)[2], self.values.shape[1]
        if self.pooled:
            inner = self.values.T @ projected
            return float(np.trace(inner) ** 2 / (inner**2).sum())
        # The sum of squared correlations of the columns in the metric P.
        rss = np.maximum((self.values * projected).sum(0), 1e-300)
        together = (projected / rss) @ self.values.T
        mean = ((together * together.T).sum() - m) / max(m * (m - 1), 1)
        return 1 / (1 / m + max(mean - 1 / self.df, 1e-6))


def _variance_between(model: Model, ratios: Mapping[str, float]) -> float:
    """Return the mean variance of an observation, of residual variance 1, by donors and bins."""
    own = {name: model.random[name] for name in BETWEEN if name in model.random}
    variances = _covariance(replace(model, random=own), ratios).diagonal()
    return float(variances.mean()) if model.n else math.nan


def _covariance(model: Model, ratios: Mapping[str, float]) -> np.ndarray:
    """Return V of the observations, (n, n), with residual variance 1 of who is in no group."""
    diagonal = np.ones(model.n)
    for name, members in model.groups.items():
        diagonal[members] = ratios[name]
    covariance = np.diag(diagonal)
    for name, columns in model.random.items():
        covariance += ratios[name] * (columns @ columns.T)
    return covariance
