"""The models of a training job: one per bin and seed, finished ones are kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import torch

import popnet
from popnet.cells.expression import read_bin
from popnet.files import atomic
from popnet.names import safe_name
from popnet.provenance import code_hash
from popnet.seeds import derive_seed
from popnet.sivae.covariance import covariance_factor
from popnet.sivae.data import heldout_of
from popnet.sivae.fitting import (
    Device,
    Prepared,
    choose_device,
    prepare_stack,
    stack_size,
    train_prepared,
)
from popnet.sivae.progress import Progress
from popnet.sivae.result import Fit, load, model_digest
from popnet.sivae.settings import Settings
from popnet.sivae.shared import fold_of
from popnet.sivae.training import STAGES, DivergedError

if TYPE_CHECKING:
    from anndata import AnnData

    # Of the bins of a stack; and the same with the stack made ready to train.
    Cells = list[AnnData]
    Ready = tuple[Cells, Prepared]

# What makes a model and what its file holds, besides its data, settings and seed.
CODE = ("popnet.sivae.fitting", "popnet.sivae.covariance")
ERRORS = ("reconstruction_error", "heldout_error")
# On a GPU a job of so many models trains them in two stacks at least: one is prepared or written
# while the other trains.
SPLIT = 100
COLUMNS = ["sample", "bin", "repeat", "model", "status", "seconds", "device", "precision", "stack"]
COLUMNS += ["peak_memory_mb", "seed", "active_dimensions", "reconstruction_error"]
COLUMNS += ["heldout_error", "heldout_loss", "attempt", "version", "code"]


@dataclass(frozen=True)
class Attempt:
    """A seed that a model is trained with.

    Parameters
    ----------
    seed : int
    fingerprint : str
        Of :func:`fingerprint`.
    """

    seed: int
    fingerprint: str


@dataclass(frozen=True)
class Repeat:
    """One model of a job: a bin, trained with one of several seeds.

    Parameters
    ----------
    sample : str
    bin : int
    number : int
        Of the repeat, from 1.
    path : Path
        Where the model goes.
    attempts : sequence of Attempt
        The second is for a model that diverged in the first.
    attempt : int
        The number of the attempt to make next, from 1.
    """

    sample: str
    bin: int
    number: int
    path: Path
    attempts: Sequence[Attempt]
    attempt: int = 1

    @property
    def next(self) -> Attempt:
        """The attempt to make next."""
        return self.attempts[self.attempt - 1]

    def __str__(self) -> str:
        """Return how logs call it."""
        again = f" repeat {self.number}" if self.number > 1 else ""
        return f"{self.sample} bin {self.bin}{again}"


@dataclass(frozen=True)
class TrainingJob:
    """What the models of a job have in common.

    Parameters
    ----------
    expression : str or Path
        Of :func:`popnet.cells.expression.write_expression`.
    folder : str or Path
        Where the models go, an h5ad file each.
    settings : Settings
    seed : int
        Of the study.
    n_repeats : int
        Models per bin, each with its own seed. The first is the one that a single repeat gives.
    device : {"auto", "cpu", "cuda"}
    stack : int, optional
        Models that train at once; by default as many as fit into memory.
    code : str
        A digest of the code that models depend on.
    start : str or Path, optional
        The folder of a saved fit that every model starts from; by default they start from nothing.
    unseen : sequence of str or Path
        The folders of two saved fits that each did not see the cells of a fold. With them, a bin's
        errors are cross-fitted: from each a further model is trained without the cells of the
        fold, whose errors it gives.
    """

    expression: str | Path
    folder: str | Path
    settings: Settings
    seed: int
    n_repeats: int = 1
    device: Device = "auto"
    stack: int | None = None
    code: str = field(default_factory=lambda: "".join(code_hash(one)[:8] for one in CODE))
    start: str | Path | None = None
    unseen: Sequence[str | Path] = ()


def train_models(job: TrainingJob, bins: Sequence[tuple[str, int]]) -> pd.DataFrame:
    """Train the models of a job, several at once, and write each to a file; print the progress.

    A model that is there already, whole and with the fingerprint that it would have, is kept. One
    that diverges is tried again once, with another seed. Where a GPU has too little memory for a
    stack, stacks become half as large.

    Parameters
    ----------
    job : TrainingJob
    bins : sequence of (sample, bin)

    Returns
    -------
    DataFrame
        A row per model, with columns `COLUMNS`: `model` is the name of the file, `status` is
        "trained" or why it failed, `version` and `code` (a digest) say what it was trained with.

    Raises
    ------
    InputError
        If the expression is damaged, or the disk is full.
    torch.OutOfMemoryError
        If the GPU has too little memory for one model.
    """
    repeats: list[Repeat] = []
    rows: dict[Path, dict[str, Any]] = {}
    for sample, number in bins:
        bin_ = read_bin(job.expression, sample, number)
        for repeat in planned_repeats(job, bin_, sample, number):
            repeats.append(repeat)
            if (kept := read_finished(repeat)) is not None:
                rows[repeat.path] = kept
    waiting = [repeat for repeat in repeats if repeat.path not in rows]
    size = job.stack or stack_size(job.settings, bin_.n_obs, bin_.n_vars, job.device)
    on_gpu = choose_device(job.device).type == "cuda"
    # As few stacks as memory allows, of equal size: 200 models are 4 x 50, not 3 x 64 and 8.
    n_stacks = -(-len(waiting) // size)
    if on_gpu and len(waiting) >= SPLIT and job.stack is None:
        n_stacks = max(n_stacks, 2)
    size = -(-len(waiting) // max(n_stacks, 1)) or size
    print(f"{len(rows)} of {len(repeats)} models are trained already; the others {size} at a time")

    starts = [load(path) for path in ([] if job.start is None else [job.start, *job.unseen])]
    settings = job.settings.warm(starts[0].settings) if starts else job.settings
    stages = STAGES[-1:] if starts else STAGES
    progress = Progress(settings, len(waiting), stages=stages)
    # While a GPU trains a stack, one thread prepares the next and another writes the last. The one
    # thread of a job on a CPU does all in turn.
    with ThreadPoolExecutor(1) as preparer, ThreadPoolExecutor(1) as writer:
        preparation = Preparation(job, starts, preparer if on_gpu else None)
        written: Future[dict[Path, dict[str, Any]]] | None = None
        while waiting:
            stack, following = waiting[:size], waiting[size : 2 * size]
            begin = perf_counter()
            progress.begin(len(stack))
            try:
                cells, fits = train_stack(preparation, stack, following, progress)
            except torch.OutOfMemoryError:
                # What is free was an estimate, and others may have taken it since.
                if len(stack) == 1:
                    raise
                size = -(-len(stack) // 2)
                print(f"the GPU has no room for {len(stack)} models at a time: now {size}")
                continue
            progress.end()
            waiting = waiting[len(stack) :]
            names = ", ".join(map(str, stack))
            done = f"{progress.n_done} of {progress.n_fits}"
            print(f"{done} in {perf_counter() - begin:.1f} s: {names}")
            for repeat, fit in zip(stack, fits, strict=True):
                if not isinstance(fit, DivergedError):
                    continue
                print(f"{repeat} failed: {fit}")
                rows[repeat.path] = of_failed(job, repeat, fit)
                if repeat.attempt < len(repeat.attempts):
                    print(f"{repeat} is tried again with another seed")
                    waiting.append(replace(repeat, attempt=repeat.attempt + 1))
                    progress.n_fits += 1
            if not on_gpu:
                rows |= write_models(job, stack, cells, fits)
                continue
            # No more than one stack waits for the disk.
            if written is not None:
                rows |= written.result()
            written = writer.submit(write_models, job, stack, cells, fits)
            del cells, fits
        if written is not None:
            rows |= written.result()
    named = [
        {"sample": each.sample, "bin": each.bin, "repeat": each.number, "model": each.path.name}
        for each in repeats
    ]
    table = [name | rows[each.path] for name, each in zip(named, repeats, strict=True)]
    return pd.DataFrame(table, columns=COLUMNS)


def planned_repeats(job: TrainingJob, cells: AnnData, sample: str, number: int) -> list[Repeat]:
    """Return the models that a bin is to have.

    Seeds and names depend on the bin and the number of the repeat alone: more repeats, other bins
    or another name of the cell type leave a model as it is.

    Parameters
    ----------
    job : TrainingJob
    cells : AnnData of shape (n_cells, n_genes)
        Of the bin.
    sample : str
    number : int
        Of the bin.
    """
    start = None if job.start is None else "".join(map(model_digest, (job.start, *job.unseen)))
    repeats = []
    for repeat in range(1, job.n_repeats + 1):
        # The file of the first ends in one number, those of the others in two: no other sample's
        # model has their name.
        again = [repeat] if repeat > 1 else []
        name = "-".join(map(str, [number, *again]))
        of_model = [job.seed, sample, number, *again]
        attempts = [
            Attempt(seed, fingerprint(cells, job.settings, seed, job.code, start))
            for seed in (derive_seed(*of_model), derive_seed(*of_model, "again"))
        ]
        path = Path(job.folder) / f"{safe_name(sample)}.{name}.h5ad"
        repeats.append(Repeat(sample, number, repeat, path, attempts))
    return repeats


def fingerprint(
    cells: AnnData, settings: Settings, seed: int, code: str, start: str | None = None
) -> str:
    """Return a digest of all that a model depends on.

    Parameters
    ----------
    cells : AnnData of shape (n_cells, n_genes)
        X is dense.
    settings : Settings
    seed : int
    code : str
        Of :func:`popnet.provenance.code_hash`.
    start : str, optional
        Digest of the fits that the model and its cross-fitted errors start from.
    """
    described = [asdict(settings), seed, list(cells.var_names), code, start]
    digest = sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(cells.X.tobytes())
    return digest.hexdigest()


def read_finished(repeat: Repeat) -> dict[str, Any] | None:
    """Return the row of a model that is there, whole, and trained as one of the attempts would be.

    A file that cannot be read is named on standard error: its model is trained again.
    """
    from anndata.io import read_elem

    if not repeat.path.exists():
        return None
    fingerprints = [attempt.fingerprint for attempt in repeat.attempts]
    try:
        with h5py.File(repeat.path, "r", locking=False) as file:
            trained = read_elem(file["uns/sivae"])
            if trained["fingerprint"] not in fingerprints:
                return None
            # The checksums of all that is compressed are compared when it is read.
            file.visititems(_read)
            errors = {name: file["var"][name][()] for name in ERRORS}
            attempt = 1 + fingerprints.index(trained["fingerprint"])
            return described(trained, errors) | {"attempt": attempt}
    except Exception as error:
        print(f"{repeat.path} cannot be read ({error}): trained again", file=sys.stderr)
        return None


def _read(_: str, element: h5py.Group | h5py.Dataset) -> None:
    if isinstance(element, h5py.Dataset):
        element[()]


class Preparation:
    """Makes stacks ready to train; on a GPU the next one, while another is trained.

    Parameters
    ----------
    job : TrainingJob
    starts : sequence of Fit
        Those of the job: what every model starts from, and the fits of folds.
    pool : ThreadPoolExecutor, optional
        Of one thread. Without it nothing is made ahead.
    """

    def __init__(self, job: TrainingJob, starts: Sequence[Fit], pool: ThreadPoolExecutor | None):
        self.job, self.starts, self.pool = job, starts, pool
        self._ahead: tuple[Sequence[Repeat], int] | None = None
        self._made: Future[Ready] | None = None

    @property
    def n_fits(self) -> int:
        """Fits of each model: its own, and those without the cells of a fold."""
        return max(1, len(self.starts))

    def begin(self, stack: Sequence[Repeat], number: int, cells: Cells | None) -> None:
        """Begin to make fit `number` of a stack ready; `cells` are those of its bins, if read."""
        if self.pool is not None and stack:
            self._ahead = stack, number
            self._made = self.pool.submit(self._make, stack, number, cells)

    def take(self, stack: Sequence[Repeat], number: int, cells: Cells | None) -> Ready:
        """Return the cells of a stack, and its fit `number` (from 0) ready to train."""
        ahead, made = self._ahead, self._made
        self._ahead = self._made = None
        if made is not None and ahead == (stack, number):
            return made.result()
        return self._make(stack, number, cells)

    def _make(self, stack: Sequence[Repeat], number: int, cells: Cells | None) -> Ready:
        job, settings = self.job, self.job.settings
        if cells is None:
            cells = [read_bin(job.expression, repeat.sample, repeat.bin) for repeat in stack]
        seeds = [repeat.next.seed for repeat in stack]
        start, heldout = None, None
        if self.starts:
            start = self.starts[number]
            # The start has seen other cells of the bins, so that these are held out by both.
            heldout = [heldout_of(each.obs, settings.heldout, job.seed) for each in cells]
        if number:
            seeds = [derive_seed(seed, "fold", number) for seed in seeds]
            heldout = [fold_of(each.obs, job.seed) == number for each in cells]
        prepared = prepare_stack(cells, settings, seeds, job.device, start=start, heldout=heldout)
        return cells, prepared


def train_stack(
    preparation: Preparation,
    stack: Sequence[Repeat],
    following: Sequence[Repeat],
    progress: Progress,
) -> tuple[Cells, list[Fit | DivergedError]]:
    """Train models at once, and those of their folds; return the cells of their bins, and them.

    Where the job has fits of folds, a model's var has `cross_fitted_error`: the errors of genes in
    cells that neither a model nor its start saw, means over the cells of the bin.

    Parameters
    ----------
    preparation : Preparation
    stack : sequence of Repeat
    following : sequence of Repeat
        The stack that is probably next.
    progress : Progress

    Raises
    ------
    torch.OutOfMemoryError
        If the GPU has too little memory for so many.
    """
    cells: Cells | None = None
    found: list[Fit | DivergedError] = []
    for number in range(preparation.n_fits):
        cells, prepared = preparation.take(stack, number, cells)
        if number < preparation.n_fits - 1:
            preparation.begin(stack, number + 1, cells)
        else:
            preparation.begin(following, 0, None)
        fits = train_prepared(prepared, None if number else progress)
        found = list(map(with_unseen, found, fits)) if number else fits
    assert cells is not None
    return cells, found


def with_unseen(own: Fit | DivergedError, of_fold: Fit | DivergedError) -> Fit | DivergedError:
    """Return a fit with the errors in the cells of a fold that a fit of the same bin held out."""
    if isinstance(own, DivergedError) or isinstance(of_fold, DivergedError):
        return of_fold if isinstance(own, Fit) else own
    error = of_fold.heldout.mean() * of_fold.heldout_error
    error = own.var.get("cross_fitted_error", 0.0) + error
    return replace(own, var=own.var.assign(cross_fitted_error=error))


def of_failed(job: TrainingJob, repeat: Repeat, error: DivergedError) -> dict[str, Any]:
    """Return the row of a model that diverged."""
    row = {"status": f"failed: {error}", "device": job.device, "seed": repeat.next.seed}
    return row | {"version": popnet.__version__, "code": job.code, "attempt": repeat.attempt}


def write_models(
    job: TrainingJob,
    stack: Sequence[Repeat],
    cells: Cells,
    fits: Sequence[Fit | DivergedError],
) -> dict[Path, dict[str, Any]]:
    """Write the models of a stack that did not diverge; return the row of each by its path.

    Raises
    ------
    InputError
        If the disk is full.
    """
    rows = {}
    for repeat, own, fit in zip(stack, cells, fits, strict=True):
        if isinstance(fit, DivergedError):
            continue
        model = fit.to_anndata()
        model.varm["covariance_factor"] = covariance_factor(fit, own.X)
        model.uns["sivae"] |= {
            "fingerprint": repeat.next.fingerprint,
            "stack": len(stack),
            "popnet_version": popnet.__version__,
            "code": job.code,
        }
        with atomic(repeat.path) as temporary:
            model.write_h5ad(temporary, compression="gzip")
        row = described(model.uns["sivae"], {name: model.var[name].to_numpy() for name in ERRORS})
        rows[repeat.path] = row | {"attempt": repeat.attempt}
    return rows


def described(trained: Mapping[str, Any], errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table of training says about a model that trained.

    Parameters
    ----------
    trained : mapping
        uns["sivae"] of its file.
    errors : mapping of name to (n_genes,) array
        `ERRORS` of its var.
    """
    return {
        "status": "trained",
        "seconds": trained["seconds"],
        "device": trained["device"],
        "precision": trained["precision"],
        "stack": trained["stack"],
        "peak_memory_mb": trained["peak_memory"],
        "seed": trained["seed"],
        "active_dimensions": trained["active_dimensions"],
        **{name: float(np.mean(errors[name], dtype=np.float64)) for name in ERRORS},
        "heldout_loss": trained["heldout_loss"]["total"],
        "version": trained["popnet_version"],
        "code": trained["code"],
    }
