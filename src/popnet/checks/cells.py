"""The cells: their annotations, the columns that the sheet names, and the filters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from scipy.sparse import csr_matrix

from popnet.cells.sources import CountSource
from popnet.errors import InputError, Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.phenotypes import as_text, is_missing
from popnet.study.problems import differing, quoted
from popnet.study.sheet import Annotations
from popnet.study.tables import read_sheet_table

# Cells that are counted at a time.
BLOCK = 2**22


def read_annotations(cohort: Cohort, problems: list[Problem]) -> dict[str, pd.DataFrame]:
    """Return the rows of the sheet's annotations by sample, all under "" where they name none."""
    annotations = cohort.cells.annotations
    if annotations is None:
        return {}
    columns, rows, faults = read_sheet_table(annotations.table)
    if faults:
        raise InputError([*problems, *faults])
    keys = {"barcode": annotations.barcode, "sample": annotations.sample}
    absent = {key: name for key, name in keys.items() if name and name not in columns}
    for key, name in absent.items():
        message = f"{annotations.table} has no such column"
        remedy = nearest(name, columns) + f"Its columns are {quoted(columns, 12)}"
        problems.append(Problem(cohort.file, f"cells.annotations.{key}", name, message, remedy))
    if absent or not rows:
        return {}
    table = pd.DataFrame(rows)
    for column in filter(None, keys.values()):
        table[column] = table[column].str.strip()
    table = table.set_index(annotations.barcode)
    whole = {"": table}
    if annotations.sample:
        whole |= {str(name): part for name, part in table.groupby(annotations.sample, sort=False)}
    return whole


def read_obs(
    cohort: Cohort,
    source: CountSource,
    annotated: Mapping[str, pd.DataFrame],
    problems: list[Problem],
) -> tuple[pd.DataFrame, list[str]]:
    """Return a source's obs, joined with the sheet's annotations, and the names of all columns.

    Without annotations only the columns that the sheet names are read.
    """
    annotations = cohort.cells.annotations
    if annotations is None or not annotated:
        stored = source.annotations
        asked = {*_roles(cohort).values(), *_asked(cohort)}
        return stored.read([name for name in stored.columns if name in asked]), stored.columns
    table = _joined(cohort, annotations, source, annotated, problems)
    return table, list(map(str, table.columns))


def _roles(cohort: Cohort) -> dict[str, str | None]:
    """Return the columns that say what a cell is part of."""
    cells = cohort.cells
    return {"sample": cells.sample, "cell_type": cells.cell_type, "batch": cells.batch}


def _asked(cohort: Cohort) -> list[str]:
    """Return the other columns that the sheet asks for; not all of them need be there."""
    columns = [
        *cohort.cells.keep,
        cohort.donor,
        *(phenotype.column for phenotype in cohort.own_phenotypes),
        *(covariate.column for covariate in cohort.covariates),
    ]
    return [column for column in dict.fromkeys(columns) if column is not None]


def _joined(
    cohort: Cohort,
    annotations: Annotations,
    source: CountSource,
    annotated: Mapping[str, pd.DataFrame],
    problems: list[Problem],
) -> pd.DataFrame:
    """Return a source's obs, joined with the rows of annotations."""
    if source.obs.index.has_duplicates:
        name = source.obs.index[source.obs.index.duplicated()][0]
        message = "Several cells have this name: which has which row of annotations is unknown"
        remedy = "Make the cells' names unique (adata.obs_names_make_unique()), there and here"
        field = "cells.annotations.barcode"
        problems.append(Problem(source.path, field, name, message, remedy))
        return source.obs
    owners = [sample.id for sample in cohort.samples or () if sample.path == source.path]
    table = annotated[""]
    if annotations.sample and owners:
        parts = [annotated[id] for id in owners if id in annotated]
        table = pd.concat(parts) if parts else table.head(0)
    doubled = table.index[table.index.duplicated()]
    if len(doubled):
        message = f"{annotations.table} has several rows of one of its barcodes"
        remedy = "Keep one row per cell; where samples share barcodes, name the column of samples"
        field = "cells.annotations.sample"
        problems.append(Problem(source.path, field, doubled[0], message, remedy))
        return source.obs
    n_known = int(source.obs.index.isin(table.index).sum())
    if n_known < source.n_cells:
        message = (
            f"{annotations.table} has {n_known:,} of its {source.n_cells:,} cells; barcodes here: "
            f"{quoted(source.obs.index, 2)}, in the table: {quoted(table.index, 2)}"
        )
        remedy = "Nothing, if the other cells are to be left out"
        problems.append(
            Problem(
                source.path,
                "cells.annotations.barcode",
                annotations.barcode,
                message,
                remedy if n_known else "Write barcodes as the file of cells has them",
                "warning" if n_known else "error",
            )
        )
    if len(both := source.obs.columns.intersection(table.columns, sort=False)):
        message = (
            f"The cells have columns of {annotations.table}, too, which wins: {quoted(both, 12)}"
        )
        remedy = "Nothing, or rename the columns of one of them"
        problems.append(
            Problem(source.path, "cells.annotations.table", None, message, remedy, "warning")
        )
    return source.obs.drop(columns=both).join(table)


