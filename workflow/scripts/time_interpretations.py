"""Time siVAE beside a VAE and its attributions, of a growing number of dimensions or genes."""

import pandas as pd
import torch
from adapter import logged, sivae_settings
from popnet.comparisons import methods, timing
from popnet.seeds import derive_seed
from popnet.tables import write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = sivae_settings(snakemake.params)
    timed = snakemake.params.timing
    seed = derive_seed(snakemake.params.seed, "time of interpretations")
    tables, rows = [], []
    for n_genes, latent in timing.sizes(timed["latents"], timed["genes"]):
        outcome = methods.attempt(timing.time_size, settings, timed["cells"], n_genes, latent, seed)
        size = f"{n_genes} genes, {latent} dimensions"
        print(f"{size}: {outcome.status}, {outcome.seconds:.0f} s")
        rows.append(("time", size, outcome.status, outcome.seconds, outcome.peak_memory))
        if outcome.value is not None:
            tables.append(outcome.value)
    if not tables:
        tables = [pd.DataFrame(columns=timing.COLUMNS)]
    write_table(timing.ratios(pd.concat(tables, ignore_index=True)), snakemake.output.times)
    columns = ["comparison", "method", "status", "seconds", "peak_memory_mb"]
    write_table(pd.DataFrame(rows, columns=columns), snakemake.output.methods)


with logged(snakemake.log[0]):
    main(snakemake)
