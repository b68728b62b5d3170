"""Cells: files of counts, bins, selection of genes, and scaled expression."""

from popnet.cells.bins import plan_bins
from popnet.cells.expression import (
    PreparedSample,
    cell_cycle_scores,
    prepare_sample,
    read_bin,
    regress_out,
    scale,
    write_expression,
)
from popnet.cells.formats import open_source
from popnet.cells.genes import (
    GeneStatistics,
    normalise,
    pool_statistics,
    sample_statistics,
    select_genes,
    selection_basis,
)
from popnet.cells.sources import (
    CountSource,
    common_genes,
    read_blocks,
    read_counts,
    read_samples,
)

__all__ = [
    "CountSource",
    "GeneStatistics",
    "PreparedSample",
    "cell_cycle_scores",
    "common_genes",
    "normalise",
    "open_source",
    "plan_bins",
    "pool_statistics",
    "prepare_sample",
    "read_bin",
    "read_blocks",
    "read_counts",
    "read_samples",
    "regress_out",
    "sample_statistics",
    "scale",
    "select_genes",
    "selection_basis",
    "write_expression",
]
