"""Graph kernels against GraKeL and set arithmetic; kernel PCA against plain PCA."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from popnet.networks import kernels


def random_graph(generator, n_genes, density):
    upper = np.triu_indices(n_genes, 1)
    kept = generator.random(len(upper[0])) < density
    return upper[0][kept].astype(np.int32), upper[1][kept].astype(np.int32)


def graph(*edges):
    ends = np.array(edges, dtype=np.int32).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


def similarity_of(gram, samples):
    return kernels.sample_similarity(kernels.sum_blocks([gram], pd.DataFrame({"samples": samples})))


@settings(max_examples=40, deadline=None)
@given(
    n_genes=st.integers(1, 25),
    densities=st.lists(st.sampled_from([0, 0.02, 0.1, 0.5, 1]), min_size=1, max_size=5),
    labels=st.sampled_from(["degree", "gene"]),
    iterations=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_weisfeiler_lehman_equals_grakel(n_genes, densities, labels, iterations, seed):
    generator = np.random.default_rng(seed)
    graphs = [random_graph(generator, n_genes, density) for density in densities]
    np.testing.assert_allclose(
        kernels.weisfeiler_lehman(graphs, n_genes, labels, iterations),
        kernels.grakel_weisfeiler_lehman(graphs, n_genes, labels, iterations),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("labels", ["degree", "gene"])
def test_weisfeiler_lehman_equals_grakel_on_related_graphs(labels):
    generator = np.random.default_rng(4)
    shared = random_graph(generator, 300, 0.01)
    graphs = []
    for _ in range(30):
        kept = generator.random(len(shared[0])) < 0.9
        graphs.append((shared[0][kept], shared[1][kept]))
    gram = kernels.weisfeiler_lehman(graphs, 300, labels)
    reference = kernels.grakel_weisfeiler_lehman(graphs, 300, labels)
    np.testing.assert_allclose(gram, reference, rtol=0, atol=1e-10)
    np.testing.assert_allclose(np.diagonal(gram), 1)
    assert np.linalg.eigvalsh(gram).min() > -1e-10


def test_degree_labels_do_not_know_the_genes_but_gene_labels_do():
    one = graph((0, 1), (1, 2), (2, 3))
    renamed = graph((0, 5), (2, 4), (2, 5))
    assert kernels.weisfeiler_lehman([one, renamed], 6, "degree")[0, 1] == pytest.approx(1)
    assert kernels.weisfeiler_lehman([one, renamed], 6, "gene")[0, 1] < 0.5


def test_isolated_genes_count_with_degree_labels_only():
    graphs = [graph((0, 1), (1, 2)), graph((0, 1))]
    for labels, differs in (("degree", True), ("gene", False)):
        few = kernels.weisfeiler_lehman(graphs, 3, labels)
        many = kernels.weisfeiler_lehman(graphs, 30, labels)
        assert np.allclose(few, many) != differs


def test_graphs_without_a_node_resemble_one_another_only():
    graphs = [graph(), graph((0, 1)), graph()]
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    for kernel in (kernels.weisfeiler_lehman, kernels.grakel_weisfeiler_lehman):
        np.testing.assert_allclose(kernel(graphs, 4, "gene"), expected)


def test_unknown_labels_are_refused():
    for kernel in (kernels.weisfeiler_lehman, kernels.grakel_weisfeiler_lehman):
        with pytest.raises(ValueError, match="labels"):
            kernel([graph((0, 1))], 3, "name")


@settings(deadline=None)
@given(
    st.lists(
        st.sets(st.tuples(st.integers(0, 5), st.integers(6, 9)), max_size=20),
        min_size=1,
        max_size=30,
    )
)
def test_edge_jaccard_equals_sets(edge_sets):
    expected = [[len(a & b) / len(a | b) if a | b else 1 for b in edge_sets] for a in edge_sets]
    found = kernels.edge_jaccard([graph(*sorted(edges)) for edges in edge_sets])
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_rare_and_common_edges_are_both_counted():
    generator = np.random.default_rng(5)
    graphs = [random_graph(generator, 30, density) for density in np.linspace(0, 0.4, 40)]
    graphs.append(graph((28, 29)))
    sets = [set(zip(*map(np.ndarray.tolist, ends), strict=True)) for ends in graphs]
    expected = [[len(a & b) / max(len(a | b), 1) for b in sets] for a in sets]
    np.fill_diagonal(expected := np.array(expected), 1)
    np.testing.assert_allclose(kernels.edge_jaccard(graphs), expected, rtol=1e-14)


def test_sample_similarity_is_the_mean_over_pairs_of_bins():
    generator = np.random.default_rng(6)
    features = generator.normal(size=(7, 4))
    gram = features @ features.T
    bins = np.array(["b", "a", "b", "01", "a", "b", "1"])
    similarity, samples = similarity_of(gram, bins)
    assert samples.tolist() == ["b", "a", "01", "1"]
    np.fill_diagonal(gram, np.nan)  # of distinct bins
    expected = np.array(
        [[np.nanmean(gram[np.ix_(bins == a, bins == b)]) for b in samples[:2]] for a in samples]
    )
    np.testing.assert_allclose(similarity[:, :2], expected)
    np.testing.assert_array_equal(similarity, similarity.T)
    # The samples of one bin.
    np.testing.assert_allclose(np.diagonal(similarity)[2:], np.diagonal(expected).mean())


def test_sample_similarity_of_single_bins_is_that_of_the_bins():
    gram = kernels.edge_jaccard([(np.array([0]), np.array([1])), (np.array([0]), np.array([2]))])
    similarity, _ = similarity_of(gram, ["a", "b"])
    np.testing.assert_array_equal(similarity, gram)


def test_the_number_of_bins_does_not_set_a_sample_apart():
    """Samples of one network differ on the map by noise alone, whatever their bins."""
    generator = np.random.default_rng(2)
    bins = np.repeat([f"s{number}" for number in range(12)], [1] * 6 + [4] * 6)
    noise = generator.normal(0, 0.01, (len(bins), len(bins)))
    gram = 0.3 + (noise + noise.T) / 2
    np.fill_diagonal(gram, 1.0)
    coordinates, _ = kernels.kernel_pca(similarity_of(gram, bins)[0])
    spread = np.linalg.norm(coordinates, axis=1)
    assert spread[:6].mean() < 3 * spread[6:].mean()


def test_kernel_pca_equals_pca_of_the_features():
    features = np.random.default_rng(7).normal(size=(20, 6)) * np.arange(1, 7)
    coordinates, explained = kernels.kernel_pca(features @ features.T)
    centred = features - features.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(left * values)[:, :4], atol=1e-9)
    np.testing.assert_allclose(explained, (values**2 / (values**2).sum())[:4])
    largest = np.abs(coordinates).argmax(axis=0)
    assert (coordinates[largest, np.arange(4)] > 0).all()


@settings(deadline=None)
@given(st.integers(1, 4))
def test_kernel_pca_of_few_samples_pads_with_zeros(n_samples):
    features = np.eye(n_samples)
    coordinates, explained = kernels.kernel_pca(features, n_components=6)
    assert coordinates.shape == (n_samples, 6)
    np.testing.assert_allclose(coordinates[:, n_samples - 1 :], 0, atol=1e-7)
    assert explained.sum() == pytest.approx(float(n_samples > 1))


def test_kernel_pca_ignores_negative_eigenvalues():
    points = np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0.0]])
    coordinates, explained = kernels.kernel_pca(-points / 2 + np.diag([0, -3.0, 0]), 3)
    assert np.isfinite(coordinates).all()
    np.testing.assert_allclose(explained, [1, 0, 0])


def test_of_many_samples_kernel_pca_finds_the_first_components_alone(monkeypatch):
    features = np.random.default_rng(8).normal(size=(60, 30)) * 0.9 ** np.arange(30)
    whole = kernels.kernel_pca(features @ features.T)
    monkeypatch.setattr(kernels, "MANY_SAMPLES", 50)
    for found, expected in zip(kernels.kernel_pca(features @ features.T), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_kernel_pca_axes_do_not_flip_with_rounding():
    similarity = np.array([[1, 0.2], [0.2, 1]])
    coordinates, _ = kernels.kernel_pca(similarity, 1)
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(2, 2)) * 1e-14
        again, _ = kernels.kernel_pca(similarity + noise, 1)
        np.testing.assert_allclose(again, coordinates, atol=1e-10)
    assert coordinates[0, 0] > 0


def test_kernel_pca_of_identical_samples_is_zero():
    coordinates, explained = kernels.kernel_pca(np.full((5, 5), 0.3))
    np.testing.assert_array_equal(coordinates, 0)
    np.testing.assert_array_equal(explained, 0)


def test_centrality_kernel_is_spearmans_rho():
    rng = np.random.default_rng(0)
    centrality = rng.normal(size=(5, 40)).round(1)
    found = kernels.centrality_kernel(centrality)
    np.testing.assert_allclose(found, spearmanr(centrality, axis=1).statistic, atol=1e-12)
    centrality[0, :10] = np.nan
    centrality[1] = np.nan
    found = kernels.centrality_kernel(centrality)
    assert np.linalg.eigvalsh(found).min() > -1e-12
    assert found[1].tolist() == [0] * 5
    assert found[0, 0] == pytest.approx(1)
