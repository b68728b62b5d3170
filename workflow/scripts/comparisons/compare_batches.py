"""Embed cells with and without batch correction, and map them in two dimensions."""

import torch
from adapter import logged

from popnet.comparisons.mixing import compare_batches
from popnet.files import read_h5ad, write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    tables = compare_batches(
        read_h5ad(snakemake.input.cells),
        from_config(params.sivae, params.plan),
        params.epochs,
        params.latents,
        params.seed,
    )
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
