"""What the figures of a cell type's networks show: hub genes, and samples by similarity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform


def hub_genes(centrality: pd.DataFrame, complexes: pd.Series, top: int = 40) -> pd.DataFrame:
    """Return the genes of highest mean centrality, of those that at least half the samples have.

    Parameters
    ----------
    centrality : DataFrame, samples x genes
        Degree centrality: the negative reconstruction error of the scaled expression.
    complexes : Series, gene -> respiratory complex
    top : int

    Returns
    -------
    DataFrame with columns gene, complex, mean, lowest, q1, q3, highest
        Over the samples, the most central gene first.
    """
    in_most = centrality.notna().mean() >= 0.5
    genes = centrality.loc[:, in_most].mean().nlargest(top).index
    values = centrality[genes]
    return pd.DataFrame(
        {
            "gene": genes,
            "complex": complexes.reindex(genes).fillna("").to_numpy(),
            "mean": values.mean().to_numpy(),
            "lowest": values.min().to_numpy(),
            "q1": values.quantile(0.25).to_numpy(),
            "q3": values.quantile(0.75).to_numpy(),
            "highest": values.max().to_numpy(),
        }
    )


def square_similarity(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the samples x samples similarities of pairs: sample1, sample2, similarity."""
    upper = pairs.pivot(index="sample1", columns="sample2", values="similarity")
    return upper.combine_first(upper.T)


def cluster_order(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return the samples x samples table with similar samples side by side (average linkage)."""
    if len(similarity) < 3:
        return similarity
    matrix = similarity.to_numpy(dtype=float)
    matrix = (matrix + matrix.T) / 2
    distance = matrix.max() - matrix
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    return similarity.iloc[order, order]
