"""Missing values mean the same in tables, sheets and the columns of cells."""

from __future__ import annotations

import pytest
import yaml

from popnet.errors import InputError
from popnet.study.cohort import load_cohort
from popnet.study.definitions import Covariate
from popnet.study.phenotypes import as_number, is_missing, parse_value

CODES = ["", " ", "NA", "N/A", "#N/A", "NaN", "nan", "None", "null", "NULL", "<NA>", " NA "]


@pytest.mark.parametrize("text", CODES)
def test_missing_of_every_type(text):
    for kind in ("categorical", "numeric"):
        assert parse_value(Covariate("a", kind, "a"), text) is None


def test_what_is_a_value():
    assert not any(map(is_missing, ("none", "Na", "0", "-9", "unknown", "False", 0, False)))
    assert is_missing(None)
    assert is_missing(float("nan"))


def test_further_codes():
    codes = ("-9", "unknown")
    assert all(is_missing(value, codes) for value in ("-9", -9, "-9.0", -9.0, "unknown", "NA"))
    assert not any(is_missing(value, codes) for value in ("9", "Unknown", "-99", "known"))


def cohort_of(folder, table, keys=None, **more):
    (folder / "t.csv").write_text(table)
    sheet = {
        "name": "s",
        "cells": {"path": "cells.h5ad", "sample": "line"},
        "samples": {"table": "t.csv", "id": "line"},
        "phenotypes": {"age": {"type": "continuous", "missing": "drop"}},
    }
    sheet["samples"] |= keys or {}
    (folder / "cells.h5ad").touch()
    (folder / "sheet.yaml").write_text(yaml.safe_dump(sheet | more))
    return load_cohort(folder / "sheet.yaml")


def problems_of(*arguments, **more):
    with pytest.raises(InputError) as raised:
        cohort_of(*arguments, **more)
    return raised.value.problems


@pytest.mark.parametrize("code", CODES)
def test_a_donor_that_is_missing_is_nobody(tmp_path, code):
    table = f"line,age,who\na,1,{code}\nb,2,{code}\nc,3,x\n"
    (problem,) = problems_of(tmp_path, table, {"donor": "who"})
    assert problem.message.startswith("No donor is given (2 times: ")
    # An own list of samples has no missing donors either.
    if code:
        samples = [{"id": "a", "donor": code}, {"id": "b"}]
        (problem,) = problems_of(tmp_path, table, samples=samples)
        assert problem.field == "samples[0].donor"


def test_codes_of_the_sheet(tmp_path):
    table = "line,age,who,sex\na,1,x,m\nb,-9,y,f\nc,3,unknown,f\n"
    codes = {"donor": "who", "missing": [-9, "unknown"]}
    (problem,) = problems_of(tmp_path, table, codes)
    assert problem.field == "table column who, row c"
    cohort = cohort_of(tmp_path, table.replace("unknown", "z"), codes)
    assert [sample.phenotypes["age"] for sample in cohort.samples] == [1, None, 3]


def test_a_code_that_is_a_level(tmp_path):
    contrast = {"type": "binary", "case": "-9", "control": "1"}
    table = "line,age\na,1\nb,-9\n"
    problem, *_ = problems_of(tmp_path, table, {"missing": ["-9.0"]}, phenotypes={"age": contrast})
    assert (problem.field, problem.value) == ("samples.missing", "-9")
    contrast = {"type": "binary", "case": "None", "control": "1"}
    (problem,) = problems_of(tmp_path, "line,age\na,1\nb,2\n", phenotypes={"age": contrast})
    assert (problem.field, problem.value) == ("phenotypes.age.case", "None")


def test_blanks_around_ids_and_donors(tmp_path):
    cohort = cohort_of(tmp_path, "line,age,who\n a,1,x\nb ,2,x \nc,3,y\n", {"donor": "who"})
    assert [(one.id, one.donor) for one in cohort.samples] == [("a", "x"), ("b", "x"), ("c", "y")]
    (warning,) = cohort.warnings
    assert "'x', 'x '" in warning.message


def test_a_name_in_the_vcf_that_is_missing(tmp_path):
    (tmp_path / "v.vcf").touch()
    variants = {"path": "v.vcf", "samples": {"a": "NA", "b": "B"}}
    (problem,) = problems_of(tmp_path, "line,age\na,1\nb,2\n", variants=variants)
    assert (problem.field, problem.value) == ("variants.samples.a", "NA")


@pytest.mark.parametrize("text", ["1_1", "inf", "nan", "١", "0x10", ""])
def test_what_only_python_calls_a_number_is_text(text):
    assert as_number(text) is None


@pytest.mark.parametrize("text", ["1", "-1.5", "+2", ".5", "5.", "1e-3", "1E1"])
def test_numbers(text):
    assert as_number(text) == float(text)
