"""Raw counts on disk: common genes of several sources, and the rows of requested cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, vstack

from popnet.cells.depth import thin
from popnet.errors import InputError, Problem

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Annotations:
    """The annotations of cells, of which parts can be read alone.

    Parameters
    ----------
    columns : list of str
    read : function
        Returns some of the columns as a DataFrame with rows numbered from 0. Text is categorical.
    names : function
        Returns the names of all cells in Arrow's form, a third of what Python objects take.
    """

    columns: list[str]
    read: Callable[[Collection[str]], pd.DataFrame] = field(repr=False)
    names: Callable[[], pa.ChunkedArray] = field(repr=False)


@dataclass(frozen=True, eq=False)
class CountSource:
    """Raw counts on disk, cells x genes.

    Parameters
    ----------
    path : str
    var : DataFrame of shape (n_genes, n_columns)
        The file's gene table, index = its gene names (gene ids for 10x).
    genes : Index of shape (n_genes,)
        Gene symbols. If several genes share a symbol, the first keeps it and the others have their
        name in `var`, as have genes without a symbol.
    n_cells : int
    by_rows : bool
        Whether rows can be read without reading the whole file.
    ids : Index of shape (n_genes,) or None
        What identifies the genes in other files, where the file has it.
    left_out : mapping of type to int
        How many of its features are no genes.
    """

    path: str
    var: pd.DataFrame
    genes: pd.Index
    n_cells: int
    _obs: Callable[[], pd.DataFrame] = field(repr=False)
    _read: Callable[[np.ndarray], csr_matrix] = field(repr=False)
    by_rows: bool = True
    ids: pd.Index | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    _parts: Annotations | None = field(default=None, repr=False)

    @property
    def annotations(self) -> Annotations:
        """The cells' annotations, to read what is needed of those of many cells."""
        return self._parts or Annotations(
            list(map(str, self.obs.columns)),
            lambda columns: self.obs[list(columns)].reset_index(drop=True),
            lambda: as_names([self.obs.index.astype(str).tolist()]),
        )

    @cached_property
    def obs(self) -> pd.DataFrame:
        """The cells' annotations, index = cell names; read at the first access."""
        return self._obs()

    def read_rows(self, rows: np.ndarray) -> csr_matrix:
        """Return the counts of cells by their row numbers, in any order, as float32.

        Raises
        ------
        ValueError
            If a row number is out of range.
        InputError
            If the file cannot be read.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < self.n_cells:
            raise ValueError(f"rows must be within 0 and {self.n_cells - 1}")
        wanted, places = np.unique(rows, return_inverse=True)
        counts = self._read(wanted)
        return counts if np.array_equal(wanted, rows) else counts[places]


def as_names(blocks: Iterable[Sequence[str | bytes]]) -> pa.ChunkedArray:
    """Return text, or bytes of text in UTF-8, in Arrow's form.

    Raises
    ------
    ValueError
        If bytes are no text.
    """
    import pyarrow as pa

    # A text of Arrow could not be longer than 2 GB.
    kind = pa.large_string()
    return pa.chunked_array([pa.array(one, pa.large_binary()).cast(kind) for one in blocks], kind)


def cell_names(sources: Mapping[str, CountSource], cells: pd.DataFrame) -> pd.Series:
    """Return the names of cells as text in Arrow's form, with the index of the cells.

    Parameters
    ----------
    sources : mapping of the cells' source to its CountSource
    cells : DataFrame with columns source, row

    Raises
    ------
    InputError
        If names cannot be read.
    """
    import pyarrow as pa

    rows, parts, places = cells["row"].to_numpy(), [], []
    for key, members in cells.groupby("source", observed=True).indices.items():
        names, own = sources[str(key)].annotations.names(), rows[members]
        whole = np.array_equal(own, np.arange(len(names)))
        # In one piece, since places in several are slow to find.
        parts.append((names if whole else names.take(pa.array(own))).combine_chunks())
        del names
        places.append(members)
    names = pa.chunked_array(parts, pa.large_string())
    if len(places) > 1:
        names = names.take(pa.array(np.argsort(np.concatenate(places))))
    return pd.Series(pd.array(names, dtype="string[pyarrow]"), cells.index)


def common_genes(sources: Sequence[CountSource]) -> tuple[pd.Index, pd.DataFrame]:
    """Return the genes that all sources have, in the order of the first.

    Returns
    -------
    genes : Index of shape (n_genes,)
    lost : DataFrame
        Columns source, n_genes, n_lost (genes of the source that another source does not have).
    """
    genes = sources[0].genes
    for source in sources[1:]:
        genes = genes[genes.isin(source.genes)]
    lost = pd.DataFrame(
        [(source.path, len(source.genes), len(source.genes) - len(genes)) for source in sources],
        columns=["source", "n_genes", "n_lost"],
    )
    return genes, lost


def read_counts(
    sources: Mapping[str, CountSource], cells: pd.DataFrame, genes: pd.Index
) -> tuple[csr_matrix, np.ndarray]:
    """Read the counts of cells, which may come from several sources, and check them.

    Parameters
    ----------
    sources : mapping of the cells' source to its CountSource
    cells : DataFrame of shape (n_cells, n_columns)
        Columns source and row. With columns kept and seed, as `match_depth` of
        `popnet.cells.depth` makes them, the counts are thinned.
    genes : Index of shape (n_genes,)
        Genes that every source has, see `common_genes`.

    Returns
    -------
    counts : csr_matrix of shape (n_cells, n_genes), float32
    depth : ndarray of shape (n_cells,)
        Total counts of each cell over all genes of its source, after thinning.

    Raises
    ------
    InputError
        If a count is negative or not a whole number.
    ValueError
        If a source does not have one of the genes.
    """
    rows, depth = cells["row"].to_numpy(), np.zeros(len(cells))
    parts, places = [csr_matrix((0, len(genes)), dtype=np.float32)], []
    for key, members in cells.groupby("source", observed=True).indices.items():
        source = sources[str(key)]
        part = source.read_rows(rows[members])
        _check_counts(part, source, rows[members])
        if "kept" in cells:
            # All genes of the file, so that another file with other genes changes nothing.
            thinned = cells.iloc[members]
            part = thin(part, thinned["kept"].to_numpy(), thinned["seed"].to_numpy())
        depth[members] = np.asarray(part.sum(axis=1, dtype=np.float64)).ravel()
        if not source.genes.equals(genes):
            columns = source.genes.get_indexer(genes)
            if np.any(columns < 0):
                raise ValueError(f"genes: {np.sum(columns < 0)} are not in {source.path}")
            part = part[:, columns]
        parts.append(part)
        places.append(members)
    if len(places) == 1:
        return parts[1], depth
    counts = vstack(parts, format="csr")
    return (counts[np.argsort(np.concatenate(places))] if places else counts), depth


def read_blocks(
    sources: Mapping[str, CountSource], cells: pd.DataFrame, genes: pd.Index, block: int = 2000
) -> Iterator[tuple[pd.DataFrame, csr_matrix, np.ndarray]]:
    """Yield `block` cells at a time, in the order of the files, with their counts and depths.

    Each file is read once, whatever the order of its cells.
    """
    cells = cells.sort_values(["source", "row"], kind="stable")
    for start in range(0, len(cells), block):
        part = cells.iloc[start : start + block]
        yield part, *read_counts(sources, part, genes)


def read_depth(
    sources: Mapping[str, CountSource], cells: pd.DataFrame, genes: pd.Index
) -> np.ndarray:
    """Return the total counts of cells over all genes of their source, (n_cells,), as given."""
    depth = np.empty(len(cells))
    placed = cells.assign(place=np.arange(len(cells)))
    for part, _, totals in read_blocks(sources, placed, genes):
        depth[part["place"]] = totals
    return depth


def read_samples(
    sources: Mapping[str, CountSource],
    cells: pd.DataFrame,
    genes: pd.Index,
    at_once: int = 50_000,
) -> Iterator[tuple[pd.DataFrame, csr_matrix, np.ndarray]]:
    """Yield the cells of one sample after another, as given, with their counts and depths.

    A file whose samples are mixed is read once for about `at_once` cells, not once for each
    sample.
    """
    n_cells = cells.groupby("sample", sort=False, observed=True).size()
    passes = (n_cells.cumsum() - 1) // at_once
    for _, samples in passes.groupby(passes):
        group = cells[cells["sample"].isin(samples.index)].reset_index(drop=True)
        stored = group.sort_values(["source", "row"])
        counts, depth = read_counts(sources, stored, genes)
        places = np.argsort(stored.index)
        members_of = group.groupby("sample", observed=True).indices
        for sample in samples.index:
            rows = places[members_of[sample]]
            yield group.iloc[members_of[sample]], counts[rows], depth[rows]


def _check_counts(counts: csr_matrix, source: CountSource, rows: np.ndarray) -> None:
    wrong = np.flatnonzero(
        ~np.isfinite(counts.data) | (counts.data < 0) | (counts.data != np.floor(counts.data))
    )
    if not len(wrong):
        return
    row = rows[np.searchsorted(counts.indptr, wrong[0], side="right") - 1]
    cell = source.annotations.names()[int(row)].as_py()
    gene = source.genes[counts.indices[wrong[0]]]
    raise InputError(
        [
            Problem(
                source.path,
                f"counts of gene {gene} in cell {cell}",
                float(counts.data[wrong[0]]),
                f"counts must be whole numbers from 0 on; {len(wrong):,} of the "
                f"{counts.nnz:,} values read here are not",
                "name the matrix of raw counts in cells.counts: X, raw.X or layers/<name>",
            )
        ]
    )
