"""Genes in the space of the loadings: of a network that is known, and markers of cell types.

The paper's figure 4: genes that are expressed together lie together, hubs apart from the genes that
they lead, and isolated genes at the origin; marker genes lie with those of their cell type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from popnet import sivae
from popnet.comparisons.embeddings.sivae import variant_settings
from popnet.comparisons.methods import Training

if TYPE_CHECKING:
    from anndata import AnnData

# Those of the compared methods that have loadings of Gaussian expression.
METHODS = ("sivae", "sivae-gamma0", "sivae-linear", "vae", "pca")

N_CELLS, N_COMMUNITIES, SIZE, N_ISOLATED = 5000, 5, 50, 50
CORRELATION = 0.6
NEIGHBOURS = 20
# Markers of a cell type: the first of those that the test calls, and the fewest that say something.
MOST_MARKERS, FEWEST_MARKERS = 20, 3
MARKER_FDR = 0.05
# Fewest steps of the three stages: with fewer, genes of two communities can share a place in the
# plane, whose two dimensions are soon taken.
PLANAR_STEPS = (2000, 500, 1000)
MARKER_NEIGHBOURS = 10


@dataclass(frozen=True)
class GeneEmbedding:
    """What a method makes of the genes of some cells.

    Parameters
    ----------
    loadings : ndarray, (n_genes, width)
        Of a VAE the weights of its decoder's last layer, wider than its latent space.
    scores : ndarray, (n_cells, latent)
    reconstruction_error : ndarray, (n_genes,)
        Mean squared error of the standardised expression.
    """

    loadings: np.ndarray
    scores: np.ndarray
    reconstruction_error: np.ndarray

    def drawn(self) -> np.ndarray:
        """Return two coordinates of every gene that keep the origin where it is.

        Of more than two loadings those along the directions of largest mean square.
        """
        if self.loadings.shape[1] <= 2:
            return self.loadings
        left, singular, _ = np.linalg.svd(self.loadings, full_matrices=False)
        return left[:, :2] * singular[:2]


def planar_settings(settings: sivae.Settings, n_cells: int) -> sivae.Settings:
    """Return settings for what is to be drawn: two dimensions, and enough steps for them."""
    steps = tuple(map(max, settings.steps_for(n_cells), PLANAR_STEPS))
    return replace(settings, latent=2, steps=steps, grow_beyond=None)


def embed_genes(method: str, cells: Any, training: Training, seed: int) -> GeneEmbedding:
    """Embed the genes of cells by one method, in as many dimensions as siVAE's settings say.

    Parameters
    ----------
    method : str
        One of `METHODS`. Loadings of "pca" are the correlations of genes and components.
    cells : AnnData or ndarray, (n_cells, n_genes)
        Log-normalised expression; it is standardised here.
    training : Training
    seed : int

    Raises
    ------
    ValueError
        There is no such method.
    DivergedError
        It did not train.
    """
    if method not in METHODS:
        raise ValueError(f"method: {method!r} is none of {', '.join(METHODS)}")
    settings = replace(training.settings, standardise=True)
    if method == "pca":
        return _principal_components(cells, settings.latent)
    settings = variant_settings(settings, method, cells.shape[0])
    fit = sivae.fit(cells, settings, seed, training.device)
    return GeneEmbedding(fit.loadings, fit.scores, fit.reconstruction_error)


def _principal_components(cells: Any, latent: int) -> GeneEmbedding:
    expression = getattr(cells, "X", cells)
    expression = np.asarray(expression.toarray() if hasattr(expression, "toarray") else expression)
    centred = expression.astype(np.float64) - expression.mean(0, dtype=np.float64)
    deviation = centred.std(0)
    standard = centred / np.where(deviation > 0, deviation, 1)
    left, singular, right = np.linalg.svd(standard, full_matrices=False)
    left, singular, right = left[:, :latent], singular[:latent], right[:latent]
    error = np.square(standard - left * singular @ right).mean(0)
    # Scores of unit variance, as those of a VAE have about.
    root = np.sqrt(len(standard))
    return GeneEmbedding(right.T * singular / root, left * root, error)


def simulate(
    seed: int, wishart: bool = False, n_cells: int = N_CELLS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells, and of the genes the community (-1: isolated) and whether they are hubs.

    Genes that an edge joins correlate by 0.6; all other correlations follow from the missing edges,
    as the R package qpgraph completes them (`qpG2Sigma(rho=0.6)`). That function also draws the
    edges' covariances from a Wishart distribution with mean 0.6 and as many degrees of freedom as
    genes; so does `wishart`. The graph is a forest, so cells can be drawn along its edges.

    Parameters
    ----------
    seed : int
    wishart : bool
    n_cells : int

    Returns
    -------
    cells : ndarray of float32, (n_cells, 300)
        Gaussian, every gene of mean 0 and variance 1.
    community : ndarray of int, (300,)
    hub : ndarray of bool, (300,)
    """
    rng = np.random.default_rng(seed)
    community = np.repeat([*range(N_COMMUNITIES), -1], [SIZE] * N_COMMUNITIES + [N_ISOLATED])
    n_genes = len(community)
    correlations = np.full((n_genes, n_genes), CORRELATION)
    if wishart:
        shared, own = rng.normal(size=(n_genes, 1)), rng.normal(size=(n_genes, n_genes))
        correlations = np.corrcoef(
            np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own, rowvar=False
        )
    cells = rng.normal(size=(n_cells, n_genes))
    hubs = np.arange(N_COMMUNITIES) * SIZE
    for hub in hubs:
        spokes = np.arange(hub + 1, hub + SIZE)
        edges = correlations[hub, spokes]
        cells[:, spokes] = edges * cells[:, [hub]] + np.sqrt(1 - edges**2) * cells[:, spokes]
    return cells.astype(np.float32), community, np.isin(np.arange(n_genes), hubs)


