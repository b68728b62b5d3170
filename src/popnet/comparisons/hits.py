"""Tests of the centralities by other methods, in the same way as siVAE's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
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
    """Test every gene by every method, by the design's mixed model if it has one; as :func:`paper`.

    Without a model p and q are those of permutations, as they are of the study's own network.
    """
    return {method: testing.both(method, values, design)[1] for method, values in layers.items()}
