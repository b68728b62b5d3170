"""How well cells are told apart by their embedding (Methods, "Evaluation of cell embeddings")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from popnet import sivae
from popnet.comparisons.methods import Embedding, Training
from popnet.seeds import derive_seed
from popnet.sivae.fitting import Device

if TYPE_CHECKING:
    from anndata import AnnData

FOLDS = 5
# Of the paper: of cells, and of images, of which there are fewer.
NEIGHBOURS = (80, 15)


def dense(cells: AnnData) -> np.ndarray:
    """Return X as a dense array of float64, (n_cells, n_genes)."""
    values = cells.X
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=float)


def choose_label(obs: pd.DataFrame, n_folds: int = FOLDS) -> str | None:
    """Return the column by which cells are classified: the first with two labels in all folds.

    Cell types are what the paper classifies. Where there is one, how well batches or, at last,
    samples are told apart says the same of an embedding's resolution. None where there is nothing
    to tell apart.
    """
    for column in ("cell_type", "batch", "sample"):
        if (obs[column].value_counts() >= n_folds).sum() > 1:
            return column
    return None


def choose_batch(obs: pd.DataFrame) -> str:
    """Return the column that says what is to be corrected for: batches or, of one, samples."""
    return "batch" if obs["batch"].nunique() > 1 else "sample"


def classify(
    scores: np.ndarray, labels: np.ndarray, heldout: np.ndarray, neighbours: int
) -> np.ndarray:
    """Return the most common label of each held-out cell's nearest training cells.

    Parameters
    ----------
    scores, heldout : ndarray, (n_cells, latent) and (n_heldout, latent)
    labels : ndarray, (n_cells,)
    neighbours : int
        At most as many as there are training cells.
    """
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(neighbours)
    return model.fit(scores, labels).predict(heldout)


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean over labels of the share of their cells that are found."""
    return recall(labels, predicted)["recall"].mean()


def recall(labels: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Return the share of each label's cells that are found: columns type, n, recall."""
    found = pd.Series(labels == predicted, dtype=float).groupby(np.asarray(labels))
    return pd.DataFrame({"n": found.size(), "recall": found.mean()}).reset_index(names="type")


def folds_of(labels: np.ndarray, n_folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and held-out positions of stratified folds.

    Cells of a label that has fewer cells than there are folds are in none.

    Raises
    ------
    ValueError
        There are no two labels to tell apart.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = pd.Series(labels).value_counts()
    kept = np.flatnonzero(pd.Series(labels).map(counts) >= n_folds)
    if len(np.unique(labels[kept])) < 2:
        raise ValueError(f"labels: no two of them have {n_folds} cells")
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed % 2**32)
    return [(kept[a], kept[b]) for a, b in splitter.split(kept, labels[kept])]


def cross_validate(
    embed: Callable[[AnnData, AnnData, Training, int], Embedding],
    cells: AnnData,
    label: str,
    training: Training,
    seed: int,
    n_folds: int = FOLDS,
    neighbours: Sequence[int] = NEIGHBOURS,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return how well held-out cells, through the trained encoder, are classified.

    Parameters
    ----------
    embed : callable
        A method of dimension reduction.
    cells : AnnData, (n_cells, n_genes)
    label : str
        Column of obs.
    training : Training
    seed : int
        Of the folds, which are the same for every method, and of the methods.
    n_folds : int
    neighbours : sequence of int
        Each k of the k-NN classifier; one that is larger than the number of trained cells is left
        out.

    Returns
    -------
    accuracy : DataFrame
        latent, k, fold (counted from 1), label (the column), balanced_accuracy.
    by_type : DataFrame
        latent, k, label, type, n, recall: of the held-out cells of all folds together.
    scores : DataFrame
        Of the first fold: cell, label, type, heldout, and x and y, the first two dimensions.

    Raises
    ------
    ValueError
        There are no two labels to tell apart, or scores are not finite.
    """
    labels = cells.obs[label].astype(str).to_numpy()
    latent = training.settings.latent
    rows: list[dict[str, Any]] = []
    folds = folds_of(labels, n_folds, seed)
    fewest = min(len(trained) for trained, _ in folds)
    predicted: dict[int, list[np.ndarray]] = {k: [] for k in neighbours if k <= fewest}
    for fold, (trained, heldout) in enumerate(folds, 1):
        embedding = embed(cells[trained], cells[heldout], training, derive_seed(seed, fold))
        if not (np.isfinite(embedding.scores).all() and np.isfinite(embedding.heldout).all()):
            raise ValueError("training did not converge: scores are not finite")
        for k in predicted:
            found = classify(embedding.scores, labels[trained], embedding.heldout, k)
            predicted[k].append(found)
            accuracy = balanced_accuracy(labels[heldout], found)
            rows.append(
                {"latent": latent, "k": k, "fold": fold, "label": label}
                | {"balanced_accuracy": accuracy}
            )
        if fold == 1:
            order = np.concatenate([trained, heldout])
            both = np.concatenate([embedding.scores, embedding.heldout])
            scores = pd.DataFrame(
                {
                    "cell": cells.obs_names[order],
                    "label": label,
                    "type": labels[order],
                    "heldout": np.arange(len(order)) >= len(trained),
                    "x": both[:, 0],
                    "y": both[:, min(1, both.shape[1] - 1)],
                }
            )
    truth = np.concatenate([labels[heldout] for _, heldout in folds])
    by_type = pd.concat(
        [
            recall(truth, np.concatenate(parts)).assign(latent=latent, k=k, label=label)
            for k, parts in predicted.items()
        ],
        ignore_index=True,
    )
    columns = ["latent", "k", "label", "type", "n", "recall"]
    return pd.DataFrame(rows), by_type[columns], scores


def gamma_settings(settings: sivae.Settings, gammas: Sequence[float]) -> dict[str, sivae.Settings]:
    """Return the settings of siVAE with each weight of the interpretability term, and of its end.

    Parameters
    ----------
    settings : Settings
        Of siVAE.
    gammas : sequence of float

    Returns
    -------
    dict of Settings
        By the weight as text; the last, "linear", is siVAE-linear, where growing weights lead.
    """
    chosen = {f"{gamma:g}": replace(settings, gamma=gamma) for gamma in gammas}
    return chosen | {"linear": replace(settings, **sivae.VARIANTS["sivae-linear"])}


def heldout_quality(
    cells: AnnData, label: str, settings: sivae.Settings, device: Device, seed: int
) -> pd.DataFrame:
    """Return what one siVAE makes of cells that it was not trained on.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        Log-normalised expression in X.
    label : str
        Column of obs.
    settings : Settings
        `heldout` is the share of cells, in the labels' proportions, that are not trained on.
    device : {"auto", "cpu", "cuda"}
    seed : int

    Returns
    -------
    DataFrame
        One row for each k: k, label, balanced_accuracy (NaN of one label); heldout_error, the
        squared error of centred and scaled expression over that of its mean over trained cells;
        linear_error, the same of the inner product of scores and loadings alone, drawn from their
        posteriors (equation 13; missing where gamma is 0); active_dimensions.

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
    """Return the same of principal components: the linear model without any regularisation.

    `settings` says latent dimensions and held-out cells, of which there is another draw.
    """
    from sklearn.model_selection import train_test_split

    from popnet.comparisons.embeddings.components import pca

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
    """Return expression centred and scaled over trained cells; 0 where a gene is constant there."""
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
