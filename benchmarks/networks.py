"""Networks of real cells by every estimator: do they reproduce, and do they show what is planted?

    python benchmarks/networks.py --data DATA --out OUT     # all parts, resumed where it ended
    python benchmarks/networks.py --data DATA --out OUT --parts planted --cohorts perez300
    python benchmarks/networks.py --out OUT --read                 # the tables of docs/networks.md

DATA is a folder with the public files that docs/networks.md names. Results are kept in OUT, one
JSON file for each unit of work (a part, a cohort, an estimator); what is there is not made again.

Cells are thinned to the same distribution of depth in all samples, log-normalised, and standardised
within each sample, then cut into bins. Parts:

reliability  Bins of one sample against bins of others, 1 % strongest edges: Jaccard indices, the
             kernel's ICC = (within - between) / (1 - between), how often a bin is told from other
             samples' (AUROC), the ICC of a bin's gene strength, the agreement of seeds; of
             simulated cells the share of true edges.
planted      20 genes are wired together in a share of the cells of half of the bins of each sample
             (gain), or lose their wiring (loss). Pairs are tested bin by bin within samples.
weights      KL weights and latent sizes of one siVAE, over numbers of genes and cells: a gain of
             wiring, and how the bins without it reproduce.
strength     Genes by their strength, as it is and relative to the bin's mean, and by their degree,
             beside a planted gain or loss.
stages       The second stage of a pair's test, two-sided and one-sided, of gains and losses.
few          Few cells of many donors: 20 genes wired together in half of the cells of half of the
             donors, tested over donors, among the candidate pairs and among all pairs. Donors are
             parts of real samples, or simulated.
pairs        Which blind rule keeps the pairs of a gained module among those that are tested.
paired       Kang et al. 2018, stimulated against not, and 20 times with flipped pairs.
programmes   The same cohort: variance and coupling of programmes.
modules      The same cohort: density, eigengene connectivity and coupling of the modules of the
             mean network.
rewired      The same of planted gains and losses: is the module of the planted genes called, and
             how many others.
depth        Half of the bins of each sample are thinned to 60 or 30 % of their counts, with and
             without a planted change of wiring: what is called with depth as it is, with log depth
             as a covariate, and with counts matched as the workflow does it (a bin is a sample).
scattered    The same of 30 of the 100 most central genes, which lose their wiring in 70 % of the
             cells.
sequenced    Kang's cohort as it was sequenced, stimulated against not: the map and genes, by the
             same three ways.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import anndata as ad
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.stats import rankdata

from popnet.associations import edges as pair_tests
from popnet.cells.depth import depth_quantiles, shares_kept, target_quantiles, thin
from popnet.cells.expression import scale
from popnet.cells.genes import normalise
from popnet.files import atomic
from popnet.networks.edges import pair_weights, strongest_pairs
from popnet.networks.correlation import rank_correlation
from popnet.networks.cs_core import latent_correlation
from popnet.networks.estimators import correlation_factor, standardised
from popnet.networks.information import (
    context_likelihood,
    mutual_information,
    prune_triangles,
    relevance_less_redundancy,
)
from popnet.networks.modules import KINDS, find_modules, of_bins
from popnet.networks.pairs import candidates
from popnet.networks.programmes import find_programmes, programme_values
from popnet.sivae.covariance import covariance_factor, low_rank, training_factor
from popnet.sivae.fitting import fit, fit_stack
from popnet.sivae.settings import PLANS, settings_for
from popnet.sivae.shared import draw_cells, shared_settings
from popnet.stats.designs import Design, make_design
from popnet.stats.kernel_tests import distance_regression, map_gram
from popnet.stats.moderated import moderated_t
from popnet.stats.multiplicity import benjamini_hochberg

SHARE, FDR, MODULE, SEEDS, FLIPS = 0.01, 0.05, 20, (1, 2, 3), 20
MOST_BINS = 6
SMALL = {"hidden": [256, 128, 64], "latent": 32, "standardise": False}


@dataclass(frozen=True)
class Source:
    """A cohort of real cells.

    Parameters
    ----------
    file, sample : str
        The h5ad file, and the column of obs that names samples.
    size, n_genes : int
        Cells per bin, and most genes.
    keep : tuple of (column, value), optional
    """

    file: str
    sample: str
    size: int
    n_genes: int
    keep: tuple[str, str] | None = None


PEREZ = "perez2022_Tcells_7donors_8samples_3000genes_counts.h5ad"
BMMC = "bmmc_3donors_aml027_healthy_counts.h5ad"
KANG = "kang2018_pbmc_8donors_ctrl_stim_1000hvg_counts.h5ad"
MONOCYTES, CD4 = ("celltype", "CD14+ Monocytes"), ("celltype", "CD4 T cells")
COHORTS = {
    "perez300": Source(PEREZ, "sample_id", 300, 300),
    "perez50": Source(PEREZ, "sample_id", 50, 300),
    "perez300g200": Source(PEREZ, "sample_id", 300, 200),
    "perez1000": Source(PEREZ, "sample_id", 1000, 600),
    "bmmc500": Source(BMMC, "donor_id", 500, 1500),
    "kang": Source(KANG, "sample_id", 93, 400, MONOCYTES),
    "kangc": Source(KANG, "sample_id", 74, 400, CD4),
}
# Cells per bin of simulated cohorts.
SIMULATED = {"simulated300": 300, "simulated100": 100}
# Cells of each donor and donors of the cohorts of few cells.
FEW = {
    f"{kind}{cells}x{donors}": (cells, donors)
    for cells, donors in ((50, 20), (50, 40), (50, 100), (100, 40), (200, 40))
    for kind in ("few", "fewsimulated")
}
# Modules, each in another half of the donors.
FEW_MODULES = range(1, 7)
# Cohorts with the depth that they were sequenced to.
SEQUENCED = {
    "sequencedperez300": Source(PEREZ, "sample_id", 300, 300),
    "sequencedperez1000": Source(PEREZ, "sample_id", 1000, 300),
    "sequencedbmmc300": Source(BMMC, "donor_id", 300, 300),
    "sequencedkang": Source(KANG, "sample_id", 93, 400, MONOCYTES),
}
EVERY = [*COHORTS, *SIMULATED, *FEW, *SEQUENCED]
LEVELS, HANDLED, SPLITS, STRATUM = (0.6, 0.3), ("as it is", "covariate", "matched"), 60, 15


@dataclass(frozen=True)
class Bins:
    """Bins of a cohort.

    Parameters
    ----------
    expression : ndarray of shape (n_bins, n_cells, n_genes)
        Standardised within each sample, then within the bin as the networks in a shared space are.
    samples : ndarray of str, of shape (n_bins,)
    genes : Index of shape (n_genes,)
    counts : list of sparse matrices (n_cells, n_genes)
        Thinned counts of each bin.
    depth : ndarray of shape (n_bins, n_cells)
        Their totals over all genes.
    obs : DataFrame, indexed by sample
    of_sample : ndarray of shape (n_bins, n_cells, n_genes)
        As `expression`, but standardised within each sample alone.
    module : ndarray of int, of shape (n_genes,), optional
        Of simulated cells: the module of each gene, or -1.
    columns : ndarray of int, of shape (n_genes,), optional
        Where `counts` have all genes of the file, as sequenced: which are `genes`.
    """

    expression: np.ndarray
    samples: np.ndarray
    genes: pd.Index
    counts: list[Any]
    depth: np.ndarray
    obs: pd.DataFrame
    of_sample: np.ndarray
    module: np.ndarray | None = None
    columns: np.ndarray | None = None


def simulated(size: int, n_samples: int = 8, n_bins: int = 4, n_modules: int = 10) -> Bins:
    """Return counts of 300 genes, half of them in modules of 15 that differ in strength by sample.

    The log mean of a gene of a module depends on the module's state of the cell. Counts are
    negative binomial, as sparse as those of real cells.
    """
    rng = np.random.default_rng(0)
    n_genes, n_cells = 300, n_bins * size
    module = np.full(n_genes, -1)
    module[: 15 * n_modules] = np.repeat(np.arange(n_modules), 15)
    module = rng.permutation(module)
    level = rng.normal(-0.5, 1.2, n_genes)
    loading = np.where(module < 0, 0, rng.choice([-1, 1], n_genes) * rng.uniform(0.2, 0.9, n_genes))
    bins, of_sample = [], []
    counts, totals, labels = [], [], []
    for sample in range(n_samples):
        strength = np.append(rng.lognormal(0, 0.35, n_modules), 0)[module]
        state = np.column_stack([rng.normal(size=(n_cells, n_modules)), np.zeros(n_cells)])
        depth = rng.lognormal(0, 0.35, n_cells)[:, None]
        mean = depth * np.exp(level + state[:, module] * loading * strength)
        drawn = rng.poisson(mean * rng.gamma(3, 1 / 3, mean.shape)).astype(np.float32)
        scaled = scale(np.log1p(drawn / depth).astype(np.float32))
        for start in range(0, n_cells, size):
            part = slice(start, start + size)
            bins.append(standardised(scaled[part]))
            of_sample.append(scaled[part])
            counts.append(sparse.csr_matrix(drawn[part]))
            # Of all genes of a cell, of which these are a few.
            totals.append(3000 * depth[part, 0])
            labels.append(f"sample {sample}")
    samples = np.array(labels, dtype=object)
    genes = pd.Index([f"gene {gene}" for gene in range(n_genes)])
    obs = pd.DataFrame(index=np.unique(samples))
    return Bins(
        np.array(bins),
        samples,
        genes,
        counts,
        np.array(totals),
        obs,
        np.array(of_sample),
        module,
    )


def load(source: Source, folder: Path, most_bins: int = MOST_BINS) -> Bins:
    """Read a cohort: depth made equal by thinning, genes of largest dispersion, bins."""
    cells = ad.read_h5ad(folder / source.file)
    if source.keep:
        cells = cells[cells.obs[source.keep[0]].astype(str) == source.keep[1]].copy()
    rng = np.random.default_rng(0)
    samples = cells.obs[source.sample].astype(str).to_numpy()
    names = [one for one, n in pd.Series(samples).value_counts().items() if n >= source.size]
    cells = cells[np.isin(samples, names)].copy()
    samples, counts = cells.obs[source.sample].astype(str).to_numpy(), sparse.csr_matrix(cells.X)
    depth = np.asarray(counts.sum(1)).ravel()
    grid = (np.arange(100) + 0.5) / 100
    own = [np.quantile(depth[samples == name], grid) for name in sorted(names)]
    target, kept = np.quantile(own, 0.1, axis=0), np.ones(len(depth))
    for name in sorted(names):
        rows = np.flatnonzero(samples == name)
        rank = (rankdata(depth[rows], method="ordinal") - 0.5) / len(rows)
        kept[rows] = np.minimum(1, np.interp(rank, grid, target) / np.maximum(depth[rows], 1))
    counts.data = rng.binomial(
        counts.data.astype(int), np.repeat(kept, np.diff(counts.indptr))
    ).astype(np.float32)
    depth = np.asarray(counts.sum(1)).ravel()
    detected = [np.asarray((counts[samples == name] > 0).mean(0)).ravel() for name in names]
    expressed = np.flatnonzero((np.min if len(names) < 20 else np.mean)(detected, axis=0) >= 0.05)
    logs = sparse.diags_array(np.median(depth) / np.maximum(depth, 1)) @ counts[:, expressed]
    logs = np.log1p(logs.toarray()).astype(np.float32)
    dispersion = logs.var(0) / np.maximum(logs.mean(0), 1e-3)
    genes = np.argsort(-dispersion, kind="stable")[: source.n_genes]
    logs, counts = logs[:, genes], counts[:, expressed[genes]]
    bins, of_sample, of_bins, totals, labels = [], [], [], [], []
    for name in sorted(names):
        rows = rng.permutation(np.flatnonzero(samples == name))
        rows = rows[: min(len(rows) // source.size, most_bins) * source.size]
        scaled = scale(logs[rows])
        for start in range(0, len(rows), source.size):
            part = slice(start, start + source.size)
            bins.append(standardised(scaled[part]))
            of_sample.append(scaled[part])
            of_bins.append(counts[rows[part]])
            totals.append(depth[rows[part]])
            labels.append(name)
    obs = cells.obs.assign(**{source.sample: samples}).drop_duplicates(source.sample)
    return Bins(
        np.array(bins),
        np.array(labels, dtype=object),
        cells.var_names[expressed[genes]],
        of_bins,
        np.array(totals),
        obs.set_index(source.sample),
        np.array(of_sample),
    )


def as_sequenced(source: Source, folder: Path) -> Bins:
    """Read a cohort with the genes that `load` takes, all counts of its cells, nothing thinned."""
    like = load(source, folder)
    cells = ad.read_h5ad(folder / source.file)
    if source.keep:
        cells = cells[cells.obs[source.keep[0]].astype(str) == source.keep[1]].copy()
    samples, rng = cells.obs[source.sample].astype(str).to_numpy(), np.random.default_rng(0)
    everything, counts = sparse.csr_matrix(cells.X), []
    for name in sorted(set(like.samples)):
        rows = rng.permutation(np.flatnonzero(samples == name))
        size = source.size
        for start in range(0, (like.samples == name).sum() * size, size):
            counts.append(everything[rows[start : start + size]])
    depth = np.array([one.sum(1).A1 for one in counts])
    columns = cells.var_names.get_indexer(like.genes)
    return replace(like, counts=counts, depth=depth, columns=columns)


Estimate = Callable[[Bins, int], tuple[np.ndarray, dict[str, float]]]


def within_samples_alone(estimate: Estimate) -> Estimate:
    """Return an estimator of cells that are not standardised once more within their bin."""

    def of_samples(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        return estimate(replace(bins, expression=bins.of_sample), seed)

    return of_samples


def correlation(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Plain correlation."""
    factors = (correlation_factor(cells) for cells in bins.expression)
    return np.array([pair_weights(one, "model", SHARE) for one in factors]), {}


