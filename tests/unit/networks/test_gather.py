"""From an estimator to networks of bins and samples."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from popnet.errors import InputError
from popnet.files import read_parquet, read_table, write_parquet, write_table
from popnet.networks import estimators
from popnet.networks.edges import closest_pairs, nearest_neighbours, pair_weights, strongest_pairs
from popnet.networks.gather import Given, gather, sample_edges
from popnet.networks.maps import bin_graphs, gram_matrix
from popnet.networks.modules import Modules
from popnet.networks.pairs import candidates, read_pairs
from popnet.networks.reliability import icc
from popnet.networks.trained import trained_models
from popnet.presets import PRESETS
from popnet.sivae.shared import fold_of

N_CELLS, N_GENES = 30, 12
GENES = [f"G{number}" for number in range(N_GENES)]
UPPER = np.triu_indices(N_GENES, 1)
PAIRS = list(zip(np.array(GENES)[UPPER[0]], np.array(GENES)[UPPER[1]], strict=True))

SETTINGS = {"closest": 0.2, "central_genes": "all", "neighbours": 3}
LEAST = 0.05
PAIR = ["gene1", "gene2"]


def tables(networks, path):
    """Return all that was gathered, by name."""
    return SimpleNamespace(
        bins=networks.to_anndata(),
        bin_edges=networks.bin_edges,
        edges=networks.edges,
        neighbours=pd.read_parquet(path),
        reliability=networks.reliability(),
        pairs=networks.pairs,
        modules=networks.modules,
        **networks.sample_means(),
    )


class Gathering:
    """The models of a cell type in a folder, and what is gathered from them."""

    def __init__(self, folder, binned):
        self.folder, self.binned, self.trained, self.seed = folder, binned, [], 0
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
        model.varm["covariance_factor"] = rng.normal(size=(N_GENES, 2)).astype(np.float32)
        model.uns["losses"] = pd.DataFrame({"stage": "joint", "step": [1, 2], "total": [9.0, 8.0]})
        if not failed:
            model.write_h5ad(self.folder / "models" / name)
        return self.seed if like is None else like

    def write(self):
        """Write the table of training and the cells of the bins; return cells and summary."""
        trained = pd.DataFrame(self.trained)
        write_table(trained, self.folder / "trained.tsv")
        rng = np.random.default_rng(0)
        keys = trained[["sample", "bin"]].drop_duplicates().itertuples(index=False, name=None)
        cells = {key: rng.normal(size=(N_CELLS, N_GENES)) for key in keys}
        expression, summary = self.binned(cells, path=self.folder / "expression.h5ad")
        summary.write_h5ad(self.folder / "summary.h5ad")
        return expression, summary

    def models(self, summary, max_failed=0.1):
        table, folder = str(self.folder / "trained.tsv"), self.folder / "models"
        return trained_models([table], summary.obs, folder, max_failed)

    def __call__(
        self, max_failed=0.1, relative=True, definition="distance", weigh_pairs=True, **settings
    ):
        expression, summary = self.write()
        path = self.folder / "neighbours.parquet"
        settings = SETTINGS | settings | {"weigh_pairs": weigh_pairs}
        estimator = estimators.bin_models(
            self.models(summary, max_failed),
            summary,
            LEAST if relative else None,
            definition,
            settings["closest"],
        )
        return tables(gather(estimator, summary, expression, path, **settings), path)

    def read(self, seed):
        """Return the errors, the loadings and the factor of a model."""
        rng = np.random.default_rng(seed)
        errors = rng.uniform(0.2, 0.8, N_GENES)
        return errors, *(rng.normal(size=(N_GENES, k)).astype(np.float32) for k in (3, 2))

    def edges(self, seed):
        """Return the edges of a model by the paper's definition, with their weights."""
        loadings = self.read(seed)[1].astype(float)
        mean = pdist(loadings).mean()
        return {
            (GENES[one], GENES[two]): np.exp(-np.linalg.norm(loadings[one] - loadings[two]) / mean)
            for one, two in zip(*closest_pairs(loadings, 0.2), strict=True)
        }


