"""The map of networks: its axes one by one, and all of it at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import maps as map_tests
from popnet.associations.maps import SampleMap, one_map
from popnet.associations.testing import Testing
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.kernel_tests import map_gram, map_ratios
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.units import units


def study(generator, n=24, binary=False, batches=1, covariates=(), effect=0.0, dimensions=5):
    """Return a design of one sample per donor, and samples' similarities (inner products)."""
    names = [f"s {number}" for number in range(n)]
    samples = pd.DataFrame(
        {"donor": names, "batch": [f"b{number % batches}" for number in range(n)]}, index=names
    )
    for name in covariates:
        samples[name] = generator.normal(size=n)
    value = generator.normal(size=n) + sum(samples[name] for name in covariates)
    phenotype = pd.Series(value > np.median(value) if binary else value, index=names).astype(float)
    places = generator.normal(size=(n, dimensions)) + effect * phenotype.to_numpy()[:, None]
    places += 2 * generator.normal(size=(batches, dimensions))[np.arange(n) % batches]
    for name in covariates:
        places[:, 0] += samples[name]
    return make_design(names, samples, phenotype, binary, covariates), places @ places.T


def axes_of(similarity):
    values, vectors = np.linalg.eigh(similarity)
    axes = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :4]
    return pd.DataFrame(axes, columns=["PC1", "PC2", "PC3", "PC4"])


def of_samples(similarity, design, permutations=100):
    of_kernel = SampleMap(design.units.bin_samples, similarity, axes_of(similarity))
    return one_map(of_kernel, design, Testing(permutations, seed=1))


@pytest.mark.parametrize("binary", [False, True])
def test_paper_tests_samples_by_scipy(binary):
    """Every sample an observation, whatever its donor; axes are corrected within a kernel."""
    rng = np.random.default_rng(2)
    samples = [f"s{i}" for i in range(16)]
    phenotype = pd.Series(np.repeat(np.arange(8.0), 2), samples)
    phenotype = (phenotype > 3).astype(float) if binary else phenotype
    phenotype["s4"] = np.nan
    over = units(np.repeat(samples, 3), pd.Series("d", samples), phenotype, "bin")
    # The order of a map is not that of the bins; an axis that no sample has is not tested.
    order = samples[::-1]
    maps = {
        kernel: SampleMap(
            order,
            np.eye(16),
            pd.DataFrame(rng.normal(size=(16, 3)), columns=["PC1", "PC2", "PC3"]).assign(PC4=None),
        )
        for kernel in ("wl", "jaccard")
    }
    table = map_tests.paper(maps, unadjusted(over, binary), Testing(0, seed=1))
    assert list(table.columns) == ["kernel", "axis", "statistic", "p", "q", "n"]
    assert table["axis"].tolist() == ["PC1", "PC2", "PC3"] * 2
    assert (table["n"] == 15).all()
    outcome = phenotype[order].to_numpy()
    known = np.isfinite(outcome)
    for kernel, of_kernel in maps.items():
        axes = of_kernel.coordinates[["PC1", "PC2", "PC3"]].to_numpy(float).T
        expected = [
            stats.mannwhitneyu(axis[outcome == 1], axis[outcome == 0]).pvalue
            if binary
            else stats.spearmanr(axis[known], outcome[known]).pvalue
            for axis in axes
        ]
        found = table[table["kernel"] == kernel]
        np.testing.assert_allclose(found["p"], expected)
        np.testing.assert_allclose(found["q"], stats.false_discovery_control(expected))


