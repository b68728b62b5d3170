"""Single mitochondrial variants against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.genotypes.burden import place_variants
from popnet.genotypes.carriers import MIN_CARRIERS, carriers, common
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first
from popnet.stats.ranks import rank_sum

# The paper tested sites that more than five lines carry.
PAPER_CARRIERS = 6


def paper(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test every variant that enough donors carry by Wilcoxon's rank sum, as the paper does.

    Parameters
    ----------
    genomes : Genotypes
        A row for every observation of the design.
    genes : DataFrame
        gene, start, end.
    design : Design
    testing : Testing

    Returns
    -------
    DataFrame sorted by p
        Of :func:`rank_sum_variants`.
    """
    return rank_sum_variants(
        genomes.dosage,
        genomes.variants,
        design.units.phenotype,
        genes,
        design.binary,
        PAPER_CARRIERS,
    )


def robust(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test carriers of each variant against the others, by permutation.

    Parameters
    ----------
    genomes : Genotypes
        A row for every observation of the design.
    genes : DataFrame
        gene, start, end.
    design : Design
    testing : Testing
        More permutations are made where p is small.

    Returns
    -------
    DataFrame sorted by p, one row per variant with three carriers and three others at least
        variant contig pos ref alt gene statistic p q p_family n_carriers n_noncarriers
        n_heteroplasmic (carriers in whom 5 to 95 % of reads have it) n n_permutations [n_case
        n_control n_case_carriers]. For statistic and p see
        :func:`popnet.stats.permutation.permutation_test`: the rank-sum test where nothing is
        adjusted for.
    """
    carrier = carriers(genomes.dosage)
    tested = np.flatnonzero(common(carrier))
    carrier = carrier[:, tested]
    # Two values are as good as their ranks.
    found = testing.permute("single", carrier, design, rank=False, resolve=True).table
    table = place_variants(genomes.variants.iloc[tested], genes)
    table[["statistic", "p", "q", "p_family"]] = found[["statistic", "p", "q", "p_family"]]
    table["n_carriers"] = np.nansum(carrier, axis=0).astype(int)
    table["n_noncarriers"] = (carrier == 0).sum(axis=0)
    table["n_heteroplasmic"] = (genomes.heteroplasmic[:, tested] & (carrier == 1)).sum(axis=0)
    table[["n", "n_permutations"]] = found[["n", "n_permutations"]]
    if design.binary:
        case = (design.units.phenotype == 1)[:, None]
        table["n_case"] = (np.isfinite(carrier) & case).sum(axis=0)
        table["n_control"] = (np.isfinite(carrier) & ~case).sum(axis=0)
        table["n_case_carriers"] = ((carrier == 1) & case).sum(axis=0)
    return strongest_first(table).reset_index(drop=True)


def rank_sum_variants(
    dosage: pd.DataFrame | np.ndarray,
    variants: pd.DataFrame,
    phenotype: pd.Series | np.ndarray,
    genes: pd.DataFrame,
    binary: bool,
    min_carriers: int = MIN_CARRIERS,
) -> pd.DataFrame:
    """Test carriers of each variant against the others (paper: Wilcoxon rank-sum).

    Parameters
    ----------
    dosage : DataFrame or ndarray of shape (n_units, n_variants)
        A unit with at least one alternate allele is a carrier; missing genotypes are left out.
    variants : DataFrame, n_variants rows
        As in `Genotypes`.
    phenotype : array-like of shape (n_units,)
        Units with a missing value are left out; 1 for cases and 0 for controls if `binary`.
    genes : DataFrame
        gene, start, end.
    binary : bool
        Fisher's exact test instead of the rank-sum test.
    min_carriers : int
        Variants with fewer carriers or fewer non-carriers are not tested (paper: 6 carriers).

    Returns
    -------
    DataFrame sorted by p, one row per tested variant
        variant contig pos ref alt gene statistic p q n_carriers n_noncarriers n [n_case
        n_control n_case_carriers]. The statistic is the rank-biserial correlation, positive
        where carriers are higher, or the log odds ratio of carriers to be cases (0.5 added to
        each cell).
    """
    values = np.asarray(dosage, dtype=float)
    outcome = as_outcome(phenotype, binary)
    called = np.isfinite(values) & np.isfinite(outcome)[:, None]
    with np.errstate(invalid="ignore"):
        carrier = called & (values >= 1)
    n_carriers, n = carrier.sum(axis=0), called.sum(axis=0)
    tested = np.flatnonzero(np.minimum(n_carriers, n - n_carriers) >= max(min_carriers, 1))
    called, carrier = called[:, tested], carrier[:, tested]

    table = place_variants(variants.iloc[tested], genes)
    if binary:
        case = called & (outcome == 1)[:, None]
        counts = {
            "n_case": case.sum(axis=0),
            "n_control": (called & ~case).sum(axis=0),
            "n_case_carriers": (case & carrier).sum(axis=0),
        }
        found = _fisher(carrier, called, case)
    else:
        counts = {}
        found = np.full((len(tested), 2), np.nan)
        patterns, pattern = np.unique(called, axis=1, return_inverse=True)
        for number, rows in enumerate(patterns.T):
            sites = np.flatnonzero(pattern == number)
            result = rank_sum(outcome[rows, None], carrier[np.ix_(rows, sites)])
            found[sites] = result[["statistic", "p"]]
    table["statistic"], table["p"] = found.T
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    table["n_carriers"], table["n_noncarriers"] = n_carriers[tested], (n - n_carriers)[tested]
    table["n"] = n[tested]
    return strongest_first(table.assign(**counts)).reset_index(drop=True)


def as_outcome(phenotype: pd.Series | np.ndarray, binary: bool) -> np.ndarray:
    """Return the phenotype as floats; a binary one holds 0, 1 and NaN."""
    outcome = np.asarray(phenotype, dtype=float)
    if binary and not np.isin(outcome[np.isfinite(outcome)], (0, 1)).all():
        raise ValueError("phenotype must be 0 or 1 where binary")
    return outcome


def _fisher(carrier: np.ndarray, called: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Return log odds ratio and Fisher's exact p of each site."""
    from scipy.stats import fisher_exact

    groups = [carrier & case, carrier & ~case, called & ~carrier & case, called & ~carrier & ~case]
    cells = np.stack(groups).sum(axis=1)
    a, b, c, d = cells + 0.5
    p = [fisher_exact(table.reshape(2, 2)).pvalue for table in cells.T]
    return np.column_stack([np.log(a * d / (b * c)), p])
