"""Whether the marker genes of a cell type are close to each other and to the cells of their type.

The paper's figure 4: marker genes are close to those of the same cell type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.comparisons.gene_embedding import (
    METHODS,
    GeneEmbedding,
    embed_genes,
    neighbour_purity,
    planar_settings,
)
from popnet.comparisons.methods import Attempt, Training, attempt
from popnet.comparisons.outcomes import Outcomes, joined, not_tried
from popnet.seeds import derive_seed
from popnet.sivae import Settings

if TYPE_CHECKING:
    from anndata import AnnData

# Largest number of markers of a cell type, and the smallest that is evaluated.
MOST_MARKERS, FEWEST_MARKERS = 20, 3
MARKER_FDR = 0.05
MARKER_NEIGHBOURS = 10

FOUND = ["method", "latent", "cell_type", "n_cells", "n_markers", "cosine", "rank", "n_types"]
FOUND += ["silhouette", "purity", "purity_chance"]
POINTS = ["method", "kind", "name", "cell_type", "dimension1", "dimension2"]


def embed_marker_genes(
    cells: AnnData,
    given: pd.DataFrame | None,
    settings: Settings,
    methods: Sequence[str],
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Embed marker genes of cell types, and the cells, by each method.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        X log-normalised, obs["cell_type"].
    given : DataFrame, optional
        gene and cell_type of known markers. With None they are found by a test.
    settings : Settings
        Of the study; see `planar_settings`.
    methods : sequence of str
        Only methods of `METHODS` are compared.
    seed : int

    Returns
    -------
    dict of DataFrame
        `markers`: gene, cell_type, score; `found`: the columns `FOUND`, see
        :func:`marker_agreement`; `points`: the columns `POINTS`, of genes and, if they are in the
        same space, of cells; `methods`: outcomes.
    """
    settings = planar_settings(settings, cells.n_obs)
    marked = _markers(cells, given)
    markers = pd.DataFrame(columns=["gene", "cell_type", "score"])
    if marked.value is not None:
        markers = marked.value
    of_type = markers.drop_duplicates("gene").set_index("gene")["cell_type"]
    types = of_type.reindex(cells.var_names).fillna("")
    found, points, outcomes = [], [], Outcomes()
    for method in [method for method in METHODS if method in methods]:
        tried = marked
        if marked.value is not None:
            own = derive_seed(seed, "markers", method)
            tried = attempt(_embed, method, cells, markers, Training(settings), own)
        outcomes.add("markers of cell types", method, tried)
        if tried.value is None:
            continue
        embedding, agreement = tried.value
        found.append(agreement.assign(method=method, latent=settings.latent)[FOUND])
        points.append(_points(method, "gene", types, embedding.drawn()))
        if embedding.loadings.shape[1] == settings.latent:
            points.append(_points(method, "cell", cells.obs["cell_type"], embedding.scores))
    return {
        "markers": markers,
        "found": joined(found, FOUND),
        "points": joined(points, POINTS),
        "methods": outcomes.table(),
    }


def _markers(cells: AnnData, given: pd.DataFrame | None) -> Attempt:
    """Return the attempt to find markers, or the given markers."""
    if given is not None:
        known = given[["gene", "cell_type"]].assign(score=np.nan)
        return Attempt(known[known["gene"].isin(cells.var_names)], "done", 0.0, np.nan)
    if cells.obs["cell_type"].nunique() > 1:
        return attempt(find_markers, cells)
    return not_tried("not applicable: the cells are of one type")


def _embed(
    method: str, cells: AnnData, markers: pd.DataFrame, training: Training, seed: int
) -> tuple[GeneEmbedding, pd.DataFrame]:
    embedding = embed_genes(method, cells, training, seed)
    types = cells.obs["cell_type"].astype(str)
    return embedding, marker_agreement(embedding, cells.var_names, types, markers)


def _points(method: str, kind: str, types: pd.Series, places: np.ndarray) -> pd.DataFrame:
    """Return the first two dimensions of genes or cells, by the index of their types."""
    table = {"method": method, "kind": kind, "name": types.index, "cell_type": types.to_numpy()}
    return pd.DataFrame(table | {"dimension1": places[:, 0], "dimension2": places[:, 1]})[POINTS]


