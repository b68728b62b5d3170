"""From expression to a trained siVAE: one data set, or several of the same shape together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from popnet.memory import peak_memory as resident_peak
from popnet.sivae.covariates import Covariates
from popnet.sivae.data import (
    Cells,
    Transform,
    feature_input,
    fit_transform,
    minibatches,
    open_cells,
    projected_scores,
    stratified,
    streamed_minibatches,
)
from popnet.sivae.model import SiVAE
from popnet.sivae.objective import Minibatch, cell_terms, joint_terms, total_loss
from popnet.sivae.result import Fit, as_minibatch, blocks, predict
from popnet.sivae.settings import Settings, settings_for
from popnet.sivae.training import (
    MOST_REMEMBERED,
    STAGES,
    DivergedError,
    Progress,
    TrainingSet,
    train,
)

# A latent dimension whose posterior mean varies less than this over cells is unused
# (Burda et al. 2016).
ACTIVE_VARIANCE = 0.01

# The held-out loss is an average over draws from the posterior; limits of the bytes of cells, and
# of the genes, that are used for it.
HELDOUT_DRAWS = 4
HELDOUT_BYTES = 2**28
HELDOUT_GENES = 5000

TINY = float(np.finfo(np.float32).tiny)

# Share of the free GPU memory that a stack may use.
USABLE_MEMORY = 0.8

Device = Literal["auto", "cpu", "cuda"]


def fit(
    data: Any,
    settings: Settings | None = None,
    seed: int = 0,
    device: Device = "auto",
    *,
    rows: Sequence[int] | np.ndarray | None = None,
    start: Fit | None = None,
    heldout: Sequence[bool] | np.ndarray | None = None,
    strata: str | Sequence[Any] | None = None,
    covariates: Sequence[str] = (),
    progress: Progress | None = None,
) -> Fit:
    """Train siVAE on cells.

    The result depends only on the arguments, the type of device and the precision. A rerun on the
    same machine gives an identical result. Another number of threads, or other models in the same
    stack on a GPU, change rounding, which training amplifies.

    Parameters
    ----------
    data : AnnData, ndarray or sparse matrix, (n_cells, n_genes)
        Log-normalised expression, or raw counts for likelihood "nb". An AnnData may be backed
        by its file: if its dense form would take more than 1 GiB, it is read in minibatches. Some
        genes may be constant, but not all.
    settings : Settings, optional
        By default `settings_for()`, which has the fast plan.
    seed : int
        All random numbers follow from it.
    device : {"auto", "cpu", "cuda"}
    rows : sequence of int, optional
        Positions of the cells to use, in any order; by default all. They are all the fit knows:
        its results are of these cells, and of a backed AnnData no others are kept in memory.
    start : Fit, optional
        A fit to other cells with the same genes, whose feature input is "pca". Training goes on
        from its parameters, with the joint stage alone (:meth:`Settings.warm`). The input of genes
        are the scores on its components. Held-out cells are unseen only if the start was not
        trained on them, either.
    heldout : sequence of bool, optional
        Which of the cells used are held out; by default a random share, `settings.heldout`.
    strata : str or sequence of (n_cells,), optional
        Labels of the cells used, or the column of obs that has them. Held-out and downsampled
        cells have the same proportions of labels as all of these cells.
    covariates : sequence of str
        Columns of obs, such as the batch, whose effect is modelled separately from the scores
        (equations 21 to 23). Only a `kl` near 1 keeps the effect out of the scores.
    progress : callable, optional
        Called about 100 times per stage, with stage, step, number of steps of the stage, and loss.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        The expression is empty, constant or not finite (for "nb": negative or not integers), no
        cell is left for training, or `start` is of another shape.
    IndexError
        There is no cell at one of `rows`.
    RuntimeError
        The device is not available, or does not support bfloat16.
    DivergedError
        A loss is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from popnet import sivae
    >>> expression = np.random.default_rng(0).normal(size=(200, 30))
    >>> settings = sivae.settings_for(latent=2, hidden=[32, 16], steps=[20, 20, 20])
    >>> sivae.fit(expression, settings, seed=1).loadings.shape
    (30, 2)
    """
    cells = open_cells(data, rows)
    prepared = _prepared([cells], settings, [seed], device, [heldout], [strata], covariates, start)
    (result,) = train_prepared(prepared, progress)
    if isinstance(result, DivergedError):
        raise result
    return result


def fit_stack(
    data: Sequence[Any],
    settings: Settings | None = None,
    seeds: Sequence[int] = (0,),
    device: Device = "auto",
    *,
    start: Fit | None = None,
    heldout: Sequence[np.ndarray] | None = None,
    covariates: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Fit | DivergedError]:
    """Train one siVAE on each of several data sets of the same shape, at the same time.

    On a GPU this is much faster than one after another. Each result equals that of `fit`, within
    rounding. Parameters are those of `fit`, with one seed, and `heldout`, for each data set.

    Returns
    -------
    list of Fit or DivergedError
        In the order of `data`. A model that diverges does not affect the others.

    Raises
    ------
    ValueError
        As for `fit`; or the numbers of cells, genes or covariates differ between data sets.
    """
    if not len(data) and not len(seeds):
        return []
    prepared = prepare_stack(
        data, settings, seeds, device, start=start, heldout=heldout, covariates=covariates
    )
    return train_prepared(prepared, progress)


def prepare_stack(
    data: Sequence[Any],
    settings: Settings | None = None,
    seeds: Sequence[int] = (0,),
    device: Device = "auto",
    *,
    start: Fit | None = None,
    heldout: Sequence[np.ndarray] | None = None,
    covariates: Sequence[str] = (),
) -> Prepared:
    """Return data sets that are ready to train: the first half of `fit_stack`.

    It may run in another thread while others train (:func:`train_prepared`). What it needs of a
    GPU is a few megabytes per data set, one after another.

    Parameters
    ----------
    data, settings, seeds, device, start, heldout, covariates
        As of `fit_stack`.

    Raises
    ------
    ValueError
        As for `fit`; or there is not one seed for each data set.
    """
    if len(seeds) != len(data):
        raise ValueError(f"seeds: {len(seeds)} for {len(data)} data sets; give each its own")
    cells = [open_cells(one) for one in data]
    none = [None] * len(data)
    return _prepared(cells, settings, seeds, device, heldout or none, none, covariates, start)


def stack_size(settings: Settings, n_cells: int, n_genes: int, device: str = "auto") -> int:
    """Return how many models to train together: as many as fit into free GPU memory; 1 on a CPU.

    Parameters
    ----------
    settings : Settings
    n_cells, n_genes : int
        Of each data set.
    device : {"auto", "cpu", "cuda"}
    """
    target = choose_device(device)
    if target.type == "cpu":
        return 1
    free, _ = torch.cuda.mem_get_info(target)
    fitting = int(USABLE_MEMORY * free / bytes_per_model(settings, n_cells, n_genes))
    return max(1, fitting)


def bytes_per_model(settings: Settings, n_cells: int, n_genes: int) -> int:
    """Return the memory that training needs per model of a stack, estimated from the shapes.

    Within 20 % of what its tensors take in float32 (tests/unit/sivae/test_stack.py).
    """
    size = settings.feature_input.size
    n_input = min(n_cells, size or n_cells)
    with torch.device("meta"):
        model = SiVAE(n_genes, n_input, settings, torch.Generator())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    n_drawn = min(settings.genes_per_step or n_genes, n_genes)
    widths = 2 * sum(settings.hidden) + 4 * settings.latent
    remembers = n_drawn < n_genes <= MOST_REMEMBERED
    n_decoded = n_genes if remembers else n_drawn
    activations = settings.minibatch * (n_genes + widths + 4 * n_decoded) + n_drawn * (
        n_input + widths
    )
    data = n_cells * n_genes * (2 if settings.likelihood == "nb" else 1) + n_genes * n_input
    if remembers:
        data += n_genes * (settings.hidden[0] + settings.latent)
    # Weights, gradients and Adam's two moments; half of the activations have gradients at once.
    return int(4 * (4 * parameters + 1.5 * activations + data))


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to train on; "auto" uses a GPU if there is one.

    Raises
    ------
    RuntimeError
        "cuda" was requested and is not available.
    ValueError
        The name is not "auto", "cpu" or "cuda".
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: {name!r} is not one of 'auto', 'cpu', 'cuda'")
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device 'cuda' was asked for, but this machine or this build of torch "
            f"({torch.__version__}) has no usable CUDA GPU; use device 'auto' or 'cpu'"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def job_device(asked: str, given_gpu: bool) -> str:
    """Return the device of a job; one that was given a GPU never trains on a CPU unnoticed.

    Parameters
    ----------
    asked : {"auto", "cpu", "cuda"}
    given_gpu : bool
        Whether the job has a GPU of the cluster.

    Raises
    ------
    RuntimeError
        A GPU is asked for or was given, but none can be used.
    """
    return str(choose_device("cuda" if asked == "auto" and given_gpu else asked))


def choose_precision(name: str, device: torch.device) -> str:
    """Return "bf16" or "float32"; "auto" uses bfloat16 if the hardware supports it.

    Raises
    ------
    RuntimeError
        "bf16" was requested and the hardware does not support it.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if name == "bf16" and not native:
        raise RuntimeError(f"precision 'bf16' was asked for, but this {device.type} lacks it")
    return "bf16" if name != "float32" and native else "float32"


