"""Networks for other tools."""

from __future__ import annotations

import igraph
import matplotlib.pyplot as plt
import networkx
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

from popnet.networks.centrality import MEASURES
from popnet.networks.export import cohort_networks, graphml, sample_graphs


def test_graph_survives_graphml(tmp_path):
    """Both for igraph and for networkx, whose nodes are the ids."""
    attributes = pd.DataFrame(
        {"centrality": [-0.1, np.nan, -0.3], "MT": [True, False, True], "complex": ["I", "", "<"]},
        index=["MT-ND1", 'a "<&\t', "Ünï"],
    )
    edges = pd.DataFrame({"gene1": ["MT-ND1"], "gene2": ["Ünï"], "weight": [0.25]})
    path = tmp_path / "a.graphml"
    path.write_text("".join(graphml('sample "<&', edges, attributes)), encoding="utf-8")
    graph = igraph.Graph.Read_GraphML(str(path))
    assert not graph.is_directed()
    assert graph.vs["name"] == graph.vs["label"] == attributes.index.tolist()
    assert graph.vs["MT"] == [True, False, True]
    np.testing.assert_array_equal(graph.vs["centrality"], attributes["centrality"])
    assert graph.es["weight"] == [0.25]
    assert graph.get_edgelist() == [(0, 2)]
    found = networkx.read_graphml(path)
    assert list(found) == attributes.index.tolist()
    assert dict(found.edges) == {("MT-ND1", "Ünï"): {"weight": 0.25}}
    assert found.nodes["Ünï"] == {
        **{"name": "Ünï", "label": "Ünï", "centrality": -0.3, "MT": True, "complex": "<"}
    }
    assert "centrality" not in found.nodes['a "<&\t']
    with pytest.raises(ValueError, match="lacks a gene"):
        list(graphml("a", edges, attributes.iloc[:1]))
    with pytest.raises(ValueError, match="twice"):
        list(graphml("a", edges, attributes.iloc[[0, 0, 2]]))


def read_graphs(cohort: AnnData, edges: pd.DataFrame) -> dict[str, networkx.Graph]:
    graphs = sample_graphs(cohort, edges)
    return {sample: networkx.parse_graphml("".join(lines)) for sample, lines in graphs}


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
    # In another order than the bins.
    similarity = AnnData(
        obs=pd.DataFrame(index=["NA", "b"]),
        obsp={"edge_jaccard": np.array([[1.0, 0.25], [0.25, 0.5]])},
    )
    coordinates = pd.DataFrame(
        {
            "kernel": "edge_jaccard",
            "sample": ["NA", "b"],
            "PC1": [0.3, -0.3],
            "PC2": [0.0, 0.0],
            "explained1": 1.0,
        }
    )
    genes = pd.DataFrame(
        {
            "gene": ["MT-CO1", "G1"],
            "estimate": [0.4, np.nan],
            "q": [0.01, np.nan],
            "explained_by": ["none", np.nan],
            "icc": 0.5,
        }
    )
    sets = pd.DataFrame({"gene_set": ["MT", "a"], "q": [0.2, 0.3], "verdict": [np.nan, "unknown"]})
    tests = {"centrality": {"score": genes}, "gene_sets": {"score": sets, "sex": sets[:1]}}
    complexes = pd.Series({"MT-CO1": "IV"})
    return cohort_networks(bins, sheet, complexes, similarity, coordinates, tests)


def test_a_cohort_is_samples_by_genes(cohort):
    assert list(cohort.obs_names) == ["b", "NA"]
    np.testing.assert_allclose(cohort.X, [[-0.3, -0.5, -1], [-0.5, -0.5, -0.5]])
    np.testing.assert_allclose(cohort.layers["degree"], [[0.5, 1, np.nan], [1, 1, np.nan]])
    assert list(cohort.obs["n_bins"]) == [2, 1]
    assert list(cohort.obs["mean_depth"]) == [3.5, 5.0]
    assert list(cohort.obs["score"]) == [1.5, 2.5]
    assert list(cohort.var["complex"]) == ["", "IV", ""]
    np.testing.assert_array_equal(cohort.obsp["edge_jaccard"], [[0.5, 0.25], [0.25, 1]])


def test_scanpy_reads_a_cohort_with_its_tests(cohort, tmp_path):
    cohort.write_h5ad(tmp_path / "cohort.h5ad")
    found = sc.read_h5ad(tmp_path / "cohort.h5ad")
    np.testing.assert_allclose(found.obsm["X_map_edge_jaccard"], [[-0.3, 0], [0.3, 0]])
    tested = sc.get.var_df(found, ["NA"]).join(found.var[["score: estimate", "score: q"]])
    np.testing.assert_array_equal(tested["score: q"], [np.nan, 0.01, np.nan])
    assert list(found.var["score: explained_by"].astype(object).fillna("")) == ["", "none", ""]
    assert not [name for name in found.var if "icc" in name]
    sets = found.uns["tests"]["gene_sets"]
    assert list(sets["phenotype"]) == ["score", "score", "sex"]
    assert list(sets["q"]) == [0.2, 0.3, 0.2]
    axes = sc.pl.embedding(found, "map_edge_jaccard", color=["score", "batch"], show=False)
    assert len(axes) == 2
    plt.close("all")


def test_every_sample_has_a_graph_of_the_same_genes(cohort):
    edges = pd.DataFrame({"sample": ["b"], "gene1": ["G1"], "gene2": ["MT-CO1"]})
    edges = edges.assign(weight=-0.5, share=0.75)
    graphs = read_graphs(cohort, edges.astype({"sample": "category"}))
    assert list(graphs) == ["b", "NA"]
    assert [list(graph) for graph in graphs.values()] == [["G1", "MT-CO1"]] * 2
    assert dict(graphs["b"].edges) == {("G1", "MT-CO1"): {"weight": -0.5}}
    assert not graphs["NA"].edges
    of_genes = graphs["b"].nodes
    assert [of_genes[gene]["complex"] for gene in ("G1", "MT-CO1")] == ["", "IV"]
    centrality = [of_genes[gene]["centrality"] for gene in ("G1", "MT-CO1")]
    np.testing.assert_allclose(centrality, [-0.3, -0.5], rtol=1e-6)
    assert {"mean_expression", *MEASURES} <= set(of_genes["G1"])


def test_weights_without_a_sign_have_no_signed_strength(cohort):
    del cohort.layers["signed_strength"]
    edges = pd.DataFrame(columns=["sample", "gene1", "gene2", "weight", "share"])
    graph = read_graphs(cohort, edges)["b"]
    assert "strength" in graph.nodes["G1"]
    assert "signed_strength" not in graph.nodes["G1"]
