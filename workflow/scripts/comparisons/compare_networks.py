"""Compare the hubs of every method with the truth, and their neighbours with each other's."""

from pathlib import Path

import pandas as pd
import torch
from adapter import logged

from popnet.comparisons.neighbourhoods import compare_networks
from popnet.files import read_h5ad, read_table, write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    status = [read_table(path, text=["status"]) for path in snakemake.input.status]
    tables = compare_networks(
        {Path(path).stem: read_h5ad(path) for path in snakemake.input.networks},
        pd.concat([read_table(path) for path in snakemake.input.truth]),
        read_h5ad(snakemake.input.cells),
        snakemake.params.seed,
    )
    for name, table in {**tables, "methods": pd.concat(status)}.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
