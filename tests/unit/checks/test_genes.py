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
