"""What is compared with what, adjusted for what, permuted how."""

from itertools import permutations
from math import comb

import numpy as np
import pandas as pd
import pytest

from popnet.stats.designs import make_design


def cohort(n, **columns):
    index = [f"s {i}" for i in range(n)]
    table = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    return table.assign(**columns)


def rows(design):
    return np.concatenate(list(design.arrangements(10_000, seed=1)))


def test_a_donor_is_one_observation():
    samples = cohort(6, donor=["a", "a", "b", "c", "d", "e"])
    phenotype = pd.Series([1.0, 1, 2, 3, 4, np.nan], samples.index)
    design = make_design([*samples.index, "s 0"], samples, phenotype, binary=False)
    assert design.donors.tolist() == ["a", "b", "c", "d"]
    assert not design.paired
    values = design.units.average(np.array([[2.0], [4], [0], [0], [0], [9], [6]]))
    # Sample "s 0" has two bins, its donor two samples.
    assert values[0, 0] == pytest.approx((4 + 4) / 2)


def test_before_and_after_is_compared_within_donors():
    samples = cohort(7, donor=["a", "a", "b", "b", "c", "c", "d"])
    phenotype = pd.Series([0.0, 1, 0, 1, 0, 1, 1], samples.index)
    design = make_design(samples.index, samples, phenotype, binary=True)
    assert design.paired
    assert design.donors.tolist() == ["a", "a", "b", "b", "c", "c"]
    assert "1 of 4 donors have one value" in design.remarks[0]
    assert design.df == 6 - 3 - 1
    assert len(rows(design)) == 2**3
    np.testing.assert_array_equal(np.sort(rows(design), 1), np.tile(np.arange(6), (8, 1)))


@pytest.mark.parametrize(("binary", "n"), [(True, 5), (False, 6)])
def test_few_donors_of_several_values(binary, n):
    """Too few to compare within donors; a donor cannot be both case and control."""
    samples = cohort(7, donor=["a", "a", "b", "c", "d", "e", "f"])
    phenotype = pd.Series([0.0, 1, 0, 1, 0, 1, 1], samples.index)
    design = make_design(samples.index, samples, phenotype, binary)
    assert design.n == n
    assert "1 of 6 donors" in design.remarks[0]
    if not binary:
        assert design.units.phenotype[0] == 0.5


def test_all_arrangements_where_they_are_few():
    samples = cohort(9, batch=["x"] * 4 + ["y"] * 5)
    phenotype = pd.Series([1.0, 1, 0, 0, 1, 0, 0, 0, 0], samples.index)
    design = make_design(samples.index, samples, phenotype, binary=True)
    found = design.outcome[rows(design)]
    assert len(found) == comb(4, 2) * comb(5, 1)
    assert len(np.unique(found, axis=0)) == len(found)
    assert (found[:, :4].sum(1) == 2).all()
    continuous = make_design(
        samples.index[:4], samples, pd.Series([1.0, 2, 2, 5], samples.index[:4]), binary=False
    )
    expected = set(permutations(continuous.outcome))
    assert {tuple(row) for row in continuous.outcome[rows(continuous)]} == expected


def test_random_arrangements_stay_within_blocks_and_agree_between_designs():
    rng = np.random.default_rng(0)
    samples = cohort(30, batch=np.repeat(["x", "y", "z"], 10), age=rng.normal(size=30))
    one = make_design(
        samples.index, samples, pd.Series(rng.normal(size=30), samples.index), False, ["age"]
    )
    found = rows(one)
    assert found.shape == (10_000, 30)
    assert (one.blocks[found] == one.blocks).all()
    # Every place is as likely.
    counts = np.bincount(found[:, 0], minlength=10)
    assert abs(counts / 10_000 - 0.1).max() < 0.015
    other = make_design(
        samples.index[::-1],
        samples.iloc[::-1],
        pd.Series(rng.normal(size=30), samples.index),
        binary=False,
    )
    np.testing.assert_array_equal(one.donors[found], other.donors[rows(other)][:, ::-1])


def test_residuals_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    samples = cohort(
        24,
        batch=np.repeat(["x", "y", "z"], 8),
        sex=rng.choice(["f", "m", "?"], 24),
        age=rng.normal(size=24),
    )
    samples["twice"] = -2 * samples["age"]
    phenotype = pd.Series(rng.normal(size=24), samples.index)
    design = make_design(samples.index, samples, phenotype, False, ["sex", "age", "twice"])
    assert design.covariates["note"].tolist() == ["", "", "follows from the covariates above"]
    values = rng.normal(size=(24, 3))
    model = np.column_stack(
        [
            pd.get_dummies(samples["batch"]),
            pd.get_dummies(samples["sex"]),
            design.nuisance,
        ]
    ).astype(float)
    fitted = model @ np.linalg.lstsq(model, values, rcond=None)[0]
    np.testing.assert_allclose(design.residuals(values), values - fitted, atol=1e-10)
    assert design.df == 24 - 3 - 2 - 1 - 1
    vif = design.covariates.set_index("covariate")["vif"]
    assert vif["sex"] > 1


def test_what_cannot_be_told_apart_is_said():
    samples = cohort(12, sex=["f", "m"] * 6, batch=["x"] * 6 + ["y"] * 6)
    phenotype = pd.Series([0.0, 1] * 6, samples.index)
    design = make_design(samples.index, samples, phenotype, True, ["sex"])
    assert not design.testable
    assert design.remarks == ("sex is the same as the phenotype: nothing can be tested",)
    by_batch = pd.Series([0.0] * 6 + [1] * 6, samples.index)
    design = make_design(samples.index, samples, by_batch, True)
    assert not design.testable
    assert "does not vary within any batch" in design.remarks[0]


def test_technical_covariates_give_way_in_small_cohorts():
    rng = np.random.default_rng(0)
    samples = cohort(6, depth=rng.normal(size=6), cells=rng.normal(size=6))
    phenotype = pd.Series(rng.normal(size=6), samples.index)
    design = make_design(samples.index, samples, phenotype, False, [], ["depth", "cells"])
    assert design.covariates["covariate"].tolist() == ["depth"]
    assert "too few to adjust for cells" in design.remarks[0]


def test_observations_without_a_covariate_are_left_out():
    samples = cohort(8, age=[1.0, np.nan, 3, 4, 5, 6, 7, 8])
    phenotype = pd.Series(np.arange(8.0) % 3, samples.index)
    design = make_design(samples.index, samples, phenotype, False, ["age"])
    assert design.n == 7
    assert "1 of 8 observations lack age" in design.remarks[0]


def test_no_sample_has_the_phenotype():
    samples = cohort(3)
    design = make_design(samples.index, samples, pd.Series(np.nan, samples.index), False)
    assert design.n == 0
    assert not design.testable


def test_a_level_for_every_observation():
    samples = cohort(5, line=list("abcde"), age=[np.nan] * 5)
    phenotype = pd.Series(np.arange(5.0), samples.index)
    design = make_design(samples.index, samples, phenotype, False, ["line"])
    assert design.covariates["note"].tolist() == ["has as many levels as there are observations"]
    assert not design.testable
    nobody = make_design(samples.index, samples, phenotype, False, ["age"])
    assert nobody.n == 0
    assert "5 of 5 observations lack age" in nobody.remarks[0]
    one_value = make_design(samples.index, samples, phenotype * 0, False)
    assert one_value.remarks == ("the phenotype does not vary: nothing can be tested",)
