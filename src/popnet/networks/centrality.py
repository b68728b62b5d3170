"""Centralities of genes, of a model and of its graph."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from popnet.networks.edges import adjacency_degree

if TYPE_CHECKING:
    from anndata import AnnData

# Of a scaled gene over some of its cells; below it the gene is switched off there.
MIN_VARIANCE = 1e-6


def degree_centrality(
    reconstruction_error: np.ndarray, variance: np.ndarray | None = None
) -> np.ndarray:
    """Return siVAE degree centrality: how well a gene is reconstructed, larger is more central.

    The paper's "Estimating degree centrality using siVAE": hubs have the smallest reconstruction
    error. Its genes have unit variance over the cells that a model is trained on, so that its two
    readings are one. Here they are two scales, which must not be mixed:

    - without `variance`, the negative mean squared error, on the scale of the expression;
    - with `variance`, the negative error relative to the variance of the same cells: 0 is perfect,
      -1 no better than predicting the mean. Needed where cells were scaled together with others
      (a bin has its own share of a gene's variance).

    Parameters
    ----------
    reconstruction_error : array of shape (..., n_genes)
        Mean squared error.
    variance : array of shape (..., n_genes), optional
        Variance of the same cells.

    Returns
    -------
    array of shape (..., n_genes)
        With `variance`, NaN for a gene that does not vary: a constant gene has no error and would
        come out as the most central of all.
    """
    error = np.asarray(reconstruction_error)
    if variance is None:
        return -error
    relative = np.full(error.shape, np.nan)
    np.divide(error, variance, out=relative, where=np.asarray(variance) > MIN_VARIANCE)
    return -relative


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


MEASURES = ("degree", "strength", "signed_strength", "eigenvector", "betweenness", "pagerank")
# Measures that can be negative, so that their mean says nothing of the network's density: the
# measure whose mean does.
SCALED_BY = {"signed_strength": "strength"}
# Sums of weights: where all samples have one depth they are compared as they are. In each bin the
# same share of pairs are edges, so that other measures say which genes have more of them than
# others: where some lose edges, others gain.
ABSOLUTE = ("strength", "signed_strength")


# Of an eigenvector: below it ranks would be those of errors.
ROUNDING = 1e-9


def graph_centralities(
    weights: np.ndarray, gene1: np.ndarray, gene2: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the centralities of the genes of one bin's graph.

    Parameters
    ----------
    weights : array of shape (n_genes, n_genes)
        Symmetric, with zeros on the diagonal; of the genes of the graph.
    gene1, gene2 : arrays of int
        The edges, as row numbers.

    Returns
    -------
    dict of measure to array of shape (n_genes,)
        degree: number of edges. strength and signed_strength: sums of the absolute and of the
        signed weights of all pairs of a gene. The others are of the graph without weights:
        eigenvector (largest 1; of the component with the largest eigenvalue, 0 elsewhere),
        betweenness (share of the pairs of other genes whose shortest paths pass) and pagerank
        (damping 0.85; sum 1).

    References
    ----------
    Freeman, Sociometry 40 (1977), betweenness; Bonacich, Journal of Mathematical Sociology 2
    (1972), eigenvector; Brin and Page, Computer Networks and ISDN Systems 30 (1998), PageRank;
    Barrat et al., PNAS 101 (2004), strength.
    """
    import igraph

    n_genes = len(weights)
    strengths = {
        "strength": np.abs(weights).sum(axis=1, dtype=float),
        "signed_strength": weights.sum(axis=1, dtype=float),
    }
    if not len(gene1):
        return {measure: np.zeros(n_genes) for measure in MEASURES} | strengths
    graph = igraph.Graph(n=n_genes, edges=np.column_stack([gene1, gene2]))
    with warnings.catch_warnings():
        # Few graphs of the strongest pairs are connected.
        warnings.filterwarnings("ignore", "Some eigenvector centralities are nearly zero")
        # The iteration starts at random; where components tie for the largest eigenvalue, the start
        # says which of them wins.
        igraph.set_random_number_generator(random.Random(0))
        eigenvector = np.abs(graph.eigenvector_centrality())
    eigenvector[eigenvector < ROUNDING] = 0
    pairs = max((n_genes - 1) * (n_genes - 2) / 2, 1)
    found = {
        "degree": adjacency_degree(gene1, gene2, n_genes).astype(float),
        "eigenvector": eigenvector,
        "betweenness": np.array(graph.betweenness(directed=False)) / pairs,
        "pagerank": np.array(graph.pagerank(directed=False)),
    } | strengths
    return {measure: found[measure] for measure in MEASURES}


def in_graph(bins: AnnData) -> np.ndarray:
    """Return which genes the graph of any bin holds, as a mask of shape (n_genes,)."""
    mask: np.ndarray = np.isfinite(bins.layers["degree"]).any(axis=0)
    return mask


def comparable(layers: Mapping[str, np.ndarray], name: str, equal_depth: bool) -> np.ndarray:
    """Return a measure of the genes of every bin as samples are compared by it, (n_bins, n_genes).

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
    name : str
        Of `MEASURES`.
    equal_depth : bool
        Whether all samples have the same depth, so that weights need no scale.
    """
    if equal_depth and name in ABSOLUTE:
        return layers[name]
    return match_means(layers[name], layers.get(SCALED_BY.get(name, name)))


def match_means(values: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Divide the values of every bin by their mean over its genes, or by that of others.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
        NaN where a gene is not in the bin's graph; all bins then have the same density.
    by : ndarray of shape (n_bins, n_genes), optional
        Values that are never negative.
    """
    by = values if by is None else by
    present = np.isfinite(by)
    total = np.where(present, by, 0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(present.sum(axis=1, keepdims=True), 1)
    return values / np.where(mean > 0, mean, 1)
