"""Say what of a network can be measured, before any phenotype is looked at."""

import pandas as pd
from adapter import logged

from popnet.files import read_h5ad, read_parquet, read_table, write_table
from popnet.networks import measures


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    how = measures.Judging(params.min_icc, params.seed, params.adjust, params.equal_depth)
    bins, edges, halved, other_seed = read_h5ad(files.bins), files.edges, False, {}
    if files.halves and len(halves := read_h5ad(files.halves)):
        bins, edges, halved = halves, files.half_edges, True
    if files.seeds:
        other_seed = read_table(files.seeds).set_index("measure")["other_seed"].to_dict()
    edges = read_parquet(edges) if edges else None
    network = snakemake.wildcards.network
    rows = measures.of_network(network, bins, edges, params.kernels, how, halved, other_seed)
    if files.programmes:
        values = read_h5ad(files.programmes)
        rows += measures.of_kinds(network, "programme", values, how)
    if files.modules:
        values = read_h5ad(files.half_modules if halved else files.modules)
        rows += measures.of_kinds(network, "module", values, how, halved)
    table = pd.DataFrame(rows)[list(measures.COLUMNS)]
    print(*table["measure"] + ": " + table["sentence"], sep="\n")
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
