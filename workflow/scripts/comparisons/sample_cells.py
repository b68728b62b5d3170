"""Draw cells of all cell types for the comparison of methods, and the genes that vary most."""

import anndata as ad
import numpy as np
import pandas as pd
from adapter import logged

from popnet.cells.formats import open_sources
from popnet.cells.genes import normalise, pool_statistics, sample_statistics
from popnet.cells.sources import common_genes, read_counts
from popnet.files import atomic, read_parquet
from popnet.seeds import derive_seed


def main(snakemake):
    cells = read_parquet(snakemake.input.cells)
    rng = np.random.default_rng(derive_seed(snakemake.params.seed, "cells to compare on"))
    drawn = rng.permutation(len(cells))[: snakemake.params.n_cells]
    cells = cells.iloc[np.sort(drawn)].reset_index(drop=True)
    params = snakemake.params
    asked = params.counts, params.gene_symbols, params.gene_prefix
    sources = open_sources(cells["source"], *asked)
    genes, _ = common_genes(list(sources.values()))
    counts, depth = read_counts(sources, cells, genes)
    expression = normalise(counts, depth)
    statistics = pool_statistics(sample_statistics([(cells, counts, depth)]).values())
    varying = np.argsort(-statistics.variance, kind="stable")[: snakemake.params.n_genes]
    varying = np.sort(varying[statistics.variance[varying] > 0])
    obs = cells[["sample", "cell_type", "batch"]].astype(str).assign(depth=depth)
    obs.index = obs.index.astype(str)
    adata = ad.AnnData(
        expression[:, varying].astype(np.float32),
        obs,
        pd.DataFrame(index=genes[varying]),
        layers={"counts": counts[:, varying]},
    )
    with atomic(snakemake.output[0]) as path:
        adata.write_h5ad(path, compression="gzip")
    print(f"{adata.n_obs} cells, {adata.n_vars} genes, {obs['cell_type'].nunique()} cell types")


with logged(snakemake.log[0]):
    main(snakemake)
