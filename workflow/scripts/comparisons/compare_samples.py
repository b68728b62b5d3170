"""Compare the networks of a cell type's bins by other methods with siVAE's."""

from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.comparisons.agreement import compare_samples
from popnet.files import atomic, read_h5ad, read_parquet, read_table, write_table

READERS = {".h5ad": read_h5ad, ".parquet": read_parquet, ".tsv": read_table}


def main(snakemake):
    parts = {kind: [] for kind in READERS}
    for path in snakemake.input.inferred:
        kind = Path(path).suffix
        parts[kind].append(READERS[kind](path))
    agreement, methods, centrality = compare_samples(
        read_h5ad(snakemake.input.bins),
        read_parquet(snakemake.input.bin_edges),
        parts[".h5ad"],
        parts[".parquet"],
        pd.concat(parts[".tsv"], ignore_index=True),
        snakemake.params.methods,
    )
    write_table(agreement, snakemake.output.agreement)
    write_table(methods, snakemake.output.methods)
    with atomic(snakemake.output.centrality) as path:
        centrality.write_h5ad(path, compression="gzip")


with logged(snakemake.log[0]):
    main(snakemake)
