"""Genes of a simulated network in the space of the loadings.

The paper's figure 4: genes that are co-expressed are close to each other, hubs are apart from their
spokes, and isolated genes are at the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from popnet import sivae
from popnet.comparisons.embeddings.sivae import variant_settings
from popnet.comparisons.methods import Training, attempt
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.seeds import derive_seed

# The compared methods that have loadings for Gaussian expression.
METHODS = ("sivae", "sivae-gamma0", "sivae-linear", "vae", "pca")

N_CELLS, N_COMMUNITIES, SIZE, N_ISOLATED = 5000, 5, 50, 50
CORRELATION = 0.6
NEIGHBOURS = 20
# Fewest steps of the three stages: with fewer, two communities can have the same position, because
# there is little space in two dimensions.
PLANAR_STEPS = (2000, 500, 1000)

FOUND = ["method", "latent", "n_cells", "silhouette", "purity", "purity_isolated"]
FOUND += ["auroc_isolated", "hubs_in_top", "worst_hub", "centrality_hubs", "centrality_spokes"]
FOUND += ["centrality_isolated"]
POINTS = ["method", "gene", "community", "hub", "dimension1", "dimension2", "centrality"]


@dataclass(frozen=True)
class GeneEmbedding:
    """The embedding of genes by a method.

    Parameters
    ----------
    loadings : ndarray, (n_genes, width)
        For a VAE the weights of its decoder's last layer, which is wider than its latent space.
    scores : ndarray, (n_cells, latent)
    reconstruction_error : ndarray, (n_genes,)
        Mean squared error of the standardised expression.
    """

    loadings: np.ndarray
    scores: np.ndarray
    reconstruction_error: np.ndarray

    def drawn(self) -> np.ndarray:
        """Return two coordinates of every gene, without moving the origin.

        For more than two loadings, those along the directions of largest mean square.
        """
        if self.loadings.shape[1] <= 2:
            return self.loadings
        left, singular, _ = np.linalg.svd(self.loadings, full_matrices=False)
        return left[:, :2] * singular[:2]


def planar_settings(settings: sivae.Settings, n_cells: int) -> sivae.Settings:
    """Return settings for embeddings that are drawn: two dimensions, and enough steps for them."""
    steps = tuple(map(max, settings.steps_for(n_cells), PLANAR_STEPS))
    return settings.with_steps(steps, latent=2)


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
        Training diverged.
    """
    if method not in METHODS:
        raise ValueError(f"method: {method!r} is not one of {', '.join(METHODS)}")
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
    # Scores of unit variance, similar to those of a VAE.
    root = np.sqrt(len(standard))
    return GeneEmbedding(right.T * singular / root, left * root, error)


def simulate(
    seed: int, wishart: bool = False, n_cells: int = N_CELLS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells, and for the genes their community (-1: isolated) and whether they are hubs.

    Genes with an edge have a correlation of 0.6; all other correlations follow from the missing
    edges, as in the R package qpgraph (`qpG2Sigma(rho=0.6)`). That function also draws the edges'
    covariances from a Wishart distribution with mean 0.6 and as many degrees of freedom as genes;
    this is done with `wishart`. The graph is a forest, so that cells can be drawn along its edges.

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


def embed_simulated_genes(
    settings: sivae.Settings, methods: Sequence[str], seed: int
) -> dict[str, pd.DataFrame]:
    """Embed the genes of the simulated network by each method.

    Parameters
    ----------
    settings : Settings
        Of the study; see :func:`planar_settings`.
    methods : sequence of str
        Only methods of `METHODS` are compared.
    seed : int

    Returns
    -------
    dict of DataFrame
        `found`: the columns `FOUND`, see :func:`quality`; `points`: the columns `POINTS`;
        `methods`: outcomes.
    """
    cells, community, hub = simulate(derive_seed(seed, "simulated network"))
    settings = planar_settings(settings, len(cells))
    genes = pd.DataFrame({"community": community, "hub": hub})
    genes["gene"] = [f"gene{number}" for number in range(1, len(genes) + 1)]
    found, points, outcomes = [], [], Outcomes()
    for method in [method for method in METHODS if method in methods]:
        own = derive_seed(seed, "simulated network", method)
        tried = attempt(embed_genes, method, cells, Training(settings), own)
        outcomes.add("simulated network", method, tried)
        if tried.value is None:
            continue
        centrality = 1 - tried.value.reconstruction_error
        measured = quality(tried.value.loadings, centrality, community, hub)
        size = {"method": method, "latent": settings.latent, "n_cells": len(cells)}
        found.append(size | measured)
        first, second = tried.value.drawn().T
        at = {"dimension1": first, "dimension2": second, "centrality": centrality}
        points.append(genes.assign(method=method, **at)[POINTS])
    return {
        "found": pd.DataFrame(found, columns=FOUND),
        "points": joined(points, POINTS),
        "methods": outcomes.table(),
    }


def quality(
    loadings: np.ndarray, centrality: np.ndarray, community: np.ndarray, hub: np.ndarray
) -> dict[str, float]:
    """Return how well loadings and centralities recover the simulated network.

    Parameters
    ----------
    loadings : ndarray, (n_genes, width)
    centrality : ndarray, (n_genes,)
        1 minus the reconstruction error.
    community, hub : ndarray, (n_genes,)
        Of :func:`simulate`.

    Returns
    -------
    dict
        `silhouette` of the communities; `purity`, the share of a gene's nearest 20 genes that are
        in the same community (`purity_isolated`: that are also isolated); `auroc_isolated`, the
        probability that an isolated gene is closer to the origin than another gene; `hubs_in_top`,
        the number of hubs among the five most central genes; `worst_hub`, the rank of the least
        central hub (1: most central gene); `centrality_*`, mean centralities.
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
    """Return the share of each point's `k` nearest other points that have the same label."""
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, 1, kind="stable")[:, : min(k, len(points) - 1)]
    return (labels[nearest] == labels[:, None]).mean(1)
