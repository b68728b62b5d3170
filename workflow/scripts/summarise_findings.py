"""Put the findings of all analyses into one table and one page."""

import pandas as pd
from adapter import MAIN_KERNEL, logged

from popnet.files import atomic, read_table, write_table
from popnet.findings.rows import finding
from popnet.report.page import page

ANALYSES = {
    "axes": ("Map of networks: axes", ["kernel", "axis"]),
    "map": ("Map of networks: whole", ["kernel", "test"]),
    "centrality": ("Degree centrality: genes", ["gene"]),
    "graph_centrality": ("Centrality in the graph: genes", ["measure", "gene"]),
    "gene_sets": ("Centrality: gene sets", ["gene_set"]),
    "edges": ("Edges within gene sets", ["gene1", "gene2"]),
    "components": ("Connected components of edges", ["component"]),
    "connectivity": ("Connectivity of gene sets", ["gene_set", "kind"]),
    "consensus": ("Degree of genes, cases against controls", ["gene"]),
    "single": ("mtDNA: single variants", ["variant"]),
    "burden": ("mtDNA: burden of genes", ["gene"]),
    "heteroplasmy": ("mtDNA: heteroplasmy", ["measure"]),
    "genomes": (
        "mtDNA against the wiring of complexes",
        ["gene_set", "kind", "analysis", "measure"],
    ),
}


def main(snakemake):
    fdr = snakemake.params.fdr
    rows = []
    for cell_type, phenotype, analysis, path in snakemake.params.tables:
        table = read_table(path, text=["phenotype"])
        if analysis in ("axes", "map"):
            table = table[table["phenotype"] == phenotype]
            table = table[table["kernel"] == MAIN_KERNEL[snakemake.params.preset]]
            if "test" in table:
                # PERMANOVA and PERMDISP know nothing of covariates.
                wanted = ["axis"] if analysis == "axes" else ["distance regression", "hsic"]
                table = table[table["test"].isin(wanted)]
        elif analysis == "components":
            table = table.assign(p=table["p_family"], q=table["p_family"])
            table["component"] = table["genes"].map(named)
        elif analysis == "graph_centrality":
            table["q"] = table["q_all"]
        words, names = ANALYSES[analysis]
        row = {"phenotype": phenotype, "cell_type": cell_type} | finding(words, table, names, fdr)
        if analysis == "centrality":
            row["of_these"] = believed(table[table["q"] <= fdr])
        rows.append(row)
    findings = pd.DataFrame(rows).fillna({"of_these": ""})
    write_table(findings, snakemake.output.table)

    excluded = read_table(snakemake.input.excluded)
    dropped = excluded[excluded["reason"].str.startswith("no bin")]
    failed = excluded[excluded["reason"].str.contains(" did not train: ", regex=False)]
    preset = snakemake.params.preset
    remarks = [
        f"Preset {preset}; a finding is significant at a false discovery rate of {fdr:.0%} within "
        "its row (connected components: family-wise; mtDNA against wiring: within each analysis). "
        "A name in brackets: the best of a row without one.",
        *(
            f"{cell_type}: {len(rows)} samples fill no bin and are left out "
            f"({', '.join(rows['sample'].head(10))}{', …' if len(rows) > 10 else ''})."
            for cell_type, rows in dropped.groupby("cell_type", sort=False)
        ),
        *(
            f"{cell_type}: {len(rows)} bins did not train and are left out: see excluded.tsv."
            for cell_type, rows in failed.groupby("cell_type", sort=False)
        ),
        "A gene whose centrality goes with the phenotype may owe it to its mean expression or to "
        "depth: the column explained_by of its table says so.",
        "associations.tsv corrects centrality for all cell types and phenotypes at once.",
    ]
    warnings, designs, covariates = compared(snakemake.params.designs)
    sections = {"What is compared, and what would be found with 80 % power": designs}
    if len(covariates):
        sections["How covariates go with the phenotypes"] = covariates
    title = f"Findings: {snakemake.params.cohort}"
    with atomic(snakemake.output.page) as path:
        path.write_text(page(findings, title, remarks, warnings, sections), "utf-8")


def named(genes):
    """Return what a component is called: how many genes, and the first of them."""
    genes = str(genes).split(";")
    return f"{len(genes)} genes: {', '.join(genes[:3])}{', …' if len(genes) > 3 else ''}"


def believed(hits):
    """Return how many of the hits something else explains, and how many are not reliable."""
    counts = hits["explained_by"].fillna("none").value_counts()
    parts = [f"{n} explained by {why}" for why, n in counts.items() if why != "none"]
    unknown = hits["icc"].isna()
    if unreliable := int((~hits["reliable"].astype(bool) & ~unknown).sum()):
        parts.append(f"{unreliable} not reliable over bins")
    if unknown.any():
        parts.append(f"reliability of {int(unknown.sum())} unknown")
    if "stable_share" in hits and (unstable := int((hits["stable_share"] < 1).sum())):
        parts.append(f"{unstable} not in every run without a sample, donor or batch")
    return "; ".join(parts)


def compared(designs):
    """Return warnings, what every test of centrality compares, and the covariates."""
    warnings, described, covariates = [], [], []
    for cell_type, phenotype, design, of_design in designs:
        table = read_table(design, text=["value"])
        warned = table["item"] == "warning"
        warnings += [f"{phenotype} in {cell_type}: {text}." for text in table.loc[warned, "value"]]
        rows = table[~warned].set_index("item")["value"]
        first = pd.Series({"phenotype": phenotype, "cell type": cell_type})
        described.append(pd.concat([first, rows]))
        found = read_table(of_design)
        found.insert(0, "cell type", cell_type)
        found.insert(0, "phenotype", phenotype)
        covariates.append(found)
    return warnings, pd.DataFrame(described).fillna(""), pd.concat(covariates, ignore_index=True)


with logged(snakemake.log[0]):
    main(snakemake)
