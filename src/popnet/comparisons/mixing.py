"""How well cells of different batches mix in an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.comparisons.classification import choose_batch
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.comparisons.registry import EMBEDDINGS
from popnet.seeds import derive_seed
from popnet.sivae import Settings

if TYPE_CHECKING:
    from anndata import AnnData

NEIGHBOURS = 30
# Usual number of principal components for UMAP.
COMPONENTS = 50


def neighbours_of(scores: np.ndarray, n_neighbours: int) -> np.ndarray:
    """Return the positions of each cell's nearest other cells, (n_cells, n_neighbours)."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=n_neighbours).fit(scores).kneighbors(return_distance=False)


def mixing(
    scores: np.ndarray, batches: np.ndarray, types: np.ndarray, n_neighbours: int = NEIGHBOURS
) -> dict[str, float]:
    """Return how batches mix among neighbours, and whether types stay separate.

    Parameters
    ----------
    scores : ndarray, (n_cells, latent)
    batches, types : ndarray, (n_cells,)
    n_neighbours : int

    Returns
    -------
    dict
        inverse_simpson: the effective number of batches among a cell's neighbours, 1 over the sum
        of their squared shares (LISI of Korsunsky et al. 2019, with equal weights of neighbours),
        mean over cells. inverse_simpson_mixed: the same for random neighbours, its expectation for
        perfect mixing. other_batches: share of neighbours of another batch, divided by the expected
        share for random cells of the same type; 1 is mixed, 0 is separate.
        same_type: share of neighbours of the cell's own type.
    """
    nearest = neighbours_of(scores, min(n_neighbours, len(scores) - 1))
    codes, _ = pd.factorize(np.asarray(batches))
    kinds, _ = pd.factorize(np.asarray(types))
    other = codes[nearest] != codes[:, None]
    return {
        "inverse_simpson": _effective_number(codes[nearest]).mean(),
        "inverse_simpson_mixed": _effective_number(
            np.random.default_rng(0).choice(codes, nearest.shape)
        ).mean(),
        "other_batches": other.mean() / _expected_others(codes, kinds).mean(),
        "same_type": float((kinds[nearest] == kinds[:, None]).mean()),
    }


def _effective_number(codes: np.ndarray) -> np.ndarray:
    """Return the inverse Simpson index of each row of batches."""
    shares = np.stack([(codes == code).mean(1) for code in range(codes.max() + 1)], 1)
    return 1 / (shares**2).sum(1)


def _expected_others(codes: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return for each cell the share of other batches among the other cells of its type."""
    counts = pd.crosstab(kinds, codes).to_numpy()
    of_type = counts.sum(1)[kinds]
    return (of_type - counts[kinds, codes]) / np.maximum(of_type - 1, 1)


def umap_map(scores: np.ndarray, seed: int) -> np.ndarray:
    """Return cells in two dimensions by UMAP (McInnes et al. 2018) with its defaults.

    Raises
    ------
    ModuleNotFoundError
        umap-learn is not installed.
    """
    from umap import UMAP

    return UMAP(random_state=seed % 2**32, n_jobs=1).fit_transform(scores)


def tsne_map(scores: np.ndarray, seed: int) -> np.ndarray:
    """Return cells in two dimensions by t-SNE (van der Maaten and Hinton 2008)."""
    from sklearn.manifold import TSNE

    return TSNE(perplexity=min(30, (len(scores) - 1) / 3), random_state=seed % 2**32).fit_transform(
        scores
    )


def compare_batches(
    cells: AnnData, settings: Settings, epochs: int, latents: Sequence[int], seed: int
) -> dict[str, pd.DataFrame]:
    """Embed cells by siVAE with and without batch correction, and by principal components.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        obs has cell_type, batch and sample.
    settings : Settings
    epochs : int
    latents : sequence of int
        The largest is the number of siVAE's dimensions.
    seed : int

    Returns
    -------
    dict of DataFrame
        `mixing`: method, batch (the column that is corrected for), latent and the values of
        :func:`mixing`; `maps`: x, y, view ("before": UMAP of principal components, "after": t-SNE
        of the corrected siVAE), cell_type, batch; `status`.
    """
    cells, batch = cells.copy(), choose_batch(cells.obs)
    cells.obs["batch"] = cells.obs[batch]
    settings = replace(settings, standardise=True, heldout=0.0)
    widths = {name: max(latents) for name in ("sivae", "sivae-batch")}
    widths["pca"] = min(COMPONENTS, min(cells.shape) - 1)
    scores, measures, maps, outcomes = {}, [], [], Outcomes()
    for name, latent in widths.items():
        training = Training(replace(settings, latent=latent), epochs)
        tried = attempt(_scores, name, cells, training, derive_seed(seed, "batches", name))
        outcomes.add("mixing", name, tried)
        if tried.status == "done":
            scores[name] = tried.value
            mixed = mixing(tried.value, cells.obs["batch"], cells.obs["cell_type"])
            measures.append({"method": name, "batch": batch, "latent": latent} | mixed)
    for view, name, draw in (("before", "pca", umap_map), ("after", "sivae-batch", tsne_map)):
        if name not in scores:
            continue
        tried = attempt(draw, scores[name], derive_seed(seed, view))
        outcomes.add("maps", draw.__name__.removesuffix("_map"), tried)
        if tried.status == "done":
            at = pd.DataFrame(tried.value, columns=["x", "y"]).assign(view=view)
            maps.append(at.join(cells.obs[["cell_type", "batch"]].reset_index(drop=True)))
    columns = ["method", "batch", "latent", "other_batches", "same_type"]
    return {
        "mixing": pd.DataFrame(measures, columns=None if measures else columns),
        "maps": joined(maps, ["x", "y", "view", "cell_type", "batch"]),
        "status": outcomes.table(),
    }


def _scores(name: str, cells: AnnData, training: Training, seed: int) -> np.ndarray:
    return load_method(EMBEDDINGS, name)(cells, cells[:1], training, seed).scores
