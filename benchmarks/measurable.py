"""Do the verdicts of networks/measures.tsv hold, on real cells?

    python benchmarks/measurable.py --data DATA --out OUT            # both parts
    python benchmarks/measurable.py --out OUT --read                # the tables of docs/networks.md

DATA is the folder of `benchmarks/networks.py`. Networks are those of estimators that need no
training, and "random": closeness of random loadings, which no cell has a part in. Parts:

heldout  The bins of every sample are divided in two at random, 20 times. The verdict is made with
         one half; the ICC of the other half, and the correlation over samples between the means of
         both halves, are what it claims.
planted  24 donors of 4 bins are parts of one real sample, or of eight. 20 genes are wired together
         in a share of the cells of half of the donors. The verdict, which does not know which, is
         set against what the tests find.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import networks as cohorts  # first: one thread, and the package of the clone

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from popnet.networks.centrality import match_means
from popnet.networks.edges import pair_weights
from popnet.networks.kernels import edge_jaccard, edge_jaccard_blocks, sample_similarity, sum_blocks
from popnet.networks.measures import Judging, of_kernel, of_values
from popnet.networks.pairs import candidates
from popnet.stats.components import Bins, describe_bins
from popnet.stats.kernel_tests import distance_regression, map_gram
from popnet.stats.moderated import moderated_t
from popnet.stats.multiplicity import benjamini_hochberg

MIN_ICC, SPLITS, DONORS, OF_DONOR = 0.4, 20, 24, 4
HOW = Judging(MIN_ICC, 1, ())


def random_networks(bins: cohorts.Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Return the closeness of genes in random loadings, anew for every bin."""
    rng = np.random.default_rng([seed, 1])
    n_genes = bins.expression.shape[2]
    loadings = rng.normal(size=(len(bins.samples), n_genes, 8))
    return np.array([pair_weights(one, "distance", cohorts.SHARE) for one in loadings]), {}


ESTIMATORS: dict[str, cohorts.Estimate] = {
    "correlation": cohorts.correlation,
    "spearman": cohorts.ESTIMATORS["spearman"],
    "components 16": cohorts.components(16),
    "random": random_networks,
}


class Measured:
    """What is measured of the networks of some bins."""

    def __init__(self, weights: np.ndarray, bins: cohorts.Bins):
        self.samples, self.n_genes = bins.samples, weights.shape[1]
        upper = np.triu_indices(self.n_genes, 1)
        edges = np.array([cohorts._edges(one) for one in weights])
        self.graphs = [tuple(end[one] for end in upper) for one in edges]
        incidence = np.zeros((len(upper[0]), self.n_genes))
        for end in upper:
            incidence[np.arange(len(end)), end] = 1
        self.genes = {
            "strength": match_means(np.abs(weights).sum(2)),
            "degree": match_means(edges @ incidence),
        }
        of_pairs_ = weights[:, upper[0], upper[1]]
        self.columns = candidates(np.sqrt((of_pairs_**2).mean(0)))
        self.pairs = of_pairs_[:, self.columns]
        self.upper = upper
        self.own = bins.of_sample.mean(1)
        table = pd.DataFrame({"sample": bins.samples, "n_cells": bins.expression.shape[1]})
        self.table = table.assign(mean_depth=3.0, batch="")

    def verdicts(self, kept: np.ndarray) -> dict[str, dict[str, Any]]:
        """Return a row of measures.tsv for each measure, of some of the bins."""
        described: Bins = describe_bins(self.table[kept], ())
        found = {
            name: of_values(values[kept], described, HOW, self.own[kept])
            for name, values in self.genes.items()
        }
        graphs = [self.graphs[row] for row in np.flatnonzero(kept)]
        found["map"] = of_kernel(edge_jaccard(graphs), described, HOW)
        return found | {"edges": of_values(self.pairs[kept], described, HOW)}