@dataclass(frozen=True)
class _Task:
    """One data set, ready to train."""

    cells: Cells
    heldout: np.ndarray
    transform: Transform
    covariates: Covariates
    features: Tensor
    components: np.ndarray | None
    lengths: np.ndarray | None
    model: SiVAE
    generator: torch.Generator
    seed: int

    @property
    def trained(self) -> np.ndarray:
        return np.flatnonzero(~self.heldout)


@dataclass(frozen=True)
class Prepared:
    """Data sets that are ready to train together, of :func:`prepare_stack`.

    Parameters
    ----------
    tasks : sequence of _Task
        One per data set.
    settings : Settings
    device : torch.device
    precision : {"float32", "bf16"}
    stages : sequence of {"cells", "features", "joint"}
        Those to run.
    seconds : float
        That preparing them took.
    """

    tasks: Sequence[_Task]
    settings: Settings
    device: torch.device
    precision: str
    stages: Sequence[str]
    seconds: float


def _prepared(
    data: Sequence[Cells],
    settings: Settings | None,
    seeds: Sequence[int],
    device: str,
    heldout: Sequence[Sequence[bool] | np.ndarray | None],
    strata: Sequence[str | Sequence[Any] | None],
    covariates: Sequence[str],
    start: Fit | None,
) -> Prepared:
    began = time.perf_counter()
    settings = settings or settings_for()
    if start is not None:
        settings = settings.warm(start.settings)
    target = choose_device(device)
    precision = choose_precision(settings.precision, target)
    tasks = [
        _prepare(one, settings, seed, out, labels, covariates, start, target)
        for one, seed, out, labels in zip(data, seeds, heldout, strata, strict=True)
    ]
    stages = STAGES if start is None else STAGES[-1:]
    return Prepared(tasks, settings, target, precision, stages, time.perf_counter() - began)


