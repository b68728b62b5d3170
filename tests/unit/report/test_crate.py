"""A study as an RO-Crate, read again by the library that others read it with."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from rocrate.rocrate import ROCrate

from popnet.report.crate import study_crate

RECORD = {
    "cohort": "a & <b>",
    "preset": "robust",
    "seed": 3,
    "commit": "0123456789ab",
    "versions": {"popnet": "0.1.0", "snakemake": "9.27.1", "torch": None},
    "config": {"seed": 3, "bins": {"size": 200, "depth": None}, "genes": {"keep": ["MT-*"]}},
}


@pytest.fixture
def crate(tmp_path):
    """A function that writes a crate and reads it."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "Snakefile").write_text("rule all:\n")
    (folder / "findings.tsv").write_text("gene\n")
    sheet = tmp_path / "sheet.yaml"
    sheet.write_text("name: x\n")
    inputs = {"sheet": [str(sheet)], "samples": ["vcf/donor 1.vcf.gz", "vcf/donor 2.vcf.gz"]}

    def write(hide: bool) -> tuple[ROCrate, str]:
        text = study_crate(folder, ["findings.tsv"], inputs, RECORD, "", hide)
        (folder / "ro-crate-metadata.json").write_text(text, "utf-8")
        return ROCrate(folder), text

    return write


def test_a_crate_says_what_was_run(crate):
    made, text = crate(hide=False)
    workflow = made.mainEntity
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert workflow["programmingLanguage"].id.endswith("#snakemake")
    versions = {one["name"]: one["softwareVersion"] for one in workflow["softwareRequirements"]}
    assert versions == {"popnet": "0.1.0", "snakemake": "9.27.1"}
    run = made.root_dataset["mentions"]
    assert run["@type"] == "CreateAction"
    assert run["instrument"] == workflow
    assert [one["sha256"] for one in run["result"]] == [sha256(b"gene\n").hexdigest()]
    of_kind = {}
    for one in run["object"]:
        of_kind.setdefault(one["@type"], {})[one["name"]] = one
    assert set(of_kind["CreativeWork"]) == {"sheet.yaml", "donor 1.vcf.gz", "donor 2.vcf.gz"}
    assert of_kind["CreativeWork"]["sheet.yaml"]["contentSize"] == "8"
    values = {name: one["value"] for name, one in of_kind["PropertyValue"].items()}
    assert values == {"seed": 3, "bins.size": 200, "genes.keep": '["MT-*"]'}
    parameters = {one["name"] for one in workflow["input"]}
    assert parameters == set(values)
    assert of_kind["PropertyValue"]["seed"]["exampleOfWork"]["name"] == "seed"
    profiles = {one.id for one in made.root_dataset["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles
    # The sheet lies outside of the folder: its place is nobody's business.
    assert str(made.source) not in text
    assert json.loads(text)["@context"][0].startswith("https://w3id.org/ro/crate/1.1")


def test_a_crate_for_others_names_no_sample(crate):
    made, text = crate(hide=True)
    assert "donor 1" not in text
    names = [one["name"] for one in made.root_dataset["mentions"]["object"]]
    assert "2 files of single samples" in names
