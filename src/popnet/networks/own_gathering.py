"""Networks of the user's own as those of bins are: from the rows of a table to an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.networks.estimators import BinCentrality, Estimator
from popnet.networks.gather import FOLLOWED
from popnet.networks.pairs import PairMoments, PairWeights

if TYPE_CHECKING:
    from anndata import AnnData

# Pairs that are tested one by one, those of largest root mean square over samples: more would not
# fit into memory with their permutations.
MOST_PAIRS = 500_000


def described(
    bins: pd.DataFrame,
    batches: pd.Series,
    summary: AnnData | None,
    depths: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return bins of a cell type with their name, number of cells, batch and depth.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        sample and bin.
    batches : Series, sample -> batch
        Of the study.
    summary : AnnData of shape (n_planned_bins, n_genes) or None
        Of :func:`popnet.cells.expression.write_expression`; None without cells. Depth and number
        of cells are those of the sample's bins there, since bins of another tool are others.
    depths : DataFrame, indexed by sample, optional
        mean_depth of the samples as they were sequenced, where those bins are of thinned counts.
    """
    table = bins[["sample", "bin"]].reset_index(drop=True)
    table.insert(0, "name", table["sample"] + "." + table["bin"].astype(str))
    table["batch"] = table["sample"].map(batches).fillna("").astype(str)
    table[["n_cells", "mean_depth"]] = np.nan
    if summary is not None:
        of_sample = summary.obs.groupby(summary.obs["sample"].astype(str), observed=True)
        n_bins = table.groupby("sample")["bin"].transform("size")
        table["n_cells"] = table["sample"].map(of_sample["n_cells"].sum()) / n_bins
        depth = of_sample["mean_depth"].mean() if depths is None else depths["mean_depth"]
        table["mean_depth"] = table["sample"].map(depth)
    return table


def expression_of(bins: pd.DataFrame, genes: pd.Index, summary: AnnData | None) -> AnnData:
    """Return mean expression and detection rate of genes in the samples of bins.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        Of :func:`described`.
    genes : Index of shape (n_genes,)
    summary : AnnData or None
        As for :func:`described`.

    Returns
    -------
    AnnData of shape (n_bins, n_genes)
        X and the layer "detection_rate": means over the sample's bins, NaN for genes and samples
        that the study's cells do not have.
    """
    from anndata import AnnData

    found = {"X": np.full((len(bins), len(genes)), np.nan)}
    found["detection_rate"] = found["X"].copy()
    if summary is not None:
        samples = summary.obs["sample"].astype(str).to_numpy()
        for name, values in (("X", summary.X), ("detection_rate", None)):
            values = summary.layers[name] if values is None else values
            means = pd.DataFrame(values, columns=summary.var_names).groupby(samples).mean()
            found[name] = means.reindex(index=bins["sample"], columns=genes).to_numpy()
    obs, var = bins.set_index("name"), pd.DataFrame(index=genes)
    return AnnData(found["X"], obs, var, layers={"detection_rate": found["detection_rate"]})


def own_estimator(
    bins: pd.DataFrame,
    genes: pd.Index,
    first: np.ndarray,
    second: np.ndarray,
    weights: sparse.csr_array,
) -> Estimator:
    """Return the edges of a user's table as an estimator.

    Centrality is the mean absolute weight of a gene with all others. Of two opposite edges
    of a directed network the graph has the stronger one.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        Of :func:`described`.
    genes, first, second, weights
        Of :meth:`OwnTable.weights`.
    """
    shape = (len(first), len(genes))
    ends = [
        sparse.csr_array((np.ones(len(end), np.float32), (np.arange(len(end)), end)), shape=shape)
        for end in (first, second)
    ]
    strength = (abs(weights) @ (ends[0] + ends[1])).toarray()
    values = strength.astype(float) / max(len(genes) - 1, 1)
    everywhere = np.ones(values.shape, bool)
    found = BinCentrality(bins, genes, np.arange(len(bins)), values, values.copy(), everywhere)
    place = np.full(len(genes), -1)

    def weigh(row: int, chosen: np.ndarray) -> list[np.ndarray]:
        place[:] = -1
        place[chosen] = np.arange(len(chosen))
        own = slice(weights.indptr[row], weights.indptr[row + 1])
        pairs, weight = weights.indices[own], weights.data[own]
        one, two = place[first[pairs]], place[second[pairs]]
        inside = (one >= 0) & (two >= 0)
        one, two, weight = one[inside], two[inside], weight[inside]
        # Of several weights for one place the last, the strongest, stays.
        order = np.argsort(np.abs(weight), kind="stable")
        of_pairs = np.zeros((len(chosen),) * 2, np.float32)
        low, high = np.minimum(one, two)[order], np.maximum(one, two)[order]
        of_pairs[low, high] = weight[order]
        return [of_pairs + of_pairs.T]

    return Estimator(found, weigh, absolute=not (weights.data < 0).any())


def own_pairs(
    samples: Sequence[str],
    genes: pd.Index,
    first: np.ndarray,
    second: np.ndarray,
    weights: sparse.csr_array,
) -> PairWeights:
    """Return the pairs of a user's table that are tested: all, or the strongest `MOST_PAIRS`.

    Parameters
    ----------
    samples : sequence of shape (n_bins,)
        The sample of every bin.
    genes, first, second, weights
        Of :meth:`OwnTable.weights`.
    """
    code, names = pd.factorize(np.asarray(samples, dtype=object))
    moments = PairMoments(len(first))
    for number in range(len(names)):
        moments.add(weights[np.flatnonzero(code == number)].toarray())
    columns = np.flatnonzero(moments.rms > 0)
    if len(columns) > MOST_PAIRS:
        print(f"of {len(columns)} pairs the {MOST_PAIRS} strongest are tested")
        columns = np.sort(np.argsort(-moments.rms, kind="stable")[:MOST_PAIRS])
    mean = sparse.csr_array(
        (1 / np.bincount(code)[code], (code, np.arange(len(code)))), shape=(len(names), len(code))
    ).astype(np.float32)
    pairs = pd.DataFrame(
        {
            "gene1": genes[first[columns]],
            "gene2": genes[second[columns]],
            "icc": moments.icc[columns],
            "rms": moments.rms[columns],
        }
    )
    return PairWeights(pairs, names, (mean @ weights[:, columns]).toarray(), None)


def followed_weights(weights: sparse.csr_array) -> np.ndarray:
    """Return the weights of at most `FOLLOWED` random pairs in every bin, dense.

    Parameters
    ----------
    weights : sparse array of shape (n_bins, n_pairs)
        Of :meth:`OwnTable.weights`.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(weights.shape[1])[:FOLLOWED])
    followed: np.ndarray = weights[:, chosen].toarray()
    return followed


def own_values(bins: pd.DataFrame, genes: pd.Index, values: np.ndarray) -> BinCentrality:
    """Return a user's values of genes as centralities.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        Of :func:`described`.
    genes : Index of shape (n_genes,)
    values : ndarray of shape (n_bins, n_genes)
    """
    values = values.astype(float)
    return BinCentrality(
        bins, genes, np.arange(len(bins)), values, values.copy(), np.isfinite(values)
    )
