"""The tables of training: complete, and with few enough failures."""

from __future__ import annotations

import pandas as pd
import pytest

from popnet.errors import InputError
from popnet.files import write_table
from popnet.networks.trained import (
    check_complete,
    precisions,
    read_training,
    trained_models,
    untrained,
    without_failed,
)

ROWS = [
    ("007", 1, 1, "failed: diverged"),
    ("007", 1, 2, "trained"),
    ("007", 2, 1, "failed: diverged"),
    ("007", 2, 2, "failed: diverged"),
    ("NA", 1, 1, "trained"),
    ("NA", 1, 2, "trained"),
]


@pytest.fixture
def training() -> pd.DataFrame:
    table = pd.DataFrame(ROWS, columns=["sample", "bin", "repeat", "status"])
    model = [f"{row}.h5ad" for row in range(len(ROWS))]
    return table.assign(model=model, version="0.10", code="0123456789123456")


def test_a_bin_is_untrained_where_no_repeat_trained(training):
    found = untrained(training, ["sample", "bin"])
    assert found[["sample", "bin"]].to_numpy().tolist() == [["007", 2]]
    assert untrained(training, ["sample"]).empty


def test_tables_of_jobs_are_read_as_text_where_they_are_text(training, tmp_path):
    paths = [str(tmp_path / f"{number}.tsv") for number in (1, 2)]
    write_table(training[:2], paths[0])
    write_table(training[2:], paths[1])
    found = read_training(paths)
    pd.testing.assert_frame_equal(found[list(training)], training)
    assert found["table"].tolist() == [paths[0]] * 2 + [paths[1]] * 4


def test_models_of_two_precisions_are_counted(training, tmp_path):
    path = str(tmp_path / "1.tsv")
    write_table(training.assign(precision=["bf16", "bf16", "", "", "bf16", "float32"]), path)
    assert precisions([path]) == {"bf16": 2, "float32": 1}
    assert precisions([]) == {}


def test_truncated_tables_are_detected(training, tmp_path):
    planned = training[["sample", "bin"]].drop_duplicates()
    check_complete(training, planned, tmp_path)
    with pytest.raises(InputError, match="lack 1 bins, the first: NA bin 1") as error:
        check_complete(training[:4], planned, tmp_path)
    assert error.value.problems[0].file == str(tmp_path / "*.tsv")


def test_too_many_failed_bins_are_refused(training, capsys):
    kept = without_failed(training, max_failed=0.34)
    assert kept["model"].tolist() == ["1.h5ad", "4.h5ad", "5.h5ad"]
    assert kept.index.tolist() == [0, 1, 2]
    assert capsys.readouterr().out.splitlines() == [
        "left out: 007 bin 1 (failed: diverged)",
        "left out: 007 bin 2 (failed: diverged)",
        "left out: 007 bin 2 repeat 2 (failed: diverged)",
    ]
    with pytest.raises(InputError, match=r"1 of 3 bins did not train with any seed: 007 bin 2 \("):
        without_failed(training, max_failed=0.3)
    with pytest.raises(InputError, match="3 of 3 bins"):
        without_failed(training.assign(status="failed: diverged"), max_failed=1)
    once = training[training["repeat"] == 1]
    with pytest.raises(InputError, match="2 of 3 bins did not train: 007"):
        without_failed(once, max_failed=0.1)


def test_models_go_by_bin_and_a_damaged_one_is_named(training, tmp_path):
    table = str(tmp_path / "1.tsv")
    write_table(training, table)
    planned = training[["sample", "bin"]].drop_duplicates()
    models = trained_models([table], planned, tmp_path / "models", 0.5)
    assert models.bins.to_numpy().tolist() == [["007", 1], ["NA", 1]]
    assert models.bin_number.tolist() == [0, 1, 1]
    assert [file.path.name for file in models.files] == ["1.h5ad", "4.h5ad", "5.h5ad"]
    models.files[0].path.parent.mkdir()
    models.files[0].path.write_bytes(b"cut short")
    with pytest.raises(InputError, match=r"1\.h5ad") as error:
        models.read_all("var/variance")
    assert error.value.problems[0].remedy.startswith(f"delete it and {table}")


def test_a_study_without_models_of_bins_has_no_rows():
    found = read_training([])
    assert found.empty
    assert {"sample", "bin", "status", "version", "code", "table"} <= set(found)
    assert untrained(found, ["sample", "bin"]).empty
