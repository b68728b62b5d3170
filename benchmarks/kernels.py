"""Time and memory of our Weisfeiler-Lehman kernel beside GraKeL's on the same graphs, one thread.

    python benchmarks/kernels.py --graphs 100 400 --genes 2000 --density 0.01
    python benchmarks/kernels.py --sums --graphs 2000 4000 --genes 650

With --sums: the sums of every kernel over samples of four bins, from blocks or features as
`map_networks` makes them, beside those of the whole matrix of bins.

Prints a table in Markdown. Each side runs in a process of its own with one thread; time is that of
the call, memory what it adds to the resident set at its peak (read from /proc, so Linux only).
"""

from __future__ import annotations

import argparse
from itertools import product

from measuring import Measured, in_child, machine, timed

import numpy as np
import pandas as pd

from popnet.networks import kernels, maps

BINS = 4


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


def run(name: str, labels: str, sizes: tuple[int, int, float]) -> Measured:
    """Return the kernel and what it needed."""
    kernel = getattr(kernels, name)
    n_genes = sizes[1]
    graphs = simulate(*sizes)
    edge = (np.array([0], np.int32), np.array([1], np.int32))
    kernel([edge, edge], 2, labels)  # pays for the imports
    return timed(kernel, graphs, n_genes, labels)


def summed(kernel: str, whole: bool, sizes: tuple[int, int, float]) -> Measured:
    """Return a kernel summed over samples, from the whole matrix or not, and what it needed."""
    graphs, n_genes = simulate(*sizes), sizes[1]
    centrality = np.random.default_rng(2).normal(size=(len(graphs), n_genes))
    names = np.arange(len(graphs)) // BINS
    groups = pd.DataFrame({"samples": names, "donors": names, "batches": names % 2})

    def sums() -> np.ndarray:
        if whole:
            gram = maps.gram_matrix(kernel, graphs, n_genes, centrality)
            return kernels.sum_blocks([gram], groups).of_samples
        return maps.kernel_sums(kernel, graphs, n_genes, centrality, groups).of_samples

    return timed(sums)


def print_sums(options: argparse.Namespace) -> None:
    """Print the table of sums over samples."""
    print("| graphs | kernel | whole s | sums s | whole MB | sums MB | difference |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for n_graphs, kernel in product(options.graphs, kernels.KERNEL_NAMES):
        sizes = (n_graphs, options.genes, options.density)
        whole, parts = (in_child(summed, kernel, way, sizes) for way in (True, False))
        row = [f"{x.seconds:.1f}" for x in (whole, parts)]
        row += [f"{x.added_mb:.0f}" for x in (whole, parts)]
        difference = np.abs(whole.value - parts.value).max()
        print(f"| {n_graphs} | {kernel} | {' | '.join(row)} | {difference:.0e} |", flush=True)


def main() -> None:
    """Measure every size with both labels and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=int, nargs="+", default=[100])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--density", type=float, default=0.01)
    parser.add_argument(
        "--grakel-up-to", type=int, default=100, help="larger numbers of graphs without GraKeL"
    )
    parser.add_argument("--sums", action="store_true", help="over samples, beside whole matrices")
    options = parser.parse_args()

    print(
        f"{machine()}, one thread used; "
        f"{options.genes} genes, {100 * options.density:g} % of the pairs.\n"
    )
    if options.sums:
        print_sums(options)
        return
    print("| graphs | labels | GraKeL s | ours s | ratio | GraKeL MB | ours MB | difference |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for n_graphs in options.graphs:
        sizes = (n_graphs, options.genes, options.density)
        for labels in ("degree", "gene"):
            jobs = [("weisfeiler_lehman", labels, sizes)]
            if n_graphs <= options.grakel_up_to:
                jobs.append(("grakel_weisfeiler_lehman", labels, sizes))
            ours, *grakel = (in_child(run, *job) for job in jobs)
            row = ["", f"{ours.seconds:.2f}", "", "", f"{ours.added_mb:.0f}", ""]
            if grakel:
                theirs = grakel[0]
                row = [
                    f"{theirs.seconds:.2f}",
                    f"{ours.seconds:.2f}",
                    f"{theirs.seconds / ours.seconds:.0f}",
                    f"{theirs.added_mb:.0f}",
                    f"{ours.added_mb:.0f}",
                    f"{np.abs(ours.value - theirs.value).max():.0e}",
                ]
            print(f"| {n_graphs} | {labels} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
