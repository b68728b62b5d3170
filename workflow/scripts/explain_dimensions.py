"""Interpret the latent dimensions of a siVAE by every method, and say how far these agree."""

import pandas as pd
import torch
from adapter import logged
from popnet import sivae
from popnet.comparisons.explained import (
    active_dimensions,
    agreement,
    explained_by,
    genes_table,
    summarise_agreement,
)
from popnet.comparisons.interpretations.gene_relevance import relevance
from popnet.comparisons.methods import Attempt, attempt, load_method
from popnet.comparisons.outcomes import outcome
from popnet.comparisons.registry import INTERPRETATIONS
from popnet.tables import read_h5ad, read_table, write_table


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    output = snakemake.output
    cells = read_h5ad(snakemake.input.cells)
    trained = read_table(snakemake.input.model_status, text=["status"]).iloc[0]
    fit = sivae.load(snakemake.input.model) if trained["status"] == "done" else None

    def interpret(method):
        return method(explained_by(fit, cells.X, snakemake.params.seed))

    def by_name(name):
        return interpret(load_method(INTERPRETATIONS, name))

    found, rows, norms = {}, [], None
    for name in snakemake.params.methods:
        tried = Attempt(None, trained["status"], 0.0, float("nan"))
        if fit is not None:
            tried = attempt(by_name, name)
        rows.append(outcome("interpretations", name, {"": tried}))
        print(f"{name}: {tried.status}, {tried.seconds:.1f} s")
        if tried.value is not None:
            found[name] = tried.value
        if tried.value is not None and name == "gene-relevance":
            norms = attempt(interpret, relevance).value
    write_table(pd.DataFrame(rows), output.methods)
    write_table(genes_table(found, cells.var_names), output.genes)
    table = pd.DataFrame({"gene": cells.var_names, "relevance": norms})
    write_table(table.dropna().sort_values("relevance", ascending=False), output.relevance)
    pairs = agreement(found, active_dimensions(fit.scores) if fit else ())
    write_table(pairs, output.pairs)
    write_table(summarise_agreement(pairs), output.summary)


with logged(snakemake.log[0]):
    main(snakemake)