def train_prepared(
    prepared: Prepared, progress: Progress | None = None
) -> list[Fit | DivergedError]:
    """Train the models of data sets at the same time: the second half of `fit_stack`.

    Parameters
    ----------
    prepared : Prepared
        Is used up: it can be trained once.
    progress : callable, optional
        As of `fit`.

    Returns
    -------
    list of Fit or DivergedError
        In the order of the data sets. A model that diverges does not affect the others.

    Raises
    ------
    ValueError
        The numbers of cells, genes or covariates differ between data sets.
    """
    began = time.perf_counter()
    tasks, settings, target = prepared.tasks, prepared.settings, prepared.device
    if target.type == "cuda":
        torch.cuda.reset_peak_memory_stats(target)
    losses, failures = train(
        [task.model for task in tasks],
        _training_set(tasks, settings, target),
        settings,
        [task.generator for task in tasks],
        target,
        prepared.precision,
        progress,
        prepared.stages,
    )
    evaluated = [
        failure or _evaluate(task, settings, target)
        for task, failure in zip(tasks, failures, strict=True)
    ]
    if target.type == "cuda":
        peak_memory = torch.cuda.max_memory_allocated(target) / 2**20
    else:
        peak_memory = resident_peak()
    seconds = (prepared.seconds + time.perf_counter() - began) / len(tasks)
    return [
        found
        if isinstance(found, DivergedError)
        else Fit(
            **found,
            heldout=task.heldout,
            losses=table,
            seconds=seconds,
            peak_memory=peak_memory,
            device=str(target),
            precision=prepared.precision,
            settings=settings,
            seed=task.seed,
            model=task.model,
            transform=task.transform,
            covariates=task.covariates,
            components=task.components,
            component_lengths=task.lengths,
            obs=task.cells.obs,
            var=task.cells.var,
        )
        for task, table, found in zip(tasks, losses, evaluated, strict=True)
    ]


