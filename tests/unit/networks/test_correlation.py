"""Correlation against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from popnet.networks.correlation import pearson, rank_correlation


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(size=(60, 6)) + rng.normal(size=(60, 1)))
    # Ties, as those of cells without a count.
    values[values < 0.5] = 0
    values[:, 3] = 0.1
    return values


@pytest.mark.parametrize(
    ("correlation", "reference"), [(pearson, pearsonr), (rank_correlation, spearmanr)]
)
def test_correlation_is_that_of_scipy_and_0_for_constant_genes(values, correlation, reference):
    found = correlation(values)
    assert found[2, 5] == pytest.approx(reference(values[:, 2], values[:, 5])[0])
    assert found[5, 0] == pytest.approx(reference(values[:, 0], values[:, 5])[0])
    assert not found[3].any()
    assert found[2, 2] == pytest.approx(1)
