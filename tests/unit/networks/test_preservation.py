"""Preservation of modules, of which it is known where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.networks.modules import Modules
from popnet.networks.preservation import between_groups, in_network
from popnet.stats.designs import make_design

N = 60
MODULE = np.append(np.repeat([1, 2], 15), np.zeros(N - 30, int))


def modules(mean, genes=None, module=MODULE):
    genes = pd.Index([f"G{number}" for number in range(N)]) if genes is None else genes
    stability = np.ones(module.max(initial=0))
    return Modules(genes, mean.astype(np.float32), module, np.ones(len(genes)), stability, 1)


def network(loading, rng):
    weights = loading @ loading.T + 0.02 * rng.normal(size=(N, N))
    weights = np.triu(weights, 1)
    return weights + weights.T


@pytest.fixture
def loading():
    rng = np.random.default_rng(0)
    return rng.uniform(0.3, 0.9, (N, 1)) * (MODULE[:, None] == np.array([1, 2]))


def test_another_network_has_one_of_two_modules(loading):
    rng = np.random.default_rng(1)
    there = loading.copy()
    there[:, 1] = 0
    # Another order, and genes that only one of them has.
    order = rng.permutation(N)[: N - 5]
    order = np.append(order, np.setdiff1d(np.flatnonzero(MODULE == 1), order))
    other = modules(network(there, rng))
    part = Modules(
        other.genes[order],
        other.mean[np.ix_(order, order)],
        other.module[order],
        np.ones(len(order)),
        other.stability,
        1,
    )
    found = in_network(modules(network(loading, rng)), part, seed=1).set_index("module")
    assert found.loc[1, "z_summary"] > 5
    assert found.loc[1, "p_preserved"] == pytest.approx(1 / 201)
    assert found.loc[1, "strength_r"] > 0.9
    assert abs(found.loc[2, "z_summary"]) < 2
    assert found.loc[2, "p_preserved"] > 0.05
    assert found.loc[1, "n_genes"] == 15


def test_modules_of_too_few_common_genes_are_not_compared(loading):
    whole = modules(network(loading, np.random.default_rng(0)))
    few = np.r_[0:3, 15:60]
    part = modules(whole.mean[np.ix_(few, few)], whole.genes[few], MODULE[few])
    found = in_network(whole, part, seed=1)
    assert found["n_genes"].tolist() == [3, 15]
    assert found["z_summary"].isna().tolist() == [True, False]


def test_hubs_that_change_between_groups():
    rng = np.random.default_rng(2)
    samples = [f"s{number}" for number in range(20)]
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, samples)
    case = np.arange(20) % 2
    design = make_design(samples, sheet, pd.Series(case * 1.0, samples), True)
    hubs, others = rng.uniform(0.1, 0.6, (2, N))
    changed = np.where(MODULE == 1, others, hubs)
    strength = np.where(case[:, None] == 1, changed, hubs) + 0.05 * rng.normal(size=(20, N))
    strength[:, MODULE == 0] = np.nan
    of = modules(np.zeros((N, N)))
    found = between_groups(of, strength, design, 199, 1).set_index("module")
    assert found.loc[1, "p_changed"] == pytest.approx(1 / 200)
    assert found.loc[1, "z_connectivity"] < -3
    assert found.loc[2, "p_changed"] > 0.05
    own = MODULE == 1
    r = stats.pearsonr(strength[case == 1][:, own].mean(0), strength[case == 0][:, own].mean(0))[0]
    assert found.loc[1, "strength_r"] == pytest.approx(r)
    assert found.loc[2, "density"] == pytest.approx(strength[case == 0][:, MODULE == 2].mean())
    untested = between_groups(of, strength, design.untested("why"), 199, 1)
    assert untested["p_changed"].isna().all()
