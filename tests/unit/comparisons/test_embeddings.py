"""Methods of dimension reduction against the packages themselves, and their comparison."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from popnet import sivae
from popnet.comparisons import classification, gammas, mixing, other_data
from popnet.comparisons.embeddings.sivae import variant_settings
from popnet.comparisons.methods import Attempt, Training, load_method
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import EMBEDDINGS
from popnet.figures import comparison_embeddings as figures
from popnet.figures.style import Subject
from popnet.findings import shown_comparisons

LATENT = 3
SETTINGS = sivae.settings_for(
    "sivae", "paper", latent=LATENT, hidden=[16, 8], steps=[60, 30, 60], learning_rate=5e-3
)
TRAINING = Training(SETTINGS, epochs=20)
SUBJECT = Subject(None, None, n=240, unit="cells")


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Three types of cells that differ in a third of the genes each."""
    rng = np.random.default_rng(0)
    types = np.arange(240) % 3
    rates = np.where(np.arange(60) % 3 == types[:, None], 9.0, 1.0)
    counts = rng.poisson(rates * rng.lognormal(0, 0.2, (240, 1))).astype(np.float32)
    depth = counts.sum(1)
    expression = np.log1p(counts / depth[:, None] * 1e4)
    obs = pd.DataFrame(
        {
            "sample": rng.choice(["s1", "s2", "s3", "s4"], 240),
            "cell_type": np.array(["a", "b", "c"])[types],
            "batch": rng.choice(["x", "y"], 240),
            "depth": depth,
        },
        index=[f"cell{i}" for i in range(240)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(60)])
    layers = {"counts": sp.csr_matrix(counts)}
    return ad.AnnData(sp.csr_matrix(expression.astype(np.float32)), obs, var, layers=layers)


def embedded(name, cells, training=TRAINING, seed=1):
    return load_method(EMBEDDINGS, name)(cells[:200], cells[200:], training, seed)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_every_method(name, cells):
    """Finite scores of the promised shapes, in which three plain types are told apart."""
    if name in ("scvi", "ldvae"):
        pytest.importorskip("scvi")
    if name == "scetm":
        pytest.importorskip("scETM")
        pytest.importorskip("tensorboard")
    training = TRAINING
    if name in ("sivae-nb", "sivae-batch", "vae-linear"):
        training = replace(TRAINING, settings=replace(SETTINGS, steps=[200, 20, 200]))
    found = embedded(name, cells, training)
    assert found.scores.shape == (200, LATENT)
    assert found.heldout.shape == (40, LATENT)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.heldout).all()
    if name in ("vae", "scvi"):
        assert found.loadings is None
    else:
        assert found.loadings.shape == (60, 400 if name == "scetm" else LATENT)
    types = cells.obs["cell_type"].to_numpy()
    predicted = classification.classify(found.scores, types[:200], found.heldout, 15)
    assert classification.balanced_accuracy(types[200:], predicted) > 0.8


def test_principal_components(cells):
    """The singular vectors of scaled expression, up to sign."""
    found = embedded("pca", cells)
    expression = cells.X.toarray().astype(float)
    scaled = (expression - expression[:200].mean(0)) / expression[:200].std(0)
    _, _, axes = np.linalg.svd(scaled[:200], full_matrices=False)
    expected = scaled @ axes[:LATENT].T
    signs = np.sign((expected[:200] * found.scores).sum(0))
    np.testing.assert_allclose(found.scores, expected[:200] * signs, atol=1e-8)
    np.testing.assert_allclose(found.heldout, expected[200:] * signs, atol=1e-8)
    np.testing.assert_allclose(found.loadings, axes[:LATENT].T * signs, atol=1e-8)


def test_siVAE_is_the_package_itself(cells):
    found = embedded("sivae", cells)
    fitted = sivae.fit(cells[:200], SETTINGS, 1, "cpu")
    np.testing.assert_array_equal(found.scores, fitted.scores)
    np.testing.assert_array_equal(found.loadings, fitted.loadings)
    np.testing.assert_allclose(found.heldout, fitted.embed(cells[200:]))


def test_counts_go_to_the_negative_binomial(cells):
    counts = ad.AnnData(cells.layers["counts"].toarray(), cells.obs, cells.var)[:200]
    settings = replace(SETTINGS, likelihood="nb", gamma=0.0)
    fitted = sivae.fit(counts, settings, 1, "cpu")
    np.testing.assert_array_equal(embedded("sivae-nb", cells).scores, fitted.scores)


