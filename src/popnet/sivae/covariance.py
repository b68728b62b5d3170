"""The part of the genes' covariance that a model explains in some cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from popnet.sivae.result import Fit

# Share of the explained variance that the factor keeps; what is left out are rounding errors and
# dimensions that no gene shares.
KEPT = 0.999
# Cells whose last layer is held at once.
CELLS_AT_ONCE = 2**14


def covariance_factor(fit: Fit, cells: np.ndarray) -> np.ndarray:
    """Return a factor of the covariance of the decoder's means over cells.

    The mean of X is z_L v_L' plus a bias (equation 8), so that its covariance over cells is
    W = v_L Cov(z_L) v_L', of which no matrix of cells x genes is needed. On the scale of
    standardised genes it is the part of two genes' correlation that the model explains.

    Parameters
    ----------
    fit : Fit
        With a Gaussian likelihood.
    cells : ndarray of shape (n_cells, n_genes)
        Cells of training or others; genes are those of the model, in its order.

    Returns
    -------
    float32 ndarray of shape (n_genes, rank)
        F with W = F F', without the directions that make up a thousandth of the trace.
    """
    last = 1 + len(fit.settings.hidden) * fit.model.deep
    named = AnnData(cells, var=pd.DataFrame(index=fit.var.index))
    scores = fit.embed(named, layer=last).astype(np.float64)
    weights = fit.weights().numpy().astype(np.float64)
    return low_rank(weights, np.cov(scores, rowvar=False, bias=True))


def training_factor(fit: Fit) -> np.ndarray:
    """Return the same factor over the cells that a model was given, from their scores.

    Parameters
    ----------
    fit : Fit
        Without covariates.

    Returns
    -------
    float32 ndarray of shape (n_genes, rank)
    """
    weights = fit.weights().numpy().astype(np.float64)
    total, square = np.zeros(weights.shape[1]), np.zeros((weights.shape[1],) * 2)
    with torch.no_grad():
        for scores in torch.split(torch.from_numpy(fit.scores), CELLS_AT_ONCE):
            layers = fit.model.cell_layers(scores, scores.new_empty(len(scores), 0))
            last = layers[-1].numpy().astype(np.float64)
            total += last.sum(axis=0)
            square += last.T @ last
    mean = total / len(fit.scores)
    return low_rank(weights, square / len(fit.scores) - np.outer(mean, mean))


def principal_projection(fit: Fit, n_directions: int) -> np.ndarray:
    """Return what takes the last layer of cells to principal directions of what a model explains.

    These are the directions in the space of genes in which the decoder's means of the cells that
    the model was given vary most.

    Parameters
    ----------
    fit : Fit
        Without covariates.
    n_directions : int
        At most the rank of :func:`training_factor`.

    Returns
    -------
    ndarray of shape (width of the last layer, n_directions)
    """
    factor = training_factor(fit)[:, :n_directions].astype(np.float64)
    directions = factor / np.maximum(np.sqrt((factor**2).sum(axis=0)), 1e-300)
    found: np.ndarray = fit.weights().numpy().astype(np.float64).T @ directions
    return found


def projected(fit: Fit, projection: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the scores of cells on the directions of :func:`principal_projection`.

    Parameters
    ----------
    fit : Fit
    projection : ndarray of shape (width of the last layer, n_directions)
    cells : ndarray of shape (n_cells, n_genes)
        Genes are those of the model, in its order.

    Returns
    -------
    ndarray of shape (n_cells, n_directions)
    """
    last = 1 + len(fit.settings.hidden) * fit.model.deep
    named = AnnData(cells, var=pd.DataFrame(index=fit.var.index))
    found: np.ndarray = fit.embed(named, layer=last).astype(np.float64) @ projection
    return found


def low_rank(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return F with F F' nearly weights @ covariance @ weights', of as few columns as that takes.

    Parameters
    ----------
    weights : ndarray of shape (n_genes, width)
    covariance : ndarray of shape (width, width)
        Positive semidefinite.

    Returns
    -------
    float32 ndarray of shape (n_genes, rank)
    """
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    used = values > 1e-9 * max(values.max(), 0)
    factor = weights @ (vectors[:, used] * np.sqrt(values[used]))
    values, vectors = np.linalg.eigh(factor.T @ factor)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    total = values.sum()
    if not total:
        return np.zeros((len(weights), 1), np.float32)
    rank = int(np.searchsorted(np.cumsum(values), KEPT * total)) + 1
    return (factor @ vectors[:, :rank]).astype(np.float32)
