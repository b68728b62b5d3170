"""Put all comparisons into one table of methods and one page."""

from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.comparisons.summary import REMARKS, failures, methods_table, page_tables
from popnet.files import atomic, read_table, write_table
from popnet.report.page import page


def main(snakemake):
    tables, states = {}, []
    for path in map(Path, snakemake.input.tables):
        table = read_table(path, text=["status", "setting", "label", "mode", "method"])
        if "status" in table:
            states.append(table)
        else:
            tables[path.stem] = table
    agreement = []
    for cell_type, state, compared in snakemake.params.cell_types:
        states.append(read_table(state))
        states[-1]["comparison"] += f": {cell_type}"
        agreement.append(read_table(compared).drop(columns="n_genes").assign(cell_type=cell_type))
    tables["agreement"] = pd.concat(agreement)
    hits = [
        (cell_type, phenotype, read_table(path, text=["seen_by"]))
        for cell_type, phenotype, path in snakemake.params.hits
    ]

    methods = methods_table(pd.concat(states, ignore_index=True), tables)
    write_table(methods, snakemake.output.table)
    text = page(
        methods,
        f"Comparisons: {snakemake.params.cohort}",
        REMARKS,
        failures(methods),
        page_tables(tables, hits),
    )
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
