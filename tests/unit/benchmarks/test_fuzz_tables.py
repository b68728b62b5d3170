"""Mutants of valid inputs: dozens of those that `benchmarks/fuzz_tables.py` makes by thousands."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def fuzz_tables():
    path = BENCHMARKS / "fuzz_tables.py"
    spec = importlib.util.spec_from_file_location("fuzz_tables", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
            patch.setenv(f"{name}_NUM_THREADS", "1")
        spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("kind", ["VCF", "table", "sheet"])
def test_mutants_are_read_to_the_same_numbers_or_refused(fuzz_tables, tmp_path, kind):
    n = 2 * len(fuzz_tables.KINDS[kind][1])
    counts, faults = fuzz_tables.fuzz(kind, n, 2, tmp_path)
    assert faults == []
    assert counts[fuzz_tables.SAME] >= n // 10
    assert counts[fuzz_tables.REFUSED] >= n // 10
