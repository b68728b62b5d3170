"""The verdict on a phenotype: found, in doubt, nothing found, or cannot be said."""

from __future__ import annotations

import pandas as pd
import pytest

from popnet.associations.expression_switch import UNKNOWN
from popnet.findings import verdicts as say

AGE = say.Compared("age")
ILL = say.Compared("status", "ill", "well")


def findings(**changes):
    """Return a row of findings.tsv with a hit that stands, and changes of it."""
    row = {"analysis": "Degree centrality: genes", "tested": 100, "significant": 10}
    row |= {"unexplained": 9, "significant_in_study": 8, "by_chance": 0.1}
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("changes", "light", "why"),
    [
        ({}, say.FOUND, "1 of 1 analyses has hits that stand"),
        ({"unexplained": 0}, say.DOUBT, "are explained by expression, depth or composition"),
        ({"significant_in_study": 0}, say.DOUBT, "no longer significant when all questions"),
        ({"significant_in_study": float("nan")}, say.DOUBT, "no question by themselves"),
        ({"by_chance": 2.0}, say.DOUBT, "hardly more than the same tests call with permuted"),
        ({"significant": 0, "significant_in_study": 0}, say.NOTHING, "None of 1 analyses"),
        ({"tested": 0, "significant": 0}, say.UNTESTED, "No question could be tested"),
        ({"analysis": "Expression (positive control)"}, say.UNTESTED, "No question"),
        ({"analysis": "Composition: shares of cell states"}, say.UNTESTED, "No question"),
    ],
)
def test_lights(changes, light, why):
    found, reason = say.light(findings(**changes), 0.05)
    assert found == light
    assert why in reason


def test_pairs_by_the_network_alone_count_where_nothing_confirms_them():
    alone = findings(analysis=say.ALONE)
    assert say.light(alone, 0.05)[0] == say.FOUND
    both = pd.concat([findings(analysis=say.AGREE, significant=0, unexplained=0), alone])
    assert say.light(both, 0.05) == (say.NOTHING, say.light(both.head(1), 0.05)[1])


def genes(n_hits, statistic=-0.5, explained_by="none"):
    hits = [number < n_hits for number in range(10)]
    return pd.DataFrame(
        {
            "gene": [f"G{number}" for number in range(10)],
            "statistic": statistic,
            "p": [0.001 if hit else 0.5 for hit in hits],
            "q": [0.003 if hit else 0.8 for hit in hits],
            "icc": 0.95,
            "explained_by": [explained_by if hit else "" for hit in hits],
        }
    )


def test_sentences_have_direction_and_numbers():
    sets = pd.DataFrame({"gene_set": ["MT"], "nes": -2.0, "q": 0.003, "explained_by": "none"})
    tables = {"centrality": genes(4), "gene_sets": sets}
    members = {"MT": [f"G{number}" for number in range(5)]}
    of_set, of_genes = say.sentences(tables, members, AGE, "robust", 0.05)
    assert of_set == (
        "4 of 5 genes of MT lose centrality with higher age (q of the set 0.003, ICC 0.95)."
    )
    assert "4 of 10 genes change in centrality, 4 lower and 0 higher with higher age" in of_genes
    assert "4 not explained by" in of_genes
    assert of_genes.endswith("G0, G1, G2, G3.")
    [of_genes] = say.sentences({"centrality": genes(2, 0.5)}, {}, ILL, "robust", 0.05)
    assert "0 lower and 2 higher in ill (against well)" in of_genes
    [of_genes] = say.sentences({"centrality": genes(0)}, {}, ILL, "robust", 0.05)
    assert of_genes == "None of 10 genes changes in centrality."


def test_edges_of_gene_sets_have_their_means():
    table = pd.DataFrame(
        {
            "gene_set": ["interferon", "MT", "MT"],
            "kind": ["within", "between_complexes", "to_others"],
            "statistic": [0.78, -0.5, 0.4],
            "q": [0.031, 0.04, 0.05],
            "mean_case": [12.9044, 2.0, 9.0],
            "mean_control": [2.40921, 8.0, 4.0],
            "explained_by": ["none", "none", "other genes' edges"],
        }
    )
    more, fewer, left = say.sentences({"connectivity": table}, {}, ILL, "robust", 0.05)
    assert more == (
        "The genes of interferon have more edges among themselves in ill (against well) (on "
        "average 12.9 against 2.41; q 0.031)."
    )
    assert "The genes of MT have fewer edges between complexes of the respiratory chain in" in fewer
    rising = say.sentences({"connectivity": table}, {}, AGE, "robust", 0.05)[0]
    assert "with higher age (on average upper half 12.9, lower half 2.41; q 0.031)" in rising
    assert left == (
        "1 more number of edges of gene sets is significant, 1 of which something else explains."
    )
    assert say.sentences({"connectivity": table.assign(q=1)}, {}, ILL, "robust", 0.05) == []


