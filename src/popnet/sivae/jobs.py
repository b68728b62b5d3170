"""The models of a training job: one per bin and seed, finished ones are kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import torch

import popnet
from popnet.cells.expression import BinnedExpression, read_bin
from popnet.files import atomic
from popnet.names import safe_name
from popnet.provenance import code_hash
from popnet.seeds import derive_seed
from popnet.sivae.covariance import covariance_factor
from popnet.sivae.data import heldout_of
from popnet.sivae.fitting import Device, fit_stack, stack_size
from popnet.sivae.progress import Progress
from popnet.sivae.result import Fit, load, model_digest
from popnet.sivae.settings import Settings
from popnet.sivae.shared import fold_of
from popnet.sivae.training import STAGES, DivergedError

if TYPE_CHECKING:
    from anndata import AnnData

# What makes a model and what its file holds, besides its data, settings and seed.
CODE = ("popnet.sivae.fitting", "popnet.sivae.covariance")
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
    start = None if job.start is None else load(job.start)
    repeats: list[Repeat] = []
    rows: dict[Path, dict[str, Any]] = {}
    for sample, number in bins:
        cells = read_bin(job.expression, sample, number)
        for repeat in planned_repeats(job, cells, sample, number):
            repeats.append(repeat)
            if (kept := read_finished(repeat)) is not None:
                rows[repeat.path] = kept
    waiting = [repeat for repeat in repeats if repeat.path not in rows]
    size = job.stack or stack_size(job.settings, cells.n_obs, cells.n_vars, job.device)
    # As few stacks as memory allows, of equal size: 200 models are 4 x 50, not 3 x 64 and 8.
    size = -(-len(waiting) // max(-(-len(waiting) // size), 1)) or size
    print(f"{len(rows)} of {len(repeats)} models are trained already; the others {size} at a time")

    settings = job.settings if start is None else job.settings.warm(start.settings)
    stages = STAGES if start is None else STAGES[-1:]
    progress = Progress(settings, len(waiting), stages=stages)
    while waiting:
        stack = waiting[:size]
        try:
            trained = train_stack(job, stack, progress, start)
        except torch.OutOfMemoryError:
            # What is free was an estimate, and others may have taken it since.
            if len(stack) == 1:
                raise
            size = -(-len(stack) // 2)
            print(f"the GPU has no room for {len(stack)} models at a time: now {size}")
            continue
        waiting = waiting[len(stack) :]
        for repeat, row in zip(stack, trained, strict=True):
            rows[repeat.path] = row
            if row["status"] != "trained" and repeat.attempt < len(repeat.attempts):
                print(f"{repeat} is tried again with another seed")
                waiting.append(replace(repeat, attempt=repeat.attempt + 1))
                progress.n_fits += 1
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
    if not repeat.path.exists():
        return None
    fingerprints = [attempt.fingerprint for attempt in repeat.attempts]
    try:
        model = ad.read_h5ad(repeat.path)
        found = model.uns["sivae"]["fingerprint"]
        if found not in fingerprints:
            return None
        return described(model) | {"attempt": 1 + fingerprints.index(found)}
    except Exception as error:
        print(f"{repeat.path} cannot be read ({error}): trained again", file=sys.stderr)
        return None


def train_stack(
    job: TrainingJob, stack: Sequence[Repeat], progress: Progress, start: Fit | None = None
) -> list[dict[str, Any]]:
    """Train models at once, write those that did not diverge, and return a row of each.

    Raises
    ------
    torch.OutOfMemoryError
        If the GPU has too little memory for so many.
    """
    begin = perf_counter()
    cells = [read_bin(job.expression, repeat.sample, repeat.bin) for repeat in stack]
    seeds = [repeat.next.seed for repeat in stack]
    progress.begin(len(stack))
    # The start has seen other cells of the bins, so that these are held out by both.
    unseen = [heldout_of(each.obs, job.settings.heldout, job.seed) for each in cells]
    heldout = None if start is None else unseen
    fits = fit_stack(
        cells, job.settings, seeds, job.device, start=start, heldout=heldout, progress=progress
    )
    errors = cross_fitted_errors(job, stack, cells)
    progress.end()
    rows = []
    for repeat, own, fit, error in zip(stack, cells, fits, errors, strict=True):
        fit = error if isinstance(error, DivergedError) else fit
        if isinstance(fit, DivergedError):
            print(f"{repeat} failed: {fit}")
            row = {"status": f"failed: {fit}", "device": job.device, "seed": repeat.next.seed}
            row |= {"version": popnet.__version__, "code": job.code}
        else:
            model = fit.to_anndata()
            model.varm["covariance_factor"] = covariance_factor(fit, own.X)
            if error is not None:
                model.var["cross_fitted_error"] = error
            model.uns["sivae"] |= {
                "fingerprint": repeat.next.fingerprint,
                "stack": len(stack),
                "popnet_version": popnet.__version__,
                "code": job.code,
            }
            with atomic(repeat.path) as temporary:
                model.write_h5ad(temporary, compression="gzip")
            row = described(model)
        rows.append(row | {"attempt": repeat.attempt})
    names = ", ".join(map(str, stack))
    print(f"{progress.n_done} of {progress.n_fits} in {perf_counter() - begin:.1f} s: {names}")
    return rows


def cross_fitted_errors(
    job: TrainingJob, stack: Sequence[Repeat], cells: Sequence[AnnData]
) -> list[np.ndarray | DivergedError | None]:
    """Return the errors of each bin's genes in cells that neither a model nor its start saw.

    Returns
    -------
    list of (n_genes,) ndarray
        Means over the cells of a bin; None where the job has no fits of folds.
    """
    if not job.unseen:
        return [None] * len(stack)
    expression = BinnedExpression(job.expression)
    fold = fold_of(expression.obs, job.seed)
    folds = [fold[expression.rows(repeat.sample, repeat.bin)] for repeat in stack]
    found: list[np.ndarray | DivergedError | None] = [np.zeros(one.n_vars) for one in cells]
    for number, path in enumerate(job.unseen, start=1):
        out = [one == number for one in folds]
        seeds = [derive_seed(repeat.next.seed, "fold", number) for repeat in stack]
        fits = fit_stack(cells, job.settings, seeds, job.device, start=load(path), heldout=out)
        for place, (fit, unseen) in enumerate(zip(fits, out, strict=True)):
            if isinstance(fit, DivergedError):
                found[place] = fit
            elif isinstance(error := found[place], np.ndarray):
                found[place] = error + unseen.mean() * fit.heldout_error
    return found


def described(model: AnnData) -> dict[str, Any]:
    """Return what the table of training says about a model that trained."""
    trained = model.uns["sivae"]
    return {
        "status": "trained",
        "seconds": trained["seconds"],
        "device": trained["device"],
        "precision": trained["precision"],
        "stack": trained["stack"],
        "peak_memory_mb": trained["peak_memory"],
        "seed": trained["seed"],
        "active_dimensions": trained["active_dimensions"],
        "reconstruction_error": float(model.var["reconstruction_error"].mean()),
        "heldout_error": float(model.var["heldout_error"].mean()),
        "heldout_loss": trained["heldout_loss"]["total"],
        "version": trained["popnet_version"],
        "code": trained["code"],
    }
