"""The map of the samples' networks against a phenotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.networks.verdicts import MAP
from popnet.seeds import derive_seed
from popnet.stats.designs import Design
from popnet.stats.kernel_tests import (
    MapTest,
    distance_regression,
    hsic,
    map_gram,
    map_ratios,
    mixed_regression,
    permanova,
    permdisp,
)
from popnet.stats.mixed import mixed_t
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.ranks import correlate
from popnet.stats.units import units


@dataclass(frozen=True)
class SampleMap:
    """A map of the samples' networks by one kernel.

    Parameters
    ----------
    samples : sequence of str
    similarity : ndarray of shape (n_samples, n_samples)
    coordinates : DataFrame of n_samples rows
        The axes: PC1, PC2 and so on.
    """

    samples: Sequence[str]
    similarity: np.ndarray
    coordinates: pd.DataFrame


def paper(maps: Mapping[str, SampleMap], design: Design, testing: Testing) -> pd.DataFrame:
    """Test every axis of every map against the phenotype, every sample an observation.

    Parameters
    ----------
    maps : mapping of kernel to SampleMap
    design : Design
        Over bins. Binary phenotypes are tested by Mann-Whitney's U, continuous ones by Spearman's
        correlation.
    testing : Testing

    Returns
    -------
    DataFrame
        kernel axis statistic p q n; q is Benjamini-Hochberg within a kernel.
    """
    labels = pd.Series(design.units.phenotype, index=design.units.labels)
    phenotype = labels[~labels.index.duplicated()]
    tables = []
    for kernel, of_kernel in maps.items():
        over = units(of_kernel.samples, pd.Series(dtype=object), phenotype, "bin")
        axes = of_kernel.coordinates.dropna(axis=1, how="all")
        values = over.average(axes.to_numpy(dtype=float))
        table = correlate(values, over.phenotype, design.binary)[["statistic", "p", "n"]]
        table.insert(0, "axis", list(axes.columns))
        table.insert(0, "kernel", kernel)
        table.insert(4, "q", benjamini_hochberg(table["p"].to_numpy()))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def robust(maps: Mapping[str, SampleMap], design: Design, testing: Testing) -> pd.DataFrame:
    """Test the axes of every map, and all of it at once.

    Parameters
    ----------
    maps : mapping of kernel to SampleMap
    design : Design
        Over bins.
    testing : Testing

    Returns
    -------
    DataFrame
        kernel test axis statistic share p q p_family p_permutation n n_permutations adjusted_for.
        First the axes: a family for q (Benjamini-Hochberg) and p_family; p and q are of the
        design's mixed model, if it has one, p_permutation is by permutation. Then, `axis` is empty,
        the map as a whole: ``mixed model``, and ``hsic`` of a continuous phenotype, are another
        family. ``distance regression``, of a binary phenotype also ``permanova`` and ``permdisp``,
        stand beside it without q: where groups differ in spread, and with ``permanova`` where
        covariates act, they call a difference in position what is none. Without a mixed model
        ``distance regression`` has its place. `adjusted_for` joins blocks and covariates by ``;``.
    """
    tables = [
        one_map(
            of_kernel,
            design.over(of_kernel.samples).untested(testing.untested.get(MAP + kernel)),
            testing,
            kernel,
        ).assign(kernel=kernel)
        for kernel, of_kernel in maps.items()
    ]
    table = pd.concat(tables)
    return table[["kernel", *table.columns.drop("kernel")]]


def one_map(
    of_kernel: SampleMap, design: Design, testing: Testing, kernel: str = ""
) -> pd.DataFrame:
    """Test one map; `design` is over its samples. Columns as those of :func:`robust`."""
    ratios: Mapping[str, float] = {}
    if design.mixed is not None:
        ratios = map_ratios(map_gram(of_kernel.similarity, design.of_model), design.mixed.model)
    axes = _axes(of_kernel.coordinates, design, testing, kernel, ratios)
    whole = _whole(of_kernel.similarity, design, testing, kernel, ratios)
    table = pd.concat([axes, whole], ignore_index=True)
    block = "donor" if design.paired else "batch"
    blocks = [block] if len(np.unique(design.blocks)) > 1 else []
    told = design.covariates.loc[design.covariates["note"] == "", "covariate"]
    alone = table["test"].isin(["permanova", "permdisp"])
    table["adjusted_for"] = np.where(alone, ";".join(blocks), ";".join([*blocks, *told]))
    first = ["test", "axis", "statistic", "share", "p", "q", "p_family", "p_permutation"]
    return table[[*first, "n", "n_permutations", "adjusted_for"]]


def _axes(
    coordinates: pd.DataFrame,
    design: Design,
    testing: Testing,
    kernel: str,
    ratios: Mapping[str, float],
) -> pd.DataFrame:
    values, analysis = coordinates.to_numpy(dtype=float), f"axes of {kernel}"
    alone = design.mixed is None
    averaged = design.units.average(values)
    table = testing.permute(analysis if alone else None, averaged, design).table
    table["p_permutation"] = table["p"]
    if design.mixed is not None:
        observed = design.of_model.average(values)
        tested = mixed_t(observed, design.mixed.model, ratios)
        table["p"], table["n"] = tested["p"], tested["n"]
        table["q"] = benjamini_hochberg(table["p"].to_numpy())
        testing.count(analysis, testing.under_chance(observed, design, ratios)[1])
    return table.assign(test="axis", axis=coordinates.columns.to_list(), share=np.nan)


def _whole(
    similarity: np.ndarray,
    design: Design,
    testing: Testing,
    kernel: str,
    ratios: Mapping[str, float],
) -> pd.DataFrame:
    """Test the map as a whole: what counts, which has q, and what stands beside it."""
    gram, phenotypes = map_gram(similarity, design.units), testing.phenotypes(design)
    arrangements = design.arrangements(testing.permutations, testing.seed)
    regression = distance_regression(gram, design, arrangements, phenotypes)
    counted: dict[str, MapTest] = {}
    beside: dict[str, MapTest] = {}
    if design.mixed is None:
        counted["distance regression"] = regression
    else:
        counted["mixed model"] = mixed_regression(
            map_gram(similarity, design.of_model),
            design.mixed.model,
            ratios,
            testing.permutations,
            derive_seed(testing.seed, "map"),
            len(testing.outcomes(design, ratios)),
        )
        beside["distance regression"] = regression
    if design.binary:
        # Of two groups HSIC is distance regression.
        plain = design.without_covariates()
        arrangements = plain.arrangements(testing.permutations, testing.seed)
        beside["permanova"] = permanova(gram, plain, arrangements)
        beside["permdisp"] = permdisp(gram, plain, arrangements)
    else:
        counted["hsic"] = hsic(gram, design, arrangements, phenotypes)
    by_chance = [test.by_chance for test in counted.values()]
    n = min(map(len, by_chance))
    testing.count(f"map of {kernel}", np.stack([p[:n] for p in by_chance], axis=1))
    found = counted | beside
    table = pd.DataFrame([vars(test) for test in found.values()]).drop(columns="by_chance")
    q = benjamini_hochberg(table["p"].to_numpy()[: len(counted)])
    table["q"] = np.append(q, np.full(len(beside), np.nan))
    table["n"] = [
        len(design.of_model.labels) if name == "mixed model" else design.n for name in found
    ]
    return table.assign(test=list(found), axis="", p_family=np.nan, p_permutation=np.nan)
