"""Check the sheet against the cells and cut each sample's cells into bins."""

import pandas as pd
from adapter import logged

from popnet.cells.bins import plan_bins
from popnet.checks.study import read_study
from popnet.files import write_parquet, write_table
from popnet.study.cohort import load_cohort


def main(snakemake):
    study = read_study(load_cohort(snakemake.config["cohort"]), snakemake.config)
    print(*study.warnings, sep="\n")
    cells, bins, excluded = plan_bins(
        study.cells, size=snakemake.params.size, seed=snakemake.params.seed
    )
    write_table(bins, snakemake.output.bins)
    write_table(pd.concat([study.excluded, excluded]), snakemake.output.excluded)
    columns = ["sample", "donor", "batch", "n_cells"]
    write_table(study.samples[columns], snakemake.output.donors)
    write_parquet(cells, snakemake.output.cells)
    print(f"{len(bins)} bins of {bins['sample'].nunique()} samples")


with logged(snakemake.log[0]):
    main(snakemake)
