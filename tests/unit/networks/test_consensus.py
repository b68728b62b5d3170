"""Consensus networks and the halves of a phenotype, against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.networks.consensus import consensus, split_halves


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
