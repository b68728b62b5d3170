"""Train siVAE, with and without gamma, and a VAE on images; siVAE on simulated chromatin."""

import torch
from adapter import logged

from popnet.comparisons.other_data import compare_other_data
from popnet.files import write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    tables = compare_other_data(params.images, params.latents, params.folds, params.seed)
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
