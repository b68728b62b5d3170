"""Whether inputs that are changed are read to the same numbers, or refused in a sentence.

    python benchmarks/fuzz_inputs.py --mutants 3000

Makes small valid studies (an h5ad in several forms, 10x files, folders, with a table of samples
and one of annotations), changes one thing in one of their files, as people and tools do, and reads
the study. The numbers of the study (counts, depths, samples with their values) must then be as
before, be left out with a warning that says so, or the study must be refused. Prints how often each
happens, and every mutant with other numbers or with an error that no user understands; its exit
status then is 1.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import yaml
from scipy import io, sparse

from popnet.cells.features import joined
from popnet.cells.formats import open_source
from popnet.cells.sources import cell_names, common_genes, read_counts
from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.errors import InputError
from popnet.study.cohort import load_cohort

GENES = ["MT-ND1", "MT-CO1", "ISG15", "ACTB", "GAPDH", "TBCE", "HLA-A", "CD3E"]
IDS = [f"ENSG{number:011d}" for number in range(1, len(GENES) + 1)]
SAMPLES, CELLS = ["S1", "S2", "S3", "S4"], 10
CODES = ["", "NA", "N/A", "#N/A", "NaN", "nan", "None", "null", "<NA>"]
CONFIG: dict = {"preset": "paper", "bins": {"size": 2}}
check_config(CONFIG, "config.yaml")
OUTCOMES = ("same", "told", "refused", "called damaged", "changed", "traceback")

Random = np.random.Generator


@dataclass(frozen=True)
class Numbers:
    """What a study is made of: samples with their values, and counts and depths of the cells."""

    samples: dict[str, tuple[str, ...]]
    cells: dict[str, tuple[str, str, str, float, tuple[tuple[str, float], ...]]]
    warnings: frozenset[str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and (self.samples, self.cells) == (
            other.samples,
            other.cells,
        )

    def within(self, other: Numbers) -> bool:
        """Return whether all cells are those of another, but for genes, batches and donors."""
        for name, (sample, cell_type, _, depth, counts) in self.cells.items():
            if name not in other.cells:
                return False
            others = other.cells[name]
            if (sample, cell_type, depth) != (*others[:2], others[3]):
                return False
            if not set(counts) <= set(others[4]):
                return False
        return True


def counts_of(number: int) -> np.ndarray:
    """Return raw counts of a sample, (CELLS, n_genes)."""
    return np.random.default_rng(number).poisson(2, (CELLS, len(GENES))).astype(np.float32)


def barcodes(sample: str) -> list[str]:
    """Return the names of a sample's cells."""
    return [f"{sample}_{'ACGT'[i % 4]}{'ACGT'[i // 4]}-1" for i in range(CELLS)]


def annotations() -> pd.DataFrame:
    """Return the annotations of all cells."""
    return pd.concat(
        pd.DataFrame(
            {
                "sample": sample,
                "donor": f"D{number // 2}",
                "pool": f"P{number % 2}",
                "celltype": ["T"] * 6 + ["B"] * 4,
            },
            index=pd.Index(barcodes(sample), name="barcode"),
        )
        for number, sample in enumerate(SAMPLES)
    )


def write_h5ad(path: Path, form: str) -> None:
    """Write the cells of all samples as an h5ad in one of several forms."""
    obs = annotations()
    obs["celltype"] = pd.Categorical(obs["celltype"])
    obs["sample"] = pd.Categorical(obs["sample"])
    counts = np.concatenate([counts_of(number) for number in range(len(SAMPLES))])
    X = {"csc": sparse.csc_matrix, "dense": np.asarray}.get(form, sparse.csr_matrix)(counts)
    types = ["Gene Expression"] * (len(GENES) - 1) + ["Antibody Capture"]
    var = pd.DataFrame({"gene_ids": IDS, "feature_types": types}, index=GENES)
    stored = ad.AnnData(X, obs=obs, var=var)
    if form == "raw":
        stored.raw = stored
        stored = stored[:, :5].copy()
        stored.X = stored.X * 0.5
    stored.write_h5ad(path)


