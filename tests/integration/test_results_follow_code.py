"""What runs again when code, sheet or folder change, planned on copies of a study that has run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SAMPLES = [f"s {number}" for number in range(8)]
GENES = [f"GENE{number}" for number in range(40)]
SETTINGS = {
    "bins": {"size": 30},
    "sivae": {"latent": 3, "hidden": [8], "steps": [10, 10, 10], "minibatch": 16},
    "training": {"bins_per_job": 100},
    "networks": {"closest": 0.05, "central_genes": "all", "neighbours": 5},
    "statistics": {"permutations": 50},
}
SHEET = {
    "name": "followed",
    "config": "settings.yaml",
    "cells": {"path": "cells.h5ad", "sample": "line"},
    "samples": {"table": "lines.csv", "id": "line"},
    "phenotypes": {"score": {"type": "continuous"}},
    "gene_sets": {"first": {"genes": GENES[:10]}},
}
RUN = ["--cores", "2", "--config", "cohort=sheet.yaml"]
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def finished(copy_clone, snakemake):
    """A clone in which a small study has run."""
    clone = copy_clone("followed")
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"line": np.repeat(SAMPLES, 65)})
    obs.index = [f"cell{number}" for number in range(len(obs))]
    counts = rng.poisson(np.exp(rng.normal(1, 0.6, (len(obs), 40)))).astype(np.float32)
    cells = ad.AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=GENES))
    cells.write_h5ad(clone / "cells.h5ad")
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
    """A function that returns the names of the rules that would run again."""

    def plan() -> set[str]:
        status, output = snakemake(copied, *RUN, "--dry-run")
        assert status == 0, output
        return {name for name, _ in JOBS.findall(output)} - {"total", "default"}

    return plan


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new, 1))


def test_a_copied_clone_runs_nothing(planned):
    assert planned() == set()


def test_scripts_and_library_that_are_newer_run_nothing(copied, planned):
    for path in [*(copied / "workflow").rglob("*.py"), *(copied / "src").rglob("*.py")]:
        path.touch()
    assert planned() == set()


def test_words_run_nothing(copied, planned):
    for name in ("cells/sources.py", "sivae/model.py", "stats/permutation.py"):
        path = copied / "src" / "popnet" / name
        text = path.read_text()
        path.write_text(f'"""Other words."""\n# And more.\n{text[text.index("from __future__") :]}')
    assert planned() == set()


def test_a_changed_reader_of_cells_runs_all_that_reads_cells(copied, planned):
    with (copied / "src" / "popnet" / "cells" / "sources.py").open("a") as file:
        file.write("\nDOUBLED = 2\n")
    again = planned()
    assert {"plan_bins", "select_genes", "prepare_expression"} <= again


def test_a_changed_test_runs_it_and_what_follows(copied, planned):
    with (copied / "src" / "popnet" / "associations" / "graph_centrality.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    again = planned()
    assert "associate_graph_centrality" in again
    assert not again & {"train_sivae", "gather_networks", "associate_centrality", "draw_quality"}


def test_a_changed_figure_draws_it_alone(copied, planned):
    with (copied / "src" / "popnet" / "figures" / "hubs.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    assert planned() == {"draw_networks"}


def test_a_changed_adapter_runs_its_rule(copied, planned):
    path = copied / "workflow" / "scripts" / "networks" / "export_networks.py"
    edit(path, "\n\n\nwith logged", "\n\n\nCHANGED = 1\n\n\nwith logged")
    assert planned() == {"export_networks"}


def test_a_phenotype_that_is_added_is_tested_alone(copied, planned):
    path = copied / "sheet.yaml"
    phenotypes = SHEET["phenotypes"] | {"age": {"type": "continuous"}}
    path.write_text(yaml.safe_dump(SHEET | {"phenotypes": phenotypes}))
    again = planned()
    assert {"resolve_phenotype", "make_design", "associate_centrality"} <= again
    models = {"plan_bins", "select_genes", "train_sivae", "gather_networks", "map_networks"}
    assert not again & {*models, "resolve_gene_sets", "count_connectivity", "draw_quality"}


def test_the_tests_of_other_phenotypes_stand(copied, snakemake):
    phenotypes = SHEET["phenotypes"] | {"age": {"type": "continuous"}}
    (copied / "sheet.yaml").write_text(yaml.safe_dump(SHEET | {"phenotypes": phenotypes}))
    status, output = snakemake(copied, *RUN, "--dry-run")
    assert status == 0, output
    assert dict(JOBS.findall(output))["associate_centrality"] == "1"


def test_a_changed_value_of_a_phenotype_is_tested_again(copied, planned, snakemake):
    edit(copied / "lines.csv", "s 0,0,", "s 0,9,")
    again = planned()
    assert {"describe_samples", "resolve_phenotype", "make_design", "associate_map"} <= again
    assert not again & {"plan_bins", "select_genes", "train_sivae", "map_networks"}
    wanted = "results/followed/study/phenotypes/score.tsv"
    status, output = snakemake(copied, wanted, *RUN)
    assert status == 0, output
    values = pd.read_csv(copied / wanted, sep="\t").set_index("sample")["score"]
    assert values["s 0"] == 9


def test_a_changed_model_does_not_plan_bins_again(copied, planned):
    with (copied / "src" / "popnet" / "sivae" / "objective.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    again = planned()
    assert "train_sivae" in again
    assert not again & {"plan_bins", "select_genes", "prepare_expression", "resolve_gene_sets"}


def test_a_gene_set_that_is_added_tests_sets_and_edges_alone(copied, planned):
    gene_sets = SHEET["gene_sets"] | {"second": {"genes": GENES[5:20]}}
    (copied / "sheet.yaml").write_text(yaml.safe_dump(SHEET | {"gene_sets": gene_sets}))
    again = planned()
    assert {"resolve_gene_sets", "enrich_gene_sets", "associate_edges"} <= again
    stay = {"plan_bins", "train_sivae", "gather_networks", "map_networks", "make_design"}
    assert not again & {*stay, "associate_centrality", "associate_graph_centrality"}
