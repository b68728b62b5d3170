"""Reliability of genes and kernels, and sources of variance, against analysis of variance."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import f_oneway
from skbio.stats.distance import DistanceMatrix, permanova
from statsmodels.regression.mixed_linear_model import MixedLM

from popnet.networks.kernels import sum_blocks
from popnet.networks.reliability import (
    donor_rank,
    icc,
    kernel_reliability,
    seed_reliability,
    summarise_sources,
    variance_sources,
)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_icc_is_one_minus_the_inverse_f_ratio(sizes, seed):
    generator = np.random.default_rng(seed)
    groups = np.repeat([f"s {number}" for number in range(len(sizes))], sizes)
    values = generator.normal(size=(len(sizes), 3)).repeat(sizes, axis=0) + 100
    values += generator.normal(size=values.shape)
    order = generator.permutation(len(groups))
    table = icc(values[order], groups[order])
    assert (table["n_samples"] == len(sizes)).all()
    assert (table["n_bins"] == sum(sizes)).all()
    if max(sizes) == 1:
        assert table["icc"].isna().all()
        return
    f_ratio = f_oneway(*np.split(values, np.cumsum(sizes)[:-1])).statistic
    np.testing.assert_allclose(table["icc"], np.maximum(1 - 1 / f_ratio, -1), rtol=1e-8)


def test_icc_of_balanced_bins_is_the_textbook_formula():
    # Shrout and Fleiss (1979), table 2: six targets, four judges, ICC(1,4) = 0.44.
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    )
    table = icc(ratings.reshape(-1, 1), np.repeat(np.arange(6).astype(str), 4))
    between = 4 * ratings.mean(axis=1).var(ddof=1)
    within = ratings.var(axis=1, ddof=1).mean()
    assert table["icc"][0] == pytest.approx((between - within) / between)
    assert table["icc"][0] == pytest.approx(0.44, abs=0.005)


def test_icc_recovers_the_reliability_of_a_mean():
    generator = np.random.default_rng(8)
    n_samples, n_genes, k = 60, 400, 4
    samples = generator.normal(size=(n_samples, n_genes)).repeat(k, axis=0)
    values = samples + generator.normal(size=samples.shape)
    table = icc(values, np.repeat(np.arange(n_samples).astype(str), k))
    assert table["icc"].mean() == pytest.approx(k / (k + 1), abs=0.01)


def test_icc_leaves_missing_values_out():
    groups = np.repeat(["a", "b", "c"], 3)
    values = np.random.default_rng(9).normal(size=(9, 4))
    values[0, 1] = np.nan
    values[3:6, 2] = np.nan
    values[:, 3] = np.nan
    table = icc(values, groups)
    assert table["n_bins"].tolist() == [9, 8, 6, 0]
    assert table["n_samples"].tolist() == [3, 3, 2, 0]
    for gene in (1, 2):
        kept = ~np.isnan(values[:, gene])
        alone = icc(values[kept, gene : gene + 1], groups[kept])
        assert table["icc"][gene] == pytest.approx(alone["icc"][0])
    assert np.isnan(table["icc"][3])


def test_icc_of_constant_genes_and_single_samples_is_missing():
    constant = np.tile([0.1, -1 / 3, 1e9], (6, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert icc(constant, list("aabbcc"))["icc"].isna().all()
        assert icc(np.arange(6.0)[:, None], ["a"] * 6)["icc"].isna().all()
        assert icc(np.array([[0.0], [1], [0], [1]]), list("aabb"))["icc"][0] == -1


@settings(deadline=None)
@given(
    arrays(float, (8, 3), elements=st.floats(-10, 10, width=16)),
    st.lists(st.sampled_from("abc"), min_size=8, max_size=8),
)
def test_icc_lies_between_minus_one_and_one(values, groups):
    reliability = icc(values, groups)["icc"].dropna()
    assert reliability.between(-1, 1).all()


def test_seed_reliability_tells_the_seed_from_the_bin():
    generator = np.random.default_rng(10)
    n_bins, n_genes = 80, 300
    bins = np.repeat(np.arange(n_bins), 3)
    values = generator.normal(size=(n_bins, n_genes)).repeat(3, axis=0)
    values += generator.normal(size=values.shape)
    found = seed_reliability(values, bins)
    # The variance of bins is one, that which the seeds leave in a mean of three a third.
    assert found["icc_seeds"].mean() == pytest.approx(3 / 4, abs=0.01)
    assert (found["n_repeats"] == 3).all()
    # Where a model has failed, and another has no value for the first gene.
    left, values = np.arange(len(bins)) != 5, values.copy()
    values[0, 0] = np.nan
    found = seed_reliability(values[left], bins[left])
    assert found["n_repeats"][0] == pytest.approx((3 * n_bins - 2) / n_bins)
    assert found["n_repeats"][1] == pytest.approx((3 * n_bins - 1) / n_bins)
    groups = [values[left, 1][bins[left] == number] for number in range(n_bins)]
    assert found["icc_seeds"][1] == pytest.approx(1 - 1 / f_oneway(*groups).statistic)


def test_one_seed_says_nothing_of_seeds():
    values = np.random.default_rng(11).normal(size=(6, 3))
    values[:, 2] = np.nan
    found = seed_reliability(values, np.arange(6))
    assert found["icc_seeds"].isna().all()
    np.testing.assert_array_equal(found["n_repeats"], [1, 1, np.nan])


SAMPLES = ["a1", "a1", "a2", "a2", "b", "b", "c", "d"]
DONORS = ["a", "a", "a", "a", "b", "b", "c", "d"]
BATCHES = ["x", "x", "y", "y", "x", "x", "y", "x"]


def reliability_of(gram, samples, donors, batches):
    groups = pd.DataFrame({"samples": samples, "donors": donors, "batches": batches})
    return kernel_reliability(sum_blocks([gram], groups))


def test_similarity_within_and_between():
    gram = np.random.default_rng(1).normal(size=(8, 8))
    gram = gram + gram.T
    found = reliability_of(gram, SAMPLES, DONORS, BATCHES)
    pairs = {name: [] for name in ("samples", "donors", "batches", "none")}
    for i, j in combinations(range(8), 2):
        if SAMPLES[i] == SAMPLES[j]:
            pairs["samples"].append(gram[i, j])
        elif DONORS[i] == DONORS[j]:
            pairs["donors"].append(gram[i, j])
        elif BATCHES[i] == BATCHES[j]:
            pairs["batches"].append(gram[i, j])
        else:
            pairs["none"].append(gram[i, j])
    for kind in ("samples", "donors", "batches"):
        assert found[f"within_{kind}"] == pytest.approx(np.mean(pairs[kind]))
        assert found[f"n_within_{kind}"] == len(pairs[kind])
    assert found["between_batches"] == pytest.approx(np.mean(pairs["none"]))
    assert found["n_between_batches"] == len(pairs["none"])
    assert (found["n_samples"], found["n_bins"]) == (5, 8)


def test_similarity_without_pairs():
    found = reliability_of(np.eye(2), ["a", "b"], ["a", "b"], ["", ""])
    assert np.isnan(found["within_samples"])
    assert (found["within_batches"], found["n_within_batches"]) == (0, 1)
    assert np.isnan(found["icc"])
    assert np.isnan(reliability_of(np.eye(2), ["a", "a"], ["a", "a"], ["", ""])["icc"])
    alike = reliability_of(np.full((4, 4), 0.3), list("aabb"), list("aabb"), [""] * 4)
    assert np.isnan(alike["icc"])


def test_reliability_of_the_kernel_of_one_gene_is_that_of_the_gene():
    values = np.random.default_rng(2).normal(size=8) + np.repeat([0, 1, 3, -2], 2)
    found = reliability_of(np.outer(values, values), SAMPLES, SAMPLES, BATCHES)
    assert found["icc"] == pytest.approx(icc(values[:, None], SAMPLES)["icc"][0])


def test_reliability_of_a_kernel_by_scikit_bio_and_by_definition():
    places = np.random.default_rng(3).normal(size=(8, 4))
    places += np.repeat(np.random.default_rng(4).normal(size=(4, 4)), 2, axis=0)
    found = reliability_of(places @ places.T, SAMPLES, DONORS, BATCHES)
    squared = ((places[:, None] - places) ** 2).sum(axis=2)
    f_ratio = permanova(DistanceMatrix(np.sqrt(squared)), SAMPLES, permutations=0)
    assert found["icc"] == pytest.approx(1 - 1 / f_ratio["test statistic"])
    first, second = np.triu_indices(8, 1)
    same = np.array(SAMPLES)[first] == np.array(SAMPLES)[second]
    squared = squared[first, second]
    assert found["dicc"] == pytest.approx(1 - squared[same].mean() / squared[~same].mean())


def test_rank_of_a_donors_other_sample_is_counted_over_all_pairs():
    generator = np.random.default_rng(5)
    similarity = generator.integers(0, 6, size=(8, 8)).astype(float)
    similarity = similarity + similarity.T
    donors = ["a", "b", "a", "c", "d", "e", "f", "g"]
    batches = ["x", "x", "y", "x", "x", "y", "y", "y"]

    def rank(i, j):
        others = [similarity[i, other] for other in range(8) if other not in (i, j)]
        nearer = [(value > similarity[i, j]) + (value == similarity[i, j]) / 2 for value in others]
        return np.mean(nearer)

    ranks = {(i, j): (rank(i, j) + rank(j, i)) / 2 for i, j in combinations(range(8), 2)}
    found = donor_rank(similarity, donors, batches, 1000, 1)
    assert found["donor_rank"] == pytest.approx(ranks[0, 2])
    exceeding = sum(value <= ranks[0, 2] + 1e-9 for value in ranks.values())
    assert found["donor_p"] == exceeding / 28
    assert (found["n_repeated"], found["n_permutations"]) == (1, 28)
    drawn = donor_rank(similarity, donors, batches, 27, 1)
    assert drawn["n_permutations"] == 27
    many = donor_rank(similarity, ["a", "b", "a", "b", "c", "c", "d", "d"], batches, 2000, 1)
    assert many["n_permutations"] == 2000
    every = donor_rank(similarity, ["a", "b", "a", "b", "c", "c", "d", "d"], batches, 2520, 1)
    assert every["n_permutations"] == 2520
    assert abs(every["donor_p"] - many["donor_p"]) < 0.05


def test_batches_are_not_taken_for_donors():
    # Samples of a batch are alike, and so are donors', which are all of one batch.
    generator = np.random.default_rng(6)
    batches = np.repeat(["x", "y", "z"], 8)
    donors = np.repeat([f"d{number}" for number in range(12)], 2)
    p = []
    for _ in range(100):
        places = generator.normal(size=(24, 3)) + 3 * generator.normal(size=(3, 3)).repeat(8, 0)
        p.append(donor_rank(places @ places.T, donors, batches, 99, 1)["donor_p"])
    assert np.sum(np.array(p) <= 0.05) <= 13
    places = places + 3 * generator.normal(size=(12, 3)).repeat(2, axis=0)
    assert donor_rank(places @ places.T, donors, batches, 99, 1)["donor_p"] == 1 / 100


def test_nearest_sample_is_of_the_donor():
    generator = np.random.default_rng(7)
    places = generator.normal(size=(10, 20))
    places = np.vstack([places, places[:3] + generator.normal(size=(3, 20)) / 10])
    similarity = -((places[:, None] - places) ** 2).sum(axis=2)
    donors = [*"abcdefghij", *"abc"]
    found = donor_rank(similarity, donors, ["x"] * 10 + ["y"] * 3, 999, 1)
    assert (found["donor_rank"], found["donor_nearest"]) == (0, 1)
    assert found["donor_p"] == 1 / 1000
    none = donor_rank(similarity[:10, :10], donors[:10], ["x"] * 10, 999, 1)
    assert np.isnan(none["donor_p"])
    assert none["n_repeated"] == 0


def nested(generator, sizes, variances):
    """Return values of bins in samples of donors of batches, and their groups."""
    index = np.indices(sizes).reshape(4, -1)
    levels = [np.ravel_multi_index(index[: depth + 1], sizes[: depth + 1]) for depth in range(4)]
    values = sum(
        np.sqrt(variance) * generator.normal(size=(level.max() + 1, 5))[level]
        for level, variance in zip(levels, variances, strict=True)
    )
    names = [
        np.array([f"{name} {code}" for code in level])
        for name, level in zip("bdst", levels, strict=True)
    ]
    return values, dict(batches=names[0], donors=names[1], samples=names[2])


def test_variance_of_balanced_bins_is_analysis_of_variance():
    sizes = (3, 4, 2, 3)
    values, groups = nested(np.random.default_rng(8), sizes, (1, 0.5, 0.3, 1))
    found = variance_sources(values, **groups)
    cube = values.reshape(*sizes, 5)
    means = [cube.mean(axis=tuple(range(depth, 4))) for depth in range(4)] + [cube]
    components, below = {}, 0
    for depth, name in reversed(list(enumerate(["batch", "donor", "sample", "bin"], start=1))):
        replicates = int(np.prod(sizes[depth:]))
        deviation = means[depth] - means[depth - 1][..., None, :]
        groups_above = int(np.prod(sizes[: depth - 1]))
        axes = tuple(range(depth))
        square = (
            replicates * (deviation**2).sum(axis=axes) / (groups_above * (sizes[depth - 1] - 1))
        )
        components[name] = (square - below) / replicates
        below = square
    total = sum(components.values())
    for name, component in components.items():
        np.testing.assert_allclose(found[name], component / total)


def test_variance_of_balanced_bins_is_that_of_a_mixed_model():
    values, groups = nested(np.random.default_rng(9), (1, 8, 3, 3), (0, 2, 1, 0.5))
    found = variance_sources(values[:, :1], **groups)
    table = pd.DataFrame({"y": values[:, 0], **groups})
    fit = MixedLM.from_formula(
        "y ~ 1", table, groups="donors", re_formula="1", vc_formula={"sample": "0 + C(samples)"}
    ).fit()
    expected = np.array([fit.cov_re.iloc[0, 0], fit.vcomp[0], fit.scale])
    np.testing.assert_allclose(
        found.loc[0, ["donor", "sample", "bin"]], expected / expected.sum(), rtol=1e-3
    )
    assert np.isnan(found.at[0, "batch"])


def test_variance_sources_are_unbiased_where_donors_cross_batches():
    generator = np.random.default_rng(10)
    donor = np.repeat(np.arange(120), 2)
    batch = generator.integers(0, 60, 240)
    sample = np.repeat(np.arange(240), generator.integers(1, 4, 240))
    effects = [
        (donor[sample], 1.0),
        (batch[sample], 2.0),
        (sample, 1.0),
        (np.arange(len(sample)), 1),
    ]
    values = sum(
        np.sqrt(variance) * generator.normal(size=(code.max() + 1, 400))[code]
        for code, variance in effects
    )
    values[generator.random(len(sample)) < 0.05, :50] = np.nan
    found = variance_sources(values, sample.astype(str), donor[sample], batch[sample])
    expected = {"batch": 0.4, "donor": 0.2, "sample": 0.2, "bin": 0.2}
    for name, share in expected.items():
        assert found[name].mean() == pytest.approx(share, abs=0.03)


def test_variance_of_what_cannot_be_told_apart():
    values = np.random.default_rng(11).normal(size=(6, 3))
    values[:, 2] = 1
    found = variance_sources(values, list("aabbcc"), list("aabbcc"), [""] * 6)
    assert found[["batch", "donor"]].isna().all(axis=None)
    np.testing.assert_allclose(found.loc[:1, ["sample", "bin"]].sum(axis=1), 1)
    assert found.loc[2].isna().all()
    single = variance_sources(values[:, :2], list("abcdef"), list("abcdef"), list("xxxyyy"))
    assert single[["donor", "sample"]].isna().all(axis=None)
    assert single[["batch", "bin"]].notna().all(axis=None)


def test_summary_of_variance():
    shares = pd.DataFrame(
        {"batch": [0.1, 0.2, 0.3], "donor": np.nan, "sample": [0.5, np.nan, 0.3], "bin": 0.4}
    )
    table = summarise_sources(shares, list("aabc"), list("aabc"), list("xxyy")).set_index("source")
    assert table.index.tolist() == ["batch", "donor", "sample", "bin"]
    assert table["n_groups"].tolist() == [2, 3, 3, 4]
    assert table["n_genes"].tolist() == [3, 0, 2, 3]
    assert table.loc["batch", ["share", "lower_quartile", "upper_quartile"]].tolist() == (
        pytest.approx([0.2, 0.15, 0.25])
    )
