"""The sheet against the data: everything that can be wrong is found before any work begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from popnet.checks.bins import study_types, warn_short
from popnet.checks.cells import (
    among,
    cell_table,
    check_columns,
    count_pairs,
    filtered,
    read_annotations,
    read_obs,
    warn_blanks,
)
from popnet.checks.designs import check_designs
from popnet.checks.genes import check_genes
from popnet.checks.outlook import check_size, kept_samples, outlook
from popnet.checks.own import check_own_networks, types_of_tables
from popnet.checks.samples import left_out_samples, warn_astray, warn_empty, with_samples_of_cells
from popnet.checks.sources import check_counts, open_sources
from popnet.checks.values import check_contrast, check_interaction, check_texts, values_of
from popnet.errors import InputError, Problem
from popnet.presets import PRESETS
from popnet.study.cohort import Cohort
from popnet.study.definitions import Covariate, Phenotype
from popnet.study.problems import merged, of_many_files, quoted
from popnet.study.samples import Sample


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
        Columns sample and cell_type (the levels are those of the study), batch ("" where unknown),
        source (path), all of them categorical, and row (in the source). Names of cells are
        `popnet.cells.sources.cell_names`.
    excluded : DataFrame
        Columns cell_type, sample, n_cells, reason: what is left out so far.
    warnings : list of Problem
    outlook : list of str
        What the bins leave, what is trained and what can be reached, in a few lines.
    """

    samples: pd.DataFrame
    cells: pd.DataFrame
    excluded: pd.DataFrame
    warnings: list[Problem]
    outlook: list[str] = field(default_factory=list)


