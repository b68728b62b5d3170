"""Missing values and blanks in the columns of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.checks.cells import as_texts

SAMPLES = {"cells": "all", "donor": "donor"}
CODES = ["", "NA", "N/A", "#N/A", "NaN", "nan", "None", "null", "<NA>"]


@pytest.mark.parametrize("make", [pd.Series, lambda texts: pd.Series(texts, dtype="category")])
def test_texts_of_a_column(make):
    texts = as_texts(make(["x", " x ", "none", *CODES, None, "-9"]), ["-9"])
    assert texts.tolist() == ["x", "x", "none", *[None] * (len(CODES) + 2)]
    assert as_texts(pd.Series([1.0, np.nan, -9.0]), ["-9"]).tolist() == ["1", None, None]


@pytest.mark.parametrize("code", ["", "NA", "<NA>"])
def test_donors_that_are_missing(tmp_path, obs, code, write_cells, sheet_of, problems_of):
    obs.loc[obs["line"].isin(["d", "007"]), "donor"] = code
    write_cells(tmp_path / "cells.h5ad", obs)
    (problem,) = problems_of(tmp_path, sheet_of(samples=SAMPLES))
    assert problem.field == "samples.donor"
    assert problem.message == "2 of 4 samples have no donor: '007', 'd'"


@pytest.mark.parametrize("code", ["NaN", "-9"])
def test_batches_and_types_that_are_missing(
    tmp_path, obs, code, write_cells, sheet_of, study_of, problems_of
):
    of_d = (obs["line"] == "d").to_numpy()
    batches = obs["pool"].where(~of_d, code)
    write_cells(tmp_path / "cells.h5ad", obs.assign(pool=batches))
    samples = SAMPLES | {"missing": ["-9"]}
    (problem,) = problems_of(tmp_path, sheet_of(samples=samples))
    assert problem.field == "cells.batch"
    assert problem.message == "No batch is given for 1 of 4 samples: 'd'"

    types = obs["celltype"].astype(str).where(~of_d, code)
    write_cells(tmp_path / "cells.h5ad", obs.assign(celltype=types))
    sheet = sheet_of(samples=samples)
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet)
    assert study.cells["cell_type"].cat.categories.tolist() == ["B+", "T cells"]
    assert "d" not in set(study.cells["sample"])


def test_batches_that_a_table_lacks(tmp_path, obs, write_cells, sheet_of, problems_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    rows = ["line,chip", "a|1,1", "b/2,NA", "007,2", "d,"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    sheet = sheet_of(samples={"table": "t.csv", "id": "line", "batch": "chip"})
    study = study_of(tmp_path, sheet)  # Those of the cells' column stand in.
    assert study.samples["batch"].tolist() == ["1", "p1", "2", "p2"]
    sheet["cells"]["batch"] = None
    (problem,) = problems_of(tmp_path, sheet)
    assert problem.field == "samples.batch"
    assert "2 of 4 samples: 'b/2', 'd'" in problem.message


def test_ids_that_differ_by_blanks_or_case(
    tmp_path, obs, write_cells, sheet_of, study_of, problems_of
):
    donors = obs["donor"].where(obs["line"] != "a|1", "x ")
    write_cells(tmp_path / "cells.h5ad", obs.assign(donor=donors))
    study = study_of(tmp_path, sheet_of(samples=SAMPLES))
    donors = dict(zip(study.samples["sample"], study.samples["donor"], strict=True))
    assert donors == {"a|1": "x", "b/2": "x", "007": "y", "d": "z"}
    (blanks,) = study.warnings
    assert "'x ', 'x'" in blanks.message
    donors = obs["donor"].where(obs["line"] != "007", "X")
    write_cells(tmp_path / "cells.h5ad", obs.assign(donor=donors))
    (case,) = problems_of(tmp_path, sheet_of(samples=SAMPLES))
    assert "'X', 'x'" in case.message
