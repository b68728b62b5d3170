"""Do effects come back in other donors? Halves of the donors, compared over all variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from popnet.stats.mixed import permuted_t
from popnet.stats.mixed_model import Model

# Fewest donors of a half.
MIN_DONORS = 3


def split_half(
    values: np.ndarray,
    model: Model,
    ratios: Mapping[str, float],
    outcomes: np.ndarray,
    n_splits: int,
    seed: int,
) -> np.ndarray:
    """Return how far the effects in two halves of the donors agree.

    Donors are divided at random, but so that both halves have about the same phenotypes: of every
    two donors that follow each other by phenotype each half has one. Every column is tested in both
    halves, and the t are correlated over the columns.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation of the model.
    model : Model
    ratios : mapping of name to float
        Of :func:`popnet.stats.mixed_model.variance_ratios`, of all donors.
    outcomes : ndarray of shape (n_outcomes, n)
        Other phenotypes (:func:`popnet.stats.mixed.permuted_outcomes`), which show what correlated
        columns give by chance.
    n_splits, seed : int

    Returns
    -------
    ndarray of shape (1 + n_outcomes,)
        Mean over the splits, of the model's phenotype and then of the others; NaN where a half
        cannot be tested.
    """
    every = np.vstack([model.outcome, outcomes]) if model.n else np.zeros((1 + len(outcomes), 0))
    found = np.full((n_splits, len(every)), np.nan)
    for number, halves in enumerate(_halves(model, n_splits, seed)):
        one, other = (
            permuted_t(values[rows], model.subset(rows), ratios, every[:, rows])[0]
            for rows in halves
        )
        found[number] = [_correlation(*both) for both in zip(one, other, strict=True)]
    known = np.isfinite(found)
    total = np.where(known, found, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _halves(model: Model, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of both halves, each time; nothing of too few donors."""
    code = model.donors()
    n_donors = int(code.max(initial=-1)) + 1
    if n_donors < 2 * MIN_DONORS:
        return
    mean = np.bincount(code, model.outcome) / np.bincount(code)
    rng = np.random.default_rng(seed)
    for _ in range(n_splits):
        order = np.lexsort([rng.random(n_donors), mean])
        first = np.zeros(n_donors, bool)
        # Of two neighbours one is in each half; a last one without neighbour is in either.
        side = np.repeat(rng.random((n_donors + 1) // 2) < 0.5, 2)[:n_donors]
        first[order] = side ^ (np.arange(n_donors) % 2 == 0)
        of_first = first[code]
        yield np.flatnonzero(of_first), np.flatnonzero(~of_first)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or not np.ptp(one[known]) or not np.ptp(other[known]):
        return np.nan
    return float(np.corrcoef(one[known], other[known])[0, 1])