def read_study(cohort: Cohort, config: Mapping[str, Any]) -> Study:
    """Check a cohort against its cells, gene sets and VCFs, and say which cells make it up.

    Of the cells the annotations are read, and of the counts a few blocks of rows. A study of own
    networks alone has none. The rows of own networks are checked by :func:`check_networks`.

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
    if not cohort.has_cells:
        return _study_of_tables(cohort, config, problems)
    cells, obs, columns = _annotated_cells(cohort, config["seed"], problems)
    passed = filtered(cohort, obs, problems)
    try:
        cohort = with_samples_of_cells(cohort, cells, obs, passed, problems)
    except InputError as error:
        raise InputError(merged(problems + error.problems)) from None
    assert cohort.samples is not None
    left_out = left_out_samples(cohort, cells, passed, problems)
    types = study_types(cohort, cells, passed, problems)
    _raise_errors(problems)

    ids = [sample.id for sample in cohort.samples if sample.id not in left_out]
    passed &= ~warn_astray(cohort, cells, passed & among(cells["sample"], ids), problems)
    counts = count_pairs(cells, ["cell_type", "sample"], passed)
    kept = _kept_cells(cohort, cells, passed, ids, types, problems)
    if not kept.all():
        cells, obs = cells[kept].reset_index(drop=True), obs[kept].reset_index(drop=True)
    left_out |= warn_empty(cohort, ids, cells, problems)
    samples = [sample for sample in cohort.samples if sample.id not in left_out]
    found = counts.index.get_level_values
    of_study = counts[found("cell_type").isin(types) & found("sample").isin(ids)]
    warn_short(cohort, of_study, types, config["bins"]["size"], problems)
    _set_batches(cohort, cells, samples, config["genes"]["regress"], problems)

    table = _sample_table(samples, cells)
    given = cells["sample"], obs, columns
    of_bins = of_study, types
    warnings = _check_values(cohort, config, table, samples, given, of_bins, problems)
    lines = outlook(cohort, config, of_study, table.set_index("sample"))

    cells["sample"] = pd.Categorical(cells["sample"], table["sample"])
    cells["cell_type"] = pd.Categorical(cells["cell_type"], types)
    return Study(table, cells, _excluded(types, left_out, counts), warnings, lines)


def check_networks(cohort: Cohort, study: Study, config: Mapping[str, Any]) -> list[Problem]:
    """Check every row of the own networks of a study, and return warnings.

    Raises
    ------
    InputError
        With everything that is wrong with them.
    """
    ids = study.samples["sample"] if cohort.samples is None else [one.id for one in cohort.samples]
    types = list(study.cells["cell_type"].cat.categories)
    return _raise_errors(check_own_networks(cohort, list(ids), types, config))


def _study_of_tables(cohort: Cohort, config: Mapping[str, Any], problems: list[Problem]) -> Study:
    """Return a study of own networks alone: samples and their values are those of the sheet."""
    assert cohort.samples is not None
    types, samples = types_of_tables(cohort, problems), list(cohort.samples)
    table = pd.DataFrame(
        {
            "sample": [sample.id for sample in samples],
            "donor": [sample.donor for sample in samples],
            "batch": [sample.batch or "" for sample in samples],
            "n_cells": np.nan,
        }
    )
    _check_batches(cohort, table["batch"].to_numpy(), table["sample"].to_numpy(), problems)
    given: tuple[pd.Series, pd.DataFrame, list[str]] = pd.Series(dtype=str), pd.DataFrame(), []
    warnings = _check_values(cohort, config, table, samples, given, None, problems)
    cells = pd.DataFrame({"cell_type": pd.Categorical([], types)})
    excluded = _excluded(types, cohort.excluded, pd.Series(dtype=int))
    lines = [f"{len(table)} samples of {table['donor'].nunique()} donors; no siVAE is trained"]
    return Study(table, cells, excluded, warnings, lines)


def _check_values(
    cohort: Cohort,
    config: Mapping[str, Any],
    table: pd.DataFrame,
    samples: Sequence[Sample],
    given: tuple[pd.Series, pd.DataFrame, list[str]],
    of_bins: tuple[pd.Series, Sequence[str]] | None,
    problems: list[Problem],
) -> list[Problem]:
    """Add phenotypes and covariates to the table of samples, and check what follows from them.

    `given` are the sample of every cell, the annotations of the cells and the names of all of them.
    `of_bins` are the cells by cell type and sample, and the types; None without cells.
    Returns warnings.
    """
    n_before = len(problems)
    sample_of_cell, obs, columns = given
    definitions: list[Phenotype | Covariate] = [*cohort.own_phenotypes, *cohort.covariates]
    for definition in definitions:
        n_problems = len(problems)
        values = values_of(cohort, definition, samples, sample_of_cell, obs, columns, problems)
        numeric = definition.type in ("continuous", "numeric")
        table[definition.name] = pd.Series(values, dtype=float if numeric else object)
        if isinstance(definition, Phenotype) and len(problems) == n_problems:
            check_contrast(cohort, definition, values, problems)
    kept = None if of_bins is None else kept_samples(cohort, *of_bins, config["bins"]["size"])
    if of_bins and all(problem.severity != "error" for problem in problems[n_before:]):
        of_samples = table.set_index("sample")
        check_size(cohort, *of_bins, of_samples, config["bins"]["size"], problems)
    if cohort.variants:
        from popnet.checks.variants import check_variants

        strict = PRESETS[config["preset"]].strict_genotypes
        keep = cohort.variants.keep_filters
        problems += check_variants(cohort, list(table["sample"]), keep, by_reads=strict)
    adjusted = PRESETS[config["preset"]].unit == "donor"
    for phenotype in (one for one in cohort.phenotypes if one.factors):
        if not adjusted:
            message = (
                "An interaction is tested given both variables, and this preset adjusts for none"
            )
            remedy = "Take it out of interactions, or use another preset"
            problems.append(Problem(cohort.file, "interactions", phenotype.name, message, remedy))
        elif set(phenotype.columns) <= set(table):
            tested = table if not kept else table[table["sample"].isin(kept)]
            check_interaction(cohort, phenotype, tested, problems)
    if adjusted and not any(problem.severity == "error" for problem in problems):
        check_designs(cohort, table.set_index("sample"), problems)
    check_texts(cohort, table, problems)
    return _raise_errors(problems)


def _annotated_cells(
    cohort: Cohort, seed: int, problems: list[Problem]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return all cells, the obs columns that the sheet asks for, and the names of all columns."""
    sources = open_sources(cohort, problems)
    if sources:
        check_genes(cohort, sources, problems)
        check_counts(cohort, sources, seed, problems)
    annotations = read_annotations(cohort, problems)
    faults: list[Problem] = []
    read = [read_obs(cohort, source, annotations, faults) for source in sources]
    tables, columns = [table for table, _ in read], [names for _, names in read]
    problems += of_many_files(faults)
    check_columns(cohort, sources, columns, problems)
    warn_blanks(cohort, tables, problems)
    _raise_errors(problems)
    return *cell_table(cohort, sources, tables), [name for names in columns for name in names]


