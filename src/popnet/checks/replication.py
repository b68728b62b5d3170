"""The cells of a second cohort against those of the discovery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from popnet.cells.sources import common_genes
from popnet.checks.sources import open_sources
from popnet.checks.study import read_study
from popnet.errors import InputError, Problem
from popnet.study.cohort import Cohort
from popnet.study.problems import quoted

# Least share of the discovery's genes that the second cohort must have; of the genes that are
# chosen, popnet.cells.genes.LEAST_PRESENT.
LEAST_COMMON = 0.5


def check_other_cells(
    discovery: Cohort, second: Cohort, cells: pd.DataFrame, config: Mapping[str, Any]
) -> None:
    """Check that no cell is in both cohorts, whatever their sheets call its sample.

    Parameters
    ----------
    cells : DataFrame with columns source, row
        Those of the second cohort.

    Raises
    ------
    InputError
        If cells are in both.
    """
    paths = {discovery.cells.path, *(sample.path for sample in discovery.samples or ())}
    if discovery.simulation or second.simulation or paths.isdisjoint(cells["source"].unique()):
        return
    both = read_study(discovery, config).cells.merge(cells[["source", "row"]])
    if len(both):
        names = list(dict.fromkeys(both["sample"].astype(str)))
        message = (
            f"{len(both):,} of its {len(cells):,} cells are in the discovery ({discovery.file}), "
            f"too, in samples {quoted(names)}"
        )
        remedy = "A finding is replicated in other samples: leave them out of one of the sheets"
        raise InputError([Problem(second.file, "samples", None, message, remedy)])


def check_common_genes(discovery: Cohort, second: Cohort) -> None:
    """Check that both cohorts call their genes alike; what no file has yet is not looked at.

    Raises
    ------
    InputError
        If less than half of the discovery's genes are in the second cohort.
    """
    if discovery.simulation or second.simulation:
        return
    problems: list[Problem] = []
    sources = [open_sources(cohort, problems) for cohort in (discovery, second)]
    if problems:
        raise InputError(problems)
    first, other = (common_genes(one)[0] for one in sources)
    share = first.isin(other).mean()
    if share < LEAST_COMMON:
        message = (
            f"It has {share:.0%} of the {len(first):,} genes of the discovery "
            f"({quoted(first, 2)}; here {quoted(other, 2)})"
        )
        remedy = "Use one naming of genes in both cohorts (cells.gene_symbols)"
        raise InputError([Problem(second.file, "cells", None, message, remedy)])
