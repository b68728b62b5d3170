"""The sheet against the data: everything that can be wrong is found before any work begins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from popnet.cells import CountSource, common_genes, open_source
from popnet.errors import InputError, Problem, nearest
from popnet.study.cohort import Cohort, with_samples
from popnet.study.definitions import Covariate, Phenotype
from popnet.study.paths import is_absent
from popnet.study.phenotypes import as_text, contrast_problem, missing_remedy, parse_value
from popnet.study.problems import composed, merged, name_problems, quoted
from popnet.study.samples import Sample
from popnet.study.tables import read_sheet_table

ENSEMBL = r"ENS[A-Z]*G\d{11}"


BLOCKS, BLOCK_ROWS = 5, 50


MOST_WHOLE = 16


@dataclass(frozen=True)
class Study:
    """A cohort whose sheet and cells agree.

    Parameters
    ----------
    samples : DataFrame
        Columns sample, donor, batch (those of its cells, joined by ";"), n_cells, phenotypes,
        covariates. Binary phenotypes are the text of their case or control, continuous ones and
        numeric covariates are float, missing values NaN.
    cells : DataFrame
        Columns sample and cell_type (categorical; the levels are those of the study), batch (""
        where unknown), source (path), row (in the source), cell (name).
    excluded : DataFrame
        Columns cell_type, sample, n_cells, reason: what is left out so far.
    warnings : list of Problem
    """

    samples: pd.DataFrame
    cells: pd.DataFrame
    excluded: pd.DataFrame
    warnings: list[Problem]


def read_study(cohort: Cohort, config: Mapping[str, Any]) -> Study:
    """Check a cohort against its cells, gene sets and VCFs, and say which cells make it up.

    Of the cells the annotations are read, and of the counts a few blocks of rows.

    Parameters
    ----------
    cohort : Cohort
    config : mapping
        The checked config.

    Raises
    ------
    InputError
        With everything that does not fit together.
    """
    problems: list[Problem] = []
    sources = _open_sources(cohort, problems)
    if sources:
        _check_genes(cohort, sources, problems)
        _check_counts(cohort, sources, config["seed"], problems)
    annotations = _annotations(cohort, problems)
    tables = [_obs(cohort, source, annotations, problems) for source in sources]
    _check_columns(cohort, sources, tables, problems)
    _raise_errors(problems)

    cells, obs = _cell_table(cohort, sources, tables)
    passed = _filtered(cohort, obs, problems)
    try:
        cohort = _with_samples_of_cells(cohort, cells[passed], obs[passed], problems)
    except InputError as error:
        raise InputError(merged(problems + error.problems)) from None
    assert cohort.samples is not None
    left_out = _check_ids(cohort, cells, passed, problems)
    types = _study_types(cohort, cells, passed, problems)
    _raise_errors(problems)

    ids = [sample.id for sample in cohort.samples if sample.id not in left_out]
    paths = {sample.id: sample.path for sample in cohort.samples}
    astray = passed & cells["sample"].isin(ids) & (cells["sample"].map(paths) != cells["source"])
    if astray.any():
        _warn_astray(cohort, cells[astray], problems)
    kept = passed & ~astray & cells["sample"].isin(ids) & cells["cell_type"].isin(types)
    counts = cells.loc[passed & ~astray].groupby(["cell_type", "sample"], observed=True).size()
    if not kept.any():
        faults = [("cell_types", types), ("samples", ids[:5])]
        if not (passed & cells["sample"].isin(ids)).any():
            faults.reverse()
        message = "No cell is left after the filters and this step"
        remedy = "Correct it, or the filters in cells.keep"
        problems.append(Problem(cohort.file, *faults[0], message, remedy))
        _raise_errors(problems)

    cells, obs = cells[kept].reset_index(drop=True), obs[kept].reset_index(drop=True)
    empty = sorted(set(ids) - set(cells["sample"]))
    left_out |= dict.fromkeys(empty, "no cells after the filters")
    for id in empty:
        message = "The sample has no cells of the study's types after the filters"
        remedy = "Nothing, or list it under exclude"
        problems.append(Problem(cohort.file, "samples", id, message, remedy, "warning"))
    kept_samples = [sample for sample in cohort.samples if sample.id not in left_out]
    with_bins = _check_bins(cohort, counts, types, ids, config["bins"]["size"], problems)

    own = {sample.id: sample.batch for sample in kept_samples if sample.batch is not None}
    cells["batch"] = cells["sample"].map(own).fillna(cells["batch"])
    if "batch" in config["genes"]["regress"] and not cells["batch"].any():
        message = "batch is to be regressed out, but the cells have none"
        remedy = "Name the obs column of the batch in cells.batch, or take batch out of regress"
        problems.append(Problem(cohort.file, "cells.batch", None, message, remedy))

    by_sample = cells.groupby("sample")
    batches = by_sample["batch"].agg(lambda batch: ";".join(sorted(set(batch) - {""})))
    n_cells = by_sample.size()
    samples = pd.DataFrame(
        {
            "sample": [sample.id for sample in kept_samples],
            "donor": [sample.donor for sample in kept_samples],
            "batch": [batches[sample.id] for sample in kept_samples],
            "n_cells": [n_cells[sample.id] for sample in kept_samples],
        }
    )
    columns = [str(column) for table in tables for column in table]
    definitions: list[Phenotype | Covariate] = [*cohort.phenotypes, *cohort.covariates]
    for definition in definitions:
        n_problems = len(problems)
        values = _values(cohort, definition, kept_samples, cells["sample"], obs, columns, problems)
        samples[definition.name] = pd.Series(
            values, dtype=float if definition.type in ("continuous", "numeric") else object
        )
        if isinstance(definition, Phenotype) and len(problems) == n_problems:
            tested = [
                value
                for sample, value in zip(kept_samples, values, strict=True)
                if sample.id in with_bins or not with_bins
            ]
            if problem := contrast_problem(definition, tested):
                field = f"phenotypes.{definition.name}"
                problems.append(Problem(cohort.file, field, None, *problem))

    if cohort.variants:
        from popnet.checks.variants import check_variants

        problems += check_variants(cohort, list(samples["sample"]), cohort.variants.keep_filters)
    if config["preset"] == "robust" and not any(p.severity == "error" for p in problems):
        _check_designs(cohort, samples.set_index("sample"), problems)
    _check_texts(cohort, samples, problems)
    warnings = _raise_errors(problems)

    cells["sample"] = pd.Categorical(cells["sample"], samples["sample"])
    cells["cell_type"] = pd.Categorical(cells["cell_type"], types)
    excluded = pd.DataFrame(
        [
            (cell_type, id, int(counts.get((cell_type, id), 0)), reason)
            for cell_type in types
            for id, reason in left_out.items()
        ],
        columns=["cell_type", "sample", "n_cells", "reason"],
    )
    return Study(samples, cells, excluded, warnings)


def _check_texts(cohort: Cohort, samples: pd.DataFrame, problems: list[Problem]) -> None:
    """Find text that cannot be a field of a table, such as a line break in a donor's name."""
    fields = {"donor": "samples.donor", "batch": "cells.batch"}
    fields |= {phenotype.name: f"phenotypes.{phenotype.name}" for phenotype in cohort.phenotypes}
    fields |= {covariate.name: f"covariates.{covariate.name}" for covariate in cohort.covariates}
    for column, field in fields.items():
        for text in samples[column].dropna().astype(str).unique():
            if not text.isprintable():
                message = "It holds an invisible character"
                problems.append(Problem(cohort.file, field, text, message, "Write it anew"))


