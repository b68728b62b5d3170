"""Cell states: clusters of the cells of a cell type in the space of the cohort's model.

A network of a mixture of states depends on their shares. Expression is standardised within each
sample, so that the place of a state in this space depends on the shares of its sample, too: all
cells of a sample are moved by one offset. Clusters are therefore found together with the offsets of
samples, which also take what a batch or a treatment does to all cells alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from popnet.seeds import derive_seed

# Cells that states are found in, the same number of every donor.
MOST_CELLS = 20_000
# Principal directions of what the model explains.
N_DIRECTIONS = 16
# Numbers of states that are tried, in halves of the donors, and the least agreement (adjusted Rand
# index) of a number that is taken.
MOST_STATES, HALVINGS, LEAST_AGREEMENT = 10, 5, 0.75
STARTS, ITERATIONS = 5, 50
# Genes that name a state, and that are listed.
N_NAMED, N_TOP = 3, 20


@dataclass(frozen=True)
class States:
    """The states of a cell type.

    Parameters
    ----------
    centres : ndarray of shape (n_states, n_directions)
        The largest state first.
    agreement : Series, number of states -> float
        Mean adjusted Rand index of the states of two halves of the donors, for every number tried.
    """

    centres: np.ndarray
    agreement: pd.Series


def find_states(scores: np.ndarray, samples: np.ndarray, donors: np.ndarray, seed: int) -> States:
    """Find the states that other donors have, too, blind to phenotypes.

    For each number of states, those of one half of the donors and those of the other are both
    given to all cells. The largest number for which the two agree, on average over five divisions,
    with an adjusted Rand index of at least 0.75 is taken; if there is none, all cells are of one
    state.

    Parameters
    ----------
    scores : ndarray of shape (n_cells, n_directions)
    samples, donors : ndarray of str, of shape (n_cells,)
    seed : int
    """
    agreement = {}
    names = np.unique(donors)
    for number in range(2, MOST_STATES + 1) if len(names) > 1 else ():
        found = []
        for run in range(HALVINGS):
            rng = np.random.default_rng(derive_seed(seed, "halves", run))
            half = np.isin(donors, rng.permutation(names)[: len(names) // 2])
            labels = [
                assign(scores, samples, _centres(scores[part], samples[part], number, seed))
                for part in (half, ~half)
                if part.sum() >= number
            ]
            found.append(adjusted_rand(*labels) if len(labels) == 2 else 0.0)
        agreement[number] = float(np.mean(found))
    agreed = pd.Series(agreement, dtype=float)
    number = max((n for n, value in agreement.items() if value >= LEAST_AGREEMENT), default=1)
    centres = _centres(scores, samples, number, seed)
    size = np.bincount(assign(scores, samples, centres), minlength=number)
    return States(centres[np.argsort(-size, kind="stable")], agreed)


def assign(scores: np.ndarray, samples: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the state of every cell: the nearest centre, given the offset of its sample.

    The offset is the mean difference between a sample's cells and their centres; states and
    offsets follow from each other in turns, beginning without offsets. A sample's states do not
    depend on other samples.

    Parameters
    ----------
    scores : ndarray of shape (n_cells, n_directions)
    samples : ndarray of str, of shape (n_cells,)
    centres : ndarray of shape (n_states, n_directions)

    Returns
    -------
    ndarray of int, of shape (n_cells,)
    """
    of_sample = _Groups.of(samples)
    state, offsets = np.full(len(scores), -1), np.zeros((of_sample.n, scores.shape[1]))
    for _ in range(ITERATIONS):
        nearest = cdist(scores - offsets[of_sample.code], centres, "sqeuclidean").argmin(1)
        if np.array_equal(nearest, state):
            break
        state = nearest
        offsets = of_sample.means(scores - centres[state])
    return state


