"""Compare the samples' networks: kernels, coordinates, their reliability, tests of phenotypes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.associations import maps as map_tests
from popnet.files import read_h5ad, read_parquet, read_table, write_table
from popnet.networks import kernels
from popnet.networks.reliability import (
    donor_rank,
    kernel_reliability,
    summarise_sources,
    variance_sources,
)
from popnet.stats.units import units

AXES = ["PC1", "PC2", "PC3", "PC4"]


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    graphs, n_genes = bin_graphs(bins, read_parquet(snakemake.input.edges))
    grams = {
        "wl_degree": kernels.grakel_weisfeiler_lehman(graphs, n_genes, "degree")
        if snakemake.params.preset == "paper"
        else kernels.weisfeiler_lehman(graphs, n_genes, "degree"),
        "wl_gene": kernels.weisfeiler_lehman(graphs, n_genes, "gene"),
        "edge_jaccard": kernels.edge_jaccard(graphs),
    }
    if snakemake.params.preset == "robust":
        grams["centrality"] = kernels.centrality_kernel(bins.X)
    of_bin = bin_groups(bins.obs, read_table(snakemake.input.samples).set_index("sample"))
    of_sample = of_bin.drop_duplicates("samples")
    n_permutations, seed = snakemake.params.statistics["permutations"], snakemake.params.seed
    similarities, coordinates, reliability = {}, {}, []
    for name, gram in grams.items():
        similarity, samples = kernels.sample_similarity(gram, of_bin["samples"])
        similarities[name] = similarity
        axes, explained = kernels.kernel_pca(similarity, len(AXES))
        table = pd.DataFrame(axes, columns=AXES).assign(kernel=name, sample=samples)
        table[["explained1", "explained2"]] = explained[:2]
        coordinates[name] = table[["kernel", "sample", *AXES, "explained1", "explained2"]]
        reliability.append(
            {"kernel": name}
            | kernel_reliability(gram, **of_bin)
            | donor_rank(
                similarity, of_sample["donors"], of_sample["batches"], n_permutations, seed
            )
        )
    write_table(
        pd.concat([long_form(name, similarities[name], samples) for name in grams]),
        snakemake.output.kernel,
    )
    write_table(pd.concat(coordinates.values()), snakemake.output.coordinates)
    write_table(pd.DataFrame(reliability), snakemake.output.reliability)
    shares = variance_sources(bins.X, **of_bin)
    write_table(summarise_sources(shares, **of_bin), snakemake.output.variance)

    technical = technical_covariates(bins.obs)
    tests = []
    for definition in snakemake.params.phenotypes:
        if snakemake.params.preset == "paper":
            table = paper_tests(pd.concat(coordinates.values()), samples, definition, snakemake)
        else:
            about = SimpleNamespace(
                phenotype=definition,
                covariates=snakemake.params.covariates,
                statistics=snakemake.params.statistics,
            )
            design = read_design(snakemake.input.samples, samples, about, technical)
            table = pd.concat(
                map_tests.robust(
                    similarities[name], coordinates[name][AXES], design, n_permutations, seed
                ).assign(kernel=name)
                for name in grams
            )
            table = table[["kernel", *table.columns.drop("kernel")]]
        tests.append(table.assign(phenotype=definition["name"]))
    write_table(pd.concat(tests, ignore_index=True), snakemake.output.tests)


def paper_tests(coordinates, samples, definition, snakemake):
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, definition)
    observations = units(samples, donors, phenotype, UNIT["paper"])
    return map_tests.paper(coordinates[["kernel", "sample", *AXES]], observations, binary)


def bin_groups(bins, samples):
    """Return each bin's sample, donor and batch; a sample without a donor is its own."""
    sample = bins["sample"].astype(str).reset_index(drop=True)
    donor = sample.map(samples["donor"])
    batch = bins["batch"].astype(str).to_numpy()
    return pd.DataFrame({"samples": sample, "donors": donor.fillna(sample), "batches": batch})


def bin_graphs(bins, edges):
    """Return each bin's edges as pairs of positions among the genes that the graphs hold."""
    in_graph = np.flatnonzero(np.isfinite(bins.layers["degree"]).any(axis=0))
    position = pd.Series(np.arange(len(in_graph)), bins.var_names[in_graph])
    ends = [
        edges[column].cat.rename_categories(str).map(position).to_numpy(np.int64)
        for column in ("gene1", "gene2")
    ]
    found = edges.groupby(["sample", "bin"], observed=True, sort=False).indices
    keys = zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    none = np.empty(0, np.int64)
    rows = [found.get(key, none) for key in keys]
    return [(ends[0][row], ends[1][row]) for row in rows], len(in_graph)


def long_form(kernel, similarity, samples):
    first, second = np.triu_indices(len(samples))
    return pd.DataFrame(
        {
            "kernel": kernel,
            "sample1": samples[first],
            "sample2": samples[second],
            "similarity": similarity[first, second],
        }
    )


with logged(snakemake.log[0]):
    main(snakemake)
