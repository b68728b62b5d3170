"""Density and coupling of the modules of a network against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.composition import Composition
from popnet.associations.families import by_kind
from popnet.associations.given_expression import expression_of
from popnet.associations.testing import Testing
from popnet.networks.modules import KINDS
from popnet.stats.designs import Design

# Density and eigengene connectivity say nearly the same, so that one of them is counted.
COUNTED = ("density", "coupling")


def robust(
    values: np.ndarray,
    columns: pd.DataFrame,
    mean_expression: np.ndarray,
    design: Design,
    testing: Testing,
    composition: Composition | None = None,
) -> pd.DataFrame:
    """Test density and eigengene connectivity of every module, and the coupling of every two.

    They are three families of tests (:func:`popnet.associations.families.by_kind`); hits of
    density and coupling are counted.

    Parameters
    ----------
    values : ndarray of shape (n_bins, m)
        Of :func:`popnet.networks.modules.of_bins`.
    columns : DataFrame of m rows
        kind, module1, module2, name1, name2.
    mean_expression : ndarray of shape (n_bins, n_modules)
        Of the modules, of which the first columns are the densities.
    design : Design
        Over the bins.
    testing : Testing
    composition : Composition, optional
        What may explain a hit, beside the modules' mean expression.

    Returns
    -------
    DataFrame, densities first, sorted by p
        kind module1 module2 name1 name2 estimate (cases minus controls, or per standard deviation
        of the phenotype's normal scores) low high (its 95 % confidence interval) statistic (partial
        correlation) t p q p_adjusted p_permutation n icc (ICC(1,k) over bins), of hits
        given_expression_p (given the modules' mean expression) given_composition_p explained_by,
        and mean mean_case mean_control.
    """
    densities = columns.loc[columns["kind"] == "density", "module1"]
    expression = expression_of(mean_expression, pd.Index(densities), design)
    return by_kind(
        "modules",
        "module",
        values,
        columns,
        KINDS,
        design,
        testing,
        counted=COUNTED,
        explain=True,
        expression=expression,
        composition=composition,
    )


def module_expression(
    mean_expression: np.ndarray, genes: pd.Index, module: pd.Series, numbers: np.ndarray
) -> np.ndarray:
    """Return the mean expression of modules in every bin, (n_bins, n_modules).

    Every gene has a standard deviation of 1 over bins, so that the few that are expressed most do
    not speak for all.

    Parameters
    ----------
    mean_expression : ndarray of shape (n_bins, n_genes)
        In the cells of a bin.
    genes : Index of shape (n_genes,)
    module : Series
        The module of each gene, by its name.
    numbers : ndarray of int, of shape (n_modules,)
    """
    deviation = mean_expression.std(axis=0)
    scaled = (mean_expression - mean_expression.mean(axis=0)) / np.where(
        deviation > 0, deviation, 1
    )
    of_gene = module.reindex(genes).to_numpy()
    members = of_gene[:, None] == numbers
    means: np.ndarray = scaled @ members / members.sum(axis=0)
    return means
