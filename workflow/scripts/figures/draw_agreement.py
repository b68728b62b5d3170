"""Draw how well other methods agree with siVAE in the samples of a cell type."""

from adapter import logged

from popnet.figures.comparison_genes import agreement_strips
from popnet.figures.style import Subject, save
from popnet.files import read_table


def main(snakemake):
    agreement = read_table(snakemake.input.agreement)
    subject = Subject(snakemake.params.caption["cell_type"], None, agreement["sample"].nunique())
    save(agreement_strips(agreement, subject), agreement, snakemake.output.agreement[0])


with logged(snakemake.log[0]):
    main(snakemake)