def cs_core(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """CS-CORE of the counts; what is planted in expression is not in them."""
    found = [
        latent_correlation(counts.toarray(), depth).astype(np.float32)
        for counts, depth in zip(bins.counts, bins.depth, strict=True)
    ]
    for weights in found:
        np.fill_diagonal(weights, 0)
    return np.array(found), {}


def of_ranks(weigh: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Spearman's correlation, or a method that starts from mutual information."""

    def estimate(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        found = np.array([weigh(cells) for cells in bins.expression], np.float32)
        found[:, *np.diag_indices(found.shape[1])] = 0
        return found, {}

    return estimate


def components(k: int) -> Estimate:
    """Shared principal components."""

    def estimate(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        pooled = _equal_cells(bins).astype(np.float64)
        directions = np.linalg.eigh(pooled.T @ pooled / len(pooled))[1][:, -k:]
        factors = (
            low_rank(directions, np.cov(cells @ directions, rowvar=False, bias=True))
            for cells in bins.expression.astype(np.float64)
        )
        return np.array([pair_weights(factor, "model", SHARE) for factor in factors]), {}

    return estimate


def shared(n_models: int = 3, **changes: Any) -> Estimate:
    """One siVAE on the same number of cells of every sample, as the workflow trains it.

    The weights are means over a model of all cells and two of half of the cells each.
    """

    def estimate(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        models = _shared_fits(bins, seed, changes, n_models)
        found = [
            np.mean(
                [pair_weights(covariance_factor(one, cells), "model", SHARE) for one in models], 0
            )
            for cells in bins.expression
        ]
        return np.array(found), _about(models)

    return estimate


def own(definition: Any, **changes: Any) -> Estimate:
    """Return a siVAE per bin, trained from nothing."""

    def estimate(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        models, found = _own_fits(bins, seed, changes), []
        for model, cells in zip(models, bins.expression, strict=True):
            own = covariance_factor(model, cells) if definition == "model" else model.loadings
            found.append(pair_weights(own, definition, SHARE))
        return np.array(found), _about(models)

    return estimate


def warm(**changes: Any) -> Estimate:
    """Return a siVAE per bin that starts from one for the cohort, as preset `robust` has it."""

    def estimate(bins: Bins, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        (start,) = _shared_fits(bins, seed, changes, 1)
        settings, found, models = settings_for(**SMALL | changes), [], []
        for number, cells in enumerate(bins.expression):
            data = ad.AnnData(cells, var=pd.DataFrame(index=bins.genes))
            models.append(fit(data, settings, 10_000 * seed + number, "cpu", start=start))
            found.append(pair_weights(covariance_factor(models[-1], cells), "model", SHARE))
        return np.array(found), _about(models)

    return estimate


# The last models of each seed: definitions of an edge differ, the models do not.
_TRAINED: dict[int, tuple[Any, list[Any]]] = {}


def _own_fits(bins: Bins, seed: int, changes: dict[str, Any]) -> list[Any]:
    key = changes, sha256(np.ascontiguousarray(bins.expression)).digest()
    if seed not in _TRAINED or _TRAINED[seed][0] != key:
        settings, models = settings_for(**SMALL | changes), []
        for start in range(0, len(bins.expression), 8):
            part = [ad.AnnData(cells) for cells in bins.expression[start : start + 8]]
            seeds = [10_000 * seed + start + place for place in range(len(part))]
            models += fit_stack(part, settings, seeds, "cpu")
        _TRAINED[seed] = key, models
    return _TRAINED[seed][1]


def _shared_fits(bins: Bins, seed: int, changes: dict[str, Any], n_models: int = 3) -> list[Any]:
    settings = shared_settings(settings_for(**SMALL | changes))
    if "genes_per_step" in changes:
        settings = replace(settings, genes_per_step=changes["genes_per_step"])
    cells = _equal_cells(bins)
    half = np.random.default_rng(seed).permutation(len(cells)) % 2 == 0
    var = pd.DataFrame(index=bins.genes)
    parts = (np.ones(len(cells), bool), half, ~half)[:n_models]
    return [
        fit(ad.AnnData(cells[kept], var=var), settings, 10 * seed + number, "cpu")
        for number, kept in enumerate(parts)
    ]


def _equal_cells(bins: Bins) -> np.ndarray:
    """Return the cells that the workflow would train one model for the cohort on."""
    cells = np.concatenate(bins.expression)
    labels = pd.DataFrame({"sample": np.repeat(bins.samples, bins.expression.shape[1])})
    donors = pd.Series({name: name for name in np.unique(bins.samples)})
    if "donor_id" in bins.obs:
        donors = bins.obs["donor_id"].astype(str)
    return cells[draw_cells(labels, donors)]


def _about(models: Sequence[Any]) -> dict[str, float]:
    error = [(one.heldout_error / one.variance)[one.variance > 1e-6].mean() for one in models]
    active = [one.active_dimensions for one in models]
    return {"dimensions": float(np.mean(active)), "heldout_error": float(np.mean(error))}


# Of the plan "fast"; and a single training, of which KL weights and sizes are compared.
BATCH = PLANS["fast"]["genes_per_step"]
NOT_SCALED = "components 16, not scaled in the bin"
FROM_COHORT = "siVAE per bin, from the cohort's"
HEADLINE, ONE = "shared siVAE, mean of three models", "shared siVAE, one model"
ESTIMATORS: dict[str, Estimate] = {
    "correlation": correlation,
    "spearman": of_ranks(rank_correlation),
    "cs-core": cs_core,
    "clr": of_ranks(lambda cells: context_likelihood(mutual_information(cells))),
    "mrnet": of_ranks(lambda cells: relevance_less_redundancy(mutual_information(cells))),
    "aracne": of_ranks(lambda cells: prune_triangles(mutual_information(cells))),
    **{f"components {k}": components(k) for k in (16, 32, 64)},
    NOT_SCALED: within_samples_alone(components(16)),
    HEADLINE: shared(kl=0.1, heldout=0.1),
    **{f"{ONE}, KL {kl:g}": shared(1, kl=kl, heldout=0.1) for kl in (1, 0.3, 0.1, 0.03)},
    **{
        f"{ONE}, KL 0.1, latent {latent}": shared(1, kl=0.1, heldout=0.1, latent=latent)
        for latent in (16, 64)
    },
    # As bins have it; the model of a cohort has all genes in every step.
    f"{ONE}, KL 0.1, {BATCH} genes a step": shared(1, kl=0.1, heldout=0.1, genes_per_step=BATCH),
    **{
        f"siVAE per bin, KL {kl:g}, {definition}": own(definition, kl=kl, heldout=0.1)
        for kl in (1, 0.1)
        for definition in ("distance", "model", "inner")
    },
    # As preset `robust` trains them, and with all genes in every step.
    FROM_COHORT: warm(kl=0.1, heldout=0.1),
    f"{FROM_COHORT}, all genes a step": warm(kl=0.1, heldout=0.1, genes_per_step=10**6),
    "siVAE per bin, KL 0.1, model, all genes a step": own(
        "model", kl=0.1, heldout=0.1, genes_per_step=10**6
    ),
}
STOCHASTIC = "siVAE"


def reliability(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return how far bins agree, by seed of the model."""
    rows, edges = [], []
    for seed in SEEDS if STOCHASTIC in name else SEEDS[:1]:
        start = time.perf_counter()
        weights, about = estimate(bins, seed)
        row: dict[str, Any] = {"seed": seed, "seconds": time.perf_counter() - start} | about
        chosen = np.array([_edges(one) for one in weights])
        edges.append(chosen)
        row |= true_edges(chosen, weights, bins)
        rows.append(row | agreement(chosen, weights, bins.samples))
    for row in rows[1:]:
        both = (edges[0] & edges[row["seed"] - 1]).sum(1)
        row["other_seed"] = float((both / (edges[0] | edges[row["seed"] - 1]).sum(1)).mean())
    return rows


def true_edges(edges: np.ndarray, weights: np.ndarray, bins: Bins) -> dict[str, float]:
    """Return the share of edges within modules, and how well strength tells these pairs (AUROC)."""
    if bins.module is None:
        return {}
    first, second = np.triu_indices(len(bins.module), 1)
    true = (bins.module[first] == bins.module[second]) & (bins.module[first] >= 0)
    aurocs = []
    for one in weights:
        ranks = rankdata(np.abs(one)[first, second])
        n_true, n_false = true.sum(), (~true).sum()
        aurocs.append((ranks[true].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))
    return {
        "true_edges": float((edges & true).sum() / edges.sum()),
        "true_auroc": float(np.mean(aurocs)),
    }


def _edges(weights: np.ndarray) -> np.ndarray:
    chosen = np.zeros(weights.shape, bool)
    chosen[strongest_pairs(weights, SHARE)] = True
    return chosen[np.triu_indices(len(weights), 1)]


def agreement(edges: np.ndarray, weights: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """Return Jaccard indices within and between samples, and what follows from them."""
    single = edges.astype(np.float32)
    common = single @ single.T
    size = single.sum(1)
    kernel = common / np.maximum(size[:, None] + size - common, 1)
    first, second = np.triu_indices(len(samples), 1)
    same = samples[first] == samples[second]
    within, between = kernel[first, second][same], kernel[first, second][~same]
    ranks = rankdata(np.concatenate([within, between]))[: len(within)]
    auroc = (ranks.sum() - len(within) * (len(within) + 1) / 2) / (len(within) * len(between))
    strength = np.abs(weights).sum(2)
    return {
        "within": float(within.mean()),
        "between": float(between.mean()),
        "kernel_icc": float((within.mean() - between.mean()) / (1 - between.mean())),
        "auroc": float(auroc),
        "strength_icc": float(np.median(single_bin_icc(strength, samples))),
    }


def single_bin_icc(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the ICC(1,1) of one bin, by column; at least 0."""
    names = np.unique(samples)
    means = np.array([values[samples == name].mean(0) for name in names])
    size = np.array([(samples == name).sum() for name in names])
    within = np.mean(
        [
            values[samples == name].var(0, ddof=1)
            for name, n in zip(names, size, strict=True)
            if n > 1
        ],
        axis=0,
    )
    between = np.maximum(means.var(0, ddof=1) - within / size.mean(), 0)
    return between / (between + within + 1e-12)


def plant(
    bins: Bins,
    kind: str,
    share: float,
    seed: int,
    groups: np.ndarray | None = None,
    chosen: np.ndarray | None = None,
) -> tuple[Bins, np.ndarray, np.ndarray]:
    """Return bins with a module wired anew, half of each group, and which, and its genes.

    Groups are samples unless others are given, or the bins themselves are chosen.

    Values of a gene are exchanged between cells of a bin, so that its distribution stays.
    """
    rng = np.random.default_rng(seed)
    pooled = np.concatenate(bins.expression)
    strength = np.abs(np.corrcoef(pooled.T))
    np.fill_diagonal(strength, 0)
    changed = np.zeros(len(bins.samples), bool)
    groups = bins.samples if groups is None else groups
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        changed[rng.permutation(rows)[: len(rows) // 2]] = True
    changed = changed if chosen is None else chosen
    n_genes = len(strength)
    if kind == "scattered":
        return np.random.default_rng(seed).permutation(np.argsort(-strength.sum(1))[:100])[:30]
    if kind == "loss":
        hub = np.argsort(-np.sort(strength, 1)[:, -MODULE:].mean(1))[8 * seed % (n_genes // 4)]
        module = np.argsort(-strength[hub])[:MODULE]
    else:
        middling = np.argsort(strength.mean(1))[n_genes // 4 : 3 * n_genes // 4]
        module = rng.permutation(middling)[:MODULE]
    expression = bins.expression.copy()
    for row in np.flatnonzero(changed):
        own = np.random.default_rng([seed, row])
        cells = own.permutation(len(expression[row]))[: int(share * len(expression[row]))]
        driver = own.normal(size=len(cells))
        for gene in module:
            values = expression[row][cells, gene]
            if kind == "gain":
                noisy = 0.8 * driver + 0.6 * own.normal(size=len(cells))
                values = np.sort(values)[rankdata(noisy, method="ordinal").astype(int) - 1]
            else:
                values = own.permutation(values)
            expression[row, cells, gene] = values
    return replace(bins, expression=expression), changed, module


def within_samples(bins: Bins, changed: np.ndarray, depth: np.ndarray | None = None) -> Design:
    """Return the design of a test of bins within samples, adjusted for depth where it is given."""
    labels = [f"bin {row}" for row in range(len(changed))]
    table = pd.DataFrame({"donor": labels, "batch": bins.samples, "depth": depth}, index=labels)
    given = [] if depth is None else ["depth"]
    return make_design(labels, table, pd.Series(changed.astype(float), labels), True, given)


def calls(
    weights: np.ndarray, plain: np.ndarray, design: Design
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the model's tests, which pairs it calls, and which the correlation agrees on."""
    test, check = moderated_t(weights, design), moderated_t(plain, design)
    test = test.assign(q=benjamini_hochberg(test["p"].to_numpy()))
    confirmed = pair_tests.agreement(test, check, FDR)["agrees"].to_numpy()
    return test, (test["q"] <= FDR).to_numpy(), confirmed


def planted(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is found of planted gains and losses, for three modules each."""
    large = bins.expression.shape[2] > 1000
    plans = [("gain", 0.5 if large else 0.25), ("loss", 0.4), ("loss", 0.2)]
    rows = []
    for kind, share in plans:
        # What trains a siVAE takes too long for three modules each, but for the headline's gains.
        trains = STOCHASTIC in name
        once = large or (trains and (kind == "loss" or name != HEADLINE))
        if trains and name != HEADLINE and (kind, share) == ("loss", 0.2):
            continue
        for seed in SEEDS[:1] if once else SEEDS:
            rows.append(planted_row(bins, estimate, kind, share, seed)[0])
    return rows


def planted_row(
    bins: Bins, estimate: Estimate, kind: str, share: float, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is found of one module, and how the bins without it reproduce."""
    wired, changed, module = plant(bins, kind, share, seed)
    upper = np.triu_indices(len(bins.genes), 1)
    plain = correlation(wired, 0)[0][:, upper[0], upper[1]]
    found, about = estimate(wired, seed)
    weights = found[:, upper[0], upper[1]]
    touched = np.isin(upper[0], module).astype(int) + np.isin(upper[1], module)
    columns = candidates(np.sqrt((weights**2).mean(0)))
    test, called, agreeing = calls(
        weights[:, columns], plain[:, columns], within_samples(bins, changed)
    )
    inside = touched[columns] == 2
    # A gain is of positive weights; a loss is towards 0.
    before = np.sign(weights[~changed][:, columns].mean(0))
    right = np.sign(test["t"]) == (1 if kind == "gain" else -before)
    row: dict[str, Any] = {"kind": kind, "share": share, "module": seed}
    for what, n in (("both", 2), ("one", 1), ("none", 0)):
        own = touched[columns] == n
        row |= {
            f"tested_{what}": int(own.sum()),
            f"called_{what}": int(called[own].sum()),
            f"agreeing_{what}": int(agreeing[own].sum()),
        }
    row["right_direction"] = float(right[inside & called].mean())
    row["module_pairs"] = int((touched == 2).sum())
    row["module_t"] = float(np.abs(test["t"][inside]).median())
    unchanged, samples = found[~changed], bins.samples[~changed]
    if len(samples) == len(set(samples)):
        return row, about
    chosen = np.array([_edges(one) for one in unchanged])
    return row, about | agreement(chosen, unchanged, samples)


def strengths(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return which genes are called by their strength and degree, and what strength says of them.

    Strength as it is, or divided by its mean over the bin's genes. `explained` are genes without a
    planted change that are called by their degree, and whose strength, as it is, has p > 0.05.
    """
    rows = []
    for (kind, share), seed in product((("gain", 0.25), ("loss", 0.4)), SEEDS):
        wired, changed, module = plant(bins, kind, share, seed)
        weights = np.abs(estimate(wired, seed)[0])
        strength, edges = weights.sum(2), np.array([_edges(one) for one in weights])
        ends = np.triu_indices(len(bins.genes), 1)
        of_pairs = np.zeros((len(ends[0]), len(bins.genes)))
        for end in ends:
            of_pairs[np.arange(len(end)), end] = 1
        values = {
            "as it is": strength,
            "relative": strength / strength.mean(1, keepdims=True),
            "degree": edges.astype(float) @ of_pairs,
        }
        design, planted = within_samples(bins, changed), np.isin(np.arange(len(bins.genes)), module)
        row: dict[str, Any] = {"kind": kind, "module": seed, "others": int((~planted).sum())}
        p = {what: moderated_t(one, design)["p"].to_numpy() for what, one in values.items()}
        for what, own in p.items():
            hit = benjamini_hochberg(own) <= FDR
            row |= {f"{what}, planted": int(hit[planted].sum())}
            row |= {f"{what}, others": int(hit[~planted].sum())}
        unmoved = ~(p["as it is"] <= 0.05)
        row["degree, explained"] = int((hit & unmoved & ~planted).sum())
        row["degree, planted explained"] = int((hit & unmoved & planted).sum())
        rows.append(row)
    return rows


def model_weights(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is found of a gain, and the reliability of the bins without it."""
    few_cells, many_genes = bins.expression.shape[1] < 100, bins.expression.shape[2] > 1000
    share = 0.5 if few_cells or many_genes else 0.25
    rows = []
    for seed in SEEDS[:2]:
        start = time.perf_counter()
        row, about = planted_row(bins, estimate, "gain", share, seed)
        rows.append(row | about | {"seconds": time.perf_counter() - start})
    return rows


def stages(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is called with a second stage of two-sided and of one-sided tests."""
    rows = []
    upper = np.triu_indices(len(bins.genes), 1)
    for (kind, share), seed in product((("gain", 0.25), ("loss", 0.4), ("loss", 0.2)), SEEDS):
        wired, changed, module = plant(bins, kind, share, seed)
        design = within_samples(bins, changed)
        plain = correlation(wired, 0)[0][:, upper[0], upper[1]]
        weights = estimate(wired, seed)[0][:, upper[0], upper[1]]
        columns = candidates(np.sqrt((weights**2).mean(0)))
        touched = np.isin(upper[0], module).astype(int) + np.isin(upper[1], module)
        test, called, one_sided = calls(weights[:, columns], plain[:, columns], design)
        check = moderated_t(plain[:, columns], design)
        q = np.ones(len(called))
        q[called] = benjamini_hochberg(check["p"].to_numpy()[called])
        two_sided = (q <= FDR) & (np.sign(check["t"]) == np.sign(test["t"])).to_numpy()
        for rule, hits in (("first", called), ("two", two_sided), ("one", one_sided)):
            row = {"kind": kind, "share": share, "module": seed, "rule": rule}
            for what, n in (("both", 2), ("one", 1), ("none", 0)):
                row[f"called_{what}"] = int(hits[touched[columns] == n].sum())
            rows.append(row)
    return rows


def few_cells(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is found of a gain, and beside it, with one small bin of each donor."""
    rows = []
    upper = np.triu_indices(len(bins.genes), 1)
    for seed in FEW_MODULES:
        wired, changed, module = plant(bins, "gain", 0.5, seed, np.zeros(len(bins.samples)))
        design = over_donors(bins.samples, changed)
        plain = correlation(wired, 0)[0][:, upper[0], upper[1]]
        found, about = estimate(wired, seed)
        weights = found[:, upper[0], upper[1]]
        inside = np.isin(upper[0], module) & np.isin(upper[1], module)
        outside = ~np.isin(upper[0], module) & ~np.isin(upper[1], module)
        row: dict[str, Any] = {"module": seed, "module_pairs": int(inside.sum())} | about
        tested = {
            "all": np.arange(len(inside)),
            "chosen": candidates(np.sqrt((weights**2).mean(0))),
        }
        for label, columns in tested.items():
            _, called, agreeing = calls(weights[:, columns], plain[:, columns], design)
            for what, of_pairs in (("called", called), ("agreeing", agreeing)):
                row[f"{what}_{label}"] = int(of_pairs[inside[columns]].sum())
                row[f"{what}_{label}_false"] = int(of_pairs[outside[columns]].sum())
        rows.append(row)
    return rows


def over_donors(donors: np.ndarray, changed: np.ndarray) -> Design:
    """Return the design of a test of donors."""
    table = pd.DataFrame({"donor": donors, "batch": ""}, index=donors)
    return make_design(list(donors), table, pd.Series(changed.astype(float), donors), True)


def few_of_each(cells: int, n_donors: int, folder: Path) -> Bins:
    """Return one bin of real cells for each of many donors, which are parts of real samples."""
    bins = load(Source(PEREZ, "sample_id", cells, 300), folder, most_bins=n_donors)
    chosen = np.random.default_rng(0).permutation(len(bins.samples))[:n_donors]
    donors = np.array([f"donor {number}" for number in range(n_donors)], dtype=object)
    return Bins(
        bins.expression[chosen],
        donors,
        bins.genes,
        [bins.counts[row] for row in chosen],
        bins.depth[chosen],
        pd.DataFrame(index=donors),
        bins.of_sample[chosen],
    )


def chosen_pairs(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return the share of a gained module's pairs among the tested ones, by blind rule."""
    rows = []
    for kind, seed in product(("gain", "loss"), SEEDS):
        wired, _, module = plant(bins, kind, 0.5, seed)
        upper = np.triu_indices(len(bins.genes), 1)
        weights = estimate(wired, seed)[0][:, upper[0], upper[1]]
        inside = np.isin(upper[0], module) & np.isin(upper[1], module)
        rules = {
            "mean strength": np.abs(weights).mean(0),
            "root mean square": np.sqrt((weights**2).mean(0)),
            "standard deviation": weights.std(0),
        }
        for rule, score in rules.items():
            for share in (0.02, 0.05, 0.2):
                n = int(np.ceil(share * len(score)))
                kept = np.argsort(-score, kind="stable")[:n]
                rows.append(
                    {"kind": kind, "rule": rule, "share": share, "module": seed}
                    | {"kept": float(inside[kept].sum() / inside.sum())}
                )
    return rows


def paired_designs(bins: Bins) -> list[Design]:
    """Return the design of stimulation, paired by donor, and with flipped pairs."""
    obs = bins.obs.loc[np.unique(bins.samples)]
    donor, condition = obs["donor_id"].astype(str), obs["condition"].astype(str)
    case = (condition == sorted(condition.unique())[-1]).astype(float)
    table = pd.DataFrame({"donor": donor, "batch": ""}, index=obs.index)
    rng = np.random.default_rng(0)
    phenotypes, donors = [case], sorted(donor.unique())
    for _ in range(FLIPS):
        half = np.resize([0, 1], len(donors))
        flipped = dict(zip(donors, rng.permutation(half), strict=True))
        phenotypes.append((case != donor.map(flipped)).astype(float))
    return [make_design(list(bins.samples), table, one, True) for one in phenotypes]


def paired(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return the edges and genes that stimulation changes, and those of flipped pairs."""
    rows, designs = [], paired_designs(bins)
    upper = np.triu_indices(len(bins.genes), 1)
    plain = correlation(bins, 0)[0][:, upper[0], upper[1]]
    strongest = np.argsort(-np.abs(plain).mean(0), kind="stable")
    for seed in SEEDS if STOCHASTIC in name else SEEDS[:1]:
        weights, about = estimate(bins, seed)
        of_pairs = weights[:, upper[0], upper[1]]
        columns = {
            f"{share:.0%}": strongest[: int(share * len(strongest))] for share in (0.02, 0.2)
        }
        columns["chosen"] = candidates(np.sqrt((of_pairs**2).mean(0)))
        row: dict[str, Any] = {"seed": seed} | about
        for label, tested in columns.items():
            found = []
            for design in designs:
                of_samples = design.units.average(of_pairs[:, tested])
                _, called, agreeing = calls(
                    of_samples, design.units.average(plain[:, tested]), design
                )
                found.append((int(called.sum()), int(agreeing.sum())))
            row |= {f"called_{label}": found[0][0], f"agreeing_{label}": found[0][1]}
            flipped = np.array(found[1:])
            row |= {f"flips_called_{label}": int((flipped[:, 0] > 0).sum())}
            row |= {f"flips_agreeing_{label}": int((flipped[:, 1] > 0).sum())}
        for label, strength in (
            ("absolute", np.abs(weights).sum(2)),
            ("signed", weights.sum(2)),
        ):
            n_hits = []
            for design in designs:
                p = moderated_t(design.units.average(strength), design)["p"].to_numpy()
                n_hits.append(int((benjamini_hochberg(p) <= FDR).sum()))
                if design is designs[0]:
                    best = bins.genes[np.argsort(p)[: min(8, max(n_hits[0], 1))]]
            row |= {f"genes_{label}": n_hits[0], f"flips_genes_{label}": sum(map(bool, n_hits[1:]))}
            row[f"strongest_{label}"] = "/".join(best)
        rows.append(row)
    return rows


def programmes(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is found of programmes, of one model and two others that must have them."""
    designs, rows = paired_designs(bins), []
    models = _shared_fits(bins, 1, {"kl": 0.1, "heldout": 0.1})
    pooled = [training_factor(model) for model in models]
    factors = [covariance_factor(models[0], cells) for cells in bins.expression]
    for n_programmes in (8, 16, 32):
        found = find_programmes(pooled[0], pooled[1:], n_programmes)
        kept = np.flatnonzero(found.recurrent)
        covariance = np.array([found.bin_covariance(one)[np.ix_(kept, kept)] for one in factors])
        values, columns = programme_values(covariance)
        for kind, own in columns.groupby("kind").indices.items():
            hits = []
            for design in designs:
                test = moderated_t(design.units.average(values[:, own]), design)
                hits.append(benjamini_hochberg(test["p"].to_numpy()) <= FDR)
            icc = np.median(single_bin_icc(values[:, own], bins.samples))
            rows.append(
                {"programmes": n_programmes, "recurrent": len(kept), "kind": kind}
                | {"tested": len(own), "called": int(hits[0].sum()), "icc": float(icc)}
                | {"flips_called": sum(bool(one.any()) for one in hits[1:])}
            )
    return rows


def modules(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what stimulation changes in modules, and what flipped pairs do."""
    weights, designs, rows = estimate(bins, 1)[0], paired_designs(bins), []
    donors = bins.obs["donor_id"].astype(str)
    found, values, kinds = module_values_of(bins, weights, donors)
    for kind in KINDS:
        own, hits = values[:, kinds == kind], []
        for design in designs:
            test = moderated_t(design.units.average(own), design)
            hits.append(benjamini_hochberg(test["p"].to_numpy()) <= FDR)
        rows.append(
            {"resolution": found.resolution, "modules": len(found.stability), "kind": kind}
            | {"genes": int(np.isin(found.module, found.stable).sum())}
            | {"tested": own.shape[1], "called": int(hits[0].sum())}
            | {"icc": float(np.median(single_bin_icc(own, bins.samples)))}
            | {"flips_called": sum(bool(one.any()) for one in hits[1:])}
        )
    return rows


def rewired_modules(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return whether modules of planted genes are called, and others, bin by bin within samples."""
    rows = []
    for kind, share in (("gain", 0.5), ("loss", 0.4)):
        for seed in SEEDS[:1] if STOCHASTIC in name else SEEDS:
            wired, changed, planted_genes = plant(bins, kind, share, seed)
            donors = pd.Series(np.unique(bins.samples), np.unique(bins.samples))
            found, values, kinds = module_values_of(wired, estimate(wired, seed)[0], donors)
            design = within_samples(bins, changed)
            touched = [
                np.isin(np.flatnonzero(found.module == one), planted_genes) for one in found.stable
            ]
            of_planted = np.array([one.sum() for one in touched])
            first, second = np.triu_indices(len(touched), 1)
            untouched = {
                "density": of_planted == 0,
                "coupling": (of_planted[first] == 0) & (of_planted[second] == 0),
            }
            row: dict[str, Any] = {"kind": kind, "share": share, "module": seed}
            row |= {"modules": len(touched), "planted_in": int(of_planted.max(initial=0))}
            for what, clean in untouched.items():
                test = moderated_t(values[:, kinds == what], design)
                called = benjamini_hochberg(test["p"].to_numpy()) <= FDR
                if what == "density" and len(touched):
                    row["main_called"] = int(called[of_planted.argmax()])
                row |= {f"tested_{what}_untouched": int(clean.sum())}
                row |= {f"called_{what}_untouched": int(called[clean].sum())}
            rows.append(row)
    return rows


def module_values_of(bins: Bins, weights: np.ndarray, donors: pd.Series) -> tuple[Any, ...]:
    """Return the modules of the mean network, their values in every bin, and the kinds of these."""
    upper, names = np.triu_indices(len(bins.genes), 1), np.unique(bins.samples)
    of_samples = np.array([weights[bins.samples == one].mean(0)[upper] for one in names])
    found = find_modules(of_samples, donors[names].tolist(), bins.genes, 0)
    table = of_bins(found, weights)
    return found, np.asarray(table.X), table.var["kind"].to_numpy()


def thinned(counts: Any, kept: Any, seed: Sequence[int]) -> Any:
    """Return the counts of a bin, thinned."""
    n_cells = counts.shape[0]
    seeds = np.random.default_rng(seed).integers(2**62, size=n_cells)
    return thin(counts, np.broadcast_to(kept, n_cells), seeds)


def rewired(counts: Any, genes: np.ndarray, kind: str, share: float, seed: Sequence[int]) -> Any:
    """Return counts of a bin in which some genes are wired together, or lose their wiring.

    Counts of a gene are exchanged between cells of about the same depth, of a share of the cells.
    """
    rng = np.random.default_rng(seed)
    dense, depth = counts.toarray(), counts.sum(1).A1
    cells = rng.permutation(len(depth))[: int(share * len(depth))]
    cells = cells[np.argsort(depth[cells], kind="stable")]
    for stratum in np.array_split(cells, max(1, len(cells) // STRATUM)):
        driver = rng.normal(size=len(stratum))
        for gene in genes:
            values = dense[stratum, gene]
            if kind == "gain":
                noisy = 0.8 * driver + 0.6 * rng.normal(size=len(stratum))
                values = np.sort(values)[rankdata(noisy, method="ordinal").astype(int) - 1]
            else:
                values = rng.permutation(values)
            dense[stratum, gene] = values
    return sparse.csr_matrix(dense)


def matched(counts: Sequence[Any], groups: np.ndarray | None = None) -> list[Any]:
    """Return counts thinned as the workflow does it, where a bin is a sample, or a group is."""
    totals = [one.sum(1).A1.astype(float) for one in counts]
    groups = np.arange(len(counts)) if groups is None else groups
    rows_of = {name: np.flatnonzero(groups == name) for name in np.unique(groups)}
    pooled = {name: np.concatenate([totals[row] for row in rows]) for name, rows in rows_of.items()}
    target = target_quantiles(np.array([depth_quantiles(one) for one in pooled.values()]))
    found: dict[int, Any] = {}
    for name, rows in rows_of.items():
        names = np.arange(len(pooled[name])).astype(str)
        ends = np.cumsum([len(totals[row]) for row in rows])[:-1]
        shares = np.split(shares_kept(pooled[name], names, target), ends)
        for row, kept in zip(rows, shares, strict=True):
            found[row] = thinned(counts[row], kept, [3, row])
    return [found[row] for row in range(len(counts))]


def expressed(bins: Bins, counts: Sequence[Any]) -> Bins:
    """Return bins of these counts, log-normalised and standardised within the bin."""
    logs = [normalise(one)[:, bins.columns].toarray() for one in counts]
    expression = np.array([standardised(scale(one.astype(np.float32))) for one in logs])
    return replace(bins, expression=expression, of_sample=expression)


def log_depth(counts: Sequence[Any]) -> np.ndarray:
    """Return the mean log10 total counts of each bin."""
    return np.array([np.log10(np.maximum(one.sum(1), 1)).mean() for one in counts])


def depth_tests(
    ready: Bins, weights: np.ndarray, design: Design, module: np.ndarray
) -> dict[str, float]:
    """Return what is called of pairs, of genes by their strength, and of the map."""
    upper = np.triu_indices(len(ready.genes), 1)
    plain = correlation(ready, 0)[0][:, upper[0], upper[1]]
    of_pairs = weights[:, upper[0], upper[1]]
    columns = candidates(np.sqrt((of_pairs**2).mean(0)))
    test, called, agreeing = calls(of_pairs[:, columns], plain[:, columns], design)
    touched = (np.isin(upper[0], module).astype(int) + np.isin(upper[1], module))[columns]
    genes = moderated_t(np.abs(weights).sum(2), design)["p"].to_numpy()
    gene_called = benjamini_hochberg(genes) <= FDR
    inside = np.isin(np.arange(len(genes)), module)
    chosen = np.array([_edges(one) for one in weights]).astype(np.float32)
    common = chosen @ chosen.T
    size = chosen.sum(1)
    jaccard = common / np.maximum(size[:, None] + size - common, 1)
    gram = map_gram(jaccard, design.units)
    of_map = distance_regression(gram, design, design.arrangements(999, 0))
    return {
        "called_module": int(called[touched == 2].sum()),
        "agreeing_module": int(agreeing[touched == 2].sum()),
        "called_none": int(called[touched == 0].sum()),
        "agreeing_none": int(agreeing[touched == 0].sum()),
        "tested_none": int((touched == 0).sum()),
        "called_genes_module": int(gene_called[inside].sum()),
        "called_genes_none": int(gene_called[~inside].sum()),
        "module_t": float(np.abs(test["t"][touched == 2]).median()) if len(module) else np.nan,
        "called_runs_pairs": int(called.any()),
        "called_runs_agreeing": int(agreeing.any()),
        "called_runs_genes": int(gene_called.any()),
        "called_runs_map": int(of_map.p <= 0.05),
        "share_pairs": float((test["p"] <= 0.05).mean()),
        "share_genes": float((genes[~inside] <= 0.05).mean()),
        "share_genes_module": float((genes[inside] <= 0.05).mean()) if len(module) else np.nan,
    }


def handled_depth(
    bins: Bins, estimate: Estimate, counts: Sequence[Any], changed: np.ndarray, module: np.ndarray
) -> list[dict[str, Any]]:
    """Return the tests with depth as it is, as a covariate, and matched."""
    rows = []
    for matching in (False, True):
        own = matched(counts) if matching else counts
        ready = expressed(bins, own)
        weights = estimate(ready, 1)[0]
        for how in HANDLED[2:] if matching else HANDLED[:2]:
            depth = log_depth(own) if how == "covariate" else None
            design = within_samples(bins, changed, depth)
            rows.append({"depth": how} | depth_tests(ready, weights, design, module))
    return rows


def depth_artefacts(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is called where half of the bins are thinned, with and without new wiring."""
    rows: list[dict[str, Any]] = []
    n, nothing = len(bins.counts), np.zeros(0, int)
    low = [thinned(one, 0.3, [1, row]) for row, one in enumerate(bins.counts)]
    for level, split in product((1.0, 0.3), range(SPLITS)):
        half = halves(bins.samples, split)
        shallow = half & (level < 1)
        counts = [low[row] if shallow[row] else bins.counts[row] for row in range(n)]
        about = {"kind": "none", "level": level, "planted_in": "", "split": split}
        about["halves"] = "1 to 20" if split < 20 else "21 to 60"
        rows += [about | row for row in handled_depth(bins, estimate, counts, half, nothing)]
    return rows + planted_beside_depth(bins, estimate, (("gain", 0.35), ("loss", 0.4)))


def scattered_losses(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what is found of 30 genes that lose their wiring, with depth beside it."""
    return planted_beside_depth(bins, estimate, (("scattered", 0.7),))


def planted_beside_depth(
    bins: Bins, estimate: Estimate, plans: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    """Return what is found of planted changes where cases, or controls, are thinned."""
    rows: list[dict[str, Any]] = []
    n = len(bins.counts)
    pooled = np.concatenate(expressed(bins, bins.counts).expression)
    strength = np.abs(np.corrcoef(pooled.T))
    np.fill_diagonal(strength, 0)
    for (kind, share), seed in product(plans, SEEDS):
        module, half = module_of(strength, kind, seed), halves(bins.samples, 100 + seed)
        genes = bins.columns[module]
        wired = [
            rewired(one, genes, kind, share, [seed, row]) if half[row] else one
            for row, one in enumerate(bins.counts)
        ]
        which = {
            "the shallow half": half,
            "the deep half": ~half,
            "half of shallow bins": np.ones(n, bool),
            "half of deep bins": np.zeros(n, bool),
        }
        places = [(1.0, "half of deep bins"), *product(LEVELS, list(which)[:3])]
        for level, place in places:
            shallow = which[place]
            counts = [
                thinned(wired[row], level, [2, seed, row]) if shallow[row] else wired[row]
                for row in range(n)
            ]
            about = {"kind": kind, "level": level, "planted_in": place, "module": seed}
            about["halves"] = ""
            rows += [about | row for row in handled_depth(bins, estimate, counts, half, module)]
    return rows


def halves(samples: np.ndarray, seed: int) -> np.ndarray:
    """Return which bins are in a random half of the bins of each sample."""
    rng, half = np.random.default_rng([4, seed]), np.zeros(len(samples), bool)
    for name in np.unique(samples):
        rows = np.flatnonzero(samples == name)
        half[rng.permutation(rows)[: len(rows) // 2]] = True
    return half


def module_of(strength: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Return the genes to wire together, of middling strength, those around a hub, or scattered."""
    n_genes = len(strength)
    if kind == "scattered":
        return np.random.default_rng(seed).permutation(np.argsort(-strength.sum(1))[:100])[:30]
    if kind == "loss":
        hub = np.argsort(-np.sort(strength, 1)[:, -MODULE:].mean(1))[8 * seed % (n_genes // 4)]
        return np.argsort(-strength[hub])[:MODULE]
    middling = np.argsort(strength.mean(1))[n_genes // 4 : 3 * n_genes // 4]
    return np.random.default_rng(seed).permutation(middling)[:MODULE]


def as_sequenced_pairs(bins: Bins, estimate: Estimate, name: str) -> list[dict[str, Any]]:
    """Return what stimulation changes in the map and in genes, three ways of handling depth."""
    rows: list[dict[str, Any]] = []
    obs = bins.obs.loc[np.unique(bins.samples)]
    donor, condition = obs["donor_id"].astype(str), obs["condition"].astype(str)
    case = (condition == sorted(condition.unique())[-1]).astype(float)
    for how in HANDLED:
        counts = matched(bins.counts, bins.samples) if how == "matched" else bins.counts
        ready = expressed(bins, counts)
        weights, own = estimate(ready, 1)[0], log_depth(counts)
        of_sample = pd.Series(own).groupby(bins.samples).mean()
        if how == "covariate":
            table = pd.DataFrame({"donor": donor, "batch": "", "depth": of_sample}, obs.index)
            design = make_design(list(bins.samples), table, case, True, ["depth"])
        else:
            design = paired_designs(bins)[0]
        chosen = np.array([_edges(one) for one in weights]).astype(np.float32)
        common, size = chosen @ chosen.T, chosen.sum(1)
        jaccard = common / np.maximum(size[:, None] + size - common, 1)
        of_map = distance_regression(
            map_gram(jaccard, design.units), design, design.arrangements(9999, 0)
        )
        strength = design.units.average(np.abs(weights).sum(2))
        p = moderated_t(strength, design)["p"].to_numpy()
        difference = (of_sample * np.where(case == 1, 1, -1)).sum() / (len(case) / 2)
        rows.append(
            {"depth": how, "map_p": of_map.p, "map_f": of_map.statistic}
            | {"depth_difference": float(difference)}
            | {"genes": int((benjamini_hochberg(p) <= FDR).sum())}
        )
    return rows


Part = Callable[[Bins, Estimate, str], list[dict[str, Any]]]
PARTS: dict[str, tuple[Part, tuple[str, ...]]] = {
    "planted": (planted, ("perez300", "bmmc500", "simulated300")),
    "paired": (paired, ("kang", "kangc")),
    "reliability": (reliability, ("perez300", "perez1000", "bmmc500", "kang", *SIMULATED)),
    "weights": (
        model_weights,
        ("perez50", "perez300g200", "perez300", "perez1000", "bmmc500"),
    ),
    "stages": (stages, ("perez300",)),
    "strength": (strengths, ("perez300", "simulated300")),
    "few": (few_cells, tuple(FEW)),
    "pairs": (chosen_pairs, ("perez300",)),
    "programmes": (programmes, ("kang", "kangc")),
    "modules": (modules, ("kang", "kangc")),
    "rewired": (rewired_modules, ("perez300", "simulated300")),
    "depth": (depth_artefacts, ("sequencedperez300", "sequencedbmmc300")),
    "scattered": (scattered_losses, ("sequencedperez1000", "sequencedbmmc300")),
    "sequenced": (as_sequenced_pairs, ("sequencedkang",)),
}
# Parts that say the same of every estimator, or nothing of one.
ONLY = {
    "few": ("correlation", "components 16", "components 32", HEADLINE),
    "stages": tuple(f"components {k}" for k in (16, 32, 64)),
    "strength": ("correlation", "components 32", HEADLINE),
    "weights": (
        "correlation",
        *(f"components {k}" for k in (16, 32, 64)),
        *(name for name in ESTIMATORS if name.startswith(ONE)),
    ),
    "pairs": ("correlation", "components 32", HEADLINE),
    "programmes": (HEADLINE,),
    "modules": ("correlation", "components 32", HEADLINE),
    "rewired": ("correlation", "components 32", HEADLINE),
    "depth": ("correlation", "components 32"),
    "scattered": ("correlation", "components 32"),
    "sequenced": ("correlation", "components 16", "components 32", HEADLINE),
}
# What reads counts sees nothing planted; weights without a sign need another second stage.
UNSIGNED = ("clr", "mrnet", "aracne")
EXCEPT = {
    "planted": (
        NOT_SCALED,
        "cs-core",
        *(name for name in ESTIMATORS if name.endswith(("inner", "distance"))),
        *UNSIGNED,
    ),
    "paired": (NOT_SCALED, *UNSIGNED),
}


def cohort_named(name: str, folder: Path) -> Bins:
    """Return the bins of a cohort."""
    if name in FEW:
        cells, donors = FEW[name]
        if "simulated" in name:
            return simulated(cells, n_samples=donors, n_bins=1)
        return few_of_each(cells, donors, folder)
    if name in SEQUENCED:
        return as_sequenced(SEQUENCED[name], folder)
    return simulated(SIMULATED[name]) if name in SIMULATED else load(COHORTS[name], folder)


def work(arguments: argparse.Namespace) -> None:
    """Do what is not done yet, and write each unit down."""
    for part in arguments.parts:
        function, cohorts = PARTS[part]
        for cohort in [one for one in cohorts if one in arguments.cohorts]:
            bins = None
            for name, estimate in ESTIMATORS.items():
                target = arguments.out / f"{part}.{cohort}.{name.replace(' ', '_')}.json"
                left_out = name not in ONLY.get(part, (name,)) or name in EXCEPT.get(part, ())
                if left_out or name not in arguments.estimators or target.exists():
                    continue
                bins = bins or cohort_named(cohort, arguments.data)
                start = time.perf_counter()
                rows = function(bins, estimate, name)
                about = {"part": part, "cohort": cohort, "estimator": name}
                about |= {"bins": len(bins.samples), "genes": len(bins.genes)}
                with atomic(target) as path:
                    path.write_text(json.dumps([about | row for row in rows], default=float))
                print(f"{part} {cohort} {name}: {time.perf_counter() - start:.0f} s", flush=True)


def read(folder: Path) -> None:
    """Print a table for each part and cohort."""
    tables = [pd.DataFrame(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    for part in PARTS:
        of_part = [table for table in tables if table["part"].iloc[0] == part]
        if not of_part:
            continue
        table = pd.concat(of_part, ignore_index=True)
        known = ("kind", "share", "level", "planted_in", "halves", "depth", "rule", "programmes")
        keys = [key for key in known if key in table]
        order = {name: place for place, name in enumerate(ESTIMATORS)}
        table["order"] = table["estimator"].map(order)
        numbers = table.select_dtypes("number").columns.difference(
            ["seed", "split", "module", *keys]
        )
        summed = numbers[numbers.str.contains("tested_|called_|agreeing_|module_pairs")]
        how = {
            name: "sum"
            if part in ("planted", "stages", "weights", "depth", "scattered") and name in summed
            else "mean"
            for name in numbers
        }
        by = ["cohort", *keys, "estimator"]
        shown = table.groupby(by, sort=False).agg(how).sort_values(["cohort", *keys, "order"])
        shown = shown.drop(columns=["order"])[[c for c in table if c in how and c != "order"]]
        print(
            f"\n## {part}\n\n",
            shown.reset_index().to_csv(sep="\t", index=False, float_format="%.3g"),
        )


def main() -> None:
    """Run or read the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--cohorts", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--estimators", nargs="+", default=list(ESTIMATORS))
    parser.add_argument("--read", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.read:
        read(arguments.out)
        return
    if arguments.data is None:
        parser.error("--data: give the folder with the cells")
    arguments.out.mkdir(parents=True, exist_ok=True)
    work(arguments)


if __name__ == "__main__":
    main()
