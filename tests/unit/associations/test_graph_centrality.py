"""Graph centralities: their tests against the engines they rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import graph_centrality as graph_tests
from popnet.associations.given_strength import OTHER_GENES, by_other_genes
from popnet.associations.graph_centrality import COLUMNS, ROBUST_COLUMNS
from popnet.associations.testing import Testing
from popnet.networks.centrality import MEASURES, match_means
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.moderated import moderated_t
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate
from popnet.stats.units import units


def test_means_are_matched_bin_by_bin():
    found = match_means(np.array([[1.0, 3, np.nan], [2, 4, 6], [0, 0, 0]]))
    np.testing.assert_allclose(found, [[0.5, 1.5, np.nan], [0.5, 1, 1.5], [0, 0, 0]])
    signed = np.array([[-1.0, 1, np.nan], [2, -2, 0], [0, 0, 0]])
    found = match_means(signed, np.array([[1.0, 3, np.nan], [2, 4, 6], [0, 0, 0]]))
    np.testing.assert_allclose(found, [[-0.5, 0.5, np.nan], [0.5, -0.5, 0], [0, 0, 0]])


@pytest.fixture
def study():
    """Two bins of each of 14 donors; the second half of them are cases."""
    rng = np.random.default_rng(2)
    samples = [f"s{number}" for number in range(14)]
    bins = np.repeat(samples, 2)
    genes = [f"g{number}" for number in range(6)]
    layers = {measure: rng.gamma(2, 1, (28, 6)) for measure in MEASURES}
    layers["degree"][14:, 0] += 20
    layers["degree"][:2, 5] = np.nan
    layers["signed_strength"] = rng.uniform(-1, 1, (28, 6)) * layers["strength"]
    layers["mean_expression"] = rng.normal(size=(28, 6))
    layers["detection_rate"] = np.full((28, 6), 0.5)
    layers["detection_rate"][14:, 0] = 0
    return samples, bins, genes, layers, pd.Series(np.repeat([0.0, 1.0], 7), samples)


def test_measures_by_permutation(study):
    samples, bins, genes, layers, phenotype = study
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    found = graph_tests.robust(layers, genes, design, Testing(500, seed=1))
    assert list(found.columns) == list(ROBUST_COLUMNS)
    assert found.groupby("measure", sort=False).size().to_dict() == dict.fromkeys(MEASURES, 6)
    assert found.loc[0, "gene"] == "g0"
    assert found.loc[0, "statistic"] == pytest.approx(1)
    values = design.units.average(match_means(layers["pagerank"]))
    expected = permutation_test(values, design, 500, 1).table.set_index(pd.Index(genes))
    own = found[found["measure"] == "pagerank"].set_index("gene").loc[genes]
    for column in ("statistic", "n", "n_permutations"):
        np.testing.assert_allclose(own[column], expected[column])
    for column in ("p", "q"):
        np.testing.assert_allclose(own[f"{column}_permutation"], expected[column])
    assert (own["p_family"] >= expected["p_family"]).all()  # of all measures
    np.testing.assert_allclose(found["q_all"], stats.false_discovery_control(found["p"]))
    assert found.set_index(["measure", "gene"]).loc[("degree", "g5"), "n"] == 13
    assert set(found.loc[found["gene"] == "g0", "switched"]) == {"off in cases"}
    assert set(found.loc[found["gene"] != "g0", "switched"]) == {""}


def test_with_equal_depth_strength_is_absolute_and_says_whose_edges_changed(study):
    samples, bins, genes, layers, phenotype = study
    rng = np.random.default_rng(0)
    # Gene g0 loses its weights in cases; the edges that it loses are g1's and g2's then.
    layers["detection_rate"][:] = 0.5
    layers["strength"] = rng.normal(10, 0.1, (28, 6))
    layers["strength"][14:, 0] -= 5
    layers["degree"] = rng.normal(10, 0.1, (28, 6))
    layers["degree"][14:, 0] -= 6
    layers["degree"][14:, 1:3] += 3
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    tables = [
        graph_tests.robust(layers, genes, design, Testing(200, seed=1, equal_depth=equal))
        for equal in (False, True)
    ]
    relative, absolute = (table.set_index(["measure", "gene"]) for table in tables)
    of_strength = [
        set(one.loc["strength"].query("q_all <= 0.05").index) for one in (relative, absolute)
    ]
    assert of_strength[0] == set(genes)
    assert of_strength[1] == {"g0"}
    expected = moderated_t(design.units.average(layers["strength"]), design)
    found = absolute.loc["strength"].loc[genes]
    np.testing.assert_allclose(found["p"], expected["p"])
    by = absolute.loc["degree", "explained_by"]
    assert by["g1"].split(";")[-1] == by["g2"].split(";")[-1] == OTHER_GENES
    assert OTHER_GENES not in by["g0"]
    assert OTHER_GENES not in "".join(relative["explained_by"])


def test_edges_of_genes_and_sets_whose_strength_stays_are_those_of_others(study):
    samples, bins, genes, _, phenotype = study
    strength = np.random.default_rng(0).normal(10, 0.1, (28, 6))
    strength[14:, 0] -= 5
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    groups = [["g0"], ["g1"], ["g0", "g1", "unknown"], ["g2", "g3"], ["g1"]]
    hits = np.array([True, True, True, True, False])
    testing = Testing(100, seed=1)
    found = by_other_genes(hits, groups, strength, pd.Index(genes), design, testing)
    assert found.tolist() == ["none", OTHER_GENES, "none", OTHER_GENES, ""]
    nothing = design.untested("not measurable")
    found = by_other_genes(hits, groups, strength, pd.Index(genes), nothing, testing)
    assert set(found[:4]) == {"none"}


@pytest.mark.parametrize("measure", ["pagerank", "signed_strength"])
def test_measures_by_the_moderated_t(study, measure):
    samples, bins, genes, layers, phenotype = study
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    found = graph_tests.robust(layers, genes, design, Testing(100, seed=1))
    own = found[found["measure"] == measure].set_index("gene").loc[genes]
    scale = layers["strength" if measure == "signed_strength" else measure]
    values = layers[measure] / scale.mean(axis=1, keepdims=True)
    expected = moderated_t(design.units.average(values), design)
    np.testing.assert_allclose(own["t"], expected["t"])
    np.testing.assert_allclose(own["p"], expected["p"])
    np.testing.assert_allclose(own["q"], stats.false_discovery_control(expected["p"]))


def test_a_denser_bin_is_no_finding(study):
    samples, bins, genes, layers, phenotype = study
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    one = graph_tests.robust(layers, genes, design, Testing(100, seed=1))
    dense = {measure: layers[measure] * np.arange(1, 29)[:, None] for measure in MEASURES}
    dense |= {name: layers[name] for name in ("mean_expression", "detection_rate")}
    pd.testing.assert_frame_equal(
        one, graph_tests.robust(dense, genes, design, Testing(100, seed=1))
    )


def test_measures_by_bin_as_the_paper(study):
    samples, bins, genes, layers, phenotype = study
    over = units(bins, pd.Series(samples, samples), phenotype, "bin")
    found = graph_tests.paper(layers, genes, unadjusted(over, True), Testing(0, seed=1))
    expected = correlate(layers["strength"], over.phenotype, binary=True)
    own = found[found["measure"] == "strength"].set_index("gene").loc[genes]
    np.testing.assert_allclose(own["p"], expected["p"])
    assert own["n"].tolist() == [28] * 6
    assert list(found.columns) == list(COLUMNS)
    assert found[["p_family", "n_permutations"]].isna().all(axis=None)


def test_weights_without_a_sign_have_no_signed_strength(study):
    samples, bins, genes, layers, phenotype = study
    del layers["signed_strength"]
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    design = make_design(bins, sheet, phenotype, binary=True)
    over = unadjusted(units(bins, pd.Series(samples, samples), phenotype, "bin"), binary=True)
    measures = [measure for measure in MEASURES if measure != "signed_strength"]
    for found in (
        graph_tests.robust(layers, genes, design, Testing(100, seed=1)),
        graph_tests.paper(layers, genes, over, Testing(0, seed=1)),
    ):
        assert found.groupby("measure", sort=False).size().to_dict() == dict.fromkeys(measures, 6)
