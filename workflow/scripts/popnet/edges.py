"""Edges against a phenotype: single ones, those of a gene set, and consensus networks.

Tables of edges have the columns sample, gene1, gene2 and weight: the share of the sample's
bins that have the edge. A sample "has" an edge of weight 0.5 or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from popnet.association import Units, benjamini_hochberg, correlate, rank_sum, units
from popnet.design import Arrangements, Design
from popnet.permutation import permutation_test, permuted_correlations, prepare, t_statistic

PRESENT = 0.5 - 1e-9
# Of a group's samples that must have an edge of its consensus network (paper: 0.2).
MIN_SHARE = 0.2
# Edges of this p or less, uncorrected, make up components.
PRIMARY_P = 0.01
# Enough for the p of a component; every edge is tested again in each.
COMPONENT_PERMUTATIONS = 1000
COMPONENT_COLUMNS = (
    *("gene_set", "component", "sign", "n_genes", "n_edges", "intensity", "genes"),
    *("p_family", "intensity_p_family", "n_tested", "n", "n_permutations"),
)
# Rounding of a share in single precision.
SHARE_TIE = 1e-5
# Pairs that are made dense at once; pairs and groupings whose shares are held at once.
PAIRS_AT_ONCE = 2**13
SHARED_AT_ONCE, GROUPINGS_AT_ONCE = 2**11, 2**9


def _gene_numbers(index: pd.Index, genes: Iterable[str]) -> np.ndarray:
    numbers = index.get_indexer(pd.Index(genes))
    if (numbers < 0).any():
        raise ValueError("genes lacks a gene that an edge names")
    return numbers


def edge_matrix(
    edges: pd.DataFrame,
    samples: Sequence[str],
    genes: Sequence[str] | None = None,
    ends: Literal["both", "any"] = "both",
) -> tuple[pd.DataFrame, np.ndarray]:
    """Lay a table of edges out as samples x pairs.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight, one row per edge of a sample.
    samples : sequence of str
        Rows of the result; a sample without edges gives a row of zeros. Labels of bins do as
        well, where the table's ``sample`` holds them.
    genes : sequence of str, optional
        Restrict the pairs to those with both ends, or any end, among these.
    ends : {"both", "any"}

    Returns
    -------
    pairs : DataFrame
        gene1 gene2, every pair that is an edge somewhere.
    weights : float32 ndarray of shape (n_samples, n_pairs)
    """
    if genes is not None:
        first, second = (edges[gene].isin(list(genes)).to_numpy() for gene in ("gene1", "gene2"))
        edges = edges[(first & second) if ends == "both" else (first | second)]
    pairs, weights = sparse_edges(edges, samples)
    return pairs, weights.toarray()


def sparse_edges(
    edges: pd.DataFrame, samples: Sequence[str]
) -> tuple[pd.DataFrame, sparse.csr_array]:
    """Lay a table of edges out as samples x pairs, without the zeros.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight, one row per edge of a sample.
    samples : sequence of str
        Rows of the result.

    Returns
    -------
    pairs : DataFrame
        gene1 gene2, every pair that is an edge somewhere.
    weights : float32 sparse array of shape (n_samples, n_pairs)
    """
    rows = pd.Index(samples).get_indexer(pd.Index(edges["sample"]))
    edges, rows = edges[rows >= 0], rows[rows >= 0]
    grouped = edges.groupby(["gene1", "gene2"], sort=False, observed=True)
    pairs = grouped.size().index.to_frame(index=False)
    weight = edges["weight"].to_numpy(dtype=np.float32)
    shape = (len(samples), len(pairs))
    return pairs, sparse.csr_array((weight, (rows, grouped.ngroup().to_numpy())), shape=shape)


def match_density(edges: pd.DataFrame) -> pd.DataFrame:
    """Rescale the weights of every sample to the same total, the mean over samples.

    Every bin has the same share of the pairs of its genes, but a gene that is switched off in a
    bin has none, so that bins of fewer genes have fewer edges.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight.
    """
    total = edges.groupby("sample", observed=True)["weight"].sum()
    factor = edges["sample"].map(total.mean() / total).astype(float)
    return edges.assign(weight=edges["weight"] * factor)


def test_edges(
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


def annotate_complexes(pairs: pd.DataFrame, complexes: pd.Series) -> pd.DataFrame:
    """Add complex1, complex2 and relation to pairs of genes.

    Parameters
    ----------
    pairs : DataFrame
        With gene1 and gene2.
    complexes : Series, gene -> complex

    Returns
    -------
    DataFrame
        relation is ``within`` or ``between`` complexes, or empty where a gene is of none.
    """
    first, second = (pairs[gene].astype(object).map(complexes) for gene in ("gene1", "gene2"))
    relation = np.where(first == second, "within", "between")
    relation = np.where(first.isna() | second.isna(), "", relation)
    return pairs.assign(complex1=first.fillna(""), complex2=second.fillna(""), relation=relation)


def connectivity(
    edges: pd.DataFrame,
    gene_sets: Mapping[str, Sequence[str]],
    genes: Sequence[str],
    samples: Sequence[str],
    complexes: pd.Series | None = None,
) -> pd.DataFrame:
    """Count each sample's edges within a gene set and from it to other genes of the graph.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight; edges count by their weight.
    gene_sets : mapping of name to genes
    genes : sequence of str
        Genes of the graph; sets with none of them are left out.
    samples : sequence of str
        A sample without edges counts zero.
    complexes : Series, gene -> complex, optional
        Sets of which half of the graph's genes or more are in complexes are also counted
        within and between complexes.

    Returns
    -------
    DataFrame
        sample gene_set within to_others within_complexes between_complexes; the last two NaN
        for sets without complexes.
    """
    edges = edges[edges["sample"].isin(samples)]
    rows = pd.Index(samples).get_indexer(pd.Index(edges["sample"]))
    weight = edges["weight"].to_numpy(dtype=float)
    index = pd.Index(genes)
    first, second = (_gene_numbers(index, edges[gene]) for gene in ("gene1", "gene2"))
    relation = None
    if complexes is not None:
        relation = annotate_complexes(edges, complexes)["relation"].to_numpy()

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(rows[mask], weight[mask], minlength=len(samples))

    tables = []
    for name, members in gene_sets.items():
        member = np.isin(np.asarray(genes, dtype=object), list(members))
        if not member.any():
            continue
        one, two = member[first], member[second]
        table = pd.DataFrame({"sample": list(samples), "gene_set": name})
        table["within"] = count(one & two)
        table["to_others"] = count(one ^ two)
        table[["within_complexes", "between_complexes"]] = np.nan
        if complexes is not None and index[member].isin(complexes.index).mean() >= 0.5:
            for kind in ("within", "between"):
                table[f"{kind}_complexes"] = count(one & two & (relation == kind))
        tables.append(table)
    columns = ["sample", "gene_set", "within", "to_others", "within_complexes", "between_complexes"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def test_connectivity(connectivity: pd.DataFrame, units: Units, binary: bool) -> pd.DataFrame:
    """Test the edges within each gene set, from it to others and by complex.

    Parameters
    ----------
    connectivity : DataFrame
        Of :func:`connectivity`.
    units : Units
        Over its samples: built with one entry of `bin_samples` per sample.
    binary : bool
        Mann-Whitney U instead of Spearman.

    Returns
    -------
    DataFrame
        gene_set kind statistic p q n mean mean_case mean_control, where cases of a continuous
        phenotype are its upper half; q is Benjamini-Hochberg over the whole table.
    """
    table, values = _laid_out(connectivity, units)
    table[["statistic", "p", "n"]] = correlate(values, units.phenotype, binary)[
        ["statistic", "p", "n"]
    ]
    table.insert(4, "q", benjamini_hochberg(table["p"].to_numpy()))
    return table.join(_group_means(values, _cases(units.phenotype, binary)))


def permute_connectivity(
    connectivity: pd.DataFrame, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test the edges within each gene set, from it to others and by complex, by permutation.

    Parameters
    ----------
    connectivity : DataFrame
        Of :func:`connectivity`.
    design : Design
        Over its samples.
    n_permutations, seed : int
        See :func:`popnet.permutation.permutation_test`.

    Returns
    -------
    DataFrame
        As :func:`test_connectivity`, and p_family (family-wise over the table) n_permutations.
    """
    table, values = _laid_out(connectivity, design.units)
    tested = permutation_test(values, design, n_permutations, seed).table
    table = table.join(tested[["statistic", "p", "q", "n"]])
    table = table.join(_group_means(values, _cases(design.units.phenotype, design.binary)))
    return table.join(tested[["p_family", "n_permutations"]])


