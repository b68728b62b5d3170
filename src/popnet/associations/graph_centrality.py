"""Graph centralities of genes against a phenotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.networks.centrality import MEASURES
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate

COLUMNS = ("gene", "measure", "statistic", "p", "q", "q_all", "p_family", "n", "n_permutations")


def match_means(values: np.ndarray) -> np.ndarray:
    """Divide the values of every bin by their mean over its genes.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
        NaN where a gene is not in the bin's graph; all bins then have the same density.
    """
    present = np.isfinite(values)
    total = np.where(present, values, 0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(present.sum(axis=1, keepdims=True), 1)
    return values / np.where(mean > 0, mean, 1)


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
        As :func:`robust`, without p_family and n_permutations.
    """
    table = correlate(
        design.units.average(np.concatenate([layers[name] for name in MEASURES], axis=1)),
        design.units.phenotype,
        design.binary,
    )
    return _labelled(table.assign(p_family=np.nan, n_permutations=np.nan), genes)


def robust(
    layers: Mapping[str, np.ndarray], genes: Sequence[str], design: Design, testing: Testing
) -> pd.DataFrame:
    """Test every measure of every gene by permutation.

    A bin's values are divided by their mean over its genes, so that what is compared is a gene's
    place in its network, not how dense the network is.

    Parameters
    ----------
    layers : mapping of measure to ndarray of shape (n_bins, n_genes)
    genes : sequence of shape (n_genes,)
    design : Design
        Over the bins.
    testing : Testing

    Returns
    -------
    DataFrame sorted by measure and p
        gene measure statistic p q (Benjamini-Hochberg within the measure) q_all (over all
        measures) p_family (family-wise over all genes and measures) n n_permutations.
    """
    values = [design.units.average(match_means(layers[name])) for name in MEASURES]
    tested = permutation_test(
        np.concatenate(values, axis=1), design, testing.permutations, testing.seed
    )
    return _labelled(tested.table, genes)


def _labelled(table: pd.DataFrame, genes: Sequence[str]) -> pd.DataFrame:
    table = table.assign(
        gene=np.tile(np.asarray(genes, dtype=object), len(MEASURES)),
        measure=np.repeat(MEASURES, len(genes)),
        q_all=benjamini_hochberg(table["p"].to_numpy()),
    )
    table["q"] = table.groupby("measure")["p"].transform(lambda p: benjamini_hochberg(p.to_numpy()))
    order = table["measure"].map(MEASURES.index)
    table = table.assign(order=order).sort_values(["order", "p"], kind="stable", ignore_index=True)
    return table[list(COLUMNS)]
