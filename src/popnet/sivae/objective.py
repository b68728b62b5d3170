"""The loss that training siVAE minimises: equations 12, 13, 18, 20 and 22, term by term.

Every term is a scalar: a sum within each observation, averaged over observations (cells; genes in
`kl_features` and in the feature stage). The averages are those of the authors' code. Equation 12
has sums instead, so that the KL of the features would be weighted by the number of cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, mse_loss

from popnet.sivae.model import Normal, Remembered, SiVAE

Terms = dict[str, Tensor]
Genes = Tensor | slice
ALL = slice(None)


class Minibatch(NamedTuple):
    """Cells of a minibatch.

    Parameters
    ----------
    inputs : Tensor, (n_cells, n_genes)
        Input of the encoder, and the observations of a Gaussian likelihood.
    counts : Tensor, (n_cells, n_genes)
        Raw counts, for a negative binomial likelihood; otherwise of width 0.
    covariates : Tensor, (n_cells, b)
        Of width 0 if there are none.
    """

    inputs: Tensor
    counts: Tensor
    covariates: Tensor


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


def negative_binomial_log_likelihood(counts: Tensor, log_mean: Tensor, theta: Tensor) -> Tensor:
    """Return the negative binomial log-likelihood of counts, summed over the last axis.

    Equations 16 and 17 with m integrated out: the counts are Poisson, their rate is Gamma with mean
    exp(log_mean) and shape theta. The variance of the counts is mean + mean^2 / theta.

    Parameters
    ----------
    counts : Tensor, (n, d)
    log_mean : Tensor, (n, d)
    theta : Tensor, (n, 1)

    Returns
    -------
    Tensor, (n,)
    """
    log_theta = torch.log(theta)
    log_total = torch.logaddexp(log_mean, log_theta)
    return (
        torch.lgamma(counts + theta)
        - torch.lgamma(theta)
        - torch.lgamma(counts + 1)
        + theta * (log_theta - log_total)
        + counts * (log_mean - log_total)
    ).sum(-1)


def kl_to_standard_normal(normal: Normal) -> Tensor:
    """Return KL(N(mean, diag(scale^2)) || N(0, I)) summed over the last axis: (n, d) to (n,)."""
    mean, scale = normal
    return (0.5 * (mean.square() + scale.square() - 1) - torch.log(scale)).sum(-1)


def cell_terms(model: SiVAE, cells: Minibatch, noise: Tensor, genes: Genes = ALL) -> Terms:
    """Return the terms of stage 1, the cell-wise VAE with v~_L free.

    Parameters
    ----------
    model : SiVAE
    cells : Minibatch
    noise : Tensor, (n_cells, latent), with "nb" (n_cells, latent + 1)
        Standard normal.
    genes : Tensor of int or slice
        Genes that are summed over, see `joint_terms`.
    """
    z, log_library, kl = _encode(model, cells, noise)
    weights = model.free_weights[genes]
    error = _reconstruction(model, cells, z, log_library, weights, genes)
    return {"reconstruction": error, "kl_cells": kl}


def feature_terms(model: SiVAE, features: Tensor, rows: Tensor, noise: Tensor) -> Terms:
    """Return the terms of stage 2, the feature-wise VAE that predicts v~_L.

    Parameters
    ----------
    model : SiVAE
    features : Tensor, (minibatch, n_feature_input)
    rows : Tensor of int, (minibatch,)
        Which genes these are.
    noise : Tensor, (minibatch, latent)
        Standard normal.
    """
    weights = model.free_weights.detach()[rows]
    posterior = model.feature_wise.encoder(features)
    likelihood = model.feature_wise.decoder(posterior.sample(noise))
    return {
        "reconstruction": -gaussian_log_likelihood(weights, likelihood).mean(),
        "kl_features": kl_to_standard_normal(posterior).mean(),
    }


def joint_terms(
    model: SiVAE,
    cells: Minibatch,
    features: Tensor,
    cell_noise: Tensor,
    feature_noise: Tensor,
    genes: Genes = ALL,
) -> Terms:
    """Return the terms of stage 3: equations 12 and 13, or 18, 20, 22 and 23.

    Parameters
    ----------
    model : SiVAE
    cells : Minibatch
    features : Tensor, (n_drawn, n_feature_input)
    cell_noise : Tensor, (n_cells, latent), with "nb" (n_cells, latent + 1)
    feature_noise : Tensor, (n_drawn, latent)
    genes : Tensor of int or slice
        The `n_drawn` genes that are summed over. The sums are rescaled to all genes, so that every
        term is unbiased if genes are drawn at random. The encoder sees all genes.
    """
    posterior = model.feature_wise.encoder(features)
    v = posterior.sample(feature_noise)
    weights = model.feature_layers(v)[-1]
    return _joint_terms(model, cells, cell_noise, posterior, v, weights, genes)


def remembering_joint_terms(
    model: SiVAE,
    cells: Minibatch,
    features: Tensor,
    cell_noise: Tensor,
    feature_noise: Tensor,
    genes: Tensor,
    memory: tuple[Tensor, Tensor],
) -> Terms:
    """Return the terms of stage 3 for all genes, of which only `genes` are embedded in this step.

    For the other genes the values of the step in which they were last drawn are used, as
    constants. The cell-wise networks therefore see every gene in each step, the costly
    feature-wise networks only the drawn genes, whose gradient is rescaled to all genes. It is
    unbiased, except that the stored values are old: N / n steps on average, if n of N genes are
    drawn.

    Parameters
    ----------
    model, cells, features, cell_noise, feature_noise, genes
        As of `joint_terms`.
    memory : pair of Tensor, (n_genes, latent) and (n_genes, width)
        v and v_L of every gene, initially from `gene_memory`. Those of the drawn genes are updated.
    """
    posterior = model.feature_wise.encoder(features)
    v = posterior.sample(feature_noise)
    every_v, weights = (
        Remembered.with_drawn(known, genes, drawn)
        for known, drawn in zip(memory, (v, model.feature_layers(v)[-1]), strict=True)
    )
    return _joint_terms(model, cells, cell_noise, posterior, every_v, weights, ALL)


def gene_memory(model: SiVAE, features: Tensor) -> tuple[Tensor, Tensor]:
    """Return v and v_L of every gene at the posterior's mean, without gradients."""
    v = model.feature_wise.encoder(features).mean
    return v.detach(), model.feature_layers(v)[-1].detach()


