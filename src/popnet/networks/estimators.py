"""Estimators of networks: what each says of the genes of a bin.

An estimator gives every gene of a bin a vector, its embedding, from which
`popnet.networks.edges.pair_weights` makes the weights of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from popnet.cells.expression import BinnedExpression
from popnet.networks.centrality import MIN_VARIANCE, degree_centrality
from popnet.networks.edges import Definition, pair_weights
from popnet.networks.trained import TrainedModels

if TYPE_CHECKING:
    from popnet.sivae.result import Fit

# What networks are called in reports.
NAMES = {
    "shared": "one siVAE for the cohort",
    "sivae": "a siVAE per bin",
    "correlation": "plain correlation",
    "components": "shared principal components",
}
# Principal components of the estimator "components".
N_COMPONENTS = 32

Embed = Callable[[int], list[np.ndarray]]


@dataclass(frozen=True)
class BinCentrality:
    """How central each gene is by an estimator, of models and of bins.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        name, sample, bin, n_cells, batch, mean_depth.
    genes : Index of shape (n_genes,)
    bin_number : ndarray of shape (n_models,)
        The row of each model's bin.
    of_models : ndarray of shape (n_models, n_genes)
        On the scale of :func:`popnet.networks.centrality.degree_centrality`; NaN for genes that a
        bin's cells do not vary in.
    values : ndarray of shape (n_bins, n_genes)
        Means over the models of each bin.
    varies : ndarray of bool, of shape (n_models, n_genes)
        Genes that can have edges: those that the bin's cells vary in.
    """

    bins: pd.DataFrame
    genes: pd.Index
    bin_number: np.ndarray
    of_models: np.ndarray
    values: np.ndarray
    varies: np.ndarray


@dataclass(frozen=True)
class Estimator:
    """What an estimator says of the bins of a cell type.

    Parameters
    ----------
    centrality : BinCentrality
    definition : {"model", "inner", "cosine", "distance"}
        How weights follow from embeddings.
    embed : callable
        Takes a row of the bins and returns the embedding of all genes by each model of the bin:
        arrays of shape (n_genes, n_dimensions).
    """

    centrality: BinCentrality
    definition: Definition
    embed: Embed


def bin_models(
    models: TrainedModels, summary: AnnData, min_detection: float | None, definition: Definition
) -> Estimator:
    """Return a siVAE per bin as an estimator.

    Parameters
    ----------
    models : TrainedModels
    summary : AnnData of shape (n_planned_bins, n_genes)
        Of :func:`popnet.cells.expression.write_expression`.
    min_detection : float or None
        With a number, centrality is relative to variance, and genes that fewer cells of a bin
        express have none there: too few cells tell nothing about a gene's edges, and a gene that
        one cell alone expresses is reconstructed best. With None it is the negative error.
    definition : {"model", "inner", "cosine", "distance"}
    """
    bins = _described(models.bins, summary)
    number = models.bin_number
    errors, variances = (models.read_all(f"var/{x}") for x in ("reconstruction_error", "variance"))
    if min_detection is None:
        of_models = degree_centrality(errors)
    else:
        detected = summary[bins["name"]].layers["detection_rate"] >= min_detection
        variances = np.where(detected[number], variances, 0)
        of_models = degree_centrality(errors, variances)
    values = pd.DataFrame(of_models).groupby(number, sort=False).mean().to_numpy()
    found = BinCentrality(
        bins, summary.var_names, number, of_models, values, variances > MIN_VARIANCE
    )
    # The model's covariance over the bin's own deviations: its part of a correlation.
    deviations = np.sqrt(np.where(variances > MIN_VARIANCE, variances, np.inf))[:, :, None]

    def embed(row: int) -> list[np.ndarray]:
        own = np.flatnonzero(number == row)
        if definition != "model":
            return [models.files[model].read("varm/sivae_loadings") for model in own]
        factors = (models.files[model].read("varm/covariance_factor") for model in own)
        return [factor / deviations[model] for model, factor in zip(own, factors, strict=True)]

    return Estimator(found, definition, embed)


def shared_model(
    fits: Sequence[Fit],
    fold: np.ndarray,
    expression: BinnedExpression,
    summary: AnnData,
    min_detection: float,
) -> Estimator:
    """Return one siVAE for the cohort as an estimator: shared loadings, each bin's own scores.

    Weights are means over the models, which differ by seed and cells: the noise of a single
    training is much of a small bin's network (benchmarks/networks.py). Centrality is cross-fitted:
    a cell's error is that of a model which did not see it.

    Parameters
    ----------
    fits : sequence of three Fit
        Of all cells, without the cells of fold 1, and without those of fold 2.
    fold : ndarray of int, of shape (n_cells,)
        1 or 2 for every cell of the expression.
    expression : BinnedExpression
    summary, min_detection
        As in :func:`bin_models`.
    """
    # Here, since most networks are read without a model: torch is an extra.
    from popnet.sivae.covariance import covariance_factor

    _, *unseen = fits

    def relative(rows: slice, cells: np.ndarray) -> np.ndarray:
        cells = standardised(cells)
        errors = np.empty_like(cells)
        for number, model in enumerate(unseen, start=1):
            own = fold[rows] == number
            if own.any():
                errors[own] = (model.reconstruct(_named(cells[own], model)) - cells[own]) ** 2
        return degree_centrality(errors.mean(axis=0), cells.var(axis=0))

    def embed(cells: np.ndarray) -> np.ndarray:
        return mean_factor([covariance_factor(fit, standardised(cells)) for fit in fits])

    return _of_cells(relative, embed, expression, summary, min_detection)


def mean_factor(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Return F whose F F' is the mean of those of several factors, each (n_genes, rank)."""
    together: np.ndarray = np.concatenate(factors, axis=1) / np.sqrt(np.float32(len(factors)))
    return together


