"""Tests of variants and burden against scipy, on small tables and on real genotypes."""

from __future__ import annotations

import time

import cyvcf2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from popnet.burden import (
    assign_genes,
    gene_burden,
    per_donor,
    test_burden,
    test_variants,
    varying_donors,
)
from popnet.genotypes import Genotypes, read_genotypes
from popnet.tables import read_table
from scipy import stats

RELAXED = settings(max_examples=12, deadline=None)


@pytest.fixture(scope="module")
def genes(root):
    return read_table(root / "resources" / "mtdna_genes.tsv")


def sites(positions):
    table = pd.DataFrame({"contig": "MT", "pos": positions, "ref": "A", "alt": "G", "id": "."})
    return table.set_index(pd.Index([f"MT:{p}:A>G" for p in positions], dtype=object))


def cohort(seed, n=40, n_sites=60, missing=0.1):
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.choice(np.arange(3307, 15888), n_sites, replace=False))
    dosage = rng.binomial(2, rng.uniform(0.02, 0.5, n_sites), (n, n_sites)).astype(float)
    dosage[rng.random(dosage.shape) < missing] = np.nan
    return rng, dosage, sites(positions)


def test_gene_table_is_the_protein_coding_mtdna(genes, shared_data):
    ensembl = pd.read_csv(shared_data / "human_chrM_genes_ensembl104.tsv", sep="\t")
    coding = ensembl[ensembl["biotype"] == "protein_coding"]
    columns = ["gene", "start", "end", "strand"]
    assert genes[columns].values.tolist() == coding[columns].values.tolist()


def test_gene_table_complexes(genes):
    expected = {"I": 7, "III": 1, "IV": 3, "V": 2}
    assert genes["complex"].value_counts().to_dict() == expected
    assert genes["start"].is_monotonic_increasing


def test_assign_genes(genes):
    found = assign_genes([73, 3307, 4262, 4263, 8366, 8530, 9207, 10760, 10766, 14500], genes)
    assert found == [
        [],
        ["MT-ND1"],
        ["MT-ND1"],
        [],
        ["MT-ATP8"],
        ["MT-ATP8", "MT-ATP6"],
        ["MT-ATP6", "MT-CO3"],
        ["MT-ND4L", "MT-ND4"],
        ["MT-ND4L", "MT-ND4"],
        ["MT-ND6"],
    ]
    assert assign_genes([], genes) == []


def test_gene_burden(genes):
    variants = sites([100, 3400, 3500, 8530])
    nan = np.nan
    dosage = pd.DataFrame(
        [[1, 2, 1, 0], [0, nan, nan, 1], [nan, nan, nan, nan]], index=["a", "b", "c"]
    )
    burden = gene_burden(dosage, variants, genes)
    assert list(burden.columns) == [*genes["gene"], "all"]
    np.testing.assert_array_equal(burden["MT-ND1"], [2, nan, nan])
    np.testing.assert_array_equal(burden["MT-ATP8"], [0, 1, nan])
    np.testing.assert_array_equal(burden["MT-ATP6"], [0, 1, nan])
    np.testing.assert_array_equal(burden["MT-CYB"], [0, 0, 0])
    np.testing.assert_array_equal(burden["all"], [3, 1, nan])
    assert list(burden.index) == ["a", "b", "c"]


@given(st.integers(0, 2**32 - 1), st.integers(6, 60), st.booleans())
@RELAXED
def test_variants_against_mannwhitneyu(genes, seed, n, ties):
    rng, dosage, variants = cohort(seed, n)
    phenotype = rng.integers(0, 5, n).astype(float) if ties else rng.normal(size=n)
    phenotype[0] = np.nan
    table = test_variants(dosage, variants, phenotype, genes, binary=False).set_index("variant")
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
def test_variants_against_fisher(genes, seed, n):
    rng, dosage, variants = cohort(seed, n)
    phenotype = rng.integers(0, 2, n).astype(float)
    phenotype[-1] = np.nan
    table = test_variants(dosage, variants, phenotype, genes, binary=True)
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


