"""Estimators against plain computations from the cells."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import spearmanr, zscore
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from popnet.errors import InputError
from popnet.networks import estimators, information
from popnet.networks.cs_core import latent_correlation
from popnet.networks.estimators import (
    cohort_directions,
    correlation_factor,
    mean_factor,
    standardised,
)

N_GENES = 12
ALL, SOME = np.arange(N_GENES), np.array([1, 4, 5, 11])
LEAST = 0.05
# The cohort has a gene that the cells of its second bin do not vary in.
VARIES = np.ones((4, N_GENES), bool)
VARIES[1, -1] = False


def covariance(factor):
    return factor.astype(float) @ factor.T


def without_diagonal(matrix):
    return matrix - np.diag(np.diagonal(matrix))


def cells_of(cohort):
    """Return the standardised cells of every bin."""
    expression, summary = cohort
    keys = zip(summary.obs["sample"], summary.obs["bin"], strict=True)
    return [StandardScaler().fit_transform(expression.read(*key).astype(float)) for key in keys]


def test_genes_are_standardised_and_constant_ones_are_zero():
    cells = np.random.default_rng(0).normal(3, 2, size=(50, 4)).astype(np.float32)
    cells[:, 2] = 7.1
    found = standardised(cells)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, [0, 1, 3]], zscore(cells[:, [0, 1, 3]]), atol=1e-5)
    assert not found[:, 2].any()
    weights = covariance(correlation_factor(cells))
    np.testing.assert_allclose(
        np.delete(np.delete(weights, 2, 0), 2, 1),
        np.corrcoef(cells[:, [0, 1, 3]], rowvar=False),
        atol=1e-5,
    )
    assert not weights[2].any()


def test_a_mean_of_factors_is_that_of_their_covariances():
    rng = np.random.default_rng(1)
    factors = [rng.normal(size=(6, rank)).astype(np.float32) for rank in (1, 3, 4)]
    expected = np.mean([covariance(factor) for factor in factors], axis=0)
    found = mean_factor(factors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(covariance(found), expected, atol=1e-5)


def test_plain_correlation_equals_that_of_numpy(cohort):
    _, summary = cohort
    summary.layers["detection_rate"][0, 3] = 0.04
    varies = VARIES.copy()
    varies[0, 3] = False
    found = estimators.correlation(*cohort, LEAST)
    assert found.signed
    for row, cells in enumerate(cells_of(cohort)):
        with np.errstate(invalid="ignore"):
            expected = np.nan_to_num(np.corrcoef(cells, rowvar=False))
        np.fill_diagonal(expected, 0)
        (weights,) = found.weigh(row, ALL)
        np.testing.assert_allclose(weights, expected, atol=1e-6)
        (weights,) = found.weigh(row, SOME)
        np.testing.assert_allclose(weights, expected[np.ix_(SOME, SOME)], atol=1e-6)
        central = np.abs(expected).sum(axis=1) / (N_GENES - 1)
        central[~varies[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, atol=1e-6)
    np.testing.assert_array_equal(found.centrality.values, found.centrality.of_models)
    np.testing.assert_array_equal(found.centrality.varies, varies)
    assert found.centrality.bin_number.tolist() == [0, 1, 2, 3]
    bins = found.centrality.bins
    assert bins[["name", "sample", "bin"]].to_numpy().tolist() == [
        ["007.1", "007", 1],
        ["007.2", "007", 2],
        ["a|b.1", "a|b", 1],
        ["NA.3", "NA", 3],
    ]
    assert bins["n_cells"].tolist() == [35, 40, 45, 50]


def test_rank_correlation_equals_that_of_scipy(cohort):
    found = estimators.spearman(*cohort, LEAST)
    assert found.signed
    for row, cells in enumerate(cells_of(cohort)):
        with np.errstate(invalid="ignore"):
            expected = without_diagonal(np.nan_to_num(spearmanr(cells)[0]))
        # Rounding is no variation, which ranks would make of it.
        expected[~VARIES[row]] = expected[:, ~VARIES[row]] = 0
        for genes in (ALL, SOME):
            (weights,) = found.weigh(row, genes)
            assert weights.dtype == np.float32
            np.testing.assert_allclose(weights, expected[np.ix_(genes, genes)], atol=1e-6)
        central = np.abs(expected).sum(axis=1) / (N_GENES - 1)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, atol=1e-6)


def test_cs_core_is_that_of_the_counts(cohort):
    expression, summary = cohort
    found = estimators.cs_core(*cohort, LEAST)
    assert found.signed
    keys = list(zip(summary.obs["sample"], summary.obs["bin"], strict=True))
    for row, key in enumerate(keys):
        expected = without_diagonal(latent_correlation(*expression.read_counts(*key)))
        for genes in (ALL, SOME):
            (weights,) = found.weigh(row, genes)
            np.testing.assert_allclose(weights, expected[np.ix_(genes, genes)], atol=1e-6)
        central = np.abs(expected).sum(axis=1) / (N_GENES - 1)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, atol=1e-6)


def fail_in(expression, failing, monkeypatch):
    """Let no gene vary more than Poisson counts do in some bins."""
    read = expression.read_counts

    def read_counts(*key):
        counts, depth = read(*key)
        return (np.ones_like(counts), np.ones_like(depth)) if key in failing else (counts, depth)

    monkeypatch.setattr(expression, "read_counts", read_counts)


def test_a_bin_without_a_network_is_left_out(cohort, monkeypatch, capsys):
    expression, _ = cohort
    whole = estimators.cs_core(*cohort, LEAST)
    fail_in(expression, [("007", 2), ("a|b", 1)], monkeypatch)
    found = estimators.cs_core(*cohort, LEAST)
    assert found.centrality.bins["name"].tolist() == ["007.1", "NA.3"]
    assert found.centrality.bin_number.tolist() == [0, 1]
    np.testing.assert_array_equal(found.centrality.values, whole.centrality.values[[0, 3]])
    np.testing.assert_array_equal(found.weigh(1, SOME), whole.weigh(3, SOME))
    out = capsys.readouterr().out
    assert "left out: 007 bin 2 (counts: no gene varies more than Poisson counts do)" in out
    fail_in(expression, [("007", 1), ("NA", 3), ("007", 2), ("a|b", 1)], monkeypatch)
    with pytest.raises(InputError, match=r"leave it out of networks\.estimators"):
        estimators.cs_core(*cohort, LEAST)


@pytest.mark.parametrize(
    ("method", "refine"),
    [
        ("clr", information.context_likelihood),
        ("mrnet", information.relevance_less_redundancy),
        ("aracne", information.prune_triangles),
    ],
)
def test_methods_of_information_see_the_genes_of_the_graph(cohort, method, refine):
    found = estimators.of_information(method, *cohort, LEAST)
    assert not found.signed
    assert found.absolute
    for row, cells in enumerate(cells_of(cohort)):
        with np.errstate(invalid="ignore"):
            rho = without_diagonal(np.nan_to_num(spearmanr(cells)[0]))
        rho[~VARIES[row]] = rho[:, ~VARIES[row]] = 0
        mutual = -0.5 * np.log(1 - rho**2)
        for genes in (ALL, SOME):
            (weights,) = found.weigh(row, genes)
            expected = refine(mutual[np.ix_(genes, genes)])
            np.testing.assert_allclose(weights, expected, atol=1e-5)
        central = mutual.sum(axis=1) / (N_GENES - 1)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, atol=1e-6)


def test_shared_components_equal_those_of_sklearn(cohort, monkeypatch):
    monkeypatch.setattr(estimators, "N_COMPONENTS", 4)
    bins = cells_of(cohort)
    # Every bin has mean 0, so that the mean that PCA takes off is none.
    pca = PCA(4).fit(np.concatenate(bins))
    _, _, directions = np.linalg.svd(np.concatenate(bins), full_matrices=False)
    found = estimators.shared_components(directions.T, *cohort, LEAST)
    for row, cells in enumerate(bins):
        explained = pca.inverse_transform(pca.transform(cells))
        expected = np.cov(explained, rowvar=False, bias=True)
        weights = found.weigh(row, ALL)[0]
        # The factor keeps 99.9 % of the variance.
        error = 0.001 * np.trace(expected)
        np.testing.assert_allclose(weights, without_diagonal(expected), atol=error)
        central = -((cells - explained) ** 2).mean(axis=0)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, atol=1e-5)


class Guess:
    """A model that predicts the same number for every gene of every cell."""

    def __init__(self, value, genes):
        self.value, self.var, self.n_cells = value, pd.DataFrame(index=genes), 0

    def reconstruct(self, data):
        assert list(data.var_names) == list(self.var.index)
        self.n_cells += data.n_obs
        return np.full(data.shape, self.value, np.float32)


def test_the_error_of_a_cell_is_of_the_model_that_did_not_see_it(cohort):
    expression, summary = cohort
    rng = np.random.default_rng(2)
    fold = rng.integers(1, 3, len(expression.obs))
    # All cells of a bin may be of one fold.
    fold[expression.rows("NA", 3)] = 2
    # A model that was trained on all cells has no say.
    seen = SimpleNamespace(var=pd.DataFrame(index=expression.genes))
    guesses = [Guess(value, expression.genes) for value in (0.5, -3.0)]
    found = estimators.shared_model([seen, *guesses], fold, expression, summary, LEAST)
    keys = list(zip(summary.obs["sample"], summary.obs["bin"], strict=True))
    for row, (key, cells) in enumerate(zip(keys, cells_of(cohort), strict=True)):
        # The model "fold1" was trained without the cells of fold 1.
        guess = np.where(fold[expression.rows(*key)] == 1, 0.5, -3.0)
        central = -((guess[:, None] - cells) ** 2).mean(axis=0)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, rtol=1e-5)
    assert [guess.n_cells for guess in guesses] == [(fold == 1).sum(), (fold == 2).sum()]


def test_weights_of_a_shared_model_are_means_over_its_parts(cohort, fits):
    expression, summary = cohort
    fold = np.ones(len(expression.obs), int)
    found = estimators.shared_model(fits, fold, expression, summary, LEAST)
    for row, cells in enumerate(cells_of(cohort)):
        cells = cells.astype(np.float32)
        predicted = [
            fit.reconstruct(AnnData(cells, var=pd.DataFrame(index=expression.genes)))
            for fit in fits
        ]
        expected = np.mean([np.cov(x, rowvar=False, bias=True) for x in predicted], axis=0)
        weights = found.weigh(row, ALL)[0]
        error = 0.001 * np.trace(expected)
        np.testing.assert_allclose(weights, without_diagonal(expected), atol=error)
        # Reconstructions of the second part, which has not seen the cells of fold 1.
        central = -((predicted[1] - cells) ** 2).mean(axis=0)
        central[~VARIES[row]] = np.nan
        np.testing.assert_allclose(found.centrality.values[row], central, rtol=1e-4)
    assert found.signed


def test_directions_of_the_cohort_begin_with_the_uniform_one():
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 4)))[0]
    components = np.linalg.qr(components - components.mean(axis=0))[0]
    found = cohort_directions(SimpleNamespace(components=components))
    np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.abs(found[:, 0]), 1 / np.sqrt(12))
    np.testing.assert_allclose(found[:, 1:] @ found[:, 1:].T, components @ components.T, atol=1e-12)
