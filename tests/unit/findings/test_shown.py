"""What figures show of the tables of results."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import spearmanr

from popnet.findings.shown_associations import (
    connectivity_set,
    degrees,
    drawn_set,
    example_samples,
    genes_of_set,
    map_points,
    mitochondrial_edges,
    qq_points,
    quadrant_points,
    set_neighbourhood,
    top_gene_sets,
    top_genes,
    units_of_tests,
    volcano_points,
    with_complexes,
)
from popnet.findings.shown_comparisons import (
    accuracies,
    centrality_points,
    failed_embeddings,
    gamma_means,
    recalls,
    shown_hits,
)
from popnet.findings.shown_networks import (
    cluster,
    drawn_similarity,
    hub_genes,
    modules_by_phenotype,
    similarity_pairs,
    similarity_range,
)
from popnet.findings.shown_quality import (
    cells_per_sample,
    depth_by_phenotype,
    depth_of_samples,
    loss_medians,
    reliability_of_genes,
    training_of_bins,
)

MT = pd.Series({"MT-ND1": "I", "MT-ND2": "I", "MT-CYB": "III", "MT-CO1": "IV", "MT-ATP6": "V"})


def association(n: int, significant: int) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    p = np.sort(rng.random(n))
    table = pd.DataFrame(
        {
            "gene": [*MT.index, *(f"G{i}" for i in range(n - len(MT)))],
            "statistic": np.linspace(0.7, 0.01, n) * rng.choice([1, -1], n),
            "p": p,
            "q": np.where(np.arange(n) < significant, 0.01, 0.4),
        }
    )
    table.loc[n - 1, ["statistic", "p", "q"]] = np.nan
    return table


def test_top_genes_are_the_strongest_or_the_first():
    many = association(300, 50)
    shown = top_genes(many, MT, fdr=0.05)
    assert len(shown) == 30
    assert shown["significant"].all()
    assert shown["p"].is_monotonic_increasing
    assert set(shown["gene"]) == set(many.nsmallest(30, "p")["gene"])
    assert shown.set_index("gene")["complex"].dropna().to_dict() == MT.to_dict()
    few = top_genes(association(300, 4), MT, fdr=0.05)
    assert len(few) == 20
    assert few["significant"].sum() == 4


def test_top_gene_sets_are_the_first_by_p():
    table = pd.DataFrame(
        {"gene_set": list("abcd"), "nes": [1.0, np.nan, -2, 2], "p": [0.1, 0.2, 0.3, 0.4], "q": 0.4}
    )
    shown = top_gene_sets(table.assign(q=[0.01, 0.2, 0.3, 0.4]), fdr=0.05, top=2)
    assert shown["gene_set"].tolist() == ["a", "c"]
    assert shown["significant"].tolist() == [True, False]


def test_quadrants_say_what_changes():
    genes = pd.DataFrame(
        {"gene": list("abcde"), "statistic": 0.5, "p": [0.1, 0.2, 0.3, 0.4, 0.5]}
    ).assign(q=[0, 0, 1, 1, 0], mean_q=[0, 1, 0, 1, 0], mean_statistic=[1, 1, 1, 1, np.nan])
    shown = quadrant_points(with_complexes(genes, MT, fdr=0.05), fdr=0.05)
    assert shown["gene"].tolist() == list("abcd")
    kinds = ["both", "centrality alone", "expression alone", "neither"]
    assert shown["found"].tolist() == kinds
    own = pd.DataFrame({"gene": list("edcba"), "statistic": -1.0, "q": [0, 0, 1, 1, 1]})
    own = pd.concat([own.assign(measure="expression"), own.assign(measure="detection", q=0)])
    shown = quadrant_points(with_complexes(genes, MT, fdr=0.05), own, fdr=0.05).set_index("gene")
    assert shown["found"].to_dict() == {
        "a": "centrality alone",
        "b": "centrality alone",
        "c": "neither",
        "d": "expression alone",
        "e": "both",
    }
    assert (shown["mean_statistic"] == -1).all()


def test_quantiles_of_p_are_those_of_a_uniform_sample():
    uniform = pd.DataFrame({"p": (np.arange(4000) + 0.5) / 4000})
    shown = qq_points(uniform)
    assert len(shown) == 1500
    assert shown["inflation"].iloc[0] == pytest.approx(1, abs=0.01)
    assert ((shown["low"] < shown["observed"]) & (shown["observed"] < shown["high"])).all()
    # The median of the smallest of n uniform values is 1 - 0.5 ** (1 / n).
    assert shown["expected"].iloc[0] == pytest.approx(1 - 0.5 ** (1 / 4000))
    both = qq_points(uniform.assign(p_permutation=uniform["p"]))
    assert both["source"].unique().tolist() == ["mixed model", "permutation"]
    assert qq_points(uniform.assign(p=np.nan)).empty


def test_volcano_shows_the_estimate_where_there_is_one():
    genes = with_complexes(association(30, 5), MT, fdr=0.05)
    assert volcano_points(genes)["effect"].tolist() == genes["statistic"].tolist()
    with_model = genes.assign(estimate=range(len(genes)))
    assert volcano_points(with_model)["effect"].tolist() == list(range(len(genes)))


def test_units_of_a_test():
    table = pd.DataFrame({"n_units": [24, 23], "n_donors": [24, 23]})
    assert units_of_tests(table, "robust") == (24, "donors")
    assert units_of_tests(table.assign(n_donors=12), "robust") == (24, "samples")
    assert units_of_tests(table, "paper") == (24, "bins")


def test_example_samples_span_the_phenotype():
    phenotype = pd.Series({"a": 3.0, "b": 1.0, "c": np.nan, "d": 2.0, "e": 0.0})
    assert example_samples(phenotype, ["a", "b", "c", "d"]).to_dict() == {"b": 1, "d": 2, "a": 3}
    assert list(example_samples(phenotype, ["a", "b"]).index) == ["b", "a"]
    assert example_samples(phenotype, []).empty


def mitochondrial(significant: int) -> pd.DataFrame:
    pairs = list(combinations(MT.index, 2))
    tests = pd.DataFrame(pairs, columns=["gene1", "gene2"]).assign(gene_set="MT", statistic=0.5)
    tests["p"] = np.linspace(0.001, 1, len(pairs))
    tests["q"] = np.where(np.arange(len(pairs)) < significant, 0.01, 0.5)
    tests = pd.concat([tests.assign(gene_set="KEGG", p=1e-9, q=1e-9), tests])
    edges = pd.DataFrame(
        [(sample, b, a, 0.1 * i) for sample in "xyz" for i, (a, b) in enumerate(pairs)]
        + [("x", "MT-ND1", "OTHER", 1.0)],
        columns=["sample", "gene1", "gene2", "weight"],
    )
    examples = pd.Series({"x": 0.1, "y": 0.9})
    return mitochondrial_edges(tests, edges, examples, MT, fdr=0.05)


def test_mitochondrial_edges_take_genes_in_either_order_and_at_least_half_of_the_bins():
    shown = mitochondrial(3)
    assert len(shown) == 6
    assert shown["significant"].all()
    assert shown["weight"].tolist() == [0, 0.1, 0.2] * 2  # the edges hold every pair turned around
    assert (shown["present"] == (shown["weight"] >= 0.5)).all()
    assert (shown["relation"].eq("within") == (shown["complex1"] == shown["complex2"])).all()
    assert shown["sample"].unique().tolist() == ["x", "y"]
    none = mitochondrial(0)
    assert len(none) == 14
    assert not none["significant"].any()


def test_drawn_sets_have_edges():
    tested = pd.DataFrame({"gene_set": ["A", "B", "MT"]})
    in_graph = pd.DataFrame({"gene_set": ["C", "MT", "B", "B"]})
    assert drawn_set(tested, in_graph) == "B"
    assert connectivity_set(tested, in_graph) == "MT"
    assert connectivity_set(tested, in_graph[in_graph["gene_set"] != "MT"]) == "B"
    assert drawn_set(tested, in_graph[:1]) == "C"
    assert drawn_set(tested, in_graph[:0]) == "MT"
    consensus = pd.DataFrame({"gene": ["x", "y", "z"], "gene_sets": ["A;B", "AB", None]})
    assert genes_of_set(consensus, "B") == ["x"]


def test_set_neighbourhood_keeps_the_genes_that_change_most():
    members = [f"M{i}" for i in range(20)]
    pairs = [*combinations(members, 2), *((a, f"N{i}") for a in members for i in range(80))]
    pairs.append(("N0", "N1"))
    table = pd.DataFrame(pairs, columns=["gene1", "gene2"]).assign(in_case=True, in_control=True)
    table["in_control"] = table["gene1"] != "M0"
    shown = set_neighbourhood(table, members)
    genes = set(shown["gene1"]) | set(shown["gene2"])
    assert len(genes) == 60
    assert "M0" in genes
    assert (shown["in_set1"] | shown["in_set2"]).all()
    count = degrees(shown)
    assert count.loc["M0", ["case", "control", "changed", "total"]].tolist() == [59, 0, 59, 59]
    assert count["member"].sum() == 20


def test_clusters_keep_every_similarity():
    samples = ["b", "a", "d", "c"]
    matrix = pd.DataFrame(
        [[1, 0.1, 0.9, 0.2], [0.1, 1, 0.2, 0.8], [0.9, 0.2, 1, 0.1], [0.2, 0.8, 0.1, 1]],
        samples,
        samples,
    )
    ordered, branches = cluster(matrix)
    assert list(ordered.index) == list(ordered.columns)
    assert abs(list(ordered.index).index("b") - list(ordered.index).index("d")) == 1
    pd.testing.assert_frame_equal(ordered.loc[samples, samples], matrix)
    # Two pairs join at 0.9 and 0.8, and each other at the mean of four similarities.
    heights = branches[..., 1].max(axis=1)
    assert np.sort(heights) == pytest.approx(0.9 - np.array([0.9, 0.8, 0.15]))
    assert branches[..., 0].min() == 0
    assert branches[..., 0].max() == 3
    assert not len(cluster(matrix.iloc[:2, :2]).branches)


def test_colours_of_similarities_begin_at_nothing_in_common():
    def limits(values, within):
        return similarity_range(pd.DataFrame([[1, values[0]], [values[1], 1]]), within)

    assert limits([0.010, 0.024], 0.03) == (0, 0.1)
    assert limits([0.010, 0.024], 0.3) == (0, 0.5)
    assert limits([0.1, 0.2], np.nan) == (0, 0.2)
    assert limits([-0.1, 0.6], np.nan) == (-1, 1)
    assert similarity_range(pd.DataFrame([[1.0]]), np.nan) == (0, 1)


def test_modules_stand_with_all_phenotypes():
    table = pd.DataFrame(
        {"kind": ["density", "density", "coupling"], "module1": [2, 1, 1], "name1": list("bax")}
    ).assign(t=[1.0, -3, 9], p=[0.3, 0.001, 0], q=[0.3, 0.002, 0])
    shown = modules_by_phenotype({"age": table, "sex": table.assign(q=1.0)}, fdr=0.05)
    assert shown[["module", "name"]].to_numpy().tolist() == [[1, "a"], [2, "b"]] * 2
    assert shown["phenotype"].tolist() == ["age", "age", "sex", "sex"]
    assert shown["significant"].tolist() == [True, False, False, False]


def test_of_many_samples_some_are_drawn():
    matrix = np.random.default_rng(0).random((1200, 1200))
    matrix += matrix.T
    names = [f"s{number}" for number in range(1200)]
    similarity = AnnData(obs=pd.DataFrame(index=names), obsp={"jaccard": matrix})
    drawn = drawn_similarity(similarity, "jaccard")
    assert drawn.shape == (1000, 1000)
    assert list(drawn.index[[0, -1]]) == ["s0", "s1199"]
    assert drawn.loc["s1199", "s0"] == matrix[0, 1199]
    few = drawn_similarity(similarity[:2], "jaccard")
    pairs = similarity_pairs(few, "jaccard").drop(columns="kernel")
    expected = [["s0", "s0"], ["s0", "s1"], ["s1", "s1"]]
    assert pairs[["sample1", "sample2"]].to_numpy().tolist() == expected
    assert pairs["similarity"].tolist() == [matrix[0, 0], matrix[0, 1], matrix[1, 1]]


def test_hubs_are_in_at_least_half_of_the_samples():
    centrality = pd.DataFrame(
        {"a": [1.0, 3, 1, 3], "b": [9, np.nan, 9, np.nan], "rare": [9, np.nan, np.nan, np.nan]}
    )
    hubs = hub_genes(centrality, MT).set_index("gene")
    assert hubs.index.tolist() == ["b", "a"]
    assert hubs.loc["a", ["mean", "lowest", "q1", "q3", "highest"]].tolist() == [2, 1, 1, 3, 3]


def test_cells_per_sample_sums_what_is_left_over():
    bins = pd.DataFrame({"sample": ["a", "a", "b"], "bin": [1, 2, 1], "n_cells": [100, 100, 100]})
    excluded = pd.DataFrame(
        {"sample": ["a", "c"], "n_cells": [7, 40], "reason": ["incomplete bin", "too few cells"]}
    )
    cells = cells_per_sample(bins, excluded).set_index("sample")
    assert cells.loc["a"].tolist() == [2, 200, 7, False, ""]
    assert cells.loc["b"].tolist() == [1, 100, 0, False, ""]
    assert cells.loc["c"].tolist() == [0, 0, 40, True, "too few cells"]


def test_bins_to_look_at_come_first():
    trained = pd.DataFrame({"sample": list("abcdef"), "status": "trained"})
    trained["active_dimensions"] = [30.0, 3, 31, np.nan, 29, 30]
    trained.loc[3, "status"] = "failed: training diverged"
    training = training_of_bins(trained)
    assert training["sample"].tolist() == ["d", "b", "a", "c", "e", "f"]
    assert training["look_at"].tolist()[:2] == [
        "failed: training diverged",
        "collapsed: 3 active dimensions (median 30)",
    ]
    assert (training["look_at"].iloc[2:] == "").all()
    few = trained.assign(status="trained", active_dimensions=0.0)
    assert training_of_bins(few)["look_at"].str.startswith("collapsed").all()
    assert (training_of_bins(few.assign(active_dimensions=2.0))["look_at"] == "").all()


def test_loss_medians_keep_the_order_of_the_stages():
    losses = pd.DataFrame(
        {
            "stage": ["joint", "cells", "joint", "joint"],
            "step": [1, 1, 0, 1],
            "total": [4.0, 1, 9, 8],
            "reconstruction": [1.0, 1, 1, 3],
        }
    )
    medians = loss_medians(losses)
    assert list(medians) == ["stage", "step", "total", "reconstruction"]
    assert medians[["stage", "step"]].to_numpy().tolist() == [
        ["joint", 0],
        ["joint", 1],
        ["cells", 1],
    ]
    assert medians["total"].tolist() == [9, 6, 1]


def test_depth_and_reliability_are_per_sample_and_gene():
    bins = pd.DataFrame(
        {"sample": list("bab"), "batch": list("xyx"), "mean_depth": [3.0, 5, 4], "n_cells": 100}
    )
    assert depth_of_samples(bins).to_numpy().tolist() == [["b", "x", 3.5, 200], ["a", "y", 5, 100]]
    depths = pd.DataFrame(
        {"sample": list("abz"), "mean_depth": [6.0, 5, 1], "share_kept": [0.1, 0.2, 1]}
    )
    both = depth_of_samples(bins, depths.assign(shallow=[False, True, False]))
    assert both["mean_depth"].tolist() == [3.5, 5]
    assert both["sequenced_depth"].tolist() == [5, 6]
    assert both["shallow"].tolist() == [True, False]
    reliability = pd.DataFrame({"gene": ["g", "h"], "icc": [0.5, 0.1]})
    degree = pd.DataFrame({"h": [np.nan, np.nan], "g": [np.nan, 2]})
    assert reliability_of_genes(reliability, degree)["central"].tolist() == [True, False]


def test_depth_is_correlated_with_every_phenotype():
    samples = list("abcde")
    depth = pd.DataFrame({"sample": samples, "mean_depth": [1.0, 2, 3, 4, 9]})
    phenotypes = pd.DataFrame({"up": [1, 3, np.nan, 7, 100], "down": [2, 2, 2, 1, 1]}, samples)
    found = depth_by_phenotype(depth, phenotypes).set_index("phenotype")
    assert found["n"].to_dict() == {"up": 4, "down": 5}
    assert found.loc["up", "rho"] == pytest.approx(1)
    assert found.loc["down", "rho"] == pytest.approx(spearmanr(range(5), [2, 2, 2, 1, 1])[0])
    assert found["rho_before"].isna().all()
    before = depth.assign(sequenced_depth=[5, 4, 3, 2, 1])
    assert depth_by_phenotype(before, phenotypes)["rho_before"].iloc[0] == pytest.approx(-1)


def test_a_sample_of_the_map_has_its_donor_and_batch():
    coordinates = pd.DataFrame({"kernel": list("kkl"), "sample": list("aba"), "PC1": 1.0})
    samples = pd.DataFrame({"donor": ["d", ""], "batch": ["x", None]}, list("ab"))
    points = map_points(coordinates, pd.Series({"b": 2.0}), samples, "k")
    assert points[["sample", "donor", "batch"]].to_numpy().tolist() == [
        ["a", "d", "x"],
        ["b", "b", ""],
    ]
    assert points["value"].isna().tolist() == [True, False]


def test_methods_come_in_the_order_given():
    table = pd.DataFrame(
        {
            "method": ["vae", "vae", "pca"],
            "latent": 2,
            "k": 15,
            "fold": [1, 2, 1],
            "label": "cell_type",
            "balanced_accuracy": [0.5, 0.7, 0.9],
        }
    )
    shown = accuracies(table, ["pca", "vae", "absent"])
    assert shown["method"].tolist() == ["pca", "vae"]
    vae = shown.loc[1, ["mean", "lowest", "highest"]].astype(float)
    assert vae.round(9).tolist() == [0.6, 0.5, 0.7]
    types = table.assign(type="B", n=3, recall=0.5, k=[15, 80, 80])
    assert recalls(types, ["pca", "vae"])["method"].tolist() == ["pca", "vae"]
    assert recalls(types[:0], ["pca"]).empty
    status = pd.DataFrame({"comparison": "embeddings", "method": ["pca", "scvi", "never"]})
    status = status.assign(status=["failed", "failed", "failed"], seconds=[1.0, 1.0, np.nan])
    assert failed_embeddings(status, shown) == ["scvi"]


def test_gamma_means_are_over_repeats():
    gammas = pd.DataFrame({"setting": ["1", "1", "0"], "k": 15, "balanced_accuracy": [0.2, 0.4, 1]})
    means = gamma_means(gammas.assign(heldout_error=0.5, linear_error=np.nan))
    assert means["setting"].tolist() == ["1", "0"]
    assert means["balanced_accuracy"].round(9).tolist() == [0.3, 1]


def test_hubs_of_a_method_are_its_most_central_genes():
    centralities = pd.DataFrame({"gene": list("abc"), "truth": [1, 2, 3.0]})
    centralities = centralities.assign(clr=[1, 2, 3], mrnet=[3, 2, 1])
    hubs = pd.DataFrame({"method": ["mrnet", "clr"], "rho": [-1.0, 1.0]})
    points = centrality_points(centralities, hubs, top=1)
    assert points["method"].tolist() == ["clr"] * 3 + ["mrnet"] * 3
    assert points.loc[points["hub"], "gene"].tolist() == ["c", "a"]
    assert list(centrality_points(centralities, hubs[:0])) == list(points)


def test_hits_of_sivae_come_first():
    hits = pd.DataFrame({"gene": list("abcd"), "seen_by": ["clr", "sivae;clr", "", "sivae"]})
    assert shown_hits(hits)["gene"].tolist() == ["b", "d", "a"]
    assert shown_hits(hits, top=1)["gene"].tolist() == ["b"]
