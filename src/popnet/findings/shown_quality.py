"""What the figures of a cell type's quality show: cells, training, depth and reliability."""

from __future__ import annotations

import numpy as np
import pandas as pd

TERMS = ("reconstruction", "kl_cells", "kl_features", "interpretability")


def cells_per_sample(bins: pd.DataFrame, excluded: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of each sample of one cell type that are in bins, and those left over.

    Parameters
    ----------
    bins : DataFrame with columns sample, bin, n_cells
    excluded : DataFrame with columns sample, n_cells, reason
        Cells left over of samples that have bins, and all cells of samples that have none.

    Returns
    -------
    DataFrame with columns sample, n_bins, in_bins, left_over, excluded, reason
        Most cells first; `excluded` says that the sample has no bin.
    """
    inside = bins.groupby("sample").agg(n_bins=("bin", "size"), in_bins=("n_cells", "sum"))
    outside = excluded.groupby("sample").agg(
        left_over=("n_cells", "sum"), reason=("reason", lambda texts: "; ".join(map(str, texts)))
    )
    table = inside.join(outside, how="outer")
    numbers = ["n_bins", "in_bins", "left_over"]
    table[numbers] = table[numbers].apply(pd.to_numeric).fillna(0).astype(int)
    table["excluded"] = table["n_bins"] == 0
    table["reason"] = table["reason"].where(table["excluded"], "")
    order = (table["in_bins"] + table["left_over"]).sort_values(ascending=False, kind="stable")
    return table.loc[order.index, [*numbers, "excluded", "reason"]].reset_index(names="sample")


def training_of_bins(trained: pd.DataFrame) -> pd.DataFrame:
    """Return how each model of a cell type's bins trained, and which to look at.

    Parameters
    ----------
    trained : DataFrame
        The tables of all training jobs.

    Returns
    -------
    DataFrame
        With `look_at`: why a model failed, or that it collapsed (it uses fewer than half as many
        latent dimensions as the median model); empty for all others. Failed models come first,
        then collapsed ones, then the others in their order.
    """
    failed = trained["status"] != "trained"
    active = trained["active_dimensions"].astype(float)
    collapsed = ~failed & ((active < active.median() / 2) | (active == 0))
    table = trained.assign(look_at="")
    table.loc[failed, "look_at"] = table.loc[failed, "status"]
    table.loc[collapsed, "look_at"] = [
        f"collapsed: {n:.0f} active dimensions (median {active.median():g})"
        for n in active[collapsed]
    ]
    order = np.lexsort([~collapsed, ~failed])
    return table.iloc[order].reset_index(drop=True)


def loss_medians(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the median over models of the loss and of its terms, by stage and step.

    Parameters
    ----------
    losses : DataFrame with columns stage, step, total, and terms of the loss
        A row per model and recorded step.

    Returns
    -------
    DataFrame with columns stage, step, total and the terms that `losses` has
        Stages in the order of their first row.
    """
    values = ["total", *(term for term in TERMS if term in losses)]
    medians = losses.groupby(["stage", "step"])[values].median().reset_index()
    order = {stage: place for place, stage in enumerate(losses["stage"].unique())}
    return medians.sort_values(
        ["stage", "step"], key=lambda c: c.map(order) if c.name == "stage" else c, ignore_index=True
    )


def depth_of_samples(bins: pd.DataFrame, depths: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return sample, batch, mean_depth and n_cells (in bins) of each sample of one cell type.

    Parameters
    ----------
    bins : DataFrame with columns sample, batch, mean_depth, n_cells
        `mean_depth` is the mean of log10 total counts over the bin's cells.
    depths : DataFrame with columns sample, mean_depth, share_kept, shallow, optional
        depth.tsv, where counts were thinned. Its `mean_depth`, before that, is added as
        `sequenced_depth`, and so are `share_kept` and `shallow`.
    """
    grouped = bins.astype({"sample": str, "batch": str}).groupby("sample", sort=False)
    table = grouped.agg(
        batch=("batch", "first"), mean_depth=("mean_depth", "mean"), n_cells=("n_cells", "sum")
    ).reset_index()
    if depths is None:
        return table
    before = depths.rename(columns={"mean_depth": "sequenced_depth"}).astype({"sample": str})
    columns = ["sample", "sequenced_depth", "share_kept", "shallow"]
    return table.merge(before[columns], on="sample", how="left", validate="one_to_one")


def depth_by_phenotype(depth: pd.DataFrame, phenotypes: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of the samples' depth with each phenotype.

    Parameters
    ----------
    depth : DataFrame
        Of :func:`depth_of_samples`.
    phenotypes : DataFrame, indexed by sample

    Returns
    -------
    DataFrame with columns phenotype, n, rho, rho_before
        The last before counts were thinned; missing where they were not.
    """
    values = phenotypes.reindex(depth["sample"]).reset_index(drop=True)
    found = pd.DataFrame({"phenotype": list(values), "n": values.notna().sum().to_numpy()})
    for name, column in {"rho": "mean_depth", "rho_before": "sequenced_depth"}.items():
        depths = depth.reindex(columns=[column])[column].reset_index(drop=True)
        # Ranks are those among the samples that have the phenotype.
        found[name] = [one.rank().corr(depths[one.notna()].rank()) for _, one in values.items()]
    return found


def reliability_of_genes(reliability: pd.DataFrame, degree: pd.DataFrame) -> pd.DataFrame:
    """Return reliability.tsv with a column central: the gene is in the graph of some bin.

    Parameters
    ----------
    reliability : DataFrame with column gene
    degree : DataFrame, bins x genes
        Degree of every gene in every bin's graph; missing where the graph does not have the gene.
    """
    return reliability.assign(central=reliability["gene"].map(degree.notna().any()))
