"""Linear mixed models of many variables, and the ratios of variances that these share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from scipy.special import ndtri

from popnet.stats.ranks import MIN_PRESENT, patterns

# Ratios to the residual variance are looked for between these, and are 0 below the second.
LARGEST, SMALLEST, NONE = 3e3, 1e-6, 1e-4
# The residual variance of a group over that of the first lies between these.
LEAST_SPREAD, MOST_SPREAD = 0.01, 100
# As many variables and observations say enough of the ratios; the cost grows with the cube of the
# latter.
MOST_VARIABLES, MOST_OBSERVATIONS = 1000, 1000
# Variables among which those with values in the same observations are looked for.
LOOKED_AT = 10 * MOST_VARIABLES
# Steps of the profile likelihood's upper bound.
STEPS = np.geomspace(0.005, 50, 22)
# Fewer variables, or coordinates of a map, leave ratios uncertain, unless observations are many.
FEW_VARIABLES, MANY_OBSERVATIONS = 100, 300
# Likely ratios: how many are tried, of how many the weights must be alike, in how many rounds.
DRAWS, EFFECTIVE_DRAWS, ROUNDS = 64, 12, 6
# Standard deviation of the log ratio of a group before anything is known.
LOG_SPREAD = 2
# Of a draw that does not count.
LEAST_WEIGHT = 1e-3


class Ratios(dict[str, float]):
    """Variance ratios by name, and what else they may be.

    Attributes
    ----------
    draws : tuple of (weight, dict)
        Ratios that the values make likely, with weights of sum 1; empty where ratios are as good as
        known. What is made of a table of ratios, such as ``ratios | {...}``, has none.
    """

    draws: tuple[tuple[float, dict[str, float]], ...] = ()


def draws_of(ratios: Mapping[str, float]) -> tuple[tuple[float, dict[str, float]], ...]:
    """Return the draws of :class:`Ratios`; none of another mapping."""
    return ratios.draws if isinstance(ratios, Ratios) else ()


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


def variance_ratios(values: np.ndarray, model: Model, pooled: bool = False) -> Ratios:
    """Return the variances of random effects, and of groups, over the residual variance.

    By restricted maximum likelihood of all columns together, each with a scale of its own:
    sum over columns of log|V| + log|X'V^-1 X| + df log(rss), with V = D + sum of ratio Z Z'. A
    `bounded` ratio is raised to where the log likelihood of the effective number of independent
    columns falls by 1/2: where an effect acts strongly, the estimate alone adjusts too little.

    A few columns, or a map, of a few observations leave ratios uncertain. A test that took the
    estimate for the truth would call too much, so that there are `draws` of ratios, too: weighted
    by their restricted likelihood (that of the effective number of independent columns, whose
    scales are integrated out), with every share of the variance as likely before, and log ratios of
    groups normal with a standard deviation of `LOG_SPREAD`. None of them is raised.

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
    Ratios
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
        return Ratios(nothing)
    rows, columns = np.flatnonzero(parts[0][0]), parts[0][1]
    columns = columns[_spread(len(columns), most)]
    rows = rows[some_observations(model.subset(rows))]
    part = model.subset(rows)
    likelihood = _Likelihood.of(values[np.ix_(rows, columns)], part, pooled)
    if likelihood is None:
        return Ratios(nothing)
    best = likelihood.maximum()
    raised = best
    for place in (names.index(name) for name in model.bounded if name in names):
        raised = likelihood.raised(raised, place)
    found = Ratios(zip(nothing, map(float, np.where(raised < NONE, 0.0, raised)), strict=True))
    if (pooled or len(columns) < FEW_VARIABLES) and len(rows) < MANY_OBSERVATIONS:
        likely, weights = likelihood.likely(len(names), likelihood.effective(best))
        found.draws = tuple(
            (float(weight), dict(zip(nothing, map(float, one), strict=True)))
            for weight, one in zip(weights, likely, strict=True)
        )
    return found


def _spread(n: int, most: int) -> np.ndarray:
    """Return at most so many of n places, evenly spread."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)


def some_observations(model: Model) -> np.ndarray:
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
        of_values = np.diag(self.base) + np.tensordot(ratios, self.kernels, 1)
        factor = cholesky(of_values, lower=True)
        inverse = cho_solve((factor, True), np.eye(len(of_values)))
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

    def losses(self, ratios: np.ndarray) -> np.ndarray:
        """Return :meth:`loss` for many sets of ratios, (n_sets, n_ratios), without gradients."""
        of_values = np.diag(self.base) + np.tensordot(ratios, self.kernels, 1)
        factor = np.linalg.cholesky(of_values)
        both = np.column_stack([self.regressors, self.values])
        white = np.linalg.solve(factor, np.broadcast_to(both, (len(ratios), *both.shape)))
        k = self.regressors.shape[1]
        basis, upper = np.linalg.qr(white[..., :k])
        left = white[..., k:] - basis @ (basis.transpose(0, 2, 1) @ white[..., k:])
        rss = np.maximum((left**2).sum(axis=1), 1e-300)
        logs = np.log(rss.mean(axis=1) if self.pooled else rss).reshape(len(ratios), -1)
        diagonals = (np.diagonal(one, axis1=1, axis2=2) for one in (factor, upper))
        determinants = sum(2 * np.log(np.abs(one)).sum(axis=1) for one in diagonals)
        found: np.ndarray = (determinants + self.df * logs.mean(axis=1)) / 2
        return found

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

    def likely(self, n_random: int, effective: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ratios, (n, n_ratios), and their weights, (n,): an even grid of what is likely.

        Parameters
        ----------
        n_random : int
            Ratios of random effects, which are first; the others are those of groups.
        effective : float
            Number of independent columns.
        """
        from scipy.stats import qmc

        even = qmc.Sobol(len(self.kernels), scramble=True, seed=0).random(DRAWS)
        low, high = np.full((2, len(self.kernels)), [[0.005], [0.995]])
        for _ in range(ROUNDS):
            places = low + even * (high - low)
            share, spread = places[:, :n_random], places[:, n_random:]
            ratios = np.column_stack([share / (1 - share), np.exp(LOG_SPREAD * ndtri(spread))])
            losses = self.losses(ratios)
            weights = np.exp((losses.min() - losses) * effective)
            weights /= weights.sum()
            if 1 / (weights**2).sum() > EFFECTIVE_DRAWS:
                break
            # The likelihood is narrower than the grid: a finer one where it is large.
            mean = weights @ places
            half = 4 * np.sqrt(weights @ (places - mean) ** 2) + 2 * (high - low) / DRAWS
            low, high = np.maximum(low, mean - half), np.minimum(high, mean + half)
        kept = weights >= LEAST_WEIGHT
        return ratios[kept], weights[kept] / weights[kept].sum()

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


def covariance(model: Model, ratios: Mapping[str, float]) -> np.ndarray:
    """Return V of the observations, (n, n), with residual variance 1 of who is in no group."""
    diagonal = np.ones(model.n)
    for name, members in model.groups.items():
        diagonal[members] = ratios[name]
    found = np.diag(diagonal)
    for name, columns in model.random.items():
        found += ratios[name] * (columns @ columns.T)
    return found
