"""Single variants against scipy, on small tables and on real genotypes."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popnet.associations import burden as burden_tests
from popnet.associations import variants as variant_tests
from popnet.associations.burden import correlate_burden
from popnet.associations.testing import Testing
from popnet.associations.variants import rank_sum_variants
from popnet.genotypes.burden import gene_burden
from popnet.genotypes.genomes import principal_components
from popnet.stats.designs import unadjusted
from popnet.stats.units import units

RELAXED = settings(max_examples=12, deadline=None)


@given(st.integers(0, 2**32 - 1), st.integers(6, 60), st.booleans())
@RELAXED
def test_variants_against_mannwhitneyu(random_genotypes, mtdna, seed, n, ties):
    rng, dosage, variants = random_genotypes(seed, n)
    phenotype = rng.integers(0, 5, n).astype(float) if ties else rng.normal(size=n)
    phenotype[0] = np.nan
    table = rank_sum_variants(dosage, variants, phenotype, mtdna, binary=False).set_index("variant")
    tested = []
    for name, calls in zip(variants.index, dosage.T, strict=True):
        known = np.isfinite(calls) & np.isfinite(phenotype)
        carriers, others = phenotype[known & (calls >= 1)], phenotype[known & (calls == 0)]
        if min(len(carriers), len(others)) < 3:
            continue
        tested.append(name)
        row = table.loc[name]
        counts = (row["n_carriers"], row["n_noncarriers"], row["n"])
        assert counts == (len(carriers), len(others), known.sum())
        if np.ptp(phenotype[known]) == 0:
            assert np.isnan(row["p"])
            continue
        u, p = stats.mannwhitneyu(carriers, others)
        assert row["p"] == pytest.approx(p, rel=1e-9)
        assert row["statistic"] == pytest.approx(2 * u / len(carriers) / len(others) - 1)
    assert set(tested) == set(table.index)
    known = table["p"].notna()
    expected = stats.false_discovery_control(table["p"][known]) if known.any() else []
    np.testing.assert_allclose(table["q"][known], expected)


@given(st.integers(0, 2**32 - 1), st.integers(6, 60))
@RELAXED
def test_variants_against_fisher(random_genotypes, mtdna, seed, n):
    rng, dosage, variants = random_genotypes(seed, n)
    phenotype = rng.integers(0, 2, n).astype(float)
    phenotype[-1] = np.nan
    table = rank_sum_variants(dosage, variants, phenotype, mtdna, binary=True)
    for row in table.itertuples():
        calls = dosage[:, variants.index.get_loc(row.variant)]
        known = np.isfinite(calls) & np.isfinite(phenotype)
        counts = pd.crosstab(calls[known] >= 1, phenotype[known]).reindex(
            index=[True, False], columns=[1.0, 0.0], fill_value=0
        )
        assert row.p == pytest.approx(stats.fisher_exact(counts).pvalue)
        (a, b), (c, d) = counts.to_numpy() + 0.5
        assert row.statistic == pytest.approx(np.log(a * d / b / c))
        assert (row.n_case, row.n_control) == tuple(counts.sum())
        assert row.n_case_carriers == counts.iloc[0, 0]


def test_min_carriers_and_columns(sites, mtdna):
    dosage = np.zeros((12, 3))
    dosage[:5, 0] = dosage[:6, 1] = dosage[:10, 2] = 1
    variants = sites([3400, 8530, 9999])
    phenotype = pd.Series(np.arange(12.0))
    table = rank_sum_variants(dosage, variants, phenotype, mtdna, False)
    assert list(table["variant"]) == ["MT:8530:A>G", "MT:3400:A>G"]
    assert list(table["gene"]) == ["MT-ATP8,MT-ATP6", "MT-ND1"]
    assert table["statistic"].tolist() == [-1, -1]
    columns = "variant contig pos ref alt gene statistic p q n_carriers n_noncarriers n"
    assert list(table) == columns.split()
    assert list(rank_sum_variants(dosage, variants, phenotype, mtdna, False, 6)["pos"]) == [8530]
    for binary in (True, False):
        none = rank_sum_variants(dosage, variants, np.ones(12), mtdna, binary, 7)
        assert none.empty
        assert set(columns.split()) <= set(none)
    with pytest.raises(ValueError, match="phenotype"):
        rank_sum_variants(dosage, variants, phenotype / 11, mtdna, True)


def test_planted_in_real_genotypes(mtdna, thousand):
    rng = np.random.default_rng(5)
    rows = rng.choice(len(thousand.samples), 200, replace=False)
    dosage = thousand.dosage[rows]
    burden = gene_burden(dosage, thousand.variants, mtdna)
    phenotype = burden["MT-ND5"].to_numpy() + rng.normal(size=200)
    carried = (dosage >= 1).sum(axis=0)
    site = int(np.abs(carried - 60).argmin())
    start = time.process_time()
    for method in ("spearman", "pearson"):
        table = correlate_burden(dosage, thousand.variants, phenotype, mtdna, False, method)
        assert table.loc[table["p"].idxmin(), "gene"] == "MT-ND5"
        assert table["q"].min() < 1e-6
    outcome = 3 * np.nan_to_num(dosage[:, site]) + rng.normal(size=200)
    for binary, values in ((False, outcome), (True, outcome > 1.5)):
        table = rank_sum_variants(dosage, thousand.variants, values, mtdna, binary)
        best = table[table["p"] == table["p"].min()]  # others may sit on the same haplotypes
        assert thousand.variants.index[site] in set(best["variant"])
        assert table.loc[0, "statistic"] > 0.5
    assert time.process_time() - start < 10


def test_null_on_real_genotypes(mtdna, thousand):
    """Few of 100 random phenotypes find anything; each test holds its level."""
    rng = np.random.default_rng(6)
    rows = rng.choice(len(thousand.samples), 60, replace=False)
    carried = np.flatnonzero((thousand.dosage[rows] >= 1).sum(axis=0) >= 3)
    dosage, variants = thousand.dosage[np.ix_(rows, carried)], thousand.variants.iloc[carried]
    single, burden, any_hit = [], [], 0
    for _ in range(100):
        phenotype = rng.normal(size=60)
        one = rank_sum_variants(dosage, variants, phenotype, mtdna, False)
        two = correlate_burden(dosage, variants, phenotype, mtdna, False)
        single.append((one["p"] < 0.05).mean())
        burden.append((two["p"] < 0.05).mean())
        any_hit += (one["q"].min() < 0.05) or (two["q"].min() < 0.05)
    assert np.mean(single) < 0.07
    assert 0.02 < np.mean(burden) < 0.08
    assert any_hit <= 20


def test_all_of_1000_genomes_is_fast(mtdna, thousand):
    rng = np.random.default_rng(7)
    start = time.process_time()
    rank_sum_variants(thousand.dosage, thousand.variants, rng.normal(size=2534), mtdna, False)
    rank_sum_variants(thousand.dosage, thousand.variants, rng.integers(0, 2, 2534), mtdna, True)
    assert time.process_time() - start < 20


def test_permuted_variants_are_the_exact_rank_sum_test(sites, genomes_of, design_of, mtdna):
    """Few donors: all arrangements, so the p of scipy's exact permutation of the same statistic."""
    rng = np.random.default_rng(1)
    n = 8
    dosage = np.array([[i < 4, i % 2, i > 4, i > 1, i > 2] for i in range(n)], dtype=float)
    outcome = rng.normal(size=n)
    variants = sites([100, 3400, 8530, 9000, 12400])
    fraction = np.where(dosage == 1, [0.5, 0.5, 0.99, 0.5, 0.5], 0.0)
    genomes = genomes_of(dosage, variants, fraction=fraction)
    table = variant_tests.robust(genomes, mtdna, design_of(outcome), Testing(50_000, seed=1))
    table = table.set_index("variant")
    assert "MT:9000:A>G" not in table.index  # two are without
    assert len(table) == 4
    for name, carrier in zip(variants.index, dosage.T == 1, strict=True):
        if name not in table.index:
            continue
        row = table.loc[name]
        expected = stats.mannwhitneyu(outcome[carrier], outcome[~carrier], method="exact")
        assert row["p"] == pytest.approx(expected.pvalue)
        assert row["statistic"] == pytest.approx(stats.spearmanr(carrier, outcome).statistic)
        counts = row[["n_carriers", "n_noncarriers", "n", "n_permutations"]].tolist()
        assert counts == [carrier.sum(), (~carrier).sum(), n, 40_320]
    assert table.loc["MT:8530:A>G", ["gene", "n_heteroplasmic"]].tolist() == ["MT-ATP8,MT-ATP6", 0]
    assert table.loc["MT:100:A>G", ["gene", "n_heteroplasmic"]].tolist() == ["", 4]


