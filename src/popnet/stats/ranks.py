"""Ranks, and correlations and tests of ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import gammaln, ndtr, ndtri, stdtr

# Smallest share of observations with a value.
MIN_PRESENT = 0.5
COLUMNS_AT_ONCE = 256
# Values that differ by less, relative to the largest, differ by rounding and tie: the mean of two
# bins and that of three, or one mean in two orders.
ROUNDING = 1e-12
# Below this all values are 0.
SMALLEST = 1e-290


@lru_cache(maxsize=256)
def _exact_tail(n1: int, n2: int) -> np.ndarray:
    """P(U >= u) of the Mann-Whitney U without ties, by the recurrence of Mann and Whitney."""
    n1, n2 = sorted((n1, n2))
    density = [np.ones(1)] * (n1 + 1)
    for m in range(1, n2 + 1):
        row = [np.ones(1)]
        for k in range(1, n1 + 1):
            # The largest of all values belongs to one group or to the other.
            mixed = np.zeros(k * m + 1)
            mixed[m:] += k / (k + m) * row[k - 1]
            mixed[: k * (m - 1) + 1] += m / (k + m) * density[k]
            row.append(mixed)
        density = row
    return np.cumsum(density[n1][::-1])[::-1]


def rank_sum(values: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """Mann-Whitney U test of every column, two-sided, without missing values.

    The p is that of ``scipy.stats.mannwhitneyu(method="auto")``: exact if a group has at most 8
    members and there are no ties, otherwise normal with tie and continuity correction.

    Parameters
    ----------
    values : ndarray of shape (n, n_tests) or (n, 1)
    group : bool ndarray of shape (n, n_tests) or (n, 1)
        True for the first group (cases, carriers).

    Returns
    -------
    DataFrame of n_tests rows
        ``statistic`` (rank-biserial correlation, positive if the first group is higher),
        ``u``, ``p``, ``n1``, ``n2``; NaN if a group is empty or all values tie.
    """
    ranks = centred_ranks(values)
    n = len(ranks)
    n1 = group.sum(axis=0).astype(float)
    excess = np.einsum("ij,ij->j", ranks, group.astype(float))
    excess, n1, spread = np.broadcast_arrays(excess, n1, (ranks**2).sum(axis=0))
    n2 = n - n1
    u = excess + n1 * n2 / 2
    upper = np.abs(excess) + n1 * n2 / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = n1 * n2 * spread / (n * (n - 1))  # less where values tie
        p = np.minimum(2 * ndtr((0.5 - np.abs(excess)) / np.sqrt(variance)), 1)
        statistic = 2 * excess / (n1 * n2)
    exact = (spread == n * (n**2 - 1) / 12) & (np.minimum(n1, n2) <= 8)
    for size in np.unique(n1[exact]):
        at = exact & (n1 == size)
        p[at] = np.minimum(2 * _exact_tail(int(size), int(n - size))[upper[at].astype(int)], 1)
    nothing = (n1 * n2 == 0) | ~(variance > 0)
    return pd.DataFrame(
        {
            "statistic": np.where(nothing, np.nan, statistic),
            "u": np.where(nothing, np.nan, u),
            "p": np.where(nothing, np.nan, p),
            "n1": n1.astype(int),
            "n2": n2.astype(int),
        }
    )


def sorting_order(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that sorts each row, and which rows may have ties, or nearly so.

    For rows that may have ties the order is not valid. Several times faster than an argsort: the
    position of a value replaces the last bits of its fraction, and processors sort plain numbers
    in parallel.

    Parameters
    ----------
    rows : ndarray of shape (m, n)
        Finite.

    Returns
    -------
    order : ndarray of int, shape (m, n)
    tied : bool ndarray of shape (m,)
    """
    n = rows.shape[1]
    last = (1 << max(n - 1, 1).bit_length()) - 1
    # Adding 0 turns -0 into 0.
    marked = np.add(rows, 0.0, dtype=np.float64, order="C")
    keys = marked.view(np.int64)
    keys &= ~np.int64(last)
    keys |= np.arange(n)
    marked.sort(axis=1)
    # Differences have changed by twice `last` of these bits at most.
    largest = np.abs(marked).max(axis=1, initial=0)
    closest = np.diff(marked, axis=1).min(axis=1, initial=np.inf)
    nearly = ROUNDING + 2 * last * np.finfo(float).eps
    tied = closest <= nearly * np.maximum(largest, SMALLEST)
    keys &= last
    return keys, tied


