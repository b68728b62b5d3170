"""Networks for other tools."""

from __future__ import annotations

import igraph
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from popnet.networks.centrality import MEASURES
from popnet.networks.export import cohort_networks, sample_graphs, to_graph


def test_graph_survives_graphml(tmp_path):
    attributes = pd.DataFrame(
        {"centrality": [-0.1, np.nan, -0.3], "MT": [True, False, True]},
        index=["MT-ND1", 'a "<&', "Ünï"],
    )
    edges = pd.DataFrame({"gene1": ["MT-ND1"], "gene2": ["Ünï"], "weight": [0.25]})
    to_graph(edges, attributes).write_graphml(str(tmp_path / "a.graphml"))
    graph = igraph.Graph.Read_GraphML(str(tmp_path / "a.graphml"))
    assert not graph.is_directed()
    assert graph.vs["name"] == attributes.index.tolist()
    assert graph.vs["MT"] == [True, False, True]
    np.testing.assert_array_equal(graph.vs["centrality"], attributes["centrality"])
    assert graph.es["weight"] == [0.25]
    assert graph.get_edgelist() == [(0, 2)]
    with pytest.raises(ValueError, match="attributes"):
        to_graph(edges, attributes.iloc[:1])


@pytest.fixture
def bins() -> AnnData:
    """Three bins of two samples; of three genes the last is in no graph."""
    centrality = np.array([[-0.2, -0.4, np.nan], [-0.4, -0.6, -1], [-0.5, -0.5, -0.5]], np.float32)
    degree = np.array([[1, 1, np.nan], [0, np.nan, np.nan], [1, 1, np.nan]], np.float32)
    layers = dict.fromkeys(MEASURES, degree)
    layers |= dict.fromkeys(("mean_expression", "detection_rate"), np.ones((3, 3), np.float32))
    obs = pd.DataFrame(
        {"sample": ["b", "b", "NA"], "bin": [1, 2, 1], "mean_depth": [3.0, 4.0, 5.0]},
        index=["b.1", "b.2", "NA.1"],
    )
    return AnnData(centrality, obs, pd.DataFrame(index=["G1", "MT-CO1", "G3"]), layers=layers)


@pytest.fixture
def cohort(bins) -> AnnData:
    sheet = pd.DataFrame(
        {"donor": ["d1", "d2", "d3"], "batch": [None, "p", "p"], "score": [1.5, 2.5, 9.0]},
        index=pd.Index(["b", "NA", "without a bin"], name="sample"),
    )
    kernels = pd.DataFrame(
        {
            "kernel": "edge_jaccard",
            "sample1": ["NA", "NA", "b"],
            "sample2": ["NA", "b", "b"],
            "similarity": [1.0, 0.25, 0.5],
        }
    )
    return cohort_networks(bins, sheet, pd.Series({"MT-CO1": "IV"}), kernels)


def test_a_cohort_is_samples_by_genes(cohort, tmp_path):
    assert list(cohort.obs_names) == ["b", "NA"]
    np.testing.assert_allclose(cohort.X, [[-0.3, -0.5, -1], [-0.5, -0.5, -0.5]])
    np.testing.assert_allclose(cohort.layers["degree"], [[0.5, 1, np.nan], [1, 1, np.nan]])
    assert list(cohort.obs["n_bins"]) == [2, 1]
    assert list(cohort.obs["mean_depth"]) == [3.5, 5.0]
    assert list(cohort.obs["score"]) == [1.5, 2.5]
    assert list(cohort.var["complex"]) == ["", "IV", ""]
    np.testing.assert_array_equal(cohort.obsp["edge_jaccard"], [[0.5, 0.25], [0.25, 1]])
    cohort.write_h5ad(tmp_path / "cohort.h5ad")


def test_every_sample_has_a_graph_of_the_same_genes(cohort):
    edges = pd.DataFrame({"sample": ["b"], "gene1": ["G1"], "gene2": ["MT-CO1"]})
    edges = edges.assign(weight=-0.5, share=0.75)
    graphs = dict(sample_graphs(cohort, edges.astype({"sample": "category"})))
    assert list(graphs) == ["b", "NA"]
    assert [graph.vs["name"] for graph in graphs.values()] == [["G1", "MT-CO1"]] * 2
    assert [graph.ecount() for graph in graphs.values()] == [1, 0]
    assert graphs["b"].es["weight"] == [-0.5]
    assert graphs["b"].vs["complex"] == ["", "IV"]
    np.testing.assert_allclose(graphs["b"].vs["centrality"], [-0.3, -0.5], rtol=1e-6)
    assert {"mean_expression", *MEASURES} <= set(graphs["b"].vs.attributes())


def test_weights_without_a_sign_have_no_signed_strength(cohort):
    del cohort.layers["signed_strength"]
    edges = pd.DataFrame(columns=["sample", "gene1", "gene2", "weight", "share"])
    _, graph = next(sample_graphs(cohort, edges))
    assert "strength" in graph.vs.attributes()
    assert "signed_strength" not in graph.vs.attributes()
