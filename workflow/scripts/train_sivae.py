"""Train one siVAE per bin of a job; a model of the same cells, settings and seed is kept."""

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
from popnet.names import safe_name
from popnet.seeds import derive_seed
from popnet.sivae.progress import Progress
from popnet.tables import atomic, write_table


class Bin(NamedTuple):
    sample: str
    number: int
    path: Path
    seed: int
    fingerprint: str


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = sivae_settings(snakemake.params)
    device = training_device(snakemake)
    bins, rows = [], {}
    for sample, number in snakemake.params.bins:
        cells = read_bin(snakemake.input.expression, sample, number)
        path = Path(snakemake.params.models) / f"{safe_name(sample)}.{number}.h5ad"
        # The cell type is left out: the same cells give the same model under any name.
        seed = derive_seed(snakemake.params.seed, sample, number)
        fingerprint = fingerprint_of(cells, settings, seed, snakemake.input.code)
        bins.append(Bin(sample, number, path, seed, fingerprint))
        model = read_model(path, fingerprint)
        if model is not None:
            rows[bins[-1]] = described(model)
    waiting = [bin_ for bin_ in bins if bin_ not in rows]
    size = snakemake.params.stack or sivae.stack_size(settings, *cells.shape, device)
    print(f"{len(rows)} of {len(bins)} bins are trained already; the others {size} at a time")

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
            print(f"the GPU has no room for {len(stack)} bins at a time: now {size}")
            continue
        rows |= zip(stack, trained, strict=True)
        waiting = waiting[len(stack) :]
    table = [
        {"sample": bin_.sample, "bin": bin_.number, "model": bin_.path.name} | rows[bin_]
        for bin_ in bins
    ]
    write_table(pd.DataFrame(table, columns=COLUMNS), snakemake.output[0])


COLUMNS = ["sample", "bin", "model", "status", "seconds", "device", "precision", "stack"]
COLUMNS += ["peak_memory_mb", "seed", "active_dimensions", "reconstruction_error"]
COLUMNS += ["heldout_error", "heldout_loss"]


def train(stack, settings, device, progress, snakemake):
    """Train and write the models of a stack of bins; return what is to be said of each."""
    begin = perf_counter()
    cells = [read_bin(snakemake.input.expression, bin_.sample, bin_.number) for bin_ in stack]
    progress.begin(len(stack))
    seeds = [bin_.seed for bin_ in stack]
    fits = sivae.fit_stack(cells, settings, seeds, device, progress=progress)
    progress.end()
    rows = []
    for bin_, fit in zip(stack, fits, strict=True):
        if isinstance(fit, sivae.DivergedError):
            rows.append({"status": f"failed: {fit}", "device": device, "seed": bin_.seed})
            print(f"{bin_.sample} bin {bin_.number} failed: {fit}")
            continue
        model = fit.to_anndata()
        model.uns["sivae"] |= {"fingerprint": bin_.fingerprint, "stack": len(stack)}
        with atomic(bin_.path) as temporary:
            model.write_h5ad(temporary, compression="gzip")
        rows.append(described(model))
    names = ", ".join(f"{bin_.sample} bin {bin_.number}" for bin_ in stack)
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


def read_model(path, fingerprint):
    """Return the model at `path` if it is there, whole and of this fingerprint."""
    if not path.exists():
        return None
    try:
        model = ad.read_h5ad(path)
        return model if model.uns["sivae"]["fingerprint"] == fingerprint else None
    except (OSError, KeyError, ValueError) as error:
        print(f"{path} cannot be read ({error}): trained again", file=sys.stderr)
        return None


with logged(snakemake.log[0]):
    main(snakemake)
