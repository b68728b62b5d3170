"""Mutants of valid inputs: dozens of those that `benchmarks/fuzz_tables.py` makes by thousands."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def fuzz_tables(load_benchmark):
    return load_benchmark("fuzz_tables")


@pytest.mark.parametrize("kind", ["VCF", "table", "sheet"])
def test_mutants_are_read_to_the_same_numbers_or_refused(fuzz_tables, tmp_path, kind):
    n = 2 * len(fuzz_tables.KINDS[kind][1])
    counts, faults = fuzz_tables.fuzz(kind, n, 2, tmp_path)
    assert faults == []
    assert counts[fuzz_tables.SAME] >= n // 10
    assert counts[fuzz_tables.REFUSED] >= n // 10
