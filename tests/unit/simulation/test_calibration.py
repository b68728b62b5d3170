"""A small slice of the calibration table: errors of preset robust stay within their bounds."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from popnet.simulation.tables import MODULE_SIZE, TableSettings


@pytest.fixture(scope="module")
def calibration():
    """The script as a module; nothing of it but `main` runs by itself."""
    path = Path(__file__).parents[3] / "benchmarks" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(path.parent), *sys.path])
        for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
            patch.setenv(f"{name}_NUM_THREADS", "1")
        spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def lines(calibration, tests, settings, cohorts=30, confounding="depth and batch"):
    extra = calibration.CONFOUNDING[confounding]
    cell = calibration.Cell(tests, confounding, replace(settings, **extra))
    return calibration.run(cell, cohorts, 199, seed=5).set_index(["test", "method"])


CENTRALITY = TableSettings(n_samples=24, n_genes=60, n_planted=MODULE_SIZE, effect=0.7)
SLICE = {
    "single": CENTRALITY,
    "few samples": replace(CENTRALITY, n_samples=12),
    "binary": replace(CENTRALITY, binary=True, n_bins=1),
    "repeats": replace(CENTRALITY, structure="repeats"),
    "pairs": replace(CENTRALITY, structure="pairs", binary=True),
}


@pytest.mark.parametrize("settings", SLICE.values(), ids=SLICE)
def test_robust_centrality_within_bounds_where_paper_is_not(calibration, settings):
    table = lines(calibration, ("centrality",), settings).loc["centrality"]
    assert table.loc["robust", "within"] == "yes", table.loc["robust"]
    assert table.loc["paper", "within"] == "no", table.loc["paper"]
    assert table.loc["paper", "type1_05"] > 0.1


@pytest.mark.parametrize(
    ("tests", "settings"),
    [
        (("gene sets",), TableSettings(n_samples=24, n_genes=60)),
        (("edges", "map axes"), TableSettings(n_samples=24, n_genes=30, n_dimensions=4)),
        (
            ("variants", "burden"),
            TableSettings(n_samples=41, n_bins=1, n_genes=0, n_variants=40, binary=True),
        ),
    ],
    ids=["gene sets", "networks", "genotypes"],
)
def test_robust_within_bounds(calibration, tests, settings):
    table = lines(calibration, tests, settings, cohorts=20).xs("robust", level="method")
    assert list(table.index) == list(tests)
    assert (table["within"] == "yes").all(), table


def test_figures_of_a_cohort(calibration):
    p = np.array([0.001, 0.04, 0.2, np.nan, 0.005, 0.9])
    planted = np.array([True, False, False, True, False, True])
    found = calibration.figures(p, planted)
    assert found == pytest.approx(
        {"type1_05": 2 / 3, "type1_01": 1 / 3, "fdr_05": 1 / 2, "power_p": 1 / 2, "power_q": 1 / 2}
    )
    alone = calibration.figures(p[planted], planted[planted])
    assert np.isnan([alone["type1_05"], alone["fdr_05"]]).all()


def test_the_table_covers_what_it_says(calibration):
    cells = list(calibration.cells(calibration.SAMPLES))
    assert len(cells) == len(set(cells))
    assert {test for cell in cells for test in cell.tests} == set(calibration.TESTS)
    for test in calibration.TESTS:
        of_test = [cell for cell in cells if test in cell.tests]
        assert {cell.settings.n_samples for cell in of_test} == {12, 24, 41, 100}
        assert {cell.settings.binary for cell in of_test} == {False, True}
    assert {cell.settings.n_bins for cell in cells} == {1, 4, 8}
    assert {cell.settings.structure for cell in cells} == {"single", "repeats", "pairs"}


def test_tables_of_the_docs(calibration):
    table = lines(calibration, ("centrality",), CENTRALITY, cohorts=5).reset_index()
    text = calibration.markdown(table)
    row = next(line for line in text.splitlines() if line.startswith("| 24"))
    fields = [field.strip() for field in row.strip("|").split("|")]
    assert fields[:4] == ["24", "4", "continuous", "depth and batch"]
    robust, paper, *_ = fields[4].split(" / ")
    of = table.set_index("method")["type1_05"]
    assert robust.startswith(f"{100 * of['robust']:.1f}")
    assert paper == f"{100 * of['paper']:.1f}*"