def _tied_ranks(rows: np.ndarray) -> np.ndarray:
    """Return the ranks of each row, from 1; of ties, which may differ by rounding, their mean."""
    order = rows.argsort(axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    apart = np.ones(rows.shape, bool)
    apart[:, 1:] = np.diff(ordered, axis=1) > ROUNDING * np.abs(rows).max(axis=1, keepdims=True)
    place = np.broadcast_to(np.arange(1.0, rows.shape[1] + 1), rows.shape)
    group = apart.ravel().cumsum() - 1
    mean = np.bincount(group, place.ravel()) / np.bincount(group)
    ranks = np.empty(rows.shape)
    np.put_along_axis(ranks, order, mean[group].reshape(rows.shape), axis=1)
    return ranks


def centred_ranks(values: np.ndarray) -> np.ndarray:
    """Rank every column, less the mean rank; ties, also but for rounding, have their mean rank."""
    columns = np.ascontiguousarray(values.T)
    order, tied = sorting_order(columns)
    ranks = np.empty(columns.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, len(values) + 1)[None], axis=1)
    # Slower than a sort of numbers, therefore only used for ties.
    if tied.any():
        ranks[tied] = _tied_ranks(columns[tied])
    return ranks.T - (len(values) + 1) / 2


def rank_correlation(values: np.ndarray, phenotype: np.ndarray) -> np.ndarray:
    """Return Spearman's rho of every column with the phenotype.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        Finite.
    phenotype : ndarray of shape (n,)
    """
    outcome = unit_ranks(phenotype[:, None])[:, 0]
    rank = np.arange(len(values)) - (len(values) - 1) / 2
    rank /= np.sqrt((rank**2).sum())
    rho = np.empty(values.shape[1])
    # Blocks that fit into the processor's cache are sorted twice as fast.
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        columns = slice(start, start + COLUMNS_AT_ONCE)
        order, tied = sorting_order(values[:, columns].T)
        found = rho[columns]
        # In this order the ranks of a gene are 1 to n.
        np.dot(outcome.take(order, mode="clip"), rank, out=found)
        if tied.any():
            found[tied] = outcome @ unit_ranks(values[:, columns][:, tied])
    return np.clip(rho, -1, 1)


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Replace every column by the normal quantiles of its ranks, centred (Blom's formula)."""
    n = len(values)
    scores = ndtri((centred_ranks(values) + (n + 1) / 2 - 3 / 8) / (n + 1 / 4))
    return scores - scores.mean(axis=0)


def unit_ranks(values: np.ndarray) -> np.ndarray:
    """Centred ranks of every column, scaled to length 1; NaN where constant."""
    return _unit_length(centred_ranks(values))


def _unit_length(columns: np.ndarray) -> np.ndarray:
    length = np.sqrt((columns**2).sum(axis=0))
    return columns / np.where(length > 0, length, np.nan)


def patterns(
    present: np.ndarray, columns: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (rows present, columns) for each pattern of missing values, in `columns` or in all."""
    chosen = present if columns is None else present[:, columns]
    columns = np.arange(present.shape[1]) if columns is None else columns
    if chosen.all():
        yield np.ones(len(present), bool), columns
        return
    _, first, number = np.unique(
        np.packbits(chosen, axis=0), axis=1, return_index=True, return_inverse=True
    )
    for pattern, column in enumerate(columns[first]):
        yield present[:, column], columns[number == pattern]


def correlation_p(r: np.ndarray, df: np.ndarray | int, n: int) -> np.ndarray:
    """Two-sided p of a (partial) correlation by the t distribution, never below 2 / n!."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt(df / ((1 - r) * (1 + r)))
        p = 2 * stdtr(df, -t)
    # The t approximation is 0 at |r| = 1, but no ordering of n values is rarer than 2 in n!.
    p = np.maximum(p, np.exp(np.log(2) - gammaln(n + 1)))
    return np.where(np.isfinite(r) & (np.asarray(df) > 0), np.minimum(p, 1), np.nan)


def correlate(values: np.ndarray, phenotype: np.ndarray, binary: bool) -> pd.DataFrame:
    """Test every gene against the phenotype.

    Parameters
    ----------
    values : ndarray of shape (n_units, n_genes)
        Missing values are left out gene by gene.
    phenotype : ndarray of shape (n_units,)
        1 for cases and 0 for controls if `binary`.
    binary : bool
        Mann-Whitney U test (as :func:`rank_sum`) instead of Spearman correlation.

    Returns
    -------
    DataFrame of n_genes rows
        ``statistic`` (Spearman rho or rank-biserial correlation: positive if higher with the
        phenotype, or in cases), ``p``, ``n``; if `binary` also ``u``, ``n_case``, ``n_control``.
        NaN for constant genes. The p of rho is that of ``scipy.stats.spearmanr``, but at least
        2 / n!, the probability of the rarest ordering of n values.
    """
    values = np.asarray(values, dtype=float)
    phenotype = np.asarray(phenotype, dtype=float)
    columns = ["statistic", "u", "p"] if binary else ["statistic", "p"]
    found = np.full((values.shape[1], len(columns)), np.nan)
    present = np.isfinite(values)
    present &= np.isfinite(phenotype)[:, None]
    for rows, genes in patterns(present):
        everything = rows.all() and len(genes) == values.shape[1]
        part = values if everything else values[np.ix_(rows, genes)]
        outcome = phenotype[rows, None]
        if len(outcome) < 2:
            continue
        if binary:
            found[genes] = rank_sum(part, outcome == 1)[columns]
        else:
            rho = rank_correlation(part, outcome[:, 0])
            found[genes] = np.stack([rho, correlation_p(rho, rows.sum() - 2, rows.sum())], axis=1)
    table = pd.DataFrame(found, columns=columns)
    table["n"] = len(values) if present.all() else present.sum(axis=0)
    if binary:
        for column, code in (("n_case", 1), ("n_control", 0)):
            table[column] = (present & (phenotype == code)[:, None]).sum(axis=0)
    return table


def partial_correlate(
    values: np.ndarray, phenotype: np.ndarray, controls: Sequence[np.ndarray]
) -> pd.DataFrame:
    """Partial Spearman correlation of every gene with the phenotype, given the controls.

    All are ranked; gene and phenotype are residualised on the controls; p by the t
    distribution with n - 2 - k degrees of freedom, k the number of independent controls.

    Parameters
    ----------
    values : ndarray of shape (n_units, n_genes)
    phenotype : ndarray of shape (n_units,)
    controls : sequence of ndarrays of shape (n_units,) or (n_units, n_genes)
        The second form gives each gene its own control.

    Returns
    -------
    DataFrame of n_genes rows
        ``statistic`` and ``p``; NaN if gene or phenotype have no residual variance.
    """
    values = np.asarray(values, dtype=float)
    phenotype = np.asarray(phenotype, dtype=float)
    given = [
        np.broadcast_to(
            np.asarray(c, dtype=float).reshape(len(c), *np.shape(c)[1:] or (1,)), values.shape
        )
        for c in controls
    ]
    found = np.full((values.shape[1], 2), np.nan)
    present = np.isfinite(values) & np.isfinite(phenotype)[:, None]
    for control in given:
        present &= np.isfinite(control)
    for rows, genes in patterns(present):
        n = int(rows.sum())
        if n < 3:
            continue
        at = np.ix_(rows, genes)
        gene = centred_ranks(values[at])
        outcome = np.broadcast_to(centred_ranks(phenotype[rows, None]), gene.shape)
        basis: list[np.ndarray] = []
        for control in given:
            direction = _residuals(centred_ranks(control[at]), basis)
            basis.append(np.nan_to_num(_unit_length(direction)))
        k = sum((b != 0).any(axis=0).astype(int) for b in basis)
        left, right = (_unit_length(_residuals(x, basis)) for x in (gene, outcome))
        r = np.clip((left * right).sum(axis=0), -1, 1)
        found[genes] = np.stack([r, correlation_p(r, n - 2 - k, n)], axis=1)
    return pd.DataFrame(found, columns=["statistic", "p"])


def _residuals(columns: np.ndarray, basis: Sequence[np.ndarray]) -> np.ndarray:
    """Return residuals of each column given an orthonormal basis; exactly 0 if nothing is left."""
    left = columns
    for direction in basis:
        left = left - (left * direction).sum(axis=0) * direction
    nothing = (left**2).sum(axis=0) <= 1e-10 * (columns**2).sum(axis=0)
    return np.where(nothing, 0.0, left)
