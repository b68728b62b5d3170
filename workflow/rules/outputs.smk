# What a study consists of.
from itertools import product


def inferred_jobs(wildcards):
    """Return what all jobs that infer networks by other methods make of a cell type's bins."""
    folder = f"<results>/{wildcards.cell_type}/comparisons/networks"
    return [
        f"{folder}/{job}.{kind}"
        for job in jobs(wildcards.cell_type)
        for kind in ("h5ad", "parquet", "tsv")
    ]


def tuning_results(wildcards):
    """Return what `snakemake tune` makes."""
    if not cohort.has_cells:
        raise WorkflowError("The sheet names no cells, and without cells there is nothing to tune")
    return [f"{RESULTS}/figures/{cell_type}/tuning.png" for cell_type in cell_types()]


def in_place(rows):
    """Return nested paths as scripts read them, with the folder of the results."""
    if isinstance(rows, str):
        return rows.replace("<results>", RESULTS).replace("<chosen>", CHOSEN)
    return [in_place(one) for one in rows]


def centrality_tests(*files):
    """Return cell type, network, phenotype (names) and files of every test of centrality."""
    return [
        [cell_type_name(cell_type), network, phenotype.name]
        + [f"<results>/{cell_type}/associations/{safe}/{network}/{file}" for file in files]
        for safe, phenotype in phenotypes.items()
        for cell_type, network in product(cell_types(), NETWORKS)
    ]


def study_results(wildcards):
    """Return what a complete study consists of; figures bring the tables that they are made of."""
    names = ["report.html", "cohort.json", "findings.tsv", "associations.tsv"]
    names += ["ro-crate-metadata.json"]
    results = [f"{RESULTS}/{name}" for name in names]
    for cell_type in cell_types():
        folder = f"{RESULTS}/{cell_type}"
        results += [f"{folder}/networks/{network}/cohort.h5ad" for network in NETWORKS]
        results += [f"{folder}/map/{network}/tests.tsv" for network in NETWORKS]
        with_modules = networks_with("modules") if "modules" in analyses() else []
        results += [f"{folder}/networks/{one}/module_preservation.tsv" for one in with_modules]
        results += [f"{folder}/networks/{one}/module_types.tsv" for one in with_module_types()]
        drawn = ["reliability", "kernel", *["losses"] * ("sivae" in NETWORKS)]
        drawn += ["modules"] * ("modules" in analyses())
        results += [f"{RESULTS}/figures/{cell_type}/{figure}.png" for figure in drawn]
        results += [
            f"{folder}/associations/{name}/{TABLES.get(analysis, analysis)}.tsv"
            for name, analysis in product(phenotypes, analyses())
        ]
        results += [f"{folder}/associations/{name}/levels.tsv" for name in with_levels()]
        drawn = ["map", *["connectivity"] * bool(OF_EDGES)]
        results += [
            f"{RESULTS}/figures/{cell_type}/{name}/{figure}.png"
            for name, figure in product(phenotypes, drawn)
        ]
    if compared_values():
        results += [f"{RESULTS}/associations/{name}/cell_types.tsv" for name in phenotypes]
    results += replication_figures()
    if cohort.variants:
        results += [f"{RESULTS}/figures/variants/{name}/burden.png" for name in phenotypes]
    return results


def comparison_results(wildcards):
    """Return what `snakemake comparisons` makes; figures bring the tables that they show."""
    if not cohort.has_cells:
        raise WorkflowError("The sheet names no cells, and methods are compared on cells")
    names = ["embeddings", "interpretations", "gene_communities", "hub_centrality"]
    figures = [f"{RESULTS}/figures/comparisons/{name}.png" for name in names]
    for cell_type in cell_types():
        folder = f"{RESULTS}/figures/comparisons/{cell_type}"
        figures.append(f"{folder}/agreement.png")
        figures += [f"{folder}/{name}/compared_hits.png" for name in phenotypes]
    return [f"{RESULTS}/comparisons.html", *figures]
