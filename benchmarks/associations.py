"""How fast genes are tested: Spearman beside a loop over scipy, and Freedman-Lane permutations.

    python benchmarks/associations.py --genes 3000 --samples 200 --permutations 10000

Prints a table of seconds and peak memory, each part in a process of its own with one thread.
"""

from __future__ import annotations

import argparse

from measuring import in_child, machine, timed

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from popnet.memory import peak_memory
from popnet.stats.designs import make_design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate

REPEATS = 15
# Of what takes a hundredth of the other's time: as much is timed of both.
CALLS = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--permutations", type=int, default=10_000)
    options = parser.parse_args()
    size = (options.samples, options.genes)
    print(f"# {machine()}, one thread; {size[1]:,} genes x {size[0]} samples")
    print("what", "seconds", "peak_mb", "note", sep="\t")
    jobs = [(spearman, size), (freedman_lane, (*size, options.permutations))]
    for function, arguments in jobs:
        for row in in_child(function, *arguments):
            print(*row, sep="\t", flush=True)


def spearman(n: int, n_genes: int) -> list[tuple]:
    """Spearman and Benjamini-Hochberg of all genes: scipy gene by gene, and ours, in turns."""
    rng = np.random.default_rng(0)
    values, phenotype = rng.normal(size=(n, n_genes)), rng.normal(size=n)

    def loop() -> np.ndarray:
        p = [spearmanr(column, phenotype).pvalue for column in values.T]
        return benjamini_hochberg(np.array(p))

    def ours() -> np.ndarray:
        return benjamini_hochberg(correlate(values, phenotype, binary=False)["p"].to_numpy())

    np.testing.assert_allclose(loop(), ours(), rtol=1e-9)

    def often() -> None:
        for _ in range(CALLS):
            ours()

    pairs = [(timed(loop).seconds, timed(often).seconds / CALLS) for _ in range(REPEATS)]
    theirs, own = np.median(pairs, axis=0)
    ratio = np.median([a / b for a, b in pairs])
    memory = f"{peak_memory():.0f}"
    return [
        ("scipy.stats.spearmanr in a loop", f"{theirs:.3f}", memory, f"median of {REPEATS}"),
        ("popnet.stats.ranks.correlate", f"{own:.5f}", memory, f"{ratio:.0f} times faster"),
    ]


def freedman_lane(n: int, n_genes: int, n_permutations: int) -> list[tuple]:
    """Permutation test of all genes within 10 batches, given sex, age, depth and cells."""
    rng = np.random.default_rng(0)
    index = [f"s{number}" for number in range(n)]
    samples = pd.DataFrame(
        {
            "donor": index,
            "batch": [f"pool {number % 10}" for number in range(n)],
            "sex": rng.choice(["female", "male"], n),
            **{name: rng.normal(size=n) for name in ("age", "depth", "cells")},
        },
        index=index,
    )
    phenotype = pd.Series(rng.normal(size=n), index)
    design = make_design(index, samples, phenotype, False, ["sex", "age"], ["depth", "cells"])
    values = rng.normal(size=(n, n_genes))
    rows = []
    for resolve, note in ((False, ""), (True, "small p permuted on")):
        found = timed(permutation_test, values, design, n_permutations, 1, resolve=resolve)
        what = f"Freedman-Lane, {n_permutations:,} permutations, 4 covariates, 10 batches"
        rows.append((what, f"{found.seconds:.2f}", f"{found.peak_mb:.0f}", note))
    return rows


if __name__ == "__main__":
    main()
