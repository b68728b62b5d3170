"""Embed the marker genes of cell types by each method, beside the cells."""

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons.gene_embedding import (
    METHODS,
    embed_genes,
    find_markers,
    marker_agreement,
    planar_settings,
)
from popnet.comparisons.methods import Attempt, Training, attempt
from popnet.comparisons.outcomes import outcome
from popnet.errors import InputError
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed
from popnet.study.sheet import read_markers

FOUND = ["method", "latent", "cell_type", "n_cells", "n_markers", "cosine", "rank", "n_types"]
FOUND += ["silhouette", "purity", "purity_chance"]
POINTS = ["method", "kind", "name", "cell_type", "dimension1", "dimension2"]
STATES = ["comparison", "method", "status", "seconds", "peak_memory_mb"]


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells = read_h5ad(snakemake.input.cells)
    settings = planar_settings(sivae_settings(snakemake.params), cells.n_obs)
    training = Training(settings)
    marked = Attempt(None, "not applicable: the cells are of one type", 0.0, float("nan"))
    if snakemake.input.markers:
        rows, problems = read_markers(str(snakemake.input.markers))
        if problems:
            raise InputError(problems)
        given = pd.DataFrame(rows)[["gene", "cell_type"]].assign(score=float("nan"))
        marked = Attempt(given[given["gene"].isin(cells.var_names)], "done", 0.0, float("nan"))
    elif cells.obs["cell_type"].nunique() > 1:
        marked = attempt(find_markers, cells)
    markers = pd.DataFrame(columns=["gene", "cell_type", "score"])
    if marked.value is not None:
        markers = marked.value
    write_table(markers, snakemake.output.markers)

    of_type = markers.drop_duplicates("gene").set_index("gene")["cell_type"]
    found, points, states = [], [], []
    for method in [method for method in METHODS if method in snakemake.params.methods]:
        tried = marked
        if marked.value is not None:
            seed = derive_seed(snakemake.params.seed, "markers", method)
            tried = attempt(compare, method, cells, markers, training, seed)
        states.append(outcome("markers of cell types", method, {"": tried}))
        print(f"{method}: {tried.status}, {tried.seconds:.0f} s")
        if tried.value is None:
            continue
        embedding, agreement = tried.value
        found.append(agreement.assign(method=method, latent=settings.latent)[FOUND])
        types = of_type.reindex(cells.var_names).fillna("")
        points.append(placed(method, "gene", types, embedding.drawn()))
        if embedding.loadings.shape[1] == settings.latent:
            points.append(placed(method, "cell", cells.obs["cell_type"], embedding.scores))
    write_table(pd.concat(found or [pd.DataFrame(columns=FOUND)]), snakemake.output.found)
    write_table(pd.concat(points or [pd.DataFrame(columns=POINTS)]), snakemake.output.points)
    write_table(pd.DataFrame(states, columns=STATES), snakemake.output.methods)


def compare(method, cells, markers, training, seed):
    embedding = embed_genes(method, cells, training, seed)
    return embedding, marker_agreement(
        embedding, cells.var_names, cells.obs["cell_type"].astype(str), markers
    )


def placed(method, kind, types, places):
    table = {"method": method, "kind": kind, "name": types.index, "cell_type": types.to_numpy()}
    return pd.DataFrame(table | {"dimension1": places[:, 0], "dimension2": places[:, 1]})[POINTS]


with logged(snakemake.log[0]):
    main(snakemake)
