"""A trained siVAE: its results for cells and genes, and what can be computed from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from popnet.files import atomic, reading
from popnet.sivae.covariates import Covariates
from popnet.sivae.data import Cells, Transform, open_cells
from popnet.sivae.model import SiVAE
from popnet.sivae.objective import Minibatch
from popnet.sivae.settings import Settings
from popnet.sivae.training import LOSS_TERMS

if TYPE_CHECKING:
    from anndata import AnnData

ARRAYS = (
    "scores",
    "loadings",
    "reconstruction_error",
    "heldout_error",
    "variance",
    "heldout",
)
COMPONENTS = ("components", "component_lengths")
NUMBERS = (
    "heldout_loss",
    "active_dimensions",
    "seconds",
    "peak_memory",
    "device",
    "precision",
    "seed",
)


@dataclass(frozen=True)
class Fit:
    """A trained siVAE (or VAE) and its results for cells and genes.

    Parameters
    ----------
    scores : ndarray, (n_cells, latent)
        Posterior means of all cells, including held-out cells.
    loadings : ndarray, (n_genes, latent)
        Posterior means of the genes; for a VAE the weights of the decoder's last layer,
        (n_genes, width).
    reconstruction_error, heldout_error : ndarray, (n_genes,)
        Mean squared error at the posterior means, over training cells and over held-out cells, on
        the scale of the model's input; NaN if no cell is held out.
    variance : ndarray, (n_genes,)
        Variance of the expression over training cells, on the same scale: the error of a model
        that predicts the mean.
    heldout : ndarray of bool, (n_cells,)
    losses : DataFrame
        Columns stage, step (counted from 1), total, reconstruction, kl_cells, kl_features,
        interpretability, l2; about 100 rows per stage, each from one minibatch; NaN for terms
        that a stage does not have. `total` = reconstruction + kl * warm-up * (kl_cells +
        kl_features) + gamma * interpretability + l2; the KL terms themselves have no weight.
    heldout_loss : dict
        The terms on held-out cells, and as "total" their sum (kl times the KL terms, gamma times
        the interpretability, no L2): the criterion of model selection. NaN if no cell is held out.
    active_dimensions : int
        Latent dimensions along which the scores' variance exceeds 0.01.
    seconds : float
        Training time; for a stack, its time divided by its number of models.
    peak_memory : float
        Megabytes, of the GPU for the whole stack, or of the process.
    device, precision : str
        Used for training.
    settings : Settings
    seed : int
    model : SiVAE
        On the CPU.
    transform : Transform
        From the given expression to the model's input.
    covariates : Covariates
    obs, var : DataFrame
        Annotations of cells and genes.
    components : ndarray, (n_genes, n_components), optional
        With feature input "pca": the principal directions of the training cells, each cell centred
        over its genes, of length 1, largest variance first. A fit that starts from this one needs
        them.
    component_lengths : ndarray, (n_components,), optional
        Lengths of the genes' scores on them; times the directions they are the feature input.
    """

    scores: np.ndarray
    loadings: np.ndarray
    reconstruction_error: np.ndarray
    heldout_error: np.ndarray
    variance: np.ndarray
    heldout: np.ndarray
    losses: pd.DataFrame
    heldout_loss: dict[str, float]
    active_dimensions: int
    seconds: float
    peak_memory: float
    device: str
    precision: str
    settings: Settings
    seed: int
    model: SiVAE
    transform: Transform
    covariates: Covariates
    obs: pd.DataFrame
    var: pd.DataFrame
    components: np.ndarray | None = None
    component_lengths: np.ndarray | None = None

    def embed(self, data: Any, layer: int = 1) -> np.ndarray:
        """Return the scores of cells, for example new cells.

        Parameters
        ----------
        data : AnnData, ndarray or sparse matrix, (n_cells, n_genes)
            With the same genes, preprocessed as the training data; covariates in its obs.
        layer : int
            1 for the latent space, up to L for the decoder's last layer (the paper's z_L).

        Returns
        -------
        ndarray, (n_cells, width of the layer)

        Raises
        ------
        ValueError
            Genes or covariates differ from those of the model, or there is no such layer.
        """
        self._check_layer(layer)
        return self._of_cells(data, lambda z, s: self.model.cell_layers(z, s)[layer - 1])

    def reconstruct(self, data: Any) -> np.ndarray:
        """Return the mean expression that the model predicts for cells, from their scores.

        Parameters
        ----------
        data : AnnData, ndarray or sparse matrix, (n_cells, n_genes)
            As for `embed`.

        Returns
        -------
        ndarray, (n_cells, n_genes), float32
            On the scale of the model's input, that of `reconstruction_error`: the given scale
            where settings do not standardise.

        Raises
        ------
        ValueError
            As for `embed`.
        """
        weights = self.weights()
        return self._of_cells(data, lambda z, s: predict(self.model, self.transform, z, s, weights))

    def _of_cells(self, data: Any, of: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
        """Return `of` posterior means and covariates of cells."""
        cells = open_cells(data)
        if list(cells.var.index) != list(self.var.index):
            raise ValueError(
                f"data: its {cells.n_genes:,} genes are not the {len(self.var):,} that the model "
                "was trained on, or not in that order; for an AnnData take "
                "adata[:, fit.var.index]"
            )
        parts = []
        with torch.no_grad():
            for _, block in blocks(
                cells, np.arange(cells.n_cells), self.transform, self.covariates
            ):
                z = self.model.encode(block.inputs, block.covariates).mean
                parts.append(of(z, block.covariates).numpy())
        return np.concatenate(parts)

    def embed_genes(self, layer: int = 1) -> np.ndarray:
        """Return the loadings at a layer of the feature-wise decoder.

        Parameters
        ----------
        layer : int
            1 for the latent space (`loadings`), up to L for v_L. The inner products of v_L and z_L
            are the mean of X.

        Returns
        -------
        ndarray, (n_genes, width of the layer)
        """
        self._check_layer(layer)
        with torch.no_grad():
            return self.model.feature_layers(torch.from_numpy(self.loadings))[layer - 1].numpy()

    def _check_layer(self, layer: int) -> None:
        n_layers = 1 + len(self.settings.hidden) * self.model.deep
        if not 1 <= layer <= n_layers:
            raise ValueError(f"layer: {layer} is none of 1 to {n_layers}")

    def weights(self) -> Tensor:
        """Return v_L of every gene (v~_L of a VAE), (n_genes, width)."""
        with torch.no_grad():
            if self.model.features is None:
                return torch.from_numpy(self.loadings)
            return self.model.feature_layers(torch.from_numpy(self.loadings))[-1]

    def sample(self, n_cells: int, seed: int, obs: pd.DataFrame | None = None) -> np.ndarray:
        """Return new cells, drawn from the prior of z and the likelihood.

        The posterior means of the genes are used. siVAE-GCN infers a network from such cells.

        Parameters
        ----------
        n_cells : int
        seed : int
        obs : DataFrame, optional
            Covariates of the new cells; required if the model was trained with covariates.

        Returns
        -------
        ndarray, (n_cells, n_genes)
            Expression on the scale of the training data; counts with likelihood "nb".
        """
        if obs is None:
            if self.covariates.levels:
                needed = ", ".join(self.covariates.levels)
                raise ValueError(f"obs: the model was trained with covariates; give {needed}")
            obs = pd.DataFrame(index=range(n_cells))
        elif len(obs) != n_cells:
            raise ValueError(f"obs: {len(obs)} rows for {n_cells} cells")
        covariates = torch.from_numpy(self.covariates.encode(obs))
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n_cells, self.settings.latent, generator=generator)
        with torch.no_grad():
            likelihood = self.model.decode(z, covariates, self.weights())
            if self.model.library is None:
                noise = torch.randn(likelihood.mean.shape, generator=generator)
                return self.transform.inverse(likelihood.sample(noise)).numpy()
            log_library = self.model.log_library(torch.randn(n_cells, 1, generator=generator))
            mean = torch.exp(log_library + torch.log_softmax(likelihood.mean, -1))
            theta = likelihood.scale.expand_as(mean)
            # These functions of torch accept a generator; its distributions do not.
            rate = torch._standard_gamma(theta, generator=generator) * mean / theta
            return torch.poisson(rate, generator=generator).numpy()

    def to_anndata(self) -> AnnData:
        """Return the results as AnnData without X.

        Returns
        -------
        AnnData
            obsm["X_sivae"], varm["sivae_loadings"], var["reconstruction_error"],
            var["heldout_error"], var["variance"], obs["heldout"], uns["sivae"], uns["losses"].
            Degree centrality is :func:`popnet.networks.centrality.degree_centrality` of error and
            variance.
        """
        from anndata import AnnData

        errors = {
            "reconstruction_error": self.reconstruction_error,
            "heldout_error": self.heldout_error,
            "variance": self.variance,
        }
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return AnnData(
            obs=self.obs.assign(heldout=self.heldout),
            var=self.var.assign(**errors),
            obsm={"X_sivae": self.scores},
            varm={"sivae_loadings": self.loadings},
            uns={
                "sivae": {"settings": _storable(asdict(self.settings)), **numbers},
                "losses": self.losses,
            },
        )

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors (weights and arrays) and fit.json (the rest) into `folder`.

        Of the annotations of cells and genes, only the names are kept.
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {name: torch.from_numpy(getattr(self, name)) for name in ARRAYS}
        for name in ("centre", "scale"):
            if getattr(self.transform, name) is not None:
                tensors[f"transform.{name}"] = torch.from_numpy(getattr(self.transform, name))
        for name in COMPONENTS:
            if getattr(self, name) is not None:
                tensors[name] = torch.from_numpy(getattr(self, name))
        about = {name: getattr(self, name) for name in NUMBERS} | {
            "format": 1,
            "settings": asdict(self.settings),
            "total": self.transform.total,
            "covariates": dict(self.covariates.levels),
            "cells": list(map(str, self.obs.index)),
            "genes": list(map(str, self.var.index)),
            "losses": self.losses.astype(object).where(self.losses.notna(), None).to_dict("list"),
            # JSON has no NaN.
            "heldout_loss": {
                name: None if np.isnan(value) else value
                for name, value in self.heldout_loss.items()
            },
        }
        # The description is written last: if it exists, the model is complete.
        (folder / "fit.json").unlink(missing_ok=True)
        with atomic(folder / "model.safetensors") as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
            about["sha256"] = hashlib.sha256(temporary.read_bytes()).hexdigest()
        with atomic(folder / "fit.json") as temporary:
            temporary.write_text(json.dumps(about, indent=1))


def load(folder: str | Path) -> Fit:
    """Return the fit that `Fit.save` wrote into `folder`.

    Raises
    ------
    FileNotFoundError
        There is none, or it is incomplete.
    InputError
        One of its files is damaged.
    """
    folder = Path(folder)
    if not (folder / "fit.json").exists():
        raise FileNotFoundError(f"{folder}: no fit.json, so no whole fit was saved there")
    remedy = "delete its folder and save the fit again"
    with reading(folder / "fit.json", remedy):
        about = json.loads((folder / "fit.json").read_text())
    with reading(folder / "model.safetensors", remedy):
        return _restore(about, (folder / "model.safetensors").read_bytes())


def _restore(about: dict[str, Any], stored: bytes) -> Fit:
    """Return a fit from its description and its tensors.

    Raises
    ------
    ValueError
        The tensors do not belong to the description.
    """
    from safetensors.torch import load as load_tensors

    if hashlib.sha256(stored).hexdigest() != about["sha256"]:
        raise ValueError("its checksum is another than in fit.json")
    tensors = load_tensors(stored)
    settings = Settings(**about["settings"])
    covariates = Covariates(about["covariates"])
    state = {
        name.removeprefix("model."): tensor
        for name, tensor in tensors.items()
        if name.startswith("model.")
    }
    first = state.get("features.encoder.hidden.0.weight")
    model = SiVAE(
        len(about["genes"]),
        0 if first is None else first.shape[1],
        settings,
        torch.Generator(),
        covariates.width,
    )
    model.load_state_dict(state)
    parts = {
        name: tensors[key].numpy() if (key := f"transform.{name}") in tensors else None
        for name in ("centre", "scale")
    }
    fields: dict[str, Any] = {name: tensors[name].numpy() for name in ARRAYS}
    fields |= {name: tensors[name].numpy() for name in COMPONENTS if name in tensors}
    fields |= {name: about[name] for name in NUMBERS}
    fields["heldout_loss"] = {
        name: np.nan if value is None else value for name, value in about["heldout_loss"].items()
    }
    return Fit(
        **fields,
        losses=pd.DataFrame(about["losses"]).astype(dict.fromkeys(LOSS_TERMS, float)),
        settings=settings,
        model=model,
        transform=Transform(about["total"], **parts),
        covariates=covariates,
        obs=pd.DataFrame(index=about["cells"]),
        var=pd.DataFrame(index=about["genes"]),
    )


def model_digest(folder: str | Path) -> str:
    """Return a digest of the weights and arrays of a saved fit, which its times do not change.

    Raises
    ------
    InputError
        There is no whole fit in the folder.
    """
    path = Path(folder) / "fit.json"
    with reading(path):
        return str(json.loads(path.read_text())["sha256"])


def predict(
    model: SiVAE, transform: Transform, z: Tensor, covariates: Tensor, weights: Tensor
) -> Tensor:
    """Return the predicted mean expression, (n_cells, n_genes), on the scale of the model's input.

    Parameters
    ----------
    model : SiVAE
    transform : Transform
    z : Tensor, (n_cells, latent)
    covariates : Tensor, (n_cells, b)
    weights : Tensor, (n_genes, width)
        v_L of every gene.
    """
    mean = model.decode(z, covariates, weights).mean
    return mean if model.library is None else transform(torch.softmax(mean, -1))


def blocks(
    cells: Cells,
    rows: np.ndarray,
    transform: Transform,
    covariates: Covariates,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[np.ndarray, Minibatch]]:
    """Yield positions in `rows`, and these cells as input of the model."""
    coded = torch.from_numpy(covariates.encode(cells.obs.iloc[rows]))
    for positions, block in cells.blocks(rows):
        yield (
            positions,
            as_minibatch(
                torch.from_numpy(block).to(device), coded[positions].to(device), transform
            ),
        )


def as_minibatch(raw: Tensor, covariates: Tensor, transform: Transform) -> Minibatch:
    """Return the model's input for given expression, (n_cells, n_genes)."""
    counts = raw if transform.total is not None else raw.new_empty((*raw.shape[:-1], 0))
    return Minibatch(transform(raw), counts, covariates)


def _storable(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings in types that h5ad can hold: lists, and no entries that are None."""
    return {
        name: _storable(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in settings.items()
        if value is not None
    }
