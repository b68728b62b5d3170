"""Shares of cell states against a phenotype, and hits that they explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import ttest_ind
from statsmodels.regression.linear_model import OLS

from popnet.associations import edges, genes, graph_centrality, sets
from popnet.associations.composition import (
    Composition,
    given_composition,
    joined,
    read_composition,
    robust,
)
from popnet.associations.testing import Testing
from popnet.files import write_table
from popnet.networks.pairs import PairWeights
from popnet.stats.designs import make_design
from popnet.stats.mixed_designs import make_mixed_design

N = 24
SAMPLES = [f"s{number}" for number in range(N)]
CASE = np.repeat([0.0, 1.0], N // 2)


@pytest.fixture(scope="module")
def design():
    sheet = pd.DataFrame({"donor": SAMPLES, "batch": ""}, index=SAMPLES)
    about = SAMPLES, sheet, pd.Series(CASE, SAMPLES), True
    return replace(make_design(*about), mixed=make_mixed_design(*about))


def composition(shift, seed=0):
    """Return the composition of three states, the first less frequent in cases."""
    rng = np.random.default_rng(seed)
    logs = np.column_stack([0.4 * rng.normal(size=(N, 2)), np.zeros(N)])
    logs[:, 0] -= shift * CASE
    shares = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    counts = np.array([rng.multinomial(400, row) for row in shares])
    return Composition(pd.DataFrame(counts, SAMPLES), ["A", "B", "C"])


def test_shares_are_tested_as_log_odds(design):
    shifted = composition(1.5)
    found = robust(shifted, design, Testing(200, 1))
    counts = shifted.counts.to_numpy()
    odds = logit((counts + 0.5) / (counts.sum(1, keepdims=True) + 1))
    first = found.iloc[0]
    assert (first["state"], first["name"]) == (1, "A")
    assert first["q"] < 0.01
    own = odds[:, 0]
    expected = own[CASE == 1].mean() - own[CASE == 0].mean()
    assert first["estimate"] == pytest.approx(expected)
    # Moderated by three states, and with a variance of cases of their own.
    assert first["t"] == pytest.approx(ttest_ind(own[CASE == 1], own[CASE == 0])[0], rel=0.4)
    share = counts[:, 0] / counts.sum(1)
    assert first["mean_case"] == pytest.approx(share[CASE == 1].mean())
    assert first["mean_control"] == pytest.approx(share[CASE == 0].mean())
    assert found["p_permutation"].between(0, 1).all()


def test_nothing_is_called_where_shares_do_not_differ(design):
    p = np.array(
        [robust(composition(0, seed), design, Testing(9, 1))["p"].min() for seed in range(40)]
    )
    # Of three states, the smallest p of 40 cohorts.
    assert (p <= 0.05 / 3).mean() <= 0.2
    testing = Testing(9, 1, chance={})
    robust(composition(0), design, testing)
    assert len(testing.by_chance("composition")) == 20


def test_one_state_leaves_nothing_to_test(design):
    alone = Composition(pd.DataFrame({"state1": 9}, SAMPLES), ["all cells"])
    assert robust(alone, design, Testing(9, 1)).empty
    p, explained = given_composition(np.ones(2, bool), np.zeros((N, 2)), alone, design, {})
    assert np.isnan(p).all()
    assert not explained.any()


def mixed_values(shares, rng):
    """Return a value that follows the log odds of a state, and one that follows the phenotype."""
    odds = shares.log_odds(np.array(SAMPLES))[:, 0]
    noise = 0.2 * rng.normal(size=(N, 2))
    return np.column_stack([odds, 2 * CASE]) + noise


def test_a_hit_that_follows_the_shares_is_explained_by_them(design):
    shares, rng = composition(1.5), np.random.default_rng(1)
    values, hits = mixed_values(shares, rng), np.array([True, True])
    ratios = {"cases": 1.0}
    p, explained = given_composition(hits, values, shares, design, ratios)
    assert explained.tolist() == [True, False]
    odds = shares.log_odds(np.array(SAMPLES))
    tested = robust(shares, design, Testing(9, 1))
    # One control for ten observations: the two states of smallest p, if both are associated.
    chosen = [row["state"] - 1 for _, row in tested.head(2).iterrows() if row["p"] <= 0.05]
    for column in range(2):
        x = np.column_stack([np.ones(N), odds[:, chosen], CASE])
        assert p[column] == pytest.approx(OLS(values[:, column], x).fit().pvalues[-1], rel=1e-6)
    p, explained = given_composition(~hits, values, shares, design, ratios)
    assert np.isnan(p).all()
    assert not explained.any()


def test_shares_that_are_not_associated_explain_nothing(design):
    shares, rng = composition(0, seed=3), np.random.default_rng(1)
    assert robust(shares, design, Testing(9, 1))["p"].min() > 0.05
    values = mixed_values(shares, rng)
    p, explained = given_composition(np.ones(2, bool), values, shares, design, {"cases": 1.0})
    assert np.isnan(p).all()
    assert not explained.any()


def test_composition_joins_other_explanations():
    before = ["", "none", "mean expression", "expression switched on or off", "expression unknown"]
    found = joined(np.array(before, object), np.array([False, True, True, True, True]))
    assert found.tolist() == [
        "",
        "composition",
        "mean expression;composition",
        "expression switched on or off",
        "composition",
    ]


def test_every_question_says_it(design):
    """The first genes follow the shares; others are noise."""
    shares, rng = composition(2), np.random.default_rng(2)
    odds = shares.log_odds(np.array(SAMPLES))[:, [0]]
    values = rng.normal(size=(N, 30))
    values[:, :6] = odds + 0.4 * values[:, :6]
    names, testing = pd.Index([f"g{n}" for n in range(30)]), Testing(999, 1)
    steady = 5 + 0.1 * rng.normal(size=(N, 30))
    known = {"mean_expression": steady, "detection_rate": np.ones((N, 30))}
    icc = pd.Series(1.0, names)
    bins = genes.BinValues(values, *known.values(), np.zeros(N), names, icc)
    table = genes.robust(bins, design, testing, shares).table
    assert (table.loc[table["q"] <= 0.05, "explained_by"] == "composition").sum() >= 4
    layers = {"strength": 20 + values} | known
    table = graph_centrality.robust(layers, names, design, testing, shares)
    assert (table.loc[table["q_all"] <= 0.05, "explained_by"] == "composition").sum() >= 4
    of_set = {"moved": list(names[:6]), "steady": list(names[10:16])}
    # Six genes that are one leave the enrichment little to find.
    found = Testing(99, 1, fdr=0.5)
    table = sets.robust(values, names, of_set, design, found, steady, shares)
    row = table.set_index("gene_set").loc["moved"]
    assert row["explained_by"] == "composition"
    assert row["given_composition_p"] > 0.05
    pairs = pd.DataFrame({"gene1": names[:-1], "gene2": names[1:], "icc": np.nan})
    weights = values[:, 1:].astype(np.float32)
    observed = PairWeights(pairs, np.array(SAMPLES), weights, weights)
    nowhere = pd.Series(dtype=object)
    about = observed, {}, nowhere, design, testing
    table = edges.robust(*about, composition=shares).edges
    assert (table.loc[table["agrees"], "explained_by"] == "composition").sum() >= 4
    assert table.loc[~table["agrees"], "given_composition_p"].isna().all()
    without = edges.robust(*about).edges
    assert list(without) == list(table)
    assert without["given_composition_p"].isna().all()


def test_tables_are_read_and_samples_that_are_not_known_are_missing(tmp_path):
    by_bin = pd.DataFrame(
        {"sample": ["1", "1", "02"], "bin": [1, 2, 1], "state1": [3, 4, 5], "state2": [1, 1, 0]}
    )
    states = pd.DataFrame({"state": [1, 1, 2], "name": ["A/B", "A/B", "NA"], "gene": list("xyz")})
    for name, table in (("composition", by_bin), ("states", states)):
        write_table(table, tmp_path / name)
    (found,) = read_composition([tmp_path / "composition", tmp_path / "states"])
    assert found.names == ["A/B", "NA"]
    odds = found.log_odds(np.array(["02", "1", "none"]))
    assert odds[:2, 0] == pytest.approx([np.log(5.5 / 0.5), np.log(7.5 / 2.5)])
    assert np.isnan(odds[2]).all()
    assert read_composition([]) == ()
