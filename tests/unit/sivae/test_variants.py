"""The model family and what its training minimises, against closed forms written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln, logsumexp

from popnet.sivae import PLANS, VARIANTS, FeatureInput, Settings, settings_for
from popnet.sivae.model import Normal, SiVAE
from popnet.sivae.objective import (
    Minibatch,
    cell_terms,
    feature_terms,
    gaussian_log_likelihood,
    gene_memory,
    joint_terms,
    kl_to_standard_normal,
    negative_binomial_log_likelihood,
    remembering_joint_terms,
    total_loss,
)
from popnet.sivae.settings import WARM_STEPS
from popnet.sivae.shared import shared_settings

N_CELLS, N_GENES, N_INPUT, LATENT = 6, 20, 12, 3
WARMTH, GAMMA = 0.3, 0.05

GAUSSIAN = [name for name, chosen in VARIANTS.items() if chosen.get("likelihood") != "nb"]
WITH_GENES = [name for name, chosen in VARIANTS.items() if chosen.get("model") != "vae"]
STAGES = {
    (variant, stage)
    for variant in VARIANTS
    for stage in (["cells", "features", "joint"] if variant in WITH_GENES else ["cells"])
}


class Example:
    """A small model of a variant, and data and noise, in double precision; no weight is zero."""

    def __init__(self, variant: str, n_covariates: int, hidden: tuple[int, ...] = (10, 7, 5)):
        self.settings = settings_for(variant, latent=LATENT, hidden=hidden)
        draw = torch.Generator().manual_seed(1)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=draw, dtype=torch.float64)

        self.model = SiVAE(N_GENES, N_INPUT, self.settings, draw, n_covariates).double()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter += 0.1 * normal(*parameter.shape)
        self.counted = self.settings.likelihood == "nb"
        counts = torch.poisson(torch.exp(normal(N_CELLS, N_GENES) + 1), generator=draw)
        if self.counted:
            prior = torch.tensor([np.log(40.0), 0.4], dtype=torch.float64)
            self.model.library_prior.copy_(prior)
        self.cells = Minibatch(
            normal(N_CELLS, N_GENES),
            counts if self.counted else counts[:, :0],
            normal(N_CELLS, n_covariates),
        )
        self.features = normal(N_GENES, N_INPUT)
        self.cell_noise = normal(N_CELLS, LATENT + self.counted)
        self.feature_noise = normal(N_GENES, LATENT)

    def terms(self, stage: str, genes: torch.Tensor | slice = slice(None)) -> dict:
        """What the library computes."""
        if stage == "cells":
            return cell_terms(self.model, self.cells, self.cell_noise, genes)
        features, noise = self.features[genes], self.feature_noise[genes]
        if stage == "features":
            rows = torch.arange(N_GENES)[genes]
            return feature_terms(self.model, features, rows, noise)
        return joint_terms(self.model, self.cells, features, self.cell_noise, noise, genes)

    def loss(self, stage: str) -> torch.Tensor:
        return total_loss(self.terms(stage), WARMTH, self.settings.gamma)


# The objective, written out


def written_out(example: Example, stage: str) -> dict[str, float]:
    """The terms of a stage as the Methods have them, from the weights by name."""
    weights = {name: value.numpy() for name, value in example.model.state_dict().items()}
    x, counts, s = (part.numpy() for part in example.cells)
    features = example.features.numpy()
    linear = example.settings.decoder == "linear"

    def affine(h, name):
        return h @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def relu_layers(h, name):
        number = 0
        while f"{name}.hidden.{number}.weight" in weights:
            h = np.maximum(affine(h, f"{name}.hidden.{number}"), 0)
            number += 2
        return h

    def positive(h):
        return np.log(1 + np.exp(h)) + 1e-4

    def posterior(h, name):
        h = relu_layers(h, name)
        return affine(h, f"{name}.mean"), positive(affine(h, f"{name}.scale"))

    def kl(mean, scale, prior_mean=0.0, prior_scale=1.0):
        quadratic = (scale**2 + (mean - prior_mean) ** 2) / (2 * prior_scale**2)
        return (np.log(prior_scale / scale) + quadratic - 0.5).sum(1).mean()

    def log_likelihood(v_last, own_effects):
        # Equation 21 adds mu_s(s) where z enters its first layer; equation 23 adds j^T s.
        z_last = z if linear else relu_layers(np.hstack([z, s]), "cells.decoder")
        mean = z_last @ v_last.T + weights["cells.decoder.mean.bias"]
        if own_effects:
            mean = mean + s @ weights["covariate_weights"].T
        sigma = positive(affine(z_last, "cells.decoder.scale"))
        if not example.counted:
            return stats.norm.logpdf(x, mean, sigma).sum(1).mean()
        # Equations 14 to 17, the Gamma integrated out (scipy's nbinom is inexact at tiny means).
        ratio = library * np.exp(mean - logsumexp(mean, 1, keepdims=True)) / sigma
        log_p = -np.log(counts + sigma) - betaln(counts + 1, sigma) + counts * np.log(ratio)
        return (log_p - (counts + sigma) * np.log1p(ratio)).sum(1).mean()

    cell_kl = 0.0
    observed = np.hstack([x, s])
    z_mean, z_scale = posterior(observed, "cells.encoder")
    z = z_mean + z_scale * example.cell_noise.numpy()[:, :LATENT]
    cell_kl += kl(z_mean, z_scale)
    if example.counted:
        # The posterior of log l is Gaussian, like its prior; the network gives it in deviations.
        prior_mean, prior_scale = weights["library_prior"]
        deviation, deviation_scale = posterior(observed, "library")
        mean, scale = prior_mean + prior_scale * deviation, prior_scale * deviation_scale
        library = np.exp(mean + scale * example.cell_noise.numpy()[:, LATENT:])
        cell_kl += kl(mean, scale, prior_mean, prior_scale)

    free = weights["cells.decoder.mean.weight"]
    if stage == "cells":
        return {"reconstruction": -log_likelihood(free, linear), "kl_cells": cell_kl}

    v_mean, v_scale = posterior(features, "features.encoder")
    v = v_mean + v_scale * example.feature_noise.numpy()
    hidden = relu_layers(v, "features.decoder")
    v_last = v if linear else affine(hidden, "features.decoder.mean")
    if stage == "features":
        sigma = positive(affine(hidden, "features.decoder.scale"))
        return {
            "reconstruction": -stats.norm.logpdf(free, v_last, sigma).sum(1).mean(),
            "kl_features": kl(v_mean, v_scale),
        }
    terms = {
        "reconstruction": -log_likelihood(v_last, linear),
        "kl_cells": cell_kl,
        "kl_features": kl(v_mean, v_scale),
    }
    if example.settings.gamma:
        effects = s @ weights["covariate_weights"].T
        # Equation 23 (13 without covariates) without 1/2 and constant.
        error = (x - z @ v.T - effects - weights["linear_bias"]) ** 2
        terms["interpretability"] = error.sum(1).mean()
    return terms


@pytest.mark.parametrize("hidden", [(10, 7, 5), (8,)])
@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize(("variant", "stage"), sorted(STAGES))
def test_terms_are_those_of_the_equations(variant, stage, n_covariates, hidden):
    example = Example(variant, n_covariates, hidden)
    expected = written_out(example, stage)
    computed = {name: term.item() for name, term in example.terms(stage).items()}
    assert computed == pytest.approx(expected, rel=1e-10)
    weight = {"kl_cells": WARMTH, "kl_features": WARMTH, "interpretability": GAMMA}
    total = sum(weight.get(name, 1.0) * term for name, term in expected.items())
    assert example.loss(stage).item() == pytest.approx(total, rel=1e-10)


def test_interpretability_by_hand():
    model = SiVAE(2, 3, settings_for(latent=1, hidden=(4,)), torch.Generator(), 1)
    z, v = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.5], [1.0]])
    s = torch.tensor([[0.0], [1.0]])
    with torch.no_grad():
        model.linear_bias.copy_(torch.tensor([0.0, 1.0]))
        model.covariate_weights.copy_(torch.tensor([[3.0], [-1.0]]))
        np.testing.assert_array_equal(model.linear(z, v, s), [[0.5, 2.0], [4.0, 2.0]])
        np.testing.assert_array_equal(model.linear(z, v[1:], s, torch.tensor([1])), [[2.0], [2.0]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
@hypothesis_settings(max_examples=25, deadline=None)
def test_likelihoods_and_kl_against_scipy(seed, n, d):
    rng = np.random.default_rng(seed)
    x, mean = rng.normal(size=(2, n, d)) * 3
    row_scale, scale = rng.uniform(0.01, 4, (n, 1)), rng.uniform(0.01, 4, (n, d))
    normal = Normal(torch.from_numpy(mean), torch.from_numpy(row_scale))
    np.testing.assert_allclose(
        gaussian_log_likelihood(torch.from_numpy(x), normal),
        stats.norm.logpdf(x, mean, row_scale).sum(1),
        rtol=1e-12,
    )
    posterior = torch.distributions.Normal(torch.from_numpy(mean), torch.from_numpy(scale))
    prior = torch.distributions.Normal(torch.zeros(n, d, dtype=torch.float64), 1.0)
    np.testing.assert_allclose(
        kl_to_standard_normal(Normal(posterior.mean, posterior.stddev)),
        torch.distributions.kl_divergence(posterior, prior).sum(1),
        rtol=1e-9,
    )
    counts, theta = rng.poisson(5, (n, d)), rng.uniform(0.05, 50, (n, 1))
    np.testing.assert_allclose(
        negative_binomial_log_likelihood(
            torch.from_numpy(counts.astype(float)), torch.from_numpy(mean), torch.from_numpy(theta)
        ),
        stats.nbinom.logpmf(counts, theta, theta / (theta + np.exp(mean))).sum(1),
        rtol=1e-8,
        atol=1e-10,
    )


def test_negative_binomial_is_a_distribution_of_the_stated_moments():
    mean, theta = 7.0, 1.7
    counts = torch.arange(2000, dtype=torch.float64)[:, None]
    log_mean = torch.full_like(counts, np.log(mean))
    log_p = negative_binomial_log_likelihood(counts, log_mean, torch.full_like(counts, theta))
    p, x = log_p.exp().numpy(), counts[:, 0].numpy()
    assert p.sum() == pytest.approx(1)
    assert p @ x == pytest.approx(mean)
    assert p @ (x - mean) ** 2 == pytest.approx(mean + mean**2 / theta)
    # It stays finite where the mean vanishes, and where it is huge.
    for extreme in (-300.0, 300.0):
        edge = negative_binomial_log_likelihood(counts[:1], log_mean[:1] * 0 + extreme, counts + 1)
        assert torch.isfinite(edge).all()


# Gradients


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize(("variant", "stage"), sorted(STAGES))
def test_gradients_equal_finite_differences(variant, stage, n_covariates):
    example = Example(variant, n_covariates)
    example.loss(stage).backward()
    draw = torch.Generator().manual_seed(2)
    for name, parameter in example.model.named_parameters():
        if stage == "features" and name.startswith("cells."):
            assert parameter.grad is None, "stage 2 takes v~_L as given"
            continue
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            parameter += 1e-6 * direction
            above = example.loss(stage)
            parameter -= 2e-6 * direction
            below = example.loss(stage)
            parameter += 1e-6 * direction
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        slope = (above - below).item() / 2e-6
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize(
    ("variant", "stage", "trained"),
    [
        ("sivae", "cells", {"cells"}),
        ("sivae", "features", {"features"}),
        ("sivae", "joint", {"cells", "features", "covariate_weights", "linear_bias"}),
        ("sivae-gamma0", "joint", {"cells", "features"}),
        ("sivae-linear", "joint", {"cells", "features", "covariate_weights"}),
        ("sivae-nb", "joint", {"cells", "features", "library"}),
        ("vae", "cells", {"cells"}),
        ("vae-linear", "cells", {"cells", "library", "covariate_weights"}),
    ],
)
def test_each_stage_trains_its_parameters(variant, stage, trained):
    """The joint model has v_L in place of the free weights, and needs no likelihood of them."""
    example = Example(variant, 2)
    example.loss(stage).backward()
    reached = {name for name, p in example.model.named_parameters() if p.grad is not None}
    assert {name.split(".")[0] for name in reached} == trained
    for name, _ in example.model.named_parameters():
        unused = ("cells.decoder.mean.weight", "features.decoder.scale")
        if stage == "joint" and name.startswith(unused):
            assert name not in reached


# Genes drawn per step


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize(
    ("variant", "stage"),
    sorted((v, s) for v, s in STAGES if v in GAUSSIAN and s != "features"),
)
def test_genes_drawn_per_step_are_unbiased(variant, stage, n_covariates):
    example = Example(variant, n_covariates)
    # Every gene is in one of the parts, so their mean is the expectation over random draws.
    parts = torch.randperm(N_GENES, generator=torch.Generator().manual_seed(0)).view(4, 5)
    drawn = [example.terms(stage, genes) for genes in parts]
    for name, term in example.terms(stage).items():
        average = torch.stack([terms[name] for terms in drawn]).mean()
        torch.testing.assert_close(average, term, rtol=1e-12, atol=0, msg=name)

    example.loss(stage).backward()
    full = {name: p.grad for name, p in example.model.named_parameters()}
    example.model.zero_grad()
    gamma = example.settings.gamma
    mean = sum(total_loss(example.terms(stage, genes), WARMTH, gamma) for genes in parts) / 4
    mean.backward()
    for name, parameter in example.model.named_parameters():
        if parameter.grad is None:
            assert full[name] is None
        else:
            torch.testing.assert_close(parameter.grad, full[name], rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize("variant", sorted(set(GAUSSIAN) & set(WITH_GENES)))
def test_with_genes_remembered_the_cells_see_all_and_the_genes_are_unbiased(variant, n_covariates):
    example = Example(variant, n_covariates)
    example.loss("joint").backward()
    full = {name: p.grad for name, p in example.model.named_parameters()}
    example.model.zero_grad()
    # What is remembered has the noise of this step, so that it is not stale.
    posterior = example.model.feature_wise.encoder(example.features)
    v = posterior.sample(example.feature_noise).detach()
    now = (v, example.model.feature_layers(v)[-1].detach())
    parts = torch.randperm(N_GENES, generator=torch.Generator().manual_seed(0)).view(4, 5)
    gradients = []
    for genes in parts:
        memory = tuple(part.clone() for part in now)
        for part in memory:
            part[genes] = torch.nan  # the drawn ones are written before they are read
        terms = remembering_joint_terms(
            example.model,
            example.cells,
            example.features[genes],
            example.cell_noise,
            example.feature_noise[genes],
            genes,
            memory,
        )
        for name, term in example.terms("joint").items():
            if name != "kl_features":  # of the drawn genes
                torch.testing.assert_close(terms[name], term, rtol=1e-12, atol=0, msg=name)
        for part, known in zip(memory, now, strict=True):
            torch.testing.assert_close(part, known, rtol=1e-12, atol=1e-14)
        example.model.zero_grad()
        total_loss(terms, WARMTH, example.settings.gamma).backward()
        gradients.append({name: p.grad for name, p in example.model.named_parameters()})
    for name, expected in full.items():
        found = [gradient[name] for gradient in gradients]
        if expected is None:
            assert found == [None] * 4
            continue
        torch.testing.assert_close(sum(found) / 4, expected, rtol=1e-9, atol=1e-12, msg=name)
        if not name.startswith("features."):
            torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-12, msg=name)


def test_gene_memory_starts_at_the_posterior_means():
    example = Example("sivae", 0)
    v, weights = gene_memory(example.model, example.features)
    torch.testing.assert_close(v, example.model.feature_wise.encoder(example.features).mean)
    torch.testing.assert_close(weights, example.model.feature_layers(v)[-1])
    assert not v.requires_grad
    assert not weights.requires_grad


def test_steps_grow_with_the_cells():
    settings = settings_for(plan="fast")
    few, more, most = (settings.steps_for(n) for n in (900, 2500, 4000))
    assert few == settings.steps_for(1000) == settings.steps
    assert more == tuple((n + grown) // 2 for n, grown in zip(settings.steps, most, strict=True))
    assert most == settings.steps_for(10**6)
    assert most == (1000, 2000, 2000)
    assert settings_for(plan="paper").steps_for(10**6) == (2000, 2000, 2000)
    assert settings_for(steps=(3, 4, 5)).steps_for(10**6) == (3, 4, 5)
    assert settings_for(steps=(1, 2, 3000), grow_beyond=10).steps_for(40) == (1000, 2000, 3000)


def test_steps_shrink_with_the_cells_of_a_bin():
    settings = settings_for(plan="fast")
    assert settings.steps_for(450) == tuple(n // 2 for n in settings.steps)
    assert (
        settings.steps_for(1)
        == settings.steps_for(90)
        == tuple(round(n / 8) for n in settings.steps)
    )
    warm = settings.warm(settings)
    assert warm.steps_for(10**6) == (*settings.steps[:2], WARM_STEPS)
    assert warm.steps_for(180)[2] == WARM_STEPS // 5
    # Cells of the cohort are of many samples; steps that somebody chose stand.
    assert shared_settings(settings).steps_for(90) == settings.steps
    assert settings_for(steps=(30, 40, 50)).steps_for(90) == (30, 40, 50)
    assert settings_for(plan="paper").steps_for(90) == (2000, 2000, 2000)
    assert settings.with_steps((8, 8, 8)).steps_for(90) == (8, 8, 8)


# What the variants consist of


def shapes(variant: str, n_covariates: int = 0) -> dict[str, tuple[int, ...]]:
    settings = settings_for(variant, latent=3, hidden=(10, 7, 5))
    model = SiVAE(N_GENES, N_INPUT, settings, torch.Generator(), n_covariates)
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def test_layers_of_the_paper():
    sivae = shapes("sivae")
    widths = {name: shape for name, shape in sivae.items() if name.endswith("weight")}
    assert [widths[f"cells.encoder.hidden.{i}.weight"] for i in (0, 2, 4)] == [
        (10, N_GENES),
        (7, 10),
        (5, 7),
    ]
    assert [widths[f"cells.decoder.hidden.{i}.weight"] for i in (0, 2, 4)] == [
        (5, 3),
        (7, 5),
        (10, 7),
    ]
    assert widths["cells.decoder.mean.weight"] == (N_GENES, 10)
    # A scale per cell; the feature-wise decoder ends one layer earlier, with v_L.
    assert widths["cells.decoder.scale.weight"] == (1, 10)
    assert widths["features.encoder.hidden.0.weight"] == (10, N_INPUT)
    assert widths["features.decoder.mean.weight"] == (10, 7)
    assert "features.decoder.hidden.4.weight" not in widths


def test_variants_lack_and_add_what_the_paper_says():
    sivae = shapes("sivae")
    linear_part = {"linear_bias": (N_GENES,), "covariate_weights": (N_GENES, 0)}
    assert shapes("sivae-gamma0") | linear_part == sivae
    vae = {name: shape for name, shape in shapes("sivae-gamma0").items() if "features" not in name}
    assert shapes("vae") == vae
    library = {name: shape for name, shape in shapes("sivae-nb").items() if "library" in name}
    assert shapes("sivae-nb") == shapes("sivae-gamma0") | library
    assert library["library.mean.weight"] == (1, 5)
    linear = shapes("sivae-linear")
    assert linear["cells.decoder.mean.weight"] == (N_GENES, 3)
    assert not [name for name in linear if "decoder.hidden" in name or "decoder.mean" in name][2:]
    ldvae = shapes("vae-linear")
    assert ldvae["cells.decoder.mean.weight"] == (N_GENES, 3)
    assert {name.split(".")[0] for name in ldvae} == {"cells", "library", "covariate_weights"}


def test_covariates_join_encoder_and_decoder():
    without, given = shapes("sivae-nb"), shapes("sivae-nb", 2)
    assert given["cells.encoder.hidden.0.weight"] == (10, N_GENES + 2)
    assert given["cells.decoder.hidden.0.weight"] == (5, 3 + 2)
    assert given["library.hidden.0.weight"] == (5, N_GENES + 2)
    assert sum(without[name] != shape for name, shape in given.items()) == 3


def test_the_feature_decoder_ends_without_relu():
    example = Example("sivae", 0)
    with torch.no_grad():
        layers = example.model.feature_layers(example.feature_noise)
    assert [layer.shape[1] for layer in layers] == [LATENT, 5, 7, 10]
    assert (layers[-2] >= 0).all()
    assert (layers[-1] < 0).any()


def test_weights_start_xavier_normal_and_biases_at_zero():
    settings = settings_for(latent=8, hidden=(256, 64))
    model = SiVAE(400, 300, settings, torch.Generator().manual_seed(0), 2)
    for weight in (
        model.cells.encoder.hidden[0].weight,
        model.features.encoder.hidden[0].weight,
        model.free_weights,
    ):
        assert weight.std().item() == pytest.approx(np.sqrt(2 / sum(weight.shape)), rel=0.02)
        assert weight.mean().item() == pytest.approx(0, abs=0.01)
    assert all(not p.any() for p in model.parameters() if p.ndim == 1)
    assert not model.covariate_weights.any()


@pytest.mark.parametrize(("variant", "hidden"), [("sivae-linear", (7, 5)), ("sivae", (7,))])
def test_scales_of_latent_variables_start_equal(variant, hidden):
    """Nearly zero for some cells, the scale would give gradients that Adam does not forget."""
    settings = settings_for(variant, latent=8, hidden=hidden)
    model = SiVAE(N_GENES, N_INPUT, settings, torch.Generator())
    decoder = model.features.decoder
    with torch.no_grad():
        scale = decoder.scale_of(100 * torch.randn(50, 8))
    np.testing.assert_allclose(scale, np.log(2), rtol=1e-3)


def test_a_vae_embeds_no_genes():
    example = Example("vae", 0)
    with pytest.raises(ValueError, match="VAE"):
        example.model.feature_layers(example.feature_noise)


# Settings


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_every_plan(variant, plan):
    settings = settings_for(variant, plan)
    assert settings.latent == 32
    assert settings.gamma == (0.05 if variant == "sivae" else 0)
    assert settings.learning_rate == PLANS[plan]["learning_rate"]
    assert settings.kl == (1 if settings.likelihood == "nb" else PLANS[plan]["kl"])
    if settings.likelihood == "nb":
        assert settings.genes_per_step is None


def test_changes_of_a_plan():
    settings = settings_for("sivae", "paper", latent=2, gamma=None, hidden=[8, 4])
    assert settings == Settings(latent=2, hidden=(8, 4))
    assert settings_for(feature_input={"method": "downsample", "size": 9}).feature_input == (
        FeatureInput("downsample", 9)
    )
    with pytest.raises(ValueError, match=r"variant: 'scvi' is not one of sivae, .*vae-linear"):
        settings_for("scvi")
    with pytest.raises(ValueError, match="plan: 'slow' is not one of paper, fast"):
        settings_for(plan="slow")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "ae"),
        ("decoder", "shallow"),
        ("likelihood", "poisson"),
        ("latent", 0),
        ("hidden", []),
        ("hidden", [4, 0]),
        ("gamma", -1),
        ("kl", -1),
        ("steps", [10, 10]),
        ("steps", [10, 0, 10]),
        ("minibatch", 0),
        ("learning_rate", 0),
        ("schedule", "cosine"),
        ("l2", [1e-4]),
        ("l2", [1e-4, -1]),
        ("genes_per_step", 0),
        ("grow_beyond", 0),
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"likelihood": "nb"}, "gamma: 0.05"),
        ({"decoder": "linear"}, "gamma: 0.05"),
        ({"model": "vae"}, "gamma: 0.05"),
        ({"likelihood": "nb", "gamma": 0, "genes_per_step": 5}, "genes_per_step: 5"),
    ],
)
def test_settings_that_do_not_go_together(given, message):
    with pytest.raises(ValueError, match=message):
        Settings(**given)
