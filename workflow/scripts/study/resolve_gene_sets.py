"""Write down the gene sets of the sheet, those of its GMT files included."""

from adapter import logged

from popnet.study.cohort import GeneSet
from popnet.study.gene_sets import write_gene_sets


def main(snakemake):
    gene_sets = [GeneSet(**part) for part in snakemake.params.gene_sets]
    write_gene_sets(gene_sets, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
