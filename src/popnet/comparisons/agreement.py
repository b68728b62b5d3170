"""Agreement of networks of the same bins by siVAE and by other methods, and of their hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from popnet.comparisons.outcomes import STATES, joined

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_GENES = 3


@dataclass(frozen=True)
class Networks:
    """The networks of all bins by one method.

    Parameters
    ----------
    centrality : ndarray, (n_bins, n_genes)
        NaN for genes that are not in the network.
    edges : list of ndarray, (n_edges,)
        One per bin; an edge of genes i < j is i * n_genes + j. None if the method failed.
    """

    centrality: np.ndarray
    edges: Sequence[np.ndarray | None]


def edges_of(
    weights: np.ndarray, genes: np.ndarray, nodes: np.ndarray, n_genes: int, share: float
) -> np.ndarray:
    """Return the edges of a bin, as in `Networks`.

    As for siVAE's distances, an edge is a pair strictly above the quantile of all pairs. There are
    therefore fewer edges if a method gives the same weight to many pairs.

    Parameters
    ----------
    weights : ndarray, (n_inferred, n_inferred)
        Symmetric, larger for closer genes.
    genes : ndarray of int, (n_inferred,)
        Positions of these genes among all genes, ascending.
    nodes : ndarray of int
        Positions of the genes that may have edges.
    n_genes : int
    share : float
        Share of the pairs of nodes that are edges.
    """
    wired = np.flatnonzero(np.isin(genes, nodes))
    first, second = (wired[ends] for ends in np.triu_indices(len(wired), 1))
    if not len(first):
        return np.empty(0, dtype=np.int64)
    values = weights[first, second]
    strong = values > np.quantile(values, 1 - share)
    return genes[first[strong]].astype(np.int64) * n_genes + genes[second[strong]]


def jaccard(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """Return the Jaccard index of two sets of edges; NaN if both are empty or one is unknown."""
    if one is None or other is None:
        return np.nan
    shared = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - shared
    return shared / union if union else np.nan


def chance_jaccard(one: np.ndarray | None, other: np.ndarray | None, n_pairs: int) -> float:
    """Return the expected overlap of random sets of edges of these sizes among all pairs."""
    if one is None or other is None:
        return np.nan
    shared = len(one) * len(other) / n_pairs if n_pairs else 0.0
    union = len(one) + len(other) - shared
    return shared / union if union else np.nan


def agreement(
    sivae: Networks, other: Networks | None, samples: Sequence[str], n_nodes: Sequence[int]
) -> pd.DataFrame:
    """Return the agreement of a method with siVAE and with itself, for every sample.

    Parameters
    ----------
    sivae : Networks
    other : Networks, optional
        Of the same bins and genes; None for siVAE itself.
    samples : sequence of str, (n_bins,)
    n_nodes : sequence of int, (n_bins,)
        Number of genes of a bin that may have edges.

    Returns
    -------
    DataFrame
        sample n_bins n_genes; rho, the Spearman correlation of the sample's centralities (means
        over its bins) by the two methods; jaccard of their edges, mean over the bins, and
        jaccard_chance for random edges; repeat_rho and repeat_jaccard, the same between two bins of
        the sample by this method, mean over pairs of bins; missing for a sample with one bin.
    """
    own = other or sivae
    labels = np.asarray(samples, dtype=object)
    n_pairs = np.asarray(n_nodes) * (np.asarray(n_nodes) - 1) // 2
    rows = []
    for sample in dict.fromkeys(labels):
        bins = np.flatnonzero(labels == sample).tolist()
        row = {"sample": sample, "n_bins": len(bins)}
        row["n_genes"] = int(np.isfinite(own.centrality[bins]).any(0).sum())
        if other is not None:
            means = [_mean_over_bins(one.centrality[bins]) for one in (sivae, other)]
            row["rho"] = _rho(*means)
            row["jaccard"] = _mean([jaccard(sivae.edges[b], other.edges[b]) for b in bins])
            row["jaccard_chance"] = _mean(
                [chance_jaccard(sivae.edges[b], other.edges[b], n_pairs[b]) for b in bins]
            )
        pairs = list(combinations(bins, 2))
        row["repeat_rho"] = _mean([_rho(own.centrality[a], own.centrality[b]) for a, b in pairs])
        row["repeat_jaccard"] = _mean([jaccard(own.edges[a], own.edges[b]) for a, b in pairs])
        rows.append(row)
    columns = ["sample", "n_bins", "n_genes", "rho", "jaccard", "jaccard_chance"]
    columns += ["repeat_rho", "repeat_jaccard"]
    return pd.DataFrame(rows).reindex(columns=columns)


def compare_samples(
    bins: AnnData,
    bin_edges: pd.DataFrame,
    inferred: Sequence[AnnData],
    edges: Sequence[pd.DataFrame],
    states: pd.DataFrame,
    methods: Iterable[str],
) -> tuple[pd.DataFrame, pd.DataFrame, AnnData]:
    """Compare the networks of a cell type's bins by other methods with siVAE's.

    Parameters
    ----------
    bins : AnnData, (n_bins, n_genes)
        siVAE's centralities; obs sample and bin; layer "degree", NaN for genes that are not nodes.
    bin_edges : DataFrame
        sample bin gene1 gene2 of siVAE.
    inferred, edges : sequence of AnnData and of DataFrame
        Of parts of the bins, as `popnet.comparisons.inference.infer_bins` returns them.
    states : DataFrame
        method n_bins n_failed reason seconds peak_memory_mb of every part.
    methods : iterable of str

    Returns
    -------
    agreement : DataFrame
        method, and the columns of :func:`agreement`.
    outcomes : DataFrame
        The outcome of every method, over all parts.
    centrality : AnnData, (n_bins, n_genes)
        A layer for each method that has centralities.
    """
    from anndata import AnnData

    samples = bins.obs["sample"].astype(str).to_numpy()
    n_nodes = np.isfinite(bins.layers["degree"]).sum(1)
    other_edges = joined(edges, edges[0].columns)
    sivae = Networks(bins.X, edges_by_bin(bin_edges, bins))
    tables = [agreement(sivae, None, samples, n_nodes).assign(method="sivae")]
    layers, outcomes = {}, []
    for method in methods:
        of_method = states[states["method"] == method]
        outcomes.append(_outcome(method, of_method))
        if of_method["n_failed"].sum() == of_method["n_bins"].sum():
            continue
        centrality, known = np.full(bins.shape, np.nan), np.zeros(bins.n_obs, dtype=bool)
        for part in inferred:
            here = bins.obs_names.get_indexer(part.obs_names)
            centrality[here], known[here] = part.layers[method], part.obsm["known"][method]
        found = edges_by_bin(other_edges[other_edges["method"] == method], bins, known)
        other = Networks(centrality, found)
        tables.append(agreement(sivae, other, samples, n_nodes).assign(method=method))
        # A network of distances has edges, but no degrees that could be tested.
        if np.isfinite(centrality).any():
            layers[method] = centrality.astype(np.float32)
    table = pd.concat(tables)
    return (
        table[["method", *table.columns.drop("method")]],
        pd.DataFrame(outcomes, columns=STATES),
        AnnData(obs=bins.obs, var=bins.var[[]], layers=layers),
    )


def edges_by_bin(
    edges: pd.DataFrame, bins: AnnData, known: np.ndarray | None = None
) -> list[np.ndarray | None]:
    """Return the edges of every bin, as in `Networks`; None for bins that are not `known`.

    Parameters
    ----------
    edges : DataFrame
        sample bin gene1 gene2.
    bins : AnnData, (n_bins, n_genes)
        obs sample and bin.
    known : ndarray of bool, (n_bins,), optional
    """
    first, second = (bins.var_names.get_indexer(edges[end]) for end in ("gene1", "gene2"))
    codes = first.astype(np.int64) * bins.n_vars + second
    names, of_edges = (
        pd.Index(each["sample"].astype(str) + "." + each["bin"].astype(str))
        for each in (bins.obs, edges)
    )
    of_bin = pd.Series(codes).groupby(names.get_indexer(of_edges)).indices
    none = np.empty(0, dtype=np.int64)
    return [
        codes[of_bin.get(number, none)] if known is None or known[number] else None
        for number in range(bins.n_obs)
    ]


def _outcome(method: str, states: pd.DataFrame) -> dict[str, Any]:
    """Return the outcome of a method over all parts."""
    n_bins, n_failed = states["n_bins"].sum(), states["n_failed"].sum()
    status = "done"
    if n_failed:
        first = states.loc[states["n_failed"] > 0, "reason"].iloc[0]
        status = f"failed in {n_failed} of {n_bins} bins: {first}"
    seconds, peak = states["seconds"].sum(), states["peak_memory_mb"].max()
    return dict(zip(STATES, ("agreement in samples", method, status, seconds, peak), strict=True))


def compare_hits(sivae: pd.DataFrame, others: dict[str, pd.DataFrame], fdr: float) -> pd.DataFrame:
    """Return by which methods each gene's centrality is associated with a phenotype.

    Parameters
    ----------
    sivae : DataFrame
        The study's test of siVAE's centralities: gene statistic p q explained_by.
    others : dict of method to DataFrame
        gene statistic p q, by the same test.
    fdr : float
        Largest q of a hit.

    Returns
    -------
    DataFrame sorted as `sivae`
        gene statistic p q explained_by (siVAE's), <method>_statistic, <method>_p and <method>_q,
        seen_by: the methods by which the gene is a hit, joined by ``;``.
    """
    table = sivae[["gene", "statistic", "p", "q", "explained_by"]].reset_index(drop=True)
    seen = {"sivae": table["q"] <= fdr}
    for method, found in others.items():
        by_gene = found.set_index("gene").reindex(table["gene"])
        for column in ("statistic", "p", "q"):
            table[f"{method}_{column}"] = by_gene[column].to_numpy()
        seen[method] = table[f"{method}_q"] <= fdr
    table["seen_by"] = [
        ";".join(name for name, is_hit in zip(seen, row, strict=True) if is_hit)
        for row in zip(*seen.values(), strict=True)
    ]
    return table


def _mean_over_bins(values: np.ndarray) -> np.ndarray:
    present = np.isfinite(values)
    total = np.where(present, values, 0).sum(0)
    return np.where(present.any(0), total / np.maximum(present.sum(0), 1), np.nan)


def _rho(one: np.ndarray, other: np.ndarray) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    # The correlation of constant values is not defined.
    if both.sum() < FEWEST_GENES or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return np.nan
    return float(spearmanr(one[both], other[both]).statistic)


def _mean(values: Sequence[float]) -> float:
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if len(finite) else np.nan
