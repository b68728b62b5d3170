"""The files of cells: whether they open, and whether what they hold are raw counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnet.cells.formats import open_source
from popnet.cells.sources import CountSource
from popnet.errors import InputError, Problem
from popnet.study.cohort import Cohort
from popnet.study.paths import is_absent
from popnet.study.samples import Sample

BLOCKS, BLOCK_ROWS = 5, 50
MOST_WHOLE = 16


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
    for path in dict.fromkeys(paths):
        try:
            sources.append(open_source(str(path), cohort.cells.counts, cohort.cells.gene_symbols))
        except InputError as error:
            problems += error.problems
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
            problems += error.problems
            continue
        values = counts.data
        wrong = np.flatnonzero(~np.isfinite(values) | (values < 0) | (values % 1 != 0))
        if len(wrong):
            row = rows[np.searchsorted(counts.indptr, wrong[0], side="right") - 1]
            gene = source.genes[counts.indices[wrong[0]]]
            place = f"gene {gene!r} of cell {source.obs.index[row]!r} in {source.path}"
            logged = values.min() >= 0 and values.max() < 20
            faults.append((round(float(values[wrong[0]]), 6), place, logged))
    if faults:
        value, place, logged = faults[0]
        more = f", and in {len(faults) - 1} other files" if len(faults) > 1 else ""
        look = "; they look log-normalised" if logged else ""
        message = f"Counts must be whole numbers from 0 on, which {place} is not{more}{look}"
        remedy = "Name the matrix of raw counts in cells.counts: X, raw.X or layers/<name>"
        problems.append(Problem(cohort.file, "cells.counts", value, message, remedy))
