"""Take the samples' values of one phenotype, and of the covariates, out of the resolved study."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table


def main(snakemake):
    path, columns = snakemake.input.samples, snakemake.params.columns
    # As text, so that every value stays as it is written.
    header = list(read_table(path).columns)
    samples = read_table(path, text=header)
    write_table(pd.DataFrame(samples[columns]), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
