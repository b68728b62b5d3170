"""What the figures of the comparisons show of their tables of results."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def accuracies(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return mean, lowest and highest balanced accuracy over folds, methods in the order given.

    Parameters
    ----------
    table : DataFrame with columns method, latent, k, fold, label, balanced_accuracy
    methods : sequence of str
        Those without a row in `table` are left out.
    """
    grouped = table.groupby(["method", "latent", "k", "label"], observed=True)["balanced_accuracy"]
    shown = grouped.agg(["mean", "min", "max", "size"]).reset_index()
    shown = shown.rename(columns={"min": "lowest", "max": "highest", "size": "folds"})
    shown["method"] = pd.Categorical(shown["method"], list(methods), ordered=True)
    shown = shown.sort_values(["method", "latent", "k"], ignore_index=True)
    return shown.assign(method=shown["method"].astype(str))


def recalls(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the largest k and the smallest latent size, methods in the order given."""
    if table.empty:
        return table
    shown = table[(table["k"] == table["k"].max()) & (table["latent"] == table["latent"].min())]
    order = {method: place for place, method in enumerate(methods)}
    return shown.sort_values(
        ["method", "n", "type"], key=lambda c: c.map(order) if c.name == "method" else c
    ).reset_index(drop=True)


def failed_embeddings(status: pd.DataFrame, accuracy: pd.DataFrame) -> list[str]:
    """Return the methods that were tried, failed and are not among those shown.

    Parameters
    ----------
    status : DataFrame with columns comparison, method, status, seconds
    accuracy : DataFrame with column method
        Of `accuracies`.
    """
    tried = status[(status["comparison"] == "embeddings") & status["seconds"].notna()]
    failed = tried.loc[tried["status"] != "done", "method"]
    return list(failed[~failed.isin(accuracy["method"])])


def of_other_data(images: pd.DataFrame, chromatin: pd.DataFrame) -> pd.DataFrame:
    """Return the results on images and on chromatin in one table, told apart by the column kind."""
    return pd.concat([images.assign(kind="images"), chromatin.assign(kind="chromatin")])


def centrality_points(
    centralities: pd.DataFrame, hubs: pd.DataFrame, top: int = 20
) -> pd.DataFrame:
    """Return true and predicted centrality of every gene by every method, the best method first.

    Parameters
    ----------
    centralities : DataFrame
        gene, truth and a column for each method.
    hubs : DataFrame
        Of `popnet.comparisons.hubs.hub_accuracy`.
    top : int

    Returns
    -------
    DataFrame with columns method, gene, truth, predicted, hub
        hub: among the method's `top` most central genes.
    """
    parts = []
    for method in hubs.sort_values("rho", ascending=False)["method"]:
        predicted = centralities[method]
        part = centralities[["gene", "truth"]].assign(method=method, predicted=predicted)
        parts.append(part.assign(hub=predicted.rank(ascending=False, method="first") <= top))
    columns = ["method", "gene", "truth", "predicted", "hub"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def shown_hits(hits: pd.DataFrame, top: int = 40) -> pd.DataFrame:
    """Return the genes that any method has as a hit, siVAE's of smallest p first, at most `top`."""
    seen = hits[hits["seen_by"].fillna("") != ""]
    of_sivae = seen["seen_by"].str.split(";").str[0] == "sivae"
    return pd.concat([seen[of_sivae], seen[~of_sivae]]).head(top)


def gamma_means(gammas: pd.DataFrame) -> pd.DataFrame:
    """Return the means over repeats of each weight of the interpretability term and each k.

    Parameters
    ----------
    gammas : DataFrame with columns setting, k, balanced_accuracy, heldout_error, linear_error

    Returns
    -------
    DataFrame with the same columns
        Settings in the order of their first row.
    """
    values = ["balanced_accuracy", "heldout_error", "linear_error"]
    gammas = gammas.reindex(columns=["setting", "k", *values])
    return gammas.groupby(["setting", "k"], sort=False)[values].mean().reset_index()
