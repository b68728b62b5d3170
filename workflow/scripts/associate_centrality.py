"""Associate every gene's degree centrality with a phenotype."""

import pandas as pd
from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.associations import genes as gene_tests
from popnet.associations.genes import describe
from popnet.files import read_h5ad, read_table, write_parquet, write_table
from popnet.stats.units import units


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    test = by_permutation if snakemake.params.preset == "robust" else by_bin
    table, design, covariates, maxima = test(bins, snakemake)
    write_table(table, snakemake.output.table)
    write_table(design, snakemake.output.design)
    write_table(covariates, snakemake.output.covariates)
    write_parquet(pd.DataFrame({"t": maxima}), snakemake.output.maxima)


def by_permutation(bins, snakemake):
    """Return the tests, what they compare, the covariates and each permutation's largest t."""
    statistics = snakemake.params.statistics
    design = read_design(
        snakemake.input.samples,
        bins.obs["sample"].astype(str).to_numpy(),
        snakemake.params,
        technical_covariates(bins.obs),
    )
    table, tested = gene_tests.paper(
        bins.X,
        {
            "mean": bins.layers["mean_expression"],
            "dropout": 1 - bins.layers["detection_rate"],
            "depth": bins.obs[["mean_depth"]].to_numpy(),
        },
        bins.var_names,
        design,
        statistics["permutations"],
        snakemake.params.seed,
        **given(snakemake),
    )
    described = describe(design, tested, statistics["fdr"])
    return table, described, design.covariates, tested.maxima


def by_bin(bins, snakemake):
    """Return the same with every bin an observation of its own, as in the paper."""
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    observations = units(
        bins.obs["sample"].astype(str), donors, phenotype, UNIT[snakemake.params.preset]
    )
    table = gene_tests.paper(
        bins.X,
        bins.layers["mean_expression"],
        bins.obs["mean_depth"].to_numpy(),
        bins.var_names,
        observations,
        binary,
        **given(snakemake),
    )
    items = {
        "observations": len(observations.labels),
        "each is a": observations.kind,
        "samples": observations.n_samples,
        "donors": observations.n_donors,
        "adjusted for": "nothing",
    }
    described = pd.DataFrame({"item": items.keys(), "value": [str(v) for v in items.values()]})
    return table, described, pd.DataFrame(columns=["covariate"]), []


def given(snakemake):
    statistics = snakemake.params.statistics
    return {
        "fdr": statistics["fdr"],
        "icc": read_table(snakemake.input.reliability).set_index("gene")["icc"],
        "min_icc": statistics["min_icc"],
    }


with logged(snakemake.log[0]):
    main(snakemake)
