"""Combine the tests of several finished studies of one phenotype and cell type."""

import pandas as pd
from adapter import logged

from popnet.associations.designs import read_design
from popnet.associations.studies import StudyTests, studies_combined
from popnet.files import read_table, write_table


def main(snakemake):
    by_network = {}
    for network, study, *files in snakemake.params.tests:
        by_network.setdefault(network, {})[study] = tested(*files)
    tables = [
        studies_combined(studies).assign(network=network) for network, studies in by_network.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    write_table(table[["network", *table.columns.drop("network")]], snakemake.output[0])


def tested(table, design, phenotype):
    """Return the tests of one study."""
    found = read_table(table)
    if "measure" in found:
        found = found[found["measure"] == "expression"]
    tested = read_design(design)
    # Behind sample, donor and batch; of an interaction both its variables.
    names = list(read_table(phenotype).columns[3 : 3 + max(tested.factors.shape[1], 1)])
    labels = read_table(phenotype, text=names).set_index("sample")[names]
    return StudyTests(found, tested, labels)


with logged(snakemake.log[0]):
    main(snakemake)
