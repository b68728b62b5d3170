"""The overall test of all analyses: what is planted is called, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.associations import overall
from popnet.associations.testing import Testing
from popnet.findings.rows import findings_row
from popnet.networks.pairs import PairWeights

LEVELS = ["normal", "border", "tumour"]
GENES = pd.Index([f"G{one:02d}" for one in range(40)])


@pytest.fixture(scope="module")
def tested():
    """Two bins of 18 samples; G00 to G05 differ in one level, and so does the pair G00 - G01."""
    rng = np.random.default_rng(4)
    index = [f"s{one:02d}" for one in range(18)]
    samples = pd.DataFrame({"donor": index, "batch": np.nan, "x": np.resize(LEVELS, 18)}, index)
    rows = np.repeat(index, 2)
    border = (samples.loc[rows, "x"] == "border").to_numpy()
    bins = rng.normal(size=(18, 40)).repeat(2, axis=0) + 0.3 * rng.normal(size=(36, 40))
    bins[:, :6] += 3 * border[:, None]
    technical = pd.DataFrame({"cells": rng.normal(size=18)}, index)
    design = overall.levels_design_of(rows, samples, {"name": "x", "levels": LEVELS}, [], technical)
    pairs = pd.DataFrame({"gene1": "G00", "gene2": GENES[1:]})
    weights, plain = rng.normal(size=(2, 18, 39))
    weights[:, :2] += 4 * border[::2, None]
    plain[:, 0] += 4 * border[::2]
    columns = pd.DataFrame({"kind": ["density"] * 2 + ["coupling"], "module1": [1, 2, 1]})
    columns["module2"] = [1, 2, 2]
    names = pd.Series({1: "A", 2: "B"})
    families = [
        overall.of_genes("centrality", "", GENES, bins),
        overall.of_groups("modules", "module", columns, names, bins[:, [0, 20, 21]]),
        overall.of_pairs(PairWeights(pairs, samples.index.to_numpy(), weights, plain)),
        overall.of_genes("expression", "expression", GENES, bins),
    ]
    testing = Testing(99, 1, chance={}, untested={"mean expression": "too few cells"})
    sets = {"planted": GENES[:6], "others": GENES[10:16]}
    return overall.robust(families, design, testing, sets), testing


def test_what_is_planted_is_called(tested):
    table, _ = tested
    assert list(table) == list(overall.COLUMNS)
    called = table[table["q"] <= 0.05]
    genes = called[called["analysis"] == "centrality"]
    assert set(GENES[:6]) <= set(genes["name1"])
    assert len(genes) <= 8
    assert set(genes.loc[genes["name1"] <= "G05", "highest"]) == {"border"}
    assert called.loc[called["analysis"] == "gene_sets", "name1"].tolist() == ["planted"]
    assert called.loc[called["analysis"] == "modules", ["measure", "name1"]].values.tolist() == [
        ["density", "A"]
    ]


def test_a_pair_needs_both_stages(tested):
    pairs = tested[0].query("analysis == 'edges'")
    selected = pairs[pairs["q"] <= 0.05]
    assert {"G01", "G02"} <= set(selected["name2"])
    assert selected.loc[selected["agrees"].astype(bool), "name2"].tolist() == ["G01"]
    assert pairs.loc[pairs["q"] > 0.05, "correlation_q"].isna().all()


def test_findings_count_it(tested):
    table, testing = tested
    about = {"cell_type": "T", "phenotype": "x", "network": "shared", "preset": "robust"}
    rows = {
        analysis: findings_row(f"overall_{analysis}", table, fdr=0.05, **about)
        for analysis in ("modules", "edges", "model_edges", "gene_sets")
    }
    assert rows["modules"]["strongest"] == "A"
    assert rows["modules"]["tested"] == 3
    assert rows["edges"]["strongest"] == "G00 - G01"
    assert rows["edges"]["significant"] < rows["model_edges"]["significant"]
    assert rows["gene_sets"]["analysis"] == "Centrality: gene sets, any level"
    assert set(testing.chance) >= {f"overall_{analysis}" for analysis in rows}
    assert testing.chance["overall_centrality"]["significant"].mean() < 1


def test_what_is_not_measurable_is_not_tested():
    samples = pd.DataFrame({"donor": list("abcdef"), "batch": "", "x": LEVELS * 2}, list("abcdef"))
    asked = (
        samples.index,
        samples,
        {"name": "x", "levels": LEVELS},
        [],
        pd.DataFrame(index=samples.index),
    )
    design = overall.levels_design_of(*asked)
    values = np.random.default_rng(0).normal(size=(6, 40))
    families = [overall.of_genes("centrality", "", GENES, values)]
    testing = Testing(99, 1, untested={"centrality": "too few cells"})
    assert overall.robust(families, design, testing)["p"].isna().all()
    assert overall.robust([], design, testing).empty