def _check_designs(cohort: Cohort, samples: pd.DataFrame, problems: list[Problem]) -> None:
    """Find covariates and batches that leave nothing, or little, of a phenotype to test."""
    from popnet.stats.designs import MAX_VIF, SAME, make_design
    from popnet.stats.units import encode_phenotype

    names = [covariate.name for covariate in cohort.covariates]
    for phenotype in cohort.phenotypes:
        values = encode_phenotype(
            samples[phenotype.name], phenotype.type, phenotype.case, phenotype.control
        )
        design = make_design(samples.index, samples, values, phenotype.type == "binary", names)
        for row in design.covariates.to_dict("records"):
            name, note = row["covariate"], row["note"]
            if note == SAME:
                field = "cells.batch" if name == "batch" else f"covariates.{name}"
                message = f"It is the same as phenotype {phenotype.name!r} in all samples"
                remedy = "Take one of the two out: given the one nothing is left of the other"
                problems.append(Problem(cohort.file, field, name, message, remedy))
            elif note or row["vif"] > MAX_VIF:
                why = note or f"variance inflation {row['vif']:.0f}"
                message = f"For phenotype {phenotype.name!r} it adds next to nothing: {why}"
                remedy = "Nothing, or take it out of the covariates"
                field = f"covariates.{name}"
                problems.append(Problem(cohort.file, field, name, message, remedy, "warning"))
        if not design.testable and SAME not in set(design.covariates["note"]):
            field = f"phenotypes.{phenotype.name}"
            message = f"Of {design.n} observations: {'; '.join(design.remarks)}"
            remedy = "Take out batches or covariates, or add samples"
            problems.append(Problem(cohort.file, field, None, message, remedy, "warning"))


