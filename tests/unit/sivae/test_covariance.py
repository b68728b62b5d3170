"""The covariance that a model explains, against the means that its decoder predicts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from popnet.sivae import fit, settings_for
from popnet.sivae.covariance import KEPT, covariance_factor, low_rank, training_factor

GENES = [f"g{number}" for number in range(15)]


def cells(seed, n_cells=150):
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(0).normal(size=(3, len(GENES)))
    noise = rng.normal(size=(n_cells, len(GENES)))
    return (rng.normal(size=(n_cells, 3)) @ axes + 0.3 * noise).astype(np.float32)


@cache
def trained(variant, latent, standardise):
    settings = settings_for(
        variant,
        latent=latent,
        hidden=(12, 8),
        steps=(60, 20, 60),
        minibatch=32,
        learning_rate=0.03,
        kl=0.01,
        standardise=standardise,
        heldout=0.1,
        precision="float32",
    )
    return fit(AnnData(cells(1), var=pd.DataFrame(index=GENES)), settings, 0, "cpu")


VARIANTS = [
    ("sivae", 3, False),
    ("sivae", 3, True),
    ("sivae", 1, False),
    ("sivae-linear", 3, False),
    ("vae", 3, True),
]


def covariance_of_means(model, data):
    """Return the covariance of the decoder's means, computed from the means of all cells."""
    inputs = model.transform(torch.from_numpy(data))
    none = torch.empty(len(data), 0)
    with torch.no_grad():
        z = model.model.encode(inputs, none).mean
        means = model.model.decode(z, none, model.weights()).mean.double().numpy()
    named = AnnData(data, var=pd.DataFrame(index=GENES))
    np.testing.assert_allclose(model.reconstruct(named), means, atol=1e-5)
    return np.cov(means, rowvar=False, bias=True)


def assert_is_factor(factor, expected):
    assert factor.dtype == np.float32
    found = factor.astype(float) @ factor.T
    trace = np.trace(expected)
    assert trace > 1e-3
    assert KEPT * (1 - 1e-5) <= np.trace(found) / trace <= 1 + 1e-5
    # What is left out is positive semidefinite, so that no entry is larger than its trace.
    np.testing.assert_allclose(found, expected, atol=(1 - KEPT) * trace)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_factor_is_that_of_the_covariance_of_the_means(variant):
    model = trained(*variant)
    for data in (cells(1), cells(2, 40)):
        factor = covariance_factor(model, data)
        assert_is_factor(factor, covariance_of_means(model, data))
        assert factor.shape[1] <= 8


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_factor_of_training_needs_no_cells(variant, monkeypatch):
    model = trained(*variant)
    monkeypatch.setattr("popnet.sivae.covariance.CELLS_AT_ONCE", 64)
    factor = training_factor(model)
    assert_is_factor(factor, covariance_of_means(model, cells(1)))
    again = covariance_factor(model, cells(1))
    np.testing.assert_allclose(
        factor @ factor.T, again @ again.T, atol=1e-5 * (again**2).sum(), rtol=1e-4
    )


def test_one_cell_has_no_covariance():
    factor = covariance_factor(trained(*VARIANTS[0]), cells(3, 1))
    assert factor.shape == (len(GENES), 1)
    assert not factor.any()


# Low rank


def test_the_rank_is_the_smallest_that_keeps_the_trace():
    rng = np.random.default_rng(4)
    weights = np.linalg.qr(rng.normal(size=(20, 6)))[0]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([50, 30, 19.5, 0.45, 0.04, 0.01])
    covariance = (turn * values) @ turn.T
    factor = low_rank(weights, covariance)
    # 99.5 % of the trace is too little, 99.95 % is enough.
    assert factor.shape == (20, 4)
    np.testing.assert_allclose(np.sort((factor**2).sum(axis=0))[::-1], values[:4], rtol=1e-4)
    whole = weights @ covariance @ weights.T
    assert_is_factor(factor, whole)
    assert np.linalg.norm(whole - factor @ factor.T, 2) == pytest.approx(0.04, rel=1e-3)


def test_directions_that_no_gene_knows_are_left_out():
    weights = np.zeros((5, 3))
    weights[:, 0] = [1, 2, 3, 4, 5]
    factor = low_rank(weights, np.diag([1.0, 100, 100]))
    assert factor.shape == (5, 1)
    np.testing.assert_allclose(np.abs(factor[:, 0]), weights[:, 0], rtol=1e-6)


def test_a_covariance_of_zero_or_of_one_dimension():
    assert low_rank(np.ones((4, 3)), np.zeros((3, 3))).tolist() == [[0]] * 4
    assert not low_rank(np.zeros((4, 2)), np.eye(2)).any()
    one = low_rank(np.ones((4, 1)), np.array(9.0))
    np.testing.assert_allclose(np.abs(one), 3)
