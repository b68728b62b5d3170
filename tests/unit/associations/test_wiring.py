"""Genomes against the wiring of the complexes: all that they hold, and donors counted once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import burden, heteroplasmy, variants, wiring
from popnet.associations.designs import donor_components
from popnet.associations.testing import Testing
from popnet.genotypes.genomes import heteroplasmy_load
from popnet.stats.designs import make_design


def test_all_that_a_genome_holds(sites, genomes_of, design_of, mtdna):
    rng = np.random.default_rng(7)
    n = 40
    fraction = np.where(rng.random((n, 30)) < 0.1, rng.uniform(0.1, 0.9, (n, 30)), 0)
    genomes = genomes_of((fraction > 0).astype(float), sites(range(12400, 12430)), None, fraction)
    outcome = -(fraction > 0).sum(axis=1) + 0.5 * rng.normal(size=n)
    design = design_of(outcome)
    table = wiring.associate_genomes(genomes, mtdna, design, Testing(999, seed=1))
    counts = table["analysis"].value_counts()
    carriers = (fraction > 0).sum(axis=0)
    assert counts["heteroplasmy"] == 2
    assert counts["burden"] == len(mtdna) + 1
    assert counts["variant"] == (carriers >= 3).sum()
    by_name = table.set_index("measure")
    load = heteroplasmy_load(genomes)["n_heteroplasmic"]
    expected = stats.spearmanr(load, outcome).statistic
    assert by_name.loc["n_heteroplasmic", "statistic"] == pytest.approx(expected)
    assert by_name.loc["MT-ND5", "p"] <= 0.001
    assert by_name.loc["MT:12400:A>G", "n_carriers"] == carriers[0]
    assert by_name.loc["n_heteroplasmic", "n_carriers"] is pd.NA
    for _, part in table.groupby("analysis"):
        tested = part.dropna(subset=["p"])
        np.testing.assert_allclose(tested["q"], stats.false_discovery_control(tested["p"]))
    without = wiring.associate_genomes(
        genomes_of((fraction > 0).astype(float), genomes.variants),
        mtdna,
        design,
        Testing(99, seed=1),
    )
    assert without.loc[without["analysis"] == "heteroplasmy", "p"].isna().all()


@pytest.fixture
def study(sites, genomes_of):
    """Twenty donors, the first of two samples; two samples that were not genotyped."""
    rng = np.random.default_rng(8)
    names = [f"line {number}" for number in range(21)]
    donors = pd.Series(["d0", "d0", *names[2:], None], [*names, "unknown"])
    dosage = rng.binomial(1, 0.3, (21, 25)).astype(float)
    dosage[1] = dosage[0]
    genotypes = genomes_of(dosage, sites(range(12400, 12425)), names)
    samples = pd.DataFrame(
        {"donor": donors, "batch": None, "age": rng.normal(size=22)}, index=donors.index
    )
    technical = pd.DataFrame({"depth": rng.normal(size=22)}, index=donors.index)
    rows = pd.DataFrame({"sample": list(donors.index), "gene_set": "MT"})
    rows["within_complexes"] = [*(dosage.sum(axis=1) + rng.normal(size=21)), 5]
    rows["between_complexes"] = rng.normal(size=22)
    other = rows.assign(gene_set="no complexes", within_complexes=np.nan, between_complexes=np.nan)
    return pd.concat([rows, other]), genotypes, samples, technical


def test_a_donor_counts_once(study, mtdna, capsys):
    counts, genotypes, samples, technical = study
    testing = Testing(299, seed=1)
    arguments = mtdna, samples, ["age"], technical, 2, testing
    table = wiring.robust(counts, genotypes, *arguments)
    assert "20 donors" in capsys.readouterr().out
    assert table["gene_set"].unique().tolist() == ["MT"]
    assert table["kind"].unique().tolist() == ["within_complexes", "between_complexes"]
    assert (table["n"] <= 20).all()

    genomes, components = donor_components(genotypes, samples["donor"], 2)
    by_sample = counts[counts["gene_set"] == "MT"].set_index("sample")["within_complexes"]
    outcome = by_sample.drop("unknown")
    outcome.iloc[:2] = outcome.iloc[:2].mean()
    design = make_design(
        outcome.index,
        samples.assign(batch="").join([components, technical]),
        outcome,
        False,
        ["age"],
        ["depth", "component1", "component2"],
    )
    assert design.covariates["covariate"].tolist() == ["age", "depth", "component1", "component2"]
    expected = wiring.associate_genomes(genomes.take(design.donors), mtdna, design, testing)
    found = table[table["kind"] == "within_complexes"].drop(columns=["gene_set", "kind"])
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected)
    by_name = found.set_index("measure")
    assert by_name.loc["all", "p"] == pytest.approx(by_name["p"].min())
    # By bins the mean of a sample is taken first.
    doubled = pd.concat([counts, counts[counts["sample"] == "line 5"]])
    pd.testing.assert_frame_equal(wiring.robust(doubled, genotypes, *arguments), table)


def test_without_complexes_there_is_nothing_to_test(study, mtdna):
    counts, genotypes, samples, technical = study
    counts = counts[counts["gene_set"] == "no complexes"]
    table = wiring.robust(counts, genotypes, mtdna, samples, [], technical, 2, Testing(99, seed=1))
    assert table.empty
    assert {"gene_set", "kind", "analysis", "measure", "statistic", "p", "q"} == set(table)


def test_what_genomes_call_by_chance(sites, genomes_of, design_of, mtdna):
    """Each question is asked anew of the permuted phenotype; with all arrangements: no chance."""
    rng = np.random.default_rng(9)
    case = np.arange(12) % 2
    fraction = np.where(rng.random((12, 25)) < 0.4, rng.uniform(0.1, 0.9, (12, 25)), 0)
    fraction[:, :6] *= case[:, None]
    dosage = (fraction > 0).astype(float)
    genomes = genomes_of(dosage, sites(range(12400, 12425)), None, fraction)
    design = design_of(case, binary=True)

    def asked(design, testing):
        tables = {
            "single": variants.robust(genomes, mtdna, design, testing),
            "burden": burden.robust(genomes, mtdna, design, testing),
            "heteroplasmy": heteroplasmy.robust(genomes, design, testing),
            "genomes": wiring.associate_genomes(genomes, mtdna, design, testing),
        }
        q = {name: table.loc[table["p"].notna(), "q"] for name, table in tables.items()}
        return {name: [len(of_table), (of_table <= 0.4).sum()] for name, of_table in q.items()}

    testing = Testing(5000, 1, 0.4, chance={})
    asked(design, testing)
    called = 0
    for number, row in enumerate(design.permuted(5, seed=1)):
        over = replace(design.units, phenotype=design.units.phenotype[row])
        moved = replace(
            design, units=over, outcome=design.outcome[row], residual=design.residual[row]
        )
        for name, expected in asked(moved, Testing(5000, 1, 0.4)).items():
            found = testing.by_chance(name).loc[number, ["tested", "significant"]]
            assert found.tolist() == expected, name
            called += expected[1]
    assert called > 0


def test_hits_by_chance_of_all_complexes_are_added_up(study, mtdna):
    counts, genotypes, samples, technical = study
    testing = Testing(299, 1, 0.3, chance={})
    table = wiring.robust(counts, genotypes, mtdna, samples, ["age"], technical, 2, testing)
    found = testing.by_chance("genomes")
    assert len(found) == 20
    assert set(found["tested"]) == {table["p"].notna().sum()}
