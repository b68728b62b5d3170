"""Integrated gradients from a baseline of 0, for all genes at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from popnet.comparisons.explained import Explained, per_dimension
from popnet.comparisons.interpretations.relu import body_and_head, chained, derivatives, weights_of

STEPS = 50


def explain(explained: Explained) -> np.ndarray:
    """Return the genes' derivatives integrated from 0 to z (Sundararajan et al. 2017)."""
    z = torch.from_numpy(explained.scores[explained.rows])
    return per_dimension(integrated_gradients(explained.decoder, z).numpy())


@torch.no_grad()
def integrated_gradients(network: nn.Sequential, x: Tensor, steps: int = STEPS) -> Tensor:
    """Return the contributions of all inputs to all outputs, (n, n_out, n_in).

    The integral is by Gauss-Legendre quadrature with `steps` nodes.
    """
    nodes, shares = quadrature(steps)
    # The last layer is linear, so that its derivative is constant along the path.
    body, head = body_and_head(network)
    integral = torch.zeros(len(x), head.shape[1], x.shape[1])
    for node, share in zip(nodes, shares, strict=True):
        integral += share * body_jacobian(body, node * x)
    return head @ (integral * x[:, None, :])


def quadrature(steps: int = STEPS) -> tuple[list[float], list[float]]:
    """Return nodes between 0 and 1 and their weights, which add up to 1."""
    nodes, shares = np.polynomial.legendre.leggauss(steps)
    return ((1 + nodes) / 2).tolist(), (shares / 2).tolist()


def body_jacobian(body: nn.Sequential, x: Tensor) -> Tensor:
    """Return the derivatives of the last hidden layer by all inputs, (n, width, n_in)."""
    return chained(weights_of(body), derivatives(body, x))
