"""From an estimator to the networks of the bins and samples of a cell type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from popnet.cells.expression import BinnedExpression
from popnet.files import atomic, read_h5ad, write_h5ad, write_parquet, write_table
from popnet.networks.centrality import MEASURES, graph_centralities, in_graph
from popnet.networks.centrality import central_genes as most_central
from popnet.networks.edges import nearest_neighbours, strongest_pairs
from popnet.networks.estimators import BinCentrality, Estimator, correlation_factor
from popnet.networks.modules import Modules, find_modules, of_bins
from popnet.networks.pairs import PairMoments, PairWeights, candidates, read_pairs
from popnet.networks.reliability import icc, seed_reliability

if TYPE_CHECKING:
    from anndata import AnnData

PAIR = ["gene1", "gene2"]
# Pairs whose weights are kept of every bin, to see what is reproducible.
FOLLOWED = 20_000
# Share of a bin's repeats that must have an edge of the bin's graph without weights.
MOST = 0.5


@dataclass(frozen=True)
class Given:
    """What a second cohort takes from the networks of a discovery.

    Parameters
    ----------
    genes : Index
        Those of the graph.
    pairs : DataFrame
        gene1 and gene2 of the pairs that are tested.
    modules : Modules
    """

    genes: pd.Index
    pairs: pd.DataFrame
    modules: Modules

    @classmethod
    def read(cls, bins: str, pairs: str, modules: str) -> Given:
        """Read it from the discovery's bins.h5ad, pairs.h5ad and module_genes.h5ad of a network."""
        graph = read_h5ad(bins)
        of_modules = Modules.from_anndata(read_h5ad(modules))
        return cls(graph.var_names[in_graph(graph)], read_pairs(pairs).pairs, of_modules)


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
        sample, bin, gene1, gene2 (numbers of genes), weight (signed) and share (of the bin's
        models that have the edge, at least half).
    edges : DataFrame
        sample, gene1, gene2, weight (signed, the mean over all bins) and share (of the bins that
        have the edge): the edges of any bin.
    weights : list of ndarray of shape (n_pairs,)
        Of each bin: the weights of all pairs of the graph's genes.
    neighbours : pyarrow.Table
        sample, gene, neighbour, rank (from 1) and distance or weight.
    """

    sample: str
    rows: np.ndarray
    measures: list[pd.DataFrame]
    bin_edges: pd.DataFrame
    edges: pd.DataFrame
    weights: list[np.ndarray]
    neighbours: pa.Table


@dataclass(frozen=True)
class BinNetworks:
    """The networks of a cell type by one estimator.

    Parameters
    ----------
    centrality : BinCentrality
    graphs : dict of measure to ndarray of shape (n_bins, n_genes)
        Centralities in the graphs; NaN for genes outside them.
    expression : AnnData of shape (n_bins, n_genes)
        Mean log-normalised expression and, as a layer, the detection rate.
    bin_edges, edges : DataFrame
        As of :class:`SampleNetwork`, of all samples, with genes by name; None without edges.
    pairs : PairWeights or None
        The candidate pairs; None where presence is what counts.
    weights_of_bins : float32 ndarray of shape (n_bins, n_some_pairs) or None
        The weights of a random part of the candidate pairs in every bin, at most 20,000 times the
        share of pairs that are candidates: what is reproducible of pairs.
    modules : Modules or None
        Of the mean network, or of that of a discovery; None where donors are not given.
    """

    centrality: BinCentrality
    graphs: dict[str, np.ndarray]
    expression: AnnData
    bin_edges: pd.DataFrame | None
    edges: pd.DataFrame | None
    pairs: PairWeights | None
    weights_of_bins: np.ndarray | None = None
    modules: Modules | None = None

    def to_anndata(self) -> AnnData:
        """Return bins x genes: X is degree centrality, layers what else is known of genes.

        obsm["pairs"] are the weights of some candidate pairs.
        """
        from anndata import AnnData

        layers = {
            "mean_expression": self.expression.X,
            "detection_rate": self.expression.layers["detection_rate"],
            **self.graphs,
        }
        weights = self.weights_of_bins
        return AnnData(
            self.centrality.values.astype(np.float32),
            obs=self.centrality.bins.set_index("name"),
            var=pd.DataFrame(index=self.centrality.genes),
            layers={name: np.asarray(layer, np.float32) for name, layer in layers.items()},
            obsm={} if weights is None else {"pairs": weights},
        )

    def sample_means(self) -> dict[str, pd.DataFrame]:
        """Return tables of genes x samples, means over bins.

        Returns
        -------
        dict
            ``centrality``, ``degree`` (where there are graphs) and ``mean_expression``: a column
            gene and one per sample, without genes that have no value at all.
        """
        values = {"centrality": self.centrality.values, "mean_expression": self.expression.X}
        values |= {name: self.graphs[name] for name in ("degree",) if name in self.graphs}
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

    def reliability(self) -> pd.DataFrame:
        """Return gene, icc, n_samples, n_bins, icc_seeds and n_repeats: over bins, over seeds.

        Columns strength_icc and signed_strength_icc are the same of the genes' strength.
        """
        samples = self.centrality.bins["sample"].to_numpy()
        found = icc(self.centrality.values, samples).join(
            seed_reliability(self.centrality.of_models, self.centrality.bin_number)
        )
        for measure in ("strength", "signed_strength"):
            if measure in self.graphs:
                found[f"{measure}_icc"] = icc(self.graphs[measure], samples)["icc"]
        columns = ["icc", "n_samples", "n_bins", "icc_seeds", "n_repeats"]
        rest = [column for column in found if column not in columns]
        return found.assign(gene=self.centrality.genes)[["gene", *columns, *rest]]

    def write(self, files: Mapping[str, str]) -> None:
        """Write those of the tables that have a file.

        Parameters
        ----------
        files : mapping of table to path
            bins, bin_edges, edges, pairs, reliability and those of :meth:`sample_means`.
        """
        write_h5ad(self.to_anndata(), files["bins"])
        for name, table in (("bin_edges", self.bin_edges), ("edges", self.edges)):
            if table is not None:
                write_parquet(table, files[name])
        if self.pairs is not None:
            self.pairs.write(files["pairs"])
        for name, table in self.sample_means().items():
            if name in files:
                write_table(table, files[name])
        write_table(self.reliability(), files["reliability"])


def gather(
    estimator: Estimator,
    summary: AnnData,
    expression: BinnedExpression | None,
    neighbour_file: str | Path,
    *,
    weigh_pairs: bool,
    closest: float,
    central_genes: int | Literal["all"],
    neighbours: int,
    donors: Mapping[str, str] | None = None,
    seed: int = 0,
    given: Given | None = None,
) -> BinNetworks:
    """Gather the networks of a cell type; one sample is in memory at a time.

    Parameters
    ----------
    estimator : Estimator
    summary : AnnData of shape (n_planned_bins, n_genes)
        Of :func:`popnet.cells.expression.write_expression`.
    expression : BinnedExpression or None
        Of the same bins; needed to weigh pairs.
    neighbour_file : str or Path
        Becomes a parquet file of all samples' nearest neighbours.
    weigh_pairs : bool
        Whether to keep the weights of the candidate pairs, and their plain correlation.
    closest : float
        Share of gene pairs, the strongest ones, that are edges.
    central_genes : int or "all"
        The genes of the graphs: so many most central ones of each bin.
    neighbours : int
        Nearest genes that are listed for each gene.
    donors : mapping of sample to donor, optional
        Where pairs are weighed: with it modules of the mean network are found.
    seed : int
        Of the modules.
    given : Given, optional
        The graph and the modules of a discovery, in place of those that are chosen here.

    Raises
    ------
    InputError
        If a model's file is damaged.
    """
    found = estimator.centrality
    if given is None:
        nodes = most_central(found.values, central_genes)
    else:
        nodes = np.flatnonzero(found.genes.isin(given.genes))
    print(
        f"{len(found.of_models)} networks of {len(found.bins)} bins, {len(found.genes)} genes, "
        f"{len(nodes)} of them in the graph"
    )
    measures = [name for name in MEASURES if estimator.signed or name != "signed_strength"]
    graphs = {measure: np.full(found.values.shape, np.nan) for measure in measures}
    bin_edges, edges = [], []
    n_samples = found.bins["sample"].nunique()
    with TemporaryDirectory(dir=Path(neighbour_file).parent) as folder:
        shape = n_samples, len(found.bins)
        collected = _Pairs(shape, nodes, Path(folder)) if weigh_pairs else None
        with atomic(neighbour_file) as path:
            writer = None
            for network in sample_networks(estimator, nodes, closest, neighbours):
                for row, of_bin in zip(network.rows, network.measures, strict=True):
                    for measure in measures:
                        graphs[measure][row, of_bin.index] = of_bin[measure]
                bin_edges.append(network.bin_edges)
                edges.append(network.edges)
                if collected is not None:
                    assert expression is not None, "pairs are weighed in cells"
                    collected.add(network, found.bins, expression, estimator.absolute)
                table = network.neighbours
                writer = writer or pq.ParquetWriter(path, table.schema, write_page_checksum=True)
                writer.write_table(table)
            if writer is not None:
                writer.close()
        pairs = weights = modules = None
        if collected is not None:
            pairs, weights = collected.chosen(found.genes, given)
            if given is not None:
                modules = given.modules
            elif donors is not None:
                of_samples = [donors[sample] for sample in collected.samples]
                modules = find_modules(collected.weights, of_samples, found.genes[nodes], seed)
    return BinNetworks(
        found,
        graphs,
        summary[found.bins["name"]],
        _named_genes(bin_edges, found.genes),
        _named_genes(edges, found.genes),
        pairs,
        weights,
        modules,
    )


def modules_of_bins(modules: Modules, estimator: Estimator) -> AnnData:
    """Return what is tested of modules (:func:`popnet.networks.modules.of_bins`), with the bins.

    Bins are weighed once more, since modules are known only when all have been seen.
    """
    found = estimator.centrality
    nodes = found.genes.get_indexer(modules.genes)
    weights = (np.mean(estimator.weigh(row, nodes), axis=0) for row in range(len(found.bins)))
    values = of_bins(modules, weights)
    values.obs = found.bins.set_index("name")
    return values


def gather_apart(
    estimator: Estimator, expression: BinnedExpression, summary: AnnData, **settings: Any
) -> tuple[AnnData, pd.DataFrame]:
    """Return networks that say only what is reproducible, and their edges.

    Parameters
    ----------
    estimator : Estimator
        Of halves of bins, or of a second training.
    expression, summary
        Of the bins, or of :func:`popnet.cells.halves.halve`.
    **settings
        closest, central_genes and neighbours, as for :func:`gather`.

    Returns
    -------
    AnnData
        Of :meth:`BinNetworks.to_anndata`.
    DataFrame
        sample, bin, gene1, gene2, weight and share.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "neighbours.parquet")
        found = gather(estimator, summary, expression, file, weigh_pairs=True, **settings)
    assert found.bin_edges is not None
    return found.to_anndata(), found.bin_edges


