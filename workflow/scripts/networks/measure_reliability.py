"""Say what of a cell type's networks can be measured, before any phenotype is looked at."""

import numpy as np
import pandas as pd
from adapter import logged

from popnet.files import read_h5ad, read_parquet, read_table, write_table
from popnet.networks import measures
from popnet.presets import PRESETS


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    depth = [name for name in ("depth",) if name in params.statistics["adjust"]]
    how = measures.Judging(params.statistics["min_icc"], params.seed, [*depth, "batch"])
    summary = read_h5ad(files.summary)
    plan = measures.describe_bins(summary.obs, how.adjust)
    about = {"network": "", "measure": "mean expression"}
    rows = [about | measures.of_values(np.asarray(summary.X), plan, how)]
    for place, network in enumerate(params.networks):
        halves = read_h5ad(files.halves[place])
        bins, edges = read_h5ad(files.bins[place]), files.edges[place]
        if halved := len(halves) > 0:
            bins, edges = halves, files.half_edges[place]
        of_seeds = read_table(files.reliability[place])["icc_seeds"].median()
        rows += measures.of_network(
            network,
            bins,
            read_parquet(edges),
            PRESETS[params.preset].kernels,
            how,
            halved,
            of_seeds,
        )
    for path in files.programmes:
        values = read_h5ad(path)
        plan = measures.describe_bins(values.obs, how.adjust)
        for kind, columns in values.var.groupby("kind", observed=True).indices.items():
            found = measures.of_values(values.X[:, columns], plan, how)
            rows.append({"network": "shared", "measure": f"programme {kind}"} | found)
    table = pd.DataFrame(rows)[list(measures.COLUMNS)]
    print(*table["network"] + " " + table["measure"] + ": " + table["sentence"], sep="\n")
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