def test_every_map_is_tested_by_itself():
    """The design is of bins, samples of a map are in its own order, donors are observations."""
    rng = np.random.default_rng(3)
    names = [f"s{number}" for number in range(18)]
    samples = pd.DataFrame({"donor": [*names[:16], "d", "d"], "batch": ""}, index=names)
    phenotype = pd.Series(np.append(rng.normal(size=16), [1, 1]), names)
    design = make_design(np.repeat(names, 2), samples, phenotype, False)
    places = rng.normal(size=(18, 4)) + phenotype.to_numpy()[:, None]
    similarity = places @ places.T
    axes = axes_of(similarity)
    order = rng.permutation(18)
    maps = {
        "first": SampleMap(names, similarity, axes),
        "second": SampleMap(
            [names[row] for row in order],
            similarity[np.ix_(order, order)],
            axes.iloc[order],
        ),
    }
    table = map_tests.robust(maps, design, Testing(200, seed=1))
    assert table.columns[0] == "kernel"
    assert (table["n"] == 17).all()
    parts = [table[table["kernel"] == kernel].drop(columns="kernel") for kernel in maps]
    pd.testing.assert_frame_equal(parts[0], parts[1])
    alone = one_map(
        maps["first"], make_design(names, samples, phenotype, False), Testing(200, seed=1)
    )
    pd.testing.assert_frame_equal(parts[0], alone)
    assert table["p"].min() == pytest.approx(1 / 201)


@pytest.mark.parametrize("binary", [False, True])
def test_table_of_a_map(binary):
    design, similarity = study(
        np.random.default_rng(2), binary=binary, batches=2, covariates=("age",), effect=1.0
    )
    table = of_samples(similarity, design, 400)
    whole = ["distance regression", *(["permanova", "permdisp"] if binary else ["hsic"])]
    assert table["test"].tolist() == ["axis"] * 4 + whole
    assert table["axis"].tolist() == ["PC1", "PC2", "PC3", "PC4"] + [""] * len(whole)
    beside = table["test"].isin(["permanova", "permdisp"])
    assert table.loc[beside, "q"].isna().all()
    for family in (table[:4], table[4:][~beside[4:]]):
        np.testing.assert_allclose(family["q"], benjamini_hochberg(family["p"].to_numpy()))
    assert (table["p_family"][:4] >= table["p"][:4]).all()
    assert table["p_family"][4:].isna().all()
    assert (table["n"] == 24).all()
    assert (table["n_permutations"] == 400).all()
    assert (table["p"] >= 1 / 401).all()
    assert (table.loc[beside, "adjusted_for"] == "batch").all()
    assert (table.loc[~beside, "adjusted_for"] == "batch;age").all()
    again = of_samples(similarity, design, 400)
    pd.testing.assert_frame_equal(table, again)


def test_nothing_to_test():
    names = list("abcdef")
    samples = pd.DataFrame({"donor": names, "batch": list("xxxyyy")}, index=names)
    phenotype = pd.Series([1.0, 1, 1, 0, 0, 0], index=names)
    design = make_design(names, samples, phenotype, True)
    places = np.random.default_rng(0).normal(size=(6, 4))
    similarity = places @ places.T
    table = of_samples(similarity, design)
    assert table[["statistic", "p", "q"]].isna().all(axis=None)
    varying, _ = study(np.random.default_rng(0), n=6)
    for n in range(3):
        few = make_design(names[:n], samples, pd.Series(range(n), names[:n], float), False)
        part = similarity[:n, :n]
        table = one_map(
            SampleMap(names[:n], part, axes_of(similarity)[:n]), few, Testing(100, seed=1)
        )
        assert table["p"].isna().all()
        assert (table["n"] == n).all()
    alike = one_map(
        SampleMap(names, np.full((6, 6), 0.1), 0 * axes_of(similarity)), varying, Testing(100, 1)
    )
    assert alike["p"].isna().all()


