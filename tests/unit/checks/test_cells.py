"""Annotations of the cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnet.cells import formats
from popnet.checks import cells as cell_checks
from popnet.checks.values import values_by_sample

IDS = ["a|1", "b/2", "007", "d"]
CELLS = 30  # per sample: 20 of type T cells, 10 of type B+


def test_all_cells_as_one_type(tmp_path, obs, write_cells, sheet_of, study_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    sheet = sheet_of(cells={"cell_type": None, "batch": None})
    del sheet["cell_types"]
    study = study_of(tmp_path, sheet)
    assert study.cells["cell_type"].unique().tolist() == ["all"]
    assert study.samples["n_cells"].tolist() == [CELLS] * 4
    assert study.samples["batch"].tolist() == [""] * 4


def test_a_file_for_every_sample_and_annotations(
    tmp_path, obs, monkeypatch, write_cells, sheet_of, study_of, problems_of
):
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


def test_annotations_win(tmp_path, obs, write_cells, sheet_of, study_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs.assign(celltype="wrong"))
    obs.rename_axis("barcode")[["celltype"]].to_csv(tmp_path / "a.csv")
    sheet = sheet_of(cells={"annotations": {"table": "a.csv", "barcode": "barcode"}})
    study = study_of(tmp_path, sheet)
    assert study.samples["n_cells"].tolist() == [20] * 4
    (warning,) = study.warnings
    assert "which wins: 'celltype'" in warning.message

    doubled = obs.set_axis(["cell0", *obs.index[:-1]])
    write_cells(tmp_path / "cells.h5ad", doubled)
    (problem,) = problems_of(tmp_path, sheet)
    assert (problem.field, problem.value) == ("cells.annotations.barcode", "cell0")


def test_cells_without_a_type_are_counted(tmp_path, obs, write_cells, sheet_of, study_of):
    types = obs["celltype"].astype(str).where(np.arange(len(obs)) % 30 != 0, "NA")
    write_cells(tmp_path / "cells.h5ad", obs.assign(celltype=types))
    study = study_of(tmp_path, sheet_of())
    assert study.samples["n_cells"].tolist() == [19] * 4
    (warning,) = study.warnings
    assert "4 cells of the samples have no cell type" in warning.message


@pytest.mark.parametrize("own", [{}, {"batch": "mine"}])
def test_blocks_change_nothing(tmp_path, monkeypatch, obs, write_cells, sheet_of, study_of, own):
    """Samples and their values lie in several blocks, as text and as levels, in several files."""
    texts = obs.assign(line=obs["line"].astype(str)).sample(frac=1, random_state=1)
    texts.index = [*texts.index[:-1], texts.index[0]]
    samples = [{"id": id, "path": f"{number % 2}.h5ad"} for number, id in enumerate(IDS)]
    samples[0] |= own
    # Some cells lie in another file than their sample's.
    own_file = texts["line"].map({one["id"]: one["path"] for one in samples})
    astray = np.arange(len(texts)) % 10 == 0
    for path in ("0.h5ad", "1.h5ad"):
        write_cells(tmp_path / path, texts[(own_file == path) != astray])
    covariates = {"who": {"type": "categorical", "column": "donor"}}
    sheet = sheet_of(samples=samples, covariates=covariates)
    del sheet["cells"]["path"]
    whole = study_of(tmp_path, sheet)
    monkeypatch.setattr(formats, "BLOCK", 7)
    monkeypatch.setattr(cell_checks, "BLOCK", 5)
    blocks = study_of(tmp_path, sheet)
    for table in ("samples", "cells", "excluded"):
        pd.testing.assert_frame_equal(getattr(blocks, table), getattr(whole, table))
    assert (blocks.warnings, blocks.outlook) == (whole.warnings, whole.outlook)
    assert sum("in another file" in warning.message for warning in whole.warnings) == 2
    counts = texts.loc[texts["celltype"].eq("T cells") & ~astray, "line"].value_counts()
    assert whole.samples["n_cells"].tolist() == counts[IDS].tolist()
    assert whole.samples["batch"].tolist() == [own.get("batch", "p1"), "p1", "p2", "p2"]


def test_pairs_of_values_against_pandas(monkeypatch):
    monkeypatch.setattr(cell_checks, "BLOCK", 7)
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(
        {
            name: pd.Categorical(rng.choice([*values, None], 100), [*values, "none"])
            for name, values in {"one": ["a", "b", "c"], "two": ["x", "y"]}.items()
        }
    )
    chosen = rng.random(100) < 0.7
    found = cell_checks.count_pairs(cells, ["one", "two"], chosen)
    expected = cells[chosen].astype(object).groupby(["one", "two"]).size()
    pd.testing.assert_series_equal(found, expected)
    for column in cells:
        texts = cells.loc[chosen, column].dropna()
        assert cell_checks.present(cells[column], chosen) == sorted(set(texts))
        expected = cells[column].isin(["a", "x", "absent"]).to_numpy()
        np.testing.assert_array_equal(
            cell_checks.among(cells[column], ["a", "x", "absent"]), expected
        )


TEXTS = st.sampled_from(["a", " a", "b ", "b", "c", "NA", "", "-9", None])


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=30))
def test_values_of_samples_in_the_order_of_their_cells(rows):
    samples, values = (
        pd.Series([row[place] for row in rows], dtype=object).astype("category") for place in (0, 1)
    )
    expected = {}
    for sample, value in zip(samples, cell_checks.as_texts(values, ["-9"]), strict=True):
        if isinstance(sample, str) and value is not None:
            expected.setdefault(sample, {})[value] = None
    found = values_by_sample(samples, values, ["-9"])
    assert found == {sample: list(of_sample) for sample, of_sample in expected.items()}
    assert values_by_sample(samples, values.astype(object), ["-9"]) == found
