"""Does the expression of the same genes explain a hit of the network?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet.associations.expression_switch import UNKNOWN, explanation
from popnet.stats.designs import Design
from popnet.stats.mixed import conditional_p, mixed_t
from popnet.stats.power import ALPHA

MEAN_EXPRESSION = "mean expression"


@dataclass(frozen=True)
class Expression:
    """Mean expression of genes in the observations of a mixed model.

    Parameters
    ----------
    values : ndarray of shape (n, n_genes)
        NaN where it is not known.
    genes : Index of shape (n_genes,)
    p : ndarray of shape (n_genes,)
        Of expression against the phenotype, by the model.
    """

    values: np.ndarray
    genes: pd.Index
    p: np.ndarray


def expression_of(by_bin: np.ndarray, genes: pd.Index, design: Design) -> Expression | None:
    """Return the expression of genes; None where the design has no mixed model.

    Parameters
    ----------
    by_bin : ndarray of shape (n_bins, n_genes)
        Mean expression in the cells of a bin.
    genes : Index of shape (n_genes,)
    design : Design
        Over the bins.
    """
    if design.mixed is None:
        return None
    values = design.of_model.average(by_bin)
    return Expression(values, genes, mixed_t(values, design.mixed.model)["p"].to_numpy())


def explained(
    hits: np.ndarray,
    values: np.ndarray,
    of_genes: Sequence[pd.Index],
    switched: np.ndarray,
    expression: Expression | None,
    design: Design,
    ratios: dict[str, float],
) -> pd.DataFrame:
    """Say of hits what explains them: a gene that is hardly expressed, or mean expression.

    Parameters
    ----------
    hits : bool ndarray of shape (m,)
    values : ndarray of shape (n, m)
        By observation of the model.
    of_genes : sequence of Index of shape (m,)
        The gene of every column, or the first and the second one.
    switched : ndarray of str, of shape (m,)
        Of :func:`popnet.associations.expression_switch.switched`.
    expression : Expression, optional
    design : Design
    ratios : dict
        Variance ratios of the values.

    Returns
    -------
    DataFrame of m rows
        given_expression_p: of hits, the association given the mean expression of their genes, by
        the t distribution. explained_by: "" of what is no hit; what
        :func:`popnet.associations.expression_switch.explanation` says of a gene that is hardly
        expressed; ``mean expression`` where p given it is above 0.05 and the expression of a gene
        is itself associated (p <= 0.05); ``expression unknown``; otherwise ``none``.
    """
    given_p = np.full(len(hits), np.nan)
    moved, known = np.zeros((2, len(hits)), bool)
    at = np.flatnonzero(hits)
    if expression is not None and design.mixed is not None and len(at):
        places = [expression.genes.get_indexer(genes[at]) for genes in of_genes]
        table = np.column_stack([expression.values, np.full(len(expression.values), np.nan)])
        controls = [table[:, place] for place in places]
        known[at] = np.all([np.isfinite(one).any(0) for one in controls], axis=0)
        given_p[at] = conditional_p(values[:, at], controls, design.mixed.model, ratios)
        p = np.append(expression.p, np.nan)
        moved[at] = np.any([p[place] <= ALPHA for place in places], axis=0)
    off = explanation(switched)
    by = np.select(
        [~hits, off != "", moved & known & ~(given_p <= ALPHA), ~known],
        ["", off, MEAN_EXPRESSION, UNKNOWN],
        default="none",
    ).astype(object)
    return pd.DataFrame({"given_expression_p": given_p, "explained_by": by})
