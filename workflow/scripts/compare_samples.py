"""Infer the networks of a cell type's bins by other methods, and hold them against siVAE's."""

import anndata as ad
import numpy as np
import pandas as pd
import torch
from adapter import binned_cells, logged, open_sources, sivae_settings, training_device
from popnet.cells import read_bin, read_counts
from popnet.comparisons.agreement import Networks, agreement, network_of
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import NETWORKS
from popnet.seeds import derive_seed
from popnet.tables import atomic, write_table

STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    training = Training(
        sivae_settings(snakemake.params), snakemake.params.epochs, training_device(snakemake)
    )
    bins = ad.read_h5ad(snakemake.input.bins)
    samples = bins.obs["sample"].astype(str).to_numpy()
    nodes = [np.flatnonzero(row) for row in np.isfinite(bins.layers["degree"])]
    sivae = Networks(bins.X, read_edges(snakemake.input.bin_edges, bins))
    sizes = [len(own) for own in nodes]
    tables = [agreement(sivae, None, samples, sizes).assign(method="sivae")]
    layers, states = {}, []
    for method in snakemake.params.methods:
        tried = attempt(infer_networks, method, bins, nodes, training, snakemake)
        states.append(outcome("agreement in samples", method, {"": tried}))
        print(f"{method}: {tried.status}, {tried.seconds:.0f} s")
        if tried.value is not None:
            layers[method] = tried.value.centrality.astype(np.float32)
            tables.append(agreement(sivae, tried.value, samples, sizes).assign(method=method))
    table = pd.concat(tables)
    columns = ["method", *table.columns.drop("method")]
    write_table(table[columns], snakemake.output.agreement)
    write_table(pd.DataFrame(states, columns=STATES), snakemake.output.methods)
    centrality = ad.AnnData(obs=bins.obs, var=bins.var[[]], layers=layers)
    with atomic(snakemake.output.centrality) as path:
        centrality.write_h5ad(path, compression="gzip")


def read_edges(path, bins):
    """Return siVAE's edges of every bin, as numbers."""
    edges = pd.read_parquet(path)
    first, second = (bins.var_names.get_indexer(edges[end]) for end in ("gene1", "gene2"))
    codes = first.astype(np.int64) * bins.n_vars + second
    of_bin = edges["sample"].astype(str) + "." + edges["bin"].astype(str)
    groups = pd.Series(codes).groupby(of_bin.to_numpy())
    codes = {name: group.to_numpy() for name, group in groups}
    names = bins.obs["sample"].astype(str) + "." + bins.obs["bin"].astype(str)
    return [codes.get(name, np.empty(0, dtype=np.int64)) for name in names]


def infer_networks(method, bins, nodes, training, snakemake):
    """Return the networks of all bins by a method, of the genes that siVAE wires there."""
    infer = load_method(NETWORKS, method)
    counted = binned_cells(snakemake.input.cells, snakemake.wildcards.cell_type)
    of_bin = counted.groupby([counted["sample"].astype(str), counted["bin"]]).indices
    sources = open_sources(snakemake.params, counted["source"])
    centrality, edges = np.full(bins.shape, np.nan), []
    for row, (sample, number) in enumerate(
        zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    ):
        cells = read_bin(snakemake.input.expression, sample, number)
        own = counted.iloc[of_bin[sample, number]].reset_index(drop=True)
        cells.layers["counts"], cells.obs["depth"] = read_counts(sources, own, bins.var_names)
        cells.obs["batch"] = own["batch"].astype(str).to_numpy()
        wired = np.flatnonzero(np.isfinite(bins.X[row]) & (np.ptp(cells.X, axis=0) > 0))
        seed = derive_seed(snakemake.params.seed, method, sample, number)
        weights = infer(cells[:, wired].copy(), training, seed)
        centrality[row], strong = network_of(
            weights, wired, nodes[row], bins.n_vars, snakemake.params.closest
        )
        edges.append(strong)
    return Networks(centrality, edges)


with logged(snakemake.log[0]):
    main(snakemake)
