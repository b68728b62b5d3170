"""Bins: equal numbers of cells of one type and one sample."""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path

import numpy as np
import pandas as pd

from popnet.files import atomic, read_parquet
from popnet.names import safe_name
from popnet.seeds import derive_seed

# Rows of a file that are written at a time.
BLOCK = 2**20


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
        sorted by cell type, sample, bin and position in the source. Text but the names of the
        cells is categorical.
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
    cell_types, samples, batches = (
        _levels(cells[column].astype("category").cat.rename_categories(str), missing)
        for column, missing in (("cell_type", None), ("sample", None), ("batch", ""))
    )
    source = _levels(cells["source"].astype("category"))
    row, name = cells["row"].to_numpy(), cells["cell"].array
    group = cell_types.codes.astype(np.int64) * len(samples.categories) + samples.codes
    group[(cell_types.codes < 0) | (samples.codes < 0)] = -1
    order = np.lexsort([row, source.codes, group])
    pairs = list(product(cell_types.categories, samples.categories))
    bounds = np.searchsorted(group, np.arange(len(pairs) + 1), sorter=order)
    # Of many cells each of these arrays is large.
    del group

    number = np.zeros(len(cells), np.int64)
    kept, bins, excluded = [np.zeros(0, np.int64)], [], []
    for (cell_type, sample), start, stop in zip(pairs, bounds[:-1], bounds[1:], strict=True):
        members = order[start:stop]
        n_cells = stop - start
        n_binned = n_cells // size * size
        n_dropped = n_cells - n_binned
        rng = np.random.default_rng(derive_seed(seed, "bins", cell_type, sample))
        chosen = rng.permutation(n_cells)[:n_binned]
        if n_binned:
            # By name, and those of one name by their place.
            named = np.argsort(np.asarray(name[members], dtype=str), kind="stable")
            chosen = members[named[chosen]]
            number[chosen] = np.arange(n_binned) // size + 1
            members = members[number[members] > 0]
            kept.append(members[np.argsort(number[members], kind="stable")])
            for bin, codes in enumerate(batches.codes[kept[-1]].reshape(-1, size), start=1):
                of_bin = sorted(set(batches.categories[np.unique(codes)]) - {""})
                bins.append((cell_type, sample, bin, size, ";".join(of_bin)))
        if not n_binned:
            reason = f"no bin: {n_dropped:,} cells, a bin needs {size:,}"
        else:
            reason = f"{n_dropped:,} of {n_cells:,} cells: not enough for another bin of {size:,}"
        if n_dropped or not n_binned:
            excluded.append((cell_type, sample, n_dropped, reason))

    places = np.concatenate(kept)
    del order, kept
    binned = {
        "cell_type": cell_types[places],
        "sample": samples[places],
        "bin": number[places],
        "batch": batches[places],
        "source": source[places],
        "row": row[places],
        "cell": name[places],
    }
    return (
        pd.DataFrame(binned, copy=False),
        pd.DataFrame(bins, columns=["cell_type", "sample", "bin", "n_cells", "batch"]),
        pd.DataFrame(excluded, columns=["cell_type", "sample", "n_cells", "reason"]),
    )


def _levels(column: pd.Series, missing: str | None = None) -> pd.Categorical:
    """Return a categorical column with sorted levels, and `missing` where it has no value."""
    found = column.array
    levels = {*found.categories, *([] if missing is None else [missing])}
    found = found.set_categories(sorted(levels))
    return found if missing is None else found.fillna(missing)


def write_cells(cells: pd.DataFrame, path: str | Path) -> None:
    """Write the binned cells of :func:`plan_bins` as `popnet.files.write_parquet` writes text.

    By blocks, so that few texts are Python objects at a time.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    text = dict.fromkeys(["cell_type", "sample", "batch", "source", "cell"], object)
    blocks = (
        pa.Table.from_pandas(cells.iloc[start : start + BLOCK].astype(text), preserve_index=False)
        for start in range(0, len(cells) or 1, BLOCK)
    )
    first = next(blocks)
    with (
        atomic(path) as temporary,
        ParquetWriter(temporary, first.schema, write_page_checksum=True) as file,
    ):
        for block in chain([first], blocks):
            file.write_table(block)


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
