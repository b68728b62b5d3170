"""Genes: hits, what explains them, how stable they are, and what a cohort could find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations import expression, graph_centrality
from popnet.associations import genes as gene_tests
from popnet.associations.genes import TRIED, BinValues, _leaving_out, describe, partial
from popnet.associations.testing import OF_MODEL, Testing
from popnet.comparisons import hits as compared
from popnet.stats.designs import make_design, unadjusted
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.permutation import permutation_test, prepare
from popnet.stats.units import units

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
    # Every cell expresses a gene, or nearly.
    dropout = 0.3 + 0.02 * dropout
    genes = pd.Index([f"g{i}" for i in range(n_genes)])
    values = BinValues(
        centrality=centrality,
        mean_expression=mean,
        detection_rate=1 - dropout,
        depth=rng.normal(size=n * n_bins),
        genes=genes,
        icc=pd.Series(np.where(np.arange(n_genes) == 4, 0.1, 0.9), genes),
    )
    return values, design, gene_tests.robust(values, design, Testing(1000, seed=1))


def test_hits_and_what_explains_them(study):
    _, design, tested = study
    table = tested.table.set_index("gene")
    assert tested.table["p"].is_monotonic_increasing
    hits = table.index[table["q"] <= 0.05]
    assert sorted(hits[:6]) == [f"g{i}" for i in range(6)]
    assert table.loc["g0", "explained_by"] == "mean expression"
    assert table.loc["g2", "explained_by"] == "dropout rate"
    assert table.loc["g3", "explained_by"] == "none"
    assert (table.loc[table["q"] > 0.05, "explained_by"] == "").all()
    assert set(table["switched"]) == {""}
    # Flagged, not dropped.
    assert not table.loc["g4", "reliable"]
    for control in CONTROLS:
        assert table[f"{control}_p"].notna().all()
    described = tested.described.set_index("item")["value"]
    assert described[["observations", "genes tested"]].tolist() == [str(design.n), "60"]
    assert described["adjusted for"] == "age"
    assert len(tested.maxima) == 1000


def test_a_hit_of_a_gene_that_is_switched_off_is_no_change_of_wiring(study):
    values, design, tested = study
    rate = values.detection_rate.copy()
    high = (design.units.phenotype > np.quantile(design.units.phenotype, 2 / 3)).nonzero()[0]
    rate[np.ix_(np.concatenate([2 * high, 2 * high + 1]), [0, 3, 30])] = 0.01
    rate[:, 5] = 0
    switched = replace(values, detection_rate=rate)
    table = gene_tests.robust(switched, design, Testing(1000, seed=1)).table.set_index("gene")
    # Of what is tested nothing changes: it is a verdict.
    before = tested.table.set_index("gene")
    same = ["statistic", "p", "q", "mean_p"]
    pd.testing.assert_frame_equal(table[same], before.loc[table.index, same])
    assert table.loc[["g0", "g3", "g30"], "switched"].tolist() == ["off in the upper third"] * 3
    assert table.loc["g5", "switched"] == "off in all"
    assert table.loc[["g0", "g3"], "explained_by"].tolist() == ["expression switched on or off"] * 2
    assert table.loc["g5", "explained_by"] == "hardly expressed"
    assert table.loc["g30", "explained_by"] == ""
    assert table.loc["g4", "explained_by"] == before.loc["g4", "explained_by"]


def test_stability_of_the_strongest(study):
    values, design, tested = study
    table = tested.table.set_index("gene")
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
            permutation_test(part.units.average(values.centrality[:, column]), part, 99, 1).table[
                "statistic"
            ][0]
        )
    assert len(effects) == len(samples) + 3
    assert min(effects) == pytest.approx(hit["effect_low"])


def test_partial_is_the_regression_on_all(study):
    by_bin, design, _ = study
    rng = np.random.default_rng(3)
    values = design.units.average(by_bin.centrality)
    control = design.units.average(rng.normal(size=by_bin.centrality.shape))
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


def test_more_can_be_found_in_reliable_genes():
    rng, index = np.random.default_rng(1), [f"s{i}" for i in range(60)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    design = make_design(index, samples, pd.Series(rng.normal(size=60), index), False)
    tested = permutation_test(rng.normal(size=(60, 20)), design, 99, 1)
    icc = np.array([0.5, 0.9, 0.7])
    table = describe(design, tested, 0.05, reliability=0.25, reliable=icc).set_index("item")
    found = table["value"]
    assert found[["reliable genes", "reliability (reliable genes)"]].tolist() == ["3", "0.7"]
    ratio = float(found["detectable effect"]) / float(found["detectable effect, reliable genes"])
    assert ratio == pytest.approx(np.sqrt(0.7 / 0.25))


@pytest.mark.parametrize("binary", [False, True])
def test_paper_says_what_explains_a_hit(binary):
    rng = np.random.default_rng(11)
    n = 40
    samples = [f"s{i}" for i in range(n)]
    phenotype = np.repeat([0.0, 1.0], n // 2) if binary else rng.normal(size=n)
    depth = phenotype + 0.3 * rng.normal(size=n)
    noise = rng.normal(size=(n, 40))
    mean = rng.normal(size=(n, 40))
    centrality = noise.copy()
    centrality[:, 0] += 4 * phenotype  # of itself
    mean[:, 1] += 4 * phenotype
    centrality[:, 1] = mean[:, 1] + 0.1 * noise[:, 1]  # by mean expression
    centrality[:, 2] = depth + 0.01 * noise[:, 2]  # by depth
    mean[:, 3] = depth + 0.01 * mean[:, 3]
    centrality[:, 3] = depth + 0.01 * noise[:, 3]  # by both
    centrality[:, 4] = mean[:, 4] = phenotype + 0.3 * mean[:, 4]  # nothing else is left
    values = BinValues(
        centrality=centrality,
        mean_expression=mean,
        detection_rate=np.ones_like(mean),
        depth=depth,
        genes=pd.Index([f"g{i}" for i in range(40)]),
        icc=pd.Series({"g0": 0.4, "g1": 0.39}),
    )
    over = units(samples, pd.Series(samples, samples), pd.Series(phenotype, samples), "donor")
    tested = gene_tests.paper(values, unadjusted(over, binary), Testing(0, seed=1))
    table = tested.table
    assert not len(tested.maxima)
    columns = (
        "gene statistic p q mean_statistic mean_p mean_q mean_partial_statistic mean_partial_p "
        "depth_partial_statistic depth_partial_p icc reliable n_units n_samples n_donors "
    )
    columns += "n_case n_control explained_by" if binary else "explained_by"
    assert list(table.columns) == columns.split()
    assert table["p"].is_monotonic_increasing
    table = table.set_index("gene")
    assert table.loc["g1", "explained_by"] == "mean expression"
    assert table.loc["g2", "explained_by"] == "depth"
    assert np.isnan(table.loc["g4", "mean_partial_p"])
    assert table.loc["g4", "explained_by"].startswith("mean expression")
    assert table.loc["g3", "explained_by"] == "mean expression;depth"
    assert table.loc["g0", "explained_by"] == "none"
    assert set(table.loc[table["q"] > 0.05, "explained_by"]) == {""}
    assert table.loc[["g0", "g1"], "reliable"].tolist() == [True, False]
    # Not known, which is not unreliable.
    assert pd.isna(table.loc["g2", "reliable"])
    assert (table["n_units"] == n).all()
    if binary:
        assert (table[["n_case", "n_control"]] == n // 2).all(axis=None)


def test_no_unit_at_all(design_of):
    """A phenotype that no sample of a cell type has gives tables without numbers."""
    none = pd.Series([np.nan, np.nan], ["a", "b"])
    found = units(["a", "b"], pd.Series(["a", "b"], ["a", "b"]), none, "donor")
    values = BinValues(
        centrality=np.ones((2, 3)),
        mean_expression=np.ones((2, 3)),
        detection_rate=np.ones((2, 3)),
        depth=np.ones(2),
        genes=pd.Index(list("xyz")),
        icc=pd.Series(dtype=float),
    )
    for tested in (
        gene_tests.paper(values, unadjusted(found, False), Testing(9, seed=1)),
        gene_tests.robust(values, design_of([np.nan, np.nan]), Testing(9, seed=1)),
    ):
        assert tested.table["gene"].tolist() == list("xyz")
        assert tested.table["p"].isna().all()
        assert (tested.table["explained_by"] == "").all()


@pytest.mark.parametrize("binary", [False, True])
def test_paper_tests_bins_by_scipy(binary):
    """As published: every bin with its sample's phenotype, and Benjamini and Hochberg's q."""
    rng = np.random.default_rng(12)
    samples = np.repeat([f"s{i}" for i in range(10)], 3)
    phenotype = pd.Series(rng.normal(size=10), samples[::3])
    phenotype = (phenotype > 0).astype(float) if binary else phenotype
    phenotype["s7"] = np.nan
    of_bin = phenotype[samples].to_numpy()
    known = np.isfinite(of_bin)
    centrality, mean = rng.normal(size=(2, 30, 25))
    centrality[:, 0] += 3 * np.nan_to_num(of_bin)
    values = BinValues(
        centrality=centrality,
        mean_expression=mean,
        detection_rate=np.ones_like(mean),
        depth=rng.normal(size=30),
        genes=pd.Index([f"g{i}" for i in range(25)]),
        icc=pd.Series(dtype=float),
    )
    over = units(samples, pd.Series("d", samples[::3]), phenotype, "bin")
    table = gene_tests.paper(values, unadjusted(over, binary), Testing(0, seed=1)).table
    table = table.set_index("gene").loc[values.genes]
    for prefix, columns in (("", centrality), ("mean_", mean)):
        expected = [
            stats.mannwhitneyu(column[of_bin == 1], column[of_bin == 0]).pvalue
            if binary
            else stats.spearmanr(column[known], of_bin[known]).pvalue
            for column in columns.T
        ]
        np.testing.assert_allclose(table[f"{prefix}p"], expected, rtol=1e-6)
        q = stats.false_discovery_control(expected)
        np.testing.assert_allclose(table[f"{prefix}q"], q, rtol=1e-6)
    assert (table["n_units"] == 27).all()
    assert (table[["n_samples", "n_donors"]] == [9, 1]).all(axis=None)
    assert table["q"].idxmin() == "g0"


@pytest.fixture
def pairs():
    """Six pairs, two single donors, and the first ten of 60 genes rise in cases."""
    rng = np.random.default_rng(3)
    case = np.array([*np.tile([0.0, 1.0], 6), 0.0, 1.0])
    donor = [*np.repeat([f"d{number}" for number in range(6)], 2), "x", "y"]
    index = [f"s{number}" for number in range(14)]
    samples = pd.DataFrame({"donor": donor, "batch": "", "case": case}, index)
    bins = np.repeat(index, 2)
    values = rng.normal(size=(28, 60)) + np.repeat(rng.normal(size=(14, 60)), 2, axis=0) / 2
    values[:, :10] += 3 * np.repeat(case, 2)[:, None]
    about = bins, samples, samples["case"], True
    design = replace(make_design(*about), mixed=make_mixed_design(*about))
    genes = pd.Index([f"g{number}" for number in range(60)])
    rate, depth = np.full(values.shape, 0.9), np.zeros(28)
    icc = pd.Series(0.9, genes)
    return BinValues(values, rng.normal(size=values.shape), rate, depth, genes, icc), design


@pytest.mark.parametrize("preset", ["paper", "robust"])
def test_centralities_by_other_methods_are_tested_as_the_study_is(pairs, preset):
    """That siVAE finds more is not due to another test."""
    values, design = pairs
    testing = Testing(200, seed=1)
    own = getattr(gene_tests, preset)(values, design, testing).table.set_index("gene")
    other = getattr(compared, preset)({"other": values.centrality}, design, testing)["other"]
    for column in ("statistic", "p", "q"):
        np.testing.assert_allclose(other[column], own.loc[values.genes, column])


def test_a_mixed_model_gives_p_where_the_design_has_one(pairs):
    values, design = pairs
    testing = Testing(200, seed=1, chance={})
    found = gene_tests.robust(values, design, testing)
    table = found.table.set_index("gene")
    mixed = design.mixed
    expected = mixed_t(mixed.units.average(values.centrality), mixed.model)
    np.testing.assert_allclose(table["p"].reindex(values.genes), expected["p"])
    np.testing.assert_allclose(table["estimate"].reindex(values.genes), expected["estimate"])
    # 64 arrangements of six pairs cannot pass a correction for 60 genes.
    hits = set(table.index[table["q"] <= 0.05])
    planted = [f"g{number}" for number in range(10)]
    assert set(planted) <= hits
    assert len(hits) <= 12
    assert not (table["q_permutation"] <= 0.05).any()
    assert set(table.loc[planted, "explained_by"]) == {"none"}
    assert (table["n_units"] == 14).all()
    assert (table["n_donors"] == 8).all()
    assert (table[["n_case", "n_control"]] == 7).all(axis=None)
    described = found.described.set_index("item")["value"]
    assert described["p by"] == "mixed model"
    assert "donor" in described["variance ratios"]
    assert testing.by_chance("centrality")["significant"].mean() < 2
    # Without anything to test there is no model either.
    nothing = gene_tests.robust(values, design.untested("why"), testing).table
    assert nothing["p"].isna().all()


def test_expression_and_graph_centralities_have_the_model_too(pairs):
    values, design = pairs
    testing = Testing(200, seed=1, chance={})
    about = values.centrality, values.detection_rate, values.genes, design, testing
    table = expression.robust(*about)
    of_expression = table[table["measure"] == "expression"].set_index("gene")
    assert set(OF_MODEL) <= set(table)
    assert (of_expression.loc[[f"g{number}" for number in range(10)], "q"] <= 0.05).all()
    layers = {"strength": np.exp(values.centrality / 4), "detection_rate": values.detection_rate}
    layers["mean_expression"] = values.mean_expression
    graph = graph_centrality.robust(layers, list(values.genes), design, testing)
    assert graph.nsmallest(5, "p")["gene"].str.fullmatch(r"g\d").all()
    assert (graph["p_permutation"] != graph["p"]).any()
    assert testing.by_chance("graph_centrality")["significant"].mean() < 2
