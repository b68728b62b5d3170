"""Scripts draw the network that was measured as the headline."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import pandas as pd

from popnet.files import read_table, write_table
from popnet.findings.shown_samples import names_of_groups, read_traits

NETWORKS = ["shared", "correlation"]


def test_a_figure_shows_the_first_measurable_network(root, tmp_path):
    verdicts = ["not measurable", "measurable"]
    measures = pd.DataFrame({"network": NETWORKS, "measure": "strength", "verdict": verdicts})
    write_table(measures, tmp_path / "measures.tsv")
    paths = []
    for network in NETWORKS:
        for phenotype in ("age", "sex"):
            table = pd.DataFrame({"kind": ["density"], "module1": [1], "name1": [network]})
            paths.append(tmp_path / f"{network}-{phenotype}.tsv")
            write_table(table.assign(name2=network, t=2.0, p=0.1, q=0.2), paths[-1])
    snakemake = SimpleNamespace(
        input=SimpleNamespace(measures=tmp_path / "measures.tsv", tables=paths),
        output=SimpleNamespace(modules=[tmp_path / "modules.png"]),
        params=SimpleNamespace(
            networks=NETWORKS, phenotypes=["age", "sex"], fdr=0.05, caption={"cell_type": "T"}
        ),
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow/scripts/figures/draw_modules.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    shown = read_table(tmp_path / "modules.tsv")
    assert shown["name"].tolist() == ["correlation"] * 2
    assert shown["phenotype"].tolist() == ["age", "sex"]
    assert "network correlation" in (tmp_path / "modules.svg").read_text()


def test_phenotypes_of_all_samples_stand_in_one_table(tmp_path):
    about = {"factors": [], "case": None, "control": None}
    age = about | {"name": "age", "type": "continuous"}
    ill = about | {"name": "ill", "type": "binary", "case": "1", "control": "0"}
    table = pd.DataFrame({"sample": ["007", "b"], "donor": ["1", "1"], "batch": [None, "x"]})
    write_table(table.assign(age=[3, None]), tmp_path / "age.tsv")
    write_table(table.assign(ill=["1", "0"]), tmp_path / "ill.tsv")
    paths = [tmp_path / "age.tsv", tmp_path / "ill.tsv"]
    samples, phenotypes = read_traits(paths, [age, ill])
    assert samples.to_dict("index") == {
        "007": {"donor": "1", "batch": ""},
        "b": {"donor": "1", "batch": "x"},
    }
    assert phenotypes["age"].tolist()[0] == 3
    assert phenotypes["age"].isna().tolist() == [False, True]
    assert phenotypes["ill"].tolist() == [1, 0]
    assert names_of_groups([age, ill]) == {"ill": ("0", "1")}
