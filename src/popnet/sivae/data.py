"""Cells from memory or disk: reading, standardising, minibatches, input of the feature encoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor

from popnet.seeds import derive_seed
from popnet.sivae.storage import Block, Cells, dense, open_cells

if TYPE_CHECKING:
    from popnet.sivae.settings import FeatureInput, Settings

# Minibatches from disk: size of a run of rows that is read together, and of a pool of runs that is
# shuffled together.
RUN_BYTES = 2**18
POOL_BYTES = 2**27

# Longest input of the feature encoder, as in the authors' code.
MOST_INPUT_CELLS = 10_000

# Scores of genes grow with the square root of the number of cells. They are scaled as if there
# were at most so many, so that a model of a cohort has inputs of the size of a bin's.
SCORED_CELLS = 1000

# Principal components of large data: additional dimensions, passes over the cells, and the number
# of genes up to which one pass is exact.
OVERSAMPLING = 10
PASSES = 5
GENES_OF_ONE_PASS = 2000
# Number of multiplications up to which the decomposition is done in memory.
SMALL = 10**10

CPU = torch.device("cpu")

__all__ = [
    "Cells",
    "Transform",
    "feature_input",
    "fit_transform",
    "heldout_of",
    "minibatches",
    "open_cells",
    "principal_scores",
    "projected_scores",
    "stratified",
    "streamed_minibatches",
]


@dataclass(frozen=True)
class Transform:
    """Transformation of the stored expression to the input of the encoders.

    Parameters
    ----------
    total : float, optional
        If given, cells are scaled to this total and then transformed to log(1 + x).
    centre, scale : ndarray (n_genes,), optional
        Subtracted from each gene, and by which it is then divided.
    """

    total: float | None = None
    centre: np.ndarray | None = None
    scale: np.ndarray | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Transform cells (..., n_genes), on their device."""
        if self.total is not None:
            x = torch.log1p(x * (self.total / x.sum(-1, keepdim=True).clamp(min=1)))
        if self.centre is None:
            return x
        # In place, because the cells may take most of the memory.
        return (x - _like(self.centre, x)).div_(_like(self.scale, x))

    def inverse(self, x: Tensor) -> Tensor:
        """Undo `centre` and `scale` (not `total`)."""
        if self.centre is None:
            return x
        return x * _like(self.scale, x) + _like(self.centre, x)


def fit_transform(cells: Cells, rows: np.ndarray, settings: Settings) -> Transform:
    """Return the transformation with the moments of the training cells, `rows`.

    With `settings.standardise`, genes get mean 0 and (population) variance 1; constant genes get
    0. Counts (likelihood "nb") are first scaled to the median total of the training cells and
    log-transformed, and are always standardised.

    Raises
    ------
    ValueError
        A value of any cell is not finite or, for "nb", is negative or not an integer; or every
        gene is constant over the training cells.
    """
    counts = settings.likelihood == "nb"
    everything = np.arange(cells.n_cells)
    trained = np.isin(everything, rows)
    total = None
    if counts:
        totals = np.zeros(cells.n_cells)
        for positions, block in cells.stored_blocks(everything):
            totals[positions] = np.asarray(block.sum(1, dtype=np.float64)).ravel()
        total = max(1.0, float(np.median(totals[trained])))

    n, mean, squares = 0, np.zeros(cells.n_genes), np.zeros(cells.n_genes)
    for positions, block in cells.stored_blocks(everything):
        _check(block, positions, cells, counts)
        block = _log_normalised(block[trained[positions]], total)
        if n_block := block.shape[0]:
            # Merged as in Chan et al. (1979), so that the variance of a constant gene is exactly 0.
            block_mean, block_squares = _moments(block)
            delta = block_mean - mean
            mean += delta * (n_block / (n + n_block))
            squares += block_squares + delta**2 * (n * n_block / (n + n_block))
            n += n_block
    if not squares.any():
        raise ValueError(
            "expression: every gene is constant over these cells; give cells that differ"
        )
    if not (counts or settings.standardise):
        return Transform()
    scale = np.sqrt(squares / n).astype(np.float32)
    scale[scale == 0] = 1
    return Transform(total, mean.astype(np.float32), scale)


