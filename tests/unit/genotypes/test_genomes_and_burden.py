"""Tests of variants and burden against scipy, on small tables and on real genotypes."""

from __future__ import annotations

import time
from itertools import permutations

import cyvcf2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popnet.associations.variants import (
    permute_burden,
    permute_genomes,
    permute_heteroplasmy,
    permute_variants,
    test_burden,
    test_variants,
)
from popnet.files import read_table
from popnet.genotypes.burden import assign_genes, gene_burden, gene_scores
from popnet.genotypes.genomes import (
    heteroplasmy_load,
    one_per_donor,
    per_donor,
    principal_components,
    varying_donors,
)
from popnet.genotypes.reading import Genotypes, read_genotypes
from popnet.stats.designs import make_design
from popnet.stats.skat import RHO, skat

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


def genomes_of(dosage, variants, samples=None, fraction=None):
    samples = samples or [f"d{number}" for number in range(len(dosage))]
    fraction = np.full(dosage.shape, np.nan) if fraction is None else fraction
    return Genotypes(dosage, variants, samples, fraction)


def design_of(outcome, binary=False, batch=None, **covariates):
    ids = pd.Index([f"d{number}" for number in range(len(outcome))])
    samples = pd.DataFrame({"donor": ids, "batch": "" if batch is None else batch, **covariates})
    samples.index = ids
    return make_design(ids, samples, pd.Series(outcome, ids), binary, list(covariates))


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
        np.full((3, 4), np.nan),
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
    genotypes = genomes_of(np.ones((5, 1)), sites([3400]), ids)
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


def test_one_per_donor():
    nan = np.nan
    dosage = np.array([[1, 0, nan], [1, 1, 0], [0, 2, 1]])
    fraction = np.array([[0.3, 0, nan], [0.5, 0.9, 0], [0, 0.99, nan]])
    genotypes = genomes_of(dosage, sites([10, 20, 30]), ["001", "002", "x|y"], fraction)
    donors = pd.Series({"001": "D", "002": "D", "x|y": nan})
    genomes, n_discordant = one_per_donor(genotypes, donors)
    assert genomes.samples == ["D", "x|y"]
    np.testing.assert_array_equal(genomes.dosage, [[1, nan, 0], [0, 2, 1]])
    np.testing.assert_allclose(genomes.fraction, [[0.4, nan, 0], [0, 0.99, nan]])
    assert n_discordant == 1


def test_permuted_variants_are_the_exact_rank_sum_test(genes):
    """Few donors: all arrangements, so the p of scipy's exact permutation of the same statistic."""
    rng = np.random.default_rng(1)
    n = 8
    dosage = np.array([[i < 4, i % 2, i > 4, i > 1, i > 2] for i in range(n)], dtype=float)
    outcome = rng.normal(size=n)
    variants = sites([100, 3400, 8530, 9000, 12400])
    fraction = np.where(dosage == 1, [0.5, 0.5, 0.99, 0.5, 0.5], 0.0)
    genomes = genomes_of(dosage, variants, fraction=fraction)
    table = permute_variants(genomes, genes, design_of(outcome), 50_000, 1)
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


def test_permuted_variants_of_cases_are_fishers_test(genes):
    dosage = np.array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], dtype=float).T
    case = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=float)
    found = permute_variants(
        genomes_of(dosage, sites([3400])), genes, design_of(case, True), 1000, 1
    ).iloc[0]
    assert found["p"] == pytest.approx(stats.fisher_exact([[3, 1], [1, 5]]).pvalue)
    assert found["statistic"] == pytest.approx(3 / 4 - 1 / 6)
    counts = found[["n_permutations", "n_case", "n_control", "n_case_carriers"]].tolist()
    assert counts == [210, 4, 6, 3]


