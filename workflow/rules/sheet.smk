# Which part of the sheet a rule takes.
from dataclasses import asdict

from popnet.study.cohort import phenotype_definition


def cell_files():
    """Return the files that hold the cells and what annotates them."""
    cells, own = cohort.cells, [sample.path for sample in cohort.samples or ()]
    shared = [] if "{sample}" in (cells.path or "{sample}") else [cells.path]
    tables = [cells.annotations.table] if cells.annotations else []
    return list(dict.fromkeys(path for path in [*shared, *own, *tables] if path))


def vcf_files():
    """Return the VCFs of all samples that the sheet names."""
    path = cohort.variants.path if cohort.variants else None
    shared = [] if "{sample}" in (path or "{sample}") else [path]
    own = [sample.vcf for sample in cohort.samples or ()]
    return list(dict.fromkeys(path for path in [*own, *shared] if path))


def simulated_files():
    """Return where the simulation writes what the sheet names."""
    return {
        "cells": cohort.cells.path,
        "vcfs": {sample.id: sample.vcf for sample in cohort.samples},
        "gmt": next(gene_set.gmt for gene_set in cohort.gene_sets if gene_set.gmt),
    }


def phenotype_params(wildcards):
    """Return how a phenotype is defined, for the scripts."""
    return phenotype_definition(phenotypes[wildcards.phenotype])


def phenotype_definitions():
    """Return how every phenotype is defined."""
    return [phenotype_definition(phenotype) for phenotype in phenotypes.values()]


def covariate_names():
    """Return the names of the sheet's covariates."""
    return [covariate.name for covariate in cohort.covariates]


def categorical_names():
    """Return those covariates that are read as text."""
    return [one.name for one in cohort.covariates if one.type == "categorical"]


def covariates_part():
    """Return what decides the covariates of the samples."""
    part = phenotype_part(cohort, cohort.phenotypes[0].name)
    samples = [
        {key: sample[key] for key in ("id", "donor", "covariates")}
        for sample in part["samples"] or ()
    ]
    return {"covariates": part["covariates"], "donor": part["donor"], "samples": samples}


def phenotype_columns(phenotype):
    """Return the columns of samples.tsv that the tests of a phenotype need."""
    own = [*phenotypes[phenotype].columns, *covariate_names()]
    return ["sample", "donor", "batch", *dict.fromkeys(own)]


def own_table(wildcards):
    """Return the table of an own network."""
    return OWN[wildcards.network].path


def own_part(wildcards):
    """Return how the table of an own network is read."""
    network = asdict(OWN[wildcards.network])
    return {key: network[key] for key in ("name", "form", "columns", "directed")}


def ids_of_sheet():
    """Return the ids of all samples that the sheet names, those that it excludes too."""
    return [*(sample.id for sample in cohort.samples or ()), *cohort.excluded]


def expression_summary(wildcards):
    """Return what is known of the expression of the samples; nothing without cells."""
    return "<results>/{cell_type}/expression_summary.h5ad" if cohort.has_cells else []


def sequenced_depth(wildcards):
    """Return the depth of the samples before counts were thinned; nothing where they were not."""
    return "<results>/{cell_type}/depth.tsv" if presets.matches_depth(config) else []
