"""From trained models to networks of bins and samples."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from popnet.errors import InputError
from popnet.files import read_table, write_table
from popnet.networks.edges import closest_pairs, nearest_neighbours
from popnet.networks.gather import gather, mean_edges
from popnet.networks.trained import trained_models

N_CELLS, N_GENES = 30, 12
GENES = [f"G{number}" for number in range(N_GENES)]


SETTINGS = {"closest": 0.2, "central_genes": "all", "neighbours": 3, "min_detection": 0.05}


class Gathering:
    """The models of a cell type in a folder, and what is gathered from them."""

    def __init__(self, folder):
        self.folder, self.trained, self.seed = folder, [], 0
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

    def write(self):
        """Write the table of training and the summary of the expression; return its bins."""
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
        return summary

    def __call__(self, max_failed=0.1, relative=True, **settings):
        summary = self.write()
        table, folder = str(self.folder / "trained.tsv"), self.folder / "models"
        models = trained_models([table], summary.obs, folder, max_failed)
        path = self.folder / "neighbours.parquet"
        found = gather(models, summary, path, relative=relative, **SETTINGS | settings)
        return SimpleNamespace(
            bins=found.to_anndata(),
            bin_edges=found.bin_edges,
            edges=found.edges,
            neighbours=pd.read_parquet(path),
            reliability=found.centrality.reliability(),
            losses=models.losses(),
            **found.sample_means(),
        )

    def edges(self, seed):
        """Return the edges of a model, as a set of pairs of genes."""
        rng = np.random.default_rng(seed)
        rng.uniform(size=N_GENES)
        loadings = rng.normal(size=(N_GENES, 3)).astype(np.float32)
        ends = closest_pairs(loadings, 0.2)
        return {(GENES[one], GENES[two]) for one, two in zip(*ends, strict=True)}, loadings


@pytest.fixture
def gathering(tmp_path):
    def start(name):
        (tmp_path / name).mkdir()
        return Gathering(tmp_path / name)

    return start


BINS = [("007", 1), ("007", 2), ("a|b", 1)]


@pytest.mark.parametrize("relative", [True, False])
def test_repeats_that_are_alike_change_nothing(gathering, relative):
    once, thrice = gathering("once"), gathering("thrice")
    for bin_ in BINS:
        seed = once.add(*bin_)
        for repeat in (1, 2, 3):
            thrice.add(*bin_, repeat, like=seed)
    one, three = once(relative=relative), thrice(relative=relative)
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


def test_a_bin_is_the_mean_of_its_repeats(gathering, capsys):
    study = gathering("study")
    seeds = {bin_: [study.add(*bin_, repeat) for repeat in (1, 2, 3)] for bin_ in BINS}
    # One bin has two models left, which count for half a bin each.
    study.trained[1]["status"] = "failed: diverged"
    del seeds["007", 1][1]
    found = study()
    share = {}
    for bin_, own in seeds.items():
        lists = [study.edges(seed)[0] for seed in own]
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
    models = [study.edges(seed)[1] for bin_ in BINS[:2] for seed in seeds[bin_]]
    nearest, _ = nearest_neighbours(models, 3)
    assert neighbours["neighbour"].tolist() == np.array(GENES)[nearest.ravel()].tolist()
    assert found.reliability["n_repeats"].tolist() == pytest.approx([8 / 3] * N_GENES, rel=1e-5)
    assert found.losses.groupby(["sample", "bin"])["repeat"].unique().map(list).tolist() == [
        [1, 3], [1, 2, 3], [1, 2, 3]
    ]  # fmt: skip
    assert "left out: 007 bin 1 repeat 2 (failed: diverged)" in capsys.readouterr().out


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
        summary = wanted()
        summary.layers["detection_rate"][0, 4] = 0.01
        return summary

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


def test_mean_edges_count_a_graph_without_the_edge():
    one = pd.DataFrame({"gene1": [0, 0], "gene2": [1, 2], "weight": [1.0, 0.5]})
    found = mean_edges([one, one.iloc[:1], one.iloc[:0], one.iloc[:0]])
    assert found.to_numpy().tolist() == [[0, 1, 0.5], [0, 2, 0.125]]


class Output(dict):
    """Files by name, as Snakemake gives them."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("preset", ["robust", "paper"])
def test_the_script_writes_what_was_gathered(gathering, root, preset):
    study = gathering("study")
    for bin_ in BINS:
        study.add(*bin_)
    expected = study(relative=preset == "robust")
    names = [f"{name}.tsv" for name in ("centrality", "degree", "mean_expression", "reliability")]
    names += [f"{name}.parquet" for name in ("bin_edges", "edges", "neighbours", "losses")]
    output = Output({Path(name).stem: str(study.folder / name) for name in [*names, "bins.h5ad"]})
    params = {"models": str(study.folder / "models"), "networks": SETTINGS, "preset": preset}
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            trained=[str(study.folder / "trained.tsv")], summary=str(study.folder / "summary.h5ad")
        ),
        output=output,
        params=SimpleNamespace(**params, max_failed_bins=0.1),
        log=[str(study.folder / "log")],
    )
    script = root / "workflow" / "scripts" / "networks" / "gather_networks.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    for name in names:
        path = study.folder / name
        read = read_table if path.suffix == ".tsv" else pd.read_parquet
        pd.testing.assert_frame_equal(
            read(path), getattr(expected, path.stem), rtol=1e-5, check_dtype=False
        )
    bins = ad.read_h5ad(study.folder / "bins.h5ad")
    np.testing.assert_array_equal(bins.X, expected.bins.X)
    assert set(bins.layers) == set(expected.bins.layers)
