"""The package as others install it: a wheel, beside its base dependencies alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import popnet

# What no base dependency brings, by the name that it is imported by.
EXTRAS = {"torch", "safetensors", "cyvcf2", "scanpy", "grakel", "igraph", "gseapy", "matplotlib"}
EXTRAS |= {"pycirclize", "textalloc", "jinja2", "sklearn", "snakemake", "tqdm"}
# Rooms of which every module can be imported without an extra.
BASE = ("stats", "study", "cells", "networks", "associations", "simulation", "findings")


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    """Build it from a copy, as a build leaves files in the source."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(root / "src", source / "src", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--quiet", "--wheel-dir", str(target)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder of the wheel's files and of links to what its base dependencies install."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    metadata = next(folder.glob("*.dist-info")) / "METADATA"
    waiting = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata.read_text(), re.MULTILINE)
    seen = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in seen:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        seen.add(requirement.name)
        installed = distribution(requirement.name)
        waiting += installed.requires or []
        for top in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(installed.locate_file(top))))
    return folder


def in_site(site: Path, code: str) -> str:
    """Run code that sees the folder and the standard library alone; return what it prints."""
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_version(wheel, site):
    assert wheel.name.split("-")[:2] == ["popnet", popnet.__version__]
    assert in_site(site, "import popnet; print(popnet.__version__)") == popnet.__version__


def test_every_module_is_there_with_its_files(root, wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("popnet/")}
    source = root / "src"
    files = {
        (Path(folder) / name).relative_to(source).as_posix()
        for folder, _, names in os.walk(source / "popnet", followlinks=True)
        for name in names
        if not folder.endswith("__pycache__")
    }
    assert packed == files


def test_base_rooms_need_no_extra(site):
    code = f"""
import importlib, json, pkgutil
import popnet
found = []
for room in {BASE}:
    package = importlib.import_module(f"popnet.{{room}}")
    for module in pkgutil.walk_packages(package.__path__, f"popnet.{{room}}."):
        importlib.import_module(module.name)
        found.append(module.name)
print(json.dumps([found, sorted(sys.modules.keys() & {EXTRAS})]))
"""
    found, extras = json.loads(in_site(site, code))
    assert len(found) > 40
    assert extras == []


def test_statistics_load_neither_anndata_nor_cyvcf2_nor_torch(root):
    code = """
import importlib, pkgutil, sys
import popnet.stats
for module in pkgutil.walk_packages(popnet.stats.__path__, "popnet.stats."):
    importlib.import_module(module.name)
print(sorted(sys.modules.keys() & {"anndata", "cyvcf2", "torch", "h5py", "scanpy"}))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root / "src")}
    )
    assert done.stdout.strip() == "[]"
