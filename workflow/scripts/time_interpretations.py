"""Time siVAE beside a VAE and its attributions, of a growing number of dimensions or genes."""

import pandas as pd
import torch
from adapter import logged, sivae_settings

from popnet.comparisons import timing
from popnet.comparisons.methods import attempt
from popnet.comparisons.outcomes import outcome
from popnet.files import write_table
from popnet.seeds import derive_seed


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = sivae_settings(snakemake.params)
    timed = snakemake.params.timing
    seed = derive_seed(snakemake.params.seed, "time of interpretations")
    tables, rows = [], []
    for n_genes, latent in timing.sizes(timed["latents"], timed["genes"]):
        tried = attempt(timing.time_size, settings, timed["cells"], n_genes, latent, seed)
        size = f"{n_genes} genes, {latent} dimensions"
        print(f"{size}: {tried.status}, {tried.seconds:.0f} s")
        rows.append(outcome("times", size, {"": tried}))
        if tried.value is not None:
            tables.append(tried.value)
    if not tables:
        tables = [pd.DataFrame(columns=timing.COLUMNS)]
    write_table(timing.ratios(pd.concat(tables, ignore_index=True)), snakemake.output.times)
    write_table(pd.DataFrame(rows), snakemake.output.methods)


with logged(snakemake.log[0]):
    main(snakemake)
