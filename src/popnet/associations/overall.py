"""Does anything differ between any levels of a categorical phenotype?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from popnet.associations.edges import by_observation
from popnet.associations.sets import set_values
from popnet.associations.testing import PERMUTED_PHENOTYPES, Testing
from popnet.networks.centrality import MEASURES, comparable
from popnet.networks.pairs import PairWeights
from popnet.networks.verdicts import measure_of
from popnet.presets import OVER_LEVELS as ANALYSES
from popnet.presets import OVERALL
from popnet.seeds import derive_seed
from popnet.stats.levels import (
    LevelsDesign,
    make_levels_design,
    mixed_f,
    permuted_f,
    permuted_levels,
)
from popnet.stats.mixed_model import variance_ratios
from popnet.stats.multiplicity import benjamini_hochberg

NAMES = ("analysis", "measure", "name1", "name2")
TESTED = ("f", "df1", "df2", "p", "q", "correlation_p", "correlation_q", "agrees", "n")
COLUMNS = (*NAMES, *TESTED, "highest", "lowest", "difference")


@dataclass(frozen=True)
class Values:
    """What an analysis tests.

    Parameters
    ----------
    analysis : str
        A key of `ANALYSES`.
    names : DataFrame of m rows
        measure, name1, name2 (text; "" where there is none).
    values : ndarray of shape (n_rows, m)
        By bin, or by sample.
    samples : sequence of shape (n_rows,), optional
        Those of the rows; without them rows are the bins of the design.
    second : ndarray of shape (n_rows, m), optional
        Values that must differ, too: of pairs of genes the plain correlation.
    """

    analysis: str
    names: pd.DataFrame
    values: np.ndarray
    samples: Sequence[str] | None = None
    second: np.ndarray | None = None


def levels_design_of(
    rows: Sequence[str],
    samples: pd.DataFrame,
    phenotype: Mapping[str, Any],
    covariates: Sequence[str],
    technical: pd.DataFrame,
) -> LevelsDesign:
    """Return what the overall test compares and adjusts for.

    Parameters
    ----------
    rows, samples, covariates, technical
        As of :func:`popnet.associations.designs.design_of`.
    phenotype : mapping
        name (a column of `samples`) and levels.
    """
    samples = samples.assign(batch=samples["batch"].fillna("")).join(technical)
    names = list(map(str, technical))
    labels, levels = samples[phenotype["name"]], phenotype["levels"]
    return make_levels_design(rows, samples, labels, levels, covariates, names)


def of_genes(analysis: str, measure: str, genes: Sequence[str], bins: np.ndarray) -> Values:
    """Return one value of every gene, (n_bins, n_genes)."""
    return Values(analysis, _named(genes, measure), bins)


def of_graph(layers: Mapping[str, np.ndarray], genes: Sequence[str], testing: Testing) -> Values:
    """Return the graph centralities that networks have, as their own tests compare them."""
    measures = [name for name in MEASURES if name in layers]
    names = [_named(genes, name) for name in measures]
    values = [comparable(layers, name, testing.equal_depth) for name in measures]
    return Values("graph_centrality", pd.concat(names), np.concatenate(values, axis=1))


def of_groups(
    analysis: str, group: str, columns: pd.DataFrame, names: pd.Series, bins: np.ndarray
) -> Values:
    """Return values of programmes or modules in bins.

    Parameters
    ----------
    analysis : str
    group : str
        What a group is called.
    columns : DataFrame of m rows
        kind, `<group>1`, `<group>2` (the same where a value is of one group).
    names : Series, group -> name
    bins : ndarray of shape (n_bins, m)
    """
    first, second = (columns[f"{group}{number}"] for number in (1, 2))
    of_two = (first != second).to_numpy()
    found = {
        "measure": columns["kind"].astype(str).to_numpy(),
        "name1": first.map(names).to_numpy(),
        "name2": np.where(of_two, second.map(names), ""),
    }
    return Values(analysis, pd.DataFrame(found), bins)


def of_pairs(pairs: PairWeights) -> Values:
    """Return the weights of the candidate pairs, and their plain correlation."""
    genes = pairs.pairs[["gene1", "gene2"]].set_axis(["name1", "name2"], axis=1)
    names = genes.assign(measure="")
    return Values("edges", names, pairs.weights, list(pairs.samples), pairs.correlation)


def _named(names: Sequence[str], measure: str = "") -> pd.DataFrame:
    return pd.DataFrame({"measure": measure, "name1": list(names), "name2": ""})


def robust(
    families: Sequence[Values],
    design: LevelsDesign,
    testing: Testing,
    gene_sets: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Test whether any two levels of a phenotype differ, by a moderated F of the mixed model.

    Every measure of an analysis has variance ratios of its own. A pair of genes is called as in
    :func:`popnet.associations.edges.robust`, in two stages; F has no direction, so that the second
    asks only whether the plain correlation differs, too.

    Parameters
    ----------
    families : sequence of Values
        Those without a row, such as of one cell state, are left out.
    design : LevelsDesign
        Over the bins.
    testing : Testing
    gene_sets : mapping of name to genes, optional
        They are tested as a whole (:func:`popnet.associations.sets.whole_sets`) by the values of
        the analysis "centrality".

    Returns
    -------
    DataFrame of `COLUMNS`, sorted by analysis, measure and p
        f, df1, df2, p, n, highest, lowest and difference are of
        :func:`popnet.stats.levels.mixed_f`; q is Benjamini-Hochberg within the measure, of graph
        centralities over all measures; of pairs of genes correlation_p, correlation_q (over the
        pairs with q <= `fdr`) and agrees (both have q <= `fdr`).
    """
    tables = []
    for family in families:
        over = design if family.samples is None else design.over(list(family.samples))
        values = by_observation(family.values, over.units)
        if family.analysis == "centrality" and gene_sets:
            genes = pd.Index(family.names["name1"])
            sets, own, others = set_values(values, genes, gene_sets, testing.seed)
            alike = np.column_stack([own, others])
            tables.append(_tested("gene_sets", _named(sets), own, over, testing, alike))
        second = None if family.second is None else by_observation(family.second, over.units)
        about = family.analysis, family.names.reset_index(drop=True)
        tables.append(_tested(*about, values, over, testing, second=second))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table = table.reindex(columns=list(COLUMNS))
    order = table["analysis"].map(list(ANALYSES).index) if len(table) else table["analysis"]
    keys = table.assign(order=order, strength=-table["f"].astype(float))
    rows = keys.sort_values(["order", "measure", "p", "strength"], kind="stable").index
    return table.loc[rows].reset_index(drop=True)


