"""Mixed models whose variance ratios all variables share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.stats import kstest
from statsmodels.regression.linear_model import GLS
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.weightstats import ttost_ind

from popnet.stats.designs import make_design
from popnet.stats.mixed import equivalence_p, mixed_t, permuted_outcomes, permuted_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.mixed_model import (
    Model,
    _Likelihood,
    draws_of,
    some_observations,
    variance_ratios,
)
from popnet.stats.moderated import moderated_t
from popnet.stats.permutation import permutation_test


def indicators(code):
    return (np.asarray(code)[:, None] == np.unique(code)).astype(float)


def drawn(seed=0, n_donors=15, m=40):
    """Return values and a model of pairs of samples, with depth and batches."""
    rng = np.random.default_rng(seed)
    n = 2 * n_donors
    donor, batch = np.repeat(np.arange(n_donors), 2), rng.integers(0, 4, n)
    depth, case = rng.normal(size=(n, 1)), np.tile([0.0, 1.0], n_donors)
    values = indicators(donor) @ rng.normal(size=(n_donors, m)) + depth * rng.normal(size=m)
    values += rng.normal(size=(n, m))
    random = {"donor": indicators(donor), "batch": indicators(batch), "depth": depth}
    fixed = np.column_stack([np.ones(n), rng.normal(size=n)])
    return values, Model(case, fixed, random, (), {"cases": case == 1})


def test_without_random_effects_it_is_the_moderated_t():
    rng = np.random.default_rng(1)
    values, age = rng.normal(size=(24, 50)), rng.normal(size=24)
    case = rng.permutation(np.arange(24) < 10).astype(float)
    samples = pd.DataFrame({"donor": np.arange(24).astype(str), "batch": "", "y": case})
    design = make_design(list(samples.index), samples, samples["y"], True)
    found = mixed_t(values, Model(case, np.ones((24, 1)), {}))
    expected = moderated_t(values, design)
    for column in ("estimate", "t", "df", "p"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-9)
    # The confidence interval is that of the test; a further covariate changes the estimate.
    at = found["low"] > 0
    assert (at | (found["high"] < 0)).equals(found["p"] < 0.05)
    given_age = mixed_t(values, Model(case, np.column_stack([np.ones(24), age]), {}))
    assert not np.allclose(given_age["estimate"], found["estimate"])


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), pooled=st.booleans())
def test_the_gradient_is_that_of_the_likelihood(seed, pooled):
    values, model = drawn(seed, m=10)
    likelihood = _Likelihood.of(values, model, pooled)
    start = np.random.default_rng(seed).uniform(-2, 1, 4)
    error = check_grad(lambda x: likelihood.loss(x)[0], lambda x: likelihood.loss(x)[1], start)
    assert error < 1e-4 * max(1, np.abs(likelihood.loss(start)[1]).max())
    many = np.random.default_rng(seed).uniform(-2, 1, (5, 4))
    expected = [likelihood.loss(one)[0] for one in many]
    np.testing.assert_allclose(likelihood.losses(np.exp(many)), expected, rtol=1e-9)


def test_pooled_ratios_do_not_depend_on_the_rotation_of_columns():
    values, model = drawn(3, m=10)
    values[:, :2] *= 5
    turned = values @ np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    found, other = (variance_ratios(one, model, pooled=True) for one in (values, turned))
    assert found == pytest.approx(other, rel=1e-3)
    assert variance_ratios(values, model) != pytest.approx(found, rel=1e-2)


def test_ratios_are_those_of_restricted_maximum_likelihood():
    rng = np.random.default_rng(3)
    donor, x = np.repeat(np.arange(20), 3), rng.normal(size=60)
    y = indicators(donor) @ rng.normal(size=20) + rng.normal(size=60)
    fixed = np.ones((60, 1))
    model = Model(x, fixed, {"donor": indicators(donor)})
    found = variance_ratios(np.column_stack([y, 3 * y]), model)
    fit = MixedLM(y, np.column_stack([fixed, x]), groups=donor).fit(reml=True)
    assert found["donor"] == pytest.approx(float(fit.cov_re[0, 0]) / fit.scale, rel=1e-3)
    covariance = np.eye(60) + found["donor"] * indicators(donor) @ indicators(donor).T
    gls = GLS(y, np.column_stack([fixed, x]), covariance).fit()
    assert mixed_t(np.column_stack([y, 3 * y]), model, found)["estimate"][0] == pytest.approx(
        gls.params[1]
    )


@pytest.mark.parametrize("pooled", [False, True])
def test_draws_of_ratios_are_those_of_their_likelihood(pooled):
    """The mean share of the variance, beside an integral over a fine grid."""
    values, model = drawn(5, n_donors=8, m=6)
    model = Model(model.outcome, model.fixed, {"donor": model.random["donor"]})
    draws = draws_of(variance_ratios(values, model, pooled))
    assert sum(weight for weight, _ in draws) == pytest.approx(1)
    found = sum(weight * one["donor"] / (1 + one["donor"]) for weight, one in draws)
    likelihood = _Likelihood.of(values, model, pooled)
    shares = np.linspace(0.005, 0.995, 500)
    losses = [likelihood.loss(np.log([share / (1 - share)]))[0] for share in shares]
    many = likelihood.effective(likelihood.maximum())
    weights = np.exp((np.min(losses) - losses) * many)
    assert found == pytest.approx(weights @ shares / weights.sum(), abs=0.01)


def test_uncertain_ratios_make_p_a_mean_and_intervals_wide():
    values, model = drawn(6, n_donors=6, m=8)
    ratios = variance_ratios(values, model)
    known, found = mixed_t(values, model, dict(ratios)), mixed_t(values, model, ratios)
    of_draws = [weight * mixed_t(values, model, one)["p"] for weight, one in ratios.draws]
    np.testing.assert_allclose(found["p"], np.sum(of_draws, axis=0))
    np.testing.assert_allclose(found["estimate"], known["estimate"])
    assert (found["se"] >= known["se"]).all()
    np.testing.assert_allclose(found["sd"], known["sd"])
    called = found["p"] < 0.05
    assert (((found["low"] > 0) | (found["high"] < 0)) <= called).all()
    # What the phenotype determines has a p of 0, and all else is known of it.
    determined = np.column_stack([values, model.outcome])
    assert np.isfinite(mixed_t(determined, model, ratios).iloc[-1]).all()
    # Of its own phenotype, as one of the permuted.
    again = permuted_t(values, model, ratios, model.outcome[None])[1][0]
    np.testing.assert_allclose(again, found["p"], rtol=1e-6)
    # Many variables, or observations, leave no doubt, and other tables of ratios have no draws.
    assert not draws_of(variance_ratios(drawn(6, m=100)[0], drawn(6, m=100)[1]))
    assert not draws_of(variance_ratios(drawn(6, n_donors=150, m=3)[0], drawn(6, 150, 3)[1]))
    assert not draws_of(ratios | {"cases": 1.0})


def test_many_variables_find_the_true_ratios():
    rng = np.random.default_rng(4)
    donor = np.repeat(np.arange(40), 2)
    case = np.arange(80) % 2 == 0
    values = indicators(donor) @ rng.normal(size=(40, 500)) * 1.5
    values += rng.normal(size=(80, 500)) * np.where(case, 2, 1)[:, None]
    values *= np.exp(rng.normal(size=500))
    model = Model(
        case.astype(float), np.ones((80, 1)), {"donor": indicators(donor)}, (), {"cases": case}
    )
    found = variance_ratios(values, model)
    assert found["donor"] == pytest.approx(2.25, rel=0.15)
    assert found["cases"] == pytest.approx(4, rel=0.15)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_nothing_depends_on_scale_or_order(seed, scale):
    values, model = drawn(seed)
    order = np.random.default_rng(seed).permutation(model.n)
    ratios = variance_ratios(values, model)
    one = mixed_t(values, model, ratios)
    other = mixed_t(scale * values[order] + 3, model.subset(order), ratios)
    np.testing.assert_allclose(other["t"], one["t"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other["estimate"], scale * one["estimate"], rtol=1e-6, atol=1e-9)


def test_missing_values_are_left_out_of_their_column_alone():
    values, model = drawn()
    ratios = variance_ratios(values, model)
    values[:3, :5] = np.nan
    found = mixed_t(values, model, ratios)
    kept = np.arange(model.n) >= 3
    alone = mixed_t(values[kept][:, :5], model.subset(kept), ratios)
    assert found["n"].tolist()[:6] == [27] * 5 + [30]
    np.testing.assert_allclose(found["estimate"][:5], alone["estimate"])
    values[:16, 7], values[:, 8] = np.nan, 1.0
    assert mixed_t(values, model, ratios)["p"][[7, 8]].isna().all()


def sizes(make, n_cohorts=60):
    """Return the share of p <= .05 among null variables, and its standard error over cohorts."""
    shares = []
    for seed in range(n_cohorts):
        values, model = make(np.random.default_rng(seed))
        shares.append((mixed_t(values, model)["p"] <= 0.05).mean())
    return np.mean(shares), np.std(shares) / np.sqrt(n_cohorts)


@pytest.mark.parametrize(("n_cases", "n_controls", "spread"), [(5, 12, 2), (6, 30, 2), (12, 12, 1)])
def test_a_small_group_with_a_larger_spread(n_cases, n_controls, spread):
    case = np.arange(n_cases + n_controls) < n_cases

    def make(rng):
        values = rng.normal(size=(len(case), 200)) * np.where(case, spread, 1)[:, None]
        return values * np.sqrt(2 / rng.chisquare(2, 200)), Model(
            case.astype(float), np.ones((len(case), 1)), {}, (), {"cases": case}
        )

    share, error = sizes(make)
    assert abs(share - 0.05) < 3.5 * error + 0.003


def table_of(donors, batches=None, **columns):
    about = {"donor": donors, "batch": batches if batches is not None else "", **columns}
    return pd.DataFrame(about, index=[f"s|{number}" for number in range(len(donors))])


def test_age_at_two_visits_is_not_tested_within_donors_alone():
    rng = np.random.default_rng(5)
    donors = np.repeat([f"d{number}" for number in range(20)], 2)
    age = np.repeat(rng.uniform(20, 80, 20), 2) + np.tile([0.0, 1.0], 20)
    samples = table_of(donors, age=age)
    own = indicators(donors) @ rng.normal(size=(20, 200)) * 0.5
    values = (age[:, None] - 50) / 17 + own + 0.4 * rng.normal(size=(40, 200))
    within = make_design(list(samples.index), samples, samples["age"], False)
    mixed = make_mixed_design(list(samples.index), samples, samples["age"], False)
    by_permutation = permutation_test(within.units.average(values), within, 199, 1).table["p"]
    assert (by_permutation <= 0.05).mean() < 0.3
    assert (mixed_t(mixed.units.average(values), mixed.model)["p"] <= 0.05).mean() > 0.95
    null = own + 0.4 * rng.normal(size=(40, 200))
    assert (mixed_t(mixed.units.average(null), mixed.model)["p"] <= 0.05).mean() < 0.09


def test_nobody_is_left_out():
    # Eight pairs, a case and a control alone; each donor's samples were measured in two batches.
    donors = [*np.repeat([f"d{number}" for number in range(8)], 2), "x", "y"]
    case = np.array([*np.tile([0.0, 1.0], 8), 0.0, 1.0])
    batches = [f"b{number // 3 % 2}" for number in range(18)]
    samples = table_of(donors, batches, case=case, age=np.arange(18.0))
    mixed = make_mixed_design(list(samples.index), samples, samples["case"], True, ["age"])
    assert len(mixed.units.labels) == 18
    assert set(mixed.model.random) == {"donor", "batch"}
    assert mixed.model.fixed.shape == (18, 3)  # the intercept, age, and its normal scores
    left_out = make_design(list(samples.index), samples, samples["case"], True, ["age"])
    assert left_out.n == 16


def test_a_donor_may_lie_in_several_batches():
    donors = np.repeat([f"d{number}" for number in range(12)], 2)
    batches = [f"b{number % 3}" for number in range(24)]
    samples = table_of(donors, batches, age=np.repeat(np.arange(12.0), 2))
    mixed = make_mixed_design(list(samples.index), samples, samples["age"], False)
    assert len(mixed.units.labels) == 12
    np.testing.assert_allclose(mixed.model.random["batch"].sum(axis=1), 1)
    assert set(mixed.model.random["batch"].ravel()) == {0, 0.5}
    found = mixed_t(np.random.default_rng(0).normal(size=(12, 30)), mixed.model)
    assert found["p"].notna().all()


def test_what_batches_say_cannot_be_tested():
    case = np.repeat([0.0, 1.0], 10)
    batches = np.repeat(["b0", "b1"], 10)
    samples = table_of([f"d{number}" for number in range(20)], batches, case=case)
    mixed = make_mixed_design(list(samples.index), samples, samples["case"], True)
    assert mixed_t(np.random.default_rng(0).normal(size=(20, 5)), mixed.model)["p"].isna().all()


def test_covariates_that_are_skewed_act_in_their_own_units():
    shares = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pmi = np.exp(rng.normal(size=60))
        y = 0.5 * (pmi - pmi.mean()) / pmi.std() + rng.normal(size=60)
        values = rng.normal(size=(60, 100)) + np.outer(pmi, rng.normal(size=100))
        samples = table_of([f"d{number}" for number in range(60)], y=y, pmi=pmi)
        mixed = make_mixed_design(list(samples.index), samples, samples["y"], False, ["pmi"])
        shares.append((mixed_t(values, mixed.model)["p"] <= 0.05).mean())
    assert np.mean(shares) < 0.05 + 3.5 * np.std(shares) / np.sqrt(len(shares))


def test_nothing_to_test():
    samples = table_of(["a", "b", "c"], y=[np.nan] * 3)
    mixed = make_mixed_design(list(samples.index), samples, samples["y"], False)
    values = mixed.units.average(np.ones((3, 4)))
    assert mixed_t(values, mixed.model)["p"].isna().all()
    outcomes = permuted_outcomes(mixed.model, {}, 3, 1)
    assert outcomes.shape == (0, 0)
    assert permuted_t(values, mixed.model, {}, outcomes)[1].shape == (0, 4)
    constant = Model(np.ones(6), np.ones((6, 1)), {})
    assert mixed_t(np.random.default_rng(0).normal(size=(6, 4)), constant)["p"].isna().all()


def test_permuted_phenotypes_have_uniform_p_and_leave_an_effect_behind():
    values, model = drawn(7, m=200)
    values[:, :20] += 3 * model.outcome[:, None]
    ratios = variance_ratios(values, model)
    outcomes = permuted_outcomes(model, ratios, 20, 1)
    assert outcomes.shape == (20, model.n)
    t, p = permuted_t(values, model, ratios, outcomes)
    assert t.shape == p.shape == (20, 200)
    assert kstest(p[:, 20:].ravel(), "uniform").statistic < 0.03
    assert (mixed_t(values, model, ratios)["p"][:20] < 1e-4).mean() > 0.9
    assert (p[:, :20] < 1e-3).mean() < 0.05
    np.testing.assert_array_equal(outcomes, permuted_outcomes(model, ratios, 20, 1))
    # As if it were the phenotype; p that nobody needs are 1.
    for run, outcome in enumerate(outcomes[:3]):
        alone = mixed_t(values, replace(model, outcome=outcome), ratios)
        np.testing.assert_allclose(t[run], alone["t"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(p[run], alone["p"], rtol=1e-6)
    np.testing.assert_array_equal(
        permuted_t(values, model, ratios, outcomes, 0.1)[1], np.where(p <= 0.1, p, 1)
    )


def test_of_many_observations_some_donors_give_the_ratios():
    rng = np.random.default_rng(8)
    donor = np.repeat(np.arange(700), 2)
    values = indicators(donor) @ rng.normal(size=(700, 40)) + rng.normal(size=(1400, 40))
    model = Model(np.tile([0.0, 1.0], 700), np.ones((1400, 1)), {"donor": indicators(donor)})
    rows = some_observations(model)
    assert 1000 <= len(rows) <= 1001
    assert (np.bincount(donor[rows], minlength=700) % 2 == 0).all()
    assert variance_ratios(values, model)["donor"] == pytest.approx(1, rel=0.1)


def test_what_the_phenotype_determines_is_found():
    values, model = drawn(9)
    values[:, 0] = 3 * model.outcome + 1
    found = mixed_t(values, model)
    assert found["p"][0] < 1e-4
    assert found["estimate"][0] == pytest.approx(3)


def test_equivalence_is_two_one_sided_tests():
    rng = np.random.default_rng(0)
    case = np.arange(400) < 200
    values = rng.normal(size=(400, 30)) * np.exp(rng.normal(size=30))
    found = mixed_t(values, Model(case.astype(float), np.ones((400, 1)), {}))
    # In many observations the standard deviation is known, and so is the margin in its units.
    margin = 0.3 * found["sd"]
    expected = [
        ttost_ind(y[case], y[~case], -one, one)[0] for y, one in zip(values.T, margin, strict=True)
    ]
    np.testing.assert_allclose(equivalence_p(found, 0.3), expected, rtol=0.2, atol=0.002)
    # Donors are part of how much observations differ.
    donor = np.repeat(np.arange(100), 2)
    values = 2 * rng.normal(size=(100, 200))[donor] + rng.normal(size=(200, 200))
    model = Model(np.tile([0.0, 1.0], 100), np.ones((200, 1)), {"donor": indicators(donor)})
    assert mixed_t(values, model)["sd"].median() == pytest.approx(np.sqrt(5), rel=0.1)


@pytest.mark.parametrize(("n", "least"), [(6, 0.01), (20, 0.03)])
def test_equivalence_at_the_margin_is_called_no_more_often_than_said(n, least):
    rng = np.random.default_rng(1)
    case = np.arange(2 * n) < n
    values = rng.normal(size=(2 * n, 20_000)) + 1.0 * case[:, None]
    model = Model(case.astype(float), np.ones((2 * n, 1)), {})
    # With a common prior variance, and without.
    for scale in (1.0, np.sqrt(4 / rng.chisquare(4, 20_000))):
        p = equivalence_p(mixed_t(values * scale, model, {}), 1.0)
        # Two one-sided tests of few observations are conservative.
        assert least < (p <= 0.05).mean() < 0.054
