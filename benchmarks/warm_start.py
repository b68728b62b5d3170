"""Bins whose siVAE starts from that of the cohort, beside bins whose siVAE starts from nothing.

    python benchmarks/warm_start.py full --cells a.h5ad --sample donor_id --keep runs
    python benchmarks/warm_start.py simulated --keep runs
    python benchmarks/warm_start.py steps --cells a.h5ad --sample donor_id --keep runs
    python benchmarks/warm_start.py centrality --cells a.h5ad --sample donor_id --keep runs
    python benchmarks/warm_start.py stack --keep runs

Each prints a tab-separated table; `... COMMAND --help` says what it can vary. What is finished is
kept in the folder that --keep names: after an interruption give the same command again. After a
change of the code, name another folder. One thread; seconds are those of the processor, because
other work on the machine does not count in them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from measuring import machine

import anndata as ad
import numpy as np
import pandas as pd
import torch
from scipy import stats
from scipy.sparse import csr_matrix

from popnet import sivae
from popnet.cells.expression import scale
from popnet.cells.genes import normalise
from popnet.files import atomic
from popnet.networks.centrality import degree_centrality
from popnet.networks.reliability import icc
from popnet.sivae import Fit, Settings, training
from popnet.sivae.covariance import covariance_factor
from popnet.sivae.settings import WARM_STEPS
from popnet.sivae.shared import shared_settings

# Cells of a bin that neither its fits nor the model that they start from see.
HELDOUT = 0.1
CLOSEST = 0.01
# Genes of a module whose wiring is planted, the share of a bin's cells that gain or lose it, and
# random sets of as many genes that its change is compared with.
MODULE, GAINED, RANDOM_SETS = 20, 0.25, 500
KINDS = ("plain", "gain", "loss")


def kept(folder: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the arrays of a fit, made once."""
    path = folder / f"{key}.npz"
    if not path.exists():
        made = make()
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **made)
        print(f"# {key}: {float(made['seconds']):.0f} s", flush=True)
    with np.load(path) as stored:
        return dict(stored)


def timed_fits(
    data: Sequence[np.ndarray], settings: Settings, seeds: Sequence[int], start: Fit | None = None
) -> tuple[list[Fit], float]:
    """Return fits that train together, and the processor's seconds for each."""
    began = time.process_time()
    fits = sivae.fit_stack(data, settings, seeds, "cpu", start=start)
    for fit in fits:
        if not isinstance(fit, Fit):
            raise fit
    return [fit for fit in fits if isinstance(fit, Fit)], (time.process_time() - began) / len(data)


def strongest(weights: np.ndarray) -> np.ndarray:
    """Return which pairs are the 1 % of largest absolute weight, by their number."""
    strength = np.abs(weights[np.triu_indices(len(weights), 1)])
    n_edges = round(CLOSEST * len(strength))
    return np.sort(np.argpartition(-strength, n_edges)[:n_edges])


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jaccard index of two sets of edges."""
    n_both = len(np.intersect1d(one, other))
    return n_both / max(len(one) + len(other) - n_both, 1)


# Bins of full size


def read_samples(
    path: str, column: str, depth: str | None, n_genes: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the standardised expression of each sample's cells, of the genes that vary most."""
    data = ad.read_h5ad(path)
    expression = normalise(csr_matrix(data.X), None if depth is None else data.obs[depth])
    mean = np.asarray(expression.mean(0)).ravel()
    variance = np.asarray(expression.multiply(expression).mean(0)).ravel() - mean**2
    genes = np.sort(np.argsort(-variance)[:n_genes])
    expression = expression[:, genes].astype(np.float32)
    samples = data.obs[column].astype(str).to_numpy()
    rng = np.random.default_rng(0)
    found = {}
    for sample in sorted(set(samples)):
        rows = rng.permutation(np.flatnonzero(samples == sample))
        found[sample] = scale(expression[rows].toarray())
    return found, genes


