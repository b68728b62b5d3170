"""Rows of matrices that are too large for memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack

from popnet.errors import InputError, Problem

# Elements in memory in addition to the result: 32 to 64 MB.
LARGEST = 2**22


def read_sparse(
    rows: np.ndarray, indptr: np.ndarray, indices: Any, data: Any, n_genes: int
) -> csr_matrix:
    """Read rows of a compressed matrix whose arrays are on disk.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,)
        Ascending, each at most once.
    indptr : ndarray of shape (n_cells + 1,)
    indices, data : h5py.Dataset or memmap of shape (n_stored,)
    n_genes : int

    Returns
    -------
    csr_matrix of shape (n_rows, n_genes), float32
        Sorted, without stored zeros or repeated entries.
    """
    starts, stops = indptr[rows].astype(np.int64), indptr[rows + 1].astype(np.int64)
    lengths = stops - starts
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    genes = np.empty(offsets[-1], np.int32)
    values = np.empty(offsets[-1], np.float32)
    # A gap shorter than an HDF5 chunk is read through: the chunk is unpacked anyway.
    gap = (getattr(data, "chunks", None) or [2**14])[0]
    for first, last in spans(starts, stops, gap):
        low, high = starts[first], stops[last - 1]
        part = slice(offsets[first], offsets[last])
        shift = starts[first:last] - low - (offsets[first:last] - offsets[first])
        within = np.repeat(shift, lengths[first:last]) + np.arange(offsets[last] - offsets[first])
        genes[part] = indices[low:high][within]
        values[part] = data[low:high][within]
    matrix = csr_matrix((values, genes, offsets), shape=(len(rows), n_genes))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def read_dense(rows: np.ndarray, matrix: Any) -> csr_matrix:
    """Read ascending rows of a dense dataset (cells x genes) as a float32 csr_matrix."""
    n_genes = matrix.shape[1]
    gap = (matrix.chunks or [1])[0] * n_genes
    parts = [
        csr_matrix(
            matrix[rows[first] : rows[last - 1] + 1][rows[first:last] - rows[first]],
            dtype=np.float32,
        )
        for first, last in spans(rows * n_genes, (rows + 1) * n_genes, gap)
    ]
    return vstack(parts, format="csr") if parts else csr_matrix((0, n_genes), dtype=np.float32)


def spans(starts: np.ndarray, stops: np.ndarray, gap: float) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of runs of rows that are read together, at most `LARGEST` elements."""
    first, begin, end = 0, 0, None
    for number, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        if end is None:
            begin = start
        elif start - end > gap or stop - begin > LARGEST:
            yield first, number
            first, begin = number, start
        end = stop
    if end is not None:
        yield first, len(starts)


def spill(
    chunks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], n_cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort entries by row, in unnamed temporary files, which are deleted with the arrays.

    Parameters
    ----------
    chunks : iterable of (cells, genes, values)
        Entries of the matrix in any order; each chunk has three arrays of equal length.
    n_cells : int

    Returns
    -------
    indptr, indices, data : ndarray, memmap, memmap
    """
    dtypes = (np.dtype(np.int32), np.dtype(np.int32), np.dtype(np.float32))
    files = [tempfile.TemporaryFile() for _ in dtypes]  # noqa: SIM115
    lengths = np.zeros(n_cells, np.int64)
    ordered, previous = True, 0
    for chunk in chunks:
        cells = chunk[0]
        if not len(cells):
            continue
        ordered = ordered and cells[0] >= previous and bool(np.all(np.diff(cells) >= 0))
        previous = cells[-1]
        lengths += np.bincount(cells, minlength=n_cells)
        for file, column, dtype in zip(files, chunk, dtypes, strict=True):
            with _writing():
                column.astype(dtype).tofile(file)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    n_stored = int(indptr[-1])
    if not n_stored:
        return indptr, np.empty(0, dtypes[1]), np.empty(0, dtypes[2])
    by_cell, genes, values = (
        np.memmap(file, dtype, "r", shape=n_stored)
        for file, dtype in zip(files, dtypes, strict=True)
    )
    if ordered:
        return indptr, genes, values
    indices, data = (_allocate(n_stored, dtype) for dtype in dtypes[1:])
    ends = indptr[:-1].copy()
    for start in range(0, n_stored, LARGEST):
        part = slice(start, start + LARGEST)
        order = np.argsort(by_cell[part], kind="stable")
        cells, counts = np.unique(by_cell[part], return_counts=True)
        begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
        places = np.arange(len(order)) + np.repeat(ends[cells] - begins, counts)
        indices[places] = genes[part][order]
        data[places] = values[part][order]
        ends[cells] += counts
    return indptr, indices, data


def _allocate(size: int, dtype: np.dtype) -> np.ndarray:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    # Reserve the space, so that a full disk is an error here and not a crash at the first write.
    with _writing():
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size * dtype.itemsize)
        else:  # macOS
            for start in range(0, size * dtype.itemsize, LARGEST):
                file.write(bytes(min(LARGEST, size * dtype.itemsize - start)))
            file.flush()
    return np.memmap(file, dtype, "r+", shape=size)


@contextmanager
def _writing() -> Iterator[None]:
    """Name the folder of temporary files in the error message if its disk is full."""
    try:
        yield
    except OSError as error:
        message = f"temporary files cannot be written: {error}"
        remedy = "make room there, or name a larger folder in the environment variable TMPDIR"
        raise InputError(
            [Problem(tempfile.gettempdir(), "TMPDIR", None, message, remedy)]
        ) from error
