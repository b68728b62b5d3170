"""Draw how many cells each sample gave."""

from pathlib import Path

from adapter import logged
from popnet.figures import Subject, save
from popnet.figures.qc import cells_per_sample, qc_cells
from popnet.tables import read_table


def main(snakemake):
    bins = read_table(snakemake.input.bins)
    excluded = read_table(snakemake.input.excluded)
    cells = cells_per_sample(bins, excluded)
    subject = Subject(None, None, n=bins["sample"].nunique())
    save(qc_cells(cells, subject), cells, Path(snakemake.output.cells[0]).with_suffix(""))


with logged(snakemake.log[0]):
    main(snakemake)
