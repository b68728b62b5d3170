"""Files as tools write them: each is read to the right numbers, or refused by what it is."""

from __future__ import annotations

import gzip
import os
import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from anndata.io import write_elem
from scipy import sparse

from popnet.cells import formats
from popnet.cells.formats import open_source, open_sources
from popnet.cells.sources import cell_names, common_genes, read_counts
from popnet.errors import InputError

GENES = ["MT-ND1", "MT-CO1", "ISG15", "ACTB", "GAPDH", "TBCE"]
IDS = [f"ENSG{number:011d}" for number in range(1, 7)]
CELLS = ["AAAC-1", "AAAG-1", "AAAT-1", "AACC-1"]
COUNTS = np.random.default_rng(3).poisson(2, (4, 6)).astype(np.float32)


def adata_of(counts=COUNTS, **var):
    var = {"gene_ids": IDS} | var
    table = pd.DataFrame(var, index=GENES[: counts.shape[1]])
    obs = pd.DataFrame({"sample": pd.Categorical(["s"] * 4)}, index=CELLS)
    return ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=table)


def check(source, counts=COUNTS, genes=GENES, cells=CELLS):
    assert source.genes.tolist() == list(genes)
    assert source.obs.index.tolist() == list(cells)
    np.testing.assert_array_equal(source.read_rows(np.arange(len(cells))).toarray(), counts)


