"""Typed models of what users write, and what pydantic says of a fault in the words of a `Problem`.

A model is the one definition of its keys: types, ranges, defaults and descriptions. The first
sentence of a description is its comment in ``config/config.yaml`` (`popnet.study.generate`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import count
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from popnet.errors import Problem, nearest
from popnet.study.phenotypes import as_number, as_text

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
Path = list[str | int]
Schema = dict[str, Any]


MAX_PASSES = 4


class _Broken(Enum):
    BROKEN = "broken"


# Stands in a list, or for a required key of the top level, where what was written was refused.
BROKEN = _Broken.BROKEN


class Section(BaseModel):
    """A mapping of known keys; nothing is converted, so that `"1"` is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def rule(message: str, remedy: str, key: str | None = None, value: Any = None) -> Exception:
    """Return what a validator of a model raises; `key` is the one below that is at fault."""
    context = {"message": message, "remedy": remedy, "key": key, "value": value}
    return PydanticCustomError("rule", "{message}", context)


def _unique(values: list[Any]) -> list[Any]:
    if any(value in values[:number] for number, value in enumerate(values)):
        raise rule("An entry is given twice", "")
    return values


def is_broken(part: object) -> bool:
    """Return whether a `Part` was refused, which its type does not show."""
    return part is BROKEN


Part = Annotated[
    T, WrapValidator(lambda value, handler: value if value is BROKEN else handler(value))
]
Unique = Annotated[T, AfterValidator(_unique), Field(json_schema_extra={"uniqueItems": True})]
Text = Annotated[str, Field(min_length=1)]
Natural = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def validated(
    model: type[Model],
    document: dict[str, Any],
    file: str,
    renamed: Mapping[str, str] | None = None,
    text_remedy: str = "",
) -> tuple[Model, list[Problem]]:
    """Return the model of what is sound in a document, and everything that is wrong with the rest.

    Parameters
    ----------
    model : type
        What must be there at its top level is typed `Part`: it is BROKEN where it cannot be used.
    document : dict
        As read; it is not changed.
    file : str
    renamed : mapping of old key to new key, optional
        Dotted keys, with ``[]`` for the entries of lists.
    text_remedy : str
        What to do where a number is given as text.
    """
    document = copy.deepcopy(document)
    translation = None
    problems: list[Problem] = []
    spoilt: list[Path] = []
    for passes in count():
        try:
            return model.model_validate(document), problems
        except ValidationError as error:
            faults = [(_path(document, fault), fault) for fault in error.errors()]
        first = translation is None
        translation = translation or _Translation(model, file, renamed or {}, text_remedy)
        for path, fault in _one_per_path(faults):
            # Rules are held against what is left of a section, unless a part that counts is gone.
            if first or (fault["type"] == "rule" and not any(_within(one, path) for one in spoilt)):
                problems.append(translation.problem(path, fault))
        spoilt += [path for path, fault in faults if fault["type"] != "extra_forbidden"]
        for path, fault in faults:
            # What lacks a required part is broken as well, in the end up to the top.
            lacks = fault["type"] == "missing" and len(path) > 1
            path = path[:-1] if lacks else path
            _take_out(document, path if passes < MAX_PASSES else path[:1], model)
    raise AssertionError("unreachable")


def _within(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _path(document: Any, fault: Any) -> Path:
    """Return where in a document a fault is; pydantic names the branches of a union as well."""
    missing = fault["type"] == "missing"
    path: Path = []
    for step in fault["loc"][:-1] if missing else fault["loc"]:
        known = isinstance(document, dict) and step in document
        if known or (isinstance(document, list) and isinstance(step, int)):
            path.append(step)
            document = document[step]
    return [*path, fault["loc"][-1]] if missing else path


def _one_per_path(faults: Iterable[tuple[Path, Any]]) -> list[tuple[Path, Any]]:
    """Return the most telling fault of each place: every branch of a union has one."""

    def rank(fault: Any) -> int:
        of_text = isinstance(fault["input"], str)
        return {"literal_error": 1 if of_text else 3}.get(fault["type"], 2 * _is_type(fault))

    chosen: dict[tuple[str | int, ...], tuple[Path, Any]] = {}
    for path, fault in faults:
        key = tuple(path)
        if key not in chosen or rank(fault) < rank(chosen[key][1]):
            chosen[key] = (path, fault)
    return list(chosen.values())


def _is_type(fault: Any) -> bool:
    return fault["type"].endswith("_type")


def _take_out(document: dict[str, Any], path: Path, model: type[BaseModel]) -> None:
    """Take out what is at a path; the other entries of a list keep their place."""
    *parents, last = path
    holder: Any = document
    try:
        for step in parents:
            holder = holder[step]
        if isinstance(holder, list) and holder[int(last)] is BROKEN:
            _take_out(document, parents, model)
        elif isinstance(holder, list) or (not parents and _is_required(model, last)):
            holder[last] = BROKEN
        else:
            del holder[last]
    except (KeyError, IndexError, TypeError):
        pass  # A part of it was taken out before.


def _is_required(model: type[BaseModel], key: str | int) -> bool:
    field = model.model_fields.get(str(key))
    return field is not None and field.is_required()


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}
_LIMITS = {
    "greater_than_equal": "The number is below {ge:g}",
    "greater_than": "The number is not above {gt:g}",
    "less_than_equal": "The number is above {le:g}",
    "less_than": "The number is not below {lt:g}",
    "finite_number": "The number is not finite",
    "string_too_short": "The text is empty",
    "string_pattern_mismatch": "The text does not match {pattern}",
}


