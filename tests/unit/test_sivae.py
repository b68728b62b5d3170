from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData, read_h5ad
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from popnet.sivae import (
    DivergedError,
    FeatureInput,
    Normal,
    Settings,
    SiVAE,
    choose_device,
    fit,
    to_anndata,
    train_bin,
)
from popnet.sivae.objective import (
    cell_terms,
    feature_terms,
    gaussian_log_likelihood,
    interpretability_error,
    joint_terms,
    kl_to_standard_normal,
    total_loss,
)
from popnet.sivae.training import _feature_input, _l2, _minibatches, _optimizer, _stratified
from scipy import sparse, stats
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence

N_CELLS, N_GENES = 60, 20
TINY = {"latent": 3, "hidden": [16, 8], "steps": [20, 20, 30], "minibatch": 16}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def standardised(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


@pytest.fixture(scope="module")
def expression() -> np.ndarray:
    rng = np.random.default_rng(0)
    programme = rng.normal(size=(N_CELLS, 2)) @ rng.normal(size=(2, N_GENES))
    return standardised(programme + rng.normal(size=(N_CELLS, N_GENES)))


@pytest.fixture
def float64_parts():
    """A small model with data and noise in double precision; no parameter is zero."""
    model = SiVAE(N_GENES, 12, [10, 7, 5], 3, generator()).double()
    draw = generator(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
    shapes = ((8, N_GENES), (N_GENES, 12), (8, 3), (N_GENES, 3))
    return model, [torch.randn(s, generator=draw, dtype=torch.float64) for s in shapes]


def assert_same_fit(one, other) -> None:
    for name in ("scores", "loadings", "reconstruction_error", "heldout_error", "heldout"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    pd.testing.assert_frame_equal(one.losses, other.losses, check_exact=True)


# Terms against closed forms


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
@hypothesis_settings(max_examples=25, deadline=None)
def test_log_likelihood_and_kl_equal_independent_closed_forms(seed, n, d):
    rng = np.random.default_rng(seed)
    x, mean = rng.normal(size=(2, n, d)) * 3
    row_scale, scale = rng.uniform(0.01, 4, (n, 1)), rng.uniform(0.01, 4, (n, d))
    normal = Normal(torch.from_numpy(mean), torch.from_numpy(row_scale))
    np.testing.assert_allclose(
        gaussian_log_likelihood(torch.from_numpy(x), normal),
        stats.norm.logpdf(x, mean, row_scale).sum(1),
        rtol=1e-12,
    )
    posterior = Normal(torch.from_numpy(mean), torch.from_numpy(scale))
    reference = kl_divergence(
        TorchNormal(posterior.mean, posterior.scale), TorchNormal(torch.zeros(n, d), 1.0)
    )
    np.testing.assert_allclose(kl_to_standard_normal(posterior), reference.sum(1), rtol=1e-9)


def test_interpretability_by_hand():
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    z = torch.tensor([[1.0], [2.0]])
    v = torch.tensor([[0.5], [1.0]])
    bias = torch.tensor([0.0, 1.0])
    # Linear means [[0.5, 2], [1, 3]]: squared errors 0.25 + 0 and 1 + 16, over two cells.
    assert interpretability_error(x, z, v, bias).item() == pytest.approx(17.25 / 2)


def test_objectives_equal_equations_written_out(float64_parts):
    model, (x, features, cell_noise, feature_noise) = float64_parts
    weight = {name: p.detach().numpy() for name, p in model.named_parameters()}

    def linear(h, name):
        return h @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]

    def relu_layers(h, name, n):
        for i in range(n):
            h = np.maximum(linear(h, f"{name}.hidden.{2 * i}"), 0)
        return h

    def softplus(h):
        return np.log1p(np.exp(h)) + 1e-4

    def posterior(h, name):
        h = relu_layers(h, name, 3)
        return linear(h, f"{name}.mean"), softplus(linear(h, f"{name}.scale"))

    def kl(mean, scale):
        return (0.5 * (mean**2 + scale**2 - 1) - np.log(scale)).sum(1).mean()

    data = x.numpy()
    z_mean, z_scale = posterior(data, "cells.encoder")
    v_mean, v_scale = posterior(features.numpy(), "features.encoder")
    z = z_mean + z_scale * cell_noise.numpy()
    v = v_mean + v_scale * feature_noise.numpy()
    z_last = relu_layers(z, "cells.decoder", 3)
    v_hidden = relu_layers(v, "features.decoder", 2)
    v_last = linear(v_hidden, "features.decoder.mean")
    sigma = softplus(linear(z_last, "cells.decoder.scale"))
    free, bias = weight["cells.decoder.mean.weight"], weight["cells.decoder.mean.bias"]

    def negative_log_likelihood(observed, mean, scale):
        return -stats.norm.logpdf(observed, mean, scale).sum(1).mean()

    expected = {
        "cells": {
            "reconstruction": negative_log_likelihood(data, z_last @ free.T + bias, sigma),
            "kl_cells": kl(z_mean, z_scale),
        },
        "features": {
            "reconstruction": negative_log_likelihood(
                free, v_last, softplus(linear(v_hidden, "features.decoder.scale"))
            ),
            "kl_features": kl(v_mean, v_scale),
        },
        "joint": {
            "reconstruction": negative_log_likelihood(data, z_last @ v_last.T + bias, sigma),
            "kl_cells": kl(z_mean, z_scale),
            "kl_features": kl(v_mean, v_scale),
            "interpretability": ((data - z @ v.T - weight["linear_bias"]) ** 2).sum(1).mean(),
        },
    }
    computed = {
        "cells": cell_terms(model, x, cell_noise),
        "features": feature_terms(model, features, torch.from_numpy(free), feature_noise),
        "joint": joint_terms(model, x, features, cell_noise, feature_noise),
    }
    for stage, terms in expected.items():
        values = {name: term.item() for name, term in computed[stage].items()}
        assert values == pytest.approx(terms, rel=1e-10), stage
    total = total_loss(computed["joint"], 0.3, 0.05).item()
    joint = expected["joint"]
    assert total == pytest.approx(
        joint["reconstruction"]
        + 0.3 * (joint["kl_cells"] + joint["kl_features"])
        + 0.05 * joint["interpretability"]
    )


@pytest.mark.parametrize("genes", [slice(None), torch.tensor([3, 11, 7])])
def test_gradient_equals_finite_differences(float64_parts, genes):
    model, (x, features, cell_noise, feature_noise) = float64_parts

    def loss():
        terms = joint_terms(model, x, features, cell_noise, feature_noise[genes], genes)
        return total_loss(terms, 0.7, 0.05)

    loss().backward()
    draw = generator(2)
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            assert name.startswith(("cells.decoder.mean.weight", "features.decoder.scale"))
            continue
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            parameter += 1e-6 * direction
            above = loss()
            parameter -= 2e-6 * direction
            below = loss()
            parameter += 1e-6 * direction
        slope = (parameter.grad * direction).sum().item()
        assert slope == pytest.approx((above - below).item() / 2e-6, rel=1e-5, abs=1e-4), name


def test_genes_drawn_per_step_are_unbiased(float64_parts):
    model, (x, features, cell_noise, feature_noise) = float64_parts
    full = joint_terms(model, x, features, cell_noise, feature_noise)
    # Every gene is in one of the parts, so their mean is the expectation over random draws.
    parts = torch.randperm(N_GENES, generator=generator()).view(4, 5)
    drawn = [joint_terms(model, x, features, cell_noise, feature_noise[g], g) for g in parts]
    for name, term in full.items():
        average = torch.stack([terms[name] for terms in drawn]).mean()
        torch.testing.assert_close(average, term, rtol=1e-12, atol=0, msg=name)


def test_weight_decay_is_the_gradient_of_the_l2_penalty(float64_parts):
    model, (x, features, cell_noise, feature_noise) = float64_parts
    optimizer = _optimizer(model, 1e-3)
    for terms, left_out in (
        (cell_terms(model, x, cell_noise), "features"),
        (joint_terms(model, x, features, cell_noise, feature_noise), "cells.decoder.mean.weight"),
    ):
        optimizer.zero_grad()
        total_loss(terms, 1.0, 0.05).backward()
        weights = {
            name: p.detach().square().sum().item()
            for name, p in model.named_parameters()
            if p.ndim > 1 and not name.startswith((left_out, "features.decoder.scale"))
        }
        expected = sum((1e-4 if n.startswith("cells") else 1e-5) * s for n, s in weights.items())
        assert _l2(optimizer).item() == pytest.approx(expected)
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decay.keys() == {id(p) for p in model.parameters()}
    assert decay[id(model.cells.encoder.mean.weight)] == 2e-4
    assert decay[id(model.features.encoder.mean.weight)] == 2e-5
    assert decay[id(model.cells.encoder.mean.bias)] == decay[id(model.linear_bias)] == 0


# Randomness


def test_weights_start_xavier_normal_and_biases_at_zero():
    model = SiVAE(400, 300, [256, 64], 8, generator())
    weight = model.cells.encoder.hidden[0].weight
    assert weight.std().item() == pytest.approx(np.sqrt(2 / (400 + 256)), rel=0.02)
    assert all(not p.any() for p in model.parameters() if p.ndim == 1)


def test_minibatches_use_every_row_equally():
    batches = _minibatches(10, 4, 25, generator())
    assert batches.shape == (25, 4)
    assert (torch.bincount(batches.flatten()) == 10).all()
    assert _minibatches(3, 8, 5, generator()).shape == (5, 3)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 99))
