"""Draw how far other methods agree with siVAE in the samples of a cell type."""

from pathlib import Path

from adapter import logged

from popnet.figures import Subject, save
from popnet.figures.comparison_genes import agreement_strips
from popnet.files import read_table


def main(snakemake):
    agreement = read_table(snakemake.input.agreement)
    subject = Subject(snakemake.params.caption["cell_type"], None, agreement["sample"].nunique())
    figure = agreement_strips(agreement, subject)
    save(figure, agreement, Path(snakemake.output.agreement[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
