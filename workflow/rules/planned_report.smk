# What the page of the study reads.
from itertools import product

from jinja2 import Template
from snakemake.io import apply_wildcards
from snakemake.iocontainers import Wildcards


def shown_study():
    """Return what the page says of the study as a whole."""
    return {
        "cohort": cohort.name,
        "description": cohort.description,
        "preset": config["preset"],
        "fdr": config["statistics"]["fdr"],
        "min_icc": config["statistics"]["min_icc"],
        "size": config["bins"]["size"],
        "latent": SIVAE["latent"],
        "donors": config["report"]["donors"],
        "has_cells": cohort.has_cells,
        "networks": NETWORKS,
        "own": list(OWN),
        "cell_types": {safe: cell_type_name(safe) for safe in cell_types()},
        "phenotypes": {safe: phenotype_definition(one) for safe, one in phenotypes.items()},
        "levels": {safe: one.source for safe, one in with_levels().items()},
    }


def shown_files(wildcards):
    """Return the files that the page of the study reads, where the study has them."""
    names = ["findings.tsv", "associations.tsv", "excluded.tsv", "cohort.json", "samples.tsv"]
    names += ["study/gene_sets.json"]
    names += ["simulated/truth.json"] * bool(cohort.simulation)
    if cohort.replicate:
        names += ["replication.tsv", "replication_rates.tsv", "replication_genes.tsv"]
    names += [f"study/phenotypes/{phenotype}.tsv" for phenotype in phenotypes]
    if compared_values():
        names += [f"associations/{phenotype}/cell_types.tsv" for phenotype in phenotypes]
    if cohort.variants:
        kinds = presets.PRESETS[config["preset"]].variants
        names += [f"variants/{one}/{kind}.tsv" for one, kind in product(phenotypes, kinds)]
    for cell_type in cell_types():
        names += [f"{cell_type}/{name}" for name in shown_of_cell_type(cell_type)]
    plan = once_planned("<results>/bins.tsv")
    made = [*depth_files("depth.tsv"), *trained_tables()]
    return [plan, *(f"<results>/{name}" for name in names), *made]


def shown_of_cell_type(cell_type):
    """Return the files that the page reads of a cell type, in its folder."""
    names = ["networks/measures.tsv"] * bool(measures(SimpleNamespace(cell_type=cell_type)))
    names += ["shared/all/fit.json"] * presets.shares_model(config)
    names += ["genes.tsv"] * cohort.has_cells
    names += ["states.tsv", "composition.tsv"] * bool(has_states())
    names += ["networks/shared/programmes.tsv"] * (
        "programmes" in analyses() and "shared" in NETWORKS
    )
    for network in NETWORKS:
        of_network = ["centrality.tsv", "reliability.tsv", "bins.h5ad"]
        if network not in OWN_VALUES:
            of_network += ["edges.parquet", "neighbours.parquet"]
        if "modules" in analyses() and network in networks_with("modules"):
            of_network += ["modules.tsv", "module_preservation.tsv"]
        names += [f"networks/{network}/{name}" for name in of_network]
        names += [f"map/{network}/{name}.tsv" for name in ("tests", "reliability")]
        names += [f"networks/{network}/module_types.tsv"] * (network in with_module_types())
    names += [f"associations/{phenotype}/levels.tsv" for phenotype in with_levels()]
    for phenotype in phenotypes:
        folder = f"associations/{phenotype}"
        names += [f"{folder}/network_view.json"] * bool(OF_EDGES)
        tables = dict.fromkeys(TABLES.get(one, one) for one in analyses())
        tables |= dict.fromkeys(
            "composition" if one == "composition" else "expression" for one in controls()
        )
        names += [f"{folder}/{table}.tsv" for table in tables]
        for network in NETWORKS:
            names += [f"{folder}/{network}/{name}.tsv" for name in ("design", "covariates")]
            if "consensus" in analyses_of(network):
                names.append(f"{folder}/{network}/consensus_edges.parquet")
            if "connectivity" in analyses_of(network):
                names.append(f"{folder}/{network}/sample_connectivity.tsv")
    return names


def drawn_figures():
    """Return the figures of the study: name, title, cell type and phenotype ("" without), path.

    They are what rules mark for the report, in their order. Behind them is what captions say of the
    study, as a function of wildcards and input.
    """
    drawing = ["draw_quality", *["draw_training"] * ("sivae" in NETWORKS), "draw_networks"]
    drawing += ["draw_modules"] * ("modules" in analyses())
    drawing += ["draw_associations", *["draw_edges"] * bool(OF_EDGES)]
    drawing += ["draw_variants"] * bool(cohort.variants)
    drawing += ["draw_replication"] * bool(cohort.replicate)
    drawn = []
    # By `rules`, which also knows them where a module names them otherwise.
    for name in drawing:
        each = getattr(rules, name).rule
        known = {"cell_type": cell_types(), "phenotype": list(phenotypes)}
        varied = [name for name in known if name in each.wildcard_names]
        for values in product(*(known[name] for name in varied)):
            of = dict(zip(varied, values))
            for name, (shown, *_) in each.output._allitems():
                place = [of.get("cell_type", ""), of.get("phenotype", "")]
                path = apply_wildcards(shown, of)
                drawn.append([name, TITLES[name], *place, path, each.params.caption])
    return drawn


def captioned():
    """Return the figures of the study, with their captions behind them."""
    shown = []
    for name, title, cell_type, phenotype, path, said in drawn_figures():
        of = {"cell_type": cell_type, "phenotype": phenotype}
        wildcards = Wildcards(fromdict={key: value for key, value in of.items() if value})
        if said is caption:
            about = said(wildcards)
        else:
            about = said(wildcards, SimpleNamespace(measures=in_place(measures(wildcards))))
        text = Path(CLONE, f"workflow/report/{name}.rst").read_text(encoding="utf-8")
        params = SimpleNamespace(params=SimpleNamespace(caption=about))
        text = Template(text).render(snakemake=params).strip()
        shown.append([name, title, cell_type, phenotype, path, text])
    return shown
