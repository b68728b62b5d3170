"""Where results come from: the code behind them, its version and commit, the packages.

A result follows the code that makes it. What a script or a module depends on is read off its
imports; no list is kept by hand.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from popnet.files import atomic

PACKAGE = "popnet"
SOURCE = Path(__file__).resolve().parents[1]
RESOURCES = SOURCE / PACKAGE / "resources"
# Modules that are loaded by name, as "popnet.room.module:function".
BY_NAME = re.compile(rf"{PACKAGE}(\.\w+)+(:\w+)?")
# Files that lie beside a module and are named in it, such as templates.
BESIDE = re.compile(r"[\w.-]+\.(tsv|j2|yaml|json|css|js)")


class Read(NamedTuple):
    """What a file holds that counts.

    Parameters
    ----------
    digest : str
        Of its syntax tree, or of its bytes where it is no Python.
    imports : list of [module, name, new name]
        In the order of the file; a name is "" where there is none.
    named : list of str
        Text that may name a module or a file beside it.
    """

    digest: str
    imports: list[list[str]]
    named: list[str]


def code_hash(code: str | Path) -> str:
    """Return a short digest of a script or module of the package and of all that it imports.

    Of Python files the syntax tree counts: comments, docstrings and formatting do not. Imports
    inside functions and modules that are named in full as text (``"popnet.room.module:function"``)
    are followed, and so are modules beside a script and tables and templates of the package.

    Parameters
    ----------
    code : str or Path
        A module's dotted name, or the path of a script.

    Returns
    -------
    str
        16 hexadecimal digits, the same on every machine.
    """
    digest = sha256()
    for path in reached(code):
        digest.update(f"{_name(path)} {_read(path, _stamp(path)).digest}\n".encode())
    _remember()
    return digest.hexdigest()[:16]


def reached(code: str | Path) -> list[Path]:
    """Return the files that a script or module consists of, itself first, the others sorted.

    Raises
    ------
    FileNotFoundError
        There is no such script or module.
    """
    first = _module(code) if isinstance(code, str) and not code.endswith(".py") else Path(code)
    if first is None or not first.is_file():
        raise FileNotFoundError(f"no script or module: {code}")
    first = first.resolve()
    found, waiting = {first}, [first]
    while waiting:
        path = waiting.pop()
        for other in _imports(path, _stamp(path)):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return [first, *sorted(found - {first}, key=_name)]


def commit() -> str | None:
    """Return the commit of the clone that the package lies in, ``-dirty`` where files differ."""
    if not (SOURCE.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=SOURCE.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Return the version of Python and of each package, None of those that are not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _name(path: Path) -> str:
    """Return how a file is called on every machine: its path in the clone."""
    root = SOURCE.parent
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes with a file, so that a changed one is read again."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _read(path: Path, stamp: tuple[int, int]) -> Read:
    """Return what a file holds; read once by this process, and parsed once by this user."""
    content = path.read_bytes()
    key = f"{sha256(content).hexdigest()}{path.suffix}"
    known = _known()
    if key not in known:
        read = _parsed(content) if path.suffix == ".py" else _text(content)
        known[key] = list(read)
        _NEW.append(key)
    return Read(*known[key])


def _parsed(content: bytes) -> Read:
    tree = ast.parse(content)
    imports, named = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports += [[node.module, alias.name, alias.asname or ""] for alias in node.names]
        elif isinstance(node, ast.Import):
            imports += [[alias.name, "", ""] for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _names(node.value):
            named.append(node.value)
    return Read(sha256("".join(_described(tree)).encode()).hexdigest(), imports, named)


def _names(text: str) -> bool:
    """Return whether text may name a module or a file."""
    return bool(BY_NAME.fullmatch(text) or BESIDE.fullmatch(text))


def _text(content: bytes) -> Read:
    """Templates may name others; of other files the bytes count."""
    named = re.findall(rb"[\w.-]+\.j2", content)
    return Read(sha256(content).hexdigest(), [], [name.decode() for name in named])


def _described(value: object) -> Iterable[str]:
    """Yield the parts of a syntax tree, without what is empty, positions and docstrings.

    The dump of the `ast` module differs between versions of Python, which add empty fields.
    """
    if isinstance(value, ast.AST):
        yield f"{type(value).__name__}("
        for field, part in ast.iter_fields(value):
            if part is not None and part != [] and field != "type_comment":
                yield f"{field}="
                yield from _described(part)
        yield ")"
    elif isinstance(value, list):
        for part in value:
            text = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            if not (text and isinstance(part.value.value, str)):
                yield from _described(part)
        yield ";"
    else:
        yield repr(value)


def _cache_file() -> Path:
    """Return where parsed files are remembered; the number changes with what is kept of them."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / PACKAGE / "code-1.json"


@cache
def _known() -> dict[str, list[Any]]:
    """Return what is known of files by a digest of their bytes: parsing them all takes seconds."""
    try:
        known = json.loads(_cache_file().read_text())
    except (OSError, ValueError, RuntimeError):
        return {}
    return known if isinstance(known, dict) else {}


_NEW: list[str] = []


def _remember() -> None:
    """Keep what was parsed for the processes to come, where a folder can be written."""
    if _NEW:
        with suppress(OSError, RuntimeError, ValueError), atomic(_cache_file()) as path:
            path.write_text(json.dumps(_known()))
        _NEW.clear()


@cache
def _imports(path: Path, stamp: tuple[int, int]) -> tuple[Path, ...]:
    """Return the files of the package, and beside a script, that a file needs by itself."""
    read = _read(path, stamp)
    found: list[Path | None] = []
    for module, name, _ in read.imports:
        found.append(_imported(path, module, name))
    for text in read.named:
        found.append(_module(text.partition(":")[0]) if BY_NAME.fullmatch(text) else None)
        found += [folder / text for folder in (path.parent, path.parent / "templates", RESOURCES)]
    return tuple(dict.fromkeys(file for file in found if file is not None and file.is_file()))


def _imported(path: Path, module: str, name: str) -> Path | None:
    """Return the file where a name comes from: a module, or what a package takes it from."""
    if name and (submodule := _module(f"{module}.{name}")):
        return submodule
    file = _module(module)
    if file is None:
        return _beside(path, module)
    if name and file.name == "__init__.py":
        # A package that only passes a name on stands for the module that has it.
        for origin, passed, renamed in _read(file, _stamp(file)).imports:
            if (renamed or passed) == name:
                return _imported(file, origin, passed)
    return file


def _module(name: str) -> Path | None:
    """Return the file of a module of the package."""
    if name != PACKAGE and not name.startswith(f"{PACKAGE}."):
        return None
    path = SOURCE.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _beside(path: Path, name: str) -> Path | None:
    """Return the file of a module beside a script or in the folder above it."""
    if path.is_relative_to(SOURCE / PACKAGE):
        return None
    return next(
        (
            file
            for folder in (path.parent, path.parent.parent)
            if (file := folder / f"{name}.py").is_file()
        ),
        None,
    )
