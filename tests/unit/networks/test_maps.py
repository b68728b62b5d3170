"""Maps of samples from the networks of their bins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from popnet.errors import InputError
from popnet.files import write_parquet
from popnet.networks import kernels, maps

KERNELS = ("wl_degree", "wl_gene", "edge_jaccard", "centrality")


@pytest.fixture
def bins() -> AnnData:
    """Five bins of three samples; the second gene is in no graph."""
    rng = np.random.default_rng(0)
    degree = np.ones((5, 4))
    degree[:, 1] = np.nan
    degree[0, 3] = np.nan
    obs = pd.DataFrame(
        {"sample": ["s|1", "s|1", "NA", "NA", "c"], "bin": [1, 2, 1, 2, 1], "batch": "p"},
        index=[f"bin{number}" for number in range(5)],
    )
    genes = pd.DataFrame(index=["A", "B", "C", "D"])
    return AnnData(rng.normal(size=(5, 4)), obs, genes, layers={"degree": degree})


@pytest.fixture
def edges() -> pd.DataFrame:
    table = pd.DataFrame(
        [
            ("s|1", 1, "A", "C"),
            ("NA", 1, "A", "C"),
            ("NA", 1, "C", "D"),
            ("s|1", 2, "A", "D"),
            ("c", 1, "A", "D"),
        ],
        columns=["sample", "bin", "gene1", "gene2"],
    )
    genes = pd.CategoricalDtype(["A", "B", "C", "D"])
    return table.astype({"sample": "category", "gene1": genes, "gene2": genes})


def test_graphs_are_numbered_among_the_genes_that_any_graph_holds(bins, edges):
    graphs, n_genes = maps.bin_graphs(bins, edges)
    assert n_genes == 3
    found = [list(zip(*(end.tolist() for end in graph), strict=True)) for graph in graphs]
    assert found == [[(0, 1)], [(0, 2)], [(0, 1), (1, 2)], [], [(0, 2)]]


def test_a_sample_without_a_donor_is_its_own(bins):
    groups = maps.bin_groups(bins.obs, pd.Series({"s|1": "d", "c": "d", "NA": None}))
    assert groups["samples"].tolist() == ["s|1", "s|1", "NA", "NA", "c"]
    assert groups["donors"].tolist() == ["d", "d", "NA", "NA", "d"]
    assert groups["batches"].tolist() == ["p"] * 5


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_go_by_their_names(bins, edges, kernel):
    graphs, n_genes = maps.bin_graphs(bins, edges)
    gram = maps.gram_matrix(kernel, graphs, n_genes, bins.X)
    expected = {
        "wl_degree": lambda: kernels.weisfeiler_lehman(graphs, 3, "degree"),
        "wl_gene": lambda: kernels.weisfeiler_lehman(graphs, 3, "gene"),
        "edge_jaccard": lambda: kernels.edge_jaccard(graphs),
        "centrality": lambda: kernels.centrality_kernel(bins.X),
    }
    np.testing.assert_array_equal(gram, expected[kernel]())


def test_grakel_computes_the_kernel_of_the_paper(bins, edges):
    graphs, n_genes = maps.bin_graphs(bins, edges)
    ours, theirs = (
        maps.gram_matrix("wl_degree", graphs, n_genes, bins.X, grakel) for grakel in (False, True)
    )
    np.testing.assert_allclose(ours, theirs)


def test_an_unknown_kernel_is_refused(bins):
    with pytest.raises(ValueError, match="'cosine' is not known"):
        maps.gram_matrix("cosine", [], 0, bins.X)


@pytest.fixture
def found(bins, edges) -> list[maps.NetworkMap]:
    graphs, n_genes = maps.bin_graphs(bins, edges)
    groups = maps.bin_groups(bins.obs, pd.Series({"s|1": "d", "c": "d", "NA": "e"}))
    return [
        maps.network_map(
            kernel, maps.gram_matrix(kernel, graphs, n_genes, bins.X), groups, 50, seed=1
        )
        for kernel in KERNELS
    ]


def test_a_map_has_similarity_coordinates_and_reliability(found, bins, edges):
    jaccard = found[2]
    assert jaccard.kernel == "edge_jaccard"
    assert jaccard.samples.tolist() == ["s|1", "NA", "c"]
    graphs, _ = maps.bin_graphs(bins, edges)
    gram = kernels.edge_jaccard(graphs)
    assert jaccard.similarity[0, 1] == pytest.approx(gram[:2, 2:4].mean())
    coordinates, explained = kernels.kernel_pca(jaccard.similarity, 4)
    np.testing.assert_array_equal(jaccard.coordinates, coordinates)
    np.testing.assert_array_equal(jaccard.explained, explained)
    table = maps.reliability_table(found)
    assert table["kernel"].tolist() == list(KERNELS)
    assert (table["n_samples"] == 3).all()
    assert {"icc", "dicc", "donor_rank", "donor_p"} <= set(table)


def test_tables_hold_every_pair_once_and_survive_the_file_to_the_bit(found, tmp_path):
    table = maps.similarity_table(found)
    assert list(table) == ["kernel", "sample1", "sample2", "similarity"]
    assert len(table) == len(KERNELS) * 6
    write_parquet(table, tmp_path / "similarity.parquet")
    read = maps.read_similarity(tmp_path / "similarity.parquet")
    assert list(read) == list(KERNELS)
    for one in found:
        similarity, samples = read[one.kernel]
        np.testing.assert_array_equal(similarity, one.similarity)
        assert samples.tolist() == one.samples.tolist()

    axes = maps.coordinate_table(found)
    assert list(axes) == ["kernel", "sample", *maps.AXES, "explained1", "explained2"]
    of_last = axes[axes["kernel"] == "centrality"]
    np.testing.assert_array_equal(of_last[maps.AXES], found[3].coordinates)
    assert (of_last["explained2"] == found[3].explained[1]).all()


def test_damaged_similarities_are_named(found, tmp_path):
    path = tmp_path / "similarity.parquet"
    write_parquet(maps.similarity_table(found), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"similarity\.parquet"):
        maps.read_similarity(path)
