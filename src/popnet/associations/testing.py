"""How hypotheses are tested, in every question alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from popnet.networks.verdicts import not_measurable
from popnet.seeds import derive_seed
from popnet.stats.designs import Design
from popnet.stats.mixed import equivalence_p, mixed_t, permuted_outcomes, permuted_t
from popnet.stats.mixed_model import variance_ratios
from popnet.stats.moderated import moderated_t
from popnet.stats.moderated import permuted_t as shuffled_t
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import Permuted, permutation_test

# Permuted phenotypes whose hits are counted, where the design has as many.
PERMUTED_PHENOTYPES = 20
# What the mixed model adds to a table of tests.
OF_MODEL = ("p_permutation", "q_permutation", "estimate", "low", "high", "t", "p_adjusted")
# What it adds where the phenotype has a margin.
OF_MARGIN = ("equivalence_p", "equivalence_q")
BY_CHANCE = ("permutation", "tested", "significant")


@dataclass(frozen=True)
class Testing:
    """The settings of a test.

    Parameters
    ----------
    permutations : int
        Number of permutations; fewer are made where all arrangements are fewer.
    seed : int
    fdr : float
        Largest q (false discovery rate) of a hit.
    min_icc : float
        Least intraclass correlation over bins of a gene that is called reliable.
    chance : dict, optional
        Where tests put how much they call under permuted phenotypes, by analysis; without it they
        do not look.
    untested : mapping of measure to str
        Measures of the network that are not tested, and why.
    reliability : mapping of measure to float
        ICC of a sample's mean (median gene); nothing where it is not known.
    equal_depth : bool
        Whether all samples have the same depth (:func:`popnet.networks.centrality.comparable`).
    """

    permutations: int
    seed: int
    fdr: float = 0.05
    min_icc: float = 0.4
    chance: dict[str, pd.DataFrame] | None = None
    untested: Mapping[str, str] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)
    equal_depth: bool = False

    __test__ = False  # Not a test case, whatever its name begins with.

    @classmethod
    def from_config(
        cls,
        statistics: Mapping[str, Any],
        seed: int,
        measures: pd.DataFrame | None = None,
        network: str = "",
        equal_depth: bool = False,
    ) -> Testing:
        """Return the settings of the config's section `statistics`, and what can be measured.

        Tests with these look at chance, too.

        Parameters
        ----------
        statistics : mapping
        seed : int
        measures : DataFrame, optional
            measures.tsv of the cell type.
        network : str
        equal_depth : bool
        """
        known, untested = {}, {}
        if measures is not None:
            rows = measures[measures["network"] == network].dropna(subset=["icc_sample"])
            known = dict(zip(rows["measure"], rows["icc_sample"], strict=True))
            if not statistics["test_unmeasurable"]:
                untested = not_measurable(measures, network)
        fdr, min_icc = statistics["fdr"], statistics["min_icc"]
        many = statistics["permutations"]
        return cls(many, seed, fdr, min_icc, {}, untested, known, equal_depth)

    def phenotypes(self, design: Design) -> np.ndarray:
        """Return the arrangements that give the permuted phenotypes, (n_phenotypes, n)."""
        return design.permuted(0 if self.chance is None else PERMUTED_PHENOTYPES, self.seed)

    def by_model(
        self, observed: np.ndarray, design: Design, alike: np.ndarray | None = None
    ) -> tuple[pd.DataFrame, dict[str, float]]:
        """Test every column by the design's mixed model, or by moderated t where it has none.

        Parameters
        ----------
        observed : ndarray of shape (n, m)
            By observation of the model (:meth:`popnet.stats.designs.Design.of_model`).
        design : Design
        alike : ndarray of shape (n, k), optional
            Columns that say what the variance ratios are; `observed` unless given.

        Returns
        -------
        table : DataFrame of m rows
            Of :func:`popnet.stats.mixed.mixed_t`, and p_adjusted: with technical covariates as
            fixed effects; with a margin in the design equivalence_p
            (:func:`popnet.stats.mixed.equivalence_p`). Without a mixed model low, high, p_adjusted
            and equivalence_p are NaN.
        ratios : dict
            The variance ratios of the model.
        """
        if design.mixed is None:
            table = moderated_t(observed, design).assign(low=np.nan, high=np.nan, p_adjusted=np.nan)
            return table if design.margin is None else table.assign(equivalence_p=np.nan), {}
        alike = observed if alike is None else alike
        ratios = variance_ratios(alike, design.mixed.model)
        table = mixed_t(observed, design.mixed.model, ratios)
        fixed = variance_ratios(alike, design.mixed.adjusted)
        table["p_adjusted"] = mixed_t(observed, design.mixed.adjusted, fixed)["p"]
        if design.margin is not None:
            table["equivalence_p"] = equivalence_p(table, design.margin)
        return table, ratios

    def outcomes(self, design: Design, ratios: Mapping[str, float]) -> np.ndarray:
        """Return permuted phenotypes for :meth:`under_chance`, (n_phenotypes, n).

        Parameters
        ----------
        design : Design
        ratios : mapping of name to float
            Of the values that are tested.
        """
        if design.mixed is None:
            return self.phenotypes(design)
        n = 0 if self.chance is None else PERMUTED_PHENOTYPES
        seed = derive_seed(self.seed, "permuted phenotypes")
        return permuted_outcomes(design.mixed.model, ratios, n, seed)

    def under_chance(
        self,
        observed: np.ndarray,
        design: Design,
        ratios: Mapping[str, float],
        outcomes: np.ndarray | None = None,
        below: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return t and p of every column with each permuted phenotype, (n_phenotypes, m).

        Parameters
        ----------
        observed, design
            As in :meth:`by_model`.
        ratios : mapping of name to float
            What that found.
        outcomes : ndarray of shape (n_phenotypes, n), optional
            Of :meth:`outcomes`, with the ratios of other values; otherwise with these.
        below : float, optional
            Larger p are given as 1; `fdr` unless given.
        """
        outcomes = self.outcomes(design, ratios) if outcomes is None else outcomes
        below = self.fdr if below is None else below
        if design.mixed is None:
            return shuffled_t(observed, design, outcomes, below)
        return permuted_t(observed, design.mixed.model, ratios, outcomes, below)

    def both(
        self, analysis: str, values: np.ndarray, design: Design
    ) -> tuple[Permuted, pd.DataFrame, dict[str, float] | None]:
        """Test every column by the design's mixed model, if it has one, and by permutation.

        Parameters
        ----------
        analysis : str
        values : ndarray of shape (n_bins, m)
        design : Design

        Returns
        -------
        permuted : Permuted
        table : DataFrame of m rows
            The table of `permuted`. With a model p and q are the model's, and those by permutation
            are p_permutation and q_permutation; estimate (cases minus controls, or per standard
            deviation of the phenotype's normal scores, in units of the values), low and high (its
            95 % confidence interval), t, p_adjusted, and with a margin equivalence_p and _q.
        ratios : dict or None
            The variance ratios of the model.
        """
        alone = design.mixed is None
        permuted = self.permute(
            analysis if alone else None, design.units.average(values), design, resolve=alone
        )
        if alone:
            return permuted, permuted.table.copy(), None
        observed = design.of_model.average(values)
        by_model, ratios = self.by_model(observed, design)
        self.count(analysis, self.under_chance(observed, design, ratios)[1])
        q = benjamini_hochberg(by_model["p"].to_numpy())
        second = {"p_permutation": permuted.table["p"], "q_permutation": permuted.table["q"]}
        table = permuted.table.assign(p=by_model["p"], q=q, **second)
        table = table.join(by_model[["estimate", "low", "high", "t", "p_adjusted"]])
        return permuted, with_equivalence(table, by_model), ratios

    def permute(
        self, analysis: str | None, values: np.ndarray, design: Design, **how: Any
    ) -> Permuted:
        """Test every column by permutation, and count what permuted phenotypes call.

        Parameters
        ----------
        analysis : str or None
            Without it nothing is counted.
        values : ndarray of shape (n, m)
        design : Design
        **how
            Further arguments of :func:`popnet.stats.permutation.permutation_test`.
        """
        tested = permutation_test(
            values,
            design,
            self.permutations,
            self.seed,
            phenotypes=None if analysis is None else self.phenotypes(design),
            fdr=self.fdr,
            **how,
        )
        if analysis is not None:
            self.count(analysis, tested.by_chance, how.get("families"))
        return tested

    def count(
        self,
        analysis: str,
        p: np.ndarray,
        families: np.ndarray | None = None,
        counted: np.ndarray | None = None,
    ) -> None:
        """Put down what the tests of an analysis call under each permuted phenotype.

        Parameters
        ----------
        analysis : str
        p : ndarray of shape (n_phenotypes, m)
            NaN where nothing is tested.
        families : ndarray of shape (m,), optional
            As in :func:`popnet.stats.multiplicity.benjamini_hochberg`.
        counted : bool ndarray of shape (m,), optional
            Tests that are counted; the others are corrected with them.
        """
        q = np.reshape([benjamini_hochberg(row, families) for row in p], p.shape)
        q = q if counted is None else q[:, counted]
        self.put(analysis, np.isfinite(q).sum(axis=1), (q <= self.fdr).sum(axis=1))

    def put(self, analysis: str, tested: Any, significant: Any) -> None:
        """Put down numbers of tests and of hits under each permuted phenotype, (n_phenotypes,)."""
        if self.chance is not None:
            numbers = np.arange(1, len(significant) + 1), tested, significant
            self.chance[analysis] = pd.DataFrame(dict(zip(BY_CHANCE, numbers, strict=True)))

    def by_chance(self, analysis: str) -> pd.DataFrame:
        """Return the numbers of tests and hits of an analysis; no rows of one that did not look."""
        return (self.chance or {}).get(analysis, pd.DataFrame(columns=list(BY_CHANCE)))


def with_equivalence(
    table: pd.DataFrame, by_model: pd.DataFrame, families: np.ndarray | None = None
) -> pd.DataFrame:
    """Return a table with equivalence_p and equivalence_q, if the model's table has the former.

    Parameters
    ----------
    table : DataFrame of m rows
    by_model : DataFrame of m rows
        Of :meth:`Testing.by_model`.
    families : ndarray of shape (m,), optional
        As in :func:`popnet.stats.multiplicity.benjamini_hochberg`.
    """
    if "equivalence_p" not in by_model:
        return table
    p = by_model["equivalence_p"].to_numpy()
    return table.assign(equivalence_p=p, equivalence_q=benjamini_hochberg(p, families))
