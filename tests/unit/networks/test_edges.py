"""Edges and neighbours against plain references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

from popnet.networks import edges as network_edges
from popnet.networks.edges import (
    adjacency_degree,
    closest_pairs,
    gene_numbers,
    nearest_neighbours,
    pair_weights,
    strongest_pairs,
)


def plain_closest_pairs(loadings, share):
    distances = cdist(loadings.astype(float), loadings.astype(float))
    upper = np.triu_indices(len(loadings), 1)
    close = distances[upper] < np.percentile(distances[upper], 100 * share)
    return upper[0][close], upper[1][close]


@settings(deadline=None)
@given(
    n_genes=st.integers(2, 60),
    n_dimensions=st.integers(1, 8),
    share=st.floats(0.001, 0.9),
    seed=st.integers(0, 2**32 - 1),
    tied=st.booleans(),
)
def test_closest_pairs_equal_the_plain_computation(n_genes, n_dimensions, share, seed, tied):
    loadings = np.random.default_rng(seed).normal(size=(n_genes, n_dimensions))
    if tied:
        loadings = np.round(loadings)
    found = closest_pairs(loadings.astype(np.float32), share)
    expected = plain_closest_pairs(loadings.astype(np.float32), share)
    np.testing.assert_array_equal(found, expected)
    assert found[0].dtype == found[1].dtype == np.int32
    assert (found[0] < found[1]).all()


def test_closest_pairs_are_one_percent_of_many_genes():
    n_genes = 800
    loadings = np.random.default_rng(1).normal(size=(n_genes, 32))
    gene1, _ = closest_pairs(loadings, 0.01)
    assert len(gene1) == pytest.approx(0.01 * n_genes * (n_genes - 1) / 2, abs=1)


def test_closest_pairs_need_finite_loadings_and_a_share():
    with pytest.raises(ValueError, match="loadings"):
        closest_pairs(np.array([[np.nan], [1.0]]), 0.1)
    for share in (0, 1, 5):
        with pytest.raises(ValueError, match="share"):
            closest_pairs(np.ones((3, 2)), share)


@pytest.mark.parametrize("n_genes", [0, 1])
def test_a_gene_alone_has_no_pairs(n_genes):
    gene1, gene2 = closest_pairs(np.ones((n_genes, 2)), 0.1)
    assert len(gene1) == len(gene2) == 0


def plain_strongest_pairs(weights, share):
    n_genes = len(weights)
    pairs = [(one, two) for one in range(n_genes) for two in range(one + 1, n_genes)]
    n_edges = round(share * len(pairs))
    by_strength = sorted(pairs, key=lambda pair: -abs(weights[pair]))
    return sorted(pair for pair in by_strength[:n_edges] if weights[pair] != 0)


@settings(deadline=None)
@given(
    n_genes=st.integers(0, 25),
    share=st.floats(0, 1, exclude_min=True),
    seed=st.integers(0, 2**32 - 1),
    zeros=st.floats(0, 1),
    tied=st.booleans(),
)
def test_strongest_pairs_equal_sorting(n_genes, share, seed, zeros, tied):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_genes, n_genes)).astype(np.float32)
    weights[rng.random(weights.shape) < zeros] = 0
    if tied:
        weights = np.round(weights)
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    found = strongest_pairs(weights, share)
    assert list(zip(*found, strict=True)) == plain_strongest_pairs(weights, share)
    assert found[0].dtype == found[1].dtype == np.int32


def test_strongest_pairs_need_a_share():
    for share in (0, -0.1, 1.01):
        with pytest.raises(ValueError, match="share"):
            strongest_pairs(np.zeros((3, 3)), share)


@pytest.fixture
def embedding():
    embedding = np.random.default_rng(4).normal(size=(20, 4))
    # A gene that no dimension knows.
    embedding[7] = 0
    return embedding


@pytest.mark.parametrize("definition", ["model", "inner"])
def test_weights_are_inner_products(embedding, definition):
    found = pair_weights(embedding, definition, 0.1)
    expected = np.einsum("id,jd->ij", embedding, embedding)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(found, found.T)
    assert found.dtype == np.float32


def test_cosines_equal_those_of_scipy(embedding):
    found = pair_weights(embedding, "cosine", 0.1)
    known = np.delete(np.arange(20), 7)
    expected = 1 - squareform(pdist(embedding[known], "cosine"))
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found[np.ix_(known, known)], expected, atol=1e-6)
    assert not found[7].any()
    assert not found[:, 7].any()
    np.testing.assert_array_equal(found, pair_weights(4 * embedding, "cosine", 0.1))


def test_closeness_falls_with_the_distance_over_the_mean(embedding):
    found = pair_weights(embedding, "distance", 0.1)
    distance = cdist(embedding, embedding)
    upper = np.triu_indices(20, 1)
    close = distance < np.percentile(distance[upper], 10)
    np.fill_diagonal(close, val=False)
    expected = np.where(close, np.exp(-distance / distance[upper].mean()), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    # The edges are those of the paper, whatever the scale of the latent space.
    pairs = strongest_pairs(found, 1)
    np.testing.assert_array_equal(pairs, closest_pairs(embedding, 0.1))
    np.testing.assert_allclose(pair_weights(100 * embedding, "distance", 0.1), found, rtol=1e-6)
    assert not pair_weights(np.ones((3, 2)), "distance", 0.5).any()
    assert pair_weights(np.ones((1, 2)), "distance", 0.5).tolist() == [[0]]


@pytest.mark.parametrize("definition", ["model", "inner", "cosine", "distance"])
def test_weights_need_finite_numbers(definition):
    with pytest.raises(ValueError, match="finite"):
        pair_weights(np.array([[np.inf], [1.0]]), definition, 0.1)


def test_adjacency_degree_counts_both_ends():
    degree = adjacency_degree(np.array([0, 0, 1]), np.array([1, 2, 2]), 5)
    np.testing.assert_array_equal(degree, [2, 2, 2, 0, 0])


def test_neighbours_of_one_bin_are_the_nearest_by_distance(monkeypatch):
    monkeypatch.setattr(network_edges, "ROWS_AT_ONCE", 7)
    loadings = np.random.default_rng(2).normal(size=(40, 5))
    neighbour, distance = nearest_neighbours([loadings], k=6)
    plain = cdist(loadings, loadings)
    mean = plain[np.triu_indices(40, 1)].mean()
    np.fill_diagonal(plain, np.inf)
    np.testing.assert_array_equal(neighbour, np.argsort(plain, axis=1)[:, :6])
    np.testing.assert_allclose(distance, np.sort(plain, axis=1)[:, :6] / mean)


def test_neighbours_of_several_bins_do_not_depend_on_their_scales():
    generator = np.random.default_rng(3)
    bins = [generator.normal(size=(30, dimensions)) for dimensions in (4, 4, 6)]
    neighbour, distance = nearest_neighbours(bins, k=20)
    upper = np.triu_indices(30, 1)
    plain = np.mean([cdist(x, x) / cdist(x, x)[upper].mean() for x in bins], axis=0)
    np.fill_diagonal(plain, np.inf)
    np.testing.assert_array_equal(neighbour, np.argsort(plain, axis=1)[:, :20])
    np.testing.assert_allclose(distance, np.sort(plain, axis=1)[:, :20])
    rescaled, _ = nearest_neighbours([bins[0] * 100, bins[1] * 0.01, bins[2]], k=20)
    np.testing.assert_array_equal(rescaled, neighbour)


def test_neighbours_are_at_most_all_other_genes():
    neighbour, distance = nearest_neighbours([np.zeros((3, 2))], k=20)
    np.testing.assert_array_equal(neighbour, [[1, 2], [0, 2], [0, 1]])
    np.testing.assert_array_equal(distance, 0)


def test_genes_that_an_index_lacks_are_refused():
    index = pd.Index(["A", "B", "C"])
    np.testing.assert_array_equal(gene_numbers(index, ["C", "A"]), [2, 0])
    with pytest.raises(ValueError, match="lacks a gene"):
        gene_numbers(index, ["A", "D"])
