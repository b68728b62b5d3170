"""Genes that one group hardly expresses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.associations.expression_switch import explanation, switched
from popnet.stats.designs import make_design


def test_of_cases_and_controls(design_of):
    detection = np.array([[0.5, 0.0, 0.5, 0.0], [0.5, 0.09, 0.04, 0.0], [0.5, 0.5, 0.05, 0.04]])
    design = design_of([1, 1, 0], True)
    assert switched(detection, design).tolist() == ["", "off in cases", "", "off in all"]
    design = design_of([0, 0, 1], True)
    assert switched(detection, design).tolist() == ["", "off in controls", "", "off in all"]


@pytest.mark.parametrize(
    ("phenotype", "low", "high"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 2], [6, 7, 8]),
        ([0, 0, 0, 0, 1], [0, 1, 2, 3], [4]),
        ([0, 1, 1, 1], [0], [1, 2, 3]),
    ],
)
def test_of_the_thirds_of_a_phenotype(design_of, phenotype, low, high):
    detection = np.full((len(phenotype), 2), 0.2)
    detection[low, 0] = detection[high, 1] = 0
    expected = ["off in the lower third", "off in the upper third"]
    assert switched(detection, design_of(phenotype)).tolist() == expected
    detection[[low[0], high[0]], [0, 1]] = 0.21
    if min(len(low), len(high)) > 1:
        assert switched(detection, design_of(phenotype)).tolist() == ["", ""]


def test_observations_count_and_not_bins():
    """A donor with many bins that do not express a gene is one of three."""
    bins = ["a"] * 5 + ["b", "c", "d"]
    sheet = pd.DataFrame({"donor": list("abcd"), "batch": ""}, index=list("abcd"))
    phenotype = pd.Series([1.0, 1, 0, 0], list("abcd"))
    detection = np.array([0.0] * 5 + [0.11, 0.5, 0.5])[:, None]
    design = make_design(bins, sheet, phenotype, True)
    assert switched(detection, design).tolist() == [""]


@pytest.mark.filterwarnings("error")
def test_without_observations_nothing_is_said(design_of):
    assert switched(np.ones((2, 3)), design_of([np.nan, np.nan])).tolist() == ["", "", ""]
    assert switched(np.zeros((2, 1)), design_of([1, 1], True)).tolist() == ["off in cases"]


def test_what_it_explains():
    said = explanation(np.array(["", "off in cases", "off in all"], dtype=object))
    assert said.tolist() == ["", "expression switched on or off", "hardly expressed"]


def test_of_an_interaction_every_group_of_both_variables_counts():
    samples = pd.DataFrame({"donor": None, "batch": "", "a": [-0.5, -0.5, 0.5, 0.5] * 3})
    samples["b"] = [-0.5, 0.5, -0.5, 0.5] * 3
    samples.index = [f"s{number}" for number in range(12)]
    about = samples.index, samples, samples["a"] * samples["b"], False, ["a", "b"]
    design = make_design(*about, factors=["a", "b"])
    detection = np.ones((12, 3))
    detection[(samples["a"] > 0) & (samples["b"] > 0), 0] = 0
    detection[:, 2] = 0
    assert switched(detection, design).tolist() == ["off in one group", "", "off in all"]
