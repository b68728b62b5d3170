"""Gather the models of a cell type into centralities, adjacency, neighbours and reliability."""

from pathlib import Path
from typing import NamedTuple

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from adapter import logged, untrained
from anndata.io import read_elem

from popnet.errors import InputError, Problem
from popnet.files import atomic, read_h5ad, read_table, reading, write_parquet, write_table
from popnet.networks.centrality import (
    MEASURES,
    MIN_VARIANCE,
    central_genes,
    degree_centrality,
    graph_centralities,
)
from popnet.networks.edges import closest_pairs, nearest_neighbours
from popnet.networks.reliability import icc, seed_reliability

BIN = ["sample", "bin"]
PAIR = ["gene1", "gene2"]
# Share of a bin's repeats that have the edges of its graph, where one is wanted without weights.
MOST = 0.5


class Model(NamedTuple):
    path: Path
    table: str


def main(snakemake):
    settings = snakemake.params.networks
    tables = [read_table(path).assign(table=path) for path in snakemake.input.batches]
    trained = pd.concat(tables, ignore_index=True)
    summary = read_h5ad(snakemake.input.summary)
    check_whole(trained, summary.obs, Path(snakemake.input.batches[0]).parent)
    trained = drop_failed(trained, snakemake.params.max_failed_bins)
    genes = summary.var_names
    of_bin = trained.groupby(BIN, sort=False).ngroup().to_numpy()
    bins = (
        trained[BIN]
        .drop_duplicates()
        .merge(
            summary.obs.reset_index(names="name").astype({"sample": str}),
            on=BIN,
            how="left",
            validate="one_to_one",
        )
    )
    folder = Path(snakemake.params.models)
    names = zip(trained["model"], trained["table"], strict=True)
    models = [Model(folder / name, table) for name, table in names]

    errors = np.array([read(model, "var/reconstruction_error") for model in models])
    variances = np.array([read(model, "var/variance") for model in models])
    if snakemake.params.preset == "robust":
        # Too few cells say nothing of a gene's wiring, and one cell alone is reconstructed best.
        detected = summary[bins["name"]].layers["detection_rate"] >= settings["min_detection"]
        variances = np.where(detected[of_bin], variances, 0)
        of_models = degree_centrality(errors, variances)
    else:
        of_models = degree_centrality(errors)
    centrality = pd.DataFrame(of_models).groupby(of_bin, sort=False).mean().to_numpy()
    # A gene that a bin's cells do not vary in cannot be wired to others there.
    varies = variances > MIN_VARIANCE
    top = settings["central_genes"]
    graph_genes = central_genes(centrality, None if top == "all" else top)
    print(
        f"{len(models)} models of {len(bins)} bins, {len(genes)} genes, "
        f"{len(graph_genes)} of them in the graph"
    )

    graphs = {measure: np.full(centrality.shape, np.nan) for measure in MEASURES}
    bin_edges, edges = [], []
    with atomic(snakemake.output.neighbours) as path:
        writer = None
        for sample, rows in bins.groupby("sample", sort=False).groups.items():
            loadings, of_bins = [], []
            repeats = [np.flatnonzero(of_bin == row) for row in rows]
            for row, number, own in zip(rows, bins.loc[rows, "bin"], repeats, strict=True):
                loadings += [read(models[model], "varm/sivae_loadings") for model in own]
                nodes = [graph_genes[varies[model, graph_genes]] for model in own]
                measures, graph = bin_graph(loadings[-len(own) :], nodes, settings["closest"])
                for measure in MEASURES:
                    graphs[measure][row, measures.index] = measures[measure]
                of_bins.append(graph)
                bin_edges.append(graph[graph["weight"] >= MOST].assign(sample=sample, bin=number))
            edges.append(mean_edges(of_bins).assign(sample=sample))
            everywhere = np.flatnonzero(varies[np.concatenate(repeats)].all(axis=0))
            loadings = [of_model[everywhere] for of_model in loadings]
            table = neighbour_table(sample, loadings, settings["neighbours"], genes[everywhere])
            writer = writer or pq.ParquetWriter(path, table.schema, write_page_checksum=True)
            writer.write_table(table)
        writer.close()

    write_edges(bin_edges, genes, snakemake.output.bin_edges)
    write_edges(edges, genes, snakemake.output.edges)
    write_bins(bins, summary, centrality, graphs, genes, snakemake.output)
    reliability = icc(centrality, bins["sample"]).join(seed_reliability(of_models, of_bin))
    columns = ["gene", "icc", "n_samples", "n_bins", "icc_seeds", "n_repeats"]
    write_table(reliability.assign(gene=genes)[columns], snakemake.output.reliability)
    write_losses(trained, models, snakemake.output.losses)


