"""Access to cells in memory or on disk, dense or sparse, by rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from popnet.cells.rows import read_sparse, spans

RESIDENT_BYTES = 2**30
BLOCK_BYTES = 2**26

Block: TypeAlias = "np.ndarray | sparse.csr_matrix"


def dense(block: Block) -> np.ndarray:
    """Return rows as a dense array, from dense or sparse storage."""
    return block if isinstance(block, np.ndarray) else block.toarray()


def _is_on_disk(matrix: Any) -> bool:
    return isinstance(matrix, h5py.Dataset) or hasattr(matrix, "group")


class Cells:
    """Expression (cells x genes), read by rows as float32; see `open_cells`.

    Where only some cells are used, they count as the cells: a row is a position among them.

    Attributes
    ----------
    n_cells, n_genes : int
    obs, var : DataFrame
        Annotations, indexed by name; without columns if the data have none.
    on_disk : bool
    resident : bool
        Whether the dense matrix takes at most 1 GiB, so that training can keep it in memory.
    row_bytes : float
        Mean size of a stored cell.
    """

    def __init__(
        self, matrix: Any, obs: pd.DataFrame, var: pd.DataFrame, used: np.ndarray | None = None
    ):
        n_stored, self.n_genes = matrix.shape
        self.n_cells = n_stored if used is None else len(used)
        self.obs, self.var = obs if used is None else obs.iloc[used], var
        self._used = used
        self.resident = 4 * self.n_cells * self.n_genes <= RESIDENT_BYTES
        self.on_disk = _is_on_disk(matrix)
        self._matrix = matrix.group if hasattr(matrix, "group") else matrix
        if isinstance(matrix, np.ndarray | h5py.Dataset):
            self.row_bytes = 4.0 * self.n_genes
        else:
            self._indptr = self._matrix["indptr"][:] if self.on_disk else matrix.indptr
            self.row_bytes = max(1.0, 8 * int(self._indptr[-1]) / n_stored)

    @property
    def cell_names(self) -> pd.Index:
        """Names of the cells."""
        return self.obs.index

    @property
    def gene_names(self) -> pd.Index:
        """Names of the genes."""
        return self.var.index

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows, in any order, as a dense array (n_rows, n_genes) of float32."""
        return dense(self.take(rows))

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (positions in `rows`, dense rows) in file order, at most 64 MiB at a time."""
        for positions in self._parts(rows, 4 * self.n_genes):
            yield positions, self.read(rows[positions])

    def stored_blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Block]]:
        """As `blocks`, but sparse if the data are sparse, and then with more rows per block."""
        for positions in self._parts(rows, self.row_bytes):
            yield positions, self.take(rows[positions])

    @staticmethod
    def _parts(rows: np.ndarray, row_bytes: float) -> Iterator[np.ndarray]:
        order = np.argsort(rows, kind="stable")
        n_rows = max(1, int(BLOCK_BYTES / row_bytes))
        for start in range(0, len(order), n_rows):
            yield order[start : start + n_rows]

    def take(self, rows: np.ndarray) -> Block:
        """Return rows, in any order, as float32: an array, or a csr_matrix for sparse data."""
        if self._used is not None:
            rows = self._used[rows]
        if not self.on_disk:
            return self._matrix[rows].astype(np.float32, copy=False)
        ascending, places = np.unique(rows, return_inverse=True)
        if not isinstance(self._matrix, h5py.Dataset):
            stored = self._matrix["indices"], self._matrix["data"]
            block = read_sparse(ascending, self._indptr, *stored, self.n_genes)
        else:
            block = np.empty((len(ascending), self.n_genes), np.float32)
            # A gap shorter than an HDF5 chunk is read through: the chunk is unpacked anyway.
            gap = (self._matrix.chunks or [1])[0] * self.n_genes
            starts = ascending * self.n_genes
            for first, last in spans(starts, starts + self.n_genes, gap):
                run = ascending[first:last]
                block[first:last] = self._matrix[run[0] : run[-1] + 1][run - run[0]]
        return block if np.array_equal(ascending, rows) else block[places]


def open_cells(data: Any, used: Sequence[int] | np.ndarray | None = None) -> Cells:
    """Return access to the expression in `data` (cells x genes), without copying it.

    Parameters
    ----------
    data : ndarray, scipy sparse matrix or array, or AnnData
        X of an AnnData is used, in memory or backed (dense or CSR); a view of a backed AnnData is
        read into memory. Without names, cells and genes are named by their number.
    used : sequence of int, optional
        Positions of the cells to use; of the others nothing is kept. By default all.

    Raises
    ------
    TypeError
        `data` has another type, or does not hold numbers.
    IndexError
        `used` has a position that `data` has no cell for.
    ValueError
        It is not two-dimensional, has no cells (or none are used), no genes or no X, or is backed
        in another format.
    """
    from anndata import AnnData

    matrix = data.X if isinstance(data, AnnData) else data
    if matrix is None:
        raise ValueError("expression: the AnnData has no X; put the expression there")
    if not (_is_on_disk(matrix) or sparse.issparse(matrix) or isinstance(matrix, np.ndarray)):
        raise TypeError(
            f"expression: a {type(matrix).__name__} is not supported; give a numpy array, a scipy "
            "sparse matrix or an AnnData"
        )
    if len(matrix.shape) != 2 or 0 in matrix.shape:
        raise ValueError(f"expression: cells x genes needed, got shape {matrix.shape}")
    if np.dtype(matrix.dtype).kind not in "biuf":
        raise TypeError(f"expression: numbers needed, got values of type {matrix.dtype}")
    if sparse.issparse(matrix):
        matrix = sparse.csr_matrix(matrix)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
    elif getattr(matrix, "format", "csr") != "csr":
        raise ValueError(
            f"expression: rows cannot be read from X on disk in {matrix.format.upper()} format; "
            "write it as scipy.sparse.csr_matrix, or read the file into memory"
        )
    if used is not None:
        used = np.asarray(used, dtype=np.int64)
        if used.size == 0:
            raise ValueError("rows: no cells are chosen")
        if used.min() < 0 or used.max() >= matrix.shape[0]:
            raise IndexError(f"rows: there are {matrix.shape[0]:,} cells, counted from 0")
    if isinstance(data, AnnData):
        return Cells(matrix, data.obs, data.var, used)
    obs, var = (pd.DataFrame(index=pd.RangeIndex(n).astype(str)) for n in matrix.shape)
    return Cells(matrix, obs, var, used)
