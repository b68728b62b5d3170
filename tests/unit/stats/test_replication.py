"""Replication of effects, against scipy, closed forms and simulated pairs of cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.replication import (
    NULL_COUNTS,
    SPREADS,
    Prior,
    estimate_prior,
    expected_replication,
    one_sided_p,
    pi1,
    power_at_estimate,
    sign_concordance,
)


def two_cohorts(rng, effects, spread, df):
    """Return t and p of the first cohort, of the second p one-sided, ratio of standard errors."""
    m = len(effects)
    estimate = effects + rng.normal(size=m)
    second = effects + spread * rng.normal(size=m)
    errors = np.sqrt(rng.chisquare(df[0], m) / df[0])
    second_errors = spread * np.sqrt(rng.chisquare(df[1], m) / df[1])
    t, second_t = estimate / errors, second / second_errors
    p = 2 * stats.t.sf(np.abs(t), df[0])
    second_p = 2 * stats.t.sf(np.abs(second_t), df[1])
    return t, p, one_sided_p(second_p, second_t, t), errors / second_errors


def test_one_sided_p_is_scipys():
    rng = np.random.default_rng(0)
    for direction, alternative in ((1, "greater"), (-1, "less")):
        values = rng.normal(0.2, 1, 20)
        two = stats.ttest_1samp(values, 0)
        expected = stats.ttest_1samp(values, 0, alternative=alternative).pvalue
        found = one_sided_p(
            np.array([two.pvalue]), np.array([values.mean()]), np.array([direction])
        )
        assert found[0] == pytest.approx(expected)


def test_power_at_the_estimate_is_that_of_the_noncentral_t():
    t, ratio, df = np.array([3.0, -4.0, 5.0]), np.array([1.0, 0.5, 0.7]), np.array([8, 20, np.inf])
    found = power_at_estimate(t, ratio, df)
    for row in (0, 1):
        limit = stats.t.isf(0.05, df[row])
        assert found[row] == pytest.approx(stats.nct.sf(limit, df[row], abs(t[row]) * ratio[row]))
    assert found[2] == pytest.approx(stats.norm.sf(stats.norm.isf(0.05) - 3.5))
    # Beyond what the noncentral t is known for.
    assert power_at_estimate(np.array([300.0]), np.ones(1), np.full(1, 9.0))[0] == pytest.approx(1)


def test_without_effects_nothing_but_chance_is_expected():
    prior = Prior(np.eye(len(SPREADS))[0])
    found = expected_replication(np.array([1e-8]), np.array([6.0]), np.ones(1), np.ones(1), prior)
    assert found[0] == pytest.approx(0.05)


def test_one_normal_of_effects_has_a_closed_form():
    at = 8
    variance = SPREADS[at] ** 2
    kept = variance / (1 + variance)
    found = expected_replication(
        np.array([1e-4]), np.array([4.0]), np.ones(1), np.full(1, np.inf), Prior(np.eye(17)[at])
    )
    expected = stats.norm.sf((stats.norm.isf(0.05) - 4 * kept) / np.sqrt(1 + kept))
    assert found[0] == pytest.approx(expected)


def test_prior_of_no_effect_and_of_normal_effects():
    rng = np.random.default_rng(1)
    null = estimate_prior(rng.uniform(size=5000))
    assert null.weights[0] == pytest.approx(1, abs=0.15)
    z = rng.normal(0, np.sqrt(1 + 9), 5000)
    found = estimate_prior(2 * stats.norm.sf(np.abs(z))).weights
    assert (found @ np.square(SPREADS)) == pytest.approx(9, rel=0.1)
    # Nothing tested: the prior says that there is nothing.
    assert estimate_prior(np.array([np.nan])).weights[0] == pytest.approx(1)
    assert NULL_COUNTS > 0


def test_a_null_second_cohort_replicates_one_in_twenty():
    rng = np.random.default_rng(2)
    effects = np.r_[rng.normal(0, 4, 600), np.zeros(1400)]
    t, p, *_ = two_cohorts(rng, effects, 1.0, (20, 14))
    hit = benjamini_hochberg(p) <= 0.05
    replicated = []
    for _ in range(20):
        null_t = rng.standard_t(14, hit.sum())
        replicated.append(one_sided_p(2 * stats.t.sf(np.abs(null_t), 14), null_t, t[hit]) <= 0.05)
    assert np.mean(replicated) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("n_effects", "size", "spread"), [(200, 3.0, 1.0), (60, 3.0, 1.4), (1000, 1.5, 1.0)]
)
def test_the_same_effects_replicate_at_the_rate_that_is_expected(n_effects, size, spread):
    rng = np.random.default_rng(3)
    df, came, expected, at_most = (25, 14), [], [], []
    for _ in range(10):
        effects = np.r_[rng.normal(0, size, n_effects), np.zeros(2000 - n_effects)]
        t, p, second, ratio = two_cohorts(rng, effects, spread, df)
        hit = benjamini_hochberg(p) <= 0.05
        about = ratio[hit], np.full(hit.sum(), df[1])
        came.extend(second[hit] <= 0.05)
        expected.extend(expected_replication(p[hit], t[hit], *about, estimate_prior(p)))
        at_most.extend(power_at_estimate(t[hit], *about))
    assert np.mean(expected) == pytest.approx(np.mean(came), abs=0.06)
    # Winner's curse: estimates of hits are too large.
    assert np.mean(at_most) > np.mean(came) + 0.04


def test_signs_are_counted_and_tested_as_by_scipy():
    estimate = np.array([1.0, -2.0, 3.0, np.nan, 0.5])
    same, n, p = sign_concordance(estimate, np.array([1, -1, -1, 1, 1]))
    assert (same, n) == (3, 4)
    assert p == pytest.approx(stats.binom.sf(2, 4, 0.5))
    assert np.isnan(sign_concordance(np.array([np.nan]), np.ones(1))[2])


def test_pi1_is_that_of_qvalue():
    # R: 1 - qvalue::pi0est(c(.01, .02, .03, .2, .5, .9), lambda = 0.5)$pi0
    assert pi1(np.array([0.01, 0.02, 0.03, 0.2, 0.5, 0.9])) == pytest.approx(1 - 2 / 3)
    assert pi1(np.array([0.6, 0.7])) == 0
    assert np.isnan(pi1(np.array([np.nan])))
    rng = np.random.default_rng(4)
    p = np.r_[rng.uniform(size=4000), rng.uniform(0, 0.01, 6000)]
    assert pi1(p) == pytest.approx(0.6, abs=0.03)