@pytest.fixture
def gathering(tmp_path, binned):
    def start(name):
        (tmp_path / name).mkdir()
        return Gathering(tmp_path / name, binned)

    return start


BINS = [("007", 1), ("007", 2), ("a|b", 1)]


def mean_of(tables):
    """Return the mean of values by pair, 0 where one has none."""
    pairs = set().union(*tables)
    return {pair: np.mean([table.get(pair, 0) for table in tables]) for pair in pairs}


def by_pair(table, column, *keys):
    keys = [*keys, "gene1", "gene2"]
    table = table.astype({"sample": str, "gene1": str, "gene2": str})
    return table.set_index(keys)[column].to_dict()


@pytest.mark.parametrize("definition", ["distance", "model"])
@pytest.mark.parametrize("relative", [True, False])
def test_repeats_that_are_alike_change_nothing(gathering, relative, definition):
    once, thrice = gathering("once"), gathering("thrice")
    for bin_ in BINS:
        seed = once.add(*bin_)
        for repeat in (1, 2, 3):
            thrice.add(*bin_, repeat, like=seed)
    one, three = (study(relative=relative, definition=definition) for study in (once, thrice))
    for name in ("bin_edges", "edges", "neighbours", "centrality", "degree", "mean_expression"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(three, name))
    np.testing.assert_allclose(one.bins.X, three.bins.X, rtol=1e-6)
    for layer in one.bins.layers:
        np.testing.assert_allclose(one.bins.layers[layer], three.bins.layers[layer], atol=1e-5)
    pd.testing.assert_frame_equal(one.bins.obs, three.bins.obs)
    assert (one.bin_edges["share"] == 1).all()
    assert one.reliability["icc_seeds"].isna().all()
    assert (one.reliability["n_repeats"] == 1).all()
    assert (three.reliability["n_repeats"] == 3).all()
    np.testing.assert_allclose(three.reliability["icc_seeds"], 1)
    shared = ["gene", "icc", "n_samples", "n_bins", "strength_icc"]
    pd.testing.assert_frame_equal(one.reliability[shared], three.reliability[shared])
    np.testing.assert_allclose(one.pairs.weights, three.pairs.weights, atol=1e-6)


