"""Tests of the centralities by other methods, in the same way as siVAE's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate


def paper(
    layers: Mapping[str, np.ndarray], design: Design, testing: Testing
) -> dict[str, pd.DataFrame]:
    """Test every gene by every method, every bin an observation.

    Parameters
    ----------
    layers : mapping of method to ndarray of shape (n_bins, n_genes)
    design : Design
        Over these bins.
    testing : Testing

    Returns
    -------
    dict of method to DataFrame of n_genes rows
        statistic p q ...
    """
    tables = {}
    for method, values in layers.items():
        averages = design.units.average(values)
        table = correlate(averages, design.units.phenotype, design.binary)
        tables[method] = table.assign(q=benjamini_hochberg(table["p"].to_numpy()))
    return tables


def robust(
    layers: Mapping[str, np.ndarray], design: Design, testing: Testing
) -> dict[str, pd.DataFrame]:
    """Test every gene by every method, by permutation; as :func:`paper`."""
    return {
        method: permutation_test(
            design.units.average(values), design, testing.permutations, testing.seed, resolve=True
        ).table
        for method, values in layers.items()
    }
