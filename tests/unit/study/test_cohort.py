from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from popnet.checks.config import check_config
from popnet.errors import InputError
from popnet.stats.units import encode_phenotype
from popnet.study.cohort import (
    cells_part,
    gene_sets_part,
    load_cohort,
    phenotype_part,
    sheet_config,
    variants_part,
    with_samples,
)
from popnet.study.gene_sets import bundled_gene_sets
from popnet.study.phenotypes import parse_value
from popnet.study.tables import read_sheet_table

SHEET = {
    "name": "study",
    "cells": {"path": "cells.h5ad", "sample": "line", "cell_type": "celltype"},
    "cell_types": ["FPP"],
    "samples": [
        {"id": f"s{number}", "phenotypes": {"efficiency": number / 10, "outcome": label}}
        for number, label in enumerate(["yes", "no", "yes", "no", "yes", "no", "no"])
    ],
    "phenotypes": {
        "efficiency": {"type": "continuous"},
        "outcome": {"type": "binary", "case": "yes", "control": "no"},
    },
}


def write(folder: Path, sheet: dict | str, name: str = "sheet.yaml") -> Path:
    (folder / "cells.h5ad").touch()
    path = folder / name
    path.write_text(sheet if isinstance(sheet, str) else yaml.safe_dump(sheet), encoding="utf-8")
    return path


def changed(changes: dict) -> dict:
    """The sheet with values at dotted places; None takes the key away."""
    sheet = copy.deepcopy(SHEET)
    for place, value in changes.items():
        *parents, last = place.split("/")
        part = sheet
        for key in parents:
            part = part[int(key)] if isinstance(part, list) else part[key]
        last = int(last) if isinstance(part, list) else last
        if value is None:
            del part[last]
        else:
            part[last] = value
    return sheet


def problems_of(path: Path) -> list:
    with pytest.raises(InputError) as raised:
        load_cohort(path)
    return raised.value.problems


