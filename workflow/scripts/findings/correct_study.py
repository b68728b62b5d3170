"""Correct the headline's tests of centrality, of all cell types and phenotypes, for each other."""

from adapter import logged

from popnet.files import read_parquet, read_table, write_table
from popnet.findings.study import all_associations
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    networks = snakemake.params.networks
    measured = {cell_type: read_measures(path) for cell_type, path in snakemake.params.measures}
    tests = [
        (cell_type, phenotype, read_table(table), read_parquet(maxima)["t"].to_numpy(float))
        for cell_type, network, phenotype, table, maxima in snakemake.params.tests
        if network == headline(measured.get(cell_type), networks)
    ]
    write_table(all_associations(tests, snakemake.params.seed), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
