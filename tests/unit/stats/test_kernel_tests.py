"""Tests of a kernel against scikit-bio, hyppo, and regressions of every dimension by itself."""

from __future__ import annotations

import warnings
from functools import partial
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hyppo.independence import Hsic
from hyppo.tools import compute_kern
from skbio.stats.distance import DistanceMatrix
from skbio.stats.distance import permanova as skbio_permanova
from skbio.stats.distance import permdisp as skbio_permdisp

from popnet.stats import kernel_tests, mixed_model
from popnet.stats.designs import make_design
from popnet.stats.kernel_tests import (
    dispersion_f,
    distance_regression,
    distances_to_median,
    hsic,
    map_gram,
    map_ratios,
    mixed_regression,
    permanova,
    permdisp,
)
from popnet.stats.mixed_designs import make_mixed_design


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
            partial(skbio_permdisp, test="median"),
        ),
    ],
)
def test_groups_without_blocks_are_those_of_scikit_bio(ours, theirs, effect):
    design, similarity = study(np.random.default_rng(3), binary=True, effect=effect)
    gram = map_gram(similarity, design.units)
    found = ours(gram, design, design.arrangements(2000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(
            distances(gram), design.units.phenotype.astype(int), permutations=999, seed=1
        )
    assert found.statistic == pytest.approx(expected["test statistic"], rel=1e-3)
    assert close(found.p, expected["p-value"], 999)
    assert found.n_permutations == 2000


def test_groups_are_permuted_within_blocks():
    # Case and batch go together but for one pair in each batch: all ways are counted.
    names = list("abcdefgh")
    samples = pd.DataFrame({"donor": names, "batch": ["x"] * 4 + ["y"] * 4}, index=names)
    phenotype = pd.Series([1.0, 1, 1, 0, 0, 0, 0, 1], index=names)
    design = make_design(names, samples, phenotype, True)
    places = np.random.default_rng(0).normal(size=(8, 3))
    gram = map_gram(places @ places.T, design.units)
    found = permanova(gram, design, design.arrangements(1000, 1))
    statistics = []
    for control in range(4):
        for case in range(4, 8):
            group = np.array([1, 1, 1, 1, 0, 0, 0, 0])
            group[control], group[case] = 0, 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tested = skbio_permanova(distances(gram), group, permutations=0)
            statistics.append(tested["test statistic"])
    assert found.p == (np.array(statistics) >= found.statistic - 1e-9).mean()
    assert found.n_permutations == 16


# 18 places, and what vegan 2.6-4 of R says of them: betadisper(dist(x), g, type = "median"),
# permutest(b, permutations = 99999).
PLACES = (
    np.array(
        [
            *(0.1, 1.2, -0.4, 2.0, 0.7, -1.1, 0.3, 0.9, -0.8, 1.5, -2.2, 3.1, 0.4, -1.7, 2.6, -3.0),
            *(1.8, 0.2, 0.5, -0.6, 1.1, 0.0, -0.9, 0.8, 0.2, -0.3, 0.6, -1.4, 2.4, -2.1, 1.9, 0.3),
            *(-2.8, 1.0, -0.7, 3.3),
        ]
    )
    .reshape(2, 18)
    .T
)
OF_VEGAN = {"F": 25.747, "p": 0.00046, "distances": [0.3605550, 1.2041596, 1.1401753, 1.7117244]}


def test_dispersion_is_that_of_vegan():
    names = [f"s{number}" for number in range(18)]
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series(np.repeat([1.0, 0.0], 9), names)
    design = make_design(names, samples, phenotype, True)
    gram = map_gram(PLACES @ PLACES.T, design.units)
    found = permdisp(gram, design, design.arrangements(20000, 1))
    assert found.statistic == pytest.approx(OF_VEGAN["F"], rel=1e-3)
    assert found.p == pytest.approx(OF_VEGAN["p"], abs=6e-4)
    own = distances_to_median(PLACES[:9] @ PLACES[:9].T)
    np.testing.assert_allclose(own[:4], OF_VEGAN["distances"], atol=1e-4)


def test_residual_distances_are_permuted():
    """All orders of six observations, counted one by one."""
    names = list("abcdef")
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series([1.0, 1, 1, 0, 0, 0], index=names)
    design = make_design(names, samples, phenotype, True)
    places = np.random.default_rng(0).normal(size=(6, 3))
    gram = map_gram(places @ places.T, design.units)
    found = permdisp(gram, design, design.arrangements(1000, 1))
    rows = [np.arange(3), np.arange(3, 6)]
    own = np.concatenate([distances_to_median(gram[np.ix_(part, part)]) for part in rows])
    left = own - np.repeat([own[:3].mean(), own[3:].mean()], 3)
    every = np.array(
        [dispersion_f(left[list(order)], CASES)[0] for order in permutations(range(6))]
    )
    assert found.statistic == pytest.approx(dispersion_f(own, CASES)[0])
    # All 20 groupings are equally often among them; the observed one counts beside these.
    assert found.p == pytest.approx((20 * (every >= found.statistic - 1e-9).mean() + 1) / 21)


def test_the_p_of_dispersion_is_never_0():
    rng = np.random.default_rng(1)
    names = list("abcdef")
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    design = make_design(names, samples, pd.Series([1.0, 1, 1, 0, 0, 0], names), True)
    p = []
    for _ in range(20):
        places = rng.normal(size=(6, 4)) * np.array([4, 4, 4, 1, 1, 1])[:, None]
        gram = map_gram(places @ places.T, design.units)
        p.append(permdisp(gram, design, design.arrangements(1000, 1)).p)
    assert min(p) >= 1 / 21


@pytest.mark.parametrize("n", [3, 6])
def test_the_p_of_a_map_does_not_depend_on_the_order_of_rows(n):
    rng = np.random.default_rng(2)
    names = np.array([f"s{number}" for number in range(2 * n)])
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    case = pd.Series(np.repeat([1.0, 0.0], n), names)
    places = pd.DataFrame(rng.normal(size=(2 * n, 5)) + case.to_numpy()[:, None] / 2, names)
    p = []
    for _ in range(6):
        order = rng.permutation(names)
        mixed = make_mixed_design(list(order), samples, case, True)
        own = places.loc[order].to_numpy()
        gram = map_gram(own @ own.T, mixed.units)
        p.append(mixed_regression(gram, mixed.model, map_ratios(gram, mixed.model), 4000, 1).p)
    assert np.ptp(p) < 6 * np.sqrt(0.25 / 4000)


CASES = np.array([[True] * 3 + [False] * 3])


def without_random(design, similarity):
    """Return the map, and a model of the phenotype and nothing else."""
    names = list(design.units.bin_samples)
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series(design.units.phenotype, index=names)
    mixed = make_mixed_design(names, samples, phenotype, design.binary)
    return map_gram(similarity, mixed.units), mixed.model


@pytest.mark.parametrize("binary", [False, True])
def test_the_mixed_model_of_a_map_is_regression_where_nothing_is_random(binary):
    rng = np.random.default_rng(4)
    design, similarity = study(rng, binary=binary, effect=0.3)
    gram, model = without_random(design, similarity)
    ratios = map_ratios(gram, model) | ({"cases": 1.0} if binary else {})
    found = mixed_regression(gram, model, ratios, 2000, 1, n_phenotypes=20)
    values, vectors = np.linalg.eigh(gram)
    places = vectors[:, values > 1e-9] * np.sqrt(values[values > 1e-9])
    expected = regression_f(places, np.ones((24, 1)), model.outcome)
    assert found.statistic == pytest.approx(expected)
    if binary:
        alone = distance_regression(gram, design, design.arrangements(2000, 1))
        assert found.share == pytest.approx(alone.share)
        assert close(found.p, alone.p, 2000)
    assert found.by_chance.shape == (20,)
    assert 0 < found.by_chance.min() < found.by_chance.max() <= 1
    again = mixed_regression(gram, model, ratios, 2000, 1, n_phenotypes=20)
    assert (found.p, *found.by_chance) == (again.p, *again.by_chance)


def test_groups_of_unequal_spread_have_no_difference_in_position():
    """Six cases of twice the spread among 30 controls; then they move, too."""
    p = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        names = [f"s{number}" for number in range(36)]
        samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
        case = pd.Series(np.repeat([1.0, 0.0], [6, 30]), names)
        places = rng.normal(size=(36, 20)) * np.where(case == 1, 2, 1)[:, None]
        mixed, design = (
            make(names, samples, case, True) for make in (make_mixed_design, make_design)
        )
        row = []
        for moved in (0, 1.5):
            own = places + moved * case.to_numpy()[:, None]
            gram = map_gram(own @ own.T, mixed.units)
            ratios = map_ratios(gram, mixed.model)
            row.append(mixed_regression(gram, mixed.model, ratios, 99, seed).p)
        plain = map_gram(places @ places.T, design.units)
        p.append([*row, distance_regression(plain, design, design.arrangements(99, seed)).p])
    share = (np.array(p) <= 0.05).mean(axis=0)
    # The 99.9 % point of the binomial distribution is 8 of 50.
    assert share[0] <= 0.16
    assert share[1] > 0.5
    assert share[2] > 0.3


def test_a_map_that_cannot_be_tested():
    design, similarity = study(np.random.default_rng(0), n=10, binary=True)
    gram, model = without_random(design, similarity)
    nothing = mixed_regression(0 * gram, model, map_ratios(0 * gram, model), 99, 1, 3)
    assert np.isnan([nothing.statistic, nothing.p, *nothing.by_chance]).all()


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
    gram = map_gram(similarity, design.units)
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
    gram = map_gram(similarity, design.units)
    arrangements = design.arrangements(500, 2)
    one = permanova(gram, design, arrangements)
    other = distance_regression(gram, design, arrangements)
    assert (one.statistic, one.p) == pytest.approx((other.statistic, other.p))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_hsic_is_that_of_hyppo(binary, effect):
    design, similarity = study(np.random.default_rng(11), binary=binary, effect=effect)
    gram = map_gram(similarity, design.units)
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
    gram = map_gram(places @ places.T, design.units)
    arrangements = design.arrangements(999, 1)
    assert hsic(gram, design, arrangements).p < 0.01
    assert distance_regression(gram, design, arrangements).p > 0.01


def test_hsic_of_a_phenotype_that_mostly_ties():
    names = [f"s{number}" for number in range(12)]
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series([0.0] * 10 + [1.0, 2.0], index=names)
    design = make_design(names, samples, phenotype, False)
    places = np.random.default_rng(0).normal(size=(12, 3))
    found = hsic(map_gram(places @ places.T, design.units), design, design.arrangements(99, 1))
    assert 0 < found.p <= 1
    assert 0 <= found.statistic <= 1


def test_dispersion_is_seen_and_place_is_not():
    generator = np.random.default_rng(6)
    design, _ = study(generator, n=40, binary=True)
    case = design.units.phenotype[:, None]
    places = generator.normal(size=(40, 4)) * np.where(case == 1, 3, 1)
    gram = map_gram(places @ places.T, design.units)
    arrangements = design.arrangements(999, 1)
    assert permdisp(gram, design, arrangements).p < 0.01
    places = generator.normal(size=(40, 4)) + case
    gram = map_gram(places @ places.T, design.units)
    assert permdisp(gram, design, arrangements).p > 0.05
    assert permanova(gram, design, arrangements).p < 0.01


def test_groups_of_two_have_no_dispersion_to_compare():
    places = np.random.default_rng(0).normal(size=(4, 3))
    halves = [distances_to_median(part @ part.T) for part in np.split(places, 2)]
    cases = np.array([[True, True, False, False]])
    assert np.isnan(dispersion_f(np.concatenate(halves), cases)[0])


def test_donors_with_several_samples_are_one_observation():
    names = ["a1", "a2", "b", "c", "d", "e"]
    samples = pd.DataFrame({"donor": list("aabcde"), "batch": ""}, index=names)
    phenotype = pd.Series([1.0, 1, 2, 3, 4, 5], index=names)
    design = make_design(names, samples, phenotype, False)
    places = np.random.default_rng(0).normal(size=(6, 3))
    gram = map_gram(places @ places.T, design.units)
    of_donor = np.vstack([places[:2].mean(axis=0), places[2:]])
    of_donor -= of_donor.mean(axis=0)
    np.testing.assert_allclose(gram, of_donor @ of_donor.T, atol=1e-12)


def test_a_map_of_many_observations_is_tested_without_its_eigenvectors(monkeypatch):
    rng = np.random.default_rng(7)
    samples = pd.DataFrame({"donor": np.arange(40).astype(str), "batch": ""})
    case = pd.Series(np.arange(40) % 2.0)
    mixed = make_mixed_design(list(samples.index), samples, case, True)
    places = rng.normal(size=(40, 6))
    grams = [map_gram(places @ places.T, mixed.units)]
    monkeypatch.setattr(kernel_tests, "MANY", 30)
    grams.append(map_gram(places @ places.T, mixed.units))
    np.testing.assert_allclose(*grams, atol=1e-9)
    # Of many observations some say what the ratios are.
    monkeypatch.setattr(mixed_model, "MOST_OBSERVATIONS", 20)
    assert 0.2 < map_ratios(grams[1], mixed.model)["cases"] < 5


def test_the_map_has_no_imaginary_dimensions():
    design, _ = study(np.random.default_rng(0), n=10)
    similarity = np.random.default_rng(1).normal(size=(10, 10))
    gram = map_gram(similarity + similarity.T, design.units)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    np.testing.assert_allclose(gram.sum(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("binary", [False, True])
def test_chance_alone_where_depth_moves_both(binary):
    p = []
    for seed in range(100):
        design, similarity = study(
            np.random.default_rng(seed), n=16, binary=binary, batches=2, covariates=("depth",)
        )
        gram = map_gram(similarity, design.units)
        arrangements = design.arrangements(99, seed)
        tests = [distance_regression, hsic]
        p.append([test(gram, design, arrangements).p for test in tests])
    # The 0.1 % and 99.9 % points of the binomial distribution are 0 and 13.
    assert ((np.array(p) <= 0.05).sum(axis=0) <= 13).all()
    assert ((np.array(p) <= 0.5).sum(axis=0) >= 34).all()
