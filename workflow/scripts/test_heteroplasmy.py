"""The load of heteroplasmy against a phenotype, one mtDNA per donor."""

from adapter import logged, read_genome_design

from popnet.associations.variants import permute_heteroplasmy
from popnet.files import write_table


def main(snakemake):
    params = snakemake.params
    genomes, design = read_genome_design(snakemake.input, params)
    permutations = params.statistics["permutations"]
    table = permute_heteroplasmy(genomes, design, permutations, params.seed)
    write_table(table if design.n else table[:0], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
