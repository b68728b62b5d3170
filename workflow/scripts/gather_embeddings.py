"""Put the tables of all methods of dimension reduction together, and what became of each."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table


def main(snakemake):
    for name, text in (("accuracy", []), ("types", ["type"]), ("scores", ["type"]), ("status", [])):
        tables = [read_table(path, text) for path in snakemake.input[name]]
        # An empty table's columns have no type.
        table = pd.concat([each for each in tables if len(each)] or tables[:1])
        write_table(table, snakemake.output[name])
    for row in table.itertuples():
        print(f"{row.comparison} {row.method}: {row.status}, {row.seconds:.0f} s")


with logged(snakemake.log[0]):
    main(snakemake)
