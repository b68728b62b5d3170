"""Embed the genes of the paper's simulated network by each method."""

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons.gene_embedding import (
    METHODS,
    embed_genes,
    planar_settings,
    quality,
    simulate,
)
from popnet.comparisons.methods import Training, attempt
from popnet.comparisons.outcomes import outcome
from popnet.files import write_table
from popnet.seeds import derive_seed

FOUND = ["method", "latent", "n_cells", "silhouette", "purity", "purity_isolated"]
FOUND += ["auroc_isolated", "hubs_in_top", "worst_hub", "centrality_hubs", "centrality_spokes"]
FOUND += ["centrality_isolated"]
POINTS = ["method", "gene", "community", "hub", "dimension1", "dimension2", "centrality"]
STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells, community, hub = simulate(derive_seed(snakemake.params.seed, "simulated network"))
    settings = planar_settings(sivae_settings(snakemake.params), len(cells))
    training = Training(settings)
    genes = pd.DataFrame({"community": community, "hub": hub})
    genes["gene"] = [f"gene{number}" for number in range(1, len(genes) + 1)]
    found, points, states = [], [], []
    for method in [method for method in METHODS if method in snakemake.params.methods]:
        seed = derive_seed(snakemake.params.seed, "simulated network", method)
        tried = attempt(embed_genes, method, cells, training, seed)
        states.append(outcome("simulated network", method, {"": tried}))
        print(f"{method}: {tried.status}, {tried.seconds:.0f} s")
        if tried.value is None:
            continue
        centrality = 1 - tried.value.reconstruction_error
        measured = quality(tried.value.loadings, centrality, community, hub)
        found.append(
            {"method": method, "latent": settings.latent, "n_cells": len(cells), **measured}
        )
        first, second = tried.value.drawn().T
        points.append(
            genes.assign(method=method, dimension1=first, dimension2=second, centrality=centrality)[
                POINTS
            ]
        )
    write_table(pd.DataFrame(found, columns=FOUND), snakemake.output.found)
    write_table(pd.concat(points or [pd.DataFrame(columns=POINTS)]), snakemake.output.points)
    write_table(pd.DataFrame(states, columns=STATES), snakemake.output.methods)


with logged(snakemake.log[0]):
    main(snakemake)
