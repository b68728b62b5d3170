"""Single variants and the burden of each mtDNA gene against a phenotype."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, pearsonr

from popnet.association import benjamini_hochberg, correlate, rank_sum
from popnet.genotypes import Genotypes


def per_donor(
    genotypes: Genotypes, donors: pd.Series, phenotype: pd.Series
) -> tuple[pd.DataFrame, pd.Series, int]:
    """Return one mitochondrial genome and one phenotype per donor.

    A donor's genotype is that of the samples in which it is called, missing where they differ.

    Parameters
    ----------
    genotypes : Genotypes
    donors : Series, sample -> donor
        A sample without a donor is its own donor.
    phenotype : Series, sample -> float
        Where binary, 1 for cases and 0 for controls.

    Returns
    -------
    dosage : DataFrame of float, donors x variants
        The donors of the genotyped samples, in the order of these.
    phenotype : Series, donor -> float
        Mean over the donor's samples; missing values are left out.
    n_discordant : int
        Genotypes (of a donor at a variant) in which samples differ.
    """
    samples = pd.Index(genotypes.samples).union(phenotype.index, sort=False)
    donor = donors.reindex(samples)
    donor = donor.where(donor.notna(), samples)
    dosage = pd.DataFrame(
        genotypes.dosage.astype(float), genotypes.samples, genotypes.variants.index
    )
    grouped = dosage.groupby(donor[genotypes.samples].to_numpy(), sort=False)
    lowest, highest = grouped.min(), grouped.max()
    discordant = lowest < highest
    means = phenotype.astype(float).groupby(donor[phenotype.index].to_numpy()).mean()
    return lowest.mask(discordant), means.reindex(lowest.index), int(discordant.to_numpy().sum())


def varying_donors(phenotype: pd.Series) -> list[str]:
    """Return the donors in whose samples a binary phenotype differs.

    Such a phenotype cannot be tested: these donors are cases and controls with one genome.

    Parameters
    ----------
    phenotype : Series, donor -> float
        As `per_donor` returns it.
    """
    return list(phenotype.index[(phenotype > 0) & (phenotype < 1)])


def assign_genes(positions: Iterable[int], genes: pd.DataFrame) -> list[list[str]]:
    """Return the genes that hold each position; overlapping genes all count.

    Parameters
    ----------
    positions : iterable of int
        First base of each variant, 1-based.
    genes : DataFrame
        gene, start, end (1-based, inclusive).
    """
    names = genes["gene"].to_numpy()
    return [list(names[row]) for row in _membership(np.fromiter(positions, dtype=int), genes)]


def gene_burden(
    dosage: pd.DataFrame | np.ndarray, variants: pd.DataFrame, genes: pd.DataFrame
) -> pd.DataFrame:
    """Count the variants that each unit carries in each gene, and in all of the mtDNA.

    Parameters
    ----------
    dosage : DataFrame or ndarray of shape (n_units, n_variants)
        Missing genotypes do not count.
    variants : DataFrame, n_variants rows
        As in `Genotypes`.
    genes : DataFrame
        gene, start, end.

    Returns
    -------
    DataFrame of float, n_units x (genes and "all")
        "all" holds variants outside the genes too. NaN where a gene has variants and none of
        them is called in the unit.
    """
    dosage = pd.DataFrame(dosage)
    values = dosage.to_numpy(dtype=float)
    groups = _groups(variants, genes)
    with np.errstate(invalid="ignore"):
        burden = (values >= 1).astype(float) @ groups
    unknown = (np.isfinite(values).astype(float) @ groups == 0) & groups.any(axis=0)
    burden[unknown] = np.nan
    return pd.DataFrame(burden, dosage.index, [*genes["gene"], "all"])


def test_variants(
    dosage: pd.DataFrame | np.ndarray,
    variants: pd.DataFrame,
    phenotype: pd.Series | np.ndarray,
    genes: pd.DataFrame,
    binary: bool,
    min_carriers: int = 3,  # noqa: PT028
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
    outcome = _outcome(phenotype, binary)
    called = np.isfinite(values) & np.isfinite(outcome)[:, None]
    with np.errstate(invalid="ignore"):
        carrier = called & (values >= 1)
    n_carriers, n = carrier.sum(axis=0), called.sum(axis=0)
    tested = np.flatnonzero(np.minimum(n_carriers, n - n_carriers) >= max(min_carriers, 1))
    called, carrier = called[:, tested], carrier[:, tested]

    names = assign_genes(variants["pos"].iloc[tested], genes)
    table = variants.iloc[tested][["contig", "pos", "ref", "alt"]].rename_axis("variant")
    table = table.reset_index()
    table["gene"] = [",".join(found) for found in names]
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
    return table.assign(**counts).sort_values("p", kind="stable", ignore_index=True)


def test_burden(
    dosage: pd.DataFrame | np.ndarray,
    variants: pd.DataFrame,
    phenotype: pd.Series | np.ndarray,
    genes: pd.DataFrame,
    binary: bool,
    method: Literal["spearman", "pearson"] = "spearman",  # noqa: PT028
) -> pd.DataFrame:
    """Test the number of variants in each gene, and in all of the mtDNA.

    Parameters
    ----------
    dosage, variants, phenotype
        As in `test_variants`.
    genes : DataFrame
        gene, start, end and, if known, complex.
    binary : bool
        Mann-Whitney U test of cases against controls instead of the correlation.
    method : {"spearman", "pearson"}
        Correlation with a continuous phenotype (paper: Pearson).

    Returns
    -------
    DataFrame, one row per gene in the order of `genes`, then "all"
        gene complex statistic p q n_variants n_carriers n [n_case n_control]. The statistic is
        the correlation, or the rank-biserial one, positive where cases carry more. NaN where no
        units differ. `n_variants` and `n_carriers` count what the tested units carry.
    """
    if method not in ("spearman", "pearson"):
        raise ValueError(f"method must be 'spearman' or 'pearson', not {method!r}")
    outcome = _outcome(phenotype, binary)
    known = np.isfinite(outcome)
    values, outcome = np.asarray(dosage, dtype=float)[known], outcome[known]
    burden = gene_burden(values, variants, genes)
    counts = burden.to_numpy()
    found = correlate(counts, outcome, binary)
    if method == "pearson" and not binary:
        for row, column in enumerate(counts.T):
            x, y = column[np.isfinite(column)], outcome[np.isfinite(column)]
            if np.isfinite(found["statistic"][row]):
                found.loc[row, ["statistic", "p"]] = list(pearsonr(x, y))
    with np.errstate(invalid="ignore"):
        carried = (values >= 1).any(axis=0)
    table = pd.DataFrame(
        {
            "gene": burden.columns,
            "complex": [*genes.get("complex", [""] * len(genes)), ""],
            "statistic": found["statistic"],
            "p": found["p"],
            "q": benjamini_hochberg(found["p"].to_numpy()),
            "n_variants": carried @ _groups(variants, genes).astype(int),
            "n_carriers": (counts > 0).sum(axis=0),
            "n": found["n"],
        }
    )
    return table.join(found[["n_case", "n_control"]]) if binary else table


# pytest would collect these functions from any test module that imports them.
test_variants.__test__ = test_burden.__test__ = False  # type: ignore[attr-defined]


def _membership(positions: np.ndarray, genes: pd.DataFrame) -> np.ndarray:
    """Return bool of positions x genes."""
    start, end = genes["start"].to_numpy(), genes["end"].to_numpy()
    return (positions[:, None] >= start) & (positions[:, None] <= end)


def _groups(variants: pd.DataFrame, genes: pd.DataFrame) -> np.ndarray:
    """Return 0 or 1 of variants x (genes and all)."""
    inside = _membership(variants["pos"].to_numpy(dtype=int), genes)
    return np.column_stack([inside, np.ones(len(variants))])


def _outcome(phenotype: pd.Series | np.ndarray, binary: bool) -> np.ndarray:
    """Return the phenotype as floats; a binary one holds 0, 1 and NaN."""
    outcome = np.asarray(phenotype, dtype=float)
    if binary and not np.isin(outcome[np.isfinite(outcome)], (0, 1)).all():
        raise ValueError("phenotype must be 0 or 1 where binary")
    return outcome


def _fisher(carrier: np.ndarray, called: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Return log odds ratio and Fisher's exact p of each site."""
    groups = [carrier & case, carrier & ~case, called & ~carrier & case, called & ~carrier & ~case]
    cells = np.stack(groups).sum(axis=1)
    a, b, c, d = cells + 0.5
    p = [fisher_exact(table.reshape(2, 2)).pvalue for table in cells.T]
    return np.column_stack([np.log(a * d / (b * c)), p])
