"""Count what several studies have in common, by cell type, phenotype and network."""

from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.findings.meta import meta_rows


def main(snakemake):
    rows = [
        {"cell_type": Path(path).parent.name, "phenotype": Path(path).stem} | row
        for path in snakemake.input
        for row in meta_rows(read_table(path), snakemake.params.fdr)
    ]
    write_table(pd.DataFrame(rows), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
