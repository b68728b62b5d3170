"""The load of heteroplasmy against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from popnet.associations import heteroplasmy as heteroplasmy_tests
from popnet.associations.testing import Testing
from popnet.genotypes.genomes import heteroplasmy_load


def test_load_is_associated_with_a_phenotype(sites, genomes_of, design_of):
    rng = np.random.default_rng(7)
    n = 40
    fraction = np.where(rng.random((n, 30)) < 0.1, rng.uniform(0.1, 0.9, (n, 30)), 0)
    genomes = genomes_of((fraction > 0).astype(float), sites(range(12400, 12430)), None, fraction)
    outcome = -(fraction > 0).sum(axis=1) + 0.5 * rng.normal(size=n)
    table = heteroplasmy_tests.robust(genomes, design_of(outcome), Testing(999, seed=1))
    columns = "measure statistic p q p_family mean n n_permutations"
    assert list(table) == columns.split()
    row = table.set_index("measure").loc["n_heteroplasmic"]
    load = heteroplasmy_load(genomes)["n_heteroplasmic"]
    assert row["statistic"] == pytest.approx(stats.spearmanr(load, outcome).statistic)
    assert row["mean"] == pytest.approx(load.mean())
    assert row[["p", "n", "n_permutations"]].tolist() == [0.001, n, 999]


def test_load_of_genomes_whose_reads_were_not_counted(sites, genomes_of, design_of):
    genomes = genomes_of(np.ones((6, 3)), sites([10, 20, 30]))
    table = heteroplasmy_tests.robust(genomes, design_of(range(6)), Testing(99, seed=1))
    assert table[["statistic", "p", "mean"]].isna().all(axis=None)
