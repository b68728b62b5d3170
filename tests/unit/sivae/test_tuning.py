"""The choice of settings: candidates, their losses on held-out cells, and what fails."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from popnet.sivae import DivergedError, tuning
from popnet.sivae.progress import Progress
from popnet.sivae.settings import Settings
from popnet.sivae.tuning import evaluate, grid, summarise, tune

TINY = Settings(latent=2, hidden=(8,), steps=(4, 4, 4), minibatch=8, heldout=0.25)
LEVEL = {"a": 100.0, "b": 300.0, "c": 200.0}


@dataclass
class FakeFit:
    heldout_loss: dict
    active_dimensions: int = 2
    seconds: float = 1.5


@dataclass
class FakeLibrary:
    """Losses known beforehand: of the bin, the learning rate and the number of dimensions."""

    stacks: list = field(default_factory=list)
    seeds: dict = field(default_factory=dict)

    def stack_size(self, settings, n_cells, n_genes, device):
        return 2

    def fit_stack(self, data, settings, seeds, device="auto", *, progress=None):
        self.stacks.append(len(data))
        fits = []
        for bin_, seed in zip(data, seeds, strict=True):
            self.seeds.setdefault(bin_[0, 0], set()).add(seed)
            if settings.learning_rate == 0.01 and bin_[0, 0] == LEVEL["b"]:
                fits.append(DivergedError("joint", 7))
                continue
            loss = bin_[0, 0] + 1000 * settings.learning_rate + settings.latent
            terms = dict.fromkeys(tuning.TERMS[1:], loss / 4)
            fits.append(FakeFit({"total": loss} | terms))
        if progress is not None:
            progress("joint", 4, 4, 1.0)
        return fits


@pytest.fixture
def library(monkeypatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setattr(tuning, "stack_size", fake.stack_size)
    monkeypatch.setattr(tuning, "fit_stack", fake.fit_stack)
    return fake


@pytest.fixture
def bins() -> dict[str, np.ndarray]:
    return {name: np.full((6, 3), level) for name, level in LEVEL.items()}


def test_the_paper_grid():
    candidates = grid(Settings())
    assert len(candidates) == len(set(candidates)) == 3 * 2 * 3
    assert {settings.heldout for settings in candidates} == {0.1}
    assert {settings.latent for settings in candidates} == {16, 32, 64}
    assert {settings.l2 for settings in candidates} == {(1e-3, 1e-3), (1e-2, 1e-2)}
    assert {settings.hidden for settings in candidates} == {(1024, 512, 128)}
    assert len(grid(TINY, [1e-3], [1e-3], [2], [[8], [16, 8]])) == 2
    assert grid(TINY)[0].heldout == 0.25


def test_best_first_and_diverged_last(library, bins):
    candidates = grid(TINY, [1e-2, 1e-3, 1e-4], [1e-3], [4, 2])
    stream = io.StringIO()
    progress = Progress(TINY, 18, what="fits", stream=stream, interval=0)
    table = tune(bins, candidates, seed=1, progress=progress)
    assert library.stacks == [2, 1] * len(candidates)
    assert progress.n_done == 18
    assert "17 of 18 fits" in stream.getvalue()
    # One seed per bin, so that all candidates hold out the same cells.
    assert [len(seeds) for seeds in library.seeds.values()] == [1, 1, 1]
    assert len({seed for seeds in library.seeds.values() for seed in seeds}) == 3

    trained = table[table["total"].notna()]
    assert list(trained["learning_rate"]) == [1e-4, 1e-3, 1e-4, 1e-3]
    assert list(trained["latent"]) == [2, 2, 4, 4]
    np.testing.assert_allclose(trained["total"], [202.1, 203, 204.1, 205])
    np.testing.assert_allclose(trained["total_se"], 100 / np.sqrt(3))
    # Candidates differ by the same in every bin, however far the bins lie apart.
    np.testing.assert_allclose(trained["above_best"], [0, 0.9, 2, 2.9], atol=1e-9)
    np.testing.assert_allclose(trained["above_best_se"], 0, atol=1e-9)
    assert (trained["reason"] == "").all()
    assert (table["n_bins"] == 3).all()
    failed = table[table["total"].isna()]
    assert list(failed.index) == [4, 5]
    assert failed["reason"].str.startswith("1 of 3 bins: training diverged").all()
    assert failed[["total_se", "above_best", "active_dimensions"]].isna().all(axis=None)
    assert (failed["learning_rate"] == 1e-2).all()


def test_tables_of_single_bins_give_the_same_summary(library, bins):
    candidates = grid(TINY, [1e-2, 1e-3], [1e-3, 1e-2], [2], [[8], [16, 8]])
    seeds = dict.fromkeys(bins, 5)
    together = summarise(evaluate(bins, candidates, seeds))
    apart = [evaluate({name: data}, candidates, seeds) for name, data in bins.items()]
    pd.testing.assert_frame_equal(summarise(pd.concat(apart)), together)
    assert set(together["hidden"]) == {"8", "16-8"}
    one = summarise(apart[0])
    assert one["total_se"].isna().all()
    assert (one["n_bins"] == 1).all()


def test_bins_of_several_shapes_train_one_by_one(library, bins):
    bins["b"] = np.full((5, 3), LEVEL["b"])
    tune(bins, [TINY], seed=1)
    assert library.stacks == [1, 1, 1]


def test_nothing_but_diverged(library, bins):
    table = tune({"b": bins["b"]}, grid(TINY, [1e-2], [1e-3], [2, 4]), seed=1)
    assert table["total"].isna().all()
    assert len(table) == 2


def test_candidates_hold_out_cells(bins):
    with pytest.raises(ValueError, match="heldout: 0"):
        tune(bins, [Settings(heldout=0)], seed=1)


def test_losses_of_the_model():
    expression = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    candidates = grid(TINY, [1e-3, 1e-2], [1e-3], [2])
    table = tune({"a": expression, "b": expression[::-1].copy()}, candidates, 1, "cpu")
    assert np.isfinite(table[[*tuning.TERMS, "above_best", "seconds"]]).all(axis=None)
    assert table["total"].is_monotonic_increasing
    assert (table["active_dimensions"] <= 2).all()