def test_batches_are_given_to_the_corrected_model(cells):
    fitted = sivae.fit(cells[:200], SETTINGS, 1, "cpu", covariates=["batch"])
    np.testing.assert_array_equal(embedded("sivae-batch", cells).scores, fitted.scores)


def test_settings_of_variants():
    fast = sivae.settings_for("sivae", "fast", latent=5, heldout=0.1)
    for variant in sivae.VARIANTS:
        found = variant_settings(fast, variant, 4000)
        assert found.latent == 5
        assert found.heldout == 0
        for name, value in sivae.VARIANTS[variant].items():
            assert getattr(found, name) == value
    assert variant_settings(fast, "sivae-nb", 4000).genes_per_step is None
    assert variant_settings(fast, "sivae", 4000).gamma == fast.gamma
    # As long as the cell-wise network of siVAE: its stages "cells" and "joint".
    assert variant_settings(fast, "vae", 4000).steps_for(4000) == (1000 + 2000, 1, 1)
    fewer = fast.steps_for(500)
    assert variant_settings(fast, "vae", 500).steps_for(500) == (fewer[0] + fewer[2], 1, 1)


def test_scvi_itself(cells):
    scvi = pytest.importorskip("scvi")
    found = embedded("ldvae", cells, replace(TRAINING, epochs=3))
    adata = cells[:200].copy()
    scvi.settings.seed = 1
    scvi.model.LinearSCVI.setup_anndata(adata, layer="counts")
    model = scvi.model.LinearSCVI(adata, n_hidden=12, n_latent=LATENT, n_layers=2)
    model.train(
        max_epochs=3, train_size=1.0, accelerator="cpu", devices=1, enable_progress_bar=False
    )
    np.testing.assert_allclose(found.scores, model.get_latent_representation(), rtol=1e-4)
    np.testing.assert_allclose(found.loadings, model.get_loadings().to_numpy(), rtol=1e-4)


def test_scetm_itself(cells):
    pytest.importorskip("tensorboard")
    scETM = pytest.importorskip("scETM")
    import torch

    # All cells in one minibatch, which the package shuffles otherwise without a seed.
    whole = Training(replace(SETTINGS, minibatch=200), epochs=3)
    found = embedded("scetm", cells, whole)
    adata = ad.AnnData(cells.layers["counts"].toarray()[:200], cells.obs[:200])
    scETM.set_seed(1)
    model = scETM.scETM(60, 1, n_topics=LATENT, hidden_sizes=(16, 8), device=torch.device("cpu"))
    trainer = scETM.UnsupervisedTrainer(model, adata, batch_size=200, seed=1)
    trainer.train(n_epochs=3, eval=False, n_samplers=1)
    model.get_all_embeddings_and_nll(adata)
    np.testing.assert_allclose(found.scores, adata.obsm["delta"], rtol=1e-5)
    # The decoder's logits are the topics' products with these loadings.
    theta = torch.softmax(torch.from_numpy(found.scores[:5]), 1)
    logits = theta @ model.alpha.detach() @ torch.from_numpy(found.loadings).T
    decoded = model.decode(theta, None)
    torch.testing.assert_close(torch.log_softmax(logits, 1), decoded, atol=1e-4, rtol=1e-4)


