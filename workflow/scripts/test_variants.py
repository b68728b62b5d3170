"""Single variants against a phenotype, one mtDNA per donor."""

from adapter import logged, read_donors
from popnet.burden import test_variants
from popnet.tables import read_table, write_table

# The paper tested sites that more than five lines carry.
MIN_CARRIERS = {"robust": 3, "paper": 6}


def main(snakemake):
    genes = read_table(snakemake.input.genes)
    preset = snakemake.params.preset
    dosage, variants, values, binary = read_donors(snakemake.input, snakemake.params.phenotype)
    table = test_variants(
        dosage, variants, values, genes, binary, min_carriers=MIN_CARRIERS[preset]
    )
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
