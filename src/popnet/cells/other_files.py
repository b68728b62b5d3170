"""Files that hold cells and are not read, called by their name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

HDF5 = b"\x89HDF"
TEXTS = (".csv", ".tsv", ".txt")


def other_file(path: Path) -> tuple[str, str] | None:
    """Return what a file is that is neither an h5ad nor a 10x matrix, and what to do; else None."""
    if path.is_dir():
        if any((path / name).exists() for name in (".zgroup", ".zattrs", "zarr.json")):
            return "a zarr store", "Write it as h5ad: anndata.read_zarr(path).write_h5ad(...)"
        return None
    name = path.name.lower()
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(HDF5):
        return None
    if not start:
        return "an empty file", "Copy or download it again"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself", "Fetch the file: git lfs pull"
    if start.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        return "a web page, not the file", "Download the file itself"
    if name.endswith((".rds", ".rdata", ".rda", ".qs")):
        return "an R object", "Write it as h5ad in R, such as with anndataR or zellkonverter"
    if name.endswith((".tar", ".tar.gz", ".tgz", ".zip", ".tar.bz2")):
        return "an archive", "Unpack it and name what is in it"
    plain = name.removesuffix(".gz")
    if plain.endswith(".mtx"):
        remedy = "Name the folder that holds it with its lists of barcodes and features"
        return "a matrix without the names of its cells and genes", remedy
    if plain.endswith(TEXTS):
        return "a table of text", "Write it as h5ad, with anndata.read_csv or anndata.read_text"
    if start.startswith(b"\x1f\x8b"):
        return "compressed with gzip", f"Unpack it: gunzip {path.name}"
    if start.startswith((b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")):
        return "compressed", "Unpack it"
    return None


def other_hdf5(groups: Collection[str]) -> tuple[str, str] | None:
    """Return the same of an HDF5 file, by the groups at its top."""
    if "mod" in groups:
        remedy = 'Write the modality of genes as h5ad: mudata.read_h5mu(path)["rna"].write_h5ad()'
        return "a MuData file (h5mu) of several modalities", remedy
    if {"row_attrs", "col_attrs"} <= set(groups):
        return "a loom file", "Write it as h5ad: scanpy.read_loom(path).write_h5ad(...)"
    if {"assays", "cell.names"} & set(groups):
        return "an h5Seurat file", "Write it as h5ad, such as with anndataR, from the Seurat object"
    return None
