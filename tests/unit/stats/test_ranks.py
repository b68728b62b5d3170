"""Rank correlations and rank-sum tests against scipy and statsmodels, one gene at a time."""

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

from popnet.stats.ranks import centred_ranks, correlate, partial_correlate, rank_sum

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


def test_values_that_differ_by_rounding_tie():
    rng = np.random.default_rng(0)
    # Means of bins in two orders: 0.6 and 0.6000000000000001.
    exact = rng.integers(0, 8, (40, 30)).astype(float)
    rounded = exact * 0.1 * (1 + rng.integers(-2, 3, exact.shape) * 2.0**-52)
    assert (rounded != exact * 0.1).any()
    ranks = stats.rankdata(exact, axis=0)
    np.testing.assert_allclose(centred_ranks(rounded), ranks - 20.5)
    np.testing.assert_allclose(centred_ranks(rounded - 0.4), ranks - 20.5)
    phenotype = rng.normal(size=40)
    rho = correlate(rounded, phenotype, binary=False)["statistic"]
    of_exact = correlate(exact, phenotype, binary=False)["statistic"]
    np.testing.assert_allclose(rho, of_exact)


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
