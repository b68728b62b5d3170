"""Gene sets: enrichment scores against gseapy, calibration of both permutations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popnet.associations import sets as set_tests
from popnet.associations.sets import (
    COLUMNS,
    GIVEN_COLUMNS,
    MODEL_COLUMNS,
    MT_COLUMNS,
    enrich_phenotype,
    enrich_ranking,
    enrichment_score,
    whole_sets,
)
from popnet.associations.testing import Testing
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.ranks import correlate
from popnet.stats.units import units


@pytest.fixture(scope="module")
def ranked() -> tuple[pd.Series, dict[str, list[str]]]:
    rng = np.random.default_rng(0)
    genes = [f"Gene|{i}" for i in range(300)]
    ranking = pd.Series(rng.normal(size=300).round(6), index=genes)
    ranking[genes[:12]] += 2
    ranking[genes[12:20]] -= 2
    sets = {
        f"set {i}/{i}": list(rng.choice(genes, size, False)) for i, size in enumerate((2, 3, 9, 40))
    }
    sets |= {"up": genes[:12], "down": [*genes[12:20], "absent"], "all": genes, "none": ["absent"]}
    return ranking, sets


def test_enrichment_equals_gseapy_prerank(ranked):
    import gseapy

    ranking, sets = ranked
    found = enrich_ranking(ranking, sets, 500, seed=1, min_size=1).set_index("gene_set")
    expected = gseapy.prerank(
        ranking,
        sets,
        min_size=1,
        max_size=1000,
        permutation_num=500,
        seed=1,
        threads=1,
        no_plot=True,
    ).res2d.set_index("Term")
    assert set(found.index) == set(expected.index) == set(sets) - {"all", "none"}
    expected = expected.loc[found.index]
    np.testing.assert_allclose(found["es"], expected["ES"].astype(float), atol=1e-9)
    np.testing.assert_allclose(found["nes"], expected["NES"].astype(float), rtol=1e-6)
    # gseapy's p is b / n: never above (b + 1) / (n + 1), and 0 where no score is as large.
    assert (found["p"] > expected["NOM p-val"].astype(float)).all()
    np.testing.assert_allclose(found["p"], expected["NOM p-val"].astype(float), atol=0.006)
    assert found["p"].min() > 0
    for name, genes in expected["Lead_genes"].items():
        assert set(found.loc[name, "leading_edge"].split(";")) == set(genes.split(";"))
    mask = np.array([ranking.index.isin(sets[name]) for name in found.index])
    scores = enrichment_score(ranking.to_numpy()[None], mask)[0]
    np.testing.assert_allclose(scores, expected["ES"].astype(float), atol=1e-9)


def test_table_of_enrichment(ranked):
    ranking, sets = ranked
    found = enrich_ranking(ranking, sets, 200, seed=1)
    assert tuple(found.columns) == COLUMNS
    assert "set 0/0" not in set(found["gene_set"])  # two genes
    row = found.set_index("gene_set").loc["down"]
    assert (row["n_genes"], row["set_size"], row["n_permutations"]) == (8, 9, 200)
    assert row["es"] < 0
    assert row["p"] == row["gene_permutation_p"]
    assert found["p"].is_monotonic_increasing
    absolute = enrich_ranking(ranking, sets, 200, seed=1, absolute=True).set_index("gene_set")
    assert absolute.loc["down", "es"] > 0


def test_nothing_to_enrich(ranked, design_of):
    ranking, _ = ranked
    for sets in ({}, {"none": ["absent"]}, {"all": list(ranking.index)}):
        assert list(enrich_ranking(ranking, sets, 10, seed=1).columns) == list(COLUMNS)
        assert enrich_ranking(ranking, sets, 10, seed=1).empty
        values = np.random.default_rng(0).normal(size=(6, len(ranking)))
        args = (values, design_of(np.arange(6.0)), ranking.index, sets, 10, 1)
        assert list(enrich_phenotype(*args).columns) == [*COLUMNS, *MT_COLUMNS]
        assert enrich_phenotype(*args).empty


def test_ties_are_broken_by_the_seed_alone(ranked):
    ranking, sets = ranked
    tied = ranking.round(0)
    tied.iloc[5] = np.nan
    first = enrich_ranking(tied, sets, 50, seed=1)
    pd.testing.assert_frame_equal(first, enrich_ranking(tied, sets, 50, seed=1, threads=2))
    other = (
        enrich_ranking(tied, sets, 50, seed=2).set_index("gene_set").loc[first["gene_set"], "es"]
    )
    assert not np.allclose(first["es"], other)


def test_a_gene_named_twice():
    with pytest.raises(ValueError, match="twice"):
        enrich_ranking(pd.Series([1.0, 2.0], index=["a", "a"]), {"s": ["a"]}, 10, seed=1)


@given(
    st.lists(st.integers(-4, 4), min_size=6, max_size=25).filter(lambda x: any(x)),
    st.integers(1, 5),
    st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_score_is_the_extreme_of_the_running_sum(statistics, size, seed):
    statistics = np.array(statistics, dtype=float)
    members = np.zeros(len(statistics), dtype=bool)
    members[np.random.default_rng(seed).choice(len(statistics), size, replace=False)] = True
    found = enrichment_score(statistics[None], members[None])[0, 0]
    order = np.argsort(-statistics, kind="stable")
    weight = np.abs(statistics[order]) * members[order]
    if weight.sum() == 0:
        assert np.isnan(found)
        return
    running = np.cumsum(weight / weight.sum() - ~members[order] / (~members).sum())
    # Where both ends are equally far, either is right.
    assert abs(found) == pytest.approx(np.abs(running).max(), abs=1e-12)
    assert np.min(np.abs(running - found)) < 1e-12


@pytest.mark.parametrize("binary", [False, True])
def test_phenotype_permutation_equals_a_plain_loop(binary, design_of):
    rng = np.random.default_rng(4)
    n, n_genes = 14, 60
    genes = [f"g{i}" for i in range(n_genes)]
    phenotype = np.repeat([1.0, 0.0], [5, 9]) if binary else np.round(rng.normal(size=n), 1)
    values = rng.normal(size=(n, n_genes))
    values[:, :10] += phenotype[:, None]
    sets = {"planted": genes[:10], "other": genes[20:40]}
    design = design_of(phenotype, binary)
    found = enrich_phenotype(values, design, genes, sets, 400, seed=3)
    assert tuple(found.columns) == (*COLUMNS, *MT_COLUMNS)
    found = found.set_index("gene_set")
    (places,) = design.arrangements(400, seed=3)
    outcomes = [phenotype, *phenotype[places]]
    statistics = np.array([correlate(values, outcome, binary)["statistic"] for outcome in outcomes])
    ties = np.random.default_rng(3).permutation(n_genes)
    statistics = statistics[:, ties].round(12)
    for name, members in sets.items():
        mask = np.isin(genes, members)[ties]
        es, *null = enrichment_score(statistics, mask[None])[:, 0]
        same = np.abs([score for score in null if (score >= 0) == (es >= 0)])
        assert found.loc[name, "es"] == pytest.approx(es)
        assert found.loc[name, "nes"] == pytest.approx(es / same.mean())
        p = (np.sum(same >= abs(es) - 1e-12) + 1) / (len(same) + 1)
        assert found.loc[name, "p"] == pytest.approx(p)
    assert found.loc["planted", "p"] < 0.05


def test_genes_that_cannot_be_ranked_are_left_out(design_of):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(12, 30))
    values[3, 0] = np.nan
    values[:, 1] = 2
    genes = [f"g{i}" for i in range(30)]
    varying, constant = design_of(rng.normal(size=12)), design_of(np.ones(12))
    found = enrich_phenotype(values, varying, genes, {"s": genes[:8]}, 50, 1)
    assert found["n_genes"].tolist() == [7]
    assert found["n_background"].tolist() == [29]
    constant = enrich_phenotype(values, constant, genes, {"s": genes[:8]}, 50, 1)
    assert constant.empty


def test_correlated_sets_pass_by_genes_but_not_by_phenotypes(design_of):
    """Gene permutation calls null sets of co-expressed genes (shared design, difference 3)."""
    rng = np.random.default_rng(8)
    n, n_genes, n_sets = 24, 400, 20
    genes = [f"g{i}" for i in range(n_genes)]
    values = rng.normal(size=(n, n_genes))
    sets = {f"s{k}": genes[15 * k : 15 * k + 15] for k in range(n_sets)}
    by_gene, by_phenotype = [], []
    for _ in range(6):
        shared = np.repeat(rng.normal(size=(n, n_sets)), 15, axis=1)
        cohort = values.copy()
        cohort[:, : 15 * n_sets] += 0.8 * shared
        found = enrich_phenotype(cohort, design_of(rng.normal(size=n)), genes, sets, 300, seed=1)
        by_gene.extend(found["gene_permutation_p"])
        by_phenotype.extend(found["p"])
    assert np.mean(np.array(by_gene) < 0.05) > 0.2
    assert np.mean(np.array(by_phenotype) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)


def test_gaps_do_not_drop_a_gene(design_of):
    """A gene that a unit lacks is ranked; one that most units lack is not."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(12, 40))
    values[3, 5] = np.nan
    values[:8, 6] = np.nan
    genes = [f"g{number}" for number in range(40)]
    table = enrich_phenotype(
        values, design_of(rng.normal(size=12)), genes, {"s": genes[:10]}, permutations=50, seed=1
    )
    assert table["n_genes"].tolist() == [9]


