"""Embed the genes of the paper's simulated network by each method."""

import torch
from adapter import logged

from popnet.comparisons.gene_embedding import embed_simulated_genes
from popnet.files import write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    tables = embed_simulated_genes(
        from_config(params.sivae, params.plan), params.methods, params.seed
    )
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
