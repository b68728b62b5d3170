"""What a study will cost and can reach, before any work: bins, models and the smallest p."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from popnet.checks.designs import design_of_samples
from popnet.errors import Problem
from popnet.presets import PRESETS, estimators, shares_model, training_plan
from popnet.stats.designs import Design
from popnet.study.cohort import Cohort
from popnet.study.definitions import Phenotype
from popnet.study.phenotypes import contrast_problem

SMALLEST_BIN = 10
# Phenotypes whose groups are told.
SHOWN = 4
# Fewest donors of a group, and of different values of a continuous phenotype, that sizes aim at.
FEWEST, FEWEST_VALUES = 3, 5
# Seconds of two cores for a bin of 1,000 cells and 2,000 genes, with and without bfloat16
# (benchmarks/README.md, `speed`).
CELLS = 1000
SECONDS = {"fast": (24, 68), "paper": (344, 376)}
# Bins that are trained once more with another seed, of each cell type.
AGAIN = 6
ALPHA = 0.05


def check_size(
    cohort: Cohort,
    counts: pd.Series,
    types: Sequence[str],
    samples: pd.DataFrame,
    size: int,
    problems: list[Problem],
) -> None:
    """Find bins so large that too few samples fill one, and propose a size.

    Parameters
    ----------
    cohort : Cohort
    counts : Series
        Cells by cell type and sample.
    types : sequence of str
    samples : DataFrame, indexed by sample
        donor, and a column for every phenotype.
    size : int
        The size that the config asks for.
    problems : list of Problem
        Gains an error where a cell type of the sheet, or the whole study, has no bin, or where a
        phenotype has one class left, and a warning where it has few donors left.
    """
    kept = kept_samples(cohort, counts, types, size)
    lost = [one for one in cohort.own_phenotypes if _fault(one, samples, samples.index) is None]
    lost = [one for one in lost if _fault(one, samples, kept) is not None]
    few = [one for one in cohort.own_phenotypes if _few(one, samples, kept)]
    if not (lost or few) and kept:
        return
    message = f"Bins of {size:,} cells leave {told(cohort, samples, kept)}"
    field: str = "bins.size"
    value: Any = size
    if not kept and len(counts):
        by_type = counts.groupby(level="cell_type", observed=True).max().reindex(list(types))
        by_type = by_type.fillna(0)
        if by_type.max() < size:
            largest = counts.sort_values(kind="stable").index[-1]
            message = (
                f"No sample fills a bin: the largest is {largest[1]!r} with {counts.max():,} cells "
                f"of {largest[0]!r}"
            )
        else:
            field, value = "cell_types", by_type.idxmin()
            message = (
                f"No sample fills a bin of {size:,} cells of this type: the largest has "
                f"{by_type.min():,.0f}"
            )
    best = _proposed(cohort, counts, types, samples, size)
    if best is None:
        remedy = "Use more cells, or other cell types: no size leaves every phenotype to test"
    else:
        sizes = {best, _rounded(best / 2), _rounded((best + size) / 2)} - {size}
        options = (
            f"{one:,} cells, {told(cohort, samples, left)}"
            for one in sorted(sizes, reverse=True)
            if one >= SMALLEST_BIN and (left := kept_samples(cohort, counts, types, one))
        )
        message += f". With bins of {'; of '.join(options)}"
        remedy = (
            f"Set bins.size to {best}: every phenotype can then be tested. Networks of fewer cells "
            "are less reliable (networks/measures.tsv says how much)"
        )
    if field == "cell_types":
        remedy += "; or take the cell type out of cell_types"
    severity: Any = "error" if lost or not kept else "warning"
    problems.append(Problem(cohort.file, field, value, message, remedy, severity))


def outlook(
    cohort: Cohort,
    config: Mapping[str, Any],
    counts: pd.Series,
    samples: pd.DataFrame,
) -> list[str]:
    """Return in a few lines what the bin size leaves, what is trained, and what can be reached.

    Parameters
    ----------
    cohort, counts, samples
        As in :func:`check_size`; the samples also with their covariates.
    config : mapping
    """
    size = config["bins"]["size"]
    full = counts[counts >= size]
    kept = list(dict.fromkeys(full.index.get_level_values("sample")))
    lines = [f"Bins of {size:,} cells: {told(cohort, samples, kept)}"]
    n_bins = (full // size).groupby(level="cell_type", observed=True).sum()
    n_bins = n_bins[n_bins > 0]
    if cost := _cost(config, n_bins):
        lines.append(cost)
    if PRESETS[config["preset"]].unit == "donor":
        for phenotype in cohort.phenotypes:
            design = design_of_samples(cohort, phenotype, samples.loc[kept])
            lines.append(f"{phenotype.name}: {_reach(design, config)}")
    return lines


def models(config: Mapping[str, Any], n_bins: pd.Series) -> dict[str, int]:
    """Return how many siVAEs are trained: "of bins", "again" with another seed, "of the cohort".

    Parameters
    ----------
    config : mapping
    n_bins : Series
        Bins by cell type.
    """
    n_bins = n_bins[n_bins > 0]
    per_bin = (
        int(n_bins.sum()) * config["training"]["seeds"] if "sivae" in estimators(config) else 0
    )
    again = 0
    if per_bin and PRESETS[config["preset"]].unit == "donor":
        again = int(n_bins.clip(upper=AGAIN).sum())
    shared = 3 * len(n_bins) if shares_model(config) else 0
    return {"of bins": per_bin, "again": again, "of the cohort": shared}


def training_hours(config: Mapping[str, Any], n_models: int, cores: int = 2) -> tuple[float, float]:
    """Return the shortest and longest time of training models of bins, with and without bfloat16.

    At the rate of benchmarks/README.md for bins of 2,000 genes.
    """
    plan = training_plan(config)
    # The steps of the fast plan shrink with the bins.
    share = min(config["bins"]["size"] / CELLS, 1) if plan == "fast" else 1
    short, long = (rate * share * n_models / 3600 * 2 / cores for rate in SECONDS[plan])
    return short, long


def _cost(config: Mapping[str, Any], n_bins: pd.Series) -> str:
    """Return how many models are trained, and about how long that takes."""
    n, n_types = int(n_bins.sum()), len(n_bins)
    types = "one cell type" if n_types == 1 else f"{n_types} cell types"
    per_bin, again, shared = models(config, n_bins).values()
    if not per_bin + shared:
        return f"{n:,} bins of {types}; no siVAE is trained"
    parts = [f"{per_bin:,} for {n:,} bins of {types}"] if per_bin else []
    parts += [f"{again:,} of them again with another seed"] if again else []
    parts += [f"{shared:,} of the cohort"] if shared else []
    times = map(told_hours, training_hours(config, per_bin + again))
    text = f"{per_bin + again + shared:,} siVAEs are trained: {', '.join(parts)}"
    if per_bin:
        text += (
            f". Those of bins take about {' to '.join(dict.fromkeys(times))} of two cores, at the "
            "rate of benchmarks/README.md for 2,000 genes; a GPU takes less"
        )
    return text


def _reach(design: Design, config: Mapping[str, Any]) -> str:
    """Return what the tests of a design can reach."""
    pairs = design.n // 2
    what = f"{pairs} pairs" if design.paired and design.binary else f"{design.n} observations"
    if not design.testable:
        return f"{what}, nothing can be tested"
    p = _smallest_p(design, config)
    text = f"{what}, {design.df} degrees of freedom"
    if p is None:
        return text
    text += f"; no p by permutation is below {p:.2g}"
    if p > ALPHA:
        text += (
            f", so that gene sets, connectivity, consensus networks, variants and burdens cannot "
            f"reach {ALPHA}. Genes, pairs of genes, programmes and maps have the p of a mixed "
            "model, which can"
        )
    return text


def _smallest_p(design: Design, config: Mapping[str, Any]) -> float | None:
    """Return the exact p of a variable that is the phenotype; None with random permutations."""
    arrangements = design.arrangements(config["statistics"]["permutations"], config["seed"])
    if not arrangements.exact:
        return None
    places = np.concatenate(list(arrangements.chunks()))
    statistic = np.abs(design.residual[places] @ design.residual)
    observed = (design.residual**2).sum()
    return float((statistic >= observed * (1 - 1e-9)).mean())


def kept_samples(cohort: Cohort, counts: pd.Series, types: Sequence[str], size: int) -> list[str]:
    """Return the samples that fill a bin in the type that decides.

    Every type of the sheet must be tested, so that it is the one with the fewest; where the sheet
    names none, it is the one with the most.
    """
    full = counts[counts >= size]
    by_type: list[list[str]] = [
        list(full.index.get_level_values("sample")[full.index.get_level_values(0) == name])
        for name in types
    ]
    return (min if cohort.cell_types else max)(by_type, key=len, default=[])


def _proposed(
    cohort: Cohort, counts: pd.Series, types: Sequence[str], samples: pd.DataFrame, size: int
) -> int | None:
    """Return the largest size below `size` at which every phenotype can be tested."""
    found = sorted({_rounded(n) for n in counts if n < size} - {0}, reverse=True)
    sizes = [one for one in found if one >= SMALLEST_BIN]
    for enough in (False, True):  # With few donors only where there is no other.
        for one in sizes:
            kept = kept_samples(cohort, counts, types, one)
            sound = kept and not any(
                _fault(phenotype, samples, kept) for phenotype in cohort.own_phenotypes
            )
            if sound and (enough or not any(_few(p, samples, kept) for p in cohort.own_phenotypes)):
                return one
    return None


def _rounded(size: float) -> int:
    """Return a size of two significant digits, not larger than `size`."""
    unit = 10 ** max(len(str(int(size))) - 2, 0)
    return int(size // unit * unit)


def _groups(
    phenotype: Phenotype, samples: pd.DataFrame, kept: Collection[str]
) -> dict[str, int] | int:
    """Return the donors of case and control, or the number of different values."""
    part = samples.loc[list(kept)]
    if phenotype.type == "binary":
        labels = [str(phenotype.case), str(phenotype.control)]
        donors = part.groupby(phenotype.name, observed=True)["donor"].nunique()
        return {label: int(donors.get(label, 0)) for label in labels}
    return int(part[phenotype.name].dropna().nunique())


def _few(phenotype: Phenotype, samples: pd.DataFrame, kept: Collection[str]) -> bool:
    """Return whether fewer donors are left than a test should have, because of the bins."""
    every, left = (_groups(phenotype, samples, ids) for ids in (samples.index, kept))
    if isinstance(every, dict) and isinstance(left, dict):
        return any(left[label] < min(FEWEST, every[label]) for label in every)
    assert isinstance(every, int)
    assert isinstance(left, int)
    return left < min(FEWEST_VALUES, every)


def _fault(
    phenotype: Phenotype, samples: pd.DataFrame, kept: Collection[str]
) -> tuple[str, str] | None:
    return contrast_problem(phenotype, samples.loc[list(kept), phenotype.name].dropna())


def told(cohort: Cohort, samples: pd.DataFrame, kept: Collection[str]) -> str:
    """Return how many samples and donors are kept, and of which groups."""
    n_donors = samples.loc[list(kept), "donor"].nunique()
    groups = []
    for phenotype in cohort.own_phenotypes[:SHOWN]:
        found = _groups(phenotype, samples, kept)
        if isinstance(found, dict):
            counted = ", ".join(f"{n} {label}" for label, n in found.items())
            groups.append(f"donors by {phenotype.name}: {counted}")
        else:
            groups.append(f"values of {phenotype.name}: {found}")
    return (
        f"{len(kept)} of {len(samples)} samples, {n_donors} of {samples['donor'].nunique()} donors "
        f"({'; '.join(groups)})"
    )


def told_hours(hours: float) -> str:
    """Return hours in words."""
    if hours < 1:
        return f"{max(round(60 * hours), 1)} min"
    return f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h"
