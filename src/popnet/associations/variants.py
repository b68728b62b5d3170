"""Mitochondrial variants against a phenotype."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, pearsonr

from popnet.genotypes.burden import _groups, _places, _varying, gene_burden, gene_scores
from popnet.genotypes.genomes import _carriers, _enough, heteroplasmy_load
from popnet.genotypes.reading import Genotypes
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate, rank_sum
from popnet.stats.skat import skat


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

    table = _places(variants.iloc[tested], genes)
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


def permute_variants(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test carriers of each variant against the others, by permutation.

    Parameters
    ----------
    genomes : Genotypes
        A row for every observation of the design.
    genes : DataFrame
        gene, start, end.
    design : Design
    n_permutations : int
        Fewer where all arrangements are fewer, more where p is small.
    seed : int

    Returns
    -------
    DataFrame sorted by p, one row per variant with three carriers and three others at least
        variant contig pos ref alt gene statistic p q p_family n_carriers n_noncarriers
        n_heteroplasmic (carriers in whom 5 to 95 % of reads have it) n n_permutations [n_case
        n_control n_case_carriers]. For statistic and p see
        :func:`popnet.permutation.permutation_test`: the rank-sum test where nothing is adjusted
        for.
    """
    carrier = _carriers(genomes.dosage)
    tested = np.flatnonzero(_enough(carrier))
    carrier = carrier[:, tested]
    # Two values are as good as their ranks.
    found = permutation_test(carrier, design, n_permutations, seed, rank=False, resolve=True).table
    table = _places(genomes.variants.iloc[tested], genes)
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
    return table.sort_values("p", kind="stable", ignore_index=True)


def permute_burden(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test the variants of each gene, and of all of the mtDNA, by permutation.

    Parameters
    ----------
    genomes, genes, design, n_permutations, seed
        As in `permute_variants`; `genes` may have complex.

    Returns
    -------
    DataFrame, one row per gene in the order of `genes`, then "all"
        gene complex statistic p q p_family n_variants n_carriers n n_permutations, of the number of
        variants; [n_case n_control]; statistic, p and q of other burdens, carrier_* and weighted_*
        (see `gene_scores`); p and q of skat_* and skato_*, with skato_rho (see `skat`). Each q is
        Benjamini-Hochberg over the genes.
    """
    scores = gene_scores(genomes.dosage, genomes.variants, genes)
    tests = {
        name: permutation_test(values.to_numpy(), design, n_permutations, seed).table
        for name, values in scores.items()
    }
    carrier = _carriers(genomes.dosage)
    groups = _groups(genomes.variants, genes)
    groups[~_varying(carrier)] = 0
    count = tests.pop("count")
    table = pd.DataFrame(
        {"gene": [*genes["gene"], "all"], "complex": [*genes.get("complex", [""] * len(genes)), ""]}
    ).join(count[["statistic", "p", "q", "p_family"]])
    table["n_variants"] = groups.sum(axis=0).astype(int)
    table["n_carriers"] = (scores["carrier"] == 1).sum().to_numpy()
    table[["n", "n_permutations"]] = count[["n", "n_permutations"]]
    if design.binary:
        case = (design.units.phenotype == 1)[:, None]
        present = scores["count"].notna().to_numpy()
        table["n_case"], table["n_control"] = (present & case).sum(0), (present & ~case).sum(0)
    for name, found in tests.items():
        for column in ("statistic", "p", "q"):
            table[f"{name}_{column}"] = found[column]
    kernel = skat(carrier, groups, design, n_permutations, seed)
    for name in ("skat", "skato"):
        table[f"{name}_p"] = kernel[f"{name}_p"]
        table[f"{name}_q"] = benjamini_hochberg(kernel[f"{name}_p"].to_numpy())
    table["skato_rho"] = kernel["skato_rho"]
    return table


def permute_heteroplasmy(
    genomes: Genotypes, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test the load of heteroplasmy, by permutation.

    Parameters
    ----------
    genomes, design, n_permutations, seed
        As in `permute_variants`.

    Returns
    -------
    DataFrame of two rows
        measure (see `heteroplasmy_load`) statistic p q p_family mean n n_permutations.
    """
    load = heteroplasmy_load(genomes)
    table = permutation_test(load.to_numpy(), design, n_permutations, seed).table
    table.insert(0, "measure", list(load.columns))
    table.insert(5, "mean", load.mean().to_numpy())
    return table


def permute_genomes(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Test all that a genome holds against one outcome: heteroplasmy, burden, single variants.

    Parameters
    ----------
    genomes, genes, design, n_permutations, seed
        As in `permute_variants`.

    Returns
    -------
    DataFrame
        analysis (heteroplasmy, burden or variant) measure (see `heteroplasmy_load`, a gene or
        "all", a variant) statistic p q (Benjamini-Hochberg within the analysis) p_family (over all
        rows) n_carriers (missing for heteroplasmy) n n_permutations.
    """
    load = heteroplasmy_load(genomes)
    burden = gene_scores(genomes.dosage, genomes.variants, genes)["count"]
    carrier = _carriers(genomes.dosage)
    tested = _enough(carrier)
    variants = pd.DataFrame(carrier[:, tested], columns=genomes.variants.index[tested])
    parts = {"heteroplasmy": load, "burden": burden, "variant": variants}
    values = np.column_stack([part.to_numpy() for part in parts.values()])
    found = permutation_test(values, design, n_permutations, seed, resolve=True).table
    found.insert(0, "analysis", np.repeat(list(parts), [part.shape[1] for part in parts.values()]))
    found.insert(1, "measure", [name for part in parts.values() for name in part])
    for rows in found.groupby("analysis").indices.values():
        found.loc[rows, "q"] = benjamini_hochberg(found.loc[rows, "p"].to_numpy())
    n_carriers = pd.Series((values > 0).sum(axis=0)).where(found["analysis"] != "heteroplasmy")
    found.insert(6, "n_carriers", n_carriers.astype("Int64"))
    return found


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
