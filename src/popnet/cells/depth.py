"""Equal depth: the counts of all samples of a cell type are thinned to the same distribution.

Depth moves every gene's centrality and many edges. Where depth is associated with the phenotype, a
covariate takes true effects away with it; thinned counts are those of a shallower sequencing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from popnet.files import atomic
from popnet.seeds import derive_seed

# Depths of a sample's cells are described by this many quantiles.
N_RANKS = 100
RANKS = (np.arange(N_RANKS) + 0.5) / N_RANKS
# The target is the depth that all but this share of the samples reach.
LOW = 0.1
# A sample is shallow whose median depth is below this share of the target's.
SHALLOW = 0.5
# Samples that come later move the target if theirs is lower by this share, on average over ranks.
MOVED = 0.05


def depth_quantiles(depth: np.ndarray) -> np.ndarray:
    """Return the quantiles of the cells' total counts at `RANKS`, (N_RANKS,)."""
    quantiles: np.ndarray = np.quantile(depth, RANKS)
    return quantiles


def target_quantiles(quantiles: np.ndarray) -> np.ndarray:
    """Return the depths that the cells of all samples are thinned to.

    At each rank it is the largest depth of a sample that at least nine of ten samples reach; with
    at most ten samples, that of the lowest. Few samples do not cost all others their counts: the
    lowest sample does not count if its median is below half of the target of the others, then the
    next; at most a tenth of the samples, or one, are left out so, and none of two.

    Parameters
    ----------
    quantiles : ndarray of shape (n_samples, N_RANKS)
        Of :func:`depth_quantiles`, in any order.

    Returns
    -------
    ndarray of shape (N_RANKS,)
    """
    left = quantiles[np.argsort(np.median(quantiles, axis=1), kind="stable")]
    most = max(1, int(LOW * len(left))) if len(left) > 2 else 0
    for _ in range(most):
        if not shallow(left[:1], _reached(left[1:]))[0]:
            break
        left = left[1:]
    return _reached(left)


def _reached(quantiles: np.ndarray) -> np.ndarray:
    reached: np.ndarray = np.quantile(quantiles, LOW, axis=0, method="lower")
    return reached


