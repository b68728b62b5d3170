"""What users write: sheets, settings and tables, read as text and held against the schemas.

Every parse of the Snakefile comes through this module, so it needs nothing beyond the standard
library, PyYAML and jsonschema.
"""

from __future__ import annotations

import copy
import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS
from popnet.errors import Problem, nearest
from popnet.names import safe_name

SCHEMAS = Path(__file__).resolve().parents[3] / "workflow" / "schemas"


EXAMPLES = 5


METHODS = {
    "embeddings": EMBEDDINGS,
    "interpretations": INTERPRETATIONS,
    "networks": NETWORKS,
    "sample_networks": NETWORKS,
}


# Characters that the aliases of a sheet may stand for beyond those that it has.
MAX_ALIASED = 1_000_000


MAX_DEPTH = 100


def read_sheet(file: str) -> tuple[Any, list[Problem]]:
    """Return the document of a sheet, as far as it can be read, and what is wrong with it.

    Only null, true, false and plain decimal numbers are not text.
    """
    problems: list[Problem] = []
    if fault := path_fault(file, "sheet", folder=False):
        remedy = nearest_file(file) + "Correct the path, see `cohort` in the config"
        return None, [Problem(file, "cohort", file, fault, remedy)]
    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
        # Composing a node takes the stack, and without this would end Python beyond it.
        if any(depth > MAX_DEPTH for depth in _depths(text)):
            raise RecursionError
        node = yaml.compose(text, Loader=_Loader)
        if _n_characters(node, {}) > len(text) + MAX_ALIASED:
            fault = f"The aliases of the file stand for more than {MAX_ALIASED:,} characters"
            return None, [Problem(file, "(text)", None, fault, "Take aliases (*) of aliases away")]
        document = _construct(node, "", file, problems)
    except OSError as error:
        fault = f"The sheet cannot be read: {error.strerror}"
        return None, [Problem(file, "cohort", file, fault, "Let its owner give you access")]
    except UnicodeDecodeError as error:
        fault = f"The sheet is not UTF-8 text: {error}"
        return None, [Problem(file, "(text)", None, fault, "Save it as UTF-8")]
    except RecursionError:
        fault = "The sheet contains itself, or is nested too deep"
        return None, [Problem(file, "(text)", None, fault, "Take the alias (*) or brackets away")]
    except yaml.reader.ReaderError as error:
        fault = f"The sheet holds a character that YAML does not allow: {error.reason}"
        remedy = "Save it as UTF-8, without the character"
        return None, [Problem(file, "(text)", None, fault, remedy)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "(text)"
        fault = f"The sheet is not YAML: {getattr(error, 'problem', None) or error}"
        remedy = "Indent with spaces, and quote text that holds `: `, `#`, `{`, `[`, `*` or `&`"
        return None, [Problem(file, place, None, fault, remedy)]
    return document, problems


def read_sheet_table(path: str) -> tuple[list[str], list[dict[str, str]], list[Problem]]:
    """Read a CSV or TSV that a user made; every value stays the text that it is.

    Commas, tabs and semicolons are told apart by the header; a byte-order mark and any line
    ending are fine.

    Returns
    -------
    columns : list of str
    rows : list of dict of column to text
    problems : list of Problem
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        delimiter = max("\t,;", key=re.split(r"[\r\n]", text, maxsplit=1)[0].count)
        lines = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
        rows = [row for row in lines if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fault = f"The table cannot be read: {error}"
        return [], [], [Problem(path, "table", None, fault, "Save it as CSV in UTF-8")]
    if len(rows) < 2:
        fault = "The table has no rows"
        return [], [], [Problem(path, "table", None, fault, "Write a header and one row per entry")]
    columns = [column.strip() for column in rows[0]]
    problems = [
        Problem(path, f"table column {column}", column, "Two columns have this name", "Rename one")
        for column, count in Counter(columns).items()
        if count > 1
    ]
    problems += [
        Problem(
            path,
            f"table, row {number}",
            delimiter.join(row),
            f"The row does not have the {len(columns)} fields of the header",
            "Complete the row; quote values that hold the separator",
        )
        for number, row in enumerate(rows[1:], 2)
        if len(row) != len(columns)
    ]
    padded = (row + [""] * (len(columns) - len(row)) for row in rows[1:])
    return columns, [dict(zip(columns, row, strict=False)) for row in padded], problems


def read_markers(path: str) -> tuple[list[dict[str, str]], list[Problem]]:
    """Read a user's table of marker genes: rows with gene and cell_type, and what is wrong."""
    if fault := path_fault(path, folder=False):
        remedy = nearest_file(path) + "Correct the path; null finds markers by a test"
        return [], [Problem(path, "comparisons.markers", path, fault, remedy)]
    columns, rows, problems = read_sheet_table(path)
    if not problems:
        problems = [
            Problem(
                path,
                f"table column {column}",
                None,
                "The table of markers lacks this column",
                f"Name the columns gene and cell_type; there are: {', '.join(columns)}",
            )
            for column in ("gene", "cell_type")
            if column not in columns
        ]
    return ([] if problems else rows), problems


def sheet_config(path: str | Path) -> str | None:
    """Return the file of settings that a sheet asks for; None where there is no such file.

    Whatever is wrong with the sheet is left to `load_cohort`.
    """
    document, _ = read_sheet(os.fspath(path))
    config = document.get("config") if isinstance(document, dict) else None
    settings = resolve_path(os.fspath(path), config) if isinstance(config, str) else ""
    return None if path_fault(settings, folder=False) else settings


def check_config(config: dict, file: str) -> list[Problem]:
    """Return what is wrong with the config, which gains the defaults of keys that it lacks."""
    _fill_defaults(config, _schema("config"))
    problems = schema_problems(copy.deepcopy(config), "config", file)
    if not problems:
        chosen = config["sivae"]["feature_input"]
        if chosen and (chosen["method"] == "cells") != (chosen["size"] is None):
            message = f"With method {chosen['method']!r} the size must be " + (
                "null" if chosen["method"] == "cells" else "a number"
            )
            remedy = "Give a size with downsample and pca only"
            field = "sivae.feature_input.size"
            problems.append(Problem(file, field, chosen["size"], message, remedy))
        problems += _method_problems(config["comparisons"], file)
        if markers := config["comparisons"]["markers"]:
            problems += read_markers(markers)[1]
    return merged(problems)


def _method_problems(compared: dict, file: str) -> list[Problem]:
    """Return which compared methods are none; where all are compared, their names are put in."""
    problems = []
    for key, known in METHODS.items():
        if compared[key] is None:
            compared[key] = list(known)
        for name in set(compared[key]) - set(known):
            remedy = nearest(name, list(known)) + f"Known are {', '.join(known)}"
            fault = "There is no such method"
            problems.append(Problem(file, f"comparisons.{key}", name, fault, remedy))
    return problems


def training_plan(config: dict) -> str:
    """Return the training plan of a config: its own, or the preset's."""
    return config["sivae"]["plan"] or {"robust": "fast", "paper": "paper"}[config["preset"]]


def resolve_path(sheet: str, path: str) -> str:
    """Return a path of the sheet relative to the current folder where inside, else absolute."""
    folder = Path(sheet).absolute().parent
    absolute = os.path.normpath(folder / Path(path).expanduser())
    here = str(Path.cwd())
    return os.path.relpath(absolute, here) if absolute.startswith(here + os.sep) else absolute


def path_fault(path: str, what: str = "file", folder: bool = True) -> str | None:
    """Return why nothing can be read at a path, where a `folder` may be; None if it can be."""
    try:
        found = Path(path).exists() if folder else Path(path).is_file()
        return None if found else f"There is no such {what}"
    except OSError as error:
        # Too long a name, a folder that others may not enter.
        return f"There is no such {what}, or it is out of reach: {error.strerror}"


def is_absent(path: str) -> bool:
    """Return whether nothing is at a path; what is out of reach may well be there."""
    return path_fault(path) == "There is no such file"


def nearest_file(path: str) -> str:
    """Return ``"did you mean 'x'? "`` for the closest file beside a path, or an empty string."""
    try:
        beside = [entry.name for entry in Path(path).parent.iterdir()]
    except (OSError, ValueError):
        return ""
    return nearest(Path(path).name, beside)


def schema_problems(document: Any, name: str, file: str) -> list[Problem]:
    """Return where `document` breaks the schema; those parts are taken out of it."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    validator = extend(
        Draft202012Validator,
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
        ),
    )
    problems: list[Problem] = []
    broken: list[list] = []

    def add(path: list, value: Any, message: str, remedy: str) -> None:
        value = None if isinstance(value, dict) else value
        problems.append(Problem(file, _dotted(path), value, message, remedy))

    check = validator(_schema(name))
    for error in sorted(check.iter_errors(document), key=lambda error: list(map(str, error.path))):
        path, steps = list(error.absolute_path), list(error.absolute_schema_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known), key=str):
                value = error.instance[key]
                remedy = nearest(key, known) + f"Keys here are {', '.join(known)}"
                value = None if isinstance(value, list) else value
                add([*path, key], value, "The key is unknown", remedy)
                broken.append([*path, key])
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    remedy = f"Add it: {_description(name, steps[:-1], key)}"
                    add([*path, key], None, "The key is missing", remedy)
            broken.append(path)
        else:
            remedy = _value_remedy(error, name) + _description(name, steps)
            add(path, error.instance, _fault(error), remedy)
            broken.append(path)
    for _ in range(4):  # What lacks a required part is broken too, up to the top of the sheet.
        for path in broken:
            _take_out(document, path)
        broken = [list(error.absolute_path) for error in check.iter_errors(document)]
    return problems


def name_problems(
    file: str, entries: Sequence[tuple[str, str]], what: str, files: bool = True
) -> list[Problem]:
    """Return what is wrong with names, given with their places; `files` if files carry them."""
    problems = []
    seen: set[str] = set()
    for place, name in entries:
        if not name.strip():
            fault = (f"The name of a {what} is empty", "Give it a name")
        elif name != name.strip():
            fault = (f"The name of a {what} begins or ends with a space", "Take the space away")
        elif not name.isprintable():
            fault = (f"The name of a {what} holds an invisible character", "Type the name anew")
        elif name == "nan":
            fault = ("Tables of cells write missing values so", f"Rename the {what}, also there")
        elif name in seen:
            fault = (f"The {what} is given twice", "Keep one of them")
        else:
            seen.add(name)
            continue
        problems.append(Problem(file, place, name, *fault))
    if not files:
        return problems
    places = {name: place for place, name in entries}
    groups: dict[tuple[str, ...], None] = {}
    for form in (
        lambda name: composed(name.casefold()),
        lambda name: safe_name(name).casefold(),
    ):
        alike: dict[str, list[str]] = {}
        for name in places:
            alike.setdefault(form(name), []).append(name)
        groups |= dict.fromkeys(tuple(names) for names in alike.values() if len(names) > 1)
    for first, *_, last in groups:
        message = (
            f"It cannot be told from the {what} {first!r} where file names ignore upper and "
            "lower case"
        )
        if composed(first) == composed(last):
            message = f"It looks like the {what} {first!a}, but is written {last!a}"
        problems.append(Problem(file, places[last], last, message, "Rename one of them"))
    return problems


def composed(text: str) -> str:
    """Return the one form of text that Unicode can write in several: é, or e and an accent."""
    return unicodedata.normalize("NFC", text)


def template_problems(
    file: str, ids: Iterable[str], field: str, template: str | None, key: str
) -> list[Problem]:
    """Return the ids that cannot stand for ``{sample}`` in a path."""
    return [
        Problem(
            file,
            field,
            id,
            "The id cannot be part of a path, as {sample} asks for",
            f"Give `{key}` per sample",
        )
        for id in ids
        if template and "{sample}" in template and ("/" in id or "\\" in id or id in (".", ".."))
    ]


def merged(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems, with one fault of many samples as one problem with examples."""
    groups: dict[tuple, list[Problem]] = {}
    for problem in problems:
        general = _ENTRY.sub(
            lambda match: "[*]" if match[0].startswith("[") else "", problem.field, count=1
        )
        key = (problem.file, general, problem.message, problem.remedy, problem.severity)
        group = groups.setdefault(key, [])
        if problem not in group:
            group.append(problem)
    result = []
    for (file, general, message, remedy, severity), group in groups.items():
        if len(group) > 1:
            examples = "; ".join(map(_example, group[:EXAMPLES]))
            more = "; ..." if len(group) > EXAMPLES else ""
            message = f"{message} ({len(group)} times: {examples}{more})"
            result.append(Problem(file, general, None, message, remedy, severity))
        else:
            result += group
    return result


def as_text(value: Any) -> str:
    """Return a scalar of a sheet as text: true and false as in YAML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def quoted(names: Iterable[Any], n: int = EXAMPLES) -> str:
    """Return the first `n` names in quotes, and dots where there are more."""
    names = list(names)
    return ", ".join(map(repr, names[:n])) + (", ..." if len(names) > n else "")


_ENTRY = re.compile(r"\[\d+\]|, (row|sample) .*", re.DOTALL)


def _example(problem: Problem) -> str:
    entry = _ENTRY.search(problem.field)
    place = problem.field[: entry.end()] if entry and entry[0].startswith("[") else ""
    place = entry[0].removeprefix(", ") if entry and not place else place
    value = "" if problem.value is None else repr(problem.value)
    return " = ".join(filter(None, [place, value]))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which only null, true, false and plain decimal numbers are not text."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"0|-?[1-9][0-9]{0,17}", list("-0123456789")),
    (
        "float",
        r"-?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?",
        list("-.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def _construct(node: yaml.Node | None, place: str, file: str, problems: list[Problem]) -> Any:
    """Return what a node stands for; keys are text as written."""
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(",2002:map"):
        mapping: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged_in: list[dict] = []
        for key, value in node.value:
            name = getattr(key, "value", None)
            line = f"line {key.start_mark.line + 1}"
            if not isinstance(name, str):
                fault = f"A key is not text ({line})"
                problems.append(Problem(file, place or line, None, fault, "Use text as keys"))
                continue
            if name == "<<" and not key.style:  # A quoted one is a name.
                parts = _construct(value, place, file, problems)
                parts = parts if isinstance(parts, list) else [parts]
                if not all(isinstance(part, dict) for part in parts):
                    fault = f"What is merged (<<) is not a mapping ({line})"
                    remedy = "Merge mappings, such as `<<: *name`"
                    problems.append(Problem(file, place or line, None, fault, remedy))
                    continue
                merged_in += parts
                continue
            inner = f"{place}.{name}" if place else name
            if name in mapping:
                fault = f"The key of line {lines[name]} is given twice (again in {line})"
                problems.append(Problem(file, inner, None, fault, "Keep one of them"))
            lines.setdefault(name, key.start_mark.line + 1)
            mapping[name] = _construct(value, inner, file, problems)
        for part in merged_in:
            mapping = part | mapping
        return mapping
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(",2002:seq"):
        return [
            _construct(item, f"{place}[{number}]", file, problems)
            for number, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.ScalarNode):
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            if kind == "str":
                return node.value
            if kind == "bool":
                return {"true": True, "false": False}[node.value.lower()]
            if kind == "null":
                return None
            if kind == "int":
                return int(node.value)
            if kind == "float":
                value = float(node.value)
                return value if math.isfinite(value) else node.value
        except (ValueError, KeyError):
            pass
    if node is not None:
        line = f"line {node.start_mark.line + 1}"
        fault = f"The tag {node.tag} is not allowed here ({line})"
        problems.append(Problem(file, place or line, None, fault, "Take the `!` tag away"))
    return None


def _depths(text: str) -> Iterator[int]:
    """Yield how deep each part of a YAML text is nested."""
    events = yaml.parse(text, Loader=_Loader)
    return accumulate(
        isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        for event in events
    )


def _n_characters(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return how long a node is with its aliases written out; nodes in `known` are not visited."""
    if not isinstance(node, yaml.CollectionNode):
        return len(node.value) + 1 if node else 0
    if id(node) not in known:
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_n_characters(part, known) for part in parts)
    return known[id(node)]


