"""Preservation of modules, of which it is known where they are."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations.designs import write_design
from popnet.files import read_table, write_h5ad, write_table
from popnet.networks.modules import Modules, describe, of_bins
from popnet.networks.preservation import COLUMNS, between_groups, in_network
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


@pytest.mark.parametrize("alone", [False, True])
def test_the_script(loading, root, tmp_path, alone):
    rng = np.random.default_rng(3)
    of = modules(network(loading, rng))
    samples = [f"s{number}" for number in range(8)]
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, samples)
    phenotype = pd.Series(np.arange(8) % 2.0, samples)
    write_design(make_design(samples, sheet, phenotype, True), tmp_path / "design.npz")
    write_h5ad(of.to_anndata(), tmp_path / "genes.h5ad")
    values = of_bins(of, [network(loading, rng) for _ in samples])
    values.obs_names = samples
    write_h5ad(values, tmp_path / "modules.h5ad")
    write_table(describe(of, {}), tmp_path / "modules.tsv")
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            genes=tmp_path / "genes.h5ad",
            modules=tmp_path / "modules.h5ad",
            names=tmp_path / "modules.tsv",
            designs=[] if alone else [tmp_path / "design.npz"],
            others=[] if alone else [tmp_path / "genes.h5ad"],
        ),
        output=[str(tmp_path / "preservation.tsv")],
        params=SimpleNamespace(
            phenotypes=[] if alone else ["ill"],
            cell_types=[] if alone else ["B cells"],
            permutations=99,
            seed=1,
        ),
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow/scripts/networks/preserve_modules.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    written = read_table(tmp_path / "preservation.tsv")
    assert tuple(written) == COLUMNS
    compared = [] if alone else ["cases and controls of ill"] * 2 + ["cell type B cells"] * 2
    assert written["compared_with"].tolist() == compared
    assert written["name"].notna().all()