def test_a_bin_is_the_mean_of_its_repeats(gathering, capsys):
    study = gathering("study")
    seeds = {bin_: [study.add(*bin_, repeat) for repeat in (1, 2, 3)] for bin_ in BINS}
    # One bin has two models left, which count for half a bin each.
    study.trained[1]["status"] = "failed: diverged"
    del seeds["007", 1][1]
    found = study()
    graphs = {bin_: [study.edges(seed) for seed in own] for bin_, own in seeds.items()}
    weight = {bin_: mean_of(own) for bin_, own in graphs.items()}
    share = {bin_: mean_of([dict.fromkeys(one, 1) for one in own]) for bin_, own in graphs.items()}
    for column, values in (("share", share), ("weight", weight)):
        expected = {
            (*bin_, *pair): value
            for bin_, of_bin in values.items()
            for pair, value in of_bin.items()
            if share[bin_][pair] >= 0.5
        }
        assert by_pair(found.bin_edges, column, "sample", "bin") == pytest.approx(expected)
        of_sample = mean_of([values["007", 1], values["007", 2]])
        expected = {("007", *pair): value for pair, value in of_sample.items()}
        expected |= {("a|b", *pair): value for pair, value in values["a|b", 1].items()}
        assert by_pair(found.edges, column, "sample") == pytest.approx(expected)
    assert found.bin_edges["share"].min() < 1
    assert list(found.edges) == ["sample", "gene1", "gene2", "weight", "share"]
    assert list(found.bin_edges) == ["sample", "bin", "gene1", "gene2", "weight", "share"]

    errors = [np.mean([study.read(seed)[0] for seed in own], axis=0) for own in seeds.values()]
    np.testing.assert_allclose(found.bins.X, -np.array(errors), rtol=1e-5)
    means = found.centrality.set_index("gene").loc[GENES]
    np.testing.assert_allclose(means["007"], -(errors[0] + errors[1]) / 2, rtol=1e-5)
    for measure, values in (("degree", share), ("strength", weight)):
        of_bin = values["007", 1].items()
        expected = [sum(value for pair, value in of_bin if gene in pair) for gene in GENES]
        np.testing.assert_allclose(found.bins.layers[measure][0], expected, rtol=1e-5)
    # Weights have no sign, so that a signed strength would be the strength once more.
    assert "signed_strength" not in found.bins.layers
    neighbours = found.neighbours[found.neighbours["sample"] == "007"]
    models = [study.read(seed)[1] for bin_ in BINS[:2] for seed in seeds[bin_]]
    nearest, distance = nearest_neighbours(models, 3)
    assert neighbours["neighbour"].tolist() == np.array(GENES)[nearest.ravel()].tolist()
    np.testing.assert_allclose(neighbours["distance"], distance.ravel(), rtol=1e-6)
    assert found.reliability["n_repeats"].tolist() == pytest.approx([8 / 3] * N_GENES, rel=1e-5)
    assert "left out: 007 bin 1 repeat 2 (failed: diverged)" in capsys.readouterr().out
    losses = study.models(ad.read_h5ad(study.folder / "summary.h5ad")).losses()
    assert losses.groupby(["sample", "bin"])["repeat"].unique().map(list).tolist() == [
        [1, 3], [1, 2, 3], [1, 2, 3]
    ]  # fmt: skip


@pytest.mark.parametrize("definition", ["model", "inner", "cosine"])
def test_weights_of_a_bin_are_the_means_of_its_models(gathering, definition):
    study = gathering("study")
    seeds = {bin_: [study.add(*bin_, repeat) for repeat in (1, 2)] for bin_ in BINS}
    found = study(definition=definition)
    element = 2 if definition == "model" else 1
    models = {
        bin_: [pair_weights(study.read(seed)[element], definition, 0.2) for seed in own]
        for bin_, own in seeds.items()
    }
    weights = {bin_: np.mean(own, axis=0) for bin_, own in models.items()}
    of_sample = {"007": (weights["007", 1] + weights["007", 2]) / 2, "a|b": weights["a|b", 1]}
    for table, keys, of in (
        (found.bin_edges, ["sample", "bin"], weights),
        (found.edges, ["sample"], of_sample),
    ):
        for key, value in by_pair(table, "weight", *keys).items():
            *which, one, two = key
            expected = of[tuple(which) if len(which) > 1 else which[0]]
            assert value == pytest.approx(expected[GENES.index(one), GENES.index(two)], abs=1e-5)
    edges = {
        bin_: mean_of(
            [dict.fromkeys(zip(*strongest_pairs(one, 0.2), strict=True), 1) for one in own]
        )
        for bin_, own in models.items()
    }
    expected = {
        ("007", GENES[one], GENES[two]): value
        for (one, two), value in mean_of([edges["007", 1], edges["007", 2]]).items()
    }
    shares = by_pair(found.edges, "share", "sample")
    assert {key: share for key, share in shares.items() if key[0] == "007"} == expected
    strength = np.mean([np.abs(one).sum(axis=1) for one in models["007", 1]], axis=0)
    np.testing.assert_allclose(found.bins.layers["strength"][0], strength, rtol=1e-5)
    signed = weights["007", 1].sum(axis=1)
    np.testing.assert_allclose(found.bins.layers["signed_strength"][0], signed, atol=1e-5)


