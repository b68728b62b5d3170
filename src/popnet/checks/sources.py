"""The files of cells: whether they open, and whether what they hold are raw counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from popnet.cells.formats import open_source
from popnet.cells.sources import CountSource
from popnet.errors import InputError, Problem
from popnet.study.cohort import Cohort
from popnet.study.paths import is_absent
from popnet.study.problems import of_many_files
from popnet.study.samples import Sample

BLOCKS, BLOCK_ROWS = 5, 50
MOST_WHOLE = 16
# Scaled counts of a cell are multiples of its smallest, which mostly is 1; large ones say nothing.
LARGEST_MULTIPLE, TOLERANCE = 50, 0.01
RAW = "Name the matrix of raw counts in cells.counts: X, raw.X or layers/<name>"
CORRECTED = (
    "Name the matrix of counts before the correction (cells.counts), or write whole numbers: SoupX "
    "adjustCounts(roundToInt = TRUE); DecontX, round(); CellBender writes whole numbers to .h5; "
    "STARsolo without EM (matrix.mtx of --soloMultiMappers Unique); alevin-fry -r cr-like; kb "
    "without --mm; RSEM and salmon, round()"
)


def open_sources(cohort: Cohort, problems: list[Problem]) -> list[CountSource]:
    """Return the files of cells that can be opened."""
    if cohort.samples is None:
        paths = [cohort.cells.path]
    else:
        # A sample that may be absent may lack its file too.
        paths = [
            sample.path
            for sample in cohort.samples
            if cohort.without_cells == "error"
            or sample.path == cohort.cells.path
            or _exists(sample)
        ]
    sources = []
    faults: list[Problem] = []
    cells = cohort.cells
    for path in dict.fromkeys(paths):
        try:
            sources.append(
                open_source(
                    str(path), cells.counts, cells.gene_symbols, gene_prefix=cells.gene_prefix
                )
            )
        except InputError as error:
            faults += error.problems
    problems += of_many_files(faults)
    if not paths:
        message = "No sample has a file of cells"
        problems.append(
            Problem(cohort.file, "cells.path", cohort.cells.path, message, "Correct the path")
        )
    return sources


def _exists(sample: Sample) -> bool:
    return sample.path is not None and not is_absent(sample.path)


def check_counts(
    cohort: Cohort, sources: Sequence[CountSource], seed: int, problems: list[Problem]
) -> None:
    """Find values that are not raw counts, in some blocks of rows of every file.

    Of the files that have to be read as a whole for this, only the first MOST_WHOLE are looked at:
    `prepare_expression` checks the counts of every cell anyway.
    """
    rng = np.random.default_rng(seed)
    faults = []
    unread: list[Problem] = []
    whole = [source for source in sources if not source.by_rows][MOST_WHOLE:]
    for source in sources:
        if source in whole:
            continue
        starts = rng.integers(0, max(source.n_cells - BLOCK_ROWS, 0) + 1, BLOCKS)
        rows = np.unique(np.add.outer(starts, np.arange(BLOCK_ROWS)))
        rows = rows[rows < source.n_cells]
        try:
            counts = source.read_rows(rows)
        except InputError as error:
            unread += error.problems
            continue
        values = counts.data
        wrong = np.flatnonzero(~np.isfinite(values) | (values < 0) | (values % 1 != 0))
        if len(wrong):
            row = rows[np.searchsorted(counts.indptr, wrong[0], side="right") - 1]
            gene = source.genes[counts.indices[wrong[0]]]
            name = source.annotations.names()[int(row)].as_py()
            place = f"gene {gene!r} of cell {name!r} in {source.path}"
            faults.append((round(float(values[wrong[0]]), 6), place, what_they_are(counts)))
    problems += of_many_files(unread)
    if faults:
        value, place, (look, remedy) = faults[0]
        more = f", and in {len(faults) - 1} other files" if len(faults) > 1 else ""
        message = f"Counts must be whole numbers from 0 on, which {place} is not{more}; {look}"
        problems.append(Problem(cohort.file, "cells.counts", value, message, remedy))


def what_they_are(counts: csr_matrix) -> tuple[str, str]:
    """Return what values that are no counts look like, and what to do.

    Parameters
    ----------
    counts : csr_matrix of shape (n_cells, n_genes)
    """
    values = counts.data
    if not np.isfinite(values).all():
        return "values are missing or infinite", RAW
    if (values < 0).any():
        return "they look scaled, or are residuals", RAW
    for transform, look in (
        (np.expm1, "they look log-normalised"),
        (lambda x: np.exp2(x) - 1, "they look log-normalised (log2)"),
        (lambda x: x, "they look normalised: divided by the depth of a cell"),
    ):
        if _are_scaled_counts(counts, transform):
            return look, RAW
    look = "they look like corrected or estimated counts (SoupX, DecontX, CellBender, EM)"
    return look, CORRECTED


def _are_scaled_counts(counts: csr_matrix, transform: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Return whether the values of a cell are multiples of its smallest, once transformed back."""
    fitting = n_values = 0
    for start, stop in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        with np.errstate(over="ignore"):
            cell = transform(counts.data[start:stop].astype(float))
        if len(cell) < 2 or not np.isfinite(cell).all():
            continue
        multiples = cell / cell.min()
        multiples = multiples[(multiples > 1) & (multiples < LARGEST_MULTIPLE)]
        fitting += int((np.abs(multiples - np.round(multiples)) < TOLERANCE).sum())
        n_values += len(multiples)
    return n_values > 0 and fitting >= 0.9 * n_values
