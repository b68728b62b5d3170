"""Consensus networks of two groups against counting by hand and all arrangements."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import consensus as consensus_tests
from popnet.associations.edges import ObservedEdges
from popnet.associations.testing import Testing
from popnet.networks.consensus import consensus
from popnet.stats.designs import unadjusted
from popnet.stats.permutation import permutation_test
from popnet.stats.units import units


def study() -> tuple[pd.DataFrame, pd.Series]:
    """Ten donors: UBB has ten partners in controls, three of them in cases."""
    rows = []
    groups = {}
    for number in range(10):
        sample = f"s{number}"
        groups[sample] = "case" if number % 2 else "control"
        partners = 3 if number % 2 else 10
        rows += [(sample, "UBB", f"g{i}", 1.0) for i in range(partners)]
        rows += [(sample, "g0", "g1", 0.4)]
    rows += [("s0", "g2", "g3", 0.5), ("s1", "g4", "g5", 0.75)]
    return pd.DataFrame(rows, columns=["sample", "gene1", "gene2", "weight"]), pd.Series(groups)


def observed_edges(pairs, weights, genes):
    """The edges of s0, s1 and so on, pair by pair."""
    column, row = np.nonzero(weights.T)
    table = pairs.iloc[column].reset_index(drop=True)
    table.insert(0, "sample", [f"s{number}" for number in row])
    table["weight"] = weights[row, column]
    samples = [f"s{number}" for number in range(len(weights))]
    return ObservedEdges(table, pd.Series(samples, samples), pd.Index(genes))


def filled_up(pairs, weights):
    """Add a pair that brings all samples to one density, which leaves the others as they are."""
    total = weights.sum(axis=1)
    pairs = pd.concat([pairs, pd.DataFrame({"gene1": ["x"], "gene2": ["y"]})], ignore_index=True)
    return pairs, np.column_stack([weights, total.max() + 1 - total])


@pytest.mark.parametrize("kind", [object, "category"])
def test_change_of_degree(kind):
    edges, groups = study()
    edges = edges.astype({"gene1": kind, "gene2": kind})
    genes = ["UBB", *(f"g{i}" for i in range(10)), "alone"]
    phenotype = groups.map({"case": 1.0, "control": 0.0})
    over = units(groups.index, pd.Series(dtype=object), phenotype, "bin")
    observed = ObservedEdges(edges, pd.Series(groups.index, groups.index), pd.Index(genes))
    tested = consensus_tests.paper(observed, unadjusted(over, True), Testing(0, seed=1))
    pd.testing.assert_frame_equal(tested.networks, consensus(edges, groups))
    found = tested.change
    top = found.iloc[0]
    assert top["gene"] == "UBB"
    assert (top["case_degree"], top["control_degree"], top["change"]) == (3, 10, -7)
    assert (top["case_mean_degree"], top["control_mean_degree"]) == (3, 10)
    assert (top["n_case"], top["n_control"], top["statistic"]) == (5, 5, -1)
    assert top["p"] == pytest.approx(stats.mannwhitneyu([3] * 5, [10] * 5).pvalue)
    alone = found.set_index("gene").loc["alone"]
    assert alone["change"] == 0
    assert np.isnan(alone["p"])


@pytest.mark.parametrize("kind", [object, "category"])
def test_paper_compares_the_bins_of_the_halves_of_a_phenotype(kind):
    """Bins of samples without a phenotype belong to no group."""
    rng = np.random.default_rng(12)
    genes, pairs, weights = random_edges(rng, 30)
    bins = observed_edges(pairs, (weights > 0.2).astype(float), genes)
    samples = np.repeat([f"line {number}" for number in range(10)], 3)
    observed = ObservedEdges(
        bins.edges.astype({"gene1": kind, "gene2": kind}),
        pd.Series(samples, bins.rows.index),
        bins.genes,
    )
    phenotype = pd.Series(rng.normal(size=10), samples[::3])
    phenotype["line 4"] = np.nan
    over = units(samples, pd.Series(dtype=object), phenotype, "bin")
    tested = consensus_tests.paper(observed, unadjusted(over, False), Testing(0, seed=1))
    of_bin = phenotype[samples].to_numpy()
    middle = np.median(of_bin[np.isfinite(of_bin)])
    case, control = of_bin > middle, of_bin <= middle
    has = weights > 0.2
    found = tested.networks.set_index(["gene1", "gene2"])
    for number, pair in enumerate(pairs.itertuples(index=False, name=None)):
        shares = has[case, number].mean(), has[control, number].mean()
        assert (max(shares) >= 0.2 - 1e-9) == (pair in found.index)
        if pair in found.index:
            np.testing.assert_allclose(found.loc[pair].to_list()[:2], shares)
    change = tested.change.set_index("gene")
    for gene in genes:
        degree = has[:, (pairs == gene).any(axis=1)].sum(axis=1)
        row = change.loc[gene]
        assert row["case_mean_degree"] == pytest.approx(degree[case].mean())
        assert (row["n_case"], row["n_control"]) == (case.sum(), control.sum())
        expected = stats.mannwhitneyu(degree[case], degree[control])
        assert row["p"] == pytest.approx(expected.pvalue)
    np.testing.assert_allclose(change["q"], stats.false_discovery_control(change["p"]))
    assert tested.change["change"].abs().is_monotonic_decreasing


def random_edges(rng, n, n_genes=8, share=0.6):
    """All pairs of genes, and weights of four bins, (n, n_pairs)."""
    genes = [f"g{number}" for number in range(n_genes)]
    pairs = pd.DataFrame(list(combinations(genes, 2)), columns=["gene1", "gene2"])
    return genes, pairs, rng.binomial(4, rng.uniform(0, share, len(pairs)), (n, len(pairs))) / 4


def plain_change(pairs, values, genes, case):
    change = dict.fromkeys(genes, 0)
    for number, pair in enumerate(pairs.itertuples(index=False)):
        for gene in pair:
            change[gene] += int(values[case, number].mean() >= 0.2 - 1e-9)
            change[gene] -= int(values[~case, number].mean() >= 0.2 - 1e-9)
    return np.array(list(change.values()))


@pytest.mark.parametrize("binary", [False, True])
def test_change_of_degree_by_all_arrangements(design_of, binary):
    rng = np.random.default_rng(8)
    genes, pairs, weights = random_edges(rng, 9)
    genes = [*genes, "x", "y", "alone"]
    # Two samples of the last donor count once.
    both = np.vstack([weights, weights[-1]])
    both[-1, 0], both[-2, 0] = 1, 0
    pairs, both = filled_up(pairs, both)
    weights = np.vstack([both[:-2], both[-2:].mean(axis=0)])
    donors = [*(f"d{number}" for number in range(8)), "d8", "d8"]
    phenotype = np.append(np.repeat([1, 0], [4, 5]), 0)
    if not binary:
        phenotype = np.array([6, 7, 8, 9, 1, 2, 3, 4, 5, 5])
    design = design_of(phenotype, binary, donors)
    # All ways of nine values are too many; their halves are those of cases and controls.
    n = 1000 if binary else 3000
    tested = consensus_tests.robust(observed_edges(pairs, both, genes), design, Testing(n, seed=1))
    networks, change = tested.networks, tested.change

    case = np.arange(9) < 4
    plain = weights[case].mean(0), weights[~case].mean(0)
    kept = (np.maximum(*plain) >= 0.2 - 1e-9).nonzero()[0]
    for name, share in zip(("case", "control"), plain, strict=True):
        np.testing.assert_allclose(networks[f"{name}_share"], share[kept].clip(0, 1), atol=1e-6)
        assert networks[f"in_{name}"].tolist() == (share[kept] >= 0.2 - 1e-9).tolist()
    pd.testing.assert_frame_equal(
        networks[["gene1", "gene2"]], pairs.iloc[kept].reset_index(drop=True)
    )

    every = np.array(
        [
            plain_change(pairs, weights, genes, np.isin(np.arange(9), chosen))
            for chosen in combinations(range(9), 4)
        ]
    )
    found = change.set_index("gene").loc[genes]
    observed = plain_change(pairs, weights, genes, case)
    assert found["change"].tolist() == observed.tolist()
    spread = np.where(every.std(0) > 0, every.std(0), 1)
    from_mean = np.abs(every - every.mean(0)) / spread
    seen = np.abs(observed - every.mean(0)) / spread
    p = (from_mean >= seen - 1e-9).mean(0)
    family = (from_mean.max(1)[:, None] >= seen - 1e-9).mean(0)
    tolerance = 1e-6 if binary else 0.05
    p[-3:] = family[-3:] = np.nan  # x, y and alone change in no arrangement
    np.testing.assert_allclose(found["change_p"], p, atol=tolerance)
    np.testing.assert_allclose(found["change_p_family"], family, atol=tolerance)
    assert change["change"].abs().is_monotonic_decreasing
    assert (found[["n_case", "n_control"]] == [4, 5]).all(axis=None)
    assert set(found["n_permutations"]) == {126 if binary else 3000}

    degree = np.stack([weights[:, (pairs == gene).any(axis=1)].sum(1) for gene in genes], 1)
    np.testing.assert_allclose(found["case_mean_degree"], degree[case].mean(0), rtol=1e-5)
    tested = permutation_test(degree[:, :-1], design, n, 1).table
    np.testing.assert_allclose(found["statistic"][:-1], tested["statistic"])


def test_densities_are_matched_first(design_of):
    rng = np.random.default_rng(13)
    genes, pairs, weights = random_edges(rng, 12)
    design = design_of(np.arange(12) < 6, True)
    thinned = weights * rng.uniform(0.3, 1, (12, 1))
    thinned *= weights.sum() / thinned.sum()
    found, expected = (
        consensus_tests.robust(observed_edges(pairs, part, genes), design, Testing(99, seed=1))
        for part in (thinned, weights)
    )
    pd.testing.assert_frame_equal(found.networks, expected.networks, rtol=1e-5)
    columns = ["gene", "change", "change_p", "change_p_family", "p"]
    pd.testing.assert_frame_equal(found.change[columns], expected.change[columns], rtol=1e-5)


def test_consensus_is_adjusted_for_covariates(design_of):
    rng = np.random.default_rng(9)
    depth = rng.normal(size=40)
    case = depth + rng.normal(0, 0.7, 40) > 0
    pairs = pd.DataFrame({"gene1": ["a", "c"], "gene2": ["b", "d"]})
    # All samples have the same density.
    weight = np.clip(0.3 + 0.2 * depth, 0, 1)
    observed = observed_edges(pairs, np.column_stack([weight, 1 - weight]), list("abcd"))
    difference = []
    for design in (design_of(case, True), design_of(case, True, depth=depth)):
        networks = consensus_tests.robust(observed, design, Testing(99, seed=1)).networks
        share = networks.set_index("gene1").loc["a", ["case_share", "control_share"]]
        difference.append(share["case_share"] - share["control_share"])
    assert difference[0] > 0.15
    assert abs(difference[1]) < 0.05


def test_consensus_of_what_cannot_be_tested(design_of):
    rng = np.random.default_rng(10)
    genes, pairs, weights = random_edges(rng, 6)
    for design in (design_of([1] * 6, True), design_of([np.nan] * 6, False)):
        observed = observed_edges(pairs, weights, genes)
        tested = consensus_tests.robust(observed, design, Testing(99, seed=1))
        networks, change = tested.networks, tested.change
        assert change[["p", "change_p"]].isna().all(axis=None)
        assert len(change) == len(genes)
        assert set(networks) == {
            *("gene1", "gene2", "case_share", "control_share", "in_case", "in_control")
        }


def test_no_change_is_found_where_nothing_changes(design_of):
    """Of 40 null cohorts of unequal groups, at most 6 have a family-wise p <= 0.05 (P = 0.003)."""
    rng = np.random.default_rng(11)
    hits = 0
    for seed in range(40):
        genes, pairs, weights = random_edges(rng, 14, n_genes=10)
        design = design_of(np.arange(14) < 4, True)
        observed = observed_edges(pairs, weights, genes)
        change = consensus_tests.robust(observed, design, Testing(99, seed)).change
        hits += change["change_p_family"].min() <= 0.05
    assert hits <= 6