def write_10x(path: Path, number: int) -> None:
    """Write the cells of a sample as Cell Ranger's HDF5."""
    matrix = sparse.csc_matrix(counts_of(number).T.astype(np.int32))
    with h5py.File(path, "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"matrix/{name}"] = getattr(matrix, name)
        file["matrix/shape"] = np.array(matrix.shape)
        file["matrix/barcodes"] = np.array(barcodes(SAMPLES[number]), "S")
        file["matrix/features/id"] = np.array(IDS, "S")
        file["matrix/features/name"] = np.array(GENES, "S")
        file["matrix/features/feature_type"] = np.array(["Gene Expression"] * len(GENES), "S")


def write_folder(folder: Path, number: int) -> None:
    """Write the cells of a sample as a folder of MatrixMarket."""
    folder.mkdir()
    matrix = sparse.coo_matrix(counts_of(number).T.astype(int))
    io.mmwrite(folder / "matrix.mtx", matrix, field="integer", symmetry="general")
    lines = [f"{id}\t{gene}\tGene Expression" for id, gene in zip(IDS, GENES, strict=True)]
    (folder / "features.tsv").write_text("\n".join(lines) + "\n")
    (folder / "barcodes.tsv").write_text("\n".join(barcodes(SAMPLES[number])) + "\n")


FORMS = ("csr", "csc", "dense", "raw", "10x", "folder")


def write_study(folder: Path, form: str) -> Path:
    """Write a study with cells of a form, and return its sheet."""
    table = pd.DataFrame(
        {
            "id": SAMPLES,
            "age": [30, 41.5, 29, 55],
            "who": ["D0", "D0", "D1", "D1"],
            "sex": ["f", "f", "m", "m"],
        }
    )
    table.to_csv(folder / "samples.csv", index=False)
    samples = {"table": "samples.csv", "id": "id", "donor": "who", "missing": ["-9"]}
    cells = {"cell_type": "celltype", "batch": "pool"}
    if form in ("10x", "folder"):
        suffix = ".h5" if form == "10x" else ""
        for number, sample in enumerate(SAMPLES):
            write = write_10x if form == "10x" else write_folder
            write(folder / f"{sample}{suffix}", number)
        annotations().to_csv(folder / "annotations.csv")
        cells |= {"path": f"{{sample}}{suffix}"}
        cells["annotations"] = {"table": "annotations.csv", "barcode": "barcode"}
    else:
        write_h5ad(folder / "cells.h5ad", form)
        cells |= {"path": "cells.h5ad", "sample": "sample"}
        cells["counts"] = "raw.X" if form == "raw" else "X"
    sheet = {
        "name": "fuzz",
        "cells": cells,
        "samples": samples,
        "phenotypes": {"age": {"type": "continuous"}},
        "covariates": {"sex": "categorical"},
    }
    (folder / "sheet.yaml").write_text(yaml.safe_dump(sheet))
    return folder / "sheet.yaml"


def read(sheet: Path) -> Numbers:
    """Return the numbers of a study as the workflow reads them."""
    config = copy.deepcopy(CONFIG)
    cohort = load_cohort(sheet)
    study = read_study(cohort, config)
    asked = cohort.cells.counts, cohort.cells.gene_symbols
    paths = list(study.cells["source"].unique())
    sources = dict(zip(paths, joined([open_source(path, *asked) for path in paths]), strict=True))
    genes, _ = common_genes(list(sources.values()))
    named = study.cells.assign(cell=cell_names(sources, study.cells))
    counts, depth = read_counts(sources, named, genes)
    dense = counts.toarray()
    columns = [named[name].astype(str) for name in ("cell", "sample", "cell_type", "batch")]
    cells = {
        name: (*about, float(total), tuple(sorted(zip(genes, map(float, row), strict=True))))
        for name, *about, total, row in zip(*columns, depth, dense, strict=True)
    }
    table = study.samples.drop(columns="n_cells").astype(str)
    samples = {row[0]: row[1:] for row in table.itertuples(index=False, name=None)}
    texts = (one.message for one in (*cohort.warnings, *study.warnings))
    return Numbers(samples, cells, frozenset(texts))


# Changes of HDF5 files.


def _nodes(file: h5py.File, kind: type) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, node: names.append(name) if isinstance(node, kind) else None)
    return sorted(names)


