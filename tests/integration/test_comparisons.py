"""`snakemake comparisons` on a tiny cohort with hostile names, from its sheet to its report."""

from __future__ import annotations

import zipfile

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS
from popnet.files import read_table
from popnet.names import safe_name

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SAMPLES = ["$(touch x)", "a {b} 'c'", "../up", "007"]
TYPES = ["T; $(touch x) {y}", 'B/"<i>']
PHENOTYPE = "score; {x} $(touch x)"
PER_TYPE = 65
# Two bins of 30 cells of every sample and type.
N_CELLS = 4 * 2 * 60
GENES = [*(f"GENE{number}" for number in range(46)), "A<&\">'", "$(touch x) {g}", "MT-ND1", "NA"]
COMPARED = {
    "cells": 300,
    "genes": 40,
    "embeddings": ["pca", "sivae-batch", "scetm"],
    "networks": ["correlation", "sivae-clr"],
    "sample_networks": ["correlation"],
    "folds": 2,
    "latents": [2],
    "gammas": [0, 100],
    "epochs": 2,
    "images": None,
    "timing": {"cells": 100, "latents": [2, 4], "genes": [30, 60]},
}
SETTINGS = {
    "bins": {"size": 30},
    "sivae": {"latent": 4, "hidden": [16], "steps": [30, 30, 30], "precision": "float32"},
    "training": {"bins_per_job": 20, "device": "cpu"},
    "networks": {"estimators": ["sivae"], "closest": 0.05, "central_genes": "all"},
    "statistics": {"permutations": 50, "test_unmeasurable": True},
    "comparisons": COMPARED,
}
RUN = ["--config", "cohort=sheet.yaml"]
FIGURES = {
    *("embeddings", "embedding_types", "embedding_maps", "gammas", "batches", "other_data"),
    *("interpretations", "interpretation_times", "gene_communities", "marker_genes"),
    *("hub_centrality", "hub_accuracy", "neighbour_prediction", "neighbour_overlap"),
    "neighbour_correlation",
}


def write_study(folder) -> None:
    """Write cells whose types differ in some genes, and a sheet."""
    rng = np.random.default_rng(0)
    rows = [(sample, kind) for sample in SAMPLES for kind in TYPES for _ in range(PER_TYPE)]
    obs = pd.DataFrame(rows, columns=["line", "kind"])
    obs.index = [f"cell{number}" for number in range(len(obs))]
    obs["pool"] = np.where(obs["line"].isin(SAMPLES[:2]), "p;1 $(touch x)", "1e5")
    rate = rng.normal(0.5, 0.6, len(GENES)) + rng.normal(0, 0.4, (len(obs), 1))
    rate[:, :8] += np.where(obs["kind"] == TYPES[0], 1.5, 0)[:, None]
    counts = sparse.csr_matrix(rng.poisson(np.exp(rate)).astype(np.float32))
    ad.AnnData(counts, obs, pd.DataFrame(index=GENES)).write_h5ad(folder / "cells.h5ad")
    sheet = {
        "name": "compared",
        "config": "settings.yaml",
        "cells": {"path": "cells.h5ad", "sample": "line", "cell_type": "kind", "batch": "pool"},
        "samples": [{"id": id, "phenotypes": {PHENOTYPE: n}} for n, id in enumerate(SAMPLES)],
        "phenotypes": {PHENOTYPE: {"type": "continuous"}},
    }
    (folder / "sheet.yaml").write_text(yaml.safe_dump(sheet))
    (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))


@pytest.fixture(scope="module")
def clone(copy_clone, snakemake):
    """A clone in which the comparisons have run, without the rest of the study."""
    clone = copy_clone("compared")
    write_study(clone)
    # How long a model of simulated chromatin trains, no config says.
    module = clone / "src" / "popnet" / "comparisons" / "other_data.py"
    text = module.read_text()
    module.write_text(text.replace("MAP_STEPS = (2000, 2000, 2000)", "MAP_STEPS = (20, 20, 20)"))
    assert module.read_text() != text
    before = {path.name for path in clone.iterdir()}
    status, output = snakemake(clone, "comparisons", "--cores", "2", *RUN)
    assert status == 0, output
    assert {path.name for path in clone.iterdir()} - before == {".snakemake", "results", "logs"}
    assert not list(clone.rglob("x"))
    return clone


