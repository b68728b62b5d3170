"""Files of counts: h5ad, 10x HDF5, 10x folders. Only the requested rows are read."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, sparse_dataset
from scipy.sparse import csr_matrix

from popnet.cells.rows import LARGEST, read_dense, read_sparse, spans, spill
from popnet.cells.sources import CountSource
from popnet.errors import InputError, Problem, nearest
from popnet.files import out_of_reach

# Each needs two open files, and a process may only have some hundreds open.
SPILLED_AT_ONCE = 32
MTX_FILES = {
    "matrix": ("matrix.mtx.gz", "matrix.mtx"),
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
}


def open_source(
    path: str | Path,
    counts: str = "X",
    gene_symbols: str | None = None,
    annotations: str | Path | None = None,
) -> CountSource:
    """Open an h5ad file, a 10x HDF5 file (Cell Ranger 2 or later) or a 10x matrix folder.

    The matrix itself is not read. A matrix that is not stored by cells (csc, mtx) is converted to
    rows at its first read, in temporary files; only those of the most recent matrices are kept.
    Features of 10x files that are not genes are left out.

    Parameters
    ----------
    path : str or Path
    counts : str
        ``X``, ``raw.X`` or ``layers/<name>``.
    gene_symbols : str, optional
        The column of var that holds gene symbols. By default the names of var, or the feature
        names of 10x.
    annotations : str or Path, optional
        A table (csv, or tab-separated) whose first column holds the cells' names; its columns,
        as text, are added to those of the cells and replace columns of the same name.

    Raises
    ------
    InputError
        If the file, the matrix, the column or the annotations are missing or unreadable.
    """
    path = Path(path)
    if not os.access(path, os.R_OK):
        raise _unfit(path, "there is no such file or folder, or it may not be read")
    if path.is_dir():
        source = _open_mtx(path, counts, gene_symbols)
    else:
        with _hdf5(path) as file:
            if {"obs", "var"} <= set(file):
                source = _open_h5ad(path, file, counts, gene_symbols)
            elif groups := [name for name in file if "barcodes" in _members(file[name])]:
                source = _open_10x(path, file, groups, counts, gene_symbols)
            else:
                raise _unfit(path, "an HDF5 file, but neither an h5ad nor a 10x matrix")
    if annotations is None:
        return source
    return replace(source, _obs=lambda: _annotated(source, Path(annotations)))


def open_sources(
    paths: Iterable[str], counts: str = "X", gene_symbols: str | None = None
) -> dict[str, CountSource]:
    """Open the files that hold the cells of a study, each once, by :func:`open_source`.

    Returns
    -------
    dict of path to CountSource
        In the order in which the paths first appear.
    """
    return {path: open_source(path, counts, gene_symbols) for path in dict.fromkeys(paths)}


def _open_h5ad(path: Path, file: h5py.File, counts: str, gene_symbols: str | None) -> CountSource:
    key = {"raw.X": "raw/X"}.get(counts, counts)
    matrices = [name for name in ("X", "raw.X") if name.replace(".", "/") in file]
    matrices += [f"layers/{name}" for name in _members(file.get("layers"))]
    if not isinstance(file["obs"], h5py.Group) or not isinstance(file["var"], h5py.Group):
        raise _unfit(
            path,
            "written by an anndata before 0.7",
            "write it anew: anndata.read_h5ad(path).write_h5ad(path), with anndata 0.7 to 0.10",
        )
    var = read_elem(file["raw/var" if counts == "raw.X" and counts in matrices else "var"])
    var.index = var.index.astype(str)
    _check_choices(path, counts, matrices, gene_symbols, var)

    matrix, by_rows = file[key], True
    if isinstance(matrix, h5py.Dataset):
        shape = matrix.shape
        read = _dense_reader(path, key)
    elif sparse_dataset(matrix).format == "csr":
        shape = sparse_dataset(matrix).shape
        read = _sparse_reader(path, key, shape[1])
    else:
        shape = sparse_dataset(matrix).shape
        read, by_rows = _spilled_reader(lambda: _csc_chunks(path, key, shape[0]), shape), False

    def obs() -> pd.DataFrame:
        with _hdf5(path) as file:
            table: pd.DataFrame = read_elem(file["obs"])
        table.index = table.index.astype(str)
        return table

    symbols = _symbols(var, gene_symbols)
    return CountSource(str(path), var, symbols, shape[0], obs, read, by_rows)


def _open_10x(
    path: Path, file: h5py.File, groups: list[str], counts: str, gene_symbols: str | None
) -> CountSource:
    if len(groups) > 1:
        raise _unfit(
            path,
            f"holds several genomes: {', '.join(groups)}",
            "write the counts of one genome to an h5ad file",
        )
    group = file[groups[0]]
    features = group.get("features", group)
    columns = ("id", "name", "feature_type") if "features" in group else ("genes", "gene_names")
    var, expressed = _features(pd.DataFrame({name: features[name].asstr()[:] for name in columns}))
    _check_choices(path, counts, ["X"], gene_symbols, var)
    barcodes = group["barcodes"].asstr()[:]
    read = _sparse_reader(path, groups[0], len(expressed))
    return CountSource(
        str(path),
        var,
        _symbols(var, gene_symbols or "gene_symbols"),
        len(barcodes),
        lambda: pd.DataFrame(index=pd.Index(barcodes)),
        lambda rows: _columns(read(rows), expressed),
    )


def _open_mtx(folder: Path, counts: str, gene_symbols: str | None) -> CountSource:
    found = {
        what: folder / name
        for what, names in MTX_FILES.items()
        for name in reversed(names)
        if (folder / name).is_file()
    }
    if missing := [names[0] for what, names in MTX_FILES.items() if what not in found]:
        raise _unfit(
            folder,
            f"the folder lacks {', '.join(missing)}",
            "name the folder that holds matrix.mtx, features.tsv and barcodes.tsv "
            "(each may end in .gz)",
        )
    with _text(folder):
        var, expressed = _features(_read_list(found["features"]))
        barcodes = _read_list(found["barcodes"])[0].to_numpy()
        with _open_text(found["matrix"]) as handle:
            shape = _read_mtx_header(handle)[1::-1]
    if shape != (len(barcodes), len(expressed)):
        raise _unfit(
            folder,
            f"{len(expressed):,} features and {len(barcodes):,} barcodes, but a matrix of "
            f"{shape[1]:,} x {shape[0]:,}",
        )
    _check_choices(folder, counts, ["X"], gene_symbols, var)
    read = _spilled_reader(lambda: _mtx_chunks(found["matrix"]), shape)
    return CountSource(
        str(folder),
        var,
        _symbols(var, gene_symbols or "gene_symbols"),
        len(barcodes),
        lambda: pd.DataFrame(index=pd.Index(barcodes)),
        lambda rows: _columns(read(rows), expressed),
        by_rows=False,
    )


def _dense_reader(path: Path, key: str) -> Callable[[np.ndarray], csr_matrix]:
    def read(rows: np.ndarray) -> csr_matrix:
        with _hdf5(path) as file:
            return read_dense(rows, file[key])

    return read


def _sparse_reader(path: Path, key: str, n_genes: int) -> Callable[[np.ndarray], csr_matrix]:
    def read(rows: np.ndarray) -> csr_matrix:
        with _hdf5(path) as file:
            group = file[key]
            counts = read_sparse(rows, group["indptr"][:], group["indices"], group["data"], n_genes)
            # scipy does not check them, and would read beyond its arrays.
            if counts.nnz and not 0 <= counts.indices.min() <= counts.indices.max() < n_genes:
                raise ValueError(f"a count of a gene that is none of the {n_genes:,}")
            return counts

    return read


def _spilled_reader(
    chunks: Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]],
    shape: tuple[int, int],
) -> Callable[[np.ndarray], csr_matrix]:
    return lambda rows: read_sparse(rows, *_spilled(chunks, shape[0]), shape[1])


@lru_cache(maxsize=SPILLED_AT_ONCE)
def _spilled(
    chunks: Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]], n_cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return spill(chunks(), n_cells)


def _csc_chunks(
    path: Path, key: str, n_cells: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    with _hdf5(path) as file:
        indptr, indices, data = (file[key][name] for name in ("indptr", "indices", "data"))
        indptr = indptr[:]
        for first, last in spans(indptr[:-1], indptr[1:], gap=np.inf):
            part = slice(indptr[first], indptr[last])
            genes = np.repeat(np.arange(first, last), np.diff(indptr[first : last + 1]))
            cells = indices[part]
            if len(cells) and not 0 <= cells.min() <= cells.max() < n_cells:
                raise ValueError(f"a count of a cell that is none of the {n_cells:,}")
            yield cells, genes, data[part]


def _mtx_chunks(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    with _text(path), _open_text(path) as handle:
        n_genes, n_cells, n_stored = _read_mtx_header(handle)
        n_read = 0
        if n_stored:
            for chunk in pd.read_csv(
                handle,
                sep=r"\s+",
                header=None,
                names=["gene", "cell", "value"],
                dtype={"gene": np.int64, "cell": np.int64, "value": np.float32},
                chunksize=LARGEST,
            ):
                if not (
                    chunk["gene"].between(1, n_genes) & chunk["cell"].between(1, n_cells)
                ).all():
                    raise ValueError("an entry lies outside the matrix")
                n_read += len(chunk)
                gene, cell, value = (chunk[name].to_numpy() for name in chunk)
                yield cell - 1, gene - 1, value
        if n_read != n_stored:
            raise ValueError(f"{n_read:,} of {n_stored:,} entries: truncated")


def _read_mtx_header(handle: TextIO) -> tuple[int, int, int]:
    line = handle.readline()
    if not line.lower().startswith("%%matrixmarket matrix coordinate"):
        raise ValueError("not a MatrixMarket coordinate matrix")
    while line.startswith("%"):
        line = handle.readline()
    n_genes, n_cells, n_stored = map(int, line.split())
    return n_genes, n_cells, n_stored


def _open_text(path: Path) -> TextIO:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open()


def _read_list(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=3)


def _features(table: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the gene table (index = gene ids) and a mask of the features that are genes."""
    if table.shape[1] < 2:
        raise ValueError("features need an id and a name")
    names = ["gene_ids", "gene_symbols", "feature_types"][: table.shape[1]]
    table = table.iloc[:, : len(names)].set_axis(names, axis=1)
    expressed = np.ones(len(table), bool)
    if "feature_types" in table:
        expressed = (table["feature_types"] == "Gene Expression").to_numpy()
    return table[expressed].set_index("gene_ids"), expressed


