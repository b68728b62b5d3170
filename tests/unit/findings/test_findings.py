"""The table of what a study found, and what its page says."""

import numpy as np
import pandas as pd

from popnet.associations.genes import HALVES, HALVES_OF_EXPRESSION, UNCHANGED
from popnet.findings.rows import (
    component_name,
    finding,
    findings_row,
    headline_first,
    measurable,
    over_the_study,
    qualified,
)
from popnet.findings.sentences import (
    against_correlation,
    compared,
    depth_sentences,
    equivalence,
    headline_sentence,
    in_other_donors,
    measured,
    mixed_precision,
    network_sentences,
    own_sentences,
    remarks,
    unused_dimensions,
)
from popnet.findings.study import all_associations, cohort_record, excluded_cells


def test_hits_are_named_by_their_p():
    table = pd.DataFrame(
        {"gene": list("abcd"), "p": [0.03, 0.001, np.nan, 0.5], "q": [0.045, 0.003, np.nan, 0.5]}
    )
    row = finding("Genes", table, ["gene"], fdr=0.05)
    assert row == {
        "analysis": "Genes",
        "tested": 3,
        "significant": 2,
        "unexplained": 2,
        "strongest": "b, a",
        "smallest_q": 0.003,
        # Simes's p is the smallest q.
        "family_p": 0.003,
        "hit_q": (0.003, 0.045),
    }
    nothing = finding("Genes", table[table["q"] > 0.05], ["gene"], fdr=0.05)
    assert nothing["strongest"] == "(d)"


def row(analysis: str, table: pd.DataFrame, **more: object) -> dict[str, object]:
    about = {
        "cell_type": "FPP",
        "phenotype": "age",
        "network": "shared",
        "preset": "robust",
        "fdr": 0.05,
    }
    return findings_row(analysis, table, **about, **more)


def test_what_cell_types_share_and_where_they_differ():
    table = pd.DataFrame(
        {
            "gene": list("abc"),
            "p": [0.001, 0.002, np.nan],
            "q": [0.003, 0.004, np.nan],
            "shared": [True, False, False],
            "differs_in": ["B cells", "T cells", np.nan],
            "difference_p": [0.4, 0.001, np.nan],
            "difference_q": [0.4, 0.002, np.nan],
        }
    )
    found = row("shared", table)
    assert (found["tested"], found["significant"], found["strongest"]) == (2, 1, "a")
    found = row("differing_expression", table)
    assert (found["tested"], found["significant"]) == (2, 1)
    assert found["strongest"] == "b - T cells"
    nothing = table.iloc[:0].astype(object)
    assert row("differing", nothing)["tested"] == row("shared", nothing)["tested"] == 0


def test_a_gene_of_several_groups_counts_once_by_its_smallest_q():
    genes = pd.DataFrame({"group": list("AABB"), "gene": ["x", "y", "x", "z"], "q": 1.0})
    genes = genes.assign(p=[0.01, 0.5, 0.01, 0.02], q_within=[0.08, 0.5, 0.03, 0.04])
    found = row("genes_in_groups", genes.assign(explained_by=["depth", "", "depth", "depth"]))
    assert (found["tested"], found["significant"], found["strongest"]) == (3, 2, "x, z")
    assert found["of_these"] == "2 explained by depth"


def test_map_counts_the_preset_s_kernel_and_tests_with_a_q():
    table = pd.DataFrame(
        [
            ("age", "edge_jaccard", "axis", "PC1", 0.5),
            ("age", "edge_jaccard", "hsic", None, 0.01),
            ("age", "edge_jaccard", "permanova", None, 0.001),
            ("age", "wl_degree", "hsic", None, 0.001),
            ("sex", "edge_jaccard", "hsic", None, 0.001),
        ],
        columns=["phenotype", "kernel", "test", "axis", "p"],
    )
    table["q"] = table["p"].where(table["test"] != "permanova")
    verdict = {"network": "shared", "measure": "map edge_jaccard", "verdict": "not measurable"}
    measures = pd.DataFrame([verdict | {"sentence": "bins do not agree"}])
    untested = row("map", table.assign(p=np.nan, q=np.nan), measures=measures)
    assert untested["measurable"] == "not measurable"
    assert untested["strongest"] == "not tested: bins do not agree"
    whole = row("map", table)
    assert whole["phenotype"] == "age"
    assert whole["cell_type"] == "FPP"
    assert (whole["tested"], whole["strongest"]) == (1, "edge_jaccard - hsic")
    assert row("axes", table)["strongest"] == "(edge_jaccard - PC1)"


