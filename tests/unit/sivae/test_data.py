from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData, read_h5ad
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.decomposition import PCA

from popnet.sivae import data, storage
from popnet.sivae.data import (
    Transform,
    feature_input,
    fit_transform,
    heldout_of,
    minibatches,
    open_cells,
    principal_scores,
    stratified,
    streamed_minibatches,
)
from popnet.sivae.settings import FeatureInput, Settings


def twice_stored(x: np.ndarray) -> sparse.csr_matrix:
    """Every entry in two halves, in falling order of the genes."""
    rows, genes = x.nonzero()
    order = np.argsort(-genes, kind="stable")
    order = order[np.argsort(rows[order], kind="stable")].repeat(2)
    indptr = np.concatenate([[0], np.cumsum(2 * (x != 0).sum(1))])
    return sparse.csr_matrix((x[rows, genes][order] / 2, genes[order], indptr), shape=x.shape)


IN_MEMORY = {
    "array": lambda x: x,
    "float64, by columns": lambda x: np.asfortranarray(x, dtype=np.float64),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "coo array": sparse.coo_array,
    "twice stored": twice_stored,
    "AnnData": AnnData,
    "sparse AnnData": lambda x: AnnData(sparse.csr_matrix(x)),
    "view of an AnnData": lambda x: AnnData(np.vstack([x, x]))[: len(x)],
}
ON_DISK = ["csr on disk", "dense on disk", "compressed csr", "compressed dense"]
FORMS = [*IN_MEMORY, *ON_DISK, "view on disk"]
COUNTS = Settings(likelihood="nb", gamma=0)


