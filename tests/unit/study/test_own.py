"""Own networks of a sheet: names, and the headers of their tables."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest
import yaml

from popnet.errors import InputError
from popnet.study.cohort import load_cohort

EDGES = "sample\tgene1\tgene2\tweight\n"
VALUES = "sample\tgene\tvalue\n"
SHEET = {
    "name": "own",
    "samples": [{"id": id, "phenotypes": {"age": age}} for age, id in enumerate("abc")],
    "phenotypes": {"age": {"type": "continuous"}},
}


@pytest.fixture
def write(tmp_path):
    """A function that writes a sheet of own networks and their tables, given as text."""

    def sheet(tables, directed=(), **keys):
        entries = {}
        for name, text in tables.items():
            path = f"{len(entries)}.tsv"
            entries[name] = {"path": path, **({"directed": True} if name in directed else {})}
            (tmp_path / entries[name]["path"]).write_text(text, encoding="utf-8")
        path = tmp_path / "sheet.yaml"
        path.write_text(yaml.safe_dump({**SHEET, "own_networks": entries, **keys}, sort_keys=False))
        return path

    return sheet


def fault(path) -> str:
    with pytest.raises(InputError) as error:
        load_cohort(path)
    return str(error.value)


def test_a_study_without_cells(write):
    cohort = load_cohort(write({"z": EDGES, "a": VALUES}, directed=["z"]))
    assert not cohort.has_cells
    assert [(one.name, one.form, one.directed) for one in cohort.own_networks] == [
        ("z", "edges", True),
        ("a", "values", False),
    ]
    assert [sample.path for sample in cohort.samples] == [None] * 3
    assert all(one.path in cohort.files for one in cohort.own_networks)


def test_forms_of_tables(write, tmp_path):
    path = write({"text": "\ufeff" + EDGES, "commas": VALUES.replace("\t", ",")})
    assert [one.form for one in load_cohort(path).own_networks] == ["edges", "values"]
    (tmp_path / "0.tsv").write_bytes(gzip.compress(b"bin\t" + EDGES.encode()))
    table = pd.DataFrame({"sample": ["a"], "gene": ["A"], "value": [1.0], "other": 1})
    table.to_parquet(tmp_path / "1.tsv")
    first, second = load_cohort(path).own_networks
    assert first.columns == ("bin", "sample", "gene1", "gene2", "weight")
    assert second.columns == ("sample", "gene", "value", "other")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"mine": "sample\tgene1\tgene2\tweigth\n"}, "lacks weight; it has 'sample', 'gene1'"),
        ({"mine": "sample\tgene1\tgene2\tweigth\n"}, "did you mean 'weigth'?"),
        ({"mine": "id\tgene\tvalue\n"}, "lacks sample"),
        ({"mine": "sample\tgene\tvalue\tgene1\tgene2\tweight\n"}, "and those of values of genes"),
        ({"mine": "sample\tgene\tvalue\tvalue\n"}, "Two columns have this name"),
        ({"mine": ""}, "lacks sample, gene, value"),
        ({"Shared": EDGES}, "An estimator of the workflow, or"),
        ({"expression": EDGES}, "its tests of expression, has this name"),
        ({"cs-core": EDGES}, "own-cs-core"),
        ({"a b": EDGES}, "cannot be that of a folder"),
        ({"a.*": EDGES}, "cannot be that of a folder"),
        ({"mine": EDGES, "MINE": EDGES}, "where file names ignore upper and lower case"),
    ],
)
def test_refused(write, tables, message):
    assert message in fault(write(tables))


def test_a_table_that_is_not_there(write, tmp_path):
    path = write({"mine": EDGES})
    (tmp_path / "0.tsv").rename(tmp_path / "1.tsv")
    text = fault(path)
    assert "own_networks.mine.path" in text
    assert "did you mean '1.tsv'?" in text


def test_values_have_no_direction(write):
    assert "have no direction" in fault(write({"mine": VALUES}, directed=["mine"]))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"own_networks": {}}, "neither cells nor own networks"),
        ({"samples": {"cells": "all"}}, "no cells that could say which samples there are"),
        ({"simulation": {"seed": 1}}, "Cells are simulated"),
        ({"cells": {"path": 3}}, "cells.path"),
    ],
)
def test_what_a_sheet_without_cells_cannot_have(write, keys, message):
    text = fault(write({"mine": EDGES}, **keys))
    assert message in text
    assert ("own_networks" in text) == ("own networks" in message)


def test_neither_cells_nor_networks(tmp_path):
    path = tmp_path / "sheet.yaml"
    path.write_text(yaml.safe_dump(SHEET))
    assert "cells\n    The key is missing" in fault(path)


def test_cell_types_may_be_named(write):
    assert load_cohort(write({"mine": EDGES})).cell_types is None
    assert load_cohort(write({"mine": EDGES}, cell_types=["T"])).cell_types == ("T",)
