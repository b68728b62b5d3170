"""The tables of whole comparisons, as the rules write them."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from popnet import sivae
from popnet.comparisons import (
    classification,
    dimensions,
    gammas,
    gene_embedding,
    inference,
    markers,
    mixing,
    other_data,
)
from popnet.comparisons.agreement import compare_samples, edges_by_bin
from popnet.comparisons.dimensions import explain_dimensions
from popnet.comparisons.methods import Attempt, Training
from popnet.comparisons.neighbourhoods import compare_networks
from popnet.comparisons.outcomes import STATES, Outcomes, joined, not_tried

SMALL = sivae.settings_for(latent=2, hidden=[16, 8], steps=[20, 10, 20], precision="float32")
TRAINING = Training(SMALL, epochs=1)
TRYING = [classification, dimensions, gammas, gene_embedding, inference, markers, mixing]
TRYING += [other_data]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Call methods in this process: after PyTorch has started threads here, a fork would hang."""

    def attempt(function, *arguments) -> Attempt:
        try:
            return Attempt(function(*arguments), "done", 1.0, 1.0)
        except Exception as error:
            return Attempt(None, f"failed: {type(error).__name__}: {error}", 1.0, 1.0)

    for module in TRYING:
        monkeypatch.setattr(module, "attempt", attempt)


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Cells of two types and two batches; the first five genes are higher in the first type."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, size=(90, 24)).astype(np.float32)
    counts[:45, :5] += rng.poisson(9, size=(45, 5))
    obs = pd.DataFrame(
        {
            "cell_type": np.repeat(["A", "B"], 45),
            "batch": np.tile(["1", "2"], 45),
            "sample": "one",
            "depth": counts.sum(1),
        },
        index=[f"c{number}" for number in range(90)],
    )
    var = pd.DataFrame(index=[f"g{number}" for number in range(24)])
    return ad.AnnData(np.log1p(counts), obs, var, layers={"counts": counts})


def broken(*arguments):
    raise RuntimeError("no such thing")


def test_outcomes_are_rows(capsys):
    outcomes = Outcomes()
    outcomes.add("c", "one", Attempt(1, "done", 2.0, 10.0))
    outcomes.add("c", "two", {"a": not_tried("not applicable"), "b": Attempt(1, "done", 1.0, 5.0)})
    table = outcomes.table()
    assert list(table) == STATES
    assert list(table["status"]) == ["done", "a not applicable"]
    assert capsys.readouterr().out.splitlines()[0] == "c, one: done, 2.0 s"
    assert list(Outcomes().table()) == STATES


def test_joined_tables_keep_their_types():
    empty, full = pd.DataFrame(columns=["a"]), pd.DataFrame({"a": [1, 2]})
    assert joined([empty, full], ["a"])["a"].dtype == int
    assert list(joined([empty], ["a", "b"])) == ["a", "b"]


def test_cells_are_classified_by_a_method(cells):
    tables = classification.classify_cells("pca", cells, SMALL, 1, [2, 3], 3, seed=1)
    assert set(tables["accuracy"]["latent"]) == {2, 3}
    assert tables["accuracy"]["balanced_accuracy"].min() > 0.9
    assert set(tables["scores"]["cell"]) == set(cells.obs_names)
    assert all((table["method"] == "pca").all() for table in tables.values())
    same = cells.copy()
    for column in ("cell_type", "batch", "sample"):
        same.obs[column] = "one"
    tables = classification.classify_cells("pca", same, SMALL, 1, [2], 3, seed=1)
    assert tables["status"]["status"].tolist() == [classification.ALL_ALIKE]
    assert list(tables["scores"]) == ["method", *classification.SCORES]


