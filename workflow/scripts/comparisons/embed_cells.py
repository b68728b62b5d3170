"""Embed cells by one method, with every number of dimensions, and classify held-out ones."""

import torch
from adapter import logged

from popnet.comparisons.classification import classify_cells
from popnet.files import read_h5ad, write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    tables = classify_cells(
        snakemake.wildcards.method,
        read_h5ad(snakemake.input.cells),
        from_config(params.sivae, params.plan),
        params.epochs,
        params.latents,
        params.folds,
        params.seed,
    )
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
