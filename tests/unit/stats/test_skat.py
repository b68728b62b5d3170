"""SKAT and SKAT-O against all arrangements and against their distribution."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.stats.designs import make_design
from popnet.stats.skat import RHO, skat


def design_of(outcome, binary=False, batch=None, **covariates):
    ids = pd.Index([f"d{number}" for number in range(len(outcome))])
    samples = pd.DataFrame({"donor": ids, "batch": "" if batch is None else batch, **covariates})
    samples.index = ids
    return make_design(ids, samples, pd.Series(outcome, ids), binary, list(covariates))


def test_skat_against_brute_force():
    rng = np.random.default_rng(4)
    n, m = 7, 5
    carrier = rng.binomial(1, 0.3, (n, m)).astype(float)
    carrier[:, 0] = [1, 1, 1, 1, 1, 0, 0]
    groups = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]]).T
    outcome = rng.normal(size=n)
    found = skat(carrier, groups, design_of(outcome), 10_000, 1)
    minor = np.where(carrier.mean(0) > 0.5, 1 - carrier, carrier)
    w = stats.beta.pdf(minor.mean(0), 1, 25)
    ranks = stats.rankdata(outcome) - 4
    orders = np.array(list(permutations(range(n))))
    s = (ranks[orders] @ minor) * w
    for group, inside in enumerate(groups.T == 1):
        kernel, burden = (s[:, inside] ** 2).sum(1), s[:, inside].sum(1) ** 2
        q = np.stack([(1 - rho) * kernel + rho * burden for rho in RHO])
        p = np.stack([(row >= row[:, None] - 1e-9 * row.max()).mean(1) for row in q])
        assert found.loc[group, "skat_p"] == pytest.approx(p[0, 0])
        smallest = p.min(0)
        expected = (smallest <= smallest[0] + 1e-12).mean()
        assert found.loc[group, "skato_p"] == pytest.approx(expected)
        assert found.loc[group, "skato_rho"] == RHO[p[:, 0].argmin()]


def test_skat_against_its_distribution():
    """With many donors SKAT's p is that of a mixture of chi-squares (Wu et al.)."""
    rng = np.random.default_rng(5)
    n, m = 400, 12
    carrier = rng.binomial(1, rng.uniform(0.01, 0.06, m), (n, m)).astype(float)
    age = rng.normal(size=n)
    outcome = age + rng.normal(size=n) + 0.4 * carrier[:, 0] - 0.4 * carrier[:, 1]
    design = design_of(outcome, age=age)
    found = skat(carrier, np.ones((m, 1)), design, 4999, 1)
    left = design.residuals(carrier - carrier.mean(0)) * stats.beta.pdf(carrier.mean(0), 1, 25)
    variance = (design.residual**2).sum() / (n - 2)
    q = ((design.residual @ left) ** 2).sum() / variance
    null = rng.chisquare(1, (100_000, m)) @ np.linalg.eigvalsh(left.T @ left)
    assert found.loc[0, "skat_p"] == pytest.approx((null >= q).mean(), abs=0.02)
