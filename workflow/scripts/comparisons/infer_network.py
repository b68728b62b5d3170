"""Infer the network of the compared cells by one method."""

from dataclasses import replace
from pathlib import Path

import torch
from adapter import logged

from popnet.comparisons.inference import infer_network
from popnet.comparisons.methods import Attempt, Training
from popnet.files import atomic, read_h5ad, read_table, write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params, folder, model = snakemake.params, snakemake.input.get("model"), None
    if folder:
        trained = read_table(snakemake.input.model_status, text=["status"]).iloc[0]
        training = Attempt(None, *trained[["status", "seconds", "peak_memory_mb"]])
        model = (training, folder)
    settings = replace(from_config(params.sivae, params.plan), standardise=True, heldout=0.0)
    network, status = infer_network(
        Path(snakemake.output.network).stem,
        read_h5ad(snakemake.input.cells),
        Training(settings, params.epochs),
        params.seed,
        snakemake.threads,
        model,
    )
    with atomic(snakemake.output.network) as path:
        network.write_h5ad(path, compression="gzip")
    write_table(status, snakemake.output.status)


with logged(snakemake.log[0]):
    main(snakemake)
