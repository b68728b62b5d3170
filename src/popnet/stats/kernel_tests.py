"""Tests of a kernel as a whole against a phenotype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial.distance import pdist, squareform

from popnet.stats.designs import Arrangements, Design
from popnet.stats.mixed import free_coordinates, rotated
from popnet.stats.mixed_model import Model, Ratios, draws_of, some_observations, variance_ratios
from popnet.stats.permutation import STATISTICS_AT_ONCE, TIE
from popnet.stats.units import Units

# Eigenvalues below this share of the largest similarity are rounding errors.
ROUNDING = 1e-10
# Observations of which all eigenvectors are more than a job can wait for.
MANY = 2000
# Steps towards a spatial median.
MEDIAN_STEPS = 1000


@dataclass(frozen=True)
class MapTest:
    """Result of a test of the whole map.

    Parameters
    ----------
    statistic : float
        NaN, like `p`, if nothing can be tested.
    p : float
    share : float
        Share of the map's variance (given blocks and covariates) that the phenotype explains; NaN
        for tests without such a share.
    n_permutations : int
    by_chance : ndarray of shape (n_phenotypes,)
        The p with each permuted phenotype.
    """

    statistic: float
    p: float
    share: float
    n_permutations: int
    by_chance: np.ndarray


def map_gram(similarity: np.ndarray, over: Units) -> np.ndarray:
    """Return the inner products of the observations' positions on the map, (n, n).

    Similarities are averaged over the samples of an observation and centred in feature space. The
    map, in all its dimensions, consists of the positive eigenvalues; of more than `MANY`
    observations, whose eigenvalues take hours, of the negative ones, too, which are small.

    Parameters
    ----------
    similarity : ndarray of shape (n_samples, n_samples)
        Of the rows that the units were made from.
    over : Units
        Whose observations are wanted.
    """
    gram = over.weights @ (over.weights @ similarity).T
    if not len(gram):
        return gram
    largest = np.abs(gram).max()
    gram = gram - gram.mean(axis=0)
    gram = gram - gram.mean(axis=1, keepdims=True)
    if len(gram) > MANY:
        return (gram + gram.T) / 2
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > ROUNDING * largest
    return (vectors[:, kept] * values[kept]) @ vectors[:, kept].T


def mixed_regression(
    gram: np.ndarray,
    model: Model,
    ratios: Mapping[str, float],
    n_permutations: int,
    seed: int,
    n_phenotypes: int = 0,
) -> MapTest:
    """Test whether positions on the map depend on the phenotype, by a linear mixed model.

    Multivariate generalised least squares of all dimensions of the map. With a residual variance of
    cases and one of controls this is the answer to groups of unequal spread that Anderson's F2
    gives, with random effects and covariates. The whitened phenotype is turned at random within
    what fixed effects leave (:func:`popnet.stats.mixed.permuted_outcomes`).

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        See :func:`map_gram`, over the observations of the model.
    model : Model
    ratios : mapping of name to float
        Of :func:`map_ratios`. p is that of rotations with each of their `draws`.
    n_permutations, seed : int
        Random rotations.
    n_phenotypes : int
        How many further rotated phenotypes are tested, too.

    Returns
    -------
    MapTest
        `statistic` is the partial pseudo-F of the whitened map.

    References
    ----------
    Anderson et al., Australian and New Zealand Journal of Statistics 59 (2017), for F2; Langsrud,
    Statistics and Computing 15 (2005).
    """
    known = _Rotations.of(gram, model, ratios)
    if known is None:
        nothing = np.full(n_phenotypes, np.nan)
        return MapTest(np.nan, np.nan, np.nan, n_permutations, nothing)
    rng, observed = np.random.default_rng(seed), known.observed
    f = observed / max(1 - observed, 1e-12) * (len(known.own) - 1)
    null = np.sort(known.shares(n_permutations, rng))
    by_chance = known.shares(n_phenotypes, rng)
    larger = n_permutations - np.searchsorted(null, np.append(observed, by_chance) - TIE)
    if draws := draws_of(ratios):
        # As many rotations of each as it has weight, up to rounding.
        ends = np.rint(n_permutations * np.cumsum([weight for weight, _ in draws])).astype(int)
        larger[0] = 0
        for (_, one), n in zip(draws, np.diff(ends, prepend=0), strict=True):
            if n and (of_draw := _Rotations.of(gram, model, one)) is not None:
                larger[0] += (of_draw.shares(int(n), rng) >= of_draw.observed - TIE).sum()
    p = (larger + 1) / (n_permutations + 1)
    return MapTest(f, float(p[0]), observed, n_permutations, p[1:])


@dataclass(frozen=True)
class _Rotations:
    """A whitened map, and the phenotype that is turned within what fixed effects leave of it.

    Parameters
    ----------
    kernel : ndarray of shape (n - k, n - k)
    own : ndarray of shape (n - k,)
    """

    kernel: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, gram: np.ndarray, model: Model, ratios: Mapping[str, float]) -> _Rotations | None:
        """Return them, or None where nothing can be tested."""
        found = free_coordinates(model, ratios)
        if found is None or not np.trace(gram) > 0:
            return None
        factor, basis, own = found
        half = solve_triangular(factor, gram, lower=True)
        return cls(basis.T @ solve_triangular(factor, half.T, lower=True) @ basis, own)

    @property
    def observed(self) -> float:
        """The share of the map that the phenotype explains."""
        return float(self._explained(self.own[None])[0])

    def shares(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the shares that n turned phenotypes explain, (n,)."""
        parts, at_once = [np.zeros(0)], max(1, STATISTICS_AT_ONCE // len(self.own))
        for start in range(0, n, at_once):
            parts.append(self._explained(rotated(self.own, min(at_once, n - start), rng)))
        return np.concatenate(parts)

    def _explained(self, phenotypes: np.ndarray) -> np.ndarray:
        along = ((phenotypes @ self.kernel) * phenotypes).sum(axis=1)
        found: np.ndarray = along / (self.own @ self.own * np.trace(self.kernel))
        return found


def map_ratios(gram: np.ndarray, model: Model) -> Ratios:
    """Return the variance ratios of positions on a map, whatever its rotation.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        See :func:`map_gram`, over the observations of the model.
    model : Model
    """
    rows = some_observations(model)
    part = coordinates(gram[np.ix_(rows, rows)])
    return variance_ratios(part, model.subset(rows), pooled=True)


def coordinates(gram: np.ndarray) -> np.ndarray:
    """Return positions whose inner products are `gram`, (n, n_dimensions)."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > ROUNDING * np.abs(values).max(initial=0)
    return vectors[:, kept] * np.sqrt(values[kept])


def permanova(gram: np.ndarray, design: Design, arrangements: Arrangements) -> MapTest:
    """Test whether cases and controls have different positions on the map.

    The statistic is that of the groups, as in scikit-bio, without adjustment for covariates.
    Permutations are within blocks.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        See :func:`map_gram`.
    design : Design
        Of a binary phenotype, :meth:`Design.without_covariates`.
    arrangements : Arrangements
        Of this design.

    Returns
    -------
    MapTest
        `statistic` is the pseudo-F.

    References
    ----------
    Anderson, Austral Ecology 26 (2001).
    """
    group = design.outcome - design.outcome.mean()
    ungrouped = np.zeros((design.n, 0))
    return _pseudo_f(gram, group, ungrouped, design.n - 2, design.testable, arrangements, None)


def distance_regression(
    gram: np.ndarray,
    design: Design,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None = None,
) -> MapTest:
    """Test whether positions on the map depend on the phenotype, given blocks and covariates.

    Multivariate regression of all dimensions of the map on the phenotype's scores, computed from
    squared distances, with Freedman-Lane permutations.

    Parameters
    ----------
    gram, design, arrangements, phenotypes
        As in :func:`permanova`; the design with its covariates.

    Returns
    -------
    MapTest
        `statistic` is the partial pseudo-F.

    References
    ----------
    McArdle and Anderson, Ecology 82 (2001).
    """
    return _pseudo_f(
        _given(gram, design),
        design.residual,
        design.nuisance,
        design.df,
        design.testable,
        arrangements,
        phenotypes,
    )


def hsic(
    gram: np.ndarray,
    design: Design,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None = None,
) -> MapTest:
    """Test whether the map depends on the phenotype in any way, given blocks and covariates.

    Hilbert-Schmidt independence criterion of the map and a kernel of the phenotype. The kernel is 1
    for equal groups and 0 otherwise, or, for the residuals of scores given blocks and covariates,
    Gaussian with the median distance as width. Both kernels are adjusted for blocks and covariates.

    Parameters
    ----------
    gram, design, arrangements, phenotypes
        As in :func:`permanova`; the design with its covariates.

    Returns
    -------
    MapTest
        `statistic` is normalised to lie between 0 and 1, as hyppo's biased estimate.

    References
    ----------
    Gretton et al., Advances in Neural Information Processing Systems 20 (2007).
    """
    if not design.testable:
        return _untested(arrangements, phenotypes)
    kernel = _given(gram, design)
    features = design.residuals(phenotype_features(design))
    observed = (features * (kernel @ features)).sum()
    scale = np.linalg.norm(kernel) * np.linalg.norm(features.T @ features)
    if not scale > 0:
        return _untested(arrangements, phenotypes)
    p, by_chance = _exceeding_p(kernel, features, design.nuisance, arrangements, phenotypes)
    statistic = float(np.sqrt(max(observed, 0) / scale))
    return MapTest(statistic, p, np.nan, arrangements.n, by_chance)


def phenotype_features(design: Design) -> np.ndarray:
    """Return vectors whose inner products are the phenotype's kernel of :func:`hsic`, (n, k)."""
    if design.binary:
        return design.outcome[:, None] - design.outcome.mean()
    apart = pdist(design.residual[:, None])
    width = np.median(apart)
    # More than half of all pairs may tie.
    width = width if width > 0 else np.median(apart[apart > 0])
    values, vectors = np.linalg.eigh(np.exp(-squareform(apart**2) / (2 * width**2)))
    kept = values > ROUNDING * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def permdisp(gram: np.ndarray, design: Design, arrangements: Arrangements) -> MapTest:
    """Test whether the dispersion of cases and controls on the map differs.

    PERMANOVA is sensitive to the dispersion of groups as well as to their positions. Distances to
    the spatial medians of the groups are compared by analysis of variance, whose residuals are
    permuted within blocks, as ``betadisper`` and ``permutest`` of R's vegan do.

    Parameters
    ----------
    gram, design, arrangements
        As in :func:`permanova`.

    Returns
    -------
    MapTest
        `statistic` is F.

    References
    ----------
    Anderson, Biometrics 62 (2006).
    """
    if not design.testable or design.n < 3:
        return _untested(arrangements, None)
    case = design.outcome == 1
    distance = np.empty(design.n)
    for group in (case, ~case):
        distance[group] = distances_to_median(gram[np.ix_(group, group)])
    observed = dispersion_f(distance, case[None])[0]
    if not np.isfinite(observed):
        return _untested(arrangements, None)
    left = distance - np.where(case, distance[case].mean(), distance[~case].mean())
    permuted = [dispersion_f(left, case[rows]) for rows in _chunks(arrangements, design.n)]
    # Residuals as they are have F = 0, so that the observed one is never among these.
    larger = (np.concatenate(permuted) >= observed * (1 - TIE)).sum()
    p = (larger + 1) / (arrangements.n + 1)
    return MapTest(float(observed), float(p), np.nan, arrangements.n, np.zeros(0))


def distances_to_median(gram: np.ndarray) -> np.ndarray:
    """Return the distance of every position to the spatial median of all, (n,).

    By Weiszfeld's algorithm: the median is a weighted mean of the positions.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        Inner products of the positions.
    """
    own, n = np.diagonal(gram), len(gram)
    weights = np.full(n, 1 / n)
    for _ in range(MEDIAN_STEPS):
        to_centre = gram @ weights
        distance = np.sqrt(np.maximum(own - 2 * to_centre + weights @ to_centre, 0))
        nearer = 1 / np.maximum(distance, 1e-9 * (distance.max() or 1))
        last, weights = weights, nearer / nearer.sum()
        if np.abs(weights - last).max() < 1e-10:
            break
    return distance


def dispersion_f(distances: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Return the F statistic of two groups, (n_groupings,); NaN where nothing varies within.

    Parameters
    ----------
    distances : ndarray of shape (n,)
    cases : bool ndarray of shape (n_groupings, n)
        As many cases in each.
    """
    n = len(distances)
    centred = distances - distances.mean()
    between = np.zeros(len(cases))
    for group in (cases, ~cases):
        between += (group @ centred) ** 2 / group.sum(axis=1)
    within = (centred**2).sum() - between
    # In groups of two, both members have the same distance to the median, up to rounding.
    nothing = within <= TIE * (distances**2).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nothing, np.nan, between / (within / (n - 2)))


def _pseudo_f(
    kernel: np.ndarray,
    outcome: np.ndarray,
    nuisance: np.ndarray,
    df: int,
    testable: bool,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None,
) -> MapTest:
    total = np.trace(kernel)
    if not testable or df < 1 or not total > 0:
        return _untested(arrangements, phenotypes)
    direction = outcome[:, None] / np.linalg.norm(outcome)
    share = float((direction * (kernel @ direction)).sum() / total)
    p, by_chance = _exceeding_p(kernel, direction, nuisance, arrangements, phenotypes)
    return MapTest(share / max(1 - share, 1e-12) * df, p, share, arrangements.n, by_chance)


def _exceeding_p(
    kernel: np.ndarray,
    features: np.ndarray,
    nuisance: np.ndarray,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None,
) -> tuple[float, np.ndarray]:
    """Return the p of the part of the kernel that the features explain, and of permuted ones.

    As in :func:`popnet.stats.permutation.permuted_correlations`, the residual map is permuted and
    regressed again on the covariates, after which less of it may be left to explain.
    """
    total = np.trace(kernel)
    observed = (features * (kernel @ features)).sum() / total
    scale = (features**2).sum()

    def shares(rows: np.ndarray) -> np.ndarray:
        left = total - _along(kernel, nuisance, rows)
        return _along(kernel, features, rows) / np.maximum(left, 1e-12 * total)

    permuted = [shares(rows) for rows in _chunks(arrangements, len(kernel))]
    # Permuted phenotypes have the null distribution of the observed one: their permutations are
    # the same (:func:`popnet.stats.permutation.permutation_test`).
    moved = np.zeros((0, len(kernel)), np.intp) if phenotypes is None else phenotypes
    found = np.append(observed, shares(moved)) - TIE * scale
    p = _ranked(found, np.concatenate(permuted), arrangements)
    return float(p[0]), p[1:]


def _ranked(found: np.ndarray, permuted: np.ndarray, arrangements: Arrangements) -> np.ndarray:
    """Return the p of statistics, by those of all arrangements; NaN of missing ones."""
    known = np.sort(permuted[np.isfinite(permuted)])
    p = arrangements.p(len(known) - np.searchsorted(known, found, side="left"))
    return np.where(np.isfinite(found), p, np.nan)


def _along(kernel: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the part of the kernel along permuted columns, (n_permutations,)."""
    found = np.zeros(len(rows))
    for column in columns.T:
        permuted = column[rows]
        found += np.einsum("ij,ij->i", permuted @ kernel, permuted)
    return found


def _chunks(arrangements: Arrangements, n: int) -> Iterator[np.ndarray]:
    """Yield the arrangements in parts that fit into the memory."""
    at_once = max(1, STATISTICS_AT_ONCE // n)
    for places in arrangements:
        for start in range(0, len(places), at_once):
            yield places[start : start + at_once]


def _untested(arrangements: Arrangements, phenotypes: np.ndarray | None) -> MapTest:
    nothing = np.full(0 if phenotypes is None else len(phenotypes), np.nan)
    return MapTest(np.nan, np.nan, np.nan, arrangements.n, nothing)


def _given(gram: np.ndarray, design: Design) -> np.ndarray:
    """Return the residual map given blocks and covariates."""
    left = design.residuals(design.residuals(gram).T)
    return (left + left.T) / 2