def cohort_directions(fit: Fit) -> np.ndarray:
    """Return the directions of the estimator "components", (n_genes, n_directions), orthonormal.

    Those that the cohort's model has as input are of cells centred over their genes, and lack the
    direction in which all genes rise together, which comes first here.

    Parameters
    ----------
    fit : Fit
        Of a shared model.
    """
    components = fit.components
    assert components is not None, "a shared model always has components as input"
    uniform = np.full((len(components), 1), 1 / np.sqrt(len(components)))
    directions: np.ndarray = np.linalg.qr(np.column_stack([uniform, components]))[0]
    return directions


def shared_components(
    directions: np.ndarray, expression: BinnedExpression, summary: AnnData, min_detection: float
) -> Estimator:
    """Return the shared principal components as an estimator, the yardstick of a shared siVAE.

    Centrality is minus the share of a gene's variance that the components leave.

    Parameters
    ----------
    directions : ndarray of shape (n_genes, n_components)
        Orthonormal; the first `N_COMPONENTS` are used.
    expression, summary, min_detection
        As in :func:`shared_model`.
    """
    from popnet.sivae.covariance import low_rank

    directions = directions[:, :N_COMPONENTS].astype(np.float64)

    def relative(rows: slice, cells: np.ndarray) -> np.ndarray:
        cells = standardised(cells)
        left = cells - (cells @ directions) @ directions.T
        return degree_centrality((left**2).mean(axis=0), cells.var(axis=0))

    def embed(cells: np.ndarray) -> np.ndarray:
        scores = standardised(cells).astype(np.float64) @ directions
        return low_rank(directions, np.cov(scores, rowvar=False, bias=True))

    return _of_cells(relative, embed, expression, summary, min_detection)


def correlation(expression: BinnedExpression, summary: AnnData, min_detection: float) -> Estimator:
    """Return the plain correlation as an estimator.

    Centrality is the mean absolute correlation of a gene with the others.

    Parameters
    ----------
    expression, summary, min_detection
        As in :func:`shared_model`.
    """

    def relative(rows: slice, cells: np.ndarray) -> np.ndarray:
        weights = pair_weights(correlation_factor(cells), "model", 1)
        values: np.ndarray = np.abs(weights).sum(axis=1) / max(len(weights) - 1, 1)
        return values

    return _of_cells(relative, correlation_factor, expression, summary, min_detection)


def standardised(cells: np.ndarray) -> np.ndarray:
    """Return cells with mean 0 and variance 1 of every gene, (n_cells, n_genes); 0 if constant.

    Expression is standardised within a sample. Within the bin once more, networks of a bin are told
    from those of other samples far better (benchmarks/networks.py reliability).
    """
    centred = cells - cells.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    scaled: np.ndarray = centred / np.where(deviation**2 > MIN_VARIANCE, deviation, np.inf)
    return scaled


def correlation_factor(cells: np.ndarray) -> np.ndarray:
    """Return F whose F F' is the correlation of the genes, (n_genes, n_cells)."""
    factor: np.ndarray = standardised(cells).T / np.sqrt(len(cells))
    return factor


def _of_cells(
    relative: Callable[[slice, np.ndarray], np.ndarray],
    embed: Callable[[np.ndarray], np.ndarray],
    expression: BinnedExpression,
    summary: AnnData,
    min_detection: float,
) -> Estimator:
    """Return an estimator without models of its own bins; every planned bin has a network."""
    bins = _described(summary.obs[["sample", "bin"]].astype({"sample": str}), summary)
    detected = summary[bins["name"]].layers["detection_rate"] >= min_detection
    values = np.empty(detected.shape)
    varies = np.empty(detected.shape, bool)
    for row, (sample, number) in enumerate(zip(bins["sample"], bins["bin"], strict=True)):
        cells = expression.read(sample, number)
        varies[row] = detected[row] & (cells.var(axis=0) > MIN_VARIANCE)
        values[row] = relative(expression.rows(sample, number), cells)
    values[~varies] = np.nan
    found = BinCentrality(
        bins, summary.var_names, np.arange(len(bins)), values, values.copy(), varies
    )
    keys = list(zip(bins["sample"], bins["bin"], strict=True))
    return Estimator(found, "model", lambda row: [embed(expression.read(*keys[row]))])


def _described(bins: pd.DataFrame, summary: AnnData) -> pd.DataFrame:
    """Return bins with name, n_cells, batch and mean_depth."""
    return bins.merge(
        summary.obs.reset_index(names="name").astype({"sample": str}),
        on=["sample", "bin"],
        how="left",
        validate="one_to_one",
    )


def _named(cells: np.ndarray, fit: Fit) -> AnnData:
    """Return cells as the model knows its genes."""
    return AnnData(cells, var=pd.DataFrame(index=fit.var.index))
