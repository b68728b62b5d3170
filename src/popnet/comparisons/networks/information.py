"""Networks of mutual information: CLR, MRNET and ARACNE, as in the R package minet."""

from __future__ import annotations

from typing import Any

import numpy as np

from popnet.comparisons.methods import Training
from popnet.comparisons.networks.correlation import expression_of
from popnet.networks.information import (
    context_likelihood,
    mutual_information,
    prune_triangles,
    relevance_less_redundancy,
)


def clr(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the weights of CLR, context likelihood of relatedness (Faith et al. 2007).

    Parameters and result as in :func:`popnet.comparisons.networks.correlation.correlation`;
    weights are root sums of squared z-scores, 0 and more.
    """
    return context_likelihood(mutual_information(expression_of(cells)))


def mrnet(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the weights of MRNET, maximum relevance and minimum redundancy (Meyer et al. 2007).

    Parameters and result as in :func:`popnet.comparisons.networks.correlation.correlation`;
    weights are in nats, 0 for pairs in which neither gene selects the other.
    """
    return relevance_less_redundancy(mutual_information(expression_of(cells)))


def aracne(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the weights of ARACNE (Margolin et al. 2006).

    Parameters and result as in :func:`popnet.comparisons.networks.correlation.correlation`;
    weights are in nats, 0 for the weakest pair of each triangle.
    """
    return prune_triangles(mutual_information(expression_of(cells)))
