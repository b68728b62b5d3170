"""Put all comparisons into one table of methods and one page."""

from pathlib import Path

import pandas as pd
from adapter import logged

from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS
from popnet.comparisons.summary import averaged, beside_loadings, methods_table
from popnet.files import atomic, read_table, write_table
from popnet.report.page import page

HEADINGS = {
    "embeddings": "Cell embeddings: held-out cells classified by their nearest neighbours",
    "gammas": "Weight of the interpretability term",
    "mixing": "Batch correction",
    "images": "Images",
    "chromatin": "Simulated accessibility of chromatin",
    "interpretations": "Interpretations: rank correlation with siVAE's loadings",
    "times": "Time, of training siVAE",
    "gene_embedding": "Genes of a simulated network",
    "marker_types": "Markers of cell types among the loadings",
    "hubs": "Hubs: predicted against true centrality",
    "neighbours": "Variance of hubs that their 20 neighbours explain",
    "agreement": "Networks of samples: agreement with siVAE",
}
# How the states of the comparisons that take all of a table's methods begin.
KNOWN = {"embeddings": EMBEDDINGS, "interpretations": INTERPRETATIONS, "networks": NETWORKS}


def main(snakemake):
    tables, states = {}, []
    for path in map(Path, snakemake.input.tables):
        table = read_table(path, text=["status", "setting", "label", "mode", "method"])
        if "status" in table:
            states.append(table)
        else:
            tables[path.stem] = table
    agreement = []
    for cell_type, methods, compared in snakemake.params.cell_types:
        states.append(read_table(methods))
        states[-1]["comparison"] += f": {cell_type}"
        agreement.append(read_table(compared).drop(columns="n_genes").assign(cell_type=cell_type))
    tables["agreement"] = pd.concat(agreement)

    known = {comparison: list(methods) for comparison, methods in KNOWN.items()}
    methods = methods_table(pd.concat(states, ignore_index=True), tables, known)
    write_table(methods, snakemake.output.table)

    sections = {}
    for name, heading in HEADINGS.items():
        if len(tables.get(name, [])):
            table = beside_loadings(tables[name]) if name == "interpretations" else tables[name]
            sections[heading] = averaged(table)
    if hits := [seen(*row) for row in snakemake.params.hits]:
        sections["Hits of phenotypes, and who sees them"] = pd.DataFrame(hits)
    failed = methods[methods["status"].str.contains("failed")]
    warnings = [f"{row.comparison}, {row.method}: {row.status}." for row in failed.itertuples()]
    remarks = [
        "Every method ran on the same cells; docs/comparisons.md says what each one is. Numbers "
        "are means over folds, samples, dimensions or repeats, whatever the tables have.",
        "comparisons/methods.tsv has this table; the figures are under Comparisons in the report.",
    ]
    text = page(methods, f"Comparisons: {snakemake.params.cohort}", remarks, warnings, sections)
    with atomic(snakemake.output.page) as path:
        path.write_text(text, "utf-8")


def seen(cell_type, phenotype, path):
    """Return how many of siVAE's hits other methods see, and how many hits only they see."""
    by = read_table(path, text=["seen_by"])["seen_by"].fillna("").str.split(";")
    of_sivae = by[by.str[0] == "sivae"]
    alone = of_sivae[of_sivae.str.len() == 1]
    return {
        "cell type": cell_type,
        "phenotype": phenotype,
        "hits of siVAE": len(of_sivae),
        "of these, siVAE's alone": len(alone),
        "hits of other methods alone": int(((by.str[0] != "sivae") & (by.str[0] != "")).sum()),
    }


with logged(snakemake.log[0]):
    main(snakemake)
