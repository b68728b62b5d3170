"""The command `popnet`, from a file of cells to a checked sheet, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from scipy.sparse import csr_matrix

from popnet.cli import main

GENES = ["MT-ND1", "MT-CO1", *(f"G{n}" for n in range(28))]
PER_SAMPLE = 60


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)

    return run


def cells(n_samples=8, genes=GENES, **columns):
    """Counts of 60 cells per sample, two thirds of them T, and `columns` of samples."""
    rng = np.random.default_rng(1)
    n = n_samples * PER_SAMPLE
    sample = np.repeat(np.arange(n_samples), PER_SAMPLE)
    obs = pd.DataFrame(
        {
            "sample_id": [f"s {number}" for number in sample],
            "cell_type": np.where(np.arange(n) % 3 > 0, "T", "B + rare"),
            "n_counts": rng.normal(size=n),
        },
        index=[f"cell{number}" for number in range(n)],
    )
    for name, values in columns.items():
        obs[name] = np.array(values, dtype=object)[sample]
    counts = rng.poisson(2, (n, len(genes))).astype(np.float32)
    return ad.AnnData(csr_matrix(counts), obs, pd.DataFrame(index=genes))


def written(path="cells.yaml"):
    return yaml.safe_load(Path(path).read_text())


STATUS = ["ctrl", "stim"] * 4


def test_a_sheet_is_proposed_that_the_checks_accept(run):
    donors = [f"d{n // 2}" for n in range(8)]
    cells(donor=donors, status=STATUS, pool=["p1"] * 4 + ["p2"] * 4).write_h5ad("cells.h5ad")
    done = run("init", "cells.h5ad")
    assert done.exit_code == 0, done.output
    sheet = written()
    assert sheet["cells"] == {
        "path": "cells.h5ad",
        "counts": "X",
        "sample": "sample_id",
        "cell_type": "cell_type",
        "batch": "pool",
    }
    assert sheet["samples"] == {"cells": "all", "donor": "donor"}
    assert sheet["phenotypes"] == {"status": {"type": "binary", "case": "stim", "control": "ctrl"}}
    assert sheet["cell_types"] == ["T"]  # Of the other, no sample has 30 cells.
    assert written("cells.settings.yaml") == {"bins": {"size": 30}}
    assert "30        8       4  'T' 8 <- proposed" in Path("cells.settings.yaml").read_text()
    checked = run("check", "cells.yaml")
    assert checked.exit_code == 0, checked.output
    assert "Bins of 30 cells: 8 of 8 samples, 4 of 4 donors" in checked.output
    assert "status varies within 2 of 2 batches" in checked.output
    assert "30 (as set): 8 bins" in checked.output
    assert "snakemake --cores" in checked.output


def test_depth_is_held_against_phenotypes_in_each_cell_type(run):
    """Treated T cells have twice the counts, of others half: together there is no difference."""
    data = cells(donor=[f"d{n // 2}" for n in range(8)], status=STATUS)
    data.obs["cell_type"] = np.tile(["T", "B"], data.n_obs // 2)
    deep = (data.obs["cell_type"] == "T") == (data.obs["status"] == "stim")
    data.X = csr_matrix(data.X.toarray() * np.where(deep, 2, 1)[:, None])
    data.write_h5ad("cells.h5ad")
    assert run("init", "cells.h5ad").exit_code == 0
    checked = run("check", "cells.yaml")
    for cell_type in "TB":
        [line] = [
            line for line in checked.output.splitlines() if f"with depth in {cell_type}" in line
        ]
        assert line.endswith("look at this")


def test_a_file_that_is_there_stays(run):
    cells(status=STATUS).write_h5ad("cells.h5ad")
    Path("cells.yaml").write_text("mine")
    done = run("init", "cells.h5ad")
    assert done.exit_code == 1
    assert "--force" in done.output
    assert Path("cells.yaml").read_text() == "mine"
    assert run("init", "cells.h5ad", "--force").exit_code == 0
    assert Path("cells.yaml").read_text() != "mine"


def test_raw_counts_genes_and_batches_are_found_where_they_are(run):
    genes = ["GRCh38_mt-Nd1", *(f"GRCh38_G{n}" for n in range(29))]
    found = cells(genes=genes, status=STATUS, batch=STATUS)
    found.layers["counts"] = found.X.copy()
    found.X = csr_matrix(np.log1p(found.X.toarray()))
    found.var_names = [f"ENSG{n:011d}" for n in range(30)]
    found.var["symbol"] = genes
    found.write_h5ad("cells.h5ad")
    done = run("init", "cells.h5ad")
    assert done.exit_code == 0
    sheet = written()
    assert sheet["cells"]["counts"] == "layers/counts"
    assert sheet["cells"]["gene_symbols"] == "symbol"
    assert sheet["cells"]["gene_prefix"] == "GRCh38_"
    assert sheet["gene_sets"] == {"MT": {"prefix": "mt-"}}
    assert "The checks warn:\n- phenotypes.status" in done.output
    checked = run("check", "cells.yaml")
    assert checked.exit_code == 0
    assert "cannot be told from a difference between batches" in checked.output


@pytest.mark.parametrize("text", ["no\ncells:\n  path: x", "{a: b} # c\u2028#"])
def test_values_of_the_data_stay_values(run, text):
    cells(status=[text, "other"] * 4, **{text: ["x", "y"] * 4}).write_h5ad("cells.h5ad")
    done = run("init", "cells.h5ad")
    assert done.exit_code == 0, done.output
    sheet = written()
    assert sheet["cells"]["path"] == "cells.h5ad"
    assert set(sheet) <= {"name", "config", "cells", "cell_types", "samples", "phenotypes"}


def test_phenotypes_come_from_a_table(run):
    cells().write_h5ad("cells.h5ad")
    table = pd.DataFrame({"id": [f"s {n}" for n in range(9)], "score": np.arange(9) / 7})
    table.to_csv("lines.csv", index=False)
    done = run("init", "cells.h5ad")
    assert done.exit_code == 0
    assert "No column can be a phenotype" in done.output
    done = run("init", "cells.h5ad", "--samples", "lines.csv", "--force")
    sheet = written()
    assert sheet["samples"] == {"table": "lines.csv", "id": "id", "without_cells": "exclude"}
    assert sheet["phenotypes"] == {"score": {"type": "continuous"}}
    assert run("check", "cells.yaml").exit_code == 0


def test_samples_without_a_donor_are_left_out(run):
    donors = ["a", "b", "c", "d", "e", "f", "NA", "h"]
    cells(donor=donors, status=STATUS).write_h5ad("cells.h5ad")
    assert run("init", "cells.h5ad").exit_code == 0
    assert written()["samples"]["exclude"] == {"s 6": "no donor is given"}


def test_what_is_no_file_of_counts_is_refused(run):
    found = cells(status=STATUS)
    found.X = csr_matrix(np.log1p(found.X.toarray()))
    found.write_h5ad("cells.h5ad")
    done = run("init", "cells.h5ad")
    assert done.exit_code == 1
    assert "No matrix holds raw counts: X: they look log-normalised" in done.output
    assert not Path("cells.yaml").exists()


def test_check_lists_all_problems_and_ends_with_1(run):
    cells(status=STATUS).write_h5ad("cells.h5ad")
    run("init", "cells.h5ad")
    Path("bad.yaml").write_text("bins: {size: 3}\nsed: 1\n")
    text = Path("cells.yaml").read_text().replace("stim", "other")
    Path("cells.yaml").write_text(text)
    done = run("check", "cells.yaml", "--configfile", "bad.yaml")
    assert done.exit_code == 1
    assert "bins.size" in done.output
    assert "sed" in done.output
    assert "Traceback" not in done.output


def test_cells_that_are_simulated_later_are_not_missed(run, root):
    shutil.copytree(root / "config", "config")
    done = run("check", "config/cohorts/demo.yaml")
    assert done.exit_code == 0
    assert "the cells are simulated when the study runs" in done.output


def test_clean_lists_and_removes_what_nobody_asks_for(run):
    cells(status=STATUS).write_h5ad("cells.h5ad")
    run("init", "cells.h5ad")
    for place in ("networks/shared", "networks/clr", "associations/status", "associations/old"):
        Path("results/cells/T", place).mkdir(parents=True)
    Path("results/cells/T/associations/old/centrality.tsv").write_text("x" * 100)
    listed = run("clean", "cells.yaml")
    assert "associations/old  (no such phenotype)" in listed.output
    assert "networks/clr  (no such network)" in listed.output
    assert "status" not in listed.output
    assert Path("results/cells/T/networks/clr").exists()
    assert run("clean", "cells.yaml", "--yes").exit_code == 0
    left = {path.name for path in Path("results/cells/T").rglob("*")}
    assert left == {"networks", "shared", "associations", "status"}


def test_clean_leaves_the_overall_test_of_a_categorical_phenotype(run):
    cells(status=["a", "b", "c", "d"] * 2).write_h5ad("cells.h5ad")
    run("init", "cells.h5ad")
    assert written()["phenotypes"]["status"]["type"] == "categorical"
    for place in ("status", "old"):
        Path("results/cells/T/associations", place).mkdir(parents=True)
    Path("results/cells/T/genes.tsv").write_text("gene\n")
    listed = run("clean", "cells.yaml").output
    assert "associations/old" in listed
    assert "associations/status" not in listed


def test_help_comes_at_once():
    """Only what every command needs is imported."""
    code = (
        "import sys; from popnet import cli; "
        "print(sorted({'pandas', 'numpy', 'anndata', 'torch', 'scipy'} & set(sys.modules)))"
    )
    source = Path(__file__).parents[3] / "src"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("file", "sample", "phenotypes"),
    [
        ("kang2018_pbmc_8donors_ctrl_stim_1000hvg_counts", "sample_id", {"condition": "binary"}),
        ("crc_3donors_normal_border_tumour_300genes", "sample", {"region": "categorical"}),
    ],
)
def test_published_cells_need_no_correction(run, shared_data, file, sample, phenotypes):
    done = run("init", shared_data / f"{file}.h5ad", "--output", "sheet.yaml")
    assert done.exit_code == 0
    assert "left to do" not in done.output
    sheet = written("sheet.yaml")
    assert sheet["cells"]["sample"] == sample
    assert {name: entry["type"] for name, entry in sheet["phenotypes"].items()} == phenotypes
