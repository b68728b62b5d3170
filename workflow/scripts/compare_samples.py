"""Hold the networks of a cell type's bins by other methods against siVAE's."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from adapter import logged

from popnet.comparisons.agreement import Networks, agreement
from popnet.files import atomic, read_h5ad, read_parquet, read_table, write_table

STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    samples = bins.obs["sample"].astype(str).to_numpy()
    n_nodes = np.isfinite(bins.layers["degree"]).sum(1)
    by_kind = {kind: [] for kind in (".h5ad", ".parquet", ".tsv")}
    for path in snakemake.input.inferred:
        by_kind[Path(path).suffix].append(path)
    states = pd.concat([read_table(path) for path in by_kind[".tsv"]], ignore_index=True)
    inferred = [read_h5ad(path) for path in by_kind[".h5ad"]]
    parts = [read_parquet(path) for path in by_kind[".parquet"]]
    edges = pd.concat([part for part in parts if len(part)] or parts[:1])

    sivae = Networks(bins.X, edges_by_bin(read_parquet(snakemake.input.bin_edges), bins))
    tables = [agreement(sivae, None, samples, n_nodes).assign(method="sivae")]
    layers, rows = {}, []
    for method in snakemake.params.methods:
        of_method = states[states["method"] == method]
        rows.append(state_of(method, of_method))
        if of_method["n_failed"].sum() == of_method["n_bins"].sum():
            continue
        centrality, known = np.full(bins.shape, np.nan), np.zeros(bins.n_obs, dtype=bool)
        for part in inferred:
            here = bins.obs_names.get_indexer(part.obs_names)
            centrality[here], known[here] = part.layers[method], part.obsm["known"][method]
        found = edges_by_bin(edges[edges["method"] == method], bins, known)
        other = Networks(centrality, found)
        tables.append(agreement(sivae, other, samples, n_nodes).assign(method=method))
        # A network of distances has edges, but no degrees to test.
        if np.isfinite(centrality).any():
            layers[method] = centrality.astype(np.float32)
    table = pd.concat(tables)
    columns = ["method", *table.columns.drop("method")]
    write_table(table[columns], snakemake.output.agreement)
    write_table(pd.DataFrame(rows, columns=STATES), snakemake.output.methods)
    centrality = ad.AnnData(obs=bins.obs, var=bins.var[[]], layers=layers)
    with atomic(snakemake.output.centrality) as path:
        centrality.write_h5ad(path, compression="gzip")


def edges_by_bin(edges, bins, known=None):
    """Return the edges of every bin, as numbers; None where a bin is not known."""
    first, second = (bins.var_names.get_indexer(edges[end]) for end in ("gene1", "gene2"))
    codes = first.astype(np.int64) * bins.n_vars + second
    numbers = pd.Index(bins.obs["sample"].astype(str) + "." + bins.obs["bin"].astype(str))
    of_bin = numbers.get_indexer(edges["sample"].astype(str) + "." + edges["bin"].astype(str))
    found = [np.empty(0, dtype=np.int64)] * bins.n_obs
    for number, group in pd.Series(codes).groupby(of_bin):
        found[number] = group.to_numpy()
    if known is not None:
        found = [each if there else None for each, there in zip(found, known, strict=True)]
    return found


def state_of(method, states):
    """Return what became of a method in all jobs."""
    n_bins, n_failed = states["n_bins"].sum(), states["n_failed"].sum()
    status = "done"
    if n_failed:
        first = states.loc[states["n_failed"] > 0, "reason"].iloc[0]
        status = f"failed in {n_failed} of {n_bins} bins: {first}"
    seconds, peak = states["seconds"].sum(), states["peak_memory_mb"].max()
    return dict(zip(STATES, ("agreement in samples", method, status, seconds, peak), strict=True))


with logged(snakemake.log[0]):
    main(snakemake)
