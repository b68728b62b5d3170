"""The sheet of a second cohort against that of the discovery."""

from __future__ import annotations

import pytest
import yaml

from popnet.errors import InputError
from popnet.study.cohort import load_cohort
from popnet.study.replication import replicated_phenotypes, replication_problems, second_cohort

ROBUST = {"preset": "robust"}


def sheet(name, ids, **keys):
    return {
        "name": name,
        "simulation": {"seed": 1},
        "cells": {"path": f"{name}.h5ad", "sample": "sample", "cell_type": "type"},
        "cell_types": ["T"],
        "samples": [
            {"id": one, "phenotypes": {"ill": number % 2, "age": number}}
            for number, one in enumerate(ids)
        ],
        "phenotypes": {"ill": {"type": "binary"}, "age": {"type": "continuous"}},
    } | keys


@pytest.fixture
def two(tmp_path):
    """A function that writes two sheets, with changes, and returns the discovery."""

    def write(first=None, second=None, replicate=None):
        one = sheet("first", ["a", "b", "c"], **(first or {}))
        one["replicate"] = {"cohort": "second.yaml"} | (replicate or {})
        other = sheet("second", ["d", "e", "f"], **(second or {}))
        for name, document in (("first", one), ("second", other)):
            kept = {key: value for key, value in document.items() if value is not None}
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(kept))
        return load_cohort(tmp_path / "first.yaml")

    return write


def test_the_second_cohort_has_the_phenotypes_and_cell_types_of_the_discovery(two):
    discovery = two(replicate={"phenotypes": ["ill"]}, second={"cell_types": None})
    assert replication_problems(discovery, ROBUST) == []
    assert [one.name for one in replicated_phenotypes(discovery)] == ["ill"]
    second = second_cohort(discovery)
    assert [one.name for one in second.phenotypes] == ["ill"]
    assert second.cell_types == ("T",)
    assert [sample.id for sample in second.samples] == ["d", "e", "f"]


TURNED = {
    "groups": ({"type": "binary", "case": "M", "control": "F"}, {"case": "F", "control": "M"}),
    "one label": ({"type": "binary", "case": "M", "control": "F"}, {"case": "F", "control": "X"}),
    "order": ({"type": "ordinal", "order": ["low", "high"]}, {"order": ["high", "low"]}),
}


@pytest.mark.parametrize("name", TURNED)
def test_levels_that_would_turn_the_sign_are_refused(two, name):
    own, other = TURNED[name]

    def changed(definition, ids):
        levels = definition.get("order") or [definition["control"], definition["case"]]
        samples = [
            {"id": one, "phenotypes": {"ill": levels[number % len(levels)], "age": number}}
            for number, one in enumerate(ids)
        ]
        return {
            "phenotypes": {"ill": definition, "age": {"type": "continuous"}},
            "samples": samples,
        }

    discovery = two(changed(own, "abc"), changed(own | other, "def"), {"phenotypes": ["ill"]})
    (problem,) = replication_problems(discovery, ROBUST)
    assert problem.field == "phenotypes.ill"
    assert "the sign of an effect would be another" in problem.message
    discovery = two(changed(own, "abc"), changed(own, "def"), {"phenotypes": ["ill"]})
    assert replication_problems(discovery, ROBUST) == []


def test_a_copy_of_the_discovery_is_no_second_cohort(two):
    discovery = two(second={"samples": sheet("first", ["a", "b", "e"])["samples"]})
    (problem,) = replication_problems(discovery, ROBUST)
    assert problem.field == "samples"
    assert "2 samples have the names, and donors, of samples of the discovery" in problem.message


CASES = {
    "no such phenotype": ({"phenotypes": {"ill": {"type": "binary"}}}, "phenotypes.age"),
    "another type": (
        {"phenotypes": {"ill": {"type": "continuous"}, "age": {"type": "continuous"}}},
        "phenotypes.ill.type",
    ),
    "no such cell type": ({"cell_types": ["B"]}, "cell_types"),
    "own settings": ({"config": "second.yaml"}, "config"),
    "a chain": ({"replicate": {"cohort": "first.yaml"}}, "replicate"),
    "the same samples": ({"cells": sheet("first", "")["cells"], "samples": None}, "samples"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_fit_is_said_before_any_work(two, case):
    changes, field = CASES[case]
    if case == "the same samples":
        again = sheet("second", ["a", "b", "z"])["samples"]
        changes = changes | {"samples": again}
    if case == "no such phenotype":
        samples = sheet("second", ["d", "e", "f"])["samples"]
        for sample in samples:
            del sample["phenotypes"]["age"]
        changes = changes | {"samples": samples}
    found = replication_problems(two(second=changes), ROBUST)
    assert [problem.field for problem in found] == [field]
    assert found[0].file.endswith("second.yaml")
    assert found[0].remedy


def test_the_same_donors_under_other_ids(two):
    cells = sheet("first", "")["cells"]
    samples = sheet("second", ["d", "e", "f"])["samples"]
    samples[0]["donor"] = "a"
    found = replication_problems(two(second={"cells": cells, "samples": samples}), ROBUST)
    assert [problem.message for problem in found] == ["1 donors are in the discovery, too: 'a'"]


def test_the_discovery_names_its_cell_types_and_has_a_mixed_model(two):
    found = replication_problems(two(first={"cell_types": None}), {"preset": "paper"})
    assert [problem.field for problem in found] == ["replicate", "cell_types"]


def test_a_second_sheet_that_cannot_be_read_is_told_with_the_rest(two, tmp_path):
    discovery = two()
    (tmp_path / "second.yaml").write_text("name: second\n")
    fields = [problem.field for problem in replication_problems(discovery, ROBUST)]
    assert {"cells", "samples", "phenotypes"} <= set(fields)


def test_an_interaction_is_named_as_it_is_written(two):
    asked = {"interactions": ["ill:age"]}
    discovery = two(first=asked, second=asked, replicate={"phenotypes": ["ill:age"]})
    assert replication_problems(discovery, ROBUST) == []
    assert [one.name for one in second_cohort(discovery).phenotypes] == ["ill:age"]
    with pytest.raises(InputError, match=r"did you mean .ill:age"):
        two(first=asked, second=asked, replicate={"phenotypes": ["ill:agee"]})


def test_an_unknown_phenotype_and_an_absent_sheet(two):
    with pytest.raises(InputError, match="no such phenotype"):
        two(replicate={"phenotypes": ["ills"]})
    with pytest.raises(InputError, match=r"replicate\.cohort"):
        two(replicate={"cohort": "third.yaml"})
