"""The overall F test against limma, and its errors where levels differ in spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.stats.levels import make_levels_design, mixed_f, permuted_f, permuted_levels
from popnet.stats.mixed_model import variance_ratios

LEVELS = ["a", "b", "c", "d"]
F_OF_LIMMA = [2.7365031250, 3.1950781277, 0.4237784410, 0.5905735662, 0.2175365103, 0.4722498447]
P_OF_LIMMA = [0.09492844506, 0.06791430129, 0.6616836586, 0.56560874778, 0.80683168272]
P_OF_LIMMA += [0.63199349050]


def cohort(n, levels):
    """Return samples of a donor each, and their levels."""
    index = [f"s{one:02d}" for one in range(n)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    return samples, pd.Series(np.resize(levels, n), index)


def test_it_is_that_of_limma():
    """Of one variance for all levels, and without random effects; numbers of R's limma 3.54.

    x <- matrix(sin((1:120)^2), nrow=6, byrow=TRUE)[, 1:18] * c(1, 2, .5, 3, 1, 1.5)
    g <- factor(rep(c("a","b","c"), length.out=18)); sex <- factor(rep(c("f","m"), each=9))
    topTable(eBayes(lmFit(x, model.matrix(~ g + sex))), coef=2:3, sort.by="none")
    """
    scale = [1, 2, 0.5, 3, 1, 1.5]
    values = np.sin(np.arange(1, 121) ** 2).reshape(6, 20)[:, :18].T * scale
    samples, labels = cohort(18, LEVELS[:3])
    samples["sex"] = ["f"] * 9 + ["m"] * 9
    design = make_levels_design(list(samples.index), samples, labels, LEVELS, ["sex"])
    found = mixed_f(values, design, dict.fromkeys(design.model.groups, 1.0))
    assert found["f"].to_numpy() == pytest.approx(F_OF_LIMMA, rel=1e-8)
    assert found["p"].to_numpy() == pytest.approx(P_OF_LIMMA, rel=1e-8)
    assert (found[["df1", "n"]] == [2, 18]).all(axis=None)
    # b and c against a.
    assert found.loc[1, ["highest", "lowest"]].tolist() == ["a", "b"]
    assert found["difference"][1] == pytest.approx(1.59988794304, rel=1e-8)


@pytest.mark.parametrize("spread", [1, 2.5])
def test_its_level(spread):
    """Also of a small level of larger spread, and of donors who have all levels."""
    rng, p, permuted = np.random.default_rng(2), [], []
    samples, _ = cohort(33, ["a"])
    donor = np.arange(33) % 15
    samples["donor"] = [f"d{one}" for one in donor]
    labels = pd.Series(np.repeat(LEVELS[:3], [6, 12, 15]), samples.index)
    wide = np.where(labels == "a", spread, 1)[:, None]
    for number in range(30):
        values = rng.normal(size=(33, 200)) * wide + 2 * rng.normal(size=(15, 200))[donor]
        values *= np.sqrt(4 / rng.chisquare(4, 200))
        design = make_levels_design(list(samples.index), samples, labels, LEVELS)
        assert design.levels == ("a", "b", "c")
        ratios = variance_ratios(values, design.model)
        p.append((mixed_f(values, design, ratios)["p"] <= 0.05).mean())
        if number < 5:
            outcomes = permuted_levels(design, ratios, 20, number)
            permuted.append((permuted_f(values, design, ratios, outcomes) <= 0.05).mean())
    error = np.std(p) / np.sqrt(len(p))
    assert np.mean(p) == pytest.approx(0.05, abs=3.1 * error)
    assert np.mean(permuted) == pytest.approx(0.05, abs=0.01)


def test_what_cannot_be_tested():
    samples, labels = cohort(12, LEVELS[:3])
    values = np.random.default_rng(3).normal(size=(12, 200))
    values[labels == "b", 0] = np.nan
    values[:, 1] = 7
    found = mixed_f(values, make_levels_design(list(samples.index), samples, labels, LEVELS))
    assert found.loc[:1, ["f", "p", "difference"]].isna().all(axis=None)
    assert (found.loc[:1, ["highest", "lowest"]] == "").all(axis=None)
    assert found["p"][2:].notna().all()
    two = make_levels_design(list(samples.index), samples, labels.replace("c", "z"), LEVELS)
    assert mixed_f(values[:8], two)["p"].isna().all()
    assert permuted_levels(two, {"b": 1.0}, 3, 0).shape[2] == 1
    # A batch is all that a level is.
    samples["batch"] = labels
    confounded = make_levels_design(list(samples.index), samples, labels, LEVELS)
    assert mixed_f(values, confounded)["p"].isna().all()
    assert not len(permuted_levels(confounded, {}, 3, 0))
