"""scVI and LDVAE of scvi-tools (Lopez et al. 2018; Svensson et al. 2020)."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from popnet.comparisons.methods import Embedding, Training

if TYPE_CHECKING:
    from anndata import AnnData


def embed_scvi(
    name: str, cells: AnnData, heldout: AnnData, training: Training, seed: int
) -> Embedding:
    """Embed cells by a model of scvi-tools with the package's own training, on all cells.

    It has as many layers as siVAE's encoder; as all its layers have the same width, this is the
    median width of siVAE's layers.

    Parameters
    ----------
    name : {"SCVI", "LinearSCVI"}
    cells, heldout : AnnData, (n_cells, n_genes) and (n_heldout, n_genes)
        The input of the model is the layer "counts".
    training : Training
    seed : int

    Returns
    -------
    Embedding
        Posterior means; only LDVAE has loadings.

    Raises
    ------
    ModuleNotFoundError
        scvi-tools is not installed.
    ValueError
        The scores are not finite.
    """
    import scvi

    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
    scvi.settings.verbosity = logging.ERROR
    scvi.settings.seed = seed % 2**32
    settings = training.settings
    cells, heldout = cells.copy(), heldout.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = getattr(scvi.model, name)
        kind.setup_anndata(cells, layer="counts")
        fitted = kind(
            cells,
            n_hidden=int(np.median(settings.hidden)),
            n_latent=settings.latent,
            n_layers=len(settings.hidden),
        )
        fitted.train(
            max_epochs=training.epochs,
            train_size=1.0,
            accelerator="cpu" if training.device == "cpu" else "auto",
            devices=1,
            batch_size=settings.minibatch,
            enable_progress_bar=False,
        )
        scores = fitted.get_latent_representation(cells)
        new = fitted.get_latent_representation(heldout)
    if not (np.isfinite(scores).all() and np.isfinite(new).all()):
        raise ValueError("training did not converge: scores are not finite")
    loadings = fitted.get_loadings().to_numpy() if name == "LinearSCVI" else None
    return Embedding(scores, new, loadings)


scvi = partial(embed_scvi, "SCVI")
ldvae = partial(embed_scvi, "LinearSCVI")
