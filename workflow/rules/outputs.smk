# What a study consists of, and what its report says of each part.
from itertools import zip_longest

from popnet.seeds import derive_seed
from popnet.sheet import training_plan


def caption(wildcards):
    """Return what the captions of the report say about the cohort."""
    phenotype = phenotypes.get(wildcards.get("phenotype"))
    # Read without the checkpoint's means, which would have Snakemake take these parameters for
    # changed in every run; the rules have bins.tsv as input.
    path = Path(f"results/{cohort.name}/bins.tsv")
    planned = bins_of(path) if path.exists() else {}
    one_type = wildcards.get("cell_type")
    rows = planned.get(one_type, []) if one_type else sum(planned.values(), [])
    return {
        "cohort": cohort.name,
        "preset": config["preset"],
        "plan": training_plan(config),
        "cell_type": cell_type_name(one_type) if one_type else "all",
        "phenotype": phenotype.name if phenotype else "",
        "binary": bool(phenotype and phenotype.type == "binary"),
        "n_samples": len({row["sample"] for row in rows}),
        "n_bins": len(rows),
        "size": config["bins"]["size"],
        "permutations": config["statistics"]["permutations"],
        "fdr": config["statistics"]["fdr"],
    }


TITLES = {
    "cells": "Cells and bins",
    "losses": "Training losses",
    "training": "Training of each bin",
    "tuning": "Model selection",
    "depth": "Sequencing depth",
    "reliability": "Reliability of centrality",
    "hubs": "Hub genes",
    "kernel": "Similarity of samples",
    "map": "Map of networks",
    "centrality": "Degree centrality",
    "gene_sets": "Gene sets",
    "circos": "Edges of mitochondrial genes",
    "sets": "Networks of a gene set",
    "connectivity": "Connectivity of a gene set",
    "burden": "Variants per mtDNA gene",
    "single": "Single mtDNA variants",
    "embeddings": "Cell types told apart",
    "embedding_types": "Each cell type told apart",
    "embedding_maps": "Maps of the cells",
    "gammas": "Weight of the interpretability term",
    "batches": "Batches, before and after correction",
    "other_data": "Images and chromatin",
    "interpretations": "Interpretations of the dimensions",
    "interpretation_times": "Time of interpretations",
    "hub_centrality": "Predicted and true centrality",
    "hub_accuracy": "Hubs found",
    "neighbour_prediction": "What neighbours predict",
    "neighbour_overlap": "Neighbours in common",
    "neighbour_correlation": "Correlation of neighbours",
    "gene_communities": "Genes of a simulated network",
    "marker_genes": "Marker genes and cells",
    "agreement": "Agreement with other methods",
    "compared_hits": "Hits by method",
}


def without_braces(name):
    """Return a name as labels of the report may have it: braces would be taken for wildcards."""
    return name.translate(str.maketrans("{}", "()"))


def report_labels(title):
    """Return the labels of a result in the report: what it is and of which cells."""

    def labels(wildcards):
        cell_type = wildcards.get("cell_type")
        name = without_braces(cell_type_name(cell_type)) if cell_type else "all"
        return {"result": title, "cell type": name}

    return labels


def phenotype_category(wildcards):
    """Return the heading under which the report lists what is about a phenotype."""
    return f"Phenotype {without_braces(phenotypes[wildcards.phenotype].name)}"


def figures(folder, *names, category):
    """Return the files of figures by name: bitmap for the report, vector, table of what it shows."""
    files = {}
    for name in names:
        shown = report(
            f"{folder}/{name}.png",
            caption=f"../report/{name}.rst",
            category=category,
            labels=report_labels(TITLES[name]),
        )
        files[name] = [shown, *multiext(f"{folder}/{name}", ".pdf", ".svg", ".tsv")]
    return files


def sivae_code(*more):
    """Return the modules that a trained model depends on, and more, as input."""
    names = ["covariates", "data", "fitting", "model", "objective", "result", "settings", "storage"]
    return library(*(f"sivae/{name}.py" for name in [*names, "training", *more]))


def method_code(*tables):
    """Return the modules of all methods of some tables of compared methods, as input."""
    modules = {method.split(":")[0] for table in tables for method in table.values()}
    paths = [f"comparisons/{module.replace('.', '/')}.py" for module in sorted(modules)]
    return library("comparisons/methods.py", "comparisons/outcomes.py", *paths)


