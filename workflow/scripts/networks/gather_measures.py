"""Put what can be measured of all networks into one table, with mean expression to compare."""

import numpy as np
import pandas as pd
from adapter import logged

from popnet.files import read_h5ad, write_table
from popnet.networks import measures
from popnet.networks.verdicts import read_measures
from popnet.stats.components import describe_bins


def main(snakemake):
    params, tables = snakemake.params, []
    if snakemake.input.summary:
        values = read_h5ad(snakemake.input.summary)
        how = measures.Judging(params.min_icc, params.seed, params.adjust)
        plan = describe_bins(values.obs, how.adjust)
        found = measures.of_values(np.asarray(values.X), plan, how)
        row = {"network": "", "measure": "mean expression"} | found
        tables.append(pd.DataFrame([row])[list(measures.COLUMNS)])
    tables += [read_measures(path) for path in snakemake.input.tables]
    write_table(pd.concat(tables, ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
