"""The features of a file of counts: which are genes, what they are called, and in other files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.study.phenotypes import MISSING

if TYPE_CHECKING:
    from popnet.cells.sources import CountSource

ENSEMBL = r"ENS[A-Z]*G\d{11}(\.\d+)?"
# Names of the External RNA Controls Consortium and of regions, which no gene has.
SPIKE_IN = r"ERCC[-_.]\d{5}"  # R puts a point for the hyphen.
PEAK = r"(chr)?(\d{1,2}|[XYM]|MT)[:_-]\d+[_-]\d+"
TYPE_COLUMNS = ("feature_types", "feature_type", "feature_biotype", "modality")
# What 10x, CELLxGENE, MuData and their users call genes, in small letters, and what else there is.
OF_GENES = {"gene expression", "gene", "genes", "rna", "gex", "expression", "mrna"}
OF_OTHERS = {
    *("antibody capture", "antibody", "antibody-derived tags", "adt", "protein", "prot", "cite"),
    *("multiplexing capture", "hto", "hashtag", "antigen capture", "vdj", "vdj-t", "vdj-b"),
    *("crispr guide capture", "crispr", "guide", "guides", "grna", "sgrna", "custom"),
    *("peaks", "peak", "atac", "chromatin accessibility", "gene activity"),
    *("spike-in", "spike_in", "spikein", "spike", "ercc", "synthetic"),
}
ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "feature_id")

Table = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Features:
    """The features of a file, of which those that `kept` marks are genes.

    Parameters
    ----------
    var : DataFrame of shape (n_genes, n_columns)
    symbols : Index of shape (n_genes,)
    ids : Index of shape (n_genes,) or None
        What identifies a gene in every file, if the file has it: without versions where these are
        not needed.
    kept : ndarray of bool, of shape (n_features,)
    left_out : mapping of type to int
        How many features are none.
    """

    var: pd.DataFrame
    symbols: pd.Index
    ids: pd.Index | None
    kept: np.ndarray
    left_out: Mapping[str, int] = field(default_factory=dict)


def features_of(
    var: pd.DataFrame,
    symbols: str | None,
    prefix: str | None = None,
    types: pd.DataFrame | None = None,
) -> Features:
    """Return the genes among the features of a file.

    Parameters
    ----------
    var : DataFrame of shape (n_features, n_columns)
        Index = their names.
    symbols : str, optional
        Its column of symbols.
    prefix : str, optional
        What is taken away from names that begin with it.
    types : DataFrame, optional
        Another table of the same features, or some of them, that may have types. By default `var`.

    Raises
    ------
    ValueError
        If features have no type beside others that are said to be genes, or if none is a gene.
    """
    if types is None:
        types = var
    kinds = np.full(len(var), "", object)
    for column in TYPE_COLUMNS:
        if column in types and (found := _kinds(types[column])) is not None:
            if found.index.is_unique and not found.index.equals(var.index):
                found = found.reindex(var.index).fillna("")
            if len(found) == len(var):
                kinds = np.where(kinds == "", found.to_numpy(object), kinds)
    names = _names(var, symbols)
    for number in _named_others(names) | _named_others(var.index.astype(str)):
        kinds[number] = kinds[number] or _kind_of_name(names[number], str(var.index[number]))
    kept = kinds == ""
    if len(kept) and not kept.any():
        raise ValueError(f"none of the features is a gene: they are {_counted(kinds)}")
    genes = var if kept.all() else var[kept]
    left_out = dict(Counter(kinds[~kept].tolist()))
    names, ids = _names(genes, symbols), _ids(genes, symbols)
    if prefix:
        names = names.str.removeprefix(prefix)
        ids = None if ids is None else ids.str.removeprefix(prefix)
    return Features(genes, names, ids, kept, left_out)


def _kinds(column: pd.Series) -> pd.Series | None:
    """Return of each feature its type, "" for genes; None where the column has no known types."""
    given = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    small = given.str.casefold()
    known = set(small)
    genes = small.isin(OF_GENES)
    if known.isdisjoint(OF_GENES | OF_OTHERS):
        return None
    if not genes.any():
        return given.where(small.isin(OF_OTHERS), "")
    if (n_without := int((given == "").sum())) > 0:
        names = ", ".join(map(repr, column.index[given == ""][:3].astype(str)))
        raise ValueError(
            f"the column {column.name} says of other features that they are genes, and nothing of "
            f"{n_without:,}: {names}"
        )
    return given.where(~genes, "")


def _named_others(names: pd.Index) -> set[int]:
    """Return the places of names that no gene has; only a few are looked at more closely."""
    return {
        number
        for number, name in enumerate(names)
        if name[-1:].isdigit() and name[:3] != "ENS" and _kind_of_name(name)
    }


def _kind_of_name(*names: str) -> str:
    return next(
        (
            kind
            for name in names
            for kind, pattern in (("spike-in", SPIKE_IN), ("peak", PEAK))
            if re.fullmatch(pattern, name)
        ),
        "",
    )


def _counted(kinds: np.ndarray) -> str:
    return ", ".join(f"{n:,} {kind!r}" for kind, n in Counter(kinds.tolist()).most_common(5))


def _names(var: pd.DataFrame, column: str | None) -> pd.Index:
    names = var.index.astype(str).str.strip().to_series().reset_index(drop=True)
    if column is not None:
        symbols = var[column].astype(object).reset_index(drop=True)
        known = symbols.notna()
        symbols = symbols.astype(str).str.strip()
        known &= ~symbols.isin(MISSING)
        names = symbols.where(known & ~symbols.duplicated(), names)
    named: pd.Index = pd.Index(names.astype(object), name=None)
    return named


def _ids(var: pd.DataFrame, symbols: str | None) -> pd.Index | None:
    """Return what identifies the genes in other files as well, or None."""
    columns = [name for name in ID_COLUMNS if name in var]
    columns += [str(name) for name in var if name not in columns and name != symbols]
    candidates = [var.index.to_series(), *(var[name] for name in columns if name in var)]
    for number, column in enumerate(candidates):
        if pd.api.types.is_numeric_dtype(column):
            continue
        text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
        ensembl = text.str.fullmatch(ENSEMBL)
        of_names = number == 0 and var.index.name == "gene_ids"
        if ensembl.mean() <= 0.5 and not of_names and column.name not in ID_COLUMNS:
            continue
        # An id that is the symbol is none.
        if symbols and (text.to_numpy() == var[symbols].astype(str).to_numpy()).mean() > 0.5:
            continue
        text = text.reset_index(drop=True).where(
            text.to_numpy() != "", var.index.astype(str).to_series().reset_index(drop=True)
        )
        short = text.where(~ensembl.to_numpy(), text.str.replace(r"\.\d+$", "", regex=True))
        text = text if short.duplicated().any() else short
        if not text.duplicated().any():
            ids: pd.Index = pd.Index(text.astype(object), name=None)
            return ids
    return None


def joined(sources: Sequence[CountSource]) -> list[CountSource]:
    """Return the sources with one name for one gene in all of them.

    Genes are the same if their ids are, where all sources have ids of one kind; then a gene has
    the symbol that most files give it. A symbol that several genes would have goes to the one that
    most files call so, and among equals to the first in the alphabet of symbols, then of ids; what
    is left without a symbol goes by its id. Where a source has no ids, genes are the same if their
    symbols are. The order of the sources changes nothing.
    """
    tables = _tables(sources)
    if len(tables) < 2 or not _by_ids(tables):
        return list(sources)
    votes: Counter[tuple[str, str]] = Counter()
    for (ids, names), n_files in tables.items():
        for pair in zip(ids, names, strict=True):
            votes[pair] += n_files
    name_of: dict[str, str] = {}
    taken: set[str] = set()
    # Symbols before ids that stand for one.
    order = sorted(votes, key=lambda pair: (pair[0] == pair[1], -votes[pair], pair[1], pair[0]))
    for id, name in order:
        if id not in name_of and name not in taken:
            name_of[id] = name
            taken.add(name)
    named = {
        table: pd.Index(np.array([name_of.get(id, id) for id in table[0]], object))
        for table in tables
    }
    return [replace(source, genes=named[_table(source)]) for source in sources]


def joined_by_ids(sources: Sequence[CountSource]) -> bool:
    """Return whether :func:`joined` goes by ids."""
    return _by_ids(_tables(sources))


def differing_symbols(sources: Sequence[CountSource]) -> dict[str, list[str]]:
    """Return the symbols that stand for genes of different ids in different files.

    Files without ids do not count, nor does a symbol that two genes of one file share.
    """
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for ids, names in _tables([source for source in sources if source.ids is not None]):
        for id, name in zip(ids, names, strict=True):
            if id != name:
                found[name][id] = None
    return {name: sorted(ids) for name, ids in found.items() if len(ids) > 1}


def _table(source: CountSource) -> Table:
    """Return the ids of a source, none where it has none, and the names of its genes."""
    return () if source.ids is None else tuple(source.ids), tuple(source.genes)


def _tables(sources: Sequence[CountSource]) -> Counter[Table]:
    """Return the different tables of the sources, and how many have each."""
    return Counter(map(_table, sources))


def _by_ids(tables: Collection[Table]) -> bool:
    """Return whether all have ids, and those of one kind: two files share them as they do names."""
    if any(not ids for ids, _ in tables):
        return False
    ids, names = (set(part) for part in max(tables, key=lambda table: (len(table[1]), table)))
    return all(
        len(ids.intersection(other)) >= len(names.intersection(others)) / 2
        for other, others in tables
    )