def check_columns(
    cohort: Cohort,
    sources: Sequence[CountSource],
    columns: Sequence[Sequence[str]],
    problems: list[Problem],
) -> None:
    """Find columns that the sheet names and the cells lack, of which each source has some."""
    cells = cohort.cells
    needed = {
        "cells.sample": cells.sample,
        "cells.cell_type": cells.cell_type,
        "cells.batch": cells.batch,
        "samples.donor": cohort.donor,
    } | {f"cells.keep.{column}": column for column in cells.keep}
    for key, column in needed.items():
        lacking = [
            (source.path, list(of_source))
            for source, of_source in zip(sources, columns, strict=True)
            if column is not None and column not in of_source
        ]
        if lacking:
            path, found = lacking[0]
            more = f" ({len(lacking)} of {len(sources)} files)" if len(sources) > 1 else ""
            message = f"The cells of {path} have no such obs column{more}"
            remedy = f"{nearest(str(column), found)}Their columns are {quoted(found, 12)}"
            if column in next(source.var for source in sources if source.path == path):
                message += ", but its genes have: it lies the other way round"
                remedy = "Write it with cells as rows: adata.T.write_h5ad(path)"
            problems.append(Problem(cohort.file, key, column, message, remedy))


def as_categories(series: pd.Series, codes: Collection[str] = ()) -> pd.Categorical:
    """Return a column as text without outer blanks, whole floats without a fraction.

    What stands for a missing value (`popnet.study.phenotypes.is_missing`) is missing. Levels are
    those that occur, sorted.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        # Not `series.cat`, which hashes the name of every cell.
        numbers, levels = series.array.codes, pd.Series(series.array.categories)
    else:
        numbers, values = pd.factorize(series)
        levels = pd.Series(values)
    occurs = np.zeros(len(levels) + 1, dtype=bool)
    # Where no level is given (-1), the last.
    occurs[numbers] = True
    if pd.api.types.is_float_dtype(levels.dtype) and (levels.dropna() % 1 == 0).all():
        levels = levels.astype("Int64")
    texts = [
        None if missing or not found else as_text(value).strip()
        for value, missing, found in zip(
            levels.tolist(), levels.isna().tolist(), occurs[:-1], strict=True
        )
    ]
    texts = [None if text is None or is_missing(text, codes) else text for text in texts]
    categories = sorted({text for text in texts if text is not None})
    places = {text: place for place, text in enumerate(categories)} | {None: -1}
    narrow = np.min_scalar_type(-len(categories) - 1)
    own = np.array([*(places[text] for text in texts), -1], narrow)
    return pd.Categorical.from_codes(own[numbers], pd.Index(categories, dtype=object))


def as_texts(series: pd.Series, codes: Collection[str] = ()) -> np.ndarray:
    """Return a column as :func:`as_categories` does, as an array of text and None."""
    column = as_categories(series, codes)
    return np.array([*column.categories, None], dtype=object)[column.codes]


def present(column: pd.Series, chosen: np.ndarray | None = None) -> list[str]:
    """Return the different values of a categorical column in the chosen cells, sorted."""
    codes = column.array.codes if chosen is None else column.array.codes[chosen]
    return sorted(column.array.categories[one] for one in pd.unique(codes) if one >= 0)


def among(column: pd.Series, values: Collection[str]) -> np.ndarray:
    """Return which cells have one of some values in a categorical column."""
    levels = column.array.categories
    return np.append(levels.isin(list(values)), False)[column.array.codes]


def count_pairs(cells: pd.DataFrame, names: list[str], chosen: np.ndarray) -> pd.Series:
    """Return how many of the chosen cells have each pair of values of two categorical columns.

    Pairs that occur, sorted.
    """
    levels = [cells[name].array.categories for name in names]
    counts = csr_matrix(tuple(map(len, levels)), dtype=np.int64)
    for start in range(0, len(cells), BLOCK):
        part = slice(start, start + BLOCK)
        one, other = (cells[name].array.codes[part] for name in names)
        known = chosen[part] & (one >= 0) & (other >= 0)
        ones = np.ones(known.sum(), np.int64)
        counts += csr_matrix((ones, (one[known], other[known])), counts.shape)
    found = counts.tocoo()
    order = np.lexsort(found.coords[::-1])
    pairs = [level[place[order]] for level, place in zip(levels, found.coords, strict=True)]
    index = pd.MultiIndex.from_arrays(pairs, names=names)
    return pd.Series(found.data[order], index)


def warn_blanks(cohort: Cohort, tables: Sequence[pd.DataFrame], problems: list[Problem]) -> None:
    """Name the ids of the cells' columns that are the same without blanks around them."""
    columns = {
        "cells.sample": cohort.cells.sample,
        "cells.cell_type": cohort.cells.cell_type,
        "cells.batch": cohort.cells.batch,
        "samples.donor": cohort.donor,
    }
    for field, column in columns.items():
        texts = [
            text
            for table in tables
            if column in table
            for text in table[column].unique()
            if isinstance(text, str)
        ]
        if merged := differing(texts, str.strip):
            message = f"Blanks around these are left out, so that they are the same: {merged}"
            problems.append(Problem(cohort.file, field, column, message, "Nothing", "warning"))


