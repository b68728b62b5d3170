"""Train siVAE, with and without gamma, and a VAE on images; siVAE on simulated chromatin."""

from dataclasses import replace

import pandas as pd
import torch
from adapter import logged

from popnet import sivae
from popnet.comparisons.classification import cross_validate
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.other_data import (
    IMAGE_LAYERS,
    IMAGE_NEIGHBOURS,
    load_images,
    recover_chromatin,
    simulate_chromatin,
)
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import EMBEDDINGS
from popnet.files import write_table
from popnet.seeds import derive_seed

MAP_STEPS = (2000, 2000, 2000)


def embed(name, source, training, seed, folds):
    images = load_images(source, seed)
    method = load_method(EMBEDDINGS, name)
    return cross_validate(method, images, "digit", training, seed, folds, [IMAGE_NEIGHBOURS])[0]


def recover(settings, seed):
    return recover_chromatin(simulate_chromatin(seed), settings, "cpu", seed)


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    settings = sivae.settings_for("sivae", "fast", hidden=IMAGE_LAYERS)
    seed = derive_seed(params.seed, "images")
    columns = ["data", "method", "latent", "k", "fold", "label", "balanced_accuracy"]
    tables, rows = [pd.DataFrame(columns=columns)], []
    for name in ("sivae", "sivae-gamma0", "vae") if params.images else ():
        tried = {}
        for latent in params.latents:
            training = Training(replace(settings, latent=latent))
            found = attempt(embed, name, params.images, training, seed, params.folds)
            tried[f"{latent} dimensions"] = found
            if found.status == "done":
                tables.append(found.value.assign(data=params.images, method=name))
        rows.append(outcome(f"images ({params.images})", name, tried))
    write_table(pd.concat(tables[1:] or tables), snakemake.output.images)
    # Two dimensions can be drawn as they are; they need a longer first stage (docs/sivae.md).
    drawn = replace(settings, latent=2, heldout=0.2, steps=MAP_STEPS, grow_beyond=None)
    found = attempt(recover, drawn, seed)
    rows.append(outcome("simulated chromatin", "sivae", {"": found}))
    measures = pd.DataFrame(columns=["measure", "value", "chance"])
    points = pd.DataFrame(columns=["kind", "name", "planted", "x", "y"])
    if found.status == "done":
        measures, points = found.value
    write_table(measures, snakemake.output.chromatin)
    write_table(points, snakemake.output.points)
    write_table(pd.DataFrame(rows), snakemake.output.status)
    for row in rows:
        print(f"{row['comparison']} {row['method']}: {row['status']}, {row['seconds']:.0f} s")


with logged(snakemake.log[0]):
    main(snakemake)
