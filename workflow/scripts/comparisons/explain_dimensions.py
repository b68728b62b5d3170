"""Interpret the latent dimensions of siVAEs by every method, and say how far these agree."""

from pathlib import Path

import torch
from adapter import logged

from popnet import sivae
from popnet.comparisons.dimensions import explain_dimensions
from popnet.comparisons.outcomes import joined
from popnet.files import read_h5ad, read_table, write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    cells = read_h5ad(snakemake.input.cells)
    explained = []
    for folder, status in zip(snakemake.input.models, snakemake.input.model_status, strict=True):
        trained = read_table(status, text=["status"]).iloc[0]["status"]
        fit = sivae.load(folder) if trained == "done" else None
        latent = params.latents[Path(folder).name]
        explained.append(
            explain_dimensions(cells, fit, trained, latent, params.methods, params.seed)
        )
    for name, first in explained[0].items():
        table = joined([tables[name] for tables in explained], first.columns)
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
