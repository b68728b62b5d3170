"""How well the neighbours of a gene predict it: the paper's benchmark of neighbour sets."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from popnet.sivae.data import minibatches
from popnet.sivae.fitting import choose_device

HIDDEN = (16, 8, 4)

Layer = tuple[Tensor, Tensor]


def variance_explained(
    expression: np.ndarray,
    queries: np.ndarray,
    neighbours: np.ndarray,
    seed: int = 0,
    *,
    heldout: float = 0.2,
    steps: int = 250,
    minibatch: int = 128,
    learning_rate: float = 1e-2,
    starts: int = 3,
    at_once: int = 256,
    device: str = "auto",
) -> np.ndarray:
    """Return the variance of genes that their neighbours explain in held-out cells.

    Methods, "Benchmarking gene neighborhoods": for each query gene a network of k-16-8-4-1 units
    predicts it from its k neighbours. All networks have the same initial weights, cells and order
    of minibatches, so that sets can be compared, and the result of a set does not depend on the
    other sets.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
        Log-normalised. Genes are centred and scaled here, over the training cells.
    queries : ndarray of int, (n_sets,)
        Predicted genes, by column; a gene may have several sets.
    neighbours : ndarray of int, (n_sets, k)
    seed : int
    heldout : float
        Share of the cells that are not used for training, and in which the explained variance is
        measured.
    steps, minibatch, learning_rate : int, int, float
        Of Adam; the learning rate rises to its value and falls to 0 (one cycle).
    starts : int
        Networks that are trained for each set, of which the one with the smallest error in the
        training cells is used: in such narrow networks all relus are often inactive.
    at_once : int
        Sets that are trained together.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    ndarray, (n_sets,), float64
        1 - Var(x - predicted) / Var(x): 1 is perfect, chance is 0 or slightly below. 0 for genes
        that do not vary.

    Raises
    ------
    ValueError
        `heldout` leaves fewer than two cells for training or for measurement, or a set contains
        the gene that it predicts.
    """
    if (neighbours == queries[:, None]).any():
        raise ValueError("neighbours: a set holds the gene that it predicts")
    matrix = np.asarray(expression, dtype=np.float32)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(matrix), generator=generator).numpy()
    n_heldout = round(heldout * len(matrix))
    if min(n_heldout, len(matrix) - n_heldout) < 2:
        raise ValueError(f"heldout: {heldout} of {len(matrix)} cells leaves too few on one side")
    trained, measured = order[n_heldout:], order[:n_heldout]
    centre, scale = matrix[trained].mean(0), matrix[trained].std(0)
    scaled = (matrix - centre) / np.where(scale > 0, scale, 1)
    target = choose_device(device)
    training_cells, measured_cells = (
        torch.from_numpy(scaled[rows]).to(target) for rows in (trained, measured)
    )
    batches = minibatches(len(trained), minibatch, steps, generator).to(target)
    first = _start([neighbours.shape[1], *HIDDEN, 1], starts, generator)

    found = []
    for begin in range(0, len(queries), at_once):
        genes, inputs = (
            torch.as_tensor(part[begin : begin + at_once]).to(target)
            for part in (queries, neighbours)
        )
        layers = [
            (weight.repeat(len(genes), 1, 1).to(target), bias.repeat(len(genes), 1, 1).to(target))
            for weight, bias in first
        ]
        _train(layers, training_cells, genes, inputs, batches, learning_rate)
        error = _residual(layers, training_cells, genes, inputs).square().mean(1)
        best = error.reshape(-1, starts).argmin(1) + starts * torch.arange(len(genes)).to(target)
        kept = [(weight[best], bias[best]) for weight, bias in layers]
        residual = _residual(kept, measured_cells, genes, inputs).double()
        total = measured_cells[:, genes].double().var(0, correction=0)
        share = 1 - residual.var(1, correction=0) / torch.where(total > 0, total, 1)
        found.append(torch.where(total > 0, share, 0).cpu())
    return torch.cat(found).numpy() if found else np.empty(0)


def _start(sizes: list[int], starts: int, generator: torch.Generator) -> list[Layer]:
    """Return Xavier-normal weights (starts, n_in, n_out) and zero biases (starts, 1, n_out)."""
    return [
        (
            torch.randn(starts, n_in, n_out, generator=generator) * math.sqrt(2 / (n_in + n_out)),
            torch.zeros(starts, 1, n_out),
        )
        for n_in, n_out in pairwise(sizes)
    ]


def _predict(layers: list[Layer], observed: Tensor) -> Tensor:
    """Return predictions (stack, n_cells) from (stack, n_cells, k)."""
    (weight, bias), *others = layers
    activation = torch.baddbmm(bias, observed, weight)
    for weight, bias in others:
        activation = torch.baddbmm(bias, torch.relu(activation), weight)
    return activation.squeeze(-1)


def _observed(cells: Tensor, inputs: Tensor, n_networks: int) -> Tensor:
    """Return the neighbours' expression for every network, (stack, n_cells, k)."""
    observed = cells[:, inputs].transpose(0, 1)
    return observed.repeat_interleave(n_networks // len(inputs), 0)


def _train(
    layers: list[Layer],
    cells: Tensor,
    genes: Tensor,
    inputs: Tensor,
    batches: Tensor,
    learning_rate: float,
) -> None:
    """Minimise the squared error of every network, in place."""
    parameters = [part.requires_grad_() for layer in layers for part in layer]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=len(batches), cycle_momentum=False
    )
    n_networks = len(parameters[0])
    for batch in batches:
        optimizer.zero_grad()
        seen = cells[batch]
        predicted = _predict(layers, _observed(seen, inputs, n_networks))
        wanted = seen[:, genes].T.repeat_interleave(n_networks // len(genes), 0)
        ((predicted - wanted).square().sum() / len(batch)).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _residual(layers: list[Layer], cells: Tensor, genes: Tensor, inputs: Tensor) -> Tensor:
    """Return observed minus predicted values, (stack, n_cells)."""
    n_networks = len(layers[0][0])
    wanted = cells[:, genes].T.repeat_interleave(n_networks // len(genes), 0)
    return wanted - _predict(layers, _observed(cells, inputs, n_networks))
