"""Fit the candidates of model selection to one bin."""

import torch
from adapter import logged

from popnet.cells.expression import read_bin
from popnet.files import write_table
from popnet.seeds import derive_seed
from popnet.sivae import tuning
from popnet.sivae.fitting import job_device
from popnet.sivae.progress import Progress
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params, resources = snakemake.params, snakemake.resources
    given_gpu = bool(resources.get("gres") or resources.get("gpu"))
    sample, number = params.bin
    settings = from_config(params.sivae, params.plan)
    candidates = tuning.grid(settings, **params.grid)
    name = f"{sample}.{number}"
    table = tuning.evaluate(
        {name: read_bin(snakemake.input.expression, sample, number)},
        candidates,
        {name: derive_seed(params.seed, sample, number)},
        job_device(params.device, given_gpu),
        progress=Progress(settings, len(candidates), what="candidates"),
    )
    write_table(table, snakemake.output[0])
    print(f"compared {len(candidates)} settings on {sample} bin {number}")


with logged(snakemake.log[0]):
    main(snakemake)
