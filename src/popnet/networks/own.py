"""Networks, or values of genes, that the user made with another tool: read, checked, laid out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from scipy import sparse

from popnet.errors import InputError, Problem
from popnet.files import reading
from popnet.names import safe_name
from popnet.study.definitions import OwnNetwork
from popnet.study.own import is_gzip, is_parquet, read_header

# The cell type of a table without a column of it, where the study has no cells either.
EVERY_CELL = "all"
# Places for bins x pairs, for each row, up to which rows are marked in them.
DENSE = 8
# Columns that hold numbers, one of which each form has.
NUMBERS = ("weight", "value")
# Names that a message gives.
NAMED = 5


@dataclass(frozen=True)
class OwnTable:
    """The rows of a user's table, checked, by the numbers of bins and of genes.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        cell_type, sample and bin (1 where the table has no column of bins), sorted.
    genes : Index of shape (n_genes,)
        Sorted.
    row : ndarray of int, of shape (n_rows,)
        The bin of each row, its number in `bins`.
    first, second : ndarray of int, of shape (n_rows,)
        Numbers of genes, first < second unless directed; of values `second` is empty.
    value : float32 ndarray of shape (n_rows,)
        Weights of edges, or values of genes.
    """

    bins: pd.DataFrame
    genes: pd.Index
    row: np.ndarray
    first: np.ndarray
    second: np.ndarray
    value: np.ndarray

    def values(self) -> np.ndarray:
        """Return values of genes as bins x genes; NaN where the table has no row."""
        found = np.full((len(self.bins), len(self.genes)), np.nan, np.float32)
        found[self.row, self.first] = self.value
        return found

    def weights(self) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
        """Return the pairs that any bin has, and their weights; 0 for an edge that a bin lacks.

        Returns
        -------
        first, second : ndarray of int, of shape (n_pairs,)
            Numbers of genes.
        weights : float32 sparse array of shape (n_bins, n_pairs)
        """
        key = self.first.astype(np.int64) * len(self.genes) + self.second
        code, pairs = pd.factorize(key, sort=True)
        shape = (len(self.bins), len(pairs))
        weights = sparse.csr_array((self.value, (self.row, code)), shape=shape)
        first, second = np.divmod(pairs, max(len(self.genes), 1))
        return first, second, weights


def read_own(
    network: OwnNetwork,
    samples: Collection[str] | None = None,
    left_out: Collection[str] = (),
    cell_type: str | None = None,
) -> OwnTable:
    """Read a table of the user's and check every row of it.

    Parameters
    ----------
    network : OwnNetwork
    samples : collection of str, optional
        The samples of the study. Rows of others are a fault, unless these are `left_out`.
    left_out : collection of str
        Samples whose rows are not looked at.
    cell_type : str, optional
        Its name, or the safe form of it: only these rows are kept, once all were checked. A table
        without the column is all of this type.

    Raises
    ------
    InputError
        With everything that is wrong with its rows.
    """
    table = _read(network, [column for column in network.columns if column in _wanted(network)])
    problems: list[Problem] = []
    coded = {name: _coded(network, table, name, problems) for name in _texts(network)}
    value = _numbers(network, table, problems)
    names, code = coded["sample"]
    known = set(names) if samples is None else set(samples)
    if unknown := sorted(set(names) - known - set(left_out)):
        message = f"{len(unknown)} samples of the table are not in the sheet: {_named(unknown)}"
        remedy = "Write ids exactly as in the sheet, add them to it, or take their rows away"
        problems.append(_problem(network, "column sample", unknown[0], message, remedy))
    # What follows compares rows, which must be whole.
    _raise(problems)
    bins, row = _bins(coded, len(code), network, problems)
    genes, ends = _genes([coded[name] for name in ("gene1", "gene2", "gene") if name in coded])
    _check_genes(network, genes, ends, code, len(names), problems)
    second = ends[1] if len(ends) == 2 else np.zeros(len(row), np.int32)
    kept = _distinct(network, bins, genes, row, ends[0], second, value, problems)
    _raise(problems)

    kept &= bins["sample"].isin(known - set(left_out)).to_numpy()[row]
    if cell_type is not None and "cell_type" in coded:
        of_type = bins["cell_type"].map({name: safe_name(name) for name in bins["cell_type"]})
        kept &= ((bins["cell_type"] == cell_type) | (of_type == cell_type)).to_numpy()[row]
    if not kept.all():
        bins, row, ends, second, value, genes = _only(kept, bins, row, ends, second, value, genes)
    if len(ends) == 1:
        return OwnTable(bins, genes, row, ends[0], second[:0], value)
    if network.directed:
        return OwnTable(bins, genes, row, ends[0], second, value)
    first, last = np.minimum(ends[0], second), np.maximum(ends[0], second)
    return OwnTable(bins, genes, row, first, last, value)


def read_own_bins(network: OwnNetwork) -> pd.DataFrame:
    """Return cell_type ("all" without such a column), sample and bin of a table, each once."""
    wanted = [name for name in ("cell_type", "sample", "bin") if name in network.columns]
    table = _read(network, wanted)
    problems: list[Problem] = []
    coded = {name: _coded(network, table, name, problems) for name in wanted}
    bins, _ = _bins(coded, len(table), network, problems)
    _raise(problems)
    return bins


def plan_own_bins(
    networks: Sequence[OwnNetwork], samples: Sequence[str], cell_types: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the bins of a study without cells: those of any network.

    Parameters
    ----------
    networks : sequence of OwnNetwork
        Checked.
    samples, cell_types : sequence of str
        Those of the study.

    Returns
    -------
    bins : DataFrame
        cell_type, sample, bin, n_cells and batch; the last two are empty.
    excluded : DataFrame
        cell_type, sample, n_cells (0) and reason: samples that no network has.
    """
    tables = []
    for network in networks:
        bins = read_own_bins(network)
        of_types = [bins] if "cell_type" in network.columns else []
        of_types = of_types or [bins.assign(cell_type=name) for name in cell_types]
        tables += of_types
    bins = pd.concat(tables).drop_duplicates()
    bins = bins[bins["sample"].isin(samples) & bins["cell_type"].isin(cell_types)]
    bins = bins.sort_values(["cell_type", "sample", "bin"], ignore_index=True)
    found = set(zip(bins["cell_type"], bins["sample"], strict=True))
    lacking = [
        (name, sample, 0, "no network has it")
        for name in cell_types
        for sample in samples
        if (name, sample) not in found
    ]
    excluded = pd.DataFrame(lacking, columns=["cell_type", "sample", "n_cells", "reason"])
    return bins.assign(n_cells=np.nan, batch=""), excluded


