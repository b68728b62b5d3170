"""Hubs and neighbours in networks, and the agreement of methods on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

# As in the paper: the 500 most central of 2,000 genes are a method's hubs; 20 genes are neighbours.
HUB_SHARE = 0.25
NEIGHBOURS = 20
ACCURACY = ["method", "n_genes", "rho", "p", "truth_top20", "truth_top50", "largest20", "largest50"]


def degree_centrality(weights: np.ndarray) -> np.ndarray:
    """Return the mean weight of each gene with all others, (n_genes,).

    Methods, "Estimating degree centrality using GCN inference methods".

    Parameters
    ----------
    weights : ndarray, (n_genes, n_genes)
        Zero diagonal.
    """
    return weights.sum(1) / (len(weights) - 1)


def degrees_of(method: str, weights: np.ndarray) -> np.ndarray:
    """Return the degree centralities by a method; NaN if its weights are distances of loadings.

    Genes at the origin, which do not co-vary with others, are close to most genes: distances do not
    give a degree.
    """
    if method.endswith("-euc"):
        return np.full(len(weights), np.nan)
    return degree_centrality(weights)


def hub_accuracy(centralities: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Return how well predicted centralities agree with the true one.

    Parameters
    ----------
    centralities : DataFrame, genes x methods
        A method without centralities has NaN.
    truth : Series, of genes
        From `popnet.comparisons.ground_truth.predictive_centrality`.

    Returns
    -------
    DataFrame with the columns of `ACCURACY`
        Spearman's correlation and its two-sided p; mean true centrality of a method's 20 and 50
        most central genes, and the largest possible for any 20 and 50 genes.
    """
    truth = truth.reindex(centralities.index)
    rows = []
    for method, predicted in centralities.dropna(axis=1).items():
        rho, p = spearmanr(predicted, truth)
        row = {"method": method, "n_genes": len(truth), "rho": rho, "p": p}
        for top in (20, 50):
            row[f"truth_top{top}"] = truth[predicted.nlargest(top).index].mean()
            row[f"largest{top}"] = truth.nlargest(top).mean()
        rows.append(row)
    return pd.DataFrame(rows, columns=ACCURACY)


def common_hubs(
    centralities: pd.DataFrame, share: float = HUB_SHARE, least: int = 20
) -> tuple[np.ndarray, float]:
    """Return the genes among the most central ones of every method.

    Parameters
    ----------
    centralities : DataFrame, genes x methods
    share : float
        Share of the genes that are a method's hubs. It is increased in steps of a twentieth until
        `least` genes are common.
    least : int

    Returns
    -------
    hubs : ndarray of int
        Positions of genes.
    share : float
        The share that was used.
    """
    n_genes = len(centralities)
    ranks = centralities.rank(ascending=False, method="first").max(axis=1).to_numpy()
    while True:
        hubs = np.flatnonzero(ranks <= round(share * n_genes))
        if len(hubs) >= least or share >= 1:
            return hubs, share
        share = min(round(share + 0.05, 2), 1.0)


def nearest(
    weights: np.ndarray, queries: np.ndarray, seed: int, k: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k genes of largest weight with each query.

    Parameters
    ----------
    weights : ndarray, (n_genes, n_genes)
    queries : ndarray of int, (n_queries,)
    seed : int
        Chooses among equal weights, such as the many zeros of ARACNE.
    k : int

    Returns
    -------
    neighbours : ndarray of int, (n_queries, k)
    linked : ndarray of int, (n_queries,)
        The number of neighbours with a weight above 0.

    Raises
    ------
    ValueError
        There are fewer than k other genes.
    """
    if len(weights) <= k:
        raise ValueError(f"weights: of {len(weights)} genes none has {k} others")
    shuffled = np.random.default_rng(seed).permutation(len(weights))
    rows = weights[queries][:, shuffled].astype(np.float64)
    rows[shuffled == queries[:, None]] = -np.inf
    neighbours = shuffled[np.argsort(-rows, axis=1, kind="stable")[:, :k]]
    return neighbours, (np.take_along_axis(weights[queries], neighbours, 1) > 0).sum(1)


def neighbour_overlap(neighbours: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the Jaccard index of two methods' neighbours of a query, averaged over queries.

    Parameters
    ----------
    neighbours : mapping of method to ndarray of int, (n_queries, k)
        Of the same queries.

    Returns
    -------
    DataFrame, methods x methods
    """
    members = _members(
        neighbours, 1 + max((genes.max() for genes in neighbours.values()), default=0)
    )
    shared = np.einsum("aqg,bqg->abq", members, members)
    size = members.sum(2)
    index = shared / (size[:, None] + size[None] - shared)
    return pd.DataFrame(index.mean(2), list(neighbours), list(neighbours))


def neighbour_correlation(
    neighbours: Mapping[str, np.ndarray], correlation: np.ndarray
) -> pd.DataFrame:
    """Return the mean correlation between two methods' neighbours of a query, averaged likewise.

    Methods, "Quantifying overlap in gene neighborhoods": over all k x k pairs of a gene of one set
    and a gene of the other, including a gene with itself if it is in both sets.

    Parameters
    ----------
    neighbours : mapping of method to ndarray of int, (n_queries, k)
    correlation : ndarray, (n_genes, n_genes)
        Pearson's, of expression.

    Returns
    -------
    DataFrame, methods x methods
    """
    members = _members(neighbours, len(correlation))
    members /= np.maximum(members.sum(2, keepdims=True), 1)
    mean = np.einsum("aqg,bqg->ab", members @ correlation, members, optimize=True)
    return pd.DataFrame(mean / members.shape[1], list(neighbours), list(neighbours))


def _members(neighbours: Mapping[str, np.ndarray], n_genes: int) -> np.ndarray:
    """Return 1 where a gene is a neighbour, else 0: (n_methods, n_queries, n_genes)."""
    n_queries = len(next(iter(neighbours.values()), [0]))
    members = np.zeros((len(neighbours), n_queries, n_genes), dtype=np.float32)
    for row, genes in zip(members, neighbours.values(), strict=True):
        np.put_along_axis(row, genes, 1, axis=1)
    return members


def clustered(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return a matrix of similarities ordered by clustering of methods (average linkage)."""
    if len(similarity) < 3:
        return similarity
    values = similarity.to_numpy()
    distance = values.max() - values
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    return similarity.iloc[order, order]
