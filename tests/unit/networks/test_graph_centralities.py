"""Graph centralities against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from popnet.networks.centrality import MEASURES, graph_centralities
from popnet.networks.edges import closest_pairs


def test_centralities_equal_those_of_networkx():
    loadings = np.random.default_rng(0).normal(size=(30, 2))
    gene1, gene2 = closest_pairs(loadings, 0.3)
    found = graph_centralities(loadings, gene1, gene2)
    assert tuple(found) == MEASURES
    graph = nx.Graph()
    graph.add_nodes_from(range(30))
    distance = cdist(loadings, loadings) / cdist(loadings, loadings)[np.triu_indices(30, 1)].mean()
    for one, two in zip(gene1.tolist(), gene2.tolist(), strict=True):
        graph.add_edge(one, two, weight=np.exp(-distance[one, two]))
    plain = {
        "degree": dict(graph.degree()),
        "strength": dict(graph.degree(weight="weight")),
        "betweenness": nx.betweenness_centrality(graph),
        "pagerank": nx.pagerank(graph, tol=1e-12, weight=None),
    }
    for measure, expected in plain.items():
        np.testing.assert_allclose(
            found[measure], [expected[gene] for gene in range(30)], atol=1e-9, err_msg=measure
        )
    vector = np.abs(np.linalg.eigh(nx.to_numpy_array(graph, weight=None))[1][:, -1])
    np.testing.assert_allclose(found["eigenvector"], vector / vector.max(), atol=1e-6)


def test_strength_does_not_depend_on_the_scale_of_the_loadings():
    loadings = np.random.default_rng(1).normal(size=(20, 3))
    pairs = closest_pairs(loadings, 0.2)
    one, other = (graph_centralities(scale * loadings, *pairs) for scale in (1, 100))
    np.testing.assert_allclose(one["strength"], other["strength"])


@pytest.mark.filterwarnings("error")
def test_graphs_that_are_hardly_graphs():
    none = np.zeros(0, int)
    for n_genes in (0, 1, 4):
        found = graph_centralities(np.ones((n_genes, 2)), none, none)
        assert all(values.tolist() == [0] * n_genes for values in found.values())
    parts = graph_centralities(np.arange(8.0).reshape(4, 2), np.array([0]), np.array([1]))
    assert parts["eigenvector"].round(6).tolist() == [1, 1, 0, 0]
    assert parts["betweenness"].tolist() == [0] * 4
