"""Where else the modules of a network are: in groups of donors, and in other cell types."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.networks.modules import MIN_GENES, Modules, within
from popnet.seeds import derive_seed
from popnet.stats.designs import Design

# Random modules that say what chance preserves.
RANDOM = 200
COLUMNS = (
    *("module", "compared_with", "name", "n_genes", "density", "other_density", "strength_r"),
    *("z_density", "z_connectivity", "z_summary", "p_preserved", "p_changed"),
)


def between_groups(
    modules: Modules, strength: np.ndarray, design: Design, permutations: int, seed: int
) -> pd.DataFrame:
    """Ask whether the same genes are the hubs of a module in cases and in controls.

    Group labels are permuted as the design says, without covariates: of groups that do not differ,
    as many observations agree so far.

    Parameters
    ----------
    modules : Modules
    strength : ndarray of shape (n_bins, n_genes)
        Mean weight of each gene with the others of its module, of
        :func:`popnet.networks.modules.of_bins`.
    design : Design
        Over the bins, of a binary phenotype.
    permutations : int
    seed : int

    Returns
    -------
    DataFrame, a row per stable module
        module; n_genes; density (of controls) and other_density (of cases); strength_r, the
        correlation between the groups of the genes' strengths; z_connectivity, the same less what
        permuted groups have, in their standard deviations; p_changed (of a smaller correlation).
        Without p where nothing is tested.
    """
    of_unit = design.units.average(strength)
    rows = []
    labels = [design.outcome[None]]
    if design.testable:
        labels += [design.outcome[one] for one in design.arrangements(permutations, seed)]
    case = (np.concatenate(labels) > design.outcome.mean()).astype(float)
    n_case = case.sum(axis=1, keepdims=True)
    high = case @ of_unit / np.maximum(n_case, 1)
    low = (1 - case) @ of_unit / np.maximum(design.n - n_case, 1)
    for number in modules.stable:
        own = modules.module == number
        r = _correlations(high[:, own], low[:, own])
        spread = r[1:].std() if len(r) > 2 else 0.0
        found = {
            "module": number,
            "n_genes": int(own.sum()),
            "density": low[0, own].mean(),
            "other_density": high[0, own].mean(),
            "strength_r": r[0],
            "z_connectivity": (r[0] - r[1:].mean()) / spread if spread > 0 else np.nan,
            "p_changed": np.nan,
        }
        if len(r) > 1 and np.isfinite(r[0]):
            # The observed groups may be among all that there are; a tie is as extreme.
            found["p_changed"] = (1 + (r[1:] <= r[0] + 1e-12).sum()) / len(r)
        rows.append(found)
    return pd.DataFrame(rows)


def in_network(modules: Modules, other: Modules, seed: int) -> pd.DataFrame:
    """Ask whether modules are modules in another network: of another cell type, or cohort.

    Among the genes that both networks have, a module's density there and the correlation of its
    genes' strengths in both are compared with those of random genes of the other network.

    Parameters
    ----------
    modules, other : Modules
    seed : int

    Returns
    -------
    DataFrame, a row per stable module
        module; n_genes (that both have; fewer than five are not compared); density and
        other_density; strength_r; z_density and z_connectivity, less what random genes have, in
        their standard deviations; z_summary, their mean; p_preserved (of a larger density).

    References
    ----------
    Langfelder et al., PLoS Computational Biology 7 (2011): below 2 there is no evidence that a
    module is preserved, above 10 there is strong evidence.
    """
    common = modules.genes.intersection(other.genes)
    here, there = (
        one.mean[np.ix_(places, places)]
        for one in (modules, other)
        for places in [one.genes.get_indexer(common)]
    )
    module = modules.module[modules.genes.get_indexer(common)]
    rng = np.random.default_rng(derive_seed(seed, "preservation"))
    rows = []
    for number in modules.stable:
        own = np.flatnonzero(module == number)
        rows.append({"module": number, "n_genes": len(own)})
        if len(own) < MIN_GENES:
            continue
        strength = _strength(here, own)
        drawn = [own] + [rng.permutation(len(common))[: len(own)] for _ in range(RANDOM)]
        others = np.array([_strength(there, genes) for genes in drawn])
        density = others.mean(axis=1)
        r = _correlations(others, np.broadcast_to(strength, others.shape))
        z = {"z_density": _z(density), "z_connectivity": _z(r)}
        rows[-1] |= z | {
            "density": strength.mean(),
            "other_density": density[0],
            "strength_r": r[0],
            "z_summary": np.mean(list(z.values())),
            "p_preserved": (1 + (density[1:] >= density[0]).sum()) / len(density),
        }
    return pd.DataFrame(rows)


def _strength(weights: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return the mean weight of each of some genes with the others of them."""
    own = weights[np.ix_(genes, genes)]
    return within(own, np.ones((len(genes), 1), bool))


def _z(values: np.ndarray) -> float:
    """Return the first value less the mean of the others, in their standard deviations."""
    spread = np.nanstd(values[1:])
    return float((values[0] - np.nanmean(values[1:])) / spread) if spread > 0 else np.nan


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of two arrays row by row; NaN without variance."""
    first, second = (one - one.mean(axis=1, keepdims=True) for one in (first, second))
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    r: np.ndarray = (first * second).sum(axis=1) / np.where(size > 0, size, np.nan)
    return r