def test_scetm_follows_from_its_seed(cells):
    pytest.importorskip("scETM")
    pytest.importorskip("tensorboard")
    first, again, other = (
        embedded("scetm", cells, replace(TRAINING, epochs=2), seed).scores for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_an_empty_cell_is_embedded_by_scetm(cells):
    pytest.importorskip("scETM")
    pytest.importorskip("tensorboard")
    empty = cells.copy()
    counts = empty.layers["counts"].toarray()
    counts[:2] = 0
    empty.layers["counts"] = sp.csr_matrix(counts)
    assert np.isfinite(embedded("scetm", empty, replace(TRAINING, epochs=2)).scores).all()


def test_nearest_neighbours_vote():
    """Against distances computed one by one."""
    rng = np.random.default_rng(1)
    scores, heldout = rng.normal(size=(50, 2)), rng.normal(size=(20, 2))
    labels = rng.choice(["a", "b", "c"], 50)
    found = classification.classify(scores, labels, heldout, 7)
    for point, predicted in zip(heldout, found, strict=True):
        nearest = np.argsort(((scores - point) ** 2).sum(1))[:7]
        names, counts = np.unique(labels[nearest], return_counts=True)
        assert predicted == names[counts.argmax()]


def test_balanced_accuracy():
    from sklearn.metrics import balanced_accuracy_score, recall_score

    rng = np.random.default_rng(2)
    truth, predicted = rng.choice(list("aabc"), 90), rng.choice(list("abc"), 90)
    expected = balanced_accuracy_score(truth, predicted)
    assert classification.balanced_accuracy(truth, predicted) == pytest.approx(expected)
    found = classification.recall(truth, predicted)
    np.testing.assert_allclose(found["recall"], recall_score(truth, predicted, average=None))
    assert found["n"].sum() == 90


def test_folds():
    labels = np.array(["a"] * 50 + ["b"] * 25 + ["rare"] * 3)
    folds = classification.folds_of(labels, 5, seed=1)
    heldout = np.concatenate([held for _, held in folds])
    np.testing.assert_array_equal(np.sort(heldout), np.arange(75))
    for trained, held in folds:
        assert not set(trained) & set(held)
        assert (labels[held] == "a").sum() == 10
    with pytest.raises(ValueError, match="labels"):
        classification.folds_of(labels[:50], 5, seed=1)


def test_cross_validation(cells):
    method = load_method(EMBEDDINGS, "pca")
    accuracy, by_type, scores = classification.cross_validate(
        method, cells, "cell_type", TRAINING, seed=1
    )
    assert len(accuracy) == 5 * 2
    assert set(accuracy["latent"]) == {LATENT}
    assert (accuracy["balanced_accuracy"] > 0.95).all()
    assert by_type.groupby("k")["n"].sum().eq(240).all()
    assert set(by_type["type"]) == {"a", "b", "c"}
    assert sorted(scores["cell"]) == sorted(cells.obs_names)
    assert scores["heldout"].sum() == 48
    types = cells.obs["cell_type"].astype(str)
    assert (scores.set_index("cell")["type"] == types[scores["cell"]]).all()


def test_held_out_cells_are_not_trained_on(cells):
    """A method that learns its cells by heart tells nothing of new ones."""
    from popnet.comparisons.methods import Embedding

    def by_heart(trained, heldout, training, seed):
        rng = np.random.default_rng(seed)
        codes = pd.factorize(trained.obs["cell_type"])[0]
        return Embedding(codes[:, None].astype(float), rng.uniform(0, 2, (heldout.n_obs, 1)))

    accuracy, _, _ = classification.cross_validate(by_heart, cells, "cell_type", TRAINING, 1)
    assert accuracy["balanced_accuracy"].mean() < 0.5

    def endless(trained, heldout, training, seed):
        return Embedding(np.full((trained.n_obs, 1), np.nan), np.zeros((heldout.n_obs, 1)))

    with pytest.raises(ValueError, match="finite"):
        classification.cross_validate(endless, cells, "cell_type", TRAINING, 1)


def test_what_is_classified(cells):
    obs = cells.obs.copy()
    assert classification.choose_label(obs) == "cell_type"
    obs["cell_type"] = "one"
    assert classification.choose_label(obs) == "batch"
    assert classification.choose_batch(obs) == "batch"
    # A label of fewer cells than folds cannot be in all of them.
    obs.loc[obs.index[:4], "cell_type"] = "rare"
    assert classification.choose_label(obs, 5) == "batch"
    assert classification.choose_label(obs, 4) == "cell_type"
    obs["cell_type"], obs["batch"] = "one", ""
    assert classification.choose_label(obs) == "sample"
    assert classification.choose_batch(obs) == "sample"
    obs["sample"] = "one"
    assert classification.choose_label(obs) is None


def test_k_beyond_the_trained_cells_is_left_out(cells):
    method = load_method(EMBEDDINGS, "pca")
    few = cells[:90].copy()
    accuracy, by_type, _ = classification.cross_validate(
        method, few, "cell_type", TRAINING, seed=1, n_folds=3
    )
    assert set(accuracy["k"]) == set(by_type["k"]) == {15}


def test_quality_of_cells_that_are_all_alike(cells):
    alike = cells.copy()
    alike.obs["cell_type"] = "one"
    settings = replace(SETTINGS, heldout=0.2)
    found = gammas.heldout_quality(alike, "cell_type", settings, "cpu", 1)
    assert found["balanced_accuracy"].isna().all()
    assert found["heldout_error"].notna().all()


def test_a_batch_that_was_not_trained_on_is_embedded_as_the_most_common(cells):
    from popnet.comparisons.embeddings.sivae import sivae_batch

    trained, heldout = cells[:200].copy(), cells[200:].copy()
    common = trained.obs["batch"].astype(str).mode()[0]
    expected = heldout.copy()
    expected.obs["batch"] = common
    heldout.obs["batch"] = "new"
    found, same = (sivae_batch(trained, each, TRAINING, 1).heldout for each in (heldout, expected))
    np.testing.assert_array_equal(found, same)


def test_quality_of_held_out_cells(cells):
    settings = gammas.gamma_settings(replace(SETTINGS, heldout=0.2), [0, 0.5, 100])
    assert list(settings) == ["0", "0.5", "100", "linear"]
    assert settings["0.5"].gamma == 0.5
    assert settings["linear"].decoder == "linear"
    found = {
        name: gammas.heldout_quality(cells, "cell_type", each, "cpu", 1)
        for name, each in settings.items()
    }
    for name, table in found.items():
        assert list(table["k"]) == [80, 15]
        assert table["balanced_accuracy"].between(0, 1).all()
        assert table["heldout_error"].between(0, 1.5).all()
        assert table["linear_error"].isna().all() == (name == "0")
    fitted = sivae.fit(
        cells, settings["0.5"], 1, "cpu", strata=cells.obs["cell_type"].astype(str).to_numpy()
    )
    expression = cells.X.toarray()
    trained = expression[~fitted.heldout]
    scaled = (expression[fitted.heldout] - trained.mean(0)) / trained.std(0)
    expected = fitted.heldout_error.sum() / (scaled**2).mean(0).sum()
    assert found["0.5"]["heldout_error"].iloc[0] == pytest.approx(expected, rel=1e-4)


def test_principal_components_of_held_out_cells(cells):
    found = gammas.pca_quality(cells, "cell_type", replace(SETTINGS, heldout=0.2), 1)
    assert found["heldout_error"].between(0.1, 1).all()
    full = replace(SETTINGS, heldout=0.2, latent=cells.n_vars)
    whole = gammas.pca_quality(cells, "cell_type", full, 1)
    np.testing.assert_allclose(whole["heldout_error"], 0, atol=1e-10)


def test_mixing_against_the_definition():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(40, 2))
    batches, types = rng.choice(list("xyz"), 40), rng.choice(list("ab"), 40)
    found = mixing.mixing(scores, batches, types, n_neighbours=6)
    indices, others, same, expected = [], [], [], []
    for i in range(40):
        order = [j for j in np.argsort(((scores - scores[i]) ** 2).sum(1)) if j != i][:6]
        shares = pd.Series(batches[order]).value_counts(normalize=True)
        indices.append(1 / (shares**2).sum())
        others.append((batches[order] != batches[i]).mean())
        same.append((types[order] == types[i]).mean())
        kin = [j for j in range(40) if j != i and types[j] == types[i]]
        expected.append((batches[kin] != batches[i]).mean())
    assert found["inverse_simpson"] == pytest.approx(np.mean(indices))
    assert found["other_batches"] == pytest.approx(np.mean(others) / np.mean(expected))
    assert found["same_type"] == pytest.approx(np.mean(same))


