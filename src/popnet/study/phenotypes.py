"""Values of phenotypes and covariates: how they are written and what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from typing import Any

from popnet.errors import nearest
from popnet.study.definitions import Covariate, Phenotype

NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
# What stands for a missing value wherever a user gives text: in sheets, tables and obs. It is what
# R, pandas and Excel write; a level "none" is a level.
MISSING = frozenset(
    (
        *("", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "<NA>"),
        *("NaN", "nan", "NAN", "-nan", "-NaN", "None", "null", "NULL", "Null", "NaT"),
    )
)


def as_text(value: Any) -> str:
    """Return a scalar of a sheet as text: true and false as in YAML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    # Not all that float() takes: 1_1 is the name of a donor.
    return float(text) if re.fullmatch(NUMBER, text) else None


def is_missing(value: Any, codes: Collection[str] = ()) -> bool:
    """Return whether a value stands for a missing one.

    Parameters
    ----------
    value : str, number, bool or None
    codes : collection of str
        What else does, as the sheet says in `samples.missing`; numbers count as numbers.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    text = as_text(value).strip()
    return text in MISSING or (bool(codes) and label_of(text, codes) is not None)


def parse_value(
    definition: Phenotype | Covariate, raw: Any, codes: Collection[str] = ()
) -> float | str | None:
    """Return a phenotype's or covariate's value: a float, the label's text, or None if missing.

    `codes` are further missing values, see :func:`is_missing`.

    Raises
    ------
    ValueError
        With the message and the remedy as its two arguments.
    """
    if is_missing(raw, codes):
        return None
    text = as_text(raw).strip()
    if definition.type == "categorical":
        return text
    if isinstance(definition, Phenotype) and definition.levels:
        level = label_of(text, definition.levels)
        if level is None:
            raise ValueError(
                f"{definition.written} has no such level",
                nearest(text, list(definition.levels))
                + f"Correct the value, or the levels of phenotypes.{definition.written}",
            )
        # Of an ordinal phenotype its place.
        ordinal = definition.type == "continuous"
        return float(definition.levels.index(level) + 1) if ordinal else level
    if not isinstance(definition, Phenotype) or definition.type == "continuous":
        if as_number(text) is None:
            remedy = "Write a number (with a decimal point), or NA where it is missing"
            if re.fullmatch(r"[-+]?\d+,\d+", text):
                remedy = f"Write it with a decimal point: {text.replace(',', '.')}"
            message = f"{definition.name} is {definition.type}, but this is not a number"
            raise ValueError(message, remedy)
        return float(text)
    case, control = definition.case, definition.control
    if case == "1" and control == "0":
        text = {"true": "1", "false": "0"}.get(text.lower(), text)
    labels = [label for label in (control, case) if label is not None]
    if (label := label_of(text, labels)) is not None:
        return label
    raise ValueError(
        f"{definition.name} is binary, but this is neither its case ({case!r}) "
        f"nor its control ({control!r})",
        nearest(text, [str(control), str(case)])
        + f"Correct the value, or phenotypes.{definition.name}.case and .control",
    )


def label_of(text: str, labels: Iterable[str]) -> str | None:
    """Return the label that a text is, or None.

    As a number where both are numbers, and in any case where both are true or false.
    """
    labels = list(labels)
    if text in labels:
        return text
    number = as_number(text)
    for label in labels:
        if number is not None and as_number(label) == number:
            return label
        if text.lower() == label.lower() and label.lower() in ("true", "false"):
            return label
    return None


def contrast_problem(
    definition: Phenotype, values: Iterable[float | str | None]
) -> tuple[str, str] | None:
    """Return message and remedy where a phenotype tells no samples apart, else None."""
    found = {value for value in values if value is not None}
    name = definition.written
    if definition.type == "binary":
        # Other levels of a categorical phenotype are no part of the contrast.
        found &= {definition.case, definition.control}
    if len(found) > 1:
        return None
    contrast = definition.type == "binary" and bool(definition.levels)
    if not found and contrast:
        return (
            f"{definition.name}: no sample is {definition.case!r} or {definition.control!r}",
            f"Add such samples, or take the contrast out of phenotypes.{name}.contrasts",
        )
    if not found:
        return f"No sample has a value of {name}", f"Give {name}, or take it out of phenotypes"
    value = next(iter(found))
    if definition.type == "binary":
        other = "controls" if value == definition.case else "cases"
        if contrast:
            lacking = definition.control if value == definition.case else definition.case
            return (
                f"{definition.name} has one class: samples are {value!r}, none is {lacking!r}",
                f"Add {other}, or take the contrast out of phenotypes.{name}.contrasts",
            )
        return (
            f"{name} has one class: every sample is {value!r}, none is among the {other}",
            f"Add {other}, or correct phenotypes.{name}.case and .control",
        )
    return (
        f"{name} is constant: every sample has {value!r}",
        f"Take {name} out of phenotypes: nothing can be associated with it",
    )


def missing_remedy(definition: Phenotype | Covariate) -> str:
    """Return what to do where a sample has no value."""
    if isinstance(definition, Phenotype):
        return (
            f"Fill it in, exclude the sample, or set phenotypes.{definition.written}.missing: drop "
            "to leave such samples out of this phenotype's tests"
        )
    return "Fill it in, exclude the sample, or take the covariate out of the sheet"