def _laid_out(connectivity: pd.DataFrame, units: Units) -> tuple[pd.DataFrame, np.ndarray]:
    """Return gene_set and kind of what is counted, and the counts by unit, (n_units, n_counts)."""
    if connectivity.empty:
        return pd.DataFrame(columns=["gene_set", "kind"]), np.zeros((len(units.labels), 0))
    wide = connectivity.pivot(index="gene_set", columns="sample").stack(level=0, future_stack=True)
    wide = wide.dropna(how="all")[units.bin_samples]
    table = wide.index.set_names(["gene_set", "kind"]).to_frame(index=False)
    return table, units.average(wide.to_numpy(dtype=float).T)


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


def split_halves(phenotype: pd.Series, middle: float | None = None) -> pd.Series:
    """Split a continuous phenotype at `middle`: above it ``case``, the others ``control``.

    By default that is the median. Missing values are left out. Where nothing lies above the
    middle, the middle is above.
    """
    phenotype = phenotype.dropna()
    middle = phenotype.median() if middle is None else middle
    high = phenotype > middle
    if not high.any():
        high = phenotype >= middle
    return pd.Series(np.where(high, "case", "control"), index=phenotype.index, name="group")


def consensus(edges: pd.DataFrame, groups: pd.Series, min_share: float = MIN_SHARE) -> pd.DataFrame:
    """Build the consensus networks of cases and of controls.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight.
    groups : Series, sample -> "case" or "control"
        All samples of both groups, those without edges included.
    min_share : float
        Share of a group's samples that must have an edge (paper: 0.2).

    Returns
    -------
    DataFrame
        gene1 gene2 case_share control_share in_case in_control, for edges of either network.
    """
    present = edges[edges["weight"] >= PRESENT]
    group = present["sample"].map(groups)
    table = pd.DataFrame(index=pd.MultiIndex.from_frame(present[["gene1", "gene2"]]).unique())
    for name in ("case", "control"):
        counts = present[group == name].groupby(["gene1", "gene2"], observed=True).size()
        share = counts.reindex(table.index, fill_value=0) / max((groups == name).sum(), 1)
        table[f"{name}_share"] = share
        table[f"in_{name}"] = share >= min_share - 1e-9
    table = table[table["in_case"] | table["in_control"]].reset_index()
    return table[["gene1", "gene2", "case_share", "control_share", "in_case", "in_control"]]


