"""Put the tables of all networks, and of expression, into one table."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table

TEXT = ["differs_in", "measure", "name1", "name2", "highest", "lowest"]


def main(snakemake):
    tables = [
        read_table(path, text=TEXT).assign(network=network)
        for network, path in zip(snakemake.params.networks, snakemake.input, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    write_table(table[["network", *table.columns.drop("network")]], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
