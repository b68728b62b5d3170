"""Some of the mutants of benchmarks/fuzz_inputs.py."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def fuzz(load_benchmark):
    return load_benchmark("fuzz_inputs")


@pytest.mark.filterwarnings("ignore")
def test_changed_inputs_are_read_to_the_same_numbers_or_refused(fuzz):
    found = list(fuzz.mutants(24, seed=7))
    assert {outcome for *_, outcome, _ in found} >= {"same", "refused"}
    wrong = [one for one in found if one[3] in ("changed", "traceback")]
    assert wrong == []


def test_other_numbers_are_noticed(fuzz, tmp_path):
    """The comparison would see a count, a depth and a value of a sample."""
    expected = fuzz.read(fuzz.write_study(tmp_path, "folder"))
    path = tmp_path / "S1" / "matrix.mtx"
    *lines, last = path.read_text().splitlines()
    gene, cell, count = last.split()
    path.write_text("\n".join([*lines, f"{gene} {cell} {int(count) + 1}"]) + "\n")
    assert fuzz.outcome(tmp_path / "sheet.yaml", expected)[0] == "changed"
