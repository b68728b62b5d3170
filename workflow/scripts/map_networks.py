"""Compare the samples' networks: kernels, coordinates, and tests of them against phenotypes."""

import anndata as ad
import numpy as np
import pandas as pd
from adapter import UNIT, logged, read_phenotype
from popnet import kernels
from popnet.association import test_axes, units
from popnet.reliability import within_between
from popnet.tables import write_table

AXES = ["PC1", "PC2", "PC3", "PC4"]


def main(snakemake):
    bins = ad.read_h5ad(snakemake.input.bins)
    graphs, n_genes = bin_graphs(bins, pd.read_parquet(snakemake.input.edges))
    grams = {
        "wl_degree": kernels.grakel_weisfeiler_lehman(graphs, n_genes, "degree")
        if snakemake.params.preset == "paper"
        else kernels.weisfeiler_lehman(graphs, n_genes, "degree"),
        "wl_gene": kernels.weisfeiler_lehman(graphs, n_genes, "gene"),
        "edge_jaccard": kernels.edge_jaccard(graphs),
    }
    similarities, coordinates = [], []
    for name, gram in grams.items():
        similarity, samples = kernels.sample_similarity(gram, bins.obs["sample"].astype(str))
        similarities.append(long_form(name, similarity, samples))
        axes, explained = kernels.kernel_pca(similarity, len(AXES))
        table = pd.DataFrame(axes, columns=AXES).assign(kernel=name, sample=samples)
        table[["explained1", "explained2"]] = explained[:2]
        coordinates.append(table[["kernel", "sample", *AXES, "explained1", "explained2"]])
        print(name, within_between(gram, bins.obs["sample"].astype(str)))
    coordinates = pd.concat(coordinates, ignore_index=True)
    write_table(pd.concat(similarities, ignore_index=True), snakemake.output.kernel)
    write_table(coordinates, snakemake.output.coordinates)

    tests = []
    for definition in snakemake.params.phenotypes:
        donors, phenotype, binary = read_phenotype(snakemake.input.samples, definition)
        observations = units(samples, donors, phenotype, UNIT[snakemake.params.preset])
        table = test_axes(coordinates[["kernel", "sample", *AXES]], observations, binary)
        tests.append(table.assign(phenotype=definition["name"]))
    write_table(pd.concat(tests, ignore_index=True), snakemake.output.tests)


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
