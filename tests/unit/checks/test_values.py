"""Values of phenotypes and covariates."""

from __future__ import annotations

import numpy as np
import pytest

IDS = ["a|1", "b/2", "007", "d"]
CELLS = 30  # per sample: 20 of type T cells, 10 of type B+


def test_missing_phenotype_may_be_dropped(tmp_path, obs, write_cells, sheet_of, study_of):
    obs.loc[obs["line"] == "d", "age"] = np.nan
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    sheet["phenotypes"]["age"]["missing"] = "drop"
    study = study_of(tmp_path, sheet)
    np.testing.assert_array_equal(study.samples["age"], [30, 41.5, 29, np.nan])


def test_own_values_win(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    sheet["phenotypes"]["years"] = {"type": "continuous", "column": "age"}
    sheet["samples"][0] |= {"phenotypes": {"years": 1}, "batch": "mine", "donor": "me"}
    study = study_of(tmp_path, sheet)
    assert study.samples["years"].tolist() == [1, 41.5, 29, 55]
    assert study.samples["batch"].tolist() == ["mine", "p1", "p2", "p2"]
    assert study.samples["donor"].tolist() == ["me", *IDS[1:]]


@pytest.mark.parametrize(
    ("column", "sheet", "field"),
    [
        ("age", {}, "phenotypes.age"),
        ("pool", {"covariates": {"pool": "categorical"}}, "covariates.pool"),
        ("donor", {"samples": {"cells": "all", "donor": "donor"}}, "samples.donor"),
    ],
)
def test_what_varies_within_a_sample(
    tmp_path, obs, column, sheet, field, write_cells, sheet_of, problems_of
):
    obs[column] = np.tile(obs[column].to_numpy()[::CELLS], CELLS)
    write_cells(tmp_path / "cells.h5ad", obs)
    (problem,) = [p for p in problems_of(tmp_path, sheet_of(**sheet)) if p.field == field]
    assert "varies within 4 of 4 samples" in problem.message


def test_phenotype_missing_for_a_sample(tmp_path, obs, write_cells, sheet_of, problems_of):
    obs.loc[obs["line"] == "d", "age"] = np.nan
    obs.loc[obs["line"] == "d", "status"] = np.nan
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(covariates={"old": {"type": "numeric", "column": "age"}})
    problems = problems_of(tmp_path, sheet)
    assert [problem.field for problem in problems] == [
        "phenotypes.age",
        "phenotypes.status",
        "covariates.old",
    ]
    assert all("missing for 1 of 4: 'd'" in problem.message for problem in problems)
    assert "missing: drop" in problems[0].remedy


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["F", "M", "f", "M"], "upper and lower case alone: 'F', 'f'"),
        (["1", "2", "1.0", "2"], "the same number, written in two ways: '1', '1.0'"),
        (["0", "0.0", "1", "1"], "written in two ways: '0', '0.0'"),
        (["1,5", "2", "2,5", "2"], "with a decimal comma is a group of its own: '1,5', '2,5'"),
        (["1-1", "1-Feb", "1-1", "1-3"], "has made dates of these names, it seems: '1-Feb'"),
    ],
)
def test_groups_that_were_written_in_two_ways(
    tmp_path, obs, write_cells, sheet_of, problems_of, groups, words
):
    write_cells(tmp_path / "cells.h5ad", obs)
    ids = ["a|1", "b/2", "007", "d"]
    samples = [{"id": id, "covariates": {"g": g}} for id, g in zip(ids, groups, strict=True)]
    sheet = sheet_of(samples=samples, covariates={"g": "categorical"})
    (problem,) = problems_of(tmp_path, sheet)
    assert problem.field == "covariates.g"
    assert words in problem.message


@pytest.mark.parametrize("kind", ["phenotypes", "covariates"])
@pytest.mark.parametrize("of_cells", [True, False])
def test_decimal_commas_are_refused(
    tmp_path, obs, write_cells, sheet_of, problems_of, kind, of_cells
):
    ids = ["a|1", "b/2", "007", "d"]
    text = dict(zip(ids, ["1,5", "2,5", "3", "4"], strict=True))
    entry = {"type": "continuous"} if kind == "phenotypes" else "numeric"
    sheet = sheet_of()
    sheet[kind] = sheet.get(kind, {}) | {"bmi": entry}
    if of_cells:
        obs = obs.assign(bmi=obs["line"].astype(str).map(text))
    else:
        sheet["samples"] = [{"id": id, kind: {"bmi": text[id]}} for id in ids]
    write_cells(tmp_path / "cells.h5ad", obs)
    problems = problems_of(tmp_path, sheet)
    assert {problem.remedy for problem in problems} == {
        "Write it with a decimal point: 1.5",
        "Write it with a decimal point: 2.5",
    }
