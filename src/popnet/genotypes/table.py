"""Genotypes of samples: the table of their variants, in memory and as a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from popnet.files import atomic, read_h5ad

# Shares of reads with an allele: from the first, a genome has it; from the second, it has no other.
HETEROPLASMIC, HOMOPLASMIC = 0.05, 0.95


@dataclass(frozen=True)
class Genotypes:
    """Genotypes of samples.

    Parameters
    ----------
    dosage : ndarray of float32, shape (n_samples, n_variants)
        Number of alternate alleles: 0 or 1 if haploid, 0 to 2 if diploid, NaN if missing.
    variants : DataFrame, n_variants rows
        Columns contig, pos (1-based), ref, alt, id; indexed by names such as ``MT:12337:A>G``.
    samples : list of str
        The rows.
    fraction : ndarray of float32, shape (n_samples, n_variants)
        Share of the reads that have the alternate allele; NaN if unknown.
    """

    dosage: np.ndarray
    variants: pd.DataFrame
    samples: list[str]
    fraction: np.ndarray

    @property
    def heteroplasmic(self) -> np.ndarray:
        """Whether a sample has a variant together with another allele, (n_samples, n_variants)."""
        return (self.fraction >= HETEROPLASMIC) & (self.fraction < HOMOPLASMIC)

    def take(self, samples: Iterable[str]) -> Genotypes:
        """Return the genotypes of some samples, in their order."""
        chosen = list(samples)
        rows = pd.Index(self.samples).get_indexer(pd.Index(chosen))
        return Genotypes(self.dosage[rows], self.variants, chosen, self.fraction[rows])


def write_genotypes(genotypes: Genotypes, path: str | Path) -> None:
    """Write genotypes as AnnData, samples x variants (.h5ad)."""
    import anndata

    with atomic(path) as temporary:
        anndata.AnnData(
            X=genotypes.dosage,
            obs=pd.DataFrame(index=pd.Index(genotypes.samples, dtype=object)),
            var=genotypes.variants,
            layers={"fraction": genotypes.fraction},
        ).write_h5ad(temporary, compression="gzip")


def read_genotypes_h5ad(path: str | Path) -> Genotypes:
    """Read a file of `write_genotypes`."""
    data = read_h5ad(path)
    text = {column: str for column in ("contig", "ref", "alt", "id")}
    fraction = np.asarray(data.layers["fraction"])
    return Genotypes(np.asarray(data.X), data.var.astype(text), list(data.obs_names), fraction)
