"""How long Snakemake takes to plan and to start a study, as samples grow.

    python benchmarks/planning.py --samples 100 1000 5000

Simulates a sheet and an h5ad file of its cells (annotations of every cell, one count in each), and
prints a tab-separated table: seconds of a dry-run before anything ran, from the command to the
start of the first job, of the first job (plan_bins), and of a dry-run once the bins are known and
the study is resolved, with the number of jobs that it plans. Memory is the peak of Snakemake's, or
of the job's, resident set. Donors, cell types and pools are stored as levels and their codes, names
of cells as text of variable length, as AnnData does.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import ROOT, in_child, machine

import h5py
import numpy as np
import pandas as pd
import yaml
from anndata.io import write_elem
from scipy import sparse

GENES, POOLS_OF = 2000, 16
LETTERS, BLOCK = np.frombuffer(b"ACGT", np.uint8), 1_000_000
COLUMNS = ("samples", "cells", "file_mb", "dry_run_s", "dry_run_cpu_s", "dry_run_mb")
COLUMNS += ("to_first_job_s", "plan_bins_s", "plan_bins_cpu_s", "plan_bins_mb")
COLUMNS += ("planned_dry_run_s", "planned_dry_run_cpu_s", "planned_dry_run_mb", "jobs")


def simulate(folder: Path, n_samples: int, cells_per_sample: int) -> None:
    """Write the sheet, its table and the cells, those of a pool in random order."""
    rng = np.random.default_rng(1)
    (folder / "config").mkdir()
    shutil.copy(ROOT / "config" / "config.yaml", folder / "config")
    names = np.array([f"donor {n}" for n in range(n_samples)])
    pd.DataFrame(
        {
            "id": names,
            "efficiency": rng.normal(size=n_samples),
            "outcome": rng.permutation(np.arange(n_samples) % 2).astype(bool),
            "sex": rng.choice(["female", "male"], n_samples),
            "age": rng.normal(60, 10, n_samples).round(1),
        }
    ).replace({"outcome": {True: "failed", False: "succeeded"}}).to_csv(
        folder / "table.csv", index=False
    )
    sheet = {
        "name": "scale",
        "cells": {
            "path": "cells.h5ad",
            "sample": "donor_id",
            "cell_type": "celltype",
            "batch": "pool_id",
        },
        "cell_types": ["T"],
        "samples": {"table": "table.csv", "id": "id"},
        "phenotypes": {
            "efficiency": {"type": "continuous"},
            "outcome": {"type": "binary", "case": "failed", "control": "succeeded"},
        },
        "covariates": {"sex": "categorical", "age": "numeric"},
    }
    (folder / "sheet.yaml").write_text(yaml.safe_dump(sheet))

    pool = np.arange(n_samples) // POOLS_OF
    pools = [f"pool {n}" for n in range(pool[-1] + 1)]
    n_cells = n_samples * cells_per_sample
    donor = np.concatenate(
        [
            rng.permutation(np.repeat(np.flatnonzero(pool == n).astype(np.int32), cells_per_sample))
            for n in range(len(pools))
        ]
    )
    obs = pd.DataFrame(
        {
            "donor_id": pd.Categorical.from_codes(donor, names),
            "celltype": pd.Categorical.from_codes(np.zeros(n_cells, np.int8), ["T"]),
            "pool_id": pd.Categorical.from_codes(pool[donor], pools),
            "n_counts": rng.poisson(5000, n_cells).astype(np.float32),
        }
    )
    counts = sparse.csr_matrix(
        (
            np.ones(n_cells, np.float32),
            rng.integers(GENES, size=n_cells, dtype=np.int32),
            np.arange(n_cells + 1),
        ),
        shape=(n_cells, GENES),
    )
    with h5py.File(folder / "cells.h5ad", "w") as file:
        write_elem(file, "X", counts)
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=[f"GENE{n}" for n in range(GENES)]))
        write_names(file["obs"], donor, rng)
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})


def write_names(obs: h5py.Group, donor: np.ndarray, rng: np.random.Generator) -> None:
    """Name the cells as anndata does, by text of variable length: a barcode and the donor."""
    name = obs.attrs["_index"]
    described = dict(obs[name].attrs) | {"encoding-type": "string-array"}
    del obs[name]
    names = obs.create_dataset(name, donor.shape, h5py.string_dtype())
    names.attrs.update(described)
    for start in range(0, len(donor), BLOCK):
        of_block = donor[start : start + BLOCK]
        letters = LETTERS[rng.integers(len(LETTERS), size=(len(of_block), 16), dtype=np.int8)]
        barcodes = letters.view("S16").ravel().tolist()
        names[start : start + BLOCK] = [
            b"%b-%d" % pair for pair in zip(barcodes, of_block.tolist(), strict=True)
        ]


def run(folder: Path, *arguments: str) -> tuple[float, float, float, float, str]:
    """Run Snakemake; return seconds, CPU seconds, peak MB, seconds to the first job, output."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles" / "default", "--config", "cohort=sheet.yaml"]
    first_log = folder / "logs" / "scale" / "plan_bins.log"
    started = float("nan")
    with (folder / "output").open("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*command, *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if np.isnan(started) and first_log.exists():
                started = time.perf_counter() - begin
            if pid:
                break
            time.sleep(0.02)
        seconds = time.perf_counter() - begin
        output.seek(0)
        text = output.read()
    if status:
        raise RuntimeError(text)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**10, started, text


def measure(folder: Path) -> list[str]:
    """Return the figures of one study."""
    seconds, cpu, memory, _, _ = run(folder, "--dry-run")
    # With the files that say that the cells were checked.
    resolved = ["plan_bins", "describe_samples", "resolve_gene_sets"]
    _, _, _, started, _ = run(folder, "--cores", "1", "--until", *resolved)
    table = pd.read_csv(folder / "results" / "scale" / "benchmarks" / "plan_bins.tsv", sep="\t")
    again, again_cpu, again_memory, _, text = run(folder, "--dry-run", "--quiet", "rules")
    jobs = re.findall(r"^total +(\d+)$", text, re.MULTILINE)[-1]
    figures = [seconds, cpu, memory, started, *table.loc[0, ["s", "cpu_time", "max_rss"]]]
    figures += [again, again_cpu, again_memory]
    return [*(f"{figure:.1f}" for figure in figures), jobs]


def main() -> None:
    """Simulate and measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--cells-per-sample", type=int, default=4000)
    parser.add_argument("--folder", type=Path, help="for the cells, which are removed again")
    options = parser.parse_args()
    print(f"# {machine()}")
    print(*COLUMNS, sep="\t", flush=True)
    for n_samples in options.samples:
        with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
            folder = Path(temporary)
            # In a process of its own: a child's peak memory counts from its parent's.
            in_child(simulate, folder, n_samples, options.cells_per_sample)
            size = f"{(folder / 'cells.h5ad').stat().st_size / 2**20:.0f}"
            row = measure(folder)
        n_cells = n_samples * options.cells_per_sample
        print(n_samples, n_cells, size, *row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