@pytest.fixture
def stored(tmp_path):
    numbers = itertools.count()

    def store(form: str, x: np.ndarray):
        if form in IN_MEMORY:
            return IN_MEMORY[form](x)
        path = tmp_path / f"{next(numbers)}.h5ad"
        adata = AnnData(x if "dense" in form else sparse.csr_matrix(x))
        adata.write_h5ad(path, compression="gzip" if "compressed" in form else None)
        adata = read_h5ad(path, backed="r")
        return adata[:] if form == "view on disk" else adata

    return store


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts(n_cells: int, n_genes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, size=(n_cells, 3)) @ rng.gamma(0.5, size=(3, n_genes))
    return rng.poisson(rates).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks, runs and pools of a few rows, so that little data has many of them."""
    monkeypatch.setattr(storage, "BLOCK_BYTES", 300)
    monkeypatch.setattr(data, "RUN_BYTES", 200)
    monkeypatch.setattr(data, "POOL_BYTES", 2500)


# Reading


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_every_form_in_any_order(form, stored):
    x = counts(41, 13)
    cells = open_cells(stored(form, x))
    assert (cells.n_cells, cells.n_genes) == x.shape
    assert list(cells.cell_names) == [str(i) for i in range(41)]
    assert list(cells.gene_names) == [str(i) for i in range(13)]
    for rows in ([5], [7, 8, 9], [40, 0, 3, 3, 39], [], range(41)):
        rows = np.array(rows, dtype=int)
        read = cells.read(rows)
        assert isinstance(read, np.ndarray)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, x[rows])


@pytest.mark.parametrize("form", FORMS)
def test_blocks_cover_the_rows_in_file_order(form, stored, small_blocks):
    x = counts(30, 6)
    cells = open_cells(stored(form, x))
    rows = np.random.default_rng(0).permutation(30)[:25]
    for read in (cells.blocks, cells.stored_blocks):
        positions, blocks = zip(*read(rows), strict=True)
        assert len(blocks) > 1
        np.testing.assert_array_equal(rows[np.concatenate(positions)], np.sort(rows))
        for places, block in zip(positions, blocks, strict=True):
            np.testing.assert_array_equal(storage.dense(block), x[rows[places]])
    assert all(block.nbytes <= 300 for _, block in cells.blocks(rows))


def test_annotations_come_along(stored):
    adata = stored("csr on disk", counts(5, 4))
    adata.obs["kind"] = list("ababa")
    assert list(open_cells(adata).obs["kind"]) == list("ababa")
    chosen = open_cells(adata[[4, 1], [True, False, True, True]])
    assert list(chosen.cell_names) == ["4", "1"]
    assert list(chosen.gene_names) == ["0", "2", "3"]
    assert list(chosen.obs["kind"]) == ["a", "b"]
    assert open_cells(adata).on_disk
    assert not chosen.on_disk


@pytest.mark.parametrize("form", FORMS)
def test_only_the_used_cells_count(form, stored, small_blocks):
    x, used = counts(40, 9), np.array([31, 2, 3, 17, 18, 5])
    cells, alone = open_cells(stored(form, x), used), open_cells(x[used])
    assert (cells.n_cells, list(cells.cell_names)) == (6, [str(i) for i in used])
    for rows in ([0], [5, 0, 0, 2], range(6)):
        np.testing.assert_array_equal(cells.read(np.array(rows)), x[used[np.array(rows)]])
    rows = np.arange(6)
    for moment in ("centre", "scale"):
        own, same = (
            getattr(fit_transform(each, rows, Settings()), moment) for each in (cells, alone)
        )
        np.testing.assert_allclose(own, same, rtol=1e-6)


def test_cells_that_are_not_there_are_refused():
    for used in ([0, 5], [-1]):
        with pytest.raises(IndexError, match="rows: there are 5 cells"):
            open_cells(np.ones((5, 2)), used)
    with pytest.raises(ValueError, match="no cells are chosen"):
        open_cells(np.ones((5, 2)), [])


def test_only_small_data_is_resident():
    assert open_cells(sparse.csr_matrix((2**15, 2**14)), np.arange(2**14)).resident
    assert open_cells(sparse.csr_matrix((2**14, 2**14))).resident
    assert not open_cells(sparse.csr_matrix((2**14, 2**14 + 1))).resident


@pytest.mark.parametrize(
    ("unfit", "error", "message"),
    [
        (np.ones(5), ValueError, "cells x genes"),
        (np.ones((0, 3)), ValueError, "cells x genes"),
        (sparse.csr_matrix((3, 0)), ValueError, "cells x genes"),
        (AnnData(obs=pd.DataFrame(index=["a"])), ValueError, "no X"),
        (np.array([["a"]]), TypeError, "numbers"),
        (pd.DataFrame([[1.0]]), TypeError, "DataFrame"),
    ],
)
def test_unfit_data_is_refused(unfit, error, message):
    with pytest.raises(error, match=message):
        open_cells(unfit)


def test_csc_on_disk_is_refused(tmp_path):
    AnnData(sparse.csc_matrix(counts(5, 4))).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(ValueError, match="csr_matrix"):
        open_cells(read_h5ad(tmp_path / "x.h5ad", backed="r"))


# The transformation


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("likelihood", ["gaussian", "nb"])
def test_moments_are_those_of_the_dense_matrix(form, likelihood, stored, small_blocks):
    x = counts(40, 9)
    x[:, 2], x[:, 5], x[3] = 0, 4, 0
    rows = np.random.default_rng(1).permutation(40)[:31]
    cells = open_cells(stored(form, x))
    transform = fit_transform(cells, rows, COUNTS if likelihood == "nb" else Settings())
    expected = x.astype(np.float64)
    if likelihood == "nb":
        assert transform.total == np.median(x[rows].sum(1))
        expected = np.log1p(x / np.maximum(x.sum(1, keepdims=True), 1) * transform.total)
    scale = expected[rows].std(0)
    scale[scale == 0] = 1
    expected = (expected - expected[rows].mean(0)) / scale
    transformed = transform(torch.from_numpy(x))
    assert transformed.dtype == torch.float32
    np.testing.assert_allclose(transformed, expected, atol=2e-5)
    assert (transformed[torch.from_numpy(rows)][:, 2] == 0).all()


@given(
    st.floats(-1e4, 1e4, width=32),
    st.integers(1, 50),
    st.sampled_from([np.asarray, sparse.csr_matrix]),
)
@hypothesis_settings(max_examples=50, deadline=None)
def test_a_constant_gene_is_centred_to_exactly_zero(value, n_cells, form):
    x = np.full((n_cells + 1, 2), value, np.float32)
    x[0, 1] += 1 + abs(value)
    transform = fit_transform(open_cells(form(x)), np.arange(n_cells + 1), Settings())
    assert transform.scale[0] == 1
    assert (transform(torch.from_numpy(x))[:, 0] == 0).all()


def test_inverse_and_batches_of_cells():
    x = torch.from_numpy(counts(20, 7))
    for settings in (Settings(), Settings(standardise=False)):
        transform = fit_transform(open_cells(x.numpy()), np.arange(20), settings)
        torch.testing.assert_close(transform.inverse(transform(x)), x, atol=1e-5, rtol=1e-5)
    assert transform == Transform()
    transform = fit_transform(open_cells(x.numpy()), np.arange(20), COUNTS)
    stack = x.view(4, 5, 7)
    torch.testing.assert_close(transform(stack), transform(x).view(4, 5, 7))
    torch.testing.assert_close(torch.vmap(transform)(stack), transform(stack))


@pytest.mark.parametrize("form", ["array", "csr", "csr on disk", "dense on disk"])
@pytest.mark.parametrize(
    ("value", "settings", "message"),
    [
        (np.nan, Settings(), "expression: nan for gene '3' of cell '7'"),
        (np.inf, COUNTS, "expression: inf for gene '3' of cell '7'"),
        (0.5, COUNTS, "'nb' needs raw counts, and 0.5 for gene '3' of cell '7'"),
        (-1, COUNTS, "raw counts"),
    ],
)
def test_unfit_values_are_named(form, value, settings, message, stored, small_blocks):
    x = counts(20, 6)
    x[7, 3] = value
    with pytest.raises(ValueError, match=message):
        # Also where the cell is not among the training cells.
        fit_transform(open_cells(stored(form, x)), np.arange(8, 20), settings)


@pytest.mark.parametrize("form", ["array", "csr"])
@pytest.mark.parametrize("standardise", [True, False])
def test_constant_cells_are_refused(form, standardise):
    x = np.tile(np.arange(4.0), (5, 1))
    with pytest.raises(ValueError, match="every gene is constant"):
        fit_transform(
            open_cells(IN_MEMORY[form](x)), np.arange(5), Settings(standardise=standardise)
        )


# The input of the feature encoder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["cells", "downsample", "pca", "streamed pca"])
def test_feature_input_of_every_form(form, method, stored, monkeypatch, small_blocks):
    if method == "streamed pca":
        monkeypatch.setattr(data, "SMALL", 100)
        monkeypatch.setattr(data, "PASSES", 2)
    wanted = FeatureInput(method.split()[-1], None if method == "cells" else 4)
    rows, labels = np.arange(3, 43), np.repeat(["a", "b"], 20)
    x = counts(45, 12)

    def made(kind: str) -> np.ndarray:
        cells = open_cells(stored(kind, x))
        transform = fit_transform(cells, rows, COUNTS)
        return feature_input(cells, rows, transform, wanted, labels, generator()).numpy()

    features = made(form)
    assert features.shape == (12, 40 if method == "cells" else 4)
    assert features.dtype == np.float32
    np.testing.assert_allclose(abs(features), abs(made("array")), atol=2e-4)
    cells = open_cells(x)
    transformed = fit_transform(cells, rows, COUNTS)(torch.from_numpy(x))[rows].numpy()
    if method == "cells":
        np.testing.assert_allclose(features, transformed.T, atol=1e-5)
    elif method == "downsample":
        chosen = [np.argmin(abs(transformed - column).sum(1)) for column in features.T]
        np.testing.assert_allclose(features.T, transformed[chosen], atol=1e-5)
        assert sorted(labels[chosen]) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("shape", [(60, 25), (25, 60), (30, 30)])
@pytest.mark.parametrize("size", [5, 25, 1000])
def test_principal_scores_are_those_of_scikit_learn(shape, size):
    x = counts(*shape)
    scores = principal_scores(torch.from_numpy(x), size).numpy()
    size = min(size, *shape)
    assert scores.shape == (shape[1], size)
    expected = PCA(size, svd_solver="full").fit_transform(x.T.astype(np.float64))
    np.testing.assert_allclose(abs(scores), abs(expected), atol=2e-4)


@pytest.mark.parametrize("form", ["csr", "dense on disk"])
@pytest.mark.parametrize(("size", "one_pass"), [(3, 0), (3, 2000), (100, 0)])
def test_streamed_scores_match_the_exact_ones(form, size, one_pass, stored, monkeypatch):
    # Three programmes above noise; expression without zeros has the larger shift to cancel.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3)) * [9, 6, 4] @ rng.normal(size=(3, 80)) + rng.normal(10, size=80)
    x = (x + rng.normal(size=x.shape)).astype(np.float32)
    cells = open_cells(stored(form, x))
    rows = np.arange(20, 590)
    transform = fit_transform(cells, rows, Settings())
    arguments = (cells, rows, transform, FeatureInput("pca", size), np.zeros(570), generator())
    exact = feature_input(*arguments).numpy()
    monkeypatch.setattr(data, "SMALL", 100)
    monkeypatch.setattr(data, "GENES_OF_ONE_PASS", one_pass)
    monkeypatch.setattr(storage, "BLOCK_BYTES", 2**14)
    streamed = feature_input(*arguments).numpy()
    assert streamed.shape == exact.shape == (80, min(size, 80))
    assert not np.array_equal(abs(streamed), abs(exact))
    np.testing.assert_allclose(abs(streamed[:, :3]), abs(exact[:, :3]), rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose((streamed**2).sum(0), (exact**2).sum(0), rtol=1e-3, atol=1e-2)


def test_streamed_scores_keep_the_variance_of_a_flat_spectrum(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 8)) @ rng.normal(size=(8, 700)) + 3 * rng.normal(size=(900, 700))
    cells, rows = open_cells(x.astype(np.float32)), np.arange(900)
    transform = fit_transform(cells, rows, Settings())
    arguments = (cells, rows, transform, FeatureInput("pca", 64), np.zeros(900), generator())
    exact = feature_input(*arguments)
    monkeypatch.setattr(data, "SMALL", 100)
    monkeypatch.setattr(data, "GENES_OF_ONE_PASS", 0)
    streamed = feature_input(*arguments)
    kept = streamed.square().sum(0) / exact.square().sum(0)
    assert (kept <= 1 + 1e-4).all()
    assert kept.min() > 0.95
    assert kept[:8].min() > 0.999


def test_every_bin_holds_out_its_own_cells():
    numbers = np.repeat([1, 2, 1], [20, 40, 20])
    cells = pd.DataFrame({"sample": np.repeat(["a", "b"], [60, 20]), "bin": numbers})
    heldout = heldout_of(cells, 0.25, 1)
    assert heldout.reshape(4, 20).sum(1)[[0, 3]].tolist() == [5, 5]
    assert heldout[20:60].sum() == 10
    for part in (slice(20), slice(20, 60), slice(60, 80)):
        alone = heldout_of(cells[part].astype({"sample": "category"}), 0.25, 1)
        np.testing.assert_array_equal(alone, heldout[part])
    assert not np.array_equal(heldout, heldout_of(cells, 0.25, 2))
    assert not heldout_of(cells, 0, 1).any()


def test_scores_of_many_cells_are_of_the_size_of_a_bins():
    x = np.random.default_rng(0).normal(size=(3000, 5)).astype(np.float32)
    few, many = (
        feature_input(
            open_cells(x[:n]),
            np.arange(n),
            Transform(),
            FeatureInput("pca", 3),
            np.zeros(n),
            generator(),
        )
        for n in (900, 3000)
    )
    torch.testing.assert_close(few, principal_scores(torch.from_numpy(x[:900]), 3))
    torch.testing.assert_close(many, principal_scores(torch.from_numpy(x), 3) / 3**0.5)


def test_all_cells_are_refused_as_input_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(data, "MOST_INPUT_CELLS", 10)
    cells, rows = open_cells(counts(11, 4)), np.arange(11)
    arguments = (Transform(), FeatureInput(), np.zeros(11), generator())
    assert feature_input(cells, rows[:10], *arguments).shape == (4, 10)
    with pytest.raises(ValueError, match="'pca' or 'downsample'"):
        feature_input(cells, rows, *arguments)


# What is drawn


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 99))
@hypothesis_settings(max_examples=50, deadline=None)
def test_stratified_draw_keeps_proportions(labels, share, seed):
    labels = np.array(labels)
    size = round(share * len(labels))
    drawn = stratified(labels, size, generator(seed))
    assert len(set(drawn)) == size
    for label in set(labels):
        assert abs((labels[drawn] == label).sum() - share * (labels == label).sum()) <= 2


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 30), st.integers(0, 99))
@hypothesis_settings(max_examples=50, deadline=None)
def test_minibatches_use_a_row_once_per_shuffle(n, size, n_steps, seed):
    batches = minibatches(n, size, n_steps, generator(seed))
    size = min(size, n)
    assert batches.shape == (n_steps, size)
    for epoch in batches.split(n // size):
        assert len(epoch.unique()) == epoch.numel()
    assert torch.equal(batches, minibatches(n, size, n_steps, generator(seed)))


@pytest.mark.parametrize("form", FORMS)
def test_streamed_minibatches_hold_every_row_once_per_epoch(form, stored, small_blocks):
    x = counts(203, 10)
    rows = np.random.default_rng(2).permutation(203)[:190]
    cells = open_cells(stored(form, x))
    drawn = list(streamed_minibatches(cells, rows, 8, 60, generator()))
    assert len(drawn) == 60
    for positions, batch in drawn:
        assert batch.shape == (8, 10)
        assert batch.dtype == torch.float32
        np.testing.assert_array_equal(batch, x[rows[positions]])
    positions = np.array([positions for positions, _ in drawn])
    for start in (0, 23, 46):
        epoch = positions[start : start + 23].ravel()
        assert len(set(epoch)) == len(epoch)
    assert not np.array_equal(positions[:14], positions[23:37])


@pytest.mark.parametrize("form", ["csr", *ON_DISK])
def test_streamed_minibatches_depend_on_the_generator_at_the_call_alone(form, stored, small_blocks):
    cells = open_cells(stored(form, counts(100, 5)))

    def draw(seed: int, disturb: bool = False) -> np.ndarray:
        source = generator(seed)
        drawn = []
        for positions, _ in streamed_minibatches(cells, np.arange(100), 7, 40, source):
            if disturb:
                torch.rand(3, generator=source)
                cells.read(np.array([1, 99]))
            drawn.append(positions)
        return np.array(drawn)

    np.testing.assert_array_equal(draw(3), draw(3, disturb=True))
    assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize("form", ["csr", "csr on disk"])
def test_fewer_rows_than_a_minibatch(form, stored):
    cells = open_cells(stored(form, counts(9, 5)))
    drawn = list(streamed_minibatches(cells, np.arange(2, 6), 128, 3, generator()))
    assert [sorted(positions) for positions, _ in drawn] == [[0, 1, 2, 3]] * 3


def test_minibatches_from_disk_come_from_many_places(stored, monkeypatch):
    # Rows of 20 values: runs of 5 rows, pools of 250.
    monkeypatch.setattr(data, "RUN_BYTES", 400)
    monkeypatch.setattr(data, "POOL_BYTES", 20_000)
    cells = open_cells(stored("dense on disk", counts(2000, 20)))
    drawn = streamed_minibatches(cells, np.arange(2000), 25, 400, generator())
    positions = np.sort([positions for positions, _ in drawn], axis=1)
    # A uniform draw has a mean of 1000 and a standard deviation of 577 / sqrt(25).
    assert positions.mean(1).std() == pytest.approx(115, rel=0.3)
    # Of 300 pairs, 4 in 249 come from one run.
    assert (np.diff(positions) < 5).sum(1).mean() == pytest.approx(4.8, rel=0.1)
    half = (positions < 1000).sum(1)
    assert half.mean() == pytest.approx(12.5, abs=0.2)


def test_a_failed_read_reaches_the_caller_and_an_early_end_is_clean(stored, monkeypatch):
    cells = open_cells(stored("csr on disk", counts(50, 5)))
    drawn = streamed_minibatches(cells, np.arange(50), 10, 100, generator())
    next(drawn)
    drawn.close()
    monkeypatch.setattr(cells, "take", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(streamed_minibatches(cells, np.arange(50), 10, 5, generator()))
