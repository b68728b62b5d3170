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

from popnet.associations.composition import Composition, given_composition, joined
from popnet.associations.given_expression import Expression, explained
from popnet.associations.testing import Testing, with_equivalence
from popnet.networks.edges import PAIRS_AT_ONCE, PRESENT, annotate_complexes, edge_matrix
from popnet.networks.pairs import PairWeights
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first
from popnet.stats.permutation import (
    correlations_at,
    permuted_correlations,
    prepare,
    t_statistic,
)
from popnet.stats.ranks import correlate, rank_sum
from popnet.stats.units import Units

# Edges of this p or less, uncorrected, make up components.
PRIMARY_P = 0.01


# Enough for the p of a component; every edge is tested again in each.
COMPONENT_PERMUTATIONS = 1000


COMPONENT_COLUMNS = (
    *("gene_set", "component", "sign", "n_genes", "n_edges", "intensity", "genes"),
    *("p_family", "intensity_p_family", "n_tested", "n", "n_permutations"),
)


# Share of the observations that have an edge; the paper tested all edges.
PAPER_WINDOW = (0.0, 1.0)
PAIR = ["gene1", "gene2"]
# What the model says of a pair's weights.
OF_WEIGHTS = ["statistic", "estimate", "low", "high", "t", "p", "p_adjusted"]
# What the correlation of the same cells says of a pair.
AGREEMENT = [f"correlation_{name}" for name in ("estimate", "statistic", "p", "q")] + ["agrees"]
# The rows of all candidate pairs, beside those of the gene sets.
EVERY_PAIR = "all"