@pytest.fixture(scope="module")
def results(clone):
    return clone / "results" / "compared"


def test_every_method_has_a_row(results):
    methods = read_table(results / "comparisons" / "methods.tsv")
    for begin, known in (
        ("embeddings", EMBEDDINGS),
        ("interpretations", INTERPRETATIONS),
        ("networks", NETWORKS),
    ):
        rows = methods[methods["comparison"].str.startswith(begin)]
        assert set(rows["method"]) == set(known)
    assert not methods.duplicated(["comparison", "method"]).any()
    left_out = methods.loc[methods["status"] == "not asked for", "method"]
    assert {"scvi", "vae", "grnboost2"} <= set(left_out)
    # What fails says why, and fails alone.
    failed = methods[methods["status"].str.contains("failed")]
    assert set(failed["method"]) == {"gene-relevance-1000"}
    assert failed["status"].str.contains("1000 neighbours cannot be had of 300 cells").all()
    done = methods[methods["status"] == "done"]
    assert set(COMPARED["embeddings"]) <= set(done["method"])
    assert (done["seconds"] >= 0).all()
    assert "gene-relevance-1000: failed" in (results / "comparisons.html").read_text("utf-8")


def test_cells_are_compared_by_their_types(results):
    cells = ad.read_h5ad(results / "comparisons" / "cells.h5ad")
    assert cells.shape == (COMPARED["cells"], COMPARED["genes"])
    assert set(cells.obs["cell_type"]) == set(TYPES)
    accuracy = read_table(results / "comparisons" / "embeddings.tsv")
    assert set(accuracy["method"]) == set(COMPARED["embeddings"])
    assert set(accuracy["k"]) == {15, 80}
    assert set(accuracy["fold"]) == {1, 2}
    of_pca = accuracy[(accuracy["method"] == "pca") & (accuracy["k"] == 15)]
    assert (of_pca["balanced_accuracy"] > 0.9).all()
    by_type = read_table(results / "comparisons" / "embeddings_by_type.tsv")
    assert set(by_type["type"]) == set(TYPES)


def test_samples_and_hits(results):
    for kind in TYPES:
        folder = results / safe_name(kind) / "comparisons"
        agreement = read_table(folder / "agreement.tsv")
        assert set(agreement["sample"]) == set(SAMPLES)
        assert set(agreement["method"]) == {"sivae", *COMPARED["sample_networks"]}
        others = agreement[agreement["method"] != "sivae"]
        assert others[["rho", "jaccard", "repeat_rho"]].notna().all(axis=None)
        hits = read_table(folder / safe_name(PHENOTYPE) / "hits.tsv", text=["seen_by"])
        assert {"gene", "q", "correlation_q", "seen_by"} <= set(hits.columns)


def test_every_column_is_explained(results, compare_columns):
    unexplained, absent = compare_columns(results)
    assert unexplained == {}
    # Nothing here gathers the tests of several networks.
    assert absent == {"associations/centrality.tsv": {"network", "measure_icc", "verdict"}}


def test_figures_and_report(clone, results, snakemake):
    folder = results / "figures" / "comparisons"
    assert {path.stem for path in folder.glob("*.png")} == FIGURES
    for kind in TYPES:
        assert (folder / safe_name(kind) / "agreement.png").exists()
        assert (folder / safe_name(kind) / safe_name(PHENOTYPE) / "compared_hits.png").exists()
    page = (results / "comparisons.html").read_text("utf-8")
    assert "<i>" not in page
    assert "B/&#34;&lt;i&gt;" in page
    target = "results/compared/comparison.zip"
    status, output = snakemake(clone, "comparisons", "--report", target, *RUN)
    assert status == 0, output
    with zipfile.ZipFile(clone / target) as report:
        assert any("comparisons" in name for name in report.namelist())


def test_nothing_is_left_to_be_done(clone, snakemake):
    status, output = snakemake(clone, "comparisons", "-n", *RUN)
    assert status == 0, output
    assert "Nothing to be done" in output