def inferred_batches(wildcards):
    """Return what all jobs that infer networks by other methods make of a cell type's bins."""
    folder = f"<results>/{wildcards.cell_type}/comparisons/networks"
    return [
        f"{folder}/{batch}.{kind}"
        for batch in batches(wildcards.cell_type)
        for kind in ("h5ad", "parquet", "tsv")
    ]


def tuned_bins(cell_type):
    """Return the [sample, bin] pairs that settings are compared on, of as many samples as can be."""
    rows = [[row["sample"], int(row["bin"])] for row in planned_bins()[cell_type]]
    of_sample = {}
    for row in sorted(rows, key=lambda row: derive_seed(config["seed"], *row)):
        of_sample.setdefault(row[0], []).append(row)
    rounds = zip_longest(*of_sample.values())
    return [row for turn in rounds for row in turn if row][: config["tuning"]["bins"]]


def tuned_bin(wildcards):
    """Return the [sample, bin] pair that a job compares settings on."""
    return tuned_bins(wildcards.cell_type)[int(wildcards.batch) - 1]


def tuning_tables(wildcards):
    """Return the tables of all jobs that compare settings in a cell type."""
    n_bins = len(tuned_bins(wildcards.cell_type))
    return [f"<results>/{wildcards.cell_type}/tuning/{n}.tsv" for n in range(1, n_bins + 1)]


def tuning_results(wildcards):
    """Return what `snakemake tune` makes."""
    return [f"<results>/figures/{cell_type}/tuning.png" for cell_type in cell_types()]


ASSOCIATIONS = ["centrality", "graph_centrality", "gene_sets", "edges", "connectivity", "consensus"]


def tested_tables():
    """Return the tables of tests: cell type, phenotype (names), analysis, path."""
    robust = config["preset"] == "robust"
    tables = []
    for safe, phenotype in phenotypes.items():
        for cell_type in cell_types():
            folder = f"<results>/{cell_type}"
            maps = ["axes", "map"] if robust else ["axes"]
            paths = dict.fromkeys(maps, f"{folder}/map/tests.tsv") | {
                analysis: f"{folder}/associations/{safe}/{analysis}.tsv"
                for analysis in [*ASSOCIATIONS, *(["components"] if robust else [])]
            }
            name = cell_type_name(cell_type)
            tables += [[name, phenotype.name, *item] for item in paths.items()]
        if cohort.variants:
            folder = f"<results>/variants/{safe}"
            for analysis in ["single", "burden", *(["heteroplasmy"] if robust else [])]:
                tables.append(["all", phenotype.name, analysis, f"{folder}/{analysis}.tsv"])
    if cohort.variants and robust:
        for cell_type in cell_types():
            path = f"<results>/{cell_type}/variants/connectivity.tsv"
            tables.append([cell_type_name(cell_type), "(wiring of complexes)", "genomes", path])
    return tables


def centrality_tests(*files):
    """Return cell type, phenotype (names) and files of every test of centrality."""
    return [
        [cell_type_name(cell_type), phenotype.name]
        + [f"<results>/{cell_type}/associations/{safe}/{file}" for file in files]
        for safe, phenotype in phenotypes.items()
        for cell_type in cell_types()
    ]


def study_results(wildcards):
    """Return what a complete study consists of; figures bring the tables that they are made of."""
    results = ["<results>/cohort.json", "<results>/findings.tsv", "<results>/associations.tsv"]
    for cell_type in cell_types():
        results += [
            f"<results>/{cell_type}/networks/cohort.h5ad",
            f"<results>/figures/{cell_type}/losses.png",
            f"<results>/figures/{cell_type}/kernel.png",
        ]
        results += [f"<results>/figures/{cell_type}/{name}/map.png" for name in phenotypes]
    if cohort.variants:
        results += [f"<results>/figures/variants/{name}/burden.png" for name in phenotypes]
    return results


def comparison_results(wildcards):
    """Return what `snakemake comparisons` makes; figures bring the tables that they show."""
    names = ["embeddings", "interpretations", "gene_communities", "hub_centrality"]
    figures = [f"<results>/figures/comparisons/{name}.png" for name in names]
    for cell_type in cell_types():
        folder = f"<results>/figures/comparisons/{cell_type}"
        figures.append(f"{folder}/agreement.png")
        figures += [f"{folder}/{name}/compared_hits.png" for name in phenotypes]
    return ["<results>/comparisons.html", *figures]
