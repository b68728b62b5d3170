"""Tests of a kernel as a whole against a phenotype."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from popnet.stats.designs import Arrangements, Design
from popnet.stats.permutation import STATISTICS_AT_ONCE, TIE

# Eigenvalues below this share of the largest similarity are rounding errors.
ROUNDING = 1e-10


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


def map_gram(similarity: np.ndarray, design: Design) -> np.ndarray:
    """Return the inner products of the observations' positions on the map, (n, n).

    Similarities are averaged over the samples of an observation and centred in feature space. The
    map, in all its dimensions, consists of the positive eigenvalues.

    Parameters
    ----------
    similarity : ndarray of shape (n_samples, n_samples)
        Of the rows that the design was made from.
    design : Design
    """
    weights = design.units.weights
    gram = weights @ (weights @ similarity).T
    if not len(gram):
        return gram
    largest = np.abs(gram).max()
    gram = gram - gram.mean(axis=0)
    gram = gram - gram.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > ROUNDING * largest
    return (vectors[:, kept] * values[kept]) @ vectors[:, kept].T


def permanova(
    gram: np.ndarray,
    design: Design,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None = None,
) -> MapTest:
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
    phenotypes : ndarray of int, shape (n_phenotypes, n), optional
        Of :meth:`popnet.stats.designs.Design.permuted`.

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
    return _pseudo_f(
        gram, group, ungrouped, design.n - 2, design.testable, arrangements, phenotypes
    )


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


def permdisp(
    gram: np.ndarray,
    design: Design,
    arrangements: Arrangements,
    phenotypes: np.ndarray | None = None,
) -> MapTest:
    """Test whether the dispersion of cases and controls on the map differs.

    PERMANOVA is sensitive to the dispersion of groups as well as to their positions. Distances to
    the groups' centroids are compared by analysis of variance, as in scikit-bio with
    ``test="centroid"``; permutations are within blocks.

    Parameters
    ----------
    gram, design, arrangements, phenotypes
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
        return _untested(arrangements, phenotypes)
    observed = dispersion_f(gram, design.outcome[None] == 1)[0]
    if not np.isfinite(observed):
        return _untested(arrangements, phenotypes)
    permuted = [
        dispersion_f(gram, design.outcome[rows] == 1) for rows in _chunks(arrangements, design.n)
    ]
    moved = np.zeros((0, design.n), np.intp) if phenotypes is None else phenotypes
    found = np.append(observed, dispersion_f(gram, design.outcome[moved] == 1))
    p = _ranked(found * (1 - TIE), np.concatenate(permuted), arrangements)
    return MapTest(float(observed), float(p[0]), np.nan, arrangements.n, p[1:])


def dispersion_f(gram: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Return the F statistic of distances to the centroid of the same group, (n_groupings,).

    Parameters
    ----------
    gram : ndarray of shape (n, n)
    cases : bool ndarray of shape (n_groupings, n)
        As many cases in each.
    """
    n, n_groupings = gram.shape[0], len(cases)
    squared = np.empty(cases.shape)
    for group in (cases, ~cases):
        share = group / group.sum(axis=1, keepdims=True)
        to_mean = share @ gram
        centre = np.einsum("ij,ij->i", to_mean, share)
        squared[group] = (np.diagonal(gram) - 2 * to_mean + centre[:, None])[group]
    distance = np.sqrt(np.maximum(squared, 0))
    between, within = np.zeros(n_groupings), (distance**2).sum(axis=1)
    for group in (cases, ~cases):
        size = group.sum(axis=1)
        total = np.where(group, distance, 0).sum(axis=1)
        between += total**2 / size
        within -= total**2 / size
    between -= distance.sum(axis=1) ** 2 / n
    # In groups of two, both members have the same distance to the centroid, up to rounding.
    nothing = within <= TIE * (distance**2).sum(axis=1)
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
