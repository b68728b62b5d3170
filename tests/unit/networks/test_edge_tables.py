"""Tables of edges and what is counted of them, against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.networks.connectivity import connectivity
from popnet.networks.edges import annotate_complexes, edge_matrix, match_density

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


def test_density_is_matched_by_sample(edges):
    found = match_density(edges)
    total = found.groupby("sample")["weight"].sum()
    np.testing.assert_allclose(total, [(1.75 + 2 + 1) / 3] * 3)
    ratio = (found["weight"] / edges["weight"]).groupby(edges["sample"])
    np.testing.assert_allclose(ratio.min(), ratio.max())
    assert match_density(edges[:0]).empty
