"""Shapley values of the latent dimensions, for all genes at once."""

from __future__ import annotations

from math import comb

import numpy as np
import torch
from torch import Tensor, nn

from popnet.comparisons.explained import Explained, per_dimension
from popnet.comparisons.interpretations.relu import body_and_head
from popnet.seeds import derive_seed

MOST_ENUMERATED = 10
PERMUTATIONS = 100
ROWS_AT_ONCE = 2**14


def explain(explained: Explained) -> np.ndarray:
    """Return the Shapley values of the dimensions for the genes' means; absent ones are 0.

    Exact up to 10 dimensions; for more, estimated from random permutations, as in Štrumbelj and
    Kononenko (2010).
    """
    z = torch.from_numpy(explained.scores[explained.rows])
    if z.shape[1] <= MOST_ENUMERATED:
        values = exact_shapley(explained.decoder, z)
    else:
        seed = derive_seed(explained.seed, "shapley")
        values = sampled_shapley(explained.decoder, z, PERMUTATIONS, seed)
    return per_dimension(values.numpy())


@torch.no_grad()
def exact_shapley(network: nn.Sequential, x: Tensor) -> Tensor:
    """Return the Shapley values of all inputs for all outputs, (n, n_out, n_in).

    Computed over all 2^n_in sets of inputs.
    """
    n = x.shape[1]
    members = (torch.arange(2**n)[:, None] >> torch.arange(n)) & 1
    sizes = members.sum(1)
    # Of a set with input i the share is (s - 1)! (n - s)! / n!, of one without it s! (n - s - 1)!
    # / n! and subtracted.
    added = torch.tensor([0] + [1 / (n * comb(n - 1, s - 1)) for s in range(1, n + 1)])
    taken = torch.tensor([1 / (n * comb(n - 1, s)) for s in range(n)] + [0])
    shares = torch.where(members.T == 1, added[sizes], -taken[sizes])
    body, head = body_and_head(network)
    parts = []
    for rows in x.split(max(1, ROWS_AT_ONCE // 2**n)):
        last = body(members[:, None, :].to(x.dtype) * rows)
        parts.append(torch.einsum("is,snw->nwi", shares, last))
    return head @ torch.cat(parts)


@torch.no_grad()
def sampled_shapley(network: nn.Sequential, x: Tensor, permutations: int, seed: int) -> Tensor:
    """Return Shapley values estimated from permutations, (n, n_out, n_in).

    Inputs are added in the order of a permutation; each gets the change of the output.
    """
    generator = torch.Generator().manual_seed(seed)
    body, head = body_and_head(network)
    total = torch.zeros(x.shape[1], len(x), head.shape[1])
    for _ in range(permutations):
        order = torch.randperm(x.shape[1], generator=generator)
        present = torch.zeros_like(x)
        before = body(present)
        for position in order:
            present[:, position] = x[:, position]
            after = body(present)
            total[position] += after - before
            before = after
    return head @ (total / permutations).permute(1, 2, 0)
