"""Count what several studies have in common, by cell type, phenotype and network."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.findings.meta import meta_rows


def main(snakemake):
    rows = [
        {"cell_type": cell_type, "phenotype": phenotype} | row
        for (cell_type, phenotype), path in zip(
            snakemake.params.names, snakemake.input, strict=True
        )
        for row in meta_rows(read_table(path, text=["network"]), snakemake.params.fdr)
    ]
    write_table(pd.DataFrame(rows), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
