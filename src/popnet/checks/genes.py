"""The genes of the cells: one naming, no name twice, and members of the sheet's gene sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from popnet.cells.features import ENSEMBL, differing_symbols, joined, joined_by_ids
from popnet.cells.sources import CountSource, common_genes
from popnet.errors import InputError, Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.definitions import MT_PREFIX
from popnet.study.gene_sets import resolve_gene_sets
from popnet.study.problems import quoted
from popnet.study.tables import SPREADSHEET_DATE

MT_GENE = r"(?P<before>.*?)(?P<mt>mt[-._]?)(nd[1-6]l?|co(x?[1-3])|cyt?b|atp[68]|rnr[12])"
# What Ensembl calls them in many animals, without a prefix.
BARE = {*(f"ND{n}" for n in (1, 2, 3, 4, 5, 6)), "ND4L", "COX1", "COX2", "COX3", "CYTB", "ATP6"}


def check_genes(cohort: Cohort, sources: Sequence[CountSource], problems: list[Problem]) -> None:
    """Check the names of the genes, and the sheet's gene sets against them."""
    _say_left_out(cohort, sources, problems)
    problem = _doubled(cohort, sources) or _no_symbols(cohort, sources[0])
    problem = problem or _prefix_of_none(cohort, sources)
    if problem:
        problems.append(problem)
        return
    _check_ids(cohort, sources, problems)
    sources = joined(sources)
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
    if dates := [gene for gene in genes.astype(str) if SPREADSHEET_DATE.fullmatch(gene)]:
        message = f"A spreadsheet has made dates of {len(dates)} genes: {quoted(dates)}"
        remedy = "Use a file that no spreadsheet has saved, or ids of genes"
        problems.append(Problem(cohort.file, "cells", None, message, remedy, "warning"))
    _check_gene_sets(cohort, genes, problems)
    _warn_mitochondrial(cohort, genes.astype(str), problems)


def _say_left_out(cohort: Cohort, sources: Sequence[CountSource], problems: list[Problem]) -> None:
    """Say how many features are no genes."""
    kinds: Counter[str] = Counter()
    for source in sources:
        kinds.update(source.left_out)
    if not kinds:
        return
    n_files = sum(bool(source.left_out) for source in sources)
    n_all = sum(len(source.genes) for source in sources) + kinds.total()
    counted = ", ".join(f"{n:,} {kind!r}" for kind, n in kinds.most_common())
    of = f" in {n_files} files" if n_files > 1 else ""
    message = f"{kinds.total():,} of {n_all:,} features{of} are no genes: {counted}. They are left "
    message += "out, also of the depth of a cell"
    problems.append(Problem(cohort.file, "cells.path", None, message, "Nothing", "warning"))


def _prefix_of_none(cohort: Cohort, sources: Sequence[CountSource]) -> Problem | None:
    prefix = cohort.cells.gene_prefix
    if not prefix:
        return None
    columns = ("gene_symbols", cohort.cells.gene_symbols)
    names = pd.Index(
        [
            str(name)
            for source in sources
            for names in (source.var.index, *(source.var[c] for c in columns if c in source.var))
            for name in names
        ]
    )
    if names.str.startswith(prefix).any():
        return None
    message = f"No gene begins with it: genes are {quoted(names)}"
    remedy = "Write it as the names have it, or take it away"
    return Problem(cohort.file, "cells.gene_prefix", prefix, message, remedy)


def _check_ids(cohort: Cohort, sources: Sequence[CountSource], problems: list[Problem]) -> None:
    """Say where files have one symbol for different genes."""
    differing = differing_symbols(sources)
    if not differing:
        return
    examples = "; ".join(f"{name}: {quoted(ids)}" for name, ids in [*differing.items()][:5])
    more = "; ..." if len(differing) > 5 else ""
    message = f"{len(differing)} symbols have different ids in different files: {examples}{more}"
    if joined_by_ids(sources):
        message += ". Genes are the same if their ids are, and have the symbol of most files"
        problems.append(Problem(cohort.file, "cells", None, message, "Nothing", "warning"))
        return
    without = [source.path for source in sources if source.ids is None]
    message += ". Which gene is which cannot be told"
    remedy = "Use files of one reference"
    if without:
        message += f" without ids in every file; {without[0]} has none"
        remedy = "Add a var column gene_ids to all files, or use files of one reference"
    problems.append(Problem(cohort.file, "cells", next(iter(differing)), message, remedy))


