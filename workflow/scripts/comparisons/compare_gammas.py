"""Train siVAE with growing weights of the interpretability term, and siVAE-linear beside it."""

from dataclasses import replace

import torch
from adapter import logged

from popnet.comparisons.gammas import compare_gammas
from popnet.files import read_h5ad, write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    tables = compare_gammas(
        read_h5ad(snakemake.input.cells),
        replace(from_config(params.sivae, params.plan), latent=min(params.latents)),
        params.gammas,
        params.folds,
        params.seed,
    )
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
