"""Gather the losses of all models of a cell type that trained."""

from adapter import logged

from popnet.files import write_parquet
from popnet.networks.trained import read_training, trained_models


def main(snakemake):
    params = snakemake.params
    planned = read_training(snakemake.input)
    models = trained_models(snakemake.input, planned, params.models, params.max_failed_bins)
    write_parquet(models.losses(), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