def test_permuted_variants_of_cases_are_fishers_test(sites, genomes_of, design_of, mtdna):
    dosage = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], dtype=float).T
    case = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=float)
    found = variant_tests.robust(
        genomes_of(dosage, sites([3400])), mtdna, design_of(case, True), Testing(1000, seed=1)
    ).iloc[0]
    assert found["p"] == pytest.approx(stats.fisher_exact([[3, 1], [1, 5]]).pvalue)
    assert found["statistic"] == pytest.approx(3 / 4 - 1 / 6)
    counts = found[["n_permutations", "n_case", "n_control", "n_case_carriers"]].tolist()
    assert counts == [210, 4, 6, 3]


def test_permuted_tests_of_real_genotypes_are_fast(genomes_of, design_of, mtdna, thousand):
    rng = np.random.default_rng(9)
    rows = rng.choice(len(thousand.samples), 300, replace=False)
    dosage = thousand.dosage[rows]
    genomes = genomes_of(dosage, thousand.variants)
    burden = gene_burden(dosage, thousand.variants, mtdna)["MT-ND5"].to_numpy()
    design = design_of(burden + rng.normal(size=300), sex=rng.choice(["f", "m"], 300))
    start = time.process_time()
    table = burden_tests.robust(genomes, mtdna, design, Testing(999, seed=1)).set_index("gene")
    variant_tests.robust(genomes, mtdna, design, Testing(999, seed=1))
    assert time.process_time() - start < 20
    assert table["statistic"].drop("all").idxmax() == "MT-ND5"
    assert table.loc["MT-ND5", "q"] < 0.02