BAD = [
    # what is changed, field, value, part of message or remedy
    ({"cells/cel_type": "x"}, "cells.cel_type", "x", "did you mean 'cell_type'"),
    ({"phenotype": {}}, "phenotype", None, "did you mean 'phenotypes'"),
    ({"name": None}, "name", None, "The key is missing"),
    ({"name": "a/b"}, "name", "a/b", "letters, digits"),
    ({"name": "../x"}, "name", "../x", "letters, digits"),
    ({"name": 5}, "name", 5, 'Quote it: "5"'),
    ({"name": "Meta"}, "name", "Meta", "another name"),
    ({"phenotypes": {}}, "phenotypes", None, "fewer than 1"),
    ({"cells/counts": "x"}, "cells.counts", "x", "layers/<name>"),
    ({"cells/path": "absent.h5ad"}, "cells.path", "absent.h5ad", "no such file"),
    ({"cells/path": "cels.h5ad"}, "cells.path", "cels.h5ad", "did you mean 'cells.h5ad'"),
    ({"cells/path": None}, "cells.path", None, "No file of cells"),
    ({"cells/sample": None}, "cells.sample", None, "7 samples share"),
    ({"cells/cell_type": None}, "cells.cell_type", None, "Name the obs column"),
    ({"cell_types": ["FPP", "FPP"]}, "cell_types[1]", "FPP", "given twice"),
    ({"cell_types": ["FPP", "fpp"]}, "cell_types[1]", "fpp", "upper and lower case"),
    ({"samples/1/id": "s0"}, "samples[1].id", "s0", "given twice"),
    ({"samples/1/id": "S0"}, "samples[1].id", "S0", "upper and lower case"),
    ({"samples/1/id": ""}, "samples[1].id", "", "empty"),
    ({"samples/1/id": " a"}, "samples[1].id", " a", "space"),
    ({"samples/1/id": "a\tb"}, "samples[1].id", "a\tb", "invisible"),
    ({"samples/1/id": "a\u200bb"}, "samples[1].id", "a\u200bb", "invisible"),
    ({"samples/1/id": 1.5}, "samples[1].id", 1.5, 'Quote it: "1.5"'),
    ({"samples/1/id": 12.0}, "samples[1].id", 12.0, "Quote it"),
    ({"samples/1/id": True}, "samples[1].id", True, "Quote it"),
    ({"samples/1/id": None}, "samples[1].id", None, "The key is missing"),
    ({"samples/1/donr": "x"}, "samples[1].donr", "x", "did you mean 'donor'"),
    ({"samples": []}, "samples", [], "fewer than 1"),
    ({"samples": "all"}, "samples", "all", "not a mapping"),
    ({"samples": {"table": "t.csv"}}, "samples.id", None, "Its column of sample ids"),
    ({"samples": {"cells": "al"}}, "samples.cells", "al", "did you mean 'all'"),
    (
        {"samples/3/phenotypes/efficiency": "high"},
        "samples[3].phenotypes.efficiency",
        "high",
        "not a number",
    ),
    (
        {"samples/3/phenotypes/efficiency": "1,5"},
        "samples[3].phenotypes.efficiency",
        "1,5",
        "decimal point",
    ),
    (
        {"samples/3/phenotypes/efficiency": True},
        "samples[3].phenotypes.efficiency",
        True,
        "not a number",
    ),
    (
        {"samples/3/phenotypes/efficiency": None},
        "samples[3].phenotypes.efficiency",
        None,
        "missing: drop",
    ),
    ({"samples/3/phenotypes/outcome": "nope"}, "samples[3].phenotypes.outcome", "nope", "'no'"),
    (
        {"samples/3/phenotypes/eficiency": 1},
        "samples[3].phenotypes.eficiency",
        1,
        "did you mean 'efficiency'",
    ),
    ({"samples/3/covariates": {"sex": "f"}}, "samples[3].covariates.sex", "f", "Define sex"),
    ({"samples/3/vcf": "a.vcf"}, "samples[3].vcf", "a.vcf", "no such file"),
    ({"samples/3/path": "a.h5ad"}, "samples[3].path", "a.h5ad", "no such file"),
    ({"phenotypes/outcome/control": None}, "phenotypes.outcome.control", None, "Add control"),
    ({"phenotypes/outcome/control": "yes"}, "phenotypes.outcome.case", "yes", "same value"),
    ({"phenotypes/outcome/type": "bool"}, "phenotypes.outcome.type", "bool", "binary"),
    ({"phenotypes/efficiency/case": "x"}, "phenotypes.efficiency.case", "x", "type: binary"),
    (
        {"phenotypes/efficiency/order": ["a", "b"]},
        "phenotypes.efficiency.order",
        ["a", "b"],
        "ordinal",
    ),
    ({"phenotypes/o": {"type": "ordinal"}}, "phenotypes.o.order", None, "lowest"),
    (
        {"phenotypes/o": {"type": "ordinal", "order": ["a", "b", "a"]}},
        "phenotypes.o.order",
        "a",
        "once",
    ),
    ({"phenotypes/o": {"type": "categorical"}}, "phenotypes.o.contrasts", None, "b_vs_a"),
    (
        {"phenotypes/o": {"type": "categorical", "contrasts": {"x": ["a", "a"]}}},
        "phenotypes.o.contrasts.x",
        "a",
        "different",
    ),
    (
        {"phenotypes/o": {"type": "categorical", "contrasts": {"x": ["a"]}}},
        "phenotypes.o.contrasts.x",
        ["a"],
        "fewer than 2",
    ),
    (
        {
            "phenotypes/o": {
                "type": "categorical",
                "levels": ["low", "high"],
                "contrasts": {"x": ["high", "loww"]},
            }
        },
        "phenotypes.o.contrasts.x",
        "loww",
        "did you mean 'low'",
    ),
    (
        {"phenotypes/o": {"type": "ordinal", "order": [0, "1", 1.0]}},
        "phenotypes.o.order",
        "1.0",
        "once",
    ),
    (
        {"phenotypes/o": {"type": "ordinal", "order": ["NA", "low"]}},
        "phenotypes.o.order",
        "NA",
        "missing value",
    ),
    (
        {"phenotypes/o": {"type": "categorical", "contrasts": {"x": [1, "1.0"]}}},
        "phenotypes.o.contrasts.x",
        "1",
        "different",
    ),
    (
        {"phenotypes/o": {"type": "categorical", "contrasts": {"x/": ["a", "b"]}}},
        "phenotypes.o.contrasts.x/",
        "o: x/",
        "Rename the contrast",
    ),
    (
        {
            "phenotypes/o": {"type": "categorical", "contrasts": {"p: x": ["a", "b"]}},
            "phenotypes/o: p": {"type": "categorical", "contrasts": {"x": ["b", "a"]}},
        },
        "phenotypes.o: p.contrasts",
        "o: p: x",
        "Another phenotype",
    ),
    ({"phenotypes/outcome/type": "survival"}, "phenotypes.outcome.type", "survival", "followed"),
    ({"interactions": ["outcome"]}, "interactions[0]", "outcome", "two variables"),
    ({"interactions": ["outcome:sx"]}, "interactions[0]", "outcome:sx", "'sx'"),
    ({"interactions": ["outcome:outcome"]}, "interactions[0]", "outcome:outcome", "itself"),
    (
        {"interactions": ["outcome:efficiency", {"efficiency": "outcome"}]},
        "interactions[1]",
        "efficiency:outcome",
        "given twice",
    ),
    (
        {"interactions": ["a:b"], "covariates": {"a": "numeric", "b": "numeric"}},
        "interactions[0]",
        "a:b",
        "under phenotypes",
    ),
    (
        {
            "interactions": ["outcome:o"],
            "phenotypes/o": {"type": "categorical", "contrasts": {"x": ["a", "b"]}},
        },
        "interactions[0]",
        "outcome:o",
        '"outcome:o: x"',
    ),
    ({"phenotypes/donor": {"type": "continuous"}}, "phenotypes.donor", "donor", "column: donor"),
    ({"covariates": {"efficiency": "numeric"}}, "covariates.efficiency", "efficiency", "Rename"),
    ({"covariates": {"sex": "categorial"}}, "covariates.sex", "categorial", "'categorical'"),
    ({"covariates": {"n_cells": "numeric"}}, "covariates.n_cells", "n_cells", "Rename"),
    ({"gene_sets": {"K": {"gmt": "k.gmt"}}}, "gene_sets.K.gmt", "k.gmt", "no such file"),
    ({"gene_sets": {"K": {}}}, "gene_sets.K", None, "prefix, gmt and genes"),
    ({"gene_sets": {"K": {"prefix": "A", "genes": ["B"]}}}, "gene_sets.K", None, "more than 1"),
    ({"variants": {"path": "v.vcf"}}, "variants.path", "v.vcf", "no such file"),
    ({"variants": {"samples": {"s8": "x"}}}, "variants.samples.s8", "s8", "Use the ids"),
    ({"variants": {"keep_filters": "fa"}}, "variants.keep_filters", "fa", "not a list"),
    ({"variants": {"keep_filters": [1]}}, "variants.keep_filters[0]", 1, 'Quote it: "1"'),
    ({"variants": {"absent": "ref"}}, "variants.absent", "ref", "reference"),
    ({"variants": {"mask": ["302-x"]}}, "variants.mask[0]", "302-x", "from 1"),
    ({"variants": {"mask": ["316-302"]}}, "variants.mask[0]", "316-302", "before the last"),
    ({"variants": {"mask": [0]}}, "variants.mask[0]", 0, "from 1"),
    ({"variants": {"components": -1}}, "variants.components", -1, "adjusted for"),
    ({"variants": {"min_depth": 2.5}}, "variants.min_depth", 2.5, "Fewest reads"),
    ({"config": "x.yaml"}, "config", "x.yaml", "no such file"),
    ({"simulation": {}}, "simulation.seed", None, "Seed"),
    (
        {"samples": {"table": "t.csv", "id": "x", "absent": "exclude"}},
        "samples.absent",
        "exclude",
        "Write samples.without_cells",
    ),
    (
        {"samples/1/id": "a/b", "variants": {"path": "{sample}.vcf"}, "simulation": {"seed": 1}},
        "variants.path",
        "a/b",
        "Give `vcf` per sample",
    ),
    (
        {"samples/1/id": "..", "cells/path": "{sample}/x.h5ad", "simulation": {"seed": 1}},
        "cells.path",
        "..",
        "Give `path` per sample",
    ),
]


