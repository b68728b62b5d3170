"""Genes within called groups: Benjamini and Bogomolov's rule, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations.genes_in_groups import COLUMNS, robust


def table_of(p):
    genes = [f"G{one}" for one in range(len(p))]
    return pd.DataFrame({"gene": genes, "estimate": 1.0, "t": 2.0, "p": p, "q": 1.0})


def test_genes_are_held_to_the_share_of_called_groups():
    p = [0.001, 0.02, 0.04, 0.9, 0.5, np.nan, 0.001]
    sets = {"A": ["G0", "G1", "G2", "G3"], "B": ["G4", "G5"], "C": ["G6", "not tested"]}
    of_sets = pd.Series({"A": 0.01, "B": 0.8, "C": 0.03})
    found = robust(table_of(p), {"gene set": of_sets}, {"gene set": sets}, 0.05)
    assert list(found) == list(COLUMNS)
    # Two of three sets are called, A and C: q 0.03 and 0.045.
    assert found["group"].tolist() == ["A"] * 4 + ["C"]
    assert found["group_q"].tolist() == pytest.approx([0.03] * 4 + [0.045])
    expected = np.array([0.004, 0.04, 4 * 0.04 / 3, 0.9, 0.001]) * 3 / 2
    assert found["q_within"].to_numpy() == pytest.approx(np.minimum(expected, 1))
    assert found["n_genes"].tolist() == [4] * 4 + [1]


def test_nothing_called_has_no_genes():
    sets = {"A": ["G0"]}
    for p in (0.8, np.nan):
        of_sets = {"gene set": pd.Series({"A": p})}
        assert robust(table_of([0.01]), of_sets, {"gene set": sets}, 0.05).empty
    assert robust(table_of([0.01]), {}, {}, 0.05).empty


def test_the_mean_false_discovery_rate_of_called_groups():
    """Of 40 sets of 20 genes 10 have 8 with an effect; a set's p is of the mean of its z."""
    rng, errors, power = np.random.default_rng(0), [], []
    names = [f"S{one}" for one in range(40)]
    sets = {name: [f"G{20 * one + gene}" for gene in range(20)] for one, name in enumerate(names)}
    moves = (np.arange(40)[:, None] < 10) & (np.arange(20) < 8)
    for _ in range(100):
        z = rng.normal(size=(40, 20)) + 2.5 * moves
        of_sets = pd.Series(2 * stats.norm.sf(np.abs(z.sum(1)) / np.sqrt(20)), names)
        genes = table_of(2 * stats.norm.sf(np.abs(z.ravel())))
        found = robust(genes, {"gene set": of_sets}, {"gene set": sets}, 0.05)
        called = found[found["q_within"] <= 0.05]
        false = ~moves.ravel()[called["gene"].str[1:].astype(int)]
        of_group = pd.Series(false, called["group"].to_numpy()).groupby(level=0).mean()
        errors.append(of_group.reindex(found["group"].unique()).fillna(0).mean())
        power.append((~false).sum() / 80)
    assert np.mean(errors) < 0.05 + 3.1 * np.std(errors) / 10
    assert np.mean(power) > 0.2
