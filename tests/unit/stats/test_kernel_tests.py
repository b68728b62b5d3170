"""Tests of a kernel against scikit-bio, hyppo, and regressions of every dimension by itself."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hyppo.independence import Hsic
from hyppo.tools import compute_kern
from skbio.stats.distance import DistanceMatrix
from skbio.stats.distance import permanova as skbio_permanova
from skbio.stats.distance import permdisp as skbio_permdisp

from popnet.stats.designs import make_design
from popnet.stats.kernel_tests import (
    dispersion_f,
    distance_regression,
    hsic,
    map_gram,
    permanova,
    permdisp,
)


def study(generator, n=24, binary=False, batches=1, covariates=(), effect=0.0, dimensions=5):
    """Return a design of one sample per donor, and samples' similarities (inner products)."""
    names = [f"s {number}" for number in range(n)]
    samples = pd.DataFrame(
        {"donor": names, "batch": [f"b{number % batches}" for number in range(n)]}, index=names
    )
    for name in covariates:
        samples[name] = generator.normal(size=n)
    value = generator.normal(size=n) + sum(samples[name] for name in covariates)
    phenotype = pd.Series(value > np.median(value) if binary else value, index=names).astype(float)
    places = generator.normal(size=(n, dimensions)) + effect * phenotype.to_numpy()[:, None]
    places += 2 * generator.normal(size=(batches, dimensions))[np.arange(n) % batches]
    for name in covariates:
        places[:, 0] += samples[name]
    return make_design(names, samples, phenotype, binary, covariates), places @ places.T


def distances(gram):
    size = np.diagonal(gram)
    squared = np.maximum(size[:, None] + size - 2 * gram, 0)
    np.fill_diagonal(squared, 0)
    return DistanceMatrix(np.sqrt((squared + squared.T) / 2))


def close(p, expected, n_permutations):
    """Both by chance: within four standard errors."""
    error = np.sqrt(2 * max(p * (1 - p), 1 / n_permutations) / n_permutations)
    return abs(p - expected) <= 4 * error