def write_folder(folder, counts=COUNTS, features=None, prefix="", gz=False, real=False):
    """Write genes x cells, as Cell Ranger does."""
    folder.mkdir(parents=True)
    features = features or [
        f"{id}\t{name}\tGene Expression" for id, name in zip(IDS, GENES, strict=True)
    ]
    files = {"features.tsv": features, "barcodes.tsv": CELLS}
    field = "real" if real else None
    scipy.io.mmwrite(folder / "m.mtx", sparse.coo_matrix(counts.T), field=field)
    files["matrix.mtx"] = (folder / "m.mtx").read_text().splitlines()
    (folder / "m.mtx").unlink()
    for name, lines in files.items():
        text = "\n".join(lines) + "\n"
        if gz:
            (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{prefix}{name}").write_text(text)
    return folder


def write_by_cells(folder, names, counts=COUNTS):
    """Write cells x genes, as kb and alevin-fry do; `names` are of matrix, genes and cells."""
    folder.mkdir()
    scipy.io.mmwrite(folder / "m.mtx", sparse.coo_matrix(counts), field="integer")
    (folder / "m.mtx").rename(folder / names[0])
    (folder / names[1]).write_text("\n".join(IDS) + "\n")
    (folder / names[2]).write_text("\n".join(CELLS) + "\n")
    return folder


KB = ("cells_x_genes.mtx", "cells_x_genes.genes.txt", "cells_x_genes.barcodes.txt")
FRY = ("quants_mat.mtx", "quants_mat_cols.txt", "quants_mat_rows.txt")


def read_all(*arguments, **more):
    source = open_source(*arguments, **more)
    return source.obs, source.read_rows(np.arange(source.n_cells))


def refusal(*arguments, **more):
    with pytest.raises(InputError) as raised:
        read_all(*arguments, **more)
    (problem,) = raised.value.problems
    return problem


# Tools whose output is read.


def test_cellxgene(tmp_path):
    """Ids as names, symbols in feature_name, raw counts in raw.X, spike-ins by feature_biotype."""
    var = pd.DataFrame(
        {
            "feature_name": pd.Categorical([*GENES[:5], "ERCC-00002 (spike-in control)"]),
            "feature_biotype": pd.Categorical(["gene"] * 5 + ["spike-in"]),
            "feature_is_filtered": False,
            "feature_type": pd.Categorical(["protein_coding"] * 5 + ["synthetic"]),
        },
        index=[*IDS[:5], "ERCC-00002"],
    )
    obs = pd.DataFrame({"donor_id": pd.Categorical(["a", "a", "b", "b"])}, index=CELLS)
    stored = ad.AnnData(sparse.csr_matrix(COUNTS), obs=obs, var=var)
    stored.raw = stored
    stored.X = np.log1p(COUNTS)
    stored.write_h5ad(tmp_path / "c.h5ad", compression="gzip")
    source = open_source(tmp_path / "c.h5ad", "raw.X", "feature_name")
    check(source, COUNTS[:, :5], GENES[:5])
    assert source.left_out == {"synthetic": 1}
    assert source.ids.tolist() == IDS[:5]
    # raw.var of CELLxGENE may have no types: those of var hold.
    stored.raw = ad.AnnData(COUNTS, obs=obs, var=var[["feature_name"]])
    stored.write_h5ad(tmp_path / "d.h5ad")
    check(open_source(tmp_path / "d.h5ad", "raw.X", "feature_name"), COUNTS[:, :5], GENES[:5])


def test_sea_ad(tmp_path):
    """Counts in a layer called UMIs, symbols as names and ids in gene_ids."""
    stored = adata_of()
    stored.layers["UMIs"] = stored.X.copy()
    stored.X = stored.X.log1p()
    stored.write_h5ad(tmp_path / "s.h5ad")
    source = open_source(tmp_path / "s.h5ad", "layers/UMIs")
    check(source)
    assert source.ids.tolist() == IDS


@pytest.mark.parametrize("writer", ["SeuratDisk", "sceasy", "zellkonverter"])
def test_seurat_exported(tmp_path, writer):
    """SeuratDisk: counts in raw.X with var without columns; sceasy: csc; zellkonverter: dense."""
    stored = adata_of()
    if writer == "SeuratDisk":
        stored.raw = ad.AnnData(stored.X, obs=stored.obs, var=pd.DataFrame(index=GENES))
        stored = stored[:, :3].copy()
        stored.X = np.asarray(stored.X.todense()) * 0.1
        counts = "raw.X"
    elif writer == "sceasy":
        stored.layers["counts"] = sparse.csc_matrix(COUNTS)
        stored.X = COUNTS * 0.5
        counts = "layers/counts"
    else:
        stored.X = COUNTS.astype(np.int32)
        counts = "X"
    stored.write_h5ad(tmp_path / "s.h5ad")
    if writer == "SeuratDisk":
        with h5py.File(tmp_path / "s.h5ad", "a") as file:
            # Written with HDF5 in R: fixed-length strings and no encoding of the columns.
            del file["raw/var/_index"]
            file["raw/var"]["_index"] = np.array(GENES, "S")
            file["raw/var"].attrs["_index"] = np.bytes_("_index")
            file["obs"].attrs["column-order"] = np.array(["sample"], "S")
    check(open_source(tmp_path / "s.h5ad", counts))


@pytest.mark.parametrize("quotes", ["", '"'])
def test_seurat_and_dropletutils_folders(tmp_path, quotes):
    """Symbols in both columns, or in one; R may put text in quotes."""
    for name, columns in (("one", 1), ("two", 2)):
        features = ["\t".join([f"{quotes}{gene}{quotes}"] * columns) for gene in GENES]
        source = open_source(write_folder(tmp_path / name, features=features))
        check(source)
        assert source.ids is None


def test_starsolo(tmp_path):
    """Gene/filtered has the layout of Cell Ranger; its folder above is named where it is given."""
    folder = write_folder(tmp_path / "Solo.out" / "Gene" / "filtered")
    check(open_source(folder))
    problem = refusal(tmp_path / "Solo.out")
    assert str(folder) in problem.remedy


def test_kb(tmp_path):
    folder = write_by_cells(tmp_path / "counts_unfiltered", KB)
    check(open_source(folder), genes=IDS)
    (folder / "cells_x_genes.genes.names.txt").write_text("\n".join(GENES) + "\n")
    source = open_source(folder)
    check(source)
    assert source.ids.tolist() == IDS


def test_alevin_fry(tmp_path):
    folder = write_by_cells(tmp_path / "alevin", FRY)
    check(open_source(folder), genes=IDS)
    (folder / FRY[1]).write_text("\n".join([*IDS[:3], *(f"{id}-U" for id in IDS[:3])]) + "\n")
    assert "USA mode" in refusal(folder).message


@pytest.mark.parametrize("gz", [True, False])
def test_geo_prefixes(tmp_path, gz):
    folder = write_folder(tmp_path / "geo", prefix="GSM1_a_", gz=gz)
    check(open_source(folder))
    for file in list(folder.iterdir()):
        shutil.copy(file, folder / file.name.replace("GSM1_a", "GSM2_b"))
    assert "'GSM1_a_', 'GSM2_b_'" in refusal(folder).message
    (folder / "x.txt").touch()
    for file in folder.glob("*features*"):
        file.unlink()
    assert "GSM1_a_barcodes.tsv" in refusal(folder).message


# What is not read is called by its name.


def test_formats_that_are_not_read(tmp_path):
    adata_of().write_h5ad(tmp_path / "c.h5ad")
    packed = gzip.compress((tmp_path / "c.h5ad").read_bytes())
    contents = {
        "c.h5ad.gz": (packed, "gzip", "gunzip c.h5ad.gz"),
        "empty.h5ad": (b"", "empty", "again"),
        "lfs.h5ad": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
        "page.h5ad": (b"<!DOCTYPE html><html>", "web page", "Download"),
        "s.rds": (gzip.compress(b"x"), "R object", "h5ad"),
        "s.tar.gz": (gzip.compress(b"x"), "archive", "Unpack"),
        "matrix.mtx.gz": (gzip.compress(b"x"), "without the names", "folder"),
        "t.csv.gz": (gzip.compress(b"x"), "table of text", "h5ad"),
        "z.zip": (b"PK\x03\x04", "archive", "Unpack"),
    }
    for name, (content, words, remedy) in contents.items():
        (tmp_path / name).write_bytes(content)
        problem = refusal(tmp_path / name)
        assert words in problem.message, name
        assert remedy in problem.remedy, name
    groups = {"m.h5mu": ("mod", "obs", "var"), "l.loom": ("matrix", "row_attrs", "col_attrs")}
    groups["s.h5seurat"] = ("assays", "cell.names")
    for name, members in groups.items():
        with h5py.File(tmp_path / name, "w") as file:
            for member in members:
                file.create_group(member)
        assert name.split(".")[1] in refusal(tmp_path / name).message.lower()
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "c.zarr" / ".zgroup").touch()
    assert "zarr" in refusal(tmp_path / "c.zarr").message


