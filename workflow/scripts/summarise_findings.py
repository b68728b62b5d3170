"""Put the findings of all analyses into one table and one page."""

import pandas as pd
from adapter import MAIN_KERNEL, logged
from popnet.findings import finding, page
from popnet.tables import atomic, read_table, write_table

ANALYSES = {
    "axes": ("Map of networks: axes", ["kernel", "axis"]),
    "centrality": ("Degree centrality: genes", ["gene"]),
    "gene_sets": ("Centrality: gene sets", ["gene_set"]),
    "edges": ("Edges within gene sets", ["gene1", "gene2"]),
    "connectivity": ("Connectivity of gene sets", ["gene_set", "kind"]),
    "consensus": ("Degree of genes, cases against controls", ["gene"]),
    "single": ("mtDNA: single variants", ["variant"]),
    "burden": ("mtDNA: burden of genes", ["gene"]),
}


def main(snakemake):
    fdr = snakemake.params.fdr
    rows = []
    for cell_type, phenotype, analysis, path in snakemake.params.tables:
        table = read_table(path, text=["phenotype"])
        if analysis == "axes":
            table = table[table["phenotype"] == phenotype]
            table = table[table["kernel"] == MAIN_KERNEL[snakemake.params.preset]]
        words, names = ANALYSES[analysis]
        rows.append(
            {"phenotype": phenotype, "cell_type": cell_type} | finding(words, table, names, fdr)
        )
    findings = pd.DataFrame(rows)
    write_table(findings, snakemake.output.table)

    excluded = read_table(snakemake.input.excluded)
    dropped = excluded[excluded["reason"].str.startswith("no bin")]
    preset = snakemake.params.preset
    remarks = [
        f"Preset {preset}; a finding is significant at a false discovery rate of {fdr:.0%} within "
        "its row. A name in brackets: the best of a row without one.",
        *(
            f"{cell_type}: {len(rows)} samples fill no bin and are left out "
            f"({', '.join(rows['sample'].head(10))}{', …' if len(rows) > 10 else ''})."
            for cell_type, rows in dropped.groupby("cell_type", sort=False)
        ),
        "A gene whose centrality goes with the phenotype may owe it to its mean expression or to "
        "depth: the column explained_by of its table says so.",
    ]
    with atomic(snakemake.output.page) as path:
        path.write_text(page(findings, f"Findings: {snakemake.params.cohort}", remarks), "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
