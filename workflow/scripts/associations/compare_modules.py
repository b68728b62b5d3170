"""Compare the modules of a cell type with themselves in the other cell types of the samples."""

import pandas as pd
from adapter import logged

from popnet.associations import module_types
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_table, write_table


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    values = dict(zip(params.cell_types, map(read_h5ad, files.values), strict=True))
    names = read_table(files.names).drop_duplicates("module").set_index("module")["name"]
    samples = read_table(files.samples, text=["sample", "donor", "batch"]).set_index("sample")
    testing = Testing.from_config(params.statistics, params.seed)
    tables, chance = [pd.DataFrame(columns=list(module_types.COLUMNS))], []
    for other in values:
        if other == params.own:
            continue
        columns, own = of_modules(values[params.own], params.own, other)
        _, beside = of_modules(values[other], params.own, other)
        for number in ("1", "2"):
            columns[f"name{number}"] = columns[f"module{number}"].map(names)
        found = module_types.robust(columns, own, beside, samples, testing)
        tables.append(found.assign(other=other))
        chance.append(testing.by_chance(module_types.ANALYSIS))
    table = pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)
    write_table(table[list(module_types.COLUMNS)], snakemake.output.table)
    # Cell types without common samples have no permuted phenotypes, and add nothing.
    total = pd.concat(chance).groupby("permutation").sum().reset_index()
    write_table(total, snakemake.output.null)


def of_modules(table, of, other):
    """Return the columns of the modules of a cell type in those of a pair, and their values."""
    chosen = table[:, ((table.var["of"] == of) & (table.var["other"] == other)).to_numpy()]
    columns = chosen.var[["kind", "module1", "module2", "n_genes"]].reset_index(drop=True)
    bin_samples = chosen.obs["sample"].astype(str).to_numpy()
    own = module_types.InType(chosen.X, chosen.layers["relative"], bin_samples)
    return columns.astype({"kind": str}), own


with logged(snakemake.log[0]):
    main(snakemake)
