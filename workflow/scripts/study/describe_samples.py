"""Write down the phenotypes and covariates of every sample, from the sheet and the cells."""

from adapter import logged

from popnet.checks.study import read_study
from popnet.files import write_table
from popnet.study.cohort import load_cohort


def main(snakemake):
    study = read_study(load_cohort(snakemake.config["cohort"]), snakemake.config)
    columns = snakemake.params.columns or list(study.samples)
    write_table(study.samples[columns], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
