"""Genes that one group hardly expresses: a network cannot say anything of them there."""

from __future__ import annotations

from itertools import product

import numpy as np

from popnet.stats.designs import Design

# Share of the cells, mean over a group's observations, below which a gene is switched off there.
MIN_DETECTION = 0.05
OFF_IN_ALL, OFF_IN_ONE = "off in all", "off in one group"
# What explains a hit of such a gene.
SWITCHED, HARDLY_EXPRESSED = "expression switched on or off", "hardly expressed"
# What is said of a hit of a user's own network where the gene's expression is not known.
UNKNOWN = "expression unknown"


def switched(detection: np.ndarray, design: Design) -> np.ndarray:
    """Say of every gene in which group it is hardly expressed.

    The wiring of such a gene differs between the groups because its expression does. This is a
    verdict on a test's hit; the test itself takes no notice of it.

    Parameters
    ----------
    detection : ndarray of shape (n_bins, n_genes)
        Share of the bin's cells that express the gene.
    design : Design
        Over the bins.

    Returns
    -------
    ndarray of str, of shape (n_genes,)
        "" or ``off in cases``, ``off in controls``, and of a continuous phenotype ``off in the
        lower third``, ``off in the upper third`` (of the observations, by phenotype); ``off in
        all`` if it is in both groups. Of an interaction ``off in one group`` of those that both
        variables make (numbers: lower and upper half), or in several.
    """
    observed = design.units.average(detection)

    def off(rows: np.ndarray) -> np.ndarray:
        if not rows.any():
            return np.zeros(observed.shape[1], bool)
        hardly: np.ndarray = observed[rows].mean(axis=0) < MIN_DETECTION
        return hardly

    if design.interaction and design.n:
        two_levels = np.isin(design.factors, (-0.5, 0.5)).all(axis=0)
        # The median of two unequal groups is one of the levels.
        high = design.factors > np.where(two_levels, 0, np.median(design.factors, axis=0))
        groups = [(high == pair).all(axis=1) for pair in product((False, True), repeat=2)]
        there = [off(rows) for rows in groups if rows.any()]
        return np.select(
            [np.all(there, axis=0), np.any(there, axis=0)], [OFF_IN_ALL, OFF_IN_ONE], default=""
        ).astype(object)
    low, high = map(off, _groups(design))
    names = ("controls", "cases") if design.binary else ("the lower third", "the upper third")
    return np.select(
        [low & high, low, high],
        [OFF_IN_ALL, *(f"off in {name}" for name in names)],
        default="",
    ).astype(object)


def explanation(switch: np.ndarray) -> np.ndarray:
    """Return what explains a hit of a gene, given what :func:`switched` says of it, or ""."""
    return np.select(
        [switch == "", switch == OFF_IN_ALL], ["", HARDLY_EXPRESSED], default=SWITCHED
    ).astype(object)


def _groups(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of controls and cases, or of the lowest and highest third of a phenotype."""
    phenotype = design.units.phenotype
    if design.binary or not len(phenotype):
        return phenotype == 0, phenotype == 1
    lower, upper = np.quantile(phenotype, [1 / 3, 2 / 3])
    low, high = phenotype < lower, phenotype > upper
    # Of many equal values the extreme may be a third by itself.
    low = low if low.any() else phenotype <= lower
    return low, high if high.any() else phenotype >= upper
