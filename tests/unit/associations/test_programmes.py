"""Programmes against direct calls of what their tests rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import programmes as programme_tests
from popnet.associations.testing import Testing
from popnet.networks.programmes import programme_values
from popnet.networks.reliability import icc
from popnet.stats.designs import make_design
from popnet.stats.moderated import moderated_t
from popnet.stats.permutation import permutation_test

N = 5


@pytest.fixture(scope="module")
def study():
    """Two bins of each of two samples, a case and a control, of eight donors."""
    rng = np.random.default_rng(0)
    samples = [f"s{number}" for number in range(16)]
    sheet = pd.DataFrame(
        {"donor": np.repeat([f"d{number}" for number in range(8)], 2), "batch": ""}, index=samples
    )
    case = pd.Series(np.tile([0.0, 1.0], 8), samples)
    bins = np.repeat(samples, 2)
    covariance = np.empty((32, N, N))
    for number, of_case in enumerate(case[bins]):
        scores = rng.normal(size=(200, N))
        scores[:, 1] += (0.2 if of_case else 1) * scores[:, 0]  # comes apart in cases
        scores[:, 4] *= 1.5 if of_case else 1
        covariance[number] = np.cov(scores.T)
    values, columns = programme_values(covariance)
    for number in ("1", "2"):
        columns[f"name{number}"] = "programme " + columns[f"programme{number}"].astype(str)
    return values, columns, make_design(bins, sheet, case, True)


def test_variances_and_couplings(study):
    values, columns, design = study
    found = programme_tests.robust(values, columns, design, Testing(300, seed=1))
    assert list(found) == [
        *("kind", "programme1", "programme2", "name1", "name2", "estimate", "low", "high"),
        *("statistic", "t", "p", "q", "p_adjusted", "p_permutation", "n", "icc"),
        *("given_composition_p", "explained_by"),
        *("mean", "mean_case", "mean_control"),
    ]
    assert found["kind"].tolist() == ["variance"] * N + ["coupling"] * 10
    observed = design.units.average(values)
    permuted = permutation_test(observed, design, 300, 1).table["p"].to_numpy()
    reliability = icc(values, np.repeat([f"s{number}" for number in range(16)], 2))["icc"]
    keys = ["kind", "programme1", "programme2"]
    for kind, of_kind in found.groupby("kind"):
        assert of_kind["p"].is_monotonic_increasing
        at = np.flatnonzero(columns["kind"] == kind)
        own = of_kind.set_index(keys).loc[pd.MultiIndex.from_frame(columns.iloc[at][keys])]
        expected = moderated_t(observed[:, at], design)
        for column in ("estimate", "statistic", "t", "p", "n"):
            np.testing.assert_allclose(own[column], expected[column])
        np.testing.assert_allclose(own["q"], stats.false_discovery_control(expected["p"]))
        np.testing.assert_allclose(own["p_permutation"], permuted[at])
        np.testing.assert_allclose(own["icc"], reliability[at])
    apart = found[found["kind"] == "coupling"].iloc[0]
    assert (apart["name1"], apart["name2"]) == ("programme 1", "programme 2")
    assert apart["q"] < 0.05
    assert apart["mean_case"] == pytest.approx(0.2, abs=0.05)
    assert apart["mean_control"] == pytest.approx(0.7, abs=0.05)
    wider = found.iloc[0]
    assert (wider["programme1"], wider["programme2"]) == (5, 5)
    assert wider["mean_case"] / wider["mean_control"] == pytest.approx(2.25, rel=0.1)
    assert wider["estimate"] == pytest.approx(np.log(2.25), abs=0.1)


def test_without_programmes_or_couplings(study):
    values, columns, design = study
    one = programme_tests.robust(values[:, :1], columns.iloc[:1], design, Testing(9, seed=1))
    assert one["kind"].tolist() == ["variance"]
    none = programme_tests.robust(values[:, :0], columns.iloc[:0], design, Testing(9, seed=1))
    assert none.empty
