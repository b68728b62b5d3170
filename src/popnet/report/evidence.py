"""Is it measurable, and what was found: the two sections between verdicts and details."""

from __future__ import annotations

from typing import Any

import pandas as pd

from popnet.findings import sentences as say
from popnet.findings.rows import ANALYSES
from popnet.findings.shown_replication import HEADING, replication_remarks, shown_rates
from popnet.networks.trained import active_dimensions, precisions
from popnet.presets import OVERALL
from popnet.report.pictures import anchor, shown_figures
from popnet.report.results import Results
from popnet.report.sections import Section
from popnet.report.tables import shown_table

HOW_MEASURED = (
    "A difference between samples can only be found in what bins of one sample agree on. This was "
    "looked at before any phenotype. What is not measurable is not tested, unless "
    "statistics.test_unmeasurable is set.",
    "ICC: share of the variance over bins that is due to the sample, given what the column says; "
    "of the mean over a sample's bins (median gene and quartiles), and of a single bin. AUROC: how "
    "often two bins of one sample are more alike than bins of two samples; 0.5 is chance.",
)
# Of an analysis: the figure that shows it, and its table.
PARTS = ("design", "covariates")
OF_TESTS = "{cell_type}/associations/{phenotype}/"
PLACES = {
    "axes": ("map", "{cell_type}/map/{network}/tests.tsv"),
    "map": ("map", "{cell_type}/map/{network}/tests.tsv"),
    "centrality": ("centrality", OF_TESTS + "centrality.tsv"),
    "graph_centrality": ("", OF_TESTS + "graph_centrality.tsv"),
    "gene_sets": ("gene_sets", OF_TESTS + "gene_sets.tsv"),
    "edges": ("circos", OF_TESTS + "edges.tsv"),
    "model_edges": ("circos", OF_TESTS + "edges.tsv"),
    "genes_in_groups": ("", OF_TESTS + "genes_in_groups.tsv"),
    "module_types": ("", "{cell_type}/networks/{network}/module_types.tsv"),
    "programmes": ("", OF_TESTS + "programmes.tsv"),
    "modules": ("modules", OF_TESTS + "modules.tsv"),
    "components": ("", OF_TESTS + "components.tsv"),
    "connectivity": ("connectivity", OF_TESTS + "connectivity.tsv"),
    "consensus": ("sets", OF_TESTS + "consensus.tsv"),
    "expression": ("quadrants", OF_TESTS + "expression.tsv"),
    "detection": ("", OF_TESTS + "expression.tsv"),
    "composition": ("", OF_TESTS + "composition.tsv"),
    "single": ("single", "variants/{phenotype}/single.tsv"),
    "burden": ("burden", "variants/{phenotype}/burden.tsv"),
    "heteroplasmy": ("", "variants/{phenotype}/heteroplasmy.tsv"),
    **dict.fromkeys(
        ("shared", "differing", "shared_expression", "differing_expression"),
        ("", "associations/{phenotype}/cell_types.tsv"),
    ),
}
# Meanings of the columns that stand in no file.
OF_MEASURES = {
    "is it measurable?": "The verdict: measurable, in part, not measurable or unknown",
    "cells per sample": "Median over samples",
    "cells needed": "Cells per sample that would give the least ICC (statistics.min_icc)",
    "ICC of a sample, median gene": "ICC of the mean over a sample's bins: median over genes",
    "quartiles": "Lower and upper quartile of that ICC over genes",
    "ICC of a bin": "ICC of a single bin: median over genes",
    "given": "What ICC, AUROC and P are given",
    "AUROC of bins": "How often bins of one sample are more alike than bins of two samples",
    "P": "That samples do not differ, by relabelled bins",
    "bins that find their sample": "Share of bins that are most like the others of their sample",
    "by chance": "The same share of relabelled bins",
    "other seed": "Agreement of two trainings: correlation over genes, of edges the Jaccard index",
}


def measurable(results: Results) -> Section | None:
    """Return what can be measured with these cells."""
    tables = {}
    for cell_type, name in results.cell_types.items():
        table = results.table(f"{cell_type}/networks/measures.tsv")
        if table is not None:
            tables[name] = table.fillna({"network": ""})
    lines = [say.headline_sentence(*item, results.networks) for item in tables.items()]
    warnings: list[str] = []
    for cell_type in results.cell_types:
        said, warned = _of_cell_type(results, cell_type)
        lines, warnings = lines + said, warnings + warned
    lines += say.own_sentences(results.study["own"], results.study["has_cells"])
    data = (
        shown_table(say.measured(tables), "", "Every measure", words=OF_MEASURES)
        if tables
        else None
    )
    shown = {"sentences": lines, "warnings": warnings, "how": HOW_MEASURED if tables else ()}
    return Section(
        "measurable", "Is it measurable?", "measurable.html.j2", shown, data, ("measurable.js",)
    )


