"""Estimators of networks: the weights of the pairs of genes of a bin, and how central genes are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from popnet.cells.expression import BinnedExpression
from popnet.errors import InputError, Problem
from popnet.networks.centrality import MIN_VARIANCE, degree_centrality
from popnet.networks.correlation import rank_correlation
from popnet.networks.cs_core import NoVariation, latent_correlation
from popnet.networks.edges import Definition, pair_weights
from popnet.networks.information import (
    context_likelihood,
    mutual_information,
    prune_triangles,
    relevance_less_redundancy,
)
from popnet.networks.trained import TrainedModels

if TYPE_CHECKING:
    from anndata import AnnData

    from popnet.sivae.result import Fit

# Principal components of the estimator "components".
N_COMPONENTS = 32

# How the weights of a method follow from the mutual information of the same genes.
OF_INFORMATION = {
    "clr": context_likelihood,
    "mrnet": relevance_less_redundancy,
    "aracne": prune_triangles,
}

# Bins whose loadings stay in memory: more than most samples have.
BINS_KEPT = 32

# Sample and number of a bin.
Key = tuple[str, int]


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
    weigh : callable
        Takes a row of the bins and numbers of genes, and returns the weights of all pairs of these
        genes by each model of the bin: float32 arrays of shape (n_chosen, n_chosen), symmetric,
        zeros on the diagonal.
    absolute : bool
        Weights say how strongly two genes are related, not whether they rise together.
    loadings : callable, optional
        Where edges go by distance: takes a row of the bins and returns the loadings of all genes
        by each model, (n_genes, n_dimensions). The weights are then those of edges alone, and 0
        for all other pairs.
    """

    centrality: BinCentrality
    weigh: Callable[[int, np.ndarray], list[np.ndarray]]
    absolute: bool = False
    loadings: Callable[[int], list[np.ndarray]] | None = None

    @property
    def signed(self) -> bool:
        """Whether weights can be negative."""
        return not self.absolute and self.loadings is None