def test_gene_scores(genes):
    variants = sites([3400, 3500, 8530, 8540, 9000])
    nan = np.nan
    dosage = np.zeros((7, 5))
    dosage[:4] = [[1, 2, 0, 1, 1], [0, nan, 1, 1, 1], [nan, nan, 0, 1, 1], [0, 0, 0, 1, 0]]
    dosage[6] = [0, 0, 1, 0, 1]
    scores = gene_scores(dosage, variants, genes)
    np.testing.assert_allclose(scores["count"]["MT-ND1"], [2, 0.2, nan, 0, 0, 0, 0])
    np.testing.assert_array_equal(scores["carrier"]["MT-ND1"], [1, 0, nan, 0, 0, 0, 0])
    q = 2 / 7
    first, second = 1 / np.sqrt(6 * 2 / 8 * 6 / 8), 1 / np.sqrt(5 * q * (1 - q))
    expected = [first + second, second * 0.2, nan, 0, 0, 0, 0]
    np.testing.assert_allclose(scores["weighted"]["MT-ND1"], expected)
    # What all but two carry says that the reference is rare.
    near = np.ones((7, 5))
    near[:2] = 0
    assert not gene_scores(near, variants, genes)["count"].to_numpy().any()
    assert gene_scores(np.zeros((7, 5)), variants, genes)["count"].eq(0).all(axis=None)


def test_permuted_burden(genes):
    rng = np.random.default_rng(3)
    n, positions = 60, np.arange(12400, 12700, 20)
    dosage = rng.binomial(1, 0.1, (n, 2 * len(positions))).astype(float)
    variants = sites([*positions, *(positions - 8000)])
    sex = rng.choice(["f", "m"], n)
    batch = rng.choice(["a", "b"], n)
    outcome = dosage[:, : len(positions)].sum(axis=1) + rng.normal(size=n) + 3 * (sex == "f")
    design = design_of(outcome, batch=batch, sex=sex)
    genomes = genomes_of(dosage, variants)
    table = permute_burden(genomes, genes, design, 999, 1).set_index("gene")
    assert list(table.index) == [*genes["gene"], "all"]
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
    cases = permute_burden(genomes, genes, design_of(outcome > 3, True), 99, 1)
    assert cases["n_case"].iloc[-1] == (outcome > 3).sum()
    nobody = permute_burden(genomes.take([]), genes, design.subset(np.zeros(n, bool)), 99, 1)
    assert nobody["p"].isna().all()
    assert list(nobody) == list(table.reset_index())


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


def test_permuted_tests_hold_their_level(genes):
    """Haplogroups that go with a covariate of the phenotype, batches, missing genotypes."""
    rng = np.random.default_rng(6)
    n = 30
    positions = np.sort((genes["start"].to_numpy() + np.arange(60, 140, 10)[:, None]).ravel())
    found = []
    for _ in range(12):
        clade, batch = rng.integers(0, 3, n), rng.integers(0, 3, n)
        own = rng.uniform(0, 0.4, (3, len(positions)))
        dosage = rng.binomial(1, own[clade]).astype(float)
        dosage[rng.random(n) < 0.2, :20] = np.nan
        age = clade + rng.normal(size=n)
        design = design_of(age + batch + rng.standard_t(3, n), batch=batch.astype(str), age=age)
        genomes = genomes_of(dosage, sites(positions))
        table = permute_burden(genomes, genes, design, 99, 1)[:-1]
        found.append(table[["p", "carrier_p", "weighted_p", "skat_p", "skato_p"]])
    p = pd.concat(found)
    assert p.notna().to_numpy().mean() > 0.9
    for name, column in p.items():
        below, n_tests = int((column <= 0.05).sum()), int(column.notna().sum())
        assert stats.binomtest(below, n_tests, 0.05).pvalue > 0.001, name


