"""YAML that users write, read so that text stays text and a fault is told with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from popnet.errors import Problem
from popnet.study.paths import nearest_file, path_fault

# Characters that the aliases of a file may stand for beyond those that it has.
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


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which only null, true, false and plain decimal numbers are not text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


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
        merged_in: list[dict[str, Any]] = []
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
