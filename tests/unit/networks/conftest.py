"""Small cohorts: the cells of a few bins in a file, and models of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from popnet.cells.expression import BinnedExpression, PreparedSample, write_expression
from popnet.sivae import Fit, fit, settings_for

GENES = [f"G{number}" for number in range(12)]


def prepared(sample: str, bins: Mapping[int, np.ndarray]) -> PreparedSample:
    """Return the cells of a sample's bins as one sample; every cell expresses all genes."""
    sizes = [len(cells) for cells in bins.values()]
    cells = np.concatenate(list(bins.values())).astype(np.float32)
    rng = np.random.default_rng(len(cells))
    depth = np.exp(rng.normal(6, 0.4, len(cells)))
    counts = rng.poisson(depth[:, None] / 50 * np.exp(0.7 * cells))
    obs = pd.DataFrame({"sample": sample, "bin": np.repeat(list(bins), sizes), "n_counts": depth})
    obs.index = f"{sample}:" + obs.index.astype(str)
    about = {"sample": sample, "bin": list(bins), "n_cells": sizes, "batch": "", "mean_depth": 3.0}
    mean = np.array([of_bin.mean(axis=0) for of_bin in bins.values()])
    counts = csr_matrix(counts.astype(np.float32))
    return PreparedSample(cells, obs, pd.DataFrame(about), mean, np.ones_like(mean), counts)


@pytest.fixture
def binned(tmp_path) -> Callable[..., tuple[BinnedExpression, AnnData]]:
    """A function that writes cells by sample and bin; it returns them and their summary."""

    def write(bins, genes=GENES, path=None):
        path = path or tmp_path / "expression.h5ad"
        of_sample: dict[str, dict[int, np.ndarray]] = {}
        for (sample, number), cells in bins.items():
            of_sample.setdefault(sample, {})[number] = cells
        summary = write_expression(path, (prepared(*item) for item in of_sample.items()), genes)
        return BinnedExpression(path), summary

    return write


def correlated(seed: int, n_cells: int = 40, n_genes: int = len(GENES)) -> np.ndarray:
    """Return cells whose genes share three axes, standardised."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(0).normal(size=(3, n_genes))
    cells = rng.normal(size=(n_cells, 3)) @ (axes * rng.uniform(0.5, 2, (3, 1)))
    cells += rng.normal(size=cells.shape)
    return ((cells - cells.mean(axis=0)) / cells.std(axis=0)).astype(np.float32)


@pytest.fixture
def cohort(binned) -> tuple[BinnedExpression, AnnData]:
    """Four bins of three samples; the cells of one bin do not express the last gene."""
    keys = [("007", 1), ("007", 2), ("a|b", 1), ("NA", 3)]
    bins = {key: correlated(seed, 30 + 5 * seed) for seed, key in enumerate(keys, start=1)}
    bins["007", 2][:, -1] = 0.25
    return binned(bins)


@pytest.fixture(scope="session")
def fits() -> list[Fit]:
    """Three small siVAEs that differ by seed and cells."""
    settings = settings_for(
        latent=3,
        hidden=(12, 8),
        steps=(40, 10, 40),
        minibatch=32,
        learning_rate=0.03,
        kl=0.01,
        standardise=False,
        heldout=0.1,
        precision="float32",
    )
    var = pd.DataFrame(index=GENES)
    return [
        fit(AnnData(correlated(100 + seed, 90), var=var), settings, seed, "cpu")
        for seed in range(3)
    ]
