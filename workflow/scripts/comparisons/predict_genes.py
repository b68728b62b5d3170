"""Measure how well each gene of a batch predicts all others: the truth of degree centrality."""

import numpy as np
import pandas as pd
import torch
from adapter import logged

from popnet.comparisons.ground_truth import predictive_centrality
from popnet.comparisons.networks.correlation import expression_of
from popnet.files import read_h5ad, write_table
from popnet.seeds import derive_seed


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    cells = read_h5ad(snakemake.input.cells)
    genes = np.array_split(np.arange(cells.n_vars), snakemake.params.n_jobs)
    genes = genes[int(snakemake.wildcards.job) - 1]
    truth = predictive_centrality(
        expression_of(cells),
        genes,
        derive_seed(snakemake.params.seed, "true centrality"),
        device="cpu",
    )
    write_table(pd.DataFrame({"gene": cells.var_names[genes], "truth": truth}), snakemake.output[0])
    print(f"{len(genes)} genes, each predicting {cells.n_vars - 1} others")


with logged(snakemake.log[0]):
    main(snakemake)