def _joint_terms(
    model: SiVAE,
    cells: Minibatch,
    cell_noise: Tensor,
    posterior: Normal,
    v: Tensor | Remembered,
    weights: Tensor | Remembered,
    genes: Genes,
) -> Terms:
    z, log_library, kl = _encode(model, cells, cell_noise)
    terms = {
        "reconstruction": _reconstruction(model, cells, z, log_library, weights, genes),
        "kl_cells": kl,
        "kl_features": kl_to_standard_normal(posterior).mean(),
    }
    if hasattr(model, "linear_bias"):
        # The squared error as in the authors' code: equation 13 without 1/2 and the constant.
        observed = cells.inputs[:, genes]
        linear = model.linear(z, v, cells.covariates, genes)
        error = mse_loss(linear, observed, reduction="sum") / len(observed)
        terms["interpretability"] = cells.inputs.shape[1] / observed.shape[1] * error
    return terms


def _encode(model: SiVAE, cells: Minibatch, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a draw of z, a draw of log l (of width 0 without counts) and their KL."""
    posterior = model.encode(cells.inputs, cells.covariates)
    latent = posterior.mean.shape[1]
    z = posterior.sample(noise[:, :latent])
    kl = kl_to_standard_normal(posterior).mean()
    log_library = noise[:, latent:]
    if model.library is not None:
        library = model.encode_library(cells.inputs, cells.covariates)
        kl = kl + kl_to_standard_normal(library).mean()
        log_library = model.log_library(library.sample(log_library))
    return z, log_library, kl


def _reconstruction(
    model: SiVAE,
    cells: Minibatch,
    z: Tensor,
    log_library: Tensor,
    weights: Tensor | Remembered,
    genes: Genes,
) -> Tensor:
    likelihood = model.decode(z, cells.covariates, weights, genes)
    if model.library is not None:
        log_mean = log_library + log_softmax(likelihood.mean, -1)
        return -negative_binomial_log_likelihood(cells.counts, log_mean, likelihood.scale).mean()
    observed = cells.inputs[:, genes]
    rescale = cells.inputs.shape[1] / observed.shape[1]
    return -rescale * gaussian_log_likelihood(observed, likelihood).mean()


def total_loss(terms: Terms, kl_weight: float, gamma: float) -> Tensor:
    """Return the weighted sum of `terms`, without L2, which is the optimiser's weight decay."""
    weights = {
        "reconstruction": 1.0,
        "kl_cells": kl_weight,
        "kl_features": kl_weight,
        "interpretability": gamma,
    }
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum(0)
