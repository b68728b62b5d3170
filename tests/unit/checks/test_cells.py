"""Annotations of the cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.checks import cells as cell_checks

IDS = ["a|1", "b/2", "007", "d"]
CELLS = 30  # per sample: 20 of type T cells, 10 of type B+


def test_all_cells_as_one_type(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(cells={"cell_type": None, "batch": None})
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet)
    assert study.cells["cell_type"].unique().tolist() == ["all"]
    assert study.samples["n_cells"].tolist() == [CELLS] * 4
    assert study.samples["batch"].tolist() == [""] * 4


def test_a_file_for_every_sample_and_annotations(
    tmp_path, obs, monkeypatch, write_cells, sheet_of, study_of, problems_of
):
    for number, id in enumerate(IDS):
        part = obs[obs["line"] == id]
        bare = pd.DataFrame(index=[f"bc{row}" for row in range(len(part))])
        write_cells(tmp_path / f"{number}.h5ad", bare)
    table = obs.assign(barcode=np.tile([f"bc{row}" for row in range(CELLS)], len(IDS)))
    table.to_csv(tmp_path / "cells.tsv", sep="\t", index=False)
    annotations = {"table": "cells.tsv", "barcode": "barcode", "sample": "line"}
    sheet = sheet_of(
        cells={"path": None, "sample": None, "annotations": annotations},
        samples=[{"id": id, "path": f"{number}.h5ad"} for number, id in enumerate(IDS)],
    )
    del sheet["cells"]["path"]
    read = []
    reader = cell_checks.read_sheet_table
    monkeypatch.setattr(cell_checks, "read_sheet_table", lambda p: read.append(p) or reader(p))
    study = study_of(tmp_path, sheet)
    assert study.samples["sample"].tolist() == IDS
    assert study.samples["n_cells"].tolist() == [20] * 4
    assert study.samples["age"].tolist() == [30, 41.5, 29, 55]
    assert study.cells["source"].nunique() == 4
    # Once for all samples.
    assert len(read) == 1

    del sheet["cells"]["annotations"]["sample"]
    problems = problems_of(tmp_path, sheet)
    assert any(p.field == "cells.annotations.sample" for p in problems)


def test_annotations_win(tmp_path, obs, write_cells, sheet_of, study_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs.assign(celltype="wrong"))
    obs.rename_axis("barcode")[["celltype"]].to_csv(tmp_path / "a.csv")
    sheet = sheet_of(cells={"annotations": {"table": "a.csv", "barcode": "barcode"}})
    study = study_of(tmp_path, sheet)
    assert study.samples["n_cells"].tolist() == [20] * 4
    (warning,) = study.warnings
    assert "which wins: 'celltype'" in warning.message

    doubled = obs.set_axis(["cell0", *obs.index[:-1]])
    write_cells(tmp_path / "cells.h5ad", doubled)
    (problem,) = problems_of(tmp_path, sheet)
    assert (problem.field, problem.value) == ("cells.annotations.barcode", "cell0")


def test_cells_without_a_type_are_counted(tmp_path, obs, write_cells, sheet_of, study_of):
    types = obs["celltype"].astype(str).where(np.arange(len(obs)) % 30 != 0, "NA")
    write_cells(tmp_path / "cells.h5ad", obs.assign(celltype=types))
    study = study_of(tmp_path, sheet_of())
    assert study.samples["n_cells"].tolist() == [19] * 4
    (warning,) = study.warnings
    assert "4 cells of the samples have no cell type" in warning.message
