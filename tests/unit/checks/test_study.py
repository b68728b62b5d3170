from __future__ import annotations

import gzip
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.checks import cells as cell_checks
from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.errors import InputError
from popnet.study.cohort import load_cohort

GENES = ["MT-ND1", "MT-CO1", "HES4", "ISG15", "ACTB", "GAPDH"]
IDS = ["a|1", "b/2", "007", "d"]
CELLS = 30  # per sample: 20 of type T cells, 10 of type B+


@pytest.fixture
def obs() -> pd.DataFrame:
    names = np.repeat(IDS, CELLS)
    return pd.DataFrame(
        {
            "line": pd.Categorical(names),
            "celltype": pd.Categorical(np.tile(["T cells"] * 20 + ["B+"] * 10, len(IDS))),
            "pool": np.where(np.isin(names, IDS[:2]), "p1", "p2"),
            "day": 11.0,
            "age": np.repeat([30.0, 41.5, 29.0, 55.0], CELLS),
            "status": np.repeat(["sick", "well", "well", "sick"], CELLS),
            "donor": np.repeat(["x", "x", "y", "z"], CELLS),
        },
        index=[f"cell{number}" for number in range(CELLS * len(IDS))],
    )


def counts(n_cells: int, n_genes: int = len(GENES)) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.random.default_rng(0).poisson(2, (n_cells, n_genes)), dtype="f4")


def write_cells(path: Path, obs: pd.DataFrame, X=None, var=None, **more) -> None:
    var = pd.DataFrame(index=GENES) if var is None else var
    X = counts(len(obs), len(var)) if X is None else X
    ad.AnnData(X, obs=obs, var=var, **more).write_h5ad(path)


def sheet_of(**changes) -> dict:
    sheet = {
        "name": "study",
        "cells": {
            "path": "cells.h5ad",
            "sample": "line",
            "cell_type": "celltype",
            "batch": "pool",
            "keep": {"day": [11]},
        },
        "cell_types": ["T cells"],
        "samples": [{"id": id} for id in IDS],
        "phenotypes": {
            "age": {"type": "continuous"},
            "status": {"type": "binary", "case": "sick", "control": "well"},
        },
    }
    cells = changes.pop("cells", {})
    sheet["cells"] |= cells
    return sheet | changes


def study_of(folder: Path, sheet: dict, size: int = 10, **settings):
    # Preset robust would warn that so few samples cannot be tested.
    config: dict = {"preset": "paper", "bins": {"size": size}} | settings
    assert check_config(config, "config.yaml") == []
    path = folder / "sheet.yaml"
    path.write_text(yaml.safe_dump(sheet, sort_keys=False))
    return read_study(load_cohort(path), config)


def test_study(tmp_path, obs):
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
    assert list(study.cells) == ["sample", "cell_type", "batch", "source", "row", "cell"]
    kept = obs["celltype"] == "T cells"
    assert study.cells["cell"].tolist() == obs.index[kept].tolist()
    assert study.cells["row"].tolist() == np.flatnonzero(kept).tolist()
    assert study.cells["sample"].tolist() == obs["line"][kept].tolist()
    assert study.excluded.empty
    assert study.warnings == []


