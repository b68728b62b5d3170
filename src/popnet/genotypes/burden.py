"""Variants of a gene, counted and scored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from popnet.genotypes.carriers import carriers, imputed, varying
from popnet.stats.ranks import MIN_PRESENT


def assign_genes(positions: Iterable[int], genes: pd.DataFrame) -> list[list[str]]:
    """Return the genes at each position; if genes overlap, all of them.

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
        "all" includes variants outside the genes. NaN if a gene has variants, but none of them is
        called in the unit.
    """
    dosage = pd.DataFrame(dosage)
    values = dosage.to_numpy(dtype=float)
    groups = gene_groups(variants, genes)
    with np.errstate(invalid="ignore"):
        burden = (values >= 1).astype(float) @ groups
    unknown = (np.isfinite(values).astype(float) @ groups == 0) & groups.any(axis=0)
    burden[unknown] = np.nan
    return pd.DataFrame(burden, dosage.index, [*genes["gene"], "all"])


def gene_scores(
    dosage: np.ndarray, variants: pd.DataFrame, genes: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the burden of each unit in each gene, and in all of the mtDNA, in three ways.

    Missing genotypes are replaced by the mean of the variant. Variants that all units carry, except
    at most two, are left out: for these, the reference has the rare allele.

    Parameters
    ----------
    dosage : ndarray of shape (n_units, n_variants)
    variants : DataFrame, n_variants rows
    genes : DataFrame
        gene, start, end.

    Returns
    -------
    dict of DataFrame of float, n_units x (genes and "all")
        ``count`` of variants, ``carrier`` (1 with any variant, otherwise 0) and ``weighted`` count,
        in which a variant of frequency q = (carriers + 1) / (n + 2) has the weight
        1 / sqrt(n q (1 - q)). NaN if fewer than half of a gene's variants are called in the unit.

    References
    ----------
    Morgenthaler and Thilly, Mutation Research 615 (2007); Madsen and Browning, PLoS Genetics 5
    (2009), with q over all units, as for a haploid genome.
    """
    carrier = carriers(dosage)
    called = np.isfinite(carrier)
    groups = gene_groups(variants, genes) * varying(carrier)[:, None]
    filled = imputed(carrier)
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


def place_variants(variants: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Return variants with the genes that they are in."""
    table = variants[["contig", "pos", "ref", "alt"]].rename_axis("variant").reset_index()
    table["gene"] = [",".join(found) for found in assign_genes(table["pos"], genes)]
    return table


def _membership(positions: np.ndarray, genes: pd.DataFrame) -> np.ndarray:
    """Return whether positions are in genes, bool of positions x genes."""
    start, end = genes["start"].to_numpy(), genes["end"].to_numpy()
    return (positions[:, None] >= start) & (positions[:, None] <= end)


def gene_groups(variants: pd.DataFrame, genes: pd.DataFrame) -> np.ndarray:
    """Return the membership of variants in genes and "all", 0 or 1."""
    inside = _membership(variants["pos"].to_numpy(dtype=int), genes)
    return np.column_stack([inside, np.ones(len(variants))])
