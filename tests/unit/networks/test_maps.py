"""Maps of samples from the networks of their bins."""

from __future__ import annotations

import tracemalloc
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from popnet.files import read_h5ad, write_h5ad
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


def random_bins(rng, n_bins, n_genes, density):
    """Graphs, the first of them empty, and centralities with genes that are switched off."""
    pairs = np.array(np.triu_indices(n_genes, 1))
    graphs = [tuple(pairs[:, rng.random(pairs.shape[1]) < density]) for _ in range(n_bins)]
    graphs[0] = tuple(pairs[:, :0])
    centrality = rng.normal(size=(n_bins, n_genes))
    return graphs, np.where(rng.random(centrality.shape) < 0.1, np.nan, centrality)


@settings(max_examples=100, deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    grakel=st.sampled_from([False, False, True]),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=7),
    density=st.sampled_from([0, 0.02, 0.2, 0.7]),
    at_once=st.sampled_from([1, 300, 1000, 2**27]),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_are_those_of_the_matrix_whatever_the_blocks(
    kernel, grakel, sizes, density, at_once, seed
):
    rng = np.random.default_rng(seed)
    sample = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    graphs, centrality = random_bins(rng, len(sample), 12, density)
    # The bins of a sample may be of different batches.
    batch = rng.choice(["", "p", "q"], len(sample))
    groups = pd.DataFrame({"samples": sample, "donors": sample // 2, "batches": batch}).astype(str)
    gram = maps.gram_matrix(kernel, graphs, 12, centrality, grakel)
    with mock.patch.object(kernels, "AT_ONCE", at_once):
        by_blocks = maps.gram_matrix(kernel, graphs, 12, centrality, grakel)
        sums = maps.kernel_sums(kernel, graphs, 12, centrality, groups, grakel)

    close = {"rtol": 1e-10, "atol": 1e-13}
    np.testing.assert_allclose(by_blocks, gram, **close)
    member = pd.get_dummies(groups["samples"])[groups["samples"].unique()].to_numpy(float)
    np.testing.assert_allclose(sums.of_samples, member.T @ gram @ member, **close)
    np.testing.assert_allclose(sums.itself, gram.diagonal(), **close)
    donors, batches = (groups[name].to_numpy() for name in ("donors", "batches"))
    same_donor, same_batch = donors[:, None] == donors, batches[:, None] == batches
    assert sums.together == {
        ("donors",): pytest.approx(gram[same_donor].sum(), rel=1e-10, abs=1e-12),
        ("batches",): pytest.approx(gram[same_batch].sum(), rel=1e-10, abs=1e-12),
        ("donors", "batches"): pytest.approx(
            gram[same_donor & same_batch].sum(), rel=1e-10, abs=1e-12
        ),
    }

    similarity, samples = kernels.sample_similarity(sums)
    assert samples.tolist() == groups["samples"].unique().tolist()
    np.fill_diagonal(gram, np.nan)  # of distinct bins
    name = groups["samples"].to_numpy()
    several = [one for one in samples if (name == one).sum() > 1]
    own = {one: np.nanmean(gram[np.ix_(name == one, name == one)]) for one in several}
    for i, one in enumerate(samples):
        for j, other in enumerate(samples):
            if one != other:
                expected = gram[np.ix_(name == one, name == other)].mean()
            else:
                expected = own.get(one, np.mean(list(own.values())) if own else sums.itself[i])
            assert similarity[i, j] == pytest.approx(expected, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_matrix_of_all_pairs_of_bins_is_made(kernel):
    n_bins = 3000
    graphs, centrality = random_bins(np.random.default_rng(0), n_bins, 8, 0.3)
    sample = np.arange(n_bins) // 5
    groups = pd.DataFrame({"samples": sample, "donors": sample // 2, "batches": sample % 3})
    tracemalloc.start()
    with mock.patch.object(kernels, "AT_ONCE", 2**20):
        sums = maps.kernel_sums(kernel, graphs, 8, centrality, groups.astype(str))
        maps.network_map(kernel, sums, 10, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n_bins**2 / 2


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
            kernel, maps.kernel_sums(kernel, graphs, n_genes, bins.X, groups), 50, seed=1
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
    write_h5ad(maps.to_anndata(found), tmp_path / "similarity.h5ad")
    read = read_h5ad(tmp_path / "similarity.h5ad")
    assert set(read.obsp) == set(KERNELS)
    for one in found:
        np.testing.assert_array_equal(read.obsp[one.kernel], one.similarity)
        assert list(read.obs_names) == one.samples.tolist()

    axes = maps.coordinate_table(found)
    assert list(axes) == ["kernel", "sample", *maps.AXES, "explained1", "explained2"]
    of_last = axes[axes["kernel"] == "centrality"]
    np.testing.assert_array_equal(of_last[maps.AXES], found[3].coordinates)
    assert (of_last["explained2"] == found[3].explained[1]).all()


def test_of_many_samples_the_nearest_are_listed(found, monkeypatch):
    monkeypatch.setattr(maps, "MOST_SAMPLES", 2)
    monkeypatch.setattr(maps, "NEAREST", 1)
    table = maps.similarity_table(found[:1])
    assert table["sample1"].tolist() == found[0].samples.tolist()
    others = np.where(np.eye(3, dtype=bool), -np.inf, found[0].similarity)
    assert table["sample2"].tolist() == found[0].samples[others.argmax(axis=1)].tolist()
    np.testing.assert_array_equal(table["similarity"], others.max(axis=1))
