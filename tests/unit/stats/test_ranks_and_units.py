"""Association tests against scipy and statsmodels, one gene at a time."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from popnet.associations import genes as gene_tests
from popnet.associations import maps as map_tests
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.ranks import correlate, partial_correlate, rank_sum
from popnet.stats.units import encode_phenotype, units


@pytest.fixture
def bins() -> tuple[list[str], pd.Series, pd.Series]:
    samples = ["a|1", "a|1", "b", "c", "c", "c", "007"]
    donors = pd.Series({"a|1": "D1", "b": "D1", "c": "D2", "007": "D3"})
    phenotype = pd.Series({"a|1": 0.1, "b": 0.1, "c": 0.7, "007": np.nan})
    return samples, donors, phenotype


def test_bins_as_units(bins):
    found = units(*bins, "bin")
    assert found.kind == "bin"
    assert list(found.labels) == ["a|1", "a|1", "b", "c", "c", "c"]
    assert found.phenotype.tolist() == [0.1, 0.1, 0.1, 0.7, 0.7, 0.7]
    assert (found.n_samples, found.n_donors) == (3, 2)
    values = np.arange(14.0).reshape(7, 2)
    np.testing.assert_array_equal(found.average(values), values[:6])


def test_donors_as_units_are_means_of_sample_means(bins):
    found = units(*bins, "donor")
    assert found.kind == "donor"
    assert list(found.labels) == ["D1", "D2"]
    values = np.array([[1.0], [3.0], [10.0], [4.0], [5.0], [9.0], [100.0]])
    np.testing.assert_allclose(found.average(values)[:, 0], [(2 + 10) / 2, 6])


def test_samples_are_units_where_phenotype_varies_within_a_donor(bins):
    samples, donors, phenotype = bins
    phenotype["b"] = 0.9
    found = units(samples, donors, phenotype, "donor")
    assert found.kind == "sample"
    assert list(found.labels) == ["a|1", "b", "c"]
    assert (found.n_samples, found.n_donors) == (3, 2)


def test_average_leaves_missing_bins_out(bins):
    found = units(*bins, "donor")
    values = np.array([[1, np.nan], [np.nan, np.nan], [10, np.nan], [4, 1], [5, 2], [6, 3], [0, 0]])
    np.testing.assert_allclose(found.average(values), [[7.0, np.nan], [5, 2]])


def test_a_sample_without_donor_is_its_own(bins):
    samples, donors, phenotype = bins
    assert units(samples, donors.drop("b"), phenotype, "donor").n_donors == 3


def test_no_sample_with_a_phenotype():
    found = units(["a", "b"], pd.Series(dtype=object), pd.Series(dtype=float), "donor")
    table = correlate(found.average(np.ones((2, 3))), found.phenotype, binary=False)
    assert table["p"].isna().all()
    assert (table["n"] == 0).all()


def test_unknown_unit(bins):
    with pytest.raises(ValueError, match="unit"):
        units(*bins, "line")


def test_encode_phenotype():
    text = pd.Series(["Dementia", "No dementia", "Reference", None, ""])
    coded = encode_phenotype(text, "binary", "Dementia", "No dementia")
    np.testing.assert_array_equal(coded, [1, 0, np.nan, np.nan, np.nan])
    coded = encode_phenotype(pd.Series([1.0, 0.0, np.nan]), "binary", 1, 0)
    np.testing.assert_array_equal(coded, [1, 0, np.nan])
    coded = encode_phenotype(pd.Series(["1.5", "", None, "2"]), "continuous")
    np.testing.assert_array_equal(coded, [1.5, np.nan, np.nan, 2])
    with pytest.raises(ValueError):
        encode_phenotype(pd.Series(["1.5", "high"]), "continuous")


ties = st.integers(3, 14).flatmap(
    lambda n: arrays(float, (n, 5), elements=st.sampled_from([-1.0, 0.0, 0.25, 1.0, 2.0, 9.0]))
)


@given(ties)
@settings(max_examples=60, deadline=None)
def test_spearman_equals_scipy(table):
    values, phenotype = table[:, :-1], table[:, -1]
    found = correlate(values, phenotype, binary=False)
    floor = 2 / math.factorial(len(phenotype))
    for gene, row in zip(values.T, found.itertuples(), strict=True):
        if np.ptp(gene) == 0 or np.ptp(phenotype) == 0:
            assert np.isnan(row.statistic)
            assert np.isnan(row.p)
            continue
        expected = stats.spearmanr(gene, phenotype)
        assert row.statistic == pytest.approx(expected.statistic, abs=1e-12)
        assert row.p == pytest.approx(max(expected.pvalue, floor), rel=1e-5, abs=1e-12)


def test_spearman_p_equals_scipy_far_in_the_tail():
    rng = np.random.default_rng(0)
    phenotype = rng.normal(size=200)
    values = phenotype[:, None] * np.linspace(0, 3, 30) + rng.normal(size=(200, 30))
    found = correlate(values, phenotype, binary=False)
    expected = [stats.spearmanr(gene, phenotype).pvalue for gene in values.T]
    np.testing.assert_allclose(found["p"], expected, rtol=1e-8)


def test_a_perfect_order_of_few_samples_is_no_certainty():
    values = np.arange(5.0)[:, None]
    assert stats.spearmanr(values[:, 0], np.arange(5)).pvalue < 1e-20
    assert correlate(values, np.arange(5.0), binary=False)["p"][0] == pytest.approx(2 / 120)


@given(ties, st.data())
@settings(max_examples=60, deadline=None)
def test_mann_whitney_equals_scipy_with_ties(table, data):
    values = table[:, :-1]
    n = len(values)
    n_case = data.draw(st.integers(1, n - 1))
    phenotype = np.zeros(n)
    phenotype[data.draw(st.permutations(range(n)))[:n_case]] = 1
    found = correlate(values, phenotype, binary=True)
    for gene, row in zip(values.T, found.itertuples(), strict=True):
        assert (row.n_case, row.n_control) == (n_case, n - n_case)
        if np.ptp(gene) == 0:
            assert np.isnan(row.p)
            continue
        expected = stats.mannwhitneyu(gene[phenotype == 1], gene[phenotype == 0])
        assert row.u == expected.statistic
        assert row.p == pytest.approx(expected.pvalue, rel=1e-9)
        assert row.statistic == pytest.approx(2 * row.u / (n_case * (n - n_case)) - 1)


@pytest.mark.parametrize(("n1", "n2"), [(1, 4), (3, 3), (4, 8), (8, 8), (8, 30), (9, 9), (20, 15)])
def test_mann_whitney_equals_scipy_without_ties(n1, n2):
    rng = np.random.default_rng(n1 * n2)
    phenotype = rng.permutation(np.repeat([1.0, 0.0], [n1, n2]))
    values = rng.normal(size=(n1 + n2, 40)) + phenotype[:, None] * np.linspace(-3, 3, 40)
    found = correlate(values, phenotype, binary=True)
    expected = stats.mannwhitneyu(values[phenotype == 1], values[phenotype == 0], axis=0)
    np.testing.assert_array_equal(found["u"], expected.statistic)
    np.testing.assert_allclose(found["p"], expected.pvalue, rtol=1e-9)


def test_rank_sum_of_groups_that_differ_by_test():
    rng = np.random.default_rng(3)
    phenotype = rng.normal(size=25)
    groups = rng.random((25, 30)) < np.linspace(0, 1, 30)
    found = rank_sum(phenotype[:, None], groups)
    for group, row in zip(groups.T, found.itertuples(), strict=True):
        if group.all() or not group.any():
            assert np.isnan(row.p)
        else:
            expected = stats.mannwhitneyu(phenotype[group], phenotype[~group])
            assert row.p == pytest.approx(expected.pvalue, rel=1e-9)
            assert row.u == expected.statistic


@pytest.mark.parametrize("binary", [False, True])
def test_missing_values_are_left_out_gene_by_gene(binary):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20, 6))
    values[:3, 1] = np.nan
    values[5, 2] = np.nan
    values[:, 3] = np.nan
    values[2:, 4] = np.nan
    phenotype = np.tile([0.0, 1.0], 10) if binary else rng.normal(size=20)
    phenotype[7] = np.nan
    found = correlate(values, phenotype, binary)
    assert found["n"].tolist() == [19, 16, 18, 0, 2, 19]
    for column in (0, 1, 2, 5):
        kept = np.isfinite(values[:, column]) & np.isfinite(phenotype)
        alone = correlate(values[kept][:, [column]], phenotype[kept], binary)
        pd.testing.assert_series_equal(
            found.loc[column], alone.loc[0], check_names=False, check_dtype=False
        )
    assert np.isnan(found["p"][3])


def by_least_squares(gene, phenotype, controls):
    design = sm.add_constant(np.column_stack([stats.rankdata(c) for c in controls]))
    left, right = (sm.OLS(stats.rankdata(x), design).fit().resid for x in (gene, phenotype))
    r = stats.pearsonr(left, right).statistic
    df = len(gene) - 2 - np.linalg.matrix_rank(design) + 1
    return r, 2 * stats.t.sf(abs(r) * np.sqrt(df / (1 - r**2)), df)


def test_partial_correlation_equals_least_squares():
    rng = np.random.default_rng(5)
    phenotype = rng.normal(size=30)
    means = rng.normal(size=(30, 8)) + phenotype[:, None]
    depth = np.round(rng.normal(size=30), 1)
    values = means + rng.normal(size=(30, 8))
    values[4, 0] = np.nan
    found = partial_correlate(values, phenotype, [means, depth, depth])
    for column in range(8):
        kept = np.isfinite(values[:, column])
        expected = by_least_squares(
            values[kept, column], phenotype[kept], [means[kept, column], depth[kept]]
        )
        np.testing.assert_allclose(found.loc[column, ["statistic", "p"]].to_numpy(float), expected)


def test_partial_correlation_is_the_t_test_of_the_regression():
    rng = np.random.default_rng(6)
    gene, phenotype, control = rng.normal(size=(3, 25))
    design = sm.add_constant(np.column_stack([stats.rankdata(phenotype), stats.rankdata(control)]))
    expected = sm.OLS(stats.rankdata(gene), design).fit().pvalues[1]
    assert partial_correlate(gene[:, None], phenotype, [control])["p"][0] == pytest.approx(expected)


def test_partial_correlation_where_nothing_is_left():
    rng = np.random.default_rng(7)
    gene, phenotype = rng.normal(size=(2, 12))
    assert partial_correlate(gene[:, None], phenotype, [gene]).isna().all(axis=None)
    assert partial_correlate(gene[:, None], phenotype, [phenotype]).isna().all(axis=None)
    constant = partial_correlate(gene[:, None], phenotype, [np.ones(12)])
    plain = correlate(gene[:, None], phenotype, binary=False)
    np.testing.assert_allclose(constant, plain[["statistic", "p"]])


def test_benjamini_hochberg_equals_statsmodels():
    p = np.random.default_rng(0).random(50) ** 3
    p[[3, 30]] = np.nan
    q = benjamini_hochberg(p)
    assert np.isnan(q[[3, 30]]).all()
    kept = np.isfinite(p)
    np.testing.assert_allclose(q[kept], multipletests(p[kept], method="fdr_bh")[1])
    assert np.isnan(benjamini_hochberg([np.nan, np.nan])).all()


@pytest.mark.parametrize("binary", [False, True])
def test_associate_says_what_explains_a_hit(binary):
    rng = np.random.default_rng(11)
    n = 40
    samples = [f"s{i}" for i in range(n)]
    phenotype = np.repeat([0.0, 1.0], n // 2) if binary else rng.normal(size=n)
    depth = phenotype + 0.3 * rng.normal(size=n)
    noise = rng.normal(size=(n, 40))
    mean = rng.normal(size=(n, 40))
    centrality = noise.copy()
    centrality[:, 0] += 4 * phenotype  # of itself
    mean[:, 1] += 4 * phenotype
    centrality[:, 1] = mean[:, 1] + 0.1 * noise[:, 1]  # by mean expression
    centrality[:, 2] = depth + 0.01 * noise[:, 2]  # by depth
    mean[:, 3] = depth + 0.01 * mean[:, 3]
    centrality[:, 3] = depth + 0.01 * noise[:, 3]  # by both
    centrality[:, 4] = mean[:, 4] = phenotype + 0.3 * mean[:, 4]  # nothing else is left
    genes = [f"g{i}" for i in range(40)]
    over = units(samples, pd.Series(samples, samples), pd.Series(phenotype, samples), "donor")
    icc = pd.Series({"g0": 0.4, "g1": 0.39})
    table = gene_tests.paper(centrality, mean, depth, genes, over, binary, 0.05, icc, 0.4)
    columns = (
        "gene statistic p q mean_statistic mean_p mean_q partial_statistic partial_p "
        "depth_partial_statistic depth_partial_p icc reliable n_units n_samples n_donors "
    )
    columns += "n_case n_control explained_by" if binary else "explained_by"
    assert list(table.columns) == columns.split()
    assert table["p"].is_monotonic_increasing
    table = table.set_index("gene")
    assert table.loc["g1", "explained_by"] == "mean expression"
    assert table.loc["g2", "explained_by"] == "depth"
    assert np.isnan(table.loc["g4", "partial_p"])
    assert table.loc["g4", "explained_by"].startswith("mean expression")
    assert table.loc["g3", "explained_by"] == "mean expression;depth"
    assert table.loc["g0", "explained_by"] == "none"
    assert set(table.loc[table["q"] > 0.05, "explained_by"]) == {""}
    assert table.loc[["g0", "g1", "g2"], "reliable"].tolist() == [True, False, False]
    assert (table["n_units"] == n).all()
    if binary:
        assert (table[["n_case", "n_control"]] == n // 2).all(axis=None)


def test_axes_are_corrected_within_a_kernel():
    rng = np.random.default_rng(2)
    samples = [f"s{i}" for i in range(16)]
    donors = pd.Series([f"d{i // 2}" for i in range(16)], samples)
    phenotype = pd.Series(np.repeat(np.arange(8.0), 2), samples)
    coordinates = pd.DataFrame(rng.normal(size=(32, 3)), columns=["PC1", "PC2", "PC3"])
    coordinates.insert(0, "sample", samples[::-1] * 2)
    coordinates.insert(0, "kernel", np.repeat(["wl", "jaccard"], 16))
    over = units(samples, donors, phenotype, "donor")
    table = map_tests.paper(coordinates, over, binary=False)
    assert list(table.columns) == ["kernel", "axis", "statistic", "p", "q", "n"]
    assert (table["n"] == 8).all()
    part = coordinates[coordinates["kernel"] == "jaccard"].set_index("sample").loc[samples]
    means = part[["PC1", "PC2", "PC3"]].to_numpy().reshape(8, 2, 3).mean(axis=1)
    expected = [stats.spearmanr(axis, np.arange(8)).pvalue for axis in means.T]
    found = table[table["kernel"] == "jaccard"]
    np.testing.assert_allclose(found["p"], expected)
    np.testing.assert_allclose(found["q"], multipletests(expected, method="fdr_bh")[1])


def test_bins_as_units_inflate_and_donors_do_not():
    """Four bins per line: 15 to 32 % false positives at 5 % (shared design, difference 1)."""
    rng = np.random.default_rng(0)
    n_donors, n_bins, n_genes = 20, 4, 4000
    samples = np.repeat([f"s{i}" for i in range(n_donors)], n_bins)
    donors = pd.Series({s: s for s in samples})
    phenotype = pd.Series(dict(zip(dict.fromkeys(samples), rng.normal(size=n_donors), strict=True)))
    values = np.repeat(rng.normal(size=(n_donors, n_genes)), n_bins, axis=0)
    values += rng.normal(size=values.shape)
    share = {}
    for unit in ("bin", "donor"):
        over = units(samples, donors, phenotype, unit)
        p = correlate(over.average(values), over.phenotype, binary=False)["p"]
        share[unit] = (p < 0.05).mean()
    assert share["bin"] > 0.15
    assert abs(share["donor"] - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_genes)


def test_a_donor_with_two_values_gives_two_units():
    """Samples of one donor never become independent observations of one value."""
    samples = [f"s{number}" for number in range(6)]
    donors = pd.Series(["a", "a", "a", "b", "b", "b"], samples)
    phenotype = pd.Series([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], samples)
    found = units(samples, donors, phenotype, "donor")
    assert found.kind == "sample"
    assert found.phenotype.tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(found.average(np.arange(6.0)[:, None])[:, 0], [0.5, 2.0, 4.0])


def test_no_unit_at_all():
    """A phenotype that no sample of a cell type has gives tables without numbers."""
    none = pd.Series([np.nan, np.nan], ["a", "b"])
    found = units(["a", "b"], pd.Series(["a", "b"], ["a", "b"]), none, "donor")
    table = gene_tests.paper(
        np.ones((2, 3)),
        np.ones((2, 3)),
        np.ones(2),
        list("xyz"),
        found,
        False,
        0.05,
        pd.Series(dtype=float),
        0.4,
    )
    assert table["p"].isna().all()
