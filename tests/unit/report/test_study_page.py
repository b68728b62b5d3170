"""The page of a study: one file, whose names from the data are never markup or code."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from popnet.files import write_table
from popnet.report.embedding import as_json, packed
from popnet.report.neighbourhoods import groups_of
from popnet.report.pictures import shown_figures
from popnet.report.results import Figure, Results
from popnet.report.study_page import study_page
from popnet.report.tables import section, shown_table

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&{{7*7}}"


class Elements(HTMLParser):
    """The elements of a page, and the text of those that hold data."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.data: dict[str, str] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = dict(attrs).get("id", "") if tag == "script" else ""

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open:
            self.data[self.open] = self.data.get(self.open, "") + data


def unpacked(array, row=0):
    codes = np.frombuffer(b64decode(array["data"]), f"<u{array['bits'] // 8}")
    codes = codes.reshape(-1, array["shape"][-1])[row]
    low, high = array["low"][row], array["high"][row]
    values = low + (codes - 1) / (2 ** array["bits"] - 2) * (high - low)
    return np.where(codes == 0, np.nan, values)


@pytest.mark.parametrize(("bits", "error"), [(8, 1 / 254), (16, 1 / 65534)])
def test_packed_arrays_keep_their_values(bits, error):
    values = np.random.default_rng(0).normal(size=(3, 50)) * [[1], [100], [0.001]]
    values[0, 3] = np.nan
    for row, expected in enumerate(values):
        found = unpacked(packed(values, bits), row)
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        assert np.nanmax(np.abs(found - expected)) <= 0.51 * error * np.ptp(expected[4:]) * 1.5
    assert np.isnan(unpacked(packed(np.full(4, np.nan)))).all()
    assert (unpacked(packed(np.full(4, 2.5))) == 2.5).all()


def test_json_ends_no_element_and_knows_no_infinity():
    text = as_json({"a<b": [HOSTILE, np.nan, np.inf, np.float32(0.5), np.int64(3), True]})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a<b": [HOSTILE, None, None, 0.5, 3, True]}


def test_hostile_names_are_text(write_study, tmp_path):
    names = {"phenotype": HOSTILE, "cell_type": HOSTILE, "set_name": HOSTILE}
    samples = [HOSTILE, *(f"S{number}" for number in range(7))]
    genes = [HOSTILE, "G2", "G3", "G4", "G5"]
    (tmp_path / "a").mkdir()
    hostile = study_page(write_study(genes, samples, **names))
    plain = study_page(write_study(folder=tmp_path / "a"))
    found = Elements(hostile)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in Elements(plain).tags]
    data = json.loads(found.data["data-cards"])
    assert data["cell_types"][0]["genes"] == genes
    assert data["cell_types"][0]["samples"] == samples
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")], tag


def test_the_page_asks_no_server_and_runs_its_own_scripts_alone(write_study):
    text = study_page(write_study())
    found = Elements(text)
    for _, attributes in found.tags:
        for name in ("src", "href"):
            assert not re.match(r"(?i)(https?:)?//", attributes.get(name) or "")
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    scripts = [a for t, a in found.tags if t == "script" and a.get("type") != "application/json"]
    assert policy.count("'sha256-") == len(scripts)


def test_verdicts_have_numbers(write_study):
    text = study_page(write_study())
    assert "1 of 5 genes change" in text
    assert "a correlation below 0.61 would probably have been missed" in text
    assert "age in T: few observations." in text
    table = json.loads(Elements(text).data["data-findings"])[0]
    links = {column["name"]: column.get("links") for column in table["columns"]}
    assert links["file"] == ["t/associations/p/centrality.tsv"]
    assert links["figure"] == [""]


