"""Linear mixed models of many variables that share their variance ratios.

A variable has too few observations to say how much of its variance is due to donors, batches or
depth; all variables together say it well. Each has its own scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import stdtr, stdtrit

from popnet.stats.ranks import MIN_PRESENT, patterns
from popnet.stats.variances import moderate

# Ratios to the residual variance are looked for between these, and are 0 below the second.
LARGEST, SMALLEST, NONE = 3e3, 1e-6, 1e-4
# The residual variance of cases over that of the others lies between these.
LEAST_SPREAD, MOST_SPREAD = 0.01, 100
# Of what is left of values, where nothing is but rounding.
ROUNDING = 1e-12
# Fewest variables that say something of the ratios together.
MIN_VARIABLES = 2
# As many variables and observations say enough of the ratios; the cost grows with the cube of the
# latter.
MOST_VARIABLES, MOST_OBSERVATIONS = 1000, 1000
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
    cases : bool ndarray of shape (n,), optional
        Observations that have a residual variance of their own.
    """

    outcome: np.ndarray
    fixed: np.ndarray
    random: Mapping[str, np.ndarray]
    bounded: tuple[str, ...] = ()
    cases: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of observations."""
        return len(self.outcome)

    def subset(self, rows: np.ndarray) -> Model:
        """Return the model of some observations."""
        return replace(
            self,
            outcome=self.outcome[rows],
            fixed=self.fixed[rows],
            random={name: columns[rows] for name, columns in self.random.items()},
            cases=None if self.cases is None else self.cases[rows],
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
        interval), ``t``, ``df`` (with those of the prior), ``p`` (two-sided), ``n``. NaN where
        nothing varies, more than half of the values are missing, or nothing can be tested.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3; Smyth,
    Michaud and Scott, Bioinformatics 21 (2005), for a correlation that all genes share.
    """
    values = np.asarray(values, float)
    ratios = variance_ratios(values, model) if ratios is None else ratios
    slope, error, variance, own_df = np.full((4, values.shape[1]), np.nan)
    for columns, cause, left, df in _whitened(values, model, ratios):
        basis, upper = np.linalg.qr(cause)
        projected = basis.T @ left
        total = (left**2).sum(0)
        varies = total - (projected[:-1] ** 2).sum(0) > ROUNDING * total
        left = left - basis @ projected
        # The phenotype is last, so that its slope is alone in the last equation.
        slope[columns] = np.where(varies, projected[-1] / upper[-1, -1], np.nan)
        error[columns] = 1 / abs(upper[-1, -1])
        variance[columns] = np.where(varies, (left**2).sum(0) / df, np.nan)
        own_df[columns] = np.where(varies, df, np.nan)
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
            "t": t,
            "df": total_df,
            "p": 2 * stdtr(total_df, -np.abs(t)),
            "n": np.isfinite(values).sum(0),
        }
    )


def permuted_p(
    values: np.ndarray, model: Model, ratios: Mapping[str, float], n: int, seed: int
) -> np.ndarray:
    """Return p of every column where only chance connects it with the phenotype.

    What fixed effects leave, decorrelated, is exchangeable: of the whitened values, projected on a
    basis of what is orthogonal to the fixed effects, the phenotype's coordinates are permuted.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    model : Model
    ratios : mapping of name to float
        Of :func:`variance_ratios`.
    n : int
        Number of permutations.
    seed : int

    Returns
    -------
    ndarray of shape (n, m)
        As in :func:`mixed_t`.

    References
    ----------
    Huh and Jhun, Biometrics 57 (2001); Freedman and Lane (1983) for the idea.
    """
    values = np.asarray(values, float)
    m = values.shape[1]
    slope, error, variance = np.full((3, n, m), np.nan)
    own_df = np.full(m, np.nan)
    for columns, causes, white, df in _whitened(values, model, ratios):
        # All but the fixed effects: an orthonormal basis of what is left.
        basis = np.linalg.qr(causes[:, :-1], mode="complete")[0][:, causes.shape[1] - 1 :]
        cause, own = basis.T @ causes[:, -1], basis.T @ white
        rng, size, total = np.random.default_rng(seed), float(cause @ cause), (own**2).sum(0)
        varies = total > ROUNDING * (white**2).sum(0)
        for run in range(n):
            found = rng.permutation(cause) @ own / size
            slope[run, columns] = np.where(varies, found, np.nan)
            unexplained = np.maximum(total - size * found**2, 0) / df
            variance[run, columns] = np.where(varies, unexplained, np.nan)
        error[:, columns], own_df[columns] = 1 / math.sqrt(size), np.where(varies, df, np.nan)
    p = np.full((n, m), np.nan)
    for run in range(n):
        t, total_df = moderate(slope[run], error[run], variance[run], own_df)
        p[run] = 2 * stdtr(total_df, -np.abs(t))
    return p


