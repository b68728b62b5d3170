"""Train the models of a job's bins; finished ones of the same cells, settings and code are kept."""

from pathlib import Path

import torch
from adapter import logged

from popnet.files import write_table
from popnet.sivae.fitting import job_device
from popnet.sivae.jobs import TrainingJob, train_models
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params, resources = snakemake.params, snakemake.resources
    given_gpu = bool(resources.get("gres") or resources.get("gpu"))
    start, *unseen = [Path(path).parent for path in snakemake.input.start] or [None]
    job = TrainingJob(
        snakemake.input.expression,
        params.models,
        from_config(params.sivae, params.plan),
        params.seed,
        params.seeds,
        job_device(params.device, given_gpu),
        params.stack,
        start=start,
        unseen=unseen,
    )
    write_table(train_models(job, params.bins), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
