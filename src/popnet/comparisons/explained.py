"""The input of the methods that interpret siVAE's latent dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import nn

from popnet import sivae
from popnet.seeds import derive_seed

# Number of cells whose attributions are computed, which is enough for the principal component.
MOST_CELLS = 500


@dataclass(frozen=True)
class Explained:
    """A trained siVAE, in the form that the interpretation methods need.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
        The training data.
    inputs : ndarray, (n_cells, n_genes)
        The input of the encoder: centred and scaled expression.
    scores : ndarray, (n_cells, latent)
    loadings : ndarray, (n_genes, latent)
    decoder : nn.Sequential
        Alternating linear and relu layers, from z to the mean of the genes.
    encoder : nn.Sequential
        The same, from genes to the mean of z.
    rows : ndarray of int
        Cells whose attributions are computed; their neighbours may be any cells.
    seed : int
    """

    expression: np.ndarray
    inputs: np.ndarray
    scores: np.ndarray
    loadings: np.ndarray
    decoder: nn.Sequential
    encoder: nn.Sequential
    rows: np.ndarray
    seed: int


def explained_by(
    fit: sivae.Fit, expression: Any, seed: int, most_cells: int = MOST_CELLS
) -> Explained:
    """Return the input of the interpretation methods for a fit and its training cells.

    Parameters
    ----------
    fit : Fit
        With a deep decoder and without covariates.
    expression : ndarray or sparse matrix, (n_cells, n_genes)
    seed : int
    most_cells : int
        Number of random cells whose attributions are computed.
    """
    dense = expression.toarray() if hasattr(expression, "toarray") else np.asarray(expression)
    dense = dense.astype(np.float32, copy=False)
    rng = np.random.default_rng(derive_seed(seed, "cells to explain"))
    with torch.no_grad():
        inputs = fit.transform(torch.tensor(dense)).numpy()
    return Explained(
        dense,
        inputs,
        fit.scores,
        fit.loadings,
        cell_decoder(fit),
        cell_encoder(fit),
        np.sort(rng.permutation(len(dense))[:most_cells]),
        seed,
    )


def cell_decoder(fit: sivae.Fit, genes: np.ndarray | slice = slice(None)) -> nn.Sequential:
    """Return the cell-wise decoder as layers, from z to the mean of `genes`, with v_L fixed."""
    decoder = fit.model.cells.decoder
    weights = fit.weights()[genes]
    last = nn.Linear(weights.shape[1], len(weights))
    last.weight = nn.Parameter(weights.detach().clone())
    last.bias = nn.Parameter(decoder.mean.bias[genes].detach().clone())
    return nn.Sequential(*_layers(decoder.hidden), last)


def cell_encoder(fit: sivae.Fit) -> nn.Sequential:
    """Return the cell-wise encoder as layers, from the genes to the mean of z."""
    encoder = fit.model.cells.encoder
    return nn.Sequential(*_layers(encoder.hidden), *_layers([encoder.mean]))


def _layers(layers: Any) -> list[nn.Module]:
    """Return copies of layers whose relus do not work in place, which attributions require."""
    copies: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            copies.append(nn.ReLU())
        else:
            copy = nn.Linear(layer.in_features, layer.out_features)
            copy.load_state_dict(layer.state_dict())
            copies.append(copy)
    return copies


def first_loadings(values: np.ndarray) -> np.ndarray:
    """Return the loadings of genes on the first principal component of (n_cells, n_genes).

    Its sign is arbitrary. If all cells have the same attributions, as for a linear decoder, these
    are returned.
    """
    # The mean of equal rows would differ from them by rounding.
    if (values == values[0]).all():
        return values[0]
    centred = values - values.mean(0)
    centred = centred.astype(np.float64)
    if min(centred.shape) == 1:
        return np.linalg.svd(centred, full_matrices=False)[2][0]
    start = np.random.default_rng(0).normal(size=min(centred.shape))
    scores = svds(centred, k=1, v0=start)[0][:, 0]
    # Computed from the scores, so that genes without attributions are tied at exactly 0.
    loadings = scores @ centred
    return loadings / np.linalg.norm(loadings)


def per_dimension(attributions: np.ndarray) -> np.ndarray:
    """Return one vector over genes for each dimension, (n_genes, latent).

    As in the paper (Methods, "Feature embeddings for feature attribution methods and Gene
    Relevance") it is the loadings of the first principal component over cells.

    Parameters
    ----------
    attributions : ndarray, (n_cells, n_genes, latent)
    """
    result = np.empty(attributions.shape[1:])
    for dimension in range(attributions.shape[2]):
        result[:, dimension] = first_loadings(attributions[:, :, dimension])
    return result
