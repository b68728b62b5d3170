"""What the training of siVAE minimises: equations 12 and 13, term by term.

Every term is a scalar: summed over what one observation holds, averaged over observations
(cells, and in `kl_features` and the feature stage genes). The averages are those of the
authors' code; equation 12 would sum, and so weigh the features' KL by the number of cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from popnet.sivae.model import VAE, Normal, SiVAE

Terms = dict[str, Tensor]


def gaussian_log_likelihood(x: Tensor, normal: Normal) -> Tensor:
    """Return log N(x; mean, scale^2) summed over the last axis.

    Parameters
    ----------
    x : Tensor, (n, d)
    normal : Normal
        Mean (n, d) and one standard deviation per row (n, 1).

    Returns
    -------
    Tensor, (n,)
    """
    squared_error = mse_loss(normal.mean, x, reduction="none").sum(-1)
    scale = normal.scale.squeeze(-1)
    constant = torch.log(scale) + 0.5 * math.log(2 * math.pi)
    return -0.5 * squared_error / scale.square() - x.shape[-1] * constant


def kl_to_standard_normal(normal: Normal) -> Tensor:
    """Return KL(N(mean, diag(scale^2)) || N(0, I)) summed over the last axis: (n, d) to (n,)."""
    mean, scale = normal
    return (0.5 * (mean.square() + scale.square() - 1) - torch.log(scale)).sum(-1)


def interpretability_error(x: Tensor, z: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Return the squared error of the linear reconstruction z v^T + bias, equation 13.

    A plain squared error as in the authors' code: without the factor 1/2 and the constant.

    Parameters
    ----------
    x : Tensor, (n_cells, n_genes)
    z : Tensor, (n_cells, latent)
    v : Tensor, (n_genes, latent)
    bias : Tensor, (n_genes,)

    Returns
    -------
    Tensor
        Summed over genes, averaged over cells.
    """
    return mse_loss(torch.addmm(bias, z, v.T), x, reduction="sum") / len(x)


def _vae_terms(vae: VAE, x: Tensor, target: Tensor, noise: Tensor, kl: str) -> Terms:
    posterior = vae.encoder(x)
    likelihood = vae.decoder(posterior.sample(noise))
    return {
        "reconstruction": -gaussian_log_likelihood(target, likelihood).mean(),
        kl: kl_to_standard_normal(posterior).mean(),
    }


def cell_terms(model: SiVAE, cells: Tensor, noise: Tensor) -> Terms:
    """Return the terms of stage 1, the cell-wise VAE with v~_L free.

    Parameters
    ----------
    cells : Tensor, (minibatch, n_genes)
    noise : Tensor, (minibatch, latent)
        Standard normal.
    """
    return _vae_terms(model.cells, cells, cells, noise, "kl_cells")


def feature_terms(model: SiVAE, features: Tensor, weights: Tensor, noise: Tensor) -> Terms:
    """Return the terms of stage 2, the feature-wise VAE that predicts v~_L.

    Parameters
    ----------
    features : Tensor, (minibatch, n_feature_input)
    weights : Tensor, (minibatch, width)
        v~_L of the same genes.
    noise : Tensor, (minibatch, latent)
        Standard normal.
    """
    return _vae_terms(model.features, features, weights, noise, "kl_features")


def joint_terms(
    model: SiVAE,
    cells: Tensor,
    features: Tensor,
    cell_noise: Tensor,
    feature_noise: Tensor,
    genes: Tensor | slice = slice(None),
) -> Terms:
    """Return the terms of stage 3, equations 12 and 13.

    Parameters
    ----------
    cells : Tensor, (minibatch, n_genes)
    features : Tensor, (n_genes, n_feature_input)
    cell_noise : Tensor, (minibatch, latent)
    feature_noise : Tensor, (n_drawn, latent)
    genes : Tensor of int or slice
        The `n_drawn` genes that the sums run over. They are rescaled to all genes, so that
        with genes drawn at random every term is unbiased. The encoder sees all genes.
    """
    observed = cells[:, genes]
    rescale = cells.shape[1] / observed.shape[1]
    cell_posterior = model.cells.encoder(cells)
    feature_posterior = model.features.encoder(features[genes])
    z = cell_posterior.sample(cell_noise)
    v = feature_posterior.sample(feature_noise)
    likelihood = model.decode(z, v, genes)
    linear_error = interpretability_error(observed, z, v, model.linear_bias[genes])
    return {
        "reconstruction": -rescale * gaussian_log_likelihood(observed, likelihood).mean(),
        "kl_cells": kl_to_standard_normal(cell_posterior).mean(),
        "kl_features": kl_to_standard_normal(feature_posterior).mean(),
        "interpretability": rescale * linear_error,
    }


def total_loss(terms: Terms, kl_weight: float, gamma: float) -> Tensor:
    """Return the weighted sum of `terms`; L2 is left to the optimiser's weight decay."""
    weights = {
        "reconstruction": 1.0,
        "kl_cells": kl_weight,
        "kl_features": kl_weight,
        "interpretability": gamma,
    }
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()
