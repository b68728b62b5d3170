"""Edges, connectivity and consensus networks against counting by hand and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from popnet import edges as edge_tests
from popnet.association import units
from popnet.edges import (
    annotate_complexes,
    connectivity,
    consensus,
    degree_change,
    edge_matrix,
    split_halves,
)
from scipy import stats

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
    found = edge_tests.test_edges(weights, phenotype, binary=False)
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
    found = edge_tests.test_edges(weights, phenotype, binary=True)
    assert found["statistic"].idxmax() == 0
    for column, row in found.iterrows():
        expected = stats.mannwhitneyu(weights[:12, column], weights[12:, column])
        assert row["p"] == pytest.approx(expected.pvalue)


def test_window_of_prevalence():
    weights = np.zeros((20, 4))
    weights[:2, 1] = weights[:18, 2] = weights[:19, 3] = 1
    phenotype = np.arange(20.0)
    assert list(edge_tests.test_edges(weights, phenotype, False).index) == [1, 2]
    every = edge_tests.test_edges(weights, phenotype, False, min_share=0, max_share=1)
    assert every["p"].isna().tolist() == [True, False, False, False]
    assert edge_tests.test_edges(weights[:, :1], phenotype, False).empty
    assert edge_tests.test_edges(weights[:, :1], (phenotype > 9).astype(float), True).empty


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


def test_connectivity(edges):
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
    found = edge_tests.test_connectivity(table, over, binary)
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
    found = degree_change(consensus(edges, groups), edges, genes, groups, donors)
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
    found = degree_change(consensus(edges, groups), edges, genes, groups, donors)
    assert (found.loc[0, "n_case"], found.loc[0, "n_control"]) == (4, 4)
    found = degree_change(consensus(edges, groups), edges, genes, groups, donors, unit="bin")
    assert (found.loc[0, "n_case"], found.loc[0, "n_control"]) == (5, 5)


def test_connectivity_without_a_set_in_the_graph():
    none = edge_tests.connectivity(
        pd.DataFrame({"sample": [], "gene1": [], "gene2": [], "weight": []}), {}, ["a"], ["s"]
    )
    over = units(["s"], pd.Series({"s": "s"}), pd.Series({"s": 1.0}), "donor")
    assert edge_tests.test_connectivity(none, over, False).empty