@hypothesis_settings(max_examples=50, deadline=None)
def test_stratified_draw_keeps_proportions(labels, share, seed):
    labels = np.array(labels)
    size = round(share * len(labels))
    drawn = _stratified(labels, size, generator(seed))
    assert len(set(drawn)) == size
    for label in set(labels):
        assert abs((labels[drawn] == label).sum() - share * (labels == label).sum()) <= 2


def test_same_seed_gives_the_same_bits_whatever_ran_before(expression):
    settings = Settings(**TINY, genes_per_step=7, heldout=0.1)
    first = fit(expression, settings, seed=5)
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002
    torch.rand(7)
    fit(expression[:40], Settings(**TINY), seed=6)
    state = torch.get_rng_state()
    again = fit(expression, settings, seed=5)
    assert_same_fit(first, again)
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"
    assert not np.array_equal(first.scores, fit(expression, settings, seed=7).scores)


def test_threads_change_rounding_only():
    rng = np.random.default_rng(0)
    expression = standardised(rng.normal(size=(150, 4)) @ rng.normal(size=(4, 200)))
    settings = Settings(latent=4, hidden=[64, 16], steps=[1, 1, 2])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit(expression, settings, seed=0)
        torch.set_num_threads(2)
        two = fit(expression, settings, seed=0)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(one.loadings, two.loadings, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(one.reconstruction_error, two.reconstruction_error, rtol=1e-3)


# The fit


@pytest.mark.parametrize("heldout", [0.0, 0.25])
def test_shapes_and_recorded_losses(expression, heldout):
    seen = []
    settings = Settings(**TINY, heldout=heldout)
    fitted = fit(expression, settings, seed=1, progress=lambda *args: seen.append(args))
    assert fitted.scores.shape == (N_CELLS, 3)
    assert fitted.loadings.shape == (N_GENES, 3)
    assert fitted.scores.dtype == fitted.loadings.dtype == np.float32
    assert fitted.heldout.sum() == round(heldout * N_CELLS)
    assert fitted.reconstruction_error.shape == fitted.heldout_error.shape == (N_GENES,)
    assert np.isnan(fitted.heldout_error).all() == (heldout == 0)
    assert 0 <= fitted.active_dimensions <= 3
    assert fitted.seconds > 0
    assert fitted.device == "cpu"

    losses = fitted.losses
    assert losses.groupby("stage", sort=False).size().to_dict() == {
        "cells": 20,
        "features": 20,
        "joint": 30,
    }
    assert seen == list(losses[["stage", "step", "total"]].itertuples(index=False, name=None))
    terms = losses.fillna(0)
    fixed = terms.reconstruction + 0.05 * terms.interpretability + terms.l2
    # The KL's weight starts at 0 and is 1 from the middle of a stage this short.
    started, warm = (
        losses.step == 1,
        losses.step > losses.groupby("stage").step.transform("max") / 2,
    )
    np.testing.assert_allclose(losses.total[started], fixed[started], rtol=1e-4)
    kl = terms.kl_cells + terms.kl_features
    np.testing.assert_allclose(losses.total[warm], (fixed + kl)[warm], rtol=1e-4)


def test_errors_are_those_of_the_posterior_means(expression):
    fitted = fit(expression, Settings(**TINY, heldout=0.25), seed=1)
    with torch.no_grad():
        mean = fitted.model.decode(
            torch.from_numpy(fitted.scores), torch.from_numpy(fitted.loadings)
        ).mean.numpy()
    error = (mean - expression) ** 2
    np.testing.assert_allclose(
        fitted.reconstruction_error, error[~fitted.heldout].mean(0), rtol=1e-4
    )
    np.testing.assert_allclose(fitted.heldout_error, error[fitted.heldout].mean(0), rtol=1e-4)


def test_heldout_cells_do_not_touch_the_training(expression):
    settings = Settings(**TINY, heldout=0.2)
    fitted = fit(expression, settings, seed=1)
    changed = expression.copy()
    changed[fitted.heldout] *= -3
    other = fit(changed, settings, seed=1)
    np.testing.assert_array_equal(fitted.loadings, other.loadings)
    np.testing.assert_array_equal(fitted.scores[~fitted.heldout], other.scores[~fitted.heldout])


def test_heldout_cells_follow_the_strata(expression):
    strata = np.repeat(["a", "b"], [45, 15])
    heldout = fit(expression, Settings(**TINY, heldout=0.2), seed=1, strata=strata).heldout
    assert (strata[heldout] == "b").sum() == 3


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
    labels = np.zeros(N_CELLS)
    cells = torch.from_numpy(expression)
    features = _feature_input(cells, feature_input, labels, generator()).numpy()
    assert features.shape == (N_GENES, length)
    if feature_input.method == "pca":
        from sklearn.decomposition import PCA

        scores = PCA(length, svd_solver="full").fit_transform(expression.T)
        np.testing.assert_allclose(np.abs(features), np.abs(scores), atol=1e-4)
    else:
        columns = {column.tobytes() for column in np.ascontiguousarray(features.T)}
        assert columns <= {row.tobytes() for row in expression}
        assert len(columns) == length
    fitted = fit(expression, Settings(**TINY, feature_input=feature_input), seed=0)
    assert fitted.model.features.encoder.hidden[0].in_features == length


def test_a_gene_may_be_constant(expression):
    expression = expression.copy()
    expression[:, 3] = 0
    assert np.isfinite(fit(expression, Settings(**TINY), seed=0).loadings).all()


def test_bf16_agrees_with_float32(expression):
    settings = TINY | {"steps": [100, 100, 200], "learning_rate": 2e-3}
    full = fit(expression, Settings(**settings), seed=0)
    try:
        half = fit(expression, Settings(**settings, precision="bf16"), seed=0)
    except RuntimeError as error:
        pytest.skip(str(error))
    assert half.scores.dtype == np.float32
    assert half.reconstruction_error.mean() == pytest.approx(
        full.reconstruction_error.mean(), rel=0.1
    )


def test_recovers_hubs_spokes_and_isolated_genes():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 40))
    hubs, isolated = [0, 15], slice(30, 40)
    for hub in hubs:
        spokes = slice(hub + 1, hub + 15)
        x[:, spokes] = 0.6 * x[:, [hub]] + 0.8 * x[:, spokes]
    settings = Settings(latent=2, hidden=[32, 16], steps=[200, 200, 400], learning_rate=3e-3)
    fitted = fit(standardised(x), settings, seed=0)
    centrality = -fitted.reconstruction_error
    spokes = np.setdiff1d(np.arange(30), hubs)
    assert set(np.argsort(centrality)[-2:]) == set(hubs)
    assert centrality[isolated].max() < centrality[spokes].min()
    # AUROC of a small norm for isolated genes: the paper's figure at two dimensions is 0.95.
    norm = np.linalg.norm(fitted.loadings, axis=1)
    nearer = norm[isolated][:, None] < norm[:30]
    assert nearer.mean() >= 0.95
    assert fitted.active_dimensions == 2


