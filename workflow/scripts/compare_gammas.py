"""Train siVAE with growing weights of the interpretability term, and siVAE-linear beside it."""

from dataclasses import replace

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons.classification import (
    choose_label,
    gamma_settings,
    heldout_quality,
    pca_quality,
)
from popnet.comparisons.methods import attempt
from popnet.comparisons.outcomes import outcome
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed

NAMES = {"linear": "sivae-linear", "pca": "pca"}


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    cells = read_h5ad(snakemake.input.cells)
    label = choose_label(cells.obs, params.folds) or "cell_type"
    settings = replace(
        sivae_settings(params),
        standardise=True,
        latent=min(params.latents),
        heldout=1 / params.folds,
    )
    columns = ["setting", "repeat", "k", "label", "balanced_accuracy"]
    tables, rows = [pd.DataFrame(columns=[*columns, "heldout_error", "linear_error"])], []
    chosen = gamma_settings(settings, sorted(params.gammas))
    # Where the linear term outweighs the priors, siVAE is led to principal components.
    for name in [*chosen, "pca"]:
        tried = {}
        for repeat in range(1, params.folds + 1):
            seed = derive_seed(params.seed, "gammas", repeat)
            if name == "pca":
                found = attempt(pca_quality, cells, label, settings, seed)
            else:
                found = attempt(heldout_quality, cells, label, chosen[name], "cpu", seed)
            tried[f"repeat {repeat}"] = found
            if found.status == "done":
                tables.append(found.value.assign(setting=name, repeat=repeat))
        rows.append(outcome("gammas", NAMES.get(name, f"sivae, gamma {name}"), tried))
        print(f"gamma {name}: {rows[-1]['status']}, {rows[-1]['seconds']:.0f} s")
    write_table(pd.concat(tables[1:] or tables), snakemake.output.gammas)
    write_table(pd.DataFrame(rows), snakemake.output.status)


with logged(snakemake.log[0]):
    main(snakemake)
