"""Draw how training went and how reliable the networks of a cell type are."""

from pathlib import Path

import numpy as np
import pandas as pd
from adapter import logged

from popnet.figures import Subject, qc, save
from popnet.files import read_h5ad, read_parquet, read_table


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    trained = pd.concat([read_table(path) for path in snakemake.input.batches], ignore_index=True)
    about = snakemake.params.caption
    unit = "models" if (trained["repeat"] > 1).any() else "bins"
    per_sample = Subject(about["cell_type"], None, n=bins.obs["sample"].nunique())

    def draw(name, figure, table):
        save(figure, table, Path(snakemake.output.get(name)[0]).with_suffix(""))

    of_type = [
        table[table["cell_type"] == about["cell_type"]]
        for table in (read_table(snakemake.input.plan), read_table(snakemake.input.excluded))
    ]
    cells = qc.cells_per_sample(*of_type)
    draw("cells", qc.qc_cells(cells, per_sample), cells)

    losses = read_parquet(snakemake.input.losses)
    n_trained = int((trained["status"] == "trained").sum())
    of_losses = Subject(about["cell_type"], None, n=n_trained, unit=unit)
    draw("losses", qc.qc_losses(losses, of_losses), losses)

    training = qc.training_of_bins(trained)
    of_training = Subject(about["cell_type"], None, n=len(training), unit=unit)
    figure = qc.qc_training(training, of_training, latent=snakemake.params.latent)
    draw("training", figure, training)

    depth = (
        bins.obs.astype({"sample": str, "batch": str})
        .groupby("sample", sort=False)
        .agg(
            batch=("batch", "first"), mean_depth=("mean_depth", "mean"), n_cells=("n_cells", "sum")
        )
        .reset_index()
    )
    draw("depth", qc.qc_depth(depth, per_sample), depth)

    reliability = read_table(snakemake.input.reliability)
    in_graph = np.isfinite(bins.layers["degree"]).any(axis=0)
    reliability["central"] = reliability["gene"].map(pd.Series(in_graph, bins.var_names))
    figure = qc.qc_reliability(
        reliability,
        reliability.set_index("gene")["central"],
        per_sample,
        min_icc=snakemake.params.min_icc,
        sources=read_table(snakemake.input.variance),
    )
    draw("reliability", figure, reliability)


with logged(snakemake.log[0]):
    main(snakemake)