def _prepare(
    cells: Cells,
    settings: Settings,
    seed: int,
    given: Sequence[bool] | np.ndarray | None,
    strata: str | Sequence[Any] | None,
    columns: Sequence[str],
    start: Fit | None,
    device: torch.device,
) -> _Task:
    seed = int(seed)
    generator = torch.Generator().manual_seed(seed)
    labels = np.zeros(cells.n_cells)
    if strata is not None:
        labels = np.asarray(cells.obs[strata] if isinstance(strata, str) else strata)
    heldout = np.zeros(cells.n_cells, dtype=bool)
    if given is None:
        heldout[stratified(labels, round(settings.heldout * cells.n_cells), generator)] = True
    else:
        heldout[:] = given
    if heldout.all():
        raise ValueError(
            f"heldout: {heldout.mean():g} of {cells.n_cells} cells leaves none to train on"
        )
    trained = np.flatnonzero(~heldout)
    transform = fit_transform(cells, trained, settings)
    covariates = Covariates.of(cells.obs, columns)
    features, components, lengths = torch.empty(cells.n_genes, 0), None, None
    if start is not None:
        features = _features_of_start(start, cells, trained, transform, covariates, device)
    elif settings.model == "sivae":
        features = feature_input(
            cells, trained, transform, settings.feature_input, labels[trained], generator, device
        )
        if settings.feature_input.method == "pca":
            lengths = torch.linalg.vector_norm(features, dim=0).numpy()
            # In the order in memory that it has when it is read from a file: products round alike.
            components = np.ascontiguousarray(features / torch.from_numpy(lengths).clamp(min=TINY))
    model = SiVAE(cells.n_genes, features.shape[1], settings, generator, covariates.width)
    if start is not None:
        model.load_state_dict(start.model.state_dict())
    elif model.library is not None:
        totals, sums = [], np.ones(cells.n_genes)
        for _, block in cells.blocks(trained):
            totals.append(block.sum(1))
            sums += block.sum(0, dtype=np.float64)
        # An empty cell has no library size; if all are equal, the prior has no width.
        logs = np.log(np.maximum(np.concatenate(totals), 1))
        model.library_prior.copy_(torch.tensor([logs.mean(), max(logs.std(), 0.01)]))
        # Start at the mean profile, the zero of standardised expression: learning it is slow.
        bias = model.cells.decoder.mean.get_parameter("bias").data
        bias.copy_(torch.from_numpy(np.log(sums / sums.mean())))
    return _Task(
        cells=cells,
        heldout=heldout,
        transform=transform,
        covariates=covariates,
        features=features,
        components=components,
        lengths=lengths,
        model=model,
        generator=generator,
        seed=seed,
    )


def _features_of_start(
    start: Fit,
    cells: Cells,
    rows: np.ndarray,
    transform: Transform,
    covariates: Covariates,
    device: torch.device,
) -> Tensor:
    """Return the scores of the genes on the components of another fit.

    Raises
    ------
    ValueError
        It has none, or other genes or covariates.
    """
    if start.components is None or start.component_lengths is None:
        raise ValueError(
            "start: its genes have no scores on components of its own cells; it must be a siVAE "
            "with feature input 'pca' that started from nothing"
        )
    if list(cells.gene_names) != list(start.var.index):
        raise ValueError(
            f"start: its {len(start.var):,} genes are not the {cells.n_genes:,} of the data, or "
            "not in that order"
        )
    if covariates.levels != start.covariates.levels:
        raise ValueError("start: it was trained with other covariates, or other levels of them")
    directions, lengths = start.components, start.component_lengths
    n_cells = int((~start.heldout).sum())
    return projected_scores(cells, rows, transform, directions, lengths, n_cells, device)


def _training_set(tasks: Sequence[_Task], settings: Settings, device: torch.device) -> TrainingSet:
    shapes = {
        (len(t.trained), t.cells.n_genes, t.covariates.width, t.features.shape[1]) for t in tasks
    }
    if len(shapes) > 1:
        raise ValueError(
            "data: training cells, genes, covariates and feature input must be as many in every "
            f"data set of a stack; got {sorted(shapes)}"
        )
    ((n_cells, n_genes, _, _),) = shapes
    size = min(settings.minibatch, n_cells)
    coded = torch.stack(
        [torch.from_numpy(t.covariates.encode(t.cells.obs.iloc[t.trained])) for t in tasks]
    ).to(device)

    if len(tasks) == 1 and not tasks[0].cells.resident:
        (task,) = tasks

        def drawn(n_steps: int) -> Iterator[Minibatch]:
            batches = streamed_minibatches(task.cells, task.trained, size, n_steps, task.generator)
            for rows, raw in batches:
                covariates = coded[0][torch.from_numpy(rows)]
                batch = as_minibatch(raw.to(device), covariates, task.transform)
                yield Minibatch(*(part.unsqueeze(0) for part in batch))
    else:
        whole = [
            as_minibatch(
                torch.from_numpy(task.cells.read(task.trained)).to(device), rows, task.transform
            )
            for task, rows in zip(tasks, coded, strict=True)
        ]
        resident = Minibatch(*(torch.stack(parts) for parts in zip(*whole, strict=True)))
        del whole

        def drawn(n_steps: int) -> Iterator[Minibatch]:
            rows = torch.stack(
                [minibatches(n_cells, size, n_steps, task.generator) for task in tasks], 1
            ).to(device)
            stack = torch.arange(len(tasks), device=device)[:, None]
            for chosen in rows:
                yield Minibatch(*(part[stack, chosen] for part in resident))

    features = torch.stack([task.features for task in tasks]).to(device)
    return TrainingSet(n_cells, n_genes, drawn, features)