def heldout(folder: Path) -> list[dict[str, Any]]:
    """Return the verdict of half of the bins, and the reliability of the others."""
    rows = []
    for cohort, (name, estimate) in product(
        ("perez300", "perez50", "perez1000", "kang"), ESTIMATORS.items()
    ):
        bins = cohorts.cohort_named(cohort, folder)
        measured = Measured(estimate(bins, 1)[0], bins)
        for split in range(SPLITS):
            rng = np.random.default_rng(split)
            order = pd.Series(rng.random(len(bins.samples))).groupby(bins.samples).rank().to_numpy()
            sizes = pd.Series(bins.samples).groupby(bins.samples).transform("size").to_numpy()
            # Half of the bins each; a sample with one bin is in neither.
            half = sizes // 2
            first, second = order <= half, (order > half) & (order <= 2 * half)
            one, two = measured.verdicts(first), measured.verdicts(second)
            both = {
                key: _between(
                    values[first], values[second], bins.samples[first], bins.samples[second]
                )
                for key, values in (measured.genes | {"edges": measured.pairs}).items()
            }
            for measure in one:
                rows.append(
                    {"cohort": cohort, "network": name, "measure": measure, "split": split}
                    | {"verdict": one[measure]["verdict"], "icc": one[measure]["icc_sample"]}
                    | {
                        "icc_of_others": two[measure]["icc_sample"],
                        "p_of_others": two[measure]["p"],
                    }
                    | {"correlation": both.get(measure, np.nan)}
                )
        print("heldout", cohort, name, flush=True)
    return rows


