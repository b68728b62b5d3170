"""Interpret the latent dimensions of a siVAE by every method, and say how far these agree."""

from pathlib import Path

import anndata as ad
import pandas as pd
import torch
from adapter import logged
from popnet import sivae
from popnet.comparisons import methods
from popnet.comparisons.explained import (
    active_dimensions,
    agreement,
    explained_by,
    summarise_agreement,
)
from popnet.comparisons.registry import INTERPRETATIONS
from popnet.tables import write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    fit = sivae.load(Path(snakemake.input.fit).parent)
    expression = ad.read_h5ad(snakemake.input.cells).X

    def interpret(name):
        method = methods.load_method(INTERPRETATIONS, name)
        return method(explained_by(fit, expression, snakemake.params.seed))

    found, rows = {}, []
    for name in snakemake.params.methods:
        outcome = methods.attempt(interpret, name)
        print(f"{name}: {outcome.status} in {outcome.seconds:.1f} s")
        rows.append(("interpretations", name, outcome.status, outcome.seconds, outcome.peak_memory))
        if outcome.value is not None:
            found[name] = outcome.value
    columns = ["comparison", "method", "status", "seconds", "peak_memory_mb"]
    write_table(pd.DataFrame(rows, columns=columns), snakemake.output.methods)
    pairs = agreement(found, active_dimensions(fit.scores))
    write_table(pairs, snakemake.output.pairs)
    write_table(summarise_agreement(pairs), snakemake.output.summary)


with logged(snakemake.log[0]):
    main(snakemake)
