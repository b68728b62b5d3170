"""Files of counts: h5ad, 10x HDF5, folders of MatrixMarket. Only the requested rows are read."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import h5py
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from popnet.cells.features import ENSEMBL, TYPE_COLUMNS, Features, features_of, joined
from popnet.cells.other_files import other_file, other_hdf5
from popnet.cells.rows import LARGEST, read_dense, read_sparse, spans, spill
from popnet.cells.sources import Annotations, CountSource, as_names
from popnet.errors import InputError, Problem, nearest
from popnet.files import out_of_reach

if TYPE_CHECKING:
    import pyarrow as pa

# Each needs two open files, and a process may only have some hundreds open.
SPILLED_AT_ONCE = 32
# Texts that are Python objects at a time, about 100 MB.
BLOCK = 2**20


@dataclass(frozen=True)
class Layout:
    """The names of the files of a folder, and how the matrix lies in it."""

    tool: str
    matrix: tuple[str, ...]
    features: tuple[str, ...]
    barcodes: tuple[str, ...]
    by_cells: bool = False
    names: tuple[str, ...] = ()


LAYOUTS = (
    Layout(
        "10x",
        ("matrix.mtx.gz", "matrix.mtx"),
        ("features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"),
        ("barcodes.tsv.gz", "barcodes.tsv"),
    ),
    Layout(
        "kb",
        ("cells_x_genes.mtx.gz", "cells_x_genes.mtx"),
        ("cells_x_genes.genes.txt",),
        ("cells_x_genes.barcodes.txt",),
        by_cells=True,
        names=("cells_x_genes.genes.names.txt",),
    ),
    Layout(
        "alevin-fry",
        ("quants_mat.mtx.gz", "quants_mat.mtx"),
        ("quants_mat_cols.txt",),
        ("quants_mat_rows.txt",),
        by_cells=True,
    ),
)


def open_source(
    path: str | Path,
    counts: str = "X",
    gene_symbols: str | None = None,
    annotations: str | Path | None = None,
    gene_prefix: str | None = None,
) -> CountSource:
    """Open an h5ad file, a 10x HDF5 file (Cell Ranger 2 or later) or a folder of MatrixMarket.

    The matrix itself is not read. A matrix that is not stored by cells (csc, mtx) is converted to
    rows at its first read, in temporary files; only those of the most recent matrices are kept.
    Features that are not genes (`popnet.cells.features`) are left out. Folders are those of Cell
    Ranger, STARsolo, Seurat and DropletUtils, of kb and of alevin-fry.

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
    gene_prefix : str, optional
        Of names of genes, such as that of a genome; it is taken away.

    Raises
    ------
    InputError
        If the file, the matrix, the column or the annotations are missing or unreadable, or if a
        matrix is not as large as the tables that describe it.
    """
    path = Path(path)
    if not os.access(path, os.R_OK):
        raise _unfit(path, "there is no such file or folder, or it may not be read")
    if other := other_file(path):
        raise _unfit(path, f"it is {other[0]}", other[1])
    asked = counts, gene_symbols, gene_prefix
    if path.is_dir():
        source = _open_mtx(path, *asked)
    else:
        with _hdf5(path) as file:
            if other := other_hdf5(set(file)):
                raise _unfit(path, f"it is {other[0]}", other[1])
            if {"obs", "var"} <= set(file):
                source = _open_h5ad(path, file, *asked)
            elif groups := [name for name in file if "barcodes" in _members(file[name])]:
                source = _open_10x(path, file, groups, *asked)
            elif lacking := {"obs", "var"} - set(file) if {"obs", "var"} & set(file) else ():
                raise _incomplete(path, f"the h5ad has no {', '.join(sorted(lacking))}")
            else:
                raise _unfit(path, "an HDF5 file, but neither an h5ad nor a 10x matrix")
    if annotations is None:
        return source
    return replace(source, _obs=lambda: _annotated(source, Path(annotations)), _parts=None)


def open_sources(
    paths: Iterable[str],
    counts: str = "X",
    gene_symbols: str | None = None,
    gene_prefix: str | None = None,
) -> dict[str, CountSource]:
    """Open the files that hold the cells of a study, each once, by :func:`open_source`.

    A gene has the same name in all of them, see :func:`popnet.cells.features.joined`.

    Returns
    -------
    dict of path to CountSource
        In the order in which the paths first appear.
    """
    paths = list(dict.fromkeys(paths))
    sources = [open_source(path, counts, gene_symbols, gene_prefix=gene_prefix) for path in paths]
    return dict(zip(paths, joined(sources), strict=True))


def matrices(path: str | Path) -> list[str]:
    """Return the matrices of an h5ad as `open_source` calls them; ``["X"]`` of other files.

    Raises
    ------
    InputError
        If the file is there but cannot be read.
    """
    if Path(path).suffix != ".h5ad" or not Path(path).is_file():
        return ["X"]
    with _hdf5(Path(path)) as file:
        return _matrices(file)


def _matrices(file: h5py.File) -> list[str]:
    names = [name for name in ("X", "raw.X") if name.replace(".", "/") in file]
    return names + [f"layers/{name}" for name in _members(file.get("layers"))]


def _open_h5ad(
    path: Path, file: h5py.File, counts: str, gene_symbols: str | None, gene_prefix: str | None
) -> CountSource:
    key = {"raw.X": "raw/X"}.get(counts, counts)
    stored = _matrices(file)
    if not isinstance(file["obs"], h5py.Group) or not isinstance(file["var"], h5py.Group):
        raise _unfit(
            path,
            "written by an anndata before 0.7",
            "write it anew: anndata.read_h5ad(path).write_h5ad(path), with anndata 0.7 to 0.10",
        )
    lengths = {name: _length(path, file[name], name) for name in ("obs", "var")}
    if "raw.X" in stored:
        if "var" not in file["raw"]:
            raise _incomplete(path, "raw.X has no table of genes, raw/var")
        lengths["raw/var"] = _length(path, file["raw/var"], "raw/var")
    own = "raw/var" if counts == "raw.X" and counts in stored else "var"
    var, of_types = _read_frame(file[own]), _read_frame(file["var"])
    if not set(TYPE_COLUMNS).isdisjoint(var):
        of_types = var
    _check_choices(path, counts, stored, gene_symbols, var)
    _check_shapes(path, file, stored, counts, lengths)

    features = _described(path, lambda: features_of(var, gene_symbols, gene_prefix, of_types))
    matrix, by_rows = file[key], True
    shape = (lengths["obs"], lengths[own])
    if isinstance(matrix, h5py.Dataset):
        read = _dense_reader(path, key)
    elif _sparse_format(matrix) == "csr":
        read = _sparse_reader(path, key, shape[1])
    else:
        read, by_rows = _spilled_reader(lambda: _csc_chunks(path, key, shape[0]), shape), False

    def obs() -> pd.DataFrame:
        with _hdf5(path) as file:
            return _read_frame(file["obs"])

    return _source(
        path, features, shape[0], obs, read, by_rows, _parts(path, file["obs"], shape[0])
    )


def _read_frame(group: h5py.Group) -> pd.DataFrame:
    """Read a table of an h5ad; bytes, of which text may be stored, are text."""

    from anndata.io import read_elem

    table: pd.DataFrame = read_elem(group)
    table.index = _decoded(table.index).astype(str).rename(table.index.name)
    for name in table.columns:
        if (text := _with_text(table[name].array)) is not None:
            table[name] = text
    return table


def _decoded(values: Iterable[Any]) -> pd.Index:
    decoded = [value.decode() if isinstance(value, bytes) else value for value in values]
    return pd.Index(decoded, dtype=object)


def _with_text(column: Any) -> Any:
    """Return a column of bytes as text; None of another."""
    levels = column.categories if isinstance(column, pd.Categorical) else column
    text = pd.api.types.is_object_dtype(levels.dtype)
    if not text or not any(isinstance(value, bytes) for value in levels):
        return None
    if levels is column:
        return _decoded(column).to_numpy()
    return pd.Categorical.from_codes(column.codes, _decoded(levels))


def _parts(path: Path, table: h5py.Group, n_cells: int) -> Annotations | None:
    """Return how parts of a table of an h5ad are read; None where it must be read as a whole."""
    from anndata.io import read_elem

    written = [table.attrs.get(f"encoding-{name}") for name in ("type", "version")]
    if written != ["dataframe", "0.2.0"] or not {"column-order", "_index"} <= set(table.attrs):
        return None
    index, *columns = (
        name.decode() if isinstance(name, bytes) else str(name)
        for name in (table.attrs["_index"], *table.attrs["column-order"])
    )
    if len(set(columns)) < len(columns):
        return None

    def read(names: Collection[str]) -> pd.DataFrame:
        found: dict[str, Any] = {}
        with _hdf5(path) as file:
            for name in names:
                stored = file["obs"][name]
                if _is_text(stored):
                    found[name] = _as_categories(stored)
                else:
                    values = pd.Series(read_elem(stored)).array
                    text = _with_text(values)
                    found[name] = values if text is None else text
        return pd.DataFrame(found, index=pd.RangeIndex(n_cells))

    def names() -> pa.ChunkedArray:
        with _hdf5(path) as file:
            stored = file["obs"][index]
            if _is_text(stored):
                return as_names(block.tolist() for block in _blocks(stored))
            return as_names([_decoded(read_elem(stored)).astype(str).tolist()])

    return Annotations(columns, read, names)


def _is_text(stored: h5py.Dataset | h5py.Group) -> bool:
    """Return whether a column is text that is read as it is, by blocks."""
    known = stored.attrs.get("encoding-type") in ("string-array", "array")
    return known and isinstance(stored, h5py.Dataset) and stored.dtype.kind in "SO"


def _blocks(stored: h5py.Dataset) -> Iterator[np.ndarray]:
    return (stored[start : start + BLOCK] for start in range(0, len(stored), BLOCK))


def _as_categories(stored: h5py.Dataset) -> pd.Categorical:
    """Read a column of text, of which each value becomes one Python object."""
    codes: list[np.ndarray] = []
    seen: dict[bytes, int] = {}
    for block in _blocks(stored):
        numbers, found = pd.factorize(block.astype(object))
        places = [seen.setdefault(value, len(seen)) for value in found]
        codes.append(np.array(places, np.int32)[numbers])
    return pd.Categorical.from_codes(
        np.concatenate([np.zeros(0, np.int32), *codes]), _decoded(seen)
    )


def _length(path: Path, table: h5py.Group, name: str) -> int:
    """Return how many rows a table of an h5ad has, if all its columns have as many."""
    index, *columns = (
        name.decode() if isinstance(name, bytes) else str(name)
        for name in (table.attrs.get("_index", "_index"), *table.attrs.get("column-order", ()))
    )
    lengths = {}
    for column in [index, *columns]:
        values = table.get(column)
        if isinstance(values, h5py.Group):
            values = values.get("codes", values.get("values"))
        if values is None or not values.shape:
            raise _incomplete(path, f"{name} lacks {column!r}, which it says that it has")
        lengths[column] = values.shape[0]
    n_rows = lengths[index]
    if wrong := {column: n for column, n in lengths.items() if n != n_rows}:
        column, n = next(iter(wrong.items()))
        raise _unequal(path, f"{name} has {n_rows:,} names, but its column {column!r} {n:,} values")
    return n_rows


def _sparse_format(matrix: h5py.Group) -> str | None:
    written = str(matrix.attrs.get("encoding-type", matrix.attrs.get("h5sparse_format", "")))
    return {"csr": "csr", "csc": "csc"}.get(written[:3])


def _check_shapes(
    path: Path, file: h5py.File, matrices: list[str], counts: str, lengths: dict[str, int]
) -> None:
    """Find matrices that are not as large as obs and var, as anndata does."""
    for name in matrices:
        matrix = file[name.replace("raw.X", "raw/X")]
        genes = "raw/var" if name == "raw.X" else "var"
        expected = lengths["obs"], lengths[genes]
        if isinstance(matrix, h5py.Dataset):
            shape, values = matrix.shape, matrix
        elif (layout := _sparse_format(matrix)) is None:
            if name == counts:
                raise _unfit(path, f"{name} is no matrix of numbers", "name another matrix")
            continue
        else:
            shape = matrix.attrs.get("shape", matrix.attrs.get("h5sparse_shape"))
            if shape is None:
                raise _incomplete(path, f"{name} does not say its shape")
            values = _check_compressed(path, name, matrix, shape, layout == "csr")
        if shape is None:
            continue
        _check_shape(path, name, tuple(map(int, shape)), expected, ("obs", genes))
        if name == counts:
            _check_numbers(path, name, values)


def _check_numbers(path: Path, name: str, values: h5py.Dataset) -> None:
    if values.dtype.kind not in "iuf":
        what = "true and false" if values.dtype.kind == "b" else f"values of {values.dtype}"
        raise _unfit(path, f"{name} holds {what}, not counts", "name another matrix")


def _check_compressed(
    path: Path, name: str, matrix: h5py.Group, shape: Sequence[int], by_rows: bool
) -> h5py.Dataset:
    """Check that the three parts of a compressed matrix belong together; return its values."""
    lacking = [part for part in ("data", "indices", "indptr") if part not in matrix]
    if lacking:
        raise _incomplete(path, f"{name} lacks {', '.join(lacking)}")
    data, indices, indptr = (matrix[part] for part in ("data", "indices", "indptr"))
    for part, places in (("indices", indices), ("indptr", indptr)):
        if places.dtype.kind not in "iu":
            message = f"{part} of {name} are places of values, but stored as {places.dtype}"
            raise _unfit(path, message, "write the file anew, with whole numbers there")
    n_lines = int(shape[0 if by_rows else 1])
    if len(indptr) != n_lines + 1:
        what = "rows" if by_rows else "columns"
        raise _unequal(path, f"{name} says that it has {n_lines:,} {what}, but {len(indptr) - 1:,}")
    if len(data) != len(indices) or (int(indptr[0]), int(indptr[-1])) != (0, len(data)):
        raise _unequal(
            path,
            f"{name} has {len(data):,} values at {len(indices):,} places, and rows that end at "
            f"{int(indptr[-1]):,}",
        )
    return data


def _check_shape(
    path: Path,
    name: str,
    shape: tuple[int, ...],
    expected: tuple[int, int],
    tables: tuple[str, str],
) -> None:
    if shape == expected:
        return
    size = " x ".join(f"{n:,}" for n in shape)
    message = f"{name} is {size}, but {tables[0]} has {expected[0]:,} rows and {tables[1]} "
    message += f"{expected[1]:,}"
    if shape == expected[::-1]:
        raise _unfit(path, f"{message}: it lies the other way round", "transpose the matrix")
    raise _unequal(path, message)


def _open_10x(
    path: Path,
    file: h5py.File,
    groups: list[str],
    counts: str,
    gene_symbols: str | None,
    gene_prefix: str | None,
) -> CountSource:
    if len(groups) > 1:
        raise _unfit(
            path,
            f"holds several genomes: {', '.join(groups)}",
            "write the counts of one genome to an h5ad file",
        )
    group = file[groups[0]]
    described = group.get("features", group)
    columns = ["id", "name"] if "features" in group else ["genes", "gene_names"]
    lacking = [name for name in columns if name not in described]
    lacking += [name for name in ("shape",) if name not in group]
    if lacking:
        raise _incomplete(path, f"{groups[0]} lacks {', '.join(lacking)}")
    columns += ["feature_type"] if "feature_type" in described else []
    texts = {name: described[name].asstr()[:] for name in columns}
    if len(sizes := {len(values) for values in texts.values()}) > 1:
        raise _unequal(path, f"the columns of its features have {sorted(sizes)} values")
    barcodes = group["barcodes"].asstr()[:]
    shape = [int(n) for n in group["shape"][:]]
    values = _check_compressed(path, groups[0], group, shape[::-1], by_rows=True)
    _check_numbers(path, groups[0], values)
    of_tables = len(texts[columns[0]]), len(barcodes)
    _check_shape(path, groups[0], tuple(shape), of_tables, ("the list of features", "of barcodes"))
    features = _described(path, lambda: _of_10x(pd.DataFrame(texts), gene_symbols, gene_prefix))
    _check_choices(path, counts, ["X"], gene_symbols, features.var)
    read = _sparse_reader(path, groups[0], of_tables[0])
    names = pd.DataFrame(index=pd.Index(barcodes))
    return _source(path, features, len(barcodes), lambda: names, read)


def _open_mtx(
    folder: Path, counts: str, gene_symbols: str | None, gene_prefix: str | None
) -> CountSource:
    layout, found = _files_of(folder)
    with _text(folder):
        table = _read_list(found["features"])
        barcodes = _read_list(found["barcodes"])[0].str.strip().to_numpy()
        if "names" in found:
            table[1] = _read_list(found["names"])[0]
        with _open_text(found["matrix"]) as handle:
            shape = _read_mtx_header(handle)[:2]
    if not layout.by_cells:
        shape = shape[::-1]
    expected = len(barcodes), len(table)
    header = [n - 1 for n in expected] == [*shape] or "barcode" in str(barcodes[:1]).lower()
    if shape != expected and header:
        message = "the lists of features and barcodes seem to begin with a header"
        raise _unfit(folder, message, "take the first line of both away")
    _check_shape(folder, found["matrix"].name, shape, expected, ("barcodes", "features"))
    if layout.tool == "alevin-fry" and (table[0].str.endswith(("-U", "-A"))).any():
        raise _unfit(
            folder,
            "alevin-fry counted spliced and unspliced molecules apart (USA mode)",
            "write the counts to use as h5ad: pyroe.load_fry(folder, 'scRNA').write_h5ad(...)",
        )
    features = _described(folder, lambda: _of_10x(table, gene_symbols, gene_prefix))
    _check_choices(folder, counts, ["X"], gene_symbols, features.var)
    read = _spilled_reader(lambda: _mtx_chunks(found["matrix"], layout.by_cells), shape)
    names = pd.DataFrame(index=pd.Index(barcodes))
    return _source(folder, features, len(barcodes), lambda: names, read, by_rows=False)


def _files_of(folder: Path) -> tuple[Layout, dict[str, Path]]:
    """Return how the files of a folder are called, and which they are; GEO adds a prefix."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found: dict[tuple[str, str], tuple[Layout, dict[str, Path]]] = {}
    for layout in LAYOUTS:
        for name in names:
            for ending in layout.matrix:
                if not name.endswith(ending):
                    continue
                prefix = name.removesuffix(ending)
                files = {
                    what: folder / f"{prefix}{one}"
                    for what in ("matrix", "features", "barcodes", "names")
                    for one in reversed(getattr(layout, what))
                    if f"{prefix}{one}" in names
                }
                if {"matrix", "features", "barcodes"} <= set(files):
                    found[layout.tool, prefix] = layout, files
    plain = [key for key in found if not key[1]]
    if len(found) == 1 or len(plain) == 1:
        return found[plain[0]] if plain else next(iter(found.values()))
    if found:
        prefixes = ", ".join(repr(prefix) for _, prefix in [*found][:5])
        message = f"the folder holds {len(found)} matrices, with names that begin with {prefixes}"
        raise _unfit(folder, message, "give each its folder, and name it as the sample's path")
    remedy = "name the folder that holds matrix.mtx, features.tsv and barcodes.tsv (each may end "
    remedy += "in .gz)"
    inner = sorted(path.parent for layout in LAYOUTS for path in folder.rglob(layout.matrix[1]))
    inner += sorted(path.parent for layout in LAYOUTS for path in folder.rglob(layout.matrix[0]))
    if inner := [path for path in inner if path != folder]:
        remedy = f"name one of its folders, such as {inner[0]}"
    first = LAYOUTS[0]
    missing = [
        choices[0]
        for choices in (first.matrix, first.features, first.barcodes)
        if not set(choices) & set(names)
    ]
    message = f"the folder lacks {', '.join(missing)}"
    if names:
        message += f"; it has {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    raise _unfit(folder, message, remedy)


