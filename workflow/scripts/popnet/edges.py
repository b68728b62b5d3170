"""Edges against a phenotype: single ones, those of a gene set, and consensus networks.

Tables of edges have the columns sample, gene1, gene2 and weight: the share of the sample's
bins that have the edge. A sample "has" an edge of weight 0.5 or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from popnet.association import Units, benjamini_hochberg, correlate, rank_sum, units

PRESENT = 0.5 - 1e-9


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
    rows = pd.Index(samples).get_indexer(pd.Index(edges["sample"]))
    kept = rows >= 0
    if genes is not None:
        first, second = (edges[gene].isin(list(genes)).to_numpy() for gene in ("gene1", "gene2"))
        kept &= (first & second) if ends == "both" else (first | second)
    grouped = edges[kept].groupby(["gene1", "gene2"], sort=False, observed=True)
    pairs = grouped.size().index.to_frame(index=False)
    weights = np.zeros((len(samples), len(pairs)), dtype=np.float32)
    weights[rows[kept], grouped.ngroup()] = edges["weight"][kept]
    return pairs, weights


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
    if connectivity.empty:
        columns = ["gene_set", "kind", "statistic", "p", "q", "n"]
        return pd.DataFrame(columns=[*columns, "mean", "mean_case", "mean_control"])
    wide = connectivity.pivot(index="gene_set", columns="sample").stack(level=0, future_stack=True)
    wide = wide.dropna(how="all")[units.bin_samples]
    values = units.average(wide.to_numpy(dtype=float).T)
    table = wide.index.set_names(["gene_set", "kind"]).to_frame(index=False)
    table[["statistic", "p", "n"]] = correlate(values, units.phenotype, binary)[
        ["statistic", "p", "n"]
    ]
    table.insert(4, "q", benjamini_hochberg(table["p"].to_numpy()))
    case = units.phenotype == 1
    if not binary:
        case = (split_halves(pd.Series(units.phenotype)) == "case").to_numpy()
    table["mean"] = values.mean(axis=0)
    table["mean_case"] = values[case].mean(axis=0)
    table["mean_control"] = values[~case].mean(axis=0)
    return table


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


def consensus(edges: pd.DataFrame, groups: pd.Series, min_share: float = 0.2) -> pd.DataFrame:
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
    difference = (table["case_mean_degree"] - table["control_mean_degree"]).abs()
    order = np.lexsort((-difference, -table["change"].abs()))
    return table.iloc[order].reset_index(drop=True)
