"""Normalisation, and the selection of genes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from popnet.errors import InputError, Problem
from popnet.files import atomic, read_table

# Least share of a discovery's genes that its second cohort must have.
LEAST_PRESENT = 0.8


@dataclass(frozen=True)
class GeneStatistics:
    """Log-normalised expression of each gene over some cells.

    Parameters
    ----------
    n_cells : int
    mean, variance, detection_rate : ndarray of shape (n_genes,), float64
        The variance is the population variance of these cells (divided by their number).
    """

    n_cells: int
    mean: np.ndarray
    variance: np.ndarray
    detection_rate: np.ndarray


def normalise(
    counts: csr_matrix, depth: np.ndarray | None = None, total: float = 1e4
) -> csr_matrix:
    """Scale each cell's counts to the same total and take log(1 + x).

    Parameters
    ----------
    counts : csr_matrix of shape (n_cells, n_genes)
    depth : ndarray of shape (n_cells,), optional
        Total counts of the cells, if `counts` does not have all of their genes.
    total : float

    Returns
    -------
    csr_matrix of shape (n_cells, n_genes), float64
    """
    if depth is None:
        depth = counts.sum(axis=1, dtype=np.float64)
    depth = np.asarray(depth, dtype=np.float64).ravel()
    factors = total / np.where(depth > 0, depth, 1)
    values = np.log1p(counts.data * np.repeat(factors, np.diff(counts.indptr)))
    return csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def sample_statistics(
    blocks: Iterable[tuple[pd.DataFrame, csr_matrix, np.ndarray]],
) -> dict[str, GeneStatistics]:
    """Return the statistics of normalised expression of each sample, from blocks of cells.

    Parameters
    ----------
    blocks : iterable of (cells, counts, depth)
        As `read_blocks` yields them: a table with column sample, (n_cells, n_genes), (n_cells,).
    """
    parts: dict[str, GeneStatistics] = {}
    for cells, counts, depth in blocks:
        expression = normalise(counts, depth)
        for sample, members in cells.groupby("sample", observed=True).indices.items():
            part = _block_statistics(expression[members])
            earlier = [parts[str(sample)]] if sample in parts else []
            parts[str(sample)] = pool_statistics([*earlier, part])
    return parts


def pool_statistics(parts: Iterable[GeneStatistics]) -> GeneStatistics:
    """Return the statistics of all cells from those of disjoint groups of cells.

    Means and sums of squares are combined as in Chan, Golub & LeVeque (1983), which avoids
    cancellation.

    Raises
    ------
    ValueError
        If there is no group.
    """
    n_cells, mean, squares, detected = 0, np.zeros(1), np.zeros(1), np.zeros(1)
    for part in parts:
        pooled = n_cells + part.n_cells
        delta = part.mean - mean
        squares = (
            squares + part.variance * part.n_cells + delta**2 * (n_cells * part.n_cells / pooled)
        )
        mean = mean + delta * (part.n_cells / pooled)
        detected = detected + part.detection_rate * part.n_cells
        n_cells = pooled
    if not n_cells:
        raise ValueError("parts: no cells to take statistics of")
    return GeneStatistics(n_cells, mean, squares / n_cells, detected / n_cells)


def _block_statistics(expression: csr_matrix) -> GeneStatistics:
    n_cells, n_genes = expression.shape
    genes, values = expression.indices, expression.data
    n_detected = np.bincount(genes, minlength=n_genes)
    mean = np.bincount(genes, values, n_genes) / n_cells
    squares = np.bincount(genes, (values - mean[genes]) ** 2, n_genes)
    squares = squares + (n_cells - n_detected) * mean**2
    return GeneStatistics(n_cells, mean, squares / n_cells, n_detected / n_cells)


@dataclass(frozen=True)
class Choice:
    """Genes that were selected, and the data and settings of the selection.

    A selection is kept when samples are added: with other genes, every model would be trained
    again.

    Parameters
    ----------
    genes : list of str
    settings : dict
        `cohort`, `sample` and `keep` of :func:`select_genes`.
    samples : dict of sample to str
        Checksums of the samples' cells, of :func:`selection_basis`.
    """

    genes: list[str]
    settings: dict[str, Any]
    samples: dict[str, str]

    def write(self, path: str | Path) -> None:
        """Write the settings, the checksums of the samples and of the genes as JSON."""
        basis = {"settings": self.settings, "samples": self.samples, "chosen": _digest(self.genes)}
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(basis, indent=1))

    def stands(
        self, settings: dict[str, Any], samples: dict[str, str], available: Sequence[str]
    ) -> bool:
        """Return whether the selection is still valid: nothing changed, except added samples.

        Parameters
        ----------
        settings, samples
            Those of the current study.
        available : sequence of str
            Genes that all files of cells currently have.
        """
        return (
            set(self.genes) <= set(available)
            and self.settings == settings
            and self.samples.items() < samples.items()
        )


def read_choice(table: str | Path, basis: str | Path) -> Choice | None:
    """Return an earlier selection of genes, or None if there is none or a file is damaged.

    Parameters
    ----------
    table : str or Path
        Of :func:`select_genes`.
    basis : str or Path
        Of :meth:`Choice.write`. It holds a checksum of the genes, so that a truncated table is
        detected.
    """
    try:
        genes = list(read_table(table)["gene"])
        found = json.loads(Path(basis).read_text())
        whole = found["chosen"] == _digest(genes)
        return Choice(genes, found["settings"], found["samples"]) if whole else None
    except (OSError, ValueError, KeyError):
        return None


def _digest(genes: Iterable[str]) -> str:
    return sha256("\n".join(genes).encode()).hexdigest()


def selection_basis(cells: pd.DataFrame) -> dict[str, str]:
    """Return a checksum of each sample's cells, on which a selection of genes depends.

    Parameters
    ----------
    cells : DataFrame of shape (n_cells, n_columns)
        Columns sample, bin, cell and, of thinned cells, kept.
    """
    digests = {}
    columns = [column for column in ("bin", "cell", "kept") if column in cells]
    for sample, members in cells.groupby("sample", observed=True):
        names = members.sort_values(["bin", "cell"])[columns].astype(str)
        digests[str(sample)] = sha256(json.dumps(names.values.tolist()).encode()).hexdigest()[:16]
    return digests


def select_genes(
    per_sample: Sequence[GeneStatistics],
    cohort: int,
    sample: int,
    keep: Sequence[str],
    genes: pd.Index,
) -> pd.DataFrame:
    """Select the genes most variable over all cells or within a sample, and those to keep.

    Parameters
    ----------
    per_sample : sequence of GeneStatistics
        Of the cells of each sample.
    cohort, sample : int
        Genes of highest variance over all cells, and within each sample.
    keep : sequence of str
        Names or glob patterns (case-sensitive) of genes to keep if any cell expresses them.
    genes : Index of shape (n_genes,)

    Returns
    -------
    DataFrame
        Columns gene, mean, variance, detection_rate (over all cells), cohort_rank (1 = most
        variable), n_samples_top, kept_by ("cohort", "sample", "keep", joined by ";"), in the
        order of `genes`. A gene that no cell expresses is never selected.
    """
    pooled = pool_statistics(per_sample)
    cohort_rank = _variance_ranks(pooled)
    in_samples = np.sum([_variance_ranks(part) <= sample for part in per_sample], axis=0)
    kept = [any(fnmatchcase(gene, pattern) for pattern in keep) for gene in genes]
    reasons = {
        "cohort": cohort_rank <= cohort,
        "sample": in_samples > 0,
        "keep": np.array(kept, dtype=bool) & (pooled.detection_rate > 0),
    }
    chosen = np.flatnonzero(np.any(list(reasons.values()), axis=0))
    return pd.DataFrame(
        {
            "gene": genes[chosen],
            "mean": pooled.mean[chosen],
            "variance": pooled.variance[chosen],
            "detection_rate": pooled.detection_rate[chosen],
            "cohort_rank": cohort_rank[chosen].astype(int),
            "n_samples_top": in_samples[chosen],
            "kept_by": [
                ";".join(reason for reason, mask in reasons.items() if mask[gene])
                for gene in chosen
            ],
        }
    )


def absent_genes(selected: Sequence[str], genes: pd.Index) -> pd.Index:
    """Return the selected genes that the cells of a second cohort lack, in their order.

    Raises
    ------
    InputError
        If more than a fifth of them are absent: the discovery's networks cannot be made again.
    """
    chosen = pd.Index(selected)
    absent = chosen[~chosen.isin(genes)]
    if len(chosen) - len(absent) < LEAST_PRESENT * len(chosen):
        message = f"The cells lack {len(absent)} of the {len(chosen)} genes of the discovery"
        remedy = "Use cells with at least 80 % of them, or one naming of genes in both cohorts"
        names = ", ".join(absent[:5])
        raise InputError([Problem("the second cohort", "genes", names, message, remedy)])
    return absent


def with_absent(counts: csr_matrix, n_absent: int) -> csr_matrix:
    """Return counts of cells x genes with columns without counts behind them."""
    shape = counts.shape[0], counts.shape[1] + n_absent
    return csr_matrix((counts.data, counts.indices, counts.indptr), shape)


def _variance_ranks(statistics: GeneStatistics) -> np.ndarray:
    """Return ranks, 1 for the most variable gene; infinity for genes without expression."""
    order = np.argsort(-statistics.variance, kind="stable")
    order = order[statistics.detection_rate[order] > 0]
    ranks = np.full(len(statistics.variance), np.inf)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks
