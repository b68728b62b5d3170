"""Genes within called gene sets: false ones, and what is found beside a test of all genes.

    python benchmarks/hierarchy.py --studies 500

Of 100 sets of 20 genes, 10 have 8 genes with an effect; z of genes is normal, correlated by 0.3
within a set or not. A set's p is that of the mean of its z. Where "half in common" stands, every
set has half of its genes from the one before. Printed, in percent (standard error over studies):
the mean share of false genes among the called of a called set (0 where none is called), the share
of all calls that are false, and power: by the rule of `genes_in_groups.tsv`, by Benjamini-Hochberg
over all genes, and at the same level within called sets, however many sets were looked at.
"""

from __future__ import annotations

import argparse

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd
from scipy.stats import norm

from popnet.associations.genes_in_groups import robust
from popnet.stats.multiplicity import benjamini_hochberg

N_SETS, SIZE, MOVED, OF_SET, FDR = 100, 20, 10, 8, 0.05
RULE, ALL, NAIVE = "within called sets", "all genes", "within called sets, no correction"
# Correlation within a set, genes in common with the next, and the effect in standard errors.
KINDS = {
    "independent genes": (0.0, 0, 2.5),
    "correlated genes": (0.3, 0, 2.5),
    "correlated genes, strong effects": (0.3, 0, 4.0),
    "correlated genes, half in common": (0.3, SIZE // 2, 2.5),
    "correlated genes, no effects": (0.3, 0, 0.0),
}


def study(kind: str, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return false genes of called sets, of all calls, and power, by rule."""
    rho, common, effect = KINDS[kind]
    rng = np.random.default_rng([seed, *kind.encode()])
    step = SIZE - common
    members = np.arange(N_SETS)[:, None] * step + np.arange(SIZE)
    moved = np.zeros(members.max() + 1, bool)
    # Far from each other, so that sets in common with these are few.
    moved[members[:: N_SETS // MOVED, :OF_SET].ravel()] = effect > 0
    block = np.arange(len(moved)) // step
    shared = rng.normal(size=block.max() + 1)[block]
    z = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=len(moved)) + effect * moved
    spread = [np.sqrt(_variance(block[own], rho)) for own in members]
    of_sets = pd.Series(
        2 * norm.sf(np.abs(z[members].sum(1) / spread)), [str(n) for n in range(N_SETS)]
    )
    p = 2 * norm.sf(np.abs(z))
    names = np.array([str(number) for number in range(len(z))], dtype=object)
    genes = pd.DataFrame({"gene": names, "p": p, "q": benjamini_hochberg(p)})
    sets = {str(number): names[own] for number, own in enumerate(members)}
    found = robust(genes, {"set": of_sets}, {"set": sets}, FDR)
    within = found.groupby("group")["p"].transform(lambda x: benjamini_hochberg(x.to_numpy()))
    called = {
        RULE: found[found["q_within"] <= FDR],
        ALL: found[found["q"] <= FDR],
        NAIVE: found[within <= FDR],
    }
    rows = {}
    for rule, table in called.items():
        false = ~moved[table["gene"].astype(int)]
        by_set = pd.Series(false, table["group"].to_numpy()).groupby(level=0).mean()
        by_set = by_set.reindex(found["group"].unique()).fillna(0)
        everywhere = np.flatnonzero(genes["q"] <= FDR) if rule == ALL else table["gene"].astype(int)
        own = np.unique(everywhere)
        power = moved[own].sum() / max(moved.sum(), 1)
        rows[rule] = (
            by_set.mean() if len(by_set) else 0.0,
            (~moved[own]).mean() if len(own) else 0.0,
            power,
        )
    return rows


def _variance(block: np.ndarray, rho: float) -> float:
    sizes = np.unique(block, return_counts=True)[1]
    return float((1 - rho) * sizes.sum() + rho * (sizes**2).sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=500)
    chosen = parser.parse_args()
    print("genes", "rule", "false in called sets", "false of all", "power", sep="\t")
    for kind in KINDS:
        rows = [study(kind, seed) for seed in range(chosen.studies)]
        for rule in (RULE, ALL, NAIVE):
            values = 100 * np.array([row[rule] for row in rows])
            mean, error = values.mean(0), values.std(0) / np.sqrt(len(rows))
            cells = [f"{m:.1f} ({e:.1f})" for m, e in zip(mean, error, strict=True)]
            print(kind, rule, *cells, sep="\t", flush=True)


if __name__ == "__main__":
    main()