def test_sets_are_also_tested_without_their_mitochondrial_genes(design_of):
    rng = np.random.default_rng(1)
    phenotype = rng.normal(size=30)
    values = rng.normal(size=(30, 80))
    genes = [f"MT-{i}" for i in range(10)] + [f"g{i}" for i in range(70)]
    values[:, :10] += 2 * phenotype[:, None]
    sets = {"mixed": [*genes[:10], *genes[20:30]], "MT": genes[:10], "nuclear": genes[40:50]}
    found = enrich_phenotype(values, design_of(phenotype), genes, sets, 400, seed=1)
    found = found.set_index("gene_set")
    assert found["n_mt"].to_dict() == {"mixed": 10, "MT": 10, "nuclear": 0}
    assert found.loc["mixed", "p"] < 0.01
    assert found.loc["mixed", "p_without_mt"] > 0.05
    assert found.loc[["MT", "nuclear"], "p_without_mt"].isna().all()
    assert found.loc["MT", "leading_edge"].count("MT-") >= 8


@pytest.mark.parametrize("binary", [False, True])
def test_paper_ranks_by_the_absolute_correlation_of_bins(binary):
    """As published: scipy's statistic of every bin, its size, and genes permuted."""
    rng = np.random.default_rng(5)
    samples = np.repeat([f"s{number}" for number in range(12)], 2)
    phenotype = pd.Series(rng.normal(size=12), samples[::2])
    phenotype = (phenotype > 0).astype(float) if binary else phenotype
    of_bin = phenotype[samples].to_numpy()
    genes = pd.Index([f"g{number}" for number in range(50)])
    centrality = rng.normal(size=(24, 50))
    centrality[:, :6] += np.outer(of_bin, [3, -3, 3, -3, 3, -3])
    sets = {"both signs": list(genes[:6]), "one": [genes[0]], "other": list(genes[20:30])}
    statistic = [
        2
        * stats.mannwhitneyu(column[of_bin == 1], column[of_bin == 0]).statistic
        / (of_bin == 1).sum()
        / (of_bin == 0).sum()
        - 1
        if binary
        else stats.spearmanr(column, of_bin).statistic
        for column in centrality.T
    ]
    expected = enrich_ranking(
        pd.Series(statistic, genes), sets, 300, seed=1, min_size=1, absolute=True
    )
    over = units(samples, pd.Series(dtype=object), phenotype, "bin")
    found = set_tests.paper(centrality, genes, sets, unadjusted(over, binary), Testing(300, seed=1))
    assert (found.pop("n_units") == 24).all()
    pd.testing.assert_frame_equal(found, expected)
    assert found.loc[0, "gene_set"] == "both signs"
    assert "one" in set(found["gene_set"])


