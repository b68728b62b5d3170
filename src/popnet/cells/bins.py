"""Bins: equal numbers of cells of one type and one sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from popnet.files import read_parquet
from popnet.names import safe_name
from popnet.seeds import derive_seed

BINNED_COLUMNS = ["cell_type", "sample", "bin", "batch", "source", "row", "cell"]


def plan_bins(
    cells: pd.DataFrame, size: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cut each sample's cells of each type into bins of exactly `size` cells, at random.

    The shuffle depends on the seed, the cell type, the sample and the names of its cells, but not
    on other samples or on the order of the rows.

    Parameters
    ----------
    cells : DataFrame of shape (n_cells, 6)
        Columns cell_type, sample, batch, source, row, cell. Categories of cell types and samples
        without cells are reported as excluded.
    size : int
        Cells per bin.
    seed : int

    Returns
    -------
    binned : DataFrame
        Columns cell_type, sample, bin, batch, source, row, cell: the cells of complete bins,
        sorted by cell type, sample, bin and position in the source.
    bins : DataFrame
        Columns cell_type, sample, bin (from 1), n_cells, batch (those of its cells).
    excluded : DataFrame
        Columns cell_type, sample, n_cells, reason: remainders and samples without a bin.

    Raises
    ------
    ValueError
        If `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    levels = [
        sorted(pd.Categorical(cells[column]).categories.astype(str))
        for column in ("cell_type", "sample")
    ]
    text = cells[["cell_type", "sample", "batch"]].astype(object)
    cells = cells.assign(**text.where(text.notna(), "").astype(str))
    cells = cells.sort_values(["cell", "source", "row"], kind="stable", ignore_index=True)
    groups = cells.groupby(["cell_type", "sample"]).indices

    number = np.zeros(len(cells), np.int64)
    excluded = []
    for cell_type, sample in pd.MultiIndex.from_product(levels):
        members = groups.get((cell_type, sample), np.zeros(0, np.int64))
        n_binned = len(members) // size * size
        rng = np.random.default_rng(derive_seed(seed, "bins", cell_type, sample))
        chosen = members[rng.permutation(len(members))[:n_binned]]
        number[chosen] = np.arange(n_binned) // size + 1
        n_dropped = len(members) - n_binned
        if not n_binned:
            reason = f"no bin: {n_dropped:,} cells, a bin needs {size:,}"
        else:
            reason = (
                f"{n_dropped:,} of {len(members):,} cells: not enough for another bin of {size:,}"
            )
        if n_dropped or not n_binned:
            excluded.append((cell_type, sample, n_dropped, reason))

    keys = ["cell_type", "sample", "bin"]
    binned = (
        cells.assign(bin=number)
        .loc[number > 0, BINNED_COLUMNS]
        .sort_values([*keys, "source", "row"], kind="stable", ignore_index=True)
    )
    bins = binned.groupby(keys, as_index=False).agg(
        n_cells=("cell", "size"),
        batch=("batch", lambda batches: ";".join(sorted(set(batches) - {""}))),
    )
    return (
        binned,
        bins,
        pd.DataFrame(excluded, columns=["cell_type", "sample", "n_cells", "reason"]),
    )


def cells_of_type(path: str | Path, cell_type: str) -> pd.DataFrame:
    """Return the binned cells of a cell type.

    Parameters
    ----------
    path : str or Path
        A parquet file of the cells that :func:`plan_bins` binned.
    cell_type : str
        Its safe name, see :func:`popnet.names.safe_name`.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    cells = read_parquet(path)
    names = {name: safe_name(str(name)) for name in cells["cell_type"].unique()}
    return cells[cells["cell_type"].map(names) == cell_type].reset_index(drop=True)
