"""Time and memory of a fit on a whole atlas, as cells and as features grow.

    python benchmarks/atlas.py --cells 10000 30000 100000 300000
    python benchmarks/atlas.py --features 30000 60000 120000 240000

Simulates sparse, log-normalised atlases on disk, trains siVAE on each with a fixed number of steps,
and prints a tab-separated table. Each row is measured in a process of its own, on one thread. Times
are of the CPU, which other work on the machine touches least; memory is the peak of the resident
set (read from /proc, so Linux only), libraries included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from measuring import in_child

import h5py
import numpy as np
import pandas as pd
import torch
from anndata import read_h5ad
from anndata.io import sparse_dataset, write_elem
from scipy import optimize, sparse

from popnet import sivae
from popnet.memory import peak_memory
from popnet.sivae import data

KINDS, PROGRAMMES = 12, 10
COLUMNS = (
    "cells",
    "features",
    "density_percent",
    "file_mb",
    "in_memory",
    "moments_s",
    "pca_input_s",
    "read_ms_per_minibatch",
    "cells_ms_per_step",
    "features_ms_per_step",
    "joint_ms_per_step",
    "fit_s",
    "embed_s",
    "start_mb",
    "peak_before_fit_mb",
    "peak_mb",
)


def simulate(path: Path, n_cells: int, n_genes: int, density: float) -> None:
    """Write log-normalised counts whose log rates have low rank, a few rows at a time."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=n_genes)
    loadings = rng.normal(scale=0.3, size=(PROGRAMMES, n_genes))
    kinds = rng.normal(size=(KINDS, PROGRAMMES))

    def log_rates(rng: np.random.Generator, n: int) -> np.ndarray:
        scores = kinds[rng.integers(KINDS, size=n)] + rng.normal(scale=0.5, size=(n, PROGRAMMES))
        return scores @ loadings + base

    sample = log_rates(rng, 2**20 // n_genes + 1)
    level = optimize.brentq(
        lambda level: np.exp(-np.exp(sample + level)).mean() - (1 - density), -20, 5
    )
    at_once = max(1, 2**23 // n_genes)
    with h5py.File(path, "w") as file:
        for start in range(0, n_cells, at_once):
            rates = np.exp(log_rates(rng, min(at_once, n_cells - start)) + level)
            cells = sparse.csr_matrix(rng.poisson(rates), dtype=np.float32)
            totals = np.asarray(cells.sum(1)).ravel().clip(1)
            cells = sparse.csr_matrix(sparse.diags_array(np.float32(1e4) / totals) @ cells).log1p()
            if start == 0:
                write_elem(file, "X", cells)
            else:
                sparse_dataset(file["X"]).append(cells)
        write_elem(file, "obs", pd.DataFrame(index=np.arange(n_cells).astype(str)))
        write_elem(file, "var", pd.DataFrame(index=np.arange(n_genes).astype(str)))
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})


def figures_of(path: Path, n_steps: int, genes_per_step: int | None) -> dict[str, str]:
    """Return the row of the table for one atlas."""
    start_memory = peak_memory()
    settings = sivae.settings_for(steps=(n_steps,) * 3, genes_per_step=genes_per_step)
    adata = read_h5ad(path, backed="r")
    cells = data.open_cells(adata)
    rows, generator = np.arange(cells.n_cells), torch.Generator().manual_seed(0)
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return clock[-1] - clock[-2]

    transform = data.fit_transform(cells, rows, settings)
    moments = lap()
    data.feature_input(
        cells, rows, transform, settings.feature_input, np.zeros(len(rows)), generator
    )
    components = lap()
    size = min(settings.minibatch, cells.n_cells)
    n_read = cells.n_cells // size
    for _ in data.streamed_minibatches(cells, rows, size, n_read, generator):
        pass
    reading = lap()
    before = peak_memory()

    seen: dict[str, list[tuple[int, float]]] = {}
    fitted = sivae.fit(
        adata,
        settings,
        progress=lambda stage, step, *_: (
            seen.setdefault(stage, []).append((step, time.process_time()))
        ),
    )
    fit = lap()
    fitted.embed(adata)
    embedding = lap()
    per_step = {
        stage: (calls[-1][1] - calls[0][1]) / (calls[-1][0] - calls[0][0])
        for stage, calls in seen.items()
    }
    density = h5py.File(path)["X/data"].size / cells.n_cells / cells.n_genes
    return {
        "cells": f"{cells.n_cells}",
        "features": f"{cells.n_genes}",
        "density_percent": f"{100 * density:.1f}",
        "file_mb": f"{path.stat().st_size / 2**20:.0f}",
        "in_memory": "yes" if cells.resident else "no",
        "moments_s": f"{moments:.1f}",
        "pca_input_s": f"{components:.1f}",
        "read_ms_per_minibatch": f"{1e3 * reading / n_read:.1f}",
        **{f"{stage}_ms_per_step": f"{1e3 * s:.0f}" for stage, s in per_step.items()},
        "fit_s": f"{fit:.0f}",
        "embed_s": f"{embedding:.1f}",
        "start_mb": f"{start_memory:.0f}",
        "peak_before_fit_mb": f"{before:.0f}",
        "peak_mb": f"{peak_memory():.0f}",
    }


def main() -> None:
    """Simulate and measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="*", default=[], help="atlases of so many cells")
    parser.add_argument("--genes", type=int, default=2000, help="genes of these atlases")
    parser.add_argument("--gene-density", type=float, default=0.1, help="share that is not zero")
    parser.add_argument("--features", type=int, nargs="*", default=[], help="of so many features")
    parser.add_argument("--feature-cells", type=int, default=8000, help="cells of these atlases")
    parser.add_argument("--feature-density", type=float, default=0.01)
    parser.add_argument("--genes-per-step", type=int, help="512, as in the fast plan, by default")
    parser.add_argument("--steps", type=int, default=30, help="steps of each stage")
    parser.add_argument("--folder", type=Path, help="for the atlases, which are removed again")
    options = parser.parse_args()
    atlases = [(n, options.genes, options.gene_density) for n in options.cells]
    atlases += [(options.feature_cells, n, options.feature_density) for n in options.features]
    if not atlases:
        parser.error("give --cells, --features or both")

    print(f"# {options.steps} steps of each stage")
    print(*COLUMNS, sep="\t", flush=True)
    for atlas in atlases:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / "atlas.h5ad"
            in_child(simulate, path, *atlas)
            row = in_child(figures_of, path, options.steps, options.genes_per_step)
        print(*(row[column] for column in COLUMNS), sep="\t", flush=True)


if __name__ == "__main__":
    main()
