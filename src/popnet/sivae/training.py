"""Training in three stages (Methods, "Training procedure for siVAE"), many models together.

All models of a stack have the same shape. Their parameters are stacked along a first axis, so that
a GPU computes all of them at the same time. The models are independent: each gives the numbers that
it would give alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.adam import adam
from torch.utils._pytree import tree_map

from popnet.sivae.data import minibatches
from popnet.sivae.model import Dense, SiVAE
from popnet.sivae.objective import (
    Minibatch,
    Terms,
    cell_terms,
    feature_terms,
    gene_memory,
    joint_terms,
    remembering_joint_terms,
    total_loss,
)
from popnet.sivae.settings import Settings

# As in the authors' code: warm-up of the KL terms, decay of the learning rate, norm to which
# stage 2's gradient is clipped.
WARM_UP_STEPS = 1000
DECAY = 0.9
DECAY_STEPS = 1000
CLIP_NORM = 5.0
# Of Adam, its defaults everywhere.
BETAS = (0.9, 0.999)
EPSILON = 1e-8

# Share of a one-cycle stage in which the learning rate rises, and its value at both ends relative
# to the peak.
RISE = 0.15
REMAINDER = 0.02

LOSS_TERMS = ("total", "reconstruction", "kl_cells", "kl_features", "interpretability", "l2")
STAGES = ("cells", "features", "joint")
RECORDS_PER_STAGE = 100
# Number of genes up to which the cell-wise networks see all genes, also those not drawn in a step.
MOST_REMEMBERED = 30_000
# Random numbers that are drawn together, as a compromise between calls and memory.
DRAWN_AT_ONCE = 2**20

Progress = Callable[[str, int, int, float], None]


class DivergedError(RuntimeError):
    """Raised if a loss is not finite; `stage` and `step` say where this was detected."""

    def __init__(self, stage: str, step: int):
        self.stage = stage
        self.step = step
        super().__init__(
            f"training diverged: the loss is not finite at step {step} of stage {stage!r}; "
            "a smaller learning rate usually helps"
        )


class TrainingSet(NamedTuple):
    """The training data of the models of a stack, one data set per model.

    Parameters
    ----------
    n_cells, n_genes : int
        Training cells, and genes, of each.
    minibatches : callable
        Takes a number of steps and returns as many `Minibatch`, each of shape
        (stack, minibatch, ·), on the device.
    features : Tensor, (stack, n_genes, n_feature_input)
        Input of the feature-wise encoder, on the device.
    """

    n_cells: int
    n_genes: int
    minibatches: Callable[[int], Iterator[Minibatch]]
    features: Tensor


class _Caller(nn.Module):
    def __init__(self, model: SiVAE):
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Any], *inputs: Any) -> Any:
        return function(self.model, *inputs)


class _Stack:
    """The parameters of models, stacked along a first axis, and the evaluation of all models."""

    def __init__(self, models: Sequence[SiVAE], device: torch.device):
        self.models = models
        callers = [_Caller(model) for model in models]
        self.skeleton = copy.deepcopy(callers[0]).to("meta")
        for module in self.skeleton.modules():
            if isinstance(module, Dense):
                module.stacked = len(models) > 1
        self.parameters = {
            name: _stacked([caller.get_parameter(name).detach() for caller in callers], device)
            for name, _ in callers[0].named_parameters()
        }
        for parameter in self.parameters.values():
            parameter.requires_grad_()
        self.buffers = {
            name: _stacked([caller.get_buffer(name) for caller in callers], device)
            for name, _ in callers[0].named_buffers()
        }

    def __call__(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Return `function` of every model, stacked along a first axis."""

        def one(state: dict[str, Tensor], inputs: tuple[Any, ...]) -> Any:
            return functional_call(self.skeleton, state, (function, *inputs))

        state = self.parameters | self.buffers
        if len(self.models) > 1:
            return vmap(one)(state, inputs)
        state, inputs = tree_map(lambda tensor: tensor.squeeze(0), (state, inputs))
        return tree_map(lambda tensor: tensor.unsqueeze(0), one(state, inputs))

    def write_back(self) -> None:
        """Write the parameters back to the models."""
        for position, model in enumerate(self.models):
            model.load_state_dict(
                {
                    name.removeprefix("model."): stacked[position].detach().cpu()
                    for name, stacked in (self.parameters | self.buffers).items()
                }
            )


def _stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    # A single model is not copied: with 240,000 features it takes gigabytes.
    together = tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(list(tensors))
    return together.to(device)