@pytest.mark.parametrize(("changes", "field", "value", "words"), BAD)
def test_bad_sheet(tmp_path, monkeypatch, changes, field, value, words):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, changed(changes))
    found = [problem for problem in problems_of(path) if problem.field == field]
    assert len(found) == 1
    assert found[0].value == value
    assert found[0].file == str(path)
    assert words in found[0].message + " | " + found[0].remedy
    assert found[0].remedy


TEXTS = [
    ("name: a\nname: b\n", "name", "given twice (again in line 2)"),
    ("name: a\n\tb: c\n", "line 2", "not YAML"),
    ("name: [a\n", "line 2", "not YAML"),
    ("", "(top level)", "not a mapping"),
    ("- a\n", "(top level)", "not a mapping"),
    ("name: !!python/object/apply:os.system [echo]\n", "name", "not allowed"),
    ("name: &a [*a]\n", "(text)", "contains itself"),
    ("cells: {keep: {[a]: b}}\n", "cells.keep", "A key is not text"),
]


@pytest.mark.parametrize(("text", "field", "words"), TEXTS)
def test_bad_yaml(tmp_path, text, field, words):
    problems = problems_of(write(tmp_path, text))
    assert any(p.field == field and words in p.message for p in problems), problems


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        ("name", "name: study\nname: study", "given twice (again in line"),
        ("cells.path", "path: cells.h5ad\n  path: cells.h5ad", "given twice (again in line"),
        ("name", "name: !!python/object/apply:os.system [echo]", "os.system is not allowed"),
        ("cells.path", "path: !!python/name:os.system", "os.system is not allowed"),
        ("samples[0].id", "id: !!python/object:x.Y {a: b}", "x.Y is not allowed"),
        ("cells", "cells: !!python/object:x.Y", "x.Y is not allowed"),
    ],
)
def test_what_cannot_be_read_is_one_problem(tmp_path, place, text, words):
    sheet = yaml.safe_dump(SHEET).replace("id: s0", "id: cells.h5ad")
    key, value = text.split(":", 1)[0], {"name": "study", "cells": ""}.get(place, "cells.h5ad")
    line = f"{key}: {value}".rstrip()
    assert line in sheet
    (problem,) = problems_of(write(tmp_path, sheet.replace(line, text, 1)))
    assert problem.field == place
    assert words in problem.message


