"""From expression to a trained siVAE, and what can be done with one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData, read_h5ad
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from popnet import sivae
from popnet.errors import InputError
from popnet.sivae import (
    VARIANTS,
    DivergedError,
    FeatureInput,
    Fit,
    Settings,
    choose_device,
    data,
    fit,
    load,
    settings_for,
    storage,
)

N_CELLS, N_GENES = 60, 20
TINY = {
    "latent": 3,
    "hidden": (16, 8),
    "steps": (20, 20, 30),
    "minibatch": 16,
    "learning_rate": 1e-3,
    "precision": "float32",
}
ARRAYS = ("scores", "loadings", "reconstruction_error", "heldout_error", "variance", "heldout")


def tiny(variant: str = "sivae", **changes) -> Settings:
    return settings_for(variant, **TINY | changes)


@pytest.fixture(scope="module")
def expression() -> np.ndarray:
    rng = np.random.default_rng(0)
    programme = rng.normal(size=(N_CELLS, 2)) @ rng.normal(size=(2, N_GENES))
    return (programme + rng.normal(size=(N_CELLS, N_GENES))).astype(np.float32)


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    rng = np.random.default_rng(1)
    programme = 0.5 * rng.normal(size=(N_CELLS, 2)) @ rng.normal(size=(2, N_GENES))
    return rng.poisson(np.exp(programme + rng.normal(1, 1, N_GENES))).astype(np.float32)


@pytest.fixture
def suitable(expression, counts):
    """A function that returns what a variant is trained on."""
    return lambda variant: counts if settings_for(variant).likelihood == "nb" else expression


HUBS, ISOLATED = [0, 15], np.arange(30, 40)


@pytest.fixture(scope="module")
def network() -> np.ndarray:
    """Cells of two hubs (genes 0 and 15) with 14 spokes each and ten isolated genes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 40))
    for hub in HUBS:
        spokes = slice(hub + 1, hub + 15)
        x[:, spokes] = 0.6 * x[:, [hub]] + 0.8 * x[:, spokes]
    return x


NETWORK = {
    "latent": 2,
    "hidden": (32, 16),
    "steps": (200, 200, 400),
    "learning_rate": 3e-3,
    "schedule": "decay",
    "precision": "float32",
}


@pytest.fixture(scope="module")
def trained(network) -> Fit:
    return fit(network, settings_for(**NETWORK))


def assert_same(one: Fit, other: Fit) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    pd.testing.assert_frame_equal(one.losses, other.losses, check_exact=True)


# The fit


@pytest.mark.parametrize("heldout", [0.0, 0.25])
@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_and_recorded_losses(suitable, variant, heldout):
    seen = []
    settings = tiny(variant, heldout=heldout)
    fitted = fit(suitable(variant), settings, 1, progress=lambda *args: seen.append(args))
    deep_vae = settings.model == "vae" and settings.decoder == "deep"
    assert fitted.scores.shape == (N_CELLS, 3)
    assert fitted.loadings.shape == (N_GENES, 16 if deep_vae else 3)
    assert fitted.scores.dtype == fitted.loadings.dtype == np.float32
    assert fitted.heldout.sum() == round(heldout * N_CELLS)
    for name in ("reconstruction_error", "heldout_error", "variance"):
        assert getattr(fitted, name).shape == (N_GENES,)
        assert getattr(fitted, name).dtype == np.float32
    np.testing.assert_allclose(fitted.variance, 1, rtol=1e-4)
    assert np.isnan(fitted.heldout_error).all() == (heldout == 0)
    assert 0 <= fitted.active_dimensions <= 3
    assert fitted.seconds > 0
    assert 10 < fitted.peak_memory < 100_000
    assert (fitted.device, fitted.precision, fitted.seed) == ("cpu", "float32", 1)

    losses = fitted.losses
    stages = {"cells": 20, "features": 20, "joint": 30}
    stages = stages if settings.model == "sivae" else {"cells": 20}
    assert losses.groupby("stage", sort=False).size().to_dict() == stages
    recorded = losses.assign(n=losses.stage.map(stages))[["stage", "step", "n", "total"]]
    assert seen == list(recorded.itertuples(index=False, name=None))
    terms = losses.fillna(0)
    fixed = terms.reconstruction + settings.gamma * terms.interpretability + terms.l2
    # The KL's weight starts at 0 and is whole from the middle of a stage this short.
    started = losses.step == 1
    warm = losses.step > losses.stage.map(stages) / 2
    np.testing.assert_allclose(losses.total[started], fixed[started], rtol=1e-4)
    kl = settings.kl * (terms.kl_cells + terms.kl_features)
    np.testing.assert_allclose(losses.total[warm], (fixed + kl)[warm], rtol=1e-4)
    assert losses.interpretability.notna().any() == (variant == "sivae")

    found = fitted.heldout_loss
    if heldout:
        assert np.isfinite(list(found.values())).all()
        kl = settings.kl * (found["kl_cells"] + found.get("kl_features", 0))
        expected = found["reconstruction"] + kl
        expected += settings.gamma * found.get("interpretability", 0)
        assert found["total"] == pytest.approx(expected, rel=1e-5)
    else:
        assert np.isnan(list(found.values())).all()
    assert ("kl_features" in found) == (settings.model == "sivae")
    assert ("interpretability" in found) == (variant == "sivae")


