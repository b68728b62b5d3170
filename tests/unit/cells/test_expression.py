"""The bins of a file of expression, one at a time."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, vstack

from popnet.cells.expression import BinnedExpression, PreparedSample, read_bin, write_expression
from popnet.errors import InputError

GENES = ["MT-CO1", "NA", "1"]
# Samples whose ids are read as numbers or as missing by the careless.
BINS = {"007": {1: 4, 2: 3}, "NA": {3: 5}, "s|1": {1: 2, 10: 6}}


def prepared(sample, sizes, counted=False):
    rng = np.random.default_rng([*sample.encode()])
    numbers = np.repeat(list(sizes), list(sizes.values()))
    names = pd.Index([f"cell-{number}" for number in range(len(numbers))])
    obs = pd.DataFrame({"sample": sample, "bin": numbers, "n_counts": 1.0}, index=names)
    bins = pd.DataFrame({"sample": sample, "bin": list(sizes)})
    means = np.zeros((len(bins), len(GENES)))
    values = rng.normal(size=(len(numbers), len(GENES))).astype(np.float32)
    counts = csr_matrix(rng.poisson(0.7, values.shape).astype(np.float32)) if counted else None
    return PreparedSample(values, obs, bins, means, means, counts)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "expression.h5ad"
    write_expression(path, (prepared(*item) for item in BINS.items()), GENES)
    return path


def test_bins_are_read_as_they_were_written(path):
    found = BinnedExpression(path)
    assert list(found.genes) == GENES
    assert list(found.obs) == ["sample", "bin"]
    assert found.obs.index[0] == "007:cell-0"
    start = 0
    for sample, sizes in BINS.items():
        values = prepared(sample, sizes).expression
        first = start
        for number, size in sizes.items():
            assert found.rows(sample, number) == slice(start, start + size)
            assert found.obs["sample"].iloc[found.rows(sample, number)].eq(sample).all()
            assert found.obs["bin"].iloc[found.rows(sample, number)].eq(number).all()
            cells = found.read(sample, number)
            assert cells.dtype == np.float32
            np.testing.assert_array_equal(cells, values[start - first : start - first + size])
            part = read_bin(path, sample, number)
            np.testing.assert_array_equal(cells, part.X)
            assert found.obs.index[found.rows(sample, number)].tolist() == part.obs_names.tolist()
            start += size
    assert len(found.obs) == start


def test_counts_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "counted.h5ad"
    samples = {sample: prepared(sample, sizes, True) for sample, sizes in BINS.items()}
    # A sample may have no counts of these genes at all.
    samples["NA"].counts.data[:] = 0
    samples["NA"].counts.eliminate_zeros()
    write_expression(path, samples.values(), GENES)
    found = BinnedExpression(path)
    for sample, sizes in BINS.items():
        start = 0
        for number, size in sizes.items():
            counts, depth = found.read_counts(sample, number)
            expected = samples[sample].counts.toarray()[start : start + size]
            np.testing.assert_array_equal(counts, expected)
            np.testing.assert_array_equal(depth, np.ones(size))
            start += size
    # It is a layer as AnnData writes one.
    whole = ad.read_h5ad(path)
    expected = vstack([sample.counts for sample in samples.values()])
    assert (whole.layers["counts"] != expected).nnz == 0
    assert whole.layers["counts"].dtype == np.float32


def test_counts_that_were_not_kept(path):
    with pytest.raises(InputError, match="counts"):
        BinnedExpression(path).read_counts("007", 1)
    assert not ad.read_h5ad(path).layers


def test_nothing_but_the_bin_is_read(path, monkeypatch):
    found = BinnedExpression(path)
    # The names and the bins of all cells are read once.
    monkeypatch.delattr("anndata.io.read_elem")
    assert found.read("NA", np.int64(3)).shape == (5, 3)


def test_a_bin_that_is_not_there(path):
    found = BinnedExpression(path)
    for wrong in (("007", 3), ("7", 1)):
        with pytest.raises(KeyError):
            found.rows(*wrong)
        with pytest.raises(InputError, match=str(wrong[1])):
            found.read(*wrong)


def test_damaged_files_are_named(path):
    found = BinnedExpression(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for read in (lambda: BinnedExpression(path), lambda: found.read("007", 1)):
        with pytest.raises(InputError, match=r"expression\.h5ad"):
            read()
