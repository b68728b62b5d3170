"""Fixtures that tests of every kind share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
def snakemake():
    """A function that runs Snakemake in a folder and returns its exit status and output."""
    # Without compiled modules, every job would compile all of the library.
    unwanted = {"SNAKEMAKE_PROFILE", "PYTHONDONTWRITEBYTECODE"}
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}

    def run(folder: Path, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run
