"""Graph centralities against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from popnet.networks.centrality import MEASURES, graph_centralities
from popnet.networks.edges import closest_pairs, pair_weights, strongest_pairs


def values(of_gene, n_genes=30):
    return [of_gene[gene] for gene in range(n_genes)]


def test_centralities_equal_those_of_networkx():
    loadings = np.random.default_rng(0).normal(size=(30, 2))
    gene1, gene2 = closest_pairs(loadings, 0.3)
    found = graph_centralities(pair_weights(loadings, "distance", 0.3), gene1, gene2)
    assert tuple(found) == MEASURES
    graph = nx.Graph()
    graph.add_nodes_from(range(30))
    distance = cdist(loadings, loadings) / cdist(loadings, loadings)[np.triu_indices(30, 1)].mean()
    for one, two in zip(gene1.tolist(), gene2.tolist(), strict=True):
        graph.add_edge(one, two, weight=np.exp(-distance[one, two]))
    plain = {
        "degree": dict(graph.degree()),
        "betweenness": nx.betweenness_centrality(graph),
        "pagerank": nx.pagerank(graph, tol=1e-12, weight=None),
    }
    for measure, expected in plain.items():
        np.testing.assert_allclose(found[measure], values(expected), atol=1e-9, err_msg=measure)
    # Weights are of single precision.
    strength = values(dict(graph.degree(weight="weight")))
    np.testing.assert_allclose(found["strength"], strength, rtol=1e-6)
    np.testing.assert_array_equal(found["signed_strength"], found["strength"])
    vector = np.abs(np.linalg.eigh(nx.to_numpy_array(graph, weight=None))[1][:, -1])
    np.testing.assert_allclose(found["eigenvector"], vector / vector.max(), atol=1e-6)


def test_strengths_are_those_of_all_pairs_and_the_others_of_the_edges():
    cells = np.random.default_rng(2).normal(size=(10, 30))
    weights = np.corrcoef(cells, rowvar=False)
    np.fill_diagonal(weights, 0)
    pairs = strongest_pairs(weights, 0.1)
    found = graph_centralities(weights, *pairs)
    whole = nx.from_numpy_array(weights)
    signed = values(dict(whole.degree(weight="weight")))
    np.testing.assert_allclose(found["signed_strength"], signed, atol=1e-12)
    absolute = values(dict(nx.from_numpy_array(np.abs(weights)).degree(weight="weight")))
    np.testing.assert_allclose(found["strength"], absolute)
    assert (found["signed_strength"] < 0).any()
    graph = nx.Graph()
    graph.add_nodes_from(range(30))
    graph.add_edges_from(zip(*(end.tolist() for end in pairs), strict=True))
    np.testing.assert_array_equal(found["degree"], values(dict(graph.degree())))
    between = values(nx.betweenness_centrality(graph))
    np.testing.assert_allclose(found["betweenness"], between, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_graphs_that_are_hardly_graphs():
    none = np.zeros(0, int)
    for n_genes in (0, 1, 4):
        found = graph_centralities(np.zeros((n_genes, n_genes)), none, none)
        assert tuple(sorted(found)) == tuple(sorted(MEASURES))
        assert all(values.tolist() == [0] * n_genes for values in found.values())
    parts = graph_centralities(np.zeros((4, 4)), np.array([0]), np.array([1]))
    assert parts["eigenvector"].round(6).tolist() == [1, 1, 0, 0]
    assert parts["betweenness"].tolist() == [0] * 4


def test_without_an_edge_genes_keep_their_strength():
    weights = np.array([[0, -0.5, 0.25], [-0.5, 0, 0], [0.25, 0, 0]])
    found = graph_centralities(weights, np.zeros(0, int), np.zeros(0, int))
    assert found["strength"].tolist() == [0.75, 0.5, 0.25]
    assert found["signed_strength"].tolist() == [-0.25, -0.5, 0.25]
    assert found["degree"].tolist() == [0, 0, 0]