def _source(
    path: Path,
    features: Features,
    n_cells: int,
    obs: Callable[[], pd.DataFrame],
    read: Callable[[np.ndarray], csr_matrix],
    by_rows: bool = True,
    parts: Annotations | None = None,
) -> CountSource:
    return CountSource(
        str(path),
        features.var,
        features.symbols,
        n_cells,
        obs,
        lambda rows: _columns(read(rows), features.kept),
        by_rows,
        features.ids,
        features.left_out,
        parts,
    )


def _described(path: Path, described: Callable[[], Features]) -> Features:
    try:
        return described()
    except ValueError as error:
        remedy = "correct the types of its features; genes are 'Gene Expression'"
        raise _unfit(path, str(error), remedy) from error


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


def _mtx_chunks(path: Path, by_cells: bool) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    columns = ["cell", "gene"] if by_cells else ["gene", "cell"]
    with _text(path), _open_text(path) as handle:
        *shape, n_stored = _read_mtx_header(handle)
        size = dict(zip(columns, shape, strict=True))
        n_read = 0
        if n_stored:
            for chunk in pd.read_csv(
                handle,
                sep=r"\s+",
                header=None,
                names=[*columns, "value"],
                dtype={"gene": np.int64, "cell": np.int64, "value": np.float32},
                chunksize=LARGEST,
            ):
                if not (
                    chunk["gene"].between(1, size["gene"]) & chunk["cell"].between(1, size["cell"])
                ).all():
                    raise ValueError("an entry lies outside the matrix")
                n_read += len(chunk)
                gene, cell, value = (chunk[name].to_numpy() for name in ("gene", "cell", "value"))
                yield cell - 1, gene - 1, value
        if n_read != n_stored:
            raise ValueError(f"{n_read:,} of {n_stored:,} entries: truncated")


