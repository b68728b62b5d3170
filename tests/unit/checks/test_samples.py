"""Samples of the sheet and of the cells."""

from __future__ import annotations

import pytest


def test_samples_of_the_cells(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    samples = {"cells": "all", "donor": "donor", "exclude": {"d": "failed", "dd": "typo"}}
    study = study_of(tmp_path, sheet_of(samples=samples))
    assert dict(zip(study.samples["sample"], study.samples["donor"], strict=True)) == {
        "007": "y",
        "a|1": "x",
        "b/2": "x",
    }
    assert study.excluded.to_dict("records") == [
        {"cell_type": "T cells", "sample": "d", "n_cells": 20, "reason": "failed"}
    ]
    (warning,) = study.warnings
    assert warning.field == "samples.exclude.dd"


def test_absent_samples(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    (tmp_path / "t.csv").write_text("line,age\na|1,0\nb/2,1\n007,2\ngone,3\n")
    samples = {"table": "t.csv", "id": "line", "without_cells": "exclude"}
    study = study_of(tmp_path, sheet_of(samples=samples))
    assert study.samples["sample"].tolist() == ["a|1", "b/2", "007"]
    assert study.samples["age"].tolist() == [0, 1, 2]
    rows = study.excluded.set_index("sample")
    assert rows.loc["gone"].tolist() == ["T cells", 0, "no cells"]
    assert rows.loc["d"].tolist() == ["T cells", 20, "not in the sheet"]
    (warning,) = study.warnings
    assert "1 samples of the cells (30 cells)" in warning.message


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("D", "'D' of the sheet is 'd' in the cells"),
        ("7.0", "'7.0' of the sheet is '007' in the cells"),
        ("1-Feb", "A spreadsheet has made dates of ids, it seems: '1-Feb'"),
    ],
)
def test_ids_that_a_spreadsheet_changed_are_not_left_out(
    tmp_path, obs, write_cells, sheet_of, problems_of, written, words
):
    write_cells(tmp_path / "cells.h5ad", obs)
    ids = ["a|1", "b/2", "007" if written == "D" else "d", written]
    (tmp_path / "t.csv").write_text("id\n" + "".join(f"{id}\n" for id in ids))
    sheet = sheet_of(samples={"table": "t.csv", "id": "id", "without_cells": "exclude"})
    (problem,) = [one for one in problems_of(tmp_path, sheet) if one.severity == "error"]
    assert words in problem.remedy
