"""Errors and power of every test on simulated cohorts, under both presets and reference analyses.

    python benchmarks/calibration.py --seed 1 > calibration.tsv
    python benchmarks/calibration.py --tests centrality --cohorts 20 --samples 12 24
    python benchmarks/calibration.py --read calibration.tsv    # the tables of docs/calibration.md

Every line is a test on cohorts of one kind, analysed by one method, tab-separated. Cohorts come
from `popnet.simulation.simulate_tables`; --seed and a cohort's settings say everything about it, so
that a part of the table has the same numbers as the whole. `paper` and `robust` are the presets;
`limma` is a linear model of the observations' means with the covariates of `robust` and moderated t
(inmoose, `pip install inmoose==0.9.1`; its lines are left out without it); `plain` compares these
means by rank without any covariate, as analyses of one network per donor do (Dozer, netZooPy).

Type-I errors are the mean over cohorts of the share of null genes (edges, sets, ...) with
p <= 0.05 or 0.01, beside the standard error of that mean: genes of one cohort are correlated, so
that the cohort is what varies independently. The false discovery rate is the mean over cohorts of
the false share of what has q <= 0.05. `within` says whether all three are at most nominal plus
Z_BOUND standard errors; where cohorts are all-or-nothing that is the binomial bound.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd
from scipy.special import stdtr
from scipy.stats import fisher_exact, pearsonr

from popnet.associations import consensus as consensus_tests
from popnet.associations.edges import ObservedEdges, associated_components, rank_sum_edges
from popnet.associations.sets import enrich_phenotype, enrich_ranking, whole_sets
from popnet.associations.testing import Testing
from popnet.networks import kernels
from popnet.networks.edges import closest_pairs
from popnet.seeds import derive_seed
from popnet.simulation.tables import MODULE_SIZE, SimulatedTables, TableSettings, simulate_tables
from popnet.stats.designs import Design, make_design
from popnet.stats.kernel_tests import (
    distance_regression,
    hsic,
    map_gram,
    map_ratios,
    mixed_regression,
)
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.moderated import moderated_t
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate, rank_sum
from popnet.stats.skat import skat
from popnet.stats.units import Units, units

try:
    from inmoose.limma import squeezeVar
except ImportError:
    squeezeVar = None

SAMPLES = (12, 24, 41, 100)
CONFOUNDING: dict[str, dict] = {
    "none": {},
    "depth": {"depth_effect": 0.5, "depth_phenotype": 0.5},
    "batch": {"n_batches": 3, "batch_effect": 1.0, "batch_phenotype": 0.5},
}
CONFOUNDING["depth and batch"] = CONFOUNDING["depth"] | CONFOUNDING["batch"]
# Power is about the same for every number of samples.
NONCENTRALITY = 3.5
# Few genes, for speed and so that a single one of them can pass Benjamini-Hochberg in some thousand
# permutations; dense networks of fewer still.
N_GENES, N_PLANTED = 100, MODULE_SIZE
NETWORK = {"n_genes": 40, "n_dimensions": 4}
SET_PERMUTATIONS = 499
SHARE = 0.05
N_AXES = 4
MIN_CARRIERS = {"robust": 3, "paper": 6}
N_VARIANTS, SITES_PER_GENE = 40, 4
# One-sided 1 in 1,000, as a preset has more than a hundred lines.
Z_BOUND = 3.1
ERRORS = ["type1_05", "se_05", "type1_01", "se_01", "fdr_05", "se_fdr"]
COLUMNS = [
    *["test", "phenotype", "structure", "samples", "bins", "confounding", "planted", "method"],
    *["cohorts", *ERRORS, "power_p", "power_q", "within"],
]

# The p values of every method, NaN where not tested, and which of them are of planted effects.
Found = tuple[dict[str, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Cell:
    """Cohorts of one kind, and what is tested of them."""

    tests: tuple[str, ...]
    confounding: str
    settings: TableSettings


def centrality(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test centrality of every gene; return p by method and which genes are planted."""
    values, bins = design.units.average(cohort.centrality), paper_bins(cohort)
    found = {
        "robust": permutation_test(values, design, n_permutations, seed).table["p"].to_numpy(),
        "paper": correlate(bins.average(cohort.centrality), bins.phenotype, design.binary)["p"],
        "limma": limma_p(values, cohort, design),
        "plain": correlate(values, design.units.phenotype, design.binary)["p"],
    }
    found |= mixed_p(cohort.centrality, design)
    return found, cohort.planted


