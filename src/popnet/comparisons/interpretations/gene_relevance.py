"""Gene Relevance (Angerer et al. 2020): derivatives of expression by differences of neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np

from popnet.comparisons.explained import Explained, per_dimension

# As in the package destiny: number of neighbours; width of the smoothing window as a share of the
# cells; half of the width in standard deviations.
NEIGHBOURS = 20
WINDOW = 0.1
ALPHA = 2.5
VALUES_AT_ONCE = 2**25


def explain(explained: Explained, n_neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Return the partial derivatives of the genes along the dimensions.

    Raises
    ------
    ValueError
        There are fewer cells than neighbours.
    """
    return per_dimension(np.nan_to_num(_smoothed(explained, n_neighbours)))


def relevance(explained: Explained, n_neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Return how much each gene changes along all dimensions together, (n_genes,).

    The Euclidean norm of its partial derivatives, mean over cells; NaN if none is known.
    """
    norms = norm(_smoothed(explained, n_neighbours))
    known = np.isfinite(norms)
    total, n_known = np.where(known, norms, 0).sum(0), known.sum(0)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def _smoothed(explained: Explained, n_neighbours: int) -> np.ndarray:
    found = partial_derivatives(
        explained.expression, explained.scores, explained.rows, n_neighbours
    )
    return smooth(found, explained.scores[explained.rows])


explain_10, explain_100, explain_1000 = (partial(explain, n_neighbours=k) for k in (10, 100, 1000))


def nearest_cells(expression: np.ndarray, rows: np.ndarray, n_neighbours: int) -> np.ndarray:
    """Return the cells nearest by Euclidean distance to those of `rows`, (n_rows, n_neighbours).

    A cell is not its own neighbour.
    """
    if n_neighbours >= len(expression):
        raise ValueError(f"{n_neighbours} neighbours cannot be had of {len(expression)} cells")
    centred = expression - expression.mean(0)
    squares = np.einsum("ij,ij->i", centred, centred)
    distance = squares - 2 * centred[rows] @ centred.T
    distance[np.arange(len(rows)), rows] = np.inf
    return np.argpartition(distance, n_neighbours - 1, 1)[:, :n_neighbours]


def partial_derivatives(
    expression: np.ndarray, scores: np.ndarray, rows: np.ndarray, n_neighbours: int
) -> np.ndarray:
    """Return the median over neighbours of differences of expression divided by those of scores.

    Values that are equal in a cell and its neighbour have no information and are left out, unless
    they are 0: a 0 may be a gene that was not detected, and is treated as a very small value.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
    scores : ndarray, (n_cells, latent)
    rows : ndarray of int, (n_rows,)
        Cells where the derivatives are taken.
    n_neighbours : int

    Returns
    -------
    ndarray, (n_rows, n_genes, latent)
        NaN if fewer than two neighbours have information.
    """
    neighbours = nearest_cells(expression, rows, n_neighbours)
    n_zeros = int((expression == 0).sum())
    # Only needed if there are zeros.
    tiny = expression[expression > 0].min(initial=np.inf) / max(n_zeros, 1)
    n_genes, latent = expression.shape[1], scores.shape[1]
    found = np.full((len(rows), n_genes, latent), np.nan, np.float32)
    at_once = max(1, VALUES_AT_ONCE // (n_genes * n_neighbours))
    for row, (cell, nearest) in enumerate(zip(rows, neighbours, strict=True)):
        own = np.where(expression[cell] == 0, tiny, expression[cell])
        difference = (expression[nearest] - own).T
        difference[difference == 0] = np.nan
        apart = (scores[nearest] - scores[cell]).T
        per_score = 1 / np.where(apart == 0, np.nan, apart)
        for first in range(0, latent, at_once):
            some = slice(first, first + at_once)
            found[row, :, some] = _median(difference[:, None, :] * per_score[None, some, :])
    return found


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the last axis without NaN; NaN for fewer than two values."""
    # NaN are sorted to the end. Sorted in place: `values` is a temporary of the caller.
    values.sort(axis=-1)
    known = (~np.isnan(values)).sum(-1, keepdims=True)
    lower, upper = (
        np.take_along_axis(values, np.maximum(position, 0), -1)
        for position in ((known - 1) // 2, known // 2)
    )
    return np.where(known >= 2, (lower + upper) / 2, np.nan)[..., 0]


def smooth(derivatives: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the derivatives along each dimension, averaged over cells with similar scores.

    The weights are Gaussian in the difference of ranks, in a window of a tenth of the cells;
    missing values have none.

    Parameters
    ----------
    derivatives : ndarray, (n_cells, n_genes, latent)
    scores : ndarray, (n_cells, latent)

    Returns
    -------
    ndarray, (n_cells, n_genes, latent)
        NaN if the window has no value.
    """
    n = len(scores)
    width = max(1, int(WINDOW * n))
    ranks = np.arange(n)
    offset = ranks - ranks[:, None]
    inside = (offset >= -(width // 2)) & (offset < width - width // 2)
    kernel = np.where(inside, np.exp(-0.5 * (ALPHA * offset / (width / 2)) ** 2), 0)
    result = np.empty_like(derivatives)
    for dimension in range(scores.shape[1]):
        order = np.argsort(scores[:, dimension], kind="stable")
        values = derivatives[order, :, dimension]
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            result[order, :, dimension] = (
                kernel @ np.where(known, values, 0) / (kernel @ known.astype(kernel.dtype))
            )
    return result


def norm(derivatives: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of a gene's derivatives along all dimensions in each cell.

    Parameters
    ----------
    derivatives : ndarray, (n_cells, n_genes, latent)

    Returns
    -------
    ndarray, (n_cells, n_genes)
        Dimensions without a value are left out; NaN if no dimension has one.
    """
    known = np.isfinite(derivatives)
    length = np.linalg.norm(np.where(known, derivatives, 0), axis=2)
    return np.where(known.any(2), length, np.nan)
