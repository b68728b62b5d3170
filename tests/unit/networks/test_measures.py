"""What can be measured: variance components, agreement of bins, verdicts, the headline."""

from __future__ import annotations

import math
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from statsmodels.regression.linear_model import OLS

from popnet.cells.halves import halve
from popnet.files import read_table, write_parquet, write_table
from popnet.networks import estimators, measures, verdicts
from popnet.networks.gather import gather
from popnet.networks.measures import Judging, of_kernel, of_values
from popnet.networks.reliability import icc
from popnet.networks.verdicts import IN_PART, MEASURABLE, NOT_MEASURABLE, UNKNOWN
from popnet.stats.components import components, describe_bins, kernel_components

HOW = Judging(0.4, 1)


def table(sizes, depth=None, batch=""):
    """Return bins, `sizes` of each sample."""
    sample = np.repeat([f"s|{number}" for number in range(len(sizes))], sizes)
    about = {"sample": sample, "n_cells": 100, "mean_depth": 3.0, "batch": batch}
    return pd.DataFrame(about | ({} if depth is None else {"mean_depth": depth}))


def drawn(sizes, of_samples, n_genes=50, seed=0):
    """Return values whose samples and bins have the given variance and 1."""
    rng = np.random.default_rng(seed)
    means = math.sqrt(of_samples) * rng.normal(size=(len(sizes), n_genes))
    return means.repeat(sizes, axis=0) + rng.normal(size=(sum(sizes), n_genes))


@settings(deadline=None, max_examples=30)
@given(n=st.integers(2, 8), k=st.integers(2, 5), seed=st.integers(0, 2**32 - 1))
def test_without_covariates_it_is_the_one_way_icc(n, k, seed):
    values = drawn([k] * n, 1.0, 4, seed)
    found = components(values, describe_bins(table([k] * n), ())).icc
    mean = icc(values, table([k] * n)["sample"].to_numpy())["icc"].to_numpy()
    # ICC(1,k) by Spearman and Brown from ICC(1,1), where neither is cut off.
    known = (mean > -1) & (found > -1)
    np.testing.assert_allclose((k * found / (1 + (k - 1) * found))[known], mean[known], rtol=1e-6)


def test_the_components_are_those_of_henderson():
    """Against sums of squares of two regressions, gene by gene, with missing values."""
    rng = np.random.default_rng(3)
    sizes = [1, 3, 2, 4, 2, 3, 1, 2]
    bins = table(sizes, rng.normal(size=18), [f"b{row % 2}" for row in range(18)])
    described = describe_bins(bins)
    assert described.adjusted_for == ("depth", "batch")
    values, own = drawn(sizes, 1.0, 5), drawn(sizes, 0.5, 5, seed=9)
    values[[2, 7], 3] = np.nan
    found = components(values, described, own)
    indicators = pd.get_dummies(bins["sample"], dtype=float).to_numpy()
    for gene in range(5):
        kept = np.isfinite(values[:, gene])
        parts = [np.ones(18), bins["mean_depth"], bins["batch"] == "b1", own[:, gene]]
        fixed = np.column_stack(parts).astype(float)[kept]
        wider = np.column_stack([fixed, indicators[kept]])
        small, large = (OLS(values[kept, gene], x).fit() for x in (fixed, wider))
        rank = np.linalg.matrix_rank(wider)
        df, df_within = rank - 4, kept.sum() - rank
        of_bins = large.ssr / df_within
        left = np.eye(kept.sum()) - fixed @ np.linalg.pinv(fixed)
        trace = np.trace(indicators[kept].T @ left @ indicators[kept])
        of_samples = (small.ssr - large.ssr - df * of_bins) / trace
        assert found.icc[gene] == pytest.approx(of_samples / (of_samples + of_bins))
        np.testing.assert_allclose(found.residuals[kept, gene], small.resid, atol=1e-9)


