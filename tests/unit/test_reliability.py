"""Reliability over bins against analysis of variance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from popnet.reliability import icc, within_between
from scipy.stats import f_oneway


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_icc_is_one_minus_the_inverse_f_ratio(sizes, seed):
    generator = np.random.default_rng(seed)
    groups = np.repeat([f"s {number}" for number in range(len(sizes))], sizes)
    values = generator.normal(size=(len(sizes), 3)).repeat(sizes, axis=0) + 100
    values += generator.normal(size=values.shape)
    order = generator.permutation(len(groups))
    table = icc(values[order], groups[order])
    assert (table["n_samples"] == len(sizes)).all()
    assert (table["n_bins"] == sum(sizes)).all()
    if max(sizes) == 1:
        assert table["icc"].isna().all()
        return
    f_ratio = f_oneway(*np.split(values, np.cumsum(sizes)[:-1])).statistic
    np.testing.assert_allclose(table["icc"], np.maximum(1 - 1 / f_ratio, -1), rtol=1e-8)


def test_icc_of_balanced_bins_is_the_textbook_formula():
    # Shrout and Fleiss (1979), table 2: six targets, four judges, ICC(1,4) = 0.44.
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    )
    table = icc(ratings.reshape(-1, 1), np.repeat(np.arange(6).astype(str), 4))
    between = 4 * ratings.mean(axis=1).var(ddof=1)
    within = ratings.var(axis=1, ddof=1).mean()
    assert table["icc"][0] == pytest.approx((between - within) / between)
    assert table["icc"][0] == pytest.approx(0.44, abs=0.005)


def test_icc_recovers_the_reliability_of_a_mean():
    generator = np.random.default_rng(8)
    n_samples, n_genes, k = 60, 400, 4
    samples = generator.normal(size=(n_samples, n_genes)).repeat(k, axis=0)
    values = samples + generator.normal(size=samples.shape)
    table = icc(values, np.repeat(np.arange(n_samples).astype(str), k))
    assert table["icc"].mean() == pytest.approx(k / (k + 1), abs=0.01)


def test_icc_leaves_missing_values_out():
    groups = np.repeat(["a", "b", "c"], 3)
    values = np.random.default_rng(9).normal(size=(9, 4))
    values[0, 1] = np.nan
    values[3:6, 2] = np.nan
    values[:, 3] = np.nan
    table = icc(values, groups)
    assert table["n_bins"].tolist() == [9, 8, 6, 0]
    assert table["n_samples"].tolist() == [3, 3, 2, 0]
    for gene in (1, 2):
        kept = ~np.isnan(values[:, gene])
        alone = icc(values[kept, gene : gene + 1], groups[kept])
        assert table["icc"][gene] == pytest.approx(alone["icc"][0])
    assert np.isnan(table["icc"][3])


def test_icc_of_constant_genes_and_single_samples_is_missing():
    constant = np.tile([0.1, -1 / 3, 1e9], (6, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert icc(constant, list("aabbcc"))["icc"].isna().all()
        assert icc(np.arange(6.0)[:, None], ["a"] * 6)["icc"].isna().all()
        assert icc(np.array([[0.0], [1], [0], [1]]), list("aabb"))["icc"][0] == -1


@settings(deadline=None)
@given(
    arrays(float, (8, 3), elements=st.floats(-10, 10, width=16)),
    st.lists(st.sampled_from("abc"), min_size=8, max_size=8),
)
def test_icc_lies_between_minus_one_and_one(values, groups):
    reliability = icc(values, groups)["icc"].dropna()
    assert reliability.between(-1, 1).all()


def test_within_and_between():
    gram = np.arange(25.0).reshape(5, 5)
    gram = gram + gram.T
    found = within_between(gram, ["a", "b", "a", "b", "a"])
    assert found.within == pytest.approx(np.mean([gram[0, 2], gram[0, 4], gram[2, 4], gram[1, 3]]))
    between = [gram[0, 1], gram[0, 3], gram[1, 2], gram[1, 4], gram[2, 3], gram[3, 4]]
    assert found.between == pytest.approx(np.mean(between))
    assert (found.n_within, found.n_between) == (4, 6)


def test_within_and_between_without_pairs():
    found = within_between(np.eye(2), ["a", "b"])
    assert np.isnan(found.within)
    assert found.between == 0
    assert np.isnan(within_between(np.eye(2), ["a", "a"]).between)
