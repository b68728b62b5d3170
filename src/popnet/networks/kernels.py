"""Similarity of gene networks: graph kernels, their mean over bins, kernel PCA.

A graph is a pair of arrays (gene1, gene2) with gene1 < gene2 and each edge once. All graphs
share one universe of `n_genes` genes, numbered from 0; leave out of it the genes that no graph
can contain, since isolated genes are nodes where labels are degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.networks.edges import adjacency_degree

Graph = tuple[np.ndarray, np.ndarray]


Labels = Literal["degree", "gene"]
# What figures call the similarities of samples.
KERNEL_NAMES = {
    "edge_jaccard": "Jaccard index of edges",
    "centrality": "rank correlation of centralities",
    "wl_gene": "Weisfeiler-Lehman kernel, nodes labelled by gene",
    "wl_degree": "Weisfeiler-Lehman kernel, nodes labelled by degree",
}


COLUMNS_AT_ONCE = 2048


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
    _check_labels(labels)
    hashes = np.empty((iterations + 1, len(graphs), n_genes), np.uint64)
    is_node = np.ones((len(graphs), n_genes), bool)
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
    sizes = is_node.sum(axis=1)
    gram = np.zeros((len(graphs), len(graphs)))
    for labelled in hashes:
        gram += _common_counts(labelled[is_node], sizes)
    scale = np.sqrt(np.diagonal(gram))
    product = np.outer(scale, scale)
    empty = sizes == 0
    similarity = np.outer(empty, empty).astype(float)
    np.divide(gram, product, out=similarity, where=product > 0)
    return similarity


def grakel_weisfeiler_lehman(
    graphs: Sequence[Graph], n_genes: int, labels: Labels, iterations: int = 5
) -> np.ndarray:
    """Return the kernel of `weisfeiler_lehman`, computed by GraKeL as in the authors' code."""
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
    edges = np.concatenate(
        [(gene1.astype(np.int64) << 32) + gene2 for gene1, gene2 in graphs], dtype=np.int64
    )
    sizes = np.array([len(gene1) for gene1, _ in graphs])
    both = _common_counts(edges, sizes)
    either = np.add.outer(sizes, sizes) - both
    index = np.ones_like(both)
    np.divide(both, either, out=index, where=either > 0)
    return index


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
    present = np.isfinite(centrality)
    ranks = pd.DataFrame(centrality).rank(axis=1).to_numpy()
    middle = (present.sum(axis=1, keepdims=True) + 1) / 2
    ranks = np.where(present, ranks - middle, 0.0)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks /= np.where(length > 0, length, 1)
    return ranks @ ranks.T


def sample_similarity(
    gram: np.ndarray, bin_samples: Sequence[str] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarity of samples: the mean over pairs of their bins.

    Pairs of distinct bins: a bin is as similar to itself as can be, and a sample of few bins
    would stand apart for nothing else. The similarity of a sample of one bin to itself is unknown;
    it gets the mean of those of the other samples (1 where every sample has one bin).

    Parameters
    ----------
    gram : array of shape (n_bins, n_bins)
    bin_samples : sequence of str
        The sample of each bin.

    Returns
    -------
    similarity : array of shape (n_samples, n_samples)
    samples : array of str
        In order of appearance.
    """
    code, samples = pd.factorize(np.asarray(bin_samples, dtype=object))
    share = 1.0 / np.bincount(code)[code]
    mean = sparse.csr_array((share, (code, np.arange(len(code)))), (len(samples), len(code)))
    similarity = mean @ (mean @ gram).T
    n_bins = np.bincount(code)
    several = n_bins > 1
    if several.any():
        itself = np.bincount(code, np.diagonal(gram))
        within = (np.diagonal(similarity) * n_bins**2 - itself) / (
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
        Share of the sum of the positive eigenvalues.
    """
    centred = similarity - similarity.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
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
    explained[:n_kept] = (values / (values.sum() or 1.0))[:n_kept]
    return coordinates, explained


def _common_counts(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return for each pair of graphs the sum over codes of the product of their counts.

    `codes` holds the codes of the first graph (``sizes[0]`` of them), then of the second, etc.
    """
    n_graphs = len(sizes)
    column, values = pd.factorize(codes)
    counts = sparse.csr_array(
        (
            np.ones(len(codes), np.float64),
            column.astype(np.int32),
            np.concatenate([[0], np.cumsum(sizes)]),
        ),
        shape=(n_graphs, len(values)),
    )
    counts.sum_duplicates()
    common = np.bincount(counts.indices, minlength=len(values)) > COMMON * n_graphs
    rare = counts[:, ~common]
    gram: np.ndarray = (rare @ rare.T).toarray()
    frequent = counts[:, common]
    for start in range(0, frequent.shape[1], COLUMNS_AT_ONCE):
        block = frequent[:, start : start + COLUMNS_AT_ONCE].toarray()
        gram += block @ block.T
    return gram


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
