"""Effect of gamma, the weight of siVAE's interpretability term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet import sivae
from popnet.comparisons.classification import (
    NEIGHBOURS,
    balanced_accuracy,
    choose_label,
    classify,
    dense,
)
from popnet.comparisons.embeddings.components import pca
from popnet.comparisons.methods import Training, attempt
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.seeds import derive_seed
from popnet.sivae.fitting import Device

if TYPE_CHECKING:
    from anndata import AnnData

QUALITY = ["setting", "repeat", "k", "label", "balanced_accuracy", "heldout_error", "linear_error"]
NAMES = {"linear": "sivae-linear", "pca": "pca"}


def compare_gammas(
    cells: AnnData,
    settings: sivae.Settings,
    gammas: Sequence[float],
    n_repeats: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Train siVAE with increasing gamma, and siVAE-linear, and compare with principal components.

    If the interpretability term outweighs the priors, siVAE approaches principal components.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
    settings : Settings
    gammas : sequence of float
    n_repeats : int
        How often each is trained, each time with another random n-th of the cells held out.
    seed : int

    Returns
    -------
    dict of DataFrame
        `gammas`: setting, repeat and the columns of :func:`heldout_quality`; `status`.
    """
    label = choose_label(cells.obs, n_repeats) or "cell_type"
    settings = replace(settings, standardise=True, heldout=1 / n_repeats)
    chosen = gamma_settings(settings, sorted(gammas))
    tables, outcomes = [], Outcomes()
    for name in [*chosen, "pca"]:
        tried = {}
        for repeat in range(1, n_repeats + 1):
            own = derive_seed(seed, "gammas", repeat)
            if name == "pca":
                found = attempt(pca_quality, cells, label, settings, own)
            else:
                found = attempt(heldout_quality, cells, label, chosen[name], "cpu", own)
            tried[f"repeat {repeat}"] = found
            if found.status == "done":
                tables.append(found.value.assign(setting=name, repeat=repeat))
        outcomes.add("gammas", NAMES.get(name, f"sivae, gamma {name}"), tried)
    return {"gammas": joined(tables, QUALITY), "status": outcomes.table()}


def gamma_settings(settings: sivae.Settings, gammas: Sequence[float]) -> dict[str, sivae.Settings]:
    """Return the settings of siVAE with each weight of the interpretability term, and the limit.

    Parameters
    ----------
    settings : Settings
        Of siVAE.
    gammas : sequence of float

    Returns
    -------
    dict of Settings
        By the weight as text; the last, "linear", is siVAE-linear, the limit of large weights.
    """
    chosen = {f"{gamma:g}": replace(settings, gamma=gamma) for gamma in gammas}
    return chosen | {"linear": replace(settings, **sivae.VARIANTS["sivae-linear"])}


def heldout_quality(
    cells: AnnData, label: str, settings: sivae.Settings, device: Device, seed: int
) -> pd.DataFrame:
    """Return the classification and the errors of one siVAE on cells that were held out.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        Log-normalised expression in X.
    label : str
        Column of obs.
    settings : Settings
        `heldout` is the share of cells, stratified by label, that are not used for training.
    device : {"auto", "cpu", "cuda"}
    seed : int

    Returns
    -------
    DataFrame
        One row for each k: k, label, balanced_accuracy (NaN for a single label); heldout_error, the
        squared error of centred and scaled expression relative to that of the mean over training
        cells; linear_error, the same for the inner product of scores and loadings drawn from their
        posteriors (equation 13; missing if gamma is 0); active_dimensions.

    Raises
    ------
    DivergedError
        The loss is not finite.
    """
    labels = cells.obs[label].astype(str).to_numpy()
    fitted = sivae.fit(cells, settings, seed, device, strata=labels)
    trained, heldout = ~fitted.heldout, fitted.heldout
    of_mean = (_scaled(cells, trained)[heldout] ** 2).mean(0).sum()
    error = fitted.heldout_error[fitted.variance > 0].sum() / of_mean
    if settings.decoder == "linear":
        linear_error = error
    else:
        linear_error = fitted.heldout_loss.get("interpretability", np.nan) / of_mean
    table = _accuracy_by_k(fitted.scores[trained], labels, trained, fitted.scores[heldout])
    return table.assign(
        label=label,
        heldout_error=error,
        linear_error=linear_error,
        active_dimensions=fitted.active_dimensions,
    )


def pca_quality(cells: AnnData, label: str, settings: sivae.Settings, seed: int) -> pd.DataFrame:
    """Return the same for principal components, the linear model without regularisation.

    `settings` has the number of dimensions and the share of held-out cells, which are drawn anew.
    """
    from sklearn.model_selection import train_test_split

    labels = cells.obs[label].astype(str).to_numpy()
    trained = np.zeros(len(labels), dtype=bool)
    kept, _ = train_test_split(
        np.arange(len(labels)), test_size=settings.heldout, random_state=seed % 2**32
    )
    trained[kept] = True
    found = pca(cells[trained], cells[~trained], Training(settings), seed)
    scaled = _scaled(cells, trained)[~trained]
    assert found.loadings is not None
    error = ((found.heldout @ found.loadings.T - scaled) ** 2).sum() / (scaled**2).sum()
    table = _accuracy_by_k(found.scores, labels, trained, found.heldout)
    return table.assign(
        label=label,
        heldout_error=error,
        linear_error=error,
        active_dimensions=settings.latent,
    )


def _scaled(cells: AnnData, trained: np.ndarray) -> np.ndarray:
    """Return expression centred and scaled over training cells; 0 for genes constant in these."""
    expression = dense(cells)
    centre, scale = expression[trained].mean(0), expression[trained].std(0)
    return np.where(scale > 0, (expression - centre) / np.where(scale > 0, scale, 1), 0)


def _accuracy_by_k(
    scores: np.ndarray, labels: np.ndarray, trained: np.ndarray, heldout: np.ndarray
) -> pd.DataFrame:
    truth = labels[~trained]
    rows = []
    for k in NEIGHBOURS:
        accuracy = np.nan
        if len(np.unique(labels)) > 1 and k <= len(scores):
            found = classify(scores, labels[trained], heldout, k)
            accuracy = balanced_accuracy(truth, found)
        rows.append({"k": k, "balanced_accuracy": accuracy})
    return pd.DataFrame(rows)
