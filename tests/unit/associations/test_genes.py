"""Hits, what explains them, how stable they are, and what a cohort could find."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from popnet.associations import genes as gene_tests
from popnet.associations.genes import TRIED, _leaving_out, describe, partial
from popnet.files import read_table, write_table
from popnet.stats.designs import make_design
from popnet.stats.multiplicity import study_wide
from popnet.stats.permutation import permutation_test, prepare
from popnet.stats.power import power

CONTROLS = ("mean", "dropout", "depth")


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    n, n_bins, n_genes = 30, 2, 60
    index = [f"s{i}" for i in range(n)]
    samples = pd.DataFrame(
        {
            "donor": index,
            "batch": np.repeat(["x", "y", "z"], 10),
            "age": rng.normal(size=n),
        },
        index=index,
    )
    phenotype = pd.Series(rng.normal(size=n), index)
    of_bin = np.repeat(index, n_bins)
    y = np.repeat(phenotype.to_numpy(), n_bins)[:, None]

    def noise():
        return rng.normal(size=(n * n_bins, n_genes))

    centrality, mean, dropout = noise(), noise(), noise()
    centrality[:, :6] += 3 * y
    # Genes 0 and 1 follow their mean expression, gene 2 its dropout rate.
    mean[:, :2] = centrality[:, :2] + 0.1 * mean[:, :2]
    dropout[:, 2] = centrality[:, 2] + 0.1 * dropout[:, 2]
    design = make_design(of_bin, samples, phenotype, False, ["age"])
    controls = {"mean": mean, "dropout": dropout, "depth": rng.normal(size=(n * n_bins, 1))}
    genes = [f"g{i}" for i in range(n_genes)]
    icc = pd.Series(np.where(np.arange(n_genes) == 4, 0.1, 0.9), genes)
    table, tested = gene_tests.robust(
        centrality, controls, genes, design, 1000, 1, fdr=0.05, icc=icc, min_icc=0.4
    )
    return table.set_index("gene"), tested, design, centrality


def test_hits_and_what_explains_them(study):
    table, _, _, _ = study
    hits = table.index[table["q"] <= 0.05]
    assert sorted(hits[:6]) == [f"g{i}" for i in range(6)]
    assert table.loc["g0", "explained_by"] == "mean expression"
    assert table.loc["g2", "explained_by"] == "dropout rate"
    assert table.loc["g3", "explained_by"] == "none"
    assert (table.loc[table["q"] > 0.05, "explained_by"] == "").all()
    # Flagged, not dropped.
    assert not table.loc["g4", "reliable"]
    for control in CONTROLS:
        assert table[f"{control}_p"].notna().all()


def test_stability_of_the_strongest(study):
    table, _, design, centrality = study
    hit = table.loc["g3"]
    assert hit["effect_low"] < hit["statistic"] < hit["effect_high"]
    assert hit["stable_share"] == 1
    assert table["stable_share"].notna().sum() == TRIED
    # The run without one sample, by hand.
    column = np.array([3])
    samples = design.units.labels
    effects = []
    for part in _leaving_out(design):
        effects.append(
            permutation_test(part.units.average(centrality[:, column]), part, 99, 1).table[
                "statistic"
            ][0]
        )
    assert len(effects) == len(samples) + 3
    assert min(effects) == pytest.approx(hit["effect_low"])


def test_partial_is_the_regression_on_all(study):
    _, _, design, centrality = study
    rng = np.random.default_rng(3)
    values = design.units.average(centrality)
    control = design.units.average(rng.normal(size=centrality.shape))
    found = partial(prepare(values, design), [prepare(control, design)], design)
    block = design.blocks[:, None] == np.unique(design.blocks)
    for gene in range(3):
        score = design.scores(values[:, [gene]])
        nuisance = np.column_stack([block, design.nuisance, design.scores(control[:, [gene]])])
        project = np.eye(design.n) - nuisance @ np.linalg.pinv(nuisance.astype(float))
        x, y = project @ design.outcome, (project @ score)[:, 0]
        assert found["statistic"][gene] == pytest.approx(x @ y / np.sqrt(x @ x * (y @ y)))


def test_leaving_a_sample_out_of_a_donor_keeps_the_donor():
    index = [f"s{i}" for i in range(12)]
    donors = ["a", "a", *index[2:]]
    samples = pd.DataFrame({"donor": donors, "batch": ""}, index=index)
    phenotype = pd.Series(np.arange(12.0), index)
    phenotype.iloc[1] = 0
    design = make_design(index, samples, phenotype, False)
    parts = list(_leaving_out(design))
    assert [part.n for part in parts[:3]] == [11, 11, 10]
    values = np.arange(12.0)[:, None]
    assert parts[0].units.average(values)[0, 0] == 1
    assert len(parts) == 12 + 11


def test_smallest_effect_is_found_with_80_percent_power():
    """Against the share of simulated cohorts in which an effect of that size is found."""
    rng = np.random.default_rng(1)
    n = 40
    index = [f"s{i}" for i in range(n)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    found, runs = 0, 300
    for number in range(runs):
        phenotype = rng.normal(size=n)
        design = make_design(index, samples, pd.Series(phenotype, index), False)
        effect = power(design, 1e-4, 1, 0.05).effect
        gene = effect * phenotype + np.sqrt(1 - effect**2) * rng.normal(size=n)
        found += permutation_test(gene[:, None], design, 199, number).table["p"][0] <= 0.05
    expected = np.tanh((norm.ppf(0.975) + norm.ppf(0.8)) / np.sqrt(n - 3))
    assert effect == pytest.approx(expected)
    assert 0.7 < found / runs < 0.87


@pytest.mark.parametrize(
    ("n", "said"), [(6, "no test can be significant"), (8, "at least 29 of 50"), (10, "at least 8")]
)
def test_small_cohorts_are_told_what_they_cannot_find(n, said):
    index = [f"s{i}" for i in range(n)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    phenotype = pd.Series(np.arange(n) % 2, index, dtype=float)
    design = make_design(index, samples, phenotype, True)
    tested = permutation_test(np.random.default_rng(0).normal(size=(n, 50)), design, 10_000, 1)
    table = describe(design, tested, 0.05)
    warnings = table.loc[table["item"] == "warning", "value"]
    assert warnings.str.contains(said).any()


def test_study_wide_correction_spans_families():
    rng = np.random.default_rng(2)
    families = []
    for _ in range(3):
        maxima = np.abs(rng.normal(size=999))
        p = rng.uniform(size=20)
        families.append((pd.DataFrame({"p": p, "p_family": np.minimum(1, 20 * p)}), maxima))
    found = study_wide(families, seed=1)
    family = np.concatenate([table["p_family"] for table, _ in families])
    # Independent families: nearly Sidak's correction.
    expected = 1 - (1 - family) ** 3
    assert np.abs(found["study_p_family"] - expected).max() < 0.05
    one = study_wide(families[:1], seed=1)["study_p_family"]
    assert np.abs(one - families[0][0]["p_family"]).max() < 0.003


def test_study_wide_correction_survives_the_tables_rounding(tmp_path):
    """Exact p have many ties, which six digits must not lose."""
    rng = np.random.default_rng(0)
    index = [f"s{i}" for i in range(13)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    phenotype = pd.Series(np.arange(13) % 2, index, dtype=float)
    design = make_design(index, samples, phenotype, True)
    values = rng.normal(size=(13, 20))
    values[:, 0] += 9 * phenotype
    tested = permutation_test(values, design, 10_000, 1)
    write_table(tested.table, tmp_path / "tested.tsv")
    read = read_table(tmp_path / "tested.tsv")
    families = [(tested.table, tested.maxima)] * 2
    exact = study_wide(families, 1)["study_p_family"]
    found = study_wide([(read, tested.maxima)] * 2, 1)["study_p_family"]
    np.testing.assert_allclose(found, exact)
    assert (found >= np.tile(tested.table["p_family"], 2) * (1 - 1e-5)).all()
