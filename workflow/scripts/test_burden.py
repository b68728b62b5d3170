"""The burden of variants per mtDNA gene against a phenotype, one mtDNA per donor."""

from adapter import logged, read_donors
from popnet.burden import test_burden
from popnet.tables import read_table, write_table

METHOD = {"robust": "spearman", "paper": "pearson"}


def main(snakemake):
    genes = read_table(snakemake.input.genes)
    preset = snakemake.params.preset
    dosage, variants, values, binary = read_donors(snakemake.input, snakemake.params.phenotype)
    table = test_burden(dosage, variants, values, genes, binary, method=METHOD[preset])
    write_table(table if len(dosage) else table[:0], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