def test_samples_of_the_cells(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    samples = {"cells": "all", "donor": "donor", "exclude": {"d": "failed", "dd": "typo"}}
    study = study_of(tmp_path, sheet_of(samples=samples))
    assert dict(zip(study.samples["sample"], study.samples["donor"], strict=True)) == {
        "007": "y",
        "a|1": "x",
        "b/2": "x",
    }
    assert study.excluded.to_dict("records") == [
        {"cell_type": "T cells", "sample": "d", "n_cells": 20, "reason": "failed"}
    ]
    (warning,) = study.warnings
    assert warning.field == "samples.exclude.dd"


def test_all_cells_as_one_type(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(cells={"cell_type": None, "batch": None})
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet)
    assert study.cells["cell_type"].unique().tolist() == ["all"]
    assert study.samples["n_cells"].tolist() == [CELLS] * 4
    assert study.samples["batch"].tolist() == [""] * 4


def test_cell_types_that_are_not_listed(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet, size=15)
    assert study.cells["cell_type"].cat.categories.tolist() == ["B+", "T cells"]
    (warning,) = study.warnings
    assert (warning.field, warning.value) == ("cell_types", "B+")


def test_absent_samples(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    (tmp_path / "t.csv").write_text("line,age\na|1,0\nb/2,1\n007,2\ngone,3\n")
    samples = {"table": "t.csv", "id": "line", "without_cells": "exclude"}
    study = study_of(tmp_path, sheet_of(samples=samples))
    assert study.samples["sample"].tolist() == ["a|1", "b/2", "007"]
    assert study.samples["age"].tolist() == [0, 1, 2]
    rows = study.excluded.set_index("sample")
    assert rows.loc["gone"].tolist() == ["T cells", 0, "no cells"]
    assert rows.loc["d"].tolist() == ["T cells", 20, "not in the sheet"]
    (warning,) = study.warnings
    assert "1 samples of the cells (30 cells)" in warning.message


def test_missing_phenotype_may_be_dropped(tmp_path, obs):
    obs.loc[obs["line"] == "d", "age"] = np.nan
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    sheet["phenotypes"]["age"]["missing"] = "drop"
    study = study_of(tmp_path, sheet)
    np.testing.assert_array_equal(study.samples["age"], [30, 41.5, 29, np.nan])


def test_own_values_win(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of()
    sheet["phenotypes"]["years"] = {"type": "continuous", "column": "age"}
    sheet["samples"][0] |= {"phenotypes": {"years": 1}, "batch": "mine", "donor": "me"}
    study = study_of(tmp_path, sheet)
    assert study.samples["years"].tolist() == [1, 41.5, 29, 55]
    assert study.samples["batch"].tolist() == ["mine", "p1", "p2", "p2"]
    assert study.samples["donor"].tolist() == ["me", *IDS[1:]]


def test_a_file_for_every_sample_and_annotations(tmp_path, obs, monkeypatch):
    for number, id in enumerate(IDS):
        part = obs[obs["line"] == id]
        bare = pd.DataFrame(index=[f"bc{row}" for row in range(len(part))])
        write_cells(tmp_path / f"{number}.h5ad", bare)
    table = obs.assign(barcode=np.tile([f"bc{row}" for row in range(CELLS)], len(IDS)))
    table.to_csv(tmp_path / "cells.tsv", sep="\t", index=False)
    annotations = {"table": "cells.tsv", "barcode": "barcode", "sample": "line"}
    sheet = sheet_of(
        cells={"path": None, "sample": None, "annotations": annotations},
        samples=[{"id": id, "path": f"{number}.h5ad"} for number, id in enumerate(IDS)],
    )
    del sheet["cells"]["path"]
    read = []
    reader = cell_checks.read_sheet_table
    monkeypatch.setattr(cell_checks, "read_sheet_table", lambda p: read.append(p) or reader(p))
    study = study_of(tmp_path, sheet)
    assert study.samples["sample"].tolist() == IDS
    assert study.samples["n_cells"].tolist() == [20] * 4
    assert study.samples["age"].tolist() == [30, 41.5, 29, 55]
    assert study.cells["source"].nunique() == 4
    # Once for all samples.
    assert len(read) == 1

    del sheet["cells"]["annotations"]["sample"]
    problems = problems_of(tmp_path, sheet)
    assert any(p.field == "cells.annotations.sample" for p in problems)


def problems_of(folder: Path, sheet: dict, size: int = 10, **settings) -> list:
    with pytest.raises(InputError) as raised:
        study_of(folder, sheet, size, **settings)
    return raised.value.problems


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
def test_bad_sheet(tmp_path, obs, changes, field, value, words):
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


@pytest.mark.parametrize(
    ("column", "sheet", "field"),
    [
        ("age", {}, "phenotypes.age"),
        ("pool", {"covariates": {"pool": "categorical"}}, "covariates.pool"),
        ("donor", {"samples": {"cells": "all", "donor": "donor"}}, "samples.donor"),
    ],
)
def test_what_varies_within_a_sample(tmp_path, obs, column, sheet, field):
    obs[column] = np.tile(obs[column].to_numpy()[::CELLS], CELLS)
    write_cells(tmp_path / "cells.h5ad", obs)
    (problem,) = [p for p in problems_of(tmp_path, sheet_of(**sheet)) if p.field == field]
    assert "varies within 4 of 4 samples" in problem.message


def test_phenotype_missing_for_a_sample(tmp_path, obs):
    obs.loc[obs["line"] == "d", "age"] = np.nan
    obs.loc[obs["line"] == "d", "status"] = np.nan
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(covariates={"old": {"type": "numeric", "column": "age"}})
    problems = problems_of(tmp_path, sheet)
    assert [problem.field for problem in problems] == [
        "phenotypes.age",
        "phenotypes.status",
        "covariates.old",
    ]
    assert all("missing for 1 of 4: 'd'" in problem.message for problem in problems)
    assert "missing: drop" in problems[0].remedy


@pytest.mark.parametrize(
    ("size", "types", "field", "words"),
    [
        (25, ["T cells"], "bins.size", "with 20 cells of 'T cells'"),
        (15, ["T cells", "B+"], "cell_types", "the largest has 10"),
    ],
)
def test_no_bin(tmp_path, obs, size, types, field, words):
    write_cells(tmp_path / "cells.h5ad", obs)
    (problem,) = problems_of(tmp_path, sheet_of(cell_types=types), size)
    assert problem.field == field
    assert words in problem.message


def test_regressing_a_batch_that_is_not_there(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(cells={"batch": None})
    (problem,) = problems_of(tmp_path, sheet, genes={"regress": ["batch"]})
    assert problem.field == "cells.batch"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X.log1p(), "log-normalised"),
        (lambda X: X - 5 * sparse.csr_matrix(np.ones(X.shape)), "whole numbers"),
        (lambda X: X * 100.5, "whole numbers"),
        (lambda X: X * np.nan, "whole numbers"),
    ],
)
def test_counts_that_are_none(tmp_path, obs, change, words):
    write_cells(tmp_path / "cells.h5ad", obs, sparse.csr_matrix(change(counts(len(obs)))))
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.field == "cells.counts"
    assert words in problem.message
    assert "gene '" in problem.message
    assert "of cell 'cell" in problem.message


def test_filters_taken_as_pass(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs)
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *IDS]
    record = ["MT", "1", ".", "A", "G", ".", "fa", ".", "GT", *"0101"]
    (tmp_path / "v.vcf").write_text(
        '##fileformat=VCFv4.2\n##contig=<ID=MT>\n##FILTER=<ID=fa,Description="x">\n'
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
        + "".join("\t".join(row) + "\n" for row in (columns, record))
    )
    sheet = sheet_of(variants={"path": "v.vcf"})
    (problem,) = problems_of(tmp_path, sheet)
    assert "is filtered: fa" in problem.message
    sheet["variants"]["keep_filters"] = ["fa"]
    assert len(study_of(tmp_path, sheet).samples) == 4