UNFIT = [
    ({"cells/path": "a{b.h5ad"}, "cells.path", "a{b.h5ad"),
    ({"cells/annotations": {"table": "<t>", "barcode": "b"}}, "cells.annotations.table", "<t>"),
    ({"samples/1/path": "{x}/a.h5ad"}, "samples[1].path", "{x}/a.h5ad"),
    ({"samples/1/vcf": "a>.vcf"}, "samples[1].vcf", "a>.vcf"),
    ({"samples": {"table": "t{.csv", "id": "x"}}, "samples.table", "t{.csv"),
    ({"gene_sets": {"K": {"gmt": "k}.gmt"}}}, "gene_sets.K.gmt", "k}.gmt"),
    ({"variants": {"path": "<v>.vcf"}}, "variants.path", "<v>.vcf"),
    ({"samples/1/id": "a{b}", "variants": {"path": "{sample}.vcf"}}, "variants.path", "a{b}.vcf"),
]


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize(("changes", "field", "value"), UNFIT)
def test_paths_that_snakemake_takes_for_wildcards(
    tmp_path, monkeypatch, changes, field, value, simulated
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "{x}").mkdir()
    for name in [value, *(f"s{number}.vcf" for number in range(7))]:
        (tmp_path / name).touch()
    sheet = changed(changes) | ({"simulation": {"seed": 1}} if simulated else {})
    problems = problems_of(write(tmp_path, sheet))
    (problem,) = [problem for problem in problems if "wildcard" in problem.message]
    assert (problem.field, problem.value) == (field, value)
    assert "link" in problem.remedy


def test_a_folder_or_a_sheet_that_snakemake_takes_for_wildcards(tmp_path, monkeypatch):
    folder = tmp_path / "{x}"
    folder.mkdir()
    path = write(folder, SHEET, "<sheet>.yaml")
    fields = [(p.field, "wildcard" in p.message) for p in problems_of(path)]
    assert fields == [("cohort", True), ("cells.path", True)]
    monkeypatch.chdir(folder)  # Paths inside the current folder are relative to it.
    assert load_cohort(write(folder, SHEET).name).files == ("cells.h5ad",)


def test_ids_may_hold_what_paths_may_not(tmp_path):
    changes = {"samples/1/id": "a{b}<c>", "cell_types": ["{T}"], "samples/1/donor": "<d>"}
    assert load_cohort(write(tmp_path, changed(changes))).samples[1].id == "a{b}<c>"


def test_sheet_that_is_not_text(tmp_path):
    path = tmp_path / "sheet.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    assert "UTF-8" in problems_of(path)[0].message


def test_no_sheet(tmp_path):
    write(tmp_path, SHEET, "study.yaml")
    (problem,) = problems_of(tmp_path / "studdy.yaml")
    assert "did you mean 'study.yaml'" in problem.remedy


def test_all_problems_at_once_in_one_order(tmp_path):
    changes = {"name": "a b", "cells/celltype": "x", "samples/0/id": "s1", "config": "none.yaml"}
    path = write(tmp_path, changed(changes))
    problems = problems_of(path)
    assert {problem.field for problem in problems} == {
        "name",
        "cells.celltype",
        "samples[1].id",
        "config",
    }
    assert problems == problems_of(path)


def test_one_fault_of_many_samples_is_one_problem(tmp_path):
    sheet = changed({})
    for sample in sheet["samples"]:
        sample["phenotypes"]["efficiency"] = f"bad {sample['id']}"
        sample["phenotpyes"] = 1
    problems = problems_of(write(tmp_path, sheet))
    assert [problem.field for problem in problems] == [
        "samples[*].phenotpyes",
        "samples[*].phenotypes.efficiency",
    ]
    assert "7 times: samples[0] = 'bad s0'; samples[1]" in problems[1].message
    assert problems[1].message.endswith("; ...)")
    assert "samples[5]" not in problems[1].message


@pytest.mark.parametrize(("name", "value"), [("efficiency", 0.5), ("outcome", "no")])
def test_phenotype_without_contrast(tmp_path, name, value):
    sheet = changed({})
    for sample in sheet["samples"]:
        sample["phenotypes"][name] = value
    (problem,) = problems_of(write(tmp_path, sheet))
    assert problem.field == f"phenotypes.{name}"
    assert ("one class" if name == "outcome" else "constant") in problem.message


