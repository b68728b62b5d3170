"""Gene networks of bins and samples, from the loadings and errors of trained siVAE models.

Genes are positions in a common list (``genes.tsv``); an edge is a pair ``gene1 < gene2`` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist

if TYPE_CHECKING:
    import igraph

ROWS_AT_ONCE = 512
# Of a scaled gene over some of its cells; below it the gene is switched off there.
MIN_VARIANCE = 1e-6


def degree_centrality(
    reconstruction_error: np.ndarray, variance: np.ndarray | None = None
) -> np.ndarray:
    """Return siVAE's degree centrality: the negative reconstruction error of each gene.

    The paper's "Estimating degree centrality using siVAE": hubs are reconstructed best. There
    every gene has unit variance over the cells that the model is trained on.

    Parameters
    ----------
    reconstruction_error : array of shape (..., n_genes)
        Mean squared error.
    variance : array of shape (..., n_genes), optional
        Of the same cells, where they were scaled together with others: a bin has its own share
        of a gene's variance. The error is divided by it, so that 0 is perfect and -1 no better
        than the mean. A gene that does not vary has no centrality (NaN); without this it would
        come first, as no error is smaller than that of a gene that is switched off.
    """
    error = np.asarray(reconstruction_error)
    if variance is None:
        return -error
    varies = np.asarray(variance) > MIN_VARIANCE
    return -np.divide(error, variance, out=np.full(error.shape, np.nan), where=varies)


def central_genes(centrality: np.ndarray, top: int | Literal["all"] | None) -> np.ndarray:
    """Return the sorted union over bins of each bin's most central genes.

    Parameters
    ----------
    centrality : array of shape (n_bins, n_genes)
        Genes without a value (NaN) come last.
    top : int, "all" or None
        Genes per bin; "all" and None take all genes. Ties go to the gene that is first in the list.

    Returns
    -------
    array of int
    """
    centrality = np.atleast_2d(centrality)
    if top is None or top == "all":
        return np.arange(centrality.shape[1])
    return np.unique(np.argsort(-centrality, axis=1, kind="stable")[:, :top])


def closest_pairs(loadings: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gene pairs whose loadings are closest: the adjacency of one bin.

    A pair is an edge if its Euclidean distance is strictly below the `share` quantile (linear
    interpolation) of all pairs' distances, as in the authors' code. Peak memory is about that of
    one float64 matrix of genes x genes.

    Parameters
    ----------
    loadings : array of shape (n_genes, n_dimensions)
    share : float
        Between 0 and 1; the paper used 0.01.

    Returns
    -------
    gene1, gene2 : arrays of int32
        Row numbers with gene1 < gene2, sorted.

    Raises
    ------
    ValueError
        If `share` is outside (0, 1) or a loading is not finite.
    """
    loadings = _finite(loadings)
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    n_genes = len(loadings)
    distance = pdist(loadings)
    if not distance.size:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    pair = np.flatnonzero(distance < np.quantile(distance, share))
    first_pair = np.concatenate([[0], np.cumsum(np.arange(n_genes - 1, 0, -1))])
    gene1 = np.searchsorted(first_pair, pair, side="right") - 1
    gene2 = pair - first_pair[gene1] + gene1 + 1
    return gene1.astype(np.int32), gene2.astype(np.int32)


def adjacency_degree(gene1: np.ndarray, gene2: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the number of edges of each of `n_genes` genes."""
    return np.bincount(gene1, minlength=n_genes) + np.bincount(gene2, minlength=n_genes)


def nearest_neighbours(
    loadings: Sequence[np.ndarray], k: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Return the genes nearest to each gene over the bins, all models of them, of one sample.

    The distance of two genes is the mean over bins of their Euclidean distance (the paper's
    siVAE-Euc), each bin's distances divided by their mean over all pairs, because the scale of
    the latent space is each model's own. So 1 is the distance of two average genes, and a single
    bin gives plain Euclidean neighbours.

    Parameters
    ----------
    loadings : sequence of arrays of shape (n_genes, n_dimensions)
        One per bin; the dimensions may differ, the genes may not.
    k : int
        Neighbours per gene, at most n_genes - 1.

    Returns
    -------
    neighbour : array of int32, shape (n_genes, k)
        Nearest first.
    distance : array of float64, shape (n_genes, k)

    Raises
    ------
    ValueError
        If a loading is not finite.
    """
    # Divided before rather than after: distances scale with the loadings.
    scaled = []
    for bin_loadings in map(_finite, loadings):
        scale = pdist(bin_loadings).mean() if len(bin_loadings) > 1 else 0.0
        scaled.append(bin_loadings / (scale or 1.0))
    n_genes = len(scaled[0])
    k = min(k, n_genes - 1)
    neighbour = np.empty((n_genes, k), np.int32)
    nearest = np.empty((n_genes, k))
    for start in range(0, n_genes, ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, n_genes))
        distance = np.zeros((len(rows), n_genes))
        for bin_loadings in scaled:
            distance += cdist(bin_loadings[rows], bin_loadings)
        distance /= len(scaled)
        distance[np.arange(len(rows)), rows] = np.inf
        # Sorted by gene first, so that the stable sort by distance breaks ties by gene.
        found = np.sort(np.argpartition(distance, k - 1, axis=1)[:, :k], axis=1)
        found_distance = np.take_along_axis(distance, found, axis=1)
        order = np.argsort(found_distance, axis=1, kind="stable")
        neighbour[rows] = np.take_along_axis(found, order, axis=1)
        nearest[rows] = np.take_along_axis(found_distance, order, axis=1)
    return neighbour, nearest


def to_graph(edges: pd.DataFrame, attributes: pd.DataFrame) -> igraph.Graph:
    """Return one sample's network for export, e.g. with ``Graph.write_graphml``.

    Parameters
    ----------
    edges : DataFrame with columns gene1, gene2, weight
    attributes : DataFrame indexed by gene
        One vertex per row, isolated genes included, and one vertex attribute per column
        (centrality, mean expression, membership of a set); GraphML leaves NaN out.

    Returns
    -------
    igraph.Graph

    Raises
    ------
    ValueError
        If an edge's gene is not in `attributes`.
    """
    import igraph

    ends = [attributes.index.get_indexer(pd.Index(edges[column])) for column in ("gene1", "gene2")]
    if any((end < 0).any() for end in ends):
        raise ValueError("attributes lacks a gene that edges holds")
    # tolist: igraph knows Python's own types only.
    return igraph.Graph(
        n=len(attributes),
        edges=np.column_stack(ends).tolist(),
        vertex_attrs={"name": attributes.index.tolist()}
        | {str(column): values.tolist() for column, values in attributes.items()},
        edge_attrs={"weight": edges["weight"].tolist()},
    )


def _finite(loadings: np.ndarray) -> np.ndarray:
    """Return the loadings in double precision."""
    loadings = np.asarray(loadings, dtype=np.float64)
    if not np.isfinite(loadings).all():
        raise ValueError("loadings must be finite")
    return loadings
