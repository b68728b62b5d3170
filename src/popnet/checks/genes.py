"""The genes of the cells: one naming, no name twice, and members of the sheet's gene sets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from popnet.cells.sources import CountSource, common_genes
from popnet.errors import InputError, Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.gene_sets import resolve_gene_sets
from popnet.study.problems import quoted

ENSEMBL = r"ENS[A-Z]*G\d{11}(\.\d+)?"


def check_genes(cohort: Cohort, sources: Sequence[CountSource], problems: list[Problem]) -> None:
    """Check the names of the genes, and the sheet's gene sets against them."""
    problem = _doubled(cohort, sources) or _ensembl(cohort, sources[0])
    if problem:
        problems.append(problem)
        return
    genes, lost = common_genes(sources)
    if not len(genes):
        message = f"{len(sources)} files of cells have no gene in common"
        remedy = "Use one naming of genes in all files (cells.gene_symbols)"
        problems.append(Problem(cohort.file, "cells", None, message, remedy))
        return
    if (lost["n_lost"] > 0).any():
        message = f"The files have different genes; the {len(genes):,} that all have are used"
        problems.append(
            Problem(cohort.file, "cells", None, message, "Nothing, if they are enough", "warning")
        )
    invisible = [gene for gene in genes.astype(str) if not gene.isprintable()]
    if invisible:
        message = f"{len(invisible)} gene names hold an invisible character: {quoted(invisible)}"
        remedy = "Rename them in the files of cells"
        problems.append(Problem(cohort.file, "cells", invisible[0], message, remedy))
    _check_gene_sets(cohort, genes, problems)


def _doubled(cohort: Cohort, sources: Sequence[CountSource]) -> Problem | None:
    doubled = {s.path: s.genes[s.genes.duplicated()].unique() for s in sources}
    doubled = {path: names for path, names in doubled.items() if len(names)}
    if not doubled:
        return None
    path, names = next(iter(doubled.items()))
    more = f" (and {len(doubled) - 1} other files)" if len(doubled) > 1 else ""
    message = f"{path}{more}: {len(names)} gene names occur twice: {quoted(names)}"
    remedy = "Make them unique (adata.var_names_make_unique()) and write the file again"
    return Problem(cohort.file, "cells.path", names[0], message, remedy)


def _ensembl(cohort: Cohort, source: CountSource) -> Problem | None:
    matching = source.genes.astype(str).str.fullmatch(ENSEMBL)
    if matching.mean() <= 0.5:
        return None
    symbols = [
        name
        for name, column in source.var.items()
        if not pd.api.types.is_numeric_dtype(column)
        and column.nunique() > len(column) / 2
        and column.astype(str).str.fullmatch(ENSEMBL).mean() < 0.5
    ]
    remedy = "Add a var column of gene symbols to the file and name it in cells.gene_symbols"
    if symbols:
        remedy = f"Set cells.gene_symbols: {symbols[0]}"
    message = f"Genes are Ensembl ids in {source.path} ({quoted(source.genes[matching], 2)})"
    column = cohort.cells.gene_symbols
    return Problem(cohort.file, "cells.gene_symbols", column, message, remedy)


def _check_gene_sets(cohort: Cohort, genes: pd.Index, problems: list[Problem]) -> None:
    try:
        resolve_gene_sets(cohort.gene_sets, list(genes))
    except InputError as error:
        problems += error.problems
        return
    for gene_set in cohort.gene_sets:
        members = set().union(*resolve_gene_sets([gene_set], list(genes)).values())
        if gene_set.implicit or genes.isin(list(members)).any():
            continue
        given = gene_set.gmt or gene_set.prefix or list(gene_set.genes[:5])
        known = nearest(next(iter(gene_set.genes), gene_set.prefix or ""), genes)
        message = f"No gene of it is among the {len(genes):,} genes of the cells ({quoted(genes)})"
        remedy = known + "Use symbols of the cells' genes, or take the set away"
        problems.append(Problem(cohort.file, f"gene_sets.{gene_set.name}", given, message, remedy))
