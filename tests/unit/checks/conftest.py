"""A small study, as a sheet and as cells, and functions that check one against the other."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.errors import InputError
from popnet.study.cohort import load_cohort

GENES = ["MT-ND1", "MT-CO1", "HES4", "ISG15", "ACTB", "GAPDH"]
IDS = ["a|1", "b/2", "007", "d"]
CELLS = 30  # per sample: 20 of type T cells, 10 of type B+


@pytest.fixture
def obs() -> pd.DataFrame:
    names = np.repeat(IDS, CELLS)
    return pd.DataFrame(
        {
            "line": pd.Categorical(names),
            "celltype": pd.Categorical(np.tile(["T cells"] * 20 + ["B+"] * 10, len(IDS))),
            "pool": np.where(np.isin(names, IDS[:2]), "p1", "p2"),
            "day": 11.0,
            "age": np.repeat([30.0, 41.5, 29.0, 55.0], CELLS),
            "status": np.repeat(["sick", "well", "well", "sick"], CELLS),
            "donor": np.repeat(["x", "x", "y", "z"], CELLS),
        },
        index=[f"cell{number}" for number in range(CELLS * len(IDS))],
    )


def _counts(n_cells: int, n_genes: int = len(GENES)) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.random.default_rng(0).poisson(2, (n_cells, n_genes)), dtype="f4")


@pytest.fixture
def counts():
    """A function that returns raw counts, (n_cells, n_genes)."""
    return _counts


def _write_cells(path: Path, obs: pd.DataFrame, X=None, var=None, **more) -> None:
    var = pd.DataFrame(index=GENES) if var is None else var
    X = _counts(len(obs), len(var)) if X is None else X
    ad.AnnData(X, obs=obs, var=var, **more).write_h5ad(path)


@pytest.fixture
def write_cells():
    """A function that writes cells as an h5ad."""
    return _write_cells


def _sheet_of(**changes) -> dict:
    sheet = {
        "name": "study",
        "cells": {
            "path": "cells.h5ad",
            "sample": "line",
            "cell_type": "celltype",
            "batch": "pool",
            "keep": {"day": [11]},
        },
        "cell_types": ["T cells"],
        "samples": [{"id": id} for id in IDS],
        "phenotypes": {
            "age": {"type": "continuous"},
            "status": {"type": "binary", "case": "sick", "control": "well"},
        },
    }
    cells = changes.pop("cells", {})
    sheet["cells"] |= cells
    return sheet | changes


@pytest.fixture
def sheet_of():
    """A function that returns the sheet with changes."""
    return _sheet_of


def _study_of(folder: Path, sheet: dict, size: int = 10, **settings):
    # Preset robust would warn that so few samples cannot be tested.
    config: dict = {"preset": "paper", "bins": {"size": size}} | settings
    assert check_config(config, "config.yaml") == []
    path = folder / "sheet.yaml"
    path.write_text(yaml.safe_dump(sheet, sort_keys=False))
    return read_study(load_cohort(path), config)


@pytest.fixture
def study_of():
    """A function that checks a sheet, written into a folder, and returns the study."""
    return _study_of


def _problems_of(folder: Path, sheet: dict, size: int = 10, **settings) -> list:
    with pytest.raises(InputError) as raised:
        _study_of(folder, sheet, size, **settings)
    return raised.value.problems


@pytest.fixture
def problems_of():
    """A function that returns the problems of a sheet that is refused."""
    return _problems_of
