"""Hits under permuted phenotypes: what each analysis counts, and how findings show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from popnet.associations import (
    connectivity,
    consensus,
    edges,
    genes,
    graph_centrality,
    maps,
    modules,
    programmes,
    sets,
)
from popnet.associations.testing import PERMUTED_PHENOTYPES, Testing
from popnet.findings.rows import by_chance, findings_row
from popnet.findings.sentences import beside_chance, no_better_than_chance, remarks
from popnet.networks.modules import value_columns
from popnet.networks.pairs import PairWeights
from popnet.networks.programmes import programme_values
from popnet.stats import permutation
from popnet.stats.designs import make_design

ANALYSES = (
    *("centrality", "graph_centrality", "gene_sets", "edges", "model_edges", "components"),
    *("connectivity", "consensus", "programmes", "modules", "axes", "map"),
)
N_GENES = 24


def study(n=14, effect=2.0, seed=0, paired=False, order=None, age=False):
    """Values of all kinds of `n` samples, one bin each, and their design: half are cases."""
    rng = np.random.default_rng(seed)
    case = np.arange(n) % 2
    score = effect * (case - 0.5)
    sample = np.array([f"s{number}" for number in range(n)])
    gene = [f"g{number}" for number in range(N_GENES)]
    common = rng.normal(size=(n, 1))
    values = common + rng.normal(size=(n, N_GENES)) + score[:, None] * (np.arange(N_GENES) < 8)
    first, second = np.triu_indices(12, 1)
    pairs = pd.DataFrame({"gene1": np.take(gene, first), "gene2": np.take(gene, second)})
    weights = values[:, first] + values[:, second] + rng.normal(size=(2, n, len(first)))
    present = weights[0] > np.quantile(weights[0], 0.6)
    row, column = np.nonzero(present)
    table = pairs.iloc[column].assign(sample=sample[row], weight=1.0)
    scores = rng.normal(size=(n, 60, 4)) + score[:, None, None] * rng.normal(size=(n, 60, 1))
    of_programmes = programme_values(np.stack([np.cov(part.T) for part in scores]))
    places = values - values.mean(0)
    order = np.arange(n) if order is None else order
    sheet = pd.DataFrame(
        {
            "donor": [f"d{number // 2 if paired else number}" for number in range(n)],
            "batch": "",
            "age": rng.normal(size=n) + score,
        },
        sample,
    )
    phenotype = pd.Series(case.astype(float), sample)
    design = make_design(
        sample[order], sheet.iloc[order], phenotype.iloc[order], True, ["age"] * age
    )
    columns = of_programmes[1].copy()
    for number in ("1", "2"):
        columns[f"name{number}"] = "programme " + columns[f"programme{number}"].astype(str)
    counts = pd.DataFrame(values[:, :6] + 9).set_axis([f"kind{k}" for k in range(6)], axis=1)
    counts = counts.assign(gene_set="a", sample=sample).iloc[order]
    similarity = places @ places.T
    similarity /= np.abs(similarity).max()
    return {
        "design": design,
        "genes": pd.Index(gene),
        "values": values[order],
        "pairs": PairWeights(
            pairs.assign(icc=0.5, rms=1.0),
            sample[order].astype(object),
            *(part[order].astype(np.float32) for part in weights),
        ),
        "edges": edges.ObservedEdges(
            table, pd.Series(sample, sample).iloc[order], pd.Index(gene[:12])
        ),
        "connectivity": counts,
        "programmes": (of_programmes[0][order], columns),
        "modules": (*of_modules(scores[order]), values[order, :4]),
        "map": maps.SampleMap(
            list(sample[order]),
            similarity[np.ix_(order, order)],
            pd.DataFrame(places[order][:, [0, 9, 20]], columns=["PC1", "PC2", "PC3"]),
        ),
    }


def of_modules(scores):
    """Return values of four modules, one for each score, and their columns."""
    columns = value_columns(np.arange(1, 5))
    for number in ("1", "2"):
        columns[f"name{number}"] = "module " + columns[f"module{number}"].astype(str)
    covariance = np.stack([np.cov(part.T) for part in scores])
    variance = np.log(np.einsum("bii->bi", covariance))
    first, second = np.triu_indices(4, 1)
    return np.hstack([variance, variance, covariance[:, first, second]]), columns


def ask(of, design, testing):
    """Return the table of every question about a study."""
    gene, values = of["genes"], of["values"]
    members = {f"set {k}": list(gene[4 * k : 4 * k + 4]) for k in range(6)}
    bins = genes.BinValues(
        values, values, np.full(values.shape, 0.9), values[:, 0], gene, pd.Series(0.9, gene)
    )
    layers = {"degree": values + 9, "strength": values[:, ::-1] + 9, "detection_rate": values + 9}
    layers["mean_expression"] = values + 9
    tested = edges.robust(of["pairs"], {}, pd.Series(dtype=object), design, testing)
    of_map = maps.robust({"edge_jaccard": of["map"]}, design, testing).assign(phenotype="ill")
    return {
        "centrality": genes.robust(bins, design, testing).table,
        "graph_centrality": graph_centrality.robust(layers, gene, design, testing),
        "gene_sets": sets.robust(values, gene, members, design, testing),
        "edges": tested.edges,
        "model_edges": tested.edges,
        "components": tested.components,
        "connectivity": connectivity.robust(of["connectivity"], design, testing),
        "consensus": consensus.robust(of["edges"], design, testing).change,
        "programmes": programmes.robust(*of["programmes"], design, testing),
        "modules": modules.robust(*of["modules"], design, testing),
        "axes": of_map,
        "map": of_map,
    }


def numbers(tables, fdr):
    """Return the numbers of tests and hits in findings.tsv, by analysis."""
    about = {"cell_type": "T", "phenotype": "ill", "network": "shared", "preset": "robust"}
    rows = {name: findings_row(name, table, **about, fdr=fdr) for name, table in tables.items()}
    return {name: (row["tested"], row["significant"]) for name, row in rows.items()}


def chance_of(testing, analysis):
    suffix = " of edge_jaccard" if analysis in ("axes", "map") else ""
    return testing.by_chance(analysis + suffix)


def moved(design, row):
    """Return the design of a permuted phenotype, without covariates."""
    return replace(
        design,
        units=replace(design.units, phenotype=design.units.phenotype[row]),
        outcome=design.outcome[row],
        residual=design.residual[row],
    )


@pytest.mark.parametrize("paired", [False, True])
def test_what_is_counted_is_what_findings_count_for_the_permuted_phenotype(paired):
    """Every analysis is run anew on each permuted phenotype, with all arrangements: no chance."""
    of, fdr = study(paired=paired), 0.4
    design, testing = of["design"], Testing(5000, 1, fdr, chance={})
    assert design.paired == paired
    ask(of, design, testing)
    runs = design.permuted(PERMUTED_PHENOTYPES, 1)
    assert len(runs) == PERMUTED_PHENOTYPES
    total = dict.fromkeys(ANALYSES, 0)
    for number, row in enumerate(runs[:6]):
        expected = numbers(ask(of, moved(design, row), Testing(5000, 1, fdr)), fdr)
        for analysis in ANALYSES:
            found = chance_of(testing, analysis).iloc[number]
            assert found["permutation"] == number + 1
            assert (found["tested"], found["significant"]) == expected[analysis], analysis
            total[analysis] += found["significant"]
    # What is compared is not always nothing.
    assert sum(n > 0 for n in total.values()) >= 4, total


def test_a_planted_effect_is_far_above_chance_and_nothing_is_not():
    planted = study(n=60, effect=2.5)
    testing = Testing(999, 1, chance={})
    found = numbers(ask(planted, planted["design"], testing), 0.05)
    for analysis in ("centrality", "edges", "model_edges", "connectivity", "consensus", "map"):
        chance = by_chance(chance_of(testing, analysis))
        assert chance["permuted_phenotypes"] == PERMUTED_PHENOTYPES
        assert found[analysis][1] > max(10 * chance["by_chance"], 0), analysis
    hits, expected, runs = 0, 0.0, []
    for seed in range(12):
        null = study(n=40, effect=0.0, seed=seed)
        testing = Testing(199, seed, 0.2, chance={})
        found = numbers(ask(null, null["design"], testing), 0.2)
        counted = [chance_of(testing, analysis)["significant"] for analysis in ANALYSES]
        hits += sum(found[analysis][1] for analysis in ANALYSES)
        expected += sum(counted).mean()
        runs.append(sum(counted).to_numpy())
    spread = np.sqrt(sum(part.var() for part in runs))
    assert abs(hits - expected) <= 3 * spread


def test_counts_do_not_depend_on_the_order_of_rows_or_on_parts(monkeypatch):
    orders = [None, np.random.default_rng(1).permutation(40)]
    tables = []
    for order, at_once in zip(orders, (2**21, 2**12), strict=True):
        monkeypatch.setattr(permutation, "STATISTICS_AT_ONCE", at_once)
        of = study(n=40, effect=0.5, age=True, order=order)
        testing = Testing(1500, 3, 0.2, chance={})
        ask(of, of["design"], testing)
        tables.append(testing.chance)
    assert set(tables[0]) == set(tables[1])
    for name, table in tables[0].items():
        assert len(table) == PERMUTED_PHENOTYPES
        pd.testing.assert_frame_equal(table, tables[1][name], check_dtype=False)


def test_nothing_is_counted_unless_asked_for_or_where_nothing_can_be_tested():
    of = study()
    testing = Testing(99, 1)
    ask(of, of["design"], testing)
    assert testing.by_chance("centrality").empty
    nothing = by_chance(testing.by_chance("centrality"))
    assert np.isnan(nothing["by_chance"])
    assert nothing["permuted_phenotypes"] == 0
    constant = replace(of["design"], residual=np.zeros(14))
    testing = Testing(99, 1, chance={})
    ask(of, constant, testing)
    assert all(table.empty for table in testing.chance.values())


def findings(**columns):
    table = {
        "phenotype": "ill",
        "cell_type": "T",
        "network": ["shared", "shared", ""],
        "analysis": ["Genes", "Edges", "Variants"],
        "significant": [78, 5, 1200],
        "by_chance": [0.25, 2.0, np.nan],
        "most_by_chance": [4, 9, np.nan],
        "permuted_phenotypes": [20, 20, 0],
        "family_p": 0.01,
        "unexplained": 1,
    }
    return pd.DataFrame(table | columns)


def test_the_page_shows_hits_beside_those_by_chance():
    shown = beside_chance(findings())
    assert shown["significant"].tolist() == ["78 (0.25 by chance)", "5 (2 by chance)", "1,200"]
    assert list(shown) == ["phenotype", "cell_type", "network", "analysis", "significant"]


def test_many_hits_by_chance_are_a_warning():
    (warning,) = no_better_than_chance(findings(), 0.05)
    assert warning.startswith("ill in T: more than 5% of these findings may be false")
    assert "Edges (shared): 5, by chance 2 on average" in warning
    # A single permuted phenotype may bring many; without a hit there is nothing to warn of.
    assert no_better_than_chance(findings(by_chance=0.45, most_by_chance=9)[1:], 0.05) == []
    assert no_better_than_chance(findings(significant=0), 0.05) == []


def test_the_page_says_what_is_in_brackets():
    excluded = pd.DataFrame(columns=["cell_type", "sample", "reason"], dtype=object)
    text = remarks(findings(permuted_phenotypes=[7, 20, 0]), excluded, "robust", 0.05)[1]
    assert "the mean of 7 to 20 (few observations have few permutations)" in text
    none = remarks(findings(permuted_phenotypes=0), excluded, "paper", 0.05)[1]
    assert none.startswith("Hits by chance are not counted: with preset paper")
