"""Put the findings of all analyses into one table and one page."""

import pandas as pd
from adapter import logged

from popnet.files import atomic, read_table, write_table
from popnet.findings.rows import findings_row
from popnet.findings.sentences import compared, remarks
from popnet.report.page import page


def main(snakemake):
    preset, fdr = snakemake.params.preset, snakemake.params.fdr
    findings = pd.DataFrame(
        findings_row(
            analysis,
            read_table(path, text=["phenotype"]),
            cell_type=cell_type,
            phenotype=phenotype,
            preset=preset,
            fdr=fdr,
        )
        for cell_type, phenotype, analysis, path in snakemake.params.tables
    )
    write_table(findings, snakemake.output.table)

    warnings, designs, covariates = compared(
        (cell_type, phenotype, read_table(design, text=["value"]), read_table(of_design))
        for cell_type, phenotype, design, of_design in snakemake.params.designs
    )
    sections = {"What is compared, and what could be found with 80 % power": designs}
    if len(covariates):
        sections["How covariates are associated with the phenotypes"] = covariates
    text = page(
        findings,
        f"Findings: {snakemake.params.cohort}",
        remarks(read_table(snakemake.input.excluded), preset=preset, fdr=fdr),
        warnings,
        sections,
    )
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