def shallow(quantiles: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return which samples have a median depth below half of the target's, (n_samples,)."""
    is_below: np.ndarray = np.median(quantiles, axis=1) < SHALLOW * np.median(target)
    return is_below


def shares_kept(depth: np.ndarray, cells: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the share of its counts that each cell of a sample keeps.

    Parameters
    ----------
    depth : ndarray of shape (n_cells,)
        Total counts.
    cells : ndarray of str, of shape (n_cells,)
        Their names, which decide the order of cells of the same depth.
    target : ndarray of shape (N_RANKS,)

    Returns
    -------
    ndarray of shape (n_cells,)
        The target at the cell's rank divided by its depth, at most 1.
    """
    order = np.lexsort((cells, depth))
    rank = np.empty(len(depth))
    rank[order] = (np.arange(len(depth)) + 0.5) / len(depth)
    kept: np.ndarray = np.minimum(1, np.interp(rank, RANKS, target) / np.maximum(depth, 1))
    return kept


def thin(counts: csr_matrix, kept: np.ndarray, seeds: np.ndarray) -> csr_matrix:
    """Keep each count of a cell with the cell's probability (binomial thinning).

    Parameters
    ----------
    counts : csr_matrix of shape (n_cells, n_genes)
        Whole numbers, with sorted genes.
    kept : ndarray of shape (n_cells,)
        Probabilities. Cells with 1 stay as they are.
    seeds : ndarray of int, of shape (n_cells,)
        Every cell has its own, so that nothing depends on which cells are read together.

    Returns
    -------
    csr_matrix of shape (n_cells, n_genes)
        Without stored zeros.
    """
    values = counts.data.copy()
    for cell in np.flatnonzero(kept < 1):
        part = slice(counts.indptr[cell], counts.indptr[cell + 1])
        draw = np.random.default_rng(int(seeds[cell]))
        values[part] = draw.binomial(values[part].astype(np.int64), kept[cell])
    thinned = csr_matrix((values, counts.indices.copy(), counts.indptr.copy()), counts.shape)
    thinned.eliminate_zeros()
    return thinned


@dataclass(frozen=True)
class Target:
    """The depths that samples are thinned to, and what they were made from.

    A target is kept when samples are added: with another, every model would be trained again.

    Parameters
    ----------
    quantiles : list of float
        Total counts at `RANKS`.
    samples : dict of sample to str
        Checksums of the cells and depths of the samples that it was made from.
    code : str
        Digest of the code that made it.
    """

    quantiles: list[float]
    samples: dict[str, str]
    code: str

    def write(self, path: str | Path) -> None:
        """Write it as JSON."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))

    def changed(self, now: Target) -> str:
        """Return why the target is made anew, or "" if it is kept: at most samples were added.

        Parameters
        ----------
        now : Target
            That of all current samples.
        """
        if self.code != now.code:
            return "the code changed"
        if not self.samples.items() <= now.samples.items():
            return "cells of earlier samples changed, or samples were left out"
        ratio = np.maximum(now.quantiles, 1) / np.maximum(self.quantiles, 1)
        change = np.exp(np.log(ratio).mean()) - 1
        if change < -MOVED:
            return f"with the samples that came later it is {-change:.0%} lower"
        return ""


def read_target(path: str | Path) -> Target | None:
    """Return an earlier target, or None if there is none or its file is damaged."""
    try:
        target = Target(**json.loads(Path(path).read_text()))
        return target if np.shape(target.quantiles) == RANKS.shape else None
    except (OSError, ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Matched:
    """The cells of a cell type, and how their samples are thinned.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        The given columns, kept (the share of its counts that a cell keeps) and seed (of its
        thinning).
    samples : DataFrame of n_samples rows
        sample, n_cells, mean_depth (mean log10 total counts), median_depth and matched_depth
        (median total counts before thinning, and expected after it), share_kept (of the sample's
        counts), shallow (:func:`shallow`: it keeps all counts and has fewer than the others),
        later (it came after the target was made).
    target : Target
    remark : str
        What became of an earlier target; "" where there was none.
    """

    cells: pd.DataFrame
    samples: pd.DataFrame
    target: Target
    remark: str


def match_depth(
    cells: pd.DataFrame,
    cell_type: str,
    seed: int,
    code: str,
    earlier: Target | None = None,
    discovery: Target | None = None,
) -> Matched:
    """Say which share of its counts each cell of a cell type keeps.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        Columns sample, cell and depth (total counts).
    cell_type : str
    seed : int
        Of the study.
    code : str
        Digest of the code of this module.
    earlier : Target, optional
        Kept where nothing but later samples changed, unless they would lower it by more than 5 %
        (:meth:`Target.changed`).
    discovery : Target, optional
        That of a discovery whose findings these cells replicate: no cell keeps more, so that both
        cohorts have the same depth, unless this one is shallower.
    """
    members_of = cells.groupby(cells["sample"].astype(str), sort=True).indices
    depth, names = cells["depth"].to_numpy(float), cells["cell"].to_numpy(str)
    quantiles = np.array([depth_quantiles(depth[rows]) for rows in members_of.values()])
    checksums = {
        str(sample): _checksum(names[rows], depth[rows]) for sample, rows in members_of.items()
    }
    reached = target_quantiles(quantiles)
    if discovery is not None:
        reached = np.minimum(reached, discovery.quantiles)
    target, remark = Target(reached.tolist(), checksums, code), ""
    if earlier is not None:
        if why := earlier.changed(target):
            remark = f"the target is made anew: {why}"
        else:
            n_later = len(checksums) - len(earlier.samples)
            target, remark = earlier, f"the target as it was: {n_later} samples came later"
    goal = np.array(target.quantiles)
    kept = np.ones(len(cells))
    for rows in members_of.values():
        kept[rows] = shares_kept(depth[rows], names[rows], goal)
    rows_of = members_of.values()
    samples = pd.DataFrame(
        {
            "sample": list(members_of),
            "n_cells": [len(rows) for rows in rows_of],
            "mean_depth": [np.log10(np.maximum(depth[rows], 1)).mean() for rows in rows_of],
            "median_depth": [np.median(depth[rows]) for rows in rows_of],
            "matched_depth": [np.median(kept[rows] * depth[rows]) for rows in rows_of],
            "share_kept": [
                (kept[rows] * depth[rows]).sum() / max(depth[rows].sum(), 1) for rows in rows_of
            ],
            "shallow": shallow(quantiles, goal),
            "later": [sample not in target.samples for sample in members_of],
        }
    )
    seeds = [
        derive_seed(seed, "depth", cell_type, sample, cell)
        for sample, cell in zip(cells["sample"].astype(str), names, strict=True)
    ]
    return Matched(cells.assign(kept=kept, seed=seeds), samples, target, remark)


def _checksum(names: np.ndarray, depth: np.ndarray) -> str:
    rows = sorted(zip(names.tolist(), depth.tolist(), strict=True))
    return sha256(json.dumps(rows).encode()).hexdigest()[:16]


def remaining_depth(mean_depth: np.ndarray) -> np.ndarray:
    """Return how far the depth of bins of thinned counts differs from that of the median bin.

    Thinned to the same distribution, bins differ by chance in the third decimal, which ranks would
    take for a difference: what is below 0.05 is 0.

    Parameters
    ----------
    mean_depth : ndarray of shape (n_bins,)
        Mean log10 total counts after thinning.

    Returns
    -------
    ndarray of shape (n_bins,)
        Rounded to a tenth.
    """
    rounded: np.ndarray = np.round(mean_depth - np.median(mean_depth), 1)
    return rounded
