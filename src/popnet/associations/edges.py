"""Edges that are associated with a phenotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from popnet.associations.testing import Testing
from popnet.networks.edges import (
    PAIRS_AT_ONCE,
    PRESENT,
    annotate_complexes,
    edge_matrix,
    sparse_edges,
)
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test, permuted_correlations, prepare, t_statistic
from popnet.stats.ranks import correlate, rank_sum

# Edges of this p or less, uncorrected, make up components.
PRIMARY_P = 0.01


# Enough for the p of a component; every edge is tested again in each.
COMPONENT_PERMUTATIONS = 1000


COMPONENT_COLUMNS = (
    *("gene_set", "component", "sign", "n_genes", "n_edges", "intensity", "genes"),
    *("p_family", "intensity_p_family", "n_tested", "n", "n_permutations"),
)


# Edges that nearly all or nearly no observations have do not distinguish them; the paper tested
# all: shares of the observations.
ROBUST_WINDOW, PAPER_WINDOW = (0.1, 0.9), (0.0, 1.0)
PAIR = ["gene1", "gene2"]


@dataclass(frozen=True)
class ObservedEdges:
    """The edges of every sample, or of every bin.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight; `sample` holds the labels of `rows`.
    rows : Series, label -> sample
        Rows without edges included.
    genes : Index
        Genes of the graph.
    """

    edges: pd.DataFrame
    rows: pd.Series
    genes: pd.Index


@dataclass(frozen=True)
class EdgeTests:
    """Edges within gene sets against a phenotype, and connected components of associated edges.

    Parameters
    ----------
    edges : DataFrame, sorted by gene set and p
        gene_set gene1 gene2 complex1 complex2 relation statistic p q ... set_q; q is over all
        distinct edges, set_q within the set.
    components : DataFrame of `COMPONENT_COLUMNS`
        Empty under preset paper.
    """

    edges: pd.DataFrame
    components: pd.DataFrame


def observe(
    edges: pd.DataFrame, bins: pd.DataFrame, genes: pd.Index, unit: Literal["donor", "bin"]
) -> ObservedEdges:
    """Return the edges by sample, or by bin as the paper counts them: present or absent.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight; by bin sample bin gene1 gene2.
    bins : DataFrame
        sample and bin of every bin.
    genes : Index
        Genes of the graph.
    unit : {"donor", "bin"}
    """
    edges, rows = edges.astype({"sample": str}), bins["sample"].astype(str)
    if unit == "donor":
        samples = rows.unique()
        return ObservedEdges(edges, pd.Series(samples, index=samples), genes)
    edges["sample"] = edges["sample"] + "\t" + edges.pop("bin").astype(str)
    labels = rows.to_numpy(object) + "\t" + bins["bin"].astype(str).to_numpy(object)
    return ObservedEdges(edges.assign(weight=1.0), pd.Series(rows.to_numpy(), labels), genes)


def paper(
    observed: ObservedEdges,
    gene_sets: Mapping[str, Sequence[str]],
    complexes: pd.Series,
    design: Design,
    testing: Testing,
) -> EdgeTests:
    """Test every edge within each set by Wilcoxon's rank sum, as the paper does.

    Parameters
    ----------
    observed : ObservedEdges
        By bin.
    gene_sets : mapping of name to genes of the graph
    complexes : Series, gene -> respiratory complex
    design : Design
    testing : Testing
    """
    tables = []
    for name, members in gene_sets.items():
        pairs, weights = edge_matrix(observed.edges, list(observed.rows.index), list(members))
        tested = rank_sum_edges(
            design.units.average(weights), design.units.phenotype, design.binary, *PAPER_WINDOW
        )
        pairs = annotate_complexes(pairs.loc[tested.index], complexes)
        tables.append(pairs.join(tested).assign(gene_set=name))
    table = pd.concat(tables, ignore_index=True)
    # An edge of several sets is one test.
    pair = table.groupby(PAIR, sort=False, observed=True).ngroup()
    first = ~pair.duplicated()
    q = pd.Series(benjamini_hochberg(table.loc[first, "p"].to_numpy()), index=pair[first])
    table["q"] = pair.map(q)
    return EdgeTests(_by_set(table), pd.DataFrame(columns=list(COMPONENT_COLUMNS)))


def robust(
    observed: ObservedEdges,
    gene_sets: Mapping[str, Sequence[str]],
    complexes: pd.Series,
    design: Design,
    testing: Testing,
) -> EdgeTests:
    """Test the edges that some observations have and others lack, by permutation.

    Parameters
    ----------
    observed : ObservedEdges
        By sample.
    gene_sets, complexes, design, testing
        As in :func:`paper`.
    """
    permuted = design.over(list(observed.rows)), testing.permutations, testing.seed
    pairs, weights = sparse_edges(observed.edges, list(observed.rows))
    columns, values = edges_in_window(weights, permuted[0], *ROBUST_WINDOW)
    pairs_in_window = pairs.iloc[columns].reset_index(drop=True)
    print(f"{len(pairs)} edges; {len(columns)} of them are in neither nearly all nor nearly none")
    first, second = (pairs_in_window[gene].astype(object) for gene in PAIR)
    of_set = {
        name: np.flatnonzero(first.isin(members) & second.isin(members))
        for name, members in gene_sets.items()
    }
    tested = np.unique(np.concatenate([np.zeros(0, int), *of_set.values()]))
    table = permute_edges(values[:, tested], *permuted)
    table = annotate_complexes(pairs_in_window.loc[tested], complexes).join(table.set_axis(tested))
    # An edge of several sets is one test.
    tables = [table.loc[rows].assign(gene_set=name) for name, rows in of_set.items()]
    edges = pd.concat([table.iloc[:0].assign(gene_set=""), *tables], ignore_index=True)
    return EdgeTests(_by_set(edges), associated_components(pairs_in_window, values, *permuted))


def _by_set(table: pd.DataFrame) -> pd.DataFrame:
    table["set_q"] = table.groupby("gene_set")["p"].transform(
        lambda p: benjamini_hochberg(p.to_numpy())
    )
    first = ["gene_set", *PAIR]
    return table[first + [column for column in table if column not in first]].sort_values(
        ["gene_set", "p"], ignore_index=True
    )


def rank_sum_edges(
    weights: np.ndarray,
    phenotype: np.ndarray,
    binary: bool,
    min_share: float = 0.1,
    max_share: float = 0.9,
) -> pd.DataFrame:
    """Wilcoxon rank-sum test of every edge.

    Continuous: the phenotype of the units that have the edge against that of the others.
    Binary: the weight of the edge in cases against controls.

    Parameters
    ----------
    weights : ndarray of shape (n_units, n_pairs)
    phenotype : ndarray of shape (n_units,)
    binary : bool
    min_share, max_share : float
        Only edges that this share of the units has are tested: of others no test can learn.

    Returns
    -------
    DataFrame, indexed by the tested columns of `weights`
        statistic (rank-biserial, positive where those with the edge have a higher phenotype, or
        cases a higher weight) p q n_with n_without.
    """
    has = weights >= PRESENT
    share = has.mean(axis=0)
    columns = np.flatnonzero((share >= min_share) & (share <= max_share))
    if binary:
        table = correlate(weights[:, columns], phenotype, binary=True)
    else:
        table = rank_sum(np.reshape(phenotype, (-1, 1)), has[:, columns])
    table = table[["statistic", "p"]].set_axis(columns)
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    table["n_with"] = has[:, columns].sum(axis=0)
    table["n_without"] = len(has) - table["n_with"]
    return table


def edges_in_window(
    weights: sparse.csr_array, design: Design, min_share: float, max_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the edges that some observations have and others lack.

    Parameters
    ----------
    weights : sparse array of shape (n_samples, n_pairs)
        Rows as those that the design was made of.
    design : Design
    min_share, max_share : float
        Share of the observations that have an edge: of others no test can learn. The phenotype
        has no part in it.

    Returns
    -------
    columns : ndarray of int
        Of `weights`, the edges to test.
    values : float32 ndarray of shape (n_observations, n_columns)
    """
    values = sparse.csc_array(design.units.weights @ weights)
    has = np.bincount(
        np.repeat(np.arange(values.shape[1]), np.diff(values.indptr)),
        values.data >= PRESENT,
        values.shape[1],
    )
    share = has / max(design.n, 1)
    columns = np.flatnonzero((share >= min_share - 1e-9) & (share <= max_share + 1e-9))
    return columns, values[:, columns].toarray().astype(np.float32)


