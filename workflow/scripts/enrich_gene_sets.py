"""Gene sets whose centralities go with a phenotype."""

import pandas as pd
from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.associations import sets as set_tests
from popnet.files import read_h5ad, write_table
from popnet.stats.ranks import correlate
from popnet.stats.units import units
from popnet.study.cohort import load_cohort
from popnet.study.gene_sets import resolve_gene_sets

PAPER_MIN_SIZE = 1


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    genes = bins.var_names
    samples = bins.obs["sample"].astype(str).to_numpy()
    gene_sets = resolve_gene_sets(load_cohort(snakemake.input.sheet).gene_sets, genes)
    options = {
        "permutations": snakemake.params.statistics["permutations"],
        "seed": snakemake.params.seed,
    }
    if snakemake.params.preset == "paper":
        donors, phenotype, binary = read_phenotype(
            snakemake.input.samples, snakemake.params.phenotype
        )
        observations = units(samples, donors, phenotype, UNIT["paper"])
        values = observations.average(bins.X)
        statistic = correlate(values, observations.phenotype, binary)["statistic"]
        ranking = pd.Series(statistic.to_numpy(), index=genes)
        table = set_tests.paper(
            ranking, gene_sets, min_size=PAPER_MIN_SIZE, absolute=True, **options
        )
        n_units = len(observations.labels)
    else:
        technical = technical_covariates(bins.obs)
        design = read_design(snakemake.input.samples, samples, snakemake.params, technical)
        values = design.units.average(bins.X)
        table = set_tests.robust(values, design, genes, gene_sets, **options)
        n_units = design.n
    print(f"{len(table)} of {len(gene_sets)} sets tested")
    write_table(table.assign(n_units=n_units), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