def test_errors_are_those_of_the_posterior_means(expression):
    fitted = fit(expression, tiny(heldout=0.25), seed=1)
    with torch.no_grad():
        z, none = torch.from_numpy(fitted.scores), torch.empty(N_CELLS, 0)
        mean = fitted.model.decode(z, none, fitted.weights()).mean.numpy()
    x = expression - expression[~fitted.heldout].mean(0)
    error = (mean - x / expression[~fitted.heldout].std(0)) ** 2
    np.testing.assert_allclose(
        fitted.reconstruction_error, error[~fitted.heldout].mean(0), rtol=1e-4
    )
    np.testing.assert_allclose(fitted.heldout_error, error[fitted.heldout].mean(0), rtol=1e-4)
    np.testing.assert_allclose(fitted.reconstruct(expression), mean, atol=1e-5)


def test_errors_of_counts_are_on_the_scale_of_the_encoder(counts):
    fitted = fit(counts, tiny("sivae-nb"), seed=1)
    with torch.no_grad():
        z, none = torch.from_numpy(fitted.scores), torch.empty(N_CELLS, 0)
        rho = torch.softmax(fitted.model.decode(z, none, fitted.weights()).mean, -1).numpy()
    total = np.median(counts.sum(1))
    x = np.log1p(counts / counts.sum(1, keepdims=True) * total)
    predicted = (np.log1p(rho * total) - x.mean(0)) / x.std(0)
    error = ((predicted - (x - x.mean(0)) / x.std(0)) ** 2).mean(0)
    np.testing.assert_allclose(fitted.reconstruction_error, error, rtol=1e-3)
    np.testing.assert_allclose(fitted.reconstruct(counts), predicted, atol=1e-3)


def test_heldout_cells_do_not_touch_the_training(expression):
    settings = tiny(heldout=0.2)
    fitted = fit(expression, settings, seed=1)
    changed = expression.copy()
    changed[fitted.heldout] *= -3
    other = fit(changed, settings, seed=1)
    np.testing.assert_array_equal(fitted.loadings, other.loadings)
    np.testing.assert_array_equal(fitted.scores[~fitted.heldout], other.scores[~fitted.heldout])


def test_heldout_cells_follow_the_strata(expression):
    strata = np.repeat(["a", "b"], [45, 15])
    heldout = fit(expression, tiny(heldout=0.2), seed=1, strata=strata).heldout
    assert (strata[heldout] == "b").sum() == 3
    adata = AnnData(expression, obs=pd.DataFrame({"kind": strata}, index=map(str, range(N_CELLS))))
    same = fit(adata, tiny(heldout=0.2), seed=1, strata="kind").heldout
    np.testing.assert_array_equal(heldout, same)


@pytest.mark.parametrize(
    ("feature_input", "length"),
    [
        (FeatureInput(), N_CELLS),
        (FeatureInput("downsample", 10), 10),
        (FeatureInput("downsample", 1000), N_CELLS),
        (FeatureInput("pca", 5), 5),
        (FeatureInput("pca", 1000), N_GENES),
    ],
)
def test_feature_input(expression, feature_input, length):
    fitted = fit(expression, tiny(feature_input=feature_input), seed=0)
    assert fitted.model.features.encoder.hidden[0].in_features == length