@cache
def _schema(name: str) -> dict:
    return yaml.load(
        (SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )


def _fill_defaults(document: dict, schema: dict) -> None:
    for key, part in schema["properties"].items():
        if "default" in part:
            document.setdefault(key, copy.deepcopy(part["default"]))
        if "properties" in part and isinstance(document.get(key), dict):
            _fill_defaults(document[key], part)


def _take_out(document: Any, path: list) -> None:
    """Delete the value at `path`; in a list it becomes None: the others keep their place."""
    *parents, last = path or [None]
    try:
        for part in parents:
            document = document[part]
        if isinstance(document, list):
            document[last] = None
        elif last is not None:
            del document[last]
    except (KeyError, IndexError, TypeError):
        pass  # A part of it was taken out before.


def _dotted(path: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(top level)"


def _description(name: str, path: list, key: str | None = None) -> str:
    """Return the innermost description on the way to a place of a schema, or to its `key`."""
    schema = _schema(name)
    part, text = schema, schema["description"]
    for step in [*path, *(["properties", key] if key is not None else [])]:
        # jsonschema leaves $ref out of its paths.
        if step not in part and "$ref" in part:
            part = schema["$defs"][part["$ref"].split("/")[-1]]
        part = part[step]
        if isinstance(part, dict) and isinstance(part.get("description"), str):
            text = part["description"]
    return text


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}


_FAULTS = {
    "minimum": "The number is below {}",
    "exclusiveMinimum": "The number is not above {}",
    "maximum": "The number is above {}",
    "exclusiveMaximum": "The number is not below {}",
    "minItems": "The list has fewer than {} entries",
    "maxItems": "The list has more than {} entries",
    "minProperties": "There are fewer than {} entries",
    "maxProperties": "There are more than {} entries",
    "minLength": "The text is empty",
    "uniqueItems": "An entry is given twice",
    "pattern": "The text does not match {}",
}


def _fault(error: Any) -> str:
    if error.validator == "type":
        types = error.validator_value
        types = [types] if isinstance(types, str) else types
        return f"The value is not {' or '.join(_TYPES[kind] for kind in types)}"
    if error.validator == "enum":
        allowed = ("null" if value is None else str(value) for value in error.validator_value)
        return f"The value is not one of {', '.join(allowed)}"
    return _FAULTS.get(error.validator, error.message).format(error.validator_value)


def _value_remedy(error: Any, schema: str) -> str:
    value = error.instance
    if error.validator == "enum" and isinstance(value, str):
        return nearest(value, filter(None, error.validator_value))
    if error.validator == "pattern":
        allowed = "letters, digits, `_`, `.` and `-`" if error.absolute_path[-1] == "name" else ""
        return f"Use {allowed}, a letter or digit first. " if allowed else ""
    if error.validator != "type":
        return ""
    if isinstance(value, int | float) and "string" in error.validator_value:
        digits = ", with the digits that are written" if isinstance(value, float) else ""
        return f'Quote it: "{as_text(value)}"{digits}. '
    if isinstance(value, str) and as_number(value) is not None and schema == "config":
        return (
            "Write the number without quotes; nested values of --config arrive as text, so put "
            "them in a file and give it with --configfile. "
        )
    return ""
