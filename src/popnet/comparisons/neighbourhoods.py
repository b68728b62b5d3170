"""The networks of the compared cells by every method: hubs, and prediction by neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.comparisons.hubs import (
    NEIGHBOURS,
    clustered,
    common_hubs,
    hub_accuracy,
    nearest,
    neighbour_correlation,
    neighbour_overlap,
)
from popnet.comparisons.networks.correlation import expression_of
from popnet.comparisons.prediction import variance_explained
from popnet.networks.correlation import pearson
from popnet.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData


def compare_networks(
    networks: Mapping[str, AnnData], truth: pd.DataFrame, cells: AnnData, seed: int
) -> dict[str, pd.DataFrame]:
    """Compare the hubs of every method with the ground truth, and the neighbours between methods.

    Parameters
    ----------
    networks : mapping of method to AnnData, (0, n_genes)
        varp["weights"] and var["centrality"]; a method that failed has neither.
    truth : DataFrame
        gene and truth, of `popnet.comparisons.ground_truth.predictive_centrality`.
    cells : AnnData, (n_cells, n_genes)
    seed : int

    Returns
    -------
    dict of DataFrame
        `centralities`: gene, truth and a column per method; `hubs`: of `hub_accuracy`;
        `neighbours`: the variance that neighbours of the common hubs explain, by method, and
        `by_gene`;
        `neighbour_overlap` and `neighbour_correlation`: methods x methods.
    """
    truth = truth.set_index("gene")
    found = {name: each for name, each in networks.items() if "weights" in each.varp}
    centralities = pd.DataFrame(
        {name: each.var["centrality"] for name, each in found.items()}, truth.index
    )
    # As in the paper, the common hubs are those of siVAE and the methods of network inference.
    known = centralities.dropna(axis=1)
    electing = [
        name for name in map(str, known) if name == "sivae-euc" or not name.startswith("sivae-")
    ]
    hubs, share = common_hubs(known[electing] if electing else truth)
    print(f"{len(hubs)} genes are among the first {share:.0%} of {', '.join(electing) or 'truth'}")

    expression = expression_of(cells)
    ties = derive_seed(seed, "ties of neighbours")
    k = min(NEIGHBOURS, len(truth) - 1)
    near = {name: nearest(each.varp["weights"], hubs, ties, k) for name, each in found.items()}
    neighbours = {name: genes for name, (genes, _) in near.items()}
    linked = {name: positive.mean() for name, (_, positive) in near.items()}
    names, explained = _explained(expression, hubs, neighbours, k, seed)
    overlap = neighbour_overlap(neighbours)
    correlation = neighbour_correlation(neighbours, pearson(expression))
    by_method = pd.DataFrame(
        {
            "method": names,
            "n_queries": len(hubs),
            "n_neighbours": k,
            "hub_share": share,
            "variance_explained": explained.mean(1),
            "se": explained.std(1, ddof=1) / np.sqrt(len(hubs)),
            "linked": [linked.get(name, np.nan) for name in names],
        }
    )
    return {
        "centralities": truth.join(centralities).reset_index(),
        "hubs": hub_accuracy(centralities, truth["truth"]),
        "neighbours": by_method,
        "by_gene": pd.DataFrame(explained.T, truth.index[hubs], names).reset_index(),
        "neighbour_overlap": clustered(overlap).rename_axis("method").reset_index(),
        "neighbour_correlation": clustered(correlation).rename_axis("method").reset_index(),
    }


def _explained(
    expression: np.ndarray,
    hubs: np.ndarray,
    neighbours: Mapping[str, np.ndarray],
    k: int,
    seed: int,
) -> tuple[list[str], np.ndarray]:
    """Return methods and "random", and what their neighbours explain, (n_methods, n_hubs)."""
    even = np.ones((expression.shape[1],) * 2)
    chance, _ = nearest(even, hubs, derive_seed(seed, "random neighbours"), k)
    sets = {**neighbours, "random": chance}
    explained = variance_explained(
        expression,
        np.tile(hubs, len(sets)),
        np.concatenate(list(sets.values())),
        derive_seed(seed, "prediction"),
        device="cpu",
    )
    return list(sets), explained.reshape(len(sets), -1)