def test_good_sheet(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.vcf").touch()
    (tmp_path / "settings.yaml").touch()
    changes = {
        "config": "settings.yaml",
        "samples/0/donor": "d",
        "samples/0/vcf": "a.vcf",
        "samples/0/batch": 3,
        "samples/0/id": 12,
        "samples/1/phenotypes/efficiency": "1e-3",
        "phenotypes/sick": {"type": "binary"},
        "phenotypes/age": {"type": "continuous", "column": "Age"},
        "samples/0/phenotypes/age": 3,
        "covariates": {"sex": "categorical", "years": {"type": "numeric", "column": "age"}},
        "variants": {
            "keep_filters": ["fa", "q10"],
            "absent": "reference",
            "mask": ["302-316", 3107],
            "min_depth": 0,
            "components": 2,
        },
    }
    sheet = changed(changes)
    for number, sample in enumerate(sheet["samples"]):
        sample["phenotypes"]["sick"] = number % 2 == 0
        sample["covariates"] = {"sex": "NO"}
    path = write(tmp_path, sheet)
    cohort = load_cohort(path)
    first, second = cohort.samples[:2]
    assert (first.id, first.donor, first.vcf, first.batch) == ("12", "d", "a.vcf", "3")
    assert (second.id, second.donor, second.vcf, second.path) == ("s1", "s1", None, "cells.h5ad")
    assert first.phenotypes == {"efficiency": 0.0, "outcome": "yes", "sick": "1", "age": 3.0}
    # Age names a column, so the cells may have it; years is not in the sheet at all.
    assert second.phenotypes == {"efficiency": 0.001, "outcome": "no", "sick": "0"}
    assert second.covariates == {"sex": "NO"}
    # The sheet names no sets, so that it has those of the package.
    assert cohort.gene_sets[0].name == "MT"
    assert cohort.gene_sets[1:] == tuple(bundled_gene_sets())
    assert all(gene_set.implicit for gene_set in cohort.gene_sets)
    without = load_cohort(write(tmp_path, sheet | {"gene_sets": {}}))
    assert [gene_set.name for gene_set in without.gene_sets] == ["MT"]
    assert load_cohort(write(tmp_path, sheet)).gene_sets == cohort.gene_sets
    assert cohort.variants.contig == "MT"
    assert cohort.variants.keep_filters == ("fa", "q10")
    assert cohort.variants.absent == "reference"
    assert cohort.variants.mask == ((302, 316), (3107, 3107))
    assert (cohort.variants.min_depth, cohort.variants.components) == (0, 2)
    assert cohort.files == ("cells.h5ad", "a.vcf")
    assert sheet_config(path) == cohort.config == "settings.yaml"
    monkeypatch.chdir(root)
    assert load_cohort(path).files == (str(tmp_path / "cells.h5ad"), str(tmp_path / "a.vcf"))


@pytest.mark.parametrize("text", [None, "config: {\n", "config: none.yaml\n"])
def test_broken_sheets_have_no_config(tmp_path, text):
    path = tmp_path / "sheet.yaml"
    if text:
        path.write_text(text)
    assert sheet_config(path) is None


def test_text_stays_text(tmp_path):
    words = ["007", "NO", "yes", "on", "12:30", "2021-03-04", "0x10", "1_000", "+5", "1e999", "-0"]
    listed = "".join(
        f"  - {{id: {word}, phenotypes: {{p: {n}}}}}\n" for n, word in enumerate(words)
    )
    sheet = "name: 2021-03-04\ncells: {path: cells.h5ad, sample: x}\n"
    sheet += f"phenotypes: {{p: {{type: continuous}}}}\nsamples:\n{listed}"
    path = write(tmp_path, sheet)
    assert [sample.id for sample in load_cohort(path).samples] == words
    assert load_cohort(path).name == "2021-03-04"


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_quoted_ids_come_back_or_are_refused(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("sheet")
    sheet = changed({"samples/0/id": "x"})
    path = write(folder, json.dumps(sheet).replace('"x"', json.dumps(text)))
    try:
        assert load_cohort(path).samples[0].id == text
    except InputError as error:
        faults = " ".join(problem.message for problem in error.problems)
        assert any(
            w in faults
            for w in ("space", "empty", "invisible", "twice", "case", "not YAML", "missing")
        )


TABLE = "\ufeffline,eff,cell,vcf\r\n007,0.5,x,\r\n010,NA,y,\r\n011,0.25,y,\r\n012,2,y,\r\n\r\n"


def table_sheet(tmp_path, text=TABLE, **source):
    (tmp_path / "t.csv").write_bytes(text.encode())
    return write(
        tmp_path,
        changed(
            {
                "samples": {"table": "t.csv", "id": "line"} | source,
                "phenotypes": {"eff": {"type": "continuous", "missing": "drop"}},
            }
        ),
    )


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_table(tmp_path, delimiter):
    path = table_sheet(tmp_path, TABLE.replace(",", delimiter), exclude={"011": "why", "01": "?"})
    cohort = load_cohort(path)
    values = [("007", 0.5), ("010", None), ("012", 2.0)]
    assert [(sample.id, sample.phenotypes["eff"]) for sample in cohort.samples] == values
    assert cohort.excluded == {"011": "why", "01": "?"}
    assert cohort.table_columns == ("line", "eff", "cell", "vcf")
    (warning,) = cohort.warnings
    assert warning.severity == "warning"
    assert warning.remedy.startswith("did you mean '01")


BAD_TABLES = [
    (TABLE.replace("0.25", "many"), {}, "table column eff, row 011", "many", "not a number"),
    (TABLE.replace("011", "007"), {}, "table column line, row 007", "007", "given twice"),
    (
        TABLE.replace("011", "01\u00a01"),
        {},
        "table column line, row 01\u00a01",
        "01\u00a01",
        "invis",
    ),
    (TABLE.replace("x,", "x"), {}, "table, row 2", "007,0.5,x", "fields"),
    (TABLE, {"id": "lines"}, "samples.id", "lines", "did you mean 'line'"),
    (TABLE, {"donor": "vcf"}, "table column vcf", None, "No donor"),
    (TABLE, {"vcf": "cell"}, "table column vcf", None, "no such file"),
    (
        TABLE,
        {"exclude": dict.fromkeys(["007", "010", "011", "012"], "x")},
        "samples",
        None,
        "No sample",
    ),
    (TABLE.replace("eff", "line"), {}, "table column line", "line", "Two columns"),
    ("line,eff\n", {}, "table", None, "no rows"),
    ('line,eff\n"a,1\n', {}, "table", None, "cannot be read"),
    (TABLE, {"table": "tt.csv"}, "samples.table", "tt.csv", "did you mean 't.csv'"),
]


@pytest.mark.parametrize(("text", "source", "field", "value", "words"), BAD_TABLES)
def test_bad_table(tmp_path, monkeypatch, text, source, field, value, words):
    monkeypatch.chdir(tmp_path)
    problems = problems_of(table_sheet(tmp_path, text, **source))
    found = [problem for problem in problems if problem.field == field]
    assert len(found) == 1, problems
    assert found[0].value == value
    assert words in found[0].message + found[0].remedy


def test_absent_samples_may_lack_files(tmp_path):
    path = table_sheet(tmp_path, without_cells="exclude")
    path.write_text(path.read_text() + "variants: {path: 'v/{sample}.vcf'}\n")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "007.vcf").touch()
    files = [Path(name).name for name in load_cohort(path).files]
    assert files == ["t.csv", "cells.h5ad", "007.vcf"]


def test_real_table(tmp_path, shared_data):
    table = shared_data / "jerber2021_predDopaminergic_full.csv"
    columns, rows, problems = read_sheet_table(str(table))
    assert columns == ["donor_id", "in_study", "model_score", "diff_efficiency"]
    assert (len(rows), problems) == (812, [])
    path = table_sheet(tmp_path)
    sheet = yaml.safe_load(path.read_text())
    sheet["samples"] = {"table": str(table), "id": "donor_id"}
    sheet["phenotypes"] = {"diff_efficiency": {"type": "continuous"}}
    (problem,) = problems_of(write(tmp_path, sheet))
    assert problem.field == "table column diff_efficiency"
    assert problem.file == str(table)
    assert "row HPSI0114i-bezi_1" in problem.message


def test_simulated_files_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = {
        "simulation": {"seed": 1},
        "cells/path": "made/cells.h5ad",
        "variants": {"path": "made/{sample}.vcf.gz"},
        "gene_sets": {"K": {"gmt": "made/k.gmt"}},
    }
    cohort = load_cohort(write(tmp_path, changed(changes)))
    vcfs = [f"made/s{number}.vcf.gz" for number in range(7)]
    assert [sample.vcf for sample in cohort.samples] == vcfs
    assert set(cohort.simulation.files) == {"made/cells.h5ad", "made/k.gmt", *vcfs}
    assert set(cohort.files) == set(cohort.simulation.files)


def test_samples_of_the_cells(tmp_path):
    path = write(tmp_path, changed({"samples": {"cells": "all", "exclude": {"b": "bad"}}}))
    cohort = load_cohort(path)
    assert cohort.samples is None
    known = with_samples(cohort, ["a", "b", "c"], {"a": "d"})
    assert [(sample.id, sample.donor) for sample in known.samples] == [("a", "d"), ("c", "c")]
    with pytest.raises(InputError, match="upper and lower case"):
        with_samples(cohort, ["a", "A"])


def test_labels(tmp_path):
    phenotypes = load_cohort(
        write(
            tmp_path,
            changed(
                {
                    "samples": {"cells": "all"},
                    "phenotypes": {
                        "binary": {"type": "binary"},
                        "run": {"type": "binary", "case": "3.0", "control": 1},
                    },
                }
            ),
        )
    ).phenotypes
    binary, run = phenotypes
    assert [parse_value(binary, v) for v in (True, "False", 0, "1.0")] == ["1", "0", "0", "1"]
    assert [parse_value(run, v) for v in ("3", 3.0, "1.0", "NA", None)] == [
        *("3.0", "3.0", "1"),
        *(None, None),
    ]
    with pytest.raises(ValueError, match="neither"):
        parse_value(run, "2")


GRADES = ["low", "mid", "high", "low", "mid", "high", "other"]


@pytest.mark.parametrize("table", [False, True])
def test_ordered_levels_are_numbers_and_contrasts_are_phenotypes(tmp_path, table):
    ordinal = {"type": "ordinal", "column": "grade", "order": ["low", "mid", "high", "other"]}
    contrasts = {"up": ["high", "low"], "middle": ["mid", "low"]}
    levels = ["low", "mid", "high", "other"]
    categorical = {"type": "categorical", "contrasts": contrasts, "levels": levels}
    sheet = changed({"phenotypes": {"trend": ordinal, "grade": categorical}})
    if table:
        lines = [f"s{number},{grade}" for number, grade in enumerate(GRADES)]
        (tmp_path / "t.csv").write_text("\n".join(["id,grade", *lines]))
        sheet["samples"] = {"table": "t.csv", "id": "id"}
    else:
        for sample, grade in zip(sheet["samples"], GRADES, strict=True):
            sample["phenotypes"] = {"trend": grade, "grade": grade}
        # The sheet's list is the source where no column is named.
        del sheet["phenotypes"]["trend"]["column"]
    cohort = load_cohort(write(tmp_path, sheet))
    assert [one.name for one in cohort.phenotypes] == ["grade: middle", "grade: up", "trend"]
    middle, up, trend = cohort.phenotypes
    assert (trend.type, trend.levels) == ("continuous", tuple(levels))
    assert (up.type, up.case, up.control, up.column) == ("binary", "high", "low", "grade")
    assert (middle.written, trend.written) == ("grade", "trend")
    assert [sample.phenotypes["trend"] for sample in cohort.samples] == [1, 2, 3, 1, 2, 3, 4]
    for name in ("grade: up", "grade: middle"):
        # Other levels keep their name, and are neither case nor control.
        assert [sample.phenotypes[name] for sample in cohort.samples] == GRADES
    assert all(
        set(sample.phenotypes) == {one.name for one in cohort.phenotypes}
        for sample in cohort.samples
    )
    encoded = encode_phenotype(pd.Series(GRADES), up.type, up.case, up.control)
    assert encoded.tolist()[:4] == pytest.approx([0, np.nan, 1, 0], nan_ok=True)


def test_an_interaction_is_a_phenotype_of_its_own(tmp_path):
    categorical = {"type": "categorical", "contrasts": {"up": ["high", "low"]}}
    changes = {
        "phenotypes/grade": categorical | {"levels": ["low", "mid", "high", "other"]},
        "covariates": {"sex": "categorical"},
        "interactions": ["sex:outcome", "efficiency:grade: up"],
    }
    sheet = changed(changes)
    for sample, grade in zip(sheet["samples"], GRADES, strict=True):
        sample["phenotypes"]["grade"], sample["covariates"] = grade, {"sex": "f"}
    cohort = load_cohort(write(tmp_path, sheet))
    first, second = cohort.phenotypes[-2:]
    assert [one.name for one in (first, second)] == ["sex:outcome", "efficiency:grade: up"]
    assert second.columns == ("efficiency", "grade: up")
    assert set(cohort.own_phenotypes) == set(cohort.phenotypes[:-2])
    part = phenotype_part(cohort, second.name)
    assert part == json.loads(json.dumps(part))
    assert part["samples"][2]["phenotype"] == {"efficiency": 0.2, "grade: up": "high"}


def test_levels_that_nobody_knows_are_named_once(tmp_path):
    contrasts = {"up": ["high", "low"], "middle": ["mid", "low"]}
    sheet = changed({"phenotypes": {"grade": {"type": "categorical", "contrasts": contrasts}}})
    for sample, grade in zip(sheet["samples"], [*GRADES[:6], "hihg"], strict=True):
        sample["phenotypes"] = {"grade": grade}
    (problem,) = problems_of(write(tmp_path, sheet))
    assert problem.field == "samples[6].phenotypes.grade"
    assert "did you mean 'high'" in problem.remedy
    sheet["samples"][6]["phenotypes"]["grade"] = None
    (problem,) = problems_of(write(tmp_path, sheet))
    assert problem.message == "grade is missing"
    # Of one contrast there are only controls.
    for sample in sheet["samples"]:
        sample["phenotypes"]["grade"] = "low" if sample["id"] < "s3" else "mid"
    (problem,) = problems_of(write(tmp_path, sheet))
    assert problem.field == "phenotypes.grade"
    assert problem.message == "grade: up has one class: samples are 'low', none is 'high'"
    for sample in sheet["samples"]:
        sample["phenotypes"]["grade"] = "mid"
    problems = problems_of(write(tmp_path, sheet))
    assert "grade: up: no sample is 'high' or 'low'" in {one.message for one in problems}


def test_levels_are_read_as_numbers_and_as_true_and_false(tmp_path):
    contrasts = {"x": [1, 0], "sample": ["2.0", 0]}
    phenotypes = {
        "a": {"type": "categorical", "contrasts": contrasts},
        "b": {"type": "ordinal", "order": [False, True]},
    }
    sheet = changed({"samples": {"cells": "all"}, "phenotypes": phenotypes})
    second, first, flag = load_cohort(write(tmp_path, sheet)).phenotypes
    assert (first.name, second.name) == ("a: x", "a: sample")
    assert [parse_value(first, value) for value in ("1.0", 1, "0", 2)] == ["1", "1", "0", "2.0"]
    assert (second.case, second.control) == ("2.0", "0")
    assert [parse_value(flag, value) for value in (True, "TRUE", "False")] == [2, 2, 1]


@pytest.mark.parametrize(
    "name", ["kang2018", "kang2018_types", "bmmc", "perez2022", "neurdiff", "dementia"]
)
def test_shipped_sheets_lack_nothing_but_data(root, name):
    path = root / "config" / "cohorts" / f"{name}.yaml"
    try:
        load_cohort(path)
    except InputError as error:
        faults = {problem.message for problem in error.problems}
        assert faults == {"There is no such file"}
    settings = sheet_config(path)
    if settings:
        assert check_config(yaml.safe_load(Path(settings).read_text()), settings) == []


FULL = changed(
    {
        "cells/keep": {"day": ["D11", 3]},
        "cells/annotations": {"table": "t.csv", "barcode": "line"},
        "covariates": {"sex": "categorical", "years": {"type": "numeric", "column": "age"}},
        "gene_sets": {"K": {"genes": ["A"]}, "G": {"gmt": "t.csv"}},
        "variants": {"path": "{sample}.vcf", "samples": {"s1": "x"}},
        "simulation": {"seed": 1},
        "samples/1/covariates": {"sex": "f"},
    }
)


def places(part, path=()):
    """All paths to values of a sheet."""
    if isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield (*path, key)
            yield from places(value, (*path, key))


VALUES = [
    *(None, 0, -1.5, True, "", "x", [], [None], ["x"], {}, {"x": 1}, {"type": "x"}, [{}], [[]]),
    *({"cells": "all"}, {"table": "t.csv", "id": "line"}, {"table": "t.csv", "id": 3}),
]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(places(FULL))),
    st.sampled_from(VALUES),
)
def test_whatever_is_written_gives_a_cohort_or_problems(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "t.csv").write_text(TABLE)
    sheet = copy.deepcopy(FULL)
    part = sheet
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    problems = []
    try:
        load_cohort(write(folder, sheet))
    except InputError as error:
        problems = error.problems
    assert all(problem.field and problem.remedy for problem in problems)