def gene_sets(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test enrichment of every module among genes whose centrality goes with the phenotype."""
    values, bins = design.units.average(cohort.centrality), paper_bins(cohort)
    n_permutations = min(n_permutations, SET_PERMUTATIONS)
    tables = {
        "robust": enrich_phenotype(
            values, design, cohort.genes, cohort.modules, n_permutations, seed, min_size=3
        )
    }
    for method, (unit, x, absolute) in {
        "paper": (bins, bins.average(cohort.centrality), True),
        "plain": (design.units, values, False),
    }.items():
        statistic = correlate(x, unit.phenotype, design.binary)["statistic"].to_numpy()
        ranking = pd.Series(statistic, cohort.genes)
        tables[method] = enrich_ranking(
            ranking, cohort.modules, n_permutations, seed, min_size=1, absolute=absolute
        )
    found = {
        method: table.set_index("gene_set")["p"].reindex(list(cohort.modules)).to_numpy(float)
        for method, table in tables.items()
    }
    if design.mixed is not None:
        asked = cohort.centrality, pd.Index(cohort.genes), cohort.modules, design
        whole = whole_sets(*asked, Testing(n_permutations, seed))[0]
        found["mixed"] = whole["model_p"].reindex(list(cohort.modules)).to_numpy(float)
    member = np.arange(len(cohort.genes)) * len(cohort.modules) // len(cohort.genes)
    return found, np.bincount(member, cohort.planted) > 0


def edges(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the weight of every pair of genes; the paper tests which bins have the edge."""
    gene1, gene2, weights = pair_weights(cohort)
    values = design.units.average(weights)
    has, bins = present_pairs(cohort), paper_bins(cohort)
    by_bin = rank_sum_edges(bins.average(has), bins.phenotype, design.binary)
    paper = np.full(len(gene1), np.nan)
    paper[by_bin.index] = by_bin["p"]
    found = {
        "robust": moderated_t(values, design)["p"].to_numpy(),
        "paper": paper,
        "limma": limma_p(values, cohort, design),
        "plain": correlate(values, design.units.phenotype, design.binary)["p"].to_numpy(),
    }
    found |= mixed_p(weights, design)
    return found, cohort.planted[gene1] | cohort.planted[gene2]


def components(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the largest connected component of associated edges: one p of a cohort."""
    gene1, gene2, weights = pair_weights(cohort)
    names = np.array(cohort.genes, dtype=object)
    ends = pd.DataFrame({"gene1": names[gene1], "gene2": names[gene2]})
    values = design.units.average(weights)
    table = associated_components(ends, values, design, Testing(n_permutations, seed))
    # No component is no finding.
    smallest = table["p_family"].min() if len(table) else 1.0
    return {"robust": np.array([smallest])}, np.array([cohort.planted.any()])


def consensus(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test every gene's change in degree between the consensus networks.

    Every bin has as many edges as the others, so that matching the samples' densities, as `robust`
    does, changes nothing here.
    """
    names = np.array(cohort.genes, dtype=object)
    samples = cohort.bins["sample"].astype(str).to_numpy()
    by_sample = pd.DataFrame(present_pairs(cohort)).groupby(samples, sort=False).mean()
    row, pair = np.nonzero(by_sample.to_numpy())
    gene1, gene2 = (names[end[pair]] for end in np.triu_indices(len(names), 1))
    edges = pd.DataFrame({"sample": by_sample.index[row], "gene1": gene1, "gene2": gene2})
    edges["weight"] = by_sample.to_numpy()[row, pair]
    rows = pd.Series(by_sample.index, by_sample.index)
    observed = ObservedEdges(edges, rows, pd.Index(names))
    found = consensus_tests.robust(observed, design, Testing(n_permutations, seed))
    p = found.change.set_index("gene")["change_p"].reindex(names).to_numpy(float)
    return {"robust": p}, cohort.planted


def family(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test all genes at once, by the largest statistic of each permutation: one p of a cohort."""
    values = design.units.average(cohort.centrality)
    p = permutation_test(values, design, n_permutations, seed).table["p_family"]
    return {"robust": np.array([p.min()])}, np.array([cohort.planted.any()])


def whole_map(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the map as a whole: by distance regression, HSIC and the mixed model."""
    blocks = kernels.edge_jaccard_blocks(bin_graphs(cohort))
    samples = cohort.bins["sample"].to_numpy(object)
    sums = kernels.sum_blocks(blocks, pd.DataFrame({"samples": samples}))
    similarity, names = kernels.sample_similarity(sums)
    at = pd.Index(names).get_indexer(samples)
    # The design's rows are bins: every bin has the place of its sample.
    similarity = similarity[np.ix_(at, at)]
    places = map_gram(similarity, design.units)
    arrangements = design.arrangements(n_permutations, seed)
    found = {"regression": distance_regression(places, design, arrangements).p}
    found["hsic"] = hsic(places, design, arrangements).p
    if (mixed := design.mixed) is not None:
        gram = map_gram(similarity, mixed.units)
        ratios = map_ratios(gram, mixed.model)
        found["mixed"] = mixed_regression(gram, mixed.model, ratios, n_permutations, seed).p
    return {name: np.array([p]) for name, p in found.items()}, np.full(1, cohort.planted.any())


def axes(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the first axes of the map, each preset with its kernel."""
    graphs, samples = bin_graphs(cohort), cohort.bins["sample"].to_numpy(object)
    grams = {
        "robust": kernels.edge_jaccard(graphs),
        "paper": kernels.weisfeiler_lehman(graphs, len(cohort.genes), "degree"),
    }
    maps, similarities = {}, {}
    for preset, gram in grams.items():
        sums = kernels.sum_blocks([gram], pd.DataFrame({"samples": samples}))
        similarities[preset], names = kernels.sample_similarity(sums)
        maps[preset] = pd.DataFrame(kernels.kernel_pca(similarities[preset], N_AXES)[0], names)
    # The design's rows are bins: every bin has the axes of its sample.
    robust = design.units.average(maps["robust"].loc[samples].to_numpy())
    phenotype = cohort.samples["phenotype"]
    over = units(list(phenotype.index), cohort.samples["donor"], phenotype, "bin")
    paper = over.average(maps["paper"].loc[phenotype.index].to_numpy())
    found = {
        "robust": permutation_test(robust, design, n_permutations, seed).table["p"].to_numpy(),
        "paper": correlate(paper, over.phenotype, design.binary)["p"],
        "plain": correlate(robust, design.units.phenotype, design.binary)["p"],
    }
    if (mixed := design.mixed) is not None:
        at = pd.Index(names).get_indexer(samples)
        gram = map_gram(similarities["robust"][np.ix_(at, at)], mixed.units)
        observed = mixed.units.average(maps["robust"].loc[samples].to_numpy())
        found["mixed"] = mixed_t(observed, mixed.model, map_ratios(gram, mixed.model))["p"]
    return found, np.full(N_AXES, cohort.planted.any())


def variants(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test carriers of every variant against the others."""
    carrier = design.units.average(cohort.carriers) > 0
    outcome, n = design.units.phenotype, design.n
    n_carriers = np.minimum(carrier.sum(0), n - carrier.sum(0))
    robust, paper = np.full((2, carrier.shape[1]), np.nan)
    often = n_carriers >= MIN_CARRIERS["robust"]
    robust[often] = permutation_test(
        carrier[:, often].astype(float), design, n_permutations, seed
    ).table["p"]
    often = n_carriers >= MIN_CARRIERS["paper"]
    if design.binary:
        groups = np.stack([outcome == 1, outcome == 0]).astype(int)
        counts = np.stack([groups @ carrier[:, often], groups @ ~carrier[:, often]])
        paper[often] = [fisher_exact(table).pvalue for table in np.moveaxis(counts, 2, 0)]
    else:
        paper[often] = rank_sum(outcome[:, None], carrier[:, often])["p"]
    return {"robust": robust, "paper": paper}, cohort.planted_variants


def burden(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the number of variants in every gene."""
    carrier = design.units.average(cohort.carriers) > 0
    counts = carrier.reshape(len(carrier), -1, SITES_PER_GENE).sum(2).astype(float)
    outcome = design.units.phenotype
    if design.binary:
        paper = correlate(counts, outcome, True)["p"].to_numpy()
    else:
        paper = np.array([pearsonr(x, outcome).pvalue if np.ptp(x) else np.nan for x in counts.T])
    robust = permutation_test(counts, design, n_permutations, seed).table["p"].to_numpy()
    planted = cohort.planted_variants.reshape(-1, SITES_PER_GENE).any(1)
    return {"robust": robust, "paper": paper}, planted


def kernel_burden(cohort: SimulatedTables, design: Design, n_permutations: int, seed: int) -> Found:
    """Test the variants of every gene by SKAT and SKAT-O."""
    carrier = (design.units.average(cohort.carriers) > 0).astype(float)
    n_groups = carrier.shape[1] // SITES_PER_GENE
    groups = np.repeat(np.eye(n_groups), SITES_PER_GENE, axis=0)
    table = skat(carrier, groups, design, n_permutations, seed)
    planted = cohort.planted_variants.reshape(-1, SITES_PER_GENE).any(1)
    p = np.concatenate([table["skat_p"], table["skato_p"]])
    return {"robust": p}, np.tile(planted, 2)


TESTS: dict[str, Callable[[SimulatedTables, Design, int, int], Found]] = {
    "centrality": centrality,
    "all genes, family-wise": family,
    "gene sets": gene_sets,
    "edges": edges,
    "components of edges": components,
    "change of degree": consensus,
    "map axes": axes,
    "whole map": whole_map,
    "variants": variants,
    "burden": burden,
    "SKAT and SKAT-O": kernel_burden,
}
OF_GENOTYPES = ("variants", "burden", "SKAT and SKAT-O")
OF_NETWORKS = ("edges", "components of edges", "change of degree", "map axes", "whole map")
OF_SETS = ("gene sets", "all genes, family-wise")
COMPETING = (*OF_SETS, *OF_NETWORKS)
# These are quick, and a cohort says little.
GENOTYPES_PER_COHORT = 4


def paper_bins(cohort: SimulatedTables) -> Units:
    """Return every bin as an observation."""
    phenotype = cohort.samples["phenotype"]
    return units(cohort.bins["sample"], cohort.samples["donor"], phenotype, "bin")


def pair_weights(cohort: SimulatedTables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of genes, and their weights in every bin: inner products of loadings."""
    gene1, gene2 = np.triu_indices(len(cohort.genes), 1)
    products = cohort.loadings @ cohort.loadings.transpose(0, 2, 1)
    return gene1, gene2, products[:, gene1, gene2]


def present_pairs(cohort: SimulatedTables) -> np.ndarray:
    """Return which of all pairs of genes every bin has as an edge, (n_bins, n_pairs)."""
    has = np.zeros((len(cohort.loadings), len(cohort.genes), len(cohort.genes)), np.float32)
    for number, (gene1, gene2) in enumerate(bin_graphs(cohort)):
        has[number, gene1, gene2] = 1
    return has[:, *np.triu_indices(len(cohort.genes), 1)]


def bin_graphs(cohort: SimulatedTables) -> list[kernels.Graph]:
    """Return the closest pairs of genes of every bin."""
    return [closest_pairs(loadings, SHARE) for loadings in cohort.loadings]


def mixed_p(values: np.ndarray, design: Design) -> dict[str, np.ndarray]:
    """Return p of the mixed model, and of the same with technical covariates as fixed effects."""
    if (mixed := design.mixed) is None:
        return {}
    observed = mixed.units.average(values)
    models = {"mixed": mixed.model, "mixed, fixed": mixed.adjusted}
    return {name: mixed_t(observed, model)["p"].to_numpy() for name, model in models.items()}


def limma_p(values: np.ndarray, cohort: SimulatedTables, design: Design) -> np.ndarray:
    """Return p of the moderated t of the phenotype, given blocks, depth and number of cells.

    inmoose squeezes the variances; its `eBayes` fails where these are all alike (prior of infinite
    degrees of freedom), so that the division is done here.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004).
    """
    bins = cohort.bins
    technical = np.column_stack([bins["mean_depth"], np.log10(bins["n_cells"])])
    blocks = design.block_indicators.toarray().T
    model = np.column_stack([blocks, design.units.average(technical), design.units.phenotype])
    df, rank = len(model) - model.shape[1], np.linalg.matrix_rank(model)
    if squeezeVar is None or not values.size or rank < model.shape[1] or df < 1:
        return np.full(values.shape[1], np.nan)
    coefficients, squares, *_ = np.linalg.lstsq(model, values)
    squeezed = squeezeVar(squares / df, df)
    unscaled = np.linalg.inv(model.T @ model)[-1, -1]
    t = coefficients[-1] / np.sqrt(unscaled * squeezed["var_post"])
    # Never more degrees of freedom than all variables have together.
    total = np.minimum(df + squeezed["df_prior"], df * len(squares))
    return 2 * stdtr(total, -np.abs(t))


def design_of(cohort: SimulatedTables, of_genotypes: bool, binary: bool) -> Design:
    """Return what preset robust compares, adjusted for what the workflow adjusts for."""
    samples = cohort.samples
    if of_genotypes:
        return make_design(list(samples.index), samples, samples["phenotype"], binary)
    grouped = cohort.bins.groupby("sample")
    samples = samples.assign(
        depth=grouped["mean_depth"].mean(), cells=np.log10(grouped["n_cells"].sum())
    )
    technical = ["depth", "cells"]
    rows = cohort.bins["sample"]
    about = rows, samples, samples["phenotype"], binary
    mixed = make_mixed_design(*about, technical=technical)
    return replace(make_design(*about, technical=technical), mixed=mixed)


def figures(p: np.ndarray, planted: np.ndarray) -> dict[str, float]:
    """Return what one cohort says of a test: shares of its null and of its planted effects."""
    p = np.asarray(p, dtype=float)
    tested = np.isfinite(p)
    q = benjamini_hochberg(p)
    null, real = p[tested & ~planted], tested & planted
    found = q <= 0.05
    return {
        "type1_05": (null <= 0.05).mean() if null.size else np.nan,
        "type1_01": (null <= 0.01).mean() if null.size else np.nan,
        "fdr_05": (found & ~planted).sum() / max(found.sum(), 1) if null.size else np.nan,
        "power_p": (p[real] <= 0.05).mean() if real.any() else np.nan,
        "power_q": found[real].mean() if real.any() else np.nan,
    }


def run(cell: Cell, cohorts: int, n_permutations: int, seed: int) -> pd.DataFrame:
    """Return the lines of a cell, one for each test and method."""
    settings = cell.settings
    of_genotypes = cell.tests[0] in OF_GENOTYPES
    rows = []
    for number in range(cohorts * (GENOTYPES_PER_COHORT if of_genotypes else 1)):
        own = derive_seed(seed, settings, number)
        cohort = simulate_tables(settings, own)
        design = design_of(cohort, of_genotypes, settings.binary)
        for test in cell.tests:
            found, planted = TESTS[test](cohort, design, n_permutations, own)
            rows += [
                {"test": test, "method": method, **figures(p, planted)}
                for method, p in found.items()
            ]
    grouped = pd.DataFrame(rows).groupby(["test", "method"], sort=False)
    table = grouped.mean()
    table[["se_05", "se_01", "se_fdr"]] = grouped[["type1_05", "type1_01", "fdr_05"]].sem()
    judged = table["type1_05"].notna()
    table["cohorts"] = grouped["type1_05"].count().where(judged, grouped["power_p"].count())
    table["within"] = np.where(judged, np.where(within(table), "yes", "no"), "")
    table = table.assign(
        phenotype="binary" if settings.binary else "continuous",
        structure=settings.structure,
        samples=settings.n_samples,
        bins="" if of_genotypes else settings.n_bins,
        confounding=cell.confounding,
        planted="yes" if settings.n_planted else "no",
    )
    return table[table["cohorts"] > 0].reset_index()[COLUMNS]


def within(table: pd.DataFrame) -> pd.Series:
    """Return whether errors are at most nominal plus `Z_BOUND` standard errors."""
    return (
        (table["type1_05"] <= 0.05 + Z_BOUND * table["se_05"])
        & (table["type1_01"] <= 0.01 + Z_BOUND * table["se_01"])
        & (table["fdr_05"] <= 0.05 + Z_BOUND * table["se_fdr"])
    )


def cells(sizes: Sequence[int]) -> Iterator[Cell]:
    """Yield all cells of the table."""
    for n, binary, (confounding, extra) in product(sizes, (False, True), CONFOUNDING.items()):
        plain_or_both = confounding in ("none", "depth and batch")
        base = TableSettings(n_samples=n, n_genes=N_GENES, binary=binary, **extra)
        planted = {"n_planted": N_PLANTED, "effect": NONCENTRALITY / n**0.5}
        for n_bins in (1, 4, 8) if plain_or_both and not binary else (4,):
            yield Cell(("centrality",), confounding, replace(base, n_bins=n_bins, **planted))
        if plain_or_both:
            for structure in ("repeats", "pairs"):
                settings = replace(base, structure=structure, **planted)
                yield Cell(("centrality",), confounding, settings)
        # Where sets, edges and axes are planted, the others are not quite null: they compete.
        network = replace(base, **NETWORK)
        if not binary or plain_or_both:
            yield Cell(OF_SETS, confounding, base)
            yield Cell(OF_NETWORKS, confounding, network)
        if confounding == "none" and not binary:
            yield Cell(OF_SETS, confounding, replace(base, **planted))
            yield Cell(OF_NETWORKS, confounding, replace(network, **planted))
            for n_bins in (1, 8):
                yield Cell(OF_NETWORKS, confounding, replace(network, n_bins=n_bins))
        if confounding in ("none", "batch"):
            settings = replace(base, n_bins=1, n_genes=0, n_variants=N_VARIANTS, **planted)
            yield Cell(OF_GENOTYPES, confounding, settings)


def markdown(table: pd.DataFrame) -> str:
    """Return the tables of the docs: a row for each kind of cohort, methods side by side."""
    parts = []
    for test, of_test in table.groupby("test", sort=False):
        methods = list(dict.fromkeys(of_test["method"]))
        parts.append(
            f"### {str(test).capitalize()}\n\nIn %, {' / '.join(methods)}; "
            "in brackets the standard error of robust; an asterisk is beyond the bound.\n\n"
            "| samples | bins | phenotype | confounding | type I at 5 % | type I at 1 % "
            "| FDR at 5 % | power, p ≤ 0.05 | power, q ≤ 0.05 |\n"
            "| ---: | ---: | --- | --- | --- | --- | --- | --- | --- |"
        )
        keys = ["samples", "bins", "phenotype", "structure", "confounding", "planted"]
        for key, lines in of_test.groupby(keys, sort=False, dropna=False):
            samples, bins, phenotype, structure, confounding, planted = key
            lines = lines.set_index("method").reindex(methods)
            kind = phenotype if structure == "single" else f"{phenotype}, {structure}"
            # Elsewhere, errors and power are of the same cohorts.
            if test in COMPETING and planted == "yes":
                kind += ", planted"
            fields = [
                f"{samples}",
                "" if pd.isna(bins) else f"{bins:g}",
                kind,
                confounding,
                *(
                    errors(lines, column, error, nominal)
                    for column, error, nominal in (
                        ("type1_05", "se_05", 0.05),
                        ("type1_01", "se_01", 0.01),
                        ("fdr_05", "se_fdr", 0.05),
                    )
                ),
                *(
                    " / ".join("–" if pd.isna(x) else f"{100 * x:.0f}" for x in lines[column])
                    if lines[column].notna().any()
                    else ""
                    for column in ("power_p", "power_q")
                ),
            ]
            parts.append(f"| {' | '.join(fields)} |")
        parts.append("")
    return "\n".join(parts)


def errors(lines: pd.DataFrame, column: str, error: str, nominal: float) -> str:
    """Return an error rate of every method, in %."""
    if lines[column].isna().all():
        return ""
    beyond = lines[column] > nominal + Z_BOUND * lines[error]
    found = [
        "–" if pd.isna(x) else f"{100 * x:.1f}{'*' if star else ''}"
        for x, star in zip(lines[column], beyond, strict=True)
    ]
    found[0] += f" ({100 * lines[error].iloc[0]:.1f})"
    return " / ".join(found)


def main() -> None:
    """Print the table, line by line as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", nargs="+", choices=TESTS, default=list(TESTS))
    parser.add_argument("--samples", type=int, nargs="+", default=SAMPLES)
    parser.add_argument("--cohorts", type=int, default=50)
    parser.add_argument("--permutations", type=int, default=1999)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--read", type=Path, help="print a finished table as Markdown")
    options = parser.parse_args()
    if options.read:
        print(markdown(pd.read_csv(options.read, sep="\t", keep_default_na=False, na_values=[""])))
        return
    if squeezeVar is None:
        print("no limma: inmoose is not installed", file=sys.stderr)
    start = time.process_time()
    header = True
    for cell in cells(options.samples):
        wanted = tuple(test for test in cell.tests if test in options.tests)
        if wanted:
            cell = replace(cell, tests=wanted)
            table = run(cell, options.cohorts, options.permutations, options.seed)
            text = table.to_csv(sep="\t", index=False, header=header, float_format="%.4f")
            print(text, end="", flush=True)
            header = False
    print(f"{time.process_time() - start:.0f} s of CPU", file=sys.stderr)


if __name__ == "__main__":
    main()
