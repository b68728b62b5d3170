"""One mitochondrial genome per donor."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.genotypes.carriers import carriers, common, imputed
from popnet.genotypes.table import Genotypes


def one_per_donor(genotypes: Genotypes, donors: pd.Series) -> tuple[Genotypes, int]:
    """Return one mitochondrial genome per donor, and the number of discordant genotypes.

    A donor's genotype is that of the samples in which it is called, and missing if they differ. An
    mtDNA differs if one sample has the variant and another has not: 1, 0/1 and 1/1 are one
    carrier, called as haploid or diploid, and the lowest dosage is kept. Its share of reads is the
    mean over these samples.

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
    mitochondrial = (genotypes.variants["contig"] == "MT").to_numpy()
    discordant = np.where(
        mitochondrial, (lowest < 1) & (highest >= 1), (lowest < highest).to_numpy(bool)
    ).astype(bool)
    shares = pd.DataFrame(genotypes.fraction.astype(float)).groupby(donor, sort=False).mean()
    genomes = Genotypes(
        lowest.mask(discordant).to_numpy(),
        genotypes.variants,
        list(lowest.index),
        shares.mask(discordant).to_numpy(),
    )
    return genomes, int(discordant.sum())


def principal_components(dosage: np.ndarray, n: int) -> np.ndarray:
    """Return the first principal components of the variants, which represent haplogroups.

    Parameters
    ----------
    dosage : ndarray of shape (n_units, n_variants)
        Variants are scaled to unit variance; missing genotypes are replaced by the mean. Variants
        with fewer than three carriers or non-carriers are not used: they say nothing about descent.
    n : int

    Returns
    -------
    ndarray of shape (n_units, at most n)

    References
    ----------
    Patterson, Price and Reich, PLoS Genetics 2 (2006); Biffi et al., American Journal of Human
    Genetics 86 (2010).
    """
    carrier = carriers(dosage)
    scores = imputed(carrier[:, common(carrier)])
    scores -= scores.mean(axis=0)
    scores /= np.sqrt((scores**2).mean(axis=0))
    vectors, sizes, _ = np.linalg.svd(scores, full_matrices=False)
    n = min(n, int((sizes > 1e-8 * sizes.max(initial=0)).sum()))
    return vectors[:, :n] * sizes[:n]


def heteroplasmy_load(genomes: Genotypes) -> pd.DataFrame:
    """Return the number of heteroplasmic sites of each genome and the sum of their shares.

    A variant is heteroplasmic if 5 to 95 % of the reads have it.

    Returns
    -------
    DataFrame, n_samples x (n_heteroplasmic, heteroplasmic_fraction)
        NaN if reads were not counted by allele.
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