def test_the_true_icc_is_recovered_beside_depth_and_expression():
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 6, 60)
    depth = (rng.normal(size=60).repeat(sizes)) + 0.3 * rng.normal(size=sizes.sum())
    own = drawn(sizes, 1.0, 300, seed=1)
    values = drawn(sizes, 0.5, 300, seed=2) + 3 * depth[:, None] + 2 * own
    described = describe_bins(table(sizes, depth))
    assert np.median(components(values, described, own).icc) == pytest.approx(1 / 3, abs=0.03)
    # Both would pass for reliability.
    bare = describe_bins(table(sizes, depth), ())
    assert np.median(components(values, bare).icc) > 0.6


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.01, 100),
    slope=st.floats(-5, 5),
)
def test_nothing_depends_on_scale_depth_order_or_names(seed, scale, slope):
    rng = np.random.default_rng(seed)
    sizes = [3, 2, 1, 4, 2, 2]
    bins = table(sizes, rng.normal(size=14))
    values = drawn(sizes, 1.0, 6, seed)
    first = components(values, describe_bins(bins)).icc
    moved = scale * (values + slope * bins["mean_depth"].to_numpy()[:, None])
    order = rng.permutation(14)
    names = bins["sample"].map(
        {name: f"x{number}" for number, name in enumerate(set(bins["sample"]))}
    )
    shuffled = bins.assign(sample=names).iloc[order]
    np.testing.assert_allclose(
        components(moved[order], describe_bins(shuffled)).icc, first, rtol=1e-5, atol=1e-6
    )


def test_a_linear_kernel_has_the_icc_of_its_values():
    rng = np.random.default_rng(5)
    bins = describe_bins(table([2, 3, 1, 4, 3], rng.normal(size=13)))
    values = drawn([2, 3, 1, 4, 3], 1.0, 1)
    icc_of_kernel, left = kernel_components(values @ values.T, bins)
    found = components(values, bins)
    assert icc_of_kernel == pytest.approx(found.icc[0])
    np.testing.assert_allclose(left, found.residuals @ found.residuals.T, atol=1e-9)


def test_covariates_leave_degrees_of_freedom_or_are_left_out():
    for n, left in ((4, ()), (5, ("depth",))):
        depth = np.arange(float(n)).repeat(2)
        assert describe_bins(table([2] * n, depth)).adjusted_for == left
    # Every sample its own batch.
    batch = np.repeat(list("abcdef"), 2)
    found = describe_bins(table([2] * 6, np.arange(12.0) % 5, batch))
    assert found.adjusted_for == ("depth",)


def test_samples_are_recognised_only_where_they_differ():
    bins = describe_bins(table([3] * 8))
    found = of_values(drawn([3] * 8, 2.0), bins, HOW)
    assert found["icc_bin"] == pytest.approx(2 / 3, abs=0.1)
    assert found["icc_sample"] == pytest.approx(6 / 7, abs=0.1)
    assert found["fingerprint"] == 1
    assert found["chance"] == pytest.approx(1 / 8, abs=0.05)
    assert found["auroc"] > 0.95
    assert (found["verdict"], found["p"]) == (MEASURABLE, 1 / 200)
    assert found["sentence"] == "measurable with 300 cells per sample"
    # Spearman and Brown: as many cells as give the least ICC.
    of_needed = found["needed_cells"] / 300
    r = found["icc_sample"]
    assert of_needed * r / (1 + (of_needed - 1) * r) == pytest.approx(0.4)


def test_p_is_uniform_or_larger_where_nothing_differs():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 6, 8)
        depth = rng.normal(size=8).repeat(sizes) + 0.2 * rng.normal(size=sizes.sum())
        bins = describe_bins(table(sizes, depth))
        shared = rng.normal(size=(sizes.sum(), 3)) @ rng.normal(size=(3, 30))
        values = shared + drawn(sizes, 0, 30, seed) + depth[:, None]
        found.append(
            of_values(values, bins, Judging(0.4, seed), drawn(sizes, 1.0, 30, 1000 + seed))
        )
    p = np.array([one["p"] for one in found])
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert (p <= 0.05).mean() < 0.12
    assert {one["verdict"] for one in found} >= {NOT_MEASURABLE}


@pytest.mark.parametrize("share_missing", [0.3, 0.6])
def test_p_is_uniform_where_genes_are_missing_from_bins(share_missing):
    """As in shallow cells, where a network knows many genes in some bins only."""
    found = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 5, 12)
        values = drawn(sizes, 0, 40, seed)
        values[rng.random(values.shape) < share_missing * rng.random(40)] = np.nan
        found.append(of_values(values, describe_bins(table(sizes)), Judging(0.4, seed))["p"])
    assert kstest(found, "uniform").pvalue > 0.01


