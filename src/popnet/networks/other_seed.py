"""Does a second training of a bin give the same network?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.networks.centrality import MEASURES

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ("measure", "other_seed", "n_bins")
PAIR = ["gene1", "gene2"]


def seed_agreement(
    first: tuple[AnnData, pd.DataFrame], second: tuple[AnnData, pd.DataFrame]
) -> pd.DataFrame:
    """Return how far two trainings of the same bins agree.

    Parameters
    ----------
    first, second : (AnnData, DataFrame)
        Bins with their measures, and their edges (sample, bin, gene1, gene2), as
        :func:`popnet.networks.gather.gather_apart` returns them. Bins that one of them lacks are
        passed over.

    Returns
    -------
    DataFrame with columns measure, other_seed, n_bins
        Means over bins: of `centrality` and of the graph centralities the correlation over genes,
        of `edges` the Jaccard index. NaN without a bin, or where a measure does not vary.
    """
    common = first[0].obs_names.intersection(second[0].obs_names)
    one, other = first[0][common], second[0][common]
    layers = [
        (name, one.layers[name], other.layers[name]) for name in MEASURES if name in one.layers
    ]
    found = {
        name: [_correlation(*values) for values in zip(a, b, strict=True)]
        for name, a, b in [("centrality", one.X, other.X), *layers]
    }
    keys = list(zip(one.obs["sample"].astype(str), one.obs["bin"], strict=True))
    found["edges"] = _jaccard(keys, first[1], second[1])
    rows = [(name, _mean(values), len(common)) for name, values in found.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _jaccard(keys: list[tuple[str, int]], first: pd.DataFrame, second: pd.DataFrame) -> list[float]:
    """Return the Jaccard index of the edges of each bin."""
    of_bins = []
    for edges in (first, second):
        rows = edges.astype({"sample": str}).groupby(["sample", "bin"])[PAIR]
        of_bins.append({key: set(pairs.itertuples(index=False, name=None)) for key, pairs in rows})
    both = [(of_bins[0].get(key, set()), of_bins[1].get(key, set())) for key in keys]
    return [len(a & b) / len(a | b) if a | b else np.nan for a, b in both]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def _mean(values: list[float]) -> float:
    known = np.array(values)[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
