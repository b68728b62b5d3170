"""Names of genes."""

from __future__ import annotations

import pandas as pd
import pytest

GENES = ["MT-ND1", "MT-CO1", "HES4", "ISG15", "ACTB", "GAPDH"]


def test_ensembl_ids(tmp_path, obs, write_cells, sheet_of, study_of, problems_of):
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
def test_gene_names_that_occur_twice(tmp_path, obs, write_cells, sheet_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs, var=pd.DataFrame(index=[*GENES[:5], "ACTB"]))
    (problem,) = problems_of(tmp_path, sheet_of())
    assert problem.value == "ACTB"


TYPES = ["Gene Expression"] * 5 + ["Antibody Capture"]


def test_features_that_are_no_genes_are_told(tmp_path, obs, write_cells, sheet_of, study_of):
    var = pd.DataFrame({"feature_types": TYPES}, index=GENES)
    write_cells(tmp_path / "cells.h5ad", obs, var=var)
    (warning,) = study_of(tmp_path, sheet_of()).warnings
    assert warning.message.startswith("1 of 6 features are no genes: 1 'Antibody Capture'")


@pytest.mark.parametrize(
    ("names", "remedy", "changes"),
    [
        (
            [f"GRCh38_{gene}" for gene in GENES],
            'Set cells.gene_prefix: "GRCh38_"',
            {"cells": {"gene_prefix": "GRCh38_"}},
        ),
        (
            ["mt-Nd1", "mt-Co1", *GENES[2:]],
            'Set gene_sets: {MT: {prefix: "mt-"}}',
            {"gene_sets": {"MT": {"prefix": "mt-"}}},
        ),
        (
            ["MT.ND1", "MT.CO1", *GENES[2:]],
            'Set gene_sets: {MT: {prefix: "MT."}}',
            {"gene_sets": {"MT": {"prefix": "MT."}}},
        ),
        (
            ["ND1", "COX1", "CYTB", *GENES[3:]],
            "Set gene_sets: {MT: {genes: [ND1, COX1, CYTB]}}",
            {"gene_sets": {"MT": {"genes": ["ND1", "COX1", "CYTB"]}}},
        ),
    ],
)
def test_mitochondrial_genes_of_another_name(
    tmp_path, obs, names, remedy, changes, write_cells, sheet_of, study_of, problems_of
):
    write_cells(tmp_path / "cells.h5ad", obs, var=pd.DataFrame(index=names))
    (warning,) = study_of(tmp_path, sheet_of()).warnings
    assert warning.field == "gene_sets.MT"
    assert names[0] in warning.message
    assert warning.remedy.startswith(remedy)
    # Done as it says, nothing is left to say.
    assert study_of(tmp_path, sheet_of(**changes)).warnings == []
    (problem,) = problems_of(tmp_path, sheet_of(cells={"gene_prefix": "mm10_"}))
    assert (problem.field, problem.value) == ("cells.gene_prefix", "mm10_")


def test_one_symbol_of_two_ids(tmp_path, obs, write_cells, sheet_of, study_of, problems_of):
    ids = [f"ENSG{number:011d}" for number in range(6)]
    swapped = [*ids[:4], ids[5], ids[4]]

    def write(number, **columns):
        var = pd.DataFrame(columns, index=GENES)
        write_cells(tmp_path / f"{number}.h5ad", obs[:40], var=var)

    for number, column in enumerate((ids, swapped, ids)):
        write(number, gene_ids=column)
    values = [
        {"age": number, "status": word} for number, word in enumerate(["sick", "well", "well"])
    ]
    samples = [{"id": f"s{n}", "path": f"{n}.h5ad", "phenotypes": values[n]} for n in range(3)]
    cells = {"path": None, "sample": None, "cell_type": None, "keep": {}, "batch": None}
    sheet = sheet_of(cells=cells, samples=samples, cell_types=["all"])
    (warning,) = study_of(tmp_path, sheet).warnings
    assert f"ACTB: '{ids[4]}', '{ids[5]}'" in warning.message
    write(2)
    (problem,) = problems_of(tmp_path, sheet)
    assert "2.h5ad has none" in problem.message


def test_genes_that_a_spreadsheet_made_dates_of(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(gene_sets={"septins": {"genes": ["ACTB", "2-Sep"]}})
    (warning,) = study_of(tmp_path, sheet).warnings
    assert warning.field == "gene_sets.septins"
    assert "'2-Sep'" in warning.message