def test_components_take_descent_away(sites, genomes_of, design_of, mtdna):
    """Of two clades the first component takes away what only descent explains."""
    rng = np.random.default_rng(8)
    n = 60
    clade = np.repeat([0, 1], n // 2)
    dosage = rng.binomial(1, np.where(clade[:, None] == 0, 0.05, 0.9), (n, 20)).astype(float)
    dosage[rng.random(dosage.shape) < 0.05] = np.nan
    outcome = clade + rng.normal(size=n)
    genomes = genomes_of(dosage, sites(range(12400, 12420)))
    testing = Testing(999, seed=1)
    naive = variant_tests.robust(genomes, mtdna, design_of(outcome), testing)
    lead = principal_components(dosage, 1)[:, 0]
    adjusted = variant_tests.robust(genomes, mtdna, design_of(outcome, pc1=lead), testing)
    assert (naive["p"] <= 0.05).mean() > 0.8
    assert (adjusted["p"] <= 0.05).mean() < 0.2


@pytest.mark.parametrize("binary", [False, True])
def test_paper_tests_sites_of_more_than_five_carriers(random_genotypes, genomes_of, mtdna, binary):
    """As published: Wilcoxon's rank sum, or Fisher's exact test, of donors."""
    rng, dosage, variants = random_genotypes(10)
    phenotype = rng.integers(0, 2, 40).astype(float) if binary else rng.normal(size=40)
    donors = [f"s{number}" for number in range(40)]
    over = units(donors, pd.Series(donors, donors), pd.Series(phenotype, donors), "donor")
    genomes = genomes_of(dosage, variants)
    table = variant_tests.paper(genomes, mtdna, unadjusted(over, binary), Testing(0, seed=1))
    expected = {}
    for name, calls in zip(variants.index, dosage.T, strict=True):
        carriers, others = phenotype[calls >= 1], phenotype[calls == 0]
        if min(len(carriers), len(others)) <= 5:
            continue
        counts = [[(group == code).sum() for code in (1, 0)] for group in (carriers, others)]
        test = stats.fisher_exact(counts) if binary else stats.mannwhitneyu(carriers, others)
        expected[name] = test.pvalue
    found = table.set_index("variant")["p"]
    assert set(found.index) == set(expected)
    np.testing.assert_allclose(found, [expected[name] for name in found.index])
    assert 0 < len(found) < len(variants)


@pytest.mark.parametrize("test", [variant_tests.robust, variant_tests.paper])
def test_tables_without_donors_have_the_same_columns(sites, genomes_of, design_of, mtdna, test):
    genomes = genomes_of(np.ones((5, 1)), sites([3400]))
    for binary in (True, False):
        design = design_of([1.0, 0, 0, 1, 0], binary)
        header = test(genomes, mtdna, design, Testing(9, seed=1))
        nobody = test(genomes.take([]), mtdna, design.subset(np.zeros(5, bool)), Testing(9, 1))
        assert list(nobody) == list(header)
        assert nobody["p"].isna().all()