def sample_networks(
    estimator: Estimator, nodes: np.ndarray, closest: float, n_neighbours: int
) -> Iterator[SampleNetwork]:
    """Yield the networks of one sample after another.

    Parameters
    ----------
    estimator : Estimator
    nodes : ndarray of int
        Genes of the graphs; in a bin those of them that vary there.
    closest, n_neighbours
        As for :func:`gather`.
    """
    found = estimator.centrality
    upper = np.triu_indices(len(nodes), 1)
    for sample, bins in found.bins.groupby("sample", sort=False):
        rows = bins.index.to_numpy()
        measures, bin_edges, weights = [], [], []
        for row in rows:
            own = np.flatnonzero(found.bin_number == row)
            varying = [found.varies[model, nodes] for model in own]
            share = 1 if estimator.loadings else closest
            of_graph, weight, graph = bin_graph(estimator.weigh(row, nodes), varying, share)
            measures.append(of_graph.set_axis(nodes[of_graph.index]))
            weights.append(weight[upper])
            bin_edges.append(graph.assign(sample=sample, bin=bins["bin"][row]))
        edges = sample_edges(bin_edges, weights, len(nodes)).assign(sample=sample)
        kept = pd.concat(bin_edges)
        kept = kept[kept["share"] >= MOST]
        for table in (edges, kept):
            for column in PAIR:
                table[column] = nodes[table[column]].astype(np.int32)
        if estimator.loadings:
            of_sample = np.isin(found.bin_number, rows)
            everywhere = np.flatnonzero(found.varies[of_sample].all(axis=0))
            listed = closest_neighbours(
                str(sample),
                [one[everywhere] for row in rows for one in estimator.loadings(row)],
                n_neighbours,
                found.genes[everywhere],
            )
        else:
            mean = np.zeros((len(nodes),) * 2, np.float32)
            mean[upper] = np.mean(weights, axis=0)
            listed = strongest_neighbours(
                str(sample), mean + mean.T, n_neighbours, found.genes[nodes]
            )
        yield SampleNetwork(str(sample), rows, measures, kept, edges, weights, listed)


