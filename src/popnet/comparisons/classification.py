"""Classification of cells by their embedding (Methods, "Evaluation of cell embeddings")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from popnet.comparisons.methods import Embedding, Training, attempt, load_method
from popnet.comparisons.outcomes import Outcomes, joined, not_tried
from popnet.comparisons.registry import EMBEDDINGS
from popnet.seeds import derive_seed
from popnet.sivae import Settings

if TYPE_CHECKING:
    from anndata import AnnData

FOLDS = 5
# Neighbours in the paper: for cells, and for images, of which there are fewer.
NEIGHBOURS = (80, 15)
ALL_ALIKE = "not applicable: the cells are of one type, one batch and one sample"
ACCURACY = ["latent", "k", "fold", "label", "balanced_accuracy"]
RECALL = ["latent", "k", "label", "type", "n", "recall"]
SCORES = ["cell", "label", "type", "heldout", "x", "y"]


def dense(cells: AnnData) -> np.ndarray:
    """Return X as a dense array of float64, (n_cells, n_genes)."""
    values = cells.X
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=float)


def choose_label(obs: pd.DataFrame, n_folds: int = FOLDS) -> str | None:
    """Return the column by which cells are classified: the first with two labels in all folds.

    The paper classifies cell types. If there is only one, batches or otherwise samples are
    classified, which also measures an embedding's resolution. None if no column has two labels.
    """
    for column in ("cell_type", "batch", "sample"):
        if (obs[column].value_counts() >= n_folds).sum() > 1:
            return column
    return None


def choose_batch(obs: pd.DataFrame) -> str:
    """Return the column to correct for: batches or, if there is only one, samples."""
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
    """Return the mean over labels of the share of correctly classified cells."""
    return recall(labels, predicted)["recall"].mean()


def recall(labels: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Return the share of correctly classified cells of each label: columns type, n, recall."""
    found = pd.Series(labels == predicted, dtype=float).groupby(np.asarray(labels))
    return pd.DataFrame({"n": found.size(), "recall": found.mean()}).reset_index(names="type")


def folds_of(labels: np.ndarray, n_folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and held-out positions of stratified folds.

    Cells of a label with fewer cells than folds are left out.

    Raises
    ------
    ValueError
        There are fewer than two labels.
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
    """Return how well held-out cells, embedded by the trained encoder, are classified.

    Parameters
    ----------
    embed : callable
        A method of dimension reduction.
    cells : AnnData, (n_cells, n_genes)
    label : str
        Column of obs.
    training : Training
    seed : int
        For the folds, which are the same for every method, and for the methods.
    n_folds : int
    neighbours : sequence of int
        Each k of the k-NN classifier; values above the number of training cells are left out.

    Returns
    -------
    accuracy : DataFrame
        latent, k, fold (counted from 1), label (the column), balanced_accuracy.
    by_type : DataFrame
        latent, k, label, type, n, recall: for the held-out cells of all folds together.
    scores : DataFrame
        Of the first fold: cell, label, type, heldout, and x and y, the first two dimensions.

    Raises
    ------
    ValueError
        There are fewer than two labels, or scores are not finite.
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
    return pd.DataFrame(rows, columns=ACCURACY), by_type[RECALL], scores


def classify_cells(
    method: str,
    cells: AnnData,
    settings: Settings,
    epochs: int,
    latents: Sequence[int],
    n_folds: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Return how well cells are classified by a method, for every number of latent dimensions.

    Parameters
    ----------
    method : str
        A key of `EMBEDDINGS`.
    cells : AnnData, (n_cells, n_genes)
        obs has cell_type, batch and sample.
    settings : Settings
    epochs : int
    latents : sequence of int
    n_folds : int
    seed : int

    Returns
    -------
    dict of DataFrame
        `accuracy`, `types` and `scores` of :func:`cross_validate`, with the method, and `status`.
        Scores are those of two dimensions: the first two of more dimensions show only a part.
    """
    cells = cells.copy()
    label = choose_label(cells.obs, n_folds)
    cells.obs["batch"] = cells.obs[choose_batch(cells.obs)]
    settings = replace(settings, standardise=True, heldout=0.0)
    seed = derive_seed(seed, "embeddings")
    tried = {}
    for latent in latents:
        training = Training(replace(settings, latent=latent), epochs)
        tried[latent] = (
            attempt(_cross_validate, method, cells, label, training, seed, n_folds)
            if label
            else not_tried(ALL_ALIKE)
        )
    found = {latent: each.value for latent, each in tried.items() if each.status == "done"}
    tables = {
        "accuracy": joined([tables[0] for tables in found.values()], ACCURACY),
        "types": joined([tables[1] for tables in found.values()], RECALL),
        "scores": joined([found[2][2]] if 2 in found else [], SCORES),
    }
    for table in tables.values():
        table.insert(0, "method", method)
    outcomes = Outcomes()
    outcomes.add("embeddings", method, {f"{n} dimensions": each for n, each in tried.items()})
    return tables | {"status": outcomes.table()}


def _cross_validate(method: str, *arguments: Any) -> Any:
    return cross_validate(load_method(EMBEDDINGS, method), *arguments)