def mitochondrial_name(genes: Iterable[str]) -> re.Match[str] | None:
    """Return the first name of a mitochondrial gene, with its groups ``before`` and ``mt``."""
    found = (re.fullmatch(MT_GENE, gene, re.IGNORECASE) for gene in genes)
    return next(filter(None, found), None)


def symbol_columns(var: pd.DataFrame) -> list[str]:
    """Return the columns of a table of genes that may hold symbols."""
    return [
        str(name)
        for name, column in var.items()
        if not pd.api.types.is_numeric_dtype(column)
        and column.nunique() > len(column) / 2
        and column.astype(str).str.fullmatch(rf"{ENSEMBL}|\d+").mean() < 0.5
    ]


def _warn_mitochondrial(cohort: Cohort, genes: pd.Index, problems: list[Problem]) -> None:
    """Say where mitochondrial genes have names that the set MT does not know."""
    implicit = any(one.implicit for one in cohort.gene_sets)
    if not implicit or genes.str.startswith(MT_PREFIX).any():
        return
    bare = [gene for gene in genes if gene.upper() in BARE]
    if first := mitochondrial_name(genes):
        before = first["before"]
        message = f"No gene begins with MT-, but genes are called {first[0]!r}: "
        if before:
            n = int(genes.str.startswith(before).sum())
            message += f"{n:,} of {len(genes):,} begin with {before!r}. "
            remedy = f'Set cells.gene_prefix: "{before}", which takes it away'
        else:
            remedy = f'Set gene_sets: {{MT: {{prefix: "{first["mt"]}"}}}}'
        if before and first["mt"] != MT_PREFIX:
            remedy += f', and gene_sets: {{MT: {{prefix: "{first["mt"]}"}}}}'
        if first["mt"] == "MT.":
            remedy += "; R has put a point for each - in names: sets of genes miss HLA.A as well"
    elif len(bare) > 2:
        message = f"No gene begins with MT-, but genes are called {quoted(bare, 3)}. "
        remedy = f"Set gene_sets: {{MT: {{genes: [{', '.join(bare)}]}}}}"
    else:
        return
    message += "The set MT of mitochondrial genes is empty"
    problems.append(Problem(cohort.file, "gene_sets.MT", None, message, remedy, "warning"))


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


def _no_symbols(cohort: Cohort, source: CountSource) -> Problem | None:
    names = source.genes.astype(str)
    numbers = names.str.fullmatch(r"\d+")
    matching = numbers if numbers.mean() > 0.5 else names.str.fullmatch(ENSEMBL)
    if matching.mean() <= 0.5:
        return None
    symbols = symbol_columns(source.var)
    remedy = "Add a var column of gene symbols to the file and name it in cells.gene_symbols"
    if symbols:
        remedy = f"Set cells.gene_symbols: {symbols[0]}"
    what = "numbers" if matching is numbers else "Ensembl ids"
    message = f"Genes are {what} in {source.path} ({quoted(source.genes[matching], 2)})"
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
        dates = sorted(name for name in members if SPREADSHEET_DATE.fullmatch(name))
        if dates:
            message = f"A spreadsheet has made dates of genes, which are lost: {quoted(dates)}"
            remedy = "Write their symbols again, such as SEPTIN2 for 2-Sep and MARCHF1 for 1-Mar"
            field = f"gene_sets.{gene_set.name}"
            problems.append(Problem(cohort.file, field, gene_set.gmt, message, remedy, "warning"))
        if gene_set.implicit or genes.isin(list(members)).any():
            continue
        given = gene_set.gmt or gene_set.prefix or list(gene_set.genes[:5])
        known = nearest(next(iter(gene_set.genes), gene_set.prefix or ""), genes)
        message = f"No gene of it is among the {len(genes):,} genes of the cells ({quoted(genes)})"
        remedy = known + "Use symbols of the cells' genes, or take the set away"
        problems.append(Problem(cohort.file, f"gene_sets.{gene_set.name}", given, message, remedy))
