"""Associate the load of heteroplasmy with a phenotype, one mtDNA per donor."""

from adapter import logged

from popnet import presets
from popnet.associations import heteroplasmy
from popnet.associations.designs import observed_genomes, read_design
from popnet.associations.testing import Testing
from popnet.files import read_table, write_table
from popnet.genotypes.table import read_genotypes_h5ad


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    design = read_design(files.design)
    donors = read_table(files.samples).set_index("sample")["donor"]
    genomes = observed_genomes(read_genotypes_h5ad(files.genotypes), donors, design)
    test = presets.answer(heteroplasmy, params.preset)
    testing = Testing.from_config(params.statistics, params.seed)
    table = test(genomes, design, testing)
    write_table(table if design.n else table[:0], snakemake.output.table)
    write_table(testing.by_chance("heteroplasmy"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
