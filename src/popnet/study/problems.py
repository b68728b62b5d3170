"""Faults of names and ids, and many faults told as one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from popnet.errors import Problem
from popnet.names import safe_name
from popnet.study.phenotypes import MISSING

EXAMPLES = 5
_ENTRY = re.compile(r"\[\d+\]|, (row|sample) .*", re.DOTALL)


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
            fault = (f"The name of a {what} holds an invisible character", "Type the name again")
        elif name in MISSING:
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


def differing(texts: Iterable[str], form: Callable[[str], str]) -> str:
    """Return in words which different texts have the same form; "" if there are none."""
    alike: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        alike.setdefault(form(text), []).append(text)
    groups = [group for group in alike.values() if len(group) > 1]
    more = "; ..." if len(groups) > EXAMPLES else ""
    return "; ".join(quoted(group) for group in groups[:EXAMPLES]) + more


def folded(text: str) -> str:
    """Return a text without what the eye passes over: case, repeated blanks, forms of Unicode."""
    return composed(" ".join(text.split()).casefold())


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
    groups: dict[tuple[Any, ...], list[Problem]] = {}
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


def of_many_files(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems, with one fault of many files as one problem with examples.

    Faults are one whose texts differ by numbers, paths and what is in quotes alone.
    """
    groups: dict[tuple[Any, ...], list[Problem]] = {}
    for problem in problems:
        message = problem.message.replace(problem.file, "").replace(Path(problem.file).name, "")
        kind = re.sub(r"'[^']*'|\d[\d,.]*|eof = \S+", "", message)
        groups.setdefault((problem.field, kind, problem.severity), []).append(problem)
    result = []
    for first, *others in groups.values():
        if others:
            files = quoted([problem.file for problem in others])
            message = f"{first.message} ({len(others)} more files: {files})"
            first = replace(first, message=message)
        result.append(first)
    return result


def quoted(names: Iterable[Any], n: int = EXAMPLES) -> str:
    """Return the first `n` names in quotes, and dots where there are more."""
    names = list(names)
    return ", ".join(map(repr, names[:n])) + (", ..." if len(names) > n else "")


def _example(problem: Problem) -> str:
    entry = _ENTRY.search(problem.field)
    place = problem.field[: entry.end()] if entry and entry[0].startswith("[") else ""
    place = entry[0].removeprefix(", ") if entry and not place else place
    value = "" if problem.value is None else repr(problem.value)
    return " = ".join(filter(None, [place, value]))
