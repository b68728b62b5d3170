from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from popnet.cells import bins as bins_module
from popnet.cells import formats, rows
from popnet.cells.bins import cells_of_type, plan_bins, write_cells
from popnet.cells.expression import (
    cell_cycle_scores,
    prepare_sample,
    read_bin,
    regress_out,
    scale,
    write_expression,
)
from popnet.cells.formats import open_source, open_sources
from popnet.cells.genes import (
    Choice,
    GeneStatistics,
    absent_genes,
    normalise,
    pool_statistics,
    read_choice,
    sample_statistics,
    select_genes,
    selection_basis,
    with_absent,
)
from popnet.cells.sources import common_genes, read_blocks, read_counts, read_samples
from popnet.errors import InputError
from popnet.files import read_parquet, read_table, write_parquet, write_table
from popnet.names import safe_name
from popnet.seeds import derive_seed

N_CELLS, N_GENES = 300, 60


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.3, 2, N_GENES), (N_CELLS, N_GENES)).astype(np.float32)
    dense[7] = 0
    dense[:, 5] = 0
    return dense


@pytest.fixture(scope="module")
def adata(counts):
    adata = ad.AnnData(
        sparse.csr_matrix(counts),
        obs=pd.DataFrame(
            {"sample": pd.Categorical([f"s|{i % 3}" for i in range(N_CELLS)]), "score": 0.5},
            index=[f"cell-{i}" for i in range(N_CELLS)],
        ),
        var=pd.DataFrame(
            {"symbol": [f"G{i}" for i in range(N_GENES)]},
            index=[f"ENSG{i:03d}" for i in range(N_GENES)],
        ),
    )
    return adata


@pytest.fixture(params=[None, 40])
def small_reads(request, monkeypatch):
    """Reads in one piece, and in many."""
    if request.param:
        monkeypatch.setattr(rows, "LARGEST", request.param)
        monkeypatch.setattr(formats, "LARGEST", request.param)


def write_mtx(folder, matrix, gz=True, features=3, types=None, comment=""):
    """Write genes x cells as Cell Ranger does; `matrix` sets the order of the entries."""
    folder.mkdir()
    opened = gzip.open if gz else open
    suffix = ".gz" if gz else ""
    text = io.BytesIO()
    scipy.io.mmwrite(text, matrix, field="integer", comment=comment)
    with opened(folder / f"matrix.mtx{suffix}", "wb") as handle:
        handle.write(text.getvalue())
    n_genes, n_cells = matrix.shape
    types = types or ["Gene Expression"] * n_genes
    name = "features" if features == 3 else "genes"
    with opened(folder / f"{name}.tsv{suffix}", "wt") as handle:
        for i in range(n_genes):
            handle.write("\t".join([f"ENSG{i}", f"G{i}", types[i]][:features]) + "\n")
    with opened(folder / f"barcodes.tsv{suffix}", "wt") as handle:
        handle.writelines(f"AAC{i}-1\n" for i in range(n_cells))
    return folder


def write_10x_h5(path, counts, types):
    matrix = sparse.csc_matrix(counts.T.astype(np.int32))
    n_genes, n_cells = matrix.shape
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["shape"] = matrix.shape
        group["barcodes"] = np.array([f"AAC{i}-1" for i in range(n_cells)], "S18")
        features = group.create_group("features")
        features["_all_tag_keys"] = np.array(["genome"], "S")
        features["genome"] = np.array(["GRCh38"] * n_genes, "S")
        features["id"] = np.array([f"ENSG{i}" for i in range(n_genes)], "S")
        features["name"] = np.array([f"G{i}" for i in range(n_genes)], "S")
        features["feature_type"] = np.array(types, "S")
    return path


def check_rows(source, expected):
    """Compare rows in order, out of order, repeated, none and all with a dense matrix."""
    n_cells = len(expected)
    shuffled = np.random.default_rng(1).permutation(n_cells)
    for wanted in ([0, 1], [n_cells - 1, 1, 1, 0], [], shuffled[:50], shuffled):
        read = source.read_rows(np.array(wanted, dtype=int))
        assert sparse.issparse(read)
        assert read.format == "csr"
        assert read.dtype == np.float32
        assert read.has_canonical_format
        np.testing.assert_array_equal(read.toarray(), expected[np.array(wanted, dtype=int)])
        assert read.nnz == np.count_nonzero(read.toarray())


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.parametrize("place", ["X", "raw.X", "layers/raw counts"])
def test_h5ad_rows(adata, counts, tmp_path, place, layout, compression, small_reads):
    matrix = {
        "csr": sparse.csr_matrix,
        "csc": sparse.csc_matrix,
        "dense": np.asarray,
    }[layout](counts)
    stored = ad.AnnData(matrix, obs=adata.obs, var=adata.var)
    if place == "raw.X":
        stored.raw = stored
        stored = stored[:, :10].copy()
        stored.X = stored.X * 0.5
    elif place != "X":
        stored.layers["raw counts"] = matrix.copy()
        stored.X = matrix * 0.5
    stored.write_h5ad(tmp_path / "cells.h5ad", compression=compression)
    source = open_source(tmp_path / "cells.h5ad", place, gene_symbols="symbol")
    assert source.n_cells == N_CELLS
    assert source.genes.tolist() == adata.var["symbol"].tolist()
    check_rows(source, counts)
    pd.testing.assert_frame_equal(source.obs, ad.read_h5ad(tmp_path / "cells.h5ad").obs)
    assert source.obs is source.obs