@pytest.mark.parametrize("effect", [0.0, 0.4])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (permanova, skbio_permanova),
        (
            permdisp,
            partial(skbio_permdisp, test="centroid"),
        ),
    ],
)
def test_groups_without_blocks_are_those_of_scikit_bio(ours, theirs, effect):
    design, similarity = study(np.random.default_rng(3), binary=True, effect=effect)
    gram = map_gram(similarity, design)
    found = ours(gram, design, design.arrangements(2000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(
            distances(gram), design.units.phenotype.astype(int), permutations=999, seed=1
        )
    assert found.statistic == pytest.approx(expected["test statistic"])
    assert close(found.p, expected["p-value"], 999)
    assert found.n_permutations == 2000


def test_groups_are_permuted_within_blocks():
    # Case and batch go together but for one pair in each batch: all ways are counted.
    names = list("abcdefgh")
    samples = pd.DataFrame({"donor": names, "batch": ["x"] * 4 + ["y"] * 4}, index=names)
    phenotype = pd.Series([1.0, 1, 1, 0, 0, 0, 0, 1], index=names)
    design = make_design(names, samples, phenotype, True)
    places = np.random.default_rng(0).normal(size=(8, 3))
    gram = map_gram(places @ places.T, design)
    found = permanova(gram, design, design.arrangements(1000, 1))
    dispersion = permdisp(gram, design, design.arrangements(1000, 1))
    statistics = []
    for control in range(4):
        for case in range(4, 8):
            group = np.array([1, 1, 1, 1, 0, 0, 0, 0])
            group[control], group[case] = 0, 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                statistics.append(
                    [
                        skbio_permanova(distances(gram), group, permutations=0)["test statistic"],
                        skbio_permdisp(distances(gram), group, test="centroid", permutations=0)[
                            "test statistic"
                        ],
                    ]
                )
    count = (np.array(statistics) >= np.array([found.statistic, dispersion.statistic]) - 1e-9).sum(
        0
    )
    assert (found.p, dispersion.p) == tuple(count / 16)
    assert found.n_permutations == 16


def regression_f(places, given, outcome):
    """F of regressing every dimension, summed over dimensions."""

    def left(columns):
        return ((places - columns @ np.linalg.lstsq(columns, places, rcond=None)[0]) ** 2).sum()

    full = np.column_stack([given, outcome])
    df = len(places) - np.linalg.matrix_rank(full)
    return (left(given) - left(full)) / (left(full) / df)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("batches", "covariates"), [(1, ()), (1, ("age",)), (2, ("age", "depth"))])
def test_distance_regression_is_that_of_every_dimension(binary, batches, covariates):
    generator = np.random.default_rng(5)
    design, similarity = study(
        generator, binary=binary, batches=batches, covariates=covariates, effect=0.3
    )
    gram = map_gram(similarity, design)
    arrangements = design.arrangements(200, 7)
    found = distance_regression(gram, design, arrangements)
    values, vectors = np.linalg.eigh(gram)
    places = vectors * np.sqrt(np.maximum(values, 0))
    given = np.column_stack([design.blocks[:, None] == np.unique(design.blocks), design.nuisance])
    observed = regression_f(places, given, design.outcome)
    assert found.statistic == pytest.approx(observed)
    residuals = places - given @ np.linalg.lstsq(given, places, rcond=None)[0]
    # Freedman and Lane as they wrote it: residuals go the other way where the outcome stays.
    permuted = []
    for rows in np.concatenate(list(arrangements)):
        back = np.argsort(rows)
        permuted.append(regression_f(residuals[back], given, design.outcome))
    exceeding = (np.array(permuted) >= observed - 1e-9).sum()
    assert found.p == pytest.approx((exceeding + 1) / 201)
    assert found.share == pytest.approx(1 - 1 / (1 + observed / design.df))


def test_of_two_groups_distance_regression_is_permanova():
    design, similarity = study(np.random.default_rng(1), binary=True, effect=0.3)
    gram = map_gram(similarity, design)
    arrangements = design.arrangements(500, 2)
    one = permanova(gram, design, arrangements)
    other = distance_regression(gram, design, arrangements)
    assert (one.statistic, one.p) == pytest.approx((other.statistic, other.p))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_hsic_is_that_of_hyppo(binary, effect):
    design, similarity = study(np.random.default_rng(11), binary=binary, effect=effect)
    gram = map_gram(similarity, design)
    found = hsic(gram, design, design.arrangements(1000, 1))
    outcome = design.outcome[:, None]
    kernel = outcome @ outcome.T if binary else compute_kern(outcome, outcome, "gaussian")[1]
    reference = Hsic(compute_kernel=None, bias=True)
    assert found.statistic == pytest.approx(reference.statistic(gram, kernel))
    generator = np.random.default_rng(2)
    permuted = []
    for _ in range(300):
        rows = generator.permutation(design.n)
        permuted.append(reference.statistic(gram, kernel[np.ix_(rows, rows)]))
    expected = (np.sum(np.array(permuted) >= found.statistic - 1e-9) + 1) / 301
    assert close(found.p, expected, 300)


def test_hsic_sees_what_is_not_a_line():
    generator = np.random.default_rng(4)
    design, _ = study(generator, n=40)
    value = design.units.phenotype
    places = np.column_stack([value**2, generator.normal(size=(40, 2)) / 2])
    gram = map_gram(places @ places.T, design)
    arrangements = design.arrangements(999, 1)
    assert hsic(gram, design, arrangements).p < 0.01
    assert distance_regression(gram, design, arrangements).p > 0.01


def test_hsic_of_a_phenotype_that_mostly_ties():
    names = [f"s{number}" for number in range(12)]
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series([0.0] * 10 + [1.0, 2.0], index=names)
    design = make_design(names, samples, phenotype, False)
    places = np.random.default_rng(0).normal(size=(12, 3))
    found = hsic(map_gram(places @ places.T, design), design, design.arrangements(99, 1))
    assert 0 < found.p <= 1
    assert 0 <= found.statistic <= 1


def test_dispersion_is_seen_and_place_is_not():
    generator = np.random.default_rng(6)
    design, _ = study(generator, n=40, binary=True)
    case = design.units.phenotype[:, None]
    places = generator.normal(size=(40, 4)) * np.where(case == 1, 3, 1)
    gram = map_gram(places @ places.T, design)
    arrangements = design.arrangements(999, 1)
    assert permdisp(gram, design, arrangements).p < 0.01
    places = generator.normal(size=(40, 4)) + case
    gram = map_gram(places @ places.T, design)
    assert permdisp(gram, design, arrangements).p > 0.05
    assert permanova(gram, design, arrangements).p < 0.01


def test_groups_of_two_have_no_dispersion_to_compare():
    gram = np.random.default_rng(0).normal(size=(4, 3))
    cases = np.array([[True, True, False, False]])
    assert np.isnan(dispersion_f(gram @ gram.T, cases)[0])


def test_donors_with_several_samples_are_one_observation():
    names = ["a1", "a2", "b", "c", "d", "e"]
    samples = pd.DataFrame({"donor": list("aabcde"), "batch": ""}, index=names)
    phenotype = pd.Series([1.0, 1, 2, 3, 4, 5], index=names)
    design = make_design(names, samples, phenotype, False)
    places = np.random.default_rng(0).normal(size=(6, 3))
    gram = map_gram(places @ places.T, design)
    of_donor = np.vstack([places[:2].mean(axis=0), places[2:]])
    of_donor -= of_donor.mean(axis=0)
    np.testing.assert_allclose(gram, of_donor @ of_donor.T, atol=1e-12)


def test_the_map_has_no_imaginary_dimensions():
    design, _ = study(np.random.default_rng(0), n=10)
    similarity = np.random.default_rng(1).normal(size=(10, 10))
    gram = map_gram(similarity + similarity.T, design)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    np.testing.assert_allclose(gram.sum(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("binary", [False, True])
def test_chance_alone_where_depth_moves_both(binary):
    p = []
    for seed in range(100):
        design, similarity = study(
            np.random.default_rng(seed), n=16, binary=binary, batches=2, covariates=("depth",)
        )
        gram = map_gram(similarity, design)
        arrangements = design.arrangements(99, seed)
        tests = [distance_regression, hsic]
        p.append([test(gram, design, arrangements).p for test in tests])
    # The 0.1 % and 99.9 % points of the binomial distribution are 0 and 13.
    assert ((np.array(p) <= 0.05).sum(axis=0) <= 13).all()
    assert ((np.array(p) <= 0.5).sum(axis=0) >= 34).all()