def test_raw_counts_elsewhere(tmp_path, obs):
    X = counts(len(obs))
    write_cells(tmp_path / "cells.h5ad", obs, X.log1p(), layers={"raw": X})
    assert len(study_of(tmp_path, sheet_of(cells={"counts": "layers/raw"})).samples) == 4


def test_ensembl_ids(tmp_path, obs):
    var = pd.DataFrame(
        {"n": range(6), "feature": ["x"] * 6, "symbol": GENES},
        index=[f"ENSG{number:011d}" for number in range(6)],
    )
    write_cells(tmp_path / "cells.h5ad", obs, var=var)
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.field == "cells.gene_symbols"
    assert problem.remedy == "Set cells.gene_symbols: symbol"
    assert len(study_of(tmp_path, sheet_of(cells={"gene_symbols": "symbol"})).samples) == 4
    write_cells(tmp_path / "cells.h5ad", obs, var=var[["n"]])
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.remedy.startswith("Add a var column")


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_gene_names_that_occur_twice(tmp_path, obs):
    write_cells(tmp_path / "cells.h5ad", obs, var=pd.DataFrame(index=[*GENES[:5], "ACTB"]))
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.value == "ACTB"


@pytest.mark.parametrize("content", [b"", b"not an h5ad", None])
def test_unreadable_cells(tmp_path, obs, content):
    path = tmp_path / "cells.h5ad"
    write_cells(path, obs)
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.file == str(path)
    assert problem.remedy


def test_problems_of_all_kinds_at_once(tmp_path, obs):
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


def test_neurdiff_on_a_stand_in(tmp_path, root, shared_data):
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
def test_real_cells(tmp_path, root, shared_data, name, n_samples, size):
    sheet = yaml.safe_load((root / "config" / "cohorts" / f"{name}.yaml").read_text())
    sheet["cells"]["path"] = str(shared_data / Path(sheet["cells"]["path"]).name)
    sheet.pop("config", None)
    study = study_of(tmp_path, sheet, size)
    assert len(study.samples) == n_samples
    assert study.samples.notna().all(axis=None)
    assert study.warnings == []


@pytest.mark.parametrize(
    ("status", "covariate", "severity", "said"),
    [
        (["sick", "well", "well", "sick"], ["f", "m", "m", "f"], "error", "the same as phenotype"),
        (["sick", "well", "well", "sick"], ["f", "f", "f", "f"], "warning", "constant"),
        (["sick", "sick", "well", "well"], ["f", "m", "f", "m"], "warning", "within any batch"),
    ],
)
def test_covariates_and_batches_that_leave_nothing(
    tmp_path, obs, status, covariate, severity, said
):
    """p1 has the first two samples, p2 the others."""
    write_cells(tmp_path / "cells.h5ad", obs)
    samples = [
        {"id": id, "phenotypes": {"status": one}, "covariates": {"sex": sex}}
        for id, one, sex in zip(IDS, status, covariate, strict=True)
    ]
    sheet = sheet_of(samples=samples, covariates={"sex": "categorical"})
    sheet["phenotypes"] = {"status": {"type": "binary", "case": "sick", "control": "well"}}
    try:
        found = study_of(tmp_path, sheet, preset="robust").warnings
    except InputError as error:
        found = error.problems
    problem = next(problem for problem in found if said in problem.message)
    assert problem.severity == severity
    assert problem.field in ("covariates.sex", "phenotypes.status")