def check_whole(trained, planned, folder):
    """Refuse tables of training that lack a bin, as one does that lost its end."""
    there = set(zip(trained["sample"], trained["bin"], strict=True))
    planned = zip(planned["sample"].astype(str), planned["bin"], strict=True)
    if lost := [f"{sample} bin {bin}" for sample, bin in planned if (sample, bin) not in there]:
        message = f"The tables of training lack {len(lost)} bins, the first: {lost[0]}"
        remedy = "delete these tables and start the study again: finished models are kept"
        raise InputError([Problem(str(folder / "*.tsv"), "bin", lost[0], message, remedy)])


def drop_failed(trained, max_failed):
    """Return the models that trained; too many bins without any stop the study."""
    done = trained["status"] == "trained"
    failed = untrained(trained, BIN)
    n_bins = len(trained.drop_duplicates(BIN))
    if len(failed) > max_failed * n_bins or not done.any():
        seeds = " with any seed" if trained["repeat"].max() > 1 else ""
        raise InputError(
            [
                Problem(
                    "config",
                    "training.max_failed_bins",
                    max_failed,
                    f"{len(failed)} of {n_bins} bins did not train{seeds}: "
                    f"{'; '.join(model_names(failed))}",
                    "lower sivae.learning_rate, or allow more failed bins (but not all)",
                )
            ]
        )
    for name in model_names(trained[~done]):
        print(f"left out: {name}")
    return trained[done].reset_index(drop=True)


def model_names(trained):
    return [
        f"{row.sample} bin {row.bin}{f' repeat {row.repeat}' if row.repeat > 1 else ''} "
        f"({row.status})"
        for row in trained.itertuples()
    ]


def read(model, element):
    remedy = f"delete it and {model.table}, then start the study again: it is trained anew alone"
    with reading(model.path, remedy), h5py.File(model.path, "r", locking=False) as file:
        return read_elem(file[element])


def bin_graph(loadings, nodes, closest):
    """Return the graph centralities of a bin, means over its repeats, and its weighted edges."""
    measures, graphs = [], []
    for of_model, own in zip(loadings, nodes, strict=True):
        pairs = closest_pairs(of_model[own], closest)
        measures.append(pd.DataFrame(graph_centralities(of_model[own], *pairs), own))
        ends = dict(zip(PAIR, (own[end].astype(np.int32) for end in pairs), strict=True))
        graphs.append(pd.DataFrame(ends).assign(weight=1.0))
    return pd.concat(measures).groupby(level=0).mean(), mean_edges(graphs)


def mean_edges(graphs):
    """Return the edges of several graphs with their mean weight, 0 where a graph lacks them."""
    total = pd.concat(graphs).groupby(PAIR)["weight"].sum()
    return (total / len(graphs)).reset_index()


def neighbour_table(sample, loadings, k, genes):
    neighbour, distance = nearest_neighbours(loadings, k)
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


def write_edges(tables, genes, path):
    edges = pd.concat(tables, ignore_index=True)
    for column in PAIR:
        edges[column] = pd.Categorical.from_codes(edges[column], genes)
    columns = [column for column in (*BIN, *PAIR, "weight") if column in edges]
    write_parquet(edges[columns].astype({"sample": "category"}), path)


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
        per_bin.write_h5ad(path, compression="gzip")

    samples = bins["sample"].to_numpy()
    for values, path in (
        (centrality, output.centrality),
        (graphs["degree"], output.degree),
        (expression.X, output.mean_expression),
    ):
        table = pd.DataFrame(values, columns=genes).groupby(samples, sort=False).mean().T
        table = table.dropna(how="all").rename_axis("gene").reset_index()
        write_table(table, path)


def write_losses(trained, models, path):
    tables = [
        read(model, "uns/losses").assign(sample=row.sample, bin=row.bin, repeat=row.repeat)
        for row, model in zip(trained.itertuples(), models, strict=True)
    ]
    write_parquet(pd.concat(tables, ignore_index=True), path)


with logged(snakemake.log[0]):
    main(snakemake)
