"""Check the sheet against the cells and cut each sample's cells into bins."""

import pandas as pd
from adapter import logged

from popnet.cells import plan_bins
from popnet.checks.study import read_study
from popnet.files import write_parquet, write_table
from popnet.study.cohort import load_cohort


def main(snakemake):
    cohort = load_cohort(snakemake.input.sheet)
    study = read_study(cohort, snakemake.config)
    for warning in study.warnings:
        print(warning)
    cells, bins, excluded = plan_bins(
        study.cells, size=snakemake.params.size, seed=snakemake.params.seed
    )
    write_table(bins, snakemake.output.bins)
    write_table(pd.concat([study.excluded, excluded]), snakemake.output.excluded)
    write_table(study.samples, snakemake.output.samples)
    write_parquet(cells, snakemake.output.cells)
    print(f"{len(bins)} bins of {bins['sample'].nunique()} samples")


with logged(snakemake.log[0]):
    main(snakemake)
