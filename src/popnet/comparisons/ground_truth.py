"""The paper's ground truth of degree centrality: how well one gene predicts all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from popnet.seeds import derive_seed
from popnet.sivae.data import minibatches
from popnet.sivae.fitting import choose_device, choose_precision

HIDDEN = (128, 512, 1024)


CELLS_AT_ONCE = 256


Layer = tuple[Tensor, Tensor]


def predictive_centrality(
    expression: np.ndarray,
    genes: Sequence[int] | np.ndarray | None = None,
    seed: int = 0,
    *,
    heldout: float = 0.2,
    steps: int = 200,
    minibatch: int = 128,
    learning_rate: float = 1e-3,
    at_once: int = 8,
    precision: str = "auto",
    device: str = "auto",
) -> np.ndarray:
    """Return the share of variance of all other genes that each gene explains, averaged over them.

    Methods, "Estimating the ground truth degree centrality": for each query gene a network of
    1-128-512-1024-G units predicts all other genes. `at_once` networks are trained together; the
    result of a network depends on its gene and the seed, but not on the other networks.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
        Log-normalised. Genes are centred and scaled here, over the training cells.
    genes : sequence of int, optional
        Query genes, by column; all of them by default. All genes are predicted.
    seed : int
    heldout : float
        Share of the cells that are not used for training, and in which the explained variance is
        measured. 0 measures it in the training cells, which overestimates it: networks overfit,
        the more the fewer cells there are.
    steps, minibatch, learning_rate : int, int, float
        Of Adam; the learning rate rises to its value and falls to 0 (one cycle).
    at_once : int
        Networks that are trained together: more for a GPU, at 40 MB each for 2,000 genes.
    precision, device : str
        As in `sivae.fit`.

    Returns
    -------
    ndarray, (n_queries,), float64
        1 is perfect; chance is 0, or slightly below. Genes that do not vary in the cells of the
        measurement are not averaged over; as queries they explain nothing.

    Raises
    ------
    ValueError
        `expression` is not a finite matrix with at least two genes, `heldout` leaves fewer than
        two cells for training or measurement, or a query is not a column.
    """
    matrix = np.asarray(expression, dtype=np.float32)
    if matrix.ndim != 2 or matrix.shape[1] < 2 or not np.isfinite(matrix).all():
        raise ValueError(
            f"expression: finite cells x genes needed, two genes at least; got {matrix.shape}"
        )
    n_cells, n_genes = matrix.shape
    queries = torch.as_tensor(np.arange(n_genes) if genes is None else np.asarray(genes, int))
    if len(queries) and not 0 <= queries.min() <= queries.max() < n_genes:
        raise ValueError(f"genes: columns are 0 to {n_genes - 1}, got {queries.tolist()}")
    target = choose_device(device)
    low = choose_precision(precision, target) == "bf16"

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n_cells, generator=generator).numpy()
    n_heldout = round(heldout * n_cells)
    trained, measured = order[n_heldout:], order[:n_heldout] if n_heldout else order
    if min(len(trained), len(measured)) < 2:
        raise ValueError(f"heldout: {heldout} of {n_cells} cells leaves too few on one side")
    centre, scale = matrix[trained].mean(0), matrix[trained].std(0)
    scale = np.where(scale > 0, scale, 1)
    cells = torch.from_numpy((matrix - centre) / scale).to(target)
    training_cells = cells[torch.from_numpy(trained)]
    batches = minibatches(len(trained), minibatch, steps, generator).to(target)

    found = []
    for start in range(0, len(queries), at_once):
        chosen = queries[start : start + at_once]
        layers = _start([1, *HIDDEN, n_genes], [derive_seed(seed, q) for q in chosen.tolist()])
        layers = [(weight.to(target), bias.to(target)) for weight, bias in layers]
        chosen = chosen.to(target)
        _train(layers, training_cells, chosen, batches, learning_rate, low)
        found.append(_explained(layers, cells[torch.from_numpy(measured)], chosen, low))
    return torch.cat(found).cpu().numpy() if found else np.empty(0)


def _start(sizes: Sequence[int], seeds: Sequence[int]) -> list[Layer]:
    """Return Xavier-normal weights (stack, n_in, n_out) and zero biases (stack, 1, n_out)."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return [
        (
            torch.stack([torch.randn(n_in, n_out, generator=one) for one in generators])
            * math.sqrt(2 / (n_in + n_out)),
            torch.zeros(len(seeds), 1, n_out),
        )
        for n_in, n_out in pairwise(sizes)
    ]


def _predict(layers: list[Layer], query: Tensor, low: bool) -> Tensor:
    """Return predictions (stack, n_cells, n_genes) from the query genes (n_cells, stack)."""
    (weight, bias), *others = layers
    # Autocast keeps its copies of the weights until it ends: one context for each step.
    with torch.autocast(query.device.type, torch.bfloat16, enabled=low):
        activation = query.T.unsqueeze(-1) * weight + bias
        for weight, bias in others:
            activation = torch.baddbmm(bias, torch.relu(activation), weight)
    return activation.float()


def _train(
    layers: list[Layer],
    cells: Tensor,
    queries: Tensor,
    batches: Tensor,
    learning_rate: float,
    low: bool,
) -> None:
    """Minimise the squared error of all genes but the query, in place."""
    parameters = [part.requires_grad_() for layer in layers for part in layer]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=len(batches), cycle_momentum=False
    )
    others = _others(queries, cells.shape[1])
    for batch in batches:
        optimizer.zero_grad()
        observed = cells[batch]
        error = (_predict(layers, observed[:, queries], low) - observed) * others
        (error.square().sum() / len(batch)).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _explained(layers: list[Layer], cells: Tensor, queries: Tensor, low: bool) -> Tensor:
    """Return 1 - Var(X - predicted) / Var(X) averaged over the other genes, (stack,)."""
    n_cells, n_genes = cells.shape
    sums = torch.zeros(2, len(queries), n_genes, dtype=torch.float64, device=cells.device)
    for block in cells.split(CELLS_AT_ONCE):
        residual = block - _predict(layers, block[:, queries], low)
        sums[0] += residual.sum(1)
        sums[1] += residual.square().sum(1)
    mean, mean_square = sums / n_cells
    total = cells.double().var(0, correction=0)
    varies = total > 0
    explained = 1 - (mean_square - mean.square()) / torch.where(varies, total, 1)
    counted = _others(queries, n_genes).squeeze(1) * varies
    return (explained * counted).sum(1) / counted.sum(1).clamp(min=1)


def _others(queries: Tensor, n_genes: int) -> Tensor:
    """Return 0 for the query gene of each network and 1 for other genes, (stack, 1, n_genes)."""
    mask = torch.ones(len(queries), 1, n_genes, device=queries.device)
    mask[torch.arange(len(queries)), 0, queries] = 0
    return mask
