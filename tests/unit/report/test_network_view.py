"""The network view of the page: its data, and that a browser runs no name of the data."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from popnet.files import resource
from popnet.findings.shown_groups import Groups
from popnet.report import network_view as section
from popnet.report import study_page as page
from popnet.report.results import Results
from popnet.report.view_data import gene_view, layout, network_view, programme_view

HOSTILE = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "-->", "{{7*7}}"]
GENES = [*HOSTILE, "A", "B"]


@pytest.fixture
def view() -> dict:
    groups = Groups(np.arange(6) < 2, np.arange(6) > 2, (HOSTILE[0], "upper third"), "donor")
    values = {"control": [0.5, 2.0], "case": [0.25, np.nan], "change": [-1.0, np.nan]}
    values |= {"q": [0.01, np.nan], "explained_by": ["composition", ""]}
    programmes = pd.DataFrame({"programme": [2, 5], "name": HOSTILE[:2], "gene_set": ["", "x"]})
    programmes["genes"] = [[(gene, 1.23456) for gene in GENES], [("A", 0.5)]]
    coupling = {"programme1": [2], "programme2": [5], "control": [0.4], "case": [-0.8]}
    couplings = pd.DataFrame(coupling | {"change": -1.2, "q": 0.5, "explained_by": ""})
    edges = pd.DataFrame({"gene1": GENES[:-1], "gene2": GENES[1:], "control": 0.9, "case": 0.1})
    edges = edges.assign(change=-0.8, q=0.001, negative=False, called=True)
    centrality = pd.DataFrame({"gene": GENES[1:], "statistic": 0.123456, "q": 0.04})
    modules = pd.DataFrame({"module": 1, "name": HOSTILE[3], "gene": GENES[:3]})
    sets = {HOSTILE[1]: GENES[:2], "all": GENES, "elsewhere": ["Z", "Y"]}
    about = centrality, modules, sets, groups, 0.05
    return network_view(
        HOSTILE[2],
        HOSTILE[0],
        programme_view(programmes.assign(**values), couplings, groups, 0.05),
        gene_view("shared", edges, 17, *about),
    )


def test_data_of_the_view(view):
    view = json.loads(json.dumps(view, allow_nan=False))
    programmes, genes = view["programmes"], view["genes"]
    assert programmes["groups"] == {"unit": "donor", "of": [[HOSTILE[0], 2], ["upper third", 3]]}
    assert [node["label"] for node in programmes["nodes"]] == ["P2", "P5"]
    assert [node["hit"] for node in programmes["nodes"]] == [True, False]
    assert programmes["nodes"][0]["explained"] == "composition"
    assert programmes["nodes"][0]["genes"][0] == [HOSTILE[0], 1.23]
    assert programmes["links"][0]["ends"] == [0, 1]
    assert [node["name"] for node in genes["nodes"]] == GENES
    assert genes["nodes"][0]["change"] is None
    assert genes["nodes"][1]["change"] == 0.123
    assert [link["ends"] for link in genes["links"]] == [[at, at + 1] for at in range(5)]
    assert genes["n_links"] == 17
    assert [one["name"] for one in genes["sets"]] == ["all", HOSTILE[1]]
    assert genes["modules"] == [{"name": f"1: {HOSTILE[3]}", "nodes": [0, 1, 2]}]


def test_views_of_few_donors_are_left_out_where_these_are_hidden(view, write_study):
    for donors in ("show", "hide"):
        results = write_study(donors=donors)
        path = "t/associations/p/network_view.json"
        (results.folder / path).write_text(json.dumps(view))
        results = Results(results.folder, results.files | {path}, results.study)
        assert (section.section(results) is None) == (donors == "hide")


def test_linked_genes_are_near_each_other():
    """Two groups of five, each of which is linked throughout."""
    ends = np.array([(one, other) for one in range(5) for other in range(one)])
    places = np.array(layout(np.concatenate([ends, ends + 5]), 10), float)
    assert np.ptp(places, axis=0).max() <= 1000
    gap = np.linalg.norm(places[:, None] - places[None], axis=2)
    within = np.concatenate([gap[:5, :5].ravel(), gap[5:, 5:].ravel()])
    assert within.mean() < 0.7 * gap[:5, 5:].mean()
    assert layout(np.zeros((0, 2), int), 0) == []


def test_the_drawing_library_is_the_one_of_the_makefile(root):
    version = re.search(r"^CYTOSCAPE := (.+)$", (root / "Makefile").read_text(), re.MULTILINE)[1]
    text = resource("cytoscape.min.js").read_text("utf-8")
    assert f'"{version}"' in text
    assert "</script" not in text.lower()
    assert "Cytoscape Consortium" in resource("cytoscape.LICENSE").read_text("utf-8")


def test_names_are_text_in_the_browser(view, tmp_path, monkeypatch, visit, looked_at):
    file = "t/associations/p/network_view.json"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(json.dumps(view))
    study = {"cohort": HOSTILE[0], "description": "", "fdr": 0.05, "networks": ["shared"]}
    study |= {"cell_types": {"t": "T"}, "phenotypes": {"p": {"name": "p"}}, "donors": "show"}
    monkeypatch.setattr(page, "SECTIONS", (section.section,))
    results = Results(tmp_path, frozenset([file]), study)
    (tmp_path / "report.html").write_text(page.study_page(results), "utf-8")

    shown, faults = visit(tmp_path / "report.html")
    shown.locator("#networks").scroll_into_view_if_needed()
    shown.locator("#networks canvas").first.wait_for()
    shown.locator("#networks details > summary").first.click()
    shown.select_option("#networks select[name=node]", "0")
    chosen = shown.locator("#networks .network-chosen")
    assert HOSTILE[0] in chosen.inner_text()
    shown.select_option("#networks select[name=level]", "genes")
    shown.select_option("#networks select[name=set]", label=f"{HOSTILE[1]} (2)")
    shown.select_option("#networks select[name=node]", label=HOSTILE[1])
    assert "2 neighbours" in chosen.inner_text()
    # The edges of both genes of the set: one between them, one to another.
    assert "2 edges shown" in shown.locator("#networks figcaption").first.inner_text()
    assert shown.locator("#networks img").count() == 0
    assert faults == []
    assert looked_at(shown) == []
