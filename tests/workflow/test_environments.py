"""Every rule's conda environment against what its script imports and against the pins."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
RULE = re.compile(r"^(?:    )?(?:rule|checkpoint) (\w+):\n((?:(?: .*)?\n)+)", re.MULTILINE)
RULES = {
    name: body
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for name, body in RULE.findall(path.read_text() + "\n")
}
# What the package of an import is called by conda, and by pip.
CONDA = {"torch": "pytorch", "igraph": "python-igraph", "yaml": "pyyaml"}
PIP = {"pytorch": "torch", "python-igraph": "igraph"}
# What pandas imports for these methods.
IMPORTED_FOR = {"read_parquet": "pyarrow", "to_parquet": "pyarrow"}


def named_file(rule: str, directive: str) -> Path:
    (path,) = re.findall(rf'^ +{directive}:\n +"(.+)"$', RULES[rule], re.MULTILINE)
    return (ROOT / "workflow" / "rules" / path).resolve()


def dependencies(environment: Path) -> dict[str, str]:
    """Return the pins of an environment by the names that conda, or else pip, has for them."""
    pins = {}
    for entry in yaml.safe_load(environment.read_text())["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = text.replace("==", "=").partition("=")
            pins[name.strip()] = version.strip()
    return pins


def module_files(name: str) -> list[Path]:
    """Return the files of ours that importing a module runs; none if it is not ours."""
    parts = name.split(".")
    files = []
    for depth in range(1, len(parts) + 1):
        path = SCRIPTS.joinpath(*parts[:depth])
        files += [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]
    return files


def third_party(script: Path) -> set[str]:
    """Return what a script imports from others, by itself and through modules of ours.

    Functions and classes count where something that counts names them: a lazy import inside one
    that nobody calls does not.
    """
    bodies = [ast.parse(script.read_text()).body]
    read, used, waiting, found = {script}, set(), [], set()
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in used:
                waiting.append(node)
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            for part in ast.walk(node):
                used |= {getattr(part, "id", None), getattr(part, "attr", None)}
                names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
                if isinstance(part, ast.ImportFrom):
                    names = [part.module, *(f"{part.module}.{alias.name}" for alias in part.names)]
                for name in names:
                    files = module_files(name)
                    if not files:
                        found.add(name.split(".")[0])
                    for file in files:
                        if file not in read:
                            read.add(file)
                            bodies.append(ast.parse(file.read_text()).body)
        if not bodies:
            bodies = [[node] for node in waiting if node.name in used]
            waiting = [node for node in waiting if node.name not in used]
    found |= {IMPORTED_FOR[name] for name in used & IMPORTED_FOR.keys()}
    return found - sys.stdlib_module_names


def test_rules_were_found():
    assert len(RULES) >= 20
    assert third_party(SCRIPTS / "train_sivae.py") >= {"torch", "anndata", "h5py"}
    assert "scanpy" in third_party(SCRIPTS / "prepare_expression.py")
    assert "scanpy" not in third_party(SCRIPTS / "train_sivae.py")


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule):
    assert re.search(r"^ +log:$", RULES[rule], re.MULTILINE)
    environment = named_file(rule, "conda")
    assert environment.parent == ROOT / "envs"
    assert environment.is_file()
    imported = third_party(named_file(rule, "script"))
    lacking = {CONDA.get(name, name) for name in imported} - dependencies(environment).keys()
    assert not lacking, f"{environment.name} lacks {lacking}"


@pytest.mark.parametrize(
    "environment", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_pins(environment):
    assert environment in {named_file(rule, "conda") for rule in RULES}
    locked = dict(
        line.split("==")
        for line in (ROOT / "requirements" / "run.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    pins = dependencies(environment)
    assert pins.pop("python") == "3.11"
    pins.pop("pip", None)
    assert pins == {name: locked[PIP.get(name, name)] for name in pins}
