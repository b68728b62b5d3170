"""Embed cells with and without batch correction, and map them in two dimensions."""

from dataclasses import replace

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons.classification import choose_batch
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.mixing import mixing, tsne_map, umap_map
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import EMBEDDINGS
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed

COMPONENTS = 50  # that UMAP is given, as is usual


def embed(name, cells, training, seed):
    return load_method(EMBEDDINGS, name)(cells, cells[:1], training, seed).scores


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    cells = read_h5ad(snakemake.input.cells)
    batch = choose_batch(cells.obs)
    cells.obs["batch"] = cells.obs[batch]
    settings = replace(sivae_settings(params), standardise=True, heldout=0.0)
    latents = {name: max(params.latents) for name in ("sivae", "sivae-batch")}
    latents["pca"] = min(COMPONENTS, min(cells.shape) - 1)
    scores, measures, rows = {}, [], []
    for name, latent in latents.items():
        training = Training(replace(settings, latent=latent), params.epochs)
        seed = derive_seed(params.seed, "batches", name)
        tried = attempt(embed, name, cells, training, seed)
        rows.append(outcome("mixing", name, {"": tried}))
        if tried.status == "done":
            scores[name] = tried.value
            mixed = mixing(tried.value, cells.obs["batch"], cells.obs["cell_type"])
            measures.append({"method": name, "batch": batch, "latent": latent} | mixed)
    maps = []
    for view, name, draw in (("before", "pca", umap_map), ("after", "sivae-batch", tsne_map)):
        if name not in scores:
            continue
        tried = attempt(draw, scores[name], derive_seed(params.seed, view))
        rows.append(outcome("maps", draw.__name__.removesuffix("_map"), {"": tried}))
        if tried.status == "done":
            at = pd.DataFrame(tried.value, columns=["x", "y"]).assign(view=view)
            maps.append(at.join(cells.obs[["cell_type", "batch"]].reset_index(drop=True)))
    empty = pd.DataFrame(columns=["x", "y", "view", "cell_type", "batch"])
    write_table(pd.concat(maps or [empty]), snakemake.output.maps)
    columns = ["method", "batch", "latent", "other_batches", "same_type"]
    write_table(pd.DataFrame(measures, columns=None if measures else columns), snakemake.output[0])
    write_table(pd.DataFrame(rows), snakemake.output.status)
    for row in rows:
        print(f"{row['method']}: {row['status']}, {row['seconds']:.0f} s")


with logged(snakemake.log[0]):
    main(snakemake)