def test_pairs_are_compared_within_donors():
    generator = np.random.default_rng(8)
    names = [f"{donor} {state}" for donor in range(8) for state in ("ctrl", "stim")]
    donors = np.repeat(np.arange(8).astype(str), 2)
    samples = pd.DataFrame({"donor": donors, "batch": ""}, index=names)
    phenotype = pd.Series(np.tile([0.0, 1.0], 8), index=names)
    places = (
        5 * generator.normal(size=(8, 3)).repeat(2, axis=0) + generator.normal(size=(16, 3)) / 4
    )
    places[1::2, 0] += 1
    design = make_design(names, samples, phenotype, True)
    similarity = places @ places.T
    table = of_samples(similarity, design, 1000)
    table = table.set_index("test")
    assert (table["n_permutations"] == 2**8).all()
    assert table.at["distance regression", "p"] == 2 / 2**8
    assert table.at["permanova", "p"] == 2 / 2**8
    assert table.at["distance regression", "adjusted_for"] == "donor"


@pytest.mark.parametrize("binary", [False, True])
def test_maps_have_the_mixed_model_of_the_design(binary):
    """Nobody is left out: eight pairs and two single donors."""
    generator = np.random.default_rng(9)
    names = [f"s{number}" for number in range(18)]
    donors = [*np.repeat(np.arange(8).astype(str), 2), "x", "y"]
    samples = pd.DataFrame({"donor": donors, "batch": ""}, index=names)
    case = np.tile([0.0, 1.0], 9)
    phenotype = pd.Series(case if binary else case + generator.normal(size=18), index=names)
    places = generator.normal(size=(18, 4))
    places[:16] += 3 * np.repeat(generator.normal(size=(8, 4)), 2, axis=0)
    places[:, 0] += 3 * case
    about = names, samples, phenotype, binary
    mixed = make_mixed_design(*about)
    design = replace(make_design(*about), mixed=mixed)
    similarity = places @ places.T
    of_kernel = SampleMap(names, similarity, axes_of(similarity))
    testing = Testing(500, seed=1, chance={})
    table = one_map(of_kernel, design, testing, "k")
    assert (table["n"][:4] == 18).all()
    ratios = map_ratios(map_gram(similarity, mixed.units), mixed.model)
    assert ratios["donor"] > 1
    expected = mixed_t(mixed.units.average(of_kernel.coordinates.to_numpy()), mixed.model, ratios)
    np.testing.assert_allclose(table["p"][:4], expected["p"])
    assert table["p_permutation"][:4].between(2 / 2**8, 1).all()
    whole = table[4:].set_index("test")
    assert whole.index[0] == "mixed model"
    assert whole.at["mixed model", "p"] < 0.05
    assert whole.at["mixed model", "n"] == 18
    assert whole["q"].notna().sum() == (1 if binary else 2)
    assert list(whole.index[whole["q"].notna()]) == ["mixed model", *["hsic"] * (not binary)]
    assert len(testing.by_chance("axes of k")) == 20
    assert testing.by_chance("map of k")["tested"].eq(1 if binary else 2).all()


def test_maps_of_few_pairs_are_not_called_by_chance():
    """Taken for known, variance ratios of three pairs call 16 % of such maps at 5 %."""
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        names = [f"s{number}" for number in range(6)]
        samples = pd.DataFrame({"donor": list("aabbcc"), "batch": ""}, index=names)
        samples["cells"] = rng.normal(size=6)
        phenotype = pd.Series(np.tile([0.0, 1.0], 3), names)
        about = names, samples, phenotype, True, (), ("cells",)
        design = replace(make_design(*about), mixed=make_mixed_design(*about))
        places = rng.normal(size=(6, 4)) + rng.normal(size=(3, 4)).repeat(2, axis=0)
        far = places + 9 * phenotype.to_numpy()[:, None]
        for one in (places, far):
            similarity = one @ one.T
            of_kernel = SampleMap(names, similarity, axes_of(similarity))
            table = one_map(of_kernel, design, Testing(199, seed=1)).set_index("test")
            p.append(table.at["mixed model", "p"])
    null, real = (np.array(p[start::2]) <= 0.05 for start in (0, 1))
    assert null.sum() <= 7
    assert real.mean() > 0.5
