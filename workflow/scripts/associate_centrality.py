"""Associate every gene's degree centrality with a phenotype."""

import anndata as ad
from adapter import UNIT, logged, read_phenotype
from popnet.association import associate, units
from popnet.tables import read_table, write_table


def main(snakemake):
    bins = ad.read_h5ad(snakemake.input.bins)
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    observations = units(
        bins.obs["sample"].astype(str), donors, phenotype, UNIT[snakemake.params.preset]
    )
    print(f"{len(observations.labels)} observations, each a {observations.kind}")
    table = associate(
        bins.X,
        bins.layers["mean_expression"],
        bins.obs["mean_depth"].to_numpy(),
        bins.var_names,
        observations,
        binary,
        fdr=snakemake.params.statistics["fdr"],
        icc=read_table(snakemake.input.reliability).set_index("gene")["icc"],
        min_icc=snakemake.params.statistics["min_icc"],
    )
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
