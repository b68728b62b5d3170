"""Phenotypes and covariates: one value per sample, from the sheet or from its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from popnet.checks.cells import as_categories
from popnet.errors import Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.definitions import Covariate, Phenotype
from popnet.study.phenotypes import as_number, contrast_problem, missing_remedy, parse_value
from popnet.study.problems import differing, folded, quoted
from popnet.study.samples import Sample
from popnet.study.tables import mangled

DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


def values_of(
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
    written = definition.written
    field = f"{kind}.{written}"
    if asked and column in obs:
        of_asked = sample_of_cell.isin(asked)
        of_cells = obs.loc[of_asked, column]
        pairs = values_by_sample(sample_of_cell[of_asked], of_cells, cohort.missing)
        check_within(cohort, field, column, pairs, problems)
        found = {id: pairs[id] for id in asked if id in pairs}
        given |= _parsed(cohort, definition, found, problems)
    elif asked and not given:
        known = [*cohort.table_columns, *columns]
        message = "No sample has a value: neither the sheet nor the cells have such a column"
        remedy = nearest(column, known) + f"Give values, or name the column in {field}.column"
        problems.append(Problem(cohort.file, field, column, message, remedy))
        return [None] * len(samples)
    missing = [sample.id for sample in samples if given.get(sample.id) is None]
    if missing and getattr(definition, "missing", "error") == "error":
        message = f"{written} is missing for {len(missing)} of {len(samples)}: {quoted(missing)}"
        problems.append(Problem(cohort.file, field, None, message, missing_remedy(definition)))
    # A faulty value has been reported; it is neither missing nor a class of its own.
    return [None if value != value else value for value in (given.get(s.id) for s in samples)]


def _parsed(
    cohort: Cohort,
    definition: Phenotype | Covariate,
    pairs: Mapping[str, Sequence[str]],
    problems: list[Problem],
) -> dict[str, float | str | None]:
    """Return the values of the cells by sample, NaN for what is faulty."""
    values: dict[str, float | str | None] = {}
    for id, found in pairs.items():
        values[id] = math.nan
        if len(found) > 1:
            continue
        try:
            values[id] = parse_value(definition, found[0], cohort.missing)
        except ValueError as error:
            message, remedy = error.args
            place = f"obs column {definition.column}, sample {id}"
            problems.append(Problem(cohort.file, place, found[0], message, remedy))
    return values


def check_contrast(
    cohort: Cohort,
    phenotype: Phenotype,
    values: Sequence[float | str | None],
    problems: list[Problem],
) -> None:
    """Say where a phenotype does not differ between the samples."""
    if problem := contrast_problem(phenotype, values):
        problems.append(Problem(cohort.file, f"phenotypes.{phenotype.written}", None, *problem))


def check_interaction(
    cohort: Cohort, phenotype: Phenotype, samples: pd.DataFrame, problems: list[Problem]
) -> None:
    """Say where an interaction cannot be told from its two variables.

    Parameters
    ----------
    cohort : Cohort
    phenotype : Phenotype
        With factors.
    samples : DataFrame
        Columns of the factors; the samples that fill a bin.
    problems : list of Problem
        Gains what is wrong.
    """

    def add(message: str, remedy: str) -> None:
        problems.append(Problem(cohort.file, "interactions", phenotype.name, message, remedy))

    table = samples[list(phenotype.columns)].dropna()
    levels: dict[str, list[str]] = {}
    for factor in phenotype.factors:
        if factor.type == "binary":
            levels[factor.name] = [str(factor.control), str(factor.case)]
        elif factor.type == "categorical":
            levels[factor.name] = sorted(table[factor.name].astype(str).unique())
    for name, found in levels.items():
        table = table[table[name].astype(str).isin(found)]
        if len(found) != 2:
            message = (
                f"An interaction compares two levels; {name} has {len(found)}: {quoted(found)}"
            )
            remedy = (
                f"Define {name} under phenotypes (type: categorical), with a contrast of two "
                f'levels, and name that here: "{name}: <contrast>"'
            )
            if len(found) < 2:
                message = f"{name} has one level among the samples that fill a bin: {quoted(found)}"
                remedy = "Lower bins.size, add samples, or take the interaction out of interactions"
            add(message, remedy)
            return
    one, other = phenotype.columns
    if len(levels) == 2:
        found_pairs = set(zip(table[one].astype(str), table[other].astype(str), strict=True))
        for pair in product(levels[one], levels[other]):
            if pair not in found_pairs:
                message = f"No sample has {one} {pair[0]!r} and {other} {pair[1]!r}"
                add(message, "Add such samples, or take the interaction out of interactions")
    elif len(levels) == 1:
        (name,) = levels
        number = other if name == one else one
        for level in levels[name]:
            if table.loc[table[name].astype(str) == level, number].nunique() < 2:
                message = f"{number} does not vary among the samples with {name} {level!r}"
                add(message, "Add such samples, or take the interaction out of interactions")


def values_by_sample(
    samples: pd.Series, column: pd.Series, codes: Collection[str] = ()
) -> dict[str, list[str]]:
    """Return the distinct values of a column, as text, in each sample, without missing ones."""
    own, values = pd.Categorical(samples), as_categories(column, codes)
    known = (own.codes >= 0) & (values.codes >= 0)
    n_levels = len(values.categories)
    # In the order in which they appear.
    pairs = pd.unique(own.codes[known].astype(np.int64) * n_levels + values.codes[known])
    found: dict[str, list[str]] = {}
    for pair in sorted(pairs.tolist(), key=lambda pair: pair // n_levels):
        value = values.categories[pair % n_levels]
        found.setdefault(str(own.categories[pair // n_levels]), []).append(value)
    return found


def check_within(
    cohort: Cohort,
    field: str,
    column: str,
    pairs: Mapping[str, Sequence[str]],
    problems: list[Problem],
) -> None:
    """Find columns with several values in one sample."""
    varying = {id: values for id, values in pairs.items() if len(values) > 1}
    if varying:
        examples = "; ".join(f"{id!r}: {quoted(found, 3)}" for id, found in [*varying.items()][:5])
        message = f"It varies within {len(varying)} of {len(pairs)} samples: {examples}"
        remedy = "Name a column that is constant within a sample, or finer samples (cells.sample)"
        problems.append(Problem(cohort.file, field, column, message, remedy))


def check_texts(cohort: Cohort, samples: pd.DataFrame, problems: list[Problem]) -> None:
    """Find text that cannot be a field of a table, such as a line break in a donor's name."""
    fields = {"donor": "samples.donor", "batch": "cells.batch"}
    fields |= {one.name: f"phenotypes.{one.written}" for one in cohort.own_phenotypes}
    fields |= {covariate.name: f"covariates.{covariate.name}" for covariate in cohort.covariates}
    for column, field in fields.items():
        for text in samples[column].dropna().astype(str).unique():
            if not text.isprintable():
                message = "It holds an invisible character"
                problems.append(Problem(cohort.file, field, text, message, "Type it again"))
    levels = ["donor", "batch"]
    levels += [one.name for one in cohort.covariates if one.type == "categorical"]
    for column in levels:
        texts = samples[column].dropna().astype(str)
        if column == "batch":
            texts = texts.str.split(";").explode()
        _check_levels(cohort.file, fields[column], list(dict.fromkeys(texts)), problems)


