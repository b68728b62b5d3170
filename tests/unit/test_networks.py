"""Adjacency, centrality, neighbours and sample networks against plain references."""

from __future__ import annotations

import igraph
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from popnet import networks
from scipy.spatial.distance import cdist


def test_degree_centrality_is_the_negative_error():
    np.testing.assert_array_equal(networks.degree_centrality(np.array([0.1, 0.9])), [-0.1, -0.9])


def test_central_genes_are_the_union_over_bins():
    centrality = np.array([[5, 4, 0, 1, np.nan], [0, 5, 4, 1, 9.0]])
    np.testing.assert_array_equal(networks.central_genes(centrality, 2), [0, 1, 4])
    for every in (None, "all", 5, 50):
        np.testing.assert_array_equal(networks.central_genes(centrality, every), np.arange(5))


def test_central_genes_break_ties_by_position():
    np.testing.assert_array_equal(networks.central_genes(np.zeros((2, 6)), 3), [0, 1, 2])


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
    found = networks.closest_pairs(loadings.astype(np.float32), share)
    expected = plain_closest_pairs(loadings.astype(np.float32), share)
    np.testing.assert_array_equal(found, expected)
    assert found[0].dtype == found[1].dtype == np.int32
    assert (found[0] < found[1]).all()


def test_closest_pairs_are_one_percent_of_many_genes():
    n_genes = 800
    loadings = np.random.default_rng(1).normal(size=(n_genes, 32))
    gene1, _ = networks.closest_pairs(loadings, 0.01)
    assert len(gene1) == pytest.approx(0.01 * n_genes * (n_genes - 1) / 2, abs=1)


def test_closest_pairs_need_finite_loadings_and_a_share():
    with pytest.raises(ValueError, match="loadings"):
        networks.closest_pairs(np.array([[np.nan], [1.0]]), 0.1)
    for share in (0, 1, 5):
        with pytest.raises(ValueError, match="share"):
            networks.closest_pairs(np.ones((3, 2)), share)


@pytest.mark.parametrize("n_genes", [0, 1])
def test_a_gene_alone_has_no_pairs(n_genes):
    gene1, gene2 = networks.closest_pairs(np.ones((n_genes, 2)), 0.1)
    assert len(gene1) == len(gene2) == 0


def test_adjacency_degree_counts_both_ends():
    degree = networks.adjacency_degree(np.array([0, 0, 1]), np.array([1, 2, 2]), 5)
    np.testing.assert_array_equal(degree, [2, 2, 2, 0, 0])


def test_neighbours_of_one_bin_are_the_nearest_by_distance(monkeypatch):
    monkeypatch.setattr(networks, "ROWS_AT_ONCE", 7)
    loadings = np.random.default_rng(2).normal(size=(40, 5))
    neighbour, distance = networks.nearest_neighbours([loadings], k=6)
    plain = cdist(loadings, loadings)
    mean = plain[np.triu_indices(40, 1)].mean()
    np.fill_diagonal(plain, np.inf)
    np.testing.assert_array_equal(neighbour, np.argsort(plain, axis=1)[:, :6])
    np.testing.assert_allclose(distance, np.sort(plain, axis=1)[:, :6] / mean)


def test_neighbours_of_several_bins_do_not_depend_on_their_scales():
    generator = np.random.default_rng(3)
    bins = [generator.normal(size=(30, dimensions)) for dimensions in (4, 4, 6)]
    neighbour, distance = networks.nearest_neighbours(bins, k=20)
    upper = np.triu_indices(30, 1)
    plain = np.mean([cdist(x, x) / cdist(x, x)[upper].mean() for x in bins], axis=0)
    np.fill_diagonal(plain, np.inf)
    np.testing.assert_array_equal(neighbour, np.argsort(plain, axis=1)[:, :20])
    np.testing.assert_allclose(distance, np.sort(plain, axis=1)[:, :20])
    rescaled, _ = networks.nearest_neighbours([bins[0] * 100, bins[1] * 0.01, bins[2]], k=20)
    np.testing.assert_array_equal(rescaled, neighbour)