def _texts(network: OwnNetwork) -> list[str]:
    """Return the columns that are read as text; bins among them, whose few values are parsed."""
    genes = ["gene1", "gene2"] if network.form == "edges" else ["gene"]
    return [name for name in ("cell_type", "sample", "bin") if name in network.columns] + genes


def _wanted(network: OwnNetwork) -> list[str]:
    return [*_texts(network), "weight" if network.form == "edges" else "value"]


def _read(network: OwnNetwork, columns: Sequence[str]) -> pa.Table:
    """Return columns of a table, text as dictionaries."""
    path, text = network.path, [name for name in columns if name not in NUMBERS]
    with reading(path, "make the table again, as Parquet or as TSV in UTF-8"):
        if is_parquet(path):
            return pq.read_table(path, columns=list(columns), read_dictionary=text)
        types = {name: pa.dictionary(pa.int32(), pa.string()) for name in text}
        types |= {name: pa.float64() for name in columns if name in NUMBERS}
        names, delimiter = read_header(path)
        with pa.input_stream(path, compression="gzip" if is_gzip(path) else None) as stream:
            try:
                return pyarrow.csv.read_csv(
                    stream,
                    pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
                    pyarrow.csv.ParseOptions(delimiter=delimiter),
                    pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(columns)),
                )
            except pa.ArrowInvalid as error:
                remedy = "Correct the row: as many fields as the header, and numbers as weights"
                raise InputError([_problem(network, "table", None, str(error), remedy)]) from error