def test_genes_that_a_single_bin_expresses_do_not_hide_what_samples_differ_in():
    sizes = [1, 1, 1, *[3] * 9]
    values = drawn(sizes, 4.0, 20)
    rare = np.zeros((sum(sizes), 400))
    rare[np.random.default_rng(1).integers(sum(sizes), size=400), np.arange(400)] = 1
    found = of_values(np.hstack([values, rare]), describe_bins(table(sizes)), HOW)
    assert found["p"] == 1 / 200


def test_of_many_bins_those_of_random_samples_are_looked_at(monkeypatch):
    monkeypatch.setattr(measures, "MOST_BINS", 20)
    bins = table([1, 3, 5, 7, 9, 11])
    assert not measures.some_bins(bins, 1).all()
    chosen = [measures.some_bins(bins, seed) for seed in range(20)]
    for one in chosen:
        assert 0 < one.sum() <= 20
        # Samples as a whole, whatever the order of the bins.
        assert bins[one]["sample"].isin(bins[~one]["sample"]).sum() == 0
    assert len({tuple(one) for one in chosen}) > 5
    backwards = measures.some_bins(bins[::-1], 1)[::-1]
    np.testing.assert_array_equal(backwards, chosen[1])
    assert measures.some_bins(table([2, 18]), 1).all()
    assert measures.some_bins(table([30]), 1).all()


def test_verdicts():
    few = {"icc_sample": 0.2, "p": 0.005, "cells_per_sample": 300.0}
    found = measures.judge(few, (7, 16), 0.4, False)
    assert found["verdict"] == IN_PART
    # 300 (0.4 / 0.6) / (0.2 / 0.8)
    assert found["needed_cells"] == pytest.approx(800)
    assert found["sentence"].endswith("about 800 would be needed")
    noise = measures.judge(few | {"p": 0.3}, (7, 16), 0.4, False)
    assert noise["verdict"] == NOT_MEASURABLE
    assert (
        noise["sentence"] == "not measurable with 300 cells per sample; about 800 would be needed"
    )
    none = measures.judge(few | {"p": 0.3, "icc_sample": 0.0}, (7, 16), 0.4, True)
    assert "no number of cells" in none["sentence"]
    assert "halves" in none["sentence"]
    assert (
        measures.judge(few | {"p": 0.3, "icc_sample": 0.6}, (7, 16), 0.4, False)["verdict"]
        == UNKNOWN
    )
    assert measures.judge(few, (7, 2), 0.4, False)["verdict"] == UNKNOWN
    alone = of_values(drawn([1] * 9, 1.0), describe_bins(table([1] * 9)), HOW)
    assert alone["sentence"] == "unknown: one bin per sample"
    constant = of_values(np.ones((12, 4)), describe_bins(table([2] * 6)), HOW)
    assert constant["sentence"] == "unknown: it does not vary"
    assert np.isnan(of_kernel(np.eye(9), describe_bins(table([1] * 9)), HOW)["p"])


def row(network, measure, verdict):
    sentence = f"{verdict} with 300 cells per sample"
    about = {"network": network, "measure": measure, "verdict": verdict, "sentence": sentence}
    return about | {"icc_sample": 0.5}


def test_the_headline_is_the_first_that_is_measurable():
    def of(*found):
        networks = ["shared", "sivae", "correlation"]
        rows = [row(*one) for one in zip(networks, ["strength"] * 3, found, strict=True)]
        return verdicts.headline(pd.DataFrame(rows), networks)

    assert of(UNKNOWN, MEASURABLE, MEASURABLE) == "sivae"
    assert of(IN_PART, NOT_MEASURABLE, MEASURABLE) == "correlation"
    assert of(NOT_MEASURABLE, UNKNOWN, IN_PART) == "correlation"
    assert of(NOT_MEASURABLE, UNKNOWN, UNKNOWN) == "shared"
    assert verdicts.headline(None, ["sivae"]) == "sivae"


