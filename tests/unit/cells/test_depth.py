"""Equal depth: the target and who counts for it, thinning, samples that come later."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from popnet.cells.depth import (
    N_RANKS,
    RANKS,
    Target,
    depth_quantiles,
    match_depth,
    read_target,
    remaining_depth,
    shallow,
    shares_kept,
    target_quantiles,
    thin,
)
from popnet.cells.formats import open_source
from popnet.cells.genes import selection_basis
from popnet.cells.sources import read_blocks, read_counts, read_depth, read_samples


def levels(*medians):
    """Quantile functions of one shape."""
    return np.outer(medians, np.linspace(0.5, 1.5, N_RANKS))


def cohort_cells(levels_of, n=200, seed=0):
    """Return cells of samples with log-normal depths."""
    rng = np.random.default_rng(seed)
    tables = [
        pd.DataFrame(
            {
                "sample": sample,
                "cell": [f"{sample}-{i}" for i in range(n)],
                "depth": np.round(level * rng.lognormal(0, 0.4, n)),
            }
        )
        for sample, level in levels_of.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_quantiles_are_those_of_the_cells():
    depth = np.arange(1000.0)
    np.testing.assert_allclose(depth_quantiles(depth), RANKS * 999)
    assert depth_quantiles(np.array([7.0])).tolist() == [7.0] * N_RANKS


def test_target_is_what_nine_of_ten_reach():
    few = levels(3, 2, 5, 4)
    np.testing.assert_array_equal(target_quantiles(few), few.min(0))
    many = np.sort(np.random.default_rng(0).lognormal(7, 0.1, (40, N_RANKS)), axis=1)
    target = target_quantiles(many)
    np.testing.assert_array_equal((many < target).sum(0), 3)
    np.testing.assert_array_equal(target, np.sort(many, axis=0)[3])
    # At each rank by itself: quantile functions may cross.
    crossing = np.stack([np.linspace(1, 4, N_RANKS), np.linspace(2, 3, N_RANKS)])
    np.testing.assert_array_equal(target_quantiles(crossing), crossing.min(0))


@pytest.mark.parametrize(
    ("medians", "lowest"),
    [
        ([49, 100, 100, 110], 100),  # far below the others: does not cost them their counts
        ([51, 100, 100, 110], 51),
        ([10, 12, 100, 100], 10),  # two of four are a group, which counts
        ([10, 100], 10),  # of two, neither is the odd one
        ([10, *[100] * 8], 100),
        ([5, 20, *[100] * 18], 100),  # one after the other; the tenth that is lower, besides
        ([5, 20, 90, *[100] * 8], 20),  # at most one of fewer than twenty
    ],
)
def test_few_shallow_samples_do_not_count(medians, lowest):
    quantiles = levels(*medians)
    order = np.random.default_rng(0).permutation(len(medians))
    target = target_quantiles(quantiles[order])
    np.testing.assert_allclose(np.median(target), lowest)
    expected = np.array(medians) < lowest / 2
    np.testing.assert_array_equal(shallow(quantiles, target), expected)


def test_shares_kept_make_depths_equal():
    rng = np.random.default_rng(0)
    deep, low = rng.lognormal(8, 0.6, 500), rng.lognormal(7, 0.3, 300)
    target = target_quantiles(np.array([depth_quantiles(deep), depth_quantiles(low)]))
    names = np.array([f"c{i}" for i in range(500)])
    kept = shares_kept(deep, names, target)
    assert ((kept > 0) & (kept <= 1)).all()
    np.testing.assert_allclose(depth_quantiles(kept * deep)[2:-2], target[2:-2], rtol=0.03)
    # A sample below the target keeps everything, also cells without a count.
    assert (shares_kept(np.r_[0.0, target / 2], names[: N_RANKS + 1], target) == 1).all()


def test_cells_of_the_same_depth_are_ordered_by_name():
    depth, names = np.full(9, 100.0), np.array(list("ihgfedcba"))
    target = np.linspace(10, 90, N_RANKS)
    kept = shares_kept(depth, names, target)
    assert (np.diff(kept) < 0).all()
    order = np.random.default_rng(0).permutation(9)
    np.testing.assert_array_equal(shares_kept(depth[order], names[order], target), kept[order])


def test_thinning_keeps_each_count_with_its_probability():
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(3, (400, 50)).astype(np.float32))
    kept = np.repeat([0.3, 1.0], 200)
    thinned = thin(counts, kept, np.arange(400))
    assert thinned.dtype == np.float32
    assert not (thinned.data == 0).any()
    assert (thinned[200:] != counts[200:]).nnz == 0
    assert (thinned.toarray() <= counts.toarray()).all()
    total, left = counts[:200].sum(), int(thinned[:200].sum())
    assert stats.binomtest(left, int(total), 0.3).pvalue > 0.001
    # Poisson counts thinned are Poisson counts, of all genes, independently.
    dense = thinned[:200].toarray()
    assert dense.var() / dense.mean() == pytest.approx(1, abs=0.05)
    assert np.abs(np.corrcoef(dense.T) - np.eye(50)).mean() < 0.1


def test_thinning_depends_on_the_cell_alone():
    rng = np.random.default_rng(1)
    counts = sparse.csr_matrix(rng.poisson(2, (30, 20)).astype(np.float32))
    kept, seeds = rng.uniform(0.2, 1, 30), rng.integers(2**62, size=30)
    whole = thin(counts, kept, seeds).toarray()
    order = rng.permutation(30)[:11]
    np.testing.assert_array_equal(
        thin(counts[order], kept[order], seeds[order]).toarray(), whole[order]
    )
    assert (thin(counts, kept, seeds + 1).toarray() != whole).any()


def test_seeds_and_shares_depend_on_neither_order_nor_other_samples():
    cells = cohort_cells({"a": 1000, "b": 2000, "c": 1500})
    whole = match_depth(cells, "T", 1, "code")
    mixed = match_depth(cells.sample(frac=1, random_state=0), "T", 1, "code")
    pd.testing.assert_frame_equal(mixed.cells.sort_index(), whole.cells)
    pd.testing.assert_frame_equal(mixed.samples, whole.samples)
    assert mixed.target == whole.target
    assert whole.cells["seed"].is_unique
    fewer = match_depth(cells[cells["sample"] != "c"], "T", 1, "code")
    # Sample a is the lowest everywhere or nearly so: the target and the others' shares stay.
    assert fewer.cells["seed"].equals(whole.cells.loc[fewer.cells.index, "seed"])
    other = match_depth(cells, "B", 1, "code").cells["seed"]
    assert not other.isin(whole.cells["seed"]).any()
    assert not match_depth(cells, "T", 2, "code").cells["seed"].isin(whole.cells["seed"]).any()


def test_samples_say_what_they_keep():
    cells = cohort_cells({"a": 1000, "b": 2000, "c": 300, "d": 1000})
    found = match_depth(cells, "T", 1, "code")
    samples = found.samples.set_index("sample")
    assert samples["shallow"].to_dict() == {"a": False, "b": False, "c": True, "d": False}
    assert samples.loc["c", "share_kept"] == 1
    assert samples.loc["b", "share_kept"] == pytest.approx(0.5, abs=0.08)
    assert samples.loc["b", "matched_depth"] == pytest.approx(
        np.median(found.target.quantiles), rel=0.03
    )
    assert samples["n_cells"].tolist() == [200] * 4
    assert not samples["later"].any()
    log = np.log10(cells.loc[cells["sample"] == "b", "depth"]).mean()
    assert samples.loc["b", "mean_depth"] == pytest.approx(log)
    # The means of log depth agree, but for the sample that is too shallow.
    after = (
        np.log10(found.cells["kept"] * found.cells["depth"]).groupby(found.cells["sample"]).mean()
    )
    assert np.ptp(after[["a", "b", "d"]]) < 0.03
    assert after["c"] < after["a"] - 0.3


@pytest.fixture
def made(tmp_path):
    """The target of ten samples of one depth, as it is read back."""
    cells = cohort_cells({f"s{i}": 1000 for i in range(10)}, n=500)
    match_depth(cells, "T", 1, "code").target.write(tmp_path / "target.json")
    return cells, read_target(tmp_path / "target.json")


def added(cells, level, name="new", n=500):
    return pd.concat([cells, cohort_cells({name: level}, n, seed=9)], ignore_index=True)


@pytest.mark.parametrize("level", [5000, 1000, 300])
def test_target_stands_when_a_sample_is_added(made, level):
    """A deeper one, one like the others, and one that is too shallow to count."""
    cells, target = made
    before = match_depth(cells, "T", 1, "code", target)
    after = match_depth(added(cells, level), "T", 1, "code", target)
    assert after.target == target
    assert "as it was: 1 samples came later" in after.remark
    old = after.cells.iloc[: len(cells)]
    pd.testing.assert_frame_equal(old, before.cells)
    assert selection_basis(old.assign(bin=1)) == selection_basis(before.cells.assign(bin=1))
    samples = after.samples.set_index("sample")
    assert samples.index[samples["later"]].tolist() == ["new"]
    assert samples.loc["new", "shallow"] == (level == 300)


def test_target_moves_when_a_later_sample_is_lower(made):
    cells, target = made
    # With eleven samples the second lowest counts: one lower sample alone moves little.
    lower = added(added(cells, 700), 700, "newer")
    found = match_depth(lower, "T", 1, "code", target)
    assert found.target != target
    assert "% lower" in found.remark
    assert np.median(found.target.quantiles) < 0.8 * np.median(target.quantiles)
    assert not found.samples["later"].any()
    old = found.cells.iloc[: len(cells)].assign(bin=1)
    before = match_depth(cells, "T", 1, "code", target).cells.assign(bin=1)
    # So that genes are chosen anew, too.
    assert selection_basis(old) != selection_basis(before)


def test_target_is_made_anew_for_other_cells_or_code(made):
    cells, target = made
    other = cells.copy()
    other.loc[3, "depth"] += 1
    assert "cells of earlier samples" in match_depth(other, "T", 1, "code", target).remark
    fewer = cells[cells["sample"] != "s3"]
    assert "left out" in match_depth(fewer, "T", 1, "code", target).remark
    assert "code" in match_depth(cells, "T", 1, "another", target).remark


@pytest.mark.parametrize("text", ["", "{", "[]", '{"quantiles": [1], "samples": {}, "code": ""}'])
def test_a_damaged_target_is_none(tmp_path, text):
    path = tmp_path / "target.json"
    assert read_target(path) is None
    path.write_text(text)
    assert read_target(path) is None


def test_a_target_is_read_as_it_was(tmp_path):
    target = Target((RANKS * 1000 / 3).tolist(), {"s|1": "x"}, "code")
    target.write(tmp_path / "target.json")
    assert read_target(tmp_path / "target.json") == target


def test_bins_of_equal_depth_differ_in_nothing():
    depth = np.array([3.012, 3.011, 3.013, 2.99, 2.6, 3.01])
    assert np.abs(remaining_depth(depth)).tolist() == pytest.approx([0, 0, 0, 0, 0.4, 0])


def test_counts_are_read_thinned_however_they_are_read(tmp_path):
    """Block by block, by sample, or with fewer genes; depth is the total of what is left."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (90, 25)).astype(np.float32)
    genes = [f"g{i}" for i in range(25)]
    names = [f"c{i}" for i in range(90)]
    stored = ad.AnnData(
        sparse.csr_matrix(counts), pd.DataFrame(index=names), pd.DataFrame(index=genes)
    )
    stored.write_h5ad(tmp_path / "a.h5ad")
    sources = {"a": open_source(tmp_path / "a.h5ad")}
    cells = pd.DataFrame(
        {"source": "a", "row": range(90), "cell": names, "sample": list("xyz") * 30}
    )
    order = rng.permutation(90)
    given = cells.iloc[order].reset_index(drop=True)
    all_genes = sources["a"].genes
    np.testing.assert_array_equal(read_depth(sources, given, all_genes), counts[order].sum(1))
    depth = read_depth(sources, cells, all_genes) * np.tile([1, 2, 3], 30)
    matched = match_depth(cells.assign(depth=depth), "T", 1, "code").cells
    whole, left = read_counts(sources, matched, all_genes)
    assert whole.sum() < counts.sum()
    np.testing.assert_array_equal(whole.sum(1).A1, left)
    some, of_some = read_counts(sources, matched.iloc[order], all_genes[[3, 20]])
    np.testing.assert_array_equal(some.toarray(), whole.toarray()[order][:, [3, 20]])
    np.testing.assert_array_equal(of_some, left[order])
    for members, read, totals in [
        *read_blocks(sources, matched, all_genes, block=7),
        *read_samples(sources, matched, all_genes),
    ]:
        rows = members["row"].to_numpy()
        np.testing.assert_array_equal(read.toarray(), whole.toarray()[rows])
        np.testing.assert_array_equal(totals, left[rows])


def test_a_second_cohort_has_the_depth_of_the_discovery_unless_it_is_shallower():
    cells = cohort_cells({"a": 2000, "b": 3000, "c": 4000})
    own = match_depth(cells, "T", 1, "code").target
    for factor in (0.5, 2):
        discovery = Target([factor * value for value in own.quantiles], {}, "code")
        found = match_depth(cells, "T", 1, "code", discovery=discovery)
        expected = min(factor, 1) * np.array(own.quantiles)
        np.testing.assert_allclose(found.target.quantiles, expected)
        assert found.cells["kept"].max() <= 1
