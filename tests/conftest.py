"""Fixtures that tests of every kind share."""

from __future__ import annotations

import os
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