def test_robust_permutes_the_phenotypes_of_observations():
    rng = np.random.default_rng(6)
    names = [f"s{number}" for number in range(14)]
    samples = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    design = make_design(np.repeat(names, 2), samples, pd.Series(rng.normal(size=14), names), False)
    genes = pd.Index([f"g{number}" for number in range(30)])
    centrality = rng.normal(size=(28, 30))
    sets = {"three": list(genes[:3]), "two": list(genes[:2])}
    found = set_tests.robust(centrality, genes, sets, design, Testing(200, seed=3))
    means = centrality.reshape(14, 2, 30).mean(axis=1)
    expected = enrich_phenotype(means, design, genes, sets, 200, seed=3)
    assert (found.pop("n_units") == 14).all()
    assert set(found) - set(expected) == {*MODEL_COLUMNS, *GIVEN_COLUMNS}
    pd.testing.assert_frame_equal(found[list(expected)], expected)
    assert found["gene_set"].tolist() == ["three"]


def test_a_set_as_a_whole_moves_against_the_other_genes():
    """Six pairs; the genes of one set rise a little in cases, too little for a gene by itself."""
    rng = np.random.default_rng(9)
    names = [f"s{number}" for number in range(12)]
    donors = np.repeat([f"d{number}" for number in range(6)], 2)
    case = np.tile([0.0, 1.0], 6)
    samples = pd.DataFrame({"donor": donors, "batch": "", "case": case}, index=names)
    about = names, samples, samples["case"], True
    mixed = make_mixed_design(*about)
    design = replace(make_design(*about), mixed=mixed)
    genes = pd.Index([f"g{number}" for number in range(80)])
    values = rng.normal(size=(12, 80)) + np.repeat(rng.normal(size=(6, 80)), 2, axis=0)
    values[:, :10] += 1.2 * case[:, None]
    values[:, 79] = np.nan
    gene_sets = {"up": list(genes[:10]), "not": list(genes[10:20]), "few": list(genes[:2])}
    gene_sets["mixed"] = [*genes[:3], *genes[20:27]]
    found = whole_sets(values, genes, gene_sets, design, Testing(99, seed=1))[0]
    assert list(found) == list(MODEL_COLUMNS)
    assert list(found.index) == ["up", "not", "mixed"]
    scaled = values[:, :79] - values[:, :79].mean(0)
    scaled /= scaled.std(0)
    columns = [
        scaled[:, genes[:79].isin(gene_sets[name])].mean(1)
        - scaled[:, ~genes[:79].isin(gene_sets[name])].mean(1)
        for name in found.index
    ]
    expected = mixed_t(np.column_stack(columns), mixed.model)
    np.testing.assert_allclose(found["estimate"], expected["estimate"])
    # Random sets tell more of the variance ratios than three sets do.
    np.testing.assert_array_equal(np.sign(found["t"]), np.sign(expected["t"]))
    assert found.at["up", "model_q"] < 0.01
    assert found.at["up", "low"] < found.at["up", "estimate"] < found.at["up", "high"]
    assert found.at["not", "model_p"] > 0.05
    # Where the design has no model it is the moderated t; without sets there is nothing.
    alone = whole_sets(values, genes, gene_sets, replace(design, mixed=None), Testing(99, seed=1))[
        0
    ]
    assert alone["low"].isna().all()
    assert alone.at["up", "model_p"] < 0.05
    assert whole_sets(values, genes, {}, design, Testing(99, seed=1))[0].empty


def test_a_single_set_knows_of_depth_by_random_sets():
    """All genes go with depth, and depth with the phenotype; nothing is planted."""
    shares = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        case = np.tile([0.0, 1.0], 12)
        depth = 0.7 * (2 * case - 1) + np.sqrt(0.51) * rng.normal(size=24)
        names = [f"s{number}" for number in range(24)]
        table = {"donor": names, "batch": "", "case": case, "depth": depth}
        samples = pd.DataFrame(table, index=names)
        about = names, samples, samples["case"], True, (), ("depth",)
        design = replace(make_design(*about), mixed=make_mixed_design(*about))
        values = rng.normal(size=(24, 120)) + np.outer(depth, rng.normal(size=120))
        genes = pd.Index([f"g{number}" for number in range(120)])
        found = whole_sets(values, genes, {"MT": list(genes[:15])}, design, Testing(9, seed=1))[0]
        shares.append(found["model_p"].iloc[0] <= 0.05)
    # The 99.9 % point of the binomial distribution is 9; without depth it would be about 24.
    assert sum(shares) <= 9