def _whitened(
    values: np.ndarray, model: Model, ratios: Mapping[str, float]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int]]:
    """Yield columns with the same missing values: their numbers, regressors, values, and df.

    Regressors, of which the phenotype is last, and values are multiplied by the inverse of the
    Cholesky factor of V. Columns that cannot be tested are passed over.
    """
    present = np.isfinite(values)
    enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * model.n, 1))
    for rows, columns in patterns(present, enough):
        part = model if rows.all() else model.subset(rows)
        regressors = part.regressors()
        k = regressors.shape[1]
        if part.n <= k or not k or not np.array_equal(regressors[:, -1], part.outcome):
            continue
        factor = cholesky(_covariance(part, ratios), lower=True)
        both = np.column_stack([regressors, values[np.ix_(rows, columns)]])
        white = solve_triangular(factor, both, lower=True)
        yield columns, white[:, :k], white[:, k:], part.n - k


def variance_ratios(values: np.ndarray, model: Model) -> dict[str, float]:
    """Return the variances of random effects, and of cases, over the residual variance.

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

    Returns
    -------
    dict
        By the name of the random effect; and `cases`, the residual variance of cases over that of
        the others, if the model has cases. 0 (of cases 1) where nothing can be known.
    """
    names = list(model.random)
    nothing = dict.fromkeys(names, 0.0) | ({} if model.cases is None else {"cases": 1.0})
    present = np.isfinite(values)
    enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * model.n, 1))
    parts = sorted(patterns(present, enough), key=lambda part: -len(part[1]))
    if not parts or not nothing:
        return nothing
    rows, columns = np.flatnonzero(parts[0][0]), parts[0][1]
    columns = columns[
        np.linspace(0, len(columns) - 1, min(len(columns), MOST_VARIABLES)).astype(int)
    ]
    rows = rows[_some_observations(model.subset(rows))]
    part = model.subset(rows)
    likelihood = _Likelihood.of(values[np.ix_(rows, columns)], part)
    if likelihood is None:
        return nothing
    found = likelihood.maximum()
    for place in (names.index(name) for name in model.bounded if name in names):
        found = likelihood.raised(found, place)
    found = np.where(found < NONE, 0.0, found)
    return dict(zip(nothing, map(float, found), strict=True))


def _some_observations(model: Model) -> np.ndarray:
    """Return row numbers: all, or those of random donors where there are too many."""
    if model.n <= MOST_OBSERVATIONS:
        return np.arange(model.n)
    donors = model.random.get("donor")
    code = np.arange(model.n) if donors is None else donors.argmax(axis=1)
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
    """

    values: np.ndarray
    regressors: np.ndarray
    base: np.ndarray
    kernels: np.ndarray
    limits: list[tuple[float, float]]

    @classmethod
    def of(cls, values: np.ndarray, model: Model) -> _Likelihood | None:
        """Return the likelihood, or None where there is nothing to learn from."""
        regressors = model.regressors()
        basis = np.linalg.qr(regressors)[0]
        left = values - basis @ (basis.T @ values)
        size = np.sqrt((left**2).sum(0))
        varies = size > 1e-6 * np.sqrt(((values - values.mean(0)) ** 2).sum(0))
        if varies.sum() < MIN_VARIABLES or model.n - regressors.shape[1] < 2:
            return None
        kernels = [columns @ columns.T for columns in model.random.values()]
        base = np.ones(model.n)
        limits = [(math.log(SMALLEST), math.log(LARGEST))] * len(kernels)
        if model.cases is not None:
            base = (~model.cases).astype(float)
            kernels.append(np.diag(model.cases.astype(float)))
            limits.append((math.log(LEAST_SPREAD), math.log(MOST_SPREAD)))
        return cls(left[:, varies] / size[varies], regressors, base, np.array(kernels), limits)

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
        rss = np.maximum((self.values * projected).sum(0), 1e-300)
        mean = (projected / rss) @ projected.T * (self.df / self.values.shape[1])
        gradient = ((project - mean) * self.kernels).sum(axis=(1, 2)) * ratios / 2
        return (determinants + self.df * float(np.log(rss).mean())) / 2, gradient

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
        # The sum of squared correlations of the columns in the metric P.
        rss = np.maximum((self.values * projected).sum(0), 1e-300)
        together = (projected / rss) @ self.values.T
        mean = ((together * together.T).sum() - m) / max(m * (m - 1), 1)
        return 1 / (1 / m + max(mean - 1 / self.df, 1e-6))


def _covariance(model: Model, ratios: Mapping[str, float]) -> np.ndarray:
    """Return V of the observations, (n, n), with residual variance 1 of who is no case."""
    diagonal = np.ones(model.n)
    if model.cases is not None:
        diagonal[model.cases] = ratios["cases"]
    covariance = np.diag(diagonal)
    for name, columns in model.random.items():
        covariance += ratios[name] * (columns @ columns.T)
    return covariance