class _Translation:
    """Faults that pydantic found in a document of a model, as problems of a file."""

    def __init__(
        self, model: type[BaseModel], file: str, renamed: Mapping[str, str], text_remedy: str
    ):
        self.schema = model.model_json_schema()
        self.file = file
        self.renamed = renamed
        self.text_remedy = text_remedy

    def problem(self, path: Path, fault: Any) -> Problem:
        """Return what is wrong at a path."""
        value, kind, context = fault["input"], fault["type"], fault.get("ctx", {})
        parts, description = self._place(fault["loc"])
        if kind == "missing":
            return self._problem(path, None, "The key is missing", f"Add it: {description}")
        if kind in ("extra_forbidden", "invalid_key"):
            return self._unknown_key(path, fault)
        if kind == "rule":
            path = path + [context["key"]] * (context["key"] is not None)
            value = value if context["key"] is None else context["value"]
            return self._problem(path, value, context["message"], context["remedy"] or description)
        allowed = list(_alternatives(parts))
        if kind == "literal_error":
            message = f"The value is not one of {', '.join(allowed)}"
            words = set(allowed) - set(_TYPES.values())
            remedy = nearest(value, sorted(words)) if isinstance(value, str) else ""
        elif kind in ("too_short", "too_long"):
            few = kind == "too_short"
            limit = context["min_length" if few else "max_length"]
            whole = "There are" if context["field_type"] == "Dictionary" else "The list has"
            message = f"{whole} {'fewer' if few else 'more'} than {limit} entries"
            remedy = ""
        elif kind in _LIMITS:
            message = _LIMITS[kind].format(**context)
            remedy = ""
        else:
            message = f"The value is not {' or '.join(allowed)}"
            remedy = self._remedy_of_type(value, allowed)
        return self._problem(path, value, message, remedy + description)

    def _problem(self, path: Path, value: Any, message: str, remedy: str) -> Problem:
        value = None if isinstance(value, dict) else value
        return Problem(self.file, dotted(path), value, message, remedy)

    def _unknown_key(self, path: Path, fault: Any) -> Problem:
        *_, key = fault["loc"]
        value = fault["input"] if fault["type"] == "extra_forbidden" else None
        value = None if isinstance(value, list) else value
        if new := self.renamed.get(re.sub(r"\[\d+\]", "[]", dotted(path))):
            return self._problem(path, value, "This key has a new name", f"Write {new}")
        parts, _ = self._place(fault["loc"][:-1])
        known = [name for part in parts for name in part.get("properties", ())]
        remedy = nearest(key, known) + f"Keys here are {', '.join(known)}"
        return self._problem(path, value, "The key is unknown", remedy)

    def _remedy_of_type(self, value: Any, allowed: list[str]) -> str:
        if isinstance(value, int | float) and "text" in allowed:
            digits = ", with the digits that are written" if isinstance(value, float) else ""
            return f'Quote it: "{as_text(value)}"{digits}. '
        if isinstance(value, str) and as_number(value) is not None:
            return self.text_remedy
        return ""

    def _place(self, loc: Iterable[str | int]) -> tuple[list[Schema], str]:
        """Return the parts of the schema that describe a place, and its innermost description."""
        parts, description = self._branches(self.schema), self.schema.get("description", "")
        for step in loc:
            inner = [found for part in parts if (found := _inner(part, step)) is not None]
            if inner:
                parts = [branch for part in inner for branch in self._branches(part)]
                texts = [part["description"] for part in inner if "description" in part]
            else:  # The branch of a union.
                parts = [part for part in parts if part.get("title") == step] or parts
                texts = []
            texts = texts or [part["description"] for part in parts if "description" in part]
            description = texts[0] if texts else description
        return parts, description

    def _branches(self, part: Schema) -> list[Schema]:
        if "$ref" in part:
            return self._branches(self.schema["$defs"][part["$ref"].split("/")[-1]])
        inner = part.get("anyOf") or part.get("oneOf")
        return [branch for one in inner for branch in self._branches(one)] if inner else [part]


def _inner(part: Schema, step: str | int) -> Schema | None:
    if isinstance(step, int):
        return part.get("items")
    additional = part.get("additionalProperties")
    return part.get("properties", {}).get(step) or (
        additional if isinstance(additional, dict) else None
    )


def _alternatives(parts: Iterable[Schema]) -> Iterator[str]:
    """Yield what a value may be, in words: `null`, the values of a list, or a type."""
    for part in parts:
        types = part.get("type", [])
        if "const" in part:
            yield str(part["const"])
        elif "enum" in part:
            yield from ("null" if value is None else str(value) for value in part["enum"])
        else:
            yield from (_TYPES[name] for name in ([types] if isinstance(types, str) else types))


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as a user reads it: ``samples[1].donor``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(top level)"
