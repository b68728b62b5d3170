"""What bins of a size leave, the size that is proposed, and what a design can reach."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from popnet.checks.config import check_config
from popnet.checks.outlook import check_size, outlook
from popnet.study.definitions import Phenotype

STATUS = Phenotype("status", "binary", "status", case="sick", control="well")
CELLS = [2000, 640, 630, 620, 615, 300, 90, 40]


def study(n_cells=CELLS, cell_types=None, donors=None, status=None, type="T"):
    ids = [f"s{number}" for number in range(len(n_cells))]
    samples = pd.DataFrame(
        {
            "donor": donors or ids,
            "batch": "",
            "status": status or ["sick", "well"] * (len(ids) // 2),
        },
        index=ids,
    )
    counts = pd.Series(n_cells, pd.MultiIndex.from_product([[type], ids]), name="n")
    counts.index.names = ["cell_type", "sample"]
    cohort = SimpleNamespace(
        file="sheet.yaml",
        phenotypes=(STATUS,),
        own_phenotypes=(STATUS,),
        covariates=(),
        cell_types=cell_types,
    )
    return cohort, counts, samples


def test_the_size_at_which_every_phenotype_can_be_tested():
    cohort, counts, samples = study()
    problems = []
    check_size(cohort, counts, ["T"], samples, 1000, problems)
    (problem,) = problems
    assert (problem.severity, problem.field, problem.value) == ("error", "bins.size", 1000)
    assert "leave 1 of 8 samples, 1 of 8 donors (donors by status: 1 sick, 0 well)" in (
        problem.message
    )
    # Of 615 cells, as the fewest donors that two classes need, there are 3 sick and 2 well.
    assert "of 300 cells, 6 of 8 samples, 6 of 8 donors (donors by status: 3 sick, 3 well)" in (
        problem.message
    )
    assert problem.remedy.startswith("Set bins.size to 300: every phenotype can then be tested")
    problems = []
    check_size(cohort, counts, ["T"], samples, 300, problems)
    assert problems == []
    check_size(cohort, counts, ["T"], samples, 600, problems)
    assert [(one.severity, one.field) for one in problems] == [("warning", "bins.size")]


def test_two_classes_are_proposed_where_no_size_leaves_more():
    problems = []
    check_size(*study([2000, 50, 600, 9, 8, 7])[:2], ["T"], study([1] * 6)[2], 1000, problems)
    assert "Set bins.size to 50:" in problems[0].remedy
    problems = []
    cohort, counts, samples = study([2000, 9, 600, 9])
    check_size(cohort, counts, ["T"], samples, 1000, problems)
    assert "no size leaves every phenotype" in problems[0].remedy


def test_no_sample_fills_a_bin_of_a_type_of_the_sheet():
    cohort, counts, samples = study(cell_types=("T", "B"))
    both = pd.concat([counts, counts.rename(index={"T": "B"}, level=0) // 10])
    problems = []
    check_size(cohort, both, ["T", "B"], samples, 300, problems)
    (problem,) = problems
    assert (problem.field, problem.value) == ("cell_types", "B")
    assert "the largest has 200" in problem.message
    assert "Set bins.size to 30:" in problem.remedy
    assert "take the cell type out" in problem.remedy


@pytest.mark.parametrize(("n_pairs", "p"), [(5, "0.062"), (6, "0.031")])
def test_what_pairs_can_reach(n_pairs, p):
    donors = [f"d{number // 2}" for number in range(2 * n_pairs)]
    cohort, counts, samples = study([2500] * 2 * n_pairs, donors=donors)
    config: dict = {"preset": "robust"}
    assert check_config(config, "config.yaml") == []
    bins, models, reach = outlook(cohort, config, counts, samples)
    assert bins.startswith(f"Bins of 1,000 cells: {2 * n_pairs} of {2 * n_pairs} samples")
    n = 4 * n_pairs
    assert models.startswith(f"{n + 6 + 3} siVAEs are trained: {n} for {n} bins of one cell type")
    assert f"{n_pairs} pairs" in reach
    assert f"no p by permutation is below {p}" in reach
    assert ("cannot reach 0.05" in reach) == (n_pairs == 5)
