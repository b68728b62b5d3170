"""Draw the effects of several studies, and what they say together."""

from adapter import logged

from popnet.figures.meta import forest_plot
from popnet.figures.style import Subject, save
from popnet.files import read_table
from popnet.findings.meta import forest


def main(snakemake):
    shown = forest(read_table(snakemake.input[0], text=["network"]))
    subject = Subject(*snakemake.params.names, max(shown["study"].nunique() - 1, 0), "studies")
    save(forest_plot(shown, subject), shown, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
