"""Own networks against the sheet: preset, samples and cell types."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from popnet.checks.study import check_networks, read_study
from popnet.errors import InputError
from popnet.study.cohort import load_cohort

CONFIG = {"preset": "robust", "seed": 1, "bins": {"size": 10}, "genes": {"regress": []}}


def rows(samples, **columns) -> pd.DataFrame:
    pairs = [(sample, *pair) for sample in samples for pair in ("AB", "AC", "BC")]
    table = pd.DataFrame(pairs, columns=["sample", "gene1", "gene2"])
    return table.assign(weight=range(len(table)), **columns)


@pytest.fixture
def check(tmp_path):
    """A function that checks own networks, given as tables; it returns the study and warnings."""

    def checked(*tables, config=CONFIG, **keys):
        for number, table in enumerate(tables):
            table.to_parquet(tmp_path / f"{number}.parquet")
        names = {f"net{number}": {"path": f"{number}.parquet"} for number in range(len(tables))}
        samples = [
            {"id": id, "donor": f"donor {id}", "batch": "x", "phenotypes": {"age": age}}
            for age, id in enumerate("abcdef")
        ]
        sheet = {"name": "own", "own_networks": names, "samples": samples}
        sheet |= {"phenotypes": {"age": {"type": "continuous"}}, **keys}
        path = tmp_path / "sheet.yaml"
        path.write_text(yaml.safe_dump(sheet))
        cohort = load_cohort(path)
        study = read_study(cohort, config)
        return study, "\n".join(map(str, check_networks(cohort, study, config)))

    return checked


def test_samples_and_values_are_the_sheets(check):
    study, warnings = check(rows("abcdef"))
    assert study.samples["donor"].tolist() == [f"donor {id}" for id in "abcdef"]
    assert study.samples["age"].tolist() == [0, 1, 2, 3, 4, 5]
    assert set(study.samples["batch"]) == {"x"}
    assert list(study.cells["cell_type"].cat.categories) == ["all"]
    assert warnings == ""


def test_samples_without_rows_are_told(check):
    _, warnings = check(rows("abce"))
    assert "2 of 6 samples have no rows" in warnings
    assert "'d', 'f'" in warnings


def test_types_of_the_tables(check):
    table = pd.concat([rows("abcdef", cell_type="T"), rows("abc", cell_type="B")])
    study, _ = check(table)
    assert list(study.cells["cell_type"].cat.categories) == ["B", "T"]
    study, warnings = check(table, rows("abcdef"), cell_types=["T"])
    assert list(study.cells["cell_type"].cat.categories) == ["T"]
    assert "Rows of 'B' are left out" in warnings


@pytest.mark.parametrize(
    ("tables", "keys", "message"),
    [
        ([rows("abg")], {}, "'g'"),
        ([rows("abc"), rows("abc")], {"config": CONFIG | {"preset": "paper"}}, "no own networks"),
        ([rows("abc", cell_type="T")], {"cell_types": ["B"]}, "The table has no rows of 'B'"),
        (
            [
                rows("abc"),
                pd.concat([rows("abc", cell_type="T"), rows("abc", cell_type="B")]),
            ],
            {},
            "The table has no cell types, and the study has 'B', 'T'",
        ),
        ([rows("abc"), rows("abc").assign(weight=float("nan"))], {}, "missing or infinite"),
    ],
)
def test_refused(check, tables, keys, message):
    with pytest.raises(InputError) as error:
        check(*tables, **keys)
    assert message in str(error.value)


def test_a_value_that_the_sheet_does_not_give(check):
    with pytest.raises(InputError) as error:
        check(rows("abc"), covariates={"depth of reads": "numeric"})
    assert "No sample has a value" in str(error.value)
