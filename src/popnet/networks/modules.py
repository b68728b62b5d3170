"""Modules: groups of genes that hang together in the mean network of a cohort.

They are found without a look at any phenotype, and are the same in all samples, so that how tightly
a module is wired, and how it is coupled to another, can be compared between samples.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.networks.naming import name_groups
from popnet.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData

# Fewest genes of a module.
MIN_GENES = 5
# Resolutions of modularity that are compared: below 1 there are two or three modules of everything,
# above 4 next to none (docs/networks.md, "Modules").
RESOLUTIONS = (1, 1.5, 2, 3, 4)
BOOTSTRAPS = 50
# Of one donor every bootstrap is the same.
FEWEST_DONORS = 3
# Least mean Jaccard index with bootstrapped modules of one that is called stable (Hennig 2007).
STABLE = 0.6
KINDS = ("density", "eigengene", "coupling")


@dataclass(frozen=True)
class Modules:
    """The modules of a network.

    Parameters
    ----------
    genes : Index of shape (n_genes,)
        Of the graphs.
    mean : float32 ndarray of shape (n_genes, n_genes)
        The cohort's mean network.
    module : ndarray of int, of shape (n_genes,)
        The number of each gene's module, the largest first, from 1; 0 for none.
    gene_stability : ndarray of shape (n_genes,)
        Share of bootstraps in which the gene is in what has become of its module; NaN for none.
    stability : ndarray of shape (n_modules,)
        Mean Jaccard index of each module and what has become of it.
    resolution : float
        At which they were found.
    """

    genes: pd.Index
    mean: np.ndarray
    module: np.ndarray
    gene_stability: np.ndarray
    stability: np.ndarray
    resolution: float

    @property
    def stable(self) -> np.ndarray:
        """The numbers of the modules that come back in bootstraps, which are tested."""
        numbers: np.ndarray = np.flatnonzero(self.stability >= STABLE) + 1
        return numbers

    @property
    def strength(self) -> np.ndarray:
        """Mean weight of each gene with the others of its module, (n_genes,); NaN for none."""
        numbers = np.arange(1, len(self.stability) + 1)
        return within(self.mean, self.module[:, None] == numbers)

    def to_anndata(self) -> AnnData:
        """Return the mean network, genes x genes; obs has module and stability of genes."""
        from anndata import AnnData

        obs = pd.DataFrame({"module": self.module, "stability": self.gene_stability})
        about = {"stability": self.stability, "resolution": self.resolution}
        return AnnData(
            self.mean, obs.set_axis(self.genes), pd.DataFrame(index=self.genes), uns=about
        )

    @classmethod
    def from_anndata(cls, table: AnnData) -> Modules:
        """Return the modules of :meth:`to_anndata`."""
        return cls(
            table.obs_names,
            np.asarray(table.X),
            table.obs["module"].to_numpy(),
            table.obs["stability"].to_numpy(),
            np.asarray(table.uns["stability"]),
            float(table.uns["resolution"]),
        )


def find_modules(
    weights: np.ndarray,
    donors: Sequence[str],
    genes: pd.Index,
    seed: int,
    n_bootstraps: int = BOOTSTRAPS,
) -> Modules:
    """Return the modules of the mean network, and how far they come back when donors are drawn.

    Modules are those of the Leiden algorithm for modularity, of the weights that are positive, at
    the resolution at which stable modules say most: the sum over their genes of the mean weight
    with the others of the module. A coarse partition is always stable, but its weights are small; a
    fine one has large weights, but few of its modules come back.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_pairs)
        Of all pairs of genes, the upper triangle row by row. May lie on disk.
    donors : sequence of str
        The donor of every sample; all count the same.
    genes : Index of shape (n_genes,)
    seed : int
    n_bootstraps : int
        None of fewer than three donors, which cannot say what comes back: no module is stable.

    References
    ----------
    Traag, Waltman & van Eck, Scientific Reports 9 (2019), the Leiden algorithm; Hennig,
    Computational Statistics & Data Analysis 52 (2007), stability of single clusters.
    """
    donor = pd.factorize(np.asarray(donors, dtype=object))[0]
    sizes = np.bincount(donor)

    def mean_of(counts: np.ndarray) -> np.ndarray:
        share = (counts / sizes)[donor] / len(sizes)
        mean: np.ndarray = share.astype(np.float32) @ weights
        return mean

    mean = mean_of(np.ones(len(sizes)))
    found = partitions(mean, len(genes), seed)
    drawn = np.random.default_rng(seed).multinomial(
        len(sizes),
        np.full(len(sizes), 1 / len(sizes)),
        n_bootstraps if len(sizes) >= FEWEST_DONORS else 0,
    )
    jaccard = [np.zeros(one.max(initial=0)) for one in found]
    together = np.zeros((len(found), len(genes)))
    for number, counts in enumerate(drawn):
        other_seed = derive_seed(seed, "bootstrap", number)
        again = partitions(mean_of(counts), len(genes), other_seed)
        for place, (module, other) in enumerate(zip(found, again, strict=True)):
            index, stays = come_back(module, other)
            jaccard[place] += index / n_bootstraps
            together[place] += stays / n_bootstraps
    network = _square(mean, len(genes))
    said = [
        np.nansum(within(network, module[:, None] == np.flatnonzero(index >= STABLE) + 1))
        for module, index in zip(found, jaccard, strict=True)
    ]
    best = int(np.argmax(said))
    module = found[best]
    return Modules(
        genes,
        network,
        module,
        np.where(module > 0, together[best], np.nan),
        jaccard[best],
        RESOLUTIONS[best],
    )


def partitions(weights: np.ndarray, n_genes: int, seed: int) -> list[np.ndarray]:
    """Return the modules of a network at each of the resolutions.

    Parameters
    ----------
    weights : ndarray of shape (n_pairs,)
        The upper triangle of a network, row by row; negative ones count as none.
    n_genes : int
    seed : int

    Returns
    -------
    list of ndarray of int, of shape (n_genes,)
        Numbers from 1, the largest module first; 0 in groups of fewer than five genes.
    """
    # Here, since networks are read without it, too: igraph is an extra.
    import igraph

    if not (weights > 0).any():
        return [np.zeros(n_genes, int) for _ in RESOLUTIONS]
    # In the order of the upper triangle.
    graph = igraph.Graph.Full(n_genes)
    positive = np.maximum(weights, 0).tolist()
    found = []
    for resolution in RESOLUTIONS:
        igraph.set_random_number_generator(random.Random(seed))
        clustering = graph.community_leiden(
            "modularity", weights=positive, resolution=resolution, n_iterations=-1
        )
        group = np.array(clustering.membership)
        size = np.bincount(group)
        order = np.argsort(-size, kind="stable")
        number = np.zeros(len(size), int)
        number[order] = np.arange(1, len(size) + 1)
        found.append(np.where(size[group] >= MIN_GENES, number[group], 0))
    return found


def come_back(module: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far modules come back among others: each one's best Jaccard index, and its genes.

    Parameters
    ----------
    module, other : ndarray of int, of shape (n_genes,)
        Of :func:`partitions`.

    Returns
    -------
    jaccard : ndarray of shape (n_modules,)
    stays : bool ndarray of shape (n_genes,)
        Genes that are in the other module of the largest index with theirs.
    """
    first, second = (
        (numbers[:, None] == np.arange(1, numbers.max(initial=0) + 1)).astype(float)
        for numbers in (module, other)
    )
    if not first.shape[1] or not second.shape[1]:
        return np.zeros(first.shape[1]), np.zeros(len(module), bool)
    common = first.T @ second
    union = first.sum(axis=0)[:, None] + second.sum(axis=0) - common
    index = common / union
    best = np.append(0, index.argmax(axis=1) + 1)
    stays = (module > 0) & (other > 0) & (best[module] == other)
    return index.max(axis=1), stays