def quality(
    loadings: np.ndarray, centrality: np.ndarray, community: np.ndarray, hub: np.ndarray
) -> dict[str, float]:
    """Return how well loadings and centralities show the simulated network.

    Parameters
    ----------
    loadings : ndarray, (n_genes, width)
    centrality : ndarray, (n_genes,)
        1 less the reconstruction error.
    community, hub : ndarray, (n_genes,)
        Of :func:`simulate`.

    Returns
    -------
    dict
        `silhouette` is of the communities; `purity` the share of a gene's nearest 20 genes that are
        of its community (`purity_isolated`: isolated, too); `auroc_isolated` how surely an isolated
        gene is nearer to the origin than another; `hubs_in_top` how many of the five most central
        genes are hubs; `worst_hub` the rank of the least central hub (1: most central gene);
        `centrality_*` mean centralities.
    """
    from sklearn.metrics import roc_auc_score, silhouette_score

    loadings = np.asarray(loadings, dtype=np.float64)
    connected = community >= 0
    same = neighbour_purity(loadings, community, NEIGHBOURS)
    rank = np.empty(len(centrality), dtype=int)
    rank[np.argsort(-centrality, kind="stable")] = np.arange(1, len(centrality) + 1)
    return {
        "silhouette": float(silhouette_score(loadings[connected], community[connected])),
        "purity": float(same[connected].mean()),
        "purity_isolated": float(same[~connected].mean()),
        "auroc_isolated": float(roc_auc_score(~connected, -np.linalg.norm(loadings, axis=1))),
        "hubs_in_top": int((rank[hub] <= hub.sum()).sum()),
        "worst_hub": int(rank[hub].max()),
        "centrality_hubs": float(centrality[hub].mean()),
        "centrality_spokes": float(centrality[connected & ~hub].mean()),
        "centrality_isolated": float(centrality[~connected].mean()),
    }


def neighbour_purity(points: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the share of each point's `k` nearest others that have its label."""
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, 1, kind="stable")[:, : min(k, len(points) - 1)]
    return (labels[nearest] == labels[:, None]).mean(1)


def find_markers(cells: AnnData) -> pd.DataFrame:
    """Return marker genes of each cell type: scanpy's Wilcoxon test of a type against all others.

    A gene marks the type of its highest score alone, if it is higher expressed there at a false
    discovery rate of 5 %; the 20 of highest score are kept for each type.

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
        The cells are of one type.
    """
    import scanpy as sc

    types = cells.obs["cell_type"].astype(str)
    numbers = types.value_counts()
    if (numbers >= FEWEST_MARKERS).sum() < 2:
        raise ValueError("cell_type: markers tell types apart, and the cells are of one type")
    kept = cells[types.isin(numbers.index[numbers >= FEWEST_MARKERS]).to_numpy()]
    tested = sc.AnnData(kept.X, obs=kept.obs[["cell_type"]].astype("category"), var=kept.var)
    # scanpy takes the base of the logarithm from here, which it says only in a warning.
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
    """Return whether the markers of each type lie together, and where its cells lie.

    Parameters
    ----------
    embedding : GeneEmbedding
    genes : sequence of str, (n_genes,)
    cell_types : sequence of str, (n_cells,)
    markers : DataFrame
        gene, cell_type; those of types with fewer than three markers are not looked at, nor are
        genes and types that the cells lack.

    Returns
    -------
    DataFrame
        cell_type n_cells n_markers; cosine of the type's mean score (all cells at the origin) with
        the mean loading of its markers; rank of the type among all types by their cosine with its
        markers (1: its own cells lie most in their direction), of n_types; silhouette of its
        markers against those of other types; purity, the mean share of the ten nearest markers that
        are of the type, and purity_chance, what it would be at random. Cosine and rank are missing
        where scores and loadings are not of one space.
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