def test_components_are_named_by_genes_and_corrected_family_wise():
    table = pd.DataFrame({"genes": ["A;B;C;D", "E;F"], "p": 0.001, "p_family": [0.01, 0.5]})
    found = row("components", table)
    assert found["strongest"] == "4 genes: A, B, C, …"
    assert (found["tested"], found["significant"], found["of_these"]) == (2, 1, "")
    assert component_name("E;F") == "2 genes: E, F"


def test_hits_of_centrality_are_qualified():
    hits = pd.DataFrame(
        {
            "gene": list("abc"),
            "p": 0.001,
            "q": [0.01, 0.01, 0.5],
            "explained_by": ["depth", "none", "depth"],
            "icc": [0.9, np.nan, 0.1],
            "reliable": [True, False, False],
            "stable_share": [1.0, 0.9, 0.5],
        }
    )
    text = (
        "1 explained by depth; reliability of 1 unknown; "
        "1 not in every run without a sample, donor or batch"
    )
    assert row("centrality", hits)["of_these"] == text
    assert "1 not reliable over bins" in qualified(hits)
    graph = hits.assign(measure="degree", q_all=[0.01, 0.9, 0.9])
    assert row("graph_centrality", graph)["significant"] == 1


def test_remarks_name_samples_and_bins_that_are_left_out():
    excluded = pd.DataFrame(
        {
            "cell_type": "FPP",
            "sample": [f"s{i}" for i in range(13)],
            "reason": ["no bin: 3 cells"] * 12 + ["bin 1 did not train: failed"],
        }
    )
    findings = pd.DataFrame({"permuted_phenotypes": [20, 20]})
    lines = remarks(findings, excluded, "robust", 0.05)
    assert (
        "FPP: samples that fill no bin and are left out: 12 "
        "(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, …)." in lines
    )
    assert "FPP: bins that did not train and are left out: 1, see excluded.tsv." in lines
    assert "5%" in lines[0]


def test_designs_give_warnings_and_a_row_each():
    design = pd.DataFrame(
        [("observations", "6"), ("warning", "no test can pass"), (HALVES, "0.3 (0.0 ...)")],
        columns=["item", "value"],
    )
    covariates = pd.DataFrame({"covariate": ["sex"], "p": [0.5]})
    designs = [
        ("FPP", "shared", "age", design, covariates),
        ("FPP", "correlation", "age", design, covariates),
        ("P", "correlation", "age", design[:1], covariates[:0]),
    ]
    chosen = {"FPP": "shared", "P": "correlation"}
    warnings, described, of_designs = compared(designs, chosen)
    assert warnings == ["age in FPP: no test can pass."]
    assert described.to_dict("records")[1] == {
        "phenotype": "age",
        "cell type": "P",
        "observations": "6",
    }
    assert list(of_designs) == ["phenotype", "cell type", "covariate", "p"]
    assert of_designs["cell type"].tolist() == ["FPP"]


def test_halves_of_the_donors_are_told_for_every_network():
    items = {HALVES: "0.31 (0.02 ...)", HALVES_OF_EXPRESSION: "0.66 (0.01 ...)"}
    design = pd.DataFrame({"item": list(items), "value": list(items.values())})
    nothing = pd.DataFrame({"item": ["observations"], "value": ["6"]})
    designs = [
        ("FPP", "shared", "age", design, nothing),
        ("FPP", "correlation", "age", design[:1], nothing),
        ("FPP", "shared", "sex", nothing, nothing),
    ]
    (line,) = in_other_donors(designs)
    assert line.startswith("age in FPP: would effects come back in other donors?")
    assert line.endswith(
        "mean expression 0.66 (0.01 ...); degree centrality (shared) 0.31 (0.02 ...); "
        "degree centrality (correlation) 0.31 (0.02 ...)."
    )


def test_a_margin_is_told_for_every_network():
    design = pd.DataFrame({"item": ["donors", UNCHANGED], "value": ["6", "12 of 40 genes change"]})
    of_sex = "FPP", "shared", "sex", design[:1], design
    designs = [("FPP", "shared", "age", design, design), of_sex]
    (line,) = equivalence(designs)
    assert line.startswith("age in FPP: by degree centrality (shared) 12 of 40 genes change.")


