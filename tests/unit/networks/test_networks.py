"""Adjacency, centrality, neighbours and sample networks against plain references."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import igraph
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from popnet.files import read_table, write_table
from popnet.networks import edges as network_edges
from popnet.networks.centrality import central_genes, degree_centrality
from popnet.networks.edges import adjacency_degree, closest_pairs, nearest_neighbours
from popnet.networks.export import to_graph


def test_degree_centrality_is_the_negative_error():
    np.testing.assert_array_equal(degree_centrality(np.array([0.1, 0.9])), [-0.1, -0.9])


def test_central_genes_are_the_union_over_bins():
    centrality = np.array([[5, 4, 0, 1, np.nan], [0, 5, 4, 1, 9.0]])
    np.testing.assert_array_equal(central_genes(centrality, 2), [0, 1, 4])
    for every in (None, "all", 5, 50):
        np.testing.assert_array_equal(central_genes(centrality, every), np.arange(5))


def test_central_genes_break_ties_by_position():
    np.testing.assert_array_equal(central_genes(np.zeros((2, 6)), 3), [0, 1, 2])


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


def test_degree_centrality_relative_to_the_bin():
    """The bins of one sample share a scale: halves of the variance are halves of the error."""
    errors = np.array([[0.5, 0.2, 0.0], [1.5, 1.8, 0.0]])
    variances = np.array([[0.5, 0.4, 0.0], [1.5, 1.6, 0.0]])
    found = degree_centrality(errors, variances)
    np.testing.assert_allclose(found[:, :2], [[-1, -0.5], [-1, -1.125]])
    assert np.isnan(found[:, 2]).all()


N_CELLS, N_GENES = 30, 12
GENES = [f"G{number}" for number in range(N_GENES)]


class Gathering:
    """The rule that gathers models, run by what Snakemake would run."""

    def __init__(self, folder, script):
        self.folder, self.script, self.trained, self.seed = folder, script, [], 0
        (folder / "models").mkdir()

    def add(self, sample, number, repeat=1, like=None, failed=False):
        """Add a model of a bin, with the loadings and errors of another where it is `like` it."""
        name = f"{len(self.trained)}.h5ad"
        self.seed += 1
        rng = np.random.default_rng(self.seed if like is None else like)
        row = {"sample": sample, "bin": number, "repeat": repeat, "model": name}
        self.trained.append(row | {"status": "failed: diverged" if failed else "trained"})
        model = ad.AnnData(
            np.zeros((N_CELLS, N_GENES), np.float32), var=pd.DataFrame(index=pd.Index(GENES))
        )
        model.var["reconstruction_error"] = rng.uniform(0.2, 0.8, N_GENES).astype(np.float32)
        model.var["variance"] = np.float32(1)
        model.varm["sivae_loadings"] = rng.normal(size=(N_GENES, 3)).astype(np.float32)
        model.uns["losses"] = pd.DataFrame({"stage": "joint", "step": [1, 2], "total": [9.0, 8.0]})
        if not failed:
            model.write_h5ad(self.folder / "models" / name)
        return self.seed if like is None else like

    def __call__(self, max_failed=0.1, preset="robust"):
        trained = pd.DataFrame(self.trained)
        write_table(trained, self.folder / "trained.tsv")
        bins = trained[["sample", "bin"]].drop_duplicates()
        bins.index = bins["sample"] + "." + bins["bin"].astype(str)
        expression = np.ones((len(bins), N_GENES), np.float32)
        summary = ad.AnnData(
            expression,
            obs=bins.assign(n_cells=N_CELLS, batch="", mean_depth=3.0),
            var=pd.DataFrame(index=pd.Index(GENES)),
            layers={"detection_rate": expression},
        )
        summary.write_h5ad(self.folder / "summary.h5ad")
        files = [f"{name}.tsv" for name in ("centrality", "degree", "mean_expression")]
        files += ["reliability.tsv", "bins.h5ad"]
        files += [f"{name}.parquet" for name in ("bin_edges", "edges", "neighbours", "losses")]
        settings = {"closest": 0.2, "central_genes": "all", "neighbours": 3, "min_detection": 0.05}
        snakemake = SimpleNamespace(
            input=SimpleNamespace(
                batches=[str(self.folder / "trained.tsv")],
                summary=str(self.folder / "summary.h5ad"),
            ),
            output=SimpleNamespace(**{Path(f).stem: str(self.folder / f) for f in files}),
            params=SimpleNamespace(
                models=str(self.folder / "models"),
                networks=settings,
                preset=preset,
                max_failed_bins=max_failed,
            ),
            log=[str(self.folder / "log")],
        )
        runpy.run_path(str(self.script), init_globals={"snakemake": snakemake})
        found = {}
        for file in files:
            path = self.folder / file
            reader = {".tsv": read_table, ".h5ad": ad.read_h5ad, ".parquet": pd.read_parquet}
            found[path.stem] = reader[path.suffix](path)
        return SimpleNamespace(**found)

    def edges(self, seed):
        """Return the edges of a model, as a set of pairs of genes."""
        rng = np.random.default_rng(seed)
        rng.uniform(size=N_GENES)
        loadings = rng.normal(size=(N_GENES, 3)).astype(np.float32)
        ends = plain_closest_pairs(loadings, 0.2)
        return {(GENES[one], GENES[two]) for one, two in zip(*ends, strict=True)}, loadings


@pytest.fixture
def gathering(root, tmp_path):
    def start(name):
        (tmp_path / name).mkdir()
        return Gathering(tmp_path / name, root / "workflow" / "scripts" / "gather_networks.py")

    return start


BINS = [("007", 1), ("007", 2), ("a|b", 1)]


@pytest.mark.parametrize("preset", ["robust", "paper"])
def test_repeats_that_are_alike_change_nothing(gathering, preset):
    once, thrice = gathering("once"), gathering("thrice")
    for bin_ in BINS:
        seed = once.add(*bin_)
        for repeat in (1, 2, 3):
            thrice.add(*bin_, repeat, like=seed)
    one, three = once(preset=preset), thrice(preset=preset)
    for name in ("bin_edges", "edges", "neighbours", "centrality", "degree", "mean_expression"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(three, name))
    np.testing.assert_allclose(one.bins.X, three.bins.X, rtol=1e-6)
    for layer in one.bins.layers:
        np.testing.assert_allclose(one.bins.layers[layer], three.bins.layers[layer], atol=1e-6)
    pd.testing.assert_frame_equal(one.bins.obs, three.bins.obs)
    assert (one.bin_edges["weight"] == 1).all()
    assert one.reliability["icc_seeds"].isna().all()
    assert (one.reliability["n_repeats"] == 1).all()
    assert (three.reliability["n_repeats"] == 3).all()
    np.testing.assert_allclose(three.reliability["icc_seeds"], 1)
    shared = ["gene", "icc", "n_samples", "n_bins"]
    pd.testing.assert_frame_equal(one.reliability[shared], three.reliability[shared])
    assert len(three.losses) == 3 * len(one.losses)


def test_a_bin_is_the_mean_of_its_repeats(gathering):
    gather = gathering("study")
    seeds = {bin_: [gather.add(*bin_, repeat) for repeat in (1, 2, 3)] for bin_ in BINS}
    # One bin has two models left, which count for half a bin each.
    gather.trained[1]["status"] = "failed: diverged"
    del seeds["007", 1][1]
    found = gather()
    share = {}
    for bin_, own in seeds.items():
        lists = [gather.edges(seed)[0] for seed in own]
        pairs = set().union(*lists)
        share[bin_] = {pair: np.mean([pair in edges for edges in lists]) for pair in pairs}
    columns = ["sample", "bin", "gene1", "gene2"]
    rows = found.bin_edges.astype({"sample": str, "gene1": str, "gene2": str}).set_index(columns)
    expected = {
        (*bin_, *pair): weight
        for bin_, weights in share.items()
        for pair, weight in weights.items()
        if weight >= 0.5
    }
    assert rows["weight"].to_dict() == pytest.approx(expected)
    assert rows["weight"].min() < 1

    edges = found.edges.astype(str).set_index(["sample", "gene1", "gene2"])["weight"].astype(float)
    one, two = share["007", 1], share["007", 2]
    of_sample = {pair: (one.get(pair, 0) + two.get(pair, 0)) / 2 for pair in one | two}
    expected = {("007", *pair): weight for pair, weight in of_sample.items()}
    expected |= {("a|b", *pair): weight for pair, weight in share["a|b", 1].items()}
    assert edges.to_dict() == pytest.approx(expected)

    errors = [
        np.mean([np.random.default_rng(seed).uniform(0.2, 0.8, N_GENES) for seed in own], axis=0)
        for own in seeds.values()
    ]
    np.testing.assert_allclose(found.bins.X, -np.array(errors), rtol=1e-5)
    means = found.centrality.set_index("gene").loc[GENES]
    np.testing.assert_allclose(means["007"], -(errors[0] + errors[1]) / 2, rtol=1e-5)
    degree = [sum(weight for pair, weight in one.items() if gene in pair) for gene in GENES]
    np.testing.assert_allclose(found.bins.layers["degree"][0], degree, rtol=1e-5)
    neighbours = found.neighbours[found.neighbours["sample"] == "007"]
    models = [gather.edges(seed)[1] for bin_ in BINS[:2] for seed in seeds[bin_]]
    nearest, _ = nearest_neighbours(models, 3)
    assert neighbours["neighbour"].tolist() == np.array(GENES)[nearest.ravel()].tolist()
    assert found.reliability["n_repeats"].tolist() == pytest.approx([8 / 3] * N_GENES, rel=1e-5)
    assert found.losses.groupby(["sample", "bin"])["repeat"].unique().map(list).tolist() == [
        [1, 3], [1, 2, 3], [1, 2, 3]
    ]  # fmt: skip
    assert "left out: 007 bin 1 repeat 2 (failed: diverged)" in (gather.folder / "log").read_text()


def test_a_bin_fails_with_its_last_repeat(gathering):
    gather = gathering("study")
    for bin_ in BINS:
        for repeat in (1, 2):
            gather.add(*bin_, repeat, failed=bin_ == BINS[0] or repeat == 1)
    with pytest.raises(SystemExit):
        gather(max_failed=0.3)
    log = (gather.folder / "log").read_text()
    assert "1 of 3 bins did not train with any seed: 007 bin 1 (failed: diverged)" in log
    found = gather(max_failed=0.34)
    assert list(found.bins.obs["sample"]) == ["007", "a|b"]
    assert list(found.bins.obs["bin"]) == [2, 1]
