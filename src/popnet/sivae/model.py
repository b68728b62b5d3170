"""The networks of siVAE and its variants; the equations are those of the paper's Methods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from popnet.sivae.settings import Settings

MIN_SCALE = 1e-4


class Normal(NamedTuple):
    """A diagonal Gaussian: mean and standard deviation (of shapes that broadcast)."""

    mean: Tensor
    scale: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return mean + scale * noise, which gradients pass through."""
        return torch.addcmul(self.mean, self.scale, noise)


class Remembered(NamedTuple):
    """Weights of all genes; only the drawn genes have a gradient, which is rescaled to all genes.

    Parameters
    ----------
    known : Tensor, (n_genes, width)
        Values of all genes, including the drawn ones.
    rows : Tensor of int, (n_drawn,)
    drawn : Tensor, (n_drawn, width)
    """

    known: Tensor
    rows: Tensor
    drawn: Tensor

    @classmethod
    def with_drawn(cls, known: Tensor, rows: Tensor, drawn: Tensor) -> Remembered:
        """Write `drawn` to `rows` of `known`, in place."""
        known.index_put_((rows,), drawn.detach().to(known.dtype))
        return cls(known, rows, drawn)


def product(bias: Tensor, left: Tensor, weights: Tensor, stacked: bool) -> Tensor:
    """Return bias + left @ weights.T: (n, width) and (m, width) to (n, m).

    `stacked` says that vmap runs many models at once. It has no rule for addmm, and multiplies both
    terms by 1; and from left @ weights.T it gets the gradient of the weights transposed, and copies
    it.
    """
    if not stacked:
        return torch.addmm(bias, left, weights.T)
    found = (weights @ left.T).T
    return found + bias.to(found.dtype)


def decoded(bias: Tensor, left: Tensor, weights: Tensor | Remembered, stacked: bool) -> Tensor:
    """Return `product` of the weights of genes, which may be remembered: (n, n_genes)."""
    if isinstance(weights, Tensor):
        return product(bias, left, weights, stacked)
    known, rows, drawn = weights
    # Adds zeros, through which the gradient reaches the drawn genes and no others.
    zeros = left.detach() @ (drawn - drawn.detach()).T * (len(known) / len(drawn))
    total = product(bias, left, known, stacked)
    # Unlike index_add, which vmap calls once per model of a stack.
    return total.scatter_add(1, rows.expand(len(total), -1), zeros.to(total.dtype))