def test_what_is_incomplete_is_not_called_damaged(tmp_path):
    path = tmp_path / "c.h5ad"
    for field, words in (
        ("var", "no var"),
        ("obs/sample", "obs lacks 'sample'"),
        ("X/indptr", "X lacks indptr"),
        ("obs/_index", "obs lacks '_index'"),
        ("var/gene_ids", "var lacks 'gene_ids'"),
    ):
        adata_of().write_h5ad(path)
        with h5py.File(path, "a") as file:
            del file[field]
        problem = refusal(path)
        assert words in problem.message
        assert "damaged" not in problem.message
        assert "again" not in problem.remedy


# Every matrix is as large as what describes it.


def replaced(path, key, matrix):
    with h5py.File(path, "a") as file:
        del file[key]
        ad.io.write_elem(file, key, matrix)


SMALLER = {"rows": COUNTS[:3], "columns": COUNTS[:, :5], "transposed": COUNTS.T}


@pytest.mark.parametrize("change", SMALLER)
@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize(
    ("place", "key"), [("X", "X"), ("raw.X", "raw/X"), ("layers/n", "layers/n")]
)
def test_shapes_of_an_h5ad(tmp_path, change, layout, place, key):
    path = tmp_path / "c.h5ad"
    stored = adata_of()
    stored.layers["n"] = stored.X.copy()
    stored.raw = stored
    stored.write_h5ad(path)
    check(open_source(path, place))
    replaced(path, place.replace(".", "/"), layout(SMALLER[change]))
    problem = refusal(path, place)
    assert place in problem.message
    assert ("other way round" in problem.message) == (change == "transposed")
    # Whichever matrix is asked for: the file does not belong together.
    assert place in refusal(path, "X").message


