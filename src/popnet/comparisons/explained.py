"""What the interpretations of a siVAE's latent dimensions are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import nn

from popnet import sivae
from popnet.seeds import derive_seed

# Cells whose attributions are computed; the first principal component needs no more.
MOST_CELLS = 500


@dataclass(frozen=True)
class Explained:
    """A trained siVAE as the interpretations of its latent dimensions see it.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
        As it was given to the model.
    inputs : ndarray, (n_cells, n_genes)
        As the encoder sees it: centred and scaled.
    scores : ndarray, (n_cells, latent)
    loadings : ndarray, (n_genes, latent)
    decoder : nn.Sequential
        Linear and relu layers in turn: from z to the mean of the genes.
    encoder : nn.Sequential
        The same from genes to the mean of z.
    rows : ndarray of int
        Cells that attributions are computed of; all cells may be their neighbours.
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
    """Return what the interpretations need of a fit and the cells that it was trained on.

    Parameters
    ----------
    fit : Fit
        With a deep decoder and without covariates.
    expression : ndarray or sparse matrix, (n_cells, n_genes)
    seed : int
    most_cells : int
        Cells, drawn at random, that attributions are computed of.
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
    """Return copies of layers: plain ones, as attributions may not have relus write in place."""
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

    Its sign is arbitrary. Where all cells have the same attributions, as of a linear decoder,
    these.
    """
    # Of equal rows the mean would differ by rounding.
    if (values == values[0]).all():
        return values[0]
    centred = values - values.mean(0)
    centred = centred.astype(np.float64)
    if min(centred.shape) == 1:
        return np.linalg.svd(centred, full_matrices=False)[2][0]
    start = np.random.default_rng(0).normal(size=min(centred.shape))
    scores = svds(centred, k=1, v0=start)[0][:, 0]
    # From the scores, so that genes that nothing is attributed to are tied at exactly 0.
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
