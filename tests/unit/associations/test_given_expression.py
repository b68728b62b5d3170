"""Hits that the expression of their genes explains, against a regression of each by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import GLS, OLS

from popnet.associations import edges as edge_tests
from popnet.associations import graph_centrality, sets
from popnet.associations.given_expression import expression_of
from popnet.associations.testing import Testing
from popnet.networks.pairs import PairWeights
from popnet.stats.designs import make_design
from popnet.stats.mixed import conditional_p
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.mixed_model import Model

N = 40
GENES = pd.Index([f"g{number}" for number in range(12)])


def design_of(case, binary=True):
    names = [f"s{number}" for number in range(len(case))]
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    about = names, samples, pd.Series(case, names), binary
    return replace(make_design(*about), mixed=make_mixed_design(*about))


@pytest.mark.parametrize("n_controls", [1, 2])
def test_p_given_controls_is_that_of_a_regression_of_each_column(n_controls):
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=30)
    donor = np.eye(15)[np.repeat(np.arange(15), 2)]
    model = Model(outcome, np.column_stack([np.ones(30), rng.normal(size=30)]), {"donor": donor})
    controls = [rng.normal(size=(30, 4)) + outcome[:, None] for _ in range(n_controls)]
    values = rng.normal(size=(30, 4)) + controls[0]
    values[:3, 3] = np.nan
    covariance = np.eye(30) + 0.7 * donor @ donor.T
    found = conditional_p(values, controls, model, {"donor": 0.7})
    for column in range(4):
        rows = np.isfinite(values[:, column])
        given = [control[rows, column] for control in controls]
        x = np.column_stack([model.fixed[rows], *given, outcome[rows]])
        fit = GLS(values[rows, column], x, covariance[np.ix_(rows, rows)]).fit()
        assert found[column] == pytest.approx(fit.pvalues[-1], rel=1e-6)
    # Nothing is left where the control says all of a column, or is not known.
    nothing = conditional_p(values, [values, *controls[1:]], model, {"donor": 0.7})
    assert np.isnan(nothing).all()
    assert np.isnan(conditional_p(values, [np.full((30, 4), np.nan)], model, {"donor": 0})).all()


@pytest.fixture(scope="module")
def study():
    """Weights of pairs of g0 follow its expression, those of g6 change by themselves."""
    rng = np.random.default_rng(1)
    case = np.repeat([0.0, 1.0], N // 2)
    expression = rng.normal(size=(N, 12))
    expression[:, 0] += 3 * case
    expression[:, 11] = np.nan
    first, second = np.triu_indices(12, 1)
    weights = 0.3 * rng.normal(size=(N, len(first)))
    weights += 2 * expression[:, :1] * (first == 0)
    weights += 3 * case[:, None] * ((first == 6) | (second == 6))
    pairs = pd.DataFrame({"gene1": GENES[first], "gene2": GENES[second], "icc": 0.9, "rms": 1.0})
    samples = np.array([f"s{number}" for number in range(N)], object)
    return design_of(case), expression, PairWeights(pairs, samples, weights, weights)


def test_pairs_say_whether_expression_explains_them(study):
    design, expression, observed = study
    known = expression_of(expression, GENES, design)
    asked = observed, {}, pd.Series(dtype=str), design, Testing(100, seed=1)
    off = pd.Series("off in cases", ["g5"])
    table = edge_tests.robust(*asked, off, known).edges.set_index(["gene1", "gene2"])
    called = table["agrees"].astype(bool)
    assert (table.loc[~called, "explained_by"] == "").all()
    assert table.loc[~called, "given_expression_p"].isna().all()
    by = table.loc[called, "explained_by"]
    assert by["g0", "g3"] == "mean expression"
    assert by["g3", "g6"] == by["g6", "g7"] == "none"
    assert by["g5", "g6"] == "expression switched on or off"
    assert by["g6", "g11"] == "expression unknown"
    row = table.loc[("g3", "g6")]
    case = design.units.phenotype
    x = np.column_stack([np.ones(N), expression[:, [3, 6]], case])
    place = int(np.flatnonzero((observed.pairs[["gene1", "gene2"]] == ["g3", "g6"]).all(axis=1))[0])
    assert row["given_expression_p"] < 1e-6
    assert OLS(observed.weights[:, place], x).fit().pvalues[-1] < 1e-6
    # Without an expression it is unknown.
    alone = edge_tests.robust(*asked).edges
    assert set(alone.loc[alone["agrees"].astype(bool), "explained_by"]) == {"expression unknown"}


def test_graph_centralities_say_it_too(study):
    design, expression, _ = study
    rng = np.random.default_rng(2)
    values = 5 + 0.1 * rng.normal(size=(N, 12))
    # The mean over genes stays, by which a bin's values are divided.
    for up, down, change in ((0, 1, expression[:, 0]), (6, 7, 2 * design.units.phenotype)):
        values[:, up] += change
        values[:, down] -= change
    layers = {"degree": values, "mean_expression": expression, "detection_rate": values * 0 + 0.9}
    table = graph_centrality.robust(layers, list(GENES), design, Testing(100, seed=1))
    by = table.set_index("gene")["explained_by"]
    assert (by["g0"], by["g6"]) == ("mean expression", "none")


def test_a_set_that_rises_with_its_expression_is_explained_by_it(study):
    design, _, _ = study
    rng = np.random.default_rng(3)
    case = design.units.phenotype
    genes = pd.Index([f"g{number}" for number in range(60)])
    expression, values = rng.normal(size=(2, N, 60))
    expression[:, :10] += 2 * case[:, None]
    values[:, :10] = expression[:, :10] + 0.3 * rng.normal(size=(N, 10))
    values[:, 10:20] += 2 * case[:, None]
    gene_sets = {
        "expressed": list(genes[:10]),
        "wired": list(genes[10:20]),
        "no": list(genes[20:30]),
    }
    about = values, genes, gene_sets, design, Testing(300, seed=1)
    table = sets.robust(*about, expression).set_index("gene_set")
    assert table["explained_by"].to_dict() == {
        "expressed": "mean expression",
        "wired": "none",
        "no": "",
    }
    assert table.at["expressed", "expression_p"] <= 0.05
    assert table.loc["no", ["expression_nes", "expression_p", "given_expression_p"]].isna().all()
    alone = sets.robust(*about).set_index("gene_set")
    assert alone["explained_by"].to_dict() == {
        "expressed": "expression unknown",
        "wired": "expression unknown",
        "no": "",
    }


def test_unknown_expression_explains_nothing(study):
    """Neither that of one gene of a pair, nor that of all genes of a set."""
    design, expression, observed = study
    expression = expression.copy()
    expression[:, 1] = np.nan
    known = expression_of(expression, GENES, design)
    asked = observed, {}, pd.Series(dtype=str), design, Testing(100, seed=1)
    table = edge_tests.robust(*asked, None, known).edges.set_index(["gene1", "gene2"])
    assert table.at[("g0", "g1"), "agrees"]
    assert table.at[("g0", "g1"), "explained_by"] == "expression unknown"
    rng = np.random.default_rng(4)
    genes = pd.Index([f"g{number}" for number in range(60)])
    values, of_cells = rng.normal(size=(2, N, 60))
    values[:, :10] += 2 * design.units.phenotype[:, None]
    of_cells[:, :10] = np.nan
    about = values, genes, {"wired": list(genes[:10])}, design, Testing(300, seed=1)
    (row,) = sets.robust(*about, of_cells).to_dict("records")
    assert row["explained_by"] == "expression unknown"
    assert np.isnan([row["expression_p"], row["given_expression_p"]]).all()


def test_batches_do_not_hide_that_expression_explains_a_set():
    """Centrality is expression, which also differs between batches, where centrality does not."""
    rng = np.random.default_rng(5)
    case, batch = np.tile([0.0, 1.0], 12), np.repeat(["x", "y"], 12)
    names = [f"s{number}" for number in range(24)]
    samples = pd.DataFrame({"donor": names, "batch": batch}, index=names)
    about = names, samples, pd.Series(case, names), True
    design = replace(make_design(*about), mixed=make_mixed_design(*about))
    genes = pd.Index([f"g{number}" for number in range(60)])
    expression = rng.normal(size=(24, 60))
    expression[:, :10] += 2 * case[:, None]
    values = expression + 0.2 * rng.normal(size=(24, 60))
    expression += 6 * (batch == "x")[:, None]
    found = sets.robust(
        values, genes, {"set": list(genes[:10])}, design, Testing(300, seed=1), expression
    )
    assert found["explained_by"].tolist() == ["mean expression"]