def within(weights: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the mean weight of each gene with the others of its module, (n_genes,).

    Parameters
    ----------
    weights : ndarray of shape (n_genes, n_genes)
        Symmetric, zeros on the diagonal.
    members : bool ndarray of shape (n_genes, n_modules)
        A gene is in one module, or in none: then NaN.
    """
    others = np.maximum(members.sum(axis=0) - 1, 1)
    total = ((weights @ members) / others * members).sum(axis=1)
    return np.where(members.any(axis=1), total, np.nan)


def of_bins(modules: Modules, weights: Iterable[np.ndarray]) -> AnnData:
    """Return what is tested of the stable modules, by bin.

    Parameters
    ----------
    modules : Modules
    weights : iterable of ndarray of shape (n_genes, n_genes)
        Of every bin.

    Returns
    -------
    AnnData of shape (n_bins, n_values)
        X as of :func:`module_values`; var has kind, module1 and module2; obsm["strength"] is the
        mean weight of each gene with the others of its module, NaN outside stable modules.
    """
    from anndata import AnnData

    numbers = modules.stable
    members = modules.module[:, None] == numbers
    columns = value_columns(numbers)
    values, strength = [], []
    for of_bin in weights:
        values.append(module_values(of_bin, members))
        strength.append(within(of_bin, members))
    return AnnData(
        np.reshape(values, (len(values), len(columns))),
        var=columns.set_axis(columns.index.astype(str)),
        obsm={"strength": np.array(strength, np.float32)},
    )


def value_columns(numbers: np.ndarray) -> pd.DataFrame:
    """Return what :func:`module_values` are: kind, module1 and module2 (or the same again)."""
    first, second = np.triu_indices(len(numbers), 1)
    return pd.DataFrame(
        {
            "kind": np.repeat(KINDS, [len(numbers), len(numbers), len(first)]).astype(object),
            "module1": np.concatenate([numbers, numbers, numbers[first]]),
            "module2": np.concatenate([numbers, numbers, numbers[second]]),
        }
    )


def module_values(weights: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return density, eigengene connectivity and coupling of modules in a bin.

    Parameters
    ----------
    weights : ndarray of shape (n_genes, n_genes)
        Symmetric, zeros on the diagonal.
    members : bool ndarray of shape (n_genes, n_modules)

    Returns
    -------
    ndarray of shape (2 n_modules + n_pairs,)
        The mean weight of the pairs within each module; the largest eigenvalue of its weights over
        its number of genes less one, which is what its eigengene (its first principal component)
        explains, and is the density where all pairs have the same weight; the mean weight of the
        pairs between every two modules.
    """
    sizes = members.sum(axis=0)
    sums = members.T.astype(weights.dtype) @ weights @ members
    first, second = np.triu_indices(len(sizes), 1)
    eigenvalues = [
        np.linalg.eigvalsh(weights[np.ix_(own, own)])[-1]
        for own in (np.flatnonzero(column) for column in members.T)
    ]
    return np.concatenate(
        [
            sums.diagonal() / (sizes * (sizes - 1)),
            np.array(eigenvalues).reshape(len(sizes)) / (sizes - 1),
            sums[first, second] / (sizes[first] * sizes[second]),
        ]
    )


def describe(modules: Modules, gene_sets: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the modules as a table of their genes, the hubs first.

    Parameters
    ----------
    modules : Modules
    gene_sets : mapping of name to genes

    Returns
    -------
    DataFrame
        module, name (of its hubs), gene_set, gene_set_q
        (:func:`popnet.networks.naming.name_groups`; all genes of the graph are the background),
        n_genes, stability, stable, resolution; gene,
        strength (mean weight with the other genes of the module), gene_stability.
    """
    numbers = np.arange(1, len(modules.stability) + 1)
    members = modules.module[:, None] == numbers
    strength = modules.strength
    score = np.where(members, strength[:, None], -np.inf)
    named = name_groups(score, members, modules.genes, gene_sets)
    named.insert(0, "module", numbers)
    named["n_genes"], named["stability"] = members.sum(axis=0), modules.stability
    named["stable"], named["resolution"] = np.isin(numbers, modules.stable), modules.resolution
    genes = pd.DataFrame(
        {
            "module": modules.module,
            "gene": modules.genes,
            "strength": strength,
            "gene_stability": modules.gene_stability,
        }
    )
    genes = genes.sort_values("strength", ascending=False, kind="stable")
    return named.merge(genes, on="module")


def _square(pairs: np.ndarray, n_genes: int) -> np.ndarray:
    """Return a network from its upper triangle, float32, zeros on the diagonal."""
    half = np.zeros((n_genes, n_genes), np.float32)
    half[np.triu_indices(n_genes, 1)] = pairs
    return half + half.T
