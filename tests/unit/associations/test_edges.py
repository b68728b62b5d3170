"""Edges, connectivity and consensus networks against counting by hand and scipy."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from popnet.associations import connectivity as connectivity_tests
from popnet.associations import consensus as consensus_tests
from popnet.associations import edges as edge_tests
from popnet.associations.edges import (
    COMPONENT_COLUMNS,
    COMPONENT_PERMUTATIONS,
    annotate_complexes,
    associated_components,
    edges_in_window,
)
from popnet.networks.connectivity import connectivity
from popnet.networks.consensus import consensus, split_halves
from popnet.networks.edges import edge_matrix, match_density
from popnet.stats.designs import make_design
from popnet.stats.permutation import permutation_test
from popnet.stats.units import units

COMPLEXES = pd.Series({"MT-ND1": "I", "MT-ND2": "I", "MT-CYB": "III"})


@pytest.fixture(params=["text", "category"])
def edges(request) -> pd.DataFrame:
    """Edges with genes as text, or as the categories that a parquet file gives back."""
    rows = [
        ("a|1", "MT-ND1", "MT-ND2", 1.0),
        ("a|1", "MT-ND1", "MT-CYB", 0.5),
        ("a|1", "MT-ND2", "X", 0.25),
        ("007", "MT-ND1", "MT-CYB", 1.0),
        ("007", "X", "Y", 1.0),
        ("elsewhere", "MT-ND1", "Y", 1.0),
    ]
    table = pd.DataFrame(rows, columns=["sample", "gene1", "gene2", "weight"])
    kind = {"text": object, "category": "category"}[request.param]
    return table.astype({"gene1": kind, "gene2": kind})


def test_edge_matrix(edges):
    pairs, weights = edge_matrix(edges, ["007", "a|1", "empty"])
    assert list(pairs.itertuples(index=False, name=None)) == [
        ("MT-ND1", "MT-ND2"),
        ("MT-ND1", "MT-CYB"),
        ("MT-ND2", "X"),
        ("X", "Y"),
    ]
    np.testing.assert_array_equal(weights, [[0, 1, 0, 1], [1, 0.5, 0.25, 0], [0, 0, 0, 0]])


def test_edge_matrix_of_a_set(edges):
    mt = list(COMPLEXES.index)
    pairs, weights = edge_matrix(edges, ["007", "a|1"], genes=mt)
    assert pairs["gene2"].tolist() == ["MT-ND2", "MT-CYB"]
    assert weights.shape == (2, 2)
    assert len(edge_matrix(edges, ["007", "a|1"], genes=mt, ends="any")[0]) == 3
    pairs, weights = edge_matrix(edges, ["007"], genes=["Z"])
    assert list(pairs.columns) == ["gene1", "gene2"]
    assert weights.shape == (1, 0)


def test_edges_against_a_continuous_phenotype():
    rng = np.random.default_rng(0)
    phenotype = rng.normal(size=30)
    weights = rng.choice([0, 0.25, 0.5, 1], size=(30, 40)).astype(np.float32)
    weights[:, :5] = 0
    weights[:, 5:9] = 1
    found = edge_tests.paper(weights, phenotype, binary=False)
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
    found = edge_tests.paper(weights, phenotype, binary=True)
    assert found["statistic"].idxmax() == 0
    for column, row in found.iterrows():
        expected = stats.mannwhitneyu(weights[:12, column], weights[12:, column])
        assert row["p"] == pytest.approx(expected.pvalue)


def test_window_of_prevalence():
    weights = np.zeros((20, 4))
    weights[:2, 1] = weights[:18, 2] = weights[:19, 3] = 1
    phenotype = np.arange(20.0)
    assert list(edge_tests.paper(weights, phenotype, False).index) == [1, 2]
    every = edge_tests.paper(weights, phenotype, False, min_share=0, max_share=1)
    assert every["p"].isna().tolist() == [True, False, False, False]
    assert edge_tests.paper(weights[:, :1], phenotype, False).empty
    assert edge_tests.paper(weights[:, :1], (phenotype > 9).astype(float), True).empty


def test_annotate_complexes(edges):
    found = annotate_complexes(edges, COMPLEXES)
    assert found["relation"].tolist() == ["within", "between", "", "between", "", ""]
    assert found["complex2"].tolist() == ["I", "III", "", "III", "", ""]
    assert "complex1" not in edges
    pairs, _ = edge_matrix(edges, ["a|1", "007"])
    assert annotate_complexes(pairs, COMPLEXES)["relation"].tolist() == [
        "within",
        "between",
        "",
        "",
    ]
    assert annotate_complexes(pairs[:0], COMPLEXES).empty


def test_connectivity_of_sets(edges):
    sets = {"MT": list(COMPLEXES.index), "X|Y": ["X", "Y", "Q"], "absent": ["Q"]}
    genes = [*COMPLEXES.index, "X", "Y"]
    found = connectivity(edges, sets, genes, ["a|1", "007", "empty"], COMPLEXES)
    found = found.set_index(["gene_set", "sample"])
    assert found.loc[("MT", "a|1")].tolist() == [1.5, 0.25, 1, 0.5]
    assert found.loc[("MT", "007")].tolist() == [1, 0, 0, 1]
    assert found.loc[("MT", "empty")].tolist() == [0, 0, 0, 0]
    assert found.loc[("X|Y", "a|1"), ["within", "to_others"]].tolist() == [0, 0.25]
    assert found.loc["X|Y"][["within_complexes", "between_complexes"]].isna().all(axis=None)
    assert "absent" not in found.index
    with pytest.raises(ValueError, match="genes"):
        connectivity(edges, sets, ["X"], ["a|1"])


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
    over = units(samples[::-1], donors, pd.Series(phenotype, samples), "donor")
    found = connectivity_tests.paper(table, over, binary)
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


def test_split_halves():
    groups = split_halves(pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": np.nan, "e": 9.0}))
    assert groups.to_dict() == {"a": "control", "b": "control", "c": "case", "e": "case"}
    mostly_zero = split_halves(pd.Series([0.0, 0, 0, 1, 2]))
    assert mostly_zero.tolist() == ["control"] * 3 + ["case"] * 2
    mostly_one = split_halves(pd.Series([0.0, 1, 1, 1]))
    assert mostly_one.tolist() == ["control"] + ["case"] * 3


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


@pytest.mark.parametrize("kind", [object, "category"])
def test_consensus_networks(kind):
    edges, groups = study()
    edges = edges.astype({"gene1": kind, "gene2": kind})
    found = consensus(edges, groups).set_index(["gene1", "gene2"])
    assert len(found) == 12
    assert ("g0", "g1") not in found.index  # too weak in every sample
    assert found.loc[("UBB", "g1")].tolist() == [1, 1, True, True]
    assert found.loc[("UBB", "g7")].tolist() == [0, 1, False, True]
    assert found.loc[("g2", "g3")].tolist() == [0, 0.2, False, True]
    assert len(consensus(edges, groups, min_share=0.21)) == 10
    assert consensus(edges[:0], groups).empty


@pytest.mark.parametrize("kind", [object, "category"])
def test_change_of_degree(kind):
    edges, groups = study()
    edges = edges.astype({"gene1": kind, "gene2": kind})
    genes = ["UBB", *(f"g{i}" for i in range(10)), "alone"]
    donors = pd.Series(groups.index, groups.index)
    found = consensus_tests.paper(consensus(edges, groups), edges, genes, groups, donors)
    top = found.iloc[0]
    assert top["gene"] == "UBB"
    assert (top["case_degree"], top["control_degree"], top["change"]) == (3, 10, -7)
    assert (top["case_mean_degree"], top["control_mean_degree"]) == (3, 10)
    assert (top["n_case"], top["n_control"], top["statistic"]) == (5, 5, -1)
    assert top["p"] == pytest.approx(stats.mannwhitneyu([3] * 5, [10] * 5).pvalue)
    alone = found.set_index("gene").loc["alone"]
    assert alone["change"] == 0
    assert np.isnan(alone["p"])


def test_change_of_degree_counts_a_donor_once():
    edges, groups = study()
    donors = pd.Series(groups.index, groups.index).replace({"s3": "s1", "s2": "s0"})
    genes = ["UBB", *(f"g{i}" for i in range(10))]
    found = consensus_tests.paper(consensus(edges, groups), edges, genes, groups, donors)
    assert (found.loc[0, "n_case"], found.loc[0, "n_control"]) == (4, 4)
    found = consensus_tests.paper(
        consensus(edges, groups), edges, genes, groups, donors, unit="bin"
    )
    assert (found.loc[0, "n_case"], found.loc[0, "n_control"]) == (5, 5)


def test_connectivity_without_a_set_in_the_graph():
    none = connectivity(
        pd.DataFrame({"sample": [], "gene1": [], "gene2": [], "weight": []}), {}, ["a"], ["s"]
    )
    over = units(["s"], pd.Series({"s": "s"}), pd.Series({"s": 1.0}), "donor")
    assert connectivity_tests.paper(none, over, False).empty


def design_of(phenotype, binary, donors=None, covariates=(), **columns):
    """The design of samples s0, s1, ..., one donor each."""
    samples = [f"s{number}" for number in range(len(phenotype))]
    sheet = pd.DataFrame({"donor": donors or samples, "batch": "", **columns}, index=samples)
    values = pd.Series(np.asarray(phenotype, float), samples)
    return make_design(samples, sheet, values, binary, covariates)


def random_edges(rng, n, n_genes=8, share=0.6):
    """All pairs of genes, and weights of four bins, (n, n_pairs)."""
    genes = [f"g{number}" for number in range(n_genes)]
    pairs = pd.DataFrame(list(combinations(genes, 2)), columns=["gene1", "gene2"])
    return genes, pairs, rng.binomial(4, rng.uniform(0, share, len(pairs)), (n, len(pairs))) / 4


def test_density_is_matched_by_sample(edges):
    found = match_density(edges)
    total = found.groupby("sample")["weight"].sum()
    np.testing.assert_allclose(total, [(1.75 + 2 + 1) / 3] * 3)
    ratio = (found["weight"] / edges["weight"]).groupby(edges["sample"])
    np.testing.assert_allclose(ratio.min(), ratio.max())
    assert match_density(edges[:0]).empty


def test_edges_of_the_window_are_by_observation():
    weights = np.zeros((10, 4), np.float32)
    weights[:8, 0] = 1  # in all donors but one
    weights[0, 1] = weights[1, 1] = 1  # in one donor
    weights[0, 2] = weights[2, 2] = 1  # in half of the samples of two
    weights[:, 3] = 1
    donors = list("aabbccddee")
    design = design_of(np.repeat([0, 1, 2, 3, 4], 2), False, donors)
    columns, values = edges_in_window(sparse.csr_array(weights), design, 0.2, 0.8)
    assert columns.tolist() == [0, 1, 2]
    assert values[:, 2].tolist() == [0.5, 0.5, 0, 0, 0]
    columns, values = edges_in_window(sparse.csr_array(weights), design, 0.5, 0.9)
    assert columns.tolist() == [0]
    assert values.shape == (5, 1)


def test_edges_by_all_arrangements():
    rng = np.random.default_rng(4)
    weights = rng.choice([0, 0.25, 0.5, 1], (9, 8))
    case = np.arange(9) < 4
    found = edge_tests.robust(weights, design_of(case, True), 1000, 1)
    ranks = stats.zscore(stats.rankdata(weights, axis=0))
    groups = [np.isin(np.arange(9), chosen) for chosen in combinations(range(9), 4)]
    size = np.abs([ranks[group].sum(0) for group in groups])
    observed = np.abs(ranks[case].sum(0)) - 1e-9
    np.testing.assert_allclose(found["p"], (size >= observed).mean(0))
    np.testing.assert_allclose(found["p_family"], (size.max(1)[:, None] >= observed).mean(0))
    for column, row in found.iterrows():
        values = weights[:, column]
        u = stats.mannwhitneyu(values[case], values[~case]).statistic
        assert row["statistic"] == pytest.approx(2 * u / 20 - 1)
        assert row["n_with"] == (values >= 0.5).sum()
        assert row["n_with"] + row["n_without"] == 9
    assert set(found["n_permutations"]) == {126}


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
def test_components_by_all_arrangements():
    rng = np.random.default_rng(5)
    _, pairs, weights = random_edges(rng, 10)
    case = np.arange(10) < 5
    weights[:, :4] = np.clip(weights[:, :4] / 2 + case[:, None] / 2, 0, 1)
    pairs, weights = pairs[:20], weights[:, :20]
    found = associated_components(pairs, weights, design_of(case, True), 1000, 1)
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


def test_components_of_opposite_edges_are_apart():
    rng = np.random.default_rng(6)
    phenotype = rng.normal(size=25)
    pairs = pd.DataFrame({"gene1": ["a", "b", "c", "x"], "gene2": ["b", "c", "d", "y"]})
    weights = np.stack([phenotype, phenotype, -phenotype, rng.normal(size=25)], 1)
    design = design_of(phenotype, False, covariates=["age"], age=rng.normal(size=25))
    found = associated_components(pairs, weights, design, 5000, 1)
    assert found[["sign", "genes", "n_edges"]].to_numpy().tolist() == [
        [1, "a;b;c", 2],
        [-1, "c;d", 1],
    ]
    assert found["component"].tolist() == [1, 2]
    assert set(found["n_permutations"]) == {COMPONENT_PERMUTATIONS}
    assert found.loc[0, "p_family"] <= 0.01


def test_components_of_nothing():
    nothing = associated_components(
        pd.DataFrame({"gene1": [], "gene2": []}), np.zeros((6, 0)), design_of(range(6), False), 9, 1
    )
    assert nothing.empty
    constant = design_of([1] * 6, True)
    pairs = pd.DataFrame({"gene1": ["a"], "gene2": ["b"]})
    weights = np.arange(6.0)[:, None]
    assert associated_components(pairs, weights, constant, 9, 1).empty
    flat = np.ones((6, 1))
    assert associated_components(pairs, flat, design_of(range(6), False), 9, 1).empty


@pytest.mark.parametrize("binary", [False, True])
def test_connectivity_by_permutation(binary):
    rng = np.random.default_rng(7)
    samples = [f"s{number}" for number in range(20)]
    table = pd.DataFrame({"sample": samples * 2, "gene_set": np.repeat(["MT", "A"], 20)})
    table["within"] = rng.poisson(5, 40)
    table["to_others"] = rng.poisson(5, 40)
    table[["within_complexes", "between_complexes"]] = np.nan
    phenotype = np.tile([0.0, 1.0], 10) if binary else rng.normal(size=20)
    design = design_of(phenotype, binary)
    found = connectivity_tests.robust(table, design, 300, 1)
    before = connectivity_tests.paper(table, design.units, binary)
    assert list(found.columns) == [*before.columns, "p_family", "n_permutations"]
    same = ["gene_set", "kind", "statistic", "n", "mean", "mean_case", "mean_control"]
    pd.testing.assert_frame_equal(found[same], before[same], check_dtype=False)
    kinds = ["to_others", "within"]
    counts = table.loc[table["gene_set"] == "A", kinds].to_numpy(float)
    alone = permutation_test(counts, design, 300, 1).table
    of_set = found[found["gene_set"] == "A"].set_index("kind").loc[kinds]
    np.testing.assert_allclose(of_set["p"], alone["p"])
    assert connectivity_tests.robust(table[:0], design, 300, 1).empty


def plain_change(pairs, values, genes, case):
    change = dict.fromkeys(genes, 0)
    for number, pair in enumerate(pairs.itertuples(index=False)):
        for gene in pair:
            change[gene] += int(values[case, number].mean() >= 0.2 - 1e-9)
            change[gene] -= int(values[~case, number].mean() >= 0.2 - 1e-9)
    return np.array(list(change.values()))


@pytest.mark.parametrize("binary", [False, True])
def test_change_of_degree_by_all_arrangements(binary):
    rng = np.random.default_rng(8)
    genes, pairs, weights = random_edges(rng, 9)
    genes = [*genes, "alone"]
    # Two samples of the last donor count once.
    both = np.vstack([weights, weights[-1]])
    both[-1, 0], both[-2, 0] = 1, 0
    weights[-1, 0] = 0.5
    donors = [*(f"d{number}" for number in range(8)), "d8", "d8"]
    phenotype = np.append(np.repeat([1, 0], [4, 5]), 0)
    if not binary:
        phenotype = np.array([6, 7, 8, 9, 1, 2, 3, 4, 5, 5])
    design = design_of(phenotype, binary, donors)
    sample_weights = sparse.csr_array(both.astype(np.float32))
    # All ways of nine values are too many; their halves are those of cases and controls.
    n = 1000 if binary else 3000
    networks, change = consensus_tests.robust(pairs, sample_weights, genes, design, n, 1)

    case = np.arange(9) < 4
    plain = weights[case].mean(0), weights[~case].mean(0)
    kept = (np.maximum(*plain) >= 0.2 - 1e-9).nonzero()[0]
    for name, share in zip(("case", "control"), plain, strict=True):
        np.testing.assert_allclose(networks[f"{name}_share"], share[kept], atol=1e-6)
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
    np.testing.assert_allclose(found["change_p"][:-1], p[:-1], atol=tolerance)
    np.testing.assert_allclose(found["change_p_family"][:-1], family[:-1], atol=tolerance)
    assert np.isnan(found.loc["alone", "change_p"])
    assert change["change"].abs().is_monotonic_decreasing
    assert (found[["n_case", "n_control"]] == [4, 5]).all(axis=None)
    assert set(found["n_permutations"]) == {126 if binary else 3000}

    degree = np.stack([weights[:, (pairs == gene).any(axis=1)].sum(1) for gene in genes], 1)
    np.testing.assert_allclose(found["case_mean_degree"], degree[case].mean(0), rtol=1e-5)
    tested = permutation_test(degree[:, :-1], design, n, 1).table
    np.testing.assert_allclose(found["statistic"][:-1], tested["statistic"])


def test_consensus_is_adjusted_for_covariates():
    rng = np.random.default_rng(9)
    depth = rng.normal(size=40)
    case = depth + rng.normal(0, 0.7, 40) > 0
    pairs = pd.DataFrame({"gene1": ["a"], "gene2": ["b"]})
    weights = sparse.csr_array(np.clip(0.3 + 0.2 * depth, 0, 1).astype(np.float32)[:, None])
    plain, _ = consensus_tests.robust(pairs, weights, ["a", "b"], design_of(case, True), 99, 1)
    adjusted, _ = consensus_tests.robust(
        pairs, weights, ["a", "b"], design_of(case, True, covariates=["depth"], depth=depth), 99, 1
    )
    difference = [(table["case_share"] - table["control_share"])[0] for table in (plain, adjusted)]
    assert difference[0] > 0.15
    assert abs(difference[1]) < 0.05


def test_consensus_of_what_cannot_be_tested():
    rng = np.random.default_rng(10)
    genes, pairs, weights = random_edges(rng, 6)
    weights = sparse.csr_array(weights.astype(np.float32))
    for design in (design_of([1] * 6, True), design_of([np.nan] * 6, False)):
        networks, change = consensus_tests.robust(pairs, weights, genes, design, 99, 1)
        assert change[["p", "change_p"]].isna().all(axis=None)
        assert len(change) == len(genes)
        assert set(networks) == {
            *("gene1", "gene2", "case_share", "control_share", "in_case", "in_control")
        }


def test_nothing_is_found_where_nothing_is():
    """Of 40 null cohorts of unequal groups, at most 6 have a family-wise p <= 0.05 (P = 0.003)."""
    rng = np.random.default_rng(11)
    hits = np.zeros(4)
    for seed in range(40):
        genes, pairs, weights = random_edges(rng, 14, n_genes=10)
        design = design_of(np.arange(14) < 4, True)
        _, change = consensus_tests.robust(
            pairs, sparse.csr_array(weights.astype(np.float32)), genes, design, 99, seed
        )
        columns, values = edges_in_window(sparse.csr_array(weights), design, 0.1, 0.9)
        edges = edge_tests.robust(values, design, 99, seed)
        parts = associated_components(pairs.iloc[columns], values, design, 99, seed)
        hits += [
            change["change_p_family"].min() <= 0.05,
            edges["p_family"].min() <= 0.05,
            parts["p_family"].min() <= 0.05,
            parts["intensity_p_family"].min() <= 0.05,
        ]
    assert (hits <= 6).all()
