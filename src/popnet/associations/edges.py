"""Edges that are associated with a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from popnet.networks.consensus import split_halves
from popnet.networks.edges import PAIRS_AT_ONCE, PRESENT
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


SHARED_AT_ONCE, GROUPINGS_AT_ONCE = 2**11, 2**9


def paper(
    weights: np.ndarray,
    phenotype: np.ndarray,
    binary: bool,
    min_share: float = 0.1,  # noqa: PT028
    max_share: float = 0.9,  # noqa: PT028
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
        statistic (rank-biserial, positive where the edge goes with a higher phenotype or with
        cases) p q n_with n_without.
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


def robust(values: np.ndarray, design: Design, n_permutations: int, seed: int) -> pd.DataFrame:
    """Test the weight of every edge against the phenotype by permutation.

    Parameters
    ----------
    values : ndarray of shape (n_observations, n_edges)
        Of :func:`edges_in_window`.
    design : Design
    n_permutations, seed : int
        See :func:`popnet.permutation.permutation_test`.

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

    Edges whose t statistic has p <= 0.01 by itself make up a graph, those that go with the
    phenotype and those that go against it apart. A component's p is that of the largest component
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
        sign (1: edges go with the phenotype) n_genes n_edges intensity (sum over its edges of
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


def _cases(phenotype: np.ndarray, binary: bool) -> np.ndarray:
    """Return which units are cases, or in the upper half of a continuous phenotype."""
    if binary:
        return phenotype == 1
    return (split_halves(pd.Series(phenotype)) == "case").to_numpy()


def _group_means(values: np.ndarray, case: np.ndarray) -> pd.DataFrame:
    """Return the mean of columns over all units, over cases and over controls."""
    groups = {"mean": np.ones_like(case), "mean_case": case, "mean_control": ~case}
    missing = np.full(values.shape[1], np.nan)
    return pd.DataFrame(
        {
            name: values[rows].mean(axis=0) if rows.any() else missing
            for name, rows in groups.items()
        }
    )
