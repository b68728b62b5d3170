"""Test the centralities of other methods against a phenotype as siVAE's are tested."""

from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.comparisons.agreement import compare_hits
from popnet.files import read_h5ad, read_table, write_table
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate
from popnet.stats.units import units


def main(snakemake):
    centrality = read_h5ad(snakemake.input.centrality)
    test = by_permutation if snakemake.params.preset == "robust" else by_bin
    found = {
        method: table.assign(gene=centrality.var_names)
        for method, table in test(centrality, snakemake).items()
    }
    study = read_table(snakemake.input.study)
    hits = compare_hits(study, found, snakemake.params.statistics["fdr"])
    write_table(hits, snakemake.output[0])
    print(hits.loc[hits["seen_by"] != "", "seen_by"].value_counts().to_string())


def by_permutation(centrality, snakemake):
    statistics = snakemake.params.statistics
    design = read_design(
        snakemake.input.samples,
        centrality.obs["sample"].astype(str).to_numpy(),
        snakemake.params,
        technical_covariates(centrality.obs),
    )
    return {
        method: permutation_test(
            design.units.average(values),
            design,
            statistics["permutations"],
            snakemake.params.seed,
            resolve=True,
        ).table
        for method, values in centrality.layers.items()
    }


def by_bin(centrality, snakemake):
    """Test with every bin an observation of its own, as in the paper."""
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    observations = units(
        centrality.obs["sample"].astype(str), donors, phenotype, UNIT[snakemake.params.preset]
    )
    tables = {}
    for method, values in centrality.layers.items():
        table = correlate(observations.average(values), observations.phenotype, binary)
        tables[method] = table.assign(q=benjamini_hochberg(table["p"].to_numpy()))
    return tables


with logged(snakemake.log[0]):
    main(snakemake)
