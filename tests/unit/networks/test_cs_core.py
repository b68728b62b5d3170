"""CS-CORE against simulated counts, and its published algorithm."""

from __future__ import annotations

import numpy as np
import pytest

from popnet.networks.correlation import pearson
from popnet.networks.cs_core import NoVariation, latent_correlation


def poisson_lognormal(n_cells: int, rho: float, depth: np.ndarray, seed: int) -> np.ndarray:
    """Return counts of 20 genes in 10 pairs, whose z are log-normal and correlate by rho."""
    rng = np.random.default_rng(seed)
    sd = 0.7
    logs = np.log1p(rho * np.expm1(sd**2)) / sd**2
    shared, own = rng.normal(size=(n_cells, 10)), rng.normal(size=(2, n_cells, 10))
    normal = np.sqrt(logs) * shared + np.sqrt(1 - logs) * own
    z = np.exp(sd * np.concatenate(list(normal), axis=1) - 7.5)
    return rng.poisson(depth[:, None] * z)


def test_cs_core_finds_the_correlation_beneath_the_counts():
    rng = np.random.default_rng(3)
    depth = np.exp(rng.normal(8, 0.5, size=8000))
    counts = poisson_lognormal(8000, 0.6, depth, 1)
    found = latent_correlation(counts, depth)
    pairs = found[np.arange(10), np.arange(10, 20)]
    assert pairs.mean() == pytest.approx(0.6, abs=0.05)
    others = np.delete(found[0], [0, 10])
    assert np.abs(others).mean() < 0.06
    plain = pearson(np.log1p(counts / depth[:, None] * depth.mean()))
    assert plain[np.arange(10), np.arange(10, 20)].mean() < 0.35
    raw = pearson(counts.astype(float))
    # Depth correlates the counts of independent genes; the model does not see it.
    assert np.delete(raw[0], [0, 10]).mean() > 0.1


def test_cs_core_by_its_published_algorithm():
    depth = np.exp(np.random.default_rng(4).normal(6, 0.6, size=200))
    x = poisson_lognormal(200, 0.5, depth, 2)[:, :12]
    x[:, 5] = np.arange(200) < 2
    x[:, 6] = 0
    n, p = x.shape
    found = latent_correlation(x, depth)
    # Gene by gene and cell by cell, as Methods of Su et al. 2023 and their package have it.
    s2, s4 = sum(depth**2), sum(depth**4)
    mu = [sum(x[i, j] * depth[i] for i in range(n)) / s2 for j in range(p)]
    var = [
        sum(
            ((x[i, j] - depth[i] * mu[j]) ** 2 - depth[i] * mu[j]) * depth[i] ** 2 for i in range(n)
        )
        / s4
        for j in range(p)
    ]

    def ratios():
        return [mu[j] ** 2 / var[j] if var[j] > 0 else None for j in range(p)]

    def spread(i, j, phi):
        mean = depth[i] * mu[j]
        return mean + mean**2 / phi if mean > 0 else 1.0

    theta = ratios()
    for _ in range(11):
        before, phi = theta, np.median([t for t in theta if t is not None])
        for j in range(p):
            w = [spread(i, j, phi) for i in range(n)]
            mu[j] = sum(x[i, j] * depth[i] / w[i] for i in range(n)) / sum(depth**2 / w)
            h = [spread(i, j, phi) ** 2 for i in range(n)]
            var[j] = sum(
                ((x[i, j] - depth[i] * mu[j]) ** 2 - depth[i] * mu[j]) * depth[i] ** 2 / h[i]
                for i in range(n)
            ) / sum(depth**4 / h)
        theta = ratios()
        both = [(a, b) for a, b in zip(theta, before, strict=True) if a and b]
        if max(abs(np.log(a / b)) for a, b in both) <= 0.05:
            break
    phi = np.median([t for t in theta if t is not None])
    for j, k in [(0, 10), (1, 11), (2, 3), (0, 7), (4, 5), (6, 8)]:
        above = below = 0.0
        for i in range(n):
            w = spread(i, j, phi) * spread(i, k, phi)
            a, b = x[i, j] - depth[i] * mu[j], x[i, k] - depth[i] * mu[k]
            above += depth[i] ** 2 * a * b / w
            below += depth[i] ** 4 / w
        known = var[j] > 0 and var[k] > 0
        expected = np.clip(above / below / np.sqrt(var[j] * var[k]), -1, 1) if known else 0
        assert found[j, k] == pytest.approx(expected, abs=1e-8)
    assert not found[6].any()


def test_cs_core_says_what_it_cannot_do():
    with pytest.raises(NoVariation, match="no gene varies more"):
        latent_correlation(np.ones((50, 3)), np.ones(50))


def test_cs_core_of_some_genes_is_that_of_all():
    depth = np.exp(np.random.default_rng(5).normal(6, 0.6, size=300))
    counts = poisson_lognormal(300, 0.5, depth, 6)
    some = np.array([11, 0, 10, 7])
    whole = latent_correlation(counts, depth)
    np.testing.assert_allclose(latent_correlation(counts, depth, some), whole[np.ix_(some, some)])
