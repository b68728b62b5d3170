"""Simulated centralities and variants with known effects, to calibrate tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from popnet.simulation.cohort import DONOR_SHARE, GENE_SPREAD, MODULE_SHARE, SAMPLE_SPREAD

# Simulated tables: log10 counts of a cell (mean, SD of samples, SD of bins), cells of a bin.
LOG_DEPTH = (3.5, 0.15, 0.02)


BIN_CELLS = (800, 1200)


MODULE_SIZE = 10


HAPLOGROUPS = 4


@dataclass(frozen=True)
class TableSettings:
    """Settings of simulated tables; the defaults are a null cohort without confounding.

    The value of a gene has variance 1 between samples, apart from effects. Effects are in units of
    its SD per SD of their cause.

    Parameters
    ----------
    n_samples : int
    n_bins : int
        Per sample.
    n_genes : int
        In modules of `MODULE_SIZE` genes with correlated values.
    n_dimensions, n_variants : int
        Dimensions of the loadings, and number of mtDNA sites; 0 for none.
    icc : float
        Share of a single bin's variance that is due to its sample, without confounding.
    binary : bool
    structure : {"single", "repeats", "pairs"}
        One sample per donor, two with the same phenotype, or two with different phenotypes (for a
        binary phenotype a case and a control).
    depth_effect : float
        SD over genes of the effect of log depth, which is linear.
    depth_phenotype : float
        Correlation of the samples' log depth with the phenotype.
    n_batches : int
        Batches of samples (of donors, if they have two samples), of equal size.
    batch_effect : float
        SD over batches of every gene's mean, and of a variant's frequency on the logit scale.
    batch_phenotype : float
        Correlation of the phenotype (of a binary one, its liability) with the batch.
    n_planted : int
        Number of genes with a planted effect: the first genes, in whole modules. If there are any,
        the first tenth of the variants also have it.
    effect : float
    """

    n_samples: int = 41
    n_bins: int = 4
    n_genes: int = 200
    n_dimensions: int = 0
    n_variants: int = 0
    icc: float = 0.5
    binary: bool = False
    structure: Literal["single", "repeats", "pairs"] = "single"
    depth_effect: float = 0.0
    depth_phenotype: float = 0.0
    n_batches: int = 1
    batch_effect: float = 0.0
    batch_phenotype: float = 0.0
    n_planted: int = 0
    effect: float = 0.0


@dataclass(frozen=True)
class SimulatedTables:
    """Simulated results of training, and simulated genotypes, of a cohort.

    Parameters
    ----------
    samples : DataFrame, indexed by sample
        donor, batch, phenotype (0 and 1 if binary).
    bins : DataFrame
        sample, mean_depth (log10 counts of a cell), n_cells.
    centrality : ndarray of shape (n_bins, n_genes)
    loadings : ndarray of shape (n_bins, n_genes, n_dimensions)
    carriers : bool ndarray of shape (n_samples, n_variants)
        The same for samples of one donor.
    genes : list of str
    modules : dict of str to list of str
    planted : bool ndarray of shape (n_genes,)
    planted_variants : bool ndarray of shape (n_variants,)
    """

    samples: pd.DataFrame
    bins: pd.DataFrame
    centrality: np.ndarray
    loadings: np.ndarray
    carriers: np.ndarray
    genes: list[str]
    modules: dict[str, list[str]]
    planted: np.ndarray
    planted_variants: np.ndarray


def simulate_tables(settings: TableSettings, seed: int) -> SimulatedTables:
    """Simulate the results of the bins' models for every gene, and the carriers of variants.

    Parameters
    ----------
    settings : TableSettings
    seed : int
        The same seed gives the same tables.
    """
    for_samples, for_centrality, for_loadings, for_variants = np.random.default_rng(seed).spawn(4)
    samples, bins = _simulate_bins(settings, for_samples)
    n_genes, n_dimensions = settings.n_genes, settings.n_dimensions
    planted = np.arange(n_genes) < settings.n_planted
    module = np.arange(n_genes) // MODULE_SIZE
    genes = [f"G{number:04d}" for number in range(n_genes)]

    centrality = _deviations(settings, samples, bins, module, planted, for_centrality)
    # Every dimension of a gene has its own value and its own modules.
    dimension = np.tile(np.arange(n_dimensions), n_genes)
    direction = for_loadings.standard_normal((n_genes, n_dimensions))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    loadings = SAMPLE_SPREAD * _deviations(
        settings,
        samples,
        bins,
        np.repeat(module, n_dimensions) * n_dimensions + dimension,
        (planted[:, None] * direction).ravel(),
        for_loadings,
    ).reshape(len(bins), n_genes, n_dimensions)
    loadings += for_loadings.standard_normal((module.max(initial=-1) + 1, n_dimensions))[module]
    loadings += GENE_SPREAD * for_loadings.standard_normal((n_genes, n_dimensions))
    carriers, planted_variants = _simulate_carriers(settings, samples, for_variants)
    return SimulatedTables(
        samples[["donor", "batch", "phenotype"]],
        bins[["sample", "mean_depth", "n_cells"]],
        centrality,
        loadings,
        carriers,
        genes,
        {
            f"module {number:02d}": genes[number * MODULE_SIZE : (number + 1) * MODULE_SIZE]
            for number in range(module.max(initial=-1) + 1)
        },
        planted,
        planted_variants,
    )


def _simulate_bins(
    settings: TableSettings, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return samples and bins; donors and batches are numbered, score is the phenotype's z."""
    n = settings.n_samples
    donor = np.arange(n) // (1 if settings.structure == "single" else 2)
    n_donors = donor[-1] + 1
    batch = rng.permutation(np.arange(n_donors) % settings.n_batches)[donor]
    shared = settings.batch_phenotype
    liability = np.sqrt(1 - shared**2) * rng.standard_normal(n)
    if settings.structure == "repeats":
        liability = liability[2 * donor]
    liability += shared * _standardised(batch.astype(float))
    phenotype = liability
    if settings.binary and settings.structure == "pairs":
        # A donor's sample with the higher value is the case; a single last sample is a control.
        phenotype = np.zeros(n)
        pairs = np.arange(n // 2 * 2).reshape(-1, 2)
        phenotype[pairs[np.arange(len(pairs)), liability[pairs].argmax(1)]] = 1
    elif settings.binary:
        of_donors = liability[np.unique(donor, return_index=True)[1]]
        phenotype = (liability > np.median(of_donors)).astype(float)
    score = _standardised(phenotype)
    depth = settings.depth_phenotype * score
    depth += np.sqrt(1 - settings.depth_phenotype**2) * rng.standard_normal(n)
    samples = pd.DataFrame(
        {
            "donor": [f"donor {number}" for number in donor],
            "batch": [f"pool {number}" for number in batch],
            "phenotype": phenotype,
            "score": score,
            "donor_code": donor,
            "batch_code": batch,
        },
        index=pd.Index([f"sample {number}" for number in range(n)], name="sample"),
    )
    code = np.repeat(np.arange(n), settings.n_bins)
    mean, sd, bin_sd = LOG_DEPTH
    bins = pd.DataFrame(
        {
            "sample": samples.index[code],
            "mean_depth": mean + sd * depth[code] + bin_sd * rng.standard_normal(len(code)),
            "n_cells": rng.integers(*BIN_CELLS, len(code)),
            "code": code,
        }
    )
    return samples, bins


def _deviations(
    settings: TableSettings,
    samples: pd.DataFrame,
    bins: pd.DataFrame,
    module: np.ndarray,
    planted: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return bins x values around 0; `planted` is the share of the effect of each value."""
    n_modules = module.max(initial=-1) + 1

    def drawn(n: int) -> np.ndarray:
        common = rng.standard_normal((n, n_modules))[:, module]
        own = rng.standard_normal((n, len(module)))
        return np.sqrt(MODULE_SHARE) * common + np.sqrt(1 - MODULE_SHARE) * own

    donor, batch = samples["donor_code"].to_numpy(), samples["batch_code"].to_numpy()
    values = np.sqrt(DONOR_SHARE) * drawn(donor[-1] + 1)[donor]
    values += np.sqrt(1 - DONOR_SHARE) * drawn(len(samples))
    values += settings.batch_effect * rng.standard_normal((settings.n_batches, len(module)))[batch]
    values += settings.effect * np.outer(samples["score"], planted)
    mean, sd, _ = LOG_DEPTH
    slope = settings.depth_effect * rng.standard_normal(len(module))
    values = values[bins["code"]] + np.sqrt(1 / settings.icc - 1) * drawn(len(bins))
    return values + np.outer((bins["mean_depth"] - mean) / sd, slope)


def _simulate_carriers(
    settings: TableSettings, samples: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return samples x variants, half of them inherited with haplogroups, and the planted ones."""
    n_variants = settings.n_variants
    planted = np.arange(n_variants) < bool(settings.n_planted) * n_variants // 10
    first = np.unique(samples["donor_code"], return_index=True)[1]
    donors = samples.iloc[first]
    haplogroup = rng.integers(HAPLOGROUPS, size=len(donors))
    of_haplogroup = rng.integers(HAPLOGROUPS, size=n_variants)
    inherited = (np.arange(n_variants) % 2 == 1) & ~planted
    logit = np.where(
        inherited,
        np.where(haplogroup[:, None] == of_haplogroup, 2.5, -2.5),
        rng.uniform(-2.5, 0, n_variants),
    )
    shifts = rng.standard_normal((settings.n_batches, n_variants))
    logit = logit + settings.batch_effect * shifts[donors["batch_code"]]
    logit += settings.effect * np.outer(donors["score"], planted)
    carriers = rng.random(logit.shape) < expit(logit)
    return carriers[samples["donor_code"]], planted


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
