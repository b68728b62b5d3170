"""Samples of the sheet and of the cells."""

from __future__ import annotations


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
