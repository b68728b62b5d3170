"""List the cells that are in no network: those of no bin, and those of bins that did not train."""

from pathlib import Path

from adapter import logged

from popnet.files import read_table, write_table
from popnet.findings.study import excluded_cells
from popnet.names import safe_name
from popnet.networks.trained import read_training


def main(snakemake):
    bins = read_table(snakemake.input.bins)
    names = {safe_name(name): name for name in bins["cell_type"].unique()}
    trained = read_training(snakemake.input.trained)
    trained["cell_type"] = [names[Path(path).parts[-3]] for path in trained["table"]]
    excluded = excluded_cells(read_table(snakemake.input.unbinned), bins, trained)
    write_table(excluded, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
