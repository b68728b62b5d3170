"""The house: rooms that know only those below them, a library without Snakemake, thin scripts."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

# From the ground up: a room imports from those before it alone.
ROOMS = (
    *("errors", "files", "memory", "names", "seeds", "presets", "provenance"),
    *("stats", "study", "cells", "genotypes", "sivae", "networks", "associations"),
    *("simulation", "comparisons", "findings", "checks", "figures", "report", "cli"),
)
LONGEST_SCRIPT = 80
LONGEST_RULES = 150
CLONE = Path(__file__).resolve().parents[2]
LIBRARY = CLONE / "src" / "popnet"
SCRIPTS = sorted((CLONE / "workflow" / "scripts").rglob("*.py"))


def module_name(path):
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def imports(path):
    """Yield module, name ("" where the module is imported as a whole) and line of every import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports from a place, not from popnet"
            for alias in node.names:
                yield node.module, alias.name, node.lineno


def own_imports(path):
    """Yield the module of popnet that each import takes from, the name and the line."""
    for module, name, line in imports(path):
        if module.partition(".")[0] == "popnet":
            inner = f"{module}.{name}"
            yield (inner, "", line) if inner in MODULES else (module, name, line)


def room(module):
    """Return the room of a module; "" of the package itself, which all may import."""
    return module.split(".")[1] if "." in module else ""


def test_every_room_has_its_place():
    assert {room(module) for module in MODULES} - {""} == set(ROOMS)


def test_no_import_runs_back_up():
    found = [
        f"{path.relative_to(CLONE)}:{line} {room(own)} imports {other}"
        for own, path in MODULES.items()
        for other, _, line in own_imports(path)
        if room(other) not in ("", room(own)) and ROOMS.index(room(other)) > ROOMS.index(room(own))
    ]
    assert found == []


def test_no_circle_of_imports():
    graph = {
        own: {other for other, _, _ in own_imports(path)} - {own} for own, path in MODULES.items()
    }
    TopologicalSorter(graph).prepare()  # raises an error that names the circle


def test_private_names_stay_in_their_room():
    found = [
        f"{path.relative_to(CLONE)}:{line} {other}.{name}"
        for own, path in [*MODULES.items(), *((str(path), path) for path in SCRIPTS)]
        for other, name, line in own_imports(path)
        if any(part.startswith("_") for part in (*other.split("."), name))
        and (own not in MODULES or room(own) != room(other))
        and name != "__version__"
    ]
    assert found == []


def test_the_library_does_not_know_snakemake():
    found = [
        str(path)
        for path in MODULES.values()
        for module, _, _ in imports(path)
        if module.partition(".")[0] == "snakemake"
    ]
    assert found == []


def test_the_library_does_not_know_scripts():
    scripts = {path.stem for path in SCRIPTS}
    assert "adapter" in scripts
    found = [
        str(path)
        for path in MODULES.values()
        for module, _, _ in imports(path)
        if module.partition(".")[0] in scripts - set(sys.stdlib_module_names)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("popnet.stats", ("anndata", "cyvcf2", "torch", "matplotlib")),
        ("popnet.study", ("anndata", "cyvcf2", "torch", "matplotlib")),
        ("popnet.associations", ("anndata", "scipy.stats", "torch", "matplotlib")),
        ("popnet.networks", ("torch", "matplotlib", "cyvcf2")),
    ],
)
def test_what_a_room_does_not_load(modules, absent):
    """Nor do its modules."""
    loaded = [name for name in MODULES if name == modules or name.startswith(f"{modules}.")]
    assert loaded_of(loaded, absent) == []


def test_rules_load_no_large_library():
    """Each start of Snakemake waits for it, and each job on a cluster is one."""
    texts = [path.read_text() for path in (CLONE / "workflow" / "rules").glob("*.smk")]
    modules = re.findall(r"^from (popnet[\w.]*) import", "\n".join(texts), re.MULTILINE)
    assert "popnet.study.cohort" in modules
    assert loaded_of(modules, ("numpy", "pandas", "scipy", "anndata", "torch")) == []


def loaded_of(modules: list[str], libraries: tuple[str, ...]) -> list[str]:
    """Return which libraries modules import."""
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        f"print(*set({libraries}) & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(LIBRARY.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_rooms_pass_nothing_on():
    """Names are imported from where they are; the package sivae alone has an interface."""
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name not in ("popnet", "popnet.sivae"):
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, f"{path.relative_to(CLONE)} holds more than a docstring"
            assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin(path):
    assert len(path.read_text().splitlines()) < LONGEST_SCRIPT
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    if path.stem not in ("adapter", "terminal"):
        assert path.parent.name in ROOMS
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert "main" in functions


def test_files_of_rules_are_short():
    for path in (CLONE / "workflow" / "rules").glob("*.smk"):
        assert len(path.read_text().splitlines()) <= LONGEST_RULES, path.name


def test_scripts_do_not_import_each_other():
    stems = {path.stem for path in SCRIPTS} - {"adapter"}
    for path in SCRIPTS:
        assert not stems & {module for module, _, _ in imports(path)}, path


def test_no_script_is_called_like_a_test():
    assert not [path for path in (CLONE / "workflow").rglob("test_*.py")]


def test_names_of_scripts_are_unique():
    """Snakemake's logs and benchmarks, and the readers, tell them by their name."""
    stems = sorted(path.stem for path in SCRIPTS)
    assert not [one for one, other in pairwise(stems) if one == other]


def test_tests_are_in_the_rooms():
    """Beside them are those of whole files of the package, of the docs and of the benchmarks."""
    tests = CLONE / "tests" / "unit"
    folders = {path.name for path in tests.iterdir() if any(path.glob("test_*.py"))}
    assert folders >= {name for name in ROOMS if (LIBRARY / name).is_dir()}
    beside = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
    assert beside <= {*ROOMS, "house"}
