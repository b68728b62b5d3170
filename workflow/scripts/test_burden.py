"""The burden of variants per mtDNA gene against a phenotype, one mtDNA per donor."""

from adapter import logged, read_donors, read_genome_design

from popnet.associations.variants import permute_burden, test_burden
from popnet.files import read_table, write_table


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    genes = read_table(files.genes)
    if params.preset == "paper":
        dosage, variants, values, binary = read_donors(files, params.phenotype)
        table = test_burden(dosage, variants, values, genes, binary, method="pearson")
    else:
        genomes, design = read_genome_design(files, params)
        permutations = params.statistics["permutations"]
        table = permute_burden(genomes, genes, design, permutations, params.seed)
    write_table(table if table["n"].any() else table[:0], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