def test_associations_of_a_study_are_corrected_together():
    table = pd.DataFrame({"gene": ["a", "b"], "p": [0.04, 0.5], "q": [0.08, 0.5]})
    maxima = np.linspace(0, 3, 50)
    tests = [("FPP", "age", table, maxima), ("P", "age", table.assign(p=[0.01, 0.6]), maxima)]
    found = all_associations(tests, seed=1)
    assert found["p"].tolist() == [0.01, 0.04, 0.5, 0.6]
    assert list(found)[:3] == ["cell_type", "phenotype", "gene"]
    assert found["study_q"].tolist() == [0.04, 0.08, 0.6, 0.6]
    assert list(table) == ["gene", "p", "q"]


def test_cells_and_models_of_a_study():
    unbinned = pd.DataFrame(
        {"cell_type": "FPP", "sample": ["a"], "n_cells": [7], "reason": ["incomplete bin"]}
    )
    bins = pd.DataFrame({"cell_type": "FPP", "sample": ["a", "b", "b"], "bin": [1, 1, 2]})
    bins["n_cells"] = 100
    trained = bins.assign(status=["failed: diverged", "trained", "failed: diverged"])
    trained = pd.concat([trained, trained[2:].assign(status="trained")]).assign(
        version="1.0", code="abc"
    )
    excluded = excluded_cells(unbinned, bins, trained)
    assert excluded["reason"].tolist() == [
        "incomplete bin",
        "bin 1 did not train: failed: diverged",
    ]
    config = {"cohort": "sheet.yaml", "preset": "robust", "seed": 1}
    target = {"FPP": {"quantiles": [1.0], "samples": {"a": "x"}, "code": "c"}}
    record = cohort_record("demo", config, bins, excluded, trained, None, target)
    assert record["depth_targets"] == target
    assert record["bins"] == {"FPP": 3}
    assert record["samples_kept"] == {"FPP": ["b"]}
    assert record["models"] == [
        {"cell_type": "FPP", "version": "1.0", "code": "abc", "n_models": 2}
    ]


def test_what_equal_depth_costs_is_said_and_who_is_too_shallow():
    depths = pd.DataFrame(
        {
            "sample": ["a", "b", "c", "d"],
            "matched_depth": [1000.0, 1010, 990, 300],
            "share_kept": [0.5, 1, 0.25, 1],
            "shallow": [False, False, False, True],
        }
    )
    [said], [warned] = depth_sentences("T cells", depths)
    assert "1,000 counts in the median cell" in said
    assert "keeps 75% of its counts, from 25% (c) to 100%" in said
    assert "1 of 4 samples are shallow" in warned
    assert "thinned to (d)." in warned
    assert "(c)" not in depth_sentences("T cells", depths, named=False)[0][0]
    said, warned = depth_sentences("T cells", depths[:3])
    assert (len(said), warned) == (1, [])


def test_what_a_network_is_and_how_much_of_it_comes_back():
    similarity = pd.DataFrame(
        {
            "kernel": ["wl_gene", "edge_jaccard"],
            "within_samples": [0.1, 0.8],
            "within_donors": [0.1, 0.7],
            "n_within_donors": [2, 2],
            "within_batches": [0.1, None],
            "n_within_batches": [0, 0],
            "between_batches": [0.1, 0.6],
            "n_between_batches": [6, 6],
        }
    )
    reliability = pd.DataFrame({"strength_icc": [0.2, 0.5, 0.9]})
    one, two = network_sentences("T cells", "shared", 300, similarity, reliability)
    assert one.startswith("T cells: the weight of an edge is how far the expression of two genes")
    # Mean over pairs of samples: (2 * .7 + 6 * .6) / 8.
    assert "share 80% of their edges, bins of two samples 62%" in two
    assert "50% (median gene) would come back" in two
    alone = similarity.assign(within_samples=float("nan"))
    assert "unknown" in network_sentences("T cells", "shared", 300, alone, reliability)[1]


def test_models_of_two_precisions_are_a_warning():
    (warning,) = mixed_precision("T cells", {"bf16": 1200, "float32": 3})
    assert "1,200 in bf16 and 3 in float32" in warning
    assert mixed_precision("T cells", {"bf16": 5}) == mixed_precision("T cells", {}) == []


def test_most_dimensions_switched_off_is_a_warning():
    (warning,) = unused_dimensions("T cells", {"the cohort's siVAE": 6, "another": 16}, 32)
    assert "the cohort's siVAE uses 6 of 32 latent dimensions" in warning


