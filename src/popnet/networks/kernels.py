"""Similarity of gene networks: graph kernels, their mean over bins, kernel PCA.

A graph is a pair of arrays (gene1, gene2) with gene1 < gene2 and each edge once. All graphs
share one universe of `n_genes` genes, numbered from 0; leave out of it the genes that no graph
can contain, since isolated genes are nodes where labels are degrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import eigsh

from popnet.networks.edges import adjacency_degree
from popnet.stats.components import indicators

Graph = tuple[np.ndarray, np.ndarray]
# A row per graph; its kernel is the inner products of the rows.
Features: TypeAlias = np.ndarray | sparse.csr_array


Labels = Literal["degree", "gene"]
# What figures call the similarities of samples.
KERNEL_NAMES = {
    "edge_jaccard": "Jaccard index of edges",
    "centrality": "rank correlation of centralities",
    "wl_gene": "Weisfeiler-Lehman kernel, nodes labelled by gene",
    "wl_degree": "Weisfeiler-Lehman kernel, nodes labelled by degree",
}


# Bytes of the part of a matrix of all pairs that is computed at once.
AT_ONCE = 2**27
# Samples of which all eigenvectors are more than a job can wait for.
MANY_SAMPLES = 2000


# Shared by more than this part of the graphs, a column is cheaper in a dense product.
COMMON = 0.1


def weisfeiler_lehman(
    graphs: Sequence[Graph], n_genes: int, labels: Labels, iterations: int = 5
) -> np.ndarray:
    """Return the normalised Weisfeiler-Lehman subtree kernel of all pairs of graphs.

    Equal to GraKeL's with a vertex histogram as base kernel, save for collisions of 64-bit
    hashes (fewer than one in 10,000 studies of 1,000 samples).

    Parameters
    ----------
    graphs : sequence of (gene1, gene2)
    n_genes : int
        Size of the gene universe.
    labels : {"degree", "gene"}
        First labels of the nodes. "degree" is the authors' choice: every gene of the universe is
        a node, isolated ones too, and the kernel does not know which gene is which. With "gene"
        isolated genes are left out: the same in every graph, they would make all look alike.
    iterations : int
        Rounds of relabelling after the first labels.

    Returns
    -------
    array of shape (n_graphs, n_graphs)
        1 on the diagonal. Graphs without a node are similar to one another (1) and to no other
        graph (0).

    Raises
    ------
    ValueError
        If `labels` is neither of the two.

    References
    ----------
    Shervashidze et al., Weisfeiler-Lehman graph kernels, JMLR 12 (2011).
    """
    features = weisfeiler_lehman_features(graphs, n_genes, labels, iterations)
    return inner_products(features, len(graphs))


def weisfeiler_lehman_features(
    graphs: Sequence[Graph], n_genes: int, labels: Labels, iterations: int = 5
) -> Iterator[Features]:
    """Yield the counts of each round's labels over the length of all rounds' counts together.

    The inner products of all rounds add up to :func:`weisfeiler_lehman`.

    Yields
    ------
    csr_array of shape (n_graphs, n_labels)
        Each has labels of its own; the last marks the graphs without a node.
    """
    _check_labels(labels)
    hashes = np.empty((iterations + 1, len(graphs), n_genes), np.uint64)
    is_node = np.ones((len(graphs), n_genes), bool)
    length = np.zeros(len(graphs))
    for number, (gene1, gene2) in enumerate(graphs):
        degree = adjacency_degree(gene1, gene2, n_genes)
        if labels == "gene":
            is_node[number] = degree > 0
        node = np.concatenate([gene1, gene2])
        neighbour = np.concatenate([gene2, gene1])
        label = _mix((degree if labels == "degree" else np.arange(n_genes)).astype(np.uint64))
        hashes[0, number] = label
        for iteration in range(1, iterations + 1):
            # A sum of well-mixed hashes stands for the sorted list of the neighbours' labels.
            total = _mix(label + np.uint64(1))
            np.add.at(total, node, label[neighbour])
            label = _mix(total)
            hashes[iteration, number] = label
        for labelled in hashes[:, number, is_node[number]]:
            length[number] += (np.unique(labelled, return_counts=True)[1] ** 2).sum()
    sizes = is_node.sum(axis=1)
    scale = 1 / np.sqrt(np.where(sizes > 0, length, 1))
    for labelled in hashes:
        yield _counts(labelled[is_node], sizes, scale)
    yield sparse.csr_array((sizes == 0).astype(float)[:, None])


def grakel_weisfeiler_lehman(
    graphs: Sequence[Graph], n_genes: int, labels: Labels, iterations: int = 5
) -> np.ndarray:
    """Return the kernel of `weisfeiler_lehman`, computed by GraKeL as in the authors' code.

    It has no features or blocks: memory grows with the square of the number of graphs.
    """
    from grakel import Graph as LabelledGraph
    from grakel.kernels import VertexHistogram, WeisfeilerLehman

    _check_labels(labels)
    labelled, empty = [], np.zeros(len(graphs), bool)
    for number, (gene1, gene2) in enumerate(graphs):
        neighbours: dict[int, dict[int, float]] = {gene: {} for gene in range(n_genes)}
        for one, other in zip(gene1.tolist(), gene2.tolist(), strict=True):
            neighbours[one][other] = neighbours[other][one] = 1.0
        if labels == "gene":
            neighbours = {gene: others for gene, others in neighbours.items() if others}
        empty[number] = not neighbours
        if neighbours:
            node_labels = {
                gene: len(others) if labels == "degree" else gene
                for gene, others in neighbours.items()
            }
            labelled.append(LabelledGraph(neighbours, node_labels))
    gram = np.outer(empty, empty).astype(float)
    if labelled:
        kernel = WeisfeilerLehman(
            n_iter=iterations, normalize=True, base_graph_kernel=VertexHistogram
        )
        gram[np.ix_(~empty, ~empty)] = kernel.fit_transform(labelled)
    return gram


def edge_jaccard(graphs: Sequence[Graph]) -> np.ndarray:
    """Return the Jaccard index of the edges of all pairs of graphs; two empty graphs have 1.

    Returns
    -------
    array of shape (n_graphs, n_graphs)
    """
    index = np.zeros((len(graphs), len(graphs)))
    for block in edge_jaccard_blocks(graphs):
        _add(index, block)
    return index


def edge_jaccard_blocks(graphs: Sequence[Graph]) -> Iterator[np.ndarray]:
    """Yield :func:`edge_jaccard` block by block, each pair of graphs once.

    Yields
    ------
    array of shape (n_left, n_columns)
        The next columns of the matrix, from the diagonal down: n_left graphs are in no block
        before.
    """
    edges = np.concatenate(
        [(gene1.astype(np.int64) << 32) + gene2 for gene1, gene2 in graphs], dtype=np.int64
    )
    sizes = np.array([len(gene1) for gene1, _ in graphs])
    for both in _product_blocks(_counts(edges, sizes, np.ones(len(graphs)))):
        left = sizes[len(graphs) - len(both) :]
        either = np.add.outer(left, left[: both.shape[1]]) - both
        index = np.ones_like(both)
        yield np.divide(both, either, out=index, where=either > 0)


def centrality_kernel(centrality: np.ndarray) -> np.ndarray:
    """Return the correlation of the ranks of the genes' centralities, of all pairs of bins.

    Spearman's rho where all bins have all genes. A gene that a bin lacks has the mean rank there:
    so the matrix is one of inner products.

    Parameters
    ----------
    centrality : array of shape (n_bins, n_genes)
        NaN where a gene is switched off.

    Returns
    -------
    array of shape (n_bins, n_bins)
    """
    return inner_products([rank_features(centrality)], len(centrality))


def rank_features(centrality: np.ndarray) -> np.ndarray:
    """Return the centred ranks, of length 1, whose products are :func:`centrality_kernel`.

    Returns
    -------
    array of shape (n_bins, n_genes)
    """
    present = np.isfinite(centrality)
    ranks = pd.DataFrame(centrality).rank(axis=1).to_numpy()
    middle = (present.sum(axis=1, keepdims=True) + 1) / 2
    ranks = np.where(present, ranks - middle, 0.0)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks /= np.where(length > 0, length, 1)
    return ranks


def inner_products(features: Iterable[Features], n_rows: int) -> np.ndarray:
    """Return the inner products of all pairs of rows, summed over several sets of features.

    Parameters
    ----------
    features : iterable of array of shape (n_rows, n_features)
        Each with a number of features of its own.
    n_rows : int

    Returns
    -------
    array of shape (n_rows, n_rows)
    """
    products = np.zeros((n_rows, n_rows))
    for values in features:
        for block in _product_blocks(values):
            _add(products, block)
    return products


@dataclass(frozen=True)
class KernelSums:
    """A kernel of bins, summed over the bins of each sample, donor and batch.

    All pairs count in both orders, and a bin with itself. Of :func:`sum_features` or
    :func:`sum_blocks`, which hold no matrix of all pairs of bins.

    Parameters
    ----------
    groups : DataFrame of n_bins rows
        samples, and others such as donors and batches.
    of_samples : ndarray of shape (n_samples, n_samples)
        Samples in order of appearance.
    itself : ndarray of shape (n_bins,)
        The diagonal.
    together : dict of tuple of str to float
        Pairs of bins that are of one group: by any of the other columns and by several at once.
    """

    groups: pd.DataFrame
    of_samples: np.ndarray
    itself: np.ndarray
    together: dict[tuple[str, ...], float]


def sum_features(features: Iterable[Features], groups: pd.DataFrame) -> KernelSums:
    """Return the sums of the kernel that is the inner products of features.

    The products of summed features are the sums of products, of fewer rows.

    Parameters
    ----------
    features : iterable of array of shape (n_bins, n_features)
        As of :func:`inner_products`.
    groups : DataFrame of n_bins rows
        Of :class:`KernelSums`.
    """
    sample, others = _codes(groups)
    of_samples = np.zeros((sample.max() + 1,) * 2)
    itself, together = np.zeros(len(groups)), dict.fromkeys(others, 0.0)
    for values in features:
        itself += (values**2).sum(axis=1)
        for names, code in others.items():
            together[names] += float(((indicators(code) @ values) ** 2).sum())
        for block in _product_blocks(indicators(sample) @ values):
            _add(of_samples, block)
    return KernelSums(groups, of_samples, itself, together)


def sum_blocks(blocks: Iterable[np.ndarray], groups: pd.DataFrame) -> KernelSums:
    """Return the sums of a kernel that comes block by block.

    Parameters
    ----------
    blocks : iterable of ndarray
        As of :func:`edge_jaccard_blocks`; a whole matrix is a single block.
    groups : DataFrame of n_bins rows
        Of :class:`KernelSums`.
    """
    sample, others = _codes(groups)
    of_samples = np.zeros((sample.max() + 1,) * 2)
    itself, together = np.zeros(len(groups)), dict.fromkeys(others, 0.0)
    for block in blocks:
        start = len(groups) - len(block)
        columns = np.arange(start, start + block.shape[1])
        itself[columns] = block.diagonal()
        for names, code in others.items():
            own = _sum_rows(block, code)[code[columns], columns - start]
            together[names] += 2 * float(own.sum())
        # The block's own samples only: of all of them it would be a second such matrix.
        found, place = np.unique(sample[columns], return_inverse=True)
        of_samples[found] += indicators(place) @ _sum_rows(block, sample).T
    return KernelSums(groups, of_samples + of_samples.T, itself, together)


def sample_similarity(sums: KernelSums) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarity of samples: the mean over pairs of their bins.

    Pairs of distinct bins: a bin is as similar to itself as can be, and a sample of few bins
    would stand apart for nothing else. The similarity of a sample of one bin to itself is unknown;
    it gets the mean of those of the other samples (1 where every sample has one bin).

    Parameters
    ----------
    sums : KernelSums

    Returns
    -------
    similarity : array of shape (n_samples, n_samples)
    samples : array of str
        In order of appearance.
    """
    code, samples = pd.factorize(sums.groups["samples"].to_numpy(object))
    n_bins = np.bincount(code)
    similarity = sums.of_samples / np.outer(n_bins, n_bins)
    several = n_bins > 1
    if several.any():
        within = (sums.of_samples.diagonal() - np.bincount(code, sums.itself)) / (
            n_bins * np.maximum(n_bins - 1, 1)
        )
        np.fill_diagonal(similarity, np.where(several, within, within[several].mean()))
    return (similarity + similarity.T) / 2, samples


