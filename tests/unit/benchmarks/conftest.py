from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def load_benchmark():
    """A function that returns a script as a module; nothing of it but `main` runs by itself."""
    loaded = []

    def load(name):
        path = BENCHMARKS / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"{name}_benchmark", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        loaded.append(spec.name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
            for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
                patch.setenv(f"{library}_NUM_THREADS", "1")
            spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]