def test_tests_have_the_reliability_of_their_measure_beside_them():
    rows = [row("shared", *one) for one in [("degree", MEASURABLE), ("pagerank", NOT_MEASURABLE)]]
    rows += [row("shared", "map wl_gene", IN_PART), row("shared", "programme coupling", UNKNOWN)]
    known = pd.DataFrame([*rows, row("correlation", "degree", NOT_MEASURABLE)])
    graph = pd.DataFrame({"measure": ["pagerank", "degree", "strength"]})
    found = verdicts.beside(graph, "graph_centrality", "shared", known)["verdict"]
    assert found.fillna("").tolist() == [NOT_MEASURABLE, MEASURABLE, ""]
    consensus = verdicts.beside(pd.DataFrame({"gene": ["a"]}), "consensus", "correlation", known)
    assert consensus["verdict"].tolist() == [NOT_MEASURABLE]
    assert consensus["measure_icc"].tolist() == [0.5]
    kinds = pd.DataFrame({"kind": ["coupling"]})
    assert verdicts.beside(kinds, "programmes", "shared", known)["verdict"].tolist() == [UNKNOWN]
    kernels = pd.DataFrame({"kernel": ["wl_gene"]})
    assert verdicts.beside(kernels, "map", "shared", known)["verdict"].tolist() == [IN_PART]
    assert list(verdicts.not_measurable(known, "shared")) == ["pagerank"]


def test_halves_are_all_cells_of_a_bin(cohort):
    expression, summary = cohort
    halved, both = halve(expression, summary, 7)
    assert len(both) == 2 * len(summary)
    for sample, number in summary.obs[["sample", "bin"]].itertuples(index=False, name=None):
        parts = [halved.read(sample, 2 * number - 1), halved.read(sample, 2 * number)]
        assert abs(len(parts[0]) - len(parts[1])) <= 1
        whole = expression.read(sample, number)
        np.testing.assert_array_equal(
            np.sort(np.concatenate(parts), axis=0), np.sort(whole, axis=0)
        )
        counts, depth = halved.read_counts(sample, 2 * number)
        rows = halved.rows(sample, 2 * number)
        assert (halved.obs["bin"].to_numpy()[rows] == 2 * number).all()
        assert len(counts) == len(depth) == both.obs.loc[f"{sample}.{2 * number}", "n_cells"]


def write_network(folder, name, expression, summary):
    """Write what measure_network reads of a network; return the paths by name."""
    found = gather(
        estimators.correlation(expression, summary, 0.05),
        summary,
        expression,
        folder / "neighbours.parquet",
        weigh_pairs=True,
        closest=0.2,
        central_genes="all",
        neighbours=3,
    )
    paths = {"bins": str(folder / f"{name}.h5ad"), "edges": str(folder / f"{name}.parquet")}
    found.to_anndata().write_h5ad(paths["bins"])
    write_parquet(found.bin_edges, paths["edges"])
    return paths, found


def values_of_genes(sizes):
    """Return values of genes of which neither cells nor expression are known."""
    obs = table(sizes).assign(n_cells=np.nan, mean_depth=np.nan)
    obs.index = obs["sample"] + "." + np.arange(len(obs)).astype(str)
    values = drawn(sizes, 4.0, 12)
    return AnnData(values, obs, layers={"mean_expression": np.full(values.shape, np.nan)})


def test_values_of_genes_without_cells_are_measured_in_bins():
    (row,) = measures.of_network("regulons", values_of_genes([3] * 8), None, ["wl_gene"], HOW)
    assert (row["measure"], row["verdict"]) == ("centrality", MEASURABLE)
    assert row["sentence"] == "measurable with 3 bins per sample"
    assert row["adjusted_for"] == ""
    (alone,) = measures.of_network("regulons", values_of_genes([1] * 8), None, ["wl_gene"], HOW)
    assert alone["sentence"] == "unknown: one bin per sample"


def run_script(root, name, snakemake):
    script = root / "workflow" / "scripts" / "networks" / name
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})


