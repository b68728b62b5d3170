"""Bins cut in halves, so that samples with one bin have two networks to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.cells.expression import BinnedExpression
from popnet.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData


class HalvedExpression(BinnedExpression):
    """Binned expression whose bins are halves: bin b is now 2 b - 1 and 2 b.

    Parameters
    ----------
    whole : BinnedExpression
    seed : int
        Of the study; which half a cell is in depends on it and on the bin alone.
    """

    def __init__(self, whole: BinnedExpression, seed: int):
        self.path, self.genes, self.whole = whole.path, whole.genes, whole
        self.obs = whole.obs.copy()
        self._half: dict[tuple[str, int], np.ndarray] = {}
        bins = whole.obs[["sample", "bin"]].drop_duplicates()
        numbers = np.empty(len(self.obs), int)
        for sample, number in bins.itertuples(index=False, name=None):
            rows = whole.rows(sample, number)
            n_cells = rows.stop - rows.start
            order = np.random.default_rng(derive_seed(seed, "halves", sample, number))
            second = order.permutation(n_cells) % 2 == 1
            numbers[rows] = 2 * number - 1 + second
            for half, members in ((2 * number - 1, ~second), (2 * number, second)):
                self._half[sample, half] = np.flatnonzero(members)
        self.obs["bin"] = numbers

    def rows(self, sample: str, bin: int) -> np.ndarray:  # type: ignore[override]
        """Return where the cells of a half are."""
        return self.whole.rows(sample, (bin + 1) // 2).start + self._half[sample, bin]

    def read(self, sample: str, bin: int) -> np.ndarray:
        """Return the expression of the cells of a half, as of a bin."""
        return self.whole.read(sample, (bin + 1) // 2)[self._half[sample, bin]]

    def read_counts(self, sample: str, bin: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the counts of the cells of a half and their depth, as of a bin."""
        counts, depth = self.whole.read_counts(sample, (bin + 1) // 2)
        half = self._half[sample, bin]
        return counts[half], depth[half]


def one_bin_each(table: pd.DataFrame) -> bool:
    """Return whether most samples have one bin, so that halves of bins are compared instead.

    Parameters
    ----------
    table : DataFrame of n_bins rows
        sample.
    """
    return bool(table["sample"].astype(str).value_counts().median() < 2)


def halve(
    expression: BinnedExpression, summary: AnnData, seed: int
) -> tuple[HalvedExpression, AnnData]:
    """Return expression and summary by halves of bins.

    Parameters
    ----------
    expression : BinnedExpression
    summary : AnnData of shape (n_bins, n_genes)
        Of :func:`popnet.cells.expression.write_expression`. Both halves have the mean expression,
        detection and depth of their bin.
    seed : int
    """
    from anndata import AnnData

    halved = HalvedExpression(expression, seed)
    number = np.repeat(summary.obs["bin"].to_numpy(), 2)
    rows = np.repeat(np.arange(len(summary)), 2)
    obs = summary.obs.iloc[rows].assign(bin=2 * number - 1 + np.tile([0, 1], len(summary)))
    sizes = halved.obs.groupby(["sample", "bin"], observed=True).size()
    keys = zip(obs["sample"].astype(str), obs["bin"], strict=True)
    obs["n_cells"] = [sizes[key] for key in keys]
    obs.index = obs["sample"].astype(str) + "." + obs["bin"].astype(str)
    layers = {name: layer[rows] for name, layer in summary.layers.items()}
    return halved, AnnData(summary.X[rows], obs=obs, var=summary.var, layers=layers)
