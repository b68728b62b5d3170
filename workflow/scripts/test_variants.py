"""Single variants against a phenotype, one mtDNA per donor."""

from adapter import logged, read_donors, read_genome_design

from popnet.associations.variants import permute_variants, test_variants
from popnet.files import read_table, write_table

# The paper tested sites that more than five lines carry.
MIN_CARRIERS = 6


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    genes = read_table(files.genes)
    if params.preset == "paper":
        dosage, variants, values, binary = read_donors(files, params.phenotype)
        table = test_variants(dosage, variants, values, genes, binary, min_carriers=MIN_CARRIERS)
    else:
        genomes, design = read_genome_design(files, params)
        permutations = params.statistics["permutations"]
        table = permute_variants(genomes, genes, design, permutations, params.seed)
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
