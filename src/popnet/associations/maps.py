"""The map of the samples' networks against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.stats.designs import Design
from popnet.stats.kernel_tests import distance_regression, hsic, map_gram, permanova, permdisp
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate
from popnet.stats.units import Units


def paper(coordinates: pd.DataFrame, units: Units, binary: bool) -> pd.DataFrame:
    """Test every axis of every map against the phenotype.

    Parameters
    ----------
    coordinates : DataFrame
        kernel, sample and the axes (PC1, PC2, ...).
    units : Units
        Over samples: built with one entry of `bin_samples` per sample.
    binary : bool
        Mann-Whitney U instead of Spearman.

    Returns
    -------
    DataFrame
        kernel axis statistic p q n; q is Benjamini-Hochberg within a kernel.
    """
    tables = []
    for kernel, part in coordinates.groupby("kernel", sort=False):
        axes = part.drop(columns="kernel").set_index("sample").dropna(axis=1, how="all")
        values = units.average(axes.reindex(units.bin_samples).to_numpy(dtype=float))
        table = correlate(values, units.phenotype, binary)[["statistic", "p", "n"]]
        table.insert(0, "axis", list(axes.columns))
        table.insert(0, "kernel", kernel)
        table.insert(4, "q", benjamini_hochberg(table["p"].to_numpy()))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def robust(
    similarity: np.ndarray, axes: pd.DataFrame, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test one map against the phenotype: its axes, and all of it at once.

    Parameters
    ----------
    similarity : ndarray of shape (n_samples, n_samples)
        Of the rows that the design was made of.
    axes : DataFrame of n_samples rows
        Their coordinates.
    design : Design
    n_permutations : int
        Fewer where all arrangements are fewer.
    seed : int

    Returns
    -------
    DataFrame
        test axis statistic share p q p_family n n_permutations adjusted_for. First the axes: a
        family for q (Benjamini-Hochberg) and p_family. Then, another family, ``permanova`` and
        ``permdisp`` of a binary phenotype, ``distance regression`` and ``hsic``; `axis` is
        empty. `adjusted_for` joins blocks and covariates by ``;``.
    """
    by_axis = permutation_test(
        design.units.average(axes.to_numpy(dtype=float)), design, n_permutations, seed
    ).table
    by_axis.insert(0, "axis", list(axes.columns))
    by_axis.insert(0, "test", "axis")
    block = "donor" if design.paired else "batch"
    blocks = [block] if len(np.unique(design.blocks)) > 1 else []
    told = design.covariates.loc[design.covariates["note"] == "", "covariate"]
    by_axis["adjusted_for"] = ";".join([*blocks, *told])

    gram = map_gram(similarity, design)
    found = {}
    if design.binary:
        plain = design.without_covariates()
        arrangements = plain.arrangements(n_permutations, seed)
        found["permanova"] = permanova(gram, plain, arrangements)
        found["permdisp"] = permdisp(gram, plain, arrangements)
    arrangements = design.arrangements(n_permutations, seed)
    found["distance regression"] = distance_regression(gram, design, arrangements)
    found["hsic"] = hsic(gram, design, arrangements)
    whole = pd.DataFrame([vars(test) for test in found.values()])
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
