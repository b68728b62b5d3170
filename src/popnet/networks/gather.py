"""From the trained models of a cell type to the networks of its bins and samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from anndata import AnnData

from popnet.files import atomic
from popnet.networks.centrality import (
    MEASURES,
    MIN_VARIANCE,
    degree_centrality,
    graph_centralities,
)
from popnet.networks.centrality import central_genes as most_central
from popnet.networks.edges import closest_pairs, nearest_neighbours
from popnet.networks.reliability import icc, seed_reliability
from popnet.networks.trained import TrainedModels

PAIR = ["gene1", "gene2"]
# Share of a bin's repeats that must have an edge of the bin's graph without weights.
MOST = 0.5


@dataclass(frozen=True)
class BinCentrality:
    """siVAE degree centrality, of models and of bins.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        name, sample, bin, n_cells, batch, mean_depth.
    genes : Index of shape (n_genes,)
    bin_number : ndarray of shape (n_models,)
        The row of each model's bin.
    of_models : ndarray of shape (n_models, n_genes)
        On the scale of :func:`popnet.networks.centrality.degree_centrality`; NaN for genes that a
        bin's cells do not vary in.
    values : ndarray of shape (n_bins, n_genes)
        Means over the models of each bin.
    varies : ndarray of bool, of shape (n_models, n_genes)
        Genes that can have edges: those that the bin's cells vary in.
    """

    bins: pd.DataFrame
    genes: pd.Index
    bin_number: np.ndarray
    of_models: np.ndarray
    values: np.ndarray
    varies: np.ndarray

    def reliability(self) -> pd.DataFrame:
        """Return gene, icc, n_samples, n_bins, icc_seeds and n_repeats: over bins, over seeds."""
        found = icc(self.values, self.bins["sample"].to_numpy()).join(
            seed_reliability(self.of_models, self.bin_number)
        )
        columns = ["gene", "icc", "n_samples", "n_bins", "icc_seeds", "n_repeats"]
        return found.assign(gene=self.genes)[columns]


@dataclass(frozen=True)
class SampleNetwork:
    """The networks of one sample's bins, and their mean.

    Parameters
    ----------
    sample : str
    rows : ndarray of int
        The sample's bins, rows of :attr:`BinCentrality.bins`.
    measures : list of DataFrame
        Of each bin: graph centralities, indexed by the number of the gene.
    bin_edges : DataFrame
        sample, bin, gene1, gene2 (numbers of genes) and weight: the share of the bin's models that
        have the edge, at least half.
    edges : DataFrame
        sample, gene1, gene2 and weight, the mean share over all bins.
    neighbours : pyarrow.Table
        sample, gene, neighbour, rank (from 1) and distance.
    """

    sample: str
    rows: np.ndarray
    measures: list[pd.DataFrame]
    bin_edges: pd.DataFrame
    edges: pd.DataFrame
    neighbours: pa.Table


@dataclass(frozen=True)
class BinNetworks:
    """The networks of a cell type.

    Parameters
    ----------
    centrality : BinCentrality
    graphs : dict of measure to ndarray of shape (n_bins, n_genes)
        Centralities in the graphs; NaN for genes outside them.
    expression : AnnData of shape (n_bins, n_genes)
        Mean log-normalised expression and, as a layer, the detection rate.
    bin_edges, edges : DataFrame
        As of :class:`SampleNetwork`, of all samples, with genes by name.
    """

    centrality: BinCentrality
    graphs: dict[str, np.ndarray]
    expression: AnnData
    bin_edges: pd.DataFrame
    edges: pd.DataFrame

    def to_anndata(self) -> AnnData:
        """Return bins x genes: X is siVAE degree centrality, layers what else is known of genes."""
        layers = {
            "mean_expression": self.expression.X,
            "detection_rate": self.expression.layers["detection_rate"],
            **self.graphs,
        }
        return AnnData(
            self.centrality.values.astype(np.float32),
            obs=self.centrality.bins.set_index("name"),
            var=pd.DataFrame(index=self.centrality.genes),
            layers={name: np.asarray(layer, np.float32) for name, layer in layers.items()},
        )

    def sample_means(self) -> dict[str, pd.DataFrame]:
        """Return tables of genes x samples, means over bins.

        Returns
        -------
        dict
            ``centrality``, ``degree`` and ``mean_expression``: a column gene and one per sample,
            without genes that have no value at all.
        """
        values = {
            "centrality": self.centrality.values,
            "degree": self.graphs["degree"],
            "mean_expression": self.expression.X,
        }
        samples = self.centrality.bins["sample"].to_numpy()
        return {
            name: pd.DataFrame(of_bins, columns=self.centrality.genes)
            .groupby(samples, sort=False)
            .mean()
            .T.dropna(how="all")
            .rename_axis("gene")
            .reset_index()
            for name, of_bins in values.items()
        }


def gather(
    models: TrainedModels,
    summary: AnnData,
    neighbour_file: str | Path,
    *,
    relative: bool,
    closest: float,
    central_genes: int | Literal["all"],
    neighbours: int,
    min_detection: float,
) -> BinNetworks:
    """Gather the models of a cell type; one sample's loadings are in memory at a time.

    Parameters
    ----------
    models : TrainedModels
    summary : AnnData of shape (n_planned_bins, n_genes)
        Of :func:`popnet.cells.expression.write_expression`.
    neighbour_file : str or Path
        Becomes a parquet file of all samples' nearest neighbours.
    relative : bool
        Centrality is relative to the gene's variance in the bin, and `min_detection` counts.
        Otherwise it is the negative error, as in the paper.
    closest : float
        Share of gene pairs, those of closest loadings, that are edges.
    central_genes : int or "all"
        The genes of the graphs: so many most central ones of each bin.
    neighbours : int
        Nearest genes that are listed for each gene.
    min_detection : float
        Share of a bin's cells that must express a gene for it to have edges there.

    Raises
    ------
    InputError
        If a model's file is damaged.
    """
    found = bin_centrality(models, summary, min_detection if relative else None)
    nodes = most_central(found.values, central_genes)
    print(
        f"{len(models.files)} models of {len(found.bins)} bins, {len(found.genes)} genes, "
        f"{len(nodes)} of them in the graph"
    )
    graphs = {measure: np.full(found.values.shape, np.nan) for measure in MEASURES}
    bin_edges, edges = [], []
    with atomic(neighbour_file) as path:
        writer = None
        for network in sample_networks(models, found, nodes, closest, neighbours):
            for row, measures in zip(network.rows, network.measures, strict=True):
                for measure in MEASURES:
                    graphs[measure][row, measures.index] = measures[measure]
            bin_edges.append(network.bin_edges)
            edges.append(network.edges)
            table = network.neighbours
            writer = writer or pq.ParquetWriter(path, table.schema, write_page_checksum=True)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return BinNetworks(
        found,
        graphs,
        summary[found.bins["name"]],
        _named(bin_edges, found.genes),
        _named(edges, found.genes),
    )


def bin_centrality(
    models: TrainedModels, summary: AnnData, min_detection: float | None
) -> BinCentrality:
    """Return siVAE degree centrality of models and of bins.

    Parameters
    ----------
    models, summary
        As for :func:`gather`.
    min_detection : float or None
        With a number, centrality is relative to variance, and genes that fewer cells of a bin
        express have none there: too few cells tell nothing about a gene's edges, and a gene that
        one cell alone expresses is reconstructed best. With None it is the negative error.
    """
    bins = models.bins.merge(
        summary.obs.reset_index(names="name").astype({"sample": str}),
        on=["sample", "bin"],
        how="left",
        validate="one_to_one",
    )
    number = models.bin_number
    errors, variances = (models.read_all(f"var/{x}") for x in ("reconstruction_error", "variance"))
    if min_detection is None:
        of_models = degree_centrality(errors)
    else:
        detected = summary[bins["name"]].layers["detection_rate"] >= min_detection
        variances = np.where(detected[number], variances, 0)
        of_models = degree_centrality(errors, variances)
    values = pd.DataFrame(of_models).groupby(number, sort=False).mean().to_numpy()
    varies = variances > MIN_VARIANCE
    return BinCentrality(bins, summary.var_names, number, of_models, values, varies)


def sample_networks(
    models: TrainedModels,
    found: BinCentrality,
    nodes: np.ndarray,
    closest: float,
    n_neighbours: int,
) -> Iterator[SampleNetwork]:
    """Yield the networks of one sample after another.

    Parameters
    ----------
    models : TrainedModels
    found : BinCentrality
    nodes : ndarray of int
        Genes of the graphs; in a bin those of them that vary there.
    closest, n_neighbours
        As for :func:`gather`.
    """
    for sample, bins in found.bins.groupby("sample", sort=False):
        rows = bins.index.to_numpy()
        loadings, measures, graphs, bin_edges = [], [], [], []
        for row, number in zip(rows, bins["bin"], strict=True):
            own = np.flatnonzero(found.bin_number == row)
            of_bin = [models.files[model].read("varm/sivae_loadings") for model in own]
            varying = [nodes[found.varies[model, nodes]] for model in own]
            of_graph, graph = bin_graph(of_bin, varying, closest)
            loadings += of_bin
            measures.append(of_graph)
            graphs.append(graph)
            bin_edges.append(graph[graph["weight"] >= MOST].assign(sample=sample, bin=number))
        of_sample = np.isin(found.bin_number, rows)
        everywhere = np.flatnonzero(found.varies[of_sample].all(axis=0))
        yield SampleNetwork(
            str(sample),
            rows,
            measures,
            pd.concat(bin_edges),
            mean_edges(graphs).assign(sample=sample),
            neighbour_table(
                str(sample),
                [of_model[everywhere] for of_model in loadings],
                n_neighbours,
                found.genes[everywhere],
            ),
        )


def bin_graph(
    loadings: Sequence[np.ndarray], nodes: Sequence[np.ndarray], closest: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the graph centralities of a bin, means over its models, and its weighted edges.

    Parameters
    ----------
    loadings : sequence of arrays of shape (n_genes, n_dimensions)
        Of each model.
    nodes : sequence of arrays of int
        The genes of each model's graph.
    closest : float
        As for :func:`popnet.networks.edges.closest_pairs`.

    Returns
    -------
    measures : DataFrame, indexed by the number of the gene
    edges : DataFrame
        gene1, gene2 (numbers of genes) and weight, the share of the models that have the edge.
    """
    measures, graphs = [], []
    for of_model, own in zip(loadings, nodes, strict=True):
        pairs = closest_pairs(of_model[own], closest)
        measures.append(pd.DataFrame(graph_centralities(of_model[own], *pairs), own))
        ends = dict(zip(PAIR, (own[end].astype(np.int32) for end in pairs), strict=True))
        graphs.append(pd.DataFrame(ends).assign(weight=1.0))
    return pd.concat(measures).groupby(level=0).mean(), mean_edges(graphs)


