"""All tests of centrality, every cell type and phenotype, corrected for each other."""

import pandas as pd
from adapter import logged

from popnet.files import read_parquet, read_table, write_table
from popnet.stats.multiplicity import study_wide

SHOWN = ["gene", "statistic", "p", "q", "p_family", "icc", "explained_by"]


def main(snakemake):
    families, shown = [], []
    for cell_type, phenotype, path, maxima in snakemake.params.tests:
        table = read_table(path)
        table["p_family"] = table.get("p_family")
        families.append((table, read_parquet(maxima)["t"].to_numpy(float)))
        shown.append(table.reindex(columns=SHOWN).assign(cell_type=cell_type, phenotype=phenotype))
    found = pd.concat(shown, ignore_index=True)
    found[["study_q", "study_p_family"]] = study_wide(families, snakemake.params.seed)
    first = ["cell_type", "phenotype"]
    found = found[first + [column for column in found if column not in first]]
    write_table(found.sort_values("p", kind="stable"), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
