"""Put the tests of all networks into one table, with the reliability of what was tested."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.networks.verdicts import beside, read_measures


def main(snakemake):
    tables, measures = [], read_measures(snakemake.input.measures)
    for network, path in zip(snakemake.params.networks, snakemake.input.tables, strict=True):
        table = read_table(path, text=["network"])
        if measures is not None:
            table = beside(table, snakemake.wildcards.analysis, network, measures)
        table.insert(0, "network", network)
        tables.append(table)
    write_table(pd.concat(tables, ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
