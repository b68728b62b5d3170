"""What is compared with what, adjusted for what, permuted how."""

from itertools import permutations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnet.stats.designs import make_design, unadjusted
from popnet.stats.permutation import permutation_test
from popnet.stats.units import units


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


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 14),
    n_donors=st.integers(1, 14),
    n_batches=st.integers(1, 3),
    binary=st.booleans(),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    technical=st.lists(st.sampled_from(["age", "sex"]), unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_design_of_bins_is_that_of_their_samples(
    seed, n, n_donors, n_batches, binary, missing, technical
):
    """Made of bins, then used for a table of one row per sample, or made of the samples."""
    rng = np.random.default_rng(seed)
    samples = cohort(
        n,
        donor=[f"d{number}" for number in rng.integers(0, n_donors, n)],
        batch=[f"b{number}" for number in rng.integers(0, n_batches, n)],
        age=np.where(rng.random(n) < missing / 3, np.nan, rng.normal(size=n)),
        sex=rng.choice(["f", "m"], n),
    )
    values = rng.integers(0, 2, n) if binary else rng.integers(0, 4, n)
    phenotype = pd.Series(np.where(rng.random(n) < missing, np.nan, values), samples.index)
    of_bin = rng.permutation(np.repeat(samples.index, rng.integers(1, 4, n)))
    order = list(dict.fromkeys(of_bin))
    arguments = (samples, phenotype, binary, [], technical)
    expected = make_design(order, *arguments)
    made = make_design(of_bin, *arguments)
    shuffled = [order[row] for row in rng.permutation(n)]
    table = rng.normal(size=(n, 3))
    by_sample = pd.DataFrame(table, order)
    for rows_of_table in (order, shuffled):
        found = made.over(rows_of_table)
        assert found.units.bin_samples.tolist() == rows_of_table
        for name in ("outcome", "residual", "nuisance", "blocks"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        for name in ("donors", "batches"):
            assert getattr(found, name).tolist() == getattr(expected, name).tolist()
        assert found.units.labels.tolist() == expected.units.labels.tolist()
        assert found.remarks == expected.remarks
        np.testing.assert_allclose(
            found.units.average(by_sample.loc[rows_of_table].to_numpy()),
            expected.units.average(table),
        )
    tested = [
        permutation_test(design.units.average(table), design, 99, 1).table
        for design in (made.over(order), expected)
    ]
    pd.testing.assert_frame_equal(*tested)


@pytest.mark.parametrize("binary", [False, True])
def test_every_unit_counts_where_nothing_is_adjusted_for(binary):
    """As in the paper: every bin, whatever sample it is of."""
    rng = np.random.default_rng(0)
    samples = [f"s{number}" for number in range(9)]
    phenotype = pd.Series(rng.normal(size=9), samples)
    phenotype = (phenotype > 0).astype(float) if binary else phenotype
    phenotype["s3"] = np.nan
    over = units(np.repeat(samples, 2), pd.Series("d", samples), phenotype, "bin")
    design = unadjusted(over, binary)
    assert design.n == 16
    assert design.binary is binary
    assert design.df == 14
    assert design.testable
    assert not design.remarks
    assert design.residual.sum() == pytest.approx(0)
    values = rng.normal(size=(18, 4))
    np.testing.assert_array_equal(design.units.average(values), np.delete(values, [6, 7], axis=0))
    nobody = unadjusted(units(samples, pd.Series("d", samples), phenotype * np.nan, "bin"), binary)
    assert nobody.n == 0
    assert not nobody.testable


def test_permuted_phenotypes_stay_within_donors_and_batches():
    samples = cohort(40, donor=np.repeat([f"d{i}" for i in range(20)], 2))
    case = pd.Series(np.tile([0.0, 1], 20), samples.index)
    pairs = make_design(samples.index, samples, case, binary=True)
    batches = np.repeat(["x", "y", "z", "y"], 10)
    samples = cohort(40, batch=batches, age=np.arange(40.0))
    number = pd.Series(np.random.default_rng(0).normal(size=40), samples.index)
    pools = make_design(samples.index, samples, number, False, ["age"])
    for design in (pairs, pools):
        found = design.permuted(20, seed=1)
        assert found.shape == (20, 40)
        np.testing.assert_array_equal(design.blocks[found], np.tile(design.blocks, (20, 1)))
        moved = design.outcome[found]
        assert len(np.unique(moved, axis=0)) == 20
        assert not (moved == design.outcome).all(1).any()
        np.testing.assert_array_equal(found, design.permuted(20, seed=1))
        assert (found != design.permuted(20, seed=2)).any()
    # Signs of a donor's difference.
    assert set(np.unique(pairs.outcome[pairs.permuted(20, 1)].reshape(20, 20, 2).sum(2))) == {1}


@pytest.mark.parametrize(("n_donors", "n"), [(3, 3), (4, 7), (5, 15), (6, 20)])
def test_few_pairs_have_few_permuted_phenotypes(n_donors, n):
    """Half of the sign flips, as those of all donors change nothing for a two-sided test."""
    samples = cohort(2 * n_donors, donor=np.repeat([f"d{i}" for i in range(n_donors)], 2))
    case = pd.Series(np.tile([0.0, 1], n_donors), samples.index)
    samples["age"] = np.random.default_rng(0).normal(size=2 * n_donors)
    for covariates in ([], ["age"]):
        design = make_design(samples.index, samples, case, True, covariates)
        assert len(design.permuted(20, seed=1)) == (n if design.testable else 0)


def test_permuted_phenotypes_of_samples_in_another_order():
    samples = cohort(16, batch=np.repeat(["x", "y"], 8))
    phenotype = pd.Series(np.arange(16) % 3 == 0, samples.index).astype(float)
    order = np.random.default_rng(0).permutation(16)
    one = make_design(samples.index, samples, phenotype, True)
    other = make_design(samples.index[order], samples.iloc[order], phenotype.iloc[order], True)
    np.testing.assert_array_equal(
        one.outcome[one.permuted(20, 1)][:, order], other.outcome[other.permuted(20, 1)]
    )