def test_an_edge_is_called_where_model_and_correlation_agree():
    table = pd.DataFrame(
        {
            "gene_set": ["all", "all", "all", "MT"],
            "gene1": ["a", "a", "b", "a"],
            "gene2": ["b", "c", "c", "b"],
            "p": [1e-4, 1e-3, 1e-2, 1e-4],
            "q": [0.001, 0.01, 0.6, 0.001],
            "correlation_q": [0.02, 0.3, None, 0.02],
            "agrees": [True, False, False, True],
            "switched": ["off in cases", "", "", "off in cases"],
            "explained_by": ["expression switched on or off", "", "", ""],
        }
    )
    found = row("edges", table)
    assert (found["tested"], found["significant"], found["strongest"]) == (3, 1, "a - b")
    assert found["smallest_q"] == 0.02
    assert found["of_these"] == "1 explained by expression switched on or off"
    assert row("model_edges", table)["of_these"] == found["of_these"]
    assert row("model_edges", table)["significant"] == 2


def test_what_nothing_explains_is_named_first():
    table = pd.DataFrame(
        {
            "gene": list("abcd"),
            "p": [0.001, 0.002, 0.003, 0.5],
            "q": [0.004, 0.004, 0.004, 0.5],
            "explained_by": ["other genes' edges", "none", "mean expression", ""],
        }
    )
    found = finding("Genes", table, ["gene"], fdr=0.05)
    assert (found["significant"], found["unexplained"], found["strongest"]) == (3, 1, "b, a, c")
    assert found["smallest_q"] == 0.004


def test_rows_are_families_of_the_study():
    findings = pd.DataFrame(
        {
            "analysis": ["Genes", "Sets", "Pairs", "Expression (positive control)", "Map"],
            "family_p": [0.001, 0.04, 0.6, 1e-9, np.nan],
            "hit_q": [(0.001, 0.03), (0.04,), (), (1e-9,), ()],
        }
    )
    found = over_the_study(findings, 0.05)
    # Of three families one is selected: within it q may be a third of 0.05.
    np.testing.assert_allclose(found["family_q"], [0.003, 0.06, 0.6, np.nan, np.nan])
    assert found["significant_in_study"].fillna(-1).tolist() == [1, 0, 0, -1, -1]
    assert "hit_q" not in found


def test_a_programme_is_named_once_and_a_coupling_by_both():
    table = pd.DataFrame(
        {
            "kind": ["variance", "coupling"],
            "name1": ["a/b", "a/b"],
            "name2": ["a/b", "c/d"],
            "p": [0.001, 0.002],
            "q": [0.01, 0.02],
        }
    )
    assert row("programmes", table)["strongest"] == "a/b, a/b with c/d"


def test_expression_and_detection_are_rows_of_one_table():
    table = pd.DataFrame(
        {"gene": list("abab"), "measure": ["expression"] * 2 + ["detection"] * 2, "p": 0.01}
    )
    table["q"] = [0.01, 0.5, 0.5, 0.5]
    found = row("expression", table)
    assert found["analysis"] == "Expression (positive control)"
    assert (found["tested"], found["significant"], found["strongest"]) == (2, 1, "a")
    assert row("detection", table)["significant"] == 0


def test_where_the_headline_adds_to_correlation():
    hits = {"Edges": (12, 3), "Genes": (0, 4), "Sets": (2, 2), "Map": (0, 0)}
    rows = [
        ("age", "T", network, analysis, n)
        for analysis, found in hits.items()
        for network, n in zip(("shared", "correlation"), found, strict=True)
    ]
    rows += [("age", "T", "shared", "Programmes", 5), ("age", "T", "", "Expression", 9)]
    rows += [("age", "B", "shared", "Edges", 0), ("age", "B", "correlation", "Edges", 0)]
    columns = ["phenotype", "cell_type", "network", "analysis", "unexplained"]
    findings = pd.DataFrame(rows, columns=columns)
    assert against_correlation(findings, {"T": "shared", "B": "shared"}) == [
        "age in T: beside plain correlation, shared finds more in Edges (12 against 3); it finds "
        "less in Genes (0 against 4); it finds as much in Sets (2 against 2).",
        "age in B: beside plain correlation, shared finds as little, which is nothing, in all "
        "analyses.",
    ]
    assert against_correlation(findings, {"T": "correlation", "B": "correlation"}) == []
    assert against_correlation(findings, {"T": "mine", "B": "mine"}) == []


