"""Cases and controls, and the means of both."""

from __future__ import annotations

import numpy as np
import pytest

from popnet.associations.groups import cases, group_means


def test_cases_are_those_of_the_phenotype(design_of):
    assert cases(design_of([1, 0, np.nan, 1], True)).tolist() == [True, False, True]


def test_of_a_continuous_phenotype_cases_are_the_upper_half(design_of):
    assert cases(design_of([5, 1, 2, 9])).tolist() == [True, False, False, True]
    # The middle of three counts as control.
    assert cases(design_of([5, 1, 2])).tolist() == [True, False, False]


@pytest.mark.filterwarnings("error")
def test_means_of_groups():
    values = np.array([[1.0, 2], [3, 4], [8, 0]])
    found = group_means(values, np.array([True, True, False]))
    assert found["mean"].tolist() == [4, 2]
    assert found["mean_case"].tolist() == [2, 3]
    assert found["mean_control"].tolist() == [8, 0]
    found = group_means(values, np.array([True, True, True]))
    assert found["mean_control"].isna().all()
    assert group_means(values[:0], np.zeros(0, bool)).isna().all(axis=None)
