"""Interpret the latent dimensions of siVAEs by every method, and say how far these agree."""

from pathlib import Path

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
from popnet.files import read_h5ad, read_table, write_table

TABLES = ("methods", "pairs", "summary", "genes", "relevance")


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells = read_h5ad(snakemake.input.cells)
    found = {name: [] for name in TABLES}
    for folder, status in zip(snakemake.input.models, snakemake.input.model_status, strict=True):
        trained = read_table(status, text=["status"]).iloc[0]
        latent = snakemake.params.latents[Path(folder).name]
        fit = sivae.load(folder) if trained["status"] == "done" else None
        for name, table in explain(cells, fit, trained["status"], latent, snakemake.params):
            found[name].append(table)
    for name, tables in found.items():
        table = pd.concat([table for table in tables if len(table)] or tables[:1])
        write_table(table, snakemake.output[name])


def explain(cells, fit, trained, latent, params):
    """Yield the tables of one siVAE, by the name of the output."""

    def interpret(method):
        return method(explained_by(fit, cells.X, params.seed))

    def by_name(name):
        return interpret(load_method(INTERPRETATIONS, name))

    found, rows, norms = {}, [], None
    for name in params.methods:
        tried = Attempt(None, trained, 0.0, float("nan"))
        if fit is not None:
            tried = attempt(by_name, name)
        rows.append(outcome(f"interpretations, {latent} dimensions", name, {"": tried}))
        print(f"{latent} dimensions, {name}: {tried.status}, {tried.seconds:.1f} s")
        if tried.value is not None:
            found[name] = tried.value
        if tried.value is not None and name == "gene-relevance":
            norms = attempt(interpret, relevance).value
    pairs = agreement(found, active_dimensions(fit.scores) if fit else ())
    by_norm = pd.DataFrame({"gene": cells.var_names, "relevance": norms}).dropna()
    made = (
        pairs,
        summarise_agreement(pairs),
        genes_table(found, cells.var_names),
        by_norm.sort_values("relevance", ascending=False),
    )
    yield "methods", pd.DataFrame(rows)
    for name, table in zip(TABLES[1:], made, strict=True):
        yield name, table.assign(latent=latent)[["latent", *table.columns]]


with logged(snakemake.log[0]):
    main(snakemake)
