"""The burden of variants per mtDNA gene against a phenotype, one mtDNA per donor."""

from adapter import logged, read_phenotype
from popnet.burden import per_donor, test_burden
from popnet.genotypes import read_genotypes_h5ad
from popnet.tables import read_table, write_table

METHOD = {"robust": "spearman", "paper": "pearson"}


def main(snakemake):
    genotypes = read_genotypes_h5ad(snakemake.input.genotypes)
    genes = read_table(snakemake.input.genes)
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    preset = snakemake.params.preset
    dosage, values, n_discordant = per_donor(genotypes, donors, phenotype)
    print(f"{len(dosage)} donors, {n_discordant} genotypes differ between samples of one donor")
    table = test_burden(dosage, genotypes.variants, values, genes, binary, method=METHOD[preset])
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