def test_heteroplasmy(genes):
    nan = np.nan
    fraction = np.array([[0.04, 0.05, 0.5], [0.94, 0.95, 1], [nan, nan, nan], [nan, 0.2, 0]])
    genomes = genomes_of(np.ones((4, 3)), sites([10, 20, 30]), fraction=fraction)
    load = heteroplasmy_load(genomes)
    np.testing.assert_allclose(load["n_heteroplasmic"], [2, 1, nan, 1])
    np.testing.assert_allclose(load["heteroplasmic_fraction"], [0.55, 0.94, nan, 0.2])

    rng = np.random.default_rng(7)
    n = 40
    fraction = np.where(rng.random((n, 30)) < 0.1, rng.uniform(0.1, 0.9, (n, 30)), 0)
    genomes = genomes_of((fraction > 0).astype(float), sites(range(12400, 12430)), None, fraction)
    outcome = -(fraction > 0).sum(axis=1) + 0.5 * rng.normal(size=n)
    table = permute_heteroplasmy(genomes, design_of(outcome), 999, 1).set_index("measure")
    row = table.loc["n_heteroplasmic"]
    expected = stats.spearmanr(heteroplasmy_load(genomes)["n_heteroplasmic"], outcome).statistic
    assert row["statistic"] == pytest.approx(expected)
    assert row[["p", "n", "n_permutations"]].tolist() == [0.001, n, 999]

    everything = permute_genomes(genomes, genes, design_of(outcome), 999, 1)
    counts = everything["analysis"].value_counts()
    assert counts["heteroplasmy"] == 2
    assert counts["burden"] == len(genes) + 1
    carriers = (fraction > 0).sum(axis=0)
    assert counts["variant"] == (carriers >= 3).sum()
    by_name = everything.set_index("measure")
    assert by_name.loc["n_heteroplasmic", "statistic"] == pytest.approx(expected)
    assert by_name.loc["MT-ND5", "p"] <= 0.001
    assert by_name.loc["MT:12400:A>G", "n_carriers"] == carriers[0]
    part = everything[(everything["analysis"] == "variant")]
    np.testing.assert_allclose(part["q"], stats.false_discovery_control(part["p"]))
    without = permute_genomes(
        genomes_of((fraction > 0).astype(float), genomes.variants),
        genes,
        design_of(outcome),
        99,
        1,
    )
    assert without.loc[without["analysis"] == "heteroplasmy", "p"].isna().all()


def test_principal_components_tell_haplogroups(thousand, genes):
    """Of two clades the first component takes away what only descent explains."""
    rng = np.random.default_rng(8)
    n = 60
    clade = np.repeat([0, 1], n // 2)
    dosage = rng.binomial(1, np.where(clade[:, None] == 0, 0.05, 0.9), (n, 20)).astype(float)
    dosage[rng.random(dosage.shape) < 0.05] = np.nan
    scores = principal_components(dosage, 2)
    assert scores.shape == (n, 2)
    assert abs(np.corrcoef(scores[:, 0], clade)[0, 1]) > 0.95
    np.testing.assert_allclose(scores.T @ scores, np.diag((scores**2).sum(0)), atol=1e-9)
    outcome = clade + rng.normal(size=n)
    genomes = genomes_of(dosage, sites(range(12400, 12420)))
    naive = permute_variants(genomes, genes, design_of(outcome), 999, 1)
    adjusted = permute_variants(genomes, genes, design_of(outcome, pc1=scores[:, 0]), 999, 1)
    assert (naive["p"] <= 0.05).mean() > 0.8
    assert (adjusted["p"] <= 0.05).mean() < 0.2
    assert principal_components(dosage, 0).shape == (n, 0)
    assert principal_components(np.zeros((n, 3)), 2).shape == (n, 0)
    # The deepest split of living people, African against other lineages, leads in real genomes.
    thinned = thousand.dosage[::10]
    lead = principal_components(thinned, 1)[:, 0]
    split = thinned[:, thousand.variants.index.get_loc("MT:8701:A>G")]
    assert abs(stats.spearmanr(lead, split, nan_policy="omit").statistic) > 0.6


def test_permuted_tests_of_real_genotypes_are_fast(genes, thousand):
    rng = np.random.default_rng(9)
    rows = rng.choice(len(thousand.samples), 300, replace=False)
    dosage = thousand.dosage[rows]
    genomes = genomes_of(dosage, thousand.variants)
    burden = gene_burden(dosage, thousand.variants, genes)["MT-ND5"].to_numpy()
    design = design_of(burden + rng.normal(size=300), sex=rng.choice(["f", "m"], 300))
    start = time.perf_counter()
    table = permute_burden(genomes, genes, design, 999, 1).set_index("gene")
    permute_variants(genomes, genes, design, 999, 1)
    assert time.perf_counter() - start < 20
    assert table["statistic"].drop("all").idxmax() == "MT-ND5"
    assert table.loc["MT-ND5", "q"] < 0.02
