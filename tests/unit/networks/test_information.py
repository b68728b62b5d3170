"""Methods of mutual information against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from popnet.networks import information


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """Two hubs with six followers each, and four genes that follow nothing."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 18))
    z[:, 1:7] = 0.8 * z[:, :1] + 0.6 * z[:, 1:7]
    z[:, 8:14] = 0.8 * z[:, 7:8] + 0.6 * z[:, 8:14]
    return np.log1p(rng.poisson(20 * np.exp(0.7 * z))).astype(np.float32)


@pytest.fixture(scope="module")
def mutual(cells) -> np.ndarray:
    return information.mutual_information(cells)


def test_mutual_information_is_that_of_a_normal_pair(cells):
    found = information.mutual_information(cells)
    rho = spearmanr(cells[:, 2], cells[:, 5])[0]
    assert found[2, 5] == pytest.approx(-0.5 * np.log(1 - rho**2))
    twins = information.mutual_information(cells[:, [0, 0, 1]])
    assert twins[0, 1] == pytest.approx(-0.5 * np.log(1e-6))
    assert twins[0, 0] == 0


def test_clr_by_its_definition(mutual):
    n = len(mutual)
    z = np.zeros((n, n))
    for i in range(n):
        others = [mutual[i, j] for j in range(n) if j != i]
        for j in range(n):
            z[i, j] = max(0.0, (mutual[i, j] - np.mean(others)) / np.std(others))
    expected = [[np.hypot(z[i, j], z[j, i]) if i != j else 0 for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(information.context_likelihood(mutual), expected, rtol=1e-6)


def test_mrnet_by_its_definition(mutual):
    n = len(mutual)
    expected = np.zeros((n, n))
    for target in range(n):
        left, chosen = [g for g in range(n) if g != target], []
        while left:
            scores = [
                mutual[target, g] - (np.mean([mutual[g, c] for c in chosen]) if chosen else 0)
                for g in left
            ]
            best = int(np.argmax(scores))
            if scores[best] < 0:
                break
            gene = left.pop(best)
            chosen.append(gene)
            expected[target, gene] = max(expected[target, gene], scores[best])
            expected[gene, target] = max(expected[gene, target], scores[best])
    np.testing.assert_allclose(information.relevance_less_redundancy(mutual), expected, atol=1e-12)
    assert (expected == 0).sum() > n


def test_aracne_by_its_definition(mutual):
    n = len(mutual)
    expected = mutual.copy()
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(n):
                if k not in (i, j) and mutual[i, j] < min(mutual[i, k], mutual[j, k]):
                    expected[i, j] = expected[j, i] = 0
    found = information.prune_triangles(mutual)
    np.testing.assert_array_equal(found, expected)
    # A hub keeps its followers, which lose each other.
    assert (found[0, 1:7] > 0).all()
    assert not found[1:7, 1:7].any()