# What is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent", 0),
        ("hidden", []),
        ("gamma", -1),
        ("steps", [10, 10]),
        ("steps", [10, 0, 10]),
        ("minibatch", 0),
        ("learning_rate", 0),
        ("genes_per_step", 0),
        ("heldout", 1.0),
        ("precision", "float16"),
        ("feature_input", {"method": "tsne"}),
        ("feature_input", {"method": "pca"}),
        ("feature_input", {"method": "cells", "size": 5}),
        ("feature_input", {"method": "pca", "size": 0}),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})


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
        fit(x, Settings(**TINY), seed=0)


def test_nothing_left_to_train_on(expression):
    with pytest.raises(ValueError, match="heldout"):
        fit(expression[:2], Settings(**TINY, heldout=0.9), seed=0)


def test_divergence_names_stage_and_step(expression):
    with pytest.raises(DivergedError, match=r"step \d+ of stage 'cells'") as caught:
        fit(expression, Settings(**TINY | {"learning_rate": 1e10}), seed=0)
    assert caught.value.stage == "cells"
    assert 1 <= caught.value.step <= 20


def test_devices(expression, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(RuntimeError, match="'cuda' was asked for"):
        fit(expression, Settings(**TINY), seed=0, device="cuda")
    with pytest.raises(ValueError, match="device"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"


def test_bf16_needs_hardware_that_has_it(expression, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.raises(RuntimeError, match="bf16"):
        fit(expression, Settings(**TINY, precision="bf16"), seed=0)


# AnnData


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_from_anndata_to_anndata_through_h5ad(expression, tmp_path, form):
    cells = pd.DataFrame({"sample": "s|1"}, index=[f"cell {i}" for i in range(N_CELLS)])
    genes = pd.DataFrame(index=[f"MT-{i}" for i in range(N_GENES)])
    settings = Settings(**TINY, heldout=0.1, feature_input={"method": "pca", "size": 4})
    trained = train_bin(AnnData(form(expression), obs=cells, var=genes), settings, seed=9)
    trained.write_h5ad(tmp_path / "bin.h5ad")
    read = read_h5ad(tmp_path / "bin.h5ad")

    fitted = fit(expression, settings, seed=9)
    assert read.X is None
    assert list(read.obs_names) == list(cells.index)
    assert list(read.var_names) == list(genes.index)
    assert (read.obs["sample"] == "s|1").all()
    np.testing.assert_array_equal(read.obsm["X_sivae"], fitted.scores)
    np.testing.assert_array_equal(read.varm["sivae_loadings"], fitted.loadings)
    np.testing.assert_array_equal(read.var["reconstruction_error"], fitted.reconstruction_error)
    np.testing.assert_array_equal(read.var["sivae_degree_centrality"], -fitted.reconstruction_error)
    np.testing.assert_array_equal(read.var["heldout_error"], fitted.heldout_error)
    np.testing.assert_array_equal(read.obs["heldout"], fitted.heldout)
    described = read.uns["sivae"]
    assert described["seed"] == 9
    assert described["device"] == "cpu"
    assert described["active_dimensions"] == fitted.active_dimensions
    assert Settings(**described["settings"]) == settings
    np.testing.assert_allclose(read.uns["losses"]["total"], fitted.losses["total"])
    assert list(read.uns["losses"]["stage"]) == list(fitted.losses["stage"])


def test_to_anndata_leaves_its_arguments_alone(expression):
    cells = pd.DataFrame(index=[str(i) for i in range(N_CELLS)])
    genes = pd.DataFrame(index=[str(i) for i in range(N_GENES)])
    to_anndata(fit(expression, Settings(**TINY), seed=0), cells, genes)
    assert cells.empty
    assert genes.empty