def test_hidden_donors_are_nowhere_on_the_page(write_study):
    samples = [f"secret-{number}" for number in range(30)]
    assert "secret-3" in study_page(write_study(samples=samples))
    text = study_page(write_study(samples=samples, donors="hide"))
    assert "secret-" not in text
    data = json.loads(Elements(text).data["data-cards"])["cell_types"][0]
    assert data["values"] is None
    assert data["summaries"]["p"]["groups"] == ["lower third", "upper third"]
    # Quantiles of three samples are their values.
    text = study_page(write_study(samples=samples[:8], donors="hide"))
    few = json.loads(Elements(text).data["data-cards"])["cell_types"][0]
    assert few["summaries"] == {}
    # So are shares of so few samples that have an edge.
    assert data["ego"]["p"]
    assert few["ego"] == {"p": None}


@pytest.mark.parametrize("donors", ["show", "hide"])
def test_means_of_groups_are_hidden_with_donors(write_study, donors):
    """The mean of a group of one is a value of that one."""
    results = write_study(donors=donors)
    path = results.folder / "t/associations/p/centrality.tsv"
    tests = pd.read_csv(path, sep="\t")
    write_table(tests.assign(mean_case=0.1234, mean_control=0.5), path)
    shown = {
        column["name"]
        for table in section(results).data
        if table["file"].endswith("centrality.tsv")
        for column in table["columns"]
    }
    assert ("mean_case" in shown, "mean_control" in shown) == ((donors == "show"),) * 2


def test_a_figure_that_shows_nothing_is_left_out(write_study):
    results = write_study()
    figures = [
        Figure(name, name.title(), "t", "p", f"figures/{name}.png", "What it shows.")
        for name in ("circos", "sets")
    ]
    (results.folder / "figures").mkdir()
    for one, rows in zip(figures, ([], [1.0]), strict=True):
        (results.folder / one.path).write_bytes(b"")
        write_table(pd.DataFrame({"x": rows}), (results.folder / one.path).with_suffix(".tsv"))
    assert shown_figures(replace(results, figures=tuple(figures))) == figures[1:]


def test_numbers_of_tables_are_exact_where_they_count():
    counts = pd.DataFrame({"n_edges": [14766, 3], "share": [0.123456, 2345.6]})
    columns = shown_table(counts, "x.tsv", "X")["columns"]
    assert [one["values"] for one in columns] == [[14766, 3], [0.123, 2350.0]]


def test_an_overall_test_of_levels_has_a_verdict_and_its_table(write_study):
    results = write_study()
    rows = pd.read_csv(results.folder / "findings.tsv", sep="\t")
    overall = rows.assign(phenotype="tissue", analysis="Degree centrality: genes, any level")
    write_table(pd.concat([rows, overall]), results.folder / "findings.tsv")
    path = "t/associations/tissue/levels.tsv"
    (results.folder / path).parent.mkdir(parents=True)
    levels = {"network": ["shared"], "analysis": "centrality", "name1": "G1", "f": 9.0}
    write_table(pd.DataFrame(levels | {"p": 1e-4, "q": 1e-3}), results.folder / path)
    study = {**results.study, "levels": {"tissue": "tissue"}}
    text = study_page(Results(results.folder, results.files | {path}, study))
    assert "tissue: any level in T" in text
    data = Elements(text).data
    assert [one for one in json.loads(data["data-tables"]) if one["phenotype"] == "tissue"]
    links = {
        one["name"]: one.get("links") for one in json.loads(data["data-findings"])[0]["columns"]
    }
    assert links["file"] == ["t/associations/p/centrality.tsv", path]


@pytest.mark.parametrize(
    ("values", "binary", "groups"),
    [
        ([0, 0, 0, 0, 5], False, ["lower half"] * 4 + ["upper half"]),
        ([1, 2, 3, np.nan], False, ["lower third", None, "upper third", None]),
        ([0, 1, np.nan], True, ["controls", "cases", None]),
        ([np.nan, np.nan], False, [None, None]),
        ([np.nan, np.nan], True, [None, None]),
    ],
)
def test_groups_of_a_phenotype(values, binary, groups):
    found = groups_of(pd.Series(values, dtype=float), binary)
    assert [None if pd.isna(one) else one for one in found] == groups