def test_tables_of_an_h5ad(tmp_path):
    path = tmp_path / "c.h5ad"
    for table, key in (("obs", "obs/_index"), ("var", "var/_index"), ("var", "var/gene_ids")):
        adata_of().write_h5ad(path)
        with h5py.File(path, "a") as file:
            names = file[key][:][:-1]
            attrs = dict(file[key].attrs)
            del file[key]
            file[key] = names
            file[key].attrs.update(attrs)
        assert table in refusal(path).message


def test_parts_of_a_compressed_matrix(tmp_path):
    path = tmp_path / "c.h5ad"
    for part in ("data", "indices", "indptr"):
        adata_of().write_h5ad(path)
        with h5py.File(path, "a") as file:
            values = file[f"X/{part}"][:][:-1]
            del file[f"X/{part}"]
            file[f"X/{part}"] = values
        assert "X" in refusal(path).message
    for part, dtype in (("indices", "?"), ("indices", "f8"), ("indptr", "f4"), ("data", "?")):
        stored = adata_of()
        stored.X = sparse.csc_matrix(COUNTS)
        stored.write_h5ad(path)
        with h5py.File(path, "a") as file:
            values = file[f"X/{part}"][:].astype(dtype)
            del file[f"X/{part}"]
            file[f"X/{part}"] = values
        assert "X" in refusal(path).message
    adata_of().write_h5ad(path)
    replaced(path, "X", COUNTS > 1)
    assert "true and false" in refusal(path).message


@pytest.mark.parametrize("part", ["barcodes", "features/id", "features", "shape", "transposed"])
def test_shapes_of_a_10x_h5(tmp_path, part):
    path = tmp_path / "f.h5"
    matrix = sparse.csc_matrix(COUNTS.T.astype(np.int32))
    values = {name: getattr(matrix, name) for name in ("data", "indices", "indptr")}
    values |= {"shape": np.array(matrix.shape), "barcodes": np.array(CELLS, "S")}
    values |= {"features/id": np.array(IDS, "S"), "features/name": np.array(GENES, "S")}
    values["features/feature_type"] = np.array(["Gene Expression"] * 6, "S")

    def write(values):
        with h5py.File(path, "w") as file:
            for name, value in values.items():
                file[f"matrix/{name}"] = value

    write(values)
    check(open_source(path))
    if part == "transposed":
        values["shape"] = values["shape"][::-1]
    for name in values:
        if name.startswith(part):
            values[name] = values[name][:-1] if part != "shape" else values[name] - 1
    write(values)
    assert refusal(path).field == "path"


def test_shapes_of_a_folder(tmp_path):
    folder = write_folder(tmp_path / "m")
    barcodes, features = folder / "barcodes.tsv", folder / "features.tsv"
    texts = barcodes.read_text(), features.read_text()
    barcodes.write_text(texts[0] + "AAGG-1\n")
    assert "5" in refusal(folder).message
    barcodes.write_text("barcode\n" + texts[0])
    features.write_text("id\tname\ttype\n" + texts[1])
    assert "header" in refusal(folder).message
    barcodes.write_text(texts[0])
    features.write_text(texts[1])
    matrix = folder / "matrix.mtx"
    text = matrix.read_text()
    transposed = write_folder(tmp_path / "t", COUNTS.T[:, :], features=["x"] * 4)
    matrix.write_text((transposed / "matrix.mtx").read_text())
    assert "other way round" in refusal(folder).message
    for kind in ("pattern general", "real symmetric", "complex general"):
        matrix.write_text(text.replace("real general", kind).replace("integer general", kind))
        assert "integer general" in refusal(folder).message


