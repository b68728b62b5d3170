"""Numbers of edges against scipy and against permutation tests of each by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import connectivity as connectivity_tests
from popnet.associations.testing import Testing
from popnet.networks.connectivity import connectivity
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.permutation import permutation_test
from popnet.stats.units import units

TESTING = Testing(300, seed=1)


@pytest.mark.parametrize("binary", [False, True])
def test_connectivity_against_a_phenotype(binary):
    rng = np.random.default_rng(3)
    samples = [f"s{i}" for i in range(20)]
    phenotype = np.tile([0.0, 1.0], 10) if binary else rng.normal(size=20)
    table = pd.DataFrame({"sample": samples * 2, "gene_set": np.repeat(["MT", "A"], 20)})
    table["within"] = rng.poisson(5, 40)
    table["to_others"] = rng.poisson(5, 40)
    table["within_complexes"] = np.where(table["gene_set"] == "MT", table["within"] // 2, np.nan)
    table["between_complexes"] = table["within"] - table["within_complexes"]
    donors = pd.Series(samples, samples)
    over = units(samples, donors, pd.Series(phenotype, samples), "bin")
    found = connectivity_tests.paper(table, unadjusted(over, binary), TESTING)
    assert list(found.columns) == [
        *("gene_set", "kind", "statistic", "p", "q", "n", "mean", "mean_case", "mean_control")
    ]
    assert len(found) == 6
    case = phenotype == 1 if binary else phenotype > np.median(phenotype)
    for row in found.itertuples():
        counts = table.loc[table["gene_set"] == row.gene_set, row.kind].to_numpy()
        expected = (
            stats.mannwhitneyu(counts[case], counts[~case])
            if binary
            else stats.spearmanr(counts, phenotype)
        )
        assert row.p == pytest.approx(expected.pvalue)
        assert row.n == 20
        assert row.mean_case == pytest.approx(counts[case].mean())
        assert row.mean_control == pytest.approx(counts[~case].mean())
    np.testing.assert_allclose(found["q"], stats.false_discovery_control(found["p"]))


def test_connectivity_without_a_set_in_the_graph():
    none = connectivity(
        pd.DataFrame({"sample": [], "gene1": [], "gene2": [], "weight": []}), {}, ["a"], ["s"]
    )
    over = units(["s"], pd.Series({"s": "s"}), pd.Series({"s": 1.0}), "donor")
    assert connectivity_tests.paper(none, unadjusted(over, False), TESTING).empty


@pytest.mark.parametrize("binary", [False, True])
def test_connectivity_by_permutation(design_of, binary):
    rng = np.random.default_rng(7)
    samples = [f"s{number}" for number in range(20)]
    table = pd.DataFrame({"sample": samples * 2, "gene_set": np.repeat(["MT", "A"], 20)})
    table["within"] = rng.poisson(5, 40)
    table["to_others"] = rng.poisson(5, 40)
    table[["within_complexes", "between_complexes"]] = np.nan
    phenotype = np.tile([0.0, 1.0], 10) if binary else rng.normal(size=20)
    design = design_of(phenotype, binary)
    found = connectivity_tests.robust(table, design, TESTING)
    before = connectivity_tests.paper(table, design, TESTING)
    assert list(found.columns) == [*before.columns, "p_family", "n_permutations"]
    same = ["gene_set", "kind", "statistic", "n", "mean", "mean_case", "mean_control"]
    pd.testing.assert_frame_equal(found[same], before[same], check_dtype=False)
    kinds = ["to_others", "within"]
    counts = table.loc[table["gene_set"] == "A", kinds].to_numpy(float)
    alone = permutation_test(counts, design, 300, 1).table
    of_set = found[found["gene_set"] == "A"].set_index("kind").loc[kinds]
    np.testing.assert_allclose(of_set["p"], alone["p"])
    assert connectivity_tests.robust(table[:0], design, TESTING).empty


def test_a_table_may_be_in_another_order_than_the_bins_of_the_design():
    rng = np.random.default_rng(8)
    samples = [f"s{number}" for number in range(15)]
    sheet = pd.DataFrame({"donor": [*samples[:14], "s13"], "batch": ""}, index=samples)
    values = pd.Series([*rng.normal(size=13), 1, 1], samples)
    design = make_design(np.repeat(samples, 3), sheet, values, False)
    table = pd.DataFrame({"sample": samples[::-1], "gene_set": "A"})
    table["within"] = rng.poisson(5, 15)
    table[["to_others", "within_complexes", "between_complexes"]] = np.nan
    found = connectivity_tests.robust(table, design, TESTING)
    within = table["within"].to_numpy(float)[::-1]
    of_donor = np.append(within[:13], within[13:].mean())
    expected = permutation_test(of_donor[:, None], design, 300, 1).table
    columns = ["statistic", "p", "n", "p_family"]
    assert found[columns].to_numpy(float).tolist() == expected[columns].to_numpy(float).tolist()
    assert found["kind"].tolist() == ["within"]
