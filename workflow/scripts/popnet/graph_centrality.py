"""Centralities of genes in the graph of a bin, and their association with a phenotype."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence

import igraph
import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

from popnet.association import Units, benjamini_hochberg, correlate
from popnet.design import Design
from popnet.networks import adjacency_degree
from popnet.permutation import permutation_test

MEASURES = ("degree", "strength", "eigenvector", "betweenness", "pagerank")
# Of an eigenvector: below it ranks would be those of errors.
ROUNDING = 1e-9
COLUMNS = ("gene", "measure", "statistic", "p", "q", "q_all", "p_family", "n", "n_permutations")


def graph_centralities(
    loadings: np.ndarray, gene1: np.ndarray, gene2: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the centralities of the genes of one bin's graph.

    Parameters
    ----------
    loadings : array of shape (n_genes, n_dimensions)
        Of the genes of the graph.
    gene1, gene2 : arrays of int
        The edges, as row numbers: of :func:`popnet.networks.closest_pairs`.

    Returns
    -------
    dict of measure to array of shape (n_genes,)
        degree: number of edges. strength: sum over edges of exp(-d), where d is the distance of
        the loadings over the mean of all pairs, because the scale of the latent space is each
        model's own. The others are of the graph without weights: eigenvector (largest 1; of the
        component with the largest eigenvalue, 0 elsewhere), betweenness (share of the
        pairs of other genes whose shortest paths pass) and pagerank (damping 0.85; sum 1).

    References
    ----------
    Freeman, Sociometry 40 (1977), betweenness; Bonacich, Journal of Mathematical Sociology 2
    (1972), eigenvector; Brin and Page, Computer Networks and ISDN Systems 30 (1998), PageRank;
    Barrat et al., PNAS 101 (2004), strength.
    """
    n_genes = len(loadings)
    degree = adjacency_degree(gene1, gene2, n_genes).astype(float)
    if not len(gene1):
        return {measure: np.zeros(n_genes) for measure in MEASURES}
    loadings = np.asarray(loadings, dtype=float)
    distance = np.sqrt(((loadings[gene1] - loadings[gene2]) ** 2).sum(axis=1))
    weight = np.exp(-distance / pdist(loadings).mean())
    graph = igraph.Graph(n=n_genes, edges=np.column_stack([gene1, gene2]))
    with warnings.catch_warnings():
        # Few graphs of the closest pairs are connected.
        warnings.filterwarnings("ignore", "Some eigenvector centralities are nearly zero")
        # The iteration starts at random; where components tie for the largest eigenvalue, the start
        # says which of them wins.
        igraph.set_random_number_generator(random.Random(0))
        eigenvector = np.abs(graph.eigenvector_centrality())
    eigenvector[eigenvector < ROUNDING] = 0
    pairs = max((n_genes - 1) * (n_genes - 2) / 2, 1)
    return {
        "degree": degree,
        "strength": sum(np.bincount(end, weight, n_genes) for end in (gene1, gene2)),
        "eigenvector": eigenvector,
        "betweenness": np.array(graph.betweenness(directed=False)) / pairs,
        "pagerank": np.array(graph.pagerank(directed=False)),
    }


def match_means(values: np.ndarray) -> np.ndarray:
    """Divide the values of every bin by their mean over its genes.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
        NaN where a gene is not in the bin's graph; all bins then have the same density.
    """
    present = np.isfinite(values)
    total = np.where(present, values, 0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(present.sum(axis=1, keepdims=True), 1)
    return values / np.where(mean > 0, mean, 1)


def associate_measures(
    layers: Mapping[str, np.ndarray], genes: Sequence[str], units: Units, binary: bool
) -> pd.DataFrame:
    """Test every measure of every gene, as the paper tests reconstruction centrality.

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
    genes : sequence of shape (n_genes,)
    units : Units
    binary : bool
        Mann-Whitney U instead of Spearman.

    Returns
    -------
    DataFrame
        As :func:`permute_measures`, without p_family and n_permutations.
    """
    table = correlate(
        units.average(np.concatenate([layers[name] for name in MEASURES], axis=1)),
        units.phenotype,
        binary,
    )
    return _labelled(table.assign(p_family=np.nan, n_permutations=np.nan), genes)


def permute_measures(
    layers: Mapping[str, np.ndarray],
    genes: Sequence[str],
    design: Design,
    n_permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Test every measure of every gene by permutation.

    A bin's values are divided by their mean over its genes, so that what is compared is a gene's
    place in its network, not how dense the network is.

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
    genes : sequence of shape (n_genes,)
    design : Design
        Over the bins.
    n_permutations, seed : int
        See :func:`popnet.permutation.permutation_test`.

    Returns
    -------
    DataFrame sorted by measure and p
        gene measure statistic p q (Benjamini-Hochberg within the measure) q_all (over all
        measures) p_family (family-wise over all genes and measures) n n_permutations.
    """
    values = [design.units.average(match_means(layers[name])) for name in MEASURES]
    tested = permutation_test(np.concatenate(values, axis=1), design, n_permutations, seed)
    return _labelled(tested.table, genes)


def _labelled(table: pd.DataFrame, genes: Sequence[str]) -> pd.DataFrame:
    table = table.assign(
        gene=np.tile(np.asarray(genes, dtype=object), len(MEASURES)),
        measure=np.repeat(MEASURES, len(genes)),
        q_all=benjamini_hochberg(table["p"].to_numpy()),
    )
    table["q"] = table.groupby("measure")["p"].transform(lambda p: benjamini_hochberg(p.to_numpy()))
    order = table["measure"].map(MEASURES.index)
    table = table.assign(order=order).sort_values(["order", "p"], kind="stable", ignore_index=True)
    return table[list(COLUMNS)]
