"""Derivatives of the decoder or the encoder: saliency and gradient x input.

Reverse mode computes the derivatives of one output by all inputs, forward mode those of all outputs
by one input. The derivatives are the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import jvp

from popnet.comparisons.explained import Explained, per_dimension
from popnet.comparisons.interpretations.relu import body_and_head


def saliency(explained: Explained) -> np.ndarray:
    """Return the absolute derivative of each gene's mean by z (Simonyan et al. 2014)."""
    return per_dimension(np.abs(_of_decoder(explained)))


def gradient_input(explained: Explained) -> np.ndarray:
    """Return the derivative of each gene's mean by z, times z (Shrikumar et al. 2017)."""
    return per_dimension(_of_decoder(explained) * explained.scores[explained.rows, None, :])


def saliency_forward(explained: Explained) -> np.ndarray:
    """Return `saliency`, computed in forward mode."""
    return per_dimension(np.abs(_of_decoder_forward(explained)))


def gradient_input_forward(explained: Explained) -> np.ndarray:
    """Return `gradient_input`, computed in forward mode."""
    z = explained.scores[explained.rows, None, :]
    return per_dimension(_of_decoder_forward(explained) * z)


def encoder_saliency(explained: Explained) -> np.ndarray:
    """Return the absolute derivative of the mean of z by each gene."""
    return per_dimension(np.abs(_of_encoder(explained)))


def encoder_gradient_input(explained: Explained) -> np.ndarray:
    """Return the derivative of the mean of z by each gene, times the gene's value."""
    return per_dimension(_of_encoder(explained) * explained.inputs[explained.rows][:, :, None])


def reverse_gradients(network: nn.Sequential, x: Tensor) -> Tensor:
    """Return the derivatives of all outputs by all inputs, (n, n_out, n_in), in reverse mode."""
    x = x.detach().requires_grad_()
    body, weights = body_and_head(network)
    last = body(x)
    found = torch.empty(len(x), len(weights), x.shape[1])
    for output, weight in enumerate(weights):
        (found[:, output],) = torch.autograd.grad(
            last, x, weight.expand_as(last), retain_graph=True
        )
    return found


@torch.no_grad()
def forward_gradients(network: nn.Sequential, x: Tensor) -> Tensor:
    """Return the derivatives of all outputs by all inputs, (n, n_out, n_in), in forward mode."""
    directions = torch.eye(x.shape[1])
    found = [jvp(network, (x,), (direction.expand_as(x),))[1] for direction in directions]
    return torch.stack(found, -1)


def _of_decoder(explained: Explained) -> np.ndarray:
    z = torch.from_numpy(explained.scores[explained.rows])
    return reverse_gradients(explained.decoder, z).numpy()


def _of_decoder_forward(explained: Explained) -> np.ndarray:
    z = torch.from_numpy(explained.scores[explained.rows])
    return forward_gradients(explained.decoder, z).numpy()


def _of_encoder(explained: Explained) -> np.ndarray:
    """Return (n_cells, n_genes, latent)."""
    x = torch.from_numpy(explained.inputs[explained.rows])
    return reverse_gradients(explained.encoder, x).mT.numpy()