def test_standardising_takes_away_scale_and_level(expression):
    moved = 3 + 10 * expression
    one, other = fit(expression, tiny()), fit(moved, tiny())
    np.testing.assert_allclose(one.loadings, other.loadings, rtol=1e-3, atol=1e-4)
    prepared = (expression - expression.mean(0)) / expression.std(0)
    as_given = fit(prepared, tiny(standardise=False))
    np.testing.assert_allclose(one.loadings, as_given.loadings, rtol=1e-3, atol=1e-4)
    assert as_given.transform.centre is None
    raw = fit(moved, tiny(standardise=False, steps=(1, 1, 1)))
    np.testing.assert_allclose(raw.variance, moved.var(0), rtol=1e-3)


def test_a_gene_may_be_constant(expression):
    expression = expression.copy()
    expression[:, 3] = 7
    fitted = fit(expression, tiny(), seed=0)
    assert np.isfinite(fitted.loadings).all()
    assert fitted.variance[3] == 0


@pytest.mark.parametrize("hidden", [(8,), (32, 16, 8, 4)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_number_of_layers(suitable, variant, hidden):
    fitted = fit(suitable(variant), tiny(variant, hidden=hidden, steps=(2, 2, 2)))
    assert np.isfinite(fitted.loadings).all()


def test_recovers_hubs_spokes_and_isolated_genes(trained):
    centrality = -trained.reconstruction_error
    spokes = np.setdiff1d(np.arange(30), HUBS)
    assert set(np.argsort(centrality)[-2:]) == set(HUBS)
    assert centrality[ISOLATED].max() < centrality[spokes].min()
    # AUROC of a small norm for isolated genes: the paper's figure at two dimensions is 0.95.
    norm = np.linalg.norm(trained.loadings, axis=1)
    assert roc_auc_score(np.isin(np.arange(40), ISOLATED), -norm) >= 0.95
    assert trained.active_dimensions == 2


def test_dimensions_that_collapsed_are_counted(network):
    """A penalty that lets no weight live leaves nothing to encode."""
    settings = settings_for("vae", **NETWORK | {"steps": (400, 1, 1), "l2": (10, 10)})
    collapsed = fit(network, settings)
    assert collapsed.active_dimensions == 0
    np.testing.assert_allclose(collapsed.reconstruction_error, collapsed.variance, rtol=0.05)
    one_factor = np.outer(network[:, 0], np.ones(10)) + 0.5 * network[:, -10:]
    settings = settings_for("vae", **NETWORK | {"steps": (400, 1, 1), "latent": 1})
    assert fit(one_factor, settings).active_dimensions == 1


# Embedding


def test_embedding_the_training_cells_gives_their_scores(trained, network):
    np.testing.assert_array_equal(trained.embed(network), trained.scores)
    np.testing.assert_allclose(trained.embed(network[7:9]), trained.scores[7:9], atol=1e-5)
    as_sparse = trained.embed(sparse.csr_matrix(network))
    np.testing.assert_array_equal(as_sparse, trained.scores)
    np.testing.assert_array_equal(trained.embed_genes(), trained.loadings)


@pytest.mark.parametrize("variant", ["sivae", "sivae-linear", "vae"])
def test_last_layers_meet_in_the_mean(expression, variant):
    fitted = fit(expression, tiny(variant), seed=2)
    last = 1 if variant == "sivae-linear" else 3
    model = fitted.model
    with torch.no_grad():
        z, none = torch.from_numpy(fitted.scores), torch.empty(N_CELLS, 0)
        mean = model.decode(z, none, fitted.weights()).mean.numpy()
    if variant == "vae":
        genes = fitted.loadings
        with pytest.raises(ValueError, match="VAE"):
            fitted.embed_genes(2)
    else:
        genes = fitted.embed_genes(layer=last)
    bias = model.cells.decoder.mean.bias.detach().numpy()
    np.testing.assert_allclose(fitted.embed(expression, last) @ genes.T + bias, mean, atol=1e-5)
    if variant == "sivae":
        assert [fitted.embed(expression, k).shape[1] for k in (1, 2, 3)] == [3, 8, 16]
        assert [fitted.embed_genes(k).shape[1] for k in (1, 2, 3)] == [3, 8, 16]
    for layer in (0, last + 1):
        with pytest.raises(ValueError, match=f"layer: {layer} is none of 1 to {last}"):
            fitted.embed(expression, layer)
        with pytest.raises(ValueError, match="layer"):
            fitted.embed_genes(layer)


def test_cells_of_other_genes_are_refused(trained, network):
    for other in (network[:, :-1], AnnData(network)[:, ::-1]):
        with pytest.raises(ValueError, match="40 that the model was trained on"):
            trained.embed(other)


# Sampling


def test_samples_of_a_linear_gaussian_model_have_the_moments_of_the_data():
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(2, 12))
    # As much of every gene is noise: the model has one scale for all genes of a cell.
    programme = rng.normal(size=(800, 2)) @ (loadings / np.linalg.norm(loadings, axis=0))
    x = 5 + rng.uniform(1, 9, 12) * (programme + 0.5 * rng.normal(size=programme.shape))
    settings = Settings(
        model="vae",
        decoder="linear",
        gamma=0,
        latent=2,
        hidden=(32,),
        steps=(4000, 1, 1),
        learning_rate=5e-3,
        schedule="one-cycle",
    )
    fitted = fit(x, settings)
    drawn = fitted.sample(4000, seed=1)
    assert drawn.shape == (4000, 12)
    np.testing.assert_allclose((drawn.mean(0) - x.mean(0)) / x.std(0), 0, atol=0.05)
    np.testing.assert_allclose(drawn.std(0), x.std(0), rtol=0.1)
    correlations = np.corrcoef(x, rowvar=False)
    np.testing.assert_allclose(np.corrcoef(drawn, rowvar=False), correlations, atol=0.12)
    # It is probabilistic PCA, whose maximum-likelihood solution is known (Tipping & Bishop 1999).
    values, vectors = np.linalg.eigh(correlations)
    noise = values[:-2].mean()
    expected = (vectors[:, -2:] * (values[-2:] - noise)) @ vectors[:, -2:].T
    np.testing.assert_allclose(fitted.loadings @ fitted.loadings.T, expected, atol=0.12)
    assert fitted.reconstruction_error.mean() == pytest.approx(values[:-2].sum() / 12, rel=0.05)

    np.testing.assert_array_equal(drawn, fitted.sample(4000, seed=1))
    assert not np.array_equal(drawn[:5], fitted.sample(5, seed=2))


def test_samples_of_a_network_show_it(trained):
    """siVAE-GCN infers a network from such cells."""
    drawn = np.corrcoef(trained.sample(2000, seed=0), rowvar=False)
    spokes = np.arange(1, 15)
    assert drawn[0, spokes].min() > 0.3
    assert np.abs(drawn[0, 16:]).max() < drawn[0, spokes].min()


def test_samples_of_counts_are_counts():
    rng = np.random.default_rng(0)
    level, library = rng.uniform(0, 3, 15), rng.normal(0, 0.3, (500, 1))
    programme = 0.6 * rng.normal(size=(500, 1)) * rng.choice([-1, 1], 15)
    x = rng.poisson(np.exp(level + programme + library))
    changes = {"steps": (300, 100, 200), "learning_rate": 5e-3, "schedule": "one-cycle"}
    fitted = fit(x, settings_for("sivae-nb", **NETWORK | changes))
    drawn = fitted.sample(2000, seed=1)
    assert drawn.dtype == np.float32
    assert (drawn >= 0).all()
    np.testing.assert_array_equal(drawn, np.rint(drawn))
    np.testing.assert_allclose(np.log(drawn.mean(0)), np.log(x.mean(0)), atol=0.15)
    np.testing.assert_allclose(np.log(drawn.var(0)), np.log(x.var(0)), atol=0.4)
    totals = np.log(x.sum(1)), np.log(drawn.sum(1))
    assert totals[1].mean() == pytest.approx(totals[0].mean(), abs=0.1)
    assert totals[1].std() == pytest.approx(totals[0].std(), rel=0.25)
    np.testing.assert_array_equal(drawn, fitted.sample(2000, seed=1))


@pytest.mark.parametrize("variant", ["sivae-nb", "vae-linear"])
def test_counts_start_at_what_the_training_cells_have(counts, variant):
    """The prior of the library size, and the mean profile as the bias of the softmax."""
    settings = tiny(variant, heldout=0.2, steps=(1, 1, 1), learning_rate=1e-9)
    fitted = fit(counts, settings)
    trained = counts[~fitted.heldout]
    logs = np.log(trained.sum(1))
    prior = fitted.model.library_prior.numpy()
    np.testing.assert_allclose(prior, [logs.mean(), logs.std()], rtol=1e-5)
    profile = torch.softmax(fitted.model.cells.decoder.mean.bias, 0).detach().numpy()
    np.testing.assert_allclose(profile, (trained.sum(0) + 1) / (trained.sum() + N_GENES), rtol=1e-4)


# Covariates


@pytest.fixture(scope="module")
def batches() -> AnnData:
    """Cells of one programme in two batches, which shift half of the genes."""
    rng = np.random.default_rng(0)
    n, batch = 400, np.arange(400) % 2
    programme = rng.normal(size=(n, 1)) @ rng.normal(size=(1, N_GENES))
    shift = 3 * np.outer(batch, np.arange(N_GENES) < N_GENES / 2)
    obs = pd.DataFrame({"pool": np.array(["p1", "p2"])[batch], "dose": batch - 0.25})
    obs["programme"] = programme[:, 0]
    obs.index = [f"cell {number}" for number in range(n)]
    return AnnData((programme + shift + rng.normal(size=(n, N_GENES))).astype(np.float32), obs=obs)


CORRECTING = NETWORK | {"steps": (400, 200, 1000), "schedule": "one-cycle", "kl": 1}


def explained(values: np.ndarray, by: np.ndarray) -> float:
    return LinearRegression().fit(by, values).score(by, values)


@pytest.mark.parametrize(
    ("variant", "column"),
    [("sivae", "pool"), ("sivae-linear", "pool"), ("vae", "pool"), ("vae", "dose")],
)
def test_batches_leave_the_scores(batches, variant, column):
    """The shift is in the scores without covariates, and not with them."""
    settings = settings_for(variant, **CORRECTING)
    batch, programme = batches.obs["dose"].to_numpy(), batches.obs["programme"].to_numpy()
    blind = fit(batches, settings)
    corrected = fit(batches, settings, covariates=[column])
    assert explained(batch, blind.scores) > 0.7
    assert explained(batch, corrected.scores) < 0.1
    assert explained(programme, corrected.scores) > 0.8
    # The prediction has the shift all the same.
    assert corrected.reconstruction_error.mean() < blind.reconstruction_error.mean()


def test_batches_of_counts_leave_the_scores():
    rng = np.random.default_rng(0)
    batch = np.arange(400) % 2
    programme = 0.5 * rng.normal(size=(400, 1)) @ rng.normal(size=(1, N_GENES))
    shift = np.outer(batch, np.arange(N_GENES) < N_GENES / 2)
    obs = pd.DataFrame({"pool": batch.astype(str)}, index=map(str, range(400)))
    counts = AnnData(rng.poisson(np.exp(1 + programme + shift)), obs=obs)
    settings = settings_for("sivae-nb", **CORRECTING | {"steps": (400, 100, 400)})
    assert explained(batch, fit(counts, settings).scores) > 0.7
    assert explained(batch, fit(counts, settings, covariates=["pool"]).scores) < 0.1


def test_covariates_are_needed_where_cells_are_new(batches):
    fitted = fit(batches, tiny(), covariates=["pool", "dose"])
    assert fitted.covariates.levels == {"pool": ["p1", "p2"], "dose": None}
    np.testing.assert_array_equal(fitted.embed(batches), fitted.scores)
    assert fitted.embed(batches, layer=3).shape == (400, 16)
    # What a cell is embedded as depends on its batch.
    moved = batches.copy()
    moved.obs["pool"] = "p1"
    assert not np.array_equal(fitted.embed(moved), fitted.scores)

    moved.obs["pool"] = "p3"
    with pytest.raises(ValueError, match=r"'pool' has 'p3', which is none of the levels .* p1, p2"):
        fitted.embed(moved)
    with pytest.raises(ValueError, match="no column 'pool' in obs"):
        fitted.embed(batches.X)
    new = pd.DataFrame({"pool": ["p1", "p2"], "dose": [0.0, 1.0]})
    assert fitted.sample(2, 0, new).shape == (2, N_GENES)
    with pytest.raises(ValueError, match="trained with covariates; give pool, dose"):
        fitted.sample(2, 0)
    with pytest.raises(ValueError, match="2 rows for 3 cells"):
        fitted.sample(3, 0, new)


def test_covariates_that_cannot_be_used(batches):
    with pytest.raises(ValueError, match="no column 'lane' in obs; there are: pool, dose"):
        fit(batches, tiny(), covariates=["lane"])
    with pytest.raises(ValueError, match="covariates: no column 'pool' in obs; there are: none"):
        fit(batches.X, tiny(), covariates=["pool"])
    for column in ("pool", "dose"):
        missing = batches.copy()
        missing.obs.loc[missing.obs_names[3], column] = np.nan
        with pytest.raises(ValueError, match=f"covariates: '{column}' has missing values"):
            fit(missing, tiny(), covariates=[column])


@pytest.mark.parametrize("kind", [bool, "category", object])
def test_levels_are_coded_one_hot(batches, kind):
    levelled = batches.copy()
    values = levelled.obs["dose"] > 0
    levelled.obs["sick"] = values.astype(kind)
    fitted = fit(levelled, tiny(steps=(1, 1, 1)), covariates=["sick"])
    assert fitted.covariates.levels == {"sick": ["False", "True"]}
    expected = np.column_stack([~values, values])
    np.testing.assert_array_equal(fitted.covariates.encode(levelled.obs), expected)


# Data on disk


@pytest.fixture
def backed(network, tmp_path):
    """A function that writes the network, sparse or dense, and returns it backed by its file."""

    def write(form) -> AnnData:
        sparse_network = np.where(np.abs(network) < 0.3, 0, network)
        AnnData(form(sparse_network)).write_h5ad(tmp_path / "cells.h5ad")
        return read_h5ad(tmp_path / "cells.h5ad", backed="r")

    return write


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_cells_on_disk_train_as_those_in_memory(backed, form, monkeypatch):
    settings = settings_for(**NETWORK | {"feature_input": {"method": "pca", "size": 20}})
    on_disk = backed(form)
    resident = fit(on_disk, settings)
    monkeypatch.setattr(storage, "RESIDENT_BYTES", 0)
    # A pool of some 100 cells, so that shuffling is not of the whole.
    monkeypatch.setattr(data, "RUN_BYTES", 1600)
    monkeypatch.setattr(data, "POOL_BYTES", 2**15)
    streamed = fit(on_disk, settings)
    assert not np.array_equal(streamed.scores, resident.scores)
    np.testing.assert_allclose(streamed.variance, resident.variance, rtol=1e-4)
    errors = streamed.reconstruction_error, resident.reconstruction_error
    assert np.corrcoef(*errors)[0, 1] > 0.95
    assert set(np.argsort(streamed.reconstruction_error)[:2]) == set(HUBS)
    np.testing.assert_array_equal(streamed.embed(on_disk), streamed.scores)
    assert_same(streamed, fit(on_disk, settings))


@pytest.mark.parametrize("resident", [True, False])
def test_some_cells_of_a_file_train_as_if_alone(network, tmp_path, monkeypatch, resident):
    """Whether they are read at once or streamed, whatever else the file holds."""
    rows = np.sort(np.random.default_rng(4).permutation(len(network))[:300])
    labels = np.where(np.arange(len(network)) % 3, "a", "b")
    names = [f"cell {i}" for i in range(len(network))]
    whole = AnnData(network.astype(np.float32), obs=pd.DataFrame({"sample": labels}, index=names))
    for name, part in (("whole", whole), ("part", whole[rows].copy())):
        part.write_h5ad(tmp_path / f"{name}.h5ad")
    if not resident:
        monkeypatch.setattr(storage, "RESIDENT_BYTES", 0)
        monkeypatch.setattr(data, "RUN_BYTES", 1600)
        monkeypatch.setattr(data, "POOL_BYTES", 2**15)
    settings = settings_for(**NETWORK | {"steps": (60, 60, 60), "heldout": 0.1})
    of_file = fit(
        read_h5ad(tmp_path / "whole.h5ad", backed="r"), settings, 3, rows=rows, strata="sample"
    )
    alone = fit(read_h5ad(tmp_path / "part.h5ad", backed="r"), settings, 3, strata="sample")
    assert_same(of_file, alone)
    assert list(of_file.obs.index) == list(whole.obs_names[rows])
    in_memory = fit(network, settings, 3, rows=rows, strata=labels[rows])
    if resident:
        assert_same(of_file, in_memory)


def test_counts_and_covariates_stream(counts, tmp_path, monkeypatch):
    obs = pd.DataFrame({"pool": np.arange(N_CELLS) % 3}, index=map(str, range(N_CELLS)))
    obs["pool"] = obs["pool"].astype(str)
    AnnData(sparse.csr_matrix(counts), obs=obs).write_h5ad(tmp_path / "cells.h5ad")
    on_disk = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    monkeypatch.setattr(storage, "RESIDENT_BYTES", 0)
    for variant in ("sivae-nb", "vae-linear"):
        fitted = fit(on_disk, tiny(variant, heldout=0.2), covariates=["pool"])
        assert np.isfinite(fitted.losses.total).all()
        assert fitted.covariates.width == 3
        assert np.isfinite(fitted.heldout_loss["total"])


def test_covariates_stay_with_their_cells_on_disk(batches, tmp_path, monkeypatch):
    batches.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr(storage, "RESIDENT_BYTES", 0)
    on_disk = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    corrected = fit(on_disk, settings_for("vae", **CORRECTING), covariates=["pool"])
    assert explained(batches.obs["dose"].to_numpy(), corrected.scores) < 0.1


# What is refused


@pytest.mark.parametrize("broken", ["nan", "inf", "constant", "no cells", "no genes", "vector"])
def test_unusable_expression(expression, broken):
    x = {
        "nan": np.where(expression == expression[3, 4], np.nan, expression),
        "inf": np.where(expression == expression[3, 4], np.inf, expression),
        "constant": np.ones((5, 4)),
        "no cells": np.empty((0, 4)),
        "no genes": np.empty((4, 0)),
        "vector": np.ones(4),
    }[broken]
    with pytest.raises(ValueError, match="expression"):
        fit(x, tiny(), seed=0)


def test_counts_are_needed_where_counts_are_modelled(expression):
    with pytest.raises(ValueError, match="'nb' needs raw counts"):
        fit(expression, tiny("sivae-nb"))


def test_cells_to_hold_out_may_be_given(expression):
    chosen = np.arange(N_CELLS) % 7 == 2
    fitted = fit(expression, tiny(heldout=0.5), seed=1, heldout=chosen)
    np.testing.assert_array_equal(fitted.heldout, chosen)
    rows = np.arange(10, 50)
    some = fit(expression, tiny(), seed=1, rows=rows, heldout=chosen[rows])
    np.testing.assert_array_equal(some.heldout, chosen[rows])


def test_nothing_left_to_train_on(expression):
    with pytest.raises(ValueError, match="heldout"):
        fit(expression[:2], tiny(heldout=0.9), seed=0)


def test_devices(expression, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(RuntimeError, match="'cuda' was asked for"):
        fit(expression, tiny(), seed=0, device="cuda")
    with pytest.raises(ValueError, match="device"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"


# To disk and back


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_fit_is_the_same_to_the_bit(suitable, tmp_path, variant):
    adata = AnnData(suitable(variant))
    adata.obs["pool"] = np.resize(["p1", "p2"], N_CELLS)
    fitted = fit(adata, tiny(variant, heldout=0.1), seed=np.int64(3), covariates=["pool"])
    fitted.save(tmp_path / "deep" / "fit")
    assert {path.name for path in (tmp_path / "deep" / "fit").iterdir()} == {
        "model.safetensors",
        "fit.json",
    }
    read = load(tmp_path / "deep" / "fit")
    assert_same(fitted, read)
    assert read.settings == fitted.settings
    for name in ("heldout_loss", "active_dimensions", "seconds", "peak_memory", "device"):
        assert getattr(read, name) == getattr(fitted, name), name
    assert (read.precision, read.seed, read.covariates) == (
        fitted.precision,
        fitted.seed,
        fitted.covariates,
    )
    for name, value in fitted.model.state_dict().items():
        assert torch.equal(value, read.model.state_dict()[name]), name
    assert list(read.obs.index) == list(adata.obs_names)
    assert list(read.var.index) == list(adata.var_names)
    np.testing.assert_array_equal(read.embed(adata), fitted.scores)
    obs = adata.obs.iloc[:9]
    np.testing.assert_array_equal(read.sample(9, 1, obs), fitted.sample(9, 1, obs))
    # Once more, over the old one.
    read.save(tmp_path / "deep" / "fit")
    assert_same(fitted, load(tmp_path / "deep" / "fit"))


def test_a_fit_without_held_out_cells_is_the_same(expression, tmp_path):
    fitted = fit(expression, tiny(standardise=False))
    fitted.save(tmp_path)
    read = load(tmp_path)
    assert_same(fitted, read)
    assert np.isnan(read.heldout_loss["total"])
    assert read.transform.centre is None
    # Strict JSON, which other languages read as well.
    json.loads((tmp_path / "fit.json").read_text(), parse_constant=pytest.fail)


def test_half_written_folders_are_refused(expression, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no whole fit"):
        load(tmp_path)
    fitted = fit(expression, tiny())
    fitted.save(tmp_path)

    def interrupted(tensors, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="no whole fit"):
        load(tmp_path)

    def broken(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("json.dumps", broken)
        with pytest.raises(KeyboardInterrupt):
            fitted.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="no whole fit"):
        load(tmp_path)
    fitted.save(tmp_path)
    assert_same(fitted, load(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "fit.json"])
def test_a_damaged_fit_is_named(tmp_path, expression, name):
    fit(expression, tiny()).save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    flipped = bytearray(whole)
    flipped[20] ^= 64
    for damaged in (whole[: len(whole) // 2], flipped):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match="save the fit again") as raised:
            load(tmp_path)
        assert raised.value.problems[0].file == str(tmp_path / name)


# AnnData


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_from_anndata_to_anndata_through_h5ad(expression, tmp_path, form):
    cells = pd.DataFrame({"sample": "s|1"}, index=[f"cell {i}" for i in range(N_CELLS)])
    genes = pd.DataFrame(index=[f"MT-{i}" for i in range(N_GENES)])
    settings = tiny(heldout=0.1, feature_input={"method": "pca", "size": 4})
    fitted = fit(AnnData(form(expression), obs=cells, var=genes), settings, seed=9)
    assert_same(fitted, fit(expression, settings, seed=9))
    fitted.to_anndata().write_h5ad(tmp_path / "bin.h5ad")
    read = read_h5ad(tmp_path / "bin.h5ad")

    assert read.X is None
    assert list(read.obs_names) == list(cells.index)
    assert list(read.var_names) == list(genes.index)
    assert (read.obs["sample"] == "s|1").all()
    np.testing.assert_array_equal(read.obsm["X_sivae"], fitted.scores)
    np.testing.assert_array_equal(read.varm["sivae_loadings"], fitted.loadings)
    for name in ("reconstruction_error", "heldout_error", "variance"):
        np.testing.assert_array_equal(read.var[name], getattr(fitted, name))
    np.testing.assert_array_equal(read.obs["heldout"], fitted.heldout)
    described = read.uns["sivae"]
    assert described["seed"] == 9
    assert described["device"] == "cpu"
    assert described["precision"] == "float32"
    assert described["peak_memory"] == fitted.peak_memory
    assert described["active_dimensions"] == fitted.active_dimensions
    assert described["heldout_loss"] == pytest.approx(fitted.heldout_loss)
    assert Settings(**described["settings"]) == settings
    np.testing.assert_allclose(read.uns["losses"]["total"], fitted.losses["total"])
    assert list(read.uns["losses"]["stage"]) == list(fitted.losses["stage"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_fits_into_h5ad(suitable, variant, tmp_path):
    fitted = fit(suitable(variant), tiny(variant, steps=(2, 2, 2)))
    fitted.to_anndata().write_h5ad(tmp_path / "bin.h5ad")
    read = read_h5ad(tmp_path / "bin.h5ad")
    assert Settings(**read.uns["sivae"]["settings"]) == fitted.settings


def test_to_anndata_leaves_annotations_alone(expression):
    adata = AnnData(expression)
    fit(adata, tiny()).to_anndata().obs["more"] = 1
    assert adata.obs.empty
    assert adata.var.empty


def test_all_that_the_package_exports_is_there():
    for name in sivae.__all__:
        assert hasattr(sivae, name)
    assert issubclass(DivergedError, RuntimeError)
