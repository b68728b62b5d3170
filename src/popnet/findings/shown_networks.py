"""What the figures of a cell type's networks show: hub genes, samples by similarity, modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

if TYPE_CHECKING:
    from anndata import AnnData

MOST_MODULES = 30
# Samples of a heatmap.
MOST_DRAWN = 1000


class Clustered(NamedTuple):
    """Samples with similar ones side by side (average linkage).

    Parameters
    ----------
    similarity : DataFrame of shape (n_samples, n_samples)
        In the order of the leaves.
    branches : ndarray of shape (n_samples - 1, 4, 2)
        The lines of the tree: place along the leaves (the first is 0), and largest similarity less
        that at which two groups join. Empty for fewer than three samples.
    """

    similarity: pd.DataFrame
    branches: np.ndarray


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


def drawn_similarity(similarity: AnnData, kernel: str) -> pd.DataFrame:
    """Return the samples x samples similarities by a kernel: of many samples evenly spread ones.

    Parameters
    ----------
    similarity : AnnData of n_samples observations
        Of :func:`popnet.networks.maps.to_anndata`.
    kernel : str
    """
    n = similarity.n_obs
    rows = np.linspace(0, n - 1, min(n, MOST_DRAWN)).astype(int)
    names = similarity.obs_names[rows]
    return pd.DataFrame(similarity.obsp[kernel][np.ix_(rows, rows)], names, names)


def similarity_pairs(similarity: pd.DataFrame, kernel: str) -> pd.DataFrame:
    """Return kernel, sample1, sample2 and similarity of every pair of samples, each pair once."""
    first, second = np.triu_indices(len(similarity))
    pairs = {"sample1": similarity.index[first], "sample2": similarity.index[second]}
    values = similarity.to_numpy()[first, second]
    return pd.DataFrame({"kernel": kernel} | pairs | {"similarity": values})


def cluster(similarity: pd.DataFrame) -> Clustered:
    """Return the samples x samples table with similar samples side by side, and the tree."""
    if len(similarity) < 3:
        return Clustered(similarity, np.empty((0, 4, 2)))
    matrix = similarity.to_numpy(dtype=float)
    matrix = (matrix + matrix.T) / 2
    different = ~np.eye(len(matrix), dtype=bool)
    distance = np.where(different, matrix[different].max() - matrix, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    # SciPy draws leaves at 5, 15, 25.
    drawn = dendrogram(tree, no_plot=True)
    places = (np.array(drawn["icoord"]) - 5) / 10
    branches = np.stack([places, np.array(drawn["dcoord"])], axis=2)
    return Clustered(similarity.iloc[drawn["leaves"], drawn["leaves"]], branches)


def similarity_range(similarity: pd.DataFrame, within: float) -> tuple[float, float]:
    """Return the range of similarities that colours span: from 0 to .1, .2, .5 or 1.

    A range from the least to the largest similarity would make clusters of any noise. With negative
    similarities it begins below 0, as far.

    Parameters
    ----------
    similarity : DataFrame of shape (n_samples, n_samples)
    within : float
        Mean similarity of bins of one sample; NaN where it is not known.
    """
    between = similarity.to_numpy(dtype=float)[~np.eye(len(similarity), dtype=bool)]
    known = [*between, within]
    largest = np.nanmax(np.abs(known)) if np.isfinite(known).any() else 1.0
    top = next((step for step in (0.1, 0.2, 0.5, 1.0) if largest <= step), float(largest))
    return (-top if np.nanmin([0.0, *known]) < 0 else 0.0), top


def modules_by_phenotype(tables: Mapping[str, pd.DataFrame], *, fdr: float) -> pd.DataFrame:
    """Return the tests of the density of every module, with all phenotypes.

    Parameters
    ----------
    tables : mapping of phenotype to DataFrame
        modules.tsv of one network.
    fdr : float

    Returns
    -------
    DataFrame with columns module, name, phenotype, t, p, q, significant
        At most 30 modules, the largest (smallest number) first.
    """
    rows = []
    for phenotype, table in tables.items():
        table = table[table["kind"] == "density"].sort_values("module1")
        table = table.rename(columns={"module1": "module", "name1": "name"})
        table = table[["module", "name", "t", "p", "q"]]
        rows.append(table.assign(phenotype=phenotype, significant=table["q"] <= fdr))
    columns = ["module", "name", "phenotype", "t", "p", "q", "significant"]
    shown = pd.concat(rows, ignore_index=True)[columns]
    return shown[shown["module"].isin(sorted(shown["module"].unique())[:MOST_MODULES])]