@torch.no_grad()
def _evaluate(
    task: _Task, settings: Settings, device: torch.device
) -> dict[str, Any] | DivergedError:
    """Return the fields of `Fit` that are computed from the trained model."""
    model = task.model.to(device)
    features = task.features.to(device)
    if model.features is None:
        loadings = weights = model.free_weights.clone()
    else:
        loadings = model.features.encoder(features).mean
        weights = model.feature_layers(loadings)[-1]
    every = np.arange(task.cells.n_cells)
    scores = np.empty((len(every), settings.latent), np.float32)
    sums = torch.zeros(2, task.cells.n_genes, dtype=torch.float64)
    moments = torch.zeros(2, task.cells.n_genes, dtype=torch.float64)
    for rows, block in blocks(task.cells, every, task.transform, task.covariates, device):
        z = model.encode(block.inputs, block.covariates).mean
        scores[rows] = z.cpu().numpy()
        predicted = predict(model, task.transform, z, block.covariates, weights)
        squared_error = (predicted - block.inputs).square()
        heldout = torch.from_numpy(task.heldout[rows]).to(device)
        for position, chosen in enumerate((~heldout, heldout)):
            sums[position] += squared_error[chosen].sum(0, dtype=torch.float64).cpu()
        for position, power in enumerate((block.inputs, block.inputs.square())):
            moments[position] += power[~heldout].sum(0, dtype=torch.float64).cpu()
    if not torch.isfinite(sums).all():
        model.cpu()
        last = 0 if model.features is None else -1
        return DivergedError(STAGES[last], settings.steps_for(len(task.trained))[last])
    n_trained, n_heldout = (~task.heldout).sum(), task.heldout.sum()
    mean, mean_square = moments / n_trained
    heldout_loss = _heldout_loss(task, settings, features, device)
    model.cpu()
    return {
        "scores": scores,
        "loadings": loadings.cpu().numpy(),
        "reconstruction_error": (sums[0] / n_trained).float().numpy(),
        "heldout_error": (sums[1] / n_heldout).float().numpy()
        if n_heldout
        else np.full(task.cells.n_genes, np.nan, np.float32),
        "variance": (mean_square - mean.square()).clamp(min=0).float().numpy(),
        "heldout_loss": heldout_loss,
        "active_dimensions": int((scores.var(0) > ACTIVE_VARIANCE).sum()),
    }


def _heldout_loss(
    task: _Task, settings: Settings, features: Tensor, device: torch.device
) -> dict[str, float]:
    names = ["reconstruction", "kl_cells"]
    if task.model.features is not None:
        names.append("kl_features")
    if settings.gamma:
        names.append("interpretability")
    rows = np.flatnonzero(task.heldout)[: max(1, HELDOUT_BYTES // (4 * task.cells.n_genes))]
    if len(rows) == 0:
        return dict.fromkeys(["total", *names], float("nan"))
    generator = torch.Generator().manual_seed(task.seed)
    covariates = torch.from_numpy(task.covariates.encode(task.cells.obs.iloc[rows]))
    raw = torch.from_numpy(task.cells.read(rows))
    batch = as_minibatch(raw.to(device), covariates.to(device), task.transform)
    n_genes = task.cells.n_genes
    genes: Tensor | slice = slice(None)
    if settings.likelihood == "gaussian" and n_genes > HELDOUT_GENES:
        genes = torch.randperm(n_genes, generator=generator)[:HELDOUT_GENES].to(device)
        features = features[genes]

    def noise(n: int, width: int) -> Tensor:
        return torch.randn(n, width, generator=generator).to(device)

    width = settings.latent + (settings.likelihood == "nb")
    draws = []
    for _ in range(HELDOUT_DRAWS):
        if task.model.features is None:
            terms = cell_terms(task.model, batch, noise(len(rows), width), genes)
        else:
            cell_noise, gene_noise = noise(len(rows), width), noise(len(features), settings.latent)
            terms = joint_terms(task.model, batch, features, cell_noise, gene_noise, genes)
        total = total_loss(terms, settings.kl, settings.gamma)
        draws.append({"total": total.item()} | {k: term.item() for k, term in terms.items()})
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
