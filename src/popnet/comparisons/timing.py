"""Times of training siVAE, and of training and interpreting a VAE."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import jvp

from popnet import sivae
from popnet.comparisons.explained import cell_decoder
from popnet.comparisons.interpretations.integrated_gradients import (
    STEPS,
    body_jacobian,
    quadrature,
)
from popnet.comparisons.interpretations.relu import (
    body_and_head,
    jacobian,
    multipliers,
    rescaled,
    weights_of,
)
from popnet.comparisons.interpretations.shapley import PERMUTATIONS
from popnet.seeds import derive_seed

# Seconds after which a measurement is extrapolated. The number of timed training steps is limited
# by the number of expression values.
BUDGET = 1.0
STEPS_TIMED = (4, 40)
GENES_TIMED = 40_000
# Values of attributions or activations in memory.
VALUES_AT_ONCE = 2**23
# Number of factors of the simulated cells.
FACTORS = 10

COLUMNS = ["method", "mode", "n_genes", "latent", "n_cells", "seconds", "total", "extrapolated"]


def simulated_cells(n_cells: int, n_genes: int, seed: int) -> np.ndarray:
    """Return expression that varies along a few factors, (n_cells, n_genes), float32."""
    rng = np.random.default_rng(derive_seed(seed, "cells to time on", n_cells, n_genes))
    factors = rng.standard_normal((n_cells, FACTORS), np.float32)
    expression = rng.standard_normal((n_cells, n_genes), np.float32)
    expression += factors @ rng.standard_normal((FACTORS, n_genes), np.float32) / FACTORS**0.5
    return expression


def sizes(latents: list[int], genes: list[int]) -> list[tuple[int, int]]:
    """Return (genes, latent dimensions) to time: one varies while the other is at its smallest."""
    grown = [(min(genes), latent) for latent in sorted(latents)]
    return list(dict.fromkeys(grown + [(n, min(latents)) for n in sorted(genes)]))


def time_size(
    settings: sivae.Settings,
    n_cells: int,
    n_genes: int,
    latent: int,
    seed: int,
) -> pd.DataFrame:
    """Time siVAE, a VAE, and each attribution of all its genes to all its dimensions.

    Longer computations are measured for a part of the steps, genes, dimensions or cells, and
    extrapolated linearly. The principal components that summarise the attributions are not
    included. Everything runs on the CPU, and seconds are the CPU time of this process.

    Parameters
    ----------
    settings : Settings
        Of siVAE. The VAE has the cell-wise part of them, and as many steps as siVAE's cell-wise
        networks have in their two stages.
    n_cells, n_genes, latent : int
    seed : int

    Returns
    -------
    DataFrame
        `COLUMNS`. Methods "sivae" (with `settings`), "sivae-paper" (with the plan of the authors'
        code) and "vae" have mode "training". `seconds` are those of the row alone, measured or
        `extrapolated`; `total` adds the VAE's training to an attribution. Modes of attributions
        are "reverse" (one gene after the other, as in the packages that the paper used), "forward"
        (one dimension after the other) and "at once" (closed forms for relu networks).
    """
    expression = simulated_cells(n_cells, n_genes, seed)
    settings = replace(settings, latent=latent, heldout=0.0)
    paper = sivae.settings_for("sivae", "paper", latent=latent, hidden=settings.hidden)
    cell_steps, _, joint_steps = settings.steps_for(n_cells)
    vae = settings.with_steps((cell_steps + joint_steps, 1, 1), model="vae", gamma=0.0)
    about = {"n_genes": n_genes, "latent": latent, "n_cells": n_cells}
    rows: list[dict[str, Any]] = []
    for name, chosen in (("sivae", settings), ("sivae-paper", paper), ("vae", vae)):
        fit, seconds, extrapolated = time_training(expression, chosen, seed)
        rows.append(
            {"method": name, "mode": "training", "seconds": seconds, "extrapolated": extrapolated}
        )
    decoder, z = cell_decoder(fit), torch.from_numpy(fit.scores)
    trained = rows[-1]
    for row in rows:
        row["total"] = row["seconds"]
    for (method, mode), stages in attributions(decoder, z).items():
        seconds, extrapolated = extrapolate(*stages)
        rows.append(
            {
                "method": method,
                "mode": mode,
                "seconds": seconds,
                "total": trained["seconds"] + seconds,
                "extrapolated": extrapolated,
            }
        )
    return pd.DataFrame([about | row for row in rows], columns=COLUMNS)


def ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Add `ratio`: the total relative to training siVAE of the same size in the same run."""
    size = ["n_genes", "latent", "n_cells"]
    ours = times.loc[times["method"] == "sivae", [*size, "total"]]
    reference = times[size].merge(ours, "left", size)["total"].to_numpy()
    return times.assign(ratio=times["total"] / reference)