@dataclass(frozen=True)
class ObservedEdges:
    """Which edges every sample, or every bin, has.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight; `sample` holds the labels of `rows`, weight is the share of a
        sample's bins that have the edge.
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
    """Edges against a phenotype, and connected components of associated edges.

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
    """Return which edges samples have, or bins as the paper counts them: present or absent.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 share (of the sample's bins); by bin sample bin gene1 gene2.
    bins : DataFrame
        sample and bin of every bin.
    genes : Index
        Genes of the graph.
    unit : {"donor", "bin"}
    """
    edges, rows = edges.astype({"sample": str}), bins["sample"].astype(str)
    if unit == "donor":
        samples = rows.unique()
        present = edges[["sample", *PAIR]].assign(weight=edges["share"])
        return ObservedEdges(present, pd.Series(samples, index=samples), genes)
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
    observed: PairWeights,
    gene_sets: Mapping[str, Sequence[str]],
    complexes: pd.Series,
    design: Design,
    testing: Testing,
    switched: pd.Series | None = None,
    expression: Expression | None = None,
    composition: Composition | None = None,
) -> EdgeTests:
    """Test the weight of every candidate pair in two stages: by the network, and by correlation.

    A network of few dimensions spreads a change over all pairs that share its dimensions. So the
    mixed model of the network's weights selects pairs (q <= `fdr`), and among these the plain
    correlation must change in the same direction, with a Benjamini-Hochberg correction of its own.
    The first stage is a claim about the network, both together about the pair. A network of the
    user's own has the first stage alone, which there is about the pair: its weights are what they
    are.

    Parameters
    ----------
    observed : PairWeights
    gene_sets, complexes, design, testing
        As in :func:`paper`.
    switched : Series, gene -> str, optional
        Of :func:`popnet.associations.expression_switch.switched`; genes without one have "".
    expression : Expression, optional
    composition : Composition, optional
        What may explain a called pair.

    Returns
    -------
    EdgeTests
        gene_set is "all" for all candidate pairs, beside the rows of the gene sets. statistic
        (partial correlation), estimate (cases minus controls, or per standard deviation of the
        phenotype's normal scores), low and high (its 95 % confidence interval), t, p and p_adjusted
        (with technical covariates as fixed effects) are of the weights, by the design's mixed
        model, or the moderated t where it has none; q is over all candidate pairs; so are, with a
        margin, equivalence_p and equivalence_q;
        correlation_estimate, correlation_statistic and correlation_p of the plain correlation;
        correlation_q, over the selected pairs, NaN for others; agrees (these are NaN where there
        is no correlation); icc; switched (of either gene); n (observations); of pairs with
        q <= `fdr` given_expression_p and explained_by
        (:func:`popnet.associations.given_expression.explained`), and given_composition_p
        (:func:`popnet.associations.composition.given_composition`).
    """
    design = design.over(list(observed.samples)).untested(testing.untested.get("edges"))
    weights = by_observation(observed.weights, design.of_model)
    pairs = observed.pairs.reset_index(drop=True)
    of_network, of_weights = testing.by_model(weights, design)
    table = annotate_complexes(pairs[PAIR], complexes).join(of_network[OF_WEIGHTS])
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    table = with_equivalence(table, of_network)
    outcomes = testing.outcomes(design, of_weights)
    chance = [testing.under_chance(weights, design, of_weights, outcomes)]
    if observed.correlation is None:
        table[AGREEMENT] = np.nan
    else:
        correlation = by_observation(observed.correlation, design.of_model)
        of_correlation, ratios = testing.by_model(correlation, design)
        table = table.join(agreement(table, of_correlation, testing.fdr))
        # The second stage is one-sided: twice its p is needed.
        fdr = 2 * testing.fdr
        chance.append(testing.under_chance(correlation, design, ratios, outcomes, fdr))
    _count_by_chance(testing, *chance)
    table["icc"] = pairs["icc"]
    off = pd.Series(dtype=object) if switched is None else switched
    table["switched"] = _either(
        *(off.reindex(pairs[gene]).fillna("").to_numpy(object) for gene in PAIR)
    )
    table["n"] = of_network["n"]
    hits = (table["q"] <= testing.fdr).to_numpy()
    of_genes = [pd.Index(pairs[gene].astype(object)) for gene in PAIR]
    about = of_genes, table["switched"].to_numpy(object), expression, design, of_weights
    found = explained(hits, weights, *about)
    given, shares = given_composition(hits, weights, composition, design, of_weights)
    table["given_expression_p"], table["given_composition_p"] = found["given_expression_p"], given
    table["explained_by"] = joined(found["explained_by"].to_numpy(), shares)
    print(
        f"{len(pairs)} pairs; {(table['q'] <= testing.fdr).sum()} by the network; "
        f"{table['agrees'].sum():.0f} where the correlation agrees"
    )
    first, second = (pairs[gene].astype(object) for gene in PAIR)
    of_set = {
        name: np.flatnonzero(first.isin(members) & second.isin(members))
        for name, members in gene_sets.items()
        if name != EVERY_PAIR
    }
    tables = [table.iloc[rows].assign(gene_set=name) for name, rows in of_set.items()]
    edges = pd.concat([table.assign(gene_set=EVERY_PAIR), *tables], ignore_index=True)
    # Components have no likelihood: they are permuted.
    if design.mixed is not None:
        weights = by_observation(observed.weights, design.units)
    return EdgeTests(_by_set(edges), associated_components(pairs[PAIR], weights, design, testing))


