"""Edges against scipy, and components of them against networkx and all arrangements."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import edges as edge_tests
from popnet.associations.edges import (
    COMPONENT_COLUMNS,
    COMPONENT_PERMUTATIONS,
    agreement,
    associated_components,
    observe,
    rank_sum_edges,
)
from popnet.associations.testing import Testing
from popnet.networks.pairs import PairWeights
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.moderated import moderated_t
from popnet.stats.units import units

COMPLEXES = pd.Series({"g0": "I", "g1": "I", "g2": "III"})


def test_edges_against_a_continuous_phenotype():
    rng = np.random.default_rng(0)
    phenotype = rng.normal(size=30)
    weights = rng.choice([0, 0.25, 0.5, 1], size=(30, 40)).astype(np.float32)
    weights[:, :5] = 0
    weights[:, 5:9] = 1
    found = rank_sum_edges(weights, phenotype, binary=False)
    assert found.index.min() == 9
    for column, row in found.iterrows():
        has = weights[:, column] >= 0.5
        expected = stats.mannwhitneyu(phenotype[has], phenotype[~has])
        assert row["p"] == pytest.approx(expected.pvalue)
        n_with, n_without = has.sum(), (~has).sum()
        assert (row["n_with"], row["n_without"]) == (n_with, n_without)
        assert row["statistic"] == pytest.approx(2 * expected.statistic / n_with / n_without - 1)
    np.testing.assert_allclose(found["q"], stats.false_discovery_control(found["p"]))


def test_edges_of_cases_against_controls():
    rng = np.random.default_rng(1)
    phenotype = np.repeat([1.0, 0.0], [12, 15])
    weights = rng.choice([0, 0.25, 0.5, 1], size=(27, 20))
    weights[:12, 0] = 1
    found = rank_sum_edges(weights, phenotype, binary=True)
    assert found["statistic"].idxmax() == 0
    for column, row in found.iterrows():
        expected = stats.mannwhitneyu(weights[:12, column], weights[12:, column])
        assert row["p"] == pytest.approx(expected.pvalue)


def test_window_of_prevalence():
    weights = np.zeros((20, 4))
    weights[:2, 1] = weights[:18, 2] = weights[:19, 3] = 1
    phenotype = np.arange(20.0)
    assert list(rank_sum_edges(weights, phenotype, False).index) == [1, 2]
    every = rank_sum_edges(weights, phenotype, False, min_share=0, max_share=1)
    assert every["p"].isna().tolist() == [True, False, False, False]
    assert rank_sum_edges(weights[:, :1], phenotype, False).empty
    assert rank_sum_edges(weights[:, :1], (phenotype > 9).astype(float), True).empty


def random_edges(rng, n, n_genes=8, share=0.6):
    """All pairs of genes, and weights of four bins, (n, n_pairs)."""
    genes = [f"g{number}" for number in range(n_genes)]
    pairs = pd.DataFrame(list(combinations(genes, 2)), columns=["gene1", "gene2"])
    return genes, pairs, rng.binomial(4, rng.uniform(0, share, len(pairs)), (n, len(pairs))) / 4


def plain_components(pairs, weights, phenotype):
    """Size and intensity of the components of either sign, by networkx and linear regression."""
    n = len(phenotype)
    threshold = stats.t.isf(0.005, n - 2)
    found = {}
    outcome = stats.zscore(stats.rankdata(phenotype))
    for sign in (1, -1):
        graph = nx.Graph()
        r = outcome @ stats.zscore(stats.rankdata(weights, axis=0)) / n * sign
        t = r * np.sqrt((n - 2) / np.maximum(1 - r**2, 1e-12))
        for number in np.flatnonzero(t >= threshold):
            graph.add_edge(*pairs.iloc[number], excess=t[number] - threshold)
        for genes in nx.connected_components(graph):
            part = graph.subgraph(genes)
            found[sign, ";".join(sorted(genes))] = (part.size(), part.size("excess"))
    return found


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_components_by_all_arrangements(design_of):
    rng = np.random.default_rng(5)
    _, pairs, weights = random_edges(rng, 10)
    case = np.arange(10) < 5
    weights[:, :4] = np.clip(weights[:, :4] / 2 + case[:, None] / 2, 0, 1)
    pairs, weights = pairs[:20], weights[:, :20]
    found = associated_components(pairs, weights, design_of(case, True), Testing(1000, 1))
    assert list(found.columns) == list(COMPONENT_COLUMNS)
    expected = plain_components(pairs, weights, case)
    assert len(found) == len(expected)
    assert found.loc[0, "n_edges"] >= 4
    largest = np.zeros((252, 2))
    for number, chosen in enumerate(combinations(range(10), 5)):
        sizes = plain_components(pairs, weights, np.isin(np.arange(10), chosen)).values()
        largest[number] = np.max([(0, 0), *sizes], axis=0)
    for row in found.itertuples():
        n_edges, intensity = expected[row.sign, row.genes]
        assert row.n_edges == n_edges
        assert row.n_genes == row.genes.count(";") + 1
        assert row.intensity == pytest.approx(intensity)
        assert row.p_family == (largest[:, 0] >= n_edges).mean()
        assert row.intensity_p_family == (largest[:, 1] >= intensity - 1e-9).mean()
    assert set(found["n_permutations"]) == {252}
    assert set(found["n_tested"]) == {20}


def test_components_of_opposite_edges_are_apart(design_of):
    rng = np.random.default_rng(6)
    phenotype = rng.normal(size=25)
    pairs = pd.DataFrame({"gene1": ["a", "b", "c", "x"], "gene2": ["b", "c", "d", "y"]})
    weights = np.stack([phenotype, phenotype, -phenotype, rng.normal(size=25)], 1)
    design = design_of(phenotype, age=rng.normal(size=25))
    found = associated_components(pairs, weights, design, Testing(5000, 1))
    assert found[["sign", "genes", "n_edges"]].to_numpy().tolist() == [
        [1, "a;b;c", 2],
        [-1, "c;d", 1],
    ]
    assert found["component"].tolist() == [1, 2]
    assert set(found["n_permutations"]) == {COMPONENT_PERMUTATIONS}
    assert found.loc[0, "p_family"] <= 0.01


def test_components_of_nothing(design_of):
    nothing = associated_components(
        pd.DataFrame({"gene1": [], "gene2": []}),
        np.zeros((6, 0)),
        design_of(range(6), False),
        Testing(9, 1),
    )
    assert nothing.empty
    constant = design_of([1] * 6, True)
    pairs = pd.DataFrame({"gene1": ["a"], "gene2": ["b"]})
    weights = np.arange(6.0)[:, None]
    assert associated_components(pairs, weights, constant, Testing(9, 1)).empty
    flat = np.ones((6, 1))
    assert associated_components(pairs, flat, design_of(range(6), False), Testing(9, 1)).empty


def table_of(samples, pairs, weights):
    """The table of edges of samples x pairs, and those of a sample that is none of them."""
    column, row = np.nonzero(weights.T)
    table = pairs.iloc[column].reset_index(drop=True)
    table.insert(0, "sample", np.asarray(samples, dtype=object)[row])
    table["weight"] = weights[row, column]
    return table


@pytest.mark.parametrize("kind", [object, "category"])
def test_what_is_observed(kind):
    """Samples with the share of bins that have an edge, or bins; those without edges too."""
    bins = pd.DataFrame({"sample": ["a", "a", "7"], "bin": [0, 1, 0]}).astype({"sample": kind})
    genes = pd.Index(["x", "y"])
    edges = pd.DataFrame({"sample": ["a"], "gene1": ["x"], "gene2": ["y"], "weight": [-0.3]})
    edges["share"] = 0.5
    by_sample = observe(edges.astype({"sample": kind}), bins, genes, "donor")
    assert by_sample.rows.to_dict() == {"a": "a", "7": "7"}
    assert by_sample.edges.to_numpy().tolist() == [["a", "x", "y", 0.5]]
    edges = pd.DataFrame({"sample": ["a"], "bin": [1], "gene1": ["x"], "gene2": ["y"]})
    by_bin = observe(edges.astype({"sample": kind}), bins, genes, "bin")
    assert by_bin.rows.tolist() == ["a", "a", "7"]
    assert by_bin.rows.index.is_unique
    assert by_bin.edges[["gene1", "gene2", "weight"]].to_numpy().tolist() == [["x", "y", 1]]
    assert by_bin.edges["sample"].tolist() == [by_bin.rows.index[1]]
    assert by_bin.genes is genes


@pytest.mark.parametrize("binary", [False, True])
def test_paper_tests_every_edge_of_bins_by_scipy(binary):
    """As published: Wilcoxon's rank sum, an edge of two sets being one test."""
    rng = np.random.default_rng(12)
    samples = np.repeat([f"s{number}" for number in range(12)], 2)
    genes, pairs, _ = random_edges(rng, 24, n_genes=5)
    has = rng.random((24, len(pairs))) < 0.5
    has[:, 0] = True
    bins = pd.DataFrame({"sample": samples, "bin": np.tile([0, 1], 12)})
    labels = np.arange(24)
    edges = table_of(labels, pairs, has.astype(float)).drop(columns="weight")
    edges.insert(1, "bin", bins["bin"].to_numpy()[edges["sample"].astype(int)])
    edges["sample"] = samples[edges["sample"].astype(int)]
    phenotype = pd.Series(rng.normal(size=12), samples[::2])
    phenotype = (phenotype > 0).astype(float) if binary else phenotype
    phenotype["s5"] = np.nan
    of_bin = phenotype[samples].to_numpy()
    observed = observe(edges, bins, pd.Index(genes), "bin")
    sets = {"all": pd.Index(genes), "some": pd.Index(genes[:3]), "none": pd.Index([])}
    over = units(samples, pd.Series(dtype=object), phenotype, "bin")
    found = edge_tests.paper(
        observed, sets, COMPLEXES, unadjusted(over, binary), Testing(0, seed=1)
    )
    assert found.components.empty
    assert list(found.components) == list(COMPONENT_COLUMNS)
    table = found.edges
    assert table["gene_set"].value_counts().to_dict() == {"all": 10, "some": 3}
    p = {}
    for row in table.itertuples():
        column = has[:, (pairs == [row.gene1, row.gene2]).all(axis=1)][:, 0]
        known = np.isfinite(of_bin)
        assert (row.n_with, row.n_without) == (column[known].sum(), (~column[known]).sum())
        if column.all():
            assert np.isnan(row.p)
            continue
        expected = (
            stats.mannwhitneyu(column[of_bin == 1].astype(int), column[of_bin == 0].astype(int))
            if binary
            else stats.mannwhitneyu(of_bin[known & column], of_bin[known & ~column])
        )
        assert row.p == pytest.approx(expected.pvalue)
        p[row.gene1, row.gene2] = row.p
    assert len(p) == 9
    q = dict(zip(p, stats.false_discovery_control(list(p.values())), strict=True))
    for row in table.dropna(subset=["p"]).itertuples():
        assert row.q == pytest.approx(q[row.gene1, row.gene2])
    some = table[(table["gene_set"] == "some") & table["p"].notna()]
    np.testing.assert_allclose(some["set_q"], stats.false_discovery_control(some["p"]))
    relation = some.set_index(["gene1", "gene2"])["relation"].to_dict()
    assert relation == {("g0", "g2"): "between", ("g1", "g2"): "between"}
    for _, p in table.groupby("gene_set")["p"]:
        assert p.dropna().is_monotonic_increasing


