"""The pairs of genes that are tested one by one, chosen without a look at any phenotype."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from popnet.files import read_h5ad, write_h5ad

# Share of all pairs of the graph's genes that are tested: benchmarks/networks.py pairs
TESTED = 0.2


@dataclass(frozen=True)
class PairWeights:
    """The weights of the candidate pairs in every sample.

    Parameters
    ----------
    pairs : DataFrame of n_pairs rows
        gene1, gene2, icc (ICC(1,k) of the weight over bins, NaN without two bins of a sample) and
        rms (root mean square of the weight over samples).
    samples : ndarray of str, of shape (n_samples,)
    weights : float32 ndarray of shape (n_samples, n_pairs)
        Signed; means over a sample's bins.
    correlation : float32 ndarray of shape (n_samples, n_pairs) or None
        The plain correlation in the same cells; None of networks without cells.
    """

    pairs: pd.DataFrame
    samples: np.ndarray
    weights: np.ndarray
    correlation: np.ndarray | None

    def write(self, path: str | Path) -> None:
        """Write samples x pairs as AnnData: X and, if there is one, the layer "correlation"."""
        from anndata import AnnData

        table = AnnData(
            self.weights,
            obs=pd.DataFrame(index=list(self.samples)),
            var=self.pairs.set_axis(self.pairs.index.astype(str)),
            layers={} if self.correlation is None else {"correlation": self.correlation},
        )
        write_h5ad(table, path)


def read_pairs(path: str | Path) -> PairWeights:
    """Read a file of :meth:`PairWeights.write`.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    table = read_h5ad(path)
    pairs = table.var.reset_index(drop=True).astype({"gene1": str, "gene2": str})
    samples = table.obs_names.to_numpy(object)
    return PairWeights(pairs, samples, table.X, table.layers.get("correlation"))


def candidates(rms: np.ndarray, share: float = TESTED) -> np.ndarray:
    """Return the pairs to test: those of the largest root mean square of the weight over samples.

    The mean strength would drop pairs that only some samples have; their variance between samples
    is part of the mean square.

    Parameters
    ----------
    rms : ndarray of shape (n_pairs,)
    share : float
        Of the pairs.

    Returns
    -------
    ndarray of int
        Sorted. Pairs without any weight are never tested.
    """
    n_tested = int(np.ceil(share * len(rms)))
    chosen = np.sort(np.argsort(-rms, kind="stable")[:n_tested])
    return chosen[rms[chosen] > 0]


class PairMoments:
    """Means and variances of the weights of pairs, sample by sample.

    Parameters
    ----------
    n_pairs : int
    """

    def __init__(self, n_pairs: int):
        self.n_samples = self.n_bins = 0
        self.sum, self.between, self.within, self.mean_square = np.zeros((4, n_pairs))

    def add(self, bins: np.ndarray) -> np.ndarray:
        """Add the bins of one sample, (n_bins, n_pairs), and return their mean, (n_pairs,)."""
        mean = bins.mean(axis=0, dtype=float)
        self.n_samples += 1
        self.n_bins += len(bins)
        self.sum += len(bins) * mean
        self.between += len(bins) * mean**2
        self.within += ((bins - mean) ** 2).sum(axis=0, dtype=float)
        self.mean_square += mean**2
        return mean

    @property
    def rms(self) -> np.ndarray:
        """Root mean square of the samples' weights, (n_pairs,)."""
        return np.sqrt(self.mean_square / max(self.n_samples, 1))

    @property
    def icc(self) -> np.ndarray:
        """ICC(1,k) of the weights over bins, (n_pairs,), as of `popnet.networks.reliability.icc`.

        NaN with one sample, or without two bins of any sample.
        """
        if self.n_samples < 2 or self.n_bins == self.n_samples:
            return np.full(len(self.sum), np.nan)
        between = (self.between - self.sum**2 / self.n_bins) / (self.n_samples - 1)
        within = self.within / (self.n_bins - self.n_samples)
        with np.errstate(divide="ignore", invalid="ignore"):
            reliability: np.ndarray = np.maximum(1 - within / between, -1.0)
        return reliability
