"""Associate mitochondrial genomes with the wiring of the complexes of the same donors."""

from adapter import logged

from popnet.associations import wiring
from popnet.associations.designs import technical_covariates
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, read_table, resource, write_table
from popnet.genotypes.table import read_genotypes_h5ad


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    technical = technical_covariates(read_h5ad(files.bins).obs)
    testing = Testing.from_config(params.statistics, params.seed)
    table = wiring.robust(
        read_parquet(files.connectivity),
        read_genotypes_h5ad(files.genotypes),
        read_table(resource("mtdna_genes.tsv")),
        read_table(files.covariates, text=params.categorical).set_index("sample"),
        params.covariates,
        technical[[name for name in params.adjust if name in technical]],
        params.components,
        testing,
    )
    write_table(table, snakemake.output.table)
    write_table(testing.by_chance("genomes"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