@pytest.mark.parametrize(
    "name", ["obs/_index", "var/_index", "obs/sample/categories", "var/feature_types/categories"]
)
def test_text_that_is_stored_as_bytes(tmp_path, name):
    types = pd.Categorical(["Gene Expression"] * 5 + ["Antibody Capture"])
    adata_of(feature_types=types).write_h5ad(tmp_path / "c.h5ad")
    with h5py.File(tmp_path / "c.h5ad", "a") as file:
        file[name].attrs["encoding-type"] = "array"
    source = open_source(tmp_path / "c.h5ad")
    check(source, COUNTS[:, :5], GENES[:5])
    assert source.obs["sample"].tolist() == ["s"] * 4


@pytest.mark.parametrize("encoding", ["string-array", "array"])
def test_parts_of_annotations(tmp_path, monkeypatch, encoding):
    """Names and text are read by blocks; names and values occur in several of them."""
    monkeypatch.setattr(formats, "BLOCK", 3)
    n = 8
    obs = pd.DataFrame(
        {
            "text": ["b", "é", "", "b", "a", "b", "é", "a"],
            "level": pd.Categorical(["x", None] * 4),
            "number": np.arange(n) / 2,
            "maybe": pd.array([True, None] * 4, dtype="boolean"),
        },
        index=["c1", "c2", "é", "c1", "c5", "c6", "c7", "c1"],
    )
    stored = ad.AnnData(sparse.csr_matrix((n, 6), dtype="f4"), obs, pd.DataFrame(index=GENES))
    stored.write_h5ad(tmp_path / "c.h5ad")
    with h5py.File(tmp_path / "c.h5ad", "a") as file:
        # AnnData writes text of which values are repeated as levels.
        del file["obs/text"]
        write_elem(file["obs"], "text", obs["text"].to_numpy())
        for name in ("obs/_index", "obs/text"):
            file[name].attrs["encoding-type"] = encoding
    source = open_source(tmp_path / "c.h5ad")
    parts = source.annotations
    assert parts.columns == list(obs)
    read = parts.read(["maybe", "text", "level"])
    assert list(read) == ["maybe", "text", "level"]
    assert read["text"].array.categories.tolist() == ["b", "é", "", "a"]
    whole = source.obs.reset_index(drop=True)
    for name in read:
        assert read[name].astype(object).equals(whole[name].astype(object))
    assert parts.names().to_pylist() == obs.index.tolist()

    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "c.h5ad", tmp_path / "other")
    paths = [str(tmp_path / "c.h5ad"), str(tmp_path / "other" / "c.h5ad")]
    cells = pd.DataFrame({"source": paths * 3, "row": [7, 0, 4, 2, 4, 1]}, index=list("abcdef"))
    names = cell_names(open_sources(paths), cells)
    assert names.to_dict() == {"a": "c1", "b": "c1", "c": "c5", "d": "é", "e": "c5", "f": "c2"}


def test_annotations_that_are_read_as_a_whole(tmp_path):
    """Those of folders, of older files, and of a table beside the cells."""
    parts = open_source(write_folder(tmp_path / "mtx")).annotations
    assert parts.columns == []
    assert parts.names().to_pylist() == CELLS
    adata_of().write_h5ad(tmp_path / "c.h5ad")
    pd.DataFrame({"age": range(4)}, index=CELLS).to_csv(tmp_path / "a.csv")
    parts = open_source(tmp_path / "c.h5ad", annotations=tmp_path / "a.csv").annotations
    assert parts.columns == ["sample", "age"]
    assert parts.read(["age"])["age"].tolist() == ["0", "1", "2", "3"]
    with h5py.File(tmp_path / "c.h5ad", "a") as file:
        file["obs"].attrs["encoding-version"] = "0.1.0"
    parts = open_source(tmp_path / "c.h5ad").annotations
    assert parts.read(["sample"])["sample"].tolist() == ["s"] * 4
    assert parts.names().to_pylist() == CELLS


