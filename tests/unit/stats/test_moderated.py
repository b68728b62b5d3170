"""The moderated t against ordinary least squares, limma and simulated columns without effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from popnet.stats import moderated
from popnet.stats.designs import make_design
from popnet.stats.moderated import moderated_t, permuted_t
from popnet.stats.variances import inverse_trigamma, variance_prior


def design_of(phenotype, binary=False, donors=None, batch="", **covariates):
    samples = [f"s{number}" for number in range(len(phenotype))]
    sheet = pd.DataFrame({"donor": donors or samples, "batch": batch, **covariates}, samples)
    values = pd.Series(np.asarray(phenotype, float), samples)
    return make_design(samples, sheet, values, binary, list(covariates))


def paired(n_donors):
    """A case and a control of every donor."""
    donors = [f"d{number}" for number in np.repeat(range(n_donors), 2)]
    return design_of(np.tile([0, 1], n_donors), True, donors)


def designs(rng):
    """Designs of 24 observations: groups, a number, pairs and batches, with covariates."""
    return {
        "groups": design_of(np.arange(24) < 9, True),
        "number": design_of(rng.normal(size=24)),
        "covariates": design_of(rng.normal(size=24), age=rng.normal(size=24)),
        "batches": design_of(
            rng.random(24) < 0.5, True, batch=np.tile(["x", "y"], 12), age=rng.normal(size=24)
        ),
        "pairs": paired(12),
    }


def plain(values, design):
    """Slope, t and p of the outcome by ordinary least squares."""
    blocks = (design.blocks[:, None] == np.unique(design.blocks)).astype(float)
    outcome = design.outcome / (1 if design.binary else design.outcome.std())
    fit = sm.OLS(values, np.column_stack([blocks, design.nuisance, outcome])).fit()
    assert fit.df_resid == design.df
    return fit.params[-1], fit.tvalues[-1], fit.pvalues[-1], fit.mse_resid


def test_one_column_is_ordinary_least_squares():
    """Without other columns there is no prior."""
    rng = np.random.default_rng(0)
    for name, design in designs(rng).items():
        values = rng.normal(size=(design.n, 1))
        found = moderated_t(values, design).iloc[0]
        estimate, t, p, _ = plain(values[:, 0], design)
        np.testing.assert_allclose(found[["estimate", "t", "p"]], [estimate, t, p], err_msg=name)
        assert found["df"] == design.df
        assert found["statistic"] == pytest.approx(t / np.sqrt(t**2 + design.df))


def test_a_difference_of_groups_is_that_of_their_means():
    rng = np.random.default_rng(1)
    case = np.arange(20) < 8
    values = rng.normal(size=(20, 5))
    found = moderated_t(values, design_of(case, True))
    np.testing.assert_allclose(found["estimate"], values[case].mean(0) - values[~case].mean(0))
    alone = moderated_t(values[:, :1], design_of(case, True))
    expected = stats.ttest_ind(values[case, 0], values[~case, 0])
    np.testing.assert_allclose(alone[["t", "p"]].iloc[0], [expected.statistic, expected.pvalue])


def test_pairs_are_differences_within_donors():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(16, 1)) + np.repeat(10 * rng.normal(size=8), 2)[:, None]
    found = moderated_t(values, paired(8)).iloc[0]
    expected = stats.ttest_rel(values[1::2, 0], values[::2, 0])
    np.testing.assert_allclose(found[["t", "p"]], [expected.statistic, expected.pvalue])
    assert found["estimate"] == pytest.approx((values[1::2] - values[::2]).mean())


def test_variances_are_squeezed_towards_the_prior():
    rng = np.random.default_rng(3)
    for design in designs(rng).values():
        spread = np.sqrt(8 / rng.chisquare(8, 60))
        values = spread * rng.normal(size=(design.n, 60))
        found = moderated_t(values, design)
        by_column = np.array([plain(column, design) for column in values.T])
        variance, df = variance_prior(by_column[:, 3], np.full(60, design.df))
        assert 2 < df < 50
        squeezed = (df * variance + design.df * by_column[:, 3]) / (df + design.df)
        t = by_column[:, 1] * np.sqrt(by_column[:, 3] / squeezed)
        np.testing.assert_allclose(found["t"], t)
        np.testing.assert_allclose(found["df"], design.df + df)
        np.testing.assert_allclose(found["p"], 2 * stats.t.sf(np.abs(t), design.df + df))


@pytest.mark.parametrize("shape", [4, 0.3, 1e6])
def test_prior_is_that_of_limma(shape):
    limma = pytest.importorskip("inmoose.limma")
    rng = np.random.default_rng(4)
    variances = rng.chisquare(6, 500) / 6 * shape / rng.chisquare(shape, 500)
    expected = limma.squeezeVar(variances, 6)
    variance, df = variance_prior(variances, np.full(500, 6))
    np.testing.assert_allclose([variance, df], [expected["var_prior"], expected["df_prior"]])


def test_the_prior_that_made_the_variances_is_found():
    rng = np.random.default_rng(5)
    variances = 3 * 10 / rng.chisquare(10, 200_000) * rng.chisquare(5, 200_000) / 5
    variance, df = variance_prior(variances, np.full(200_000, 5))
    assert variance == pytest.approx(3, rel=0.03)
    assert df == pytest.approx(10, rel=0.1)
    # Variances that differ by chance alone, those of one column, and none.
    chance = rng.chisquare(5, 20) / 5
    assert variance_prior(np.sqrt(chance), np.full(20, 5))[1] == np.inf
    assert variance_prior(np.array([2.0, np.nan]), np.array([5, 5])) == (0, 0)
    assert variance_prior(np.full(3, np.nan), np.full(3, 5)) == (0, 0)


@given(st.floats(1e-9, 1e9))
def test_inverse_trigamma(value):
    assert polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-3)


def test_where_nothing_varies_nothing_is_tested(monkeypatch):
    rng = np.random.default_rng(6)
    design = paired(10)
    values = rng.normal(size=(20, 7))
    values[:, 1] = 3
    values[:, 2] = np.repeat(rng.normal(size=10), 2)  # varies between donors alone
    values[:12, 3] = np.nan
    values[:4, 4] = np.nan
    values[:, 5] = design.outcome
    found = moderated_t(values, design)
    assert found.loc[[1, 2, 3], ["estimate", "statistic", "t", "df", "p"]].isna().all(axis=None)
    assert found["n"].tolist() == [20, 20, 20, 8, 16, 20, 20]
    assert found.loc[[0, 4, 5, 6]].notna().all(axis=None)
    assert found.loc[4, "df"] == found.loc[0, "df"] - 2
    assert found.loc[5, "statistic"] > 0.99
    rest = moderated_t(values[:, [0, 4, 5, 6]], design)
    pd.testing.assert_frame_equal(found.loc[[0, 4, 5, 6]].reset_index(drop=True), rest)
    # In blocks, the prior is still that of all columns.
    monkeypatch.setattr(moderated, "COLUMNS_AT_ONCE", 2)
    pd.testing.assert_frame_equal(moderated_t(values, design), found)


def test_of_a_design_without_a_test_or_without_columns():
    constant = design_of([1] * 6, True)
    found = moderated_t(np.arange(12.0).reshape(6, 2), constant)
    assert found["p"].isna().all()
    nobody = design_of([np.nan] * 3)
    assert moderated_t(np.zeros((0, 2)), nobody)["p"].isna().all()
    assert moderated_t(np.zeros((6, 0)), constant).empty


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_what_does_not_matter(seed, scale):
    """The unit, what blocks and covariates add, and the order of columns; the sign turns t."""
    rng = np.random.default_rng(seed)
    for design in designs(rng).values():
        values = rng.gamma(3, size=20) * rng.normal(size=(design.n, 20))
        found = moderated_t(values, design)
        added = rng.normal(size=(design.blocks.max() + 1, 20))[design.blocks]
        added = added + design.nuisance @ rng.normal(size=(design.nuisance.shape[1], 20))
        other = moderated_t(-scale * values + scale * added, design)
        np.testing.assert_allclose(other["t"], -found["t"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(other["p"], found["p"], rtol=1e-6)
        np.testing.assert_allclose(
            other["estimate"], -scale * found["estimate"], rtol=1e-6, atol=1e-9 * scale
        )
        order = rng.permutation(20)
        turned = moderated_t(values[:, order], design)
        np.testing.assert_allclose(turned["p"], found["p"][order])
        assert (found["statistic"].abs() <= 1).all()


@pytest.mark.parametrize("name", ["groups", "number", "batches", "pairs"])
def test_of_correlated_columns_without_effect_p_is_uniform(name):
    """Shares of p under a limit, by cohort, are what they say within three standard errors."""
    rng = np.random.default_rng(7)
    design = designs(rng)[name]
    p = np.empty((400, 30))
    for cohort in p:
        common = rng.normal(size=(design.n, 3))
        donor = 2 * rng.normal(size=(design.blocks.max() + 1, 30))[design.blocks]
        values = common @ rng.normal(size=(3, 30)) + rng.normal(size=(design.n, 30)) + donor
        cohort[:] = moderated_t(values * np.sqrt(6 / rng.chisquare(6, 30)), design)["p"]
    for limit in (0.01, 0.05, 0.2, 0.5):
        shares = (p <= limit).mean(1)
        error = max(shares.std(ddof=1), np.sqrt(limit * (1 - limit) / 30)) / np.sqrt(len(p))
        assert abs(shares.mean() - limit) <= 3 * error, limit
    # A column of each cohort is independent of those of others.
    assert stats.kstest(p[:, 0], "uniform").pvalue > 0.001


def test_permuted_phenotypes_are_freedman_and_lanes():
    """Residuals of the values in other places, added to what blocks and covariates predict."""
    rng = np.random.default_rng(0)
    for name, design in designs(rng).items():
        values = rng.normal(size=(design.n, 50)) * rng.gamma(2, size=50)
        values[:, :5] += 2 * design.outcome[:, None]
        values[:, 7] = 0
        places = design.permuted(4, seed=1)
        t, p = permuted_t(values, design, places, 1.0)
        _, some = permuted_t(values, design, places, 0.1)
        left = design.residuals(values)
        for run, row in enumerate(places):
            back = np.empty(design.n, int)
            back[row] = np.arange(design.n)
            expected = moderated_t(values - left + left[back], design)
            np.testing.assert_allclose(t[run], expected["t"], err_msg=name)
            np.testing.assert_allclose(p[run], expected["p"], err_msg=name)
            needed = expected["p"] <= 0.1
            np.testing.assert_allclose(some[run, needed], expected["p"][needed], err_msg=name)
            assert (some[run, expected["p"] > 0.1] > 0.1).all()


def test_missing_values_are_permuted_among_those_that_are_there():
    rng = np.random.default_rng(1)
    batch = rng.permutation(np.repeat(["x", "y"], 12))
    design = design_of(rng.normal(size=24), batch=batch, age=rng.normal(size=24))
    values = rng.normal(size=(24, 30))
    there = rng.random(24) < 0.8
    values[~there, 10:] = np.nan
    places = design.permuted(5, seed=1)
    t, p = permuted_t(values, design, places, 1.0)
    part = design.subset(there)
    kept = moderated._among(there, places, design.blocks)
    np.testing.assert_array_equal(np.sort(kept, 1), np.tile(np.arange(part.n), (5, 1)))
    np.testing.assert_array_equal(part.blocks[kept], np.tile(part.blocks, (5, 1)))
    left = part.residuals(values[there])
    expected = (part.residual / np.linalg.norm(part.residual))[kept[0]] @ left[:, 10:]
    assert np.array_equal(np.sign(expected), np.sign(t[0, 10:]))
    assert np.isfinite(p).all()
    values[:13, 3] = np.nan
    assert np.isnan(permuted_t(values, design, places, 1.0)[1][:, 3]).all()