def _read_mtx_header(handle: TextIO) -> tuple[int, int, int]:
    """Return the numbers of rows, columns and entries."""
    line = handle.readline()
    kind = line.lower().split()
    if kind[:3] != ["%%matrixmarket", "matrix", "coordinate"]:
        raise ValueError("not a MatrixMarket coordinate matrix")
    if kind[3:] not in (["integer", "general"], ["real", "general"]):
        raise ValueError(f"a MatrixMarket matrix of counts is integer general, not {kind[3:]}")
    while line.startswith("%") or (line and not line.strip()):
        line = handle.readline()
    n_rows, n_columns, n_stored = map(int, line.split())
    return n_rows, n_columns, n_stored


def _open_text(path: Path) -> TextIO:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open()


def _read_list(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=3)
    for column in table:
        # R puts text in quotes.
        if table[column].str.fullmatch(r'".*"').all():
            table[column] = table[column].str[1:-1]
    return table


def _of_10x(table: pd.DataFrame, symbols: str | None, prefix: str | None) -> Features:
    """Return the genes among the features of 10x: ids, names and types, or a part of these."""
    columns = [tuple(table[name]) for name in table.columns[:3]]
    return _of_columns(tuple(columns if len(columns) > 1 else columns * 2), symbols, prefix)


# The files of a study have the same features.
@lru_cache(maxsize=4)
def _of_columns(
    columns: tuple[tuple[str, ...], ...], symbols: str | None, prefix: str | None
) -> Features:
    names = ["gene_ids", "gene_symbols", "feature_types"][: len(columns)]
    table = pd.DataFrame(dict(zip(names, columns, strict=True)), dtype=str)
    first, second = (table[name].str.fullmatch(ENSEMBL).mean() for name in names[:2])
    if first < 0.5 < second:
        table = table.rename(columns={"gene_ids": "gene_symbols", "gene_symbols": "gene_ids"})
    return features_of(table.set_index("gene_ids"), symbols or "gene_symbols", prefix)


def _columns(counts: csr_matrix, kept: np.ndarray) -> csr_matrix:
    return counts if kept.all() else counts[:, kept]


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


def _unequal(path: Path, message: str) -> InputError:
    remedy = "write the file anew from data in which they agree: which values belong to which name "
    return _unfit(path, message, remedy + "cannot be told")


def _incomplete(path: Path, message: str) -> InputError:
    return _unfit(path, message, "write the file anew, with the tool that made it")


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
        if type(error).__name__ == "IORegistryError":
            message = f"written in a form that this anndata does not know: {error}"
            remedy = "write it anew with anndata 0.8 to 0.12"
            raise _unfit(path, message, remedy) from error
        absent = "doesn't exist" in str(error) or "can't locate attribute" in str(error)
        if isinstance(error, KeyError) and absent:
            raise _incomplete(path, f"it lacks a part ({error.args[0]})") from error
        if isinstance(error, ValueError | TypeError):
            message = f"what it holds does not fit together ({error})"
            remedy = "write the file anew; if it was read before, copy or download it again"
            raise _unfit(path, message, remedy) from error
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
