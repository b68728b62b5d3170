"""Compare the samples' networks: kernels, coordinates, their reliability, sources of variance."""

from adapter import logged

from popnet.files import (
    read_h5ad,
    read_parquet,
    read_table,
    write_h5ad,
    write_parquet,
    write_table,
)
from popnet.networks import maps
from popnet.networks.reliability import summarise_sources, variance_sources
from popnet.presets import PRESETS


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    preset = PRESETS[params.preset]
    bins = read_h5ad(snakemake.input.bins)
    graphs, n_genes = None, 0
    if edges := snakemake.input.edges:
        graphs, n_genes = maps.bin_graphs(bins, read_parquet(edges))
    donors = read_table(snakemake.input.samples).set_index("sample")["donor"]
    groups = maps.bin_groups(bins.obs, donors)
    found = []
    for kernel in preset.kernels if graphs else ["centrality"]:
        sums = maps.kernel_sums(kernel, graphs, n_genes, bins.X, groups, preset.grakel)
        found.append(maps.network_map(kernel, sums, params.statistics["permutations"], params.seed))

    coordinates = maps.coordinate_table(found)
    write_table(maps.similarity_table(found), output.kernel)
    write_table(coordinates, output.coordinates)
    # The tables are rounded; tests of phenotypes take these.
    write_h5ad(maps.to_anndata(found), output.exact_similarity)
    write_parquet(coordinates, output.exact_coordinates)
    write_table(maps.reliability_table(found), output.reliability)
    shares = variance_sources(bins.X, **groups)
    write_table(summarise_sources(shares, **groups), output.variance)


with logged(snakemake.log[0]):
    main(snakemake)
