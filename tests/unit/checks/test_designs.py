"""Covariates and batches that leave nothing to test."""

from __future__ import annotations

import pytest

from popnet.errors import InputError

IDS = ["a|1", "b/2", "007", "d"]


@pytest.mark.parametrize(
    ("status", "covariate", "severity", "said"),
    [
        (["sick", "well", "well", "sick"], ["f", "m", "m", "f"], "error", "the same as phenotype"),
        (["sick", "well", "well", "sick"], ["f", "f", "f", "f"], "warning", "constant"),
        (["sick", "sick", "well", "well"], ["f", "m", "f", "m"], "warning", "within any batch"),
    ],
)
def test_covariates_and_batches_that_leave_nothing(
    tmp_path, obs, status, covariate, severity, said, write_cells, sheet_of, study_of
):
    """p1 has the first two samples, p2 the others."""
    write_cells(tmp_path / "cells.h5ad", obs)
    samples = [
        {"id": id, "phenotypes": {"status": one}, "covariates": {"sex": sex}}
        for id, one, sex in zip(IDS, status, covariate, strict=True)
    ]
    sheet = sheet_of(samples=samples, covariates={"sex": "categorical"})
    sheet["phenotypes"] = {"status": {"type": "binary", "case": "sick", "control": "well"}}
    try:
        found = study_of(tmp_path, sheet, preset="robust").warnings
    except InputError as error:
        found = error.problems
    problem = next(problem for problem in found if said in problem.message)
    assert problem.severity == severity
    assert problem.field in ("covariates.sex", "phenotypes.status")


@pytest.mark.parametrize(
    ("sex", "settings", "said"),
    [
        (["f", "m", "f", "m"], {"preset": "paper"}, "adjusts for none"),
        (["f", "m", "x", "m"], {"preset": "robust"}, "two levels; sex has 3: 'f', 'm', 'x'"),
        (["f", "m", "m", "f"], {"preset": "robust"}, "No sample has sex 'f' and status 'well'"),
    ],
)
def test_interactions_that_cannot_be_tested(
    tmp_path, obs, sex, settings, said, write_cells, sheet_of, problems_of
):
    write_cells(tmp_path / "cells.h5ad", obs)
    samples = [{"id": id, "covariates": {"sex": one}} for id, one in zip(IDS, sex, strict=True)]
    changes = {"covariates": {"sex": "categorical"}, "interactions": ["sex:status"]}
    problems = problems_of(tmp_path, sheet_of(samples=samples, **changes), **settings)
    found = [problem for problem in problems if problem.field == "interactions"]
    assert said in " ".join(problem.message for problem in found)
