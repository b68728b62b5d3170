"""Programmes: planted groups of genes, and the rotation against statsmodels."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ortho_group
from statsmodels.multivariate.factor_rotation import rotate_factors

from popnet.networks.programmes import (
    Programmes,
    describe,
    find_programmes,
    match,
    name_programmes,
    of_bins,
    programme_values,
    rotated,
    varimax,
)

N_GENES, N_BLOCKS = 80, 4
GENES = pd.Index([f"G{number}" for number in range(N_GENES)])


def turn(size, seed):
    return ortho_group.rvs(size, random_state=seed) if size > 1 else np.eye(1)


def planted(seed, blocks=(0, 1, 2, 3), noise=0.05):
    """Return loadings in which block b has genes 20b to 20b + 19, the first block the largest."""
    rng = np.random.default_rng(seed)
    loadings = noise * rng.normal(size=(N_GENES, len(blocks)))
    for column, block in enumerate(blocks):
        loadings[20 * block : 20 * block + 20, column] += (2 - block / 4) * np.linspace(1, 0.5, 20)
    return loadings


def as_factor(loadings, seed):
    """Return the loadings as a factor of the same covariance."""
    return (loadings @ turn(loadings.shape[1], seed)).astype(np.float32)


# Rotation


def criterion(loadings):
    return (loadings**2).var(axis=0).sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_varimax_equals_that_of_statsmodels(seed):
    loadings = as_factor(planted(seed, noise=0.3)[::4, :3], seed).astype(float)
    rotation = varimax(loadings)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    expected, _ = rotate_factors(loadings, "varimax")
    found = loadings @ rotation
    assert criterion(found) == pytest.approx(criterion(expected), rel=1e-4)
    assert criterion(found) > criterion(loadings)
    unit, other = (values / np.linalg.norm(values, axis=0) for values in (found, expected))
    cosine = np.abs(unit.T @ other)
    np.testing.assert_allclose(np.sort(cosine, axis=1)[:, -1], 1, atol=1e-3)
    assert sorted(cosine.argmax(axis=1)) == [0, 1, 2]


def test_rotated_dimensions_keep_the_covariance():
    factor = np.random.default_rng(3).normal(size=(30, 5)).astype(np.float32)
    found = rotated(factor, 9)
    assert found.shape == (30, 5)
    np.testing.assert_allclose(found @ found.T, factor @ factor.T, atol=1e-4)
    size = (found**2).sum(axis=0)
    assert (np.diff(size) <= 0).all()
    assert (found[np.abs(found).argmax(axis=0), np.arange(5)] > 0).all()
    # With fewer dimensions, the covariance that is nearest to it.
    values, vectors = np.linalg.eigh(factor.astype(float) @ factor.T)
    nearest = (vectors[:, -2:] * values[-2:]) @ vectors[:, -2:].T
    few = rotated(factor, 2)
    np.testing.assert_allclose(few @ few.T, nearest, atol=1e-4)


def test_dimensions_without_variance_are_left_out():
    factor = np.zeros((10, 4), np.float32)
    factor[:3, 1] = 1
    found = rotated(factor, 4)
    assert found.shape == (10, 1)
    np.testing.assert_allclose(found[:, 0], factor[:, 1], atol=1e-6)
    assert rotated(np.zeros((10, 1), np.float32), 4).shape == (10, 0)


# Programmes of several models


def test_matches_are_the_best_pairs():
    rng = np.random.default_rng(4)
    loadings, other = rng.normal(size=(2, 20, 4))
    cosine = np.abs(
        (loadings / np.linalg.norm(loadings, axis=0)).T @ (other / np.linalg.norm(other, axis=0))
    )
    orders = list(permutations(range(4)))
    best = max(orders, key=lambda order: cosine[range(4), order].sum())
    np.testing.assert_allclose(match(loadings, other), cosine[range(4), best])
    moved = loadings[:, [2, 0, 3, 1]] * [1, -2, 3, -4]
    np.testing.assert_allclose(match(loadings, moved), 1)
    np.testing.assert_allclose(match(loadings[:, :2], moved), 1)
    np.testing.assert_allclose(match(loadings, moved[:, 1:3]), [1, 0, 0, 1], atol=1e-12)


def test_planted_blocks_are_found_again():
    loadings = planted(5)
    others = [as_factor(planted(6), 6), as_factor(planted(7, (0, 1, 3)), 7)]
    found = find_programmes(as_factor(loadings, 5), others)
    assert found.loadings.shape == (N_GENES, N_BLOCKS)
    # By their size, which falls from block to block.
    cosine = np.sum(found.loadings * loadings, axis=0) / (
        np.linalg.norm(found.loadings, axis=0) * np.linalg.norm(loadings, axis=0)
    )
    assert cosine.min() > 0.99
    assert found.found_by.tolist() == [2, 2, 1, 2]
    assert found.n_models == 2
    assert found.recurrent.tolist() == [True, True, False, True]
    assert find_programmes(as_factor(loadings, 5), []).recurrent.all()


@pytest.fixture
def programmes():
    loadings = rotated(as_factor(planted(8), 8), N_BLOCKS)
    return Programmes(loadings, np.array([2, 1, 2, 2]), 2)


def test_covariance_of_the_scores_in_a_bin(programmes):
    rng = np.random.default_rng(9)
    scores = rng.normal(size=(200, N_BLOCKS)) @ rng.normal(size=(N_BLOCKS, N_BLOCKS))
    expected = np.cov(scores, rowvar=False, bias=True)
    # Cells that follow their scores exactly.
    factor = (scores - scores.mean(axis=0)) @ programmes.loadings.T / np.sqrt(len(scores))
    np.testing.assert_allclose(programmes.bin_covariance(factor.T), expected, atol=1e-8)


# What is tested


def test_values_are_log_variances_and_couplings():
    rng = np.random.default_rng(10)
    cells = [rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)) for _ in range(4)]
    covariance = np.array([np.cov(of_bin, rowvar=False) for of_bin in cells])
    values, columns = programme_values(covariance)
    assert columns.to_numpy().tolist() == [
        ["variance", 1, 1],
        ["variance", 2, 2],
        ["variance", 3, 3],
        ["coupling", 1, 2],
        ["coupling", 1, 3],
        ["coupling", 2, 3],
    ]
    assert list(columns) == ["kind", "programme1", "programme2"]
    for row, of_bin in zip(values, cells, strict=True):
        np.testing.assert_allclose(row[:3], np.log(of_bin.var(axis=0, ddof=1)))
        r = np.corrcoef(of_bin, rowvar=False)[np.triu_indices(3, 1)]
        np.testing.assert_allclose(np.tanh(row[3:]), r)


@pytest.mark.filterwarnings("error")
def test_programmes_that_do_not_vary_have_no_values():
    covariance = np.array([[[1.0, 0.5, 0], [0.5, 1, 0], [0, 0, 0]], [[1, 1, 1]] * 3])
    values, _ = programme_values(covariance)
    assert np.isnan(values[0]).tolist() == [False, False, True, False, True, True]
    # Programmes that are one have a coupling that is large, not infinite.
    assert np.isfinite(values[1]).all()
    assert programme_values(np.zeros((2, 0, 0)))[0].shape == (2, 0)


def test_bins_have_the_values_of_recurrent_programmes(programmes):
    factors = [as_factor(planted(seed), seed) for seed in (11, 12, 13)]
    found = of_bins(programmes, iter(factors))
    assert found.shape == (3, 3 + 3)
    assert found.var["programme1"].tolist() == [1, 3, 4, 1, 1, 3]
    assert found.var["programme2"].tolist() == [1, 3, 4, 3, 4, 4]
    covariance = programmes.bin_covariance(factors[1])
    np.testing.assert_allclose(found.X[1, :3], np.log(np.diag(covariance)[[0, 2, 3]]))
    r = covariance[2, 3] / np.sqrt(covariance[2, 2] * covariance[3, 3])
    assert np.tanh(found.X[1, 5]) == pytest.approx(r)


def test_without_recurrent_programmes_nothing_is_tested(programmes):
    none = Programmes(programmes.loadings, np.zeros(N_BLOCKS, int), 2)
    assert of_bins(none, [as_factor(planted(11), 11)] * 2).shape == (2, 0)


# Names


@pytest.fixture
def many():
    """Loadings of two programmes of 400 genes: the first has genes 0 to 39, negative."""
    rng = np.random.default_rng(14)
    loadings = 0.01 * rng.normal(size=(400, 2))
    loadings[:40, 0] = -np.linspace(2, 1, 40)
    return loadings, pd.Index([f"G{number}" for number in range(400)])


def test_programmes_are_named_after_their_genes_and_sets(many):
    loadings, genes = many
    rng = np.random.default_rng(15)
    sets = {f"random {number}": list(rng.choice(genes, 30)) for number in range(20)}
    sets |= {"planted": [*genes[5:30], "not measured"], "absent": ["not measured"]}
    found = name_programmes(loadings, genes, sets)
    assert list(found) == ["programme", "name", "gene_set", "gene_set_q"]
    assert found["programme"].tolist() == [1, 2]
    assert found["name"][0] == "G0/G1/G2/G3"
    assert found["gene_set"].tolist() == ["planted", ""]
    assert found["gene_set_q"][0] < 1e-10
    assert found["gene_set_q"][1] > 0.05


def test_the_p_of_a_set_is_hypergeometric(many):
    loadings, genes = many
    # Of the 50 genes of largest loading the first 40 are known.
    one = {"planted": list(genes[34:56])}
    found = name_programmes(loadings[:, :1], genes, one)
    top = set(np.argsort(-np.abs(loadings[:, 0]))[:50])
    n_common = len(top & set(range(34, 56)))
    rng = np.random.default_rng(16)
    draws = rng.hypergeometric(22, 400 - 22, 50, 200_000)
    assert found["gene_set_q"][0] == pytest.approx((draws >= n_common).mean(), abs=0.005)
    # Bonferroni's correction for sets, of which those without a gene do not count.
    three = one | {"other": list(genes[300:303]), "none": ["not measured"]}
    twice = name_programmes(loadings[:, :1], genes, three)
    assert twice["gene_set_q"][0] == pytest.approx(2 * found["gene_set_q"][0])


def test_without_gene_sets_programmes_have_names_alone(many):
    found = name_programmes(*many, {})
    assert found["name"][0] == "G0/G1/G2/G3"
    assert found["gene_set"].tolist() == ["", ""]
    assert found["gene_set_q"].isna().all()


def test_programmes_as_a_table_of_genes(programmes):
    found = describe(programmes, GENES, {"first": list(GENES[:20])})
    assert list(found) == [
        *("programme", "name", "gene_set", "gene_set_q"),
        *("found_by", "n_models", "gene", "loading"),
    ]
    assert found.groupby("programme").size().to_dict() == {1: 50, 2: 50, 3: 50, 4: 50}
    first = found[found["programme"] == 1]
    assert set(first["gene"][:20]) == set(GENES[:20])
    assert (first["gene_set"] == "first").all()
    strength = first["loading"].abs()
    assert strength.is_monotonic_decreasing
    numbers = GENES.get_indexer(first["gene"])
    np.testing.assert_array_equal(first["loading"], programmes.loadings[numbers, 0])
    assert found.drop_duplicates("programme")["found_by"].tolist() == [2, 1, 2, 2]
    assert (found["n_models"] == 2).all()