def degree_change(
    consensus: pd.DataFrame,
    edges: pd.DataFrame,
    genes: Sequence[str],
    groups: pd.Series,
    donors: pd.Series,
    unit: Literal["bin", "donor"] = "donor",
) -> pd.DataFrame:
    """Compare the degree of every gene between cases and controls.

    Parameters
    ----------
    consensus : DataFrame
        Of :func:`consensus`.
    edges : DataFrame
        sample gene1 gene2 weight; edges count by their weight.
    genes : sequence of str
        Genes of the graph.
    groups : Series, sample -> "case" or "control"
        All samples of both groups, those without edges included.
    donors : Series, sample -> donor
    unit : {"bin", "donor"}
        ``"bin"``: every sample by itself. ``"donor"``: as :func:`popnet.association.units`.

    Returns
    -------
    DataFrame sorted by the size of the change
        gene case_degree control_degree change (in the consensus networks)
        case_mean_degree control_mean_degree (of the units' own networks) and the rank-sum
        statistic p q n_case n_control between them.
    """
    index = pd.Index(genes)
    table = pd.DataFrame({"gene": list(genes)})
    for name in ("case", "control"):
        ends = consensus.loc[consensus[f"in_{name}"], ["gene1", "gene2"]].to_numpy().ravel()
        table[f"{name}_degree"] = np.bincount(_gene_numbers(index, ends), minlength=len(index))
    table["change"] = table["case_degree"] - table["control_degree"]

    edges = edges[edges["sample"].isin(groups.index)]
    rows = groups.index.get_indexer(pd.Index(edges["sample"]))
    weight = edges["weight"].to_numpy(dtype=float)
    degree = np.zeros((len(groups), len(index)))
    for gene in ("gene1", "gene2"):
        np.add.at(degree, (rows, _gene_numbers(index, edges[gene])), weight)
    over = units(list(groups.index), donors, groups.map({"case": 1.0, "control": 0.0}), unit)
    values = over.average(degree)
    test = correlate(values, over.phenotype, binary=True)
    for name, code in (("case", 1), ("control", 0)):
        table[f"{name}_mean_degree"] = values[over.phenotype == code].mean(axis=0)
    table[["statistic", "p"]] = test[["statistic", "p"]]
    table["q"] = benjamini_hochberg(test["p"].to_numpy())
    table[["n_case", "n_control"]] = test[["n_case", "n_control"]]
    return _by_change(table)


