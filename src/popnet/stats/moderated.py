"""Linear models of many variables whose residual variances borrow strength from each other."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import stdtr

from popnet.stats.designs import Design
from popnet.stats.ranks import MIN_PRESENT, patterns
from popnet.stats.variances import moderate, two_sided

# Columns that are adjusted at once.
COLUMNS_AT_ONCE = 2**13


def moderated_t(values: np.ndarray, design: Design) -> pd.DataFrame:
    """Test every column against the design's phenotype by the moderated t statistic.

    A linear model of the column, given the design's blocks and covariates. Its residual variance is
    an average of its own and of what the variances of all columns suggest, which is worth
    more the fewer the observations. Columns should be of one kind.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation of the design; NaN if missing.
    design : Design

    Returns
    -------
    DataFrame of m rows
        ``estimate`` (in units of the values: cases minus controls, or per standard deviation of
        the outcome that the design makes of a continuous phenotype, its ranks or normal scores),
        ``statistic`` (the partial correlation that belongs to t: t / sqrt(t^2 + d), d the residual
        degrees of freedom), ``t``, ``df`` (of t, with those of the prior), ``p`` (two-sided), ``n``
        (observations with a value). NaN where nothing varies given blocks and covariates, where
        more than half of the values are missing, or where the design cannot be tested.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3.
    """
    m = values.shape[1]
    slope, error, variance, own_df = np.full((4, m), np.nan)
    n = np.zeros(m, int)
    for start in range(0, m, COLUMNS_AT_ONCE):
        block = np.asarray(values[:, start : start + COLUMNS_AT_ONCE], dtype=float)
        present = np.isfinite(block)
        n[start : start + block.shape[1]] = present.sum(0)
        enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * len(block), 1))
        for rows, columns in patterns(present, enough):
            part = design if rows.all() else design.subset(rows)
            if not part.testable or not len(columns):
                continue
            found = _regress(block if rows.all() else block[rows], columns, part)
            at = start + columns
            slope[at], error[at], variance[at] = found
            own_df[at] = part.df
    own_df[np.isnan(variance)] = np.nan
    t, total_df = moderate(slope, error, variance, own_df)
    return pd.DataFrame(
        {
            "estimate": slope,
            "statistic": t / np.sqrt(t**2 + own_df),
            "t": t,
            "df": total_df,
            "p": 2 * stdtr(total_df, -np.abs(t)),
            "n": n,
        }
    )


def _regress(
    values: np.ndarray, columns: np.ndarray, design: Design
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return slope, its standard error at residual variance 1, and the residual variance.

    Slope and variance are NaN where nothing is left of a column.
    """
    left = design.residuals(values if len(columns) == values.shape[1] else values[:, columns])
    unit = 1.0 if design.binary or design.interaction else design.outcome.std()
    cause = design.residual / unit
    size = float(cause @ cause)
    slope = cause @ left / size
    constant = ~left.any(axis=0)
    left -= np.outer(cause, slope)
    variance = (left**2).sum(0) / design.df
    slope[constant] = variance[constant] = np.nan
    return slope, 1 / math.sqrt(size), variance


def permuted_t(
    values: np.ndarray, design: Design, phenotypes: np.ndarray, below: float
) -> tuple[np.ndarray, np.ndarray]:
    """Test every column by the moderated t against permuted phenotypes.

    As Freedman and Lane: what blocks and covariates leave of a column is tested against the
    phenotype and the covariates that other observations have, each time with a prior of its own.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    design : Design
    phenotypes : ndarray of int, shape (n_phenotypes, n)
        Of :meth:`Design.permuted`.
    below : float
        A larger p is not needed, and given as 1.

    Returns
    -------
    t, p : ndarray of shape (n_phenotypes, m)
        As in :func:`moderated_t`.
    """
    m = values.shape[1]
    slope, error, variance, own_df = np.full((4, len(phenotypes), m), np.nan)
    for start in range(0, m if len(phenotypes) else 0, COLUMNS_AT_ONCE):
        block = np.asarray(values[:, start : start + COLUMNS_AT_ONCE], dtype=float)
        present = np.isfinite(block)
        enough = np.flatnonzero(present.sum(0) >= max(MIN_PRESENT * len(block), 1))
        for rows, columns in patterns(present, enough):
            part = design if rows.all() else design.subset(rows)
            if not part.testable or not len(columns):
                continue
            places = phenotypes if rows.all() else _among(rows, phenotypes, design.blocks)
            at = start + columns
            found = _regress_permuted(block[np.ix_(rows, columns)], part, places)
            slope[:, at], error[:, at], variance[:, at] = found
            own_df[:, at] = part.df
    own_df[np.isnan(variance)] = np.nan
    t, p = np.full((2, *slope.shape), np.nan)
    for run in range(len(phenotypes)):
        t[run], total_df = moderate(slope[run], error[run], variance[run], own_df[run])
        p[run] = two_sided(t[run], total_df, below)
    return t, p


def _regress_permuted(
    values: np.ndarray, design: Design, places: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Return what :func:`_regress` does, of each of several permuted phenotypes."""
    left = design.residuals(values)
    unit = 1.0 if design.binary or design.interaction else design.outcome.std()
    cause = design.residual / unit
    size = float(cause @ cause)
    slope = cause[places] @ left / size
    total = (left**2).sum(0)
    unexplained = total - size * slope**2
    for column in design.nuisance.T:
        unexplained -= (column[places] @ left) ** 2
    variance = np.maximum(unexplained, 0) / design.df
    constant = ~left.any(axis=0)
    slope[:, constant] = variance[:, constant] = np.nan
    return slope, 1 / math.sqrt(size), variance


def _among(rows: np.ndarray, phenotypes: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Return arrangements of some of the observations: in every block, in the order of all."""
    order = np.argsort(blocks, kind="stable")
    number = np.cumsum(rows) - 1
    moved = phenotypes[:, order]
    places = np.empty((len(phenotypes), rows.sum()), np.intp)
    places[:, number[order[rows[order]]]] = number[moved[rows[moved]]].reshape(len(phenotypes), -1)
    return places
