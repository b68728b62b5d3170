"""The map of the samples' networks against a phenotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.networks.verdicts import MAP
from popnet.stats.designs import Design
from popnet.stats.kernel_tests import distance_regression, hsic, map_gram, permanova, permdisp
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
    """Test the axes of every map, and all of it at once, by permutation.

    Parameters
    ----------
    maps : mapping of kernel to SampleMap
    design : Design
        Over bins.
    testing : Testing

    Returns
    -------
    DataFrame
        kernel test axis statistic share p q p_family n n_permutations adjusted_for. First the
        axes: a family for q (Benjamini-Hochberg) and p_family. Then, another family, ``permanova``
        and ``permdisp`` of a binary phenotype, ``distance regression`` and ``hsic``; `axis` is
        empty. `adjusted_for` joins blocks and covariates by ``;``.
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
    n_permutations, seed = testing.permutations, testing.seed
    phenotypes = testing.phenotypes(design)
    axes = of_kernel.coordinates
    positions = design.units.average(axes.to_numpy(dtype=float))
    by_axis = testing.permute(f"axes of {kernel}", positions, design).table
    by_axis.insert(0, "axis", list(axes.columns))
    by_axis.insert(0, "test", "axis")
    block = "donor" if design.paired else "batch"
    blocks = [block] if len(np.unique(design.blocks)) > 1 else []
    told = design.covariates.loc[design.covariates["note"] == "", "covariate"]
    by_axis["adjusted_for"] = ";".join([*blocks, *told])

    gram = map_gram(of_kernel.similarity, design)
    found = {}
    if design.binary:
        plain = design.without_covariates()
        arrangements = plain.arrangements(n_permutations, seed)
        found["permanova"] = permanova(gram, plain, arrangements, phenotypes)
        found["permdisp"] = permdisp(gram, plain, arrangements, phenotypes)
    arrangements = design.arrangements(n_permutations, seed)
    found["distance regression"] = distance_regression(gram, design, arrangements, phenotypes)
    found["hsic"] = hsic(gram, design, arrangements, phenotypes)
    p_by_chance = np.stack([test.by_chance for test in found.values()], axis=1)
    # All are corrected together; those that take covariates count.
    counts = [name not in ("permanova", "permdisp") for name in found]
    testing.count(f"map of {kernel}", p_by_chance, counted=np.array(counts))
    whole = pd.DataFrame([vars(test) for test in found.values()]).drop(columns="by_chance")
    whole["test"] = list(found)
    whole["axis"] = ""
    whole["q"] = benjamini_hochberg(whole["p"].to_numpy())
    whole["n"] = design.n
    whole["adjusted_for"] = [
        ";".join(blocks if name in ("permanova", "permdisp") else [*blocks, *told])
        for name in found
    ]
    by_axis["share"] = whole["p_family"] = np.nan
    columns = ["test", "axis", "statistic", "share", "p", "q", "p_family", "n", "n_permutations"]
    return pd.concat([by_axis, whole], ignore_index=True)[[*columns, "adjusted_for"]]
