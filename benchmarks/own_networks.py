"""How long a study of the user's own networks takes, from the table to the report.

    python benchmarks/own_networks.py --samples 200 --edges 100000

Makes a Parquet table of one network per sample, runs the workflow on it without cells, and prints
tab-separated tables: seconds, CPU seconds and memory of a dry-run (which reads and checks every
row) and of the study, the same of the slowest jobs, and what was found of the edges that were
planted. Networks have hubs, as those of real tools do: without any, graphs would hold every gene.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import ROOT, in_child, machine

import numpy as np
import pandas as pd
import yaml

PLANTED = 100
SLOWEST = 8


def simulate(folder: Path, n_samples: int, n_edges: int, n_genes: int) -> set[frozenset[str]]:
    """Write sheet and table, and return the edges that cases have stronger weights of."""
    rng = np.random.default_rng(1)
    genes = np.array([f"GENE{number}" for number in range(n_genes)])
    activity = rng.gamma(0.5, size=n_genes)
    pairs = np.zeros(0, np.int64)
    while len(pairs) < n_edges:
        drawn = rng.choice(n_genes, (2, 2 * n_edges), p=activity / activity.sum())
        first, second = np.sort(drawn, axis=0)
        pairs = np.append(pairs, (first * n_genes + second)[first < second])
        pairs = np.unique(pairs)
    first, second = np.divmod(rng.permutation(pairs)[:n_edges], n_genes)
    case = np.arange(n_samples) % 2
    ids = np.array([f"donor {number}" for number in range(n_samples)])
    mean = np.abs(rng.normal(size=n_edges)) * np.sqrt(activity[first] * activity[second])
    weights = np.tile(mean, (n_samples, 1)) + rng.normal(0, 0.5, (n_samples, n_edges))
    weights[:, :PLANTED] += 0.5 * case[:, None]
    columns = {
        "sample": pd.Categorical.from_codes(np.repeat(np.arange(n_samples), n_edges), ids),
        "gene1": pd.Categorical.from_codes(np.tile(first, n_samples), genes),
        "gene2": pd.Categorical.from_codes(np.tile(second, n_samples), genes),
        "weight": weights.ravel().astype(np.float32),
    }
    pd.DataFrame(columns).to_parquet(folder / "own.parquet")
    samples = [
        {"id": str(id), "phenotypes": {"ill": int(code)}}
        for id, code in zip(ids, case, strict=True)
    ]
    sheet = {
        "name": "own",
        "own_networks": {"own": {"path": "own.parquet"}},
        "samples": samples,
        "phenotypes": {"ill": {"type": "binary"}},
        "gene_sets": {f"set {n}": {"genes": genes[n : n + 50].tolist()} for n in range(20)},
    }
    (folder / "sheet.yaml").write_text(yaml.safe_dump(sheet))
    (folder / "config").mkdir()
    shutil.copy(ROOT / "config" / "config.yaml", folder / "config")
    planted = zip(genes[first[:PLANTED]], genes[second[:PLANTED]], strict=True)
    return {frozenset(pair) for pair in planted}


def run(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Run Snakemake, and return seconds, CPU seconds and the memory of its largest process."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), *arguments]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--config", "cohort=sheet.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def jobs(folder: Path) -> pd.DataFrame:
    """Return what each job needed, the slowest first."""
    of_jobs = folder / "results/own/benchmarks"
    files = sorted(of_jobs.rglob("*.tsv"))
    tables = [
        pd.read_csv(file, sep="\t").assign(job=str(file.relative_to(of_jobs))) for file in files
    ]
    found = pd.concat(tables)[["job", "s", "cpu_time", "max_rss"]]
    return found.sort_values("s", ascending=False).head(SLOWEST)


def main() -> None:
    """Make the table, run the study and print what it needed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--edges", type=int, default=100_000, help="of every sample")
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    print(f"# {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        planted = simulate(folder, arguments.samples, arguments.edges, arguments.genes)
        print("step\tseconds\tcpu_seconds\tmax_mb")
        cores = ["--cores", str(arguments.cores)]
        for step, options in (("dry-run", ["-n"]), ("study", [])):
            needed = in_child(run, folder, *cores, *options)
            print(step, *(f"{number:.0f}" for number in needed), sep="\t", flush=True)
        print(jobs(folder).to_csv(sep="\t", index=False, float_format="%.1f"), end="")
        tests = pd.read_csv(folder / "results/own/all/associations/ill/edges.tsv", sep="\t")
        hits = tests[(tests["q"] <= 0.05) & (tests["gene_set"] == "all")]
        found = {frozenset(pair) for pair in hits[["gene1", "gene2"]].to_numpy()}
        print("tested\tcalled\tplanted\tfound")
        n_tested = (tests["gene_set"] == "all").sum()
        print(n_tested, len(found), len(planted), len(found & planted), sep="\t")


if __name__ == "__main__":
    main()