def test_min_carriers_and_columns(genes):
    dosage = np.zeros((12, 3))
    dosage[:5, 0] = dosage[:6, 1] = dosage[:10, 2] = 1
    variants = sites([3400, 8530, 9999])
    phenotype = pd.Series(np.arange(12.0))
    table = test_variants(dosage, variants, phenotype, genes, False)
    assert list(table["variant"]) == ["MT:8530:A>G", "MT:3400:A>G"]
    assert list(table["gene"]) == ["MT-ATP8,MT-ATP6", "MT-ND1"]
    assert table["statistic"].tolist() == [-1, -1]
    columns = "variant contig pos ref alt gene statistic p q n_carriers n_noncarriers n"
    assert list(table) == columns.split()
    assert list(test_variants(dosage, variants, phenotype, genes, False, 6)["pos"]) == [8530]
    for binary in (True, False):
        none = test_variants(dosage, variants, np.ones(12), genes, binary, 7)
        assert none.empty
        assert set(columns.split()) <= set(none)
    with pytest.raises(ValueError, match="phenotype"):
        test_variants(dosage, variants, phenotype / 11, genes, True)


@given(st.integers(0, 2**32 - 1))
@RELAXED
def test_burden_against_scipy(genes, seed):
    rng, dosage, variants = cohort(seed, missing=0)
    phenotype = rng.normal(size=len(dosage))
    phenotype[:2] = np.nan
    case = np.where(np.isnan(phenotype), np.nan, phenotype > 0)
    burden = gene_burden(dosage, variants, genes)[2:]
    references = {
        (False, "spearman"): lambda x: stats.spearmanr(x, phenotype[2:]),
        (False, "pearson"): lambda x: stats.pearsonr(x, phenotype[2:]),
    }
    for (binary, method), reference in references.items():
        table = test_burden(dosage, variants, phenotype, genes, binary, method)
        assert list(table["gene"]) == [*genes["gene"], "all"]
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
    table = test_burden(dosage, variants, case, genes, True)
    for row in table.itertuples():
        x = burden[row.gene]
        if x.nunique() > 1:
            u, p = stats.mannwhitneyu(x[case[2:] == 1], x[case[2:] == 0])
            assert row.p == pytest.approx(p)
            assert row.statistic == pytest.approx(2 * u / row.n_case / row.n_control - 1)


def test_burden_keeps_genes_without_variation(genes):
    variants = sites([100, 3400, 3500, 15000])
    dosage = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 1]])
    table = test_burden(dosage, variants, np.arange(5.0), genes, False).set_index("gene")
    assert table["p"].notna().sum() == 2
    assert table.loc["MT-ND1", ["n_variants", "n_carriers", "n"]].tolist() == [2, 3, 5]
    assert table.loc["MT-CYB", ["n_variants", "n_carriers", "n"]].tolist() == [1, 5, 5]
    assert table.loc["all", ["complex", "n_variants"]].tolist() == ["", 4]
    expected = stats.false_discovery_control(table["p"].dropna())
    np.testing.assert_allclose(table["q"].dropna(), expected)
    unnamed = test_burden(dosage, variants, np.arange(5.0), genes.drop(columns="complex"), False)
    assert set(unnamed["complex"]) == {""}
    empty = test_burden(np.empty((5, 0)), variants[:0], np.arange(5.0), genes, False)
    assert empty["p"].isna().all()
    with pytest.raises(ValueError, match="method"):
        test_burden(dosage, variants, np.arange(5.0), genes, False, "kendall")


def test_per_donor():
    nan = np.nan
    genotypes = Genotypes(
        np.array([[1, 0, nan, nan], [1, 1, 1, nan], [0, 2, 0, 1]], dtype=np.float32),
        sites([10, 20, 30, 40]),
        ["001", "002", "x|y"],
    )
    donors = pd.Series({"001": "D", "002": "D", "003": "D", "004": "E"})
    phenotype = pd.Series({"001": 1.0, "002": 2.0, "003": 6.0, "004": 9.0, "x|y": 5.0})
    dosage, mean, n_discordant = per_donor(genotypes, donors, phenotype)
    assert list(dosage.index) == ["D", "x|y"]
    np.testing.assert_array_equal(dosage, [[1, nan, 1, nan], [0, 2, 0, 1]])
    assert mean.to_dict() == {"D": 3.0, "x|y": 5.0}
    assert n_discordant == 1