def bin_graph(
    weights: Sequence[np.ndarray], varying: Sequence[np.ndarray], share: float
) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Return the graph centralities of a bin, means over its models, its weights and its edges.

    Parameters
    ----------
    weights : sequence of arrays of shape (n_genes, n_genes)
        Of each model, of the genes that graphs may hold.
    varying : sequence of bool arrays of shape (n_genes,)
        The genes of each model's graph.
    share : float
        Of the pairs, the strongest ones, that are edges.

    Returns
    -------
    measures : DataFrame, indexed by the number of the gene
    weights : float32 array of shape (n_genes, n_genes)
        Mean over the models.
    edges : DataFrame
        gene1, gene2 (numbers of genes) and share, of the models that have the edge.
    """
    measures, graphs = [], []
    for of_model, mask in zip(weights, varying, strict=True):
        own = np.flatnonzero(mask)
        of_graph = of_model[np.ix_(own, own)]
        pairs = strongest_pairs(of_graph, share)
        measures.append(pd.DataFrame(graph_centralities(of_graph, *pairs), own))
        graphs.append(pd.DataFrame(dict(zip(PAIR, (own[end] for end in pairs), strict=True))))
    of_edge = pd.concat(graphs).groupby(PAIR).size() / len(graphs)
    return (
        pd.concat(measures).groupby(level=0).mean(),
        np.mean(weights, axis=0),
        of_edge.rename("share").reset_index(),
    )


def sample_edges(
    bin_edges: Sequence[pd.DataFrame], weights: Sequence[np.ndarray], n_genes: int
) -> pd.DataFrame:
    """Return the edges of any bin of a sample, and give those of the bins their weights.

    Parameters
    ----------
    bin_edges : sequence of DataFrame
        Of each bin: gene1, gene2 (row numbers) and share (of its models). A column weight is
        added to each.
    weights : sequence of arrays of shape (n_pairs,)
        Of each bin: the upper triangle of its weights, row by row.
    n_genes : int

    Returns
    -------
    DataFrame
        gene1, gene2, weight and share: means over the bins.
    """
    for table, weight in zip(bin_edges, weights, strict=True):
        table["weight"] = weight[_place(table, n_genes)]
    share = pd.concat(bin_edges).groupby(PAIR)["share"].sum() / len(bin_edges)
    table = share.reset_index()
    place = _place(table, n_genes)
    return table.assign(weight=np.mean([weight[place] for weight in weights], axis=0))


def _place(pairs: pd.DataFrame, n_genes: int) -> np.ndarray:
    """Return where pairs (gene1 < gene2) are in an upper triangle, row by row."""
    first = pairs["gene1"].to_numpy(np.int64)
    second = pairs["gene2"].to_numpy(np.int64)
    place: np.ndarray = first * (2 * n_genes - first - 1) // 2 + second - first - 1
    return place


class _Pairs:
    """The weights of all pairs of the graph's genes in every sample, kept on disk."""

    def __init__(self, n: tuple[int, int], nodes: np.ndarray, folder: Path):
        n_samples, n_bins = n
        self.nodes = nodes
        self.upper = np.triu_indices(len(nodes), 1)
        shape = (n_samples, len(self.upper[0]))
        rng = np.random.default_rng(0)
        self.followed = np.sort(rng.permutation(shape[1])[:FOLLOWED])
        self.of_bins = np.zeros((n_bins, len(self.followed)), np.float32)
        # An empty file cannot be mapped.
        self.weights, self.correlation = (
            np.memmap(folder / name, np.float32, "w+", shape=shape)
            if shape[1]
            else np.zeros(shape, np.float32)
            for name in ("weights", "correlation")
        )
        self.moments = PairMoments(shape[1])
        self.samples: list[str] = []

    def add(
        self,
        network: SampleNetwork,
        bins: pd.DataFrame,
        expression: BinnedExpression,
        absolute: bool,
    ) -> None:
        """Add a sample: its weights, and the plain correlation in the cells of the same bins.

        The correlation confirms the weights, so that it has no sign where these have none.
        """
        row = len(self.samples)
        weights = np.array(network.weights)
        self.weights[row] = self.moments.add(weights)
        self.of_bins[network.rows] = weights[:, self.followed]
        for number in bins["bin"][network.rows]:
            factor = correlation_factor(expression.read(network.sample, number)[:, self.nodes])
            self.correlation[row] += (factor @ factor.T)[self.upper] / len(network.rows)
        if absolute:
            np.abs(self.correlation[row], out=self.correlation[row])
        self.samples.append(network.sample)

    def chosen(self, genes: pd.Index, given: Given | None) -> tuple[PairWeights, np.ndarray]:
        """Return the candidate pairs with their weights, and of some the weights of the bins."""
        if given is None:
            columns = candidates(self.moments.rms)
        else:
            names = genes[self.nodes]
            first, second = (names.get_indexer(pd.Index(given.pairs[gene])) for gene in PAIR)
            ends = pd.DataFrame(dict(zip(PAIR, (first, second), strict=True)))
            columns = np.sort(_place(ends, len(names)))
        first, second = (genes[self.nodes[end[columns]]] for end in self.upper)
        pairs = pd.DataFrame(
            {
                "gene1": first,
                "gene2": second,
                "icc": self.moments.icc[columns],
                "rms": self.moments.rms[columns],
            }
        )
        tested = PairWeights(
            pairs,
            np.array(self.samples, dtype=object),
            np.array(self.weights[:, columns]),
            np.array(self.correlation[:, columns]),
        )
        return tested, self.of_bins[:, np.isin(self.followed, columns)]