def findings(results: Results) -> Section:
    """Return the findings row by row, and what was compared."""
    named = results.cell_types
    chosen = {name: results.headlines[folder] for folder, name in named.items()}
    table, fdr = results.read("findings.tsv"), results.fdr
    designs = list(_designs(results))
    _, compared, covariates = say.compared(designs, chosen)
    title = "What was tested and found"
    rows = shown_table(say.beside_chance(table), "findings.tsv", title, file="findings.tsv")
    rows["columns"][4:4] = _where(results, table)
    tables = [
        rows,
        shown_table(compared, "design.tsv", "What is compared, and what 80 % power would find"),
    ]
    if len(covariates):
        tables.append(shown_table(covariates, "covariates.tsv", say.COVARIATES))
    lines = []
    rates = results.table("replication_rates.tsv")
    if rates is not None:
        lines += replication_remarks(rates, results.read("replication_genes.tsv"))
        if len(rates):
            path = "replication_rates.tsv"
            tables.insert(0, shown_table(shown_rates(rates), path, HEADING, file=path))
    excluded = results.read("excluded.tsv")
    lines += [
        *say.against_correlation(table, chosen),
        *say.beside_designs(designs),
    ]
    how = say.remarks(table, excluded, results.study["preset"], fdr, not results.hides_donors)
    return Section(
        "findings",
        "Findings",
        "findings.html.j2",
        {"sentences": lines, "how": how},
        tables,
        ("findings.js",),
    )


def _where(results: Results, findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Return two columns of links beside findings: to their figure, and to the file they are of."""
    keys = {words: key for key, (words, _) in ANALYSES.items()}
    cell_types = {name: folder for folder, name in results.cell_types.items()}
    phenotypes = {one["name"]: folder for folder, one in results.phenotypes.items()}
    levels = {name: folder for folder, name in results.levels.items()}
    drawn = {(one.name, one.cell_type, one.phenotype) for one in shown_figures(results)}
    figures, files = [], []
    for row in findings.to_dict("records"):
        key = keys[row["analysis"]]
        overall = key.startswith(OVERALL)
        phenotype = (levels if overall else phenotypes).get(row["phenotype"], "")
        cell_type = cell_types.get(row["cell_type"], "")
        name, path = ("", OF_TESTS + "levels.tsv") if overall else PLACES.get(key, ("", ""))
        path = path.format(phenotype=phenotype, cell_type=cell_type, network=row["network"])
        # Of the phenotype, or of the cell type with all phenotypes in it.
        places = ((name, cell_type, phenotype), (name, cell_type, ""))
        shown = [anchor(*place) for place in places if place in drawn]
        headline = row["network"] in ("", results.headlines.get(cell_type, ""))
        figures.append(f"#{shown[0]}" if shown and headline else "")
        files.append(path if results.has(path) else "")
    return [
        {
            "name": "figure",
            "help": "The figure that shows it",
            "values": ["figure" if one else "" for one in figures],
            "links": figures,
        },
        {
            "name": "file",
            "help": "The table that has all rows and columns",
            "values": ["table" if one else "" for one in files],
            "links": files,
        },
    ]


def _of_cell_type(results: Results, cell_type: str) -> tuple[list[str], list[str]]:
    name, network = results.cell_types[cell_type], results.headlines[cell_type]
    lines: list[str] = []
    warnings: list[str] = []
    depths = results.table(f"{cell_type}/depth.tsv")
    if depths is not None:
        said, warned = say.depth_sentences(name, depths, not results.hides_donors)
        lines, warnings = lines + said, warnings + warned
    similarity = results.read(f"{cell_type}/map/{network}/reliability.tsv")
    reliability = results.read(f"{cell_type}/networks/{network}/reliability.tsv")
    lines += say.network_sentences(name, network, results.study["size"], similarity, reliability)
    models = results.paths(f"{cell_type}/shared/all/fit.json")
    training = results.paths(f"{cell_type}/training/*.tsv")
    in_use = active_dimensions(models, training)
    warnings += say.unused_dimensions(name, in_use, results.study["latent"])
    warnings += say.mixed_precision(name, precisions(training))
    return lines, warnings


def _designs(results: Results) -> list[tuple[str, str, str, pd.DataFrame, pd.DataFrame]]:
    found = []
    for phenotype, defined in results.phenotypes.items():
        for cell_type, name in results.cell_types.items():
            for network in results.networks:
                folder = f"{cell_type}/associations/{phenotype}/{network}"
                if results.has(f"{folder}/design.tsv"):
                    tables = (results.read(f"{folder}/{one}.tsv") for one in PARTS)
                    found.append((name, network, defined["name"], *tables))
    return found
