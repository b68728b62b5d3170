"""The workflow from another folder, in a folder with blanks, and as a module."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import get_args

import pytest

from popnet.study.config import Modelled, Plain

MODULE = """configfile: "popnet.yaml"

module popnet:
    snakefile: {snakefile!r}
    config: config

use rule * from popnet as popnet_*

rule all:
    default_target: True
    input: rules.popnet_all.input
"""
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
# As in profiles/default, which belongs to the clone: a script in git has no age.
TRIGGERS = ["--rerun-triggers", "mtime", "params", "input", "software-env"]


@pytest.fixture(scope="module")
def clone(copy_clone, tmp_path_factory):
    """A clone whose path holds a blank, and a commit with a tag."""
    clone = tmp_path_factory.mktemp("a place") / "the clone"
    shutil.move(copy_clone("module"), clone)
    git = ["git", "-c", "user.email=a@b.c", "-c", "user.name=Test"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All"], ["tag", "v1"]):
        subprocess.run([*git, *command], cwd=clone, check=True)
    return clone


@pytest.fixture
def folder(clone, tmp_path):
    """Another folder, with a sheet of its own beside settings of its own."""
    study = tmp_path / "study"
    study.mkdir()
    sheet = (clone / "config" / "cohorts" / "demo.yaml").read_text()
    sheet = sheet.replace("../../results/", "results/").replace("../demo.yaml", "small.yaml")
    (study / "sheet.yaml").write_text(sheet.replace("name: demo", "name: elsewhere"))
    settings = "bins: {size: 150}\nnetworks: {estimators: [shared, correlation]}\n"
    (study / "small.yaml").write_text(settings)
    shutil.copy(clone / "config" / "cohorts" / "demo_samples.csv", study)
    (study / "popnet.yaml").write_text("cohort: sheet.yaml\n")
    return study


def planned(output: str) -> dict[str, int]:
    return {name.removeprefix("popnet_"): int(n) for name, n in JOBS.findall(output)}


def test_from_another_folder(clone, folder, snakemake):
    before = sorted(clone.rglob("*"))
    command = ["-s", str(clone / "workflow" / "Snakefile"), "--configfile", "popnet.yaml"]
    status, output = snakemake(folder, *command, "--cores", "1", "--dry-run")
    assert status == 0, output
    # Three phenotypes in two networks.
    assert planned(output)["associate_centrality"] == 6
    assert planned(output)["train_shared"] == 3
    # The settings that the sheet brings along count there, too.
    assert "plan bins of 150 cells" in output
    made = [path for path in clone.rglob("*") if path not in before]
    assert not [path for path in made if "__pycache__" not in path.parts]


def test_every_network_is_planned(clone, folder, snakemake):
    """Nine of them; without those that need a model, nothing is trained."""
    command = ["-s", str(clone / "workflow" / "Snakefile"), "--configfile", "popnet.yaml"]
    per_network = ("gather_networks", "map_networks", "export_networks", "count_connectivity")
    tested = ("make_design", "associate_centrality", "associate_edges", "associate_map")
    for names in (get_args(Plain), [*get_args(Modelled), *get_args(Plain)]):
        settings = f"bins: {{size: 150}}\nnetworks: {{estimators: [{', '.join(names)}]}}\n"
        (folder / "small.yaml").write_text(settings)
        status, output = snakemake(folder, *command, "--cores", "1", "--dry-run")
        assert status == 0, output
        jobs = planned(output)
        assert {jobs[rule] for rule in per_network} == {len(names)}
        # Of three phenotypes.
        assert {jobs[rule] for rule in tested} == {3 * len(names)}
        assert ("train_shared" in jobs) == (len(names) == 9)


def test_directory(clone, folder, snakemake):
    command = ["--directory", str(folder), "--configfile", str(folder / "popnet.yaml")]
    status, output = snakemake(clone, *command, "--cores", "1", "--dry-run")
    assert status == 0, output
    assert "plan bins of 150 cells" in output


@pytest.mark.parametrize("source", ["folder", "tag"])
def test_as_a_module(clone, folder, snakemake, source, plan):
    snakefile = str(clone / "workflow" / "Snakefile")
    if source == "tag":
        repository = folder / "popnet"
        subprocess.run(["git", "clone", "-q", str(clone), str(repository)], check=True)
        snakefile = f"git+file://{repository}/workflow/Snakefile@v1"
    (folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
    arguments = ["--cores", "1", *(TRIGGERS if source == "tag" else [])]
    status, output = snakemake(folder, *arguments, "--dry-run")
    assert status == 0, output
    direct = plan(clone)
    of_module = planned(output)
    assert of_module.pop("all") == direct.pop("default") == 1
    del of_module["total"]
    assert of_module == direct
    status, output = snakemake(folder, *arguments, "--until", "popnet_plan_bins")
    assert status == 0, output
    assert (folder / "results" / "elsewhere" / "bins.tsv").exists()