def find_markers(cells: AnnData) -> pd.DataFrame:
    """Return marker genes of each cell type: scanpy's Wilcoxon test of a type against all others.

    A gene is a marker only of the type of its highest score, if its expression is higher there at a
    false discovery rate of 5 %. For each type, the 20 genes of highest score are kept.

    Parameters
    ----------
    cells : AnnData
        X log-normalised, obs["cell_type"].

    Returns
    -------
    DataFrame
        gene, cell_type, score (the test's z).

    Raises
    ------
    ValueError
        All cells are of the same type.
    """
    import scanpy as sc

    types = cells.obs["cell_type"].astype(str)
    numbers = types.value_counts()
    if (numbers >= FEWEST_MARKERS).sum() < 2:
        raise ValueError("cell_type: markers tell types apart, and the cells are of one type")
    kept = cells[types.isin(numbers.index[numbers >= FEWEST_MARKERS]).to_numpy()]
    tested = sc.AnnData(kept.X, obs=kept.obs[["cell_type"]].astype("category"), var=kept.var)
    # scanpy reads the base of the logarithm here, and without it prints a warning.
    tested.uns["log1p"] = {"base": None}
    sc.tl.rank_genes_groups(tested, "cell_type", method="wilcoxon", tie_correct=True)
    found = sc.get.rank_genes_groups_df(tested, None)
    best = found.sort_values("scores", ascending=False, kind="stable").drop_duplicates("names")
    best = best[(best["scores"] > 0) & (best["pvals_adj"] <= MARKER_FDR)]
    best = best.groupby("group", observed=True).head(MOST_MARKERS)
    names = {"names": "gene", "group": "cell_type", "scores": "score"}
    table = best.rename(columns=names)[list(names.values())].astype({"cell_type": str})
    return table.sort_values(["cell_type", "score"], ascending=[True, False], ignore_index=True)


def marker_agreement(
    embedding: GeneEmbedding, genes: Sequence[str], cell_types: Sequence[str], markers: pd.DataFrame
) -> pd.DataFrame:
    """Return whether the markers of each type are close to each other and to its cells.

    Parameters
    ----------
    embedding : GeneEmbedding
    genes : sequence of str, (n_genes,)
    cell_types : sequence of str, (n_cells,)
    markers : DataFrame
        gene, cell_type; types with fewer than three markers are not evaluated, nor are genes and
        types that the cells do not have.

    Returns
    -------
    DataFrame
        cell_type n_cells n_markers; cosine of the type's mean score (with the mean of all cells at
        the origin) and the mean loading of its markers; rank of the type among n_types by the
        cosine with its markers (1: its own cells are most in their direction); silhouette of its
        markers relative to those of other types; purity, the mean share of the ten nearest markers
        that are of the same type, and purity_chance, its expectation at random. Cosine and rank are
        missing if scores and loadings are not in the same space.
    """
    from sklearn.metrics import silhouette_samples

    types = np.asarray(cell_types, dtype=object)
    position = pd.Index(genes).get_indexer(pd.Index(markers["gene"]))
    known = (position >= 0) & markers["cell_type"].isin(set(types)).to_numpy()
    position, marked = position[known], markers["cell_type"].to_numpy(dtype=object)[known]
    numbers = pd.Series(marked).value_counts()
    enough = np.isin(marked, numbers.index[numbers >= FEWEST_MARKERS].to_numpy())
    position, marked = position[enough], marked[enough]
    names = np.unique(marked.astype(str))
    if len(names) < 2:
        raise ValueError(
            f"markers: {len(names)} cell types have {FEWEST_MARKERS} markers; two are needed"
        )
    loadings = np.asarray(embedding.loadings, dtype=np.float64)[position]
    silhouette = silhouette_samples(loadings, marked)
    purity = neighbour_purity(loadings, marked, MARKER_NEIGHBOURS)
    cosines = np.full((len(names), len(names)), np.nan)
    if embedding.scores.shape[1] == loadings.shape[1]:
        scores = embedding.scores - embedding.scores.mean(0)
        of_cells = np.array([scores[types == name].mean(0) for name in names])
        of_markers = np.array([loadings[marked == name].mean(0) for name in names])
        lengths = np.outer(*(np.linalg.norm(means, axis=1) for means in (of_markers, of_cells)))
        cosines = of_markers @ of_cells.T / lengths
    rows = []
    for row, name in enumerate(names):
        own = cosines[row, row]
        n_markers = int((marked == name).sum())
        rows.append(
            {
                "cell_type": name,
                "n_cells": int((types == name).sum()),
                "n_markers": n_markers,
                "cosine": own,
                "rank": np.nan if np.isnan(own) else 1 + (cosines[row] > own).sum(),
                "n_types": len(names),
                "silhouette": silhouette[marked == name].mean(),
                "purity": purity[marked == name].mean(),
                "purity_chance": (n_markers - 1) / (len(marked) - 1),
            }
        )
    return pd.DataFrame(rows)
