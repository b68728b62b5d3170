"""Read the samples' genotypes on the contig of the sheet."""

from adapter import logged
from popnet.cohort import load_cohort, with_samples
from popnet.genotypes import read_genotypes, sample_vcfs, write_genotypes
from popnet.tables import read_table


def main(snakemake):
    cohort = load_cohort(snakemake.input.sheet)
    samples = list(read_table(snakemake.input.samples)["sample"])
    if cohort.samples is None:
        cohort = with_samples(cohort, samples)
    vcfs = sample_vcfs(cohort, samples)
    variants = cohort.variants
    genotypes = read_genotypes(vcfs, variants.contig, variants.keep_filters)
    print(f"{len(genotypes.samples)} samples, {len(genotypes.variants)} variants")
    write_genotypes(genotypes, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
