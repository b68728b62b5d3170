"""Train the models of a job's bins, one per seed; a finished one of the same cells is kept.

One that diverges is tried again once, with another seed.
"""

import json
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import anndata as ad
import pandas as pd
import torch
from adapter import logged, sivae_settings, training_device

from popnet import sivae
from popnet.cells import read_bin
from popnet.files import atomic, write_table
from popnet.names import safe_name
from popnet.seeds import derive_seed
from popnet.sivae.progress import Progress


class Repeat(NamedTuple):
    sample: str
    bin: int
    number: int
    path: Path
    attempts: list  # seed and fingerprint of each
    attempt: int = 1

    @property
    def seed(self):
        return self.attempts[self.attempt - 1][0]

    def __str__(self):
        again = f" repeat {self.number}" if self.number > 1 else ""
        return f"{self.sample} bin {self.bin}{again}"


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = sivae_settings(snakemake.params)
    device = training_device(snakemake)
    repeats, rows, code = [], {}, snakemake.input.code
    for sample, bin_ in snakemake.params.bins:
        cells = read_bin(snakemake.input.expression, sample, bin_)
        for number in range(1, snakemake.params.seeds + 1):
            # The first is as it would be alone, so that more seeds leave it as it is. Its file
            # ends in a number, those of the others do not: no other sample's model has their name.
            again = [number] if number > 1 else []
            name = "-".join(map(str, [bin_, *again]))
            path = Path(snakemake.params.models) / f"{safe_name(sample)}.{name}.h5ad"
            # The cell type is left out: the same cells give the same model under any name.
            of_model = [snakemake.params.seed, sample, bin_, *again]
            seeds = [derive_seed(*of_model), derive_seed(*of_model, "again")]
            prints = [fingerprint_of(cells, settings, seed, code) for seed in seeds]
            attempts = list(zip(seeds, prints, strict=True))
            repeats.append(Repeat(sample, bin_, number, path, attempts))
            model = read_model(path, prints)
            if model is not None:
                attempt = 1 + prints.index(model.uns["sivae"]["fingerprint"])
                rows[path] = described(model) | {"attempt": attempt}
    waiting = [repeat for repeat in repeats if repeat.path not in rows]
    size = snakemake.params.stack or sivae.stack_size(settings, *cells.shape, device)
    print(f"{len(rows)} of {len(repeats)} models are trained already; the others {size} at a time")

    progress = Progress(settings, len(waiting))
    while waiting:
        stack = waiting[:size]
        try:
            trained = train(stack, settings, device, progress, snakemake)
        except torch.OutOfMemoryError:
            # What is free was an estimate, and others may have taken it since.
            if len(stack) == 1:
                raise
            size = len(stack) // 2
            print(f"the GPU has no room for {len(stack)} models at a time: now {size}")
            continue
        waiting = waiting[len(stack) :]
        for repeat, row in zip(stack, trained, strict=True):
            rows[repeat.path] = row | {"attempt": repeat.attempt}
            if row["status"] != "trained" and repeat.attempt < len(repeat.attempts):
                print(f"{repeat} is tried again with another seed")
                waiting.append(repeat._replace(attempt=repeat.attempt + 1))
                progress.n_fits += 1
    table = [
        {
            "sample": repeat.sample,
            "bin": repeat.bin,
            "repeat": repeat.number,
            "model": repeat.path.name,
        }
        | rows[repeat.path]
        for repeat in repeats
    ]
    write_table(pd.DataFrame(table, columns=COLUMNS), snakemake.output[0])


COLUMNS = ["sample", "bin", "repeat", "model", "status", "seconds", "device", "precision", "stack"]
COLUMNS += ["peak_memory_mb", "seed", "active_dimensions", "reconstruction_error"]
COLUMNS += ["heldout_error", "heldout_loss", "attempt"]


def train(stack, settings, device, progress, snakemake):
    """Train and write a stack of models; return what is to be said of each."""
    begin = perf_counter()
    cells = [read_bin(snakemake.input.expression, repeat.sample, repeat.bin) for repeat in stack]
    progress.begin(len(stack))
    seeds = [repeat.seed for repeat in stack]
    fits = sivae.fit_stack(cells, settings, seeds, device, progress=progress)
    progress.end()
    rows = []
    for repeat, fit in zip(stack, fits, strict=True):
        if isinstance(fit, sivae.DivergedError):
            rows.append({"status": f"failed: {fit}", "device": device, "seed": repeat.seed})
            print(f"{repeat} failed: {fit}")
            continue
        model = fit.to_anndata()
        fingerprint = repeat.attempts[repeat.attempt - 1][1]
        model.uns["sivae"] |= {"fingerprint": fingerprint, "stack": len(stack)}
        with atomic(repeat.path) as temporary:
            model.write_h5ad(temporary, compression="gzip")
        rows.append(described(model))
    names = ", ".join(map(str, stack))
    print(f"{progress.n_done} of {progress.n_fits} in {perf_counter() - begin:.1f} s: {names}")
    return rows


def described(model):
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
        "reconstruction_error": model.var["reconstruction_error"].mean(),
        "heldout_error": model.var["heldout_error"].mean(),
        "heldout_loss": trained["heldout_loss"]["total"],
    }


def fingerprint_of(cells, settings, seed, code):
    """Digest of all that a model depends on: cells, genes, settings, seed and the code."""
    described = [asdict(settings), seed, list(cells.var_names)]
    digest = sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(cells.X.tobytes())
    for source in code:
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()


def read_model(path, fingerprints):
    """Return the model at `path` if it is there, whole and of one of these fingerprints."""
    if not path.exists():
        return None
    try:
        model = ad.read_h5ad(path)
        return model if model.uns["sivae"]["fingerprint"] in fingerprints else None
    except Exception as error:
        print(f"{path} cannot be read ({error}): trained again", file=sys.stderr)
        return None


with logged(snakemake.log[0]):
    main(snakemake)
