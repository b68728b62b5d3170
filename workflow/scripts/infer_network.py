"""Infer the network of the compared cells by one method."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet import sivae
from popnet.comparisons.hubs import degrees_of
from popnet.comparisons.methods import Attempt, Training, attempt, load_method
from popnet.comparisons.networks import sivae as of_sivae
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import NETWORKS
from popnet.files import atomic, read_h5ad, read_table, write_table
from popnet.seeds import derive_seed


def infer(name, cells, training, seed, threads):
    """Return the weights of a method, and the degree centrality of the genes."""
    from joblib import parallel_config

    with parallel_config("threading", n_jobs=threads):
        weights = load_method(NETWORKS, name)(cells, training, seed)
    centrality = degrees_of(name, weights)
    if isinstance(training, of_sivae.Trained) and name.endswith("-euc"):
        centrality = of_sivae.degree_centrality(training.fitted)
    return weights.astype(np.float32), centrality


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    name, params = Path(snakemake.output.network).stem, snakemake.params
    cells = read_h5ad(snakemake.input.cells)
    settings = replace(sivae_settings(params), standardise=True, heldout=0.0)
    training = Training(settings, params.epochs)
    seed = derive_seed(params.seed, "networks")
    attempts, model = {}, snakemake.input.get("model")
    if model:
        trained = read_table(snakemake.input.model_status, text=["status"]).iloc[0]
        attempts["training"] = Attempt(
            None, trained["status"], trained["seconds"], trained["peak_memory_mb"]
        )
    network = ad.AnnData(var=cells.var[[]])
    if all(each.status == "done" for each in attempts.values()):
        if model:
            training = of_sivae.Trained(**vars(training), fitted=sivae.load(model))
        tried = attempt(infer, name, cells, training, seed, snakemake.threads)
        attempts["network"] = tried
        if tried.value is not None:
            network.varp["weights"], network.var["centrality"] = tried.value
    row = outcome("networks", name, attempts)
    print(f"{name}: {row['status']}, {row['seconds']:.0f} s")
    with atomic(snakemake.output.network) as path:
        network.write_h5ad(path, compression="gzip")
    write_table(pd.DataFrame([row]), snakemake.output.status)


with logged(snakemake.log[0]):
    main(snakemake)
