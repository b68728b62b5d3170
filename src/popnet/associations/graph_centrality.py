"""Graph centralities of genes against a phenotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.associations.composition import Composition, given_composition, joined
from popnet.associations.expression_switch import switched
from popnet.associations.given_expression import explained, expression_of
from popnet.associations.given_strength import OTHER_GENES
from popnet.associations.testing import OF_MARGIN, OF_MODEL, Testing, with_equivalence
from popnet.networks.centrality import ABSOLUTE, MEASURES, comparable
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first
from popnet.stats.power import ALPHA
from popnet.stats.ranks import correlate

COLUMNS = ("gene", "measure", "statistic", "p", "q", "q_all", "p_family", "n", "n_permutations")
GIVEN = ("given_expression_p", "given_composition_p", "explained_by")
ROBUST_COLUMNS = (*COLUMNS, *OF_MODEL, "switched", *GIVEN)


def paper(
    layers: Mapping[str, np.ndarray], genes: Sequence[str], design: Design, testing: Testing
) -> pd.DataFrame:
    """Test every measure of every gene, as the paper tests reconstruction centrality.

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
    genes : sequence of shape (n_genes,)
    design : Design
        Binary phenotypes are tested by Mann-Whitney's U, continuous ones by Spearman's correlation.
    testing : Testing

    Returns
    -------
    DataFrame
        As :func:`robust` up to n_permutations; this and p_family are empty.
    """
    measures = _measures(layers)
    table = correlate(
        design.units.average(np.concatenate([layers[name] for name in measures], axis=1)),
        design.units.phenotype,
        design.binary,
    )
    table = _labelled(table.assign(p_family=np.nan, n_permutations=np.nan), genes, measures)
    return table[list(COLUMNS)]


def robust(
    layers: Mapping[str, np.ndarray],
    genes: Sequence[str],
    design: Design,
    testing: Testing,
    composition: Composition | None = None,
) -> pd.DataFrame:
    """Test every measure of every gene by the design's mixed model, and by permutation.

    Values are compared as :func:`popnet.networks.centrality.comparable` says. With equal depth
    strength is absolute, and other measures compare a gene with the others: where the strength of
    a hit of these does not change (p > 0.05), other genes' edges explain it. Every measure has a
    model of its own.

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
        And "mean_expression" and "detection_rate" (the share of the bin's cells that express the
        gene) of the same cells.
    genes : sequence of shape (n_genes,)
    design : Design
        Over the bins.
    testing : Testing
    composition : Composition, optional
        What may explain a hit.

    Returns
    -------
    DataFrame sorted by measure and p
        gene measure statistic (of the permutation test) p q (Benjamini-Hochberg within the measure)
        q_all (over all measures) p_family (by permutation, family-wise over all genes and measures)
        n n_permutations, the columns `OF_MODEL` (q_permutation is within the measure), switched
        (:func:`popnet.associations.expression_switch.switched`), and of hits (q_all <= `fdr`)
        given_expression_p and explained_by
        (:func:`popnet.associations.given_expression.explained`), and given_composition_p
        (:func:`popnet.associations.composition.given_composition`), also ``other genes' edges``;
        with a margin `OF_MARGIN`, within the measure.
    """
    measures = _measures(layers)
    of_bins = [comparable(layers, name, testing.equal_depth) for name in measures]
    for place, name in enumerate(measures):
        if name in testing.untested:
            of_bins[place] = np.full_like(of_bins[place], np.nan)
    values = np.concatenate([design.units.average(columns) for columns in of_bins], axis=1)
    permuted = testing.permute(None, values, design).table
    tables, by_chance, modelled = [], [], []
    for columns in of_bins:
        observed = design.of_model.average(columns)
        table, ratios = testing.by_model(observed, design)
        tables.append(table)
        by_chance.append(testing.under_chance(observed, design, ratios)[1])
        modelled.append((observed, ratios))
    # Findings count the q over all measures.
    testing.count("graph_centrality", np.concatenate(by_chance, axis=1))
    by_model = pd.concat(tables, ignore_index=True)
    off = switched(layers["detection_rate"], design)
    table = permuted.assign(
        p_permutation=permuted["p"],
        **by_model[["p", "estimate", "low", "high", "t", "p_adjusted"]],
        switched=np.tile(off, len(measures)),
    )
    hits = benjamini_hochberg(table["p"].to_numpy()) <= testing.fdr
    index = pd.Index(genes)
    expression = expression_of(layers["mean_expression"], index, design)
    why = []
    steady = np.zeros(len(genes), bool)
    if testing.equal_depth and "strength" in measures:
        own_p = tables[measures.index("strength")]["p"].to_numpy()
        steady = own_p > ALPHA
    for name, own, (observed, ratios) in zip(
        measures, np.split(hits, len(measures)), modelled, strict=True
    ):
        found = explained(own, observed, [index], off, expression, design, ratios)
        given, shares = given_composition(own, observed, composition, design, ratios)
        by = joined(found["explained_by"].to_numpy(), shares)
        by = joined(by, own & steady & (name not in ABSOLUTE), OTHER_GENES)
        why.append(found.assign(given_composition_p=given, explained_by=by))
    table = table.join(pd.concat(why, ignore_index=True))
    of_measure = np.repeat(measures, len(genes))
    table = _labelled(with_equivalence(table, by_model, of_measure), genes, measures)
    table["q_permutation"] = _within_measures(table, "p_permutation")
    return table[[*ROBUST_COLUMNS, *(name for name in OF_MARGIN if name in table)]]


def _measures(layers: Mapping[str, np.ndarray]) -> list[str]:
    """Return the measures that the networks have: without signs there is no signed strength."""
    return [name for name in MEASURES if name in layers]


def _labelled(table: pd.DataFrame, genes: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    table = table.assign(
        gene=np.tile(np.asarray(genes, dtype=object), len(measures)),
        measure=np.repeat(measures, len(genes)),
        q_all=benjamini_hochberg(table["p"].to_numpy()),
    )
    table["q"] = _within_measures(table, "p")
    order = table["measure"].map(MEASURES.index)
    table = strongest_first(table.assign(order=order), "order")
    return table.drop(columns="order").reset_index(drop=True)


def _within_measures(table: pd.DataFrame, column: str) -> pd.Series:
    return table.groupby("measure")[column].transform(lambda p: benjamini_hochberg(p.to_numpy()))
