"""Training of siVAE in three stages, from an array to scores and loadings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from popnet.sivae.model import SiVAE
from popnet.sivae.objective import Terms, cell_terms, feature_terms, joint_terms, total_loss

if TYPE_CHECKING:
    from anndata import AnnData

# As in the authors' code: penalties on the weights (lambda times the sum of squares), warm-up
# of the KL terms, decay of the learning rate, norm to which stage 2's gradient is clipped.
L2_CELLS = 1e-4
L2_FEATURES = 1e-5
WARM_UP_STEPS = 1000
DECAY = 0.9
DECAY_STEPS = 1000
CLIP_NORM = 5.0

# A latent dimension whose posterior mean varies less than this over cells is unused
# (Burda et al. 2016).
ACTIVE_VARIANCE = 0.01

LOSS_TERMS = ("total", "reconstruction", "kl_cells", "kl_features", "interpretability", "l2")
STAGES = ("cells", "features", "joint")

Progress = Callable[[str, int, float], None]


class DivergedError(RuntimeError):
    """Raised when a loss is not finite; `stage` and `step` say where that was seen."""

    def __init__(self, stage: str, step: int):
        self.stage = stage
        self.step = step
        super().__init__(
            f"training diverged: the loss is not finite at step {step} of stage {stage!r}; "
            "a smaller learning rate usually helps"
        )


@dataclass(frozen=True)
class FeatureInput:
    """What the feature-wise encoder sees of a gene.

    Parameters
    ----------
    method : {"cells", "downsample", "pca"}
        All training cells, `size` of them, or scores on `size` principal components.
    size : int, optional
        For "downsample" and "pca" alone, which need it; at most what there is is taken.
    """

    method: Literal["cells", "downsample", "pca"] = "cells"
    size: int | None = None

    def __post_init__(self) -> None:
        if self.method not in ("cells", "downsample", "pca"):
            raise ValueError(f"feature_input: unknown method {self.method!r}")
        if (self.method == "cells") != (self.size is None):
            raise ValueError("feature_input: size belongs to methods 'downsample' and 'pca'")
        if self.size is not None and self.size < 1:
            raise ValueError(f"feature_input: size must be positive, got {self.size}")


@dataclass(frozen=True)
class Settings:
    """Everything that a fit depends on besides the data and the seed.

    Parameters
    ----------
    latent : int
        Latent dimensions of cells and of genes.
    hidden : sequence of int
        Layers of the encoders; the decoders have them reversed.
    gamma : float
        Weight of the interpretability term.
    steps : sequence of three int
        Minibatch steps of the stages "cells", "features" and "joint".
    minibatch : int
        Cells per step (genes in stage "features").
    learning_rate : float
    genes_per_step : int, optional
        Genes drawn per joint step, at less cost and with more noise; all of them by default.
    feature_input : FeatureInput or mapping
    heldout : float
        Share of the cells that no stage sees, in [0, 1).
    precision : {"float32", "bf16"}
        "bf16" runs the matrix products in bfloat16 and needs hardware that does.

    Raises
    ------
    ValueError
        A setting is out of its range.
    """

    latent: int = 32
    hidden: Sequence[int] = (1024, 512, 128)
    gamma: float = 0.05
    steps: Sequence[int] = (2000, 2000, 2000)
    minibatch: int = 128
    learning_rate: float = 5e-4
    genes_per_step: int | None = None
    feature_input: FeatureInput = field(default_factory=FeatureInput)
    heldout: float = 0.0
    precision: Literal["float32", "bf16"] = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "steps", tuple(self.steps))
        if isinstance(self.feature_input, Mapping):
            object.__setattr__(self, "feature_input", FeatureInput(**self.feature_input))
        valid = {
            "latent": self.latent >= 1,
            "hidden": len(self.hidden) > 0 and min(self.hidden) >= 1,
            "gamma": self.gamma >= 0,
            "steps": len(self.steps) == 3 and min(self.steps) >= 1,
            "minibatch": self.minibatch >= 1,
            "learning_rate": self.learning_rate > 0,
            "genes_per_step": self.genes_per_step is None or self.genes_per_step >= 1,
            "heldout": 0 <= self.heldout < 1,
            "precision": self.precision in ("float32", "bf16"),
        }
        for name, holds in valid.items():
            if not holds:
                raise ValueError(f"{name}: {getattr(self, name)!r} is out of range")


@dataclass(frozen=True)
class Fit:
    """A trained siVAE and what it says of its cells and genes.

    Parameters
    ----------
    scores : ndarray, (n_cells, latent)
        Posterior means of all cells, held-out ones included.
    loadings : ndarray, (n_genes, latent)
        Posterior means of the genes.
    reconstruction_error, heldout_error : ndarray, (n_genes,)
        Mean squared error at the posterior means over trained and over held-out cells; NaN
        where no cell is held out.
    variance : ndarray, (n_genes,)
        Of the expression over trained cells: the error of a model that predicts the mean. 1 where
        the matrix was scaled over these very cells.
    heldout : ndarray of bool, (n_cells,)
    losses : DataFrame
        Columns stage, step (counted from 1), total, reconstruction, kl_cells, kl_features,
        interpretability, l2; about 100 rows per stage, each from one minibatch; NaN for terms
        that a stage lacks. `total` = reconstruction + warm-up * (kl_cells + kl_features)
        + gamma * interpretability + l2.
    active_dimensions : int
        Latent dimensions along which the scores' variance exceeds 0.01.
    seconds : float
    device : str
    model : SiVAE
    settings : Settings
    seed : int
    """

    scores: np.ndarray
    loadings: np.ndarray
    reconstruction_error: np.ndarray
    heldout_error: np.ndarray
    variance: np.ndarray
    heldout: np.ndarray
    losses: pd.DataFrame
    active_dimensions: int
    seconds: float
    device: str
    model: SiVAE
    settings: Settings
    seed: int


def choose_device(name: Literal["auto", "cpu", "cuda"] = "auto") -> torch.device:
    """Return the device to train on; "auto" takes a GPU where there is one.

    Raises
    ------
    RuntimeError
        "cuda" was asked for and is absent.
    ValueError
        The name is none of the three.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: {name!r} is none of 'auto', 'cpu', 'cuda'")
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device 'cuda' was asked for, but this machine or this build of torch "
            f"({torch.__version__}) has no usable CUDA GPU; use device 'auto' or 'cpu'"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def fit(
    expression: np.ndarray,
    settings: Settings,
    seed: int,
    device: Literal["auto", "cpu", "cuda"] = "cpu",
    strata: Sequence | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Train siVAE in three stages (Methods, "Training procedure for siVAE").

    The result depends on the arguments alone: every random number comes from one CPU
    generator seeded by `seed`. A rerun on the same machine gives the same bits; another
    number of threads the same within rounding, which training amplifies.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
        Centred and scaled. A gene may be constant, the whole matrix may not.
    settings : Settings
    seed : int
    device : {"auto", "cpu", "cuda"}
    strata : sequence, (n_cells,), optional
        Labels whose proportions held-out and downsampled cells keep.
    progress : callable, optional
        Called with stage, step and loss whenever losses are recorded.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        `expression` is empty, constant or not finite, or leaves no training cell.
    RuntimeError
        The device, or bfloat16 on it, is absent.
    DivergedError
        A loss is not finite.
    """
    start = time.perf_counter()
    target = choose_device(device)
    _check_precision(settings, target)
    matrix = _checked(expression)
    n_cells, n_genes = matrix.shape
    generator = torch.Generator().manual_seed(seed)

    labels = np.zeros(n_cells) if strata is None else np.asarray(strata)
    heldout = np.zeros(n_cells, dtype=bool)
    heldout[_stratified(labels, round(settings.heldout * n_cells), generator)] = True
    if heldout.all():
        raise ValueError(f"heldout: {settings.heldout} of {n_cells} cells leaves none to train on")
    trained = matrix if not heldout.any() else matrix[torch.from_numpy(~heldout)]
    features = _feature_input(trained, settings.feature_input, labels[~heldout], generator)
    model = SiVAE(n_genes, features.shape[1], settings.hidden, settings.latent, generator)

    model, trained, features = model.to(target), trained.to(target), features.to(target)
    losses = _train(model, trained, features, settings, generator, progress)

    with torch.no_grad():
        scores = model.cells.encoder(matrix.to(target)).mean
        loadings = model.features.encoder(features).mean
        squared_error = (model.decode(scores, loadings).mean - matrix.to(target)).square().cpu()
    if not torch.isfinite(squared_error).all():
        raise DivergedError(STAGES[-1], settings.steps[-1])
    return Fit(
        scores=scores.cpu().numpy(),
        loadings=loadings.cpu().numpy(),
        reconstruction_error=squared_error[~heldout].mean(0).numpy(),
        heldout_error=squared_error[heldout].mean(0).numpy(),
        variance=matrix[torch.from_numpy(~heldout)].var(0, correction=0).numpy(),
        heldout=heldout,
        losses=losses,
        active_dimensions=int((scores.var(0, correction=0) > ACTIVE_VARIANCE).sum()),
        seconds=time.perf_counter() - start,
        device=str(target),
        model=model,
        settings=settings,
        seed=seed,
    )


def _train(
    model: SiVAE,
    cells: Tensor,
    features: Tensor,
    settings: Settings,
    generator: torch.Generator,
    progress: Progress | None,
) -> pd.DataFrame:
    """Run the three stages in place and return the recorded losses."""
    n_cells, n_genes = cells.shape
    n_drawn = min(settings.genes_per_step or n_genes, n_genes)

    def noise(n: int) -> Tensor:
        return torch.randn(n, settings.latent, generator=generator).to(cells.device)

    def cell_step(batch: Tensor) -> Terms:
        return cell_terms(model, cells[batch], noise(len(batch)))

    def feature_step(batch: Tensor) -> Terms:
        weights = model.cells.decoder.mean.weight.detach()
        return feature_terms(model, features[batch], weights[batch], noise(len(batch)))

    def joint_step(batch: Tensor) -> Terms:
        genes: Tensor | slice = slice(None)
        if n_drawn < n_genes:
            genes = torch.randperm(n_genes, generator=generator)[:n_drawn].to(cells.device)
        return joint_terms(model, cells[batch], features, noise(len(batch)), noise(n_drawn), genes)

    stages = zip(
        STAGES,
        (cell_step, feature_step, joint_step),
        (n_cells, n_genes, n_cells),
        settings.steps,
        strict=True,
    )
    records = []
    for stage, terms_of, n_rows, n_steps in stages:
        optimizer = _optimizer(model, settings.learning_rate)
        warm_up = max(1, min(WARM_UP_STEPS, n_steps // 2))
        record_every = max(1, n_steps // 100)
        batches = _minibatches(n_rows, settings.minibatch, n_steps, generator).to(cells.device)
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * DECAY ** (step // DECAY_STEPS)
            optimizer.zero_grad()
            with torch.autocast(
                cells.device.type, torch.bfloat16, enabled=settings.precision == "bf16"
            ):
                terms = terms_of(batch)
            loss = total_loss(terms, min(1.0, step / warm_up), settings.gamma)
            loss.backward()
            if stage == "features":
                torch.nn.utils.clip_grad_norm_(model.features.parameters(), CLIP_NORM)
            if step % record_every == 0 or step == n_steps - 1:
                # Here alone does a GPU wait for its results.
                penalty = _l2(optimizer)
                values = torch.stack([loss + penalty, *terms.values(), penalty]).tolist()
                if not math.isfinite(values[0]):
                    raise DivergedError(stage, step + 1)
                named = dict(zip(("total", *terms, "l2"), values, strict=True))
                records.append({"stage": stage, "step": step + 1} | named)
                if progress is not None:
                    progress(stage, step + 1, values[0])
            optimizer.step()
    return pd.DataFrame(records, columns=["stage", "step", *LOSS_TERMS])


def _optimizer(model: SiVAE, learning_rate: float) -> torch.optim.Adam:
    """Adam whose weight decay is the gradient of the L2 penalty on weights (not on biases).

    It leaves alone what a stage gives no gradient.
    """
    groups: list[dict] = [
        {
            "params": [weight for weight in network.parameters() if weight.ndim > 1],
            "weight_decay": 2 * penalty,
        }
        for network, penalty in ((model.cells, L2_CELLS), (model.features, L2_FEATURES))
    ]
    groups.append({"params": [bias for bias in model.parameters() if bias.ndim == 1]})
    return torch.optim.Adam(groups, lr=learning_rate, fused=True)


@torch.no_grad()
def _l2(optimizer: torch.optim.Adam) -> Tensor:
    """The penalty whose gradient the optimiser adds: that of the weights with a gradient."""
    return sum(
        0.5 * group["weight_decay"] * weight.square().sum()
        for group in optimizer.param_groups
        if group["weight_decay"]
        for weight in group["params"]
        if weight.grad is not None
    )


def _minibatches(n: int, size: int, n_steps: int, generator: torch.Generator) -> Tensor:
    """Row numbers (n_steps, minibatch) from one shuffle after another, without remainders."""
    size = min(size, n)
    shuffles = [
        torch.randperm(n, generator=generator) for _ in range(math.ceil(n_steps * size / n))
    ]
    return torch.cat(shuffles)[: n_steps * size].view(n_steps, size)


def _stratified(labels: np.ndarray, size: int, generator: torch.Generator) -> np.ndarray:
    """Draw `size` positions at random, each label in proportion."""
    order = torch.randperm(len(labels), generator=generator).numpy()
    offset = torch.rand(1, generator=generator, dtype=torch.float64).item()
    order = order[np.argsort(labels[order], kind="stable")]
    # Evenly spaced places in an order sorted by label take the same share of every label.
    return order[((np.arange(size) + offset) * len(labels) / max(size, 1)).astype(int)]


def _feature_input(
    cells: Tensor, feature_input: FeatureInput, labels: np.ndarray, generator: torch.Generator
) -> Tensor:
    """Input of the feature-wise encoder, (n_genes, C_red)."""
    if feature_input.size is None:
        return cells.T.contiguous()
    if feature_input.method == "downsample":
        drawn = _stratified(labels, min(feature_input.size, len(cells)), generator)
        return cells[torch.from_numpy(drawn)].T.contiguous()
    # Components of the genes x cells matrix, as scikit-learn's PCA has them.
    centred = cells.T - cells.T.mean(0)
    left, singular, _ = torch.linalg.svd(centred, full_matrices=False)
    return (left * singular)[:, : feature_input.size].contiguous()


def _checked(expression: np.ndarray) -> Tensor:
    if expression.ndim != 2 or expression.size == 0:
        raise ValueError(f"expression: cells x genes needed, got shape {expression.shape}")
    matrix = np.require(expression, np.float32, ["C", "W"])
    if not np.isfinite(matrix).all():
        raise ValueError("expression: holds values that are not finite")
    if (matrix == matrix[0]).all():
        raise ValueError("expression: every gene is constant over these cells")
    return torch.from_numpy(matrix)


def _check_precision(settings: Settings, device: torch.device) -> None:
    if settings.precision == "float32":
        return
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not native:
        raise RuntimeError(f"precision 'bf16' was asked for, but this {device.type} lacks it")


def to_anndata(fit: Fit, cells: pd.DataFrame, genes: pd.DataFrame) -> AnnData:
    """Return the results as AnnData without X.

    Parameters
    ----------
    fit : Fit
    cells, genes : DataFrame
        Annotations to keep, in the order of the trained matrix; their index holds the names.

    Returns
    -------
    AnnData
        obsm["X_sivae"], varm["sivae_loadings"], var["reconstruction_error"],
        var["heldout_error"], var["variance"], var["sivae_degree_centrality"] (the negative
        reconstruction error), obs["heldout"], uns["sivae"], uns["losses"].
    """
    from anndata import AnnData

    errors = {
        "reconstruction_error": fit.reconstruction_error,
        "heldout_error": fit.heldout_error,
        "variance": fit.variance,
        "sivae_degree_centrality": -fit.reconstruction_error,
    }
    return AnnData(
        obs=cells.assign(heldout=fit.heldout),
        var=genes.assign(**errors),
        obsm={"X_sivae": fit.scores},
        varm={"sivae_loadings": fit.loadings},
        uns={
            "sivae": {
                "settings": _storable(asdict(fit.settings)),
                "seed": fit.seed,
                "seconds": fit.seconds,
                "device": fit.device,
                "active_dimensions": fit.active_dimensions,
            },
            "losses": fit.losses,
        },
    )


def _storable(settings: dict) -> dict:
    """Settings in the types that h5ad holds: lists, and no entry for what is None."""
    return {
        name: _storable(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in settings.items()
        if value is not None
    }


def train_bin(
    adata: AnnData,
    settings: Settings,
    seed: int,
    device: Literal["auto", "cpu", "cuda"] = "cpu",
) -> AnnData:
    """Train siVAE on `adata.X` (centred and scaled) and return the results as `to_anndata` does.

    Raises what `fit` raises.
    """
    expression = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    return to_anndata(fit(expression, settings, seed, device), adata.obs, adata.var)
