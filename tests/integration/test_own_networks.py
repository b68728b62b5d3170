"""Studies of the user's own networks, without cells and beside them, from end to end."""

from __future__ import annotations

import json
from itertools import combinations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from popnet.files import read_table

pytestmark = [pytest.mark.integration, pytest.mark.slow]

GENES = [*(f"GENE{number:02}" for number in range(18)), "MT-CO1", "MT-ND1"]
IDS = [f"s {number}" for number in range(16)]
CASE = np.arange(len(IDS)) % 2
SETTINGS = {"networks": {"closest": 0.1}, "statistics": {"permutations": 200}}


def edges() -> pd.DataFrame:
    """Return networks of two bins of each sample; cases have ten edges that others lack."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(len(GENES),) * 2)
    rows = []
    for id, case in zip(IDS, CASE, strict=True):
        own = base + 0.5 * rng.normal(size=base.shape)
        own[:2, 2:7] += 3 * case
        for number in (1, 2):
            weights = own + 0.2 * rng.normal(size=base.shape)
            for one, two in combinations(range(len(GENES)), 2):
                rows.append((id, number, GENES[one], GENES[two], round(weights[one, two], 6)))
    return pd.DataFrame(rows, columns=["sample", "bin", "gene1", "gene2", "weight"])


def values() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        (id, gene, rng.normal() + 4 * case * (gene == "GENE03"))
        for id, case in zip(IDS, CASE, strict=True)
        for gene in GENES
    ]
    return pd.DataFrame(rows, columns=["sample", "gene", "value"])


def samples() -> list[dict]:
    return [
        {"id": id, "phenotypes": {"ill": int(case)}} for id, case in zip(IDS, CASE, strict=True)
    ]


@pytest.fixture(scope="module")
def study(copy_clone, snakemake):
    """The tables, and the results of the study."""
    clone = copy_clone("own")
    data = clone / "data"
    data.mkdir()
    tables = edges(), values()
    tables[0].to_parquet(data / "scorpion.parquet")
    tables[1].to_csv(data / "regulons.tsv", sep="\t", index=False)
    sheet = {
        "name": "own",
        "samples": samples(),
        "phenotypes": {"ill": {"type": "binary"}},
        "gene_sets": {"wired": {"genes": GENES[:7]}},
        "own_networks": {
            "scorpion": {"path": "../../data/scorpion.parquet"},
            "regulons": {"path": "../../data/regulons.tsv"},
        },
    }
    path = clone / "config" / "cohorts" / "own.yaml"
    path.write_text(yaml.safe_dump(sheet, sort_keys=False))
    (clone / "own.yaml").write_text(yaml.safe_dump(SETTINGS))
    run = ["--configfile", "own.yaml", "--config", "cohort=config/cohorts/own.yaml"]
    status, output = snakemake(clone, "--cores", "2", *run)
    assert status == 0, output
    status, output = snakemake(clone, "--report", "report.zip", *run)
    assert status == 0, output
    status, output = snakemake(clone, "-n", *run)
    assert "Nothing to be done" in output
    status, output = snakemake(clone, "-n", "comparisons", *run)
    assert status
    assert "names no cells" in output
    return tables, clone / "results" / "own"


def test_tested_weights_are_those_of_the_table(study):
    (table, _), results = study
    pairs = ad.read_h5ad(results / "all/networks/scorpion/pairs.h5ad")
    means = table.pivot_table(index="sample", columns=["gene1", "gene2"], values="weight")
    columns = pd.MultiIndex.from_frame(pairs.var[["gene1", "gene2"]].astype(str))
    np.testing.assert_allclose(pairs.X, means.loc[pairs.obs_names, columns], rtol=1e-4, atol=1e-6)
    tests = read_table(results / "all/associations/ill/edges.tsv")
    tests = tests[tests["gene_set"] == "all"].set_index(["gene1", "gene2"])
    assert len(tests) == means.shape[1]
    case = CASE[means.index.map(IDS.index)] == 1
    difference = means[case].mean() - means[~case].mean()
    np.testing.assert_allclose(tests["estimate"], difference[tests.index], rtol=1e-3, atol=1e-4)
    hits = {frozenset(pair) for pair in tests.index[tests["q"] <= 0.05]}
    planted = {frozenset((one, two)) for one in GENES[:2] for two in GENES[2:7]}
    assert planted <= hits
    assert len(hits - planted) <= 2
    assert tests["agrees"].isna().all()


def test_tested_values_are_those_of_the_table(study):
    (_, table), results = study
    found = read_table(results / "all/networks/regulons/centrality.tsv").set_index("gene")
    given = table.pivot(index="gene", columns="sample", values="value")
    np.testing.assert_allclose(found[IDS], given.loc[found.index, IDS], rtol=1e-4)
    tests = read_table(results / "all/associations/ill/centrality.tsv").set_index("network")
    assert list(dict.fromkeys(tests.index)) == ["scorpion", "regulons"]
    top = tests.loc["regulons"].iloc[0]
    assert (top["gene"], top["explained_by"]) == ("GENE03", "expression unknown")
    assert not (results / "all/networks/regulons/edges.parquet").exists()
    assert set(read_table(results / "all/map/regulons/tests.tsv")["kernel"]) == {"centrality"}


def test_findings_and_report(study):
    _, results = study
    findings = read_table(results / "findings.tsv").set_index(["network", "analysis"])
    assert findings.loc[("scorpion", "Edges: by the network alone"), "significant"] >= 10
    assert findings.loc[("scorpion", "Map of networks: whole"), "significant"] > 0
    assert ("scorpion", "Edges: model and correlation agree") not in findings.index
    assert findings.loc[("regulons", "Degree centrality: genes"), "significant"] == 1
    assert ("regulons", "Edges: by the network alone") not in findings.index
    page = (results / "report.html").read_text()
    assert "The study has no cells" in page
    assert "Two bins of one sample share" in page
    reliability = read_table(results / "all/networks/scorpion/reliability.tsv")
    assert reliability["icc"].notna().all()
    design = read_table(results / "all/associations/ill/scorpion/design.tsv", text=["value"])
    assert design.set_index("item").loc["adjusted for", "value"] == "nothing"
    record = json.loads((results / "cohort.json").read_text())
    assert record["samples_kept"] == {"all": sorted(IDS)}
    figures = {path.stem for path in (results / "figures").rglob("*.png")}
    assert {"reliability", "hubs", "kernel", "map", "centrality", "circos"} <= figures
    assert not {"depth", "cells", "losses"} & figures


@pytest.fixture(scope="module")
def beside_cells(copy_clone, snakemake):
    """The results of a study of plain correlation and of a table."""
    clone = copy_clone("beside")
    rng = np.random.default_rng(2)
    obs = pd.DataFrame({"line": np.repeat(IDS, 25), "type": "T"})
    obs.index = [f"cell{number}" for number in range(len(obs))]
    rate = np.exp(rng.normal(1, 0.5, (1, len(GENES))) + rng.normal(0, 0.5, (len(obs), 1)))
    # The sick express one gene far less.
    rate[:, 5] *= np.where(np.repeat(CASE, 25), 0.3, 1)
    counts = rng.poisson(rate).astype(np.float32)
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))
    (clone / "data").mkdir()
    cells.write_h5ad(clone / "data" / "cells.h5ad")
    table = edges()
    table["gene2"] = table["gene2"].replace(GENES[-1], "no gene of the cells")
    table.to_parquet(clone / "data" / "scorpion.parquet")
    sheet = {
        "name": "beside",
        "cells": {"path": "../../data/cells.h5ad", "sample": "line", "cell_type": "type"},
        "samples": samples(),
        "phenotypes": {"ill": {"type": "binary"}},
        "own_networks": {"scorpion": {"path": "../../data/scorpion.parquet"}},
    }
    path = clone / "config" / "cohorts" / "beside.yaml"
    path.write_text(yaml.safe_dump(sheet, sort_keys=False))
    changed = {"bins": {"size": 12}, "networks": {"estimators": ["correlation"], "closest": 0.1}}
    (clone / "beside.yaml").write_text(yaml.safe_dump(SETTINGS | changed))
    run = ["--configfile", "beside.yaml", "--config", "cohort=config/cohorts/beside.yaml"]
    status, output = snakemake(clone, "--cores", "2", *run)
    assert status == 0, output
    return clone / "results" / "beside"


def test_own_networks_beside_cells(beside_cells):
    tests = read_table(beside_cells / "T/associations/ill/centrality.tsv").set_index("network")
    assert list(dict.fromkeys(tests.index)) == ["correlation", "scorpion"]
    own = tests.loc["scorpion"].set_index("gene")
    assert np.isnan(own.loc["no gene of the cells", "mean_p"])
    assert own.drop("no gene of the cells")["mean_p"].notna().all()
    design = read_table(
        beside_cells / "T/associations/ill/scorpion/design.tsv", text=["value"]
    ).set_index("item")["value"]
    assert "depth" in design["adjusted for"]
    edges = read_table(beside_cells / "T/associations/ill/edges.tsv").groupby("network")
    assert edges["agrees"].count()["correlation"] > 0
    assert edges["agrees"].count()["scorpion"] == 0


def test_expression_is_the_positive_control(beside_cells):
    findings = read_table(beside_cells / "findings.tsv")
    control = findings[findings["network"].isna()].set_index("analysis")
    for what in ("Expression", "Detection"):
        assert control.loc[f"{what} (positive control)", "tested"] == len(GENES)
    assert GENES[5] in control.loc["Expression (positive control)", "strongest"]
    tests = read_table(beside_cells / "T/associations/ill/expression.tsv")
    assert list(tests["measure"].unique()) == ["expression", "detection"]