def _check_levels(file: str, field: str, texts: Sequence[str], problems: list[Problem]) -> None:
    """Find names of groups that were one name, or a number, before they were written."""
    if alike := differing(texts, folded):
        message = f"These differ by blanks or upper and lower case alone: {alike}"
        problems.append(Problem(file, field, None, message, "Write them in one way, or rename one"))
    numbers = [text for text in texts if as_number(text) is not None]
    if alike := differing(numbers, lambda text: str(as_number(text))):
        message = f"These are the same number, written in two ways: {alike}"
        problems.append(Problem(file, field, None, message, "Write them in one way, or rename one"))
    commas = [text for text in texts if DECIMAL_COMMA.fullmatch(text)]
    if commas and len(commas) + len(numbers) == len(texts):
        message = (
            f"Each of these numbers with a decimal comma is a group of its own: {quoted(commas)}"
        )
        remedy = "Write them with a decimal point, and make a covariate of them numeric"
        problems.append(Problem(file, field, None, message, remedy))
    if dates := mangled(texts):
        message = f"A spreadsheet has made dates of these names, it seems: {quoted(dates)}"
        remedy = "Write the names again, in columns that the spreadsheet takes for text"
        # 1-Feb was a name; 12/03/2021 beside "pilot" may be the day of a batch.
        named = any(character.isalpha() for date in dates for character in date)
        severity: Literal["error", "warning"] = "error" if named else "warning"
        problems.append(Problem(file, field, None, message, remedy, severity))