def plant(cells: np.ndarray, module: np.ndarray, kind: str) -> np.ndarray:
    """Return cells in which a module's genes are wired together, or wired no more.

    Every gene keeps its values in these cells; only which cell has which changes.
    """
    rng = np.random.default_rng(5)
    changed = cells.copy()
    share = GAINED if kind == "gain" else 1.0
    rows = rng.permutation(len(cells))[: round(share * len(cells))]
    common = rng.normal(size=len(rows))
    for gene in module:
        if kind == "loss":
            changed[rows, gene] = cells[rng.permutation(rows), gene]
        else:
            order = np.argsort(0.8 * common + 0.6 * rng.normal(size=len(rows)))
            changed[rows[order], gene] = np.sort(cells[rows, gene])
    return changed


def module_of(cells: np.ndarray, kind: str) -> np.ndarray:
    """Return genes of middling correlation, or (for a loss) strongly correlated ones."""
    # The genes are standardised; some do not vary.
    correlation = np.abs(cells.T @ cells / len(cells))
    np.fill_diagonal(correlation, 0)
    if kind == "loss":
        closest = np.sort(correlation, 1)[:, -MODULE:].mean(1)
        seed = int(np.argsort(-closest)[8])
        return np.sort(np.append(np.argsort(-correlation[seed])[: MODULE - 1], seed))
    middling = np.argsort(correlation.mean(1))
    rng = np.random.default_rng(7)
    return np.sort(rng.permutation(middling[len(middling) // 4 : -len(middling) // 4])[:MODULE])


def summary(
    fit: Fit, cells: np.ndarray, unseen: np.ndarray, modules: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return what the table needs of a fit of a bin."""
    factor = covariance_factor(fit, cells)
    weights = factor @ factor.T
    error = np.square(fit.reconstruct(unseen) - unseen).mean() / unseen.var(0).mean()
    rng = np.random.default_rng(9)
    sets = [
        *modules.values(),
        *(rng.permutation(len(weights))[:MODULE] for _ in range(RANDOM_SETS)),
    ]
    return {
        "edges": strongest(weights),
        "heldout": error,
        "wiring": np.array([wiring(weights, genes) for genes in sets]),
        "centrality": degree_centrality(fit.reconstruction_error, fit.variance),
        "active": fit.active_dimensions,
    }


def wiring(weights: np.ndarray, genes: np.ndarray) -> float:
    """Return the mean weight, with its sign, of the pairs of some genes."""
    block = weights[np.ix_(genes, genes)]
    return float((block.sum() - np.trace(block)) / (len(genes) * (len(genes) - 1)))


def full(options: argparse.Namespace) -> None:
    """Compare the ways to train bins of one cohort."""
    options.keep.mkdir(parents=True, exist_ok=True)
    samples, _ = read_samples(options.cells, options.sample, options.depth, options.genes)
    n_unseen = round(HELDOUT * options.size)
    large = [name for name, cells in samples.items() if len(cells) >= options.size]
    large = sorted(large, key=lambda name: -len(samples[name]))[: options.bins]
    settings = sivae.settings_for(standardise=False)
    # As many cells of every sample; of those with a bin, none that the bin holds out.
    least = min(len(cells) for cells in samples.values())
    least = min(least, n_unseen + options.pool // len(samples))
    pooled = np.concatenate([cells[n_unseen:least] for cells in samples.values()])
    name = Path(options.cells).stem.split("_")[0]
    starts: dict[tuple[str, int], Fit] = {}

    def start_of(width: str, number: int) -> Fit:
        folder = options.keep / f"{name}-start-{width}-{number}"
        if (width, number) not in starts:
            if not (folder / "fit.json").exists():
                (fit,), seconds = timed_fits([pooled], widths[width], [100 + number])
                fit.save(folder)
                print(f"# start, {width}, {len(pooled):,} cells: {seconds:.0f} s", flush=True)
            starts[width, number] = sivae.load(folder)
        return starts[width, number]

    widths = {"full": settings, "half": replace(settings, hidden=(512, 256, 64))}
    # way: width, number of the start, seed, whether the KL weight rises again.
    ways = {
        "from nothing": [("full", None, seed, True) for seed in (1, 2)],
        "half width, from nothing": [("half", None, seed, True) for seed in (1, 2)],
        "from the cohort's": [("full", 1, seed, True) for seed in (1, 2)],
        "from another seed of it": [("full", number, 1, True) for number in (1, 2)],
        "from the cohort's, whole KL at once": [("full", 1, seed, False) for seed in (1, 2)],
    }
    if unknown := set(options.only or ()) - set(ways):
        raise SystemExit(f"--only: {', '.join(unknown)} is none of: {', '.join(ways)}")
    rows = []
    for way, fits in ways.items():
        if options.only and way not in options.only:
            continue
        for sample in large:
            cells = samples[sample][: options.size]
            found: dict[tuple[str, int], dict[str, Any]] = {}
            modules = {kind: module_of(samples[sample], kind) for kind in KINDS[1:]}
            for kind in ("plain", *options.changes):
                for position, (width, number, seed, restart) in enumerate(fits):
                    if position and kind != "plain":
                        continue

                    def made(
                        kind: str = kind,
                        modules: dict[str, np.ndarray] = modules,
                        width: str = width,
                        number: int | None = number,
                        seed: int = seed,
                        restart: bool = restart,
                        cells: np.ndarray = cells,
                    ) -> dict[str, Any]:
                        start = None if number is None else start_of(width, number)
                        own = cells if kind == "plain" else plant(cells, modules[kind], kind)
                        # As if the whole weight were there from the first step.
                        training.WARM_UP_STEPS = 1000 if restart else 1
                        trained = own[n_unseen:]
                        (fit,), seconds = timed_fits([trained], widths[width], [seed], start)
                        training.WARM_UP_STEPS = 1000
                        return summary(fit, trained, own[:n_unseen], modules) | {"seconds": seconds}

                    key = f"{name}-{sample.split('|')[0]}-{kind}-{width}-{number}-{seed}-{restart}"
                    found[kind, position] = kept(options.keep, key, made)
            rows.append({"way": way, "bin": sample.split("|")[0]} | compared(found))
    print(machine())
    print(pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.4g"), end="")


def compared(found: dict[tuple[str, int], dict[str, Any]]) -> dict[str, float]:
    """Return a row of the table of `full`."""
    one, other = found["plain", 0], found["plain", 1]
    row = {
        "heldout_error": np.mean([one["heldout"], other["heldout"]]),
        "edges_other_seed": jaccard(one["edges"], other["edges"]),
        "centrality_other_seed": stats.spearmanr(
            one["centrality"], other["centrality"], nan_policy="omit"
        ).statistic,
        "active_dimensions": float(one["active"]),
        "seconds": np.mean([one["seconds"], other["seconds"]]),
    }
    for position, kind in enumerate(KINDS[1:]):
        if (kind, 0) not in found:
            continue
        # Of the same seed and module, without and with the change; random sets give the noise.
        before, after = one["wiring"], found[kind, 0]["wiring"]
        noise = (after - before)[len(KINDS) - 1 :].std()
        row[f"{kind}_before"] = float(before[position])
        row[f"{kind}_after"] = float(after[position])
        row[f"{kind}_z"] = float((after - before)[position] / noise)
    return row


# Simulated cohorts


def simulated_bins(
    n_bins: int, n_cells: int, n_genes: int, kind: str, seed: int, share: float = 0.5
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return bins of five programmes of genes, and which bins gain or lose a module's wiring."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(5, n_genes)) * (rng.random((5, n_genes)) < 0.3) * 0.6
    changed = np.arange(n_bins) % 2 == 1
    bins = []
    for number in range(n_bins):
        own = loadings * rng.normal(1, 0.1, size=(5, 1))
        x = rng.normal(size=(n_cells, 5)) @ own + rng.normal(size=(n_cells, n_genes))
        has = share * (changed[number] == (kind == "gain"))
        wired = rng.random(n_cells) < has
        common = rng.normal(size=(n_cells, 1)) * x[:, :MODULE].std(0)
        x[:, :MODULE] = np.where(wired[:, None], 0.6 * x[:, :MODULE] + 0.8 * common, x[:, :MODULE])
        bins.append(scale(x.astype(np.float32)))
    return bins, changed


def small_settings(**changes: Any) -> Settings:
    """Return settings of small networks, which fit bins of a few hundred cells and genes."""
    small = {"latent": 16, "hidden": (128, 64), "steps": (250, 150, 500), "minibatch": 64}
    return sivae.settings_for(standardise=False, **small | changes)


def simulated(options: argparse.Namespace) -> None:
    """Test all pairs of genes between bins with and without the wiring of a module."""
    options.keep.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in ("gain", "loss"):
        for cohort in range(options.cohorts):
            shape = options.bins, options.size, options.genes
            label = "-".join(map(str, [*shape, options.share]))
            bins, changed = simulated_bins(*shape, kind, cohort, options.share)
            settings = small_settings()
            pooled = np.concatenate(bins)
            start: list[Fit] = []

            def start_of(
                start: list[Fit] = start, pooled: np.ndarray = pooled, cohort: int = cohort
            ) -> Fit:
                if not start:
                    settings = small_settings(steps=(1000, 600, 2000), minibatch=128)
                    start.append(timed_fits([pooled], settings, [cohort])[0][0])
                return start[0]

            for way in ("from nothing", "from the cohort's", "from the cohort's, whole KL at once"):

                def made(
                    way: str = way,
                    bins: list[np.ndarray] = bins,
                    start_of: Any = start_of,
                    settings: Settings = settings,
                ) -> dict[str, Any]:
                    training.WARM_UP_STEPS = 1 if "whole" in way else 1000
                    first = None if way == "from nothing" else start_of()
                    seeds = range(len(bins))
                    fits, seconds = [], 0.0
                    for at in range(0, len(bins), 8):
                        some, each = timed_fits(
                            bins[at : at + 8], settings, seeds[at : at + 8], first
                        )
                        fits += some
                        seconds += each * len(some) / len(bins)
                    training.WARM_UP_STEPS = 1000
                    factors = [covariance_factor(f, x) for f, x in zip(fits, bins, strict=True)]
                    upper = np.triu_indices(options.genes, 1)
                    weights = [(factor @ factor.T)[upper] for factor in factors]
                    return {"weights": np.float32(weights), "seconds": seconds}

                key = f"simulated-{kind}-{cohort}-{label}-{way}"
                made_once = kept(options.keep, key, made)
                row = {"kind": kind, "cohort": cohort, "way": way}
                rows.append(row | called(made_once, changed, options.genes))
    print(machine())
    table = pd.DataFrame(rows).groupby(["kind", "way"], sort=False).mean(numeric_only=True)
    table = table.drop(columns="cohort").reset_index()
    print(table.to_csv(sep="\t", index=False, float_format="%.4g"), end="")


def called(found: dict[str, Any], changed: np.ndarray, n_genes: int) -> dict[str, float]:
    """Return how many pairs a t test with BH calls, by how many of their genes are the module's."""
    weights = found["weights"]
    upper = np.triu_indices(n_genes, 1)
    touched = (upper[0] < MODULE).astype(int) + (upper[1] < MODULE)
    tested = np.abs(weights).mean(0)
    tested = tested >= np.quantile(tested, 0.8)
    p = stats.ttest_ind(weights[changed], weights[~changed]).pvalue
    hit = np.zeros(len(p), bool)
    hit[tested] = stats.false_discovery_control(np.nan_to_num(p[tested], nan=1)) < 0.05
    mean = weights[:, touched == 2].mean(1)
    return {
        "module_t": stats.ttest_ind(mean[changed], mean[~changed]).statistic,
        "in_module_called": hit[touched == 2].sum(),
        "in_module_tested": tested[touched == 2].sum(),
        "one_gene_called": hit[touched == 1].sum(),
        "none_called": hit[touched == 0].sum(),
        "none_tested": tested[touched == 0].sum(),
        "seconds_per_bin": float(found["seconds"]),
    }


# Steps and widths of small bins


def steps(options: argparse.Namespace) -> None:
    """Compare numbers of steps and widths of the networks for bins of few cells."""
    options.keep.mkdir(parents=True, exist_ok=True)
    samples, _ = read_samples(options.cells, options.sample, options.depth, options.genes)
    sample = max(samples, key=lambda name: len(samples[name]))
    most = max(options.sizes)
    unseen, rest = samples[sample][most : 2 * most], samples[sample][2 * most :]
    pooled = [cells[: len(rest)] for name, cells in samples.items() if name != sample]
    plan = sivae.settings_for(standardise=False)
    widths = {"full": plan, "small": replace(plan, hidden=(256, 128, 64), latent=16)}
    starts: dict[str, Fit] = {}
    rows = []
    for size, width, warm, share in product(
        options.sizes, widths, (True, False), (0.125, 0.25, 0.5, 1.0)
    ):
        own = widths[width]
        n_steps = tuple(max(1, round(share * n)) for n in own.steps)
        if warm:
            n_steps = (*own.steps[:2], round(share * WARM_STEPS))

        def made(
            size: int = size,
            width: str = width,
            warm: bool = warm,
            n_steps: tuple[int, ...] = n_steps,
        ) -> dict[str, Any]:
            if warm and width not in starts:
                cells = np.concatenate([rest, *pooled])
                starts[width] = timed_fits([cells], widths[width], [100])[0][0]
            settings = widths[width].with_steps(n_steps)
            cells = samples[sample][:size]
            fits, seconds = timed_fits(
                [cells, cells], settings, [1, 2], starts[width] if warm else None
            )
            found = [summary(fit, cells, unseen, {}) for fit in fits]
            return {
                "seconds": seconds,
                "heldout": np.mean([one["heldout"] for one in found]),
                "edges": jaccard(found[0]["edges"], found[1]["edges"]),
            }

        name = Path(options.cells).stem.split("_")[0]
        found = kept(options.keep, f"steps-{name}-{size}-{width}-{warm}-{share}", made)
        about = {"cells": size, "width": width, "start": "cohort" if warm else "nothing"}
        of_fit = {
            "heldout_error": float(found["heldout"]),
            "edges_other_seed": float(found["edges"]),
            "seconds": float(found["seconds"]),
        }
        rows.append(about | {"joint_steps": n_steps[-1]} | of_fit)
    print(machine())
    print(pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.4g"), end="")


def centrality(options: argparse.Namespace) -> None:
    """Compare errors of trained, of held-out and of all cells in turn as centrality of bins."""
    options.keep.mkdir(parents=True, exist_ok=True)
    samples, _ = read_samples(options.cells, options.sample, options.depth, options.genes)
    name, rows = Path(options.cells).stem.split("_")[0], []
    for size in options.sizes:
        bins = [
            (sample, cells[start : start + size])
            for sample, cells in samples.items()
            for start in range(0, min(len(cells), options.bins * size) - size + 1, size)
        ]
        fold = 1 + np.arange(size) % 2

        def made(
            bins: Sequence[tuple[str, np.ndarray]] = bins,
            fold: np.ndarray = fold,
        ) -> dict[str, Any]:
            settings = sivae.settings_for(
                standardise=False, heldout=HELDOUT, hidden=(256, 128, 64), latent=16
            )
            pooled = np.concatenate([cells for _, cells in bins])
            of_pooled = np.tile(fold, len(bins))
            begin = time.process_time()
            starts = [
                sivae.fit(pooled[of_pooled != number], shared_settings(settings), number, "cpu")
                for number in range(3)
            ]
            errors = {"seen": [], "held out": [], "cross-fitted": []}
            for number, (_, cells) in enumerate(bins):
                own = sivae.fit(cells, settings, number, "cpu", start=starts[0])
                errors["seen"].append(own.reconstruction_error)
                errors["held out"].append(own.heldout_error)
                unseen = np.zeros(cells.shape[1])
                for part in (1, 2):
                    out = fold == part
                    fitted = sivae.fit(
                        cells, settings, number, "cpu", start=starts[part], heldout=out
                    )
                    unseen += out.mean() * fitted.heldout_error
                errors["cross-fitted"].append(unseen)
            variance = [cells.var(0) for _, cells in bins]
            found = {
                which: degree_centrality(np.array(values), np.array(variance))
                for which, values in errors.items()
            }
            return found | {"seconds": time.process_time() - begin}

        found = kept(options.keep, f"centrality-{name}-{size}", made)
        of_sample = [sample for sample, _ in bins]
        for which in ("seen", "held out", "cross-fitted"):
            of_bins = icc(found[which], of_sample)
            n_bins = of_bins["n_bins"] / of_bins["n_samples"]
            # Of one bin, from that of a sample's mean (Spearman-Brown).
            single = of_bins["icc"] / (n_bins - (n_bins - 1) * of_bins["icc"])
            rows.append(
                {
                    "cells": size,
                    "bins": len(bins),
                    "errors of cells": which,
                    "error": float(-np.nanmean(found[which])),
                    "icc_of_a_bin": float(single.median()),
                }
            )
    print(machine())
    print(pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.3g"), end="")


# Stacks


def stack(options: argparse.Namespace) -> None:
    """Time fits one after another and in stacks, on one core."""
    options.keep.mkdir(parents=True, exist_ok=True)
    rows = []
    for n_cells, n_genes in ((100, 300), (300, 300)):
        bins = [
            simulated_bins(1, n_cells, n_genes, "gain", seed)[0][0]
            for seed in range(max(options.stacks))
        ]
        for hidden in ((128, 64), (1024, 512, 128)):
            settings = small_settings(hidden=hidden, steps=(25, 15, 50))
            for size in options.stacks:

                def made(
                    bins: list[np.ndarray] = bins, settings: Settings = settings, size: int = size
                ) -> dict[str, Any]:
                    repeats = [timed_fits(bins[:size], settings, range(size))[1] for _ in range(2)]
                    return {"seconds": min(repeats)}

                key = f"stack-{n_cells}-{n_genes}-{'-'.join(map(str, hidden))}-{size}"
                seconds = float(kept(options.keep, key, made)["seconds"])
                about = {"cells": n_cells, "genes": n_genes, "hidden": "-".join(map(str, hidden))}
                rows.append(about | {"stack": size, "cpu_seconds_per_fit": seconds})
    print(machine())
    print(pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.3g"), end="")


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, dest="command")
    for function in (full, simulated, steps, centrality, stack):
        command = commands.add_parser(function.__name__, help=(function.__doc__ or "").strip())
        command.set_defaults(function=function)
        command.add_argument("--keep", type=Path, required=True, help="folder of finished fits")
        if function in (full, steps, centrality):
            command.add_argument("--cells", required=True, help="h5ad file of raw counts")
            command.add_argument("--sample", required=True, help="column of the samples")
            command.add_argument("--depth", help="column of the cells' total counts")
        if function in (steps, centrality):
            command.add_argument("--genes", type=int, default=500)
            command.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 500])
        if function is centrality:
            command.add_argument("--bins", type=int, default=4, help="of a sample, at most")
        if function is full:
            command.add_argument("--bins", type=int, default=2, help="one of a sample each")
            command.add_argument("--size", type=int, default=1000, help="cells of a bin")
            command.add_argument("--genes", type=int, default=2000)
            command.add_argument("--pool", type=int, default=4000, help="cells of the cohort's")
            command.add_argument("--changes", nargs="*", choices=KINDS[1:], default=KINDS[1:])
            command.add_argument("--only", nargs="+", help="ways to train")
        if function is simulated:
            command.add_argument("--cohorts", type=int, default=2)
            command.add_argument("--bins", type=int, default=16)
            command.add_argument("--size", type=int, default=200, help="cells of a bin")
            command.add_argument("--genes", type=int, default=150)
            command.add_argument("--share", type=float, default=0.25, help="of the cells wired")
        if function is stack:
            command.add_argument("--stacks", type=int, nargs="+", default=[1, 4, 8])
    options = parser.parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    main()
