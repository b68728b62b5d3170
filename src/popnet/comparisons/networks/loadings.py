"""Networks from the gene loadings of methods of dimension reduction."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist, squareform

from popnet.comparisons.methods import Training, load_method
from popnet.comparisons.registry import EMBEDDINGS


def nearness(loadings: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + Euclidean distance) of genes.

    The paper ranks neighbours by the distance; any decreasing function gives the same ranks.

    Parameters
    ----------
    loadings : ndarray, (n_genes, latent)

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        Symmetric, in (0, 1] except for the diagonal, which is 0.
    """
    return squareform(1 / (1 + pdist(loadings.astype(np.float64))))


def near_in_embedding(name: str, cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the nearness of genes in the loadings of a method of dimension reduction.

    Parameters
    ----------
    name : str
        A key of `EMBEDDINGS` whose method has loadings.
    cells : AnnData, (n_cells, n_genes)
    training : Training
    seed : int

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        As of `nearness`.

    Raises
    ------
    ValueError
        The method has no loadings.
    """
    found = load_method(EMBEDDINGS, name)(cells, cells[:1], training, seed)
    if found.loadings is None:
        raise ValueError(f"method: {name!r} has no loadings")
    return nearness(found.loadings)


ldvae = partial(near_in_embedding, "ldvae")
scetm = partial(near_in_embedding, "scetm")