def test_neighbours_are_at_most_all_other_genes():
    neighbour, distance = networks.nearest_neighbours([np.zeros((3, 2))], k=20)
    np.testing.assert_array_equal(neighbour, [[1, 2], [0, 2], [0, 1]])
    np.testing.assert_array_equal(distance, 0)


def test_sample_edges_weigh_by_the_share_of_bins():
    bin_edges = pd.DataFrame(
        [("b", 1, "G2", "G1"), ("b", 2, "G2", "G1"), ("b", 3, "G1", "G3"), ("a|1", 1, "G2", "G1")],
        columns=["sample", "bin", "gene1", "gene2"],
    )
    n_bins = pd.Series({"empty": 2, "b": 4, "a|1": 1})
    expected = pd.DataFrame(
        [("b", "G1", "G3", 0.25), ("b", "G2", "G1", 0.5), ("a|1", "G2", "G1", 1.0)],
        columns=["sample", "gene1", "gene2", "weight"],
    )
    pd.testing.assert_frame_equal(networks.sample_edges(bin_edges, n_bins), expected)
    with pytest.raises(ValueError, match="n_bins"):
        networks.sample_edges(bin_edges, n_bins.drop("b"))


@settings(deadline=None)
@given(
    st.sets(
        st.tuples(st.sampled_from("xyz"), st.integers(1, 3), st.integers(0, 3), st.integers(4, 6)),
        min_size=1,
    ),
    st.booleans(),
)
def test_sample_edges_equal_a_groupby(rows, categorical):
    bin_edges = pd.DataFrame(sorted(rows), columns=["sample", "bin", "gene1", "gene2"])
    if categorical:
        bin_edges = bin_edges.astype({"sample": "category", "gene1": "category"})
    n_bins = pd.Series({"x": 3, "y": 4, "z": 3})
    plain = bin_edges.groupby(["sample", "gene1", "gene2"], observed=True).size()
    plain = (plain / n_bins.loc[plain.index.get_level_values("sample")].to_numpy()).rename("weight")
    found = networks.sample_edges(bin_edges, n_bins)
    pd.testing.assert_frame_equal(found, plain.reset_index())


def test_sample_edges_without_edges():
    bin_edges = pd.DataFrame(columns=["sample", "bin", "gene1", "gene2"])
    assert networks.sample_edges(bin_edges, pd.Series({"a": 2})).empty


def test_graph_survives_graphml(tmp_path):
    attributes = pd.DataFrame(
        {"centrality": [-0.1, np.nan, -0.3], "MT": [True, False, True]},
        index=["MT-ND1", 'a "<&', "Ünï"],
    )
    edges = pd.DataFrame({"gene1": ["MT-ND1"], "gene2": ["Ünï"], "weight": [0.25]})
    networks.to_graph(edges, attributes).write_graphml(str(tmp_path / "a.graphml"))
    graph = igraph.Graph.Read_GraphML(str(tmp_path / "a.graphml"))
    assert not graph.is_directed()
    assert graph.vs["name"] == attributes.index.tolist()
    assert graph.vs["MT"] == [True, False, True]
    np.testing.assert_array_equal(graph.vs["centrality"], attributes["centrality"])
    assert graph.es["weight"] == [0.25]
    assert graph.get_edgelist() == [(0, 2)]
    with pytest.raises(ValueError, match="attributes"):
        networks.to_graph(edges, attributes.iloc[:1])


def test_degree_centrality_relative_to_the_bin():
    """The bins of one sample share a scale: halves of the variance are halves of the error."""
    errors = np.array([[0.5, 0.2, 0.0], [1.5, 1.8, 0.0]])
    variances = np.array([[0.5, 0.4, 0.0], [1.5, 1.6, 0.0]])
    found = networks.degree_centrality(errors, variances)
    np.testing.assert_allclose(found[:, :2], [[-1, -0.5], [-1, -1.125]])
    assert np.isnan(found[:, 2]).all()