def feature_input(
    cells: Cells,
    rows: np.ndarray,
    transform: Transform,
    feature_input: FeatureInput,
    labels: np.ndarray,
    generator: torch.Generator,
    device: torch.device = CPU,
) -> Tensor:
    """Return the input of the feature encoder, (n_genes, C_red), on the CPU.

    `rows` are the training cells, `labels` (n_rows,) their types, whose proportions are kept by
    method "downsample". What is decomposed in memory is on `device`. Principal components are
    exact for up to 2,000 genes, and for data of the size of a bin (1,000 cells and 10,000 genes);
    otherwise they are approximate, see `_streamed_scores`. The scores of more than 1,000 cells are
    scaled to the size that those of 1,000 have.

    Raises
    ------
    ValueError
        Method "cells" has more than 10,000 cells.
    """
    size = feature_input.size
    if size is None:
        if len(rows) > MOST_INPUT_CELLS:
            raise ValueError(
                f"feature_input: method 'cells' would give the feature encoder {len(rows)} inputs, "
                f"and {MOST_INPUT_CELLS} are the most; take method 'pca' or 'downsample'"
            )
    elif feature_input.method == "downsample":
        rows = rows[stratified(labels, min(size, len(rows)), generator)]
    elif len(rows) > PASSES * (size + OVERSAMPLING) and (
        len(rows) * cells.n_genes * min(len(rows), cells.n_genes) > SMALL
    ):
        return _as_of_a_bin(_streamed_scores(cells, rows, transform, size, generator), len(rows))
    x = torch.from_numpy(cells.read(rows))
    if feature_input.method == "pca":
        scores = principal_scores(transform(x.to(device)), size).cpu()
        return _as_of_a_bin(scores, len(rows))
    return transform(x).T.contiguous()


def _as_of_a_bin(scores: Tensor, n_cells: int) -> Tensor:
    return scores if n_cells <= SCORED_CELLS else scores * math.sqrt(SCORED_CELLS / n_cells)


def principal_scores(x: Tensor, size: int | None = None) -> Tensor:
    """Return the scores of the genes of `x` (n_cells, n_genes) on their principal components.

    Their shape is (n_genes, min(size, n_cells, n_genes)). Up to signs they equal scikit-learn's
    `PCA(size).fit_transform(x.T)`.
    """
    centred = x - x.mean(1, keepdim=True)
    n_cells, n_genes = x.shape
    tall = centred if n_cells >= n_genes else centred.T
    gram = torch.zeros(tall.shape[1], tall.shape[1], dtype=torch.float64, device=x.device)
    for part in torch.split(tall, 4096):
        gram.addmm_(part.T.double(), part.double())
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(0)[:size], vectors.flip(1)[:, :size]
    if tall is centred:
        scores: Tensor = vectors * values.clamp(min=0).sqrt()
        return scores.to(x.dtype)
    return torch.matmul(centred.T, vectors.to(x.dtype))


def projected_scores(
    cells: Cells,
    rows: np.ndarray,
    transform: Transform,
    directions: np.ndarray,
    lengths: np.ndarray,
    n_cells: int,
    device: torch.device = CPU,
) -> Tensor:
    """Return the scores of the genes of some cells on the principal components of other cells.

    For the other cells themselves they equal `feature_input` of method "pca". So the axes mean the
    same for every set of cells, which those of its own components do not.

    Parameters
    ----------
    cells : Cells
    rows : ndarray of int
        Which of them.
    transform : Transform
    directions : ndarray, (n_genes, n_components)
        Of the other cells.
    lengths : ndarray, (n_components,)
        Of the other cells' scores on them. Directions without length give 0.
    n_cells : int
        Number of the other cells.
    device : torch.device
        Of the products.

    Returns
    -------
    Tensor, (n_genes, n_components)
        On the CPU.
    """
    product = np.zeros(directions.shape)
    on_device = torch.from_numpy(directions).to(device)
    for _, block in cells.blocks(rows):
        x = transform(torch.from_numpy(block).to(device))
        centred = x - x.mean(1, keepdim=True)
        if device.type == "cpu":
            # numpy's products are faster there.
            product += centred.numpy().T @ (centred.numpy() @ directions)
        else:
            product += (centred.T @ (centred @ on_device)).cpu().numpy()
    used = lengths > 1e-4 * lengths.max()
    factors = np.divide(
        min(n_cells, SCORED_CELLS) / len(rows), lengths, out=np.zeros(len(lengths)), where=used
    )
    return torch.from_numpy((product * factors).astype(np.float32))


