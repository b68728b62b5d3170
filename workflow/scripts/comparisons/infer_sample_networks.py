"""Infer the networks of some bins of a cell type by other methods, on the cells that siVAE saw."""

from functools import cache

import numpy as np
import torch
from adapter import logged

from popnet.cells.bins import cells_of_type
from popnet.cells.expression import read_bin
from popnet.cells.formats import open_sources
from popnet.cells.sources import read_counts
from popnet.comparisons.inference import infer_bins
from popnet.comparisons.methods import Training
from popnet.files import atomic, read_h5ad, write_parquet, write_table
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    bins = read_h5ad(snakemake.input.bins)
    planned = {(sample, number) for sample, number in params.bins}
    samples = bins.obs["sample"].astype(str)
    here = [row in planned for row in zip(samples, bins.obs["bin"], strict=True)]
    bins = bins[np.flatnonzero(here)].to_memory()
    inferred, edges, states = infer_bins(
        params.methods,
        bins,
        reader(snakemake, bins.var_names),
        Training(from_config(params.sivae, params.plan), params.epochs),
        params.closest,
        params.seed,
    )
    write_table(states, snakemake.output.methods)
    write_parquet(edges, snakemake.output.edges)
    with atomic(snakemake.output.centrality) as path:
        inferred.write_h5ad(path, compression="gzip")


def reader(snakemake, genes):
    """Return a function that reads the cells of a sample's bin."""
    params = snakemake.params
    counted = cells_of_type(snakemake.input.cells, snakemake.wildcards.cell_type)
    of_bin = counted.groupby([counted["sample"].astype(str), counted["bin"]]).indices
    # Each process that reads opens the files for itself.
    sources = cache(
        lambda: open_sources(
            counted["source"], params.counts, params.gene_symbols, params.gene_prefix
        )
    )

    def read(sample, number):
        cells = read_bin(snakemake.input.expression, sample, number)
        own = counted.iloc[of_bin[sample, number]].reset_index(drop=True)
        cells.layers["counts"], cells.obs["depth"] = read_counts(sources(), own, genes)
        cells.obs["batch"] = own["batch"].astype(str).to_numpy()
        return cells

    return read


with logged(snakemake.log[0]):
    main(snakemake)
