"""Train the models of a job's bins; finished ones of the same cells, settings and code are kept."""

import torch
from adapter import logged, training_device

from popnet.files import write_table
from popnet.sivae.jobs import TrainingJob, train_models
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    job = TrainingJob(
        snakemake.input.expression,
        params.models,
        from_config(params.sivae, params.plan),
        params.seed,
        params.seeds,
        training_device(snakemake),
        params.stack,
    )
    write_table(train_models(job, params.bins), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
