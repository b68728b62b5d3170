"""Networks from a trained siVAE: distances of its loadings, and siVAE-GCN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from popnet import sivae
from popnet.comparisons.methods import Training
from popnet.comparisons.networks.boosting import grnboost2
from popnet.comparisons.networks.correlation import correlation
from popnet.comparisons.networks.information import aracne, clr, mrnet
from popnet.comparisons.networks.loadings import nearness
from popnet.networks import centrality
from popnet.seeds import derive_seed


@dataclass(frozen=True)
class Trained(Training):
    """Training settings with a siVAE that is already trained on these cells.

    Parameters
    ----------
    fitted : Fit
    """

    fitted: sivae.Fit | None = None


def train(cells: Any, training: Training, seed: int, variant: str = "sivae") -> sivae.Fit:
    """Return the trained siVAE of `training`, or train one on the cells.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        X is log-normalised.
    training : Training
    seed : int
    variant : {"sivae", "sivae-gamma0"}
    """
    if isinstance(training, Trained) and training.fitted is not None:
        return training.fitted
    settings = replace(training.settings, **sivae.VARIANTS[variant])
    return sivae.fit(cells, settings, seed, training.device)


def degree_centrality(fitted: sivae.Fit) -> np.ndarray:
    """Return siVAE degree centrality of genes relative to their variance, (n_genes,).

    See :func:`popnet.networks.centrality.degree_centrality`; NaN for a constant gene.
    """
    return centrality.degree_centrality(fitted.reconstruction_error, fitted.variance)


def euclidean(variant: str, cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the weights of siVAE-Euc: the nearness of genes in siVAE's loadings.

    Parameters
    ----------
    variant : {"sivae", "sivae-gamma0"}
    cells : AnnData, (n_cells, n_genes)
        X is log-normalised.
    training : Training
    seed : int

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        As of `popnet.comparisons.networks.loadings.nearness`.
    """
    return nearness(train(cells, training, seed, variant).loadings)


def on_sampled(
    infer: Callable[[Any, Training, int], np.ndarray], cells: Any, training: Training, seed: int
) -> np.ndarray:
    """Return siVAE-GCN: the network of cells sampled from a siVAE that was trained on these cells.

    As many cells are sampled as the siVAE was trained on.

    Parameters
    ----------
    infer : callable
        A method of network inference that only uses X.
    cells, training, seed
        As in `euclidean`.

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        The result of the method.
    """
    from anndata import AnnData

    sampled = train(cells, training, seed).sample(cells.n_obs, derive_seed(seed, "sampled cells"))
    return infer(AnnData(sampled, var=cells.var[[]]), training, seed)


sivae_near = partial(euclidean, "sivae")
gamma0_near = partial(euclidean, "sivae-gamma0")
sampled_correlation = partial(on_sampled, correlation)
sampled_clr = partial(on_sampled, clr)
sampled_mrnet = partial(on_sampled, mrnet)
sampled_aracne = partial(on_sampled, aracne)
sampled_grnboost2 = partial(on_sampled, grnboost2)
