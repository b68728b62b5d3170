"""The effects that a design can find."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri

from popnet.stats.designs import Design

ALPHA = 0.05


POWER = 0.8


@dataclass(frozen=True)
class Power:
    """The effects that a design can find.

    Parameters
    ----------
    smallest_p : float
        Of a variable that is perfectly associated with the phenotype, by permutation.
    effect, effect_of_many : float
        Smallest true effect that is found with a probability of 80 % at p <= 0.05, in one test and
        after Bonferroni's correction for all tests; NaN if no p can be so small, or if noise would
        hide even the largest. In units of the tests' statistic.
    n_at_smallest_p : int
        Number of variables that must reach the smallest p so that Benjamini and Hochberg call them.
    """

    smallest_p: float
    effect: float
    effect_of_many: float
    n_at_smallest_p: int


def power(
    design: Design,
    smallest_p: float,
    n_tests: int,
    fdr: float,
    reliability: float = math.nan,
) -> Power:
    """Return the effects that a design can find, by Fisher's z of partial correlations.

    What is measured with a reliability r has sqrt(r) of the true correlation (Spearman's
    attenuation), so that the true effect must be larger by as much.

    Parameters
    ----------
    design : Design
    smallest_p : float
        See `Permuted`.
    n_tests : int
    fdr : float
    reliability : float
        Of the tested values; NaN counts as 1.

    References
    ----------
    Spearman, American Journal of Psychology 15 (1904).
    """
    kept = 1.0 if math.isnan(reliability) else math.sqrt(max(reliability, 0))

    def effect_at(alpha: float) -> float:
        if design.df < 2 or smallest_p > alpha:
            return math.nan
        r = math.tanh((ndtri(1 - alpha / 2) + ndtri(POWER)) / math.sqrt(design.df - 1))
        if design.binary:
            n = design.n
            r *= 2 / n * math.sqrt(n * (n**2 - 1) / 12 / (design.residual**2).sum())
        largest = min(r, 1.0)
        return largest / kept if largest <= kept else math.nan

    needed = math.ceil(smallest_p * n_tests / fdr)
    return Power(smallest_p, effect_at(ALPHA), effect_at(ALPHA / max(n_tests, 1)), needed)
