"""What a siVAE's latent dimensions stand for: what interpretations are given, how they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse.linalg import svds
from scipy.stats import spearmanr
from torch import nn

from popnet import sivae
from popnet.seeds import derive_seed
from popnet.sivae.fitting import ACTIVE_VARIANCE

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


def active_dimensions(scores: np.ndarray) -> np.ndarray:
    """Return the numbers of the dimensions along which the scores vary (Burda et al. 2016)."""
    return np.flatnonzero(scores.var(0) > ACTIVE_VARIANCE)


def agreement(found: Mapping[str, np.ndarray], dimensions: np.ndarray) -> pd.DataFrame:
    """Return how far every two interpretations agree on each dimension.

    Parameters
    ----------
    found : mapping of str to ndarray, (n_genes, latent)
        By the name of the method.
    dimensions : ndarray of int
        Those that are compared, counted from 0.

    Returns
    -------
    DataFrame
        Columns method1, method2, dimension (counted from 1), rho (|Spearman's correlation| over
        genes, as the sign of a principal component is arbitrary) and rho_magnitude (Spearman's
        correlation of absolute values: what can be asked of methods without a sign, such as
        saliency). NaN where a method is constant.
    """
    names, rows = list(found), []
    for dimension in dimensions if names else ():
        values = np.stack([found[name][:, dimension] for name in names], 1)
        signed, magnitude = np.abs(_correlations(values)), _correlations(np.abs(values))
        for one, other in combinations(range(len(names)), 2):
            pair = (names[one], names[other], int(dimension) + 1)
            rows.append((*pair, signed[one, other], magnitude[one, other]))
    return pd.DataFrame(rows, columns=["method1", "method2", "dimension", "rho", "rho_magnitude"])


def _correlations(values: np.ndarray) -> np.ndarray:
    """Return Spearman's correlations between columns, NaN of those that are constant."""
    varied = np.flatnonzero(np.ptp(values, 0) > 0)
    result = np.full((values.shape[1],) * 2, np.nan)
    if len(varied) > 1:
        # Two columns would give a number instead of a matrix.
        doubled = spearmanr(np.column_stack([values[:, varied], values[:, varied[0]]])).statistic
        result[np.ix_(varied, varied)] = doubled[:-1, :-1]
    return result


def genes_table(found: Mapping[str, np.ndarray], genes: Sequence[str]) -> pd.DataFrame:
    """Return every interpretation of every gene: gene, dimension (from 1) and a column each.

    Parameters
    ----------
    found : mapping of str to ndarray, (n_genes, latent)
        By the name of the method.
    genes : sequence of str, (n_genes,)
    """
    latent = min((values.shape[1] for values in found.values()), default=0)
    table = pd.DataFrame({"gene": np.repeat(np.asarray(genes, dtype=object), latent)})
    table["dimension"] = np.tile(np.arange(1, latent + 1), len(genes))
    return table.assign(**{name: values.ravel() for name, values in found.items()})


def summarise_agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return median and range over dimensions of a table of `agreement`, a row for every pair.

    Columns method1, method2, n_dimensions, and of both correlations median, lowest and highest.
    """
    grouped = pairs.groupby(["method1", "method2"], sort=False)
    return grouped.agg(
        n_dimensions=("rho", "count"),
        rho=("rho", "median"),
        lowest=("rho", "min"),
        highest=("rho", "max"),
        rho_magnitude=("rho_magnitude", "median"),
        lowest_magnitude=("rho_magnitude", "min"),
        highest_magnitude=("rho_magnitude", "max"),
    ).reset_index()