def test_a_name_of_a_cell_that_is_no_text(tmp_path):
    adata_of().write_h5ad(tmp_path / "c.h5ad")
    with h5py.File(tmp_path / "c.h5ad", "a") as file:
        file["obs/_index"][1] = b"\xff"
    with pytest.raises(InputError, match="does not fit together"):
        open_source(tmp_path / "c.h5ad").annotations.names()


# Features.


@pytest.mark.parametrize(
    ("column", "gene", "other"),
    [
        ("feature_types", "Gene Expression", "Antibody Capture"),
        ("feature_types", "gene expression", "CRISPR Guide Capture"),
        ("feature_types", "Gene Expression", "my own tags"),
        ("feature_types", "Gene Expression", "Peaks"),
        ("feature_types", "Gene Expression", "Custom"),
        ("modality", "RNA", "ADT"),
        ("feature_biotype", "gene", "spike-in"),
        ("feature_type", "protein_coding", "synthetic"),
    ],
)
def test_features_that_are_no_genes(tmp_path, column, gene, other):
    types = [gene, other, gene, gene, other, gene]
    stored = adata_of(**{column: pd.Categorical(types)})
    genes = np.array(types) == gene
    for number, layout in enumerate((sparse.csr_matrix, sparse.csc_matrix, np.asarray)):
        stored.X = layout(COUNTS)
        path = tmp_path / f"{number}.h5ad"
        stored.write_h5ad(path)
        source = open_source(path)
        check(source, COUNTS[:, genes], np.array(GENES)[genes])
        assert source.left_out == {other: 2}
        cells = pd.DataFrame({"source": str(path), "row": range(4), "cell": CELLS})
        _, depth = read_counts({str(path): source}, cells, source.genes)
        np.testing.assert_array_equal(depth, COUNTS[:, genes].sum(axis=1))
    if column == "feature_types":
        lines = [f"{id}\t{name}\t{kind}" for id, name, kind in zip(IDS, GENES, types, strict=True)]
        folder = write_folder(tmp_path / "m", features=lines)
        check(open_source(folder), COUNTS[:, genes], np.array(GENES)[genes])


def test_spike_ins_and_peaks_by_their_names(tmp_path):
    stored = adata_of()
    stored.var_names = [*GENES[:3], "chr1:100-900", "ERCC-00002", "ERCC1"]
    stored.write_h5ad(tmp_path / "c.h5ad")
    source = open_source(tmp_path / "c.h5ad")
    assert source.genes.tolist() == [*GENES[:3], "ERCC1"]
    assert source.left_out == {"spike-in": 1, "peak": 1}


def test_types_that_are_missing_or_none(tmp_path):
    types = ["Gene Expression"] * 4 + [None, "Peaks"]
    adata_of(feature_types=pd.Categorical(types)).write_h5ad(tmp_path / "c.h5ad")
    assert "nothing of 1: 'GAPDH'" in refusal(tmp_path / "c.h5ad").message
    adata_of(feature_types=["Antibody Capture"] * 6).write_h5ad(tmp_path / "c.h5ad")
    assert "none of the features is a gene" in refusal(tmp_path / "c.h5ad").message


def test_a_third_column_that_holds_no_types(tmp_path):
    lines = [f"{id}\t{name}\tGRCh38" for id, name in zip(IDS, GENES, strict=True)]
    check(open_source(write_folder(tmp_path / "m", features=lines)))
    lines = [f"{name}\t{id}" for id, name in zip(IDS, GENES, strict=True)]
    check(open_source(write_folder(tmp_path / "swapped", features=lines)))