def _raise_errors(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems, each fault once, if all of them are warnings."""
    problems = merged(problems)
    if any(problem.severity == "error" for problem in problems):
        raise InputError(problems)
    return problems


def _open_sources(cohort: Cohort, problems: list[Problem]) -> list[CountSource]:
    if cohort.samples is None:
        paths = [cohort.cells.path]
    else:
        # A sample that may be absent may lack its file too.
        paths = [
            sample.path
            for sample in cohort.samples
            if cohort.without_cells == "error"
            or sample.path == cohort.cells.path
            or _exists(sample)
        ]
    sources = []
    for path in dict.fromkeys(paths):
        try:
            sources.append(open_source(str(path), cohort.cells.counts, cohort.cells.gene_symbols))
        except InputError as error:
            problems += error.problems
    if not paths:
        message = "No sample has a file of cells"
        problems.append(
            Problem(cohort.file, "cells.path", cohort.cells.path, message, "Correct the path")
        )
    return sources


def _exists(sample: Sample) -> bool:
    return sample.path is not None and not is_absent(sample.path)


def _check_genes(cohort: Cohort, sources: Sequence[CountSource], problems: list[Problem]) -> None:
    doubled = {s.path: s.genes[s.genes.duplicated()].unique() for s in sources}
    doubled = {path: names for path, names in doubled.items() if len(names)}
    if doubled:
        path, names = next(iter(doubled.items()))
        more = f" (and {len(doubled) - 1} other files)" if len(doubled) > 1 else ""
        message = f"{path}{more}: {len(names)} gene names occur twice: {quoted(names)}"
        remedy = "Make them unique (adata.var_names_make_unique()) and write the file again"
        problems.append(Problem(cohort.file, "cells.path", names[0], message, remedy))
        return
    source = sources[0]
    matching = source.genes.astype(str).str.fullmatch(ENSEMBL + r"(\.\d+)?")
    if matching.mean() > 0.5:
        symbols = [
            name
            for name, column in source.var.items()
            if not pd.api.types.is_numeric_dtype(column)
            and column.nunique() > len(column) / 2
            and column.astype(str).str.fullmatch(ENSEMBL + r"(\.\d+)?").mean() < 0.5
        ]
        remedy = (
            f"Set cells.gene_symbols: {symbols[0]}"
            if symbols
            else "Add a var column of gene symbols to the file and name it in cells.gene_symbols"
        )
        message = f"Genes are Ensembl ids in {source.path} ({quoted(source.genes[matching], 2)})"
        problems.append(
            Problem(cohort.file, "cells.gene_symbols", cohort.cells.gene_symbols, message, remedy)
        )
        return
    genes, lost = common_genes(sources)
    if not len(genes):
        message = f"{len(sources)} files of cells have no gene in common"
        remedy = "Use one naming of genes in all files (cells.gene_symbols)"
        problems.append(Problem(cohort.file, "cells", None, message, remedy))
        return
    if (lost["n_lost"] > 0).any():
        message = f"The files have different genes; the {len(genes):,} that all have are used"
        problems.append(
            Problem(cohort.file, "cells", None, message, "Nothing, if they are enough", "warning")
        )
    invisible = [gene for gene in genes.astype(str) if not gene.isprintable()]
    if invisible:
        message = f"{len(invisible)} gene names hold an invisible character: {quoted(invisible)}"
        remedy = "Rename them in the files of cells"
        problems.append(Problem(cohort.file, "cells", invisible[0], message, remedy))
    _check_gene_sets(cohort, genes, problems)


def _check_gene_sets(cohort: Cohort, genes: pd.Index, problems: list[Problem]) -> None:
    from popnet.study.gene_sets import resolve_gene_sets

    try:
        resolve_gene_sets(cohort.gene_sets, list(genes))
    except InputError as error:
        problems += error.problems
        return
    for gene_set in cohort.gene_sets:
        members = set().union(*resolve_gene_sets([gene_set], list(genes)).values())
        if gene_set.implicit or genes.isin(list(members)).any():
            continue
        given = gene_set.gmt or gene_set.prefix or list(gene_set.genes[:5])
        known = nearest(next(iter(gene_set.genes), gene_set.prefix or ""), genes)
        message = f"No gene of it is among the {len(genes):,} genes of the cells ({quoted(genes)})"
        remedy = known + "Use symbols of the cells' genes, or take the set away"
        problems.append(Problem(cohort.file, f"gene_sets.{gene_set.name}", given, message, remedy))


def _check_counts(
    cohort: Cohort, sources: Sequence[CountSource], seed: int, problems: list[Problem]
) -> None:
    """Look at blocks of rows of every source for counts that are none.

    Of files that are gone through as a whole for that some are looked at: `prepare_expression`
    checks the counts of every cell anyway.
    """
    rng = np.random.default_rng(seed)
    faults = []
    whole = [source for source in sources if not source.by_rows][MOST_WHOLE:]
    for source in sources:
        if source in whole:
            continue
        starts = rng.integers(0, max(source.n_cells - BLOCK_ROWS, 0) + 1, BLOCKS)
        rows = np.unique(np.add.outer(starts, np.arange(BLOCK_ROWS)))
        rows = rows[rows < source.n_cells]
        try:
            counts = source.read_rows(rows)
        except InputError as error:
            problems += error.problems
            continue
        values = counts.data
        wrong = np.flatnonzero(~np.isfinite(values) | (values < 0) | (values % 1 != 0))
        if len(wrong):
            row = rows[np.searchsorted(counts.indptr, wrong[0], side="right") - 1]
            gene = source.genes[counts.indices[wrong[0]]]
            place = f"gene {gene!r} of cell {source.obs.index[row]!r} in {source.path}"
            logged = values.min() >= 0 and values.max() < 20
            faults.append((round(float(values[wrong[0]]), 6), place, logged))
    if faults:
        value, place, logged = faults[0]
        more = f", and in {len(faults) - 1} other files" if len(faults) > 1 else ""
        look = "; they look log-normalised" if logged else ""
        message = f"Counts must be whole numbers from 0 on, which {place} is not{more}{look}"
        remedy = "Name the matrix of raw counts in cells.counts: X, raw.X or layers/<name>"
        problems.append(Problem(cohort.file, "cells.counts", value, message, remedy))


def _annotations(cohort: Cohort, problems: list[Problem]) -> dict[str, pd.DataFrame]:
    """Return the rows of the sheet's annotations by sample, all under "" where they name none."""
    annotations = cohort.cells.annotations
    if annotations is None:
        return {}
    columns, rows, faults = read_sheet_table(annotations.table)
    problems += faults
    keys = {"barcode": annotations.barcode, "sample": annotations.sample}
    absent = {key: name for key, name in keys.items() if name and name not in columns}
    for key, name in absent.items():
        message = f"{annotations.table} has no such column"
        remedy = nearest(name, columns) + f"Its columns are {quoted(columns, 12)}"
        problems.append(Problem(cohort.file, f"cells.annotations.{key}", name, message, remedy))
    if absent or not rows:
        return {}
    table = pd.DataFrame(rows).set_index(annotations.barcode)
    whole = {"": table}
    if annotations.sample:
        whole |= {str(name): part for name, part in table.groupby(annotations.sample, sort=False)}
    return whole


def _obs(
    cohort: Cohort,
    source: CountSource,
    annotated: Mapping[str, pd.DataFrame],
    problems: list[Problem],
) -> pd.DataFrame:
    """Return a source's obs, joined with the sheet's annotations."""
    annotations = cohort.cells.annotations
    if annotations is None or not annotated:
        return source.obs
    owners = [sample.id for sample in cohort.samples or () if sample.path == source.path]
    table = annotated[""]
    if annotations.sample and owners:
        parts = [annotated[id] for id in owners if id in annotated]
        table = pd.concat(parts) if parts else table.head(0)
    doubled = table.index[table.index.duplicated()]
    if len(doubled):
        message = f"{annotations.table} has several rows of a barcode of {source.path}"
        remedy = "Keep one row per cell; where samples share barcodes, name the column of samples"
        field = "cells.annotations.sample"
        problems.append(Problem(cohort.file, field, doubled[0], message, remedy))
        return source.obs
    n_known = int(source.obs.index.isin(table.index).sum())
    if n_known < source.n_cells:
        message = (
            f"{annotations.table} has {n_known:,} of the {source.n_cells:,} cells of "
            f"{source.path}; barcodes there: {quoted(source.obs.index, 2)}, in the table: "
            f"{quoted(table.index, 2)}"
        )
        remedy = "Nothing, if the other cells are to be left out"
        problems.append(
            Problem(
                cohort.file,
                "cells.annotations.barcode",
                annotations.barcode,
                message,
                remedy if n_known else "Write barcodes as the file of cells has them",
                "warning" if n_known else "error",
            )
        )
    new = table.columns.difference(source.obs.columns, sort=False)
    return source.obs.join(table[new])


def _check_columns(
    cohort: Cohort,
    sources: Sequence[CountSource],
    tables: Sequence[pd.DataFrame],
    problems: list[Problem],
) -> None:
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
            problems.append(Problem(cohort.file, key, column, message, remedy))


def _texts(series: pd.Series) -> np.ndarray:
    """Return a column as text, whole floats without a fraction, missing values as None."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        # Not `series.cat`, which hashes the name of every cell.
        levels = [*_texts(pd.Series(series.array.categories)), None]
        return np.array(levels, dtype=object)[series.array.codes]
    if pd.api.types.is_float_dtype(series.dtype) and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")
    texts = np.array(
        [
            None if missing else as_text(value)
            for value, missing in zip(series.tolist(), series.isna().tolist(), strict=True)
        ],
        dtype=object,
    )
    texts[(texts == "") | (texts == "nan")] = None
    return texts


def _cell_table(
    cohort: Cohort, sources: Sequence[CountSource], tables: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all cells, and the obs columns that the sheet asks for, row by row."""
    columns = [
        *cohort.cells.keep,
        cohort.donor,
        *(phenotype.column for phenotype in cohort.phenotypes),
        *(covariate.column for covariate in cohort.covariates),
    ]
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
        } | {role: _texts(table[column]) for role, column in roles.items() if column}
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


