"""Write the page of findings: the table, what it means, and what was compared."""

from adapter import logged

from popnet.files import atomic, read_table
from popnet.findings import sentences as say
from popnet.findings import shown_replication as shown
from popnet.networks.trained import active_dimensions, precisions
from popnet.networks.verdicts import headline, read_measures
from popnet.report.page import page

# Columns of findings.tsv that may look like numbers, or be empty.
TEXT = ["phenotype", "cell_type", "network", "strongest", "of_these", "measurable"]


def main(snakemake):
    params = snakemake.params
    tables = {cell_type: read_measures(path) for cell_type, path in params.measures}
    chosen = {row[0]: headline(tables.get(row[0]), params.networks) for row in params.described}
    findings = read_table(snakemake.input.table, text=TEXT)
    findings[TEXT] = findings[TEXT].fillna("")

    designs = [
        (*names, read_table(design, text=["value"]), read_table(of_design))
        for *names, design, of_design in params.designs
    ]
    warnings, compared, covariates = say.compared(designs, chosen)
    sections = {"What is compared, and what could be found with 80 % power": compared}
    sections |= {say.COVARIATES: covariates} if len(covariates) else {}
    about, unused = described(params, chosen)
    came_back = map(read_table, snakemake.input.replication)
    sections, about = shown.beside(sections, about, *came_back)
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
    with atomic(snakemake.output[0]) as path:
        path.write_text(text, "utf-8")


def described(params, chosen):
    """Return what is said of depth and of networks, and warnings."""
    lines, warnings = [], []
    for cell_type, path in params.depths:
        said, warned = say.depth_sentences(cell_type, read_table(path))
        lines, warnings = lines + said, warnings + warned
    of_headlines = [row for row in params.described if row[1] == chosen[row[0]]]
    for cell_type, network, similarity, reliability, models, training in of_headlines:
        shown = map(read_table, (similarity, reliability))
        lines += say.network_sentences(cell_type, network, params.size, *shown)
        in_use = active_dimensions(models, training)
        warnings += say.unused_dimensions(cell_type, in_use, params.latent)
        warnings += say.mixed_precision(cell_type, precisions(training))
    return lines, warnings


with logged(snakemake.log[0]):
    main(snakemake)