def test_a_bin_fails_with_its_last_repeat(gathering):
    study = gathering("study")
    for bin_ in BINS:
        for repeat in (1, 2):
            study.add(*bin_, repeat, failed=bin_ == BINS[0] or repeat == 1)
    message = r"1 of 3 bins did not train with any seed: 007 bin 1 \(failed: diverged\)"
    with pytest.raises(InputError, match=message):
        study(max_failed=0.3)
    found = study(max_failed=0.34)
    assert list(found.bins.obs["sample"]) == ["007", "a|b"]
    assert list(found.bins.obs["bin"]) == [2, 1]


def test_a_gene_that_few_cells_express_has_neither_centrality_nor_edges(gathering):
    study = gathering("study")
    for bin_ in BINS:
        study.add(*bin_)
    whole = study()
    wanted = study.write

    def rare():
        expression, summary = wanted()
        summary.layers["detection_rate"][0, 4] = 0.01
        return expression, summary

    study.write = rare
    found = study()
    assert np.isnan(found.bins.X[0, 4])
    assert np.isnan(found.bins.layers["degree"][0, 4])
    np.testing.assert_array_equal(found.bins.X[1:], whole.bins.X[1:])
    edges = found.bin_edges.astype({"sample": str, "gene1": str, "gene2": str})
    of_bin = edges[(edges["sample"] == "007") & (edges["bin"] == 1)]
    assert "G4" not in {*of_bin["gene1"], *of_bin["gene2"]}
    of_sample = found.neighbours[found.neighbours["sample"] == "007"]
    assert "G4" not in set(of_sample["neighbour"])
    # The paper's centrality knows no threshold.
    assert np.isfinite(study(relative=False).bins.X).all()


def test_the_graph_has_the_most_central_genes_of_each_bin(gathering):
    study = gathering("study")
    for bin_ in BINS:
        study.add(*bin_)
    found = study(central_genes=3)
    expected = np.unique(np.argsort(-found.bins.X, axis=1)[:, :3])
    shown = np.isfinite(found.bins.layers["degree"]).any(axis=0)
    np.testing.assert_array_equal(np.flatnonzero(shown), expected)
    assert found.degree["gene"].tolist() == [GENES[gene] for gene in expected]
    assert found.centrality["gene"].tolist() == GENES
    assert set(found.pairs.pairs["gene1"]) <= set(found.degree["gene"])
    # Edges are of the graph's genes alone, and go by the names that these have among all.
    own = study.read(1)[1][expected]
    pairs = {
        (GENES[expected[x]], GENES[expected[y]])
        for x, y in zip(*closest_pairs(own, 0.2), strict=True)
    }
    edges = found.bin_edges[(found.bin_edges["sample"] == "007") & (found.bin_edges["bin"] == 1)]
    assert set(zip(edges["gene1"], edges["gene2"], strict=True)) == pairs


def test_edges_of_a_sample_count_a_bin_without_the_edge():
    # Three genes: the pairs 01, 02 and 12.
    weights = [np.array([1, 0.5, 0]), np.array([0.5, -0.25, 0.1]), np.zeros(3), np.zeros(3)]
    one = pd.DataFrame({"gene1": [0, 0], "gene2": [1, 2], "share": [1.0, 0.5]})
    bins = [one, one.iloc[:1].copy(), one.iloc[:0].copy(), one.iloc[:0].copy()]
    found = sample_edges(bins, weights, 3)
    assert list(found) == ["gene1", "gene2", "share", "weight"]
    assert found.to_numpy().tolist() == [[0, 1, 0.5, 0.375], [0, 2, 0.125, 0.0625]]
    assert [table["weight"].tolist() for table in bins] == [[1, 0.5], [0.5], [], []]


# Plain correlation, from the cells to the files


def gathered(estimator, cohort, folder, **settings):
    expression, summary = cohort
    path = folder / "neighbours.parquet"
    settings = SETTINGS | {"weigh_pairs": True} | settings
    return tables(gather(estimator, summary, expression, path, **settings), path)


