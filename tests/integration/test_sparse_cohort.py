"""A cohort in which some things cannot be tested: the study ends all the same, and says so."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.files import read_table
from popnet.names import safe_name

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SHEET = {
    "name": "sparse",
    "cells": {"path": "cells.h5ad", "sample": "line", "cell_type": "celltype"},
    "samples": {"table": "lines.csv", "id": "line"},
    "phenotypes": {
        "score": {"type": "continuous", "missing": "drop"},
        "status": {"type": "binary"},
    },
}
SETTINGS = {
    "cohort": "sheet.yaml",
    "bins": {"size": 30},
    "sivae": {"latent": 4, "hidden": [16], "steps": [20, 20, 20]},
    # The network that most is said of.
    "networks": {"estimators": ["shared"]},
    "statistics": {"permutations": 50, "test_unmeasurable": True},
}
COMMON, RARE = "A/x +", "B"
# All but figures of ordinary data and the tables that gather those of several networks.
WANTED = ["findings.tsv", "associations.tsv", "cohort.json"]
WANTED += [
    f"figures/{safe_name(RARE)}/{figure}.png"
    for figure in (
        *("depth", "kernel", "modules", "score/map", "status/map"),
        *("score/connectivity", "status/connectivity"),
    )
]


# Networks without a model, of which this study had none at first.
OTHERS = ["spearman", "cs-core", "clr", "mrnet", "aracne"]


@pytest.fixture(scope="module")
def clone(copy_clone, snakemake):
    """A study of 8 samples, of which 3 have cells of the rare type: no MT genes, no sets."""
    clone = copy_clone("sparse")
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        [
            (f"s{sample}", cell_type)
            for sample in range(8)
            for cell_type, n_cells in ((COMMON, 70), (RARE, 40 if sample < 3 else 5))
            for _ in range(n_cells)
        ],
        columns=["line", "celltype"],
    )
    obs.index = [f"cell{number}" for number in range(len(obs))]
    counts = rng.poisson(np.exp(rng.normal(1, 0.6, (len(obs), 60)))).astype(np.float32)
    genes = pd.DataFrame(index=[f"GENE{number}" for number in range(60)])
    ad.AnnData(sparse.csr_matrix(counts), obs, genes).write_h5ad(clone / "cells.h5ad")
    # Of the rare type no sample has a score, and all have one status.
    (clone / "lines.csv").write_text(
        "line,score,status\n"
        + "".join(
            f"s{sample},{'NA' if sample < 3 else sample % 4},{int(sample < 3 or sample == 5)}\n"
            for sample in range(8)
        )
    )
    (clone / "sheet.yaml").write_text(yaml.safe_dump(SHEET))
    (clone / "sparse.yaml").write_text(yaml.safe_dump(SETTINGS))
    targets = [f"results/sparse/{name}" for name in WANTED]
    status, output = snakemake(clone, *targets, "--cores", "2", "--configfile", "sparse.yaml")
    assert status == 0, output
    return clone


@pytest.fixture(scope="module")
def results(clone):
    return clone / "results" / "sparse"


def test_findings_say_what_was_tested(results):
    findings = read_table(results / "findings.tsv", text=["phenotype"])
    tested = findings.groupby(["cell_type", "phenotype"])["tested"].sum()
    # Cell types together are "all".
    assert set(findings["cell_type"]) == {COMMON, RARE, "all"}
    assert (tested[COMMON] > 0).all()
    # Modules are compared between cell types in the samples that have both.
    assert (tested[RARE].drop("(cell types)") == 0).all()
    assert (findings["significant"] <= findings["tested"]).all()


def test_every_figure_is_drawn(results):
    assert len(list((results / "figures").rglob("*.png"))) == 6 + 2 * 9


def test_networks_without_a_model(clone, results, snakemake):
    """Those of ranks, counts and mutual information go through maps and tests as others do."""
    folder = results / safe_name(COMMON)
    settings = SETTINGS | {"networks": {"estimators": ["shared", *OTHERS]}}
    (clone / "sparse.yaml").write_text(yaml.safe_dump(settings))
    maps = [folder / "map" / network / "kernel.tsv" for network in OTHERS]
    tests = [
        folder / "associations" / "score" / network / f"{analysis}.tsv"
        for network in ("cs-core", "aracne")
        for analysis in ("edges", "graph_centrality")
    ]
    targets = [str(path.relative_to(clone)) for path in [*maps, *tests]]
    status, output = snakemake(clone, *targets, "--cores", "2", "--configfile", "sparse.yaml")
    assert status == 0, output
    for network, path in zip(OTHERS, maps, strict=True):
        assert read_table(path)["similarity"].between(-1, 1.001).all()
        layers = set(ad.read_h5ad(folder / "networks" / network / "bins.h5ad").layers)
        assert ("signed_strength" in layers) == (network in ("spearman", "cs-core"))
    for path in tests:
        table = read_table(path)
        assert len(table)
        # A gene without a value, or with the same one in all samples, has no p.
        assert table["p"].notna().any()
        assert table["p"].dropna().between(0, 1).all()
        if path.stem == "graph_centrality":
            signed = "signed_strength" in set(table["measure"])
            assert signed == (path.parent.name == "cs-core")
