"""The cells: their annotations, the columns that the sheet names, and the filters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.cells.sources import CountSource
from popnet.errors import InputError, Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.phenotypes import as_text, is_missing
from popnet.study.problems import differing, quoted
from popnet.study.tables import read_sheet_table


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
) -> pd.DataFrame:
    """Return a source's obs, joined with the sheet's annotations."""
    annotations = cohort.cells.annotations
    if annotations is None or not annotated:
        return source.obs
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
    tables: Sequence[pd.DataFrame],
    problems: list[Problem],
) -> None:
    """Find columns that the sheet names and the cells lack."""
    cells = cohort.cells
    needed = {
        "cells.sample": cells.sample,
        "cells.cell_type": cells.cell_type,
        "cells.batch": cells.batch,
        "samples.donor": cohort.donor,
    } | {f"cells.keep.{column}": column for column in cells.keep}
    for key, column in needed.items():
        lacking = [
            (source.path, list(table.columns))
            for source, table in zip(sources, tables, strict=True)
            if column is not None and column not in table
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


def as_texts(series: pd.Series, codes: Collection[str] = ()) -> np.ndarray:
    """Return a column as text without outer blanks, whole floats without a fraction.

    What stands for a missing value (`popnet.study.phenotypes.is_missing`) is None.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        # Not `series.cat`, which hashes the name of every cell.
        levels = [*as_texts(pd.Series(series.array.categories), codes), None]
        return np.array(levels, dtype=object)[series.array.codes]
    if pd.api.types.is_float_dtype(series.dtype) and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")
    texts = np.array(
        [
            None if missing else as_text(value).strip()
            for value, missing in zip(series.tolist(), series.isna().tolist(), strict=True)
        ],
        dtype=object,
    )
    for text in set(texts) - {None}:
        if is_missing(text, codes):
            texts[texts == text] = None
    return texts


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
    columns = [
        *cohort.cells.keep,
        cohort.donor,
        *(phenotype.column for phenotype in cohort.own_phenotypes),
        *(covariate.column for covariate in cohort.covariates),
    ]
    codes = cohort.missing
    owners = {sample.path: sample.id for sample in cohort.samples or ()}
    roles = {
        "sample": cohort.cells.sample,
        "cell_type": cohort.cells.cell_type,
        "batch": cohort.cells.batch,
    }
    cells = []
    for source, table in zip(sources, tables, strict=True):
        known = {
            "sample": owners.get(source.path),
            "cell_type": "all",
            "batch": "",
        } | {role: as_texts(table[column], codes) for role, column in roles.items() if column}
        cells.append(
            pd.DataFrame(
                known
                | {
                    "source": source.path,
                    "row": np.arange(len(table)),
                    "cell": table.index.astype(str),
                }
            )
        )
    obs = pd.concat(
        [
            table[[column for column in dict.fromkeys(columns) if column in table]]
            for table in tables
        ],
        ignore_index=True,
    )
    result = pd.concat(cells, ignore_index=True)
    result["batch"] = result["batch"].fillna("")
    return result, obs


def filtered(cohort: Cohort, obs: pd.DataFrame, problems: list[Problem]) -> np.ndarray:
    """Return which cells pass the sheet's filters, one after another."""
    passed = np.ones(len(obs), dtype=bool)
    for column, values in cohort.cells.keep.items():
        texts = as_texts(obs[column], cohort.missing)
        found = sorted(set(texts[passed]) - {None})
        before = int(passed.sum())
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
        lower = pd.Series(texts, dtype=object).str.lower().to_numpy()
        masks = {
            value: (texts == as_text(value))
            | (not isinstance(value, str | bool) and (numbers == value).to_numpy())
            | (as_text(value).lower() in ("true", "false") and lower == as_text(value).lower())
            for value in values
        }
        chosen = np.logical_or.reduce([*masks.values()])
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
