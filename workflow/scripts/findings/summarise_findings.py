"""Put the findings of all analyses into one table."""

import pandas as pd
from adapter import logged

from popnet.files import read_table, write_table
from popnet.findings.rows import (
    by_chance,
    findings_row,
    headline_first,
    of_analysis,
    over_the_study,
)
from popnet.networks.verdicts import headline, read_measures

# Names that may look like numbers.
TEXT = ["phenotype", "differs_in", "measure", "name1", "name2", "other"]


def main(snakemake):
    params = snakemake.params
    measures = {cell_type: read_measures(path) for cell_type, path in params.measures}
    chosen = {row[0]: headline(measures.get(row[0]), params.networks) for row in params.tables}
    findings = pd.DataFrame(
        findings_row(
            analysis,
            read_table(path, text=TEXT),
            cell_type=cell_type,
            phenotype=phenotype,
            network=network,
            preset=params.preset,
            fdr=params.fdr,
            measures=measures.get(cell_type),
        )
        | by_chance(of_analysis(read_table(null), analysis))
        for cell_type, phenotype, network, analysis, path, null in params.tables
    )
    findings = headline_first(over_the_study(findings, params.fdr), chosen)
    write_table(findings, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