def permute_edges(
    values: np.ndarray, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test the weight of every edge against the phenotype by permutation.

    Parameters
    ----------
    values : ndarray of shape (n_observations, n_edges)
        Of :func:`edges_in_window`.
    design : Design
    n_permutations, seed : int
        See :func:`popnet.stats.permutation.permutation_test`.

    Returns
    -------
    DataFrame of n_edges rows
        statistic (partial Spearman or adjusted rank-biserial correlation) p q p_family
        (family-wise over these edges) n_with n_without (observations that have the edge and that
        lack it) n_permutations.
    """
    table = permutation_test(values, design, n_permutations, seed).table
    n_with = (values >= PRESENT).sum(axis=0)
    table = table.assign(n_with=n_with, n_without=design.n - n_with)
    columns = ["statistic", "p", "q", "p_family", "n_with", "n_without", "n_permutations"]
    return table[columns]


def associated_components(
    pairs: pd.DataFrame, values: np.ndarray, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Find connected components of associated edges: the network-based statistic.

    Edges whose t statistic has p <= 0.01 by itself make up a graph, those of positive
    and those of negative statistic apart. A component's p is that of the largest component
    of either sign in every arrangement, so that it is family-wise over the table.

    Parameters
    ----------
    pairs : DataFrame of n_edges rows
        gene1 gene2.
    values : ndarray of shape (n_observations, n_edges)
    design : Design
    n_permutations : int
        At most 1,000 are made.
    seed : int

    Returns
    -------
    DataFrame of `COMPONENT_COLUMNS`, the largest component first
        sign (1: positive statistics) n_genes n_edges intensity (sum over its edges of
        what |t| has above the threshold) genes (joined by ;) p_family (by n_edges)
        intensity_p_family n_tested (edges) n (observations) n_permutations.

    References
    ----------
    Zalesky, Fornito and Bullmore, NeuroImage 53 (2010).
    """
    if not design.testable or not len(pairs):
        return pd.DataFrame(columns=list(COMPONENT_COLUMNS))
    names = pd.unique(pairs[["gene1", "gene2"]].astype(object).to_numpy().ravel())
    ends = np.stack([pd.Index(names).get_indexer(pairs[gene]) for gene in ("gene1", "gene2")])
    threshold = float(stdtrit(design.df, 1 - PRIMARY_P / 2))
    smallest = threshold / np.sqrt(design.df + threshold**2)
    residuals = np.empty(values.shape)
    for start in range(0, values.shape[1], PAIRS_AT_ONCE):
        chunk = slice(start, start + PAIRS_AT_ONCE)
        residuals[:, chunk] = prepare(values[:, chunk], design).residuals

    def components(r: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return component and column of every strong edge, and of the components where they are.

        Every arrangement has a graph of either sign, all of them parts of one large graph.
        """
        row, column = np.nonzero(np.abs(r) >= smallest)
        strong = r[row, column]
        graph = 2 * row + (strong > 0)
        first, second = graph * len(names) + ends[:, column]
        nodes, inverse = np.unique(np.concatenate([first, second]), return_inverse=True)
        edges = sparse.coo_array(
            (np.ones(len(first), bool), tuple(np.split(inverse, 2))), shape=(len(nodes),) * 2
        )
        n, label = connected_components(edges, directed=False)
        of_edge = label[inverse[: len(first)]]
        size = np.bincount(of_edge, minlength=n)
        intensity = np.bincount(of_edge, t_statistic(strong, design.df) - threshold, n)
        where = np.zeros(n, int)
        where[of_edge] = graph
        return of_edge, column, where, size, intensity

    largest: list[np.ndarray] = []
    arrangements = design.arrangements(min(n_permutations, COMPONENT_PERMUTATIONS), seed)
    for r in permuted_correlations(residuals, design, arrangements):
        _, _, where, size, intensity = components(r)
        found = np.zeros((2, len(r)))
        np.maximum.at(found[0], where // 2, size)
        np.maximum.at(found[1], where // 2, intensity)
        largest.append(found)
    null = np.sort(np.concatenate(largest, axis=1), axis=1)

    outcome = design.residual / np.sqrt((design.residual**2).sum())
    of_edge, column, where, size, intensity = components((outcome @ residuals)[None])
    p_size, p_intensity = (
        arrangements.p(null.shape[1] - np.searchsorted(sizes, seen * (1 - 1e-9), side="left"))
        for sizes, seen in zip(null, (size, intensity), strict=True)
    )
    members = [
        sorted(names[np.unique(ends[:, column[of_edge == number]])]) for number in range(len(size))
    ]
    table = pd.DataFrame(
        {
            "gene_set": "all",
            "sign": np.where(where % 2, 1, -1),
            "n_genes": [len(genes) for genes in members],
            "n_edges": size,
            "intensity": intensity,
            "genes": [";".join(genes) for genes in members],
            "p_family": p_size,
            "intensity_p_family": p_intensity,
            "n_tested": len(pairs),
            "n": design.n,
            "n_permutations": arrangements.n,
        }
    )
    table = table.sort_values(["n_edges", "intensity"], ascending=False, ignore_index=True)
    table["component"] = np.arange(1, len(table) + 1)
    return table[list(COMPONENT_COLUMNS)]
