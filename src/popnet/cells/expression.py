"""Expression for training: normalised, regressed and scaled within a sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from popnet.cells.genes import normalise
from popnet.errors import InputError, Problem
from popnet.files import atomic, reading

if TYPE_CHECKING:
    from anndata import AnnData

# Smaller standard deviations of log expression are rounding errors: a single count in one of a
# million cells gives a larger one.
CONSTANT = 1e-5


@dataclass(frozen=True)
class PreparedSample:
    """Expression of one sample's binned cells.

    Parameters
    ----------
    expression : ndarray of shape (n_cells, n_genes), float32
        Log-normalised, regressed if requested, centred and scaled over the sample's cells.
    obs : DataFrame of shape (n_cells, 3)
        Columns sample, bin, n_counts; index = cell names.
    bins : DataFrame of shape (n_bins, 5)
        Columns sample, bin, n_cells, batch, mean_depth (mean of log10 total counts).
    mean_expression, detection_rate : ndarray of shape (n_bins, n_genes)
        Of log-normalised expression, before regression and scaling.
    counts : csr_matrix of shape (n_cells, n_genes), float32, or None
        What was normalised, where an estimator needs it.
    """

    expression: np.ndarray
    obs: pd.DataFrame
    bins: pd.DataFrame
    mean_expression: np.ndarray
    detection_rate: np.ndarray
    counts: csr_matrix | None = None


def prepare_sample(
    counts: csr_matrix,
    depth: np.ndarray,
    cells: pd.DataFrame,
    genes: pd.Index,
    selected: Sequence[str],
    regress: Sequence[str] = (),
    cell_cycle: pd.DataFrame | None = None,
    seed: int = 0,
    keep_counts: bool = False,
) -> PreparedSample:
    """Normalise, regress and scale the expression of one sample over all its bins.

    Parameters
    ----------
    counts : csr_matrix of shape (n_cells, n_genes)
    depth : ndarray of shape (n_cells,)
        Total counts of the cells.
    cells : DataFrame of shape (n_cells, n_columns)
        Columns sample (one), bin (ascending), batch, cell.
    genes : Index of shape (n_genes,)
        The columns of `counts`.
    selected : sequence of str
        Genes to keep, all among `genes`.
    regress : subset of {"batch", "cell_cycle"}
        What to regress out. A batch that is the same in all cells of the sample is ignored.
    cell_cycle : DataFrame, optional
        Columns gene and phase (S, G2M), for ``"cell_cycle"``.
    seed : int
        For the control genes of the cell-cycle scores.
    keep_counts : bool
        Whether an estimator needs the counts of the selected genes.

    Raises
    ------
    ValueError
        If bins are not ascending, a selected gene is missing, or `regress` has another value.
    InputError
        If the cell cycle cannot be scored with these genes.
    """
    bin_of_cell = cells["bin"].to_numpy()
    if np.any(np.diff(bin_of_cell) < 0):
        raise ValueError("cells must be sorted by bin")
    if unknown := set(regress) - {"batch", "cell_cycle"}:
        raise ValueError(f"regress must be of 'batch', 'cell_cycle', got {sorted(unknown)}")
    columns = genes.get_indexer(pd.Index(selected))
    if np.any(columns < 0):
        raise ValueError(f"selected: {np.sum(columns < 0)} genes are not among the genes")

    normalised = normalise(counts, depth)
    expression = normalised[:, columns].astype(np.float32).toarray()
    sample = cells["sample"].iloc[0]
    numbers, starts, sizes = np.unique(bin_of_cell, return_index=True, return_counts=True)
    mean_expression = np.add.reduceat(expression, starts, dtype=np.float64) / sizes[:, None]
    detection_rate = np.add.reduceat(expression > 0, starts, dtype=np.float64) / sizes[:, None]
    log_depth = np.log10(np.maximum(depth, 1))
    bins = pd.DataFrame(
        {
            "sample": sample,
            "bin": numbers,
            "n_cells": sizes,
            "batch": [
                ";".join(sorted(set(cells["batch"].iloc[start : start + size]) - {""}))
                for start, size in zip(starts, sizes, strict=True)
            ],
            "mean_depth": np.add.reduceat(log_depth, starts) / sizes,
        }
    )

    design = []
    if "batch" in regress and cells["batch"].nunique() > 1:
        design.append(pd.get_dummies(cells["batch"], dtype=float).to_numpy())
    if "cell_cycle" in regress:
        if cell_cycle is None:
            raise ValueError("cell_cycle: the genes of the cell cycle are needed to score it")
        of_phase = cell_cycle.groupby("phase")["gene"].apply(list)
        scores = cell_cycle_scores(normalised, genes, of_phase["S"], of_phase["G2M"], seed)
        design.append(np.column_stack(scores))
    if design:
        expression = regress_out(expression, np.hstack(design))

    obs = pd.DataFrame({"sample": sample, "bin": bin_of_cell, "n_counts": depth})
    obs.index = pd.Index(cells["cell"].astype(str), name=None)
    kept = counts[:, columns].astype(np.float32) if keep_counts else None
    return PreparedSample(scale(expression), obs, bins, mean_expression, detection_rate, kept)


def cell_cycle_scores(
    normalised: csr_matrix,
    genes: pd.Index,
    s_genes: Sequence[str],
    g2m_genes: Sequence[str],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Score the S and the G2M phase of each cell with scanpy (Tirosh et al. 2016).

    Parameters
    ----------
    normalised : csr_matrix of shape (n_cells, n_genes)
    genes : Index of shape (n_genes,)
    s_genes, g2m_genes : sequence of str
    seed : int

    Returns
    -------
    S, G2M : ndarray of shape (n_cells,)

    Raises
    ------
    InputError
        If `genes` has no gene of a phase, or too few other genes to compare with.
    """
    from anndata import AnnData
    from scanpy.tools import score_genes_cell_cycle

    adata = AnnData(normalised, var=pd.DataFrame(index=genes))
    state = np.random.get_state()  # noqa: NPY002 - scanpy seeds numpy's global generator
    try:
        score_genes_cell_cycle(
            adata, s_genes=s_genes, g2m_genes=g2m_genes, random_state=seed % 2**32
        )
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(
            [
                Problem(
                    "config/config.yaml",
                    "genes.regress",
                    "cell_cycle",
                    f"the cell cycle cannot be scored with these {len(genes):,} genes: {error}",
                    "leave cell_cycle out, or check that genes go by their symbols",
                )
            ]
        ) from error
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return adata.obs["S_score"].to_numpy(), adata.obs["G2M_score"].to_numpy()


