"""scETM, a topic model of cells (Zhao et al. 2021), by its own package."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from popnet.comparisons.methods import Embedding, Training

if TYPE_CHECKING:
    from anndata import AnnData


def scetm(cells: AnnData, heldout: AnnData, training: Training, seed: int) -> Embedding:
    """Embed cells by the unnormalised topic proportions (delta) of scETM.

    The encoder's layers are those of siVAE. All other settings are the package's defaults, except
    the minibatch: with the default, an epoch of some thousand cells has only one or two steps.

    Parameters
    ----------
    cells, heldout : AnnData, (n_cells, n_genes) and (n_heldout, n_genes)
        The input of the model is the layer "counts".
    training : Training
        `settings.latent` is the number of topics.
    seed : int

    Returns
    -------
    Embedding
        Loadings are the embeddings rho of genes, (n_genes, 400): the decoder is linear in their
        products with the embeddings of topics.

    Raises
    ------
    ModuleNotFoundError
        scETM, or tensorboard, which scETM does not declare, is not installed.
    ValueError
        The scores are not finite.
    """
    import scETM as package

    from popnet.sivae import choose_device

    logging.getLogger("scETM").setLevel(logging.ERROR)
    settings = training.settings
    package.set_seed(seed % 2**32)
    model = package.scETM(
        cells.n_vars,
        n_batches=1,
        n_topics=settings.latent,
        hidden_sizes=settings.hidden,
        device=choose_device(training.device),
    )
    trainer = package.UnsupervisedTrainer(
        model, _given(cells), batch_size=settings.minibatch, seed=seed % 2**32
    )
    # The package shuffles cells without a seed, and prints a line in every step.
    sampler = partial(package.batch_sampler.CellSampler, rng=np.random.default_rng(seed))
    module = sys.modules[package.UnsupervisedTrainer.__module__]
    with patch.object(module, "CellSampler", sampler), redirect_stdout(StringIO()):
        trainer.train(n_epochs=training.epochs, eval=False, n_samplers=1)
    scores, new = (
        model.get_cell_embeddings_and_nll(_given(part), emb_names=["delta"], inplace=False)[0]
        for part in (cells, heldout)
    )
    if not (np.isfinite(scores["delta"]).all() and np.isfinite(new["delta"]).all()):
        raise ValueError("training did not converge: scores are not finite")
    return Embedding(scores["delta"], new["delta"], model.rho.detach().T.cpu().numpy())


def _given(cells: AnnData) -> AnnData:
    """Return counts as a dense matrix without empty cells, by whose total scETM would divide."""
    from anndata import AnnData

    counts = cells.layers["counts"]
    counts = np.asarray(counts.todense() if hasattr(counts, "todense") else counts, np.float32)
    return AnnData(np.where(counts.sum(1, keepdims=True) > 0, counts, 1e-6), obs=cells.obs)
