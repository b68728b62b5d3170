"""Samples that fill bins, or none."""

from __future__ import annotations

import pytest


def test_cell_types_that_are_not_listed(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet, size=15)
    assert study.cells["cell_type"].cat.categories.tolist() == ["B+", "T cells"]
    (warning,) = study.warnings
    assert (warning.field, warning.value) == ("cell_types", "B+")


@pytest.mark.parametrize(
    ("size", "types", "field", "words"),
    [
        (25, ["T cells"], "bins.size", "with 20 cells of 'T cells'"),
        (15, ["T cells", "B+"], "cell_types", "the largest has 10"),
    ],
)
def test_no_bin(tmp_path, obs, size, types, field, words, write_cells, sheet_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    (problem,) = problems_of(tmp_path, sheet_of(cell_types=types), size)
    assert problem.field == field
    assert words in problem.message