@pytest.fixture
def plain(cohort):
    """The correlations of the genes in every bin; 0 for a constant gene."""
    expression, summary = cohort
    found = {}
    for key in zip(summary.obs["sample"], summary.obs["bin"], strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.nan_to_num(np.corrcoef(expression.read(*key), rowvar=False))
        np.fill_diagonal(weights, 0)
        found[key] = weights
    return found


def test_networks_of_plain_correlation(cohort, plain, tmp_path):
    found = gathered(estimators.correlation(*cohort, LEAST), cohort, tmp_path)
    keys, samples = list(plain), ["007", "a|b", "NA"]
    own = {sample: [w for key, w in plain.items() if key[0] == sample] for sample in samples}
    mean = {sample: np.mean(weights, axis=0) for sample, weights in own.items()}

    # Edges: the strongest fifth of the 66 pairs, or of the 55 of genes that vary.
    edges = {
        key: {
            pair: 1
            for pair in np.argsort(-np.abs(weights[UPPER]))[: 11 if key == ("007", 2) else 13]
        }
        for key, weights in plain.items()
    }
    for sample in samples:
        share = mean_of([edges[key] for key in keys if key[0] == sample])
        table = found.edges[found.edges["sample"] == sample]
        assert by_pair(table, "share", "sample") == {
            (sample, *PAIRS[pair]): value for pair, value in share.items()
        }
        assert by_pair(table, "weight", "sample") == pytest.approx(
            {(sample, *PAIRS[pair]): mean[sample][UPPER][pair] for pair in share}, abs=1e-6
        )
    assert by_pair(found.bin_edges, "weight", "sample", "bin") == pytest.approx(
        {(*key, *PAIRS[pair]): plain[key][UPPER][pair] for key in keys for pair in edges[key]},
        abs=1e-6,
    )

    # Genes: the constant one has no values.
    varies = np.ones((4, N_GENES), bool)
    varies[1, -1] = False
    for layer, of in (("strength", np.abs), ("signed_strength", np.asarray)):
        expected = np.array([of(plain[key]).sum(axis=1) for key in keys])
        expected[~varies] = np.nan
        np.testing.assert_allclose(found.bins.layers[layer], expected, atol=1e-5)
        reliability = icc(expected, [key[0] for key in keys])["icc"]
        np.testing.assert_allclose(found.reliability[f"{layer}_icc"], reliability, atol=1e-4)
        if layer == "strength":
            np.testing.assert_allclose(found.bins.X, expected / (N_GENES - 1), atol=1e-6)
    assert found.reliability["gene"].tolist() == GENES

    # Pairs: a fifth of them, of the largest mean square.
    weights = np.array([mean[sample][UPPER] for sample in samples])
    rms = np.sqrt((weights**2).mean(axis=0))
    chosen = np.sort(np.argsort(-rms)[:14])
    pairs = found.pairs
    assert list(zip(pairs.pairs["gene1"], pairs.pairs["gene2"], strict=True)) == [
        PAIRS[pair] for pair in chosen
    ]
    assert list(pairs.samples) == samples
    np.testing.assert_allclose(pairs.weights, weights[:, chosen], atol=1e-6)
    np.testing.assert_allclose(pairs.correlation, pairs.weights, atol=1e-6)
    np.testing.assert_allclose(pairs.pairs["rms"], rms[chosen], rtol=1e-5)
    of_bins = np.array([plain[key][UPPER] for key in keys])
    reliability = icc(of_bins, [key[0] for key in keys])["icc"].to_numpy()
    np.testing.assert_allclose(pairs.pairs["icc"], reliability[chosen], atol=1e-4)

    # Neighbours: the three strongest.
    for sample in samples:
        table = found.neighbours[found.neighbours["sample"] == sample]
        strongest = np.argsort(-np.abs(mean[sample]), axis=1, kind="stable")
        of_gene = table["neighbour"].astype(str).to_numpy().reshape(N_GENES, 3)
        expected = np.array(GENES)[
            [[x for x in row if x != i][:3] for i, row in enumerate(strongest)]
        ]
        np.testing.assert_array_equal(of_gene, expected)
        expected = np.take_along_axis(mean[sample], strongest[:, :3], axis=1)
        # The diagonal is 0, as is all of a constant gene.
        np.testing.assert_allclose(table["weight"].to_numpy().reshape(-1, 3), expected, atol=1e-6)
        assert table["rank"].tolist() == [1, 2, 3] * N_GENES


def test_a_second_cohort_has_graph_pairs_and_modules_of_the_discovery(cohort, tmp_path):
    estimator = estimators.correlation(*cohort, LEAST)
    whole = gathered(estimator, cohort, tmp_path)
    genes = pd.Index(GENES[:6])
    among = whole.pairs.pairs[PAIR].isin(genes).all(axis=1).to_numpy()
    wanted = whole.pairs.pairs[among][PAIR].iloc[::-1]
    size = len(genes)
    frozen = Modules(
        genes, np.eye(size), np.repeat([1, 2], 3), np.ones(size), np.array([0.9, 0.9]), 1.0
    )
    given = Given(genes, wanted, frozen)
    donors = {sample: sample for sample in cohort[0].obs["sample"].astype(str)}
    found = gathered(estimator, cohort, tmp_path, given=given, donors=donors)
    assert found.modules is frozen
    assert set(found.bins.var_names[np.isfinite(found.bins.layers["degree"]).any(0)]) <= set(genes)
    assert found.pairs.pairs[PAIR].values.tolist() == wanted.iloc[::-1].values.tolist()
    np.testing.assert_array_equal(found.pairs.weights, whole.pairs.weights[:, among])


def test_pairs_are_weighed_only_where_asked(cohort, tmp_path):
    estimator = estimators.correlation(*cohort, LEAST)
    assert gathered(estimator, cohort, tmp_path, weigh_pairs=False).pairs is None
    assert {path.name for path in tmp_path.iterdir()} == {"expression.h5ad", "neighbours.parquet"}


def test_the_pairs_of_a_shared_model_come_with_their_plain_correlation(
    cohort, plain, fits, tmp_path
):
    expression, summary = cohort
    fold = fold_of(expression.obs, 1)
    estimator = estimators.shared_model(fits, fold, expression, summary, LEAST)
    pairs = gathered(estimator, cohort, tmp_path).pairs
    index = [
        PAIRS.index(pair) for pair in zip(pairs.pairs["gene1"], pairs.pairs["gene2"], strict=True)
    ]
    expected = np.array(
        [
            np.mean([w for key, w in plain.items() if key[0] == sample], axis=0)[UPPER]
            for sample in pairs.samples
        ]
    )
    np.testing.assert_allclose(pairs.correlation, expected[:, index], atol=1e-6)
    weights = np.array(
        [
            np.mean(
                [
                    estimator.weigh(row, np.arange(N_GENES))[0]
                    for row in np.flatnonzero(summary.obs["sample"] == sample)
                ],
                axis=0,
            )[UPPER]
            for sample in pairs.samples
        ]
    )
    np.testing.assert_allclose(pairs.weights, weights[:, index], atol=1e-6)
    rms = np.sqrt((weights**2).mean(axis=0))
    np.testing.assert_array_equal(index, candidates(rms))


def test_networks_without_a_sign(cohort, plain, tmp_path):
    """Their pairs are confirmed by the absolute correlation."""
    estimator = estimators.of_information("clr", *cohort, LEAST)
    found = gathered(estimator, cohort, tmp_path)
    assert "signed_strength" not in found.bins.layers
    assert "signed_strength_icc" not in found.reliability
    strength = np.array([estimator.weigh(row, np.arange(N_GENES))[0].sum(axis=1) for row in (0, 2)])
    np.testing.assert_allclose(found.bins.layers["strength"][[0, 2]], strength, rtol=1e-5)
    assert np.isnan(found.bins.layers["strength"][1, -1])
    assert (found.edges["weight"] > 0).all()
    pairs = found.pairs
    assert (pairs.weights >= 0).all()
    mean = [np.mean([w for key, w in plain.items() if key[0] == s], axis=0) for s in pairs.samples]
    index = [
        PAIRS.index(pair) for pair in zip(pairs.pairs["gene1"], pairs.pairs["gene2"], strict=True)
    ]
    expected = np.abs(np.array([of_sample[UPPER] for of_sample in mean]))
    np.testing.assert_allclose(pairs.correlation, expected[:, index], atol=1e-6)
    # All kernels of the map take their graphs.
    write_parquet(found.bin_edges, tmp_path / "bin_edges.parquet")
    graphs, n_genes = bin_graphs(found.bins, read_parquet(tmp_path / "bin_edges.parquet"))
    for kernel in PRESETS["robust"].kernels:
        gram = gram_matrix(kernel, graphs, n_genes, found.bins.X)
        assert np.isfinite(gram).all()
        np.testing.assert_allclose(gram.diagonal(), 1)


def test_networks_of_counts_without_one_bin(cohort, tmp_path, monkeypatch):
    expression, _ = cohort
    whole = gathered(estimators.cs_core(*cohort, LEAST), cohort, tmp_path)
    assert "signed_strength" in whole.bins.layers
    assert (whole.pairs.weights < 0).any()
    read = expression.read_counts

    def read_counts(*key):
        counts, depth = read(*key)
        return counts if key != ("NA", 3) else np.ones_like(counts), depth

    monkeypatch.setattr(expression, "read_counts", read_counts)
    found = gathered(estimators.cs_core(*cohort, LEAST), cohort, tmp_path)
    assert list(found.bins.obs["sample"]) == ["007", "007", "a|b"]
    assert list(found.pairs.samples) == ["007", "a|b"]
    for name in ("edges", "bin_edges"):
        table = getattr(whole, name).astype({"sample": str})
        expected = table[table["sample"] != "NA"].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(found, name).astype({"sample": str}), expected)


