"""Freedman-Lane permutation tests against brute force and exact tests."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, mannwhitneyu, spearmanr
from scipy.stats import permutation_test as scipy_permutation

from popnet.stats.designs import make_design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import (
    correlations_at,
    observed_correlations,
    permutation_test,
    permuted_correlations,
    prepare,
)
from popnet.stats.ranks import normal_scores


def design_of(n, phenotype, binary=False, covariates=(), technical=(), **columns):
    index = [f"s{i}" for i in range(n)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index).assign(**columns)
    return make_design(
        index, samples, pd.Series(phenotype, index, dtype=float), binary, covariates, technical
    )


def test_two_groups_are_wilcoxons_exact_test():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 40))
    case = np.arange(9) < 4
    found = permutation_test(values, design_of(9, case, binary=True), 10_000, seed=1)
    expected = mannwhitneyu(values[case], values[~case], method="exact")
    np.testing.assert_allclose(found.table["p"], expected.pvalue)
    np.testing.assert_allclose(found.table["statistic"], 2 * expected.statistic / 20 - 1)
    assert found.exact
    assert (found.table["n_permutations"] == 126).all()
    assert found.smallest_p == pytest.approx(mannwhitneyu([1, 2, 3, 4], [5, 6, 7, 8, 9]).pvalue)


def test_a_continuous_phenotype_is_spearmans_exact_test():
    rng = np.random.default_rng(0)
    values, phenotype = rng.normal(size=(6, 10)), rng.normal(size=6)
    found = permutation_test(values, design_of(6, phenotype), 1000, seed=1)
    for column, row in zip(values.T, found.table.itertuples(), strict=True):
        assert row.statistic == pytest.approx(spearmanr(column, phenotype).statistic)
        exact = scipy_permutation(
            (column,), lambda x: spearmanr(x, phenotype).statistic, permutation_type="pairings"
        )
        # Exact p of doubled tails: of a symmetric null the same as by size.
        assert row.p == pytest.approx(exact.pvalue, abs=0.01)


def test_pairs_are_the_sign_flip_test():
    rng = np.random.default_rng(0)
    donor = np.repeat([f"d{i}" for i in range(7)], 2)
    treated = np.tile([0.0, 1.0], 7)
    values = rng.normal(size=(14, 5)) + np.repeat(rng.normal(size=(7, 1)), 2, 0)
    found = permutation_test(
        values, design_of(14, treated, binary=True, donor=donor), 10_000, seed=1, rank=False
    )
    signs = np.array(np.meshgrid(*[[1, -1]] * 7)).reshape(7, -1).T
    for column, row in zip(values.T, found.table.itertuples(), strict=True):
        change = column[1::2] - column[::2]
        null = np.abs(signs @ change)
        assert row.p == pytest.approx((null >= abs(change.sum()) - 1e-9).mean())


@pytest.mark.parametrize("binary", [False, True])
def test_correlations_are_those_of_freedman_and_lane(binary):
    """Permuted residuals, added to the fit, regressed again by least squares."""
    rng = np.random.default_rng(1)
    n = 20
    phenotype = (np.arange(n) % 2) if binary else rng.normal(size=n)
    design = design_of(
        n,
        phenotype,
        binary,
        covariates=["sex", "age"],
        batch=np.repeat(["x", "y"], n // 2),
        sex=rng.choice(["f", "m"], n),
        age=rng.normal(size=n),
    )
    values = rng.normal(size=(n, 4))
    prepared = prepare(values, design)
    arrangements = design.arrangements(30, seed=2)
    (places,) = arrangements
    found = np.concatenate(list(permuted_correlations(prepared.residuals, design, arrangements)))
    batch = design.blocks[:, None] == np.unique(design.blocks)
    nuisance = np.column_stack([batch, design.nuisance]).astype(float)
    project = np.eye(n) - nuisance @ np.linalg.pinv(nuisance)
    scores = normal_scores(values)
    outcome = project @ design.outcome
    for row, at in zip(found, places, strict=True):
        # The phenotype is moved here, the residuals there: the inverse permutation.
        back = np.empty(n, int)
        back[at] = np.arange(n)
        permuted = (scores - project @ scores) + (project @ scores)[back]
        left = project @ permuted
        expected = outcome @ left / np.sqrt((left**2).sum(0) * (outcome**2).sum())
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_family_wise_p_is_by_the_largest_statistic():
    rng = np.random.default_rng(0)
    values, case = rng.normal(size=(10, 30)), np.arange(10) < 5
    design = design_of(10, case, binary=True)
    found = permutation_test(values, design, 10_000, seed=1)
    r = np.abs(
        np.concatenate(
            list(
                permuted_correlations(
                    prepare(values, design).residuals, design, design.arrangements(10_000, 1)
                )
            )
        )
    )
    observed = np.abs(observed_correlations(prepare(values, design), design))
    expected = (r.max(1)[:, None] >= observed - 1e-9).mean(0)
    np.testing.assert_allclose(found.table["p_family"], expected)
    assert (found.table["p_family"] >= found.table["p"]).all()


def test_missing_values_count_for_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 4))
    values[:3, 0] = np.nan
    values[:20, 1] = np.nan
    values[:, 2] = 5
    phenotype = rng.normal(size=30)
    found = permutation_test(values, design_of(30, phenotype), 200, seed=1).table
    assert found["n"].tolist() == [27, 10, 30, 30]
    assert found["p"].isna().tolist() == [False, True, True, False]
    expected = spearmanr(values[3:, 0], phenotype[3:]).statistic
    assert found["statistic"][0] == pytest.approx(expected)


def test_a_gene_that_a_group_lacks_is_not_tested():
    design = design_of(12, np.arange(12) < 6, binary=True)
    values = np.random.default_rng(0).normal(size=(12, 3))
    values[design.outcome == 1, 0] = np.nan
    table = permutation_test(values, design, 200, seed=0).table
    assert table.loc[0, ["statistic", "p", "q", "p_family"]].isna().all()
    assert table["p"][1:].notna().all()


def test_small_p_is_resolved_further():
    rng = np.random.default_rng(0)
    phenotype = rng.normal(size=40)
    values = rng.normal(size=(40, 300))
    values[:, 0] += 3 * phenotype
    design = design_of(40, phenotype)
    plain = permutation_test(values, design, 1000, seed=1).table
    found = permutation_test(values, design, 1000, seed=1, resolve=True)
    assert plain["q"][0] == pytest.approx(300 / 1001)
    assert found.table["q"][0] == pytest.approx(300 / 15_001)
    assert found.smallest_p == pytest.approx(1 / 15_001)
    same = plain["p"] > 0.02
    pd.testing.assert_series_equal(found.table["p"][same], plain["p"][same])


def test_values_do_not_depend_on_what_is_tested_beside_them():
    rng = np.random.default_rng(0)
    values, phenotype = rng.normal(size=(25, 6)), rng.normal(size=25)
    design = design_of(25, phenotype)
    together = permutation_test(values, design, 500, seed=3).table["p"]
    alone = permutation_test(values[:, [2]], design, 500, seed=3).table["p"]
    assert alone[0] == pytest.approx(together[2])


@pytest.mark.parametrize("binary", [False, True])
def test_a_confounder_is_held_off(binary):
    """Genes and phenotype follow depth: 5 % of genes pass, where 40 % would by themselves."""
    rng = np.random.default_rng(5)
    n = 24
    passed = {True: 0, False: 0}
    cohorts = 150
    for number in range(cohorts):
        depth = rng.normal(size=n)
        phenotype = depth + rng.normal(size=n)
        phenotype = phenotype > np.median(phenotype) if binary else phenotype
        gene = (depth + rng.normal(size=n))[:, None]
        for adjusted in passed:
            design = design_of(
                n, phenotype, binary, technical=["depth"] if adjusted else [], depth=depth
            )
            passed[adjusted] += permutation_test(gene, design, 199, number).table["p"][0] <= 0.05
    assert binomtest(passed[True], cohorts, 0.05).pvalue > 0.01
    assert passed[False] / cohorts > 0.2


def test_batches_and_donors_are_held_off():
    """Batches move genes and phenotype; samples of a donor are alike."""
    rng = np.random.default_rng(6)
    passed = 0
    cohorts = 150
    for number in range(cohorts):
        batch = np.repeat([0, 1, 2], 8)
        phenotype = batch + rng.normal(size=24)
        gene = (2 * batch + rng.normal(size=24))[:, None]
        design = design_of(24, phenotype, batch=[f"pool {b}" for b in batch])
        passed += permutation_test(gene, design, 199, number).table["p"][0] <= 0.05
    assert binomtest(passed, cohorts, 0.05).pvalue > 0.01


def test_nothing_can_be_tested():
    found = permutation_test(np.ones((4, 2)), design_of(4, [1.0, 1, 1, 1]), 100, seed=1)
    assert found.table["p"].isna().all()
    assert found.smallest_p == 1


def test_three_against_three_cannot_be_significant():
    """Nor where covariates make more arrangements of them."""
    rng = np.random.default_rng(0)
    case = [1.0, 1, 1, 0, 0, 0]
    design = design_of(6, case, True, technical=["depth"], depth=rng.normal(size=6))
    assert design.nuisance.shape[1] == 1
    found = permutation_test(rng.normal(size=(6, 2000)), design, 10_000, seed=1)
    assert found.table["p"].min() == pytest.approx(0.1)
    assert found.smallest_p == pytest.approx(0.1)


def test_all_arrangements_rather_than_more_random_ones():
    """8 against 8 have 12,870: more than 10,000, fewer than small p are permuted on to."""
    rng = np.random.default_rng(0)
    case = np.arange(16) % 2
    values = rng.normal(size=(16, 400))
    values[:, 0] += 9 * case
    found = permutation_test(values, design_of(16, case, True), 10_000, seed=1, resolve=True)
    assert found.exact
    assert found.table["p"][0] == pytest.approx(2 / 12_870)
    assert found.smallest_p == pytest.approx(2 / 12_870)


def test_no_p_is_below_the_smallest():
    rng = np.random.default_rng(1)
    for n in (7, 8, 9):
        case = np.arange(n) % 2
        design = design_of(n, case, True, technical=["depth"], depth=rng.normal(size=n))
        found = permutation_test(rng.normal(size=(n, 3000)), design, 10_000, seed=1)
        assert found.table["p"].min() >= found.smallest_p - 1e-12


@pytest.mark.parametrize("resolve", [False, True])
def test_permuted_phenotypes_are_tested_by_the_same_permutations(resolve):
    """Every p that matters is that of counting all permutations; the others are not called."""
    rng = np.random.default_rng(0)
    design = design_of(30, rng.normal(size=30), covariates=["age"], age=rng.normal(size=30))
    values = rng.normal(size=(30, 300))
    places = design.permuted(6, seed=1)
    # In two of the permuted phenotypes there is something to find.
    values[:, :9] += 2 * design.residual[places[0]][:, None]
    values[:, 9:12] += 1.2 * design.residual[places[1]][:, None]
    values[:20, 5] = np.nan
    found = permutation_test(values, design, 3000, 1, resolve=resolve, phenotypes=places, fdr=0.1)
    plain = permutation_test(values, design, 3000, 1, resolve=resolve)
    pd.testing.assert_frame_equal(found.table, plain.table)
    assert found.by_chance.shape == (6, 300)
    assert plain.by_chance.shape == (0, 300)
    assert np.isnan(found.by_chance[:, 5]).all()

    residuals = prepare(values, design).residuals
    n = 15_000 if resolve else 3000
    null = np.abs(
        np.concatenate(list(permuted_correlations(residuals, design, design.arrangements(n, 1))))
    )
    of_phenotypes = np.abs(correlations_at(places, residuals, design))
    expected = np.array([((null >= r - 1e-10).sum(0) + 1) / (n + 1) for r in of_phenotypes])
    expected[:, 5] = np.nan
    called = np.array([benjamini_hochberg(p) <= 0.1 for p in found.by_chance])
    differ = np.sum(called != np.array([benjamini_hochberg(p) <= 0.1 for p in expected]))
    # Further permutations stop at ten that exceed, of which p is another estimate.
    assert differ <= (1 if resolve else 0)
    assert min(called[0].sum() / 8, called[1].sum() / 2) >= 1
    if not resolve:
        np.testing.assert_allclose(found.by_chance[called], expected[called])


def test_families_are_corrected_by_themselves():
    rng = np.random.default_rng(0)
    design = design_of(12, np.arange(12) < 6, binary=True)
    values = rng.normal(size=(12, 40))
    values[:, :2] += 3 * design.outcome[:, None]
    families = np.repeat(["a", "b"], [2, 38])
    found = permutation_test(
        values, design, 5000, 1, families=families, phenotypes=design.permuted(3, 1)
    )
    for family in ("a", "b"):
        own = families == family
        np.testing.assert_allclose(found.table["q"][own], benjamini_hochberg(found.table["p"][own]))
