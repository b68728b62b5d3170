"""Time siVAE beside a VAE and its attributions, of a growing number of dimensions or genes."""

import torch
from adapter import logged

from popnet.comparisons import timing
from popnet.comparisons.methods import attempt
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.files import write_table
from popnet.seeds import derive_seed
from popnet.sivae.settings import from_config


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = from_config(snakemake.params.sivae, snakemake.params.plan)
    timed = snakemake.params.timing
    seed = derive_seed(snakemake.params.seed, "time of interpretations")
    tables, outcomes = [], Outcomes()
    for n_genes, latent in timing.sizes(timed["latents"], timed["genes"]):
        tried = attempt(timing.time_size, settings, timed["cells"], n_genes, latent, seed)
        outcomes.add("times", f"{n_genes} genes, {latent} dimensions", tried)
        if tried.value is not None:
            tables.append(tried.value)
    times = joined(tables, timing.COLUMNS).reset_index(drop=True)
    write_table(timing.ratios(times), snakemake.output.times)
    write_table(outcomes.table(), snakemake.output.methods)


with logged(snakemake.log[0]):
    main(snakemake)