def time_training(
    expression: np.ndarray, settings: sivae.Settings, seed: int
) -> tuple[sivae.Fit, float, bool]:
    """Return a fit of few steps, the seconds of a full fit, and whether they are extrapolated."""
    whole = settings.steps_for(len(expression))
    n_timed = int(np.clip(GENES_TIMED // expression.shape[1], *STEPS_TIMED))
    steps = tuple(min(n, n_timed) for n in whole)
    clock = _Clock()
    begin = time.process_time()
    timed = settings.with_steps(steps)
    fit = sivae.fit(expression, timed, seed, "cpu", progress=clock)
    seconds = time.process_time() - begin
    if steps == tuple(whole):
        return fit, seconds, False
    per_step = {
        stage: (last - first) / max(n - 1, 1) for stage, (n, first, last) in clock.seen.items()
    }
    # A VAE only has the first stage.
    left = sum(
        per_step[stage] * (n - timed)
        for stage, n, timed in zip(per_step, whole, steps, strict=False)
    )
    return fit, seconds + left, True


class _Clock:
    """Records the time of the first and the last step of each stage."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, float, float]] = {}

    def __call__(self, stage: str, step: int, n_steps: int, loss: float) -> None:
        now = time.process_time()
        first = self.seen[stage][1] if stage in self.seen else now
        self.seen[stage] = (step, first, now)


# A computation in parts, each with its share of the whole; shares add up to 1.
Parts = Iterator[tuple[float, Callable[[], object]]]


def extrapolate(*stages: Parts, budget: float = BUDGET) -> tuple[float, bool]:
    """Return the seconds of all stages and whether some parts were left out.

    Parts are left out after `budget` seconds of a stage. The first part is run once before timing,
    because memory is allocated then.
    """
    seconds, extrapolated = 0.0, False
    for parts in stages:
        spent = done = 0.0
        for share, part in parts:
            if not done:
                part()
            begin = time.process_time()
            part()
            spent += time.process_time() - begin
            done += share
            if spent > budget:
                break
        # Shares add up to 1 within rounding.
        left_out = done < 1 - 1e-9
        seconds += spent / done if left_out else spent
        extrapolated |= left_out
    return seconds, extrapolated


def attributions(decoder: nn.Sequential, z: Tensor) -> dict[tuple[str, str], list[Parts]]:
    """Return, by method and mode, the attribution of all genes of all cells to all dimensions."""
    body, head = body_and_head(decoder)
    n_genes, latent = len(head), z.shape[1]
    # Number of cells per block, by the number of values per cell.
    passes = _blocks(z, n_genes)
    paths = _blocks(z, STEPS * n_genes)
    tables = _blocks(z, latent * max(head.shape))

    def over_genes(
        attribute: Callable[[nn.Sequential, Tensor, int], object],
        blocks: Sequence[Tensor] = passes,
        times: int = 1,
    ) -> Parts:
        for gene in range(n_genes):
            for share, block in _shares(blocks, times):
                yield share / n_genes, partial(attribute, decoder, block, gene)

    def over_dimensions(attribute: Callable[[nn.Sequential, Tensor, int], object]) -> Parts:
        for dimension in range(latent):
            for share, block in _shares(passes):
                yield share / latent, partial(attribute, decoder, block, dimension)

    def at_once(
        attribute: Callable[[Tensor], object],
        blocks: Sequence[Tensor] = tables,
        times: int = 1,
    ) -> Parts:
        for share, block in _shares(blocks, times):
            yield share, partial(attribute, block)

    @torch.no_grad()
    def hidden(block: Tensor) -> Tensor:
        return body(block)

    @torch.no_grad()
    def last_layer(block: Tensor) -> Tensor:
        return head @ block.new_ones(len(block), head.shape[1], latent)

    # Inputs are added one after the other, once for each permutation.
    joins = PERMUTATIONS * latent
    return {
        ("saliency", "reverse"): [over_genes(_saliency_of_gene)],
        ("saliency", "forward"): [over_dimensions(_saliency_along)],
        ("saliency", "at once"): [at_once(lambda x: jacobian(decoder, x).abs_())],
        ("gradient-input", "reverse"): [over_genes(_gradient_input_of_gene)],
        ("gradient-input", "forward"): [over_dimensions(_gradient_input_along)],
        ("gradient-input", "at once"): [at_once(lambda x: jacobian(decoder, x) * x[:, None])],
        ("deeplift", "reverse"): [over_genes(_deeplift_of_gene)],
        ("deeplift", "at once"): [at_once(lambda x: multipliers(decoder, x) * x[:, None])],
        ("integrated-gradients", "reverse"): [over_genes(_path_of_gene, paths)],
        ("integrated-gradients", "at once"): [
            at_once(partial(body_jacobian, body), times=STEPS),
            at_once(last_layer),
        ],
        ("shapley", "reverse"): [over_genes(_output_of_gene, times=joins)],
        ("shapley", "at once"): [at_once(hidden, passes, joins), at_once(last_layer)],
    }


def _blocks(z: Tensor, values: int) -> Sequence[Tensor]:
    """Return the cells in blocks, given the number of values per cell in memory."""
    return z.split(max(1, VALUES_AT_ONCE // values))


def _shares(blocks: Sequence[Tensor], times: int = 1) -> Iterator[tuple[float, Tensor]]:
    """Return each block this many times, with its share of the whole computation."""
    n_cells = sum(map(len, blocks))
    for block in blocks:
        for _ in range(times):
            yield len(block) / n_cells / times, block


def _gradient_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    """Return a gene's derivatives by reverse mode, with a full forward and backward pass."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(decoder(x)[:, gene].sum(), x)[0]


def _saliency_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    return _gradient_of_gene(decoder, x, gene).abs()


def _gradient_input_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    return _gradient_of_gene(decoder, x, gene) * x


def _deeplift_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    """Return a gene's contributions: cells and baselines go forward, multipliers backward."""
    slopes = rescaled(decoder, x, torch.zeros_like(x))
    weights = weights_of(decoder)
    back = torch.zeros(len(x), len(weights[-1]))
    back[:, gene] = 1
    for weight, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        back = (back @ weight) * slope
    return back @ weights[0] * x


def _path_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    nodes, shares = map(torch.tensor, quadrature())
    along = _gradient_of_gene(decoder, (nodes[:, None, None] * x).flatten(0, 1), gene)
    return torch.tensordot(shares, along.unflatten(0, (len(nodes), len(x))), 1) * x


@torch.no_grad()
def _output_of_gene(decoder: nn.Sequential, x: Tensor, gene: int) -> Tensor:
    return decoder(x)[:, gene]


@torch.no_grad()
def _gradient_along(decoder: nn.Sequential, x: Tensor, dimension: int) -> Tensor:
    """Return the derivatives of all genes along a dimension, by forward mode."""
    direction = torch.zeros_like(x)
    direction[:, dimension] = 1
    return jvp(decoder, (x,), (direction,))[1]


def _saliency_along(decoder: nn.Sequential, x: Tensor, dimension: int) -> Tensor:
    return _gradient_along(decoder, x, dimension).abs()


def _gradient_input_along(decoder: nn.Sequential, x: Tensor, dimension: int) -> Tensor:
    return _gradient_along(decoder, x, dimension) * x[:, dimension, None]
