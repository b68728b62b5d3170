"""Gene sets whose centralities go with a phenotype."""

import anndata as ad
import pandas as pd
from adapter import UNIT, logged, read_phenotype
from popnet.association import correlate, units
from popnet.cohort import load_cohort
from popnet.gene_sets import enrich, enrich_phenotype, resolve_gene_sets
from popnet.tables import write_table

PAPER_MIN_SIZE = 1


def main(snakemake):
    bins = ad.read_h5ad(snakemake.input.bins)
    genes = bins.var_names
    gene_sets = resolve_gene_sets(load_cohort(snakemake.input.sheet).gene_sets, genes)
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    preset = snakemake.params.preset
    observations = units(bins.obs["sample"].astype(str), donors, phenotype, UNIT[preset])
    values = observations.average(bins.X)
    options = {"permutations": snakemake.params.permutations, "seed": snakemake.params.seed}
    if preset == "paper":
        statistic = correlate(values, observations.phenotype, binary)["statistic"]
        ranking = pd.Series(statistic.to_numpy(), index=genes)
        table = enrich(ranking, gene_sets, min_size=PAPER_MIN_SIZE, absolute=True, **options)
    else:
        table = enrich_phenotype(
            values, observations.phenotype, binary, genes, gene_sets, **options
        )
    print(f"{len(table)} of {len(gene_sets)} sets tested")
    write_table(table.assign(n_units=len(observations.labels)), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