def closest_neighbours(
    sample: str, loadings: Sequence[np.ndarray], k: int, genes: pd.Index
) -> pa.Table:
    """Return the k nearest genes of each gene by loadings.

    Parameters
    ----------
    sample : str
    loadings : sequence of arrays of shape (n_genes, n_dimensions)
        Of all models of the sample.
    k : int
    genes : Index of shape (n_genes,)

    Returns
    -------
    pyarrow.Table
        sample, gene, neighbour, rank and distance, see
        :func:`popnet.networks.edges.nearest_neighbours`.
    """
    return _neighbour_table(sample, genes, "distance", *nearest_neighbours(loadings, k))


def strongest_neighbours(sample: str, weights: np.ndarray, k: int, genes: pd.Index) -> pa.Table:
    """Return the k genes of largest absolute weight with each gene.

    Parameters
    ----------
    sample : str
    weights : ndarray of shape (n_genes, n_genes)
    k : int
    genes : Index of shape (n_genes,)

    Returns
    -------
    pyarrow.Table
        sample, gene, neighbour, rank and weight.
    """
    strength = np.abs(weights)
    np.fill_diagonal(strength, -1)
    neighbour = np.argsort(-strength, axis=1, kind="stable")[:, : min(k, len(genes) - 1)]
    weight = np.take_along_axis(weights, neighbour, axis=1)
    return _neighbour_table(sample, genes, "weight", neighbour, weight)


def _neighbour_table(
    sample: str, genes: pd.Index, name: str, neighbour: np.ndarray, value: np.ndarray
) -> pa.Table:
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
            name: value.ravel().astype(np.float32),
        }
    )


def _named_genes(tables: Sequence[pd.DataFrame], genes: pd.Index) -> pd.DataFrame:
    """Return edges of several samples in one table, with genes by name."""
    edges = pd.concat(tables, ignore_index=True)
    for column in PAIR:
        edges[column] = pd.Categorical.from_codes(edges[column], genes)
    columns = [name for name in ("sample", "bin", *PAIR, "weight", "share") if name in edges]
    return edges[columns].astype({"sample": "category"})