def cell_table(
    cohort: Cohort, sources: Sequence[CountSource], tables: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all cells, and the obs columns that the sheet asks for, row by row."""
    codes = cohort.missing
    owners = {sample.path: sample.id for sample in cohort.samples or ()}
    lengths = [len(table) for table in tables]

    def joined(parts: Sequence[pd.Categorical]) -> pd.Categorical:
        return (
            parts[0] if len(parts) == 1 else union_categoricals(list(parts), sort_categories=True)
        )

    def same(values: Sequence[str | None]) -> pd.Categorical:
        """Return one value for each cell of a source."""
        numbers, levels = pd.factorize(np.array(values, dtype=object), sort=True)
        levels = pd.Index(levels, dtype=object)
        return pd.Categorical.from_codes(np.repeat(numbers.astype(np.int32), lengths), levels)

    known = {
        "sample": same([owners.get(source.path) for source in sources]),
        "cell_type": same(["all"] * len(sources)),
        "batch": same([""] * len(sources)),
    }
    for role, column in _roles(cohort).items():
        if column:
            known[role] = joined([as_categories(table[column], codes) for table in tables])
    known["batch"] = filled(known["batch"], "")
    known["source"] = same([source.path for source in sources])
    rows = np.concatenate([np.arange(length) for length in lengths])
    asked = _asked(cohort)
    obs = [table[[column for column in asked if column in table]] for table in tables]
    return (
        pd.DataFrame(known | {"row": rows}),
        obs[0].reset_index(drop=True) if len(obs) == 1 else pd.concat(obs, ignore_index=True),
    )


def filled(column: pd.Categorical, value: str) -> pd.Categorical:
    """Return a categorical column with a value where it has none."""
    if not (column.codes < 0).any():
        return column
    if value not in column.categories:
        column = column.add_categories([value])
    return column.fillna(value).reorder_categories(sorted(column.categories))


def filtered(cohort: Cohort, obs: pd.DataFrame, problems: list[Problem]) -> np.ndarray:
    """Return which cells pass the sheet's filters, one after another."""
    passed = np.ones(len(obs), dtype=bool)
    for column, values in cohort.cells.keep.items():
        cells = as_categories(obs[column], cohort.missing)
        found = present(pd.Series(cells, copy=False), passed)
        before = int(passed.sum())
        texts = np.array([*cells.categories, None], dtype=object)
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
        lower = pd.Series(texts, dtype=object).str.lower().to_numpy()
        masks = {
            value: (texts == as_text(value))
            | (not isinstance(value, str | bool) and (numbers == value).to_numpy())
            | (as_text(value).lower() in ("true", "false") and lower == as_text(value).lower())
            for value in values
        }
        chosen = np.logical_or.reduce([*masks.values()])[cells.codes]
        unknown = [value for value, mask in masks.items() if not mask.any()]
        hint = f"Values of the column are {quoted(found, 12)}"
        field = f"cells.keep.{column}"
        if before and not (passed & chosen).any():
            message = f"This filter leaves no cell: {before:,} came to it"
            remedy = (nearest(as_text(values[0]), found) if values[0] in unknown else "") + hint
            problems.append(Problem(cohort.file, field, list(values), message, remedy))
            unknown = []
        for value in unknown:
            message = "No cell has this value of the column"
            remedy = nearest(as_text(value), found) + hint
            problems.append(Problem(cohort.file, field, value, message, remedy))
        passed &= chosen
    return passed
