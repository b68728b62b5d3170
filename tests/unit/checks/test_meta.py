"""Finished studies that are to be combined."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from popnet.checks.meta import check_studies, read_studies
from popnet.errors import InputError

CONFIG = {section: {} for section in ("bins", "genes", "networks", "sivae")}


@pytest.fixture
def finished(tmp_path):
    """A function that writes what a finished study is known by, and returns its folder."""

    def study(name, donors, samples=None, preset="robust", size=1000, version="0.1.0"):
        folder = tmp_path / name
        folder.mkdir()
        record = {
            "cohort": name,
            "preset": preset,
            "config": CONFIG | {"bins": {"size": size}},
            "versions": {"popnet": version},
        }
        (folder / "cohort.json").write_text(json.dumps(record))
        table = pd.DataFrame({"sample": samples or [f"{name} {one}" for one in donors]})
        table.assign(donor=donors).to_csv(folder / "samples.tsv", sep="\t", index=False)
        for network in ("shared", "correlation"):
            path = folder / "T_cells" / "associations" / "age" / network / "centrality.tsv"
            path.parent.mkdir(parents=True)
            path.write_text("gene\n")
        return str(folder)

    return study


def faults(*folders):
    found = check_studies(read_studies(folders))
    return {(one.severity, one.message.split(":")[0]) for one in found}


def test_studies_of_other_donors(finished):
    one, two = finished("one", ["a", "b"]), finished("two", ["c", "d"])
    assert not faults(one, two)
    assert read_studies([one])[0].tested() == {
        ("T_cells", "age", "shared"),
        ("T_cells", "age", "correlation"),
    }


def test_the_same_donors_are_refused(finished):
    one = finished("one", ["a", "b"], ["x", "y"])
    two, three = finished("two", ["b", "c"], ["y", "z"]), finished("three", ["a", "e"])
    assert faults(one, two) == {("error", "Both studies have the donors 'b'")}
    # The id alone may be another's.
    assert faults(one, three) == {("warning", "Both studies have the donors 'a'")}
    assert faults(one, one) == {("error", "The study is given twice")}


def test_what_cannot_be_combined(finished):
    one, paper = finished("one", ["a"]), finished("paper", ["b"], preset="paper")
    other = finished("other", ["c"], size=100)
    assert faults(one) == {("error", "A meta-analysis needs several studies")}
    assert (
        "error",
        "With preset paper every bin is an observation, and effects have no error",
    ) in (faults(one, paper))
    assert faults(one, other) == {("warning", "The studies were made with different settings")}
    newer = finished("newer", ["d"], version="0.2.0")
    assert faults(one, newer) == {("warning", "The studies were made with different versions")}
    with pytest.raises(InputError, match="There is no finished study"):
        read_studies([one, "results/nowhere"])
