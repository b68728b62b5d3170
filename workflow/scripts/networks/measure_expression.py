"""Say how reproducible the expression and the detection of genes are."""

import numpy as np
import pandas as pd
from adapter import logged

from popnet.files import read_h5ad, write_table
from popnet.networks import measures
from popnet.stats.components import describe_bins


def main(snakemake):
    params, bins = snakemake.params, read_h5ad(snakemake.input[0])
    how = measures.Judging(params.min_icc, params.seed, params.adjust)
    plan = describe_bins(bins.obs, how.adjust)
    values = {"mean expression": bins.X, "detection": bins.layers["detection_rate"]}
    rows = [
        {"network": "", "measure": name} | measures.of_values(np.asarray(one), plan, how)
        for name, one in values.items()
    ]
    write_table(pd.DataFrame(rows)[list(measures.COLUMNS)], snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
