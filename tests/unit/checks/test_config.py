"""The config: every fault is found and told with a remedy, and lists of methods are filled in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import popnet
from popnet.checks.config import METHODS, check_config
from popnet.study.tables import read_markers


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        (None, "preset", "robst", "did you mean 'robust'"),
        (None, "seed", -1, "below 0"),
        (None, "sede", 1, "did you mean 'seed'"),
        ("bins", "size", "100", "--configfile"),
        ("bins", "size", 5, "below 10"),
        ("bins", "size", 1.5, "whole number"),
        ("genes", "regress", ["batch", "batch"], "twice"),
        ("genes", "regress", ["cycle"], "cell_cycle"),
        ("sivae", "hidden", [], "fewer than 1"),
        ("sivae", "plan", "fats", "did you mean 'fast'"),
        ("sivae", "plan", "slow", "not one of fast, paper, null"),
        ("sivae", "steps", [1, 2], "fewer than 3"),
        ("sivae", "l2", [1e-4], "fewer than 2"),
        ("sivae", "genes_per_step", "al", "did you mean 'all'"),
        ("sivae", "genes_per_step", 0, "below 1"),
        ("sivae", "learning_rate", 0, "above 0"),
        ("sivae", "learning_rate", "5e-4", "without quotes"),
        ("sivae", "feature_input", {"method": "PCA"}, "did you mean 'pca'"),
        ("sivae", "feature_input", {"method": "pca"}, "must be a number"),
        ("sivae", "feature_input", {"size": 3}, "must be null"),
        ("sivae", "heldout", 1, "above 0.5"),
        ("training", "device", "gpu", "cuda"),
        ("training", "stack", 0, "below 1"),
        ("tuning", "latents", [], "fewer than 1"),
        ("tuning", "l2", [1e-3, 1e-3], "twice"),
        ("tuning", "hidden", [1024], "not a list"),
        ("networks", "closest", 0, "above 0"),
        ("networks", "central_genes", "al", "did you mean 'all'"),
        ("networks", "central_genes", 1, "below 2"),
        ("statistics", "fdr", 1, "below 1"),
        ("comparisons", "embeddings", [], "fewer than 1"),
        ("comparisons", "sample_networks", [], "fewer than 1"),
        ("comparisons", "networks", ["aracn"], "did you mean 'aracne'"),
        ("comparisons", "markers", "none.csv", "no such file"),
    ],
)
def test_bad_config(section, key, value, words):
    config = {section: {key: value}} if section else {key: value}
    problems = check_config(config, "config.yaml")
    field = f"{section}.{key}" if section else key
    assert all(problem.field.startswith(field) for problem in problems)
    assert any(words in problem.message + problem.remedy for problem in problems)


@pytest.mark.parametrize("config", [{}, {"comparisons": {"networks": None}}])
def test_null_stands_for_all_methods(config):
    assert check_config(config, "config.yaml") == []
    for kind in ("embeddings", "interpretations", "networks"):
        assert config["comparisons"][kind] == list(METHODS[kind])
    assert config["comparisons"]["sample_networks"] == [
        "correlation",
        "cs-core",
        *["clr", "mrnet", "aracne"],
    ]


def test_all_problems_of_a_config_at_once():
    config = {
        "sede": 1,
        "bins": {"size": 1.5, "sise": 3},
        "sivae": {"hidden": [0, "1"], "feature_input": {"size": 3, "sise": 4}},
        "training": 5,
    }
    fields = [problem.field for problem in check_config(config, "config.yaml")]
    assert sorted(fields) == [
        *("bins.sise", "bins.size", "sede", "sivae.feature_input.sise", "sivae.feature_input.size"),
        *("sivae.hidden[0]", "sivae.hidden[1]", "training"),
    ]


def test_every_job_reads_the_study_quickly():
    """Each job of a study parses the workflow, and with it sheet and config."""
    code = (
        "import sys; from popnet.checks.config import check_config; from popnet.checks.environment "
        "import check_python; from popnet.study.cohort import load_cohort; check_config({}, ''); "
        "print(*{'numpy', 'pandas', 'anndata', 'torch', 'jsonschema'} & set(sys.modules))"
    )
    source = str(Path(popnet.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source}
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_markers_are_a_table_of_a_user(tmp_path):
    path = tmp_path / "markers.csv"
    path.write_bytes("\ufeffgene;cell_type\r\nCD3E;T\r\n".encode())
    assert read_markers(str(path)) == ([{"gene": "CD3E", "cell_type": "T"}], [])
    config = {"comparisons": {"markers": str(path)}}
    assert check_config(config, "config.yaml") == []
    path.write_text("symbol,cell_type\nCD3E,T\n")
    (problem,) = check_config(config, "config.yaml")
    assert (problem.file, problem.field) == (str(path), "table column gene")
    assert "symbol" in problem.remedy