def _coded(
    network: OwnNetwork, table: pa.Table, name: str, problems: list[Problem]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the texts of a column, and the number of each row's text."""
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # As older versions of Arrow return it.
        column = column.chunk(0)
    texts = np.asarray(column.dictionary.cast(pa.string()), dtype=object)
    numbers = column.indices
    empty = np.flatnonzero([not text for text in texts])
    missing = np.asarray(numbers.is_null())
    code = np.asarray(numbers.fill_null(0)).astype(np.int32)
    if len(empty):
        missing = missing | np.isin(code, empty)
    if missing.any():
        message = f"{int(missing.sum()):,} rows have no {name}, the first is row {_first(missing)}"
        problems.append(_problem(network, f"column {name}", None, message, "Fill it in"))
    # A text that no row has is of no account, and the same text may be there twice.
    used = np.bincount(code, minlength=len(texts)) > 0
    new, names = pd.factorize(texts[used])
    number = np.zeros(len(texts), np.int32)
    number[used] = new
    return np.asarray(names, dtype=object), number[code]


def _numbers(network: OwnNetwork, table: pa.Table, problems: list[Problem]) -> np.ndarray:
    """Return the weights or values of the rows."""
    name = "weight" if network.form == "edges" else "value"
    column = table.column(name)
    place = f"column {name}"
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        message = f"The column holds {column.type}, not numbers"
        problems.append(_problem(network, place, None, message, "Write numbers"))
        return np.zeros(len(column), np.float32)
    with np.errstate(over="ignore"):
        value = column.cast(pa.float64()).to_numpy().astype(np.float32)
    wrong = ~np.isfinite(value)
    if wrong.any():
        found = float(value[wrong][0])
        message = (
            f"{int(wrong.sum()):,} {name}s are missing or infinite, the first in row "
            f"{_first(wrong)}"
        )
        remedy = "Take these rows away: an edge without a row has the weight 0"
        if name == "value":
            remedy = "Take these rows away: a gene without a row has no value in the sample"
        problems.append(_problem(network, place, found, message, remedy))
    return value


def _bins(
    coded: dict[str, tuple[np.ndarray, np.ndarray]],
    n_rows: int,
    network: OwnNetwork,
    problems: list[Problem],
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return cell type, sample and bin of every bin, sorted, and the bin of every row."""
    names = {name: coded[name][0] for name in ("cell_type", "sample", "bin") if name in coded}
    key = np.zeros(n_rows, np.int64)
    for name, texts in names.items():
        key = key * len(texts) + coded[name][1]
    row, found = pd.factorize(key)
    columns: dict[str, Any] = {"cell_type": EVERY_CELL, "sample": EVERY_CELL, "bin": 1}
    rest = found
    for name in reversed(names):
        rest, number = np.divmod(rest, len(names[name]))
        columns[name] = names[name][number]
    bins = pd.DataFrame(columns, index=range(len(found)))
    if "bin" in names:
        numbers = pd.to_numeric(bins["bin"], errors="coerce")
        wrong = ~(numbers % 1 == 0)
        if wrong.any():
            message = "A bin is not a whole number"
            value = str(bins["bin"][wrong].iloc[0])
            remedy = "Number the bins of each sample, from 1"
            problems.append(_problem(network, "column bin", value, message, remedy))
        bins["bin"] = numbers.where(~wrong, 0).astype(int)
    ordered = bins.sort_values(["cell_type", "sample", "bin"], kind="stable")
    place = np.empty(len(bins), np.int32)
    place[ordered.index] = np.arange(len(bins))
    return ordered.reset_index(drop=True), place[row]


def _genes(
    columns: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[pd.Index, list[np.ndarray]]:
    """Return all genes, sorted, and their numbers in each column."""
    genes = pd.Index(np.unique(np.concatenate([names for names, _ in columns])), dtype=object)
    ends = [genes.get_indexer(pd.Index(names)).astype(np.int32)[code] for names, code in columns]
    return genes, ends


def _check_genes(
    network: OwnNetwork,
    genes: pd.Index,
    ends: Sequence[np.ndarray],
    samples: np.ndarray,
    n_samples: int,
    problems: list[Problem],
) -> None:
    """Find genes in a single sample, of which nothing can be compared."""
    within = np.zeros((len(genes), n_samples), bool)
    for end in ends:
        within[end, samples] = True
    alone = genes[within.sum(axis=1) == 1]
    if len(alone):
        message = f"{len(alone):,} of {len(genes):,} genes are in a single sample: {_named(alone)}"
        remedy = "Take their rows away: a gene is compared between samples"
        place = "column " + ("gene1, gene2" if len(ends) == 2 else "gene")
        problems.append(_problem(network, place, str(alone[0]), message, remedy))


def _distinct(
    network: OwnNetwork,
    bins: pd.DataFrame,
    genes: pd.Index,
    row: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    value: np.ndarray,
    problems: list[Problem],
) -> np.ndarray:
    """Return the rows to keep: not an edge of a gene with itself, nor the same edge once more.

    An edge may be given in both directions, with the same weight.
    """
    kept = np.ones(len(row), bool)
    edges = network.form == "edges"
    one, two = first, second
    if edges:
        kept = first != second
        if not kept.all():
            n_lost = int((~kept).sum())
            print(f"{network.name}: {n_lost:,} edges of a gene with itself are left out")
        if not network.directed:
            one, two = np.minimum(first, second), np.maximum(first, second)
    key = one.astype(np.int64) * len(genes) + two
    pair, pairs = pd.factorize(key)
    # Where most bins have most pairs, marking them is far faster than sorting all rows.
    if len(bins) * len(pairs) <= DENSE * len(row):
        seen = np.zeros(len(bins) * len(pairs), bool)
        seen[row.astype(np.int64) * len(pairs) + pair] = True
        if seen.sum() == len(row):
            return kept
    key += row * np.int64(len(genes) ** 2)
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order[1:]] == key[order[:-1]])
    if not len(again):
        return kept
    early, late = order[again], order[again + 1]
    doubled = first[early] == first[late]
    if doubled.any():
        place, example = _example(network, bins, genes, row, first, second, late[doubled][0])
        message = f"{int(doubled.sum()):,} rows are given twice, such as {example}"
        problems.append(_problem(network, place, None, message, "Keep one of them"))
    differ = ~doubled & (value[early] != value[late])
    if differ.any():
        place, example = _example(network, bins, genes, row, first, second, late[differ][0])
        weights = f"{value[early[differ][0]]:g} and {value[late[differ][0]]:g}"
        message = (
            f"{int(differ.sum()):,} edges are given in both directions with two weights, such as "
            f"{example}: {weights}"
        )
        remedy = "Keep one of them, or say directed: true"
        problems.append(_problem(network, place, None, message, remedy))
    kept[late] = False
    return kept


def _example(
    network: OwnNetwork,
    bins: pd.DataFrame,
    genes: pd.Index,
    row: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    number: int,
) -> tuple[str, str]:
    """Return the place of a row for a problem, and what it is about."""
    of_bin = bins.loc[row[number]]
    about = [f"sample {of_bin['sample']!r}"]
    about += [f"bin {of_bin['bin']}"] if "bin" in network.columns else []
    about += [f"cell type {of_bin['cell_type']!r}"] if "cell_type" in network.columns else []
    pair = str(genes[first[number]])
    if network.form == "edges":
        pair += f" and {genes[second[number]]}"
    return f"row {number + 1}", f"{pair} in {', '.join(about)}"


def _only(
    kept: np.ndarray,
    bins: pd.DataFrame,
    row: np.ndarray,
    ends: list[np.ndarray],
    second: np.ndarray,
    value: np.ndarray,
    genes: pd.Index,
) -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray], np.ndarray, np.ndarray, pd.Index]:
    """Return some of the rows, with the bins and genes that they are about, numbered anew."""
    row, value, second = row[kept], value[kept], second[kept]
    ends = [end[kept] for end in ends]
    present = np.zeros(len(bins), bool)
    present[row] = True
    of_rows = np.zeros(len(genes), bool)
    for end in ends:
        of_rows[end] = True
    new_bin, new_gene = np.cumsum(present) - 1, (np.cumsum(of_rows) - 1).astype(np.int32)
    ends = [new_gene[end] for end in ends]
    second = ends[1] if len(ends) == 2 else second
    bins = bins[present].reset_index(drop=True)
    return bins, new_bin[row].astype(np.int32), ends, second, value, genes[of_rows]


def _first(mask: np.ndarray) -> str:
    return f"{int(mask.argmax()) + 1:,}"


def _named(names: Collection[str]) -> str:
    listed = [repr(name) for name in list(names)[:NAMED]]
    return ", ".join(listed) + (", ..." if len(names) > NAMED else "")


def _problem(network: OwnNetwork, place: str, value: object, message: str, remedy: str) -> Problem:
    field = f"own_networks.{network.name}, {place}"
    return Problem(network.path, field, value, message, remedy)


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise InputError(problems)
