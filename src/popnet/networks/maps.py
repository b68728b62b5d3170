"""Maps of samples: how similar their networks are, by several kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.networks import kernels
from popnet.networks.centrality import in_graph
from popnet.networks.reliability import donor_rank, kernel_reliability

if TYPE_CHECKING:
    from anndata import AnnData

AXES = ["PC1", "PC2", "PC3", "PC4"]
# A table of all pairs of more samples would be read by nobody: so many neighbours of each.
MOST_SAMPLES, NEAREST = 1000, 50


@dataclass(frozen=True)
class NetworkMap:
    """The samples of a cell type by the similarity of their networks.

    Parameters
    ----------
    kernel : str
    samples : ndarray of str, of shape (n_samples,)
    similarity : ndarray of shape (n_samples, n_samples)
        Symmetric: the mean over pairs of bins.
    coordinates : ndarray of shape (n_samples, 4)
        Kernel principal components.
    explained : ndarray of shape (4,)
        Their share of the variance.
    reliability : dict
        Of :func:`popnet.networks.reliability.kernel_reliability` and
        :func:`popnet.networks.reliability.donor_rank`.
    """

    kernel: str
    samples: np.ndarray
    similarity: np.ndarray
    coordinates: np.ndarray
    explained: np.ndarray
    reliability: dict[str, float]


def bin_groups(bins: pd.DataFrame, donors: pd.Series) -> pd.DataFrame:
    """Return each bin's sample, donor and batch; a sample without a donor is its own donor.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        sample and batch.
    donors : Series, sample -> donor

    Returns
    -------
    DataFrame of n_bins rows
        samples, donors, batches.
    """
    sample = bins["sample"].astype(str).reset_index(drop=True)
    donor = sample.map(donors).fillna(sample)
    batch = bins["batch"].astype(str).to_numpy()
    return pd.DataFrame({"samples": sample, "donors": donor, "batches": batch})


def bin_graphs(bins: AnnData, edges: pd.DataFrame) -> tuple[list[kernels.Graph], int]:
    """Return each bin's edges as pairs of positions among the genes that the graphs hold.

    Parameters
    ----------
    bins : AnnData of shape (n_bins, n_genes)
        Of :meth:`popnet.networks.gather.BinNetworks.to_anndata`.
    edges : DataFrame
        sample, bin, gene1, gene2; genes are categorical.

    Returns
    -------
    graphs : list of (gene1, gene2)
        One per bin.
    n_genes : int
        Genes that any graph can contain.
    """
    genes = bins.var_names[in_graph(bins)]
    position = pd.Series(np.arange(len(genes)), genes)
    gene1, gene2 = (
        edges[column].cat.rename_categories(str).map(position).to_numpy(np.int64)
        for column in ("gene1", "gene2")
    )
    found = edges.groupby(["sample", "bin"], observed=True, sort=False).indices
    keys = zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    none = np.empty(0, np.int64)
    rows = [found.get(key, none) for key in keys]
    return [(gene1[row], gene2[row]) for row in rows], len(genes)


def gram_matrix(
    kernel: str,
    graphs: Sequence[kernels.Graph],
    n_genes: int,
    centrality: np.ndarray,
    grakel: bool = False,
) -> np.ndarray:
    """Return the similarity of all pairs of bins by one kernel, (n_bins, n_bins).

    Parameters
    ----------
    kernel : {"wl_degree", "wl_gene", "edge_jaccard", "centrality"}
    graphs : sequence of (gene1, gene2)
        One per bin.
    n_genes : int
        Genes that any graph can contain.
    centrality : ndarray of shape (n_bins, n_genes_of_all)
        For the kernel "centrality".
    grakel : bool
        "wl_degree" by GraKeL, as in the authors' code.

    Raises
    ------
    ValueError
        If there is no such kernel.
    """
    if kernel == "edge_jaccard":
        return kernels.edge_jaccard(graphs)
    if kernel == "wl_degree" and grakel:
        return kernels.grakel_weisfeiler_lehman(graphs, n_genes, "degree")
    features = _features(kernel, graphs, n_genes, centrality)
    return kernels.inner_products(features, len(centrality))


def kernel_sums(
    kernel: str,
    graphs: Sequence[kernels.Graph],
    n_genes: int,
    centrality: np.ndarray,
    groups: pd.DataFrame,
    grakel: bool = False,
) -> kernels.KernelSums:
    """Return :func:`gram_matrix` summed over samples, donors and batches.

    No matrix of all pairs of bins is made, save by GraKeL.

    Parameters
    ----------
    kernel, graphs, n_genes, centrality, grakel
        As of :func:`gram_matrix`.
    groups : DataFrame of n_bins rows
        Of :func:`bin_groups`.
    """
    if kernel == "edge_jaccard":
        return kernels.sum_blocks(kernels.edge_jaccard_blocks(graphs), groups)
    if kernel == "wl_degree" and grakel:
        gram = kernels.grakel_weisfeiler_lehman(graphs, n_genes, "degree")
        return kernels.sum_blocks([gram], groups)
    return kernels.sum_features(_features(kernel, graphs, n_genes, centrality), groups)


def _features(
    kernel: str, graphs: Sequence[kernels.Graph], n_genes: int, centrality: np.ndarray
) -> Iterable[kernels.Features]:
    if kernel == "wl_degree":
        return kernels.weisfeiler_lehman_features(graphs, n_genes, "degree")
    if kernel == "wl_gene":
        return kernels.weisfeiler_lehman_features(graphs, n_genes, "gene")
    if kernel == "centrality":
        return [kernels.rank_features(centrality)]
    raise ValueError(f"kernel: {kernel!r} is not known")


def network_map(
    kernel: str, sums: kernels.KernelSums, n_permutations: int, seed: int
) -> NetworkMap:
    """Return the map of samples from the similarity of their bins.

    Parameters
    ----------
    kernel : str
        Its name.
    sums : KernelSums
        Of :func:`kernel_sums`.
    n_permutations, seed : int
        Of the test whether samples of one donor are near to each other.
    """
    similarity, samples = kernels.sample_similarity(sums)
    coordinates, explained = kernels.kernel_pca(similarity, len(AXES))
    of_sample = sums.groups.drop_duplicates("samples")
    reliability = kernel_reliability(sums) | donor_rank(
        similarity,
        of_sample["donors"].to_list(),
        of_sample["batches"].to_list(),
        n_permutations,
        seed,
    )
    return NetworkMap(kernel, samples, similarity, coordinates, explained, reliability)


def similarity_table(maps: Sequence[NetworkMap]) -> pd.DataFrame:
    """Return kernel, sample1, sample2 and similarity of every pair of samples, each pair once.

    A sample and itself are a pair too. Of more than `MOST_SAMPLES` samples each has only its
    `NEAREST` most similar others, from the nearest on.
    """
    tables = []
    for one in maps:
        n = len(one.samples)
        if n <= MOST_SAMPLES:
            first, second = np.triu_indices(n)
        else:
            first = np.repeat(np.arange(n), NEAREST)
            second = np.concatenate([_nearest(one.similarity, row) for row in range(n)])
        pairs = {"sample1": one.samples[first], "sample2": one.samples[second]}
        tables.append(pd.DataFrame(pairs).assign(similarity=one.similarity[first, second]))
        tables[-1].insert(0, "kernel", one.kernel)
    return pd.concat(tables, ignore_index=True)


def _nearest(similarity: np.ndarray, row: int) -> np.ndarray:
    others = similarity[row].copy()
    others[row] = -np.inf
    found = np.argpartition(-others, NEAREST)[:NEAREST]
    order: np.ndarray = found[np.argsort(-others[found], kind="stable")]
    return order


def to_anndata(maps: Sequence[NetworkMap]) -> AnnData:
    """Return the similarities of all pairs of samples, unrounded: obsp has a matrix per kernel."""
    from anndata import AnnData

    similarities = {one.kernel: one.similarity for one in maps}
    return AnnData(obs=pd.DataFrame(index=maps[0].samples.astype(str)), obsp=similarities)


def coordinate_table(maps: Sequence[NetworkMap]) -> pd.DataFrame:
    """Return kernel, sample, PC1 to PC4, explained1 and explained2 (the same for all samples)."""
    tables = []
    for one in maps:
        table = pd.DataFrame(one.coordinates, columns=AXES)
        table.insert(0, "kernel", one.kernel)
        table.insert(1, "sample", one.samples)
        table[["explained1", "explained2"]] = one.explained[:2]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def reliability_table(maps: Sequence[NetworkMap]) -> pd.DataFrame:
    """Return a row per kernel: how reliable its map is."""
    return pd.DataFrame([{"kernel": one.kernel} | one.reliability for one in maps])
