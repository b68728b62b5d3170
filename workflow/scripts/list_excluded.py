"""List the cells that are in no network: those of no bin, and those of bins that did not train."""

from pathlib import Path

import pandas as pd
from adapter import logged, untrained

from popnet.files import read_table, write_table
from popnet.names import safe_name

BIN = ["folder", "sample", "bin"]


def main(snakemake):
    unbinned = read_table(snakemake.input.unbinned)
    bins = read_table(snakemake.input.bins)
    bins["folder"] = bins["cell_type"].map(safe_name)
    tables = [
        read_table(path).assign(folder=Path(path).parts[-3]) for path in snakemake.input.trained
    ]
    failed = untrained(pd.concat(tables, ignore_index=True), BIN)[[*BIN, "status"]]
    failed = bins.merge(failed, on=BIN)
    failed["reason"] = "bin " + failed["bin"].astype(str) + " did not train: " + failed["status"]
    for row in failed.itertuples():
        print(f"{row.cell_type}, {row.sample}: {row.reason}")
    write_table(pd.concat([unbinned, failed[list(unbinned.columns)]]), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