# Genes of several files.


def common_counts(paths, gene):
    sources = open_sources([str(path) for path in paths])
    genes, _ = common_genes(list(sources.values()))
    if gene not in genes:
        return None
    column = genes.get_loc(gene)
    values = []
    for path, source in sources.items():
        cells = pd.DataFrame({"source": path, "row": range(4), "cell": CELLS})
        counts, _ = read_counts({path: source}, cells, genes)
        values.append(counts.toarray()[:, column].tolist())
    return values


def lines_of(ids, names):
    return [f"{id}\t{name}\tGene Expression" for id, name in zip(ids, names, strict=True)]


def test_symbols_that_two_references_swap(tmp_path):
    swapped = [*GENES[:4], GENES[5], GENES[4]]
    a = write_folder(tmp_path / "a", features=lines_of(IDS, GENES))
    b = write_folder(tmp_path / "b", features=lines_of(IDS, swapped))
    expected = [COUNTS[:, 4].tolist()] * 2
    assert common_counts([a, b], "GAPDH") == common_counts([b, a], "GAPDH") == expected
    # Most files decide what a gene is called.
    c = write_folder(tmp_path / "c", features=lines_of(IDS, swapped))
    for order in ([a, b, c], [c, b, a]):
        assert common_counts(order, "TBCE") == [COUNTS[:, 4].tolist()] * 3


def test_one_symbol_of_two_ids_in_a_file(tmp_path):
    """The order in a file changes nothing: each id is one gene."""
    names = [*GENES[:5], GENES[4]]
    a = write_folder(tmp_path / "a", features=lines_of(IDS, names))
    order = [0, 1, 2, 3, 5, 4]
    b = write_folder(
        tmp_path / "b", COUNTS[:, order], features=lines_of(np.array(IDS)[order], names)
    )
    assert common_counts([a, b], "GAPDH") == [COUNTS[:, 4].tolist()] * 2
    assert common_counts([a, b], IDS[5]) == [COUNTS[:, 5].tolist()] * 2


def test_ids_with_versions_and_new_ids(tmp_path):
    a = write_folder(tmp_path / "a", features=lines_of([f"{id}.1" for id in IDS], GENES))
    newer = [f"{id}.2" for id in IDS[:5]] + ["ENSG00000000099.1"]
    b = write_folder(tmp_path / "b", features=lines_of(newer, GENES))
    assert common_counts([a, b], "GAPDH") == [COUNTS[:, 4].tolist()] * 2
    # The symbol is of another gene there: it is not in common.
    assert common_counts([a, b], "TBCE") is None


def test_files_with_and_without_ids(tmp_path):
    a = write_folder(tmp_path / "a", features=lines_of(IDS, GENES))
    b = write_folder(tmp_path / "b", features=lines_of(GENES, GENES))
    assert common_counts([a, b], "GAPDH") == [COUNTS[:, 4].tolist()] * 2
    c = tmp_path / "c.h5ad"
    adata_of().write_h5ad(c)
    assert common_counts([a, c], "GAPDH") == [COUNTS[:, 4].tolist()] * 2


def test_prefix_of_a_genome(tmp_path):
    lines = lines_of([f"GRCh38_{id}" for id in IDS], [f"GRCh38_{name}" for name in GENES])
    folder = write_folder(tmp_path / "m", features=lines)
    check(open_source(folder), genes=[f"GRCh38_{name}" for name in GENES])
    source = open_source(folder, gene_prefix="GRCh38_")
    check(source)
    assert source.ids.tolist() == IDS


# A system without posix_fallocate, such as macOS.


def test_temporary_files_on_macos(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    stored = adata_of()
    stored.X = sparse.csc_matrix(COUNTS)
    stored.write_h5ad(tmp_path / "c.h5ad")
    check(open_source(tmp_path / "c.h5ad"))
    check(open_source(write_folder(tmp_path / "m", real=True)))
