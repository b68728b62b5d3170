"""Train the siVAE whose latent dimensions are interpreted."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import torch
from adapter import logged, sivae_settings, training_device
from popnet import sivae
from popnet.seeds import derive_seed


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells = ad.read_h5ad(snakemake.input.cells)
    settings = replace(sivae_settings(snakemake.params), standardise=True)
    seed = derive_seed(snakemake.params.seed, "siVAE to explain")
    fit = sivae.fit(cells.X, settings, seed, training_device(snakemake))
    fit.save(Path(snakemake.output.fit).parent)
    print(f"{fit.active_dimensions} of {settings.latent} dimensions are active")


with logged(snakemake.log[0]):
    main(snakemake)