def test_a_binary_phenotype_that_varies_within_a_donor(genes):
    ids = ["a1", "a2", "b1", "b2", "c"]
    genotypes = Genotypes(np.ones((5, 1), dtype=np.float32), sites([3400]), ids)
    donors = pd.Series(["a", "a", "b", "b", "c"], ids)
    constant = pd.Series([1.0, 1, 0, np.nan, 0], ids)
    assert varying_donors(per_donor(genotypes, donors, constant)[1]) == []
    varying = pd.Series([1.0, 0, 0, 1, np.nan], ids)
    dosage, phenotype, _ = per_donor(genotypes, donors, varying)
    assert varying_donors(phenotype) == ["a", "b"]
    for test in (test_variants, test_burden):
        with pytest.raises(ValueError, match="0 or 1"):
            test(dosage, genotypes.variants, phenotype, genes, True)
        for binary in (True, False):  # without donors, the tables that the scripts write
            header = test(dosage, genotypes.variants, phenotype.round(), genes, binary)
            nobody = test(dosage[:0], genotypes.variants, phenotype[:0], genes, binary)
            assert list(nobody) == list(header)
            assert nobody["p"].isna().all()


@pytest.fixture(scope="module")
def thousand(shared_data):
    path = shared_data / "1000g_phase3_chrMT_2534samples.vcf.gz"
    vcfs = {sample: (path, None) for sample in cyvcf2.VCF(path).samples}
    return read_genotypes(vcfs, keep_filters=["fa"])


def test_planted_in_real_genotypes(genes, thousand):
    rng = np.random.default_rng(5)
    rows = rng.choice(len(thousand.samples), 200, replace=False)
    dosage = thousand.dosage[rows]
    burden = gene_burden(dosage, thousand.variants, genes)
    phenotype = burden["MT-ND5"].to_numpy() + rng.normal(size=200)
    carried = (dosage >= 1).sum(axis=0)
    site = int(np.abs(carried - 60).argmin())
    start = time.perf_counter()
    for method in ("spearman", "pearson"):
        table = test_burden(dosage, thousand.variants, phenotype, genes, False, method)
        assert table.loc[table["p"].idxmin(), "gene"] == "MT-ND5"
        assert table["q"].min() < 1e-6
    outcome = 3 * np.nan_to_num(dosage[:, site]) + rng.normal(size=200)
    for binary, values in ((False, outcome), (True, outcome > 1.5)):
        table = test_variants(dosage, thousand.variants, values, genes, binary)
        best = table[table["p"] == table["p"].min()]  # others may sit on the same haplotypes
        assert thousand.variants.index[site] in set(best["variant"])
        assert table.loc[0, "statistic"] > 0.5
    assert time.perf_counter() - start < 10


def test_null_on_real_genotypes(genes, thousand):
    """Few of 100 random phenotypes find anything; each test holds its level."""
    rng = np.random.default_rng(6)
    rows = rng.choice(len(thousand.samples), 60, replace=False)
    carried = np.flatnonzero((thousand.dosage[rows] >= 1).sum(axis=0) >= 3)
    dosage, variants = thousand.dosage[np.ix_(rows, carried)], thousand.variants.iloc[carried]
    single, burden, any_hit = [], [], 0
    for _ in range(100):
        phenotype = rng.normal(size=60)
        one = test_variants(dosage, variants, phenotype, genes, False)
        two = test_burden(dosage, variants, phenotype, genes, False)
        single.append((one["p"] < 0.05).mean())
        burden.append((two["p"] < 0.05).mean())
        any_hit += (one["q"].min() < 0.05) or (two["q"].min() < 0.05)
    assert np.mean(single) < 0.07
    assert 0.02 < np.mean(burden) < 0.08
    assert any_hit <= 20


def test_all_of_1000_genomes_is_fast(genes, thousand):
    rng = np.random.default_rng(7)
    start = time.perf_counter()
    test_variants(thousand.dosage, thousand.variants, rng.normal(size=2534), genes, False)
    test_variants(thousand.dosage, thousand.variants, rng.integers(0, 2, 2534), genes, True)
    assert time.perf_counter() - start < 20