@pytest.mark.parametrize("halved", [False, True])
def test_the_scripts(halved, binned, root, tmp_path):
    rng = np.random.default_rng(0)
    cells = {}
    for sample in range(6):
        axes = np.random.default_rng(sample).normal(size=(3, 12))
        for number in range(1, 2 if halved else 4):
            noise = rng.normal(size=(80, 12))
            cells[f"s {sample}", number] = rng.normal(size=(80, 3)) @ axes + noise
    expression, summary = binned(cells)
    summary.write_h5ad(tmp_path / "summary.h5ad")
    paths, found = write_network(tmp_path, "shared", expression, summary)
    seeds = pd.DataFrame({"measure": ["centrality", "edges"], "other_seed": [0.9, 0.8]})
    write_table(seeds, tmp_path / "seeds.tsv")
    halves, half_edges = AnnData(found.centrality.values[:0]), found.bin_edges[:0]
    if halved:
        _, two = write_network(tmp_path, "halves", *halve(expression, summary, 1))
        halves, half_edges = two.to_anndata(), two.bin_edges
    halves.write_h5ad(tmp_path / "in_halves.h5ad")
    write_parquet(half_edges, tmp_path / "half_edges.parquet")
    programmes = AnnData(rng.normal(size=(len(summary), 3)), obs=summary.obs)
    programmes.var["kind"] = ["variance", "variance", "coupling"]
    programmes.write_h5ad(tmp_path / "programmes.h5ad")
    kinds = ["density", "eigengene", "coupling"]
    for name, table in (("modules", summary.obs), ("half_modules", halves.obs)):
        modules = AnnData(rng.normal(size=(len(table), 3)), obs=table)
        modules.var["kind"] = kinds
        modules.write_h5ad(tmp_path / f"{name}.h5ad")
    kernels = ["wl_degree", "wl_gene", "edge_jaccard", "centrality"]
    params = {"adjust": ["batch"], "min_icc": 0.4, "seed": 1, "kernels": kernels}
    params["equal_depth"] = True
    of_network = SimpleNamespace(
        input=SimpleNamespace(
            programmes=str(tmp_path / "programmes.h5ad"),
            modules=str(tmp_path / "modules.h5ad"),
            half_modules=str(tmp_path / "half_modules.h5ad"),
            halves=str(tmp_path / "in_halves.h5ad"),
            half_edges=str(tmp_path / "half_edges.parquet"),
            seeds=str(tmp_path / "seeds.tsv"),
            **paths,
        ),
        output=[str(tmp_path / "shared_measures.tsv")],
        params=SimpleNamespace(**params),
        wildcards=SimpleNamespace(network="shared"),
        log=[str(tmp_path / "log")],
    )
    run_script(root, "measure_network.py", of_network)
    of_expression = SimpleNamespace(
        input=[str(tmp_path / "summary.h5ad")],
        output=[str(tmp_path / "expression_measures.tsv")],
        params=SimpleNamespace(**params),
        log=[str(tmp_path / "log")],
    )
    run_script(root, "measure_expression.py", of_expression)
    together = SimpleNamespace(
        input=[*of_expression.output, *of_network.output],
        output=[str(tmp_path / "measures.tsv")],
        log=[str(tmp_path / "log")],
    )
    run_script(root, "gather_measures.py", together)
    written = verdicts.read_measures(together.output[0])
    assert list(written.columns) == list(measures.COLUMNS)
    assert written.loc[:1, "network"].tolist() == ["", ""]
    assert written.loc[:1, "measure"].tolist() == ["mean expression", "detection"]
    own = written[written["network"] == "shared"].set_index("measure")
    assert len(own) == len(written) - 2
    assert {"centrality", "degree", "edges", *(f"map {name}" for name in kernels)} <= set(own.index)
    assert own.index.tolist()[-5:-3] == ["programme coupling", "programme variance"]
    assert set(own.index[-3:]) == {f"module {kind}" for kind in kinds}
    assert own.loc["module density", "n_bins"] == len(halves if halved else summary)
    assert own.loc["strength", "verdict"] == MEASURABLE
    known = own["other_seed"].dropna()
    assert known.to_dict() == {"centrality": 0.9, "edges": 0.8, "map edge_jaccard": 0.8}
    assert own["adjusted_for"].fillna("").tolist()[0] == "mean expression"
    assert own.loc["edges", "cells_per_sample"] == (80 if halved else 240)
    assert own["sentence"].str.contains("halves").any() == halved
    assert read_table(together.output[0])["measure"].notna().all()
