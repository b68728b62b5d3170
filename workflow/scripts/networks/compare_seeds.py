"""Say how far two trainings of the same bins agree."""

from pathlib import Path

import pandas as pd
import torch
from adapter import logged

from popnet.cells.expression import BinnedExpression
from popnet.files import read_h5ad, write_table
from popnet.networks import estimators
from popnet.networks.gather import gather_apart
from popnet.networks.other_seed import COLUMNS, seed_agreement
from popnet.networks.trained import first_models, models_of, of_bins, read_training
from popnet.sivae.result import load


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, params = snakemake.input, snakemake.params
    expression, summary = BinnedExpression(files.expression), read_h5ad(files.summary)
    few = summary[of_bins(summary.obs, params.bins)].copy()
    settings = {key: params.networks[key] for key in ("closest", "central_genes", "neighbours")}
    found = [
        gather_apart(one, expression, few, **settings)
        for one in trainings(snakemake, expression, few)
    ]
    # Where no bin trained again, nothing is known.
    table = seed_agreement(*found) if found else pd.DataFrame(columns=list(COLUMNS))
    print(table.to_string(index=False))
    write_table(table, snakemake.output[0])


def trainings(snakemake, expression, few):
    """Return the network of the bins by two trainings, as estimators."""
    files, params = snakemake.input, snakemake.params
    least = params.networks["min_detection"]
    if files.models:
        fits = [load(Path(path).parent) for path in files.models]
        return [estimators.single_shared_model(one, expression, few, least) for one in fits]
    tables = read_training(files.trained), read_training([files.again])
    trained = [
        models_of(first_models(table, params.bins), folder)
        for table, folder in zip(tables, (params.models, params.models_again), strict=True)
    ]
    if not all(len(models.table) for models in trained):
        return []
    how = few, least, params.definition, params.networks["closest"]
    return [estimators.bin_models(models, *how) for models in trained]


with logged(snakemake.log[0]):
    main(snakemake)
