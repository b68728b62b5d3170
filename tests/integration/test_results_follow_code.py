"""A small study of every network, and what runs again when its code, sheet, cells or folder change.

It runs once; what would follow from a change is planned on copies of it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.files import read_table

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SAMPLES = [f"s {number}" for number in range(8)]
GENES = [f"GENE{number}" for number in range(40)]
SETTINGS = {
    "bins": {"size": 30},
    "genes": {"cohort": 30, "sample": 2},
    "sivae": {"latent": 3, "hidden": [8], "steps": [10, 10, 10], "minibatch": 16},
    "training": {"bins_per_job": 10},
    "networks": {"closest": 0.05, "central_genes": "all"},
    "statistics": {"permutations": 50, "test_unmeasurable": True},
}
SHEET = {
    "name": "followed",
    "config": "settings.yaml",
    "cells": {"path": "cells.h5ad", "sample": "line"},
    "samples": {"table": "lines.csv", "id": "line"},
    "phenotypes": {"score": {"type": "continuous"}},
    "gene_sets": {"first": {"genes": GENES[:10]}},
}
NETWORKS = ["shared", "sivae", "correlation"]
RUN = ["--cores", "2", "--config", "cohort=sheet.yaml"]
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


def write_cells(path: Path, samples: list[str], seed: int = 0) -> ad.AnnData:
    obs = pd.DataFrame({"line": np.repeat(samples, 65)})
    obs.index = [f"{line} {number}" for number, line in enumerate(obs["line"])]
    rate = np.exp(np.random.default_rng(0).normal(1, 0.6, 40))
    counts = np.random.default_rng(seed).poisson(rate, (len(obs), 40)).astype(np.float32)
    cells = ad.AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=GENES))
    cells.write_h5ad(path)
    return cells


@pytest.fixture(scope="module")
def finished(copy_clone, snakemake):
    """A clone in which a small study has run."""
    clone = copy_clone("followed")
    write_cells(clone / "cells.h5ad", SAMPLES)
    scores = {"score": range(8), "age": [3, 1, 4, 1, 5, 9, 2, 6]}
    pd.DataFrame({"line": SAMPLES} | scores).to_csv(clone / "lines.csv", index=False)
    (clone / "sheet.yaml").write_text(yaml.safe_dump(SHEET))
    (clone / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    status, output = snakemake(clone, *RUN)
    assert status == 0, output
    return clone


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it in another folder, with the times of the files as they were."""
    return shutil.copytree(finished, tmp_path / "moved", symlinks=True)


@pytest.fixture
def planned(copied, snakemake):
    """A function that returns how many jobs of each rule would run again."""

    def plan() -> dict[str, int]:
        status, output = snakemake(copied, *RUN, "--dry-run")
        assert status == 0, output
        jobs = {name: int(number) for name, number in JOBS.findall(output)}
        return {name: jobs[name] for name in jobs.keys() - {"total", "default"}}

    return plan


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new, 1))


def test_every_network_is_tested(finished):
    """Those of preset robust, with models of bins that start from the cohort's."""
    results = finished / "results" / "followed"
    folder = results / "all" / "associations" / "score"
    for name in ("centrality", "graph_centrality", "gene_sets", "edges", "connectivity"):
        assert list(read_table(folder / f"{name}.tsv")["network"].unique()) == NETWORKS
    # So little training finds none that comes back.
    assert set(read_table(folder / "programmes.tsv")["network"]) <= {"shared"}
    findings = read_table(results / "findings.tsv")
    # Expression and detection are of no network.
    assert set(findings["network"].dropna()) == set(NETWORKS)
    for network in NETWORKS:
        bins = ad.read_h5ad(results / "all" / "networks" / network / "bins.h5ad")
        assert len(bins) == 2 * len(SAMPLES)
        assert (results / "all" / "networks" / network / "cohort.h5ad").exists()
    trained = pd.concat([read_table(path) for path in (results / "all/training").glob("*.tsv")])
    assert len(trained) == 2 * len(SAMPLES)
    assert (trained["status"] == "trained").all()
    # Only the last stage is trained, as the others are those of the cohort's model.
    losses = pd.read_parquet(results / "all" / "training" / "losses.parquet")
    assert set(losses["stage"]) == {"joint"}


