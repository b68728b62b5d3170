"""Simulate the cells, the variants and the gene sets of a sheet, and the truth behind them."""

import pandas as pd
from adapter import logged

from popnet.files import read_table
from popnet.genotypes.reading import sample_vcfs
from popnet.simulation.cohort import simulate_cohort, write_cohort
from popnet.study.cohort import load_cohort


def main(snakemake):
    cohort = load_cohort(snakemake.input.sheet)
    samples = pd.read_csv(cohort.table, dtype={"sample": str, "donor": str, "pool": str})
    simulated = simulate_cohort(
        samples, read_table(snakemake.input.genes), seed=snakemake.params.seed
    )
    gene_sets = next(gene_set.gmt for gene_set in cohort.gene_sets if gene_set.gmt)
    vcfs = sample_vcfs(cohort, [sample.id for sample in cohort.samples])
    write_cohort(
        simulated,
        cohort.cells.path,
        {sample: path for sample, (path, _) in vcfs.items()},
        gene_sets,
        snakemake.output.truth,
    )
    print(simulated.adata)


with logged(snakemake.log[0]):
    main(snakemake)