def test_every_gamma_is_trained_in_every_repeat(cells):
    tables = gammas.compare_gammas(cells, SMALL, [5, 0], 2, seed=1)
    assert list(tables["gammas"]["setting"].unique()) == ["0", "5", "linear", "pca"]
    assert tables["gammas"].groupby("setting")["repeat"].unique().map(list).eq([[1, 2]] * 4).all()
    names = ["sivae, gamma 0", "sivae, gamma 5", "sivae-linear", "pca"]
    assert list(tables["status"]["method"]) == names
    assert tables["status"]["status"].eq("done").all()


def test_batches_are_compared_without_a_failed_method(cells, monkeypatch):
    monkeypatch.setattr(mixing, "umap_map", broken)
    broken.__name__ = "umap_map"
    tables = mixing.compare_batches(cells, SMALL, 1, [2, 3], seed=1)
    assert list(tables["mixing"]["method"]) == ["sivae", "sivae-batch", "pca"]
    assert list(tables["mixing"]["latent"]) == [3, 3, 23]
    assert list(tables["maps"]["view"].unique()) == ["after"]
    status = tables["status"].set_index("method")["status"]
    assert status["umap"] == "failed: RuntimeError: no such thing"
    assert status["tsne"] == "done"


def test_genes_of_the_simulated_network(monkeypatch):
    monkeypatch.setattr(gene_embedding, "PLANAR_STEPS", (10, 10, 10))
    tables = gene_embedding.embed_simulated_genes(SMALL, ["scvi", "pca"], seed=1)
    assert list(tables["found"]["method"]) == ["pca"]
    assert list(tables["found"]) == gene_embedding.FOUND
    assert list(tables["points"]) == gene_embedding.POINTS
    assert len(tables["points"]) == 300


def test_genes_of_given_and_of_found_markers(cells, monkeypatch):
    monkeypatch.setattr(markers, "planar_settings", lambda settings, n_cells: settings)
    found = markers.embed_marker_genes(cells, None, SMALL, ["pca"], seed=1)["markers"]
    assert set(found.loc[found["cell_type"] == "A", "gene"]) >= {f"g{n}" for n in range(5)}
    given = pd.DataFrame(
        {"gene": ["g0", "g1", "g2", "g7", "g8", "g9", "absent"], "cell_type": [*"AAABBBB"]}
    )
    tables = markers.embed_marker_genes(cells, given, SMALL, ["pca"], seed=1)
    assert len(tables["markers"]) == 6
    assert list(tables["found"]) == markers.FOUND
    assert tables["points"]["kind"].value_counts().to_dict() == {"cell": 90, "gene": 24}
    alike = cells[cells.obs["cell_type"] == "A"].copy()
    tables = markers.embed_marker_genes(alike, None, SMALL, ["pca"], seed=1)
    assert tables["methods"]["status"].tolist() == ["not applicable: the cells are of one type"]
    assert list(tables["points"]) == markers.POINTS


def test_dimensions_of_a_model_and_of_one_that_did_not_train(cells):
    fit = sivae.fit(cells, replace(SMALL, standardise=True), 1, "cpu")
    methods = ["loadings", "saliency", "gene-relevance"]
    tables = explain_dimensions(cells, fit, "done", 2, methods, seed=1)
    assert tables["methods"]["status"].eq("done").all()
    assert len(tables["genes"]) == 48
    assert list(tables["genes"]) == ["latent", "gene", "dimension", *methods]
    assert tables["relevance"]["relevance"].is_monotonic_decreasing
    tables = explain_dimensions(cells, None, "failed: no memory", 2, methods, seed=1)
    assert tables["methods"]["status"].eq("failed: no memory").all()
    assert tables["pairs"].empty
    assert tables["pairs"].columns[0] == "latent"


