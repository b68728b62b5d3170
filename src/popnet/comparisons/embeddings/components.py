"""Principal component analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popnet.comparisons.methods import Embedding, Training

if TYPE_CHECKING:
    from anndata import AnnData


def pca(cells: AnnData, heldout: AnnData, training: Training, seed: int) -> Embedding:
    """Embed cells by the principal components of centred and scaled log expression.

    Parameters
    ----------
    cells, heldout : AnnData, (n_cells, n_genes) and (n_heldout, n_genes)
        Log-normalised expression in X, sparse or dense.
    training : Training
        `settings.latent` is the number of components.
    seed : int

    Returns
    -------
    Embedding
        Loadings are the unit-length principal axes.

    Raises
    ------
    ValueError
        There are fewer cells or genes than components.
    """
    from sklearn.decomposition import PCA

    from popnet.comparisons.classification import dense

    expression = dense(cells)
    centre, scale = expression.mean(0), expression.std(0)
    scale[scale == 0] = 1
    model = PCA(training.settings.latent, random_state=seed % 2**32)
    scores = model.fit_transform((expression - centre) / scale)
    new = model.transform((dense(heldout) - centre) / scale)
    return Embedding(scores, new, np.ascontiguousarray(model.components_.T))
