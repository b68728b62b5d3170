"""Put the findings of all analyses into one table and one page."""

import json
from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.files import atomic, read_table, write_table
from popnet.findings import sentences as say
from popnet.findings.rows import by_chance, findings_row
from popnet.networks.trained import read_training
from popnet.report.page import page


def main(snakemake):
    preset, fdr = snakemake.params.preset, snakemake.params.fdr
    findings = pd.DataFrame(
        findings_row(
            analysis,
            read_table(path, text=["phenotype"]),
            cell_type=cell_type,
            phenotype=phenotype,
            network=network,
            preset=preset,
            fdr=fdr,
        )
        | by_chance(read_table(null))
        for cell_type, phenotype, network, analysis, path, null in snakemake.params.tables
    )
    write_table(findings, snakemake.output.table)

    warnings, designs, covariates = say.compared(
        (cell_type, phenotype, read_table(design, text=["value"]), read_table(of_design))
        for cell_type, phenotype, design, of_design in snakemake.params.designs
    )
    sections = {"What is compared, and what could be found with 80 % power": designs}
    if len(covariates):
        sections["How covariates are associated with the phenotypes"] = covariates
    networks, unused = described(snakemake.params)
    added = say.against_correlation(findings, snakemake.params.headline)
    own = say.own_sentences(snakemake.params.own, snakemake.params.has_cells)
    remarks = say.remarks(findings, read_table(snakemake.input.excluded), preset, fdr)
    text = page(
        say.beside_chance(findings),
        f"Findings: {snakemake.params.cohort}",
        [*networks, *own, *added, *remarks],
        [*unused, *warnings, *say.no_better_than_chance(findings, fdr)],
        sections,
    )
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


def described(params):
    """Return what is said of depth and of networks, and warnings."""
    sentences, warnings = [], []
    for cell_type, path in params.depths:
        said, warned = say.depth_sentences(cell_type, read_table(path))
        sentences, warnings = sentences + said, warnings + warned
    for cell_type, similarity, reliability, models, training in params.networks:
        sentences += say.network_sentences(
            cell_type, params.headline, params.size, read_table(similarity), read_table(reliability)
        )
        active = {}
        for path in models:
            about = json.loads(Path(path).read_text())
            active["the cohort's siVAE"] = about["active_dimensions"]
        if training:
            active["the median bin's siVAE"] = read_training(training)["active_dimensions"].median()
        warnings += say.unused_dimensions(cell_type, active, params.latent)
    return sentences, warnings


with logged(snakemake.log[0]):
    main(snakemake)
