"""Corrections for many tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def benjamini_hochberg(p: np.ndarray, families: np.ndarray | None = None) -> np.ndarray:
    """Return the Benjamini-Hochberg q of each p; missing values stay missing and do not count.

    Parameters
    ----------
    p : ndarray of shape (m,)
    families : ndarray of shape (m,), optional
        The family of each p, within which it is corrected; one family without them.
    """
    p = np.asarray(p, dtype=float)
    q = np.full(p.shape, np.nan)
    if families is not None:
        for family in np.unique(families):
            q[families == family] = benjamini_hochberg(p[families == family])
        return q
    tested = np.isfinite(p)
    values = p[tested]
    order = np.argsort(values)
    raised = values[order] * (len(values) / np.arange(1, len(values) + 1))
    # The least of all that follow.
    values[order] = np.minimum.accumulate(raised[::-1])[::-1].clip(0, 1)
    q[tested] = values
    return q


def selected_families(p: np.ndarray, fdr: float) -> tuple[np.ndarray, float]:
    """Select families of tests, and return the largest q of a hit within these.

    Parameters
    ----------
    p : ndarray of shape (n_families,)
        Of a whole family, such as Simes's: the smallest Benjamini-Hochberg q of its tests. NaN of a
        family without tests, which does not count.
    fdr : float

    Returns
    -------
    q : ndarray of shape (n_families,)
        Benjamini-Hochberg over the families; those with q <= `fdr` are selected.
    within : float
        `fdr` times the share of selected families. With Benjamini-Hochberg within each family at
        this level, the mean false discovery rate of the selected families is at most `fdr`.

    References
    ----------
    Benjamini and Bogomolov, Journal of the Royal Statistical Society B 76 (2014), 297-318.
    """
    q = benjamini_hochberg(p)
    return q, fdr * float((q <= fdr).sum() / max(np.isfinite(q).sum(), 1))


def strongest_first(table: pd.DataFrame, *before: str) -> pd.DataFrame:
    """Return a table of tests sorted by p; where p ties, the larger effect and ICC come first.

    Many tests share the smallest p that permutations can give. The order of genes in the data must
    not say which of them is named.

    Parameters
    ----------
    table : DataFrame
        p, and t or nes or statistic, and icc, if it has them.
    *before : str
        Columns to sort by before p.
    """
    effect = next((name for name in ("t", "nes", "statistic") if name in table), None)
    keys = {name: table[name] for name in (*before, "p")}
    keys |= {name: -table[name].abs() for name in (effect,) if name}
    keys |= {"icc": -table["icc"]} if "icc" in table else {}
    # The last key of lexsort is the first to sort by.
    return table.iloc[np.lexsort([key.to_numpy() for key in reversed(keys.values())])]


def simes(p: np.ndarray) -> np.ndarray:
    """Return Simes' p of each column: that none of several hypotheses is false.

    Parameters
    ----------
    p : ndarray of shape (n, ...)
        NaN where a hypothesis is not tested.

    References
    ----------
    Simes, Biometrika 73 (1986).
    """
    ordered = np.sort(p, axis=0)
    rank = np.arange(1, len(p) + 1).reshape(-1, *[1] * (p.ndim - 1))
    scaled = ordered * np.isfinite(p).sum(axis=0) / rank
    smallest: np.ndarray = np.fmin.reduce(scaled, axis=0)
    return smallest


def study_wide(families: Sequence[tuple[pd.DataFrame, np.ndarray]], seed: int) -> pd.DataFrame:
    """Correct the tests of several cell types and phenotypes for each other.

    Parameters
    ----------
    families : sequence of (DataFrame, ndarray)
        For each family its table with p and p_family, and the largest statistic of each
        arrangement. Random arrangements with the same number are the same permutation of donors in
        all families. For families with few arrangements, which have all, arrangements are drawn.
    seed : int

    Returns
    -------
    DataFrame
        study_q (Benjamini-Hochberg over all) and study_p_family (by the smallest family-wise p of
        each arrangement), with the rows of all families, one family after another.
    """
    n = max((len(maxima) for _, maxima in families), default=0)
    rng = np.random.default_rng(seed)
    smallest = np.ones(n)
    for _, maxima in families:
        if not len(maxima):
            continue
        ordered = np.sort(maxima)
        # Rounding must not make a statistic smaller than itself.
        p = (len(maxima) - np.searchsorted(ordered, maxima * (1 - 1e-9), side="left")) / len(maxima)
        aligned = p if len(p) == n else p[rng.integers(len(p), size=n)]
        smallest = np.minimum(smallest, aligned)
    smallest.sort()
    p = np.concatenate([table["p"].to_numpy(float) for table, _ in families])
    family = np.concatenate([table["p_family"].to_numpy(float) for table, _ in families])
    # Tables have six digits: values that were rounded down must still count as ties.
    count = np.searchsorted(smallest, family * (1 + 1e-5), side="right")
    return pd.DataFrame(
        {
            "study_q": benjamini_hochberg(p),
            "study_p_family": np.where(np.isfinite(family), (count + 1) / (n + 1), np.nan),
        }
    )