class Dense(nn.Linear):
    """Linear layer that starts with Xavier-normal weights from `generator` and zero biases.

    `stacked` as for `product`.
    """

    def __init__(self, n_in: int, n_out: int, generator: torch.Generator):
        super().__init__(n_in, n_out)
        self.stacked = False
        nn.init.xavier_normal_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output for each row of `x`."""
        if self.stacked:
            return product(self.bias, x, self.weight, stacked=True)
        return super().forward(x)

    def reset_parameters(self) -> None:
        """Do nothing: the default initialisation would use the global generator."""


def _relu_layers(sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [Dense(n_in, n_out, generator), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class GaussianNetwork(nn.Module):
    """Relu layers, then a linear mean and a softplus standard deviation.

    Maps (n, n_input) to a `Normal` whose mean is (n, n_output) and whose scale is (n, n_scale),
    in the precision of the input, also under autocast.
    """

    def __init__(
        self,
        n_input: int,
        hidden: Sequence[int],
        n_output: int,
        n_scale: int,
        generator: torch.Generator,
    ):
        super().__init__()
        sizes = [n_input, *hidden]
        self.hidden = _relu_layers(sizes, generator)
        self.mean: Any = Dense(sizes[-1], n_output, generator)
        self.scale = Dense(sizes[-1], n_scale, generator)

    def scale_of(self, last: Tensor) -> Tensor:
        """Return the standard deviation given the activations of the last hidden layer."""
        return nn.functional.softplus(self.scale(last).to(self.scale.weight.dtype)) + MIN_SCALE

    def forward(self, x: Tensor) -> Normal:
        """Return the Gaussian for each row of `x`."""
        last = self.hidden(x)
        return Normal(self.mean(last).to(self.scale.weight.dtype), self.scale_of(last))


class Encoder(GaussianNetwork):
    """Posterior of the latent variables, equations 10 and 11: one scale per dimension."""

    def __init__(
        self, n_input: int, hidden: Sequence[int], latent: int, generator: torch.Generator
    ):
        super().__init__(n_input, hidden, latent, latent, generator)


class Decoder(GaussianNetwork):
    """Likelihood of the observations, equations 2 and 3: one scale per observation.

    sigma_d is used as a standard deviation (the paper uses it as both).
    """

    def __init__(
        self, latent: int, hidden: Sequence[int], n_output: int, generator: torch.Generator
    ):
        super().__init__(latent, hidden, n_output, 1, generator)
        if not hidden:
            # Computed from z itself, the scale would be nearly 0 for some cells. Adam would
            # average such gradients over thousands of steps, in which the model does not improve.
            nn.init.zeros_(self.scale.weight)


class VAE(nn.Module):
    """Encoder and decoder, equations 1 to 3."""

    def __init__(self, encoder: Encoder, decoder: Decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder


class SiVAE(nn.Module):
    """Cell-wise and feature-wise VAE that are combined in the mean of X, equations 4 to 11.

    The cell-wise VAE is complete: the weights of its decoder's mean are v~_L, which the
    feature-wise decoder replaces by v_L in the joint model. The feature-wise decoder does not
    have the last relu layer: its mean is v_L.

    Variants: a VAE has no feature-wise part (`features` is None). With a linear decoder z_L is z
    and v_L is v (equation 19). With likelihood "nb" the decoder's mean is the logit of rho, its
    scale is the inverse dispersion of a cell, and `library` encodes the cell's scaling factor
    (equations 14 to 17, interpreted as in scVI: m ~ Gamma with mean rho). Covariates are
    additional inputs of encoder and decoder (equation 21), and have their own weights in the
    linear reconstruction (j of equation 23).

    Parameters
    ----------
    n_genes : int
    n_feature_input : int
        Length of a gene's input to the feature-wise encoder (cells or principal components).
    settings : Settings
    generator : torch.Generator
        For the initial weights (Xavier normal; biases start at zero).
    n_covariates : int
    """

    def __init__(
        self,
        n_genes: int,
        n_feature_input: int,
        settings: Settings,
        generator: torch.Generator,
        n_covariates: int = 0,
    ):
        super().__init__()
        latent, hidden = settings.latent, settings.hidden
        self.deep = settings.decoder == "deep"
        n_input = n_genes + n_covariates
        widths = list(reversed(hidden)) if self.deep else []
        n_decoded = latent + n_covariates if self.deep else latent
        self.cells = VAE(
            Encoder(n_input, hidden, latent, generator),
            Decoder(n_decoded, widths, n_genes, generator),
        )
        self.features: VAE | None = None
        if settings.model == "sivae":
            decoder = Decoder(latent, widths[:-1], widths[-1] if self.deep else latent, generator)
            if not self.deep:
                decoder.mean = nn.Identity()
            self.features = VAE(Encoder(n_feature_input, hidden, latent, generator), decoder)
        self.library: Encoder | None = None
        if settings.likelihood == "nb":
            self.library = Encoder(n_input, hidden[-1:], 1, generator)
        # Of log l: set to what the cells have (equation 14).
        self.library_prior: Tensor
        self.register_buffer("library_prior", torch.tensor([0.0, 1.0]))
        # The linear part of equation 23.
        if settings.gamma or not self.deep:
            self.covariate_weights = nn.Parameter(torch.zeros(n_genes, n_covariates))
        if settings.gamma:
            self.linear_bias = nn.Parameter(torch.zeros(n_genes))

    @property
    def feature_wise(self) -> VAE:
        """The feature-wise networks.

        Raises
        ------
        ValueError
            The model is a VAE, which has none.
        """
        if self.features is None:
            raise ValueError("a VAE embeds no genes; its loadings are the decoder's weights")
        return self.features

    @property
    def free_weights(self) -> Tensor:
        """v~_L of every gene, (n_genes, width): the weights of the cell-wise decoder's mean."""
        weight: Tensor = self.cells.decoder.mean.weight
        return weight

    def encode(self, inputs: Tensor, covariates: Tensor) -> Normal:
        """Return the posterior of z, equation 11: (n, n_genes) and (n, b) to (n, latent)."""
        posterior: Normal = self.cells.encoder(_joined(inputs, covariates))
        return posterior

    def encode_library(self, inputs: Tensor, covariates: Tensor) -> Normal:
        """Return the posterior of log l, in deviations from the prior (equation 14): (n, 1)."""
        assert self.library is not None
        posterior: Normal = self.library(_joined(inputs, covariates))
        return posterior

    def log_library(self, deviation: Tensor) -> Tensor:
        """Return log l from deviations from its prior."""
        mean, scale = self.library_prior
        logarithm: Tensor = mean + scale * deviation
        return logarithm

    def cell_layers(self, z: Tensor, covariates: Tensor) -> list[Tensor]:
        """Return z_1 to z_L, (n, width) each."""
        if not self.deep:
            return [z]
        return [z, *_activations(self.cells.decoder.hidden, _joined(z, covariates))]

    def feature_layers(self, v: Tensor) -> list[Tensor]:
        """Return v_1 to v_L, (n_genes, width) each, equations 6 and 7."""
        if not self.deep:
            return [v]
        decoder = self.feature_wise.decoder
        layers = [v, *_activations(decoder.hidden, v)]
        return [*layers, decoder.mean(layers[-1]).to(v.dtype)]

    def decode(
        self,
        z: Tensor,
        covariates: Tensor,
        weights: Tensor | Remembered,
        genes: Tensor | slice = slice(None),
    ) -> Normal:
        """Return the Gaussian of X (cells x genes), equation 8; with "nb" logits and theta.

        Parameters
        ----------
        z : Tensor, (n_cells, latent)
        covariates : Tensor, (n_cells, b)
        weights : Tensor or Remembered, (n_genes, width)
            v_L, or v~_L of a VAE.
        genes : Tensor of int or slice
            The genes that the rows of `weights` belong to.
        """
        decoder = self.cells.decoder
        last = decoder.hidden(_joined(z, covariates)) if self.deep else z
        mean = decoded(decoder.mean.bias[genes], last, weights, decoder.scale.stacked)
        if not self.deep:
            mean = mean + self.covariate_effect(covariates, genes)
        return Normal(mean.to(decoder.scale.weight.dtype), decoder.scale_of(last))

    def linear(
        self,
        z: Tensor,
        v: Tensor | Remembered,
        covariates: Tensor,
        genes: Tensor | slice = slice(None),
    ) -> Tensor:
        """Return the linear reconstruction of X, the mean in equation 23."""
        mean = decoded(self.linear_bias[genes], z, v, self.cells.decoder.scale.stacked)
        return mean + self.covariate_effect(covariates, genes)

    def covariate_effect(self, covariates: Tensor, genes: Tensor | slice) -> Tensor | float:
        """Return j^T s of equation 23, (n_cells, n_genes); 0 without covariates."""
        if covariates.shape[-1] == 0:
            return 0.0
        return covariates @ self.covariate_weights[genes].T


def _joined(inputs: Tensor, covariates: Tensor) -> Tensor:
    return torch.cat([inputs, covariates], -1) if covariates.shape[-1] else inputs


def _activations(layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    found = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            found.append(x)
    return found
