"""Train one siVAE per bin of a job; a model of the same cells, settings and seed is kept."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import anndata as ad
import pandas as pd
import torch
from adapter import logged
from popnet import sivae
from popnet.cells import read_bin
from popnet.names import safe_name
from popnet.seeds import derive_seed
from popnet.tables import atomic, write_table

SOURCES = sorted(Path(sivae.__file__).parent.glob("*.py"))


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    device = snakemake.params.device
    if device == "auto" and (snakemake.resources.get("gres") or snakemake.resources.get("gpu")):
        device = "cuda"  # A job that was given a GPU must not train on the CPU unnoticed.
    device = str(sivae.choose_device(device))
    rows = []
    for sample, number in snakemake.params.bins:
        model_path = Path(snakemake.params.models) / f"{safe_name(sample)}.{number}.h5ad"
        row = train(snakemake, sample, number, device, model_path)
        rows.append({"sample": sample, "bin": number, "model": model_path.name} | row)
        print(f"{len(rows)} of {len(snakemake.params.bins)}: {sample} bin {number}: {row}")
    write_table(pd.DataFrame(rows), snakemake.output[0])


def train(snakemake, sample, number, device, path):
    cells = read_bin(snakemake.input.expression, sample, number)
    settings = sivae.Settings(**snakemake.params.sivae)
    # The cell type is left out: the same cells give the same model under any name.
    seed = derive_seed(snakemake.params.seed, sample, number)
    fingerprint = fingerprint_of(cells, snakemake.params.sivae, seed)
    model = read_model(path, fingerprint)
    if model is None:
        try:
            model = sivae.train_bin(cells, settings, seed, device)
        except sivae.DivergedError as error:
            return {"status": f"failed: {error}"}
        model.uns["sivae"]["fingerprint"] = fingerprint
        with atomic(path) as temporary:
            model.write_h5ad(temporary, compression="gzip")
    trained = model.uns["sivae"]
    return {
        "status": "trained",
        "seconds": trained["seconds"],
        "device": trained["device"],
        "seed": trained["seed"],
        "active_dimensions": trained["active_dimensions"],
        "reconstruction_error": model.var["reconstruction_error"].mean(),
        "heldout_error": model.var["heldout_error"].mean(),
    }


def fingerprint_of(cells, settings, seed):
    """Digest of all that a model depends on: cells, genes, settings, seed and the code."""
    digest = sha256(json.dumps([settings, seed, list(cells.var_names)], sort_keys=True).encode())
    digest.update(cells.X.tobytes())
    for source in SOURCES:
        digest.update(source.read_bytes())
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
