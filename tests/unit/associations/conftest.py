"""Designs of samples s0, s1 and so on, and genotypes, that tests of several questions need."""

from __future__ import annotations

import cyvcf2
import numpy as np
import pandas as pd
import pytest

from popnet.files import read_table
from popnet.genotypes.reading import read_genotypes
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import make_design


@pytest.fixture(scope="session")
def design_of():
    """A function that returns the design of samples, by default each of a donor of its own."""

    def design(phenotype, binary=False, donors=None, batch="", **covariates):
        samples = [f"s{number}" for number in range(len(phenotype))]
        sheet = pd.DataFrame({"donor": donors or samples, "batch": batch, **covariates}, samples)
        values = pd.Series(np.asarray(phenotype, float), samples)
        return make_design(samples, sheet, values, binary, list(covariates))

    return design


@pytest.fixture(scope="session")
def mtdna(root):
    """The protein-coding genes of the mitochondrial genome."""
    return read_table(root / "resources" / "mtdna_genes.tsv")


@pytest.fixture(scope="session")
def sites():
    """A function that returns the variants A>G at some positions of the mitochondrial genome."""

    def table(positions):
        variants = pd.DataFrame({"contig": "MT", "pos": positions, "ref": "A", "alt": "G"})
        return variants.assign(id=".").set_index(
            pd.Index([f"MT:{position}:A>G" for position in positions], dtype=object)
        )

    return table


@pytest.fixture(scope="session")
def genomes_of():
    """A function that returns genotypes of s0, s1 and so on; without shares of reads, none."""

    def genomes(dosage, variants, samples=None, fraction=None):
        samples = samples or [f"s{number}" for number in range(len(dosage))]
        fraction = np.full(dosage.shape, np.nan) if fraction is None else fraction
        return Genotypes(dosage, variants, samples, fraction)

    return genomes


@pytest.fixture(scope="session")
def random_genotypes(sites):
    """A function that returns a generator, dosages with missing ones, and their variants."""

    def genotypes(seed, n=40, n_sites=60, missing=0.1):
        rng = np.random.default_rng(seed)
        positions = np.sort(rng.choice(np.arange(3307, 15888), n_sites, replace=False))
        dosage = rng.binomial(2, rng.uniform(0.02, 0.5, n_sites), (n, n_sites)).astype(float)
        dosage[rng.random(dosage.shape) < missing] = np.nan
        return rng, dosage, sites(positions)

    return genotypes


@pytest.fixture(scope="session")
def thousand(shared_data):
    """The mitochondrial genomes of the 1000 Genomes Project."""
    path = shared_data / "1000g_phase3_chrMT_2534samples.vcf.gz"
    vcfs = {sample: (path, None) for sample in cyvcf2.VCF(path).samples}
    return read_genotypes(vcfs, keep_filters=["fa"])
