"""Values of groups of genes against a phenotype, a family of tests for every kind of value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.associations.composition import Composition, given_composition, joined
from popnet.associations.given_expression import Expression, explained
from popnet.associations.groups import cases, group_means
from popnet.associations.testing import Testing, with_equivalence
from popnet.networks.reliability import icc
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first
from popnet.stats.permutation import permutation_test


def by_kind(
    analysis: str,
    group: str,
    values: np.ndarray,
    columns: pd.DataFrame,
    kinds: Sequence[str],
    design: Design,
    testing: Testing,
    read_as: Mapping[str, Callable[[pd.Series], pd.Series]] | None = None,
    counted: Sequence[str] | None = None,
    explain: bool = False,
    expression: Expression | None = None,
    composition: Composition | None = None,
) -> pd.DataFrame:
    """Test values of groups of genes, and of pairs of groups, kind by kind.

    Every kind has a mixed model and a Benjamini-Hochberg correction of its own. Permutation of
    ranks, which assumes less and can find less in few observations, stands beside as a check.

    Parameters
    ----------
    analysis : str
        What permuted phenotypes are counted as.
    group : str
        What a group is called: the columns `<group>1` and `<group>2`, and the measures
        `<group> <kind>` of measures.tsv.
    values : ndarray of shape (n_bins, m)
    columns : DataFrame of m rows
        kind, `<group>1`, `<group>2`, name1, name2.
    kinds : sequence of str
    design : Design
        Over the bins.
    testing : Testing
    read_as : mapping of kind to function, optional
        From the scale that is tested to the one that is read.
    counted : sequence of str, optional
        The kinds whose hits are counted; all unless given.
    explain : bool
        Whether to say of hits if mean expression explains them.
    expression : Expression, optional
        That of the groups, which are its "genes"; it is unknown without a mixed model.
    composition : Composition, optional
        The shares of cell states, which may explain hits.

    Returns
    -------
    DataFrame, kind by kind, sorted by p
        kind `<group>1` `<group>2` name1 name2 estimate low high statistic t p q p_adjusted
        [equivalence_p equivalence_q] p_permutation n icc, with `explain` given_expression_p
        (:func:`popnet.associations.given_expression.explained`), given_composition_p
        (:func:`popnet.associations.composition.given_composition`) explained_by mean mean_case
        mean_control.
    """
    averaged = design.units.average(values)
    permuted = permutation_test(averaged, design, testing.permutations, testing.seed).table
    reliability = icc(values, design.units.bin_samples)["icc"].to_numpy()
    p_by_chance, families, tables = [], [], []
    for kind in kinds:
        at = np.flatnonzero(columns["kind"] == kind)
        of_kind = design.untested(testing.untested.get(f"{group} {kind}"))
        observed = of_kind.of_model.average(values[:, at])
        tested, ratios = testing.by_model(observed, of_kind)
        by_chance = testing.under_chance(observed, of_kind, ratios)[1]
        if len(by_chance) and (counted is None or kind in counted):
            p_by_chance.append(by_chance)
            families += [kind] * len(at)
        table = columns.iloc[at].reset_index(drop=True)
        table = table[["kind", f"{group}1", f"{group}2", "name1", "name2"]]
        table = table.join(tested[["estimate", "low", "high", "statistic", "t", "p"]])
        table["q"] = benjamini_hochberg(table["p"].to_numpy())
        table["p_adjusted"] = tested["p_adjusted"]
        table = with_equivalence(table, tested)
        table["p_permutation"] = permuted["p"].to_numpy()[at] if of_kind.testable else np.nan
        table["n"], table["icc"] = tested["n"], reliability[at]
        hits = (table["q"] <= testing.fdr).to_numpy()
        table["explained_by"] = np.where(hits, "none", "").astype(object)
        if explain:
            of_groups = [pd.Index(table[f"{group}{number}"]) for number in (1, 2)]
            nowhere = np.full(len(at), "", dtype=object)
            found = explained(hits, observed, of_groups, nowhere, expression, of_kind, ratios)
            table = table.drop(columns="explained_by").join(found)
        given, shares = given_composition(hits, observed, composition, of_kind, ratios)
        table["given_composition_p"] = given
        table["explained_by"] = joined(table.pop("explained_by").to_numpy(), shares)
        means = group_means(averaged[:, at], cases(design))
        table = table.join(means.apply(read_as[kind]) if read_as else means)
        tables.append(strongest_first(table))
    if p_by_chance:
        testing.count(analysis, np.concatenate(p_by_chance, axis=1), np.array(families))
    return pd.concat(tables, ignore_index=True)
