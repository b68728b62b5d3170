"""Gather the models of a cell type into centralities, adjacency, neighbours and reliability."""

from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from adapter import logged
from anndata.io import read_elem
from popnet import networks
from popnet.errors import InputError, Problem
from popnet.graph_centrality import MEASURES, graph_centralities
from popnet.reliability import icc
from popnet.tables import atomic, read_table, write_table


def main(snakemake):
    settings = snakemake.params.networks
    trained = pd.concat([read_table(path) for path in snakemake.input.batches], ignore_index=True)
    trained = drop_failed(trained, snakemake.params.max_failed_bins)
    summary = ad.read_h5ad(snakemake.input.summary)
    genes = summary.var_names
    bins = trained[["sample", "bin"]].merge(
        summary.obs.reset_index(names="name").astype({"sample": str}),
        on=["sample", "bin"],
        how="left",
        validate="one_to_one",
    )
    folder = Path(snakemake.params.models)
    models = [folder / name for name in trained["model"]]

    errors = np.array([read(model, "var/reconstruction_error") for model in models])
    variances = np.array([read(model, "var/variance") for model in models])
    if snakemake.params.preset == "robust":
        # Too few cells say nothing of a gene's wiring, and one cell alone is reconstructed best.
        detected = summary[bins["name"]].layers["detection_rate"] >= settings["min_detection"]
        variances = np.where(detected, variances, 0)
        centrality = networks.degree_centrality(errors, variances)
    else:
        centrality = networks.degree_centrality(errors)
    # A gene that a bin's cells do not vary in cannot be wired to others there.
    varies = variances > networks.MIN_VARIANCE
    top = settings["central_genes"]
    graph_genes = networks.central_genes(centrality, None if top == "all" else top)
    print(f"{len(models)} bins, {len(genes)} genes, {len(graph_genes)} of them in the graph")

    graphs = {measure: np.full(errors.shape, np.nan) for measure in MEASURES}
    tables = []
    with atomic(snakemake.output.neighbours) as path:
        writer = None
        for sample, rows in bins.groupby("sample", sort=False).groups.items():
            loadings = [read(models[row], "varm/sivae_loadings") for row in rows]
            for row, bin_loadings in zip(rows, loadings, strict=True):
                nodes = graph_genes[varies[row, graph_genes]]
                pairs = networks.closest_pairs(bin_loadings[nodes], settings["closest"])
                for measure, values in graph_centralities(bin_loadings[nodes], *pairs).items():
                    graphs[measure][row, nodes] = values
                gene1, gene2 = (nodes[ends] for ends in pairs)
                tables.append(edge_table(sample, bins.at[row, "bin"], gene1, gene2))
            everywhere = np.flatnonzero(varies[rows].all(axis=0))
            loadings = [bin_loadings[everywhere] for bin_loadings in loadings]
            table = neighbour_table(sample, loadings, settings["neighbours"], genes[everywhere])
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        writer.close()

    write_edges(pd.concat(tables, ignore_index=True), bins, genes, snakemake.output)
    write_bins(bins, summary, centrality, graphs, genes, snakemake.output)
    write_losses(trained, models, snakemake.output.losses)


def drop_failed(trained, max_failed):
    """Return the bins that trained; too many that did not stop the study."""
    failed = trained[trained["status"] != "trained"]
    names = [f"{row.sample} bin {row.bin} ({row.status})" for row in failed.itertuples()]
    if len(failed) > max_failed * len(trained):
        raise InputError(
            [
                Problem(
                    "config",
                    "training.max_failed_bins",
                    max_failed,
                    f"{len(failed)} of {len(trained)} bins did not train: {'; '.join(names)}",
                    "lower sivae.learning_rate, or allow more failed bins",
                )
            ]
        )
    for name in names:
        print(f"left out: {name}")
    return trained[trained["status"] == "trained"].reset_index(drop=True)


def read(model, element):
    with h5py.File(model, "r", locking=False) as file:
        return read_elem(file[element])


def edge_table(sample, number, gene1, gene2):
    return pd.DataFrame({"sample": sample, "bin": number, "gene1": gene1, "gene2": gene2})


def neighbour_table(sample, loadings, k, genes):
    neighbour, distance = networks.nearest_neighbours(loadings, k)
    k = neighbour.shape[1]
    names = pa.array(genes.to_numpy(object), pa.string())

    def named(codes):
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names)

    return pa.table(
        {
            "sample": pa.array([sample] * neighbour.size, pa.string()),
            "gene": named(np.repeat(np.arange(len(genes)), k)),
            "neighbour": named(neighbour.ravel()),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), len(genes)),
            "distance": distance.ravel().astype(np.float32),
        }
    )


def write_edges(bin_edges, bins, genes, output):
    for column in ("gene1", "gene2"):
        bin_edges[column] = pd.Categorical.from_codes(bin_edges[column], genes)
    bin_edges["sample"] = bin_edges["sample"].astype("category")
    n_bins = bins.groupby("sample", sort=False).size()
    edges = networks.sample_edges(bin_edges, n_bins)
    for table, path in ((bin_edges, output.bin_edges), (edges, output.edges)):
        with atomic(path) as temporary:
            table.to_parquet(temporary, index=False)


def write_bins(bins, summary, centrality, graphs, genes, output):
    expression = summary[bins["name"]]
    layers = {
        "mean_expression": expression.X,
        "detection_rate": expression.layers["detection_rate"],
        **graphs,
    }
    per_bin = ad.AnnData(
        centrality.astype(np.float32),
        obs=bins.set_index("name"),
        var=pd.DataFrame(index=genes),
        layers={name: np.asarray(layer, np.float32) for name, layer in layers.items()},
    )
    with atomic(output.bins) as path:
        per_bin.write_h5ad(path)

    samples = bins["sample"].to_numpy()
    for values, path in (
        (centrality, output.centrality),
        (graphs["degree"], output.degree),
        (expression.X, output.mean_expression),
    ):
        table = pd.DataFrame(values, columns=genes).groupby(samples, sort=False).mean().T
        table = table.dropna(how="all").rename_axis("gene").reset_index()
        write_table(table, path)
    write_table(
        icc(centrality, samples).assign(gene=genes).loc[:, ["gene", "icc", "n_samples", "n_bins"]],
        output.reliability,
    )


def write_losses(trained, models, path):
    tables = [
        read(model, "uns/losses").assign(sample=row.sample, bin=row.bin)
        for row, model in zip(trained.itertuples(), models, strict=True)
    ]
    with atomic(path) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary, index=False)


with logged(snakemake.log[0]):
    main(snakemake)
