"""Average the losses of candidate settings over the bins of a cell type."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.sivae.tuning import summarise


def main(snakemake):
    tables = [read_table(path, text=["bin", "hidden"]) for path in snakemake.input.bins]
    write_table(summarise(pd.concat(tables)), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
