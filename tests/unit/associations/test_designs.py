"""The design of a phenotype: as the preset counts, of genomes, and read back from its file."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnet.associations import genes as gene_tests
from popnet.associations.designs import (
    NO_GENOMES,
    design_of,
    donor_components,
    genome_design,
    observed_genomes,
    read_design,
    technical_covariates,
    write_design,
)
from popnet.associations.genes import BinValues
from popnet.associations.testing import Testing
from popnet.errors import InputError
from popnet.stats.designs import make_design
from popnet.stats.mixed import mixed_t
from popnet.stats.permutation import permutation_test

SCORE = {"name": "score", "type": "continuous", "case": None, "control": None, "margin": 0.3}
STATUS = {"name": "status", "type": "binary", "case": "ill", "control": "well"}
BOTH = {
    "name": "sex:status",
    "type": "continuous",
    "case": None,
    "control": None,
    "factors": [{"name": "sex", "type": "categorical"}, STATUS],
}
# A donor per sample; batches; several samples of a donor; before and after; none at all.
KINDS = ("plain", "blocked", "repeats", "paired", "empty")


def cohort(rng, n, kind):
    """Return samples with both phenotypes and covariates, and the sample of every bin."""
    index = [f"S {number}|ä" for number in range(n)]
    donors = [f"d{number // 2}" for number in range(n)] if kind in ("repeats", "paired") else index
    samples = pd.DataFrame(
        {
            "donor": donors,
            "batch": rng.choice(["x", "y"], n) if kind == "blocked" else None,
            "age": rng.normal(size=n),
            "sex": rng.choice(["f", "m"], n),
            "score": rng.integers(0, 6, n).astype(float),
            "status": rng.choice(["ill", "well", "unsure"], n, p=[0.45, 0.45, 0.1]),
        },
        index=index,
    )
    if kind == "repeats":
        samples[["score", "status"]] = samples.groupby("donor")[["score", "status"]].transform(
            "first"
        )
    elif kind == "paired":
        samples["score"], samples["status"] = np.arange(n) % 2, ["ill", "well"] * (n // 2)
    elif kind == "empty":
        samples["score"], samples["status"] = np.nan, "unsure"
    return samples, np.repeat(index, rng.integers(1, 4, n))


def same_units(one, other):
    for field in fields(one):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if field.name == "weights":
            assert before.shape == after.shape
            before, after = before.toarray(), after.toarray()
        assert np.array_equal(before, after), field.name


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([4, 8, 14]),
    kind=st.sampled_from(KINDS),
    phenotype=st.sampled_from([SCORE, STATUS, BOTH]),
    covariates=st.lists(st.sampled_from(["age", "sex"]), unique=True),
    unit=st.sampled_from(["donor", "bin"]),
)
@settings(max_examples=60, deadline=None)
def test_a_design_read_back_tests_as_the_one_written(
    tmp_path_factory, seed, n, kind, phenotype, covariates, unit
):
    rng = np.random.default_rng(seed)
    samples, bins = cohort(rng, n, kind)
    design = design_of(bins, samples, phenotype, covariates, unit)
    path = tmp_path_factory.mktemp("design") / "design.npz"
    write_design(design, path)
    found = read_design(path)
    for field in fields(design):
        if field.name in ("units", "covariates", "mixed"):
            continue
        before, after = getattr(design, field.name), getattr(found, field.name)
        assert np.array_equal(before, after), field.name
    same_units(design.units, found.units)
    assert (design.mixed is None) == (found.mixed is None) == (unit == "bin")
    if found.mixed is not None:
        same_units(design.mixed.units, found.mixed.units)
        observed = design.mixed.units.average(rng.normal(size=(len(bins), 6)))
        for name in ("model", "adjusted"):
            one, other = getattr(design.mixed, name), getattr(found.mixed, name)
            pd.testing.assert_frame_equal(mixed_t(observed, one), mixed_t(observed, other))
    pd.testing.assert_frame_equal(found.covariates, design.covariates, check_dtype=False)
    assert (found.n, found.df, found.testable) == (design.n, design.df, design.testable)
    assert found.vif == design.vif
    values = rng.normal(size=(len(bins), 4))
    tested = [permutation_test(one.units.average(values), one, 200, 1) for one in (design, found)]
    pd.testing.assert_frame_equal(tested[0].table, tested[1].table)
    np.testing.assert_array_equal(tested[0].maxima, tested[1].maxima)
    order = list(dict.fromkeys(bins))
    if unit == "donor":
        weights = [one.over(order).units.weights.toarray() for one in (design, found)]
        np.testing.assert_array_equal(*weights)


def test_every_kind_of_design_is_among_those_read_back():
    rng = np.random.default_rng(0)
    made = {}
    for kind in KINDS:
        samples, bins = cohort(rng, 14, kind)
        made[kind] = design_of(bins, samples, STATUS, ["age"], "donor")
    assert made["paired"].paired
    assert made["paired"].remarks == ()
    assert len(np.unique(made["blocked"].blocks)) == 2
    assert made["repeats"].n < 14
    assert made["empty"].n == 0
    assert all(design.binary for design in made.values())


def test_genes_are_tested_alike_with_a_design_from_its_file(tmp_path):
    rng = np.random.default_rng(1)
    samples, bins = cohort(rng, 14, "blocked")
    values = BinValues(
        centrality=rng.normal(size=(len(bins), 9)),
        mean_expression=rng.normal(size=(len(bins), 9)),
        detection_rate=rng.random((len(bins), 9)),
        depth=rng.normal(size=len(bins)),
        genes=pd.Index([f"g{number}" for number in range(9)]),
        icc=pd.Series(dtype=float),
    )
    for unit, test in (("donor", gene_tests.robust), ("bin", gene_tests.paper)):
        design = design_of(bins, samples, SCORE, ["age", "sex"], unit)
        write_design(design, tmp_path / "design.npz")
        found, expected = (
            test(values, one, Testing(99, seed=1))
            for one in (read_design(tmp_path / "design.npz"), design)
        )
        pd.testing.assert_frame_equal(found.table, expected.table)
        pd.testing.assert_frame_equal(found.described, expected.described)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "absent"])
def test_a_damaged_design_is_named(tmp_path, damage):
    path = tmp_path / "design.npz"
    samples, bins = cohort(np.random.default_rng(0), 8, "plain")
    write_design(design_of(bins, samples, SCORE, [], "donor"), path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "absent":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"sample\tvalue\n")
    with pytest.raises(InputError) as raised:
        read_design(path)
    assert raised.value.problems[0].file == str(path)


def test_a_design_with_flipped_bits_is_named(tmp_path):
    """Never read as another one: the file has checksums."""
    path = tmp_path / "design.npz"
    samples, bins = cohort(np.random.default_rng(0), 8, "plain")
    design = design_of(bins, samples, SCORE, ["age"], "donor")
    write_design(design, path)
    whole, named = path.read_bytes(), set()
    for place in np.linspace(0, len(whole) - 1, 60, dtype=int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            found = read_design(path)
        except InputError as error:
            named.add(error.problems[0].file)
        else:
            # What is not checked, such as dates, holds nothing of the design.
            np.testing.assert_array_equal(found.residual, design.residual)
            assert found.units.labels.tolist() == design.units.labels.tolist()
    assert named == {str(path)}


@pytest.mark.parametrize("phenotype", [SCORE, STATUS])
def test_by_bin_nothing_is_adjusted_for(phenotype):
    samples, bins = cohort(np.random.default_rng(2), 8, "blocked")
    design = design_of(bins, samples, phenotype, ["age"], "bin", samples[["score"]])
    known = samples.loc[bins, "status"].isin(["ill", "well"]) if phenotype is STATUS else bins != ""
    assert design.n == known.sum()
    assert design.units.kind == "bin"
    assert not design.nuisance.size
    assert len(np.unique(design.blocks)) == 1
    by_donor = design_of(bins, samples, phenotype, ["age"], "donor")
    assert by_donor.units.kind == "donor"
    assert by_donor.covariates["covariate"].tolist() == ["age"]


def test_what_the_cells_say_is_adjusted_for():
    bins = pd.DataFrame(
        {"sample": ["a", "a", "b"], "mean_depth": [3.0, 4.0, 2.0], "n_cells": [40, 60, 10]}
    ).astype({"sample": "category"})
    technical = technical_covariates(bins)
    assert technical.loc["a"].tolist() == [3.5, 2]
    assert technical.loc["b"].tolist() == [2, 1]
    rng = np.random.default_rng(3)
    samples, of_bin = cohort(rng, 8, "plain")
    technical = pd.DataFrame({"depth": rng.normal(size=8)}, index=samples.index)
    found = design_of(of_bin, samples, SCORE, ["age"], "donor", technical)
    expected = make_design(
        of_bin,
        samples.assign(batch="", depth=technical["depth"]),
        samples["score"],
        False,
        ["age"],
        ["depth"],
    )
    np.testing.assert_array_equal(found.residual, expected.residual)
    assert found.covariates["covariate"].tolist() == ["age", "depth"]


@pytest.fixture
def genotyped(sites, genomes_of):
    """Genotypes of five samples of four donors, in which the two of a donor differ at one site."""
    names = ["a1", "a2", "b", "c", "unknown"]
    dosage = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 1, 0], [0, 1, 1, 0]])
    genotypes = genomes_of(dosage.astype(float), sites([3400, 3500, 3600, 3700]), names)
    return genotypes, pd.Series({"a1": "A", "a2": "A", "b": "B", "c": "C", "other": "O"})


def test_one_genome_per_donor(genotyped, capsys):
    genotypes, donors = genotyped
    genomes, components = donor_components(genotypes, donors, 0)
    assert "4 donors, 1 genotypes differ" in capsys.readouterr().out
    assert genomes.samples == ["A", "B", "C", "unknown"]
    assert list(components.index) == genotypes.samples
    assert components.shape == (5, 0)


def test_samples_of_a_donor_share_its_components(sites, genomes_of):
    rng = np.random.default_rng(4)
    names = [f"s{number}" for number in range(20)]
    genotypes = genomes_of(
        rng.binomial(1, 0.4, (20, 30)).astype(float), sites(range(3400, 3430)), names
    )
    donors = pd.Series([*names[:19], "s0"], names)
    genomes, components = donor_components(genotypes, donors, 2)
    assert list(components.columns) == ["component1", "component2"]
    assert len(genomes.samples) == 19
    pd.testing.assert_series_equal(components.loc["s0"], components.loc["s19"], check_names=False)


def test_genomes_of_the_observations_are_in_their_order(genotyped):
    genotypes, donors = genotyped
    samples = pd.DataFrame(
        {"donor": donors, "batch": None, "score": [1.0, 1, 5, 2, 4]}, index=donors.index
    )
    samples.loc["unknown"] = [None, None, 3.0]
    order = ["c", "b", "a2", "a1", "unknown"]
    none = pd.DataFrame(index=pd.Index(genotypes.samples))
    design = genome_design(order, samples, SCORE, [], "donor", none)
    assert design.donors.tolist() == ["C", "B", "A", "unknown"]
    genomes = observed_genomes(genotypes, donors, design)
    assert genomes.samples == ["C", "B", "A", "unknown"]
    np.testing.assert_array_equal(genomes.dosage[2], [1, np.nan, 0, 1])


@pytest.mark.parametrize("unit", ["donor", "bin"])
def test_a_phenotype_that_varies_within_donors_is_not_tested(genotyped, unit):
    genotypes, donors = genotyped
    none = pd.DataFrame(index=pd.Index(genotypes.samples))
    samples = pd.DataFrame({"donor": donors, "batch": None}, index=donors.index)
    samples.loc["unknown"] = [None, None]
    # Of the genotyped donors only A has two values: none is left within donors but A.
    samples["status"] = ["ill", "well", "unsure", "unsure", "ill", "unsure"]
    design = genome_design(genotypes.samples, samples, STATUS, [], unit, none)
    assert design.n == 0
    assert design.binary
    assert design.remarks[-1] == NO_GENOMES
    constant = samples.assign(status=["ill", "ill", "well", "well", "ill", "unsure"])
    design = genome_design(genotypes.samples, constant, STATUS, [], unit, none)
    assert dict(zip(design.donors, design.units.phenotype, strict=True)) == {"A": 1, "B": 0, "C": 0}
    assert NO_GENOMES not in design.remarks


def test_by_bin_a_donor_has_the_mean_of_all_its_samples(genotyped):
    """Those that were not genotyped included, as the paper averages lines."""
    genotypes, donors = genotyped
    donors["a3"] = "A"
    samples = pd.DataFrame({"donor": donors, "batch": None}, index=donors.index)
    samples.loc["unknown"] = [None, None]
    samples["score"] = pd.Series({"a1": 1, "a2": 2, "a3": 6, "b": 4, "unknown": 5, "other": 9.0})
    none = pd.DataFrame(index=pd.Index(genotypes.samples))
    design = genome_design(genotypes.samples, samples, SCORE, [], "bin", none)
    found = dict(zip(design.donors, design.units.phenotype, strict=True))
    assert found == {"A": 3, "B": 4, "unknown": 5}
    assert (design.units.weights.toarray() == np.eye(3)).all()
