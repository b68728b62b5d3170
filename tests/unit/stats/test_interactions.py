"""Interactions of two variables, against closed forms and statsmodels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM

from popnet.associations.designs import design_of
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_model import variance_ratios
from popnet.stats.moderated import moderated_t
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import normal_scores

SEX = {"name": "sex", "type": "categorical"}
STATUS = {"name": "status", "type": "binary", "case": "ill", "control": "well"}
AGE = {"name": "age", "type": "numeric"}


def asked(*factors):
    name = ":".join(factor["name"] for factor in factors)
    return {"name": name, "type": "continuous", "case": None, "control": None, "factors": factors}


def paired(n_donors=12, seed=0):
    """Return pairs of a well and an ill sample of each donor."""
    rng = np.random.default_rng(seed)
    donor = np.repeat(np.arange(n_donors), 2)
    sex = np.where(np.arange(n_donors) < n_donors // 2, "f", "m")[donor]
    samples = pd.DataFrame(
        {
            "donor": [f"d{one:02d}" for one in donor],
            "batch": "",
            "sex": sex,
            "status": np.tile(["well", "ill"], n_donors),
            "age": rng.normal(size=n_donors)[donor],
        },
        index=[f"s{number:02d}" for number in range(len(donor))],
    )
    return samples, rng.normal(size=(n_donors, 300))[donor] + rng.normal(size=(len(donor), 300))


def single(n=24, seed=0):
    """Return one sample of each donor, in all combinations of sex and status."""
    rng = np.random.default_rng(seed)
    both = np.array(list(product(["f", "m"], ["well", "ill"])))[np.arange(n) % 4]
    samples = pd.DataFrame(
        {"donor": None, "batch": "", "sex": both[:, 0], "status": both[:, 1]},
        index=[f"s{number:02d}" for number in range(n)],
    )
    return samples.assign(age=rng.normal(size=n)), rng.normal(size=(n, 300))


def made(samples, *factors, covariates=()):
    return design_of(list(samples.index), samples, asked(*factors), covariates, "donor")


def without_groups(model):
    return type(model)(model.outcome, model.fixed, model.random, model.bounded)


def test_in_pairs_it_is_the_t_test_of_the_differences():
    samples, values = paired()
    design = made(samples, SEX, STATUS)
    model = without_groups(design.mixed.model)
    found = mixed_t(values, model)
    difference = values[1::2] - values[::2]
    male = samples["sex"].to_numpy()[::2] == "m"
    t, _ = ttest_ind(difference[male], difference[~male])
    expected = difference[male].mean(0) - difference[~male].mean(0)
    np.testing.assert_allclose(found["estimate"], expected)
    # The variance ratio and the variances are shared, so that t is only nearly the same.
    assert np.corrcoef(found["t"], t)[0, 1] > 0.95
    # Residual variances of the groups of both change next to nothing where they are equal.
    free = mixed_t(values, design.mixed.model)
    assert set(variance_ratios(values, design.mixed.model)) > {"donor"}
    assert np.corrcoef(found["t"], free["t"])[0, 1] > 0.98


def test_a_gene_alone_is_what_statsmodels_says():
    samples, values = paired(30)
    values = values[:, :1]
    model = without_groups(made(samples, SEX, STATUS).mixed.model)
    # As if the ratios were known, which statsmodels takes them for.
    found = mixed_t(values, model, dict(variance_ratios(values, model)))
    sex, status = (samples["sex"] == "m") - 0.5, (samples["status"] == "ill") - 0.5
    exog = np.column_stack([np.ones(60), sex, status, sex * status])
    fit = MixedLM(values[:, 0], exog, groups=samples["donor"]).fit(reml=True)
    assert found["estimate"][0] == pytest.approx(fit.params[3], rel=1e-6)
    assert found["se"][0] == pytest.approx(fit.bse[3], rel=1e-3)


@pytest.mark.parametrize("second", [STATUS, AGE])
def test_without_donors_it_is_the_linear_model(second):
    samples, values = single()
    design = made(samples, SEX, second)
    found = mixed_t(values, without_groups(design.mixed.model), {})
    sex = (samples["sex"] == "m").to_numpy() - 0.5
    other = (samples["status"] == "ill").to_numpy() - 0.5
    fixed = [np.ones(24), sex, other]
    if second is AGE:
        other = normal_scores(samples[["age"]].to_numpy())[:, 0]
        other /= other.std()
        fixed = [np.ones(24), sex, samples["age"].to_numpy(), other]
    fits = [OLS(y, np.column_stack([*fixed, sex * other])).fit() for y in values.T]
    np.testing.assert_allclose(found["estimate"], [fit.params[-1] for fit in fits])
    assert np.corrcoef(found["t"], [fit.tvalues[-1] for fit in fits])[0, 1] > 0.98
    # By permutation both main effects are adjusted for as well.
    plain = [*fixed[:2], other, sex * other] if second is AGE else [*fixed, sex * other]
    columns = np.column_stack([np.ones(24), *plain[1:]])
    by_permutation = permutation_test(values, design, 199, 1).table["statistic"]
    t = np.array([OLS(y, columns).fit().tvalues[-1] for y in values.T])
    np.testing.assert_allclose(by_permutation, t / np.sqrt(t**2 + 20))
    assert np.corrcoef(moderated_t(values, design)["t"], t)[0, 1] > 0.98


@pytest.mark.parametrize("make", [paired, single])
def test_main_effects_of_any_size_change_nothing(make):
    samples, values = make()
    design = made(samples, SEX, STATUS)
    moved = values + 50.0 * (samples["sex"] == "m").to_numpy()[:, None]
    moved += 20.0 * (samples["status"] == "ill").to_numpy()[:, None]
    for test in (
        lambda y: mixed_t(y, design.mixed.model)["t"],
        lambda y: permutation_test(y, design, 99, 1).table["p"],
    ):
        np.testing.assert_allclose(test(moved), test(values), rtol=1e-4, atol=1e-6)


def test_a_variable_within_donors_and_a_covariate_of_the_same_name():
    samples, _ = paired()
    design = made(samples, SEX, STATUS, covariates=["sex", "age"])
    assert design.paired
    assert list(design.covariates["covariate"]) == ["sex", "status", "age"]
    assert sorted(set(design.units.phenotype)) == [-0.25, 0.25]
    # One of the four is what the others are compared with.
    assert list(design.mixed.model.groups) == ["sex+ status-", "sex- status+", "sex- status-"]
    some = np.arange(design.n) < 8
    np.testing.assert_array_equal(design.subset(some).factors, design.factors[:8])


def test_both_variables_within_donors():
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(
        list(product([f"d{n}" for n in range(6)], ["f", "m"], ["well", "ill"])),
        columns=["donor", "sex", "status"],
    ).assign(batch="", age=0.0)
    samples.index = [f"s{number}" for number in samples.index]
    design = made(samples, SEX, STATUS)
    # Two combinations have the same product, and are two observations all the same.
    assert design.n == len(design.mixed.units.labels) == 24
    values = rng.normal(size=(24, 5))
    cells = values.reshape(6, 2, 2, 5)
    expected = (cells[:, 1, 1] - cells[:, 1, 0] - cells[:, 0, 1] + cells[:, 0, 0]).mean(0)
    found = mixed_t(values, without_groups(design.mixed.model))
    np.testing.assert_allclose(found["estimate"], expected)


def test_a_missing_value_of_either_leaves_the_sample_out():
    samples, _ = single()
    samples.loc["s00", "sex"] = None
    samples.loc["s01", "status"] = "unsure"
    design = made(samples, SEX, STATUS)
    assert design.n == len(design.mixed.units.labels) == 22


@pytest.mark.parametrize("own", [0.0, 0.7])
def test_time_within_donors_is_recovered_at_its_size(own):
    rng = np.random.default_rng(3)
    donor, time = np.repeat(np.arange(12), 3), np.tile([0.0, 1.0, 2.0], 12)
    samples = pd.DataFrame({"donor": donor.astype(str), "batch": "", "time": time})
    samples.index = [f"s{number}" for number in range(36)]
    design = design_of(
        list(samples.index),
        samples,
        {"name": "time", "type": "continuous", "case": None, "control": None},
        [],
        "donor",
    )
    assert "slope of phenotype" in design.mixed.model.random
    shares = []
    for _ in range(40):
        values = (rng.normal(size=(12, 200)) + 3)[donor] + rng.normal(size=(36, 200))
        values += own * rng.normal(size=(12, 200))[donor] * (time - 1)[:, None] / 0.82
        shares.append((mixed_t(values, design.mixed.model)["p"] <= 0.05).mean())
    assert abs(np.mean(shares) - 0.05) < 3.5 * np.std(shares) / np.sqrt(40) + 0.003
    # A planted change per visit, in units of the phenotype's normal scores.
    values[:, 0] += 50 * time
    found = mixed_t(values, design.mixed.model).iloc[0]
    scale = np.ptp(design.mixed.model.outcome) / 2
    assert found["low"] < 50 / scale < found["high"]