def test_genes_of_the_graph_are_told_by_the_measure_that_finds_most():
    tables = [genes(4).assign(measure="degree"), genes(3).assign(measure="signed_strength")]
    tables[0].loc[:2, "explained_by"] = "other genes' edges"
    [text] = say.sentences({"graph_centrality": pd.concat(tables)}, {}, ILL, "robust", 0.05)
    assert text == (
        "3 of 10 genes change in signed strength (of their edges in the graph), 3 lower and 0 "
        "higher in ill (against well) (3 not explained by expression, composition or edges of "
        "other genes): G0, G1, G2."
    )
    none = {"graph_centrality": genes(0).assign(measure="degree")}
    assert say.sentences(none, {}, ILL, "robust", 0.05) == []


@pytest.mark.parametrize(
    ("explained_by", "words"),
    [
        (["none", "none"], "change in density. First: A"),
        (["composition", "none"], "change in density, 1 explained by expression or"),
        (["composition", "composition"], "change in density, all explained by expression or"),
    ],
)
def test_modules_say_how_many_are_explained(explained_by, words):
    table = pd.DataFrame({"kind": "density", "name1": ["A", "B"], "name2": "", "estimate": 0.1})
    table = table.assign(p=0.001, q=0.002, explained_by=explained_by)
    table.loc[:, "name1"] = ["B", "A"] if explained_by == ["composition", "none"] else ["A", "B"]
    [text] = say.sentences({"modules": table}, {}, ILL, "robust", 0.05)
    assert words in text
    assert "First: A" in text


def test_what_was_not_asked_is_not_called_unexplained():
    unknown = genes(4, explained_by=UNKNOWN)
    [text] = say.sentences({"centrality": unknown}, {}, AGE, "robust", 0.05)
    assert "whether expression, dropout, depth or composition explain it is not known" in text
    unknown.loc[0, "explained_by"] = "depth"
    [text] = say.sentences({"centrality": unknown}, {}, AGE, "robust", 0.05)
    assert "0 not explained by expression, dropout, depth or composition; of 3 it is not" in text
    plain = genes(4).drop(columns="explained_by")
    [text] = say.sentences({"centrality": plain}, {}, AGE, "robust", 0.05)
    assert "whether expression, dropout, depth or composition explain it was not asked" in text


def test_a_name_stays_as_it_is():
    about = say.Compared("dose", "higher dose", "lower dose")
    maps = pd.DataFrame({"kernel": ["edge_jaccard"], "q": [0.01]})
    [text] = say.sentences({"map": maps}, {}, about, "robust", 0.05)
    assert "differ between higher dose and lower dose (" in text


def test_what_was_missed():
    items = {"observations": "24", "each is a": "donor", "detectable effect": "0.6"}
    items |= {"detectable effect, all tests": "nan", "reliability (median gene)": "0.5"}
    [text] = say.missed(items, binary=False)
    assert "a correlation below 0.60 would probably have been missed in a single test" in text
    assert "of any size in one of all genes" in text
    [text] = say.missed(items | {"detectable effect": "nan"}, binary=True)
    assert "even the largest effect of the median gene (ICC 0.50) would probably be missed" in text
    # A gene that is measured better shows more than the median one.
    reliable = {"reliable genes": "14", "reliability (reliable genes)": "0.85"}
    reliable |= {f"detectable effect, reliable genes{of}": "0.7" for of in ("", ", all tests")}
    [text] = say.missed(items | reliable | {"detectable effect": "nan"}, binary=False)
    assert "in a single test of a reliable gene (14 reliable genes, median ICC 0.85), and" in text
    assert "; even the largest effect of the median gene" in text
    assert say.missed({}, binary=True) == []
