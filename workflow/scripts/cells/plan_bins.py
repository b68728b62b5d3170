"""Check the sheet against the cells and cut each sample's cells into bins.

Without cells, bins are those of the tables of own networks.
"""

import pandas as pd
from adapter import logged

from popnet.cells.bins import plan_bins, write_cells
from popnet.cells.formats import open_sources
from popnet.cells.sources import cell_names
from popnet.checks.study import read_study
from popnet.files import write_table
from popnet.networks.own import plan_own_bins
from popnet.study.cohort import load_cohort


def main(snakemake):
    cohort = load_cohort(snakemake.config["cohort"])
    study = read_study(cohort, snakemake.config)
    print(*study.warnings, sep="\n")
    if cohort.has_cells:
        paths = study.cells["source"].cat.categories
        read = cohort.cells
        sources = open_sources(paths, read.counts, read.gene_symbols, read.gene_prefix)
        study.cells["cell"] = cell_names(sources, study.cells)
        cells, bins, excluded = plan_bins(
            study.cells, size=snakemake.params.size, seed=snakemake.params.seed
        )
        write_cells(cells, snakemake.output.cells)
    else:
        types = list(study.cells["cell_type"].cat.categories)
        bins, excluded = plan_own_bins(cohort.own_networks, list(study.samples["sample"]), types)
    write_table(bins, snakemake.output.bins)
    write_table(pd.concat([study.excluded, excluded]), snakemake.output.excluded)
    columns = ["sample", "donor", "batch", "n_cells"]
    write_table(study.samples[columns], snakemake.output.donors)
    print(f"{len(bins)} bins of {bins['sample'].nunique()} samples")


with logged(snakemake.log[0]):
    main(snakemake)