@pytest.mark.parametrize("central_genes", ["all", 1])
def test_a_cohort_without_an_edge(binned, tmp_path, central_genes):
    cells = {("a", 1): np.zeros((5, N_GENES)), ("b", 1): np.zeros((5, N_GENES))}
    cohort = binned(cells)
    estimator = estimators.correlation(*cohort, LEAST)
    found = gathered(estimator, cohort, tmp_path, central_genes=central_genes)
    assert found.edges.empty
    assert found.bin_edges.empty
    assert found.pairs.pairs.empty
    assert found.pairs.weights.shape == (2, 0)
    assert np.isnan(found.bins.X).all()


# The script


class Files(dict):
    """Files or parameters by name, as Snakemake gives them."""

    __getattr__ = dict.__getitem__


TABLES = ("centrality", "degree", "mean_expression", "reliability")
PARQUET = ("bin_edges", "edges", "neighbours")


@pytest.mark.parametrize(
    ("network", "preset", "definition"),
    [
        ("sivae", "robust", "model"),
        ("sivae", "paper", "distance"),
        ("correlation", "robust", "model"),
        ("components", "robust", "model"),
        ("shared", "robust", "model"),
        ("spearman", "robust", "model"),
        ("cs-core", "robust", "model"),
        ("mrnet", "robust", "model"),
    ],
)
def test_the_script_writes_what_was_gathered(
    gathering, root, fits, tmp_path, network, preset, definition
):
    study = gathering("study")
    for bin_ in BINS:
        study.add(*bin_)
    paper = preset == "paper"
    if network == "sivae":
        expected = study(relative=not paper, definition=definition, weigh_pairs=not paper)
    else:
        expression, summary = study.write()
        make = {
            "correlation": lambda: estimators.correlation(expression, summary, LEAST),
            "components": lambda: estimators.shared_components(
                estimators.cohort_directions(fits[0]), expression, summary, LEAST
            ),
            "shared": lambda: estimators.shared_model(
                fits, fold_of(expression.obs, 5), expression, summary, LEAST
            ),
            "spearman": lambda: estimators.spearman(expression, summary, LEAST),
            "cs-core": lambda: estimators.cs_core(expression, summary, LEAST),
            "mrnet": lambda: estimators.of_information("mrnet", expression, summary, LEAST),
        }[network]
        expected = gathered(make(), (expression, summary), tmp_path)
    folder = study.folder
    parts = [folder / "shared" / part for part in ("all", "fold1", "fold2")]
    for fit, part in zip(fits, parts, strict=True):
        fit.save(part)
    names = [f"{name}.tsv" for name in TABLES] + [f"{name}.parquet" for name in PARQUET]
    output = Files({Path(name).stem: str(folder / name) for name in [*names, "bins.h5ad"]})
    if not paper:
        output["pairs"] = str(folder / "pairs.h5ad")
        output["halves"] = str(folder / "halves.h5ad")
        output["half_edges"] = str(folder / "half_edges.parquet")
        for name in ("module_genes", "modules", "half_modules"):
            output[name] = str(folder / f"{name}.h5ad")
    samples = sorted({sample for sample, _ in BINS})
    write_table(pd.DataFrame({"sample": samples, "donor": samples}), folder / "donors.tsv")
    snakemake = SimpleNamespace(
        input=Files(
            trained=[str(folder / "trained.tsv")],
            summary=str(folder / "summary.h5ad"),
            expression=str(folder / "expression.h5ad"),
            models=[str(part / "fit.json") for part in parts],
            donors=str(folder / "donors.tsv"),
            graph=[],
        ),
        output=output,
        wildcards=SimpleNamespace(cell_type="FPP", network=network),
        params=Files(
            models=str(folder / "models"),
            networks=SETTINGS | {"min_detection": LEAST, "estimators": None, "edges": None},
            definition=definition,
            cross_fitted=False,
            preset=preset,
            max_failed_bins=0.1,
            seed=5,
        ),
        threads=1,
        log=[str(folder / "log")],
    )
    script = root / "workflow" / "scripts" / "networks" / "gather_networks.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    for name in names:
        path = folder / name
        read = read_table if path.suffix == ".tsv" else pd.read_parquet
        pd.testing.assert_frame_equal(
            read(path), getattr(expected, path.stem), rtol=1e-5, check_dtype=False
        )
    bins = ad.read_h5ad(folder / "bins.h5ad")
    np.testing.assert_array_equal(bins.X, expected.bins.X)
    assert set(bins.layers) == set(expected.bins.layers)
    if paper:
        assert not (folder / "pairs.h5ad").exists()
    else:
        pairs = read_pairs(output["pairs"])
        np.testing.assert_array_equal(pairs.weights, expected.pairs.weights)
        cohort, of_bins = (ad.read_h5ad(output[name]) for name in ("module_genes", "modules"))
        assert of_bins.obs_names.equals(bins.obs_names)
        assert of_bins.obsm["strength"].shape == (len(bins), cohort.n_obs)


def test_the_script_of_losses(gathering, root, tmp_path):
    study = gathering("study")
    for repeat, bin_ in enumerate(BINS):
        study.add(*bin_, failed=repeat == 1)
    study.write()

    snakemake = SimpleNamespace(
        input=[str(study.folder / "trained.tsv")],
        output=[str(tmp_path / "losses.parquet")],
        params=SimpleNamespace(models=str(study.folder / "models"), max_failed_bins=0.5),
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow" / "scripts" / "networks" / "gather_losses.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    found = pd.read_parquet(tmp_path / "losses.parquet")
    assert found["sample"].tolist() == ["007", "007", "a|b", "a|b"]
    assert found["total"].tolist() == [9.0, 8.0] * 2
