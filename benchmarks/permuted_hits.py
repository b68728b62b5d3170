"""What it costs to test permuted phenotypes beside the phenotype, for each family of tests.

    python benchmarks/permuted_hits.py --samples 41 200 --genes 3000

Simulates values of genes, pairs, sets, programmes and maps of a cohort with covariates, batches or
pairs of samples. Then asks every question of preset robust with and without permuted phenotypes, in
turns, in a process of its own with one thread, and prints the medians of CPU seconds. Half of the
cohorts have planted effects: with hits, more variables are permuted further.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from contextlib import redirect_stdout

from measuring import in_child, machine, timed

import numpy as np
import pandas as pd

from popnet.associations import (
    connectivity,
    consensus,
    edges,
    genes,
    graph_centrality,
    maps,
    programmes,
    sets,
)
from popnet.associations.testing import Testing
from popnet.networks.kernels import kernel_pca
from popnet.networks.pairs import PairWeights
from popnet.networks.programmes import programme_values
from popnet.stats.designs import Design, make_design

FAMILIES = ("centrality", "graph_centrality", "gene_sets", "edges", "connectivity", "consensus")
FAMILIES += ("programmes", "map")
# Of the genes of the graph; a fifth of their pairs is tested, and 1 % are edges of a sample.
GRAPH, TESTED, CLOSEST = 600, 0.2, 0.01
KINDS, PROGRAMMES, SETS = 5, 16, 186


def cohort(n: int, kind: str, effect: float) -> tuple[list[str], np.ndarray, Design]:
    """Return samples, the standardised phenotype (n,) and the design."""
    rng = np.random.default_rng(1)
    samples = [f"s{number}" for number in range(n)]
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, samples)
    phenotype, covariates = rng.normal(size=n), ["age", "sex", "depth", "cells"]
    for name in covariates:
        sheet[name] = rng.normal(size=n)
    if kind == "pairs":
        sheet["donor"] = [f"d{number // 2}" for number in range(n)]
        phenotype, covariates = np.arange(n) % 2.0, ["depth"]
    else:
        sheet["batch"] = [f"pool {number % 4}" for number in range(n)]
    values = pd.Series(phenotype, samples)
    design = make_design(samples, sheet, values, kind == "pairs", covariates)
    return samples, effect * (phenotype - phenotype.mean()) / phenotype.std(), design


def questions(
    family: str, n: int, n_genes: int, kind: str, effect: float
) -> Callable[[Testing], object]:
    """Return a function that asks the question of a family about a simulated cohort."""
    samples, score, design = cohort(n, kind, effect)
    rng = np.random.default_rng(2)
    names = np.array([f"g{number}" for number in range(n_genes)], dtype=object)
    module = rng.integers(40, size=n_genes)

    def values(columns: int) -> np.ndarray:
        """Values by sample, in modules; the first twentieth has the effect."""
        of_module = module[:columns] if columns <= n_genes else rng.integers(200, size=columns)
        drawn = rng.normal(size=(n, 200))[:, of_module] + rng.normal(size=(n, columns))
        drawn[:, : columns // 20] += 1.4 * score[:, None]
        return drawn

    if family == "centrality":
        bins = genes.BinValues(
            values(n_genes),
            values(n_genes),
            rng.uniform(0.2, 1, (n, n_genes)),
            rng.normal(size=n),
            pd.Index(names),
            pd.Series(0.9, names),
        )
        return lambda testing: genes.robust(bins, design, testing)
    if family == "graph_centrality":
        measures = ("degree", "strength", "signed_strength", "eigenvector", "clustering")
        layers = {measure: np.exp(values(GRAPH) / 4) for measure in measures}
        layers["detection_rate"] = rng.uniform(0.2, 1, (n, GRAPH))
        layers["mean_expression"] = rng.normal(size=(n, GRAPH))
        return lambda testing: graph_centrality.robust(layers, names[:GRAPH], design, testing)
    if family == "gene_sets":
        sizes = np.minimum(rng.lognormal(3.0, 0.8, SETS).astype(int) + 5, n_genes // 2)
        members = {f"set {k}": list(rng.choice(names, size)) for k, size in enumerate(sizes)}
        of_gene, index = values(n_genes), pd.Index(names)
        return lambda testing: sets.robust(of_gene, index, members, design, testing)
    first, second = np.triu_indices(GRAPH, 1)
    pairs = pd.DataFrame({"gene1": names[first], "gene2": names[second]})
    if family == "edges":
        kept = np.sort(rng.permutation(len(pairs))[: int(TESTED * len(pairs))])
        weights = values(len(kept)).astype(np.float32)
        observed = PairWeights(
            pairs.iloc[kept].assign(icc=0.5, rms=1.0),
            np.array(samples, dtype=object),
            weights,
            weights + rng.normal(size=weights.shape).astype(np.float32),
        )
        empty = pd.Series(dtype=object)
        return lambda testing: edges.robust(observed, {}, empty, design, testing)
    if family == "consensus":
        # Half of a sample's edges are those of the cohort.
        size = int(CLOSEST * len(pairs))
        at = [
            np.unique(
                np.append(rng.integers(2 * size, size=size), rng.integers(len(pairs), size=size))
            )
            for _ in samples
        ]
        table = pairs.iloc[np.concatenate(at)].assign(weight=1.0)
        table.insert(0, "sample", np.repeat(samples, [len(part) for part in at]))
        of_samples = edges.ObservedEdges(
            table, pd.Series(samples, samples), pd.Index(names[:GRAPH])
        )
        return lambda testing: consensus.robust(of_samples, design, testing)
    if family == "connectivity":
        counts = np.exp(values(SETS * KINDS) / 3)
        table = pd.DataFrame(
            counts.reshape(n * SETS, KINDS), columns=[f"kind {k}" for k in range(KINDS)]
        )
        table["sample"] = np.repeat(samples, SETS)
        table["gene_set"] = np.tile([f"set {k}" for k in range(SETS)], n)
        return lambda testing: connectivity.robust(table, design, testing)
    if family == "programmes":
        scores = rng.normal(size=(n, 100, PROGRAMMES))
        scores[:, :, :2] += score[:, None, None] * rng.normal(size=(n, 100, 1))
        of_bins, columns = programme_values(np.stack([np.cov(part.T) for part in scores]))
        columns[["name1", "name2"]] = columns[["programme1", "programme2"]].astype(str).to_numpy()
        return lambda testing: programmes.robust(of_bins, columns, design, testing)
    places = values(100)
    similarity = np.corrcoef(places)
    axes = pd.DataFrame(kernel_pca(similarity, 10)[0]).add_prefix("PC")
    kernels = ("wl_degree", "wl_gene", "edge_jaccard", "centrality")
    of_kernel = dict.fromkeys(kernels, maps.SampleMap(samples, similarity, axes))
    return lambda testing: maps.robust(of_kernel, design, testing)


def cost(
    family: str, n: int, n_genes: int, kind: str, effect: float, permutations: int, repeats: int
) -> tuple[float, float, float]:
    """Return CPU seconds without and with permuted phenotypes, and what they add, in %; medians."""
    ask = questions(family, n, n_genes, kind, effect)
    spent = []
    with redirect_stdout(io.StringIO()):
        ask(Testing(permutations, 1))
        for _ in range(repeats):
            chances: tuple[dict | None, ...] = (None, {})
            spent.append(
                [
                    timed(ask, Testing(permutations, 1, chance=chance)).cpu_seconds
                    for chance in chances
                ]
            )
    without, beside = np.array(spent).T
    return np.median(without), np.median(beside), 100 * np.median(beside / without - 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[41, 200])
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    parser.add_argument("--kinds", nargs="+", default=("batches", "pairs"))
    parser.add_argument("--effects", type=float, nargs="+", default=[0.0, 1.0])
    options = parser.parse_args()
    print(f"# {machine()}, one thread")
    print("family", "samples", "design", "effect", "without", "with", "added_%", sep="\t")
    for family in options.families:
        for n in options.samples:
            for kind in options.kinds:
                for effect in options.effects:
                    sized = n // 2 * 2 if kind == "pairs" else n
                    found = in_child(
                        *(cost, family, sized, options.genes, kind, effect),
                        *(options.permutations, options.repeats),
                    )
                    figures = f"{found[0]:.2f}\t{found[1]:.2f}\t{found[2]:.0f}"
                    print(family, sized, kind, effect, figures, sep="\t", flush=True)


if __name__ == "__main__":
    main()