def test_networks_of_the_users_own_are_told():
    assert own_sentences([], has_cells=True) == []
    (alone,) = own_sentences(["a", "b"], has_cells=True)
    assert alone.startswith("Of your own: a, b.")
    assert "not adjusted for sequencing depth" in own_sentences(["a"], has_cells=False)[1]
    similarity = pd.DataFrame(
        {
            "kernel": ["centrality"],
            "within_samples": [0.9],
            "within_donors": [np.nan],
            "within_batches": [0.25],
            "between_batches": [0.75],
            "n_within_donors": [0],
            "n_within_batches": [1],
            "n_between_batches": [1],
        }
    )
    sentences = network_sentences("T", "regulons", 1000, similarity, pd.DataFrame())
    assert sentences == [
        "T: regulons are values of genes from a table of your own.",
        "The rank correlation of two bins of one sample is 0.90, of bins of two samples 0.50.",
    ]
    edges = network_sentences(
        "T", "mine", 1000, similarity.assign(kernel="edge_jaccard"), pd.DataFrame()
    )
    assert "that in the table of your own network mine" in edges[0]
    assert edges[1].startswith("Two bins of one sample share 90%")


def measures(**verdicts):
    """Return measures.tsv of the networks shared and correlation, by measure."""
    rows = [
        (network, measure, verdict)
        for network in ("shared", "correlation")
        for measure, verdict in verdicts.items()
    ]
    table = pd.DataFrame(rows, columns=["network", "measure", "verdict"])
    table["sentence"] = table["verdict"] + " with 300 cells per sample"
    numbers = ["icc_sample", "icc_bin", "lower_quartile", "upper_quartile", "auroc", "p"]
    table["adjusted_for"], table["cells_per_sample"] = "batch;mean expression", 300
    table["needed_cells"] = 600
    return table.assign(**dict.fromkeys([*numbers, "fingerprint", "chance", "other_seed"], 0.25))


def test_findings_say_what_is_not_tested_and_why():
    about = {"cell_type": "FPP", "phenotype": "age", "network": "shared"}
    about |= {"preset": "robust", "fdr": 0.05}
    known = measures(edges="not measurable", degree="measurable", pagerank="not measurable")
    table = pd.DataFrame({"gene_set": "all", "gene1": "a", "gene2": "b", "agrees": [False]})
    table = table.assign(p=np.nan, q=np.nan, correlation_q=np.nan)
    found = findings_row("edges", table, **about, measures=known)
    assert found["strongest"] == "not tested: not measurable with 300 cells per sample"
    assert (found["tested"], found["measurable"]) == (0, "not measurable")
    graph = pd.DataFrame({"gene": "a", "measure": ["degree", "pagerank"], "p": [0.01, np.nan]})
    found = findings_row("graph_centrality", graph.assign(q_all=0.01), **about, measures=known)
    assert found["measurable"] == "measurable: degree; not measurable: pagerank"
    assert found["strongest"] == "degree - a"
    assert row("graph_centrality", graph.assign(q_all=0.01))["measurable"] == ""
    own = known[known["network"] == "shared"]
    assert measurable(own) == "measurable: degree; not measurable: edges, pagerank"


def test_findings_begin_with_the_headline():
    table = pd.DataFrame(
        {
            "phenotype": ["age", "age", "age", "sex", "sex"],
            "cell_type": ["FPP", "FPP", "all", "FPP", "FPP"],
            "network": ["shared", "correlation", "", "shared", "correlation"],
        }
    )
    found = headline_first(table, {"FPP": "correlation"})
    assert found.index.tolist() == [1, 0, 2, 4, 3]
    names = ["shared", "correlation"]
    for verdict, words in (
        ("measurable", "the first whose gene strengths are measurable"),
        ("in part", "in part"),
        ("unknown", "no network is known to be measurable"),
    ):
        assert words in headline_sentence("FPP", measures(strength=verdict), names)


def test_the_page_shows_what_is_measurable_of_every_cell_type():
    shown = measured({"A": measures(degree="measurable"), "B": measures(degree="unknown")})
    assert shown["cell type"].tolist() == ["A", "A", "B", "B"]
    assert shown["is it measurable?"].tolist()[-1] == "unknown"
    assert shown["quartiles"].tolist()[0] == "0.25 to 0.25"
    assert shown["given"].tolist()[0] == "batch, mean expression"
