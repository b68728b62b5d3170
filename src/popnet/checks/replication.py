"""The cells of a second cohort against those of the discovery."""

from __future__ import annotations

from popnet.cells.sources import common_genes
from popnet.checks.sources import open_sources
from popnet.errors import InputError, Problem
from popnet.study.cohort import Cohort
from popnet.study.problems import quoted

# Least share of the discovery's genes that the second cohort must have; of the genes that are
# chosen, popnet.cells.genes.LEAST_PRESENT.
LEAST_COMMON = 0.5


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
