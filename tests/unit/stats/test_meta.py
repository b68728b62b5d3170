"""Effects of several studies, against statsmodels, and under the null."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects as reference

from popnet.stats.designs import make_design
from popnet.stats.meta import (
    combine_effects,
    combine_studies,
    effects_of_tests,
    standardised_effects,
)
from popnet.stats.moderated import moderated_t
from popnet.stats.multiplicity import benjamini_hochberg


@pytest.mark.parametrize("n_studies", [2, 3, 5])
def test_one_gene_as_statsmodels(n_studies):
    rng = np.random.default_rng(n_studies)
    effects = rng.normal(size=(40, n_studies))
    errors = rng.uniform(0.3, 1.5, (40, n_studies))
    table = combine_effects(effects, errors)
    for row, effect, error in zip(table.to_dict("records"), effects, errors, strict=True):
        known = reference(effect, error**2, method_re="dl")
        assert row["estimate"] == pytest.approx(known.mean_effect_fe)
        interval = known.mean_effect_fe + known.sd_eff_w_fe * stats.norm.ppf([0.025, 0.975])
        assert [row["low"], row["high"]] == pytest.approx(interval)
        assert row["cochran_q"] == pytest.approx(known.q)
        assert row["heterogeneity_p"] == pytest.approx(known.test_homogeneity().pvalue)
        assert row["i2"] == pytest.approx(max(0, known.i2))
        assert row["tau2"] == pytest.approx(max(0, known.tau2))
    assert table["q"].to_numpy() == pytest.approx(benjamini_hochberg(table["p"].to_numpy()))


@pytest.mark.parametrize("n_studies", [2, 3, 5])
def test_random_effects_of_one_gene_alone_are_hartung_and_knapps(n_studies):
    """Without other genes nothing is borrowed."""
    rng = np.random.default_rng(n_studies)
    effect, error = rng.normal(1, 1, n_studies), rng.uniform(0.2, 0.4, n_studies)
    row = combine_effects(effect[None], error[None]).iloc[0]
    known = reference(effect, error**2, method_re="dl", use_t=True)
    assert row["random_estimate"] == pytest.approx(known.mean_effect_re)
    half = known.sd_eff_w_re_hksj * stats.t.ppf(0.975, n_studies - 1)
    assert row["random_high"] - row["random_estimate"] == pytest.approx(half)
    t = known.mean_effect_re / known.sd_eff_w_re_hksj
    assert row["random_p"] == pytest.approx(2 * stats.t.sf(abs(t), n_studies - 1))


def test_a_gene_that_some_studies_lack():
    effects = np.array([[1.0, np.nan, 1.2], [0.5, 0.7, 0.1], [np.nan, np.nan, 2.0]])
    errors = np.full((3, 3), 0.4)
    table = combine_effects(effects, errors)
    assert table["n_studies"].tolist() == [2, 3, 1]
    assert table["estimate"][0] == pytest.approx(1.1)
    assert table["heterogeneity_p"][0] == pytest.approx(stats.chi2.sf(0.02 / 0.16, 1))
    assert table.iloc[2, 1:].isna().all()


def test_effects_are_hedges_g():
    rng = np.random.default_rng(0)
    case, control = rng.normal(1, 1, 9), rng.normal(size=7)
    t = stats.ttest_ind(case, control).statistic
    spread = np.array([np.sqrt(1 / 9 + 1 / 7)])
    effect, error = standardised_effects(np.array([[t]]), np.array([[14.0]]), spread)
    sd = np.sqrt((8 * case.var(ddof=1) + 6 * control.var(ddof=1)) / 14)
    g = (case.mean() - control.mean()) / sd * (1 - 3 / (4 * 14 - 1))
    assert effect[0, 0] == pytest.approx(g)
    assert error[0, 0] == pytest.approx(np.sqrt(1 / 9 + 1 / 7 + g**2 / 28))


def test_p_is_stouffers():
    t, df = np.array([[2.0, 1.0], [-3.0, np.nan]]), np.array([[6.0, np.inf], [5.0, 5.0]])
    spread = np.array([0.8, 0.4])
    table = combine_studies(t, df, spread)
    p = stats.t.sf(2, 6), stats.norm.sf(1)
    known = stats.combine_pvalues(p, "stouffer", weights=1 / spread)
    assert table["p"][0] == pytest.approx(2 * known.pvalue)
    assert np.isnan(table["p"][1])


def test_tests_give_their_errors_back():
    values = np.random.default_rng(3).normal(size=(10, 60)) * np.linspace(1, 5, 60)
    samples = pd.DataFrame({"donor": list("abcdefghij"), "batch": ""}, list("abcdefghij"))
    phenotype = pd.Series(np.arange(10.0) % 2, samples.index)
    table = moderated_t(values, make_design(samples.index, samples, phenotype, True))
    half = stats.t.ppf(0.975, table["df"]) * (table["estimate"] / table["t"]).abs()
    table = table.assign(low=table["estimate"] - half, high=table["estimate"] + half)
    df, error = effects_of_tests(table)
    assert df == pytest.approx(np.minimum(table["df"], 1e6), rel=1e-3)
    assert error == pytest.approx((table["estimate"] / table["t"]).abs())
    # A moderated t of infinitely many degrees of freedom is normal.
    table = pd.DataFrame({"estimate": [1.0], "low": [1 - 1.959964], "high": [1 + 1.959964]})
    assert effects_of_tests(table.assign(t=1.0))[0][0] > 1e4


@pytest.mark.parametrize("sizes", [(3, 3), (8, 8), (4, 20), (8, 8, 8), (6, 6, 6, 6, 6)])
def test_null_studies_have_uniform_p(sizes):
    rng, m = np.random.default_rng(len(sizes)), 20_000
    df = np.array([2.0 * n - 2 for n in sizes])
    t = rng.standard_t(df, (m, len(sizes)))
    spread = np.sqrt(2 / np.array(sizes))
    table = combine_studies(t, np.broadcast_to(df, t.shape), spread)
    assert (table["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.006)
    assert (table["random_p"] <= 0.05).mean() <= 0.06
    assert (table["heterogeneity_p"] <= 0.05).mean() <= 0.056