def test_networks_are_inferred_and_compared(cells, tmp_path):
    fit = sivae.fit(cells, SMALL, 1, "cpu")
    fit.save(tmp_path)
    trained = Attempt(None, "done", 3.0, 50.0)
    networks, states = {}, []
    for method, model in (
        ("correlation", None),
        ("sivae-euc", (trained, str(tmp_path))),
        ("sivae-clr", (not_tried("failed: no memory"), "")),
    ):
        networks[method], state = inference.infer_network(method, cells, TRAINING, 1, 1, model)
        states.append(state)
    state = pd.concat(states).set_index("method")
    assert list(state["status"]) == ["done", "done", "failed: no memory"]
    assert state.loc["sivae-euc", "seconds"] > 3
    assert "weights" not in networks["sivae-clr"].varp
    variance = np.where(fit.variance > 0, fit.variance, 1)
    np.testing.assert_allclose(
        networks["sivae-euc"].var["centrality"], -fit.reconstruction_error / variance, rtol=1e-5
    )
    truth = pd.DataFrame({"gene": cells.var_names, "truth": np.linspace(0, 1, 24)})
    tables = compare_networks(networks, truth, cells, seed=1)
    assert list(tables["neighbours"]["method"]) == ["correlation", "sivae-euc", "random"]
    assert list(tables["centralities"]) == ["gene", "truth", "correlation", "sivae-euc"]
    assert tables["by_gene"].shape == (len(tables["by_gene"]), 4)
    means = tables["by_gene"].drop(columns="gene").mean().to_numpy()
    np.testing.assert_allclose(tables["neighbours"]["variance_explained"], means)


@pytest.fixture(scope="module")
def bins() -> ad.AnnData:
    """siVAE's centralities of two bins of one sample, and one of another."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3, 24))
    values[0, 3] = np.nan
    obs = pd.DataFrame({"sample": ["a", "a", "b"], "bin": [1, 2, 1]}, index=["a.1", "a.2", "b.1"])
    var = pd.DataFrame(index=[f"g{number}" for number in range(24)])
    return ad.AnnData(values, obs, var, layers={"degree": np.where(np.isnan(values), np.nan, 1)})


def test_edges_by_bin(bins):
    edges = pd.DataFrame(
        {"sample": ["b", "a", "b"], "bin": [1, 1, 1], "gene1": ["g0", "g1", "g2"]}
    ).assign(gene2=["g1", "g5", "g23"])
    found = edges_by_bin(edges, bins, np.array([True, False, True]))
    assert found[0].tolist() == [29]
    assert found[1] is None
    assert found[2].tolist() == [1, 71]
    assert edges_by_bin(edges, bins)[1].tolist() == []


def test_networks_of_bins_agree_with_sivae(cells, bins, monkeypatch):
    def read(sample, number):
        """Bin a.2 has no genes that vary."""
        part = cells[::2].copy()
        if (sample, number) == ("a", 2):
            part.X[:] = 1
        return part

    names = ["correlation", "clr"]
    monkeypatch.setattr(inference, "load_method", lambda table, name: METHODS[name])
    found, edges, states = inference.infer_bins(names, bins, read, TRAINING, 0.1, seed=1)
    assert np.isnan(found.layers["correlation"][0, 3])
    assert np.isfinite(found.layers["correlation"][2]).all()
    assert not found.obsm["known"]["clr"].any()
    assert set(edges["method"]) == {"correlation"}
    assert states.set_index("method")["n_failed"].to_dict() == {"correlation": 0, "clr": 3}
    assert states["reason"].iloc[1] == "RuntimeError: no such thing"

    own = edges.drop(columns="method")
    agreement, outcomes, centrality = compare_samples(bins, own, [found], [edges], states, names)
    assert list(agreement["method"].unique()) == ["sivae", "correlation"]
    assert agreement.loc[agreement["method"] == "correlation", "jaccard"].eq(1).all()
    failed = "failed in 3 of 3 bins: RuntimeError: no such thing"
    assert list(outcomes["status"]) == ["done", failed]
    assert list(centrality.layers) == ["correlation"]


def correlation(cells, training, seed):
    weights = np.abs(np.corrcoef(cells.X, rowvar=False)) if cells.n_vars else np.empty((0, 0))
    np.fill_diagonal(weights, 0)
    return weights


METHODS = {"correlation": correlation, "clr": broken}
