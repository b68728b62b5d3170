"""Correct all tests of centrality, of every cell type and phenotype, for each other."""

from adapter import logged

from popnet.files import read_parquet, read_table, write_table
from popnet.findings.study import all_associations


def main(snakemake):
    tests = [
        (cell_type, phenotype, read_table(table), read_parquet(maxima)["t"].to_numpy(float))
        for cell_type, phenotype, table, maxima in snakemake.params.tests
    ]
    write_table(all_associations(tests, snakemake.params.seed), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