def test_words_and_ages_of_a_copied_clone_run_nothing(copied, planned):
    for path in [*(copied / "workflow").rglob("*.py"), *(copied / "src").rglob("*.py")]:
        path.touch()
    for name in ("cells/sources.py", "sivae/model.py", "stats/permutation.py"):
        path = copied / "src" / "popnet" / name
        text = path.read_text()
        path.write_text(f'"""Other words."""\n# And more.\n{text[text.index("from __future__") :]}')
    assert planned() == {}


def test_a_changed_reader_of_cells_runs_all_that_reads_cells(copied, planned):
    with (copied / "src" / "popnet" / "cells" / "sources.py").open("a") as file:
        file.write("\nDOUBLED = 2\n")
    again = set(planned())
    assert {"plan_bins", "match_depth", "select_genes", "prepare_expression"} <= again


def test_a_changed_test_runs_it_and_what_follows(copied, planned):
    with (copied / "src" / "popnet" / "associations" / "graph_centrality.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    again = set(planned())
    assert "associate_graph_centrality" in again
    stay = {"train_shared", "train_sivae", "gather_networks", "associate_centrality"}
    assert not again & {*stay, "draw_quality"}


def test_a_changed_figure_and_a_changed_adapter_run_their_rules_alone(copied, planned):
    with (copied / "src" / "popnet" / "figures" / "hubs.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    path = copied / "workflow" / "scripts" / "networks" / "export_networks.py"
    edit(path, "\n\n\nwith logged", "\n\n\nCHANGED = 1\n\n\nwith logged")
    again = {"draw_networks": 1, "export_networks": len(NETWORKS)}
    # What shows the figures is made anew with them.
    assert planned() == again | {"write_report": 1, "write_crate": 1}


def test_a_phenotype_that_is_added_is_tested_alone(copied, planned):
    path = copied / "sheet.yaml"
    phenotypes = SHEET["phenotypes"] | {"age": {"type": "continuous"}}
    path.write_text(yaml.safe_dump(SHEET | {"phenotypes": phenotypes}))
    again = planned()
    assert {"resolve_phenotype", "make_design"} <= set(again)
    # The tests of the other phenotype stand.
    assert again["associate_centrality"] == len(NETWORKS)
    models = {"plan_bins", "select_genes", "train_shared", "train_sivae", "gather_networks"}
    others = {"map_networks", "resolve_gene_sets", "count_connectivity"}
    assert not set(again) & {*models, *others}


def test_a_changed_value_of_a_phenotype_is_tested_again(copied, planned, snakemake):
    edit(copied / "lines.csv", "s 0,0,", "s 0,9,")
    again = set(planned())
    assert {"describe_samples", "resolve_phenotype", "make_design", "associate_map"} <= again
    assert not again & {"plan_bins", "select_genes", "train_shared", "map_networks"}
    wanted = "results/followed/study/phenotypes/score.tsv"
    status, output = snakemake(copied, wanted, *RUN)
    assert status == 0, output
    values = pd.read_csv(copied / wanted, sep="\t").set_index("sample")["score"]
    assert values["s 0"] == 9


def test_a_changed_model_does_not_plan_bins_again(copied, planned):
    with (copied / "src" / "popnet" / "sivae" / "objective.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    again = set(planned())
    assert {"train_shared", "train_sivae"} <= again
    assert not again & {"plan_bins", "select_genes", "prepare_expression", "resolve_gene_sets"}


def test_a_gene_set_that_is_added_tests_sets_and_edges_alone(copied, planned):
    gene_sets = SHEET["gene_sets"] | {"second": {"genes": GENES[5:20]}}
    (copied / "sheet.yaml").write_text(yaml.safe_dump(SHEET | {"gene_sets": gene_sets}))
    again = set(planned())
    assert {"resolve_gene_sets", "enrich_gene_sets", "associate_edges"} <= again
    stay = {"plan_bins", "train_shared", "train_sivae", "gather_networks", "map_networks"}
    assert not again & {*stay, "make_design", "associate_centrality", "associate_graph_centrality"}


def test_a_sample_that_is_added_trains_nothing_else_again(copied, snakemake):
    folder = copied / "results" / "followed" / "all"
    of_bins = {path: path.stat().st_mtime_ns for path in (folder / "models").iterdir()}
    shared = [folder / "shared" / part / "model.safetensors" for part in ("all", "fold1", "fold2")]
    chosen = [folder / "genes.tsv", folder / "depth_target.json"]
    kept = {path: path.read_bytes() for path in [*chosen, *shared, *of_bins]}
    old = ad.read_h5ad(copied / "cells.h5ad")
    later = write_cells(copied / "cells.h5ad", ["A later"], seed=1)
    # First, so that every job has other bins than before.
    ad.concat([later, old]).write_h5ad(copied / "cells.h5ad")
    edit(copied / "lines.csv", "s 0,", "A later,4,4\ns 0,")
    tables = [folder / "networks" / network / "degree.tsv" for network in ("shared", "sivae")]
    status, output = snakemake(copied, *(str(path.relative_to(copied)) for path in tables), *RUN)
    assert status == 0, output
    for table in tables:
        assert set(read_table(table).columns) == {"gene", *SAMPLES, "A later"}
    assert {path: path.read_bytes() for path in kept} == kept
    assert {path: path.stat().st_mtime_ns for path in of_bins} == of_bins
    assert list(read_table(folder / "depth.tsv").query("later")["sample"]) == ["A later"]
    assert len(list((folder / "models").iterdir())) == len(of_bins) + 2
    basis = json.loads((folder / "shared" / "all" / "basis.json").read_text())
    assert (set(basis["samples"]), set(basis["known"])) == (set(SAMPLES), {*SAMPLES, "A later"})

    # It is trained again where somebody asks for that, and so is what starts from it.
    table = folder / "training" / "1.tsv"
    target = str(table.relative_to(copied))
    status, output = snakemake(copied, target, *RUN, "--forcerun", "train_shared")
    assert status == 0, output
    basis = json.loads((folder / "shared" / "all" / "basis.json").read_text())
    assert set(basis["samples"]) == {*SAMPLES, "A later"}
    trained = {folder / "models" / name for name in read_table(table)["model"]}
    changed = {path for path in kept if path.read_bytes() != kept[path]}
    # Errors of bins so small are cross-fitted: they start from the models of folds, too.
    assert changed == {*shared, *(trained & of_bins.keys())}


def test_training_again(copied, snakemake):
    """Kept models are kept; a model does not depend on which bins share its job."""
    folder = copied / "results" / "followed" / "all"
    lost = folder / "training" / "2.tsv"
    table = lost.read_bytes()
    models = {path: path.read_bytes() for path in (folder / "models").iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in models}
    trained = [folder / "models" / name for name in read_table(folder / "training/1.tsv")["model"]]
    before = {path: ad.read_h5ad(path) for path in trained[:2]}
    lost.unlink()
    for path in before:
        path.unlink()
    status, output = snakemake(copied, str(lost.relative_to(copied)), *RUN)
    assert status == 0, output
    assert lost.read_bytes() == table

    (copied / "pairs.yaml").write_text("training: {bins_per_job: 2}\n")
    configs = ["--configfile", "config/config.yaml", "pairs.yaml"]
    target = str((folder / "training" / "1.tsv").relative_to(copied))
    status, output = snakemake(copied, target, *RUN, *configs)
    assert status == 0, output
    assert len(read_table(folder / "training" / "1.tsv")) == 2
    for path, model in before.items():
        again = ad.read_h5ad(path)
        assert again.var.equals(model.var)
        np.testing.assert_array_equal(again.obsm["X_sivae"], model.obsm["X_sivae"])
        loadings = (each.varm["sivae_loadings"] for each in (again, model))
        np.testing.assert_array_equal(*loadings)
    others = stamps.keys() - before.keys()
    assert {path: path.read_bytes() for path in others} == {path: models[path] for path in others}
    assert all(path.stat().st_mtime_ns == stamps[path] for path in others)
