"""Put what can be measured of all networks into one table, with expression to compare."""

import pandas as pd
from adapter import logged

from popnet.files import write_table
from popnet.networks.verdicts import read_measures


def main(snakemake):
    tables = [read_measures(path) for path in snakemake.input]
    write_table(pd.concat(tables, ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
