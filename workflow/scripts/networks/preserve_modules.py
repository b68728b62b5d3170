"""Ask where else the modules of a network are: in cases and controls, and in other cell types."""

import pandas as pd
from adapter import logged

from popnet.associations.designs import read_design
from popnet.files import read_h5ad, read_table, write_table
from popnet.networks.modules import Modules
from popnet.networks.preservation import COLUMNS, between_groups, in_network


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    modules = Modules.from_anndata(read_h5ad(files.genes))
    strength = read_h5ad(files.modules).obsm["strength"]
    names = read_table(files.names).drop_duplicates("module").set_index("module")["name"]
    tables = [pd.DataFrame(columns=list(COLUMNS))]
    for phenotype, path in zip(params.phenotypes, files.designs, strict=True):
        about = read_design(path), params.permutations, params.seed
        found = between_groups(modules, strength, *about)
        tables.append(found.assign(compared_with=f"cases and controls of {phenotype}"))
    for cell_type, path in zip(params.cell_types, files.others, strict=True):
        other = Modules.from_anndata(read_h5ad(path))
        found = in_network(modules, other, params.seed)
        tables.append(found.assign(compared_with=f"cell type {cell_type}"))
    table = pd.concat([one for one in tables if len(one)] or tables[:1])
    table["name"] = table["module"].map(names)
    write_table(table.reindex(columns=list(COLUMNS)), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