def test_h5ad_explicit_zeros_and_unsorted_indices(tmp_path):
    matrix = sparse.csr_matrix(
        (np.array([0, 3, 1, 2.0]), np.array([1, 2, 0, 1]), np.array([0, 2, 4])), shape=(2, 3)
    )
    file = tmp_path / "cells.h5ad"
    ad.AnnData(matrix).write_h5ad(file)
    check_rows(open_source(file), np.array([[0, 0, 3], [1, 2, 0]], np.float32))


@pytest.mark.parametrize("order", [sparse.csc_matrix, sparse.csr_matrix])
@pytest.mark.parametrize(("gz", "features"), [(True, 3), (False, 2)])
def test_mtx_rows(counts, tmp_path, gz, features, order, small_reads):
    folder = write_mtx(
        tmp_path / "10x", order(counts.T).tocoo(), gz, features, comment="metadata_json: {}"
    )
    if order is sparse.csc_matrix and gz:
        scanpy_read = sc.read_10x_mtx(folder, var_names="gene_ids")
        np.testing.assert_array_equal(scanpy_read.X.toarray(), counts)
        scanpy_names = scanpy_read.obs_names
    else:
        scanpy_names = [f"AAC{i}-1" for i in range(N_CELLS)]
    source = open_source(folder)
    check_rows(source, counts)
    assert source.genes.tolist() == [f"G{i}" for i in range(N_GENES)]
    assert source.var.index[3] == "ENSG3"
    assert source.obs.index.tolist() == list(scanpy_names)
    assert source.obs.shape == (N_CELLS, 0)


def test_mtx_entries_out_of_all_order(tmp_path, counts, small_reads):
    matrix = sparse.coo_matrix(counts.T)
    order = np.random.default_rng(0).permutation(matrix.nnz)
    shuffled = sparse.coo_matrix(
        (matrix.data[order], (matrix.row[order], matrix.col[order])), matrix.shape
    )
    check_rows(open_source(write_mtx(tmp_path / "10x", shuffled)), counts)


def test_mtx_without_entries(tmp_path):
    folder = write_mtx(tmp_path / "10x", sparse.coo_matrix((4, 3)))
    check_rows(open_source(folder), np.zeros((3, 4), np.float32))


def test_10x_features_that_are_not_genes(counts, tmp_path):
    types = ["Antibody Capture" if i % 7 == 0 else "Gene Expression" for i in range(N_GENES)]
    of_genes = counts[:, [kind == "Gene Expression" for kind in types]]
    path = write_10x_h5(tmp_path / "filtered.h5", counts, types)
    expected = sc.read_10x_h5(path)
    source = open_source(path)
    np.testing.assert_array_equal(expected.X.toarray(), of_genes)
    assert source.genes.tolist() == expected.var_names.tolist()
    assert source.var.index.tolist() == expected.var["gene_ids"].tolist()
    assert source.obs.index.tolist() == expected.obs_names.tolist()
    check_rows(source, of_genes)

    folder = write_mtx(tmp_path / "10x", sparse.csc_matrix(counts.T).tocoo(), types=types)
    check_rows(open_source(folder), of_genes)


def test_10x_h5_of_cell_ranger_2(counts, tmp_path):
    matrix = sparse.csc_matrix(counts.T.astype(np.int32))
    path = tmp_path / "v2.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("hg19")
        for name in ("data", "indices", "indptr", "shape"):
            group[name] = getattr(matrix, name)
        group["barcodes"] = np.array([f"AAC{i}-1" for i in range(N_CELLS)], "S")
        group["genes"] = np.array([f"ENSG{i}" for i in range(N_GENES)], "S")
        group["gene_names"] = np.array([f"G{i}" for i in range(N_GENES)], "S")
    source = open_source(path)
    np.testing.assert_array_equal(sc.read_10x_h5(path).X.toarray(), counts)
    assert source.genes[2] == "G2"
    check_rows(source, counts)


def test_symbols_that_repeat_or_lack_go_by_their_id(adata, tmp_path):
    stored = adata.copy()
    stored.var["symbol"] = pd.Categorical(["A", "A", None, ""] + ["B"] + list("cdefg") * 11)
    stored.write_h5ad(tmp_path / "cells.h5ad")
    genes = open_source(tmp_path / "cells.h5ad", gene_symbols="symbol").genes
    assert genes[:6].tolist() == ["A", "ENSG001", "ENSG002", "ENSG003", "B", "c"]
    assert genes.is_unique


def test_read_only_files_need_no_lock(adata, tmp_path):
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        check_rows(open_source(path), adata.X.toarray())
    finally:
        tmp_path.chmod(0o755)


def test_truncated_file(adata, tmp_path):
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="truncated or not an h5ad"):
        open_source(path)
    path.write_text("not HDF5")
    with pytest.raises(InputError, match="truncated or not an h5ad"):
        open_source(path)


def test_file_that_is_lost_or_something_else(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_source(tmp_path / "none.h5ad")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="neither an h5ad nor a 10x"):
        open_source(tmp_path / "other.h5")
    with pytest.raises(InputError, match=r"lacks matrix\.mtx\.gz, features"):
        open_source(tmp_path)


