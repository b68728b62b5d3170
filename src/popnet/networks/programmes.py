"""Programmes: groups of genes that vary together, the rotated dimensions of the shared model.

The shared loadings are the same in all samples, so that a programme means the same in each of them,
and its variance and its coupling to another programme can be compared between samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from popnet.networks.naming import name_groups

if TYPE_CHECKING:
    from anndata import AnnData

# benchmarks/networks.py programmes: fewer were broader, more had less power.
N_PROGRAMMES = 16
# Least cosine of the loadings of a programme and its match in a model of another seed.
SAME = 0.7
# Genes of a programme that are listed and compared with gene sets.
N_TOP = 50


@dataclass(frozen=True)
class Programmes:
    """The programmes of a cell type.

    Parameters
    ----------
    loadings : ndarray of shape (n_genes, n_programmes)
        Covariance of each gene with the programme's score, which has variance 1 over the cells
        that the model was trained on. The largest loading is positive.
    found_by : ndarray of int, of shape (n_programmes,)
        How many of the models of other seeds (and other cells) have the programme.
    n_models : int
        How many these are.
    """

    loadings: np.ndarray
    found_by: np.ndarray
    n_models: int

    @property
    def recurrent(self) -> np.ndarray:
        """Which programmes every other model has, (n_programmes,)."""
        mask: np.ndarray = self.found_by == self.n_models
        return mask

    def to_anndata(self, genes: pd.Index) -> AnnData:
        """Return genes x programmes: X are the loadings, var has found_by and n_models."""
        from anndata import AnnData

        var = pd.DataFrame({"found_by": self.found_by, "n_models": self.n_models})
        var.index = (var.index + 1).astype(str)
        return AnnData(self.loadings, pd.DataFrame(index=genes), var)

    @classmethod
    def from_anndata(cls, table: AnnData) -> Programmes:
        """Return the programmes of :meth:`to_anndata`."""
        n_models = int(table.var["n_models"].max()) if table.n_vars else 0
        return cls(np.asarray(table.X), table.var["found_by"].to_numpy(), n_models)

    def bin_covariance(self, factor: np.ndarray) -> np.ndarray:
        """Return the covariance of the programmes' scores in a bin, (n_programmes, n_programmes).

        Parameters
        ----------
        factor : ndarray of shape (n_genes, rank)
            F of the bin's W = F F' (:func:`popnet.sivae.covariance.covariance_factor`).
        """
        scores = np.linalg.pinv(self.loadings) @ factor
        covariance: np.ndarray = scores @ scores.T
        return covariance


def find_programmes(
    factor: np.ndarray, others: Sequence[np.ndarray], n_programmes: int = N_PROGRAMMES
) -> Programmes:
    """Return the programmes of a model that models of other seeds are asked for, too.

    Parameters
    ----------
    factor : ndarray of shape (n_genes, rank)
        F of W = F F' over the cells of all samples.
    others : sequence of ndarray of shape (n_genes, rank)
        The same of models of other seeds.
    n_programmes : int
        At most the rank.
    """
    loadings = rotated(factor, n_programmes)
    found_by = np.zeros(loadings.shape[1], int)
    for other in others:
        found_by += match(loadings, rotated(other, n_programmes)) >= SAME
    return Programmes(loadings, found_by, len(others))


def rotated(factor: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Return the principal directions of W = F F', rotated by varimax.

    Parameters
    ----------
    factor : ndarray of shape (n_genes, rank)
    n_dimensions : int

    Returns
    -------
    ndarray of shape (n_genes, min(n_dimensions, rank))
        Sorted by their sum of squares; the largest loading of each is positive.
    """
    directions, sizes, _ = np.linalg.svd(factor.astype(np.float64), full_matrices=False)
    used = sizes[:n_dimensions] > 1e-6 * max(sizes[0], 1e-300)
    loadings = directions[:, : len(used)][:, used] * sizes[: len(used)][used]
    loadings = loadings @ varimax(loadings)
    loadings = loadings[:, np.argsort(-(loadings**2).sum(axis=0), kind="stable")]
    largest = np.abs(loadings).argmax(axis=0)
    found: np.ndarray = loadings * np.sign(loadings[largest, np.arange(loadings.shape[1])])
    return found


def varimax(loadings: np.ndarray, iterations: int = 500, tolerance: float = 1e-8) -> np.ndarray:
    """Return the rotation that maximises the variance of the squared loadings.

    Parameters
    ----------
    loadings : ndarray of shape (n_genes, n_dimensions)
    iterations : int
    tolerance : float
        Relative growth of the criterion at which it stops.

    Returns
    -------
    ndarray of shape (n_dimensions, n_dimensions)
        Orthogonal.

    References
    ----------
    Kaiser, Psychometrika 23 (1958).
    """
    rotation = np.eye(loadings.shape[1])
    criterion = 0.0
    for _ in range(iterations):
        turned = loadings @ rotation
        target = turned**3 - turned * (turned**2).mean(axis=0)
        left, sizes, right = np.linalg.svd(loadings.T @ target)
        rotation = left @ right
        if sizes.sum() <= criterion * (1 + tolerance):
            break
        criterion = sizes.sum()
    return rotation


