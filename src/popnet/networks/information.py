"""Networks of mutual information: CLR, MRNET and ARACNE, as in the R package minet."""

from __future__ import annotations

import numpy as np

from popnet.networks.correlation import rank_correlation

# Largest correlation, because the mutual information of two equal genes would be infinite.
LARGEST_SQUARED_CORRELATION = 0.999999


def mutual_information(expression: np.ndarray) -> np.ndarray:
    """Return the mutual information of genes from Spearman's correlation, as if jointly normal.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)

    Returns
    -------
    ndarray, (n_genes, n_genes)
        -1/2 ln(1 - rho^2), nats; the diagonal is 0.
    """
    squared = rank_correlation(expression) ** 2
    found = -0.5 * np.log1p(-np.minimum(squared, LARGEST_SQUARED_CORRELATION))
    np.fill_diagonal(found, 0)
    return found


def context_likelihood(information: np.ndarray) -> np.ndarray:
    """Return how much the information of two genes exceeds that of each with other genes.

    Parameters
    ----------
    information : ndarray, (n_genes, n_genes)
        Symmetric, zero diagonal.

    Returns
    -------
    ndarray, (n_genes, n_genes)
        sqrt(z_i^2 + z_j^2) with z_i = max(0, (M_ij - mean_i) / sd_i), over all genes except i.
    """
    n_others = len(information) - 1
    mean = information.sum(1) / n_others
    deviation = np.sqrt(np.maximum((information**2).sum(1) / n_others - mean**2, 0))
    excess = information - mean[:, None]
    z = np.maximum(excess, 0) / np.where(deviation > 0, deviation, np.inf)[:, None]
    found = np.sqrt(z**2 + z.T**2)
    np.fill_diagonal(found, 0)
    return found


def relevance_less_redundancy(information: np.ndarray) -> np.ndarray:
    """Return the scores with which genes select each other, greedily.

    For a target, the next gene has the largest difference between its information with the target
    and its mean information with the genes that are already selected. Selection stops at a
    difference below 0.

    Parameters
    ----------
    information : ndarray, (n_genes, n_genes)
        Symmetric, zero diagonal.

    Returns
    -------
    ndarray, (n_genes, n_genes)
        The larger score of the two directions.
    """
    n_genes = len(information)
    found = np.zeros_like(information)
    # All targets select their k-th gene together; finished targets are removed.
    targets = np.arange(n_genes)
    relevance = information.copy()
    np.fill_diagonal(relevance, -np.inf)
    redundancy = np.zeros_like(information)
    for n_selected in range(n_genes - 1):
        score = relevance - redundancy / max(n_selected, 1)
        best = score.argmax(1)
        highest = score[np.arange(len(targets)), best]
        goes_on = highest >= 0
        if not goes_on.all():
            targets, best, highest = targets[goes_on], best[goes_on], highest[goes_on]
            relevance, redundancy = relevance[goes_on], redundancy[goes_on]
        if not len(targets):
            break
        found[targets, best] = highest
        relevance[np.arange(len(targets)), best] = -np.inf
        redundancy += information[best]
    return np.maximum(found, found.T)


def prune_triangles(information: np.ndarray) -> np.ndarray:
    """Return the information without the weakest pair of each triangle.

    Parameters
    ----------
    information : ndarray, (n_genes, n_genes)
        Symmetric, zero diagonal.

    Returns
    -------
    ndarray, (n_genes, n_genes)
        0 if a third gene has more information with both (data processing inequality, no tolerance).
    """
    found = information.copy()
    for gene in range(len(information)):
        # A gene of the pair as third gene has 0, which is never more.
        through_third = np.minimum(information, information[gene]).max(1)
        found[gene, information[gene] < through_third] = 0
    return found
