"""Fixtures that tests of every kind share."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real cells and genotypes, which is never part of the clone."""
    folder = Path(os.environ.get("POPNET_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data here: {folder} is absent (set POPNET_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def copy_clone(tmp_path_factory):
    """A function that returns a new folder with the files of the clone, as git would have them."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [name for name in listed.split("\0") if name and os.path.lexists(ROOT / name)]

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file, follow_symlinks=False)
        return folder

    return copy


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment that Snakemake starts in."""
    # Without compiled modules, every job would compile all of the library.
    unwanted = {"SNAKEMAKE_PROFILE", "PYTHONDONTWRITEBYTECODE"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}


@pytest.fixture(scope="session")
def warm_python(environment):
    """The path of a Python that starts at once, because its libraries are imported already."""
    if not hasattr(os, "pidfd_open"):
        yield sys.executable
        return
    # The path of a socket cannot be long.
    with tempfile.TemporaryDirectory() as folder:
        path, program = f"{folder}/socket", Path(folder, "python")
        serve = [sys.executable, ROOT / "tests" / "warm_python.py", "serve", path, program]
        server = subprocess.Popen(
            serve,
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout.readline() == b"ready\n"
        ask = shlex.join([sys.executable, "-ISs", str(serve[1]), "ask", path])
        program.write_text(
            f'#!/bin/sh\ncase "$1" in -m|[!-]*) exec {ask} "$@" ;; esac\n'
            f'exec {shlex.quote(sys.executable)} "$@"\n'
        )
        program.chmod(0o755)
        yield str(program)
        server.communicate()


@pytest.fixture(scope="session")
def snakemake(warm_python, environment):
    """A function that runs Snakemake in a folder and returns its exit status and output."""

    def run(folder: Path, *arguments: str, python: str = warm_python) -> tuple[int, str]:
        done = subprocess.run(
            [python, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run