def _filtered(cohort: Cohort, obs: pd.DataFrame, problems: list[Problem]) -> np.ndarray:
    """Return which cells pass the sheet's filters, one after another."""
    passed = np.ones(len(obs), dtype=bool)
    for column, values in cohort.cells.keep.items():
        texts = _texts(obs[column])
        found = sorted(set(texts[passed]) - {None})
        before = int(passed.sum())
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
        masks = {
            value: (texts == as_text(value))
            | (not isinstance(value, str | bool) and (numbers == value).to_numpy())
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


def _with_samples_of_cells(
    cohort: Cohort, cells: pd.DataFrame, obs: pd.DataFrame, problems: list[Problem]
) -> Cohort:
    if cohort.samples is not None:
        return cohort
    ids = sorted(set(cells["sample"].dropna()))
    for id in cohort.excluded:
        if id not in ids:
            message = "No cell is of this sample"
            remedy = nearest(id, ids) + "Correct the id or take it out of exclude"
            field = f"samples.exclude.{id}"
            problems.append(Problem(cohort.file, field, id, message, remedy, "warning"))
    donors = {}
    if cohort.donor is not None:
        pairs = _pairs(cells["sample"], obs[cohort.donor])
        donors = {id: found[0] for id, found in pairs.items()}
        _check_within(cohort, "samples.donor", cohort.donor, pairs, problems)
    return with_samples(cohort, ids, donors)


def _pairs(samples: pd.Series, column: pd.Series) -> dict[str, list[str]]:
    """Return the distinct values of a column, as text, in each sample."""
    table = pd.DataFrame({"sample": samples.to_numpy(), "value": _texts(column)})
    table = table.dropna().drop_duplicates()
    return {str(id): list(values) for id, values in table.groupby("sample")["value"]}


def _check_within(
    cohort: Cohort,
    field: str,
    column: str,
    pairs: Mapping[str, Sequence[str]],
    problems: list[Problem],
) -> None:
    varying = {id: values for id, values in pairs.items() if len(values) > 1}
    if varying:
        examples = "; ".join(f"{id!r}: {quoted(found, 3)}" for id, found in [*varying.items()][:5])
        message = f"It varies within {len(varying)} of {len(pairs)} samples: {examples}"
        remedy = "Name a column that is constant within a sample, or finer samples (cells.sample)"
        problems.append(Problem(cohort.file, field, column, message, remedy))


def _check_ids(
    cohort: Cohort, cells: pd.DataFrame, passed: np.ndarray, problems: list[Problem]
) -> dict[str, str]:
    """Return the samples that are left out, with the reason."""
    assert cohort.samples is not None
    found = sorted(set(cells["sample"].dropna()))
    listed = [sample.id for sample in cohort.samples]
    left_out = {id: reason for id, reason in cohort.excluded.items() if id in found}
    without = sorted(set(listed) - set(found))
    # The same text in two forms of Unicode looks alike.
    forms = {composed(id): id for id in found}
    written = [(id, forms[composed(id)]) for id in without if composed(id) in forms]
    alike = "; ".join(f"{id!a} of the sheet is {other!a} in the cells" for id, other in written[:5])
    alike = alike and f"They look the same, but {alike}. "
    if without and len(without) == len(listed):
        message = (
            f"None of the sheet's {len(listed)} ids is among the {len(found)} of the cells. "
            f"Sheet: {quoted(listed)}. Cells: {quoted(found)}"
        )
        remedy = "Write ids exactly as the cells have them, or name another column in cells.sample"
        remedy = alike + remedy
        problems.append(Problem(cohort.file, "cells.sample", cohort.cells.sample, message, remedy))
        return left_out
    if without and cohort.without_cells == "error":
        message = f"{len(without)} of {len(listed)} samples have no cells: {quoted(without)}"
        remedy = alike or nearest(without[0], set(found) - set(listed))
        remedy += "Correct the ids, or exclude them"
        remedy += " (all such rows of a table at once: samples.without_cells: exclude)"
        value = without[0] if len(without) == 1 else None
        problems.append(Problem(cohort.file, "samples", value, message, remedy))
    left_out |= dict.fromkeys(without, "no cells")

    counts = cells["sample"][passed].value_counts()
    unlisted = sorted(set(counts.index) - set(listed) - set(cohort.excluded))
    if unlisted:
        message = (
            f"{len(unlisted)} samples of the cells ({int(counts[unlisted].sum()):,} cells) are "
            f"not in the sheet and are left out: {quoted(unlisted)}"
        )
        remedy = "Add them, or nothing"
        problems.append(Problem(cohort.file, "samples", None, message, remedy, "warning"))
    left_out |= dict.fromkeys(unlisted, "not in the sheet")
    nobody = int(cells["sample"][passed].isna().sum())
    if nobody:
        message = f"{nobody:,} cells have no sample and are left out"
        problems.append(
            Problem(cohort.file, "cells.sample", cohort.cells.sample, message, "Nothing", "warning")
        )
    return left_out


def _study_types(
    cohort: Cohort, cells: pd.DataFrame, passed: np.ndarray, problems: list[Problem]
) -> list[str]:
    found = sorted(set(cells["cell_type"][passed].dropna()))
    if cohort.cell_types is None:
        entries = [(f"cells.cell_type ({cohort.cells.cell_type})", name) for name in found]
        problems += name_problems(cohort.file, entries, "cell type")
        return found
    everywhere = sorted(set(cells["cell_type"].dropna()))
    for number, name in enumerate(cohort.cell_types):
        if name in found or not passed.any():
            continue
        message = "No cell has this cell type"
        if name in everywhere:
            message = "No cell of this type is left after the filters of cells.keep"
        remedy = f"{nearest(name, set(found) - {name})}Cell types are {quoted(found, 12)}"
        problems.append(Problem(cohort.file, f"cell_types[{number}]", name, message, remedy))
    return list(cohort.cell_types)


def _warn_astray(cohort: Cohort, astray: pd.DataFrame, problems: list[Problem]) -> None:
    for path, cells in astray.groupby("source"):
        id = cells["sample"].iloc[0]
        message = (
            f"{len(cells):,} cells of {cells['sample'].nunique()} samples in {path} are left "
            "out: the sheet says that their cells are in another file"
        )
        remedy = "Put all cells of a sample in one file"
        problems.append(Problem(cohort.file, "samples.path", id, message, remedy, "warning"))


def _check_bins(
    cohort: Cohort,
    counts: pd.Series,
    types: Sequence[str],
    ids: Sequence[str],
    size: int,
    problems: list[Problem],
) -> set[str]:
    """Return the samples that fill a bin; say which cell types have none."""
    counts = counts[
        counts.index.get_level_values("cell_type").isin(types)
        & counts.index.get_level_values("sample").isin(ids)
    ]
    full = counts[counts >= size]
    short = [name for name in types if name not in full.index.get_level_values("cell_type")]
    if full.empty:
        largest = counts.sort_values(kind="stable").index[-1]
        message = (
            f"No sample fills a bin: the largest is {largest[1]!r} with {counts.max():,} cells "
            f"of {largest[0]!r}"
        )
        remedy = f"Set bins.size to {counts.max()} or less"
        problems.append(Problem(cohort.file, "bins.size", size, message, remedy))
    for name in short if not full.empty else ():
        of_type = counts[counts.index.get_level_values("cell_type") == name]
        most = int(of_type.max()) if len(of_type) else 0
        message = f"No sample fills a bin of {size:,} cells of this type: the largest has {most:,}"
        remedy = "Lower bins.size, or take the cell type out of cell_types"
        severity: Any = "error" if cohort.cell_types else "warning"
        problems.append(Problem(cohort.file, "cell_types", name, message, remedy, severity))
    return set(full.index.get_level_values("sample"))


def _values(
    cohort: Cohort,
    definition: Phenotype | Covariate,
    samples: Sequence[Sample],
    sample_of_cell: pd.Series,
    obs: pd.DataFrame,
    columns: Iterable[str],
    problems: list[Problem],
) -> list[float | str | None]:
    """Return each sample's value: what the sheet says, else what its cells say."""
    kind = "phenotypes" if isinstance(definition, Phenotype) else "covariates"
    name, column = definition.name, definition.column
    given = {
        sample.id: getattr(sample, kind)[name]
        for sample in samples
        if name in getattr(sample, kind)
    }
    asked = [sample.id for sample in samples if sample.id not in given]
    field = f"{kind}.{name}"
    if asked and column in obs:
        of_asked = sample_of_cell.isin(asked)
        pairs = _pairs(sample_of_cell[of_asked], obs.loc[of_asked, column])
        _check_within(cohort, field, column, pairs, problems)
        for id in asked:
            found = pairs.get(id, [])
            if len(found) > 1:
                given[id] = math.nan
            elif found:
                try:
                    given[id] = parse_value(definition, found[0])
                except ValueError as error:
                    message, remedy = error.args
                    place = f"obs column {column}, sample {id}"
                    problems.append(Problem(cohort.file, place, found[0], message, remedy))
                    given[id] = math.nan
    elif asked and not given:
        known = [*cohort.table_columns, *columns]
        message = "No sample has a value: neither the sheet nor the cells have such a column"
        remedy = nearest(column, known) + f"Give values, or name the column in {field}.column"
        problems.append(Problem(cohort.file, field, column, message, remedy))
        return [None] * len(samples)
    missing = [sample.id for sample in samples if given.get(sample.id) is None]
    if missing and getattr(definition, "missing", "error") == "error":
        message = f"{name} is missing for {len(missing)} of {len(samples)}: {quoted(missing)}"
        problems.append(Problem(cohort.file, field, None, message, missing_remedy(definition)))
    # A faulty value has been reported; it is neither missing nor a class of its own.
    return [None if value != value else value for value in (given.get(s.id) for s in samples)]
