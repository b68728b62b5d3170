"""The settings of a test, and the shape that all questions share."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import numpy as np
import pandas as pd
import pytest

import popnet.associations
from popnet import presets
from popnet.associations import connectivity, edges, genes, graph_centrality, maps, programmes, sets
from popnet.associations.testing import Testing
from popnet.networks.pairs import PairWeights

MODULES = [module.name for module in pkgutil.iter_modules(popnet.associations.__path__)]
# What questions have in common. The wiring's outcome is no phenotype: it makes its own designs.
SHARED = {"designs", "expression_switch", "families", "given_expression", "groups", "studies"}
SHARED |= {"given_strength", "testing", "replication", "replication_files", "replicated"}
# They read the tests of others.
SHARED |= {"genes_in_groups", "module_types", "overall"}
# What the paper did not ask.
NEW = {"cell_types", "composition", "expression", "heteroplasmy", "modules", "programmes"}
QUESTIONS = sorted(set(MODULES) - SHARED - {"wiring"})


def test_settings_come_from_the_config():
    statistics = {"permutations": 99, "fdr": 0.1, "min_icc": 0.3, "adjust": []}
    assert Testing.from_config(statistics, 7) == Testing(99, 7, 0.1, 0.3, chance={})


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_one_shape(name, preset):
    """`paper` and `robust` are asked alike, last of the design and the settings of the test."""
    module = importlib.import_module(f"popnet.associations.{name}")
    if preset == "paper" and name in NEW:
        assert not hasattr(module, "paper")
        return
    taken = inspect.signature(presets.answer(module, preset)).parameters
    required = [key for key, value in taken.items() if value.default is inspect.Parameter.empty]
    assert required[-2:] == ["design", "testing"]
    if hasattr(module, "paper"):
        assert required == list(inspect.signature(module.paper).parameters)


N, GENES = 12, pd.Index([f"g{number}" for number in range(30)])


@pytest.fixture
def study(design_of):
    """A design, and values of genes that follow its phenotype."""
    phenotype = np.arange(N) % 2
    values = np.random.default_rng(0).normal(size=(N, len(GENES))) + 3 * phenotype[:, None]
    return design_of(phenotype, binary=True), values


def settings(*untested, **reliability):
    why = dict.fromkeys(untested, "not measurable with 300 cells per sample")
    return Testing(200, 1, untested=why, reliability=reliability)


def test_what_cannot_be_measured_is_known_from_the_table():
    rows = [("shared", "edges", "not measurable", 0.1), ("shared", "degree", "in part", 0.3)]
    rows += [("correlation", "degree", "not measurable", np.nan)]
    known = pd.DataFrame(rows, columns=["network", "measure", "verdict", "icc_sample"])
    known["sentence"] = known["verdict"]
    statistics = {"permutations": 99, "fdr": 0.1, "min_icc": 0.3, "test_unmeasurable": False}
    found = Testing.from_config(statistics, 7, known, "shared")
    assert found.untested == {"edges": "not measurable"}
    assert found.reliability == {"edges": 0.1, "degree": 0.3}
    assert not Testing.from_config(statistics | {"test_unmeasurable": True}, 7, known).untested


def test_centrality_that_cannot_be_measured_has_no_p_but_expression_has(study):
    design, values = study
    icc = pd.Series(0.1, GENES)
    bins = genes.BinValues(values, values, np.ones_like(values), values[:, 0], GENES, icc)
    tested = genes.robust(bins, design, settings("centrality", centrality=0.25))
    assert len(tested.table) == len(GENES)
    assert tested.table[["p", "q", "p_family", "partial_p"]].isna().all(axis=None)
    assert (tested.table["mean_q"] <= 0.05).all()
    described = tested.described.set_index("item")["value"]
    assert described["warning"].startswith("degree centrality is not tested: not measurable")
    assert described["reliability (median gene)"] == "0.25"
    assert (genes.robust(bins, design, settings()).table["q"] <= 0.05).all()


def test_tables_of_what_cannot_be_measured_have_no_p(study):
    design, values = study
    gene_sets = {"ten": list(GENES[:10])}
    table = sets.robust(values, GENES, gene_sets, design, settings("centrality"))
    assert table[["gene_set", "n_genes", "set_size"]].to_numpy().tolist() == [["ten", 10, 10]]
    assert table["p"].isna().all()
    assert list(table) == list(sets.robust(values, GENES, gene_sets, design, settings()))
    layers = {"degree": np.exp(values), "pagerank": np.exp(values)}
    layers |= {"mean_expression": values, "detection_rate": np.ones_like(values)}
    table = graph_centrality.robust(layers, GENES, design, settings("pagerank"))
    known = table.groupby("measure")[["p", "p_permutation"]].count()
    assert known.loc["pagerank"].tolist() == [0, 0]
    assert known.loc["degree"].tolist() == [len(GENES)] * 2
    alone = {name: layer for name, layer in layers.items() if name != "pagerank"}
    alone = graph_centrality.robust(alone, GENES, design, settings())
    first = table[table["measure"] == "degree"]
    assert (first["q_all"].to_numpy() == alone["q_all"].to_numpy()).all()

    samples = list(dict.fromkeys(design.units.bin_samples))
    pairs = pd.DataFrame({"gene1": GENES[:-1], "gene2": GENES[1:], "icc": 0.1})
    observed = PairWeights(pairs, np.array(samples, object), values[:, 1:], values[:, 1:])
    tested = edges.robust(observed, {}, pd.Series(dtype=str), design, settings("edges"))
    assert tested.edges["p"].isna().all()
    assert not tested.edges["agrees"].any()
    assert tested.components.empty
    counts = pd.DataFrame({"sample": samples, "gene_set": "MT", "within": range(N)})
    assert connectivity.robust(counts, design, settings("degree"))["p"].isna().all()
    columns = pd.DataFrame({"kind": ["variance"] * 15 + ["coupling"] * 15})
    columns[["programme1", "programme2", "name1", "name2"]] = "x"
    tested = programmes.robust(values, columns, design, settings("programme coupling"))
    known = tested.groupby("kind")[["p", "q", "p_permutation"]].count()
    assert known.loc["coupling"].tolist() == [0, 0, 0]
    assert known.loc["variance"].tolist() == [15] * 3
    axes = pd.DataFrame(values[:, :4], columns=["PC1", "PC2", "PC3", "PC4"])
    of_kernel = maps.SampleMap(samples, values @ values.T, axes)
    tested = maps.robust(
        {"wl_gene": of_kernel, "edge_jaccard": of_kernel}, design, settings("map wl_gene")
    )
    known = tested.groupby("kernel")["p"].count()
    assert (known["wl_gene"], known["edge_jaccard"]) == (0, 7)
