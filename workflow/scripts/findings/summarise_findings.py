"""Put the findings of all analyses into one table and one page."""

import pandas as pd
from adapter import logged

from popnet.files import atomic, read_table, write_table
from popnet.findings import sentences as say
from popnet.findings.rows import by_chance, findings_row, headline_first
from popnet.networks.trained import active_dimensions
from popnet.networks.verdicts import headline, read_measures
from popnet.report.page import page


def main(snakemake):
    params = snakemake.params
    tables = {cell_type: read_measures(path) for cell_type, path in params.measures}
    chosen = {row[0]: headline(tables.get(row[0]), params.networks) for row in params.described}
    findings = pd.DataFrame(
        findings_row(
            analysis,
            read_table(path, text=["phenotype"]),
            cell_type=cell_type,
            phenotype=phenotype,
            network=network,
            preset=params.preset,
            fdr=params.fdr,
            measures=tables.get(cell_type),
        )
        | by_chance(read_table(null))
        for cell_type, phenotype, network, analysis, path, null in params.tables
    )
    findings = headline_first(findings, chosen)
    write_table(findings, snakemake.output.table)

    designs = [
        (*names, read_table(design, text=["value"]), read_table(of_design))
        for *names, design, of_design in params.designs
    ]
    warnings, shown, covariates = say.compared(designs, chosen)
    sections = {"What is compared, and what could be found with 80 % power": shown}
    sections |= {say.COVARIATES: covariates} if len(covariates) else {}
    about, unused = described(params, chosen)
    text = page(
        say.beside_chance(findings),
        f"Findings: {params.cohort}",
        [
            *(say.headline_sentence(*item, params.networks) for item in tables.items()),
            *about,
            *say.own_sentences(params.own, params.has_cells),
            *say.against_correlation(findings, chosen),
            *say.beside_designs(designs),
            *say.remarks(findings, read_table(snakemake.input.excluded), params.preset, params.fdr),
        ],
        [*unused, *warnings, *say.no_better_than_chance(findings, params.fdr)],
        sections,
        {"Is it measurable?": say.verdicts(tables)} if tables else None,
    )
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


def described(params, chosen):
    """Return what is said of depth and of networks, and warnings."""
    lines, warnings = [], []
    for cell_type, path in params.depths:
        said, warned = say.depth_sentences(cell_type, read_table(path))
        lines, warnings = lines + said, warnings + warned
    of_headlines = [row for row in params.described if row[1] == chosen[row[0]]]
    for cell_type, network, similarity, reliability, models, training in of_headlines:
        lines += say.network_sentences(
            cell_type, network, params.size, read_table(similarity), read_table(reliability)
        )
        in_use = active_dimensions(models, training)
        warnings += say.unused_dimensions(cell_type, in_use, params.latent)
    return lines, warnings


with logged(snakemake.log[0]):
    main(snakemake)
