from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from torch import nn

from popnet import sivae
from popnet.comparisons import dimensions, methods, timing
from popnet.comparisons import explained as explaining
from popnet.comparisons.interpretations import (
    deeplift,
    gene_relevance,
    gradients,
    integrated_gradients,
    loadings,
    relu,
    shapley,
)
from popnet.comparisons.registry import INTERPRETATIONS
from popnet.figures import comparison_interpretations as drawn
from popnet.figures.style import Subject

LATENT, GENES, CELLS = 3, 7, 40


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    layers = [nn.Linear(LATENT, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, GENES)]
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def z():
    return torch.randn(CELLS, LATENT, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(90, 2)) @ rng.normal(size=(2, 20)) + 0.3 * rng.normal(size=(90, 20))
    return np.maximum(values + 1, 0).astype(np.float32)


@pytest.fixture(scope="module")
def fit(cells):
    settings = sivae.settings_for(latent=LATENT, hidden=[16, 8], steps=[150, 100, 150])
    return sivae.fit(cells, settings, 1, "cpu")


@pytest.fixture(scope="module")
def explained(fit, cells):
    return explaining.explained_by(fit, cells, seed=5, most_cells=60)


def by_captum(name, network, x, n_out, **options):
    """The package's attributions, one output at a time: (n, n_out, n_in)."""
    attr = pytest.importorskip("captum.attr")
    method = getattr(attr, name)(network)
    found = [method.attribute(x.clone(), target=out, **options) for out in range(n_out)]
    return torch.stack(found, 1).detach().numpy()


