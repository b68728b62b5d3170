"""Single variants and the burden of each mtDNA gene against a phenotype."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, pearsonr

from popnet.association import benjamini_hochberg, correlate, rank_sum
from popnet.design import Design
from popnet.genotypes import Genotypes
from popnet.permutation import MIN_PRESENT, permutation_test
from popnet.skat import skat

# Carriers, and others, that a variant needs at least.
MIN_CARRIERS = 3


def one_per_donor(genotypes: Genotypes, donors: pd.Series) -> tuple[Genotypes, int]:
    """Return one mitochondrial genome per donor, and how many genotypes its samples disagree in.

    A donor's genotype is that of the samples in which it is called, missing where they differ; its
    share of reads is the mean over these samples.

    Parameters
    ----------
    genotypes : Genotypes
    donors : Series, sample -> donor
        A sample without a donor is its own donor.

    Returns
    -------
    genomes : Genotypes
        Its samples are the donors, in the order of the samples.
    n_discordant : int
        Genotypes (of a donor at a variant) in which samples differ.
    """
    of_sample = donors.reindex(genotypes.samples)
    donor = of_sample.where(of_sample.notna(), genotypes.samples).to_numpy()
    grouped = pd.DataFrame(genotypes.dosage.astype(float)).groupby(donor, sort=False)
    lowest, highest = grouped.min(), grouped.max()
    discordant = (lowest < highest).to_numpy(bool)
    shares = pd.DataFrame(genotypes.fraction.astype(float)).groupby(donor, sort=False).mean()
    genomes = Genotypes(
        lowest.mask(discordant).to_numpy(),
        genotypes.variants,
        list(lowest.index),
        shares.mask(discordant).to_numpy(),
    )
    return genomes, int(discordant.sum())


def per_donor(
    genotypes: Genotypes, donors: pd.Series, phenotype: pd.Series
) -> tuple[pd.DataFrame, pd.Series, int]:
    """Return one mitochondrial genome (see `one_per_donor`) and one phenotype per donor.

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
    genomes, n_discordant = one_per_donor(genotypes, donors)
    dosage = pd.DataFrame(genomes.dosage, genomes.samples, genotypes.variants.index)
    donor = donors.reindex(phenotype.index)
    donor = donor.where(donor.notna(), phenotype.index.to_series())
    means = phenotype.astype(float).groupby(donor.to_numpy()).mean()
    return dosage, means.reindex(dosage.index), n_discordant


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


def principal_components(dosage: np.ndarray, n: int) -> np.ndarray:
    """Return the first principal components of the variants, stand-ins for haplogroups.

    Parameters
    ----------
    dosage : ndarray of shape (n_units, n_variants)
        Variants count with unit variance; missing genotypes as their mean. Those with fewer than
        three carriers or three others tell nothing of descent and do not count.
    n : int

    Returns
    -------
    ndarray of shape (n_units, at most n)

    References
    ----------
    Patterson, Price and Reich, PLoS Genetics 2 (2006); Biffi et al., American Journal of Human
    Genetics 86 (2010).
    """
    carrier = _carriers(dosage)
    common = np.flatnonzero(_enough(carrier))
    scores = _imputed(carrier[:, common])
    scores -= scores.mean(axis=0)
    scores /= np.sqrt((scores**2).mean(axis=0))
    vectors, sizes, _ = np.linalg.svd(scores, full_matrices=False)
    n = min(n, int((sizes > 1e-8 * sizes.max(initial=0)).sum()))
    return vectors[:, :n] * sizes[:n]


def heteroplasmy_load(genomes: Genotypes) -> pd.DataFrame:
    """Return the number of heteroplasmic sites of each genome and the sum of their shares.

    Heteroplasmic is a variant that 5 to 95 % of the reads have.

    Returns
    -------
    DataFrame, n_samples x (n_heteroplasmic, heteroplasmic_fraction)
        NaN where reads were not counted by allele.
    """
    heteroplasmic = genomes.heteroplasmic
    load = pd.DataFrame(
        {
            "n_heteroplasmic": heteroplasmic.sum(axis=1),
            "heteroplasmic_fraction": np.where(heteroplasmic, genomes.fraction, 0).sum(axis=1),
        },
        genomes.samples,
        dtype=float,
    )
    load[~np.isfinite(genomes.fraction).any(axis=1)] = np.nan
    return load


def gene_scores(
    dosage: np.ndarray, variants: pd.DataFrame, genes: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the burden of each unit in each gene, and in all of the mtDNA, in three ways.

    Missing genotypes count as the mean of the variant. Variants that all but two units carry are
    left out: there the reference has the rare allele.

    Parameters
    ----------
    dosage : ndarray of shape (n_units, n_variants)
    variants : DataFrame, n_variants rows
    genes : DataFrame
        gene, start, end.

    Returns
    -------
    dict of DataFrame of float, n_units x (genes and "all")
        ``count`` of variants, ``carrier`` (1 with any variant, else 0) and ``weighted`` count, a
        variant weighing 1 / sqrt(n q (1 - q)) with its frequency q = (carriers + 1) / (n + 2). NaN
        where fewer than half of a gene's variants are called in the unit.

    References
    ----------
    Morgenthaler and Thilly, Mutation Research 615 (2007); Madsen and Browning, PLoS Genetics 5
    (2009), with q over all units, as for a haploid genome.
    """
    carrier = _carriers(dosage)
    called = np.isfinite(carrier)
    groups = _groups(variants, genes) * _varying(carrier)[:, None]
    filled = _imputed(carrier)
    n, n_carriers = called.sum(axis=0), np.nansum(carrier, axis=0)
    q = (n_carriers + 1) / (n + 2)
    weights = 1 / np.sqrt(np.maximum(n, 1) * q * (1 - q))
    names = [*genes["gene"], "all"]
    known = called.astype(float) @ groups >= MIN_PRESENT * groups.sum(axis=0)
    scores = {
        "count": filled @ groups,
        "carrier": ((filled == 1).astype(float) @ groups > 0).astype(float),
        "weighted": filled @ (groups * weights[:, None]),
    }
    return {
        name: pd.DataFrame(np.where(known, x, np.nan), columns=names) for name, x in scores.items()
    }


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


def _carriers(dosage: np.ndarray) -> np.ndarray:
    """Return 1 for carriers, 0 for others and NaN where the genotype is missing."""
    dosage = np.asarray(dosage, dtype=float)
    return np.where(np.isfinite(dosage), dosage >= 1, np.nan)


def _enough(carrier: np.ndarray) -> np.ndarray:
    """Return which variants have the carriers, and the others, that a test needs."""
    return np.minimum((carrier == 1).sum(axis=0), (carrier == 0).sum(axis=0)) >= MIN_CARRIERS


def _varying(carrier: np.ndarray) -> np.ndarray:
    """Return which variants somebody carries and enough do not."""
    return (carrier == 1).any(axis=0) & ((carrier == 0).sum(axis=0) >= MIN_CARRIERS)


def _imputed(carrier: np.ndarray) -> np.ndarray:
    """Return carriers with missing ones as the mean of the variant."""
    called = np.isfinite(carrier)
    mean = np.where(called, carrier, 0).sum(axis=0) / np.maximum(called.sum(axis=0), 1)
    return np.where(called, carrier, mean)


def _places(variants: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Return variants with the genes that they are in."""
    table = variants[["contig", "pos", "ref", "alt"]].rename_axis("variant").reset_index()
    table["gene"] = [",".join(found) for found in assign_genes(table["pos"], genes)]
    return table


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