def test_rules_hold_beside_unknown_keys_and_not_beside_broken_ones(tmp_path):
    changes = {
        "phenotypes/efficiency": {"type": "continuous", "case": "x", "colum": "y"},
        "gene_sets": {"K": {"genes": [3]}},
    }
    fields = [problem.field for problem in problems_of(write(tmp_path, changed(changes)))]
    assert fields == [
        "phenotypes.efficiency.colum",
        "gene_sets.K.genes[0]",
        "phenotypes.efficiency.case",
    ]


PARTS = {
    "cells": cells_part,
    "efficiency": lambda cohort: phenotype_part(cohort, "efficiency"),
    "outcome": lambda cohort: phenotype_part(cohort, "outcome"),
    "gene sets": gene_sets_part,
    "variants": variants_part,
}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"description": "words"}, set()),
        ({"phenotypes/efficiency/description": "words"}, set()),
        ({"phenotypes/sick": {"type": "binary"}}, set()),
        ({"phenotypes/outcome/missing": "drop"}, {"outcome"}),
        ({"samples/1/phenotypes/efficiency": 7}, {"efficiency"}),
        ({"samples/1/donor": "d"}, {"efficiency", "outcome"}),
        ({"covariates": {"sex": "categorical"}}, {"efficiency", "outcome"}),
        ({"gene_sets": {"K": {"genes": ["A", "B"]}}}, {"gene sets"}),
        ({"variants": {"min_depth": 3}}, {"variants"}),
        ({"samples/1/vcf": "sheet.yaml"}, {"variants"}),
        ({"samples/1/batch": "b"}, {"cells"}),
        ({"cells/keep": {"day": [3, "D11", True]}}, {"cells"}),
        ({"cell_types": ["NPC"]}, {"cells"}),
        ({"samples/6": None}, {"cells", "efficiency", "outcome"}),
    ],
)
def test_parts_of_a_sheet_change_with_what_they_stand_for(tmp_path, changes, parts):
    before = load_cohort(write(tmp_path, SHEET))
    after = load_cohort(write(tmp_path, changed(changes)))
    differing = set()
    for name, part in PARTS.items():
        assert json.loads(json.dumps(part(after))) == part(after)
        if part(before) != part(after):
            differing.add(name)
    assert differing == parts
    with pytest.raises(KeyError, match="unknown"):
        phenotype_part(before, "unknown")
