"""Infer the networks of some bins of a cell type by other methods, on the cells that siVAE saw."""

import anndata as ad
import numpy as np
import pandas as pd
import torch
from adapter import binned_cells, logged, open_sources, sivae_settings

from popnet.cells import read_bin, read_counts
from popnet.comparisons.agreement import edges_of
from popnet.comparisons.hubs import degrees_of
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.registry import NETWORKS
from popnet.errors import InputError
from popnet.files import atomic, read_h5ad, write_parquet, write_table
from popnet.seeds import derive_seed

EDGES = ["method", "sample", "bin", "gene1", "gene2"]


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    training = Training(sivae_settings(snakemake.params), snakemake.params.epochs)
    bins = read_h5ad(snakemake.input.bins)
    planned = {(sample, number) for sample, number in snakemake.params.bins}
    samples = bins.obs["sample"].astype(str)
    here = [row in planned for row in zip(samples, bins.obs["bin"], strict=True)]
    bins = bins[np.flatnonzero(here)].to_memory()
    known = pd.DataFrame(index=bins.obs_names)
    layers, edges, states = {}, [pd.DataFrame(columns=EDGES)], []
    for method in snakemake.params.methods:
        tried = attempt(infer_networks, method, bins, training, snakemake)
        # A method that did not come to an end failed in every bin.
        lost = dict.fromkeys(bins.obs_names, tried.status.removeprefix("failed: "))
        centrality, found, failed = tried.value or (np.full(bins.shape, np.nan), [], lost)
        layers[method] = centrality.astype(np.float32)
        known[method] = ~bins.obs_names.isin(failed)
        edges += found
        states.append(
            {
                **{"method": method, "n_bins": bins.n_obs, "n_failed": len(failed)},
                **{"reason": next(iter(failed.values()), ""), "seconds": tried.seconds},
                "peak_memory_mb": tried.peak_memory,
            }
        )
        print(f"{method}: {tried.seconds:.0f} s, failed in {len(failed)} of {bins.n_obs} bins")
        for name, why in failed.items():
            print(f"  {name}: {why}")
    write_table(pd.DataFrame(states), snakemake.output.methods)
    table = pd.concat([part for part in edges if len(part)] or edges)
    write_parquet(table.astype({"bin": int}), snakemake.output.edges)
    inferred = ad.AnnData(
        obs=bins.obs[["sample", "bin"]], var=bins.var[[]], layers=layers, obsm={"known": known}
    )
    with atomic(snakemake.output.centrality) as path:
        inferred.write_h5ad(path, compression="gzip")


def infer_networks(method, bins, training, snakemake):
    """Return centralities and edges of the genes that siVAE wires, and in which bins it failed."""
    infer = load_method(NETWORKS, method)
    counted = binned_cells(snakemake.input.cells, snakemake.wildcards.cell_type)
    of_bin = counted.groupby([counted["sample"].astype(str), counted["bin"]]).indices
    sources = open_sources(snakemake.params, counted["source"])
    centrality, edges, failed = np.full(bins.shape, np.nan), [], {}
    for row, (sample, number) in enumerate(
        zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    ):
        cells = read_bin(snakemake.input.expression, sample, number)
        own = counted.iloc[of_bin[sample, number]].reset_index(drop=True)
        cells.layers["counts"], cells.obs["depth"] = read_counts(sources, own, bins.var_names)
        cells.obs["batch"] = own["batch"].astype(str).to_numpy()
        wired = np.flatnonzero(np.isfinite(bins.X[row]) & (np.ptp(cells.X, axis=0) > 0))
        seed = derive_seed(snakemake.params.seed, method, sample, number)
        try:
            weights = infer(cells[:, wired].copy(), training, seed)
        except (InputError, ModuleNotFoundError):
            raise
        # One bin in which a method fails does not take the others away.
        except Exception as error:
            failed[bins.obs_names[row]] = f"{type(error).__name__}: {error}"
            continue
        centrality[row, wired] = degrees_of(method, weights)
        nodes = np.flatnonzero(np.isfinite(bins.layers["degree"][row]))
        strong = edges_of(weights, wired, nodes, bins.n_vars, snakemake.params.closest)
        ends = (bins.var_names[end] for end in np.divmod(strong, bins.n_vars))
        named = zip(("gene1", "gene2"), ends, strict=True)
        edges.append(
            pd.DataFrame(dict(named)).assign(method=method, sample=sample, bin=number)[EDGES]
        )
    return centrality, edges, failed


with logged(snakemake.log[0]):
    main(snakemake)