def _tested(
    analysis: str,
    names: pd.DataFrame,
    values: np.ndarray,
    design: LevelsDesign,
    testing: Testing,
    alike: np.ndarray | None = None,
    second: np.ndarray | None = None,
) -> pd.DataFrame:
    """Test the values of an analysis, (n, m), measure by measure, and count hits by chance."""
    judged = measure_of(names.rename(columns={"measure": "kind"}).assign(**names), analysis)
    values[:, judged.isin(list(testing.untested)).to_numpy()] = np.nan
    tables, chance = [], []
    for rows in names.groupby("measure", sort=False).groups.values():
        own = values[:, rows]
        ratios = variance_ratios(own if alike is None else alike, design.model)
        outcomes = _outcomes(analysis, design, testing, ratios)
        tables.append(names.loc[rows].join(mixed_f(own, design, ratios).set_index(rows)))
        chance.append(permuted_f(own, design, ratios, outcomes))
    if not tables:
        return names.assign(analysis=analysis)
    table = pd.concat(tables, ignore_index=True).assign(analysis=analysis)
    families = None if ANALYSES[analysis] else table["measure"].to_numpy(str)
    table["q"] = benjamini_hochberg(table["p"].to_numpy(), families)
    by_chance = np.concatenate(chance, axis=1)
    if analysis != "edges":
        testing.count(OVERALL + analysis, by_chance, families)
        return table
    testing.count(f"{OVERALL}model_edges", by_chance)
    if second is None:
        return table
    ratios = variance_ratios(second, design.model)
    table["correlation_p"] = mixed_f(second, design, ratios)["p"]
    plain = permuted_f(second, design, ratios, outcomes)
    called = [
        _both(benjamini_hochberg(own), other, testing.fdr)[1].sum()
        for own, other in zip(by_chance, plain, strict=True)
    ]
    testing.put(f"{OVERALL}edges", np.isfinite(by_chance).sum(axis=1), np.array(called, int))
    p = table["correlation_p"].to_numpy()
    table["correlation_q"], table["agrees"] = _both(table["q"].to_numpy(), p, testing.fdr)
    return table


def _outcomes(
    analysis: str, design: LevelsDesign, testing: Testing, ratios: Mapping[str, float]
) -> np.ndarray:
    n = 0 if testing.chance is None else PERMUTED_PHENOTYPES
    seed = derive_seed(testing.seed, "permuted levels", analysis)
    return permuted_levels(design, ratios, n, seed)


def _both(q: np.ndarray, p: np.ndarray, fdr: float) -> tuple[np.ndarray, np.ndarray]:
    """Return q of a second stage among what the first selects, and what both call."""
    second = benjamini_hochberg(np.where(q <= fdr, p, np.nan))
    return second, second <= fdr
