"""What a finished study finds where there is nothing: its phenotype permuted, tests repeated.

    python benchmarks/permuted_phenotypes.py results/kang2018 condition --case stim --control ctrl

Values of the phenotype change places within donors where they vary there, else between donors of a
batch. Per cell type and test: tests of all runs, the share with p <= 0.05, and runs in which
anything passes a false discovery rate of 5 %. Tests of one run are correlated: the standard error
is that of the mean over runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import anndata as ad
import numpy as np
import pandas as pd

from popnet.associations import sets as set_tests
from popnet.associations.designs import technical_covariates
from popnet.associations.maps import SampleMap, one_map
from popnet.associations.testing import Testing
from popnet.files import read_table
from popnet.networks.kernels import kernel_pca
from popnet.stats.designs import make_design
from popnet.stats.permutation import permutation_test
from popnet.stats.units import encode_phenotype

KERNEL = "edge_jaccard"
ALPHA = 0.05


def main() -> None:
    """Permute, test and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results/<cohort>, preset robust")
    parser.add_argument("phenotype")
    parser.add_argument("--case", help="of a binary phenotype, with --control")
    parser.add_argument("--control")
    parser.add_argument("--covariates", nargs="*", default=[])
    parser.add_argument("--adjust", nargs="*", default=["depth", "cells"])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--permutations", type=int, default=999)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    binary = options.case is not None
    samples = read_table(options.results / "samples.tsv", text=[options.phenotype])
    samples = samples.set_index("sample")
    samples["batch"] = samples["batch"].fillna("")
    kind = "binary" if binary else "continuous"
    values = encode_phenotype(samples[options.phenotype], kind, options.case, options.control)
    print("cell_type", "test", "tests", "share_p_05", "se", "runs_with_q_05", "runs", sep="\t")
    for path in sorted(options.results.glob("*/networks/bins.h5ad")):
        bins = ad.read_h5ad(path)
        technical = technical_covariates(bins.obs)[options.adjust]
        of_bin = bins.obs["sample"].astype(str).to_numpy()
        kernel = read_table(path.parents[1] / "map" / "kernel.tsv")
        found: dict[str, list[pd.DataFrame]] = {}
        for run in range(options.runs):
            shuffled = permuted(samples, values, set(of_bin), binary, options.seed + run)

            design_of = partial(
                make_design,
                samples=samples.join(technical),
                phenotype=shuffled,
                binary=binary,
                covariates=options.covariates,
                technical=list(technical),
            )
            for test, table in tests(bins, kernel, design_of, options, run):
                found.setdefault(test, []).append(table.dropna(subset=["p"]))
        for test, tables in found.items():
            shares = [(table["p"] <= ALPHA).mean() for table in tables if len(table)]
            print(
                *(path.parents[1].name, test, sum(map(len, tables))),
                f"{np.mean(shares):.4f}",
                f"{np.std(shares, ddof=1) / np.sqrt(len(shares)):.4f}",
                sum((table["q"] <= ALPHA).any() for table in tables),
                len(tables),
                sep="\t",
                flush=True,
            )


def permuted(
    samples: pd.DataFrame, values: pd.Series, used: set[str], binary: bool, seed: int
) -> pd.Series:
    """Return the phenotype with its values in other places, as the design permutes them."""
    rows = [sample for sample in samples.index if sample in used]
    design = make_design(rows, samples, values, binary)
    order = np.random.default_rng(seed).permutation(design.n)
    order = order[np.argsort(design.blocks[order], kind="stable")]
    moved = np.empty(design.n)
    moved[np.argsort(design.blocks, kind="stable")] = design.units.phenotype[order]
    new = pd.Series(np.nan, samples.index)
    for unit, value in zip(design.units.weights.tocsr(), moved, strict=True):
        new[np.asarray(rows, dtype=object)[unit.indices]] = value
    return new


def tests(bins, kernel, design_of, options, run) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and table of every test."""
    seed, n = options.seed + run, options.permutations
    design = design_of(bins.obs["sample"].astype(str).to_numpy())
    centrality = design.units.average(bins.X)
    yield "centrality", permutation_test(centrality, design, n, seed, resolve=True).table
    degree = bins.layers["degree"]
    graph = np.isfinite(degree).any(0)
    yield (
        "degree in the graph",
        permutation_test(design.units.average(degree[:, graph]), design, n, seed).table,
    )
    sets = {
        f"set {number}": list(bins.var_names[number::20]) for number in range(min(20, bins.n_vars))
    }
    yield "gene sets", set_tests.robust(bins.X, bins.var_names, sets, design, Testing(n, seed))
    part = kernel[kernel["kernel"] == KERNEL]
    names = list(dict.fromkeys(part["sample1"]))
    wide = part.pivot(index="sample1", columns="sample2", values="similarity")
    similarity = wide.reindex(index=names, columns=names).to_numpy()
    similarity = np.where(np.isnan(similarity), similarity.T, similarity)
    axes = pd.DataFrame(kernel_pca(similarity, 4)[0], columns=["PC1", "PC2", "PC3", "PC4"])
    of_map = one_map(
        SampleMap(names, similarity, axes), design_of(np.array(names)), Testing(n, seed)
    )
    is_axis = of_map["test"] == "axis"
    yield "map axes", of_map[is_axis]
    yield "map", of_map[of_map["test"].isin(["mixed model", "hsic"])]


if __name__ == "__main__":
    main()
