"""Consensus networks of two groups of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.associations.edges import ObservedEdges
from popnet.associations.groups import cases, group_means
from popnet.associations.testing import Testing
from popnet.networks.consensus import MIN_SHARE, consensus, split_halves
from popnet.networks.edges import (
    PAIRS_AT_ONCE,
    SHARE_TIE,
    gene_numbers,
    match_density,
    sparse_edges,
)
from popnet.stats.designs import Arrangements, Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.ranks import correlate

# Pairs and groupings whose shares are held at once.
SHARED_AT_ONCE, GROUPINGS_AT_ONCE = 2**11, 2**9


@dataclass(frozen=True)
class ConsensusTests:
    """Consensus networks of cases and controls, and the genes whose degree differs.

    Parameters
    ----------
    networks : DataFrame
        gene1 gene2 case_share control_share in_case in_control, for edges of either network.
    change : DataFrame sorted by the size of the change
        gene case_degree control_degree change (in the consensus networks) ... case_mean_degree
        control_mean_degree (of the observations' own networks), and between these statistic p q
        ... n_case n_control.
    """

    networks: pd.DataFrame
    change: pd.DataFrame


def paper(observed: ObservedEdges, design: Design, testing: Testing) -> ConsensusTests:
    """Compare the degree of every gene between the bins of cases and of controls.

    Parameters
    ----------
    observed : ObservedEdges
        By bin.
    design : Design
        Cases of a continuous phenotype are its upper half.
    testing : Testing
    """
    kept = observed.rows.index[design.units.weights.indices]
    phenotype = pd.Series(design.units.phenotype, kept)
    if design.binary:
        groups = phenotype.map({1.0: "case", 0.0: "control"}).dropna()
    else:
        middle = np.median(design.units.phenotype) if len(phenotype) else np.nan
        groups = split_halves(phenotype, middle)
    networks = consensus(observed.edges, groups)
    index, edges = observed.genes, observed.edges
    table = pd.DataFrame({"gene": list(index)})
    for name in ("case", "control"):
        ends = networks.loc[networks[f"in_{name}"], ["gene1", "gene2"]].to_numpy().ravel()
        table[f"{name}_degree"] = np.bincount(gene_numbers(index, ends), minlength=len(index))
    table["change"] = table["case_degree"] - table["control_degree"]

    edges = edges[edges["sample"].isin(groups.index)]
    rows = groups.index.get_indexer(pd.Index(edges["sample"]))
    weight = edges["weight"].to_numpy(dtype=float)
    degree = np.zeros((len(groups), len(index)))
    for gene in ("gene1", "gene2"):
        np.add.at(degree, (rows, gene_numbers(index, edges[gene])), weight)
    case = (groups == "case").to_numpy()
    test = correlate(degree, case.astype(float), binary=True)
    for name, members in (("case", case), ("control", ~case)):
        table[f"{name}_mean_degree"] = degree[members].mean(axis=0)
    table[["statistic", "p"]] = test[["statistic", "p"]]
    table["q"] = benjamini_hochberg(test["p"].to_numpy())
    table[["n_case", "n_control"]] = test[["n_case", "n_control"]]
    return ConsensusTests(networks, _by_change(table))


def robust(
    observed: ObservedEdges, design: Design, testing: Testing, min_share: float = MIN_SHARE
) -> ConsensusTests:
    """Build consensus networks of cases and controls, and test every gene's change in degree.

    Samples are brought to one density first. The weights are taken by observation, less what the
    design's covariates explain of them. An edge is in a group's network where its mean weight
    there is `min_share` or more. Observations change groups as the design permutes them; a gene's
    change is compared with the changes that this brings, from their mean (groups of unequal size
    have unequal networks by chance alone). With covariates the test is conservative: permuted
    groups do not keep apart from these.

    Parameters
    ----------
    observed : ObservedEdges
        By sample.
    design : Design
        Over these samples; cases of a continuous phenotype are its upper half.
    testing : Testing
    min_share : float

    Returns
    -------
    ConsensusTests
        Shares of `networks` are the groups' adjusted mean weights, between 0 and 1; `change` has
        change_p change_q change_p_family (family-wise, by the change over its standard deviation)
        and, between the observations' own networks, p_family and n_permutations as well.
    """
    genes, n_permutations, seed = observed.genes, testing.permutations, testing.seed
    design = design.over(list(observed.rows)).untested(testing.untested.get("degree"))
    pairs, weights = sparse_edges(match_density(observed.edges), list(observed.rows))
    by_unit = sparse.csc_array(design.units.weights @ weights)
    case = cases(design)
    index = pd.Index(genes)
    ends = np.concatenate([gene_numbers(index, pairs[gene]) for gene in ("gene1", "gene2")])
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
    tested = testing.permute("consensus", degree, design).table
    means = group_means(degree, case)
    table["case_mean_degree"] = means["mean_case"]
    table["control_mean_degree"] = means["mean_control"]
    table[["statistic", "p", "q", "p_family"]] = tested[["statistic", "p", "q", "p_family"]]
    table["n_case"], table["n_control"] = int(case.sum()), int((~case).sum())
    table["n_permutations"] = tested["n_permutations"]
    return ConsensusTests(networks, _by_change(table))


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
