"""The burden of variants per gene against scipy, and permutation tests at their level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popnet.associations import burden as burden_tests
from popnet.associations.burden import correlate_burden
from popnet.associations.testing import Testing
from popnet.associations.variants import rank_sum_variants
from popnet.genotypes.burden import gene_burden
from popnet.stats.designs import unadjusted
from popnet.stats.units import units

RELAXED = settings(max_examples=12, deadline=None)


@given(st.integers(0, 2**32 - 1))
@RELAXED
def test_burden_against_scipy(random_genotypes, mtdna, seed):
    rng, dosage, variants = random_genotypes(seed, missing=0)
    phenotype = rng.normal(size=len(dosage))
    phenotype[:2] = np.nan
    case = np.where(np.isnan(phenotype), np.nan, phenotype > 0)
    burden = gene_burden(dosage, variants, mtdna)[2:]
    references = {
        (False, "spearman"): lambda x: stats.spearmanr(x, phenotype[2:]),
        (False, "pearson"): lambda x: stats.pearsonr(x, phenotype[2:]),
    }
    for (binary, method), reference in references.items():
        table = correlate_burden(dosage, variants, phenotype, mtdna, binary, method)
        assert list(table["gene"]) == [*mtdna["gene"], "all"]
        for row in table.itertuples():
            x = burden[row.gene]
            assert row.n == len(dosage) - 2
            assert row.n_carriers == (x > 0).sum()
            if x.nunique() == 1:
                assert np.isnan([row.statistic, row.p, row.q]).all()
                continue
            expected = reference(x)
            assert row.statistic == pytest.approx(expected.statistic)
            assert row.p == pytest.approx(expected.pvalue)
    table = correlate_burden(dosage, variants, case, mtdna, True)
    for row in table.itertuples():
        x = burden[row.gene]
        if x.nunique() > 1:
            u, p = stats.mannwhitneyu(x[case[2:] == 1], x[case[2:] == 0])
            assert row.p == pytest.approx(p)
            assert row.statistic == pytest.approx(2 * u / row.n_case / row.n_control - 1)


def test_burden_keeps_genes_without_variation(sites, mtdna):
    variants = sites([100, 3400, 3500, 15000])
    dosage = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 1]])
    table = correlate_burden(dosage, variants, np.arange(5.0), mtdna, False).set_index("gene")
    assert table["p"].notna().sum() == 2
    assert table.loc["MT-ND1", ["n_variants", "n_carriers", "n"]].tolist() == [2, 3, 5]
    assert table.loc["MT-CYB", ["n_variants", "n_carriers", "n"]].tolist() == [1, 5, 5]
    assert table.loc["all", ["complex", "n_variants"]].tolist() == ["", 4]
    expected = stats.false_discovery_control(table["p"].dropna())
    np.testing.assert_allclose(table["q"].dropna(), expected)
    unnamed = correlate_burden(
        dosage, variants, np.arange(5.0), mtdna.drop(columns="complex"), False
    )
    assert set(unnamed["complex"]) == {""}
    empty = correlate_burden(np.empty((5, 0)), variants[:0], np.arange(5.0), mtdna, False)
    assert empty["p"].isna().all()
    with pytest.raises(ValueError, match="method"):
        correlate_burden(dosage, variants, np.arange(5.0), mtdna, False, "kendall")


def test_permuted_burden(sites, genomes_of, design_of, mtdna):
    rng = np.random.default_rng(3)
    n, positions = 60, np.arange(12400, 12700, 20)
    dosage = rng.binomial(1, 0.1, (n, 2 * len(positions))).astype(float)
    variants = sites([*positions, *(positions - 8000)])
    sex = rng.choice(["f", "m"], n)
    batch = rng.choice(["a", "b"], n)
    outcome = dosage[:, : len(positions)].sum(axis=1) + rng.normal(size=n) + 3 * (sex == "f")
    design = design_of(outcome, batch=batch, sex=sex)
    genomes = genomes_of(dosage, variants)
    table = burden_tests.robust(genomes, mtdna, design, Testing(999, seed=1)).set_index("gene")
    assert list(table.index) == [*mtdna["gene"], "all"]
    methods = ["p", "carrier_p", "weighted_p", "skat_p", "skato_p"]
    assert (table.loc["MT-ND5", ["p", "weighted_p"]] == 0.001).all()
    assert (table.loc["MT-ND5", methods] < 0.05).all()
    assert (table.loc["MT-ND2", methods] > 0.05).all()
    assert table.loc["MT-CYB", methods].isna().all()
    assert table.loc["MT-ND5", ["n_variants", "n", "n_permutations"]].tolist() == [15, n, 999]
    for column in methods:
        known = table[column].notna()
        q = table.loc[known, column.replace("p", "q") if column == "p" else column[:-1] + "q"]
        np.testing.assert_allclose(q, stats.false_discovery_control(table.loc[known, column]))
    cases = burden_tests.robust(genomes, mtdna, design_of(outcome > 3, True), Testing(99, seed=1))
    assert cases["n_case"].iloc[-1] == (outcome > 3).sum()
    nobody = burden_tests.robust(
        genomes.take([]), mtdna, design.subset(np.zeros(n, bool)), Testing(99, seed=1)
    )
    assert nobody["p"].isna().all()
    assert list(nobody) == list(table.reset_index())


def test_permuted_tests_hold_their_level(sites, genomes_of, design_of, mtdna):
    """Haplogroups that go with a covariate of the phenotype, batches, missing genotypes."""
    rng = np.random.default_rng(6)
    n = 30
    positions = np.sort((mtdna["start"].to_numpy() + np.arange(60, 140, 10)[:, None]).ravel())
    found = []
    for _ in range(12):
        clade, batch = rng.integers(0, 3, n), rng.integers(0, 3, n)
        own = rng.uniform(0, 0.4, (3, len(positions)))
        dosage = rng.binomial(1, own[clade]).astype(float)
        dosage[rng.random(n) < 0.2, :20] = np.nan
        age = clade + rng.normal(size=n)
        design = design_of(age + batch + rng.standard_t(3, n), batch=batch.astype(str), age=age)
        genomes = genomes_of(dosage, sites(positions))
        table = burden_tests.robust(genomes, mtdna, design, Testing(99, seed=1))[:-1]
        found.append(table[["p", "carrier_p", "weighted_p", "skat_p", "skato_p"]])
    p = pd.concat(found)
    assert p.notna().to_numpy().mean() > 0.9
    for name, column in p.items():
        below, n_tests = int((column <= 0.05).sum()), int(column.notna().sum())
        assert stats.binomtest(below, n_tests, 0.05).pvalue > 0.001, name


@pytest.mark.parametrize("binary", [False, True])
def test_paper_correlates_numbers_of_variants_by_pearson(
    random_genotypes, genomes_of, mtdna, binary
):
    """As published: Pearson's correlation, of donors; cases and controls by Mann-Whitney's U."""
    rng, dosage, variants = random_genotypes(10, missing=0)
    phenotype = rng.integers(0, 2, 40).astype(float) if binary else rng.normal(size=40)
    donors = [f"s{number}" for number in range(40)]
    over = units(donors, pd.Series(donors, donors), pd.Series(phenotype, donors), "donor")
    table = burden_tests.paper(
        genomes_of(dosage, variants), mtdna, unadjusted(over, binary), Testing(0, seed=1)
    )
    assert table["gene"].tolist() == [*mtdna["gene"], "all"]
    for row in table.itertuples():
        x = gene_burden(dosage, variants, mtdna)[row.gene].to_numpy()
        if np.ptp(x) == 0:
            assert np.isnan(row.p)
            continue
        expected = (
            stats.mannwhitneyu(x[phenotype == 1], x[phenotype == 0])
            if binary
            else stats.pearsonr(x, phenotype)
        )
        assert row.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("test", [burden_tests.robust, burden_tests.paper])
def test_tables_without_donors_have_the_same_columns(sites, genomes_of, design_of, mtdna, test):
    genomes = genomes_of(np.ones((5, 1)), sites([3400]))
    for binary in (True, False):
        design = design_of([1.0, 0, 0, 1, 0], binary)
        header = test(genomes, mtdna, design, Testing(9, seed=1))
        nobody = test(genomes.take([]), mtdna, design.subset(np.zeros(5, bool)), Testing(9, 1))
        assert list(nobody) == list(header)
        assert nobody["p"].isna().all()


@pytest.mark.parametrize("test", [rank_sum_variants, correlate_burden])
def test_a_binary_phenotype_is_zero_or_one(sites, mtdna, test):
    """A donor with both values is neither."""
    with pytest.raises(ValueError, match="0 or 1"):
        test(np.ones((3, 1)), sites([3400]), np.array([0, 1, 0.5]), mtdna, True)
