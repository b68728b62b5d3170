"""Effects that cell types share, and differences between them, in the same donors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations.cell_types import OF_TYPE, TypeValues, robust
from popnet.associations.testing import Testing
from popnet.stats.designs import make_design
from popnet.stats.mixed_designs import make_mixed_design

N, M = 24, 60
GENES = pd.Index([f"g{number:02d}" for number in range(M)])
CASE = np.arange(N) % 2


def design_of(samples, nobody=False):
    """Return the design of samples s0, s1 and so on, each of a donor of its own."""
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, samples)
    known = [np.nan if nobody else float(CASE[int(one[1:])]) for one in samples]
    values = pd.Series(known, samples)
    about = list(samples), sheet, values, True
    return replace(make_design(*about), mixed=make_mixed_design(*about))


def of_type(values, samples=None, genes=GENES, bins=1, **technical):
    samples = samples or [f"s{number}" for number in range(N)]
    rows = np.repeat(np.arange(len(samples)), bins)
    tested = pd.DataFrame({"gene": genes}).assign(**dict.fromkeys(OF_TYPE, 0.5))
    table = pd.DataFrame(technical, samples)
    return TypeValues(values[rows], genes, np.array(samples, object)[rows], table, tested)


def cohort(rng, *effects, alike=0.8):
    """Return values of cell types, whose donors have something in common."""
    common = rng.normal(size=(N, M))
    return [
        np.sqrt(alike) * common
        + np.sqrt(1 - alike) * rng.normal(size=(N, M))
        + np.outer(CASE, np.broadcast_to(effect, M))
        for effect in effects
    ]


def test_two_types_are_compared_within_donors():
    """Without anything to borrow, it is the t test of the differences, and that of the means."""
    rng = np.random.default_rng(0)
    first, second = cohort(rng, 0.0, 0.0)
    types = {"A": of_type(first), "B": of_type(second)}
    design = design_of([f"s{number}" for number in range(N)])
    table = robust(types, design, Testing(10, 1)).set_index("gene").loc[GENES]
    apart = first - second
    known = apart[CASE == 1].mean(0) - apart[CASE == 0].mean(0)
    assert table["difference"].to_numpy() == pytest.approx(known)
    t = stats.ttest_ind(apart[CASE == 1], apart[CASE == 0])
    assert stats.spearmanr(table["difference_p"], t.pvalue).statistic > 0.95
    assert set(table["differs_in"]) == {"A"}
    assert (table["n_types"] == 2).all()
    assert (table["A: estimate"] == 0.5).all()
    # Both types are about as noisy, so that they weigh about the same.
    mean = (first + second) / 2
    known = mean[CASE == 1].mean(0) - mean[CASE == 0].mean(0)
    assert np.corrcoef(table["estimate"], known)[0, 1] > 0.99


def test_shared_effects_are_shared_and_those_of_one_type_differ():
    shared, single = np.zeros((2, M))
    shared[:10], single[10:20] = 3, 3
    values = cohort(np.random.default_rng(1), shared + single, shared, shared)
    types = {name: of_type(one) for name, one in zip("ABC", values, strict=True)}
    testing = Testing(10, 1, chance={})
    table = robust(types, design_of([f"s{number}" for number in range(N)]), testing)
    table = table.set_index("gene").loc[GENES]
    assert table["shared"][:10].sum() >= 8
    assert (table["difference_q"][10:20] <= 0.05).all()
    assert (table["differs_in"][10:20] == "A").all()
    assert table["difference"][10:20].mean() == pytest.approx(3, abs=0.5)
    assert not table["shared"][10:20].any()
    assert table["shared"][20:].sum() <= 2
    for analysis in ("shared", "differing"):
        counted = testing.by_chance(analysis)
        assert len(counted) == 20
        assert (counted["tested"] == M).all()
        assert counted["significant"].mean() <= 2


@pytest.mark.parametrize("n_types", [2, 5])
def test_null_types_have_uniform_p(n_types):
    rng, samples = np.random.default_rng(n_types), [f"s{number}" for number in range(N)]
    design, found = design_of(samples), []
    for _ in range(12):
        values = cohort(rng, *[0.0] * n_types, alike=rng.uniform(0, 0.8, M))
        types = {f"{number}": of_type(one) for number, one in enumerate(values)}
        table = robust(types, design, Testing(10, 1))
        found.append((table[["p", "difference_p"]] <= 0.05).mean())
    assert np.mean(found, axis=0) == pytest.approx([0.05, 0.05], abs=0.02)


def test_a_gene_of_one_type_and_samples_without_a_type():
    rng = np.random.default_rng(2)
    first, second = cohort(rng, 2.0, 2.0)
    samples = [f"s{number}" for number in range(N)]
    few = samples[:16]
    second = np.where(np.arange(M) == 3, np.nan, second)
    types = {
        "A": of_type(first, cells=rng.normal(size=N)),
        "B": of_type(second[:16, :40], few, GENES[:40], bins=2, cells=rng.normal(size=16)),
    }
    table = robust(types, design_of(samples), Testing(10, 1)).set_index("gene")
    assert set(table.index) == set(GENES[:40])
    assert table.loc["g03", ["p", "difference_p"]].isna().all()
    assert not table.loc["g03", "shared"]
    assert (table["n"].drop("g03") == N).all()
    assert table["estimate"].mean() == pytest.approx(2, abs=0.3)
    assert (table["difference_p"].drop("g03") <= 0.05).mean() <= 0.25


def test_nothing_to_compare_has_no_p():
    types = {"A": of_type(np.zeros((N, M))), "B": of_type(np.ones((N, M)))}
    design = design_of([f"s{number}" for number in range(N)])
    table = robust(types, design.untested("too few"), Testing(10, 1))
    assert len(table) == M
    assert table[["p", "q", "difference_p"]].isna().all(axis=None)
    nobody = design_of([f"s{number}" for number in range(N)], nobody=True)
    assert robust(types, nobody, Testing(10, 1))["p"].isna().all()
    assert robust({}, design, Testing(10, 1)).empty
    assert robust({"A": types["A"]}, design, Testing(10, 1)).empty
