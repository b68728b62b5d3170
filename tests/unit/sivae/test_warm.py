"""Fits that start from another fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from popnet.sivae import DivergedError, Fit, fit, fit_stack, load, settings_for, training
from popnet.sivae.data import feature_input, open_cells, projected_scores
from popnet.sivae.settings import WARM_RATE, WARM_STEPS

N_GENES, MODULE = 40, 10
SMALL = {
    "latent": 4,
    "hidden": (32, 16),
    "steps": (40, 30, 60),
    "minibatch": 32,
    "standardise": False,
    "precision": "float32",
}


def cells(n_cells: int, seed: int, gain: float = 0.0) -> np.ndarray:
    """Cells of three programmes; in a share `gain` of them, ten genes vary together, too."""
    programmes = 0.5 * np.random.default_rng(0).normal(size=(3, N_GENES))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_cells, 3)) @ programmes + rng.normal(size=(n_cells, N_GENES))
    n_wired = int(gain * n_cells)
    common = rng.normal(size=(n_wired, 1)) * x[:, :MODULE].std(0)
    x[:n_wired, :MODULE] = 0.6 * x[:n_wired, :MODULE] + 0.8 * common
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


@pytest.fixture(scope="module")
def start() -> Fit:
    return fit(cells(400, 1), settings_for(**SMALL), seed=1)


def assert_same(one: Fit, other: Fit) -> None:
    for name in ("scores", "loadings", "reconstruction_error"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_scores_on_components_are_the_own_input_of_these_cells(start):
    x = open_cells(cells(400, 1))
    rows = np.arange(400)
    own = start.components * start.component_lengths
    given = start.settings.feature_input
    expected = feature_input(x, rows, start.transform, given, np.zeros(400), torch.Generator())
    np.testing.assert_allclose(own, expected, atol=1e-4)
    directions, lengths = start.components, start.component_lengths
    scores = projected_scores(x, rows, start.transform, directions, lengths, 400)
    np.testing.assert_allclose(scores, own, atol=1e-3)
    # Of other cells of the same kind nearly so, however many.
    other = open_cells(cells(3000, 5))
    scores = projected_scores(other, np.arange(3000), start.transform, directions, lengths, 400)
    assert np.corrcoef(scores[:, :3].numpy().ravel(), own[:, :3].ravel())[0, 1] > 0.95


def test_components_survive_the_disk(start, tmp_path):
    start.save(tmp_path)
    read = load(tmp_path)
    np.testing.assert_array_equal(read.components, start.components)
    np.testing.assert_array_equal(read.component_lengths, start.component_lengths)
    x, settings = cells(120, 2), settings_for(**SMALL)
    warm = fit(x, settings, 3, start=read)
    assert_same(warm, fit(x, settings, 3, start=start))
    assert warm.components is None
    warm.save(tmp_path)
    assert load(tmp_path).components is None


def test_only_the_joint_stage_runs_and_the_kl_rises_from_0(start):
    x = cells(120, 2)
    settings = settings_for(**SMALL | {"heldout": 0.1})
    before = start.model.state_dict()["features.decoder.mean.weight"].clone()
    warm = fit(x, settings, 3, start=start)
    assert set(warm.losses["stage"]) == {"joint"}
    first, last = warm.losses.iloc[0], warm.losses.iloc[-1]
    fixed = ["reconstruction", "l2"]
    rest = settings.gamma * warm.losses["interpretability"]
    assert first["total"] == pytest.approx(first[fixed].sum() + rest.iloc[0], rel=1e-5)
    kl = settings.kl * (last["kl_cells"] + last["kl_features"])
    assert last["total"] == pytest.approx(last[fixed].sum() + rest.iloc[-1] + kl, rel=1e-5)
    assert warm.settings.steps == SMALL["steps"]
    assert (warm.settings.learning_rate, warm.settings.schedule) == (WARM_RATE, "one-cycle")
    assert settings_for().warm(settings_for()).steps[2] == WARM_STEPS
    # What it started from is as it was.
    assert before.equal(start.model.state_dict()["features.decoder.mean.weight"])


def test_stacks_give_what_single_fits_give(start):
    many = [cells(120, seed) for seed in (2, 3, 4)]
    settings = settings_for(**SMALL)
    fits = fit_stack(many, settings, [1, 2, 3], start=start)
    for x, seed, stacked in zip(many, (1, 2, 3), fits, strict=True):
        assert not isinstance(stacked, DivergedError)
        single = fit(x, settings, seed, start=start)
        np.testing.assert_allclose(stacked.loadings, single.loadings, atol=0.02)
        assert_same(single, fit(x, settings, seed, start=start))


def test_what_cannot_be_started_from_is_refused(start):
    x = cells(60, 2)
    for changes, message in (
        ({"latent": 3}, "its latent is 4, and 3 is asked for"),
        ({"hidden": (32, 8)}, "its hidden is"),
        ({"gamma": 0.0}, "its gamma is 0.05, and 0.0 is asked for"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(x, settings_for(**SMALL | changes), start=start)
    with pytest.raises(ValueError, match="its 40 genes are not the 39"):
        fit(x[:, 1:], settings_for(**SMALL), start=start)
    data = AnnData(x, pd.DataFrame({"age": 1.0}, index=list(map(str, range(60)))))
    with pytest.raises(ValueError, match="other covariates"):
        fit(data, settings_for(**SMALL), covariates=["age"], start=start)
    of_cells = settings_for(**SMALL | {"feature_input": {"method": "cells"}})
    with pytest.raises(ValueError, match="no scores on components"):
        fit(x, of_cells, start=fit(x, of_cells))


# New wiring


def wiring(fitted: Fit, x: np.ndarray) -> float:
    """Mean covariance of the module's genes that the model explains."""
    last = 1 + len(fitted.settings.hidden)
    weights = fitted.embed_genes(last)[:MODULE]
    explained = weights @ np.cov(fitted.embed(x, last).T) @ weights.T
    return explained[~np.eye(MODULE, dtype=bool)].mean()


def test_a_gain_of_wiring_is_kept_because_the_kl_restarts(monkeypatch):
    """The start does not know the module; with the KL's whole weight at once, nothing learns it."""
    settings = settings_for(
        **SMALL | {"latent": 8, "hidden": (64, 32), "steps": (200, 150, 300), "kl": 1.0}
    )
    start = fit(cells(1000, 3), settings, seed=3)
    wired, plain = cells(300, 13, gain=1.0), cells(300, 13)
    assert abs(wiring(start, wired)) < 0.05
    warm = fit(wired, settings, 2, start=start)
    assert wiring(warm, wired) > 0.2
    assert abs(wiring(fit(plain, settings, 2, start=start), plain)) < 0.05
    assert_same(warm, fit(wired, settings, 2, start=start))
    monkeypatch.setattr(training, "WARM_UP_STEPS", 1)
    assert wiring(fit(wired, settings, 2, start=start), wired) < 0.05