def permute_consensus(
    pairs: pd.DataFrame,
    weights: sparse.csr_array,
    genes: Sequence[str],
    design: Design,
    n_permutations: int,
    seed: int,
    min_share: float = MIN_SHARE,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build consensus networks of cases and controls, and test every gene's change in degree.

    The weights are taken by observation, less what the design's covariates explain of them. An
    edge is in a group's network where its mean weight there is `min_share` or more. Observations
    change groups as the design permutes them; a gene's change is compared with the changes that
    this brings, from their mean (groups of unequal size have unequal networks by chance alone).
    With covariates the test is conservative: permuted groups do not keep apart from these.

    Parameters
    ----------
    pairs : DataFrame of n_pairs rows
        gene1 gene2.
    weights : sparse array of shape (n_samples, n_pairs)
        Of :func:`sparse_edges`; rows as those that the design was made of.
    genes : sequence of str
        Genes of the graph.
    design : Design
        Cases of a continuous phenotype are its upper half.
    n_permutations, seed : int
    min_share : float

    Returns
    -------
    networks : DataFrame
        As :func:`consensus`; shares are the groups' adjusted mean weights, between 0 and 1.
    change : DataFrame sorted by the size of the change
        gene case_degree control_degree change change_p change_q change_p_family (family-wise, by
        the change over its standard deviation) of the consensus networks; case_mean_degree
        control_mean_degree of the observations' own networks, and between these statistic p q
        p_family of :func:`popnet.permutation.permutation_test` n_case n_control n_permutations.
    """
    by_unit = sparse.csc_array(design.units.weights @ weights)
    case = _cases(design.units.phenotype, design.binary)
    index = pd.Index(genes)
    ends = np.concatenate([_gene_numbers(index, pairs[gene]) for gene in ("gene1", "gene2")])
    incidence = sparse.csc_array(
        (np.ones(len(ends), np.float32), (ends, np.tile(np.arange(len(pairs)), 2))),
        shape=(len(index), len(pairs)),
    )
    columns, adjusted = _possible_edges(by_unit, design, case, min_share)
    chunks = [
        (adjusted[:, start : start + SHARED_AT_ONCE].T, sparse.csr_array(incidence[:, part]))
        for start in range(0, len(columns), SHARED_AT_ONCE)
        for part in [columns[start : start + SHARED_AT_ONCE]]
    ]

    networks = pairs.iloc[columns].reset_index(drop=True)
    table = pd.DataFrame({"gene": list(genes)})
    for name, members in (("case", case), ("control", ~case)):
        share = adjusted.T @ members.astype(np.float32) / max(members.sum(), 1)
        there = share >= min_share - SHARE_TIE
        networks[f"{name}_share"], networks[f"in_{name}"] = np.clip(share, 0, 1), there
        table[f"{name}_degree"] = (incidence[:, columns] @ there.astype(float)).astype(int)
    networks = networks[networks["in_case"] | networks["in_control"]].reset_index(drop=True)
    networks = networks[["gene1", "gene2", "case_share", "control_share", "in_case", "in_control"]]
    table["change"] = table["case_degree"] - table["control_degree"]

    arrangements = design.arrangements(n_permutations, seed)
    found = [table["change"].to_numpy(np.float32)[:, None]]
    if design.testable:
        found += [
            _changes(chunks, len(index), case[places[start : start + GROUPINGS_AT_ONCE]], min_share)
            for places in arrangements
            for start in range(0, len(places), GROUPINGS_AT_ONCE)
        ]
    p, p_family = _centred_p(np.concatenate(found, axis=1), arrangements)
    table["change_p"], table["change_q"] = p, benjamini_hochberg(p)
    table["change_p_family"] = p_family

    degree = (by_unit @ incidence.T).toarray()
    tested = permutation_test(degree, design, n_permutations, seed).table
    means = _group_means(degree, case)
    table["case_mean_degree"] = means["mean_case"]
    table["control_mean_degree"] = means["mean_control"]
    table[["statistic", "p", "q", "p_family"]] = tested[["statistic", "p", "q", "p_family"]]
    table["n_case"], table["n_control"] = int(case.sum()), int((~case).sum())
    table["n_permutations"] = tested["n_permutations"]
    return networks, _by_change(table)


def _possible_edges(
    by_unit: sparse.csc_array, design: Design, case: np.ndarray, min_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges that some grouping has in a network, and their adjusted weights.

    The largest share that a grouping can reach is the mean of as many of the largest weights as
    the smaller group has members.
    """
    n = by_unit.shape[0]
    smaller = min(max(min(int(case.sum()), int((~case).sum())), 1), n)
    basis = design.nuisance.astype(np.float32)
    columns, weights = [np.zeros(0, int)], [np.zeros((n, 0), np.float32)]
    for start in range(0, by_unit.shape[1] if n else 0, PAIRS_AT_ONCE):
        part = by_unit[:, start : start + PAIRS_AT_ONCE].toarray().astype(np.float32)
        part -= basis @ (basis.T @ part)
        top = np.partition(part, n - smaller, axis=0)[n - smaller :].mean(axis=0)
        kept = np.flatnonzero(top >= min_share - SHARE_TIE)
        columns.append(start + kept)
        weights.append(part[:, kept])
    return np.concatenate(columns), np.concatenate(weights, axis=1)


def _changes(
    chunks: Sequence[tuple[np.ndarray, sparse.csr_array]],
    n_genes: int,
    cases: np.ndarray,
    min_share: float,
) -> np.ndarray:
    """Return every gene's change in degree under every grouping, (n_genes, n_groupings).

    Parameters
    ----------
    chunks : sequence of (adjusted weights (edges, n), incidence (genes, edges))
    n_genes : int
    cases : bool ndarray of shape (n_groupings, n)
    min_share : float
    """
    group = cases.T.astype(np.float32)
    change = np.zeros((n_genes, len(cases)), np.float32)
    shares = [members / np.maximum(members.sum(axis=0), 1) for members in (group, 1 - group)]
    for weights, incidence in chunks:
        in_case, in_control = (weights @ share >= min_share - SHARE_TIE for share in shares)
        change += incidence @ (in_case.astype(np.float32) - in_control)
    return change


def _centred_p(found: np.ndarray, arrangements: Arrangements) -> tuple[np.ndarray, np.ndarray]:
    """Return p, and p family-wise, of what was observed (the first column), from the mean of all.

    Parameters
    ----------
    found : ndarray of shape (m, 1 + n_arrangements)
    """
    untestable = np.full(len(found), np.nan)
    if found.shape[1] < 2:
        return untestable, untestable
    every = found[:, 1:] if arrangements.exact else found
    spread = every.std(axis=1, keepdims=True)
    from_mean = np.abs(found - every.mean(axis=1, keepdims=True))
    from_mean /= np.where(spread > 0, spread, 1)
    observed, permuted = from_mean[:, :1] - SHARE_TIE, from_mean[:, 1:]
    largest = np.sort(permuted.max(axis=0, initial=0))
    p = arrangements.p((permuted >= observed).sum(axis=1))
    p_family = arrangements.p(len(largest) - np.searchsorted(largest, observed[:, 0], side="left"))
    varies = spread[:, 0] > 0
    return np.where(varies, p, np.nan), np.where(varies, p_family, np.nan)


def _by_change(table: pd.DataFrame) -> pd.DataFrame:
    """Sort genes by the size of their change, then by that of their mean degree."""
    difference = (table["case_mean_degree"] - table["control_mean_degree"]).abs()
    order = np.lexsort((-difference, -table["change"].abs()))
    return table.iloc[order].reset_index(drop=True)