def kernel_pca(similarity: np.ndarray, n_components: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return principal coordinates of a kernel, centred in feature space.

    Parameters
    ----------
    similarity : array of shape (n_samples, n_samples)
    n_components : int
        Components that the kernel does not have are zero.

    Returns
    -------
    coordinates : array of shape (n_samples, n_components)
        Scaled by the root of the eigenvalue; each component's largest entry is positive.
    explained : array of shape (n_components,)
        Share of the sum of the positive eigenvalues; of more than `MANY_SAMPLES` samples of the
        trace, which is that less the negative ones.
    """
    centred = similarity - similarity.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    centred = (centred + centred.T) / 2
    if len(similarity) <= MANY_SAMPLES:
        values, vectors = np.linalg.eigh(centred)
    else:
        # A start of its own makes every run the same.
        start = np.random.default_rng(0).normal(size=len(similarity))
        values, vectors = eigsh(centred, n_components, which="LA", v0=start)
    values, vectors = values[::-1], vectors[:, ::-1]
    rounding = len(similarity) * np.finfo(float).eps * np.abs(similarity).max()
    values = np.where(values > rounding, values, 0.0)
    # Of entries that are largest up to rounding the first decides: rounding flips no axis.
    size = np.abs(vectors)
    largest = np.argmax(size > 0.999999 * size.max(axis=0), axis=0)
    signs = np.sign(vectors[largest, np.arange(len(values))])
    n_kept = min(n_components, len(values))
    coordinates = np.zeros((len(similarity), n_components))
    coordinates[:, :n_kept] = (vectors * signs * np.sqrt(values))[:, :n_kept]
    explained = np.zeros(n_components)
    total = values.sum() if len(similarity) <= MANY_SAMPLES else centred.trace()
    explained[:n_kept] = values[:n_kept] / (total or 1.0)
    return coordinates, explained


def _counts(codes: np.ndarray, sizes: np.ndarray, weights: np.ndarray) -> sparse.csr_array:
    """Return how often each graph has each code, times its weight, (n_graphs, n_values).

    `codes` holds the codes of the first graph (``sizes[0]`` of them), then of the second, etc.
    """
    column, values = pd.factorize(codes)
    counts = sparse.csr_array(
        (
            np.repeat(weights, sizes),
            column.astype(np.int32),
            np.concatenate([[0], np.cumsum(sizes)]),
        ),
        shape=(len(sizes), len(values)),
    )
    counts.sum_duplicates()
    return counts


def _product_blocks(values: Features) -> Iterator[np.ndarray]:
    """Yield the inner products of rows, block by block as :func:`edge_jaccard_blocks` does."""
    n_rows = values.shape[0]
    at_once = max(1, AT_ONCE // (8 * (n_rows or 1)))
    blocks = (
        (slice(start, None), slice(start, start + at_once)) for start in range(0, n_rows, at_once)
    )
    if isinstance(values, np.ndarray):
        yield from (values[left] @ values[rows].T for left, rows in blocks)
        return
    common = np.bincount(values.indices, minlength=values.shape[1]) > COMMON * n_rows
    rare, frequent = values[:, ~common], values[:, common].tocsc()
    for left, rows in blocks:
        block = (rare[left] @ rare[rows].T.tocsr()).toarray()
        for start in range(0, frequent.shape[1], at_once):
            dense = frequent[:, start : start + at_once].toarray()
            block += dense[left] @ dense[rows].T
        yield block


def _add(matrix: np.ndarray, block: np.ndarray) -> None:
    """Add a block to a symmetric matrix, on both sides of the diagonal."""
    n_left, n_columns = block.shape
    start = len(matrix) - n_left
    stop = start + n_columns
    matrix[start:, start:stop] += block
    matrix[start:stop, stop:] += block[n_columns:].T


def _sum_rows(block: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return a block's columns summed over the rows of each group, (n_groups, n_columns).

    Half of it where rows are the block's own columns: these pairs are there in both orders.
    """
    n_left, n_columns = block.shape
    code, n_groups = code[len(code) - n_left :], code.max() + 1
    twice = indicators(code[:n_columns], n_groups) @ block[:n_columns]
    found: np.ndarray = indicators(code, n_groups) @ block - twice / 2
    return found


def _codes(groups: pd.DataFrame) -> tuple[np.ndarray, dict[tuple[str, ...], np.ndarray]]:
    """Return each bin's sample by number, and its group by the other columns of `groups`."""
    others = [str(name) for name in groups if name != "samples"]
    return pd.factorize(groups["samples"].to_numpy(object))[0], {
        names: groups.groupby(list(names), dropna=False).ngroup().to_numpy()
        for n in range(1, len(others) + 1)
        for names in combinations(others, n)
    }


def _mix(values: np.ndarray) -> np.ndarray:
    """Return well-spread 64-bit hashes (the finaliser of SplitMix64, a bijection)."""
    mixed: np.ndarray = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _check_labels(labels: str) -> None:
    if labels not in ("degree", "gene"):
        raise ValueError(f"labels must be 'degree' or 'gene', not {labels!r}")
