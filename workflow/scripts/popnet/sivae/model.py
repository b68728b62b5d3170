"""The networks of siVAE; the equations are those of the paper's Methods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

MIN_SCALE = 1e-4


class Normal(NamedTuple):
    """A diagonal Gaussian: mean and standard deviation (of shapes that broadcast)."""

    mean: Tensor
    scale: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return mean + scale * noise, which gradients pass through."""
        return torch.addcmul(self.mean, self.scale, noise)


class Dense(nn.Linear):
    """Linear layer that starts with Xavier-normal weights from `generator` and zero biases."""

    def __init__(self, n_in: int, n_out: int, generator: torch.Generator):
        super().__init__(n_in, n_out)
        nn.init.xavier_normal_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)

    def reset_parameters(self) -> None:
        """Draw nothing: the default start would use the global generator."""


def _relu_layers(sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [Dense(n_in, n_out, generator), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class GaussianNetwork(nn.Module):
    """Relu layers, then a linear mean and a softplus standard deviation.

    Maps (n, n_input) to a `Normal` whose mean is (n, n_output) and whose scale is (n, n_scale),
    in the input's precision also under autocast.
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
        self.mean = Dense(sizes[-1], n_output, generator)
        self.scale = Dense(sizes[-1], n_scale, generator)

    def scale_of(self, last: Tensor) -> Tensor:
        """Return the standard deviation given the activations of the last hidden layer."""
        return nn.functional.softplus(self.scale(last).to(self.scale.weight.dtype)) + MIN_SCALE

    def forward(self, x: Tensor) -> Normal:
        """Return the Gaussian for each row of `x`."""
        last = self.hidden(x)
        return Normal(self.mean(last).to(self.mean.weight.dtype), self.scale_of(last))


class Encoder(GaussianNetwork):
    """Posterior of the latent variables, equations 10 and 11: one scale per dimension."""

    def __init__(
        self, n_input: int, hidden: Sequence[int], latent: int, generator: torch.Generator
    ):
        super().__init__(n_input, hidden, latent, latent, generator)


class Decoder(GaussianNetwork):
    """Likelihood of the observations, equations 2 and 3: one scale per observation.

    sigma_d is taken as a standard deviation (the paper says both).
    """

    def __init__(
        self, latent: int, hidden: Sequence[int], n_output: int, generator: torch.Generator
    ):
        super().__init__(latent, hidden, n_output, 1, generator)


class VAE(nn.Module):
    """Encoder and decoder, equations 1 to 3."""

    def __init__(self, encoder: Encoder, decoder: Decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder


class SiVAE(nn.Module):
    """Cell-wise and feature-wise VAE that meet in the mean of X, equations 4 to 11.

    The cell-wise VAE is complete: the weight of its decoder's mean holds v~_L, which the
    feature-wise decoder replaces by v_L in the joint model. The feature-wise decoder lacks
    the last relu layer: its mean is v_L.

    Parameters
    ----------
    n_genes : int
    n_feature_input : int
        Length of a gene's input to the feature-wise encoder (cells or principal components).
    hidden : sequence of int
        Sizes of the encoders' layers; the decoders have them reversed.
    latent : int
    generator : torch.Generator
        Source of the initial weights (Xavier normal; biases start at zero).
    """

    def __init__(
        self,
        n_genes: int,
        n_feature_input: int,
        hidden: Sequence[int],
        latent: int,
        generator: torch.Generator,
    ):
        super().__init__()
        *outward, last = reversed(hidden)
        self.cells = VAE(
            Encoder(n_genes, hidden, latent, generator),
            Decoder(latent, [*outward, last], n_genes, generator),
        )
        self.features = VAE(
            Encoder(n_feature_input, hidden, latent, generator),
            Decoder(latent, outward, last, generator),
        )
        self.linear_bias = nn.Parameter(torch.zeros(n_genes))

    def decode(self, z: Tensor, v: Tensor, genes: Tensor | slice = slice(None)) -> Normal:
        """Return the Gaussian of X (cells x genes) given cells and features, equation 8.

        Parameters
        ----------
        z : Tensor, (n_cells, latent)
        v : Tensor, (n_genes, latent)
        genes : Tensor of int or slice
            Which genes the rows of `v` are.
        """
        decoder = self.cells.decoder
        z_last = decoder.hidden(z)
        v_last = self.features.decoder.mean(self.features.decoder.hidden(v))
        mean = torch.addmm(decoder.mean.bias[genes], z_last, v_last.T)
        return Normal(mean, decoder.scale_of(z_last))