def _between(one: np.ndarray, two: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation over samples between the means of two halves, median column."""
    means = [
        pd.DataFrame(values).groupby(samples).mean()
        for values, samples in ((one, first), (two, second))
    ]
    a, b = (mean - mean.mean() for mean in means)
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float(np.nanmedian((a * b).sum() / size.where(size > 0)))


def donors_of(folder: Path, cells: int, n_sources: int) -> cohorts.Bins:
    """Return donors of four bins each, parts of one real sample or of several."""
    per_source = -(-DONORS // n_sources)
    source = cohorts.Source(cohorts.PEREZ, "sample_id", cells, 300)
    bins = cohorts.load(source, folder, most_bins=OF_DONOR * per_source)
    sizes = pd.Series(bins.samples).value_counts()
    names = sorted(sizes.index[sizes >= OF_DONOR * per_source])[:n_sources]
    chosen = np.concatenate(
        [np.flatnonzero(bins.samples == name)[: OF_DONOR * per_source] for name in names]
    )[: DONORS * OF_DONOR]
    donors = np.repeat([f"donor {number}" for number in range(DONORS)], OF_DONOR).astype(object)
    return replace(
        bins,
        expression=bins.expression[chosen],
        samples=donors[: len(chosen)],
        counts=[bins.counts[row] for row in chosen],
        depth=bins.depth[chosen],
        obs=pd.DataFrame(index=np.unique(donors)),
        of_sample=bins.of_sample[chosen],
    )


def wired(
    bins: cohorts.Bins, share: float, seed: int
) -> tuple[cohorts.Bins, np.ndarray, list[int]]:
    """Return cells with a module wired in half of the donors, which bins these are, its genes."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(np.unique(bins.samples))[: DONORS // 2]
    changed = np.isin(bins.samples, chosen)
    module = rng.permutation(bins.expression.shape[2])[: cohorts.MODULE]
    expression = bins.expression.copy()
    for row in np.flatnonzero(changed):
        cells = rng.permutation(expression.shape[1])[: int(share * expression.shape[1])]
        driver = rng.normal(size=len(cells))
        for gene in module:
            # Values change places, so that a gene's distribution stays as it is.
            noisy = 0.8 * driver + 0.6 * rng.normal(size=len(cells))
            values = np.sort(expression[row][cells, gene])
            expression[row, cells, gene] = values[rankdata(noisy, method="ordinal").astype(int) - 1]
    return replace(bins, expression=expression), changed, list(module)


def planted(folder: Path) -> list[dict[str, Any]]:
    """Return verdicts, and what the tests of donors find of what is planted."""
    rows = []
    for cells, n_sources in ((25, 1), (25, 8), (95, 8)):
        bins = donors_of(folder, cells, n_sources)
        for share, seed, (name, estimate) in product(
            (0.0, 0.2, 0.4, 0.8), cohorts.SEEDS, ESTIMATORS.items()
        ):
            changed_bins, changed, module = wired(bins, share, seed)
            measured = Measured(estimate(changed_bins, seed)[0], changed_bins)
            found = measured.verdicts(np.ones(len(changed), bool))
            design = _over_donors(bins.samples, changed)
            hits = {
                key: _hits(values, design, np.isin(np.arange(measured.n_genes), module))
                for key, values in measured.genes.items()
            }
            ends = [np.isin(end[measured.columns], module) for end in measured.upper]
            hits["edges"] = _hits(measured.pairs, design, ends[0] & ends[1])
            blocks = edge_jaccard_blocks(measured.graphs)
            sums = sum_blocks(blocks, pd.DataFrame({"samples": bins.samples}))
            similarity, donors = sample_similarity(sums)
            over = design.over(list(donors))
            tested = distance_regression(
                map_gram(similarity, over.units), over, over.arrangements(999, seed)
            )
            hits["map"] = (int(tested.p <= cohorts.FDR), 1, 0)
            for measure, (called, of_module, false) in hits.items():
                rows.append(
                    {"cells": cells, "sources": n_sources, "share": share, "module": seed}
                    | {"network": name, "measure": measure}
                    | {key: found[measure][key] for key in ("verdict", "icc_sample", "p")}
                    | {"called": called, "of": of_module, "false": false}
                )
        print("planted", cells, n_sources, flush=True)
    return rows


def _over_donors(samples: np.ndarray, changed: np.ndarray) -> Any:
    names = list(dict.fromkeys(samples))
    table = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    phenotype = pd.Series(changed.astype(float), samples).groupby(level=0).first()
    return cohorts.make_design(list(samples), table, phenotype, True)


def _hits(values: np.ndarray, design: Any, inside: np.ndarray) -> tuple[int, int, int]:
    """Return hits in the module, its size, and hits without a gene of it."""
    p = moderated_t(design.units.average(values), design)["p"].to_numpy()
    called = benjamini_hochberg(p) <= cohorts.FDR
    return int(called[inside].sum()), int(inside.sum()), int(called[~inside].sum())


def read(folder: Path) -> None:
    """Print the tables of docs/networks.md."""
    table = pd.read_csv(folder / "heldout.tsv", sep="\t")
    print(table[table["icc"].isna()].groupby(["cohort", "verdict"]).size(), "\n")
    print(table[table["network"] == "random"].groupby("verdict").size(), "\n")
    table = table.dropna(subset=["icc"])
    table["above"] = table["icc_of_others"] >= MIN_ICC
    table["beyond"] = table["p_of_others"] <= 0.05
    columns = ["icc", "icc_of_others", "correlation", "above", "beyond"]
    grouped = table.groupby("verdict")
    print(grouped[columns].mean().join(grouped.size().rename("n")).round(2), "\n")

    table = pd.read_csv(folder / "planted.tsv", sep="\t")
    table["networks"] = table["network"].where(table["network"] == "random", "of cells")
    table["hit"] = table["called"] > 0
    maps = table["measure"] == "map"
    for label, rows in (("genes and pairs", ~maps), ("maps", maps)):
        grouped = table[rows & (table["share"] > 0)].groupby(["sources", "networks", "verdict"])
        shown = grouped[["hit", "called", "of"]].sum().join(grouped.size().rename("settings"))
        print(label, shown, sep="\n", end="\n\n")
    print("nothing planted", table[table["share"] == 0].groupby(["networks", "verdict"]).size())


def main() -> None:
    """Run or read the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parts: dict[str, Callable[[Path], list[dict[str, Any]]]]
    parts = {"heldout": heldout, "planted": planted}
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--read", action="store_true")
    arguments = parser.parse_args()
    if not arguments.read:
        if arguments.data is None:
            parser.error("--data: give the folder with the cells")
        arguments.out.mkdir(parents=True, exist_ok=True)
        for part in arguments.parts:
            table = pd.DataFrame(parts[part](arguments.data))
            table.to_csv(arguments.out / f"{part}.tsv", sep="\t", index=False)
    read(arguments.out)


if __name__ == "__main__":
    main()
