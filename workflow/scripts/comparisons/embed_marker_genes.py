"""Embed the marker genes of cell types by each method, beside the cells."""

import pandas as pd
import torch
from adapter import logged

from popnet.comparisons.markers import embed_marker_genes
from popnet.errors import InputError
from popnet.files import read_h5ad, write_table
from popnet.sivae.settings import from_config
from popnet.study.tables import read_markers


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params, given = snakemake.params, None
    if snakemake.input.markers:
        rows, problems = read_markers(str(snakemake.input.markers))
        if problems:
            raise InputError(problems)
        given = pd.DataFrame(rows)
    cells = read_h5ad(snakemake.input.cells)
    tables = embed_marker_genes(
        cells, given, from_config(params.sivae, params.plan), params.methods, params.seed
    )
    for name, table in tables.items():
        write_table(table, snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