def test_mixing_at_its_ends():
    rng = np.random.default_rng(4)
    scores, batches = rng.normal(size=(600, 3)), np.repeat(["x", "y"], 300)
    types = np.full(600, "a")
    mixed = mixing.mixing(scores, batches, types)
    assert mixed["other_batches"] == pytest.approx(1, abs=0.05)
    assert mixed["inverse_simpson"] == pytest.approx(mixed["inverse_simpson_mixed"], abs=0.05)
    apart = mixing.mixing(scores + 100 * (batches == "x")[:, None], batches, types)
    assert apart["other_batches"] == 0
    assert apart["inverse_simpson"] == 1


def test_simulated_chromatin_is_recovered():
    data = other_data.simulate_chromatin(1, n_cells=300, n_regions=300, module=50, opened=0.5)
    assert set(np.unique(data.X)) == {0, 1}
    assert (data.var["module"] != "none").sum() == 200
    of_group = data.obs["group"].to_numpy() == "2"
    of_module = data.var["module"].to_numpy() == "2"
    block = data.X[of_group][:, of_module].mean()
    assert block == pytest.approx(0.5, abs=0.1)
    assert data.X[~of_group][:, of_module].mean() == pytest.approx(0.05, abs=0.02)
    settings = sivae.settings_for(
        "sivae", "paper", latent=4, hidden=[32, 16], steps=[150] * 3, learning_rate=5e-3
    )
    measures, points = other_data.recover_chromatin(data, replace(settings, heldout=0.2), "cpu", 1)
    value = measures.set_index("measure")["value"]
    chance = measures.set_index("measure")["chance"]
    assert value["groups"] > 0.9
    assert value["modules"] > 2 * chance["modules"]
    assert chance["groups"] == 0.25
    assert chance["modules"] == pytest.approx(49 / 299)
    assert len(points) == 600


