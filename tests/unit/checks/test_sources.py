"""Files of cells that cannot be read, and values that are not raw counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X.log1p(), "log-normalised"),
        (lambda X: X - 5 * sparse.csr_matrix(np.ones(X.shape)), "whole numbers"),
        (lambda X: X * 100.5, "whole numbers"),
        (lambda X: X * np.nan, "whole numbers"),
    ],
)
def test_counts_that_are_none(
    tmp_path, obs, change, words, write_cells, sheet_of, problems_of, counts
):
    write_cells(tmp_path / "cells.h5ad", obs, sparse.csr_matrix(change(counts(len(obs)))))
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.field == "cells.counts"
    assert words in problem.message
    assert "gene '" in problem.message
    assert "of cell 'cell" in problem.message


def test_raw_counts_elsewhere(tmp_path, obs, write_cells, sheet_of, study_of, counts):
    X = counts(len(obs))
    write_cells(tmp_path / "cells.h5ad", obs, X.log1p(), layers={"raw": X})
    assert len(study_of(tmp_path, sheet_of(cells={"counts": "layers/raw"})).samples) == 4


@pytest.mark.parametrize("content", [b"", b"not an h5ad", None])
def test_unreadable_cells(tmp_path, obs, content, write_cells, sheet_of, problems_of):
    path = tmp_path / "cells.h5ad"
    write_cells(path, obs)
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.file == str(path)
    assert problem.remedy


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        (lambda X: X - np.minimum(X, 0.3 * X.mean(axis=0)), "corrected", "roundToInt"),
        (lambda X: X * np.random.default_rng(0).uniform(0.5, 1, X.shape), "corrected", "EM"),
        (lambda X: X / X.sum(axis=1, keepdims=True) * 1e4, "divided by the depth", "layers"),
        (lambda X: np.log1p(X / X.sum(axis=1, keepdims=True) * 1e4), "log-normalised", "layers"),
        (lambda X: np.log2(1 + X / X.sum(axis=1, keepdims=True) * 1e6), "log2", "layers"),
        (lambda X: (X - X.mean(axis=0)) / X.std(axis=0), "scaled", "layers"),
    ],
)
def test_what_is_no_count_is_called_what_it_is(
    tmp_path, obs, change, words, remedy, write_cells, sheet_of, problems_of, counts
):
    X = sparse.csr_matrix(change(counts(len(obs)).toarray().astype(float)), dtype="f4")
    write_cells(tmp_path / "cells.h5ad", obs, X)
    (problem,) = problems_of(tmp_path, sheet_of())
    assert words in problem.message
    assert remedy in problem.remedy


def test_one_fault_of_many_files_is_one_problem(tmp_path, obs, write_cells, sheet_of, problems_of):
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / f"GSM{number}_x.tsv").touch()
    samples = [{"id": f"s{number}", "path": str(number)} for number in range(20)]
    sheet = sheet_of(samples=samples, cells={"path": None})
    (problem,) = problems_of(tmp_path, sheet)
    assert "lacks matrix.mtx.gz" in problem.message
    assert "19 more files" in problem.message
