# What the report says of each result: titles, captions, labels.


def caption(wildcards):
    """Return what the captions of the report say about the cohort."""
    return caption_of(wildcards.get("network", FIRST), wildcards)


def headline_caption(networks):
    """Return what the captions of a figure say that shows the headline among these networks.

    Snakemake does not compare what follows from inputs with the last run.
    """

    def of_figure(wildcards, input):
        return caption_of(headline_of(input.measures, networks), wildcards)

    return of_figure


def headline_of(table, networks):
    """Return the network that measures.tsv makes the headline; the first until there is a table."""
    from popnet.networks.verdicts import headline, read_measures

    return headline(read_measures(table) if table and Path(table).exists() else None, networks)


def caption_of(network, wildcards):
    """Return what the captions of the report say about the cohort and one of its networks."""
    phenotype = phenotypes.get(wildcards.get("phenotype"))
    # Read without the checkpoint's means, which would have Snakemake take these parameters for
    # changed in every run; the rules have bins.tsv as input.
    path = Path(RESULTS, "bins.tsv")
    planned = bins_of(path) if path.exists() else {}
    one_type = wildcards.get("cell_type")
    rows = planned.get(one_type, []) if one_type else sum(planned.values(), [])
    return {
        "cohort": cohort.name,
        "preset": config["preset"],
        "network": network,
        "of_network": NETWORK_NAMES.get(network, f"your table {network}"),
        "own": OWN[network].form if network in OWN else "",
        "bundled": any(one.implicit and one.genes for one in cohort.gene_sets),
        "plan": presets.training_plan(config),
        "matched": has_equal_depth(network),
        "adjusted": adjusted_for(network),
        "cell_type": cell_type_name(one_type) if one_type else "all",
        "phenotype": phenotype.name if phenotype else "",
        "binary": bool(phenotype and phenotype.type == "binary"),
        "n_samples": len({row["sample"] for row in rows}),
        "n_bins": len(rows),
        "size": config["bins"]["size"] if cohort.has_cells else "an unknown number of",
        "permutations": config["statistics"]["permutations"],
        "fdr": config["statistics"]["fdr"],
    }


def adjusted_for(network):
    """Return what robust tests of a network are adjusted for, in words."""
    words = {"depth": "depth", "cells": "number of cells"}
    *first, last = ["covariates", *(words[one] for one in adjusts_for(network) if cohort.has_cells)]
    return " and ".join(filter(None, [", ".join(first), last]))


TITLES = {
    "cells": "Cells and bins",
    "losses": "Training losses",
    "training": "Training of each bin",
    "tuning": "Model selection",
    "depth": "Sequencing depth",
    "reliability": "Reliability of centrality",
    "hubs": "Hub genes",
    "modules": "Modules and phenotypes",
    "kernel": "Similarity of samples",
    "map": "Map of networks",
    "centrality": "Degree centrality",
    "volcano": "Effects and P values",
    "quadrants": "Centrality and expression",
    "qq": "P values against chance",
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
    "replication": "Replication in the second cohort",
}


def without_braces(name):
    """Return a name as labels of the report may have it: braces would be taken for wildcards."""
    return name.translate(str.maketrans("{}", "()"))


def report_labels(title):
    """Return the labels of a result in the report: what it is, of which cells and network."""

    def labels(wildcards):
        cell_type = wildcards.get("cell_type")
        name = without_braces(cell_type_name(cell_type)) if cell_type else "all"
        network = wildcards.get("network")
        result = f"{title}: {network}" if network else title
        return {"result": result, "cell type": name}

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
