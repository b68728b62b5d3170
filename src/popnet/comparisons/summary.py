"""All comparisons in one table of methods, with the main number of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

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


# Tables whose comparisons are several, by a column that goes into their labels.
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


def methods_table(
    states: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    known: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Return what became of every method in every comparison, and its main number.

    Parameters
    ----------
    states : DataFrame
        comparison method status seconds peak_memory_mb.
    tables : mapping of name to DataFrame
        The results; those of `RESULTS` are summed up.
    known : mapping of comparison to sequence of str
        All methods that there are: one without a state there was not asked for.

    Returns
    -------
    DataFrame
        The columns of `states`, and result.
    """
    missing = [
        {"comparison": comparison, "method": method, "status": NOT_ASKED}
        for comparison, methods in known.items()
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
