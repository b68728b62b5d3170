"""Modules of a mean network: planted ones are found, named and valued."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import igraph
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnet.files import read_h5ad, read_table, write_h5ad
from popnet.networks import modules as of_modules
from popnet.networks.modules import (
    Modules,
    come_back,
    describe,
    find_modules,
    module_values,
    of_bins,
    partitions,
    value_columns,
    within,
)

SIZES = (12, 9, 6)
N = 40
GENES = pd.Index([f"G{number}" for number in range(N)])
PLANTED = np.append(np.repeat([1, 2, 3], SIZES), np.zeros(N - sum(SIZES), int))
UPPER = np.triu_indices(N, 1)


def network(rng, noise=0.02):
    """Weights of 0.3 within the planted modules, 0.05 between the first two, else -0.05; noise."""
    same = (PLANTED[:, None] == PLANTED) & (PLANTED > 0)
    near = np.isin(PLANTED, [1, 2])
    weights = np.where(same, 0.3, np.where(near[:, None] & near, 0.05, -0.05))
    weights = np.triu(weights + noise * rng.normal(size=(N, N)), 1)
    return weights + weights.T


@pytest.fixture(scope="module")
def bins():
    rng = np.random.default_rng(0)
    return np.array([network(rng, 0.1) for _ in range(12)])


@pytest.fixture(scope="module")
def found(bins):
    donors = np.repeat(["a", "b", "c", "d"], 3)
    return find_modules(bins[:, *UPPER].astype(np.float32), donors, GENES, seed=1)


def test_planted_modules_are_found_and_come_back(found):
    np.testing.assert_array_equal(found.module[PLANTED > 0], PLANTED[PLANTED > 0])
    assert set(found.stable) >= {1, 2, 3}
    assert (found.gene_stability[PLANTED > 0] > 0.9).all()
    assert np.isnan(found.gene_stability[found.module == 0]).all()


def test_the_number_of_threads_samples_and_calls_does_not_matter(bins, found):
    donors = np.repeat(["a", "b", "c", "d"], 3)
    igraph.Graph.Full(5).community_leiden("modularity")
    again = find_modules(bins[:, *UPPER].astype(np.float32), donors, GENES, seed=1)
    np.testing.assert_array_equal(again.module, found.module)
    np.testing.assert_array_equal(again.stability, found.stability)


def test_donors_count_the_same_in_the_mean():
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(5, len(UPPER[0]))).astype(np.float32)
    found = find_modules(weights, ["x", "y", "y", "y", "x"], GENES, seed=0, n_bootstraps=2)
    expected = (weights[[0, 4]].mean(0) + weights[1:4].mean(0)) / 2
    np.testing.assert_allclose(found.mean[UPPER], expected, atol=1e-6)
    np.testing.assert_array_equal(found.mean, found.mean.T)
    assert not found.mean.diagonal().any()


def test_noise_has_no_stable_modules():
    rng = np.random.default_rng(1)
    weights = 0.1 * rng.normal(size=(8, len(UPPER[0]))).astype(np.float32)
    found = find_modules(weights, list("abcdefgh"), GENES, seed=0)
    assert not len(found.stable)
    assert of_bins(found, [np.zeros((N, N))] * 2).shape == (2, 0)


def test_small_groups_are_no_modules_and_the_largest_is_the_first():
    for module in partitions(network(np.random.default_rng(0))[UPPER], N, seed=0):
        sizes = np.bincount(module)[1:]
        assert (sizes >= of_modules.MIN_GENES).all()
        assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("weights", [np.zeros(len(UPPER[0])), -np.ones(len(UPPER[0]))])
def test_without_positive_weights_there_are_no_modules(weights):
    assert not np.any(partitions(weights, N, seed=0))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_modules_that_come_back(numbers):
    module, other = (pd.factorize(one)[0] for one in np.array(numbers).T)
    jaccard, stays = come_back(module, other)
    for number in range(1, module.max() + 1):
        own = set(np.flatnonzero(module == number))
        indices = [
            len(own & one) / len(own | one)
            for one in (set(np.flatnonzero(other == k)) for k in range(1, other.max() + 1))
        ]
        assert jaccard[number - 1] == pytest.approx(max(indices, default=0))
        staying = set(np.flatnonzero(stays)) & own
        best = [index for index in indices if index == max(indices)]
        if best and best[0] > 0 and len(best) == 1:
            place = indices.index(best[0]) + 1
            assert staying == {gene for gene in own if other[gene] == place}
    assert not stays[module == 0].any()


def test_values_are_means_and_eigenvalues(bins):
    members = PLANTED[:, None] == np.array([1, 3])
    density, eigengene, coupling = np.split(module_values(bins[0], members), [2, 4])
    for place, number in enumerate((1, 3)):
        own = np.flatnonzero(number == PLANTED)
        block = bins[0][np.ix_(own, own)]
        assert density[place] == pytest.approx(block[np.triu_indices(len(own), 1)].mean())
        largest = np.linalg.eigvalsh(block).max()
        assert eigengene[place] == pytest.approx(largest / (len(own) - 1))
        strength = within(bins[0], members)[own]
        np.testing.assert_allclose(strength, block.sum(1) / (len(own) - 1))
    assert coupling == pytest.approx(bins[0][np.ix_(PLANTED == 1, PLANTED == 3)].mean())
    assert np.isnan(within(bins[0], members)[np.isin(PLANTED, [0, 2])]).all()


def test_where_all_pairs_are_alike_the_eigengene_says_the_density():
    same = np.full((8, 8), 0.4)
    np.fill_diagonal(same, 0)
    np.testing.assert_allclose(module_values(same, np.ones((8, 1), bool)), [0.4, 0.4])


def test_bins_have_the_values_of_stable_modules(found, bins):
    table = of_bins(found, bins)
    numbers = found.stable
    pd.testing.assert_frame_equal(
        table.var.reset_index(drop=True), value_columns(numbers), check_dtype=False
    )
    members = found.module[:, None] == numbers
    np.testing.assert_allclose(table.X[5], module_values(bins[5], members))
    np.testing.assert_allclose(table.obsm["strength"][5], within(bins[5], members), rtol=1e-5)


def test_modules_as_a_table_of_genes(found):
    sets = {"second": list(GENES[12:21]), "scattered": list(GENES[::7])}
    table = describe(found, sets)
    second = table[table["module"] == 2]
    assert second["gene_set"].unique().tolist() == ["second"]
    assert second["strength"].is_monotonic_decreasing
    assert second["name"].iloc[0] == "/".join(second["gene"][:4])
    assert (second["n_genes"] == len(second)).all()
    assert table.loc[table["module"] == 1, "gene_set"].unique().tolist() == [""]
    assert len(table) == (found.module > 0).sum()


def test_a_file_has_all_of_the_modules_and_the_script_names_them(found, root, tmp_path):
    write_h5ad(found.to_anndata(), tmp_path / "module_genes.h5ad")
    again = Modules.from_anndata(read_h5ad(tmp_path / "module_genes.h5ad"))
    for name in ("mean", "module", "gene_stability", "stability"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.resolution, list(again.genes)) == (found.resolution, list(GENES))
    (tmp_path / "sets.json").write_text("{}")
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            genes=tmp_path / "module_genes.h5ad", gene_sets=tmp_path / "sets.json"
        ),
        output=[str(tmp_path / "modules.tsv")],
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow/scripts/networks/name_modules.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    written = read_table(tmp_path / "modules.tsv")
    assert written["gene"].tolist() == describe(found, {})["gene"].tolist()
