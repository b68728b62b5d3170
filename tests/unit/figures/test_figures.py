"""Every figure draws what it should, whole and readable, on small, large and awkward cohorts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from docutils.core import publish_parts
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from matplotlib.text import Text

from popnet.figures.associations import connectivity_scatter, gene_set_bars
from popnet.figures.circos import mt_circos
from popnet.figures.genes import change, gene_effects, quadrants, quantiles_of_p, volcano
from popnet.figures.maps import kernel_heatmap, network_map
from popnet.figures.modules import module_heatmap
from popnet.figures.networks import set_networks
from popnet.figures.qc import qc_cells, qc_depth, qc_losses, qc_reliability, qc_training
from popnet.figures.style import Subject, format_p, readable, save
from popnet.figures.tuning import candidate_losses, candidate_names
from popnet.figures.variants import burden_bars, variant_manhattan
from popnet.findings.shown_associations import (
    degrees,
    mitochondrial_edges,
    qq_points,
    quadrant_points,
    set_neighbourhood,
    top_gene_sets,
    top_genes,
    volcano_points,
    with_complexes,
)
from popnet.findings.shown_networks import cluster, modules_by_phenotype, similarity_range
from popnet.findings.shown_quality import (
    cells_per_sample,
    depth_by_phenotype,
    loss_medians,
    training_of_bins,
)

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font")

MT = pd.Series(
    {
        **dict.fromkeys(
            ["MT-ND1", "MT-ND2", "MT-ND3", "MT-ND4", "MT-ND4L", "MT-ND5", "MT-ND6"], "I"
        ),
        "MT-CYB": "III",
        **dict.fromkeys(["MT-CO1", "MT-CO2", "MT-CO3"], "IV"),
        **dict.fromkeys(["MT-ATP6", "MT-ATP8"], "V"),
    }
)
SPANS = pd.DataFrame(
    [
        ("MT-ND1", 3307, 4262), ("MT-ND2", 4470, 5511), ("MT-CO1", 5904, 7445),
        ("MT-CO2", 7586, 8269), ("MT-ATP8", 8366, 8572), ("MT-ATP6", 8527, 9207),
        ("MT-CO3", 9207, 9990), ("MT-ND3", 10059, 10404), ("MT-ND4L", 10470, 10766),
        ("MT-ND4", 10760, 12137), ("MT-ND5", 12337, 14148), ("MT-ND6", 14149, 14673),
        ("MT-CYB", 14747, 15887),
    ],
    columns=["gene", "start", "end"],
)  # fmt: skip
SPANS["complex"] = SPANS["gene"].map(MT)
AWKWARD = [
    "IGTB195|dmx_count_BH7YT2DMXX_YE_0907",
    "a$b$c_{x}^2",
    "007",
    "NA",
    "line\nbreak\tand\x07bell",
    "<b>&amp;</b>",
    "ärztin/Ωμ é",
    "試料一",
    "x" * 90,
    " %s {0} {{ }} \\frac",
]
GROUPS = ("No dementia", "Dementia")
LONG = "CD14+ Monocytes | $activated$ / " + "very " * 20 + "long"


def subject(n: int, awkward: bool = False, unit: str = "donors") -> Subject:
    return Subject(
        LONG if awkward else "FPP", "diff_$eff$_" * 6 if awkward else "efficiency", n, unit
    )


def names(n: int, awkward: bool) -> list[str]:
    plain = [f"HPSI{i:04d}i-line_{i % 4}" for i in range(n)]
    return (AWKWARD + plain)[:n] if awkward else plain


def draw_map(n: int, awkward: bool, binary: bool) -> Figure:
    rng = np.random.default_rng(n)
    value = rng.random(n)
    samples = names(n, awkward)
    table = pd.DataFrame(
        {
            "sample": samples,
            "donor": [*samples[: n // 2], *samples[: n - n // 2]],
            "batch": [AWKWARD[i % 3] if awkward else "" for i in range(n)],
            "PC1": value + rng.normal(0, 0.3, n),
            "PC2": rng.normal(size=n),
            "explained1": 0.31,
            "explained2": 0.12,
            "value": (value > 0.5).astype(float) if binary else value,
        }
    )
    if awkward:
        table.loc[0, "value"] = np.nan
        table.loc[1:3, ["PC1", "PC2"]] = 0.0  # coinciding points
    return network_map(
        table,
        pd.DataFrame({"axis": ["PC1"], "statistic": [0.61], "q": [2.1e-05]}),
        subject(n, awkward),
        kernel="edge Jaccard",
        icc=0.83,
        effect="rank-biserial correlation" if binary else "Spearman ρ",
        groups=GROUPS if binary else None,
    )


def traits(samples: list[str], binary: bool) -> dict:
    """Return the phenotypes of samples, as figures of all phenotypes take them."""
    value = np.random.default_rng(0).random(len(samples))
    columns = {"efficiency": value, **({"diff_$eff$_" * 4: value > 0.5} if binary else {})}
    phenotypes = pd.DataFrame(columns, samples, dtype=float)
    return {"phenotypes": phenotypes, "groups": dict.fromkeys(list(columns)[1:], GROUPS)}


def draw_heatmap(n: int, awkward: bool, binary: bool) -> Figure:
    points = np.random.default_rng(n).normal(size=(n, 3))
    matrix = np.exp(-(np.linalg.norm(points[:, None] - points, axis=2) ** 2) / 4)
    samples = names(n, awkward)
    clustered = cluster(pd.DataFrame(matrix, samples, samples))
    donors = samples if binary else samples[: n // 2] * 2 + samples[: n % 2]
    batches = [AWKWARD[i % 4] if awkward else f"pool_{i % 12}" for i in range(n)]
    return kernel_heatmap(
        clustered,
        subject(n, awkward),
        kernel="gene-labelled Weisfeiler-Lehman",
        limits=similarity_range(clustered.similarity, 0.7),
        within=0.7,
        samples=pd.DataFrame({"donor": donors, "batch": batches}, samples),
        **traits(samples, binary),
    )


def association(n: int, awkward: bool, significant: int) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    genes = ([*MT.index, *AWKWARD] if awkward else [*MT.index]) + [f"GENE{i}" for i in range(n)]
    genes = genes[:n]
    p = np.sort(rng.random(n)) ** 2
    table = pd.DataFrame(
        {
            "gene": genes,
            "statistic": np.linspace(0.7, 0.01, n) * rng.choice([1, -1], n, p=[0.7, 0.3]),
            "p": p,
            "q": np.where(np.arange(n) < significant, 0.001 + p / 1e3, 0.4),
            "mean_statistic": rng.normal(0, 0.15, n),
            "mean_q": rng.random(n),
            "icc": rng.random(n),
            "p_permutation": np.maximum(p, 1e-3),
            "explained_by": rng.choice(["", "depth", "mean expression", "not reliable"], n),
        }
    )
    table.loc[n - 1, ["statistic", "p", "q"]] = np.nan
    error = table["statistic"].abs() / 3
    table["estimate"] = table["statistic"] / 20
    table["low"] = (table["statistic"] - error) / 20
    table["high"] = (table["statistic"] + error) / 20
    return table


def draw_centrality(n: int, awkward: bool, significant: int, paper: bool = False) -> Figure:
    table = association(n, awkward, significant)
    table = table.drop(columns=["estimate", "low", "high"] if paper else [])
    genes = top_genes(table, MT, fdr=0.05)
    about = subject(41, awkward)
    return gene_effects(genes, about, effect="Spearman ρ", fdr=0.05, binary=awkward)


def draw_volcano(n: int, awkward: bool, significant: int) -> Figure:
    genes = with_complexes(association(n, awkward, significant), MT, fdr=0.05)
    points = volcano_points(genes)
    return volcano(points, subject(41, awkward), effect=change(awkward), fdr=0.05)


def draw_quadrants(n: int, awkward: bool, significant: int) -> Figure:
    genes = with_complexes(association(n, awkward, significant), MT, fdr=0.05)
    points = quadrant_points(genes, fdr=0.05)
    return quadrants(points, subject(41, awkward), effect="rank-biserial correlation", fdr=0.05)


def draw_quantiles(n: int) -> Figure:
    return quantiles_of_p(qq_points(association(n, False, 0)), subject(41))


def draw_modules(n: int, n_phenotypes: int, tested: bool = True) -> Figure:
    rng = np.random.default_rng(n)
    tables = {}
    for name in [*AWKWARD, "efficiency", "outcome"][:n_phenotypes]:
        table = pd.DataFrame({"module1": np.arange(1, n + 1), "kind": "density"})
        table["name1"] = [f"MT-ND{i}, MT-CO{i}, GENE{i}, GENEGENE{i}" for i in range(n)]
        table["t"], table["p"] = rng.normal(0, 2, n), rng.random(n)
        tables[name] = table.assign(q=table["p"] * 2)
        if not tested:
            tables[name][["t", "p", "q"]] = np.nan
    shown = modules_by_phenotype(tables, fdr=0.05)
    return module_heatmap(shown, subject(n, unit="modules"), fdr=0.05)


def draw_gene_sets(n: int, awkward: bool) -> Figure:
    rng = np.random.default_rng(n)
    p = rng.random(n) ** 3
    table = pd.DataFrame(
        {
            "gene_set": (
                AWKWARD + [f"KEGG_VALINE_LEUCINE_AND_ISOLEUCINE_DEGRADATION_{i}" for i in range(n)]
            )[:n]
            if awkward
            else [f"KEGG_PATHWAY_IN_SOME_DISEASE_{i}" for i in range(n)],
            "nes": rng.normal(0, 1.6, n),
            "p": p,
            "q": np.minimum(1, p * 3),
            "n_genes": rng.integers(5, 120, n),
            "expression_nes": np.where(p * 3 <= 0.05, rng.normal(0, 1.6, n), np.nan),
        }
    )
    return gene_set_bars(top_gene_sets(table, fdr=0.05), subject(41, awkward), fdr=0.05)


def draw_connectivity(n: int, awkward: bool, binary: bool) -> Figure:
    rng = np.random.default_rng(n)
    value = rng.random(n)
    table = pd.DataFrame(
        {
            "sample": names(n, awkward),
            "value": (value > 0.5).astype(float) if binary else value,
            "within_complexes": rng.poisson(6, n),
            "between_complexes": rng.poisson(20 * (1 - value)),
            "to_others": rng.random(n) * 3,
        }
    )
    tests = pd.DataFrame({"kind": ["within_complexes", "between_complexes", "to_others"]})
    return connectivity_scatter(
        table,
        tests.assign(statistic=[0.05, -0.59, np.nan], q=[0.61, 1.5e-6, np.nan]),
        subject(n, awkward),
        set_name=LONG if awkward else "MT",
        groups=GROUPS if binary else None,
    )


def draw_circos(n: int, awkward: bool, significant: int) -> Figure:
    rng = np.random.default_rng(n)
    pairs = list(combinations(MT.index, 2))
    edges = pd.DataFrame(pairs, columns=["gene1", "gene2"])
    edges["statistic"] = rng.normal(size=len(edges))
    edges["p"] = np.linspace(0.0001, 1, len(edges))[rng.permutation(len(edges))]
    edges["q"] = np.where(edges["p"].rank() <= significant, 0.01, 0.5)
    samples = names(n, awkward)[:3]
    here = [
        (s, g2, g1, w) for s in samples for (g1, g2), w in zip(pairs, rng.random(78), strict=True)
    ]
    sample_edges = pd.DataFrame(here, columns=["sample", "gene1", "gene2", "weight"])
    examples = pd.Series([0.02, 0.41, 0.93][: len(samples)], samples)
    shown = mitochondrial_edges(edges, sample_edges, examples, MT, fdr=0.05)
    return mt_circos(shown, examples, MT, subject(n, awkward), fdr=0.05)


def consensus(n_set: int, n_other: int, share: float, awkward: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(n_set)
    members = ["UBB", *(f"NDUFA{i}" for i in range(n_set - 1))]
    other = (AWKWARD if awkward else []) + [f"NEIGH{i}" for i in range(n_other)]
    pairs = [*combinations(members, 2), *((a, b) for a in members for b in other)]
    pairs += list(combinations(other, 2))[:10]
    table = pd.DataFrame(pairs, columns=["gene1", "gene2"])
    table["case_share"] = rng.random(len(table)) ** 3
    table["control_share"] = np.clip(table["case_share"] + rng.normal(0, 0.03, len(table)), 0, 1)
    table.loc[table["gene1"].eq("UBB"), "control_share"] += share
    table["in_case"] = table["case_share"] >= 1 - share
    table["in_control"] = table["control_share"] >= 1 - share
    return table


def draw_networks(n_set: int, n_other: int, share: float, awkward: bool = False) -> Figure:
    table = consensus(n_set, n_other, share, awkward)
    members = {gene for gene in table["gene1"] if not gene.startswith("NEIGH")} - set(AWKWARD)
    shown = set_neighbourhood(table, members)
    return set_networks(
        shown,
        degrees(shown),
        subject(40, awkward),
        set_name="KEGG_PARKINSONS_DISEASE",
        groups=GROUPS,
        min_share=0.2,
    )


def draw_burden(significant: bool) -> Figure:
    rng = np.random.default_rng(1)
    table = SPANS[["gene", "complex"]].copy()
    table.loc[len(table)] = ["all", np.nan]
    table["statistic"] = rng.normal(0, 0.2, len(table))
    table["p"] = rng.random(len(table))
    table["q"] = 0.7
    table["n_variants"] = rng.integers(0, 14, len(table))
    table["n_carriers"] = rng.integers(0, 22, len(table))
    table.loc[4, ["statistic", "p", "q"]] = np.nan
    if significant:
        table.loc[2, ["statistic", "p", "q"]] = [0.71, 1e-5, 1e-4]
    return burden_bars(table, subject(24), effect="Spearman ρ", fdr=0.05)


def draw_manhattan(n: int, significant: bool) -> Figure:
    rng = np.random.default_rng(n)
    table = pd.DataFrame({"pos": np.sort(rng.integers(1, 16569, n)), "p": rng.random(n)})
    table = table.assign(ref="C", alt=["T", "CACACACACA"] * (n // 2) + ["T"] * (n % 2))
    table["q"] = 0.8
    if significant:
        table.loc[: n // 10, ["p", "q"]] = [1e-6, 1e-3]
    inside = [SPANS[(SPANS["start"] <= p) & (p <= SPANS["end"])]["gene"] for p in table["pos"]]
    table["gene"] = [found.iloc[0] if len(found) else None for found in inside]
    return variant_manhattan(table, SPANS, subject(41), fdr=0.05)


def draw_cells(n: int, awkward: bool) -> Figure:
    rng = np.random.default_rng(n)
    samples = names(n, awkward)
    lost = samples[:: 4 if n > 4 else 9]
    kept = [sample for sample in samples if sample not in lost]
    bins = pd.DataFrame(
        [(s, b + 1, 1000) for s in kept for b in range(rng.integers(1, 6))],
        columns=["sample", "bin", "n_cells"],
    )
    rest = [
        (s, rng.integers(1, 999), "incomplete bin" if s in kept else "fewer cells than a bin")
        for s in samples
    ]
    excluded = pd.DataFrame(rest, columns=["sample", "n_cells", "reason"])
    return qc_cells(cells_per_sample(bins, excluded), subject(n, awkward, "samples"))


def draw_losses(n: int) -> Figure:
    rng = np.random.default_rng(n)
    rows = []
    for sample in names(n, False):
        for stage, scale in (("cells", 900), ("features", 4), ("joint", 700)):
            steps = np.arange(0, 2001, 100)
            loss = scale * (1 + np.exp(-steps / 300)) + rng.normal(0, scale / 50, len(steps))
            table = pd.DataFrame({"step": steps, "total": loss, "reconstruction": loss * 0.9})
            table["kl_cells"] = np.nan if stage == "features" else 30 + steps / 100
            table["kl_features"] = np.nan if stage == "cells" else 50 + steps / 200
            table["interpretability"] = np.nan if stage != "joint" else 8.0
            rows.append(table.assign(sample=sample, bin=1, stage=stage))
    losses = pd.concat(rows)
    return qc_losses(losses, loss_medians(losses), subject(n, unit="bins"))


def draw_depth(n: int, awkward: bool, batches: int, thinned: bool = False) -> Figure:
    rng = np.random.default_rng(n)
    table = pd.DataFrame(
        {
            "sample": names(n, awkward),
            "batch": [AWKWARD[i % batches] if awkward else f"pool_{i % batches}" for i in range(n)],
            "mean_depth": rng.normal(3.6, 0.1, n),
            "n_cells": rng.integers(1, 6, n) * 1000,
        }
    )
    if thinned:
        table["sequenced_depth"] = table["mean_depth"] + rng.uniform(0, 0.4, n)
        table["share_kept"] = 10 ** (table["mean_depth"] - table["sequenced_depth"])
    of = traits(list(table["sample"]), awkward)
    associations = depth_by_phenotype(table, of["phenotypes"])
    return qc_depth(table, subject(n, awkward, "samples"), **of, associations=associations)


def draw_reliability(icc: float) -> Figure:
    rng = np.random.default_rng(1)
    genes = [f"G{i}" for i in range(800)]
    table = pd.DataFrame({"gene": genes, "icc": np.clip(rng.normal(icc, 0.3, 800), -0.6, 0.99)})
    table["central"] = table["icc"] > 0.5
    return qc_reliability(table, subject(41, unit="samples"), min_icc=0.4)


def trained_bins(n: int, awkward: bool, n_bad: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    gpu = rng.random(n) < (0.3 if awkward else 0)
    table = pd.DataFrame(
        {
            "sample": names(n, awkward),
            "bin": np.arange(n) % 4 + 1,
            "status": "trained",
            "seconds": np.where(gpu, 0.4, rng.normal(90, 6, n)),
            "device": np.where(gpu, "cuda", "cpu"),
            "precision": np.where(gpu, "bf16", "float32"),
            "stack": np.where(gpu, 128, 1),
            "peak_memory_mb": np.where(gpu, 900, rng.normal(410, 10, n)),
            "active_dimensions": rng.integers(24, 33, n).astype(float),
            "reconstruction_error": rng.normal(0.63, 0.03, n),
        }
    )
    table["heldout_error"] = table["reconstruction_error"] + 0.02 + rng.exponential(0.02, n)
    table.loc[: n_bad // 2 - 1, "active_dimensions"] = 3.0
    lost = table.index[n_bad // 2 : n_bad]
    table.loc[lost, "status"] = (
        "failed: training diverged: the loss is not finite at step 140 of stage 'joint'; a smaller "
        "learning rate usually helps"
    )
    table.loc[lost, "seconds":] = np.nan
    return table


def draw_training(n: int, awkward: bool = False, n_bad: int = 0, heldout: bool = True) -> Figure:
    trained = trained_bins(n, awkward, n_bad)
    if not heldout:
        trained["heldout_error"] = np.nan
    return qc_training(training_of_bins(trained), subject(n, awkward, "bins"), latent=32)


def compared(
    n_rates: int, n_hidden: int = 1, n_diverged: int = 0, spread: float = 1.2
) -> pd.DataFrame:
    rng = np.random.default_rng(n_rates)
    rates = np.logspace(-4, -2, n_rates)
    rows = [
        (rate, penalty, penalty, latent, hidden)
        for rate in rates
        for penalty in (1e-3, 1e-2)
        for latent in (16, 32, 64)
        for hidden in ["1024-512-128", "256-64"][:n_hidden]
    ]
    table = pd.DataFrame(
        rows, columns=["learning_rate", "l2_cells", "l2_features", "latent", "hidden"]
    )
    table["above_best"] = np.sort(rng.exponential(20, len(table)) ** spread)
    table["above_best"] -= table["above_best"].iloc[0]
    table["total"] = 2431.7 + table["above_best"]
    table["above_best_se"] = rng.exponential(8, len(table))
    table.loc[0, "above_best_se"] = 0.0
    table["active_dimensions"] = table["latent"] * 0.8
    table["n_bins"] = 4
    table["reason"] = ""
    bad = table.index[len(table) - n_diverged :]
    table.loc[bad, ["total", "above_best", "above_best_se", "active_dimensions"]] = np.nan
    table.loc[bad, "reason"] = (
        "2 of 4 bins: training diverged: the loss is not finite at step 140 of stage 'joint'"
    )
    return table


def draw_tuning(*shape: float) -> Figure:
    table = compared(*shape)
    return candidate_losses(table.head(40), subject(4, unit="bins"), n_candidates=len(table))


FIGURES: dict[str, Callable[[], Figure]] = {
    "map-1": lambda: draw_map(1, False, False),
    "map-8": lambda: draw_map(8, False, True),
    "map-24": lambda: draw_map(24, False, False),
    "map-40-awkward": lambda: draw_map(40, True, False),
    "map-60-binary": lambda: draw_map(60, True, True),
    "map-800": lambda: draw_map(800, False, False),
    "heatmap-2": lambda: draw_heatmap(2, False, False),
    "heatmap-16-binary": lambda: draw_heatmap(16, True, True),
    "heatmap-60": lambda: draw_heatmap(60, True, False),
    "heatmap-300": lambda: draw_heatmap(300, False, True),
    "centrality-few": lambda: draw_centrality(200, False, 3),
    "centrality-none": lambda: draw_centrality(3, False, 0),
    "centrality-many": lambda: draw_centrality(500, True, 120),
    "centrality-empty": lambda: draw_centrality(1, False, 0),
    "centrality-paper": lambda: draw_centrality(200, True, 30, paper=True),
    "volcano-few": lambda: draw_volcano(200, False, 3),
    "volcano-many": lambda: draw_volcano(4000, True, 120),
    "volcano-empty": lambda: draw_volcano(1, False, 0),
    "quadrants-none": lambda: draw_quadrants(200, False, 0),
    "quadrants-many": lambda: draw_quadrants(4000, True, 120),
    "quadrants-empty": lambda: draw_quadrants(1, False, 0),
    "quantiles": lambda: draw_quantiles(4000),
    "quantiles-empty": lambda: draw_quantiles(1),
    "modules": lambda: draw_modules(24, 12),
    "modules-1": lambda: draw_modules(1, 1),
    "modules-none": lambda: draw_modules(0, 2),
    "modules-untested": lambda: draw_modules(3, 2, tested=False),
    "gene-sets-1": lambda: draw_gene_sets(1, False),
    "gene-sets-186": lambda: draw_gene_sets(186, True),
    "gene-sets-empty": lambda: draw_gene_sets(0, False),
    "connectivity-8": lambda: draw_connectivity(8, True, True),
    "connectivity-60": lambda: draw_connectivity(60, False, False),
    "connectivity-600": lambda: draw_connectivity(600, True, True),
    "circos-few": lambda: draw_circos(8, False, 9),
    "circos-none": lambda: draw_circos(24, True, 0),
    "circos-all": lambda: draw_circos(24, False, 78),
    "circos-two": lambda: draw_circos(2, False, 9),
    "networks-small": lambda: draw_networks(4, 6, 0.6),
    "networks-capped": lambda: draw_networks(30, 80, 0.25, True),
    "networks-empty": lambda: draw_networks(3, 0, 0.0),
    "burden": lambda: draw_burden(True),
    "burden-none": lambda: draw_burden(False),
    "manhattan": lambda: draw_manhattan(150, True),
    "manhattan-1": lambda: draw_manhattan(1, False),
    "manhattan-empty": lambda: draw_manhattan(0, False),
    "cells-1": lambda: draw_cells(1, False),
    "cells-8": lambda: draw_cells(8, True),
    "cells-60": lambda: draw_cells(60, False),
    "cells-1000": lambda: draw_cells(1000, False),
    "losses-1": lambda: draw_losses(1),
    "losses-48": lambda: draw_losses(48),
    "losses-400": lambda: draw_losses(400),
    "depth-8": lambda: draw_depth(8, True, 2),
    "depth-8-thinned": lambda: draw_depth(8, True, 2, thinned=True),
    "depth-60-thinned": lambda: draw_depth(60, False, 1, thinned=True),
    "depth-60": lambda: draw_depth(60, False, 6),
    "depth-1000": lambda: draw_depth(1000, True, 10),
    "reliability": lambda: draw_reliability(0.5),
    "reliability-missing": lambda: draw_reliability(np.nan),
    "training-1": lambda: draw_training(1),
    "training-4": lambda: draw_training(4, True, 2),
    "training-4-unseen": lambda: draw_training(4, heldout=False),
    "training-60": lambda: draw_training(60, True, 5),
    "training-4000": lambda: draw_training(4000, False, 300),
    "training-none": lambda: draw_training(2, False, 4),
    "tuning-6": lambda: draw_tuning(1),
    "tuning-18": lambda: draw_tuning(3, 1, 4),
    "tuning-18-far": lambda: draw_tuning(3, 1, 2, 3.0),
    "tuning-18-farther": lambda: draw_tuning(3, 1, 0, 6.0),
    "tuning-72": lambda: draw_tuning(6, 2),
    "tuning-none": lambda: draw_tuning(1, 1, 6),
}
# Names in a dense network may touch; all else must not.
MAY_TOUCH = "networks-capped"


def drawn_texts(
    figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, np.ndarray, float]]:
    """Return every text that is truly drawn, with its extent in pixels and rotation."""
    found = []
    draw = Text.draw

    def record(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            found.append(
                (self.get_text(), self.get_window_extent(renderer).extents, self.get_rotation())
            )
        return draw(self, renderer, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Text, "draw", record)
        figure.canvas.draw()
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_whole_and_readable(name, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = FIGURES[name]()
        texts = drawn_texts(figure, monkeypatch)
    assert texts
    width, height = figure.bbox.size
    for text, (left, low, right, top), _ in texts:
        assert left >= -1, f"{text!r} is cut at the left"
        assert low >= -1, f"{text!r} is cut at the bottom"
        assert right <= width + 1, f"{text!r} is cut at the right"
        assert top <= height + 1, f"{text!r} is cut at the top"
    if name == MAY_TOUCH:
        return
    # The extent of oblique text is far larger than the text.
    texts = [text for text in texts if text[2] % 90 == 0]
    boxes = np.array([box for _, box, _ in texts])
    sides = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(
        boxes[:, None, :2], boxes[:, :2]
    )
    # Extents hold room for ascenders and descenders: two pixels of overlap are none to the eye.
    touching = np.argwhere(np.triu((sides > 2).all(axis=2), 1))
    assert [(texts[i][0], texts[j][0]) for i, j in touching] == []


def test_title_says_cell_type_phenotype_and_n():
    title = draw_map(24, False, False).get_suptitle().replace("\xa0", " ")
    for part in ("FPP", "efficiency", "n = 24 donors", "Spearman ρ 0.61, q = 2.1e-05"):
        assert part in title
    assert str(Subject(None, None, 1, "bins")) == "n\xa0=\xa01\xa0bin"


def test_save_writes_the_same_bytes_twice_and_the_table(tmp_path: Path):
    table = pd.DataFrame({"sample": ["007", "a|b"], "value": [0.5, 1.0]})
    for folder in ("one", "two"):
        save(draw_map(8, True, False), table, tmp_path / folder / "map.of all.png")
    for suffix in ("pdf", "svg", "png", "tsv"):
        one, two = (tmp_path / folder / f"map.of all.{suffix}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.suffix for path in (tmp_path / "one").iterdir()) == [
        ".pdf",
        ".png",
        ".svg",
        ".tsv",
    ]
    assert (tmp_path / "one" / "map.of all.tsv").read_text().splitlines() == [
        "sample\tvalue",
        "007\t0.5",
        "a|b\t1",
    ]
    drawing = (tmp_path / "one" / "map.of all.svg").read_text()
    words = [element.text for element in ElementTree.fromstring(drawing).iter() if element.text]
    assert "a$b$c_{x}^2" in words  # an identifier is never read as a formula, and stays text
    assert matplotlib.get_backend().lower() == "agg"
    # pyCirclize's import would make every figure "tight", which changes its size.
    assert matplotlib.rcParams["savefig.bbox"] is None


@given(st.text(max_size=200), st.integers(3, 60))
def test_readable_is_one_printable_line(text, length):
    short = readable(text, length)
    assert len(short) <= length
    assert short.isprintable()
    assert readable("GENE1", length if length > 4 else 5) == "GENE1"


@pytest.mark.parametrize(
    ("p", "text"), [(0.0123, "P = 0.012"), (1.5e-6, "P = 1.5e-06"), (np.nan, "P not defined")]
)
def test_format_p(p, text):
    assert format_p(p) == text


def test_candidates_are_told_apart():
    assert candidate_names(compared(1))[0] == "rate 0.0001 · L2 0.001 · 16 dimensions"
    table = compared(1, 2).assign(l2_features=1e-5)
    shown = candidate_names(table)
    assert shown[0] == "rate 0.0001 · L2 0.001, 1e-05 · 16 dimensions · 1024-512-128"
    assert len(set(shown)) == len(table)


@pytest.mark.parametrize("text", AWKWARD)
def test_captions_are_sound_for_any_identifier(root, text):
    config = yaml.safe_load((root / "config" / "config.yaml").read_text())
    keys = ("cohort", "cell_type", "phenotype", "preset", "network", "of_network", "own", "plan")
    keys += ("n_samples", "n_bins", "size", "fdr", "binary", "permutations", "adjusted", "matched")
    keys += ("bundled",)
    caption = dict.fromkeys(keys, " ".join(text.split()))
    snakemake = SimpleNamespace(
        config=config,
        params=SimpleNamespace(caption=caption, fdr=0.05, preset="robust", min_icc=0.4),
        wildcards=SimpleNamespace(network="shared"),
    )
    # Snakemake's own settings, but for what is undefined, which it leaves empty.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    captions = sorted((root / "workflow" / "report").glob("*.rst"))
    assert captions
    for path in captions:
        source = environment.from_string(path.read_text()).render(snakemake=snakemake)
        assert "c.network" not in source
        # Snakemake adds where links lead.
        links = "\n".join(f".. _{name}: x" for name in ("report.html", "Workflow", "Statistics"))
        linked = f"{source}\n\n{links}"
        publish_parts(linked, writer="html", settings_overrides={"halt_level": 2})
        assert path.stem in ("workflow", "page") or "n = " in source
