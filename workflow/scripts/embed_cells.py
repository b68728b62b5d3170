"""Embed cells by one method, at every latent size, and classify held-out ones."""

from dataclasses import replace

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons.classification import choose_batch, choose_label, cross_validate
from popnet.comparisons.methods import Attempt, Training, attempt, load_method
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import EMBEDDINGS
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed

NOTHING = "not applicable: the cells are of one type, one batch and one sample"


def embed(name, *arguments):
    return cross_validate(load_method(EMBEDDINGS, name), *arguments)


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    name, params = snakemake.wildcards.method, snakemake.params
    cells = read_h5ad(snakemake.input.cells)
    label = choose_label(cells.obs, params.folds)
    cells.obs["batch"] = cells.obs[choose_batch(cells.obs)]
    settings = replace(sivae_settings(params), standardise=True, heldout=0.0)
    seed = derive_seed(params.seed, "embeddings")
    tried = {}
    for latent in params.latents:
        training = Training(replace(settings, latent=latent), params.epochs)
        tried[latent] = Attempt(None, NOTHING, 0.0, float("nan"))
        if label:
            tried[latent] = attempt(embed, name, cells, label, training, seed, params.folds)
        print(f"{latent} dimensions: {tried[latent].status}, {tried[latent].seconds:.0f} s")
    done = {latent: found.value for latent, found in tried.items() if found.status == "done"}
    columns = [
        ["latent", "k", "fold", "label", "balanced_accuracy"],
        ["latent", "k", "label", "type", "n", "recall"],
    ]
    for part, path in enumerate((snakemake.output.accuracy, snakemake.output.types)):
        tables = [pd.DataFrame(columns=columns[part]), *(found[part] for found in done.values())]
        table = pd.concat([each for each in tables if len(each)] or tables)
        table.insert(0, "method", name)
        write_table(table, path)
    # The paper draws two dimensions; of more, the first two show less than there is.
    scores = pd.DataFrame(columns=["cell", "label", "type", "heldout", "x", "y"])
    if 2 in done:
        scores = done[2][2]
    scores.insert(0, "method", name)
    write_table(scores, snakemake.output.scores)
    row = outcome("embeddings", name, {f"{n} dimensions": each for n, each in tried.items()})
    write_table(pd.DataFrame([row]), snakemake.output.status)


with logged(snakemake.log[0]):
    main(snakemake)