def test_networks_are_those_of_the_fit(fit, cells, explained):
    with torch.no_grad():
        scores = explained.encoder(torch.from_numpy(explained.inputs)).numpy()
        mean = explained.decoder(torch.from_numpy(explained.scores)).numpy()
    np.testing.assert_allclose(scores, fit.scores, atol=1e-5)
    np.testing.assert_allclose(explained.inputs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(explained.inputs.std(0), 1, atol=1e-4)
    error = ((explained.inputs - mean) ** 2).mean(0)
    np.testing.assert_allclose(error, fit.reconstruction_error, rtol=1e-3)
    some = explaining.cell_decoder(fit, np.array([4, 1]))
    with torch.no_grad():
        np.testing.assert_allclose(
            some(torch.from_numpy(fit.scores)).numpy(), mean[:, [4, 1]], atol=1e-5
        )
    assert len(explained.rows) == 60
    assert (np.diff(explained.rows) > 0).all()


def test_sparse_cells_are_explained_alike(fit, cells, explained):
    from scipy.sparse import csr_matrix

    sparse = explaining.explained_by(fit, csr_matrix(cells), seed=5, most_cells=60)
    np.testing.assert_array_equal(sparse.expression, explained.expression)
    np.testing.assert_array_equal(sparse.rows, explained.rows)


def test_derivatives_of_both_modes_are_captums(network, z):
    reference = by_captum("InputXGradient", network, z, GENES) / z[:, None].numpy()
    for found in (
        gradients.reverse_gradients(network, z),
        gradients.forward_gradients(network, z),
        relu.jacobian(network, z),
    ):
        np.testing.assert_allclose(found.numpy(), reference, atol=1e-5)


def test_products_from_the_narrow_end(network, z):
    turned = nn.Sequential(nn.Linear(GENES, 5), nn.ReLU(), nn.Linear(5, 2))
    x = torch.randn(8, GENES, generator=torch.Generator().manual_seed(2))
    expected = gradients.reverse_gradients(turned, x)
    torch.testing.assert_close(relu.jacobian(turned, x), expected)


@pytest.mark.parametrize("wide", [False, True])
def test_multipliers_are_captums(network, z, wide):
    if wide:
        network = nn.Sequential(nn.Linear(GENES, 5), nn.ReLU(), nn.Linear(5, 2))
        z = torch.randn(CELLS, GENES, generator=torch.Generator().manual_seed(2))
    n_out = 2 if wide else GENES
    found = (relu.multipliers(network, z) * z[:, None]).numpy()
    np.testing.assert_allclose(found, by_captum("DeepLift", network, z, n_out), atol=1e-6)
    with torch.no_grad():
        difference = network(z) - network(torch.zeros_like(z))
    np.testing.assert_allclose(found.sum(-1), difference.numpy(), atol=1e-5)


def test_multipliers_at_the_baseline_are_derivatives(network):
    nothing = torch.zeros(1, LATENT)
    torch.testing.assert_close(relu.multipliers(network, nothing), relu.jacobian(network, nothing))


def test_integrated_gradients_are_captums(network, z):
    found = integrated_gradients.integrated_gradients(network, z, 50).detach().numpy()
    reference = by_captum("IntegratedGradients", network, z, GENES, n_steps=50)
    np.testing.assert_allclose(found, reference, atol=1e-5)
    with torch.no_grad():
        difference = (network(z) - network(torch.zeros_like(z))).numpy()
    np.testing.assert_allclose(found.sum(-1), difference, atol=0.02)


def test_exact_shapley_values_are_those_of_the_definition(network, z):
    def value(members, row):
        masked = torch.zeros(1, LATENT)
        masked[0, list(members)] = z[row, list(members)]
        with torch.no_grad():
            return network(masked)[0].double()

    row, expected = 3, np.zeros((GENES, LATENT))
    for player in range(LATENT):
        others = [other for other in range(LATENT) if other != player]
        for size in range(LATENT):
            share = factorial(size) * factorial(LATENT - size - 1) / factorial(LATENT)
            for members in combinations(others, size):
                gain = value((*members, player), row) - value(members, row)
                expected[:, player] += share * gain.numpy()
    found = shapley.exact_shapley(network, z).numpy()
    np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_exact_shapley_values_do_not_depend_on_the_batch(network, z, monkeypatch):
    whole = shapley.exact_shapley(network, z)
    monkeypatch.setattr(shapley, "ROWS_AT_ONCE", 2**LATENT * 3)
    torch.testing.assert_close(shapley.exact_shapley(network, z), whole)


def test_sampled_shapley_values_are_as_captum_samples_them(network, z):
    exact = shapley.exact_shapley(network, z).numpy()
    found = shapley.sampled_shapley(network, z, 600, seed=1).numpy()
    np.testing.assert_allclose(found, exact, atol=0.03)
    # Each permutation shares out the whole difference.
    single = shapley.sampled_shapley(network, z, 1, seed=1).numpy()
    np.testing.assert_allclose(single.sum(-1), exact.sum(-1), atol=1e-5)
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(3)
    sampled = attr.ShapleyValueSampling(network).attribute(z, target=2, n_samples=600).numpy()
    np.testing.assert_allclose(found[:, 2], sampled, atol=0.05)


def relevance_by_definition(expression, scores, cell, n_neighbours):
    distance = np.linalg.norm(expression - expression[cell], axis=1)
    distance[cell] = np.inf
    nearest = np.argsort(distance)[:n_neighbours]
    tiny = expression[expression > 0].min() / max((expression == 0).sum(), 1)
    result = np.full((expression.shape[1], scores.shape[1]), np.nan)
    for gene in range(expression.shape[1]):
        own = expression[cell, gene] or tiny
        for dimension in range(scores.shape[1]):
            quotients = [
                (expression[other, gene] - own)
                / (scores[other, dimension] - scores[cell, dimension])
                for other in nearest
                if expression[other, gene] != own
            ]
            if len(quotients) >= 2:
                result[gene, dimension] = np.median(quotients)
    return result


@pytest.mark.parametrize("n_neighbours", [2, 7, 20])
def test_gene_relevance_is_that_of_the_definition(cells, n_neighbours):
    expression = np.round(cells.astype(np.float64), 1)  # so that many values are equal
    expression[:, 0] = 2.0  # nothing is told of a constant gene
    scores = np.random.default_rng(4).normal(size=(len(cells), 2))
    rows = np.array([0, 5, 33, 70])
    found = gene_relevance.partial_derivatives(expression, scores, rows, n_neighbours)
    for position, cell in enumerate(rows):
        expected = relevance_by_definition(expression, scores, cell, n_neighbours)
        np.testing.assert_allclose(found[position], expected, rtol=1e-5, atol=1e-9)
    assert np.isnan(found[:, 0]).all()


def test_gene_relevance_is_that_of_destiny():
    """What destiny 3.12.0 (R) gives for the same matrices, two cells and eight pairs of them."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(120, 3))
    mean = np.exp(scores @ rng.normal(size=(3, 8)) * 0.5 + rng.normal(size=(120, 8)) * 0.3)
    expression = np.log1p(rng.poisson(mean)) * (1 + 0.01 * rng.random((120, 8)))
    found = gene_relevance.partial_derivatives(expression, scores, np.arange(120), 15)
    pairs = ([0, 3, 6, 1, 4, 7, 2, 5], [0, 0, 0, 1, 1, 1, 2, 2])  # genes, dimensions
    plain = {
        0: [0.629867, 0.000692, -0.615212, -0.43285, 0.002025, 0.001056, -0.001744, -0.00244],
        60: [0.265289, 0.448313, -0.00221, 0.015002, -0.000162, -0.000783, -0.000238, 0.000946],
    }
    smoothed = {
        0: [0.110249, 0.015198, -0.060705, 0.061412, 0.0435, 0.004466, 0.004383, -0.040684],
        60: [-0.100481, 0.012015, -0.033729, 0.033286, 0.082548, -0.122351, 0.043257, -0.051524],
    }
    for values, expected in ((found, plain), (gene_relevance.smooth(found, scores), smoothed)):
        for cell, numbers in expected.items():
            np.testing.assert_allclose(values[cell][pairs], numbers, atol=2e-6)


def test_smoothing_leaves_out_what_is_missing():
    scores = np.arange(40.0)[::-1, None]
    values = np.ones((40, 2, 1), np.float32)
    values[3:9, 0] = np.nan
    values[:, 1] = np.nan
    smoothed = gene_relevance.smooth(values, scores)
    assert np.nanmax(np.abs(smoothed[:, 0] - 1)) < 1e-6
    # A window of four cells: two before, one after along the dimension.
    assert np.flatnonzero(np.isnan(smoothed[:, 0, 0])).tolist() == [4, 5, 6]
    assert np.isnan(smoothed[:, 1]).all()


def test_relevance_is_the_norm_over_dimensions(explained):
    values = np.array([[[3.0, 4.0], [np.nan, 2.0]], [[0.0, 1.0], [np.nan, np.nan]]])
    np.testing.assert_allclose(gene_relevance.norm(values), [[5, 2], [1, np.nan]])
    found = gene_relevance.relevance(explained, 7)
    derivatives = gene_relevance.partial_derivatives(
        explained.expression, explained.scores, explained.rows, 7
    )
    smoothed = gene_relevance.smooth(derivatives, explained.scores[explained.rows])
    expected = np.nanmean(np.sqrt(np.nansum(smoothed**2, 2)), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_neighbours_need_cells(explained):
    with pytest.raises(ValueError, match="1000 neighbours cannot be had of 90 cells"):
        gene_relevance.explain_1000(explained)


def test_one_vector_per_dimension_is_the_first_component(z):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 1, 2)) * rng.normal(size=(1, 11, 2)) + 3
    values += 0.1 * rng.normal(size=values.shape)
    found = explaining.per_dimension(values)
    for dimension in range(2):
        expected = PCA(1).fit(values[:, :, dimension]).components_[0]
        assert abs(found[:, dimension] @ expected) == pytest.approx(1, abs=1e-9)
    values[:, 4] = 0
    assert (explaining.per_dimension(values)[4] == 0).all()
    same = np.broadcast_to(values[:1], values.shape)
    np.testing.assert_array_equal(explaining.per_dimension(same), values[0])


def test_every_method_gives_a_vector_per_dimension(explained, network):
    found = {}
    for name in INTERPRETATIONS:
        if name not in ("gene-relevance-100", "gene-relevance-1000"):
            found[name] = methods.load_method(INTERPRETATIONS, name)(explained)
            assert found[name].shape == (20, LATENT), name
            assert np.isfinite(found[name]).all(), name
    assert found["loadings"] is loadings.explain(explained)
    pairs = dimensions.agreement(found, np.arange(LATENT)).set_index(["method1", "method2"])
    for one in ("saliency", "gradient-input"):
        assert pairs.loc[(one, f"{one}-forward"), "rho"].min() > 0.999
    assert pairs.loc[("deeplift", "shapley"), "rho"].median() > 0.9
    rows = explained.rows
    x = torch.from_numpy(explained.inputs[rows])
    with torch.no_grad():
        difference = explained.encoder(x) - explained.encoder(torch.zeros_like(x))
    of_genes = relu.multipliers(explained.encoder, x) * x[:, None]
    torch.testing.assert_close(of_genes.sum(-1), difference, atol=1e-4, rtol=1e-4)
    expected = explaining.per_dimension(of_genes.mT.numpy())
    np.testing.assert_array_equal(deeplift.encoder(explained), expected)


def test_agreement_is_spearmans_up_to_the_sign():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50, 3))
    found = {"a": one, "b": -one, "c": other, "d": np.ones_like(one)}
    pairs = dimensions.agreement(found, np.array([0, 2]))
    assert pairs["dimension"].unique().tolist() == [1, 3]
    pairs = pairs.set_index(["method1", "method2", "dimension"])
    assert pairs.loc[("a", "b", 1), "rho"] == pytest.approx(1)
    expected = spearmanr(one[:, 2], other[:, 2]).statistic
    assert pairs.loc[("a", "c", 3), "rho"] == pytest.approx(abs(expected))
    expected = spearmanr(np.abs(one[:, 2]), np.abs(other[:, 2])).statistic
    assert pairs.loc[("b", "c", 3), "rho_magnitude"] == pytest.approx(expected)
    assert np.isnan(pairs.loc[("a", "d", 1), "rho"])

    summary = dimensions.summarise_agreement(pairs.reset_index())
    row = summary.set_index(["method1", "method2"]).loc[("a", "c")]
    rhos = pairs.loc[("a", "c"), "rho"]
    assert row["rho"] == pytest.approx(rhos.mean())  # the median of two
    assert (row["lowest"], row["highest"]) == (rhos.min(), rhos.max())
    assert row["n_dimensions"] == 2
    assert summary.set_index(["method1", "method2"]).loc[("a", "d"), "n_dimensions"] == 0


def test_no_interpretation_agrees_with_nothing():
    pairs = dimensions.agreement({}, np.arange(2))
    assert list(pairs.columns)[:3] == ["method1", "method2", "dimension"]
    assert dimensions.summarise_agreement(pairs).empty
    assert dimensions.genes_table({}, ["A"]).empty


def test_table_of_genes_has_every_value():
    values = np.arange(6.0).reshape(3, 2)
    table = dimensions.genes_table({"a": values, "b": -values}, ["A", "B", "C"])
    assert table["gene"].tolist() == ["A", "A", "B", "B", "C", "C"]
    assert table.query("gene == 'B' and dimension == 2")[["a", "b"]].to_numpy().tolist() == [
        [3, -3]
    ]


def test_active_dimensions(explained, fit):
    assert len(dimensions.active_dimensions(explained.scores)) == fit.active_dimensions


def test_timed_attributions_are_the_attributions(network, z):
    few = z[:6]
    derivative = relu.jacobian(network, few)
    contribution = relu.multipliers(network, few) * few[:, None]
    integrated = integrated_gradients.integrated_gradients(network, few)
    for gene in (0, GENES - 1):
        for found, expected in (
            (timing._saliency_of_gene, derivative.abs()),
            (timing._gradient_input_of_gene, derivative * few[:, None]),
            (timing._deeplift_of_gene, contribution),
            (timing._path_of_gene, integrated),
        ):
            torch.testing.assert_close(found(network, few, gene), expected[:, gene])
    for dimension in range(LATENT):
        along = timing._gradient_input_along(network, few, dimension)
        torch.testing.assert_close(along, derivative[:, :, dimension] * few[:, None, dimension])


def test_every_timed_method_has_shares_of_one(network, z):
    for stages in timing.attributions(network, z).values():
        for parts in stages:
            assert sum(share for share, _ in parts) == pytest.approx(1)


def test_extrapolation(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "process_time", lambda: now[0])

    def work():
        now[0] += 1.0

    def parts():
        return ((0.1, work) for _ in range(10))

    assert timing.extrapolate(parts(), budget=20) == (pytest.approx(10), False)
    assert timing.extrapolate(parts(), budget=2) == (pytest.approx(10), True)
    assert timing.extrapolate(parts(), parts(), budget=2) == (pytest.approx(20), True)


def test_training_is_extrapolated_by_the_steps_of_each_stage(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "process_time", lambda: now[0])
    cost = {"cells": 1.0, "features": 2.0, "joint": 5.0}

    def fit(expression, settings, seed, device, progress):
        now[0] += 3  # before and after the steps
        for stage, n in zip(cost, settings.steps, strict=True):
            for step in range(1, n + 1):
                progress(stage, step, n, 0.0)
                now[0] += cost[stage]

    monkeypatch.setattr(timing.sivae, "fit", fit)
    settings = sivae.settings_for(steps=[100, 60, 80])
    _, seconds, extrapolated = timing.time_training(np.zeros((10, 4000)), settings, 1)
    assert (seconds, extrapolated) == (3 + 100 + 2 * 60 + 5 * 80, True)
    settings = sivae.settings_for(steps=[4, 3, 2])
    _, seconds, extrapolated = timing.time_training(np.zeros((10, 4000)), settings, 1)
    assert (seconds, extrapolated) == (3 + 4 + 6 + 10, False)


def test_few_steps_are_timed_of_many_cells(monkeypatch):
    """Steps that grow with the cells would grow again."""
    fitted = []
    monkeypatch.setattr(
        timing.sivae, "fit", lambda _, settings, *__, **___: fitted.append(settings)
    )
    settings = sivae.settings_for()
    assert settings.steps_for(4000) > settings.steps
    timing.time_training(np.zeros((4000, 100), np.float32), settings, 1)
    assert max(fitted[0].steps_for(4000)) <= timing.STEPS_TIMED[1]


def test_times_of_a_size():
    assert timing.sizes([8, 2], [60, 30, 60]) == [(30, 2), (30, 8), (60, 2)]
    settings = sivae.settings_for(hidden=[8, 6], steps=[30, 30, 30])
    times = timing.ratios(timing.time_size(settings, 50, 30, 2, seed=1))
    assert list(times.columns) == [*timing.COLUMNS, "ratio"]
    assert not times.duplicated(["method", "mode"]).any()
    by_name = times.set_index(["method", "mode"])
    assert by_name.loc[("sivae", "training"), "ratio"] == 1
    assert not by_name.loc[("sivae", "training"), "extrapolated"]
    assert by_name.loc[("sivae-paper", "training"), "extrapolated"]
    vae = by_name.loc[("vae", "training"), "total"]
    row = by_name.loc[("deeplift", "reverse")]
    assert row["total"] == pytest.approx(vae + row["seconds"])
    assert row["ratio"] == pytest.approx(row["total"] / by_name.loc[("sivae", "training"), "total"])


def test_simulated_cells_vary_along_factors():
    cells = timing.simulated_cells(300, 60, seed=1)
    np.testing.assert_array_equal(cells, timing.simulated_cells(300, 60, seed=1))
    shares = PCA(15).fit(cells).explained_variance_ratio_
    assert shares[timing.FACTORS - 1] > 1.5 * shares[timing.FACTORS]


def test_figures_show_what_failed_and_what_is_not_there():
    rng = np.random.default_rng(0)
    found = {name: rng.normal(size=(30, 2)) for name in ("loadings", "deeplift", "new")}
    summary = dimensions.summarise_agreement(dimensions.agreement(found, np.arange(2)))
    subject = Subject(None, None, n=30, unit="cells")
    methods = ["loadings", "shapley", "deeplift", "new"]
    figure = drawn.agreement_heatmap(summary, methods, subject, n_dimensions=2)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("·") == 6  # the row and the column of the method that failed
    nothing = drawn.agreement_heatmap(summary[:0], methods, subject, n_dimensions=0)
    assert "No two methods" in nothing.axes[0].texts[0].get_text()

    times = timing.ratios(pd.DataFrame(columns=timing.COLUMNS))
    assert "No size" in drawn.training_times(times, subject).axes[0].texts[0].get_text()
    sizes = timing.sizes([2, 8], [30, 60])
    rows = [
        {"method": method, "mode": mode, "n_genes": n, "latent": latent, "n_cells": 50}
        | {"seconds": 1.0, "total": 1.0 + (method != "sivae"), "extrapolated": mode == "reverse"}
        for n, latent in sizes
        for method, mode in (("sivae", "training"), ("vae", "training"), ("deeplift", "reverse"))
    ]
    figure = drawn.training_times(timing.ratios(pd.DataFrame(rows)), subject)
    bars, *panels = figure.axes
    assert sorted(bar.get_width() for bar in bars.patches) == [1, 2, 2]
    assert [len(panel.lines) for panel in panels] == [3, 3]
