"""Train the siVAE of a cohort, or keep the one that samples added later leave as it is."""

from pathlib import Path

import torch
from adapter import logged

from popnet.files import read_table
from popnet.sivae.fitting import job_device
from popnet.sivae.settings import from_config
from popnet.sivae.shared import train_part


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, params, resources = snakemake.input, snakemake.params, snakemake.resources
    given_gpu = bool(resources.get("gres") or resources.get("gpu"))
    train_part(
        snakemake.wildcards.part,
        files.expression,
        read_table(files.donors).set_index("sample")["donor"],
        Path(snakemake.output.fit).parent,
        from_config(params.sivae, params.plan),
        params.seed,
        job_device(params.device, given_gpu),
    )


with logged(snakemake.log[0]):
    main(snakemake)