def _streamed_scores(
    cells: Cells, rows: np.ndarray, transform: Transform, size: int, generator: torch.Generator
) -> Tensor:
    """As `principal_scores`, but over blocks of cells, which stay sparse.

    Block Lanczos with full reorthogonalisation (Musco & Musco 2015). For 128 components of 16,000
    real T cells, whose spectrum is flat, five passes keep 98 % of the variance.
    """
    n_genes = cells.n_genes
    width, passes = size + OVERSAMPLING, PASSES
    if n_genes <= max(GENES_OF_ONE_PASS, passes * width):
        width, passes = n_genes, 1
    centre = np.zeros(1, np.float32) if transform.centre is None else transform.centre
    scale = np.ones((1, 1), np.float32) if transform.scale is None else transform.scale[:, None]
    shift = centre[:, None] / scale
    basis = np.empty((n_genes, 0), np.float32)
    projected = np.zeros((passes * width, passes * width))
    product = torch.randn(n_genes, width, generator=generator).numpy()
    for _ in range(passes):
        for _ in range(2):
            product = product - basis @ (basis.T @ product)
        directions = np.linalg.qr(product)[0]
        basis = np.hstack([basis, directions])
        # Centring, shift and scale are applied to the small factors, so that cells stay sparse.
        directions = directions - directions.mean(0)
        directions, offset = directions / scale, (shift * directions).sum(0)
        product, sums = np.zeros_like(directions), np.zeros(width, np.float32)
        for _, block in cells.stored_blocks(rows):
            block = _log_normalised(block, transform.total)
            coordinates = block @ directions - offset
            product += block.T @ coordinates
            sums += coordinates.sum(0)
        product = product / scale - shift * sums
        product -= product.mean(0)
        done = basis.shape[1]
        projected[:done, done - width : done] = basis.T @ product
    values, vectors = np.linalg.eigh(projected, UPLO="U")
    values, vectors = values[::-1][:size], vectors[:, ::-1][:, :size]
    return torch.from_numpy(basis @ (vectors * np.sqrt(values.clip(0))).astype(np.float32))


def stratified(labels: np.ndarray, size: int, generator: torch.Generator) -> np.ndarray:
    """Draw `size` positions at random, stratified by label."""
    order = torch.randperm(len(labels), generator=generator).numpy()
    offset = torch.rand(1, generator=generator, dtype=torch.float64).item()
    order = order[np.argsort(labels[order], kind="stable")]
    # Evenly spaced positions in an order sorted by label contain the same share of every label.
    places = ((np.arange(size) + offset) * len(labels) / max(size, 1)).astype(int)
    drawn: np.ndarray = order[places]
    return drawn


