"""The burden of variants per mitochondrial gene against a phenotype."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.associations.variants import as_outcome
from popnet.genotypes.burden import gene_burden, gene_groups, gene_scores
from popnet.genotypes.carriers import carriers, varying
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate
from popnet.stats.skat import skat


def paper(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Correlate each gene's number of variants with the phenotype (Pearson), as the paper does.

    Parameters
    ----------
    genomes, genes, design, testing
        As in :func:`popnet.associations.variants.paper`; `genes` may have complex.

    Returns
    -------
    DataFrame
        Of :func:`correlate_burden`.
    """
    return correlate_burden(
        genomes.dosage,
        genomes.variants,
        design.units.phenotype,
        genes,
        design.binary,
        method="pearson",
    )


def robust(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test the variants of each gene, and of all of the mtDNA, by permutation.

    Parameters
    ----------
    genomes, genes, design, testing
        As in :func:`popnet.associations.variants.robust`; `genes` may have complex.

    Returns
    -------
    DataFrame, one row per gene in the order of `genes`, then "all"
        gene complex statistic p q p_family n_variants n_carriers n n_permutations, of the number of
        variants; [n_case n_control]; statistic, p and q of other burdens, carrier_* and weighted_*
        (see `gene_scores`); p and q of skat_* and skato_*, with skato_rho (see `skat`). Each q is
        Benjamini-Hochberg over the genes.
    """
    scores = gene_scores(genomes.dosage, genomes.variants, genes)
    # Findings count the tests of numbers of variants.
    count = testing.permute("burden", scores["count"].to_numpy(), design).table
    tests = {
        name: permutation_test(values.to_numpy(), design, testing.permutations, testing.seed).table
        for name, values in scores.items()
        if name != "count"
    }
    carrier = carriers(genomes.dosage)
    groups = gene_groups(genomes.variants, genes)
    groups[~varying(carrier)] = 0
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
    kernel = skat(carrier, groups, design, testing.permutations, testing.seed)
    for name in ("skat", "skato"):
        table[f"{name}_p"] = kernel[f"{name}_p"]
        table[f"{name}_q"] = benjamini_hochberg(kernel[f"{name}_p"].to_numpy())
    table["skato_rho"] = kernel["skato_rho"]
    return table


def correlate_burden(
    dosage: pd.DataFrame | np.ndarray,
    variants: pd.DataFrame,
    phenotype: pd.Series | np.ndarray,
    genes: pd.DataFrame,
    binary: bool,
    method: Literal["spearman", "pearson"] = "spearman",
) -> pd.DataFrame:
    """Test the number of variants in each gene, and in all of the mtDNA.

    Parameters
    ----------
    dosage, variants, phenotype
        As in :func:`popnet.associations.variants.rank_sum_variants`.
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
    from scipy.stats import pearsonr

    if method not in ("spearman", "pearson"):
        raise ValueError(f"method must be 'spearman' or 'pearson', not {method!r}")
    outcome = as_outcome(phenotype, binary)
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
            "n_variants": carried @ gene_groups(variants, genes).astype(int),
            "n_carriers": (counts > 0).sum(axis=0),
            "n": found["n"],
        }
    )
    return table.join(found[["n_case", "n_control"]]) if binary else table
