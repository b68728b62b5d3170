"""Simulate the cells, the variants and the gene sets of a sheet, and the truth behind them."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, resource
from popnet.simulation.cohort import simulate_cohort, write_cohort


def main(snakemake):
    files, made = snakemake.input, snakemake.params.made
    samples = pd.read_csv(files.samples, dtype={"sample": str, "donor": str, "pool": str})
    simulated = simulate_cohort(
        samples, read_table(resource("demo_genes.tsv")), seed=snakemake.params.seed
    )
    write_cohort(simulated, made["cells"], made["vcfs"], made["gmt"], snakemake.output.truth)
    print(simulated.adata)


with logged(snakemake.log[0]):
    main(snakemake)