def _kept_cells(
    cohort: Cohort,
    cells: pd.DataFrame,
    passed: np.ndarray,
    ids: Sequence[str],
    types: Sequence[str],
    problems: list[Problem],
) -> np.ndarray:
    """Return which cells are of the study's samples and types."""
    of_samples = passed & among(cells["sample"], ids)
    kept = of_samples & among(cells["cell_type"], types)
    if not kept.any():
        fault = ("cell_types", types) if of_samples.any() else ("samples", ids[:5])
        message = "No cell is left after the filters and this step"
        remedy = "Correct it, or the filters in cells.keep"
        problems.append(Problem(cohort.file, *fault, message, remedy))
        _raise_errors(problems)
    return kept


def _set_batches(
    cohort: Cohort,
    cells: pd.DataFrame,
    samples: Sequence[Sample],
    regressed: Sequence[str],
    problems: list[Problem],
) -> None:
    """Give the cells the batches that the sheet has for their samples."""
    own = {sample.id: sample.batch for sample in samples if sample.batch is not None}
    if own:
        batches, of_cell = cells["batch"].array, cells["sample"].array
        levels = pd.Index(sorted({*own.values(), *batches.categories}), dtype=object)
        given = levels.get_indexer(pd.Index(map(own.get, of_cell.categories), dtype=object))
        given, known = np.append(given, -1)[of_cell.codes], batches.set_categories(levels).codes
        cells["batch"] = pd.Categorical.from_codes(np.where(given < 0, known, given), levels)
    _check_batches(cohort, cells["batch"].array, cells["sample"].array, problems)
    if "batch" in regressed and (cells["batch"] == "").all():
        message = "batch is to be regressed out, but the cells have none"
        remedy = "Name the obs column of the batch in cells.batch, or take batch out of regress"
        problems.append(Problem(cohort.file, "cells.batch", None, message, remedy))


def _check_batches(
    cohort: Cohort,
    batches: np.ndarray | pd.Categorical,
    samples: np.ndarray | pd.Categorical,
    problems: list[Problem],
) -> None:
    """Find samples of which some rows have no batch, where there are batches."""
    named = cohort.cells.batch or cohort.batch
    without = list(pd.unique(samples[batches == ""]))
    if not without or not (named or (batches != "").any()):
        return
    message = f"No batch is given for {len(without)} of {len(pd.unique(samples))} samples: "
    message += quoted(without)
    field = "cells.batch" if cohort.cells.batch else "samples.batch"
    remedy = f"Fill it in, exclude the samples, or take {field} out"
    problems.append(Problem(cohort.file, field, named, message, remedy))


def _sample_table(samples: Sequence[Sample], cells: pd.DataFrame) -> pd.DataFrame:
    found = count_pairs(cells, ["sample", "batch"], np.ones(len(cells), dtype=bool))
    n_cells = found.groupby(level="sample").sum()
    named: dict[str, list[str]] = {}
    for sample, batch in found.index:
        named.setdefault(sample, []).extend([batch] if batch else [])
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in samples],
            "donor": [sample.donor for sample in samples],
            "batch": [";".join(named[sample.id]) for sample in samples],
            "n_cells": n_cells[[sample.id for sample in samples]].to_numpy(),
        }
    )


def _excluded(types: Sequence[str], left_out: Mapping[str, str], counts: pd.Series) -> pd.DataFrame:
    rows = [
        (cell_type, id, int(counts.get((cell_type, id), 0)), reason)
        for cell_type in types
        for id, reason in left_out.items()
    ]
    return pd.DataFrame(rows, columns=["cell_type", "sample", "n_cells", "reason"])


def _raise_errors(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems, each fault once, if all of them are warnings."""
    problems = merged(problems)
    if any(problem.severity == "error" for problem in problems):
        raise InputError(problems)
    return problems
