"""Put the findings of all analyses into one table and one page."""

import json
from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.files import atomic, read_table, write_table
from popnet.findings import sentences
from popnet.findings.rows import findings_row, headline_first
from popnet.networks.measures import headline, read_measures
from popnet.networks.trained import read_training
from popnet.report.page import page


def main(snakemake):
    params = snakemake.params
    preset, fdr, networks = params.preset, params.fdr, params.networks
    tables = {cell_type: read_measures(path) for cell_type, path in params.measures}
    chosen = {row[0]: headline(tables.get(row[0]), networks) for row in params.described}
    findings = pd.DataFrame(
        findings_row(
            analysis,
            read_table(path, text=["phenotype"]),
            cell_type=cell_type,
            phenotype=phenotype,
            network=network,
            preset=preset,
            fdr=fdr,
            measures=tables.get(cell_type),
        )
        for cell_type, phenotype, network, analysis, path in params.tables
    )
    findings = headline_first(findings, chosen)
    write_table(findings, snakemake.output.table)

    warnings, designs, covariates = sentences.compared(
        (cell_type, phenotype, read_table(design, text=["value"]), read_table(of_design))
        for cell_type, network, phenotype, design, of_design in params.designs
        if network == chosen[cell_type]
    )
    sections = {"What is compared, and what could be found with 80 % power": designs}
    if len(covariates):
        sections["How covariates are associated with the phenotypes"] = covariates
    excluded = read_table(snakemake.input.excluded)
    lines = [sentences.headline_sentence(*item, networks) for item in tables.items()]
    about, unused = described(params, chosen)
    lines += [*about, *sentences.remarks(excluded, preset=preset, fdr=fdr)]
    measurable = {"Is it measurable?": sentences.measured(tables)} if tables else None
    title = f"Findings: {params.cohort}"
    text = page(findings, title, lines, [*unused, *warnings], sections, measurable)
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


def described(params, chosen):
    """Return what the networks are, how reproducible, and warnings of unused dimensions."""
    lines, warnings = [], []
    for cell_type, network, similarity, reliability, models, training in params.described:
        if network != chosen[cell_type]:
            continue
        lines += sentences.network_sentences(
            cell_type, network, params.size, read_table(similarity), read_table(reliability)
        )
        active = {}
        for path in models:
            about = json.loads(Path(path).read_text())
            active["the cohort's siVAE"] = about["active_dimensions"]
        if training:
            active["the median bin's siVAE"] = read_training(training)["active_dimensions"].median()
        warnings += sentences.unused_dimensions(cell_type, active, params.latent)
    return lines, warnings


with logged(snakemake.log[0]):
    main(snakemake)