def train(
    models: Sequence[SiVAE],
    data: TrainingSet,
    settings: Settings,
    generators: Sequence[torch.Generator],
    device: torch.device,
    precision: str,
    progress: Progress | None = None,
    stages: Sequence[str] = STAGES,
) -> tuple[list[pd.DataFrame], list[DivergedError | None]]:
    """Train the models in place.

    Parameters
    ----------
    models : sequence of SiVAE
        On the CPU, where they stay.
    data : TrainingSet
    settings : Settings
    generators : sequence of torch.Generator
        One per model, on the CPU, for all its random numbers except the minibatches of cells.
    device : torch.device
    precision : {"float32", "bf16"}
    progress : callable, optional
        Called about 100 times per stage, with stage, step, number of steps of the stage, and mean
        loss.
    stages : sequence of {"cells", "features", "joint"}
        Those to run, if the model has them; "joint" alone for models that are trained already.

    Returns
    -------
    list of DataFrame
        Losses of each model, see `Fit`.
    list of DivergedError or None
        The error of each model that failed.
    """
    stack = _Stack(models, device)
    noise_generators = [
        torch.Generator(device).manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
        for generator in generators
    ]
    n_genes = data.n_genes
    n_drawn = min(settings.genes_per_step or n_genes, n_genes)
    # The last column is the noise of the library size.
    width = settings.latent + (settings.likelihood == "nb")

    def rows(n: int, size: int, n_steps: int) -> Tensor:
        drawn = [minibatches(n, size, n_steps, generator) for generator in generators]
        return torch.stack(drawn, 1).to(device)

    def genes(n_steps: int) -> Iterator[tuple[Tensor, ...]]:
        if n_drawn == n_genes:
            return iter([()] * n_steps)
        return ((drawn,) for drawn in rows(n_genes, n_drawn, n_steps))

    def cell_stage(n_steps: int) -> Iterator[Terms]:
        size = min(settings.minibatch, data.n_cells)
        noise = _noise(noise_generators, n_steps, size, width, device)
        steps = zip(data.minibatches(n_steps), noise, genes(n_steps), strict=True)
        for cells, drawn_noise, drawn in steps:
            yield stack(cell_terms, cells, drawn_noise, *drawn)

    def feature_stage(n_steps: int) -> Iterator[Terms]:
        size = min(settings.minibatch, n_genes)
        noise = _noise(noise_generators, n_steps, size, settings.latent, device)
        for chosen, drawn_noise in zip(rows(n_genes, size, n_steps), noise, strict=True):
            yield stack(feature_terms, _take(data.features, chosen), chosen, drawn_noise)

    def joint_stage(n_steps: int) -> Iterator[Terms]:
        size = min(settings.minibatch, data.n_cells)
        noise = _noise(noise_generators, n_steps, size + n_drawn, width, device)
        steps = zip(data.minibatches(n_steps), noise, genes(n_steps), strict=True)
        memory = None
        if n_drawn < n_genes <= MOST_REMEMBERED:
            memory = stack(gene_memory, data.features)
        for cells, drawn_noise, drawn in steps:
            features = _take(data.features, drawn[0]) if drawn else data.features
            cell_noise, feature_noise = torch.split(drawn_noise, [size, n_drawn], 1)
            feature_noise = feature_noise[..., : settings.latent]
            inputs = (cells, features, cell_noise, feature_noise, *drawn)
            if memory is None:
                yield stack(joint_terms, *inputs)
            else:
                yield stack(remembering_joint_terms, *inputs, memory)

    wanted = stages if settings.model == "sivae" else STAGES[:1]
    records: list[list[dict[str, Any]]] = [[] for _ in models]
    failures: list[DivergedError | None] = [None] * len(models)
    every_steps = settings.steps_for(data.n_cells)
    every_stage = zip(STAGES, (cell_stage, feature_stage, joint_stage), every_steps, strict=True)
    for stage, terms_of, n_steps in every_stage:
        if stage not in wanted:
            continue
        optimizer = _Adam(stack.parameters, settings)
        warm_up = max(1, min(WARM_UP_STEPS, n_steps // 2))
        record_every = max(1, n_steps // RECORDS_PER_STAGE)
        steps = terms_of(n_steps)
        for step in range(n_steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                terms = next(steps)
            losses = total_loss(terms, settings.kl * min(1.0, step / warm_up), settings.gamma)
            losses.sum().backward()
            if stage == "features":
                _clip(stack.parameters)
            if step % record_every == 0 or step == n_steps - 1:
                # Only here does the program wait for the GPU.
                penalty = torch.zeros_like(losses) + optimizer.penalty()
                names = ("total", *terms, "l2")
                table = torch.stack([losses + penalty, *terms.values(), penalty], 1).tolist()
                for position, values in enumerate(table):
                    if failures[position] is not None:
                        continue
                    if not math.isfinite(values[0]):
                        failures[position] = DivergedError(stage, step + 1)
                    named = dict(zip(names, values, strict=True))
                    records[position].append({"stage": stage, "step": step + 1} | named)
                if all(failures):
                    break
                if progress is not None:
                    alive = [
                        values[0]
                        for values, failed in zip(table, failures, strict=True)
                        if failed is None
                    ]
                    progress(stage, step + 1, n_steps, sum(alive) / len(alive))
            optimizer.step(settings.learning_rate * _rate(settings.schedule, step, n_steps))
        if all(failures):
            break
    stack.write_back()
    columns = ["stage", "step", *LOSS_TERMS]
    return [pd.DataFrame(record, columns=columns) for record in records], failures


def _noise(
    generators: Sequence[torch.Generator], n_steps: int, n: int, width: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield the standard normal noise of each step, (stack, n, width)."""
    at_once = max(1, min(n_steps, DRAWN_AT_ONCE // (n * width)))
    for start in range(0, n_steps, at_once):
        shape = (at_once, n, width)
        drawn = [torch.randn(shape, generator=one, device=device) for one in generators]
        yield from torch.stack(drawn, 1)[: n_steps - start]


def _take(tensor: Tensor, rows: Tensor) -> Tensor:
    """Rows (stack, m) of a tensor (stack, n, ·)."""
    return tensor[torch.arange(len(rows), device=rows.device)[:, None], rows]


def _rate(schedule: str, step: int, n_steps: int) -> float:
    """Learning rate of a step (counted from 0) as a share of the setting."""
    if schedule == "decay":
        return DECAY ** (step // DECAY_STEPS)
    rise = max(1, round(RISE * n_steps))
    if step < rise:
        share = (step + 1) / rise
    else:
        share = 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, n_steps - rise)))
    return REMAINDER + (1 - REMAINDER) * share


class _Adam:
    """Adam whose weight decay is the gradient of the L2 penalty on weights (not on biases).

    Parameters without a gradient in a stage do not change. This is `torch.optim.Adam` without its
    class, which loads a compiler (1.5 s of every job).
    """

    def __init__(self, parameters: dict[str, Tensor], settings: Settings):
        self.groups: dict[float, list[Tensor]] = {}
        self.state: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}
        for name, parameter in parameters.items():
            of_cells, of_features = settings.l2
            penalty = of_features if name.startswith("model.features.") else of_cells
            decay = 2 * penalty if name.endswith("weight") else 0.0
            self.groups.setdefault(decay, []).append(parameter)

    def trained(self) -> Iterator[tuple[float, list[Tensor]]]:
        """Yield the weight decay of each group, and its parameters that have a gradient."""
        for decay, group in self.groups.items():
            if chosen := [parameter for parameter in group if parameter.grad is not None]:
                yield decay, chosen

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change the parameters by their gradients, which are then forgotten."""
        for decay, chosen in self.trained():
            for each in chosen:
                if each not in self.state:
                    count = torch.zeros((), device=each.device)
                    self.state[each] = torch.zeros_like(each), torch.zeros_like(each), count
            means, squares, counts = zip(*(self.state[each] for each in chosen), strict=True)
            adam(
                chosen,
                [each.grad for each in chosen if each.grad is not None],
                list(means),
                list(squares),
                [],
                list(counts),
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=decay,
                eps=EPSILON,
                maximize=False,
            )
            for each in chosen:
                each.grad = None

    @torch.no_grad()
    def penalty(self) -> Tensor | float:
        """Return the penalty of each model whose gradient `step` adds, (stack,); 0 if none is."""
        return sum(
            0.5 * decay * torch.linalg.vector_norm(weight.flatten(1), dim=1).square()
            for decay, chosen in self.trained()
            for weight in chosen
            if decay
        )


@torch.no_grad()
def _clip(parameters: dict[str, Tensor]) -> None:
    """Scale the gradient of each model to a norm of at most CLIP_NORM."""
    gradients = [p.grad for p in parameters.values() if p.grad is not None]
    squares = [gradient.square().flatten(1).sum(1) for gradient in gradients]
    scale = (CLIP_NORM / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))
