"""Single variants against a phenotype, one mtDNA per donor."""

from adapter import logged, read_phenotype
from popnet.burden import per_donor, test_variants
from popnet.genotypes import read_genotypes_h5ad
from popnet.tables import read_table, write_table

# The paper tested sites that more than five lines carry.
MIN_CARRIERS = {"robust": 3, "paper": 6}


def main(snakemake):
    genotypes = read_genotypes_h5ad(snakemake.input.genotypes)
    genes = read_table(snakemake.input.genes)
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    preset = snakemake.params.preset
    dosage, values, n_discordant = per_donor(genotypes, donors, phenotype)
    print(f"{len(dosage)} donors, {n_discordant} genotypes differ between samples of one donor")
    table = test_variants(
        dosage, genotypes.variants, values, genes, binary, min_carriers=MIN_CARRIERS[preset]
    )
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