def heldout_of(cells: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """Return which cells of every bin neither the cohort's model nor the bin's is trained on.

    A bin's model that starts from the cohort's has seen the cells of both.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        Columns sample and bin.
    share : float
        Of each bin.
    seed : int
        Of the study. A bin's cells depend on it and on their number, not on other bins.

    Returns
    -------
    ndarray of bool, (n_cells,)
    """
    heldout = np.zeros(len(cells), bool)
    keys = [cells["sample"].to_numpy(dtype=str), cells["bin"].to_numpy()]
    for (sample, number), positions in pd.Series(range(len(cells))).groupby(keys):
        rng = np.random.default_rng(derive_seed(seed, "held out", sample, number))
        heldout[rng.permutation(positions)[: round(share * len(positions))]] = True
    return heldout


def minibatches(n: int, size: int, n_steps: int, generator: torch.Generator) -> Tensor:
    """Return row numbers (n_steps, min(size, n)) from successive shuffles of `n` rows.

    The remainder of each shuffle is dropped, so that no row occurs twice in a minibatch.
    """
    size = min(size, n)
    each = n // size
    shuffles = [
        torch.randperm(n, generator=generator)[: each * size].view(each, size)
        for _ in range(math.ceil(n_steps / each))
    ]
    return torch.cat(shuffles)[:n_steps]


def streamed_minibatches(
    cells: Cells, rows: np.ndarray, size: int, n_steps: int, generator: torch.Generator
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Return `n_steps` minibatches: positions in `rows`, and cells (min(size, n_rows), n_genes).

    In memory, rows are drawn by `minibatches`. On disk, neighbouring rows form runs (256 KiB as
    stored). The runs are shuffled; runs that fill a pool of 128 MiB are read together, one pool
    before it is needed; and the rows of a pool are shuffled. If all rows fit into one pool this is
    a full shuffle. Otherwise the rows of a minibatch come from about 500 random positions of the
    file, and two rows are from the same run with a probability of 1 in 500. Every row is used once
    per epoch, except a remainder smaller than a minibatch.

    `generator` is used only during the call, so that draws between minibatches have no effect.
    """
    size = min(size, len(rows))
    if not cells.on_disk:
        drawn = minibatches(len(rows), size, n_steps, generator).numpy()
        return ((batch, torch.from_numpy(cells.read(rows[batch]))) for batch in drawn)
    own = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
    return _read_ahead(_pools(cells, rows, size, n_steps, own))


def _pools(
    cells: Cells, rows: np.ndarray, size: int, n_steps: int, generator: torch.Generator
) -> Iterator[tuple[np.ndarray, Block, np.ndarray]]:
    """Yield a pool's positions in `rows`, its cells, and minibatches (n, size) of its members."""
    n, in_file = len(rows), np.argsort(rows)
    run = max(1, int(RUN_BYTES / cells.row_bytes))
    n_pool = max(1, int(POOL_BYTES / cells.row_bytes / size)) * size
    while True:
        # Runs start at other rows in every epoch.
        run_of = (np.arange(n) + int(torch.randint(run, (1,), generator=generator))) // run
        order = np.argsort(torch.randperm(n, generator=generator).numpy()[run_of], kind="stable")
        for start in range(0, n - size + 1, n_pool):
            pool = in_file[np.sort(order[start : start + n_pool])]
            drawn = torch.randperm(len(pool), generator=generator).numpy()
            batches = drawn[: len(pool) // size * size].reshape(-1, size)[:n_steps]
            yield pool, cells.take(rows[pool]), batches
            n_steps -= len(batches)
            if not n_steps:
                return


def _read_ahead(
    pools: Iterator[tuple[np.ndarray, Block, np.ndarray]],
) -> Iterator[tuple[np.ndarray, Tensor]]:
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(next, pools, None)
        while (read := ahead.result()) is not None:
            ahead = reader.submit(next, pools, None)
            pool, block, batches = read
            for batch in batches:
                yield pool[batch], torch.from_numpy(dense(block[batch]))


def _like(values: np.ndarray | None, x: Tensor) -> Tensor:
    return torch.as_tensor(values, dtype=x.dtype, device=x.device)


def _log_normalised(block: Block, total: float | None) -> Block:
    """Apply `Transform.total` to stored cells."""
    if total is None:
        return block
    factors = np.float32(total) / np.asarray(block.sum(1)).ravel().clip(1)
    scaled = sparse.diags_array(factors) @ block
    return scaled.log1p() if sparse.issparse(scaled) else np.log1p(scaled)


def _moments(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sum of squared deviations of each gene, in float64."""
    n_cells, n_genes = block.shape
    if isinstance(block, np.ndarray):
        mean = block.mean(0, dtype=np.float64)
        deviations = block - mean
        return mean, np.einsum("cg,cg->g", deviations, deviations)
    genes = block.indices
    mean = np.bincount(genes, block.data, n_genes) / n_cells
    squares = np.bincount(genes, (block.data - mean[genes]) ** 2, n_genes)
    return mean, squares + (n_cells - np.bincount(genes, minlength=n_genes)) * mean**2


def _check(block: Block, rows: np.ndarray, cells: Cells, counts: bool) -> None:
    """Raise ValueError if a value is not finite or, for counts, is negative or not an integer."""
    values = block.ravel() if isinstance(block, np.ndarray) else block.data
    fine = np.isfinite(values)
    if counts:
        fine &= (values >= 0) & (values == np.rint(values))
    if fine.all():
        return
    number = int(np.argmin(fine))
    if isinstance(block, np.ndarray):
        row, gene = divmod(number, cells.n_genes)
    else:
        row, gene = np.searchsorted(block.indptr, number, "right") - 1, block.indices[number]
    found = (
        f"{values[number]:g} for gene {cells.gene_names[gene]!r} of cell "
        f"{cells.cell_names[rows[row]]!r}"
    )
    if not np.isfinite(values[number]):
        raise ValueError(f"expression: {found} is not finite; leave out such cells or genes")
    raise ValueError(
        f"likelihood: 'nb' needs raw counts, and {found} is none; give counts or take 'gaussian'"
    )