def test_images():
    images = other_data.load_images("digits", 1)
    assert images.shape == (1797, 64)
    assert images.obs["digit"].nunique() == 10


def test_outcomes():
    done = Attempt(1, "done", 2.0, 100.0)
    killed = Attempt(None, "failed: no memory", 3.0, float("nan"))
    assert outcome("c", "m", {"": done}) == {
        "comparison": "c",
        "method": "m",
        "status": "done",
        "seconds": 2.0,
        "peak_memory_mb": 100.0,
    }
    both = outcome("c", "m", {"2 dimensions": done, "5 dimensions": killed})
    assert both["status"] == "5 dimensions failed: no memory"
    assert both["seconds"] == 5
    assert both["peak_memory_mb"] == 100
    assert outcome("c", "m", {"a": killed, "b": killed})["status"] == "failed: no memory"


def test_figures(cells):
    method = load_method(EMBEDDINGS, "pca")
    two = replace(TRAINING, settings=replace(SETTINGS, latent=2))
    tables = classification.cross_validate(method, cells, "cell_type", two, 1, 2)
    accuracy, by_type, scores = (table.assign(method="pca") for table in tables)
    shown = shown_comparisons.accuracies(accuracy, ["pca", "vae"])
    part = accuracy[accuracy["k"] == 80]["balanced_accuracy"]
    row = shown[shown["k"] == 80].iloc[0]
    assert (row["mean"], row["lowest"], row["highest"], row["folds"]) == (
        pytest.approx(part.mean()),
        part.min(),
        part.max(),
        2,
    )
    figure = figures.embedding_accuracy(shown, SUBJECT, failed=["scvi"], chance=1 / 3)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["pca", "scvi"]
    found = shown_comparisons.recalls(by_type, ["pca"])
    assert set(found["k"]) == {80}
    figures.recall_table(found, SUBJECT)
    figures.embedding_maps(scores, SUBJECT)
    maps = cells.obs.assign(view="after", x=0.0, y=1.0)
    mixed = pd.DataFrame({"method": ["sivae-batch"], "other_batches": 1.0, "same_type": 0.5})
    figures.batch_maps(maps, SUBJECT, mixing=mixed)


def test_figures_of_nothing(cells):
    """All methods failed."""
    accuracy = pd.DataFrame(columns=["method", "latent", "k", "fold", "label", "balanced_accuracy"])
    shown = shown_comparisons.accuracies(accuracy, ["pca"])
    figures.embedding_accuracy(shown, SUBJECT, failed=["pca"], chance=1)
    types = pd.DataFrame(columns=["method", "latent", "k", "label", "type", "n", "recall"])
    figures.recall_table(shown_comparisons.recalls(types, ["pca"]), SUBJECT)
    figures.embedding_maps(pd.DataFrame(columns=["method", "type", "x", "y"]), SUBJECT)
    gammas = pd.DataFrame(columns=["setting", "k"])
    figures.gamma_sweep(gammas, shown_comparisons.gamma_means(gammas), SUBJECT)
    nothing = pd.DataFrame(columns=["view", "x", "y", "cell_type", "batch", "method"])
    figures.batch_maps(nothing, SUBJECT, mixing=nothing)
    figures.other_data(
        shown,
        pd.DataFrame(columns=["measure", "value", "chance"]),
        pd.DataFrame(columns=["kind", "planted", "x", "y"]),
        SUBJECT,
    )
