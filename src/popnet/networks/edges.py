"""Edges: pairs of genes that an estimator says are most strongly related."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial.distance import cdist, pdist

PRESENT = 0.5 - 1e-9
# Rounding of a share in single precision.
SHARE_TIE = 1e-5


# Pairs that are made dense at once; pairs and groupings whose shares are held at once.
PAIRS_AT_ONCE = 2**13


def gene_numbers(index: pd.Index, genes: Iterable[str]) -> np.ndarray:
    """Return the positions of genes in an index.

    Raises
    ------
    ValueError
        If the index lacks one of them.
    """
    numbers = index.get_indexer(pd.Index(genes))
    if (numbers < 0).any():
        raise ValueError("genes lacks a gene that an edge names")
    return numbers


def edge_matrix(
    edges: pd.DataFrame,
    samples: Sequence[str],
    genes: Sequence[str] | None = None,
    ends: Literal["both", "any"] = "both",
) -> tuple[pd.DataFrame, np.ndarray]:
    """Lay a table of edges out as samples x pairs.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight, one row per edge of a sample.
    samples : sequence of str
        Rows of the result; a sample without edges gives a row of zeros. Labels of bins do as
        well, where the table's ``sample`` holds them.
    genes : sequence of str, optional
        Restrict the pairs to those with both ends, or any end, among these.
    ends : {"both", "any"}

    Returns
    -------
    pairs : DataFrame
        gene1 gene2, every pair that is an edge somewhere.
    weights : float32 ndarray of shape (n_samples, n_pairs)
    """
    if genes is not None:
        first, second = (edges[gene].isin(list(genes)).to_numpy() for gene in ("gene1", "gene2"))
        edges = edges[(first & second) if ends == "both" else (first | second)]
    pairs, weights = sparse_edges(edges, samples)
    return pairs, weights.toarray()


def sparse_edges(
    edges: pd.DataFrame, samples: Sequence[str]
) -> tuple[pd.DataFrame, sparse.csr_array]:
    """Lay a table of edges out as samples x pairs, without the zeros.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight, one row per edge of a sample.
    samples : sequence of str
        Rows of the result.

    Returns
    -------
    pairs : DataFrame
        gene1 gene2, every pair that is an edge somewhere.
    weights : float32 sparse array of shape (n_samples, n_pairs)
    """
    rows = pd.Index(samples).get_indexer(pd.Index(edges["sample"]))
    edges, rows = edges[rows >= 0], rows[rows >= 0]
    grouped = edges.groupby(["gene1", "gene2"], sort=False, observed=True)
    pairs = grouped.size().index.to_frame(index=False)
    weight = edges["weight"].to_numpy(dtype=np.float32)
    shape = (len(samples), len(pairs))
    return pairs, sparse.csr_array((weight, (rows, grouped.ngroup().to_numpy())), shape=shape)


def match_density(edges: pd.DataFrame) -> pd.DataFrame:
    """Rescale the weights of every sample to the same total, the mean over samples.

    Every bin has the same share of the pairs of its genes, but a gene that is switched off in a
    bin has none, so that bins of fewer genes have fewer edges.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight.
    """
    total = edges.groupby("sample", observed=True)["weight"].sum()
    factor = edges["sample"].map(total.mean() / total).astype(float)
    return edges.assign(weight=edges["weight"] * factor)


ROWS_AT_ONCE = 512


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


Definition = Literal["model", "inner", "cosine", "distance"]


def pair_weights(embedding: np.ndarray, definition: Definition, share: float) -> np.ndarray:
    """Return the weights of all pairs of genes from what a model says of each gene.

    Parameters
    ----------
    embedding : array of shape (n_genes, n_dimensions)
        With "model" the factor of the model's covariance (`popnet.sivae.covariance`), otherwise
        the loadings.
    definition : {"model", "inner", "cosine", "distance"}
        - "model": the covariance of the decoder's means over the cells, on the scale of the
          expression: the part of the genes' covariance that the model explains.
        - "inner": the inner product of the loadings.
        - "cosine": the same of loadings of length 1.
        - "distance": the paper's. exp(-d) for the `share` of pairs with the closest loadings, 0
          for others; d is the distance over the mean of all pairs, because the scale of the latent
          space is each model's own.
    share : float
        Of the pairs, for "distance".

    Returns
    -------
    float32 array of shape (n_genes, n_genes)
        Symmetric, signed except for "distance"; zeros on the diagonal.
    """
    embedding = _finite(embedding)
    if definition == "distance":
        weights = np.zeros((len(embedding),) * 2)
        gene1, gene2 = closest_pairs(embedding, share)
        if len(gene1):
            distance = np.sqrt(((embedding[gene1] - embedding[gene2]) ** 2).sum(axis=1))
            closeness = np.exp(-distance / pdist(embedding).mean())
            weights[gene1, gene2] = weights[gene2, gene1] = closeness
        return weights.astype(np.float32)
    if definition == "cosine":
        length = np.sqrt((embedding**2).sum(axis=1, keepdims=True))
        embedding = embedding / np.where(length > 0, length, 1)
    single = embedding.astype(np.float32)
    found = single @ single.T
    np.fill_diagonal(found, 0)
    return found


def strongest_pairs(weights: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gene pairs of largest absolute weight: the adjacency of one bin.

    Parameters
    ----------
    weights : array of shape (n_genes, n_genes)
        Symmetric. A pair of weight 0 is never an edge.
    share : float
        Of all pairs, between 0 and 1.

    Returns
    -------
    gene1, gene2 : arrays of int32
        Row numbers with gene1 < gene2, sorted.

    Raises
    ------
    ValueError
        If `share` is outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    gene1, gene2 = np.triu_indices(len(weights), 1)
    strength = np.abs(weights[gene1, gene2])
    n_edges = round(share * len(strength))
    if not n_edges:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    # Of equal weights the first pairs are taken, so that nothing depends on the partition.
    smallest = np.partition(strength, len(strength) - n_edges)[len(strength) - n_edges]
    above = np.flatnonzero(strength > smallest)
    ties = np.flatnonzero(strength == smallest)[: n_edges - len(above)]
    chosen = np.sort(np.concatenate([above, ties]))
    chosen = chosen[strength[chosen] > 0]
    return gene1[chosen].astype(np.int32), gene2[chosen].astype(np.int32)


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


def _finite(loadings: np.ndarray) -> np.ndarray:
    """Return the loadings in double precision."""
    loadings = np.asarray(loadings, dtype=np.float64)
    if not np.isfinite(loadings).all():
        raise ValueError("loadings must be finite")
    return loadings


def annotate_complexes(pairs: pd.DataFrame, complexes: pd.Series) -> pd.DataFrame:
    """Add complex1, complex2 and relation to pairs of genes.

    Parameters
    ----------
    pairs : DataFrame
        With gene1 and gene2.
    complexes : Series, gene -> complex

    Returns
    -------
    DataFrame
        relation is ``within`` or ``between`` complexes, or empty where a gene is of none.
    """
    first, second = (pairs[gene].astype(object).map(complexes) for gene in ("gene1", "gene2"))
    relation = np.where(first == second, "within", "between")
    relation = np.where(first.isna() | second.isna(), "", relation)
    return pairs.assign(complex1=first.fillna(""), complex2=second.fillna(""), relation=relation)
