"""Train siVAE on the compared cells, for all networks that come from it."""

from dataclasses import replace
from pathlib import Path

import torch
from adapter import logged

from popnet.comparisons.gene_embedding import planar_settings
from popnet.comparisons.methods import Training, attempt
from popnet.comparisons.networks.sivae import train
from popnet.comparisons.outcomes import Outcomes
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed
from popnet.sivae.settings import from_config


def fit(folder, *arguments):
    train(*arguments).save(folder)


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells = read_h5ad(snakemake.input.cells)
    variant, folder = snakemake.wildcards.variant, snakemake.output.model
    settings = replace(
        from_config(snakemake.params.sivae, snakemake.params.plan), standardise=True, heldout=0.0
    )
    kind = variant
    if variant == "sivae-plane":
        kind, settings = "sivae", planar_settings(settings, cells.n_obs)
    seed = derive_seed(snakemake.params.seed, "networks")
    Path(folder).mkdir(parents=True, exist_ok=True)
    outcomes = Outcomes()
    tried = attempt(fit, folder, cells, Training(settings), seed, kind)
    outcomes.add("networks", variant, {"training": tried})
    write_table(outcomes.table(), snakemake.output.status)


with logged(snakemake.log[0]):
    main(snakemake)