def regress_out(expression: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return the residuals of a least-squares fit with intercept, gene by gene.

    Regressors may be collinear, such as a full set of indicators.

    Parameters
    ----------
    expression : ndarray of shape (n_cells, n_genes)
    design : ndarray of shape (n_cells, n_regressors)

    Returns
    -------
    ndarray of shape (n_cells, n_genes), the dtype of `expression`
    """
    centred = design - design.mean(axis=0)
    spread = centred.std(axis=0)
    centred = centred[:, spread > 0] / spread[spread > 0]
    basis, singular, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, singular > 1e-10 * singular.max(initial=0)].astype(expression.dtype)
    mean = expression.mean(axis=0, dtype=np.float64).astype(expression.dtype)
    residuals: np.ndarray = expression - mean
    residuals -= basis @ (basis.T @ residuals)
    return residuals


def scale(expression: np.ndarray) -> np.ndarray:
    """Centre each gene and divide it by its population standard deviation.

    Constant genes (a standard deviation below 1e-5) become 0.

    Parameters
    ----------
    expression : ndarray of shape (n_cells, n_genes)

    Returns
    -------
    ndarray of shape (n_cells, n_genes), float32
    """
    mean = expression.mean(axis=0, dtype=np.float64).astype(expression.dtype)
    scaled: np.ndarray = (expression - mean).astype(np.float32, copy=False)
    deviation = np.sqrt(np.einsum("ij,ij->j", scaled, scaled, dtype=np.float64) / len(scaled))
    scaled *= np.divide(
        1, deviation, out=np.zeros_like(deviation), where=deviation > CONSTANT
    ).astype(np.float32)
    return scaled


def write_expression(
    path: str | Path, samples: Iterable[PreparedSample], genes: Sequence[str]
) -> AnnData:
    """Write the samples one after another to an h5ad file, with one in memory at a time.

    Parameters
    ----------
    path : str or Path
        The AnnData file, cells x genes: X float32, obs with sample, bin and n_counts; the layer
        "counts" (sparse) where samples have counts. Cell names that occur twice are prefixed by
        their sample.
    samples : iterable of PreparedSample
    genes : sequence of str
        The columns of the samples' expression.

    Returns
    -------
    AnnData of shape (n_bins, n_genes)
        X = mean log-normalised expression, layers["detection_rate"], obs with sample, bin,
        n_cells, batch and mean_depth.
    """
    from anndata import AnnData
    from anndata.io import write_elem

    var = pd.DataFrame(index=list(genes))
    summaries, tables = [], []
    with atomic(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix = file.create_dataset(
            "X",
            shape=(0, len(var)),
            maxshape=(None, len(var)),
            chunks=(max(1, 2**18 // max(1, len(var))), len(var)),
            dtype=np.float32,
            # All zeros of a gene have the same value within a sample: compressed, files of real
            # cells are 2.5 times smaller.
            compression="gzip",
            compression_opts=1,
        )
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for sample in samples:
            n_written = len(matrix)
            matrix.resize(n_written + len(sample.expression), axis=0)
            matrix[n_written:] = sample.expression
            if sample.counts is not None:
                _append_counts(file, sample.counts)
            tables.append(sample.obs)
            summaries.append((sample.bins, sample.mean_expression, sample.detection_rate))
        obs = pd.concat(tables).astype({"sample": "category"})
        if obs.index.has_duplicates:
            obs.index = obs["sample"].astype(str) + ":" + obs.index
        # Compressed data, except text, have a checksum, so that damaged files are detected.
        write_elem(file, "obs", obs, dataset_kwargs={"compression": "gzip"})
        write_elem(file, "var", var, dataset_kwargs={"compression": "gzip"})

    bins = pd.concat([table for table, _, _ in summaries])
    bins.index = bins["sample"] + "." + bins["bin"].astype(str)
    return AnnData(
        np.vstack([mean for _, mean, _ in summaries]),
        obs=bins,
        var=var,
        layers={"detection_rate": np.vstack([rate for _, _, rate in summaries])},
    )


def _append_counts(file: h5py.File, counts: csr_matrix) -> None:
    """Add the counts of a sample to the layer of them, as AnnData stores a csr_matrix."""
    layer = file.require_group("layers/counts")
    if not len(layer):
        file["layers"].attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        layer.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        layer.attrs["shape"] = (0, counts.shape[1])
        for name, dtype in (("data", np.float32), ("indices", np.int32), ("indptr", np.int64)):
            size = int(name == "indptr")
            layer.create_dataset(
                name, (size,), dtype, maxshape=(None,), chunks=(2**14,), compression="gzip"
            )
    n_stored = len(layer["data"])
    for name, values in (
        ("data", counts.data),
        ("indices", counts.indices),
        ("indptr", counts.indptr[1:].astype(np.int64) + n_stored),
    ):
        start = len(layer[name])
        layer[name].resize(start + len(values), axis=0)
        layer[name][start:] = values
    layer.attrs["shape"] = (len(layer["indptr"]) - 1, counts.shape[1])


def read_bin(path: str | Path, sample: str, bin: int) -> AnnData:
    """Read only the cells of one bin from a file of `write_expression`.

    Raises
    ------
    ValueError
        If the file has no such bin.
    InputError
        If the file is damaged.
    """
    from anndata import AnnData
    from anndata.io import read_elem

    with reading(path), h5py.File(path, "r", locking=False) as file:
        samples = read_elem(file["obs/sample"])
        rows = np.flatnonzero((samples == sample) & (file["obs/bin"][:] == bin))
        if not len(rows):
            raise ValueError(f"no bin {bin} of sample {sample!r}")
        part = slice(rows[0], rows[-1] + 1)
        obs = pd.DataFrame(
            {"sample": sample, "bin": bin, "n_counts": file["obs/n_counts"][part]},
            index=file["obs"][file["obs"].attrs["_index"]].asstr()[part],
        )
        return AnnData(file["X"][part], obs=obs, var=read_elem(file["var"]))


class BinnedExpression:
    """The bins of a file of `write_expression`, read one at a time.

    Parameters
    ----------
    path : str or Path

    Attributes
    ----------
    obs : DataFrame of shape (n_cells, 2)
        sample and bin of every cell, indexed by its name.

    Raises
    ------
    InputError
        If the file is damaged.
    """

    def __init__(self, path: str | Path):
        from anndata.io import read_elem

        self.path = path
        with reading(path), h5py.File(path, "r", locking=False) as file:
            names = file["obs"][file["obs"].attrs["_index"]].asstr()[:]
            samples = np.asarray(read_elem(file["obs/sample"]), dtype=object)
            self.obs = pd.DataFrame({"sample": samples, "bin": file["obs/bin"][:]}, index=names)
            self.genes = pd.Index(read_elem(file["var"]).index)
        grouped = self.obs.reset_index(drop=True).groupby(["sample", "bin"], sort=False).indices
        self._rows = {key: slice(rows[0], rows[-1] + 1) for key, rows in grouped.items()}

    def rows(self, sample: str, bin: int) -> slice:
        """Return where the cells of a bin are."""
        return self._rows[sample, bin]

    def read(self, sample: str, bin: int) -> np.ndarray:
        """Return the expression of the cells of a bin, (n_cells, n_genes), float32.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        with reading(self.path), h5py.File(self.path, "r", locking=False) as file:
            values: np.ndarray = file["X"][self.rows(sample, bin)]
        return values

    def read_counts(self, sample: str, bin: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the counts of the cells of a bin, (n_cells, n_genes), and their depth, (n_cells,).

        Raises
        ------
        InputError
            If the file is damaged, or was written without counts.
        """
        rows = self.rows(sample, bin)
        with reading(self.path), h5py.File(self.path, "r", locking=False) as file:
            layer = file["layers/counts"]
            bounds = layer["indptr"][rows.start : rows.stop + 1]
            part = slice(bounds[0], bounds[-1])
            compressed = layer["data"][part], layer["indices"][part], bounds - bounds[0]
            counts = csr_matrix(compressed, shape=(len(bounds) - 1, len(self.genes)))
            return counts.toarray(), file["obs/n_counts"][rows]
