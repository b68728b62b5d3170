"""All comparisons in one table of methods, with the main number of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS

STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]
NOT_ASKED = "not asked for"
# What rows of a table of results are about, and what they are averaged over.
KEYS = ["cell_type", "data", "method", "method1", "method2", "mode", "setting", "batch", "label"]
KEYS += ["latent", "k", "n_genes", "n_cells", "extrapolated"]
OVER = ["fold", "repeat", "dimension"]
# Of a table: how the comparison's label begins, which column sums a method up, and what that is.
RESULTS = {
    "embeddings": ("embeddings", "balanced_accuracy", "balanced accuracy"),
    "images": ("images", "balanced_accuracy", "balanced accuracy"),
    "mixing": ("mixing", "other_batches", "neighbours of other batches"),
    "interpretations": ("interpretations", "rho", "|ρ| with siVAE's loadings"),
    "hubs": ("networks", "rho", "ρ with true centrality"),
    "neighbours": ("networks", "variance_explained", "variance explained by 20 neighbours"),
    "gene_embedding": ("simulated network", "silhouette", "silhouette of communities"),
    "marker_types": ("markers of cell types", "cosine", "cosine of markers and cells"),
    "agreement": ("agreement in samples", "rho", "ρ of centralities with siVAE's"),
}
# Headings of the page's tables, in its order.
HEADINGS = {
    "embeddings": "Cell embeddings: held-out cells classified by their nearest neighbours",
    "gammas": "Weight of the interpretability term",
    "mixing": "Batch correction",
    "images": "Images",
    "chromatin": "Simulated chromatin accessibility",
    "interpretations": "Interpretations: rank correlation with siVAE's loadings",
    "times": "Training time",
    "gene_embedding": "Genes of a simulated network",
    "marker_types": "Markers of cell types among the loadings",
    "hubs": "Hubs: predicted against true centrality",
    "neighbours": "Variance of hubs that their 20 neighbours explain",
    "agreement": "Networks of samples: agreement with siVAE",
}
# The methods of the comparisons that take all of a table's, by how the labels of these begin.
KNOWN = {"embeddings": EMBEDDINGS, "interpretations": INTERPRETATIONS, "networks": NETWORKS}
REMARKS = [
    "Every method ran on the same cells; docs/comparisons.md says what each one is. Numbers are "
    "means over the folds, samples, dimensions or repeats that a table has.",
    "This table is comparisons/methods.tsv. The figures are under Comparisons in the report.",
]
# Tables of several comparisons, by a column that is part of their labels.
SPLIT = {
    "agreement": ("cell_type", ": {}"),
    "interpretations": ("latent", ", {} dimensions"),
}


def averaged(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of a table's numbers over all that its keys do not tell apart."""
    keys = [column for column in table if column in KEYS]
    table = table.drop(columns=[column for column in OVER if column in table])
    numbers = table.drop(columns=keys).select_dtypes("number").columns
    if not keys or not len(numbers):
        return table
    return table.groupby(keys, sort=False, dropna=False)[list(numbers)].mean().reset_index()


def beside_loadings(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of interpretations of which siVAE's loadings are one, by the other."""
    first, second = pairs["method1"] == "loadings", pairs["method2"] == "loadings"
    other = pairs["method1"].where(second, pairs["method2"])
    return pairs.assign(method=other)[first ^ second].drop(columns=["method1", "method2"])


def results(name: str, table: pd.DataFrame) -> dict[str, str]:
    """Return the main number of every method of a table of results, as text.

    Parameters
    ----------
    name : str
        A key of `RESULTS`.
    table : DataFrame
        With method, or method1 and method2; one that lacks what is summed up gives nothing.

    Returns
    -------
    dict of method to text
        The mean, or its range over what the keys tell apart.
    """
    _, column, what = RESULTS[name]
    if "method1" in table and "method2" in table:
        table = beside_loadings(table)
    if column not in table or "method" not in table:
        return {}
    means = averaged(table).dropna(subset=[column]).groupby("method", sort=False)[column]
    return {
        str(method): f"{what} {_range(float(values.min()), float(values.max()))}"
        for method, values in means
    }


def _range(lowest: float, highest: float) -> str:
    low, high = (
        f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}" for value in (lowest, highest)
    )
    return low if low == high else f"{low} to {high}"


def page_tables(
    tables: Mapping[str, pd.DataFrame], hits: Sequence[tuple[str, str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    """Return the tables of the page of comparisons, by heading.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        The results; those of `HEADINGS` that have rows are shown, averaged.
    hits : sequence of (cell type, phenotype, DataFrame)
        Tables of hits, with a column seen_by.
    """
    shown = {}
    for name, heading in HEADINGS.items():
        if len(tables.get(name, [])):
            table = beside_loadings(tables[name]) if name == "interpretations" else tables[name]
            shown[heading] = averaged(table)
    if hits:
        shown["Hits of phenotypes, by method"] = pd.DataFrame(
            {"cell type": cell_type, "phenotype": phenotype} | hits_by_method(table)
            for cell_type, phenotype, table in hits
        )
    return shown


def hits_by_method(hits: pd.DataFrame) -> dict[str, int]:
    """Return how many of siVAE's hits other methods find too, and how many only they find.

    Parameters
    ----------
    hits : DataFrame with column seen_by
        The methods of which the gene is a hit, separated by ";", siVAE first; else empty.
    """
    methods = hits["seen_by"].fillna("").str.split(";")
    of_sivae = methods[methods.str[0] == "sivae"]
    return {
        "hits of siVAE": len(of_sivae),
        "of these, siVAE's alone": int((of_sivae.map(len) == 1).sum()),
        "hits of other methods alone": int((~methods.str[0].isin(["sivae", ""])).sum()),
    }


def failures(methods: pd.DataFrame) -> list[str]:
    """Return a sentence for every method of `methods_table` that failed."""
    failed = methods[methods["status"].str.contains("failed")]
    return [f"{row.comparison}, {row.method}: {row.status}." for row in failed.itertuples()]


def methods_table(states: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the state of every method in every comparison, and its main number.

    Parameters
    ----------
    states : DataFrame
        comparison method status seconds peak_memory_mb. A method of `KNOWN` without a state was
        not asked for.
    tables : mapping of name to DataFrame
        The results; those of `RESULTS` are summed up.

    Returns
    -------
    DataFrame
        The columns of `states`, and result.
    """
    missing = [
        {"comparison": comparison, "method": method, "status": NOT_ASKED}
        for comparison, methods in KNOWN.items()
        for method in methods
        if not _begins(states, comparison)["method"].eq(method).any()
    ]
    table = pd.DataFrame([*states[STATES].to_dict("records"), *missing], columns=STATES)
    table = table.sort_values("comparison", kind="stable", ignore_index=True)
    table["result"] = ""
    for name, found in tables.items():
        if name not in RESULTS:
            continue
        label = RESULTS[name][0]
        parts = [(_begins(table, label).index, found)]
        if name in SPLIT:
            column, text = SPLIT[name]
            parts = [
                (table.index[table["comparison"] == label + text.format(of)], part)
                for of, part in found.groupby(column)
            ]
        for rows, part in parts:
            new = table.loc[rows, "method"].map(results(name, part)).fillna("")
            joined = table.loc[rows, "result"].str.cat(new, sep="; ").str.strip("; ")
            table.loc[rows, "result"] = joined
    return table


def _begins(states: pd.DataFrame, label: str) -> pd.DataFrame:
    return states[states["comparison"].str.startswith(label)]
