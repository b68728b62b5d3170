"""Quality, speed, growth and stacking of training: the fast plan beside that of the paper.

    python benchmarks/training.py quality --cells a.h5ad b.h5ad --sample donor_id --keep runs
    python benchmarks/training.py speed
    python benchmarks/training.py growth
    python benchmarks/training.py stack

Each prints tab-separated tables, `... COMMAND --help` says what it can vary. Every fit is measured
in a process of its own (memory is the peak of its resident set, libraries included, read from
/proc, so Linux only).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

from measuring import machine

import anndata as ad
import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from scipy.stats import spearmanr
from torch.utils.flop_counter import FlopCounterMode

from popnet import sivae
from popnet.cells.genes import normalise
from popnet.files import atomic
from popnet.memory import peak_memory
from popnet.names import safe_name
from popnet.networks.centrality import degree_centrality
from popnet.networks.edges import closest_pairs
from popnet.seeds import derive_seed
from popnet.simulation.cohort import simulate_cohort
from popnet.sivae.data import feature_input, open_cells, stratified
from popnet.sivae.fitting import choose_precision
from popnet.sivae.objective import gaussian_log_likelihood, joint_terms, total_loss
from popnet.sivae.result import as_minibatch
from popnet.sivae.training import STAGES

# Of every bin of `quality`: cells that no fit sees, genes among which edges are compared, and the
# share of pairs that are edges.
HELDOUT = 0.1
CENTRAL_GENES = 400
CLOSEST = 0.01
DRAWS = 4

WARM_UP_STEPS = 5
BASE = {"cells": 1000, "genes": 2000, "latent": 32}


class Timing(NamedTuple):
    """Seconds of the wall clock and of the CPU: "fixed", and per step of each stage; and MB."""

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    start_memory: float
    peak_memory: float


class EnoughError(Exception):
    """Ends a fit of which enough steps were timed."""


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--hidden", type=int, nargs="+", default=[1024, 512, 128])
    common.add_argument(
        "--shorten", type=float, default=1.0, help="share of each plan's steps, for a trial run"
    )

    command = commands.add_parser("quality", parents=[common], help=quality.__doc__.splitlines()[0])
    command.add_argument("--cells", type=Path, nargs="*", default=[], help="h5ad of raw counts")
    command.add_argument(
        "--sample", nargs="+", default=["sample_id"], help="obs column, or one for each file"
    )
    command.add_argument("--bins", type=int, default=2, help="of each file")
    command.add_argument("--bin-cells", type=int, default=BASE["cells"])
    command.add_argument("--genes", type=int, default=BASE["genes"])
    command.add_argument("--latent", type=int, default=BASE["latent"])
    command.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    command.add_argument(
        "--plans", nargs=2, default=["paper", "fast"], help="the reference, then what is compared"
    )
    command.add_argument("--device", default="auto")
    command.add_argument("--processes", type=int, default=1, help="fits at a time, one thread each")
    command.add_argument("--keep", type=Path, required=True, help="folder for finished fits")
    command.set_defaults(run=quality)

    command = commands.add_parser("speed", parents=[common], help=speed.__doc__.splitlines()[0])
    command.add_argument("--cores", type=int, default=2)
    command.set_defaults(run=speed)

    command = commands.add_parser("growth", parents=[common], help=growth.__doc__.splitlines()[0])
    command.add_argument("--genes", type=int, nargs="*", default=[1000, 2000, 4000, 8000])
    command.add_argument("--cells", type=int, nargs="*", default=[500, 1000, 2000, 4000, 8000])
    command.add_argument("--latent", type=int, nargs="*", default=[2, 8, 32, 128])
    command.set_defaults(run=growth)

    for name in ("speed", "growth"):
        command = commands.choices[name]
        command.add_argument("--steps", type=int, default=30, help="timed steps of each stage")
        command.add_argument("--repeats", type=int, default=3)

    command = commands.add_parser("stack", parents=[common], help=stack.__doc__.splitlines()[0])
    command.add_argument("--plan", default="fast")
    command.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16, 64])
    command.add_argument("--alone", type=int, default=3, help="bins of the one-by-one loop")
    command.set_defaults(run=stack)

    options = parser.parse_args()
    print(f"# {machine()}; torch {torch.__version__}")
    options.run(options)


def settings_of(
    options: argparse.Namespace, plan: str, n_cells: int = BASE["cells"], **changes: Any
) -> sivae.Settings:
    """Return the settings of a plan for the sizes that the command line asks for."""
    settings = sivae.settings_for(plan=plan, hidden=options.hidden, **changes)
    steps = [max(1, round(options.shorten * n)) for n in settings.steps_for(n_cells)]
    return settings.with_steps(steps)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table."""
    print(*columns, sep="\t")
    for row in rows:
        print(*row, sep="\t", flush=True)


