"""What the network view shows of two groups, against sums by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.associations.edges import ObservedEdges
from popnet.findings.shown_groups import Groups, shown_edges, shown_programmes
from popnet.stats.designs import unadjusted
from popnet.stats.units import units

SAMPLES = [f"S{number}" for number in range(9)]
DONORS = pd.Series(SAMPLES, SAMPLES)


def design_of(values, binary=False, unit="donor"):
    return unadjusted(units(SAMPLES, DONORS, pd.Series(values, SAMPLES, dtype=float), unit), binary)


@pytest.mark.parametrize(
    ("values", "binary", "names", "control", "case"),
    [
        (range(9), False, ("lower third", "upper third"), [0, 1, 2], [6, 7, 8]),
        ([0, 1, 0, 1, 1, 0, 0, 0, 1], True, ("no", "yes"), [0, 2, 5, 6, 7], [1, 3, 4, 8]),
        ([1, 1, 1, 1, 1, 1, 2, 2, 1], False, ("lower half", "upper half"), [*range(6), 8], [6, 7]),
    ],
)
def test_groups(values, binary, names, control, case):
    groups = Groups.of(design_of(values, binary), {"case": "yes", "control": "no"})
    assert groups.names == names
    assert np.flatnonzero(groups.control).tolist() == control
    assert np.flatnonzero(groups.case).tolist() == case


def test_programmes_have_the_values_of_both_groups():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 3))
    columns = pd.DataFrame(
        {
            "kind": ["variance", "variance", "coupling"],
            "programme1": [1, 3, 1],
            "programme2": [1, 3, 3],
        }
    )
    described = pd.DataFrame(
        {
            "programme": [1, 1, 2, 3],
            "name": ["A/B", "A/B", "C", "D"],
            "gene_set": [np.nan, np.nan, "x", "y"],
            "gene": list("ABCD"),
            "loading": [2.0, 1.0, 1.0, 0.5],
        }
    )
    tests = columns.assign(q=[0.01, 0.5, np.nan], explained_by=["none", "", ""])
    design = design_of(range(9))
    groups = Groups.of(design, {})
    programmes, couplings = shown_programmes(values, columns, described, tests, design, groups)
    low, high = values[:3].mean(0), values[6:].mean(0)
    assert programmes["programme"].tolist() == [1, 3]
    assert programmes["genes"].tolist() == [[("A", 2.0), ("B", 1.0)], [("D", 0.5)]]
    assert programmes["control"].tolist() == pytest.approx(np.exp(low[:2]))
    assert programmes["change"].tolist() == pytest.approx((high - low)[:2] / np.log(2))
    assert couplings["case"].tolist() == pytest.approx(np.tanh(high[2:]))
    assert couplings["change"].tolist() == pytest.approx(np.tanh(high[2:]) - np.tanh(low[2:]))


def test_edges_of_either_group_with_the_called_ones_first():
    rows = [(sample, "A", "B", 1.0) for sample in SAMPLES[:4]]
    rows += [(sample, "C", "D", 1.0) for sample in SAMPLES[4:]]
    rows += [("S4", "A", "D", 1.0)]
    edges = pd.DataFrame(rows, columns=["sample", "gene1", "gene2", "weight"])
    observed = ObservedEdges(edges, pd.Series(SAMPLES, SAMPLES), pd.Index(list("ABCD")))
    tests = pd.DataFrame(
        {
            "gene_set": "all",
            "gene1": ["A", "C", "A"],
            "gene2": ["B", "D", "D"],
            "q": [0.01, 0.01, 0.01],
            "agrees": [False, True, True],
        }
    )
    sign = pd.Series({("A", "B"): -0.2, ("C", "D"): 0.3, ("A", "D"): 0.1})
    design = design_of(range(9))
    about = sign, tests, design, Groups.of(design, {})
    shown, n = shown_edges(observed, *about, fdr=0.05)
    # The edge of S4 alone is in neither third.
    assert n == 2
    assert shown[["gene1", "gene2"]].to_numpy().tolist() == [["C", "D"], ["A", "B"]]
    assert shown["called"].tolist() == [True, False]
    assert shown["negative"].tolist() == [False, True]
    # Samples are brought to one number of edges; all but S4 have one of 10 in 9 samples.
    assert shown["control"].tolist() == [0, 1]
    assert shown["case"].tolist() == [1, 0]
    assert len(shown_edges(observed, *about, fdr=0.05, most=1)[0]) == 1
