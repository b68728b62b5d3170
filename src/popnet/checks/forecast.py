"""What is known of a study before any work: its cells, what sizes leave, its cost and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from popnet.cells.formats import open_sources
from popnet.cells.sources import common_genes, read_depth
from popnet.checks.designs import design_of_samples
from popnet.checks.outlook import models, told, told_hours, training_hours
from popnet.checks.study import Study
from popnet.presets import PRESETS, training_plan
from popnet.stats.designs import Design, make_design
from popnet.stats.power import power
from popnet.stats.units import encoded, with_factors
from popnet.study.cohort import Cohort, phenotype_definition
from popnet.study.definitions import Phenotype

SIZES = (1000, 500, 200, 100, 50)
# Reliabilities (ICC) that effects are told for: perfect, good, and the least that is believed.
RELIABILITIES = (1.0, 0.7, 0.4)
# Cells of a sample whose depth is looked at.
FEW = 50
# Samples whose cells are told one by one.
LISTED = 30
ALPHA = 0.05
# Of a model on a GPU: as README.md calculates it from counts of operations for the fast plan; the
# paper's takes six times as long in float32 on a CPU.
GPU_SECONDS = {"fast": 1.0, "paper": 6.0}


def forecast(
    cohort: Cohort,
    config: Mapping[str, Any],
    study: Study,
    cores: int,
    bins_per_hour: float | None = None,
) -> dict[str, list[str]]:
    """Return what a study is made of, costs and can find, as lines under headings.

    Parameters
    ----------
    cohort : Cohort
    config : mapping
    study : Study
        Of `read_study`.
    cores : int
        That training has.
    bins_per_hour : float, optional
        What a GPU trains, as ``benchmarks/training.py stack`` prints.
    """
    if not cohort.has_cells:
        return {"Study": list(study.outlook)}
    samples = study.samples.set_index("sample")
    counts = study.cells.groupby(["cell_type", "sample"], observed=True).size()
    counts = counts[counts > 0]
    kept = _filling(counts, config["bins"]["size"])
    sections = {
        "Study": list(study.outlook),
        "Cells": _cells(counts),
        "Bins and groups at other sizes": _sizes(cohort, config, counts, samples),
        "Time": _time(config, counts, cores, bins_per_hour),
    }
    if PRESETS[config["preset"]].unit == "donor":
        of_types = counts[counts >= config["bins"]["size"]]
        depths, n_genes = _depths(cohort, study, of_types, config["seed"])
        n_genes = min(n_genes, config["genes"]["cohort"])
        technical = pd.DataFrame({"depth": depths, "cells": of_types})
        for phenotype in cohort.phenotypes:
            design = design_of_samples(cohort, phenotype, samples.loc[kept])
            found = sections.setdefault("What could be found", [])
            found += _effects(design, phenotype, n_genes, config["statistics"]["fdr"])
            found = sections.setdefault("Is a phenotype confounded?", [])
            found += _confounding(cohort, phenotype, samples.loc[kept], technical)
    return sections


def _cells(counts: pd.Series) -> list[str]:
    """Return how many cells samples have of each type: all of them, or quartiles of many."""
    lines = []
    for cell_type, own in counts.groupby(level="cell_type", observed=True):
        n = own.droplevel("cell_type").sort_values(ascending=False, kind="stable")
        low, middle, high = np.percentile(n, (25, 50, 75))
        lines.append(
            f"{cell_type}: {n.sum():,} cells of {len(n):,} samples; quartiles {low:,.0f}, "
            f"{middle:,.0f}, {high:,.0f}; from {n.min():,} to {n.max():,}"
        )
        if len(n) <= LISTED:
            lines.append("  " + ", ".join(f"{id!r} {value:,}" for id, value in n.items()))
    return lines


def _sizes(
    cohort: Cohort,
    config: Mapping[str, Any],
    counts: pd.Series,
    samples: pd.DataFrame,
) -> list[str]:
    lines = []
    for size in sorted({*SIZES, config["bins"]["size"]}, reverse=True):
        full = counts[counts >= size]
        n_bins = (full // size).groupby(level="cell_type", observed=True).sum()
        asked = dict(config) | {"bins": config["bins"] | {"size": size}}
        n_models = sum(models(asked, n_bins).values())
        mark = " (as set)" if size == config["bins"]["size"] else ""
        told_bins = f"{int(n_bins.sum()):,} bins, {n_models:,} models"
        kept = told(cohort, samples, _filling(counts, size))
        lines.append(f"{size:,}{mark}: {told_bins}; {kept}" if len(full) else f"{size:,}: no bins")
    return lines


def _filling(counts: pd.Series, size: int) -> list[str]:
    """Return the samples that fill a bin of any cell type."""
    return list(dict.fromkeys(counts[counts >= size].index.get_level_values("sample")))


def _time(
    config: Mapping[str, Any], counts: pd.Series, cores: int, bins_per_hour: float | None
) -> list[str]:
    """Return the time of training here and on a GPU, and where the rates come from."""
    n_bins = (counts // config["bins"]["size"]).groupby(level="cell_type", observed=True).sum()
    found = models(config, n_bins)
    n = found["of bins"] + found["again"]
    if not n:
        return ["No siVAE is trained for each bin; the models of the cohort take minutes each"]
    times = dict.fromkeys(map(told_hours, training_hours(config, n, cores)))
    lines = [
        f"With {cores} cores: about {' to '.join(times)} for {n:,} models of bins, with and "
        "without bfloat16 units, at the rate of benchmarks/README.md (`speed`; 2,000 genes)"
    ]
    if bins_per_hour is None:
        hours = n * GPU_SECONDS[training_plan(config)] / 3600
        return [
            *lines,
            f"On a GPU: about {told_hours(hours)}, calculated and not measured "
            "(README.md, What it costs). To know it for your card, run `python "
            "benchmarks/training.py stack` there and give its bins per hour as --bins-per-hour",
        ]
    return [
        *lines,
        f"On a GPU: {told_hours(n / bins_per_hour)} at {bins_per_hour:,.0f} bins per hour",
    ]


def _effects(design: Design, phenotype: Phenotype, n_genes: int, fdr: float) -> list[str]:
    """Return the smallest effects that tests would find, by how reliable a value is."""
    if not design.testable:
        return [f"{phenotype.name}: nothing can be tested"]
    lines = [f"{phenotype.name}: smallest true effect that is found with 80 % power"]
    for reliability in RELIABILITIES:
        found = power(design, 0.0, n_genes, fdr, reliability)
        lines.append(
            f"  values of reliability {reliability:g}: {_effect(found.effect)} in one test, "
            f"{_effect(found.effect_of_many)} after correction for {n_genes:,} genes"
        )
    what = "rank-biserial correlation, from -1 to 1" if design.binary else "partial correlation"
    return [*lines, f"  (effect: {what}; networks/measures.tsv will say how reliable values are)"]


def _effect(effect: float) -> str:
    return "none" if np.isnan(effect) else f"{effect:.2f}"


def _depths(cohort: Cohort, study: Study, of_types: pd.Series, seed: int) -> tuple[pd.Series, int]:
    """Return the mean log depth of some cells of each cell type and sample, and how many genes."""
    by = ["cell_type", "sample"]
    chosen = pd.MultiIndex.from_frame(study.cells[by].astype(str)).isin(of_types.index)
    few = study.cells[chosen].sample(frac=1, random_state=seed)
    few = few.groupby(by, observed=True).head(FEW).sort_values(["source", "row"], kind="stable")
    read = cohort.cells
    sources = open_sources(few["source"], read.counts, read.gene_symbols, read.gene_prefix)
    genes, _ = common_genes([*sources.values()])
    depth = few[by].astype(str).assign(depth=np.log1p(read_depth(sources, few, genes)))
    return depth.groupby(by)["depth"].mean(), len(genes)


def _confounding(
    cohort: Cohort, phenotype: Phenotype, samples: pd.DataFrame, technical: pd.DataFrame
) -> list[str]:
    """Return how far depth, cells, covariates and batches go with a phenotype.

    Each by itself: the multiple correlation with the phenotype, within donors where these have
    several values of it. Depth and cells are those of a cell type.
    """
    lines = []
    types = technical.groupby(level="cell_type", sort=False)
    for cell_type, own in types:
        own = own.droplevel("cell_type")
        place = f" in {cell_type}" if len(types) > 1 else ""
        for name in ("depth", "cells"):
            values = samples.loc[own.index].assign(**{name: own[name]})
            lines += _goes_with(phenotype, name, values, place)
    names = [one.name for one in cohort.covariates if one.name not in phenotype.columns]
    for name in names:
        lines += _goes_with(phenotype, name, samples)
    with_batch = samples[samples["batch"] != ""]
    if with_batch["batch"].nunique() > 1 and not phenotype.factors:
        lines.append(_by_batch(phenotype, with_batch))
    return lines


def _goes_with(
    phenotype: Phenotype, name: str, samples: pd.DataFrame, place: str = ""
) -> list[str]:
    """Return how far a column of the samples goes with a phenotype, where that can be said."""
    definition = phenotype_definition(phenotype)
    own, adjusted, factors = with_factors(samples, definition, [name])
    values, binary = encoded(samples, definition), phenotype.type == "binary"
    design = make_design(own.index, own, values, binary, adjusted, factors=factors)
    return [
        f"{phenotype.name} with {name}{place}: r {row['statistic']:.2f}, P {row['p']:.2g}"
        + (": look at this" if row["p"] <= ALPHA else "")
        for row in design.covariates.to_dict("records")
        if row["covariate"] == name
    ]


def _by_batch(phenotype: Phenotype, samples: pd.DataFrame) -> str:
    """Return in how many batches the phenotype varies."""
    n_values = samples.groupby("batch")[phenotype.name].nunique()
    varies = int((n_values > 1).sum())
    text = f"{phenotype.name} varies within {varies} of {len(n_values)} batches"
    return text if varies else f"{text}: it cannot be told from a difference between batches"