def bin_models(
    models: TrainedModels,
    summary: AnnData,
    min_detection: float | None,
    definition: Definition,
    closest: float,
    cross_fitted: bool = False,
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
    closest : float
        Share of gene pairs that are edges, for "distance".
    cross_fitted : bool
        Take the errors in cells that a model did not see, which small bins have.
    """
    bins = _described(models.bins, summary)
    number = models.bin_number
    of_error = "cross_fitted_error" if cross_fitted else "reconstruction_error"
    errors, variances = (models.read_all(f"var/{x}") for x in (of_error, "variance"))
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
    varies = found.varies
    # The model's covariance over the bin's own deviations: its part of a correlation.
    deviations = np.sqrt(np.where(varies, variances, np.inf))[:, :, None]

    # The bins of a sample are asked for twice: for their weights, and for nearest neighbours.
    @lru_cache(maxsize=BINS_KEPT)
    def loadings(row: int) -> list[np.ndarray]:
        own = np.flatnonzero(number == row)
        return [models.files[model].read("varm/sivae_loadings") for model in own]

    def factors(row: int) -> list[np.ndarray]:
        own = np.flatnonzero(number == row)
        read = (models.files[model].read("varm/covariance_factor") for model in own)
        return [factor / deviations[model] for model, factor in zip(own, read, strict=True)]

    def weigh(row: int, genes: np.ndarray) -> list[np.ndarray]:
        embeddings = factors(row) if definition == "model" else loadings(row)
        return [pair_weights(one[genes], definition, closest) for one in embeddings]

    def weigh_closest(row: int, genes: np.ndarray) -> list[np.ndarray]:
        # The closest pairs are those of the genes that vary.
        weights = []
        for model, embedding in zip(np.flatnonzero(number == row), loadings(row), strict=True):
            own = np.flatnonzero(varies[model, genes])
            of_model = np.zeros((len(genes),) * 2, np.float32)
            of_model[np.ix_(own, own)] = pair_weights(embedding[genes[own]], "distance", closest)
            weights.append(of_model)
        return weights

    if definition == "distance":
        return Estimator(found, weigh_closest, loadings=loadings)
    return Estimator(found, weigh)


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

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        cells = standardised(cells)
        errors = np.empty_like(cells)
        for number, model in enumerate(unseen, start=1):
            own = fold[expression.rows(*key)] == number
            if own.any():
                errors[own] = (model.reconstruct(_named(cells[own], model)) - cells[own]) ** 2
        return degree_centrality(errors.mean(axis=0), cells.var(axis=0))

    def embed(cells: np.ndarray) -> np.ndarray:
        return mean_factor([covariance_factor(fit, standardised(cells)) for fit in fits])

    weigh = _of_factors(embed, expression)
    return _of_cells(relative, weigh, expression, summary, min_detection)


def single_shared_model(
    fit: Fit, expression: BinnedExpression, summary: AnnData, min_detection: float
) -> Estimator:
    """Return one of the cohort's models as an estimator, to see how far trainings agree.

    Centrality is of all cells, also of those that the model saw.

    Parameters
    ----------
    fit : Fit
    expression, summary, min_detection
        As in :func:`shared_model`.
    """
    from popnet.sivae.covariance import covariance_factor

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        cells = standardised(cells)
        errors = (fit.reconstruct(_named(cells, fit)) - cells) ** 2
        return degree_centrality(errors.mean(axis=0), cells.var(axis=0))

    def embed(cells: np.ndarray) -> np.ndarray:
        return covariance_factor(fit, standardised(cells))

    weigh = _of_factors(embed, expression)
    return _of_cells(relative, weigh, expression, summary, min_detection)


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

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        cells = standardised(cells)
        left = cells - (cells @ directions) @ directions.T
        return degree_centrality((left**2).mean(axis=0), cells.var(axis=0))

    def embed(cells: np.ndarray) -> np.ndarray:
        scores = standardised(cells).astype(np.float64) @ directions
        return low_rank(directions, np.cov(scores, rowvar=False, bias=True))

    weigh = _of_factors(embed, expression)
    return _of_cells(relative, weigh, expression, summary, min_detection)


def correlation(expression: BinnedExpression, summary: AnnData, min_detection: float) -> Estimator:
    """Return the plain correlation as an estimator.

    Centrality is the mean absolute correlation of a gene with the others.

    Parameters
    ----------
    expression, summary, min_detection
        As in :func:`shared_model`.
    """

    def correlated(cells: np.ndarray) -> np.ndarray:
        return pair_weights(correlation_factor(cells), "model", 1)

    return _of_pairs(correlated, expression, summary, min_detection)


def spearman(expression: BinnedExpression, summary: AnnData, min_detection: float) -> Estimator:
    """Return Spearman's correlation, by the ranks of the bin's cells; as :func:`correlation`."""

    def correlated(cells: np.ndarray) -> np.ndarray:
        return rank_correlation(standardised(cells))

    return _of_pairs(correlated, expression, summary, min_detection)


def cs_core(expression: BinnedExpression, summary: AnnData, min_detection: float) -> Estimator:
    """Return CS-CORE as an estimator: the correlation of latent expression (Su et al. 2023).

    It reads the counts of the cells and their depth, so that nothing is regressed out. Centrality
    is the mean absolute correlation of a gene with the others. Bins in which no gene varies more
    than Poisson counts do have no network.

    Parameters
    ----------
    expression : BinnedExpression
        With counts.
    summary, min_detection
        As in :func:`shared_model`.

    Raises
    ------
    InputError
        If no bin has a network.
    """

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        return mean_strength(latent_correlation(*expression.read_counts(*key)))

    def weigh(key: Key, genes: np.ndarray) -> np.ndarray:
        return latent_correlation(*expression.read_counts(*key), genes)

    return _of_cells(relative, weigh, expression, summary, min_detection)


# What is estimated from the cells of a bin alone, by the name of the network.
PLAIN = {"correlation": correlation, "spearman": spearman, "cs-core": cs_core}


def of_information(
    method: Literal["clr", "mrnet", "aracne"],
    expression: BinnedExpression,
    summary: AnnData,
    min_detection: float,
) -> Estimator:
    """Return a method that starts from mutual information as an estimator.

    Mutual information is that of the ranks of the bin's cells. Centrality is a gene's mean mutual
    information with all others. The method itself sees the genes of the graph alone: for all genes
    MRNET and ARACNE take long.

    Parameters
    ----------
    method : {"clr", "mrnet", "aracne"}
    expression, summary, min_detection
        As in :func:`shared_model`.

    References
    ----------
    Faith et al., PLoS Biology 5 (2007), CLR; Meyer et al., EURASIP Journal on Bioinformatics and
    Systems Biology (2007), MRNET; Margolin et al., BMC Bioinformatics 7 (2006), ARACNE.
    """

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        return mean_strength(mutual_information(standardised(cells)))

    def weigh(key: Key, genes: np.ndarray) -> np.ndarray:
        information = mutual_information(standardised(expression.read(*key)[:, genes]))
        return OF_INFORMATION[method](information)

    return _of_cells(relative, weigh, expression, summary, min_detection, absolute=True)


def mean_strength(weights: np.ndarray) -> np.ndarray:
    """Return the mean absolute weight of each gene with the others, (n_genes,)."""
    strength = np.abs(weights).sum(axis=1) - np.abs(weights.diagonal())
    mean: np.ndarray = strength / max(len(weights) - 1, 1)
    return mean


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


def _of_pairs(
    correlated: Callable[[np.ndarray], np.ndarray],
    expression: BinnedExpression,
    summary: AnnData,
    min_detection: float,
) -> Estimator:
    """Return an estimator whose weight of a pair does not depend on other genes."""

    def relative(key: Key, cells: np.ndarray) -> np.ndarray:
        return mean_strength(correlated(cells))

    def weigh(key: Key, genes: np.ndarray) -> np.ndarray:
        return correlated(expression.read(*key)[:, genes])

    return _of_cells(relative, weigh, expression, summary, min_detection)


def _of_factors(
    embed: Callable[[np.ndarray], np.ndarray], expression: BinnedExpression
) -> Callable[[Key, np.ndarray], np.ndarray]:
    """Return a function that weighs pairs by F F', where `embed` makes F of a bin's cells."""

    def weigh(key: Key, genes: np.ndarray) -> np.ndarray:
        return pair_weights(embed(expression.read(*key))[genes], "model", 1)

    return weigh


def _of_cells(
    relative: Callable[[Key, np.ndarray], np.ndarray],
    weigh: Callable[[Key, np.ndarray], np.ndarray],
    expression: BinnedExpression,
    summary: AnnData,
    min_detection: float,
    absolute: bool = False,
) -> Estimator:
    """Return an estimator without models of its own bins; a bin in which it fails is left out."""
    bins = _described(summary.obs[["sample", "bin"]].astype({"sample": str}), summary)
    detected = summary[bins["name"]].layers["detection_rate"] >= min_detection
    values = np.empty(detected.shape)
    varies = np.empty(detected.shape, bool)
    done = np.ones(len(bins), bool)
    keys: list[Key] = list(zip(bins["sample"], bins["bin"], strict=True))
    for row, key in enumerate(keys):
        cells = expression.read(*key)
        varies[row] = detected[row] & (cells.var(axis=0) > MIN_VARIANCE)
        try:
            values[row] = relative(key, cells)
        except NoVariation as error:
            print(f"left out: {key[0]} bin {key[1]} ({error})")
            done[row] = False
    if not done.any():
        message = "a network of networks.estimators can be estimated in no bin; see the log"
        remedy = "leave it out of networks.estimators"
        raise InputError([Problem("config", "networks.estimators", None, message, remedy)])
    bins, values, varies = bins[done].reset_index(drop=True), values[done], varies[done]
    values[~varies] = np.nan
    found = BinCentrality(
        bins, summary.var_names, np.arange(len(bins)), values, values.copy(), varies
    )
    keys = list(zip(bins["sample"], bins["bin"], strict=True))

    def of_bin(row: int, genes: np.ndarray) -> list[np.ndarray]:
        weights = weigh(keys[row], genes).astype(np.float32)
        np.fill_diagonal(weights, 0)
        return [weights]

    return Estimator(found, of_bin, absolute)


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
    from anndata import AnnData

    return AnnData(cells, var=pd.DataFrame(index=fit.var.index))