def _columns(counts: csr_matrix, kept: np.ndarray) -> csr_matrix:
    return counts if kept.all() else counts[:, kept]


def _symbols(var: pd.DataFrame, column: str | None) -> pd.Index:
    names = var.index.to_series().reset_index(drop=True)
    if column is not None:
        symbols = var[column].astype(object).reset_index(drop=True)
        known = symbols.notna() & (symbols.astype(str) != "")
        names = symbols.astype(str).where(known & ~symbols.duplicated(), names)
    symbols_of_genes: pd.Index = pd.Index(names.astype(object), name=None)
    return symbols_of_genes


def _annotated(source: CountSource, path: Path) -> pd.DataFrame:
    with _text(path):
        table = pd.read_csv(
            path,
            sep="," if ".csv" in path.suffixes else "\t",
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
        table = table.set_index(table.columns[0])
    obs = source.obs
    if table.index.has_duplicates:
        name = table.index[table.index.duplicated()][0]
        raise _unfit(path, f"cell {name!r} has several rows", "keep one row per cell")
    if not obs.index.isin(table.index).any():
        raise _unfit(
            path,
            f"names no cell of {source.path}: its first is {table.index[:1].tolist()}, the "
            f"cells' first is {obs.index[:1].tolist()}",
            "give the cells' names, as they are in the matrix, in the first column",
        )
    return obs.drop(columns=obs.columns.intersection(table.columns)).join(table)


def _check_choices(
    path: Path, counts: str, matrices: list[str], gene_symbols: str | None, var: pd.DataFrame
) -> None:
    problems = [
        Problem(
            str(path),
            name,
            value,
            f"the file has no such {what}",
            f"{nearest(value, choices)}it has: {', '.join(map(str, choices)) or 'none'}",
        )
        for name, value, what, choices in (
            ("cells.counts", counts, "matrix", matrices),
            ("cells.gene_symbols", gene_symbols, "column of var", list(var.columns)),
        )
        if value is not None and value not in choices
    ]
    if problems:
        raise InputError(problems)


def _members(group: Any) -> list[str]:
    return list(group) if isinstance(group, h5py.Group) else []


def _unfit(
    path: Path, message: str, remedy: str = "check the path, or make the file anew"
) -> InputError:
    return InputError([Problem(str(path), "path", None, message, remedy)])


@contextmanager
def _hdf5(path: Path) -> Iterator[h5py.File]:
    """Open for reading without a lock, because read-only and network file systems may refuse it.

    The errors that a damaged file raises are not documented, so that all are caught.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if why := out_of_reach(error):
            raise _unfit(path, f"cannot be read: {why}", "let it be read, or correct it") from error
        raise _unfit(
            path,
            f"file cannot be read as HDF5: damaged, truncated or not an h5ad ({error})",
            "copy or download it again, and compare its size with the original's",
        ) from error


@contextmanager
def _text(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unfit(
            path,
            f"cannot be read: {error}",
            "copy or download it again, and compare its size with the original's",
        ) from error
