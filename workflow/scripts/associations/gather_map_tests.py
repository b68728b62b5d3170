"""Put the tests of the map against all phenotypes into one table."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table


def main(snakemake):
    tables = [read_table(path, text=["phenotype"]) for path in snakemake.input]
    write_table(pd.concat(tables, ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
