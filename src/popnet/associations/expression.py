"""Genes whose expression is associated with a phenotype: the positive control of the networks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.testing import OF_MARGIN, OF_MODEL, Testing
from popnet.stats.designs import Design
from popnet.stats.multiplicity import strongest_first

# What is tested of a gene's expression, as the column measure says it.
MEASURES = ("expression", "detection")
COLUMNS = ("gene", "measure", "statistic", "p", "q", "p_family", "n", "n_permutations")


def robust(
    expression: np.ndarray, detection: np.ndarray, genes: pd.Index, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test mean expression and detection of every gene, as centrality is tested.

    Parameters
    ----------
    expression : ndarray of shape (n_bins, n_genes)
        Mean log-normalised expression.
    detection : ndarray of shape (n_bins, n_genes)
        Share of the bin's cells that express the gene.
    genes : Index of shape (n_genes,)
    design : Design
        Over the bins.
    testing : Testing

    Returns
    -------
    DataFrame sorted by measure and p
        gene measure statistic p q (Benjamini-Hochberg within the measure) p_family (within the
        measure) n n_permutations. With a mixed model in the design p and q are the model's, and
        the columns `OF_MODEL` follow, and with a margin `OF_MARGIN`.
    """
    tables = []
    for measure, values in zip(MEASURES, (expression, detection), strict=True):
        table = testing.both(measure, values, design)[1]
        table = table.assign(gene=np.asarray(genes, dtype=object), measure=measure)
        tables.append(strongest_first(table))
    found = pd.concat(tables, ignore_index=True)
    return found[[*COLUMNS, *(name for name in (*OF_MODEL, *OF_MARGIN) if name in found)]]
