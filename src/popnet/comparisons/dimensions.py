"""Interpretation of siVAE's latent dimensions by every method, and the methods' agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from popnet import sivae
from popnet.comparisons.explained import explained_by
from popnet.comparisons.interpretations.gene_relevance import relevance
from popnet.comparisons.methods import attempt, load_method
from popnet.comparisons.outcomes import Outcomes, not_tried
from popnet.comparisons.registry import INTERPRETATIONS
from popnet.sivae.fitting import ACTIVE_VARIANCE

if TYPE_CHECKING:
    from anndata import AnnData


def explain_dimensions(
    cells: AnnData,
    fit: sivae.Fit | None,
    trained: str,
    latent: int,
    methods: Sequence[str],
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Interpret the latent dimensions of a siVAE by every method.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        The training data.
    fit : Fit, optional
        None if training failed.
    trained : str
        The outcome of training, which is the status of all methods if `fit` is None.
    latent : int
        Number of dimensions.
    methods : sequence of str
        Keys of `INTERPRETATIONS`.
    seed : int

    Returns
    -------
    dict of DataFrame
        `pairs`: of :func:`agreement`; `summary`: of :func:`summarise_agreement`; `genes`: of
        :func:`genes_table`; `relevance`: gene and relevance, sorted, if the method
        "gene-relevance" is requested (each of these with latent); `methods`: outcomes.
    """
    found, norms, outcomes = {}, None, Outcomes()
    for name in methods:
        tried = (
            attempt(_interpret, name, fit, cells.X, seed) if fit is not None else not_tried(trained)
        )
        outcomes.add(f"interpretations, {latent} dimensions", name, tried)
        if tried.value is not None:
            found[name] = tried.value
            if name == "gene-relevance":
                norms = attempt(_relevance, fit, cells.X, seed).value
    pairs = agreement(found, active_dimensions(fit.scores) if fit else ())
    by_norm = pd.DataFrame({"gene": cells.var_names, "relevance": norms}).dropna()
    tables = {
        "pairs": pairs,
        "summary": summarise_agreement(pairs),
        "genes": genes_table(found, cells.var_names),
        "relevance": by_norm.sort_values("relevance", ascending=False),
    }
    for table in tables.values():
        table.insert(0, "latent", latent)
    return tables | {"methods": outcomes.table()}


def _interpret(method: str, fit: sivae.Fit, expression: Any, seed: int) -> np.ndarray:
    return load_method(INTERPRETATIONS, method)(explained_by(fit, expression, seed))


def _relevance(fit: sivae.Fit, expression: Any, seed: int) -> np.ndarray:
    return relevance(explained_by(fit, expression, seed))


def active_dimensions(scores: np.ndarray) -> np.ndarray:
    """Return the numbers of the dimensions along which the scores vary (Burda et al. 2016)."""
    return np.flatnonzero(scores.var(0) > ACTIVE_VARIANCE)


def agreement(
    found: Mapping[str, np.ndarray], dimensions: Sequence[int] | np.ndarray
) -> pd.DataFrame:
    """Return the agreement of each pair of interpretations, for each dimension.

    Parameters
    ----------
    found : mapping of str to ndarray, (n_genes, latent)
        By the name of the method.
    dimensions : ndarray of int
        The compared dimensions, counted from 0.

    Returns
    -------
    DataFrame
        Columns method1, method2, dimension (counted from 1), rho (|Spearman's correlation| over
        genes, as the sign of a principal component is arbitrary) and rho_magnitude (Spearman's
        correlation of absolute values, for methods without a sign, such as saliency). NaN if a
        method is constant.
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
    """Return Spearman's correlations between columns; NaN for constant columns."""
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
