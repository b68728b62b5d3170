"""Join the tables of all methods of dimension reduction, and what became of each."""

from adapter import logged

from popnet.comparisons.outcomes import joined
from popnet.files import read_table, write_table


def main(snakemake):
    for name, text in (("accuracy", []), ("types", ["type"]), ("scores", ["type"]), ("status", [])):
        tables = [read_table(path, text) for path in snakemake.input[name]]
        write_table(joined(tables, tables[0].columns), snakemake.output[name])


with logged(snakemake.log[0]):
    main(snakemake)
