"""Tables of results that a reader can sort, filter and save, as the page's scripts take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from popnet.report.columns import explain
from popnet.report.embedding import short
from popnet.report.results import Results
from popnet.report.sections import Section

# All hits and the rows of smallest p are shown, at least and at most so many.
LEAST, MOST = 100, 400
TITLES = {
    "centrality": "Degree centrality: genes",
    "gene_sets": "Gene sets",
    "programmes": "Programmes",
    "modules": "Modules",
    "edges": "Edges: pairs of genes",
    "components": "Connected components of edges",
    "connectivity": "Connectivity of gene sets",
    "graph_centrality": "Centrality in the graph: genes",
    "consensus": "Degree of genes, cases against controls",
    "genes_in_groups": "Genes of called gene sets and modules",
    "expression": "Expression and detection (positive control)",
    "composition": "Composition: shares of cell states",
    "levels": "Does any level differ?",
    "single": "mtDNA: single variants",
    "burden": "mtDNA: burden of genes",
    "heteroplasmy": "mtDNA: heteroplasmy",
    "cell_types": "Shared by cell types, or different between them",
}
# The columns that a reader needs first; the file has all.
FIRST = (
    *("network", "analysis", "measure", "kind", "group", "gene_set", "gene", "gene1", "gene2"),
    *("module", "name", "name1", "name2", "state", "variant", "component", "genes", "relation"),
    *(
        "estimate",
        "low",
        "high",
        "statistic",
        "nes",
        "p",
        "p_family",
        "q",
        "q_all",
        "q_within",
        "correlation_q",
    ),
    *("agrees", "icc", "mean_q", "explained_by", "switched", "set_size", "n_genes", "n_edges"),
    *("shared", "differs_in", "difference_p", "difference_q", "change", "change_p"),
    *("f", "highest", "lowest", "difference"),
    *("mean_case", "mean_control", "n", "n_units", "verdict"),
)
# Columns whose values open a card.
OPENS = {"gene": "gene", "gene1": "gene", "gene2": "gene", "gene_set": "set"}


def section(results: Results) -> Section:
    """Return the tables of tests, one of which is shown at a time."""
    tables: list[dict[str, Any]] = []
    for cell_type in results.cell_types:
        for phenotype in (*results.phenotypes, *results.levels):
            folder = f"{cell_type}/associations/{phenotype}"
            tables += _of_folder(results, folder, cell_type, phenotype)
    for phenotype in results.phenotypes:
        tables += _of_folder(results, f"variants/{phenotype}", "", phenotype)
        tables += _of_folder(results, f"associations/{phenotype}", "", phenotype)
    return Section("tables", "Tables", "tables.html.j2", {}, tables, ("tables.js",))


def shown_table(
    table: pd.DataFrame,
    name: str,
    title: str,
    *,
    file: str = "",
    total: int | None = None,
    words: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a table as `popnet.table` of the page's scripts takes it.

    Parameters
    ----------
    table : DataFrame
    name : str
        The table that the meanings of columns are looked up in, such as ``centrality.tsv``.
    title : str
    file : str
        What has all rows and columns, relative to the page.
    total : int, optional
        Rows of the file, where the page shows some of them.
    words : mapping of column to str, optional
        Meanings of columns that no file has.
    """
    columns = []
    for column in table.columns:
        values = table[column]
        numeric = pd.api.types.is_numeric_dtype(values) and values.dtype != bool
        columns.append(
            {
                "name": str(column),
                "help": (words or {}).get(column) or explain(name, str(column)),
                "numeric": bool(numeric),
                "opens": OPENS.get(str(column), ""),
                "values": [_value(one, bool(numeric)) for one in values],
            }
        )
    return {"title": title, "columns": columns, "file": file, "total": total or len(table)}


def first_rows(table: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """Return the hits of a table of tests and the tests of smallest p, and the main columns."""
    known = [column for column in FIRST if column in table]
    known = [column for column in known if table[column].notna().any()]
    columns = known or list(table.columns)
    if "p" not in table:
        return table[columns].head(MOST)
    by_p = table.dropna(subset=["p"]).sort_values("p", kind="stable")
    n_hits = int((by_p["q"] <= fdr).sum()) if "q" in by_p else 0
    return by_p[columns].head(min(max(n_hits, LEAST), MOST))


def _of_folder(
    results: Results, folder: str, cell_type: str, phenotype: str
) -> Sequence[dict[str, Any]]:
    found = []
    for name, words in TITLES.items():
        path = f"{folder}/{name}.tsv"
        table = results.table(path)
        if table is None or table.empty:
            continue
        if results.hides_donors:
            # In a group of one it is a value of that one.
            table = table.drop(columns=["mean_case", "mean_control"], errors="ignore")
        about = [results.cell_types.get(cell_type, ""), results.named(phenotype)]
        shown = shown_table(
            first_rows(table, results.fdr), f"{name}.tsv", words, file=path, total=len(table)
        )
        found.append(shown | {"cell_type": about[0] or "all cell types", "phenotype": about[1]})
    return found


def _value(value: Any, numeric: bool) -> Any:
    if numeric:
        # Counts and positions are exact.
        exact = float(value).is_integer()
        return int(value) if exact else short(float(value), 3)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "" if pd.isna(value) else str(value)