def pair_weights(pairs, weights, correlation, order=None):
    """The weights of samples s0, s1 and so on, in an order of their own."""
    order = np.arange(len(weights)) if order is None else order
    table = pairs.assign(icc=np.linspace(0, 1, len(pairs)), rms=1.0)
    samples = np.array([f"s{row}" for row in order], dtype=object)
    single = (values[order].astype(np.float32) for values in (weights, correlation))
    return PairWeights(table, samples, *single)


def test_robust_tests_every_candidate_pair_twice(design_of):
    """By the moderated t of the network's weights, and of the correlation of what is selected."""
    rng = np.random.default_rng(13)
    genes, pairs, _ = random_edges(rng, 16, n_genes=7)
    phenotype = rng.normal(size=25)
    donors = [*(f"d{number}" for number in range(24)), "d23"]
    phenotype[24] = phenotype[23]
    weights, correlation = rng.normal(size=(2, 26, 21))
    effect = 3 * np.append(phenotype, 0)[:, None]
    weights[:, :8] += effect
    correlation[:, :3] += effect  # the same direction
    correlation[:, 3:5] -= effect  # the other one
    correlation[:, 20:] += effect  # a change of correlation alone
    # The last sample has no phenotype; samples of the table are in an order of their own.
    design = design_of([*phenotype, np.nan], donors=[*donors, "d25"])
    observed = pair_weights(pairs, weights, correlation, rng.permutation(26))
    sets = {"three": pd.Index(genes[:3]), "none": pd.Index([])}
    off = pd.Series({"g0": "off in cases", "g2": "off in cases", "g3": "off in controls"})
    testing = Testing(300, seed=1)
    found = edge_tests.robust(observed, sets, COMPLEXES, design, testing, off)

    every = found.edges[found.edges["gene_set"] == "all"]
    assert every["p"].is_monotonic_increasing
    every = every.set_index(["gene1", "gene2"]).loc[pd.MultiIndex.from_frame(pairs)]
    by_donor = [
        design.units.average(values.astype(np.float32)) for values in (weights, correlation)
    ]
    network, plain = (moderated_t(values, design) for values in by_donor)
    for column in ("statistic", "estimate", "t", "p", "n"):
        np.testing.assert_allclose(every[column], network[column], rtol=1e-4)
    np.testing.assert_allclose(every["q"], stats.false_discovery_control(every["p"]))
    np.testing.assert_allclose(every["set_q"], every["q"])
    for column in ("statistic", "estimate", "p"):
        np.testing.assert_allclose(every[f"correlation_{column}"], plain[column], rtol=1e-4)
    selected = (every["q"] <= 0.05).to_numpy()
    assert selected[:8].all()
    half = every["correlation_p"] / 2
    same = every["statistic"] * every["correlation_statistic"] > 0
    q = stats.false_discovery_control(half.where(same, 1 - half)[selected])
    np.testing.assert_allclose(every["correlation_q"][selected], q)
    assert every["correlation_q"][~selected].isna().all()
    assert every["agrees"].to_numpy().nonzero()[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(every["icc"], np.linspace(0, 1, 21))
    assert every.loc[("g0", "g1"), "switched"] == "off in cases"
    assert every.loc[("g1", "g2"), "switched"] == "off in cases"
    assert every.loc[("g0", "g2"), "switched"] == "off in cases"
    assert every.loc[("g2", "g3"), "switched"] == "off in cases;off in controls"
    assert every.loc[("g4", "g5"), "switched"] == ""

    three = found.edges[found.edges["gene_set"] == "three"].set_index(["gene1", "gene2"])
    same = [column for column in every if column not in ("gene_set", "set_q")]
    pd.testing.assert_frame_equal(three[same], every.loc[three.index, same])
    np.testing.assert_allclose(three["set_q"], stats.false_discovery_control(three["p"]))
    assert three["relation"].to_dict() == {
        ("g0", "g1"): "within",
        ("g0", "g2"): "between",
        ("g1", "g2"): "between",
    }
    assert set(found.edges["gene_set"]) == {"all", "three"}

    parts = associated_components(pairs, by_donor[0], design, Testing(300, seed=1))
    both = [
        table.set_index(["sign", "genes"]).drop(columns="component")
        for table in (found.components, parts)
    ]
    pd.testing.assert_frame_equal(both[0], both[1].loc[both[0].index], rtol=1e-4)
    assert found.components.loc[0, "n_edges"] >= 8


def test_without_gene_sets_there_are_all_pairs(design_of):
    rng = np.random.default_rng(14)
    _, pairs, _ = random_edges(rng, 10)
    observed = pair_weights(pairs, *rng.normal(size=(2, 10, 28)))
    # A gene set of that name would be taken for the candidate pairs.
    for sets in ({}, {"all": ["g0", "g1"]}):
        found = edge_tests.robust(
            observed, sets, COMPLEXES, design_of(range(10)), Testing(99, seed=1)
        )
        assert found.edges["gene_set"].tolist() == ["all"] * 28
        assert (found.edges["switched"] == "").all()


def test_without_candidate_pairs_or_a_test_there_is_nothing(design_of):
    rng = np.random.default_rng(15)
    _, pairs, _ = random_edges(rng, 6)
    testing = Testing(99, seed=1)
    none = pair_weights(pairs[:0], *np.zeros((2, 6, 0)))
    found = edge_tests.robust(none, {}, COMPLEXES, design_of(range(6)), testing)
    assert found.edges.empty
    assert {"gene_set", "relation", "p", "q", "agrees", "set_q"} <= set(found.edges)
    observed = pair_weights(pairs, *rng.normal(size=(2, 6, 28)))
    for design in (design_of([1] * 6, True), design_of([np.nan] * 6)):
        found = edge_tests.robust(observed, {}, COMPLEXES, design, testing)
        assert found.edges[["p", "q", "correlation_q"]].isna().all(axis=None)
        assert not found.edges["agrees"].any()
        assert found.components.empty


def test_agreement():
    of_network = pd.DataFrame({"statistic": [0.9, -0.9, 0.8, 0.2], "q": [0.01, 0.01, 0.02, 0.5]})
    of_correlation = pd.DataFrame(
        {"estimate": 1.0, "statistic": [0.5, 0.5, 0.1, 0.9], "p": [0.01, 0.001, 0.6, 1e-9]}
    )
    found = agreement(of_network, of_correlation, 0.05)
    assert found["agrees"].tolist() == [True, False, False, False]
    # One-sided, in the direction of the network: .005, 1 - .0005 and .3.
    np.testing.assert_allclose(found["correlation_q"], [0.015, 0.9995, 0.45, np.nan])


def test_no_edge_is_found_where_nothing_is(design_of):
    """Of 40 null cohorts of unequal groups, at most 6 have a hit at 0.05 (P = 0.003)."""
    rng = np.random.default_rng(11)
    hits = np.zeros(4)
    for seed in range(40):
        _, pairs, _ = random_edges(rng, 14, n_genes=10)
        loadings = rng.normal(size=(14, 10, 3))
        gene1, gene2 = np.triu_indices(10, 1)
        weights = (loadings[:, gene1] * loadings[:, gene2]).sum(2)
        observed = pair_weights(pairs, weights, weights + rng.normal(size=weights.shape))
        design = design_of(np.arange(14) < 4, True)
        found = edge_tests.robust(observed, {}, COMPLEXES, design, Testing(99, seed))
        hits += [
            found.edges["q"].min() <= 0.05,
            found.edges["agrees"].any(),
            found.components["p_family"].min() <= 0.05,
            found.components["intensity_p_family"].min() <= 0.05,
        ]
    assert (hits <= 6).all()


def test_pairs_have_the_mixed_model_of_the_design():
    """Six pairs of samples and four single donors: nobody is left out."""
    rng = np.random.default_rng(14)
    _, pairs, _ = random_edges(rng, 16, n_genes=12)
    case = np.array([*np.tile([0.0, 1.0], 6), 0.0, 1.0, 0.0, 1.0])
    donor = [*np.repeat([f"d{number}" for number in range(6)], 2), *"wxyz"]
    index = [f"s{number}" for number in range(16)]
    samples = pd.DataFrame({"donor": donor, "batch": "", "case": case}, index)
    about = np.repeat(index, 2), samples, samples["case"], True
    mixed = make_mixed_design(*about)
    design = replace(make_design(*about), mixed=mixed)
    weights = (
        rng.normal(size=(16, len(pairs)))
        + rng.normal(size=(16, len(pairs)))[pd.factorize(np.array(donor, object))[0]]
    )
    correlation = weights + 0.1 * rng.normal(size=weights.shape)
    for values in (weights, correlation):
        values[:, :10] += 4 * case[:, None]
    testing = Testing(200, seed=1, chance={})
    observed = pair_weights(pairs, weights, correlation, rng.permutation(16))
    found = edge_tests.robust(observed, {}, COMPLEXES, design, testing)
    every = found.edges.set_index(["gene1", "gene2"]).loc[pd.MultiIndex.from_frame(pairs)]
    expected = mixed_t(mixed.units.average(np.repeat(weights, 2, axis=0)), mixed.model)
    for column in ("estimate", "low", "high", "statistic", "t", "p", "n"):
        np.testing.assert_allclose(every[column], expected[column], rtol=1e-3, atol=1e-5)
    assert (every["n"] == 16).all()
    assert every["agrees"].to_numpy()[:10].all()
    assert every["agrees"].sum() <= 12
    for analysis in ("edges", "model_edges"):
        assert len(testing.by_chance(analysis)) == 20
        assert testing.by_chance(analysis)["significant"].mean() < 2
