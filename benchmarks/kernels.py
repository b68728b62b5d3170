"""Time and memory of our Weisfeiler-Lehman kernel beside GraKeL's on the same graphs, one thread.

    python benchmarks/kernels.py --graphs 100 400 --genes 2000 --density 0.01

Prints a table in Markdown. Each side runs in a process of its own with one thread; time is that of
the call, memory what it adds to the resident set at its peak (read from /proc, so Linux only).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path

os.environ |= dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"], "1"
)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import numpy as np

from popnet.memory import peak_memory
from popnet.networks import kernels


def simulate(n_graphs: int, n_genes: int, density: float) -> list[kernels.Graph]:
    """Return random graphs that share about half of their edges."""
    generator = np.random.default_rng(1)
    gene1, gene2 = np.triu_indices(n_genes, 1)
    n_edges = round(density * len(gene1))
    shared = generator.choice(len(gene1), n_edges // 2, replace=False)
    graphs = []
    for _ in range(n_graphs):
        own = generator.choice(len(gene1), n_edges - len(shared), replace=False)
        edges = np.union1d(shared, own)
        graphs.append((gene1[edges].astype(np.int32), gene2[edges].astype(np.int32)))
    return graphs


def measure(
    name: str, labels: str, sizes: tuple[int, int, float]
) -> tuple[np.ndarray, float, float]:
    """Return the kernel, seconds and growth of peak memory (MB)."""
    kernel = getattr(kernels, name)
    n_genes = sizes[1]
    graphs = simulate(*sizes)
    edge = (np.array([0], np.int32), np.array([1], np.int32))
    kernel([edge, edge], 2, labels)  # pays for the imports
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the simulation
    before = peak_memory()
    start = time.perf_counter()
    gram = kernel(graphs, n_genes, labels)
    return gram, time.perf_counter() - start, peak_memory() - before


def main() -> None:
    """Measure every size with both labels and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=int, nargs="+", default=[100])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--density", type=float, default=0.01)
    parser.add_argument(
        "--grakel-up-to", type=int, default=100, help="larger numbers of graphs without GraKeL"
    )
    options = parser.parse_args()

    processor = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1].splitlines()[0]
    print(
        f"{processor}, {os.cpu_count()} cores, one thread used; "
        f"{options.genes} genes, {100 * options.density:g} % of the pairs.\n"
    )
    print("| graphs | labels | GraKeL s | ours s | ratio | GraKeL MB | ours MB | difference |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for n_graphs in options.graphs:
        sizes = (n_graphs, options.genes, options.density)
        for labels in ("degree", "gene"):
            jobs = [("weisfeiler_lehman", labels, sizes)]
            if n_graphs <= options.grakel_up_to:
                jobs.append(("grakel_weisfeiler_lehman", labels, sizes))
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                (ours, seconds, memory), *grakel = pool.starmap(measure, jobs, chunksize=1)
            row = ["", f"{seconds:.2f}", "", "", f"{memory:.0f}", ""]
            if grakel:
                reference, its_seconds, its_memory = grakel[0]
                row = [
                    f"{its_seconds:.2f}",
                    f"{seconds:.2f}",
                    f"{its_seconds / seconds:.0f}",
                    f"{its_memory:.0f}",
                    f"{memory:.0f}",
                    f"{np.abs(ours - reference).max():.0e}",
                ]
            print(f"| {n_graphs} | {labels} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