def _centres(scores: np.ndarray, samples: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Return centres by k-means with an offset for every sample, (number, n_directions).

    The best of five starts without offsets (k-means++) is where it begins.
    """
    best, least = scores.mean(0, keepdims=True), np.inf
    for start in range(STARTS if number > 1 else 0):
        rng = np.random.default_rng(derive_seed(seed, "states", number, start))
        centres, _ = kmeans2(scores, number, minit="++", rng=rng, missing="raise")
        loss = cdist(scores, centres, "sqeuclidean").min(1).sum()
        if loss < least:
            best, least = centres, loss
    of_sample, centres = _Groups.of(samples), best
    offsets = np.zeros((of_sample.n, scores.shape[1]))
    state = np.full(len(scores), -1)
    for _ in range(ITERATIONS):
        moved = scores - offsets[of_sample.code]
        nearest = cdist(moved, centres, "sqeuclidean").argmin(1)
        if np.array_equal(nearest, state):
            break
        state = nearest
        size = np.bincount(state, minlength=number)
        sums = np.zeros_like(centres)
        np.add.at(sums, state, moved)
        # A state that lost its cells stays where it is.
        centres = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centres)
        offsets = of_sample.means(scores - centres[state])
    return centres


@dataclass(frozen=True)
class _Groups:
    """Cells by sample: the number of the sample of every cell."""

    code: np.ndarray
    n: int

    @classmethod
    def of(cls, samples: np.ndarray) -> _Groups:
        names, code = np.unique(samples, return_inverse=True)
        return cls(code, len(names))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of every sample's cells, (n, n_directions)."""
        sums = np.zeros((self.n, values.shape[1]))
        np.add.at(sums, self.code, values)
        return sums / np.bincount(self.code, minlength=self.n)[:, None]


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Return the adjusted Rand index of two partitions of the same cells; 1 if both are one group.

    References
    ----------
    Hubert and Arabie, Journal of Classification 2 (1985).
    """
    table = pd.crosstab(first, second).to_numpy(float)

    def pairs(n: np.ndarray) -> float:
        return float((n * (n - 1) / 2).sum())

    together, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    chance = rows * columns / pairs(np.array([table.sum()]))
    largest = (rows + columns) / 2
    return 1.0 if largest == chance else (together - chance) / (largest - chance)


def count_states(cells: pd.DataFrame, state: np.ndarray, n_states: int) -> pd.DataFrame:
    """Return how many cells of every bin are in each state.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        sample and bin.
    state : ndarray of int, of shape (n_cells,)
    n_states : int

    Returns
    -------
    DataFrame
        sample, bin, and the columns state1, state2 and so on.
    """
    keys = [cells["sample"].to_numpy(), cells["bin"].to_numpy()]
    indicators = pd.DataFrame(np.eye(n_states, dtype=int)[state], columns=state_columns(n_states))
    counts = indicators.groupby(keys, sort=False).sum()
    return counts.rename_axis(["sample", "bin"]).reset_index()


def state_columns(n_states: int) -> list[str]:
    """Return the names of the columns of counts."""
    return [f"state{number}" for number in range(1, n_states + 1)]


def describe(
    states: States, sums: np.ndarray, size: np.ndarray, genes: Sequence[str]
) -> pd.DataFrame:
    """Return the states as a table of their marker genes.

    Parameters
    ----------
    states : States
    sums : ndarray of shape (n_states, n_genes)
        Of the standardised expression of each state's cells.
    size : ndarray of int, of shape (n_states,)
        Cells of each state.
    genes : sequence of str

    Returns
    -------
    DataFrame
        state (from 1), name (its three first genes), share (of all cells), agreement (of as many
        states between halves of the donors), gene and difference (mean standardised expression of
        the state's cells less that of all others): the 20 genes of largest difference of each.
    """
    n_others = np.maximum(size.sum() - size, 1)[:, None]
    difference = sums / np.maximum(size, 1)[:, None] - (sums.sum(0) - sums) / n_others
    names, tables = pd.Index(genes), []
    for number, row in enumerate(difference):
        order = np.argsort(-row, kind="stable")[:N_TOP]
        tables.append(
            pd.DataFrame(
                {
                    "state": number + 1,
                    "name": "/".join(names[order[:N_NAMED]]) if len(size) > 1 else "all cells",
                    "share": size[number] / size.sum(),
                    "agreement": states.agreement.get(len(size), np.nan),
                    "gene": names[order],
                    "difference": row[order],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
