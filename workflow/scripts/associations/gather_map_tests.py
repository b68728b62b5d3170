"""Put the tests of the map against all phenotypes into one table, with its reliability."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.networks.verdicts import beside, read_measures


def main(snakemake):
    tables = [read_table(path, text=["phenotype"]) for path in snakemake.input.tables]
    table, measures = pd.concat(tables, ignore_index=True), read_measures(snakemake.input.measures)
    if measures is not None:
        table = beside(table, "map", snakemake.wildcards.network, measures)
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