def test_many_folders_take_few_open_files(counts, tmp_path):
    """A cohort may have a thousand of them."""
    folder = write_mtx(tmp_path / "10x", sparse.coo_matrix(counts.T))
    before = len(list(Path("/proc/self/fd").iterdir()))
    sources = [open_source(folder) for _ in range(formats.SPILLED_AT_ONCE + 10)]
    for source in [*sources, sources[0]]:
        np.testing.assert_array_equal(source.read_rows([3]).toarray()[0], counts[3])
    opened = len(list(Path("/proc/self/fd").iterdir())) - before
    assert opened <= 2 * formats.SPILLED_AT_ONCE


def test_no_room_for_temporary_files(counts, tmp_path):
    source = open_source(write_mtx(tmp_path / "10x", sparse.coo_matrix(counts.T)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="temporary files cannot be written") as raised:
            source.read_rows([0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.problems[0].field == "TMPDIR"


def test_truncated_mtx(counts, tmp_path):
    folder = write_mtx(tmp_path / "10x", sparse.coo_matrix(counts.T), gz=False)
    whole = (folder / "matrix.mtx").read_text().splitlines(keepends=True)
    (folder / "matrix.mtx").write_text("".join(whole[:-10]))
    source = open_source(folder)
    with pytest.raises(InputError, match="truncated"):
        source.read_rows([0])
    folder = write_mtx(tmp_path / "zipped", sparse.coo_matrix(counts.T))
    packed = (folder / "matrix.mtx.gz").read_bytes()
    (folder / "matrix.mtx.gz").write_bytes(packed[: len(packed) // 2])
    source = open_source(folder)
    with pytest.raises(InputError, match="cannot be read"):
        source.read_rows([0])


def test_missing_matrix_and_column_name_the_nearest(adata, tmp_path):
    adata.copy().write_h5ad(tmp_path / "cells.h5ad")
    stored = adata.copy()
    stored.layers["counts"] = stored.X
    stored.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError) as error:
        open_source(tmp_path / "cells.h5ad", "layers/count", gene_symbols="symbols")
    first, second = error.value.problems
    assert (first.field, first.value) == ("cells.counts", "layers/count")
    assert "'layers/counts'" in first.remedy
    assert (second.field, second.value) == ("cells.gene_symbols", "symbols")
    assert "'symbol'" in second.remedy


def test_annotations_join_the_cells(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "cells.csv").write_text(
        "\ufeffbarcode,sample,donor\n" + "".join(f"cell-{i},new,007\n" for i in range(10)),
        encoding="utf-8",
    )
    obs = open_source(tmp_path / "cells.h5ad", annotations=tmp_path / "cells.csv").obs
    assert obs["donor"].iloc[:10].tolist() == ["007"] * 10
    assert obs["donor"].iloc[10:].isna().all()
    assert obs["sample"].iloc[0] == "new"
    assert obs.index.equals(adata.obs_names)

    (tmp_path / "others.tsv").write_text("barcode\tsample\nx\ta\n")
    with pytest.raises(InputError, match="names no cell"):
        _ = open_source(tmp_path / "cells.h5ad", annotations=tmp_path / "others.tsv").obs
    (tmp_path / "twice.tsv").write_text("barcode\tsample\ncell-1\ta\ncell-1\ta\n")
    with pytest.raises(InputError, match="several rows"):
        _ = open_source(tmp_path / "cells.h5ad", annotations=tmp_path / "twice.tsv").obs
    with pytest.raises(InputError, match="cannot be read"):
        _ = open_source(tmp_path / "cells.h5ad", annotations=tmp_path / "none.tsv").obs


def test_rows_out_of_range(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    source = open_source(tmp_path / "cells.h5ad")
    for wanted in ([-1], [N_CELLS]):
        with pytest.raises(ValueError, match="rows must be within"):
            source.read_rows(wanted)


def make_cells(sizes, batch="b", cell_type="T cells"):
    """Return a table of cells; `sizes` maps samples to their number of cells."""
    table = pd.concat(
        [
            pd.DataFrame({"sample": sample, "cell": [f"{sample}-{i}" for i in range(n)]})
            for sample, n in sizes.items()
        ],
        ignore_index=True,
    )
    return table.assign(cell_type=cell_type, batch=batch, source="a.h5ad", row=range(len(table)))


def test_plan_bins():
    cells = make_cells({"s|2": 250, "s/1": 99, "s 3": 200})
    cells.loc[cells["sample"] == "s|2", "batch"] = ["p2", "p1"] * 125
    cells["batch"] = cells["batch"].replace("b", None)
    cells["sample"] = pd.Categorical(cells["sample"], [*cells["sample"].unique(), "s4"])
    binned, bins, excluded = plan_bins(cells, 100, seed=1)
    assert bins.to_numpy().tolist() == [
        ["T cells", "s 3", 1, 100, ""],
        ["T cells", "s 3", 2, 100, ""],
        ["T cells", "s|2", 1, 100, "p1;p2"],
        ["T cells", "s|2", 2, 100, "p1;p2"],
    ]
    assert excluded.to_numpy().tolist() == [
        ["T cells", "s/1", 99, "no bin: 99 cells, a bin needs 100"],
        ["T cells", "s4", 0, "no bin: 0 cells, a bin needs 100"],
        ["T cells", "s|2", 50, "50 of 250 cells: not enough for another bin of 100"],
    ]
    assert binned.columns.tolist() == [
        "cell_type", "sample", "bin", "batch", "source", "row", "cell",
    ]  # fmt: skip
    assert len(binned) == 400
    with pytest.raises(ValueError, match="size"):
        plan_bins(cells, 0, 1)


def test_plan_bins_reports_types_that_a_sample_lacks():
    cells = pd.concat([make_cells({"a": 10}, cell_type="B"), make_cells({"b": 10}, cell_type="T")])
    _, bins, excluded = plan_bins(cells, 10, 1)
    assert bins[["cell_type", "sample"]].to_numpy().tolist() == [["B", "a"], ["T", "b"]]
    assert excluded[["cell_type", "sample", "n_cells"]].to_numpy().tolist() == [
        ["B", "b", 0],
        ["T", "a", 0],
    ]


def test_bins_depend_on_seed_and_sample_alone():
    cells = make_cells({"a": 500, "b": 120})
    joined = pd.concat([make_cells({"0": 700}), cells]).sample(frac=1, random_state=0)
    first, *_ = plan_bins(cells, 100, 1)
    again, *_ = plan_bins(joined, 100, 1)
    other, *_ = plan_bins(cells, 100, 2)
    pd.testing.assert_frame_equal(
        first, again[again["sample"] != "0"].reset_index(drop=True), check_categorical=False
    )
    assert not first["cell"].equals(other["cell"])
    assert first.groupby(["sample", "bin"], observed=True)["row"].is_monotonic_increasing.all()


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*map(st.sampled_from, ["TB", "xyz", ["p", "q", None], "ba", "acé"])),
        min_size=1,
        max_size=60,
    ),
    size=st.integers(1, 6),
)
def test_bins_are_those_of_cells_sorted_by_name(rows, size):
    """Names occur in several files, and several times in one."""
    columns = ["cell_type", "sample", "batch", "source", "cell"]
    cells = pd.DataFrame(rows, columns=columns).assign(row=range(len(rows)))
    binned, bins, _ = plan_bins(cells, size, seed=3)
    ordered = cells.sort_values(["cell", "source", "row"]).fillna("")
    expected = []
    for key, members in ordered.groupby(["cell_type", "sample"]):
        n_bins = len(members) // size
        rng = np.random.default_rng(derive_seed(3, "bins", *key))
        chosen = members.iloc[rng.permutation(len(members))[: n_bins * size]]
        expected.append(chosen.assign(bin=np.arange(n_bins * size) // size + 1))
    keys = ["cell_type", "sample", "bin"]
    expected = pd.concat(expected).sort_values([*keys, "source", "row"], ignore_index=True)
    assert binned.astype(object).equals(expected[binned.columns].astype(object))
    named = expected.groupby(keys)["batch"].agg(lambda batch: ";".join(sorted({*batch} - {""})))
    assert bins["batch"].tolist() == named.tolist()


@pytest.mark.parametrize("size", [10, 1000])
def test_binned_cells_are_written_as_text(tmp_path, monkeypatch, size):
    monkeypatch.setattr(bins_module, "BLOCK", 7)
    binned, *_ = plan_bins(make_cells({"a": 25, "é|b": 10}), size, 1)
    write_cells(binned, tmp_path / "blocks.parquet")
    text = dict.fromkeys(binned.columns.drop(["bin", "row"]), object)
    write_parquet(binned.astype(text), tmp_path / "whole.parquet")
    blocks, whole = (read_parquet(tmp_path / f"{name}.parquet") for name in ("blocks", "whole"))
    pd.testing.assert_frame_equal(blocks, whole)


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 40), min_size=1),
    size=st.integers(1, 15),
    seed=st.integers(0, 2**63 - 1),
)
def test_plan_bins_keeps_every_cell_once(sizes, size, seed):
    cells = make_cells(sizes)
    binned, bins, excluded = plan_bins(cells, size, seed)
    assert not binned["row"].duplicated().any()
    assert (binned.groupby(["sample", "bin"], observed=True).size() == size).all()
    assert (bins["n_cells"] == size).all()
    assert bins["n_cells"].sum() == len(binned)
    assert len(binned) + excluded["n_cells"].sum() == len(cells)
    assert not excluded.duplicated(["cell_type", "sample"]).any()
    for sample, rows_of in bins.groupby("sample"):
        assert rows_of["bin"].tolist() == list(range(1, sizes[sample] // size + 1))
    original = cells.set_index("row").loc[binned["row"]]
    assert (original["cell"].to_numpy() == binned["cell"].to_numpy()).all()


def test_derive_seed():
    assert derive_seed(1, "T cells", "s|1") == derive_seed("1", "T cells", "s|1")
    assert derive_seed("a", "b") != derive_seed("ab")
    assert derive_seed("a", "b") != derive_seed("b", "a")
    assert 0 <= derive_seed("x") < 2**63
    assert derive_seed(1, "bins") == 5694630099498940427


@pytest.fixture
def two_sources(adata, tmp_path):
    """Return the cells in two files: the second has its genes in reverse and lacks one."""
    adata[:200].copy().write_h5ad(tmp_path / "a.h5ad")
    adata[200:, ::-1][:, 1:].copy().write_h5ad(tmp_path / "b.h5ad")
    sources = {name: open_source(tmp_path / f"{name}.h5ad") for name in "ab"}
    cells = pd.DataFrame(
        {
            "source": ["a"] * 200 + ["b"] * 100,
            "row": [*range(200), *range(100)],
            "cell": adata.obs_names,
            "sample": adata.obs["sample"].astype(str).to_numpy(),
        }
    )
    return sources, cells


def test_read_counts_of_sources_with_other_genes(two_sources, counts):
    sources, cells = two_sources
    genes, lost = common_genes(list(sources.values()))
    assert genes.tolist() == [f"ENSG{i:03d}" for i in range(N_GENES - 1)]
    assert lost["n_lost"].tolist() == [1, 0]
    order = np.random.default_rng(0).permutation(N_CELLS)
    read, depth = read_counts(sources, cells.iloc[order], genes)
    np.testing.assert_array_equal(read.toarray(), counts[order, :-1])
    totals = counts.sum(axis=1)
    totals[200:] = counts[200:, :-1].sum(axis=1)
    np.testing.assert_array_equal(depth, totals[order])
    with pytest.raises(ValueError, match="genes: 1 are not in"):
        read_counts(sources, cells, sources["a"].genes)


@pytest.mark.parametrize("at_once", [1, 120, 50_000])
def test_read_samples(two_sources, counts, at_once):
    sources, cells = two_sources
    genes, _ = common_genes(list(sources.values()))
    cells["at"] = range(N_CELLS)
    mixed = cells.sample(frac=1, random_state=0)
    mixed = mixed.sort_values("sample", key=lambda names: names != "s|2", kind="stable")
    seen = list(read_samples(sources, mixed, genes, at_once))
    assert [len(members) for members, _, _ in seen] == [100] * 3
    assert seen[0][0]["sample"].unique().tolist() == ["s|2"]
    for members, read, depth in seen:
        expected = mixed[mixed["sample"] == members["sample"].iloc[0]]
        assert members["cell"].tolist() == expected["cell"].tolist()
        np.testing.assert_array_equal(read.toarray(), counts[members["at"], :-1])
        np.testing.assert_array_equal(depth, read_counts(sources, members, genes)[1])


@pytest.mark.parametrize("value", [0.5, -1, np.nan, np.inf])
def test_counts_that_are_none(adata, tmp_path, value):
    stored = adata.copy()
    stored.X[11, 17] = value
    stored.write_h5ad(tmp_path / "cells.h5ad")
    cells = pd.DataFrame({"source": "a", "row": range(N_CELLS), "cell": adata.obs_names})
    sources = {"a": open_source(tmp_path / "cells.h5ad")}
    with pytest.raises(InputError, match="whole numbers") as error:
        list(read_blocks(sources, cells, sources["a"].genes, block=8))
    [problem] = error.value.problems
    assert problem.file == str(tmp_path / "cells.h5ad")
    assert problem.field == "counts of gene ENSG017 in cell cell-11"
    np.testing.assert_equal(problem.value, value)


@pytest.mark.filterwarnings("ignore:Some cells have zero counts")
def test_normalise_against_scanpy(counts):
    expected = ad.AnnData(counts.copy())
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    given_counts = sparse.csr_matrix(counts)
    np.testing.assert_allclose(normalise(given_counts).toarray(), expected.X, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(given_counts.toarray(), counts)
    part = normalise(given_counts[:, :9], depth=counts.sum(axis=1))
    np.testing.assert_allclose(part.toarray(), expected.X[:, :9], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 2000])
def test_statistics_against_numpy(two_sources, counts, block):
    sources, cells = two_sources
    genes = sources["b"].genes[::-1]
    depth = np.r_[counts[:200].sum(axis=1), counts[200:, :-1].sum(axis=1)].astype(float)
    dense = np.log1p(counts[:, :-1].astype(float) * (1e4 / np.where(depth > 0, depth, 1))[:, None])
    mixed = cells.sample(frac=1, random_state=0)
    parts = sample_statistics(read_blocks(sources, mixed, genes, block))
    assert sorted(parts) == ["s|0", "s|1", "s|2"]
    of_first = dense[cells["sample"] == "s|0"]
    for statistics, expected in (
        (parts["s|0"], of_first),
        (pool_statistics(parts.values()), dense),
    ):
        assert statistics.n_cells == len(expected)
        np.testing.assert_allclose(statistics.mean, expected.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(statistics.variance, expected.var(axis=0), rtol=1e-10)
        np.testing.assert_allclose(statistics.detection_rate, (expected > 0).mean(axis=0))


def test_statistics_of_nothing():
    with pytest.raises(ValueError, match="no cells"):
        pool_statistics([])


def test_select_genes():
    def statistics(variance):
        variance = np.array(variance, float)
        return GeneStatistics(100, np.sqrt(variance), variance, (variance > 0) / 2)

    genes = pd.Index(["A", "B", "MT-CO1", "MT-CO2", "mt-x", "C[1]"])
    chosen = select_genes(
        [statistics([5, 1, 0.1, 0, 0.3, 0.2]), statistics([5, 1, 0.1, 0, 0.3, 3])],
        cohort=1,
        sample=2,
        keep=["MT-*"],
        genes=genes,
    )
    assert chosen["gene"].tolist() == ["A", "B", "MT-CO1", "C[1]"]
    assert chosen["kept_by"].tolist() == ["cohort;sample", "sample", "keep", "sample"]
    assert chosen["n_samples_top"].tolist() == [2, 1, 0, 1]
    assert chosen["cohort_rank"].tolist() == [1, 3, 5, 2]
    assert chosen["detection_rate"].tolist() == [0.5] * 4
    everything = select_genes([statistics([1, 0, 2, 0, 0, 0])], 100, 100, ["*"], genes)
    assert everything["gene"].tolist() == ["A", "MT-CO1"]


def test_an_earlier_choice_of_genes_stands_where_samples_came_later(tmp_path):
    table, basis = tmp_path / "genes.tsv", tmp_path / "basis.json"
    assert read_choice(table, basis) is None
    settings = {"cohort": 10, "sample": 5, "keep": ["MT-*"]}
    samples = {"007": "a", "s|1": "b"}
    write_table(pd.DataFrame({"gene": ["NA", "MT-CO1"]}), table)
    Choice(["NA", "MT-CO1"], settings, samples).write(basis)
    choice = read_choice(table, basis)
    assert choice == Choice(["NA", "MT-CO1"], settings, samples)
    available, more = ["MT-CO1", "NA", "X"], samples | {"new": "c"}
    assert choice.stands(settings, more, available)
    # As it was, it is made again: the file may have been asked for.
    assert not choice.stands(settings, samples, available)
    assert not choice.stands(settings | {"cohort": 11}, more, available)
    assert not choice.stands(settings, more | {"007": "other cells"}, available)
    assert not choice.stands(settings, {"007": "a", "new": "c", "newer": "d"}, available)
    assert not choice.stands(settings, more, ["NA", "X"])
    # A truncated table is detected, and so is a damaged basis.
    write_table(pd.DataFrame({"gene": ["NA"]}), table)
    assert read_choice(table, basis) is None
    write_table(pd.DataFrame({"gene": ["NA", "MT-CO1"]}), table)
    assert read_choice(table, basis) == choice
    for content in (basis.read_text()[:-20], "{}", ""):
        basis.write_text(content)
        assert read_choice(table, basis) is None


def test_the_basis_of_a_choice_does_not_depend_on_the_order_of_cells():
    cells = pd.DataFrame({"sample": ["a", "a", "b"], "bin": [1, 2, 1], "cell": ["x", "y", "x"]})
    basis = selection_basis(cells)
    assert set(basis) == {"a", "b"}
    assert selection_basis(cells[::-1]) == basis
    assert selection_basis(cells.assign(bin=1))["a"] != basis["a"]
    assert selection_basis(cells.assign(bin=1))["b"] == basis["b"]


def test_cells_of_a_type_go_by_its_safe_name(tmp_path):
    cells = pd.DataFrame({"cell_type": ["T cell", "B", "T cell"], "cell": ["x", "y", "z"]})
    write_parquet(cells.astype({"cell_type": "category"}), tmp_path / "cells.parquet")
    found = cells_of_type(tmp_path / "cells.parquet", safe_name("T cell"))
    assert found["cell"].tolist() == ["x", "z"]
    assert found.index.tolist() == [0, 1]
    assert cells_of_type(tmp_path / "cells.parquet", "B")["cell"].tolist() == ["y"]


def test_sources_are_opened_once_each(adata, tmp_path):
    paths = [str(tmp_path / name) for name in ("b.h5ad", "a.h5ad")]
    for path in paths:
        adata.write_h5ad(path)
    sources = open_sources(pd.Series([*paths, paths[0]]).astype("category"))
    assert list(sources) == paths
    assert all(source.path == path for path, source in sources.items())


@pytest.fixture(scope="module")
def cycling():
    """Return normalised expression and genes, with the cell-cycle genes among them."""
    rng = np.random.default_rng(2)
    genes = pd.Index([f"G{i}" for i in range(400)] + [f"S{i}" for i in range(8)] + ["M1", "M2"])
    counts = rng.poisson(rng.gamma(0.5, 3, len(genes)), (80, len(genes)))
    return normalise(sparse.csr_matrix(counts.astype(float))), genes


def test_cell_cycle_scores_against_scanpy(cycling):
    normalised, genes = cycling
    s_genes, g2m_genes = [f"S{i}" for i in range(8)], ["M1", "M2", "absent"]
    np.random.seed(3)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    s_score, g2m_score = cell_cycle_scores(normalised, genes, s_genes, g2m_genes, 2**40 + 5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    expected = ad.AnnData(normalised, var=pd.DataFrame(index=genes))
    for name, members, score in (("S", s_genes, s_score), ("G2M", g2m_genes, g2m_score)):
        sc.tl.score_genes(expected, members, score_name=name, ctrl_size=3, random_state=5)
        np.testing.assert_array_equal(score, expected.obs[name])


def test_cell_cycle_without_its_genes(cycling):
    normalised, genes = cycling
    with pytest.raises(InputError, match="cell cycle cannot be scored"):
        cell_cycle_scores(normalised, genes, ["absent"], ["M1"], 1)
    with pytest.raises(InputError, match="cell cycle cannot be scored"):
        cell_cycle_scores(normalised[:, -5:], genes[-5:], ["S6", "S7"], ["M1"], 1)


def test_regress_out_against_scanpy(counts):
    rng = np.random.default_rng(0)
    adata = ad.AnnData(
        np.log1p(counts),
        obs=pd.DataFrame(
            {"S": rng.normal(3, 1, N_CELLS)}, index=[f"cell-{i}" for i in range(N_CELLS)]
        ),
    )
    adata.obs["G2M"] = rng.normal(3, 1, N_CELLS)
    adata.obs["batch"] = pd.Categorical(rng.choice(["p1", "p2", "p3"], N_CELLS))
    indicators = pd.get_dummies(adata.obs["batch"], dtype=float).to_numpy()
    designs = {"S": adata.obs[["S", "G2M"]].to_numpy(), "batch": indicators}
    for keys, design in ((["S", "G2M"], designs["S"]), (["batch"], designs["batch"])):
        expected = sc.pp.regress_out(adata, keys, copy=True).X
        ours = regress_out(adata.X.astype(float), design)
        np.testing.assert_allclose(ours, expected, atol=2e-5)
    both = np.hstack(list(designs.values()))
    residuals = regress_out(adata.X, np.hstack([both, both[:, :1], np.ones((N_CELLS, 1))]))
    full = np.column_stack([np.ones(N_CELLS), both])
    fitted = full @ np.linalg.lstsq(full, adata.X.astype(float), rcond=None)[0]
    assert residuals.dtype == np.float32
    np.testing.assert_allclose(residuals, adata.X - fitted, atol=1e-5)


def test_scale():
    rng = np.random.default_rng(0)
    expression = rng.normal(5, 3, (50, 4)).astype(np.float32)
    expression[:, 1] = 0.1
    scaled = scale(expression)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled[:, 1], 0)
    varied = [0, 2, 3]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0)[varied], 1, rtol=1e-5)
    # What batch explains entirely is constant after regression, and not noise blown up.
    batch = np.repeat([[1.0, 0], [0, 1]], 25, axis=0)
    explained = (batch @ [[1.7], [0.3]]).astype(np.float32)
    np.testing.assert_array_equal(scale(regress_out(explained, batch)), 0)


@pytest.fixture
def sample_cells(adata):
    return pd.DataFrame(
        {
            "sample": "s|1",
            "bin": np.repeat([1, 2, 3], N_CELLS // 3),
            "batch": np.repeat(["p1", "p2", "p2"], N_CELLS // 3),
            "cell": adata.obs_names,
        }
    )


def test_prepare_sample(counts, adata, sample_cells):
    selected = adata.var_names[[3, 5, 9, 40]]
    depth = counts.sum(axis=1)
    prepared = prepare_sample(adata.X, depth, sample_cells, adata.var_names, selected)
    dense = normalise(adata.X).toarray()[:, [3, 5, 9, 40]]
    np.testing.assert_allclose(prepared.expression, scale(dense), atol=1e-5)
    assert prepared.expression.dtype == np.float32
    np.testing.assert_array_equal(prepared.expression[:, 1], 0)
    bins = dense.reshape(3, -1, 4)
    np.testing.assert_allclose(prepared.mean_expression, bins.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(prepared.detection_rate, (bins > 0).mean(axis=1))
    log_depth = np.log10(np.maximum(depth, 1)).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(prepared.bins["mean_depth"], log_depth, rtol=1e-6)
    assert prepared.bins[["sample", "bin", "n_cells", "batch"]].to_numpy().tolist() == [
        ["s|1", 1, 100, "p1"],
        ["s|1", 2, 100, "p2"],
        ["s|1", 3, 100, "p2"],
    ]
    assert prepared.obs.index.tolist() == adata.obs_names.tolist()
    assert prepared.obs["n_counts"].tolist() == depth.tolist()
    assert prepared.counts is None
    counted = prepare_sample(
        adata.X, depth, sample_cells, adata.var_names, selected, keep_counts=True
    )
    np.testing.assert_array_equal(counted.counts.toarray(), counts[:, [3, 5, 9, 40]])
    np.testing.assert_array_equal(counted.expression, prepared.expression)

    with pytest.raises(ValueError, match="sorted by bin"):
        prepare_sample(adata.X, depth, sample_cells[::-1], adata.var_names, selected)
    with pytest.raises(ValueError, match="selected: 1 genes"):
        prepare_sample(adata.X, depth, sample_cells, adata.var_names, [*selected, "none"])
    with pytest.raises(ValueError, match=r"regress must be .* \['depth'\]"):
        prepare_sample(adata.X, depth, sample_cells, adata.var_names, selected, ["depth"])


def test_prepare_sample_regresses(counts, adata, sample_cells):
    names = adata.var_names
    phases = pd.DataFrame({"gene": names[[1, 2, 3, 4]], "phase": ["S", "S", "G2M", "G2M"]})
    depth = counts.sum(axis=1)
    dense = normalise(adata.X).toarray()
    batch = pd.get_dummies(sample_cells["batch"], dtype=float).to_numpy()
    scores = cell_cycle_scores(normalise(adata.X), names, names[[1, 2]], names[[3, 4]], 7)
    for regress, design in (
        (["batch"], batch),
        (["cell_cycle", "batch"], np.column_stack([batch, *scores])),
    ):
        prepared = prepare_sample(
            adata.X, depth, sample_cells, names, names, regress, phases, seed=7
        )
        expected = scale(regress_out(dense, design))
        np.testing.assert_allclose(prepared.expression, expected, atol=1e-4)
        fit = np.linalg.lstsq(design - design.mean(0), prepared.expression, rcond=None)[0]
        np.testing.assert_allclose((design - design.mean(0)) @ fit, 0, atol=1e-4)
    one_batch = sample_cells.assign(batch="p1")
    np.testing.assert_array_equal(
        prepare_sample(adata.X, depth, one_batch, names, names, ["batch"]).expression,
        prepare_sample(adata.X, depth, one_batch, names, names).expression,
    )
    with pytest.raises(ValueError, match="cell_cycle"):
        prepare_sample(adata.X, depth, sample_cells, names, names, ["cell_cycle"])


def test_write_and_read_expression(counts, adata, sample_cells, tmp_path):
    names = adata.var_names
    samples = [
        prepare_sample(adata.X, counts.sum(axis=1), sample_cells.assign(sample=s), names, names)
        for s in ("s|1", "s/2")
    ]
    path = tmp_path / "expression.h5ad"
    summary = write_expression(path, iter(samples), names)
    whole = ad.read_h5ad(path)
    np.testing.assert_array_equal(whole.X, np.vstack([sample.expression for sample in samples]))
    assert whole.X.dtype == np.float32
    assert whole.obs.columns.tolist() == ["sample", "bin", "n_counts"]
    assert whole.obs_names[0] == "s|1:cell-0"
    assert whole.obs_names.is_unique
    assert whole.var_names.tolist() == names.tolist()
    backed = ad.read_h5ad(path, backed="r")
    np.testing.assert_array_equal(backed[350:352].X, whole.X[350:352])
    backed.file.close()

    for sample in ("s|1", "s/2"):
        for number in (1, 3):
            expected = whole[(whole.obs["sample"] == sample) & (whole.obs["bin"] == number)]
            part = read_bin(path, sample, number)
            np.testing.assert_array_equal(part.X, expected.X)
            assert part.obs_names.tolist() == expected.obs_names.tolist()
            assert part.obs["n_counts"].tolist() == expected.obs["n_counts"].tolist()
            assert part.var_names.tolist() == names.tolist()
    for wrong in (("s|1", 4), ("s3", 1)):
        with pytest.raises(ValueError, match="no bin"):
            read_bin(path, *wrong)

    assert summary.shape == (6, N_GENES)
    assert summary.obs.columns.tolist() == ["sample", "bin", "n_cells", "batch", "mean_depth"]
    assert summary.obs_names.tolist()[-1] == "s/2.3"
    np.testing.assert_array_equal(summary.X[3:], samples[1].mean_expression)
    np.testing.assert_array_equal(summary.layers["detection_rate"][:3], samples[0].detection_rate)
    summary.write_h5ad(tmp_path / "summary.h5ad")


def test_reading_a_bin_imports_no_scanpy(root):
    code = "import sys, popnet.cells.expression; sys.exit('scanpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root / "src")


def test_cell_cycle_resource(root):
    table = read_table(root / "resources" / "cell_cycle_genes.tsv")
    assert table.columns.tolist() == ["gene", "phase"]
    assert table["phase"].value_counts().to_dict() == {"G2M": 54, "S": 43}
    assert table["gene"].is_unique
    assert set(table.loc[table["phase"] == "G2M", "gene"]) >= {"HMGB2", "TOP2A", "CENPA"}


def test_real_cells(shared_data, root, tmp_path):
    """Perez 2022: from the file to the expression of two bins."""
    path = shared_data / "perez2022_Tcells_7donors_8samples_3000genes_counts.h5ad"
    source = open_source(path)
    cells = pd.DataFrame(
        {
            "sample": source.obs["sample_id"].astype(str),
            "batch": source.obs["batch"].astype(str),
            "cell": source.obs.index,
        }
    ).assign(cell_type="all", source=source.path, row=range(source.n_cells))
    binned, bins, excluded = plan_bins(cells, 1000, 1)
    assert len(binned) + excluded["n_cells"].sum() == 15751
    two = bins["sample"].unique()[:2]
    whole = ad.read_h5ad(path)
    sources = {source.path: source}
    genes, lost = common_genes([source])
    assert lost["n_lost"].tolist() == [0]

    samples = []
    phases = read_table(root / "resources" / "cell_cycle_genes.tsv")
    chosen = binned[binned["sample"].isin(two)]
    statistics = sample_statistics(read_blocks(sources, chosen, genes))
    for members, counts, depth in read_samples(sources, chosen, genes):
        assert (counts != whole[members["cell"].to_numpy()].X).nnz == 0
        samples.append(
            prepare_sample(counts, depth, members, genes, genes, ["batch", "cell_cycle"], phases)
        )
    expected = whole[binned.loc[binned["sample"] == two[0], "cell"].to_numpy()].copy()
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    dense = expected.X.toarray().astype(float)
    np.testing.assert_allclose(statistics[two[0]].mean, dense.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(statistics[two[0]].variance, dense.var(axis=0), rtol=1e-4)
    table = select_genes(list(statistics.values()), 300, 100, ["MT-*"], genes)
    assert table["gene"].str.startswith("MT-").sum() == 10
    write_expression(tmp_path / "expression.h5ad", samples, genes)
    part = read_bin(tmp_path / "expression.h5ad", two[1], 1)
    assert part.shape == (1000, 3000)
    assert np.isfinite(part.X).all()


def test_genes_that_a_second_cohort_lacks_have_no_counts():
    selected, genes = list("ABCDE"), pd.Index(list("EXBAD"))
    assert list(absent_genes(selected, genes)) == ["C"]
    counts = sparse.csr_matrix(np.arange(10).reshape(2, 5))
    wider = with_absent(counts, 1).toarray()
    np.testing.assert_array_equal(wider[:, :5], counts.toarray())
    assert (wider[:, 5] == 0).all()
    with pytest.raises(InputError, match="lack 2 of the 5 genes"):
        absent_genes(selected, pd.Index(list("EXBA")))
