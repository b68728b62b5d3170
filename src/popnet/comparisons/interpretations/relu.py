"""Relu networks in closed form: a row's output is a product of matrices times its input.

Given the slope of every relu, the attributions of all outputs to all inputs are one product of the
weights, without loops over outputs or inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# If the input of a relu differs less from the baseline's, its derivative is used as slope.
SAME = 1e-6


def weights_of(network: nn.Sequential) -> list[Tensor]:
    """Return the weights of the linear layers, (width out, width in) each."""
    return [layer.weight.detach() for layer in network if isinstance(layer, nn.Linear)]


def body_and_head(network: nn.Sequential) -> tuple[nn.Sequential, Tensor]:
    """Return the network up to its last relu, and the weights of its last layer."""
    *body, head = network
    return nn.Sequential(*body), weights_of(nn.Sequential(head))[0]


@torch.no_grad()
def derivatives(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Return the derivatives of the relus at `x`, (n, width) each."""
    return [(before > 0).to(x.dtype) for before, _ in _relus(network, x)]


@torch.no_grad()
def rescaled(network: nn.Sequential, x: Tensor, baseline: Tensor) -> list[Tensor]:
    """Return the multipliers of the relus by DeepLIFT's rescale rule, (n, width) each.

    Shrikumar et al. (2017): the difference of the output from the baseline's output, divided by
    that of the input.

    Parameters
    ----------
    network : nn.Sequential
    x : Tensor, (n, n_in)
    baseline : Tensor, (1, n_in) or (n, n_in)
    """
    slopes = []
    for (before, after), (before0, after0) in zip(
        _relus(network, x), _relus(network, baseline), strict=True
    ):
        difference = before - before0
        same = difference.abs() < SAME
        ratio = (after - after0) / torch.where(same, 1.0, difference)
        slopes.append(torch.where(same, (before > 0).to(x.dtype), ratio))
    return slopes


def _relus(network: nn.Sequential, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return input and output of every relu."""
    found = []
    for layer in network:
        before, x = x, layer(x)
        if isinstance(layer, nn.ReLU):
            found.append((before, x))
    return found


@torch.no_grad()
def chained(weights: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
    """Return the product of weights and slopes for every row, (n, n_out, n_in).

    Parameters
    ----------
    weights : sequence of Tensor, (width out, width in) each
        From the first layer to the last.
    slopes : sequence of Tensor, (n, width) each
        Slopes of the relus after the layers; the last layer may have none.
    """
    if weights[-1].shape[0] < weights[0].shape[1]:
        # Start at the narrow end, for fewer multiplications.
        turned = [weight.T for weight in weights[::-1]]
        return _from_first(turned, slopes[::-1]).permute(1, 2, 0)
    return _from_first(weights, slopes).permute(1, 0, 2)


def _from_first(weights: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
    """Return the product as (n_last, n, n_first)."""
    product = weights[0][:, None, :] * slopes[0].T[:, :, None]
    for layer, weight in enumerate(weights[1:], start=1):
        product = (weight @ product.flatten(1)).unflatten(1, product.shape[1:])
        if layer < len(slopes):
            product = product * slopes[layer].T[:, :, None]
    return product


def jacobian(network: nn.Sequential, x: Tensor) -> Tensor:
    """Return the derivatives of all outputs by all inputs, (n, n_out, n_in)."""
    return chained(weights_of(network), derivatives(body_and_head(network)[0], x))


def multipliers(network: nn.Sequential, x: Tensor) -> Tensor:
    """Return DeepLIFT's multipliers against a baseline of 0, (n, n_out, n_in)."""
    slopes = rescaled(body_and_head(network)[0], x, torch.zeros_like(x[:1]))
    return chained(weights_of(network), slopes)
