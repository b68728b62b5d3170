"""Sheets and cells that do not fit together."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from popnet.cells.formats import open_sources
from popnet.cells.sources import cell_names
from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.study.cohort import load_cohort

IDS = ["a|1", "b/2", "007", "d"]


def test_study(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    study = study_of(tmp_path, sheet_of(covariates={"pool": "categorical"}))
    expected = pd.DataFrame(
        {
            "sample": IDS,
            "donor": IDS,
            "batch": ["p1", "p1", "p2", "p2"],
            "n_cells": 20,
            "age": [30.0, 41.5, 29.0, 55.0],
            "status": ["sick", "well", "well", "sick"],
            "pool": ["p1", "p1", "p2", "p2"],
        }
    )
    pd.testing.assert_frame_equal(study.samples, expected)
    assert list(study.cells) == ["sample", "cell_type", "batch", "source", "row"]
    kept = obs["celltype"] == "T cells"
    names = cell_names(open_sources(study.cells["source"].unique()), study.cells)
    assert names.tolist() == obs.index[kept].tolist()
    assert study.cells["row"].tolist() == np.flatnonzero(kept).tolist()
    assert study.cells["sample"].tolist() == obs["line"][kept].tolist()
    assert study.excluded.empty
    assert study.warnings == []


BAD_SHEETS = [
    ({"cells": {"sample": "lin"}}, "cells.sample", "lin", "did you mean 'line'"),
    ({"cells": {"cell_type": "cell_type"}}, "cells.cell_type", "cell_type", "'celltype'"),
    ({"cells": {"batch": "pol"}}, "cells.batch", "pol", "did you mean 'pool'"),
    ({"cells": {"keep": {"dya": [11]}}}, "cells.keep.dya", "dya", "did you mean 'day'"),
    ({"cells": {"counts": "layers/raw"}}, "cells.counts", "layers/raw", "no such matrix"),
    ({"cells": {"gene_symbols": "symbol"}}, "cells.gene_symbols", "symbol", "no such column"),
    ({"cells": {"keep": {"day": [12]}}}, "cells.keep.day", [12], "leaves no cell: 120"),
    (
        {"cells": {"keep": {"status": ["sick"], "pool": ["p1"], "donor": ["y"]}}},
        "cells.keep.donor",
        ["y"],
        "leaves no cell: 30 came",
    ),
    (
        {"cells": {"keep": {"status": ["sick", "wel"]}}},
        "cells.keep.status",
        "wel",
        "No cell has this value",
    ),
    ({"cell_types": ["T cells", "T cell"]}, "cell_types[1]", "T cell", "'T cells'"),
    (
        {"cells": {"keep": {"celltype": ["T cells"]}}, "cell_types": ["B+"]},
        "cell_types[0]",
        "B+",
        "left after the filters",
    ),
    (
        {"samples": [{"id": id} for id in ["a|1", "b/2", "7", "dd"]]},
        "samples",
        None,
        "2 of 4 samples have no cells: '7', 'dd'",
    ),
    (
        {"samples": [{"id": f"new{number}"} for number in range(9)]},
        "cells.sample",
        "line",
        "None of the sheet's 9 ids is among the 4 of the cells. Sheet: 'new0'",
    ),
    (
        {"phenotypes": {"agee": {"type": "continuous"}}},
        "phenotypes.agee",
        "agee",
        "did you mean 'age'",
    ),
    (
        {"phenotypes": {"celltype": {"type": "binary", "case": "T cells", "control": "B+"}}},
        "phenotypes.celltype",
        None,
        "one class",
    ),
    ({"phenotypes": {"day": {"type": "continuous"}}}, "phenotypes.day", None, "constant"),
    (
        {"phenotypes": {"status": {"type": "binary", "case": "sick", "control": "fine"}}},
        "obs column status",
        None,
        "sample b/2 = 'well'",
    ),
    (
        {"phenotypes": {"status": {"type": "continuous"}}},
        "obs column status",
        None,
        "4 times: sample a|1 = 'sick'",
    ),
    (
        {"covariates": {"state": {"type": "numeric", "column": "status"}}},
        "obs column status",
        None,
        "not a number",
    ),
    ({"covariates": {"sex": "categorical"}}, "covariates.sex", "sex", "No sample has a value"),
    (
        {"gene_sets": {"K": {"genes": ["ISG16", "X"]}}},
        "gene_sets.K",
        ["ISG16", "X"],
        "did you mean 'ISG15'",
    ),
    ({"gene_sets": {"K": {"prefix": "mt-"}}}, "gene_sets.K", "mt-", "No gene of it"),
    ({"gene_sets": {"K": {"gmt": "k.gmt"}}}, "gene_sets.K", None, "No gene of it"),
    ({"gene_sets": {"K": {"gmt": "bad.gmt"}}}, "line 1", "no tabs", "not a gene set"),
    (
        {"samples": [{"id": id, "donor": "d", "vcf": "v.vcf"} for id in IDS]},
        "samples.vcf",
        None,
        "has no contig 'MT'",
    ),
]


@pytest.mark.parametrize(("changes", "field", "value", "words"), BAD_SHEETS)
def test_bad_sheet(tmp_path, obs, changes, field, value, words, write_cells, sheet_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    (tmp_path / "k.gmt").write_text("KEGG_A\t-\tAAA\tBBB\n")
    (tmp_path / "bad.gmt").write_text("no tabs\n")
    (tmp_path / "v.vcf").write_text(
        '##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts\nchr1\t1\t.\tA\tG\t.\t.\t.\tGT\t0\n"
    )
    problems = problems_of(tmp_path, sheet_of(**changes))
    errors = [problem for problem in problems if problem.severity == "error"]
    found = [problem for problem in errors if problem.field == field]
    assert len(found) == 1, problems
    if value is not None:
        assert found[0].value == value
    assert words in found[0].message + " | " + found[0].remedy
    assert found[0].remedy


def test_regressing_a_batch_that_is_not_there(tmp_path, obs, write_cells, sheet_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(cells={"batch": None})
    (problem,) = problems_of(tmp_path, sheet, genes={"regress": ["batch"]})
    assert problem.field == "cells.batch"


def test_problems_of_all_kinds_at_once(tmp_path, obs, write_cells, sheet_of, problems_of, counts):
    obs["age"] = 3
    write_cells(tmp_path / "cells.h5ad", obs, counts(len(obs)).log1p())
    sheet = sheet_of(gene_sets={"K": {"genes": ["X"]}}, cells={"batch": "pools"})
    fields = [problem.field for problem in problems_of(tmp_path, sheet)]
    assert fields == ["gene_sets.K", "cells.counts", "cells.batch"]
    sheet["cells"]["batch"] = "pool"
    sheet["phenotypes"]["status"]["column"] = "state"
    sheet["variants"] = {"path": "v.vcf.gz"}
    with gzip.open(tmp_path / "v.vcf.gz", "wt") as vcf:
        vcf.write("nonsense")
    assert {problem.field for problem in problems_of(tmp_path, sheet)} == {
        "gene_sets.K",
        "cells.counts",
    }


def test_neurdiff_on_a_stand_in(tmp_path, root, shared_data, write_cells):
    lines = ["HPSI0114i-bezi_3", "HPSI0114i-eipl_1", "HPSI0114i-bezi_1", "unlisted"]
    for name in ("config", "config/cohorts", "data"):
        (tmp_path / name).mkdir()
    for name in ("config/cohorts/neurdiff.yaml", "config/neurdiff.yaml"):
        (tmp_path / name).write_text((root / name).read_text())
    table = shared_data / "jerber2021_predDopaminergic_full.csv"
    (tmp_path / "data" / table.name).write_bytes(table.read_bytes())
    (tmp_path / "data" / "c2.cp.kegg.gmt").write_text("KEGG_A\t-\tACTB\n")
    obs = pd.DataFrame(
        {
            "donor_id": np.repeat(lines, 20),
            "celltype": np.tile(["FPP"] * 10 + ["P_FPP"] * 10, len(lines)),
            "pool_id": "pool1",
            "time_point": "D11",
            "treatment": "NONE",
        },
        index=[str(number) for number in range(20 * len(lines))],
    )
    write_cells(tmp_path / "data" / "D11.h5ad", obs)
    cohort = load_cohort(tmp_path / "config" / "cohorts" / "neurdiff.yaml")
    config: dict = {"bins": {"size": 10}}
    check_config(config, "config.yaml")
    study = read_study(cohort, config)
    values = study.samples.set_index("sample")["diff_efficiency"]
    assert values["HPSI0114i-bezi_3"] == 0.582697201
    assert np.isnan(values["HPSI0114i-bezi_1"])
    assert len(study.cells) == 60
    assert (study.excluded["reason"] == "no cells").sum() == 2 * (812 - 3)


@pytest.mark.parametrize(
    ("name", "n_samples", "size"), [("kang2018", 16, 100), ("perez2022", 8, 1000)]
)
def test_real_cells(tmp_path, root, shared_data, name, n_samples, size, study_of):
    sheet = yaml.safe_load((root / "config" / "cohorts" / f"{name}.yaml").read_text())
    sheet["cells"]["path"] = str(shared_data / Path(sheet["cells"]["path"]).name)
    sheet.pop("config", None)
    study = study_of(tmp_path, sheet, size)
    assert len(study.samples) == n_samples
    assert study.samples.notna().all(axis=None)
    assert study.warnings == []