def mean_edges(graphs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the edges of several graphs with their mean weight, 0 where a graph lacks them."""
    total = pd.concat(graphs).groupby(PAIR)["weight"].sum()
    return (total / len(graphs)).reset_index()


def neighbour_table(
    sample: str, loadings: Sequence[np.ndarray], k: int, genes: pd.Index
) -> pa.Table:
    """Return the k nearest genes of each gene: sample, gene, neighbour, rank and distance.

    Parameters
    ----------
    sample : str
    loadings : sequence of arrays of shape (n_genes, n_dimensions)
        Of all models of the sample.
    k : int
    genes : Index of shape (n_genes,)
    """
    neighbour, distance = nearest_neighbours(loadings, k)
    k = neighbour.shape[1]
    names = pa.array(genes.to_numpy(object), pa.string())

    def named(codes: np.ndarray) -> Any:
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


def _named(tables: Sequence[pd.DataFrame], genes: pd.Index) -> pd.DataFrame:
    """Return edges of several samples in one table, with genes by name."""
    edges = pd.concat(tables, ignore_index=True)
    for column in PAIR:
        edges[column] = pd.Categorical.from_codes(edges[column], genes)
    columns = [column for column in ("sample", "bin", *PAIR, "weight") if column in edges]
    return edges[columns].astype({"sample": "category"})