def spread(values: Iterable[float], form: str) -> list[str]:
    """Return minimum, mean and maximum, formatted; nothing of nothing."""
    found = np.array(list(values))
    if not found.size:
        return ["", "", ""]
    return [format(value, form) for value in (found.min(), found.mean(), found.max())]


def simulate(n_cells: int, n_genes: int) -> np.ndarray:
    """Return log-normalised expression, (n_cells, n_genes), of a simulated network of genes."""
    n_hubs = max(1, n_genes // 100)
    modules = [f"M{number}" for number in range(n_hubs)]
    roles = [("mt", complex_) for complex_ in ("I", "III", "IV", "V") for _ in range(n_hubs // 4)]
    roles += [("hub", module) for module in modules]
    roles += [("spoke", module) for module in modules for _ in range(9)]
    roles += [("rising", "RISING")] * n_hubs
    roles += [("member", f"W{number // 25}") for number in range(n_genes // 4)]
    roles += [("isolated", "")] * (n_genes - len(roles))
    genes = pd.DataFrame(roles, columns=["role", "module"])
    genes["gene"] = [f"G{number:05d}" for number in range(n_genes)]
    sample = {"sample": "simulated", "donor": "donor", "pool": "pool", "haplogroup": "H"}
    samples = pd.DataFrame([sample | {"n_cells": n_cells, "depth": 8000.0, "efficiency": 0.5}])
    return log_normalised(simulate_cohort(samples, genes, seed=1).adata.X)


def log_normalised(counts: csr_matrix) -> np.ndarray:
    """Return log(1 + counts per 10,000) as a dense array of float32."""
    return normalise(csr_matrix(counts)).toarray().astype(np.float32)


def quality(options: argparse.Namespace) -> None:
    """Compare what plans learn: held-out likelihood, and networks beside those of other seeds.

    All fits of a bin are of the same cells, and the same tenth is held out of all of them.
    """
    if len(options.sample) not in (1, len(options.cells)):
        raise SystemExit("--sample: give one column, or one for each file of --cells")
    bins = {"simulated": simulate(options.bin_cells, options.genes)}
    columns = options.sample * (1 if len(options.sample) > 1 else len(options.cells))
    for path, column in zip(options.cells, columns, strict=True):
        bins |= read_bins(path, column, options.bins, options.bin_cells, options.genes)

    options.keep.mkdir(parents=True, exist_ok=True)
    jobs, paths = [], {}
    for seed, name, plan in product(options.seeds, bins, reversed(options.plans)):
        settings = settings_of(options, plan, options.bin_cells, latent=options.latent)
        digest = sha256(json.dumps(asdict(settings), sort_keys=True).encode())
        digest.update(bins[name].tobytes())
        path = options.keep / f"{name}.{plan}.{seed}.{digest.hexdigest()[:10]}.npz"
        paths[name, plan, seed] = path
        if not path.exists():
            # Seeds of the plans are apart: equal ones would start from the same weights.
            jobs.append((path, bins[name], settings, derive_seed(plan, seed), options.device))
    print(f"# {len(paths) - len(jobs)} of {len(paths)} fits are in {options.keep} already")
    with workers(options.processes) as pool:
        for path in pool.imap_unordered(train_and_keep, jobs):
            print(f"{time.strftime('%H:%M')} {path.name}", file=sys.stderr, flush=True)
    runs = {key: dict(np.load(path)) for key, path in paths.items()}
    print_quality(runs, list(bins), options.plans, options.seeds)


def read_bins(
    path: Path, column: str, n_bins: int, n_cells: int, n_genes: int
) -> dict[str, np.ndarray]:
    """Return log-normalised bins of a file by name, (n_cells, n_genes) each.

    Each is of one sample, its cells in random order and its genes those that vary most. Bins are
    taken from all samples in turn, beginning with the largest.
    """
    adata = ad.read_h5ad(path, backed="r")
    members = adata.obs.groupby(column, observed=True).indices
    order = sorted(members, key=lambda sample: (-len(members[sample]), str(sample)))
    shuffled = {s: np.random.default_rng(0).permutation(members[s]) for s in order}
    rounds = range(len(members[order[0]]) // n_cells)
    places = [(k, s) for k in rounds for s in order if (k + 1) * n_cells <= len(members[s])]
    bins = {}
    for number, sample in places[:n_bins]:
        rows = shuffled[sample][number * n_cells : (number + 1) * n_cells]
        # Files on disk are read in order.
        counts = adata[np.sort(rows)].to_memory().X[np.argsort(np.argsort(rows))]
        expression = log_normalised(counts)
        chosen = np.sort(np.argsort(-expression.var(0), kind="stable")[:n_genes])
        bins[f"{safe_name(str(sample))}.{number + 1}"] = expression[:, chosen]
    return bins


def train_and_keep(job: tuple[Path, np.ndarray, sivae.Settings, int, str]) -> Path:
    """Train on nine tenths of a bin and write all that the tables need."""
    path, expression, settings, seed, device = job
    n_heldout = round(HELDOUT * len(expression))
    trained, others = expression[n_heldout:], expression[:n_heldout]
    fit = sivae.fit(trained, settings, seed, device)
    found = heldout_figures(fit, trained, others) | {
        "reconstruction_error": fit.reconstruction_error.mean(),
        "active_dimensions": fit.active_dimensions,
        "seconds": fit.seconds,
        "peak_memory": fit.peak_memory,
        "device": fit.device,
        "precision": fit.precision,
        "centrality": degree_centrality(fit.reconstruction_error, fit.variance),
        "loadings": fit.loadings,
    }
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **found)
    return path


@torch.no_grad()
def heldout_figures(fit: sivae.Fit, trained: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """Return what `fit` would say of held-out cells, for cells that it was not given.

    Parameters
    ----------
    fit : Fit
        Without held-out cells.
    trained, others : ndarray, (n_cells, n_genes)
        Its cells, and others.
    """
    rows, labels = np.arange(len(trained)), np.zeros(len(trained))
    generator = torch.Generator().manual_seed(fit.seed)
    stratified(labels, 0, generator)  # `fit` asks for no held-out cells before
    features = feature_input(
        open_cells(trained),
        rows,
        fit.transform,
        fit.settings.feature_input,
        labels,
        generator,
    )
    loadings = fit.model.feature_wise.encoder(features).mean.numpy()
    if not np.allclose(loadings, fit.loadings, atol=1e-3):
        raise RuntimeError("the input of the feature encoder is not the one of the fit")
    covariates = torch.empty(len(others), 0)
    cells = as_minibatch(torch.from_numpy(others), covariates, fit.transform)
    latent = fit.settings.latent
    losses = []
    for _ in range(DRAWS):
        noise = torch.randn(len(others) + len(features), latent, generator=generator)
        terms = joint_terms(fit.model, cells, features, noise[: len(others)], noise[len(others) :])
        total = total_loss(terms, 1.0, fit.settings.gamma)
        losses.append([terms["reconstruction"].item(), total.item()])
    z = fit.model.encode(cells.inputs, covariates).mean
    predicted = fit.model.decode(z, covariates, fit.weights())
    reconstruction, total = np.mean(losses, 0)
    return {
        "heldout_nll": reconstruction,
        "heldout_nll_at_means": -gaussian_log_likelihood(cells.inputs, predicted).mean().item(),
        "heldout_total": total,
        "heldout_error": (predicted.mean - cells.inputs).square().mean().item(),
    }


def print_quality(
    runs: dict[tuple[str, str, int], dict], bins: list[str], plans: list[str], seeds: list[int]
) -> None:
    """Print what every fit says, the plans beside each other, and how far networks agree."""
    forms = {
        "heldout_nll": ".1f",
        "heldout_nll_at_means": ".1f",
        "heldout_total": ".1f",
        "heldout_error": ".4f",
        "reconstruction_error": ".4f",
        "active_dimensions": ".0f",
        "seconds": ".0f",
        "peak_memory": ".0f",
    }
    print("\n# Every fit: nats per cell; errors are per gene and cell, of unit variance")
    print_table(
        ["bin", "plan", "seed", *forms, "device", "precision"],
        (
            [
                *(name, plan, seed),
                *(format(float(run[measure]), form) for measure, form in forms.items()),
                *(run["device"], run["precision"]),
            ]
            for name, plan, seed in product(bins, plans, seeds)
            for run in [runs[name, plan, seed]]
        ),
    )
    reference, plan = plans
    print(f"\n# The plans beside each other over seeds; difference: {plan} less {reference}")
    rows = []
    for name, measure in product(bins, forms):
        ours, theirs = (
            [float(runs[name, one, seed][measure]) for seed in seeds] for one in (plan, reference)
        )
        form = forms[measure]
        difference = format(np.mean(ours) - np.mean(theirs), "+" + form)
        rows.append([name, measure, *spread(theirs, form), *spread(ours, form), difference])
    sides = [f"{one}_{what}" for one in (reference, plan) for what in ("min", "mean", "max")]
    print_table(["bin", "measure", *sides, "difference"], rows)

    print(
        f"\n# How far networks agree: Spearman correlation of centrality; Jaccard index of the "
        f"closest {100 * CLOSEST:g} % of pairs,\n# among all genes and among the {CENTRAL_GENES} "
        f"that {reference} finds most central (mean over its seeds)"
    )
    rows = []
    for name in bins:
        fits = {one: [runs[name, one, seed] for seed in seeds] for one in plans}
        mean = np.mean([run["centrality"] for run in fits[reference]], 0)
        central = np.sort(np.argsort(-mean, kind="stable")[:CENTRAL_GENES])
        networks = {one: [network(run, central) for run in fits[one]] for one in plans}
        pairs = {
            f"{reference}, other seed": combinations(networks[reference], 2),
            f"{plan} and {reference}": product(networks[plan], networks[reference]),
            f"{plan}, other seed": combinations(networks[plan], 2),
        }
        for what, compared in pairs.items():
            agreements = [agreement(*pair) for pair in compared]
            cells = [spread((one[k] for one in agreements), ".3f") for k in range(3)]
            rows.append([name, what, len(agreements), *(cell for one in cells for cell in one)])
    sides = [
        f"{measure}_{what}"
        for measure in ("centrality", "edges", "central_edges")
        for what in ("min", "mean", "max")
    ]
    print_table(["bin", "compared", "pairs", *sides], rows)


def network(run: dict, central: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centrality, and the edges (one number each) of all and of the central genes."""
    n_genes = len(run["loadings"])
    edges = []
    for genes in (np.arange(n_genes), central):
        gene1, gene2 = closest_pairs(run["loadings"][genes], CLOSEST)
        edges.append(gene1.astype(np.int64) * n_genes + gene2)
    return run["centrality"], *edges


def agreement(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> list[float]:
    """Return the Spearman correlation of centrality and the Jaccard indices of edges."""
    varies = np.isfinite(one[0]) & np.isfinite(other[0])
    found = [float(spearmanr(one[0][varies], other[0][varies])[0])]
    for edges, others in zip(one[1:], other[1:], strict=True):
        shared = len(np.intersect1d(edges, others, assume_unique=True))
        found.append(shared / max(1, len(edges) + len(others) - shared))
    return found


def speed(options: argparse.Namespace) -> None:
    """Compare seconds per bin: one process with all cores, and a process per core side by side.

    Each stage is timed over a few steps of the plan's own, then multiplied by how many there are.
    """
    expression = simulate(BASE["cells"], BASE["genes"])
    cores = options.cores
    variants = [("paper", "float32"), ("fast", "float32")]
    if choose_precision("auto", torch.device("cpu")) == "bf16":
        variants.append(("fast", "bf16"))
    arrangements = list(dict.fromkeys([(1, cores), (cores, 1)]))
    rounds: dict[tuple, list[Timing]] = defaultdict(list)
    for _ in range(options.repeats):
        for variant, (processes, threads) in product(variants, arrangements):
            plan, precision = variant
            settings = settings_of(options, plan, precision=precision)
            key = (*variant, processes, threads)
            rounds[key].append(measure(expression, settings, options.steps, processes, threads))
            print(time.strftime("%H:%M"), *key, file=sys.stderr, flush=True)

    print_how(options)
    print(
        f"# seconds_per_bin: of the {cores} cores, so those of a fit divided by the processes; "
        "times_paper: of the same round and arrangement;\n"
        "# times_one_process: against the paper's plan in one process; MB of each process"
    )
    per_bin = {
        key: [whole(timing.seconds, settings_of(options, key[0])) / key[2] for timing in timings]
        for key, timings in rounds.items()
    }
    rows = []
    for key, timings in rounds.items():
        paper = per_bin["paper", "float32", *key[2:]]
        one_process = per_bin["paper", "float32", *arrangements[0]]
        settings = settings_of(options, key[0])
        seconds = per_bin[key]
        rows.append(
            [
                *key,
                *described(timings, settings),
                f"{np.median(seconds):.1f}",
                f"{min(seconds):.1f}-{max(seconds):.1f}",
                ratio(paper, seconds),
                ratio(one_process, seconds),
                f"{max(timing.peak_memory for timing in timings):.0f}",
            ]
        )
    print_table(
        [
            *("plan", "precision", "processes", "threads", *DESCRIBED),
            *("seconds_per_bin", "range", "times_paper", "times_one_process", "peak_mb"),
        ],
        rows,
    )


def growth(options: argparse.Namespace) -> None:
    """Show how seconds per bin and memory grow with genes, cells and latent dimensions.

    One process with one thread; timed as `speed` does.
    """
    places = [
        (varied, plan, BASE | {varied: size})
        for varied in BASE
        for plan in (("fast", "paper") if varied == "genes" else ("fast",))
        for size in getattr(options, varied)
    ]
    rounds: dict[tuple, list[Timing]] = defaultdict(list)
    for _ in range(options.repeats):
        for plan, sizes in dict.fromkeys((plan, tuple(s.items())) for _, plan, s in places):
            n_cells, n_genes, latent = dict(sizes).values()
            settings = settings_of(options, plan, n_cells, latent=latent)
            expression = simulate(n_cells, n_genes)
            rounds[plan, sizes].append(measure(expression, settings, options.steps))
            print(time.strftime("%H:%M"), plan, n_cells, n_genes, latent, file=sys.stderr)

    print_how(options)
    print("# MB: before the first fit, and at the peak")
    rows = []
    for varied, plan, sizes in places:
        timings = rounds[plan, tuple(sizes.items())]
        settings = settings_of(options, plan, sizes["cells"], latent=sizes["latent"])
        seconds = [whole(timing.seconds, settings) for timing in timings]
        rows.append(
            [
                *(varied, plan, choose_precision(settings.precision, torch.device("cpu"))),
                *sizes.values(),
                *described(timings, settings),
                f"{np.median(seconds):.1f}",
                f"{min(seconds):.1f}-{max(seconds):.1f}",
                f"{max(timing.start_memory for timing in timings):.0f}",
                f"{max(timing.peak_memory for timing in timings):.0f}",
            ]
        )
    print_table(
        [
            *("varied", "plan", "precision", *BASE, *DESCRIBED),
            *("seconds_per_bin", "range", "start_mb", "peak_mb"),
        ],
        rows,
    )


DESCRIBED = ("fixed_s", *(f"{stage}_ms_per_step" for stage in STAGES), "cpu_s_per_bin")


def described(timings: list[Timing], settings: sivae.Settings) -> list[str]:
    """Return medians over rounds: the columns DESCRIBED."""
    parts = [np.median([timing.seconds[part] for timing in timings]) for part in ("fixed", *STAGES)]
    cpu = np.median([whole(timing.cpu_seconds, settings) for timing in timings])
    return [f"{parts[0]:.2f}", *(f"{1e3 * part:.1f}" for part in parts[1:]), f"{cpu:.0f}"]


def print_how(options: argparse.Namespace) -> None:
    """Say how the table that follows was measured."""
    print()
    for plan in ("paper", "fast"):
        print(f"# plan {plan}: steps {', '.join(map(str, settings_of(options, plan).steps))}")
    print(
        f"# Timed over at least {options.steps} steps of each stage after {WARM_UP_STEPS} or more, "
        f"medians of {options.repeats} rounds in which all rows take turns;\n"
        "# a fit is its fixed cost (standardising, principal components, evaluation) and its "
        "steps multiplied by these times;\n"
        "# beside other work compare cpu_s_per_bin, of processes with one thread"
    )


def whole(seconds: dict[str, float], settings: sivae.Settings) -> float:
    """Return the seconds of a fit from its fixed part and those per step."""
    steps = zip(STAGES, settings.steps, strict=True)
    return seconds["fixed"] + sum(n_steps * seconds[stage] for stage, n_steps in steps)


def ratio(reference: list[float], seconds: list[float]) -> str:
    """Return the median over rounds of the ratio of two."""
    return f"{np.median(np.array(reference) / np.array(seconds)):.2f}"


def measure(
    expression: np.ndarray,
    settings: sivae.Settings,
    n_steps: int,
    processes: int = 1,
    threads: int = 1,
) -> Timing:
    """Time fits in new processes, side by side; return their mean and the largest memory."""
    with workers(processes, threads) as pool:
        jobs = [(expression, settings, n_steps)] * processes
        found = pool.map(timed, jobs, chunksize=1)
    names = found[0].seconds
    return Timing(
        {name: float(np.mean([one.seconds[name] for one in found])) for name in names},
        {name: float(np.mean([one.cpu_seconds[name] for one in found])) for name in names},
        max(one.start_memory for one in found),
        max(one.peak_memory for one in found),
    )


def workers(processes: int, threads: int = 1) -> Any:
    """Return a pool whose processes do one task each."""
    context = multiprocessing.get_context("spawn")
    return context.Pool(
        processes, _begin, (threads, context.Barrier(processes)), maxtasksperchild=1
    )


def _begin(threads: int, barrier: Any) -> None:
    global side_by_side
    torch.set_num_threads(threads)
    side_by_side = barrier


def timed(job: tuple[np.ndarray, sivae.Settings, int]) -> Timing:
    """Time the fixed part of a fit and some steps of each stage, all processes at once."""
    expression, settings, n_steps = job
    start_memory = peak_memory()
    shortest = replace(settings, steps=(1, 1, 1))
    sivae.fit(expression, shortest, device="cpu")  # pays for what the first call does alone
    spent = {}
    for part in ("fixed", *STAGES):
        side_by_side.wait(timeout=3600)
        if part == "fixed":
            start = time.perf_counter(), time.process_time()
            sivae.fit(expression, shortest, device="cpu")
            spent[part] = (time.perf_counter() - start[0], time.process_time() - start[1])
        else:
            spent[part] = step_seconds(expression, settings, part, n_steps)
    seconds, cpu_seconds = ({part: both[k] for part, both in spent.items()} for k in range(2))
    return Timing(seconds, cpu_seconds, start_memory, peak_memory())


def step_seconds(
    expression: np.ndarray, settings: sivae.Settings, stage: str, n_steps: int
) -> tuple[float, float]:
    """Return seconds and CPU seconds per step of a stage, over `n_steps` of its steps or more.

    The stages before it have one step each; the fit ends when enough is seen. Steps are those of
    the plan, losses noted as often as there.
    """
    steps = tuple(
        n if STAGES.index(one) >= STAGES.index(stage) else 1
        for one, n in zip(STAGES, settings.steps, strict=True)
    )
    calls: list[tuple[int, float, float]] = []

    def note(current: str, step: int, *_: Any) -> None:
        if current == stage and step >= WARM_UP_STEPS:
            calls.append((step, time.perf_counter(), time.process_time()))
            if step - calls[0][0] >= n_steps:
                raise EnoughError

    with suppress(EnoughError):
        sivae.fit(expression, replace(settings, steps=steps), device="cpu", progress=note)
    if len(calls) < 2:
        raise SystemExit(f"the {settings.steps} steps of the plan are too few to be timed")
    (first, *begin), (last, *end) = calls[0], calls[-1]
    seconds, cpu_seconds = ((b - a) / (last - first) for a, b in zip(begin, end, strict=True))
    return seconds, cpu_seconds


def stack(options: argparse.Namespace) -> None:
    """Compare bins per hour of a GPU: stacks of several sizes, and one bin after another."""
    if not torch.cuda.is_available():
        print("# no GPU that torch can use is here: nothing to measure")
        return
    device = torch.device("cuda")
    print(f"# {torch.cuda.get_device_name(device)}, plan {options.plan}")
    settings = settings_of(options, options.plan)
    expression = simulate(BASE["cells"], BASE["genes"])
    flops = fit_flops(expression, settings)
    peak = matrix_peak(device)
    print(
        f"# {flops / 1e12:.2f} TFLOP in the matrix products of a bin; the card multiplies bf16 "
        f"matrices of 8,192 x 8,192 at {peak / 1e12:.0f} TFLOP/s\n"
    )
    rows = []
    for how, n_bins, seconds, memory in stack_times(
        expression, settings, options.sizes, options.alone, "cuda"
    ):
        rate = n_bins / seconds
        if how == "one by one":
            alone = rate
        rows.append(
            [
                *(how, n_bins, f"{seconds:.1f}", f"{3600 * rate:.0f}", f"{rate / alone:.2f}"),
                *(f"{flops * rate / 1e12:.1f}", f"{100 * flops * rate / peak:.1f}"),
                f"{memory:.0f}",
            ]
        )
    print_table(
        [
            *("how", "bins", "seconds", "bins_per_hour", "times_one_by_one", "tflops"),
            *("percent_of_peak", "peak_mb"),
        ],
        rows,
    )


def stack_times(
    expression: np.ndarray,
    settings: sivae.Settings,
    sizes: Sequence[int],
    n_alone: int,
    device: str,
) -> Iterator[tuple[str, int, float, float]]:
    """Yield how bins are trained, how many, seconds of all and megabytes: whole fits."""
    generator = np.random.default_rng(1)
    bins = [generator.permuted(expression, axis=0) for _ in range(max(*sizes, n_alone))]
    shortest = replace(settings, steps=tuple(min(10, n_steps) for n_steps in settings.steps))
    ways = [("one by one", n_alone, train_loop)]
    ways += [(f"stack of {size}", size, sivae.fit_stack) for size in sizes]
    for how, n_bins, train in ways:
        train(bins[:n_bins], shortest, range(n_bins), device)  # pays for the first calls
        start = time.perf_counter()
        fits = train(bins[:n_bins], settings, range(n_bins), device)
        seconds = time.perf_counter() - start
        for fit in fits:
            if isinstance(fit, sivae.DivergedError):
                raise fit
        yield how, n_bins, seconds, max(fit.peak_memory for fit in fits)


def train_loop(
    bins: Sequence[np.ndarray], settings: sivae.Settings, seeds: Sequence[int], device: str
) -> list[sivae.Fit]:
    """Train on one bin after another."""
    return [sivae.fit(one, settings, seed, device) for one, seed in zip(bins, seeds, strict=True)]


def fit_flops(expression: np.ndarray, settings: sivae.Settings) -> int:
    """Return the floating-point operations of the matrix products of a fit's steps."""
    seen: dict[str, list[int]] = defaultdict(list)
    with FlopCounterMode(display=False) as counter:
        sivae.fit(
            expression,
            replace(settings, steps=(2, 2, 2), precision="float32"),
            device="cpu",
            progress=lambda stage, *_: seen[stage].append(counter.get_total_flops()),
        )
    steps = zip(STAGES, settings.steps, strict=True)
    return sum(n_steps * (seen[stage][1] - seen[stage][0]) for stage, n_steps in steps)


def matrix_peak(device: torch.device, size: int = 8192, repeats: int = 50) -> float:
    """Return the operations per second of a product of large bf16 matrices, best of five."""
    one, other = torch.randn(2, size, size, device=device, dtype=torch.bfloat16)
    seconds = []
    for _ in range(6):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(repeats):
            one @ other
        torch.cuda.synchronize(device)
        seconds.append((time.perf_counter() - start) / repeats)
    return 2 * size**3 / min(seconds[1:])


if __name__ == "__main__":
    main()
