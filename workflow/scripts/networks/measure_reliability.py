"""Say what of a cell type's networks can be measured, before any phenotype is looked at."""

import numpy as np
import pandas as pd
from adapter import logged

from popnet.files import read_h5ad, read_parquet, read_table, write_table
from popnet.networks import measures
from popnet.presets import PRESETS


def main(snakemake):
    files, params, rows = snakemake.input, snakemake.params, []
    how = {
        network: measures.Judging(params.min_icc, params.seed, adjust)
        for network, adjust in params.adjust.items()
    }
    if files.summary:
        values = read_h5ad(files.summary)
        plan = measures.describe_bins(values.obs, how[""].adjust)
        found = measures.of_values(np.asarray(values.X), plan, how[""])
        rows.append({"network": "", "measure": "mean expression"} | found)
    edges = dict(zip(params.with_edges, files.edges, strict=True))
    halves = dict(
        zip(params.estimated, zip(files.halves, files.half_edges, strict=True), strict=True)
    )
    seeds = dict(zip(params.trained, map(read_table, files.seeds), strict=True))
    for network, path in zip(params.networks, files.bins, strict=True):
        bins, of_bins, halved = read_h5ad(path), edges.get(network), False
        if network in halves and len(found := read_h5ad(halves[network][0])):
            bins, of_bins, halved = found, halves[network][1], True
        of_bins = None if of_bins is None else read_parquet(of_bins)
        kernels, other_seed = PRESETS[params.preset].kernels, None
        if network in seeds:
            other_seed = seeds[network].set_index("measure")["other_seed"].to_dict()
        rows += measures.of_network(
            network, bins, of_bins, kernels, how[network], halved, other_seed
        )
    for path in files.programmes:
        values = read_h5ad(path)
        plan = measures.describe_bins(values.obs, how[""].adjust)
        for kind, columns in values.var.groupby("kind", observed=True).indices.items():
            found = measures.of_values(values.X[:, columns], plan, how[""])
            rows.append({"network": "shared", "measure": f"programme {kind}"} | found)
    table = pd.DataFrame(rows)[list(measures.COLUMNS)]
    print(*table["network"] + " " + table["measure"] + ": " + table["sentence"], sep="\n")
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