def _put(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Replace a dataset and keep its attributes."""
    attrs = dict(file[name].attrs)
    text = h5py.string_dtype() if values.dtype == object else None
    del file[name]
    file.create_dataset(name, data=values, dtype=text)
    file[name].attrs.update(attrs)


def drop_dataset(path: Path, rng: Random) -> str:
    """Drop a dataset or a group."""
    with h5py.File(path, "a") as file:
        name = str(rng.choice(_nodes(file, object)))
        del file[name]
    return name


def drop_attribute(path: Path, rng: Random) -> str:
    """Drop an attribute of a group or a dataset."""
    with h5py.File(path, "a") as file:
        pairs = [(name, key) for name in _nodes(file, object) for key in file[name].attrs]
        if not pairs:
            return drop_dataset(path, rng)
        name, key = pairs[rng.integers(len(pairs))]
        del file[name].attrs[key]
    return f"{name}@{key}"


def change_length(path: Path, rng: Random) -> str:
    """Make a dataset one shorter or longer."""
    with h5py.File(path, "a") as file:
        names = [name for name in _nodes(file, h5py.Dataset) if file[name].shape]
        name = str(rng.choice(names))
        values = file[name][:]
        axis = int(rng.integers(values.ndim))
        longer = bool(rng.integers(2))
        index = np.arange(values.shape[axis] + (1 if longer else -1)) % max(values.shape[axis], 1)
        _put(file, name, np.take(values, index, axis=axis))
    return f"{name} {'longer' if longer else 'shorter'}"


def change_shape(path: Path, rng: Random) -> str:
    """Change what a sparse matrix says of its shape, or transpose a dense one."""
    with h5py.File(path, "a") as file:
        named = [name for name in _nodes(file, h5py.Group) if "shape" in file[name].attrs]
        if named:
            name = str(rng.choice(named))
            shape = file[name].attrs["shape"]
            new = [shape[::-1], shape + 1, shape - [0, 1], shape * 2][rng.integers(4)]
            file[name].attrs["shape"] = new
        elif "matrix/shape" in file:
            name = "matrix/shape"
            shape = file[name][:]
            _put(file, name, [shape[::-1], shape + 1, shape - [1, 0]][rng.integers(3)])
        else:
            name = "X"
            _put(file, name, file[name][:].T)
    return name


def change_dtype(path: Path, rng: Random) -> str:
    """Store numbers or text in another type."""
    with h5py.File(path, "a") as file:
        names = [name for name in _nodes(file, h5py.Dataset) if file[name].shape]
        name = str(rng.choice(names))
        values = file[name][:]
        if values.dtype.kind in "OS":
            texts = [v if isinstance(v, bytes) else str(v).encode() for v in values]
            _put(file, name, np.array(texts, "S"))
            return f"{name} fixed text"
        new = str(rng.choice(["i8", "i4", "u2", "f8", "f4", "?", "c8", "S8"]))
        _put(file, name, values.astype(new))
    return f"{name} {new}"


def change_encoding(path: Path, rng: Random) -> str:
    """Say that a part is encoded in another way."""
    with h5py.File(path, "a") as file:
        names = [name for name in _nodes(file, object) if "encoding-type" in file[name].attrs]
        if not names:
            return change_length(path, rng)
        name = str(rng.choice(names))
        kinds = [
            "csr_matrix",
            "csc_matrix",
            "array",
            "dataframe",
            "categorical",
            "dict",
            "new-2030",
        ]
        kind = str(rng.choice(kinds))
        file[name].attrs["encoding-type"] = kind
    return f"{name} {kind}"


def rename(path: Path, rng: Random) -> str:
    """Change case or blanks of the name of a part."""
    with h5py.File(path, "a") as file:
        name = str(rng.choice(_nodes(file, object)))
        parent, _, last = name.rpartition("/")
        new = [last.upper(), last.lower(), last.title(), last + " ", " " + last][rng.integers(5)]
        if new == last:
            new = last + "_"
        file.move(name, f"{parent}/{new}")
    return f"{name} -> {new!r}"


def change_obs(path: Path, rng: Random) -> str:
    """Write a missing code, blanks or another case into a column of obs."""
    if path.suffix != ".h5ad":
        return change_10x_text(path, rng)
    stored = ad.read_h5ad(path)
    column = str(rng.choice(["sample", "donor", "pool", "celltype"]))
    values = stored.obs[column].astype(str).to_numpy(object)
    level = rng.choice(np.unique(values))
    all_of_it = bool(rng.integers(2))
    rows = np.flatnonzero(values == level)[: None if all_of_it else 3]
    # A level that has another case everywhere is another name.
    ways = [str(rng.choice(CODES)), f" {level}", f"{level} "] + [level.lower()] * (not all_of_it)
    new = ways[rng.integers(len(ways))]
    values[rows] = new
    stored.obs[column] = pd.Categorical(values) if rng.integers(2) else values
    stored.write_h5ad(path)
    return f"obs {column}: {len(rows)} {level!r} -> {new!r}"


def change_10x_text(path: Path, rng: Random) -> str:
    """Write blanks or another case into a name of a cell or gene of 10x."""
    with h5py.File(path, "a") as file:
        name = str(rng.choice(["matrix/barcodes", "matrix/features/name", "matrix/features/id"]))
        texts = file[name].asstr()[:]
        row = rng.integers(len(texts))
        old = texts[row]
        texts[row] = [f" {old}", f"{old} ", old.lower()][rng.integers(3)]
        _put(file, name, np.array([text.encode() for text in texts], "S"))
    return f"{name}: {old!r}"


def reorder(path: Path, rng: Random) -> str:
    """Put cells and genes in another order, with their names."""
    if path.suffix == ".h5ad":
        stored = ad.read_h5ad(path)
        stored = stored[rng.permutation(stored.n_obs), rng.permutation(stored.n_vars)].copy()
        stored.write_h5ad(path)
        return "rows and columns"
    with h5py.File(path, "a") as file:
        group = file["matrix"]
        shape = tuple(group["shape"][:])
        parts = group["data"][:], group["indices"][:], group["indptr"][:]
        matrix = sparse.csc_matrix(parts, shape)
        rows, columns = (rng.permutation(n) for n in shape)
        matrix = matrix[rows][:, columns]
        for name in ("data", "indices", "indptr"):
            _put(file, f"matrix/{name}", getattr(matrix, name))
        _put(file, "matrix/barcodes", group["barcodes"][:][columns])
        for name in ("id", "name", "feature_type"):
            _put(file, f"matrix/features/{name}", group[f"features/{name}"][:][rows])
    return "rows and columns"


def compress(path: Path, rng: Random) -> str:
    """Compress a file under its name."""
    path.write_bytes(gzip.compress(path.read_bytes()))
    return "gzip"


# Changes of text.


def change_text(path: Path, rng: Random) -> str:
    """Change encoding, ends of lines or separators of a text file."""
    text = path.read_text()
    separator = "," if path.suffix == ".csv" else "\t"
    ways: dict[str, bytes] = {
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "no last end": text.rstrip("\n").encode(),
        "blank line at the end": (text + "\n").encode(),
        "semicolons": text.replace(separator, ";").encode(),
        "tabs": text.replace(separator, "\t").encode(),
        "spaces": text.replace(separator, " ").encode(),
        "bars": text.replace(separator, "|").encode(),
        "quotes": "\n".join(
            separator.join(f'"{field}"' for field in line.split(separator))
            for line in text.splitlines()
        ).encode(),
        "empty": b"",
        "latin-1": (text.rstrip("\n") + "\u00fc\n").encode("latin-1"),
    }
    way = str(rng.choice([*ways]))
    path.write_bytes(ways[way])
    return way


def change_lines(path: Path, rng: Random) -> str:
    """Drop, repeat or reorder lines, or put a header or a comment before them."""
    lines = path.read_text().splitlines()
    first = 1 if path.suffix in (".csv", ".mtx") else 0
    row = int(rng.integers(first, len(lines)))
    ways = ["repeat", "header", "cut"]
    # Without a row of the table of samples it is another study.
    ways += ["drop"] * (path.name != "samples.csv") + ["shuffle"] * (path.suffix == ".csv")
    way = str(rng.choice(ways))
    if way == "drop":
        del lines[row]
    elif way == "repeat":
        lines.insert(row, lines[row])
    elif way == "header":
        lines.insert(0, "x" if path.suffix != ".csv" else "a,b")
    elif way == "cut":
        lines[row] = lines[row][: len(lines[row]) // 2]
    else:
        lines[first:] = [lines[first + i] for i in rng.permutation(len(lines) - first)]
    path.write_text("\n".join(lines) + "\n")
    return f"{way} line {row}"


def change_field(path: Path, rng: Random) -> str:
    """Write a missing code, blanks or another case into a field of a table."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    row, column = rng.integers(len(table)), str(rng.choice(table.columns))
    old = table.loc[row, column]
    new = [str(rng.choice(CODES)), f" {old}", f"{old} ", old.lower(), "-9"][rng.integers(5)]
    table.loc[row, column] = new
    table.to_csv(path, index=False)
    return f"{column}: {old!r} -> {new!r}"


def change_columns(path: Path, rng: Random) -> str:
    """Drop, repeat, rename or reorder columns of a table."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    column = str(rng.choice(table.columns))
    way = str(rng.choice(["drop", "repeat", "upper", "blank", "shuffle", "empty column"]))
    if way == "drop":
        table = table.drop(columns=column)
    elif way == "repeat":
        table = pd.concat([table, table[[column]]], axis=1)
    elif way in ("upper", "blank"):
        table = table.rename(columns={column: column.upper() if way == "upper" else f" {column} "})
    elif way == "shuffle":
        table = table[rng.permutation(table.columns)]
    else:
        table[""] = ""
    table.to_csv(path, index=False)
    return f"{way} {column}"


def change_matrix_text(path: Path, rng: Random) -> str:
    """Change header, shape or entries of a MatrixMarket file."""
    lines = path.read_text().splitlines()
    size = next(number for number, line in enumerate(lines) if not line.startswith("%"))
    way = str(rng.choice(["kind", "shape", "order", "transpose", "tabs", "value", "float"]))
    rows, columns, n = map(int, lines[size].split())
    entries = [line.split() for line in lines[size + 1 :]]
    if way == "kind":
        kind = rng.choice(["pattern general", "integer symmetric", "complex general", "x y"])
        lines[0] = f"%%MatrixMarket matrix coordinate {kind}"
        way = str(kind)
    elif way == "shape":
        add = rng.integers(-1, 2, 3)
        add[rng.integers(3)] = 1
        lines[size] = f"{rows + add[0]} {columns + add[1]} {n + add[2]}"
    elif way == "transpose":
        lines[size] = f"{columns} {rows} {n}"
        entries = [[b, a, value] for a, b, value in entries]
    elif way == "order":
        entries = [entries[i] for i in rng.permutation(len(entries))]
    elif way == "tabs":
        lines[size] = lines[size].replace(" ", "\t")
    elif way == "value":
        entries[rng.integers(len(entries))][2] = str(rng.choice(["-1", "0.5", "NaN", "x", ""]))
    else:
        lines[0] = lines[0].replace("integer", "real")
        entries = [[a, b, f"{value}.0"] for a, b, value in entries]
    text = [*lines[: size + 1], *(" ".join(entry) for entry in entries)]
    path.write_text("\n".join(text) + "\n")
    return way


def misname(path: Path, rng: Random) -> str:
    """Take a file away, or change its name."""
    new = [path.name.upper(), f"GSM1_{path.name}", f"{path.name} ", None][rng.integers(4)]
    path.unlink() if new is None else path.rename(path.with_name(new))
    return str(new)


Change = Callable[[Path, Random], str]
OF_HDF5: tuple[Change, ...] = (
    *(drop_dataset, drop_attribute, change_length, change_shape, change_dtype, change_encoding),
    *(rename, change_obs, reorder, compress),
)
OF_TABLES: tuple[Change, ...] = (change_text, change_lines, change_field, change_columns)


def targets(folder: Path) -> Iterator[tuple[Path, tuple[Change, ...]]]:
    """Yield the files of a study that are changed, with the changes that they allow."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".h5ad", ".h5"):
            yield path, OF_HDF5
        elif path.suffix == ".csv":
            yield path, (*OF_TABLES, misname)
        elif path.suffix == ".mtx":
            yield path, (change_matrix_text, change_matrix_text, change_lines, misname)
        elif path.suffix == ".tsv":
            yield path, (change_text, change_lines, misname)


def outcome(sheet: Path, expected: Numbers) -> tuple[str, str]:
    """Return what becomes of a study that was changed, and what is said."""
    try:
        found = read(sheet)
    except InputError as error:
        said = "; ".join(problem.message for problem in error.problems)
        if not all(problem.message and problem.remedy for problem in error.problems):
            return "traceback", said
        return ("called damaged" if "damaged" in said else "refused"), said
    except Exception:
        return "traceback", traceback.format_exc(limit=-3)
    news = found.warnings - expected.warnings
    if found == expected:
        return "same", ""
    if news and found.within(expected):
        return "told", "; ".join(news)
    return "changed", ""


def mutants(n: int, seed: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield form, file and change, what was changed, outcome and what was said of `n` mutants."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as temporary:
        expected = {}
        for form in FORMS:
            whole = Path(temporary) / form
            whole.mkdir()
            expected[form] = read(write_study(whole, form))
        for number in range(n):
            form = FORMS[number % len(FORMS)]
            folder = Path(temporary) / "mutant"
            shutil.copytree(Path(temporary) / form, folder)
            files = list(targets(folder))
            path, changes = files[rng.integers(len(files))]
            change = changes[rng.integers(len(changes))]
            what = change(path, rng)
            name = str(path.relative_to(folder))
            found, said = outcome(folder / "sheet.yaml", expected[form])
            yield form, f"{name}: {change.__name__}", what, found, said.replace(str(folder), "")
            shutil.rmtree(folder)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", nargs="*", default=["changed", "traceback"], choices=OUTCOMES)
    asked = parser.parse_args()
    start, counts = time.perf_counter(), Counter()
    for form, where, what, found, said in mutants(asked.mutants, asked.seed):
        counts[where.split(": ")[1], found] += 1
        if found in asked.show:
            print(f"{found}: {form} {where} ({what}): {said}", flush=True)
    table = pd.Series(counts).unstack(fill_value=0).reindex(columns=OUTCOMES, fill_value=0)
    table.loc["all"] = table.sum()
    print(table.to_string())
    print(f"{asked.mutants} mutants in {time.perf_counter() - start:.0f} s")
    return int(bool(table.loc["all", ["changed", "traceback"]].sum()))


if __name__ == "__main__":
    sys.exit(main())
