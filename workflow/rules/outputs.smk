# What a study consists of.
from itertools import product

from popnet.findings.rows import OF_LEVELS


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


def tested_tables():
    """Return the tables of tests: cell type, phenotype (names), network, analysis, path.

    Behind them is the path of what the analysis calls under permuted phenotypes.
    """
    preset = presets.PRESETS[config["preset"]]
    tables = []
    for safe, phenotype in phenotypes.items():
        tables += level_tables(phenotype)
        for cell_type, network in product(cell_types(), NETWORKS):
            folder = f"<results>/{cell_type}"
            paths = dict.fromkeys(preset.maps, f"{folder}/map/{network}/tests.tsv") | {
                analysis: f"{folder}/associations/{safe}/{network}/{TABLES.get(analysis, analysis)}.tsv"
                for analysis in analyses_of(network)
            }
            name, folder = cell_type_name(cell_type), f"{folder}/associations/{safe}/{network}"
            tables += [
                [name, phenotype.name, network, *item, f"{folder}/{item[0]}.null.tsv"]
                for item in paths.items()
            ]
        for cell_type, analysis in product(cell_types(), controls()):
            folder = f"<results>/{cell_type}/associations/{safe}"
            table = "composition" if analysis == "composition" else "expression"
            paths = [f"{folder}/{table}.tsv", f"{folder}/{analysis}.null.tsv"]
            tables.append([cell_type_name(cell_type), phenotype.name, "", analysis, *paths])
        for one, analysis in product(compared_values(), preset.between):
            folder = f"<results>/associations/{safe}/{one}"
            network, of = ("", "_expression") if one == "expression" else (one, "")
            paths = [f"{folder}/cell_types.tsv", f"{folder}/{analysis}.null.tsv"]
            tables.append(["all", phenotype.name, network, analysis + of, *paths])
        for analysis in preset.variants if cohort.variants else ():
            path = f"<results>/variants/{safe}/{analysis}"
            tables.append(["all", phenotype.name, "", analysis, f"{path}.tsv", f"{path}.null.tsv"])
    for cell_type in cell_types() if cohort.variants and preset.wiring and SHOWS_EDGES else ():
        folder = f"<results>/{cell_type}/variants"
        paths = [f"{folder}/connectivity.tsv", f"{folder}/genomes.null.tsv"]
        name = cell_type_name(cell_type)
        tables.append([name, "(wiring of complexes)", HEADLINE, "genomes", *paths])
    return tables


def level_tables(contrast):
    """Return the rows of :func:`tested_tables` of an overall test, at its phenotype's first contrast."""
    safe = safe_name(contrast.source)
    if with_levels().get(safe) is not contrast:
        return []
    tables = []
    for cell_type, one in product(cell_types(), values_compared()):
        folder = f"<results>/{cell_type}/associations/{safe}/{one}"
        network, asked = (one, analyses_of(one)) if one in NETWORKS else ("", controls())
        about = cell_type_name(cell_type), contrast.source, network
        tables += [
            [*about, f"overall_{analysis}", f"{folder}/levels.tsv", f"{folder}/levels.null.tsv"]
            for analysis in asked
            if analysis in OF_LEVELS
        ]
    return tables


def measured_tables():
    """Return cell type and table of what can be measured; none with preset paper."""
    tables = [(one, measures(SimpleNamespace(cell_type=one))) for one in cell_types()]
    return [[cell_type_name(one), table] for one, table in tables if table]


def described_networks():
    """Return cell type, network, its similarity and reliability, models, training."""
    return [
        [
            cell_type_name(cell_type),
            network,
            f"<results>/{cell_type}/map/{network}/reliability.tsv",
            f"<results>/{cell_type}/networks/{network}/reliability.tsv",
            [f"<chosen>/{cell_type}/shared/all/fit.json"] * presets.shares_model(config),
            trained_jobs(SimpleNamespace(cell_type=cell_type)) if "sivae" in NETWORKS else [],
        ]
        for cell_type, network in product(cell_types(), NETWORKS)
    ]


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
    names = ["cohort.json", "findings.tsv", "findings.html", "associations.tsv"]
    results = [f"{RESULTS}/{name}" for name in names]
    results += [f"{RESULTS}/measures.html"] if measured_tables() else []
    for cell_type in cell_types():
        folder = f"{RESULTS}/{cell_type}"
        results += [f"{folder}/networks/{network}/cohort.h5ad" for network in NETWORKS]
        results += [f"{folder}/map/{network}/tests.tsv" for network in NETWORKS]
        with_modules = networks_with("modules") if "modules" in analyses() else []
        results += [f"{folder}/networks/{one}/module_preservation.tsv" for one in with_modules]
        drawn = ["reliability", "kernel"] + ["losses"] * ("sivae" in NETWORKS)
        results += [f"{RESULTS}/figures/{cell_type}/{figure}.png" for figure in drawn]
        results += [
            f"{folder}/associations/{name}/{TABLES.get(analysis, analysis)}.tsv"
            for name, analysis in product(phenotypes, analyses())
        ]
        results += [f"{folder}/associations/{name}/levels.tsv" for name in with_levels()]
        results += [f"{RESULTS}/figures/{cell_type}/{name}/map.png" for name in phenotypes]
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
