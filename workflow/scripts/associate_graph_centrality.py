"""Associate the graph centralities of every gene with a phenotype."""

import numpy as np
from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.associations import graph_centrality as graph_tests
from popnet.files import read_h5ad, write_table
from popnet.networks.centrality import MEASURES
from popnet.stats.units import units


def main(snakemake):
    params, samples = snakemake.params, snakemake.input.samples
    bins = read_h5ad(snakemake.input.bins)
    bins = bins[:, np.isfinite(bins.layers["degree"]).any(axis=0)]
    layers = {name: bins.layers[name] for name in MEASURES}
    rows = bins.obs["sample"].astype(str)
    if params.preset == "paper":
        donors, phenotype, binary = read_phenotype(samples, params.phenotype)
        observations = units(rows, donors, phenotype, UNIT[params.preset])
        table = graph_tests.paper(layers, bins.var_names, observations, binary)
    else:
        design = read_design(samples, rows, params, technical_covariates(bins.obs))
        table = graph_tests.robust(
            layers, bins.var_names, design, params.statistics["permutations"], params.seed
        )
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