def _count_by_chance(
    testing: Testing,
    by_network: tuple[np.ndarray, np.ndarray],
    by_correlation: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Count the pairs that the network, and network and correlation, call in permuted phenotypes.

    Parameters
    ----------
    testing : Testing
    by_network, by_correlation : t, p
        Of :meth:`popnet.associations.testing.Testing.under_chance`. Without the second, the network
        alone is counted.
    """
    t, p = by_network
    q = np.reshape([benjamini_hochberg(row) for row in p], p.shape)
    tested = np.isfinite(p).sum(axis=1)
    testing.put("model_edges", tested, (q <= testing.fdr).sum(axis=1))
    if by_correlation is None:
        return
    both = np.zeros(len(q), int)
    for run, (plain_t, plain_p) in enumerate(zip(*by_correlation, strict=True)):
        network = pd.DataFrame({"statistic": t[run], "q": q[run]})
        check = pd.DataFrame({"estimate": np.nan, "statistic": plain_t, "p": plain_p})
        both[run] = agreement(network, check, testing.fdr)["agrees"].sum()
    testing.put("edges", tested, both)


def agreement(of_network: pd.DataFrame, of_correlation: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """Say which pairs the correlation confirms, of those that the network's test selects.

    Parameters
    ----------
    of_network : DataFrame
        statistic and q of every pair.
    of_correlation : DataFrame
        estimate, statistic and p of the plain correlation of the same pairs.
    fdr : float

    Returns
    -------
    DataFrame
        correlation_estimate correlation_statistic correlation_p (two-sided) correlation_q
        (one-sided, in the direction of the network's change; Benjamini-Hochberg over the selected
        pairs) agrees.
    """
    table = of_correlation[["estimate", "statistic", "p"]].add_prefix("correlation_")
    selected = of_network["q"] <= fdr
    same = of_network["statistic"] * table["correlation_statistic"] > 0
    half = table["correlation_p"] / 2
    q = benjamini_hochberg(half.where(same, 1 - half).where(selected).to_numpy())
    return table.assign(correlation_q=q, agrees=same & (q <= fdr))


def by_observation(values: np.ndarray, over: Units) -> np.ndarray:
    """Return samples x pairs as observations x pairs, without a large array of twice the size."""
    found = np.empty((over.weights.shape[0], values.shape[1]), np.float32)
    for start in range(0, values.shape[1], PAIRS_AT_ONCE):
        chunk = slice(start, start + PAIRS_AT_ONCE)
        found[:, chunk] = over.average(values[:, chunk])
    return found


def _either(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return what is said of either gene of a pair; both, joined by ;, where they differ."""
    one = np.where(first != "", first, second)
    both = (first != "") & (second != "") & (first != second)
    return np.where(both, first + ";" + second, one)


def _by_set(table: pd.DataFrame) -> pd.DataFrame:
    table["set_q"] = table.groupby("gene_set")["p"].transform(
        lambda p: benjamini_hochberg(p.to_numpy())
    )
    first = ["gene_set", *PAIR]
    table = table[first + [column for column in table if column not in first]]
    return strongest_first(table, "gene_set").reset_index(drop=True)


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


def associated_components(
    pairs: pd.DataFrame, values: np.ndarray, design: Design, testing: Testing
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
    testing : Testing
        At most 1,000 permutations are made.

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
    n_permutations = min(testing.permutations, COMPONENT_PERMUTATIONS)
    arrangements = design.arrangements(n_permutations, testing.seed)
    for r in permuted_correlations(residuals, design, arrangements):
        _, _, where, size, intensity = components(r)
        found = np.zeros((2, len(r)))
        np.maximum.at(found[0], where // 2, size)
        np.maximum.at(found[1], where // 2, intensity)
        largest.append(found)
    null = np.sort(np.concatenate(largest, axis=1), axis=1)

    def p_of(seen: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        larger = null.shape[1] - np.searchsorted(sizes, seen * (1 - 1e-9), side="left")
        return arrangements.p(larger)

    phenotypes = testing.phenotypes(design)
    if len(phenotypes):
        _, _, where, size, _ = components(correlations_at(phenotypes, residuals, design))
        called = p_of(size, null[0]) <= testing.fdr
        numbers = (np.bincount(where // 2, kept, len(phenotypes)) for kept in (None, called))
        testing.put("components", *(found.astype(int) for found in numbers))

    outcome = design.residual / np.sqrt((design.residual**2).sum())
    of_edge, column, where, size, intensity = components((outcome @ residuals)[None])
    p_size, p_intensity = p_of(size, null[0]), p_of(intensity, null[1])
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
