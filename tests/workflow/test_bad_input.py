"""Faulty sheets, configs and data at the command line: said all at once, nothing written."""

from __future__ import annotations

import copy
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.errors import InputError, describe
from popnet.study.cohort import load_cohort

IDS = ["a|1", "b/2", "007", "d"]
GENES = ["MT-ND1", "MT-CO1", "ISG15", "ACTB", "GAPDH", "HES4"]
PER_SAMPLE = 30

SHEET = {
    "name": "faulty",
    "config": "small.yaml",
    "cells": {"path": "cells.h5ad", "sample": "line", "cell_type": "celltype"},
    "cell_types": ["T cells"],
    "samples": [{"id": id, "phenotypes": {"age": age}} for age, id in enumerate(IDS)],
    "phenotypes": {
        "age": {"type": "continuous"},
        "status": {"type": "binary", "case": "sick", "control": "well"},
    },
}


@pytest.fixture
def cells() -> ad.AnnData:
    obs = pd.DataFrame(
        {
            "line": np.repeat(IDS, PER_SAMPLE),
            "celltype": np.tile(["T cells"] * 20 + ["B+"] * 10, len(IDS)),
            "day": 11,
            "status": np.repeat(["sick", "well", "well", "sick"], PER_SAMPLE),
        },
        index=[f"cell{number}" for number in range(len(IDS) * PER_SAMPLE)],
    )
    counts = np.random.default_rng(0).poisson(2, (len(obs), len(GENES))).astype(np.float32)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


def vcf(contig: str, name: str) -> str:
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
    return (
        f"##fileformat=VCFv4.2\n##contig=<ID={contig}>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        f"{columns}\t{name}\n{contig}\t3010\t.\tG\tA\t.\tPASS\t.\tGT\t1\n"
    )


def bins_that_nothing_fills(sheet, cells):
    del sheet["config"]


def many_faults_of_the_sheet(sheet, cells):
    sheet["celltypes"] = sheet.pop("cell_types")
    sheet["samples"][3]["id"] = sheet["samples"][0]["id"]
    for sample in sheet["samples"]:
        sample["phenotypes"]["status"] = "sick"
    sheet["variants"] = {"path": "absent.vcf.gz"}


def many_faults_of_the_cells(sheet, cells):
    cells.X[:] = np.log1p(cells.X)
    sheet["cells"]["sample"] = "lines"
    sheet["gene_sets"] = {"interferon": {"gmt": "sets.gmt"}}


def ensembl_ids(sheet, cells):
    cells.var["symbol"] = GENES
    cells.var_names = [f"ENSG{number:011d}" for number in range(len(GENES))]


def ids_that_no_cell_has(sheet, cells):
    sheet["samples"][2]["id"] = "7"
    sheet["cell_types"] = ["T cell"]


def filters_that_leave_nothing(sheet, cells):
    sheet["cells"]["keep"] = {"status": ["sick"], "day": [12]}


def one_class(sheet, cells):
    cells.obs["status"] = "well"


def one_vcf_for_all(sheet, cells):
    sheet["variants"] = {"path": "wrong.vcf"}


def a_vcf_without_the_samples(sheet, cells):
    sheet["variants"] = {"path": "good.vcf", "samples": {"a|1": "someone"}}


# What is wrong, settings, and what the message holds: field and value, and what to do.
CASES = [
    (
        many_faults_of_the_sheet,
        ["preset=robus", "bins={size: 3}"],
        [
            ("--config: bins.size = '3'", ""),
            ("--config: preset = 'robus'", "did you mean 'robust'?"),
            ("sheet.yaml: celltypes", "did you mean 'cell_types'?"),
            ("sheet.yaml: samples[3].id = 'a|1'", "Keep one of them"),
            ("sheet.yaml: phenotypes.status", "Add controls"),
            ("sheet.yaml: variants.path = '{folder}/absent.vcf.gz'", "Paths are relative"),
        ],
    ),
    (
        many_faults_of_the_cells,
        [],
        [
            ("sheet.yaml: cells.sample = 'lines'", "did you mean 'line'?"),
            ("sheet.yaml: cells.counts = ", "Name the matrix of raw counts"),
            ("sheet.yaml: gene_sets.interferon = '{folder}/sets.gmt'", "Use symbols"),
        ],
    ),
    (bins_that_nothing_fills, [], [("bins.size = 1000", "Set bins.size to 20:")]),
    (ensembl_ids, [], [("cells.gene_symbols", "Set cells.gene_symbols: symbol")]),
    (
        ids_that_no_cell_has,
        [],
        [
            ("sheet.yaml: samples = '7'", "did you mean '007'?"),
            ("sheet.yaml: cell_types[0] = 'T cell'", "did you mean 'T cells'?"),
        ],
    ),
    (filters_that_leave_nothing, [], [("cells.keep.day = [12]", "Values of the column")]),
    (one_class, [], [("phenotypes.status", "Add cases")]),
    (one_vcf_for_all, [], [("wrong.vcf", "'chr7'"), ("wrong.vcf", "'MT'")]),
    (a_vcf_without_the_samples, [], [("someone", "good.vcf")]),
]


