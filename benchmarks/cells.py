"""Time and memory of preparing cells, from counts on disk to scaled expression, as cells grow.

    python benchmarks/cells.py --cells 50000 200000 650000 1300000

Simulates sparse h5ad files, a block of cells at a time (five different blocks, over and over),
whose samples are mixed within pools of 16, and runs what the rules select_genes and
prepare_expression run, each in a process of its own on one thread. Prints a tab-separated table;
memory is the peak of the resident set (read from /proc, so Linux only), libraries included.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import in_child, machine, measure

import h5py
import numpy as np
import pandas as pd
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from popnet.cells.bins import plan_bins
from popnet.cells.expression import prepare_sample, write_expression
from popnet.cells.formats import open_source
from popnet.cells.genes import sample_statistics, select_genes
from popnet.cells.sources import common_genes, read_blocks, read_samples

BLOCK, BLOCKS, POOL = 10_000, 5, 16
COLUMNS = ("cells", "samples", "file_mb", "stage", "seconds", "cpu_seconds", "peak_mb")
COLUMNS += ("written_mb",)


def simulate(folder: Path, n_cells: int, n_genes: int, per_sample: int, molecules: int) -> None:
    """Write counts of about `molecules` in a cell, and which sample each cell is of."""
    rng = np.random.default_rng(1)
    weight = np.cumsum(rng.lognormal(sigma=2, size=n_genes))
    blocks = []
    for _ in range(BLOCKS):
        n_molecules = rng.poisson(molecules * rng.lognormal(sigma=0.3, size=BLOCK))
        gene = np.searchsorted(weight, weight[-1] * rng.random(n_molecules.sum()))
        cell = np.repeat(np.arange(BLOCK), n_molecules)
        ones = np.ones(len(gene), np.float32)
        blocks.append(sparse.csr_matrix((ones, (cell, gene)), shape=(BLOCK, n_genes)))
    path = folder / "cells.h5ad"
    with h5py.File(path, "w") as file:
        for number, start in enumerate(range(0, n_cells, BLOCK)):
            block = blocks[number % BLOCKS][: n_cells - start]
            if start == 0:
                write_elem(file, "X", block)
            else:
                sparse_dataset(file["X"]).append(block)
        write_elem(file, "obs", pd.DataFrame(index=np.arange(n_cells).astype(str)))
        write_elem(file, "var", pd.DataFrame(index=[f"GENE{number}" for number in range(n_genes)]))
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    sample = np.arange(n_cells) // per_sample
    sample = sample[np.lexsort((rng.random(n_cells), sample // POOL))]
    names = np.array([f"donor {number}" for number in range(sample.max() + 1)])
    cells = pd.DataFrame(
        {
            "cell_type": "T",
            "sample": pd.Categorical.from_codes(sample, names),
            "batch": np.char.add("pool ", (sample // POOL).astype(str)),
            "source": str(path),
            "row": np.arange(n_cells),
            "cell": np.arange(n_cells).astype(str),
        }
    )
    binned, _, _ = plan_bins(cells, 1000, 1)
    binned.to_parquet(folder / "cells.parquet", index=False)


def select(folder: Path, n_selected: int) -> None:
    """Write the genes most variable over all cells."""
    cells = pd.read_parquet(folder / "cells.parquet")
    sources = {path: open_source(path) for path in cells["source"].unique()}
    genes, _ = common_genes(list(sources.values()))
    found = sample_statistics(read_blocks(sources, cells, genes))
    table = select_genes(list(found.values()), n_selected, 0, [], genes)
    table.to_parquet(folder / "genes.parquet")


def prepare(folder: Path) -> None:
    """Write the scaled expression of these genes."""
    cells = pd.read_parquet(folder / "cells.parquet")
    selected = list(pd.read_parquet(folder / "genes.parquet")["gene"])
    sources = {path: open_source(path) for path in cells["source"].unique()}
    genes, _ = common_genes(list(sources.values()))
    samples = (
        prepare_sample(counts, depth, rows, genes, selected)
        for rows, counts, depth in read_samples(sources, cells, genes)
    )
    write_expression(folder / "expression.h5ad", samples, selected)


def main() -> None:
    """Simulate and measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--selected", type=int, default=2000)
    parser.add_argument("--per-sample", type=int, default=4000, help="cells of each sample")
    parser.add_argument("--molecules", type=int, default=2500, help="counted in a cell, about")
    parser.add_argument("--folder", type=Path, help="for the files, which are removed again")
    options = parser.parse_args()

    print(f"# {machine()}, one thread used; {options.genes} genes")
    print(*COLUMNS, sep="\t", flush=True)
    for n_cells in options.cells:
        with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
            folder = Path(temporary)
            # Every molecule of another gene, and expression that does not compress.
            needed = n_cells * (8 * options.molecules + 4 * options.selected)
            free = shutil.disk_usage(folder).free
            if free < needed:
                sys.exit(f"{folder} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} needed")
            sizes = (n_cells, options.genes, options.per_sample, options.molecules)
            in_child(simulate, folder, *sizes)
            size = (folder / "cells.h5ad").stat().st_size / 2**20
            for function, arguments, made in (
                (select, (options.selected,), "genes.parquet"),
                (prepare, (), "expression.h5ad"),
            ):
                found = measure(function, folder, *arguments)
                figures = [
                    found.seconds,
                    found.cpu_seconds,
                    found.peak_mb,
                    (folder / made).stat().st_size / 2**20,
                ]
                row = [n_cells, -(-n_cells // options.per_sample), f"{size:.0f}"]
                row += [function.__name__, *(f"{figure:.0f}" for figure in figures)]
                print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
