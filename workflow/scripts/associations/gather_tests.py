"""Put the tests of all networks into one table, the headline network first."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table


def main(snakemake):
    tables = []
    for network, path in zip(snakemake.params.networks, snakemake.input, strict=True):
        tables.append(read_table(path, text=["network"]))
        tables[-1].insert(0, "network", network)
    write_table(pd.concat(tables, ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