def match(loadings: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the absolute cosine of each programme and its match, (n_programmes,).

    One programme is matched to one (Hungarian algorithm); 0 where none is left.
    """
    unit, other_unit = (
        values / np.maximum(np.sqrt((values**2).sum(axis=0)), 1e-300)
        for values in (loadings, other)
    )
    cosine = np.abs(unit.T @ other_unit)
    rows, columns = linear_sum_assignment(-cosine)
    found = np.zeros(loadings.shape[1])
    found[rows] = cosine[rows, columns]
    return found


def of_bins(programmes: Programmes, factors: Iterable[np.ndarray]) -> AnnData:
    """Return what is tested of the programmes that come back in other models, by bin.

    Parameters
    ----------
    programmes : Programmes
    factors : iterable of ndarray of shape (n_genes, rank)
        F of every bin's W = F F'.

    Returns
    -------
    AnnData of shape (n_bins, n_values)
        X as of :func:`programme_values`; var has kind, programme1 and programme2.
    """
    from anndata import AnnData

    kept = np.flatnonzero(programmes.recurrent)
    covariance = [programmes.bin_covariance(factor)[np.ix_(kept, kept)] for factor in factors]
    values, columns = programme_values(np.array(covariance))
    for column in ("programme1", "programme2"):
        columns[column] = kept[columns[column] - 1] + 1
    return AnnData(values, var=columns.set_axis(columns.index.astype(str)))


def describe(
    programmes: Programmes, genes: pd.Index, gene_sets: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return the programmes as a table of their genes, those of largest loading first.

    Parameters
    ----------
    programmes : Programmes
    genes : Index of shape (n_genes,)
    gene_sets : mapping of name to genes

    Returns
    -------
    DataFrame
        programme (from 1), name, gene_set, gene_set_q (:func:`name_programmes`), found_by and
        n_models (of other seeds), gene, loading: the top 50 genes of each.
    """
    named = name_programmes(programmes.loadings, genes, gene_sets)
    named["found_by"], named["n_models"] = programmes.found_by, programmes.n_models
    tables = []
    for column in programmes.loadings.T:
        order = np.argsort(-np.abs(column), kind="stable")[:N_TOP]
        tables.append(pd.DataFrame({"gene": genes[order], "loading": column[order]}))
    listed = pd.concat(tables, keys=named["programme"], names=["programme", None])
    listed = listed.reset_index(level=0).reset_index(drop=True)
    return named.merge(listed, on="programme")


def programme_values(covariance: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Return what is tested of programmes: log variances, and couplings as Fisher's z.

    Parameters
    ----------
    covariance : ndarray of shape (n_bins, n_programmes, n_programmes)

    Returns
    -------
    values : ndarray of shape (n_bins, n_programmes + n_pairs)
        NaN where a programme does not vary.
    columns : DataFrame
        kind ("variance" or "coupling"), programme1, programme2 (numbers from 1; of a variance the
        same twice).
    """
    n_programmes = covariance.shape[1]
    variance = np.einsum("bii->bi", covariance)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where(variance > 0, np.log(variance), np.nan)
        first, second = np.triu_indices(n_programmes, 1)
        size = np.sqrt(variance[:, first] * variance[:, second])
        coupling = covariance[:, first, second] / np.where(size > 0, size, np.nan)
    values = np.column_stack([logarithm, np.arctanh(np.clip(coupling, -0.999999, 0.999999))])
    every = np.arange(n_programmes)
    columns = pd.DataFrame(
        {
            "kind": ["variance"] * n_programmes + ["coupling"] * len(first),
            "programme1": np.concatenate([every, first]) + 1,
            "programme2": np.concatenate([every, second]) + 1,
        }
    )
    return values, columns


def name_programmes(
    loadings: np.ndarray, genes: pd.Index, gene_sets: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Name programmes by their genes of largest loading and their best gene set.

    Parameters
    ----------
    loadings : ndarray of shape (n_genes, n_programmes)
    genes : Index of shape (n_genes,)
    gene_sets : mapping of name to genes

    Returns
    -------
    DataFrame, a row per programme
        programme (from 1), name, gene_set and gene_set_q, of its top 50 genes
        (:func:`popnet.networks.naming.name_groups`).
    """
    size = np.abs(loadings)
    order = np.argsort(-size, axis=0, kind="stable")[:N_TOP]
    top = np.zeros(size.shape, bool)
    np.put_along_axis(top, order, True, axis=0)
    table = name_groups(size, top, genes, gene_sets)
    table.insert(0, "programme", np.arange(1, len(table) + 1))
    return table