def spoilt(spoil, cells, folder: Path) -> dict:
    """Return the sheet of a faulty study whose other files are written."""
    sheet = copy.deepcopy(SHEET)
    spoil(sheet, cells)
    cells.write_h5ad(folder / "cells.h5ad")
    (folder / "sets.gmt").write_text("IFN\t-\tIFIT1\tMX1\n")
    (folder / "wrong.vcf").write_text(vcf("chr7", "d"))
    (folder / "good.vcf").write_text(vcf("chrM", "d"))
    return sheet


AT_THE_COMMAND_LINE, CALLED = CASES[:3], CASES[3:]


@pytest.mark.parametrize(
    ("spoil", "settings", "faults"),
    AT_THE_COMMAND_LINE,
    ids=[case[0].__name__ for case in AT_THE_COMMAND_LINE],
)
def test_bad_input(clone, snakemake, tmp_path, cells, spoil, settings, faults):
    sheet = spoilt(spoil, cells, tmp_path)
    assert_said(refused(clone, snakemake, tmp_path, sheet, settings), faults, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "settings", "faults"), CALLED, ids=[case[0].__name__ for case in CALLED]
)
def test_bad_input_of_the_checks(tmp_path, cells, spoil, settings, faults):
    """What Snakemake would say of them, without one more start of it for each."""
    (tmp_path / "sheet.yaml").write_text(yaml.safe_dump(spoilt(spoil, cells, tmp_path)))
    (tmp_path / "small.yaml").write_text("bins: {size: 10}\n")
    config = {"bins": {"size": 10}}
    assert check_config(config, "") == []
    with pytest.raises(InputError) as raised:
        read_study(load_cohort(str(tmp_path / "sheet.yaml")), config)
    assert_said(describe(raised.value.problems), faults, tmp_path)


def assert_said(output: str, faults, tmp_path: Path) -> None:
    for words in (word for fault in faults for word in fault):
        assert words.replace("{folder}", str(tmp_path)) in output, output
    assert f"{len(faults)} problem(s)" in output or len(faults) == 1, output


def test_truncated_cells(clone, snakemake, tmp_path, cells):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    path.write_bytes(path.read_bytes()[:3000])
    output = refused(clone, snakemake, tmp_path, SHEET, [], "--cores", "1")
    assert str(path) in output
    assert "truncated" in output


def test_settings_of_the_cohort_win_over_defaults_named_again(clone, snakemake, tmp_path, cells):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "sheet.yaml").write_text(yaml.safe_dump(SHEET))
    (tmp_path / "small.yaml").write_text("bins: {size: 10}\n")
    (tmp_path / "own.yaml").write_text("seed: 2\n")
    arguments = ["-n", "--config", f"cohort={tmp_path / 'sheet.yaml'}", "--configfile"]
    defaults = "config/config.yaml"
    status, output = snakemake(clone, *arguments, defaults, str(tmp_path / "own.yaml"))
    assert status == 0, output
    (tmp_path / "own.yaml").write_text("bins: {size: 40}\n")
    status, output = snakemake(clone, *arguments, defaults, str(tmp_path / "own.yaml"))
    assert status != 0, output
    assert "bins.size = 40" in output


def refused(clone, snakemake, folder: Path, sheet: dict, settings, *arguments: str) -> str:
    """Return what Snakemake says of a sheet that it must not accept."""
    path = folder / "sheet.yaml"
    path.write_text(yaml.safe_dump(sheet))
    (folder / "small.yaml").write_text("bins: {size: 10}\n")
    before = sorted(folder.rglob("*"))
    arguments = arguments or ("-n",)
    status, output = snakemake(clone, *arguments, "--config", f"cohort={path}", *settings)
    assert status != 0, output
    assert "to put right before anything can run" in output
    assert "Traceback" not in output
    assert "WorkflowError" not in output
    assert "common.smk" not in output
    assert sorted(folder.rglob("*")) == before
    assert not (clone / "results").exists()
    assert not (clone / "logs").exists()
    return output
