"""How variances divide between samples and their bins, and how far the bins of a sample agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.seeds import derive_seed
from popnet.stats.ranks import patterns

# Fewest degrees of freedom between samples, and within them.
MIN_DF = 3
# Random relabellings of the bins: for p, and for what fingerprints find by chance.
PERMUTATIONS, CHANCE_PERMUTATIONS = 199, 20
# Shares of the columns, those that differ most, which p is about: all, or few.
TOP = (1, 0.1, 0.01)
ROUNDING = 1e-10


@dataclass(frozen=True)
class Bins:
    """The bins of a cell type, and what a measure is adjusted for.

    Parameters
    ----------
    samples : ndarray of int, of shape (n_bins,)
        The sample of each bin, as a number from 0.
    n_cells : ndarray of shape (n_bins,)
    fixed : ndarray of shape (n_bins, k)
        1, and the covariates.
    adjusted_for : tuple of str
        What the covariates are.
    halves : bool
        The bins are halves of the cells of samples that fill one bin only.
    """

    samples: np.ndarray
    n_cells: np.ndarray
    fixed: np.ndarray
    adjusted_for: tuple[str, ...]
    halves: bool = False

    @property
    def sizes(self) -> np.ndarray:
        """Bins of each sample, (n_samples,)."""
        return np.bincount(self.samples)


@dataclass(frozen=True)
class Components:
    """How variances divide between samples and bins, by column.

    Parameters
    ----------
    icc : ndarray of shape (m,)
        Of a single bin, between -1 and 1; NaN where it is unknown.
    residuals : ndarray of shape (n_bins, m)
        Given the covariates; 0 where a value is missing.
    present : ndarray of bool, of shape (n_bins, m)
        Where none is.
    df_between, df_within : ndarray of shape (m,)
        Degrees of freedom of what the residuals have between samples and within them.
    """

    icc: np.ndarray
    residuals: np.ndarray
    present: np.ndarray
    df_between: np.ndarray
    df_within: np.ndarray


def describe_bins(
    table: pd.DataFrame, adjust: Sequence[str] = ("depth", "batch"), halves: bool = False
) -> Bins:
    """Return bins with the covariates that their number allows.

    A covariate is left out where fewer than `MIN_DF` degrees of freedom between samples would be
    left, such as a batch of which every sample is its own.

    Parameters
    ----------
    table : DataFrame of n_bins rows
        sample, n_cells, mean_depth (mean log10 total counts of the bin's cells) and batch.
    adjust : sequence of {"depth", "batch"}
        What to adjust for, the most important first.
    halves : bool
        See `Bins`.
    """
    samples = pd.factorize(table["sample"].astype(str))[0]
    # Of a network of the user's own it may be unknown.
    depth = table["mean_depth"].to_numpy(float)[:, None]
    columns = {
        "depth": depth if np.isfinite(depth).all() else np.zeros_like(depth),
        "batch": pd.get_dummies(table["batch"].astype(str), dtype=float).to_numpy(),
    }
    fixed = np.ones((len(table), 1))
    names: list[str] = []
    for name in adjust:
        wider = _basis(np.column_stack([fixed, columns[name]]))
        if wider.shape[1] > fixed.shape[1] and degrees_of_freedom(samples, wider)[0] >= MIN_DF:
            fixed, names = wider, [*names, name]
    return Bins(samples, table["n_cells"].to_numpy(), fixed, tuple(names), halves)


def components(values: np.ndarray, bins: Bins, own: np.ndarray | None = None) -> Components:
    """Return the intraclass correlation of columns over bins, given the bins' covariates.

    Samples are random, covariates fixed effects: Henderson's method 3 (the fitting of constants).
    With SSW, of df_w degrees of freedom, left within samples, and SSB what samples explain beyond
    the covariates X, the variance between samples is (SSB - df_b SSW / df_w) / tr(S' M S), with the
    samples' indicators S and M = 1 - X(X'X)^-1 X'. Without covariates and with equally many bins
    this is the one-way ICC(1,1).

    Parameters
    ----------
    values : ndarray of shape (n_bins, m)
        NaN where missing.
    bins : Bins
    own : ndarray of shape (n_bins, m), optional
        A further covariate of each column, such as the gene's mean expression in the bin. It is
        left out where degrees of freedom are few.

    References
    ----------
    Henderson, Biometrics 9 (1953); Searle, Casella and McCulloch, Variance Components (1992), 5.
    """
    values = np.asarray(values, float)
    found, residuals = np.full(values.shape[1], np.nan), np.zeros(values.shape)
    df = np.zeros((2, values.shape[1]))
    for rows, columns in patterns(np.isfinite(values)):
        if not rows.any():
            continue
        _, code = np.unique(bins.samples[rows], return_inverse=True)
        y, fixed = values[np.ix_(rows, columns)], _basis(bins.fixed[rows])
        y = y - y[:1]
        size = (y - y.mean(axis=0)).std(axis=0) * math.sqrt(len(y))
        member = indicators(code)
        inner = _basis(_within(bins.fixed[rows], member))
        total = y - fixed @ (fixed.T @ y)
        within = _within(y, member)
        within = within - inner @ (inner.T @ within)
        df_within = np.full(y.shape[1], len(y) - member.shape[0] - inner.shape[1])
        df_total = np.full(y.shape[1], len(y) - fixed.shape[1])
        trace = np.full(y.shape[1], len(y) - ((member @ fixed) ** 2).sum())
        df[:, columns] = np.array([[df_total[0] - df_within[0]], [df_within[0]]])
        if own is not None and df_total[0] - df_within[0] > MIN_DF and df_within[0] > MIN_DF:
            m = np.nan_to_num(own[np.ix_(rows, columns)])
            scale = (m**2).sum(axis=0)
            left = _unit(m - fixed @ (fixed.T @ m), scale)
            total = total - left * (left * total).sum(axis=0)
            df_total -= left.any(axis=0)
            trace -= ((member @ left) ** 2).sum(axis=0)
            of_bins = _within(left, member)
            of_bins = ((of_bins - inner @ (inner.T @ of_bins)) ** 2).sum(axis=0)
            df[:, columns] -= np.where(left.any(axis=0), [1 - of_bins, of_bins], 0)
            m = _within(m, member)
            left = _unit(m - inner @ (inner.T @ m), scale)
            within = within - left * (left * within).sum(axis=0)
            df_within -= left.any(axis=0)
        found[columns] = _icc(
            (total**2).sum(axis=0), (within**2).sum(axis=0), df_total, df_within, trace, size**2
        )
        residuals[np.ix_(rows, columns)] = np.where(np.abs(total) > ROUNDING * size, total, 0)
    return Components(found, residuals, np.isfinite(values), *df)


def kernel_components(gram: np.ndarray, bins: Bins) -> tuple[float, np.ndarray]:
    """Return the ICC of a single bin by a kernel, and the kernel given the bins' covariates.

    As :func:`components`, with inner products in the kernel's space for those of values.

    Parameters
    ----------
    gram : ndarray of shape (n_bins, n_bins)
        Symmetric.
    bins : Bins
    """
    fixed, member = _basis(bins.fixed), indicators(bins.samples)
    inner = _basis(_within(bins.fixed, member))
    left = _given(gram, fixed)
    of_samples = (member @ (member @ gram).T).diagonal() / bins.sizes
    within = np.trace(gram) - of_samples.sum() - np.trace(inner.T @ gram @ inner)
    df_within = len(gram) - len(bins.sizes) - inner.shape[1]
    df_total = len(gram) - fixed.shape[1]
    trace = len(gram) - ((member @ fixed) ** 2).sum()
    parts = np.trace(left), within, df_total, df_within, trace, np.trace(gram)
    return float(_icc(*(np.atleast_1d(part) for part in parts))[0]), left


def agreement(left: np.ndarray, bins: Bins, seed: int) -> dict[str, float]:
    """Return how much more alike bins of one sample are than bins of two, against chance.

    Parameters
    ----------
    left : ndarray of shape (n_bins, n_bins)
        Similarity of bins, as inner products, given the covariates.
    bins : Bins
    seed : int
        Of random relabellings of the bins.

    Returns
    -------
    dict
        within, between: mean similarity of two bins of one sample and of two. auroc: how often the
        former are more alike; 0.5 is chance. fingerprint: share of the bins, of samples with
        several, that are most like the other bins of their own sample (mean similarity); chance:
        the same of relabelled bins. NaN without two bins of one sample, or without two samples.
    """
    from scipy.stats import rankdata

    if min(degrees_of_freedom(bins.samples, bins.fixed)) < 1:
        names = ("within", "between", "auroc", "fingerprint", "chance")
        return dict.fromkeys(names, math.nan)
    first, second = np.triu_indices(len(left), 1)
    same = bins.samples[first] == bins.samples[second]
    # Kernels of equal graphs differ by rounding.
    pairs = np.round(left[first, second], 12)
    within, between = pairs[same], pairs[~same]
    ranks = rankdata(pairs)[same]
    auroc = (ranks.sum() - len(within) * (len(within) + 1) / 2) / (len(within) * len(between))
    fixed, chance = _basis(bins.fixed), []
    for order in _relabelled(len(left), seed, CHANCE_PERMUTATIONS):
        relabelled = _given(left[np.ix_(order, order)], fixed)
        chance.append(_recognised(cosine(relabelled), bins.samples))
    return {
        "within": float(within.mean()),
        "between": float(between.mean()),
        "auroc": float(auroc),
        "fingerprint": _recognised(left, bins.samples),
        "chance": float(np.mean(chance)),
    }


def p_of_values(found: Components, bins: Bins, seed: int) -> float:
    """Return p of the hypothesis that no column differs between samples, given the covariates.

    Statistics are the mean share of the variance that is between samples (adjusted R2, which orders
    as the F ratio does) of all columns, and of the tenth and the hundredth of them in which it is
    largest: in a cohort that differs in a few genes alone, the median gene has no reliability, and
    these few have it. Their smallest p counts, compared with the smallest under permutation
    (Westfall and Young). F itself has no bound: a gene that a single bin expresses would decide the
    mean, wherever permutation puts this bin. Residuals are permuted over the bins and regressed on
    the covariates again (Freedman and Lane, Journal of Business and Economic Statistics 1, 1983).

    Parameters
    ----------
    found : Components
    bins : Bins
    seed : int
    """
    from scipy.stats import rankdata

    by_bins = degrees_of_freedom(bins.samples, bins.fixed)
    if min(by_bins) < 1 or not np.isfinite(found.icc).any():
        return math.nan
    varies = found.residuals.any(axis=0)
    residuals = found.residuals[:, varies]
    residuals = residuals / np.sqrt((residuals**2).sum(axis=0))
    present = found.present[:, varies].astype(float)
    fixed, member = _basis(bins.fixed), indicators(bins.samples)
    inner = _basis(_within(bins.fixed, member))
    largest = [max(1, round(share * residuals.shape[1])) for share in TOP]

    def statistics(order: np.ndarray, df: np.ndarray | None = None) -> list[float]:
        values, sizes = residuals[order], member @ present[order]
        if df is None:
            # Without the samples and bins that a column lacks here.
            samples_lost = (sizes == 0).sum(axis=0)
            bins_lost = len(order) - sizes.sum(axis=0)
            df = np.array(by_bins)[:, None] - [samples_lost, bins_lost - samples_lost]
        of_samples = ((member @ values) ** 2 / np.maximum(sizes, 1)).sum(axis=0)
        within = (values**2).sum(axis=0) - of_samples - ((inner.T @ values) ** 2).sum(axis=0)
        total = (values**2).sum(axis=0) - ((fixed.T @ values) ** 2).sum(axis=0)
        left = df.sum(axis=0) * within / (np.maximum(df[1], 1) * np.maximum(total, ROUNDING))
        # Nothing is known of a column whose bins are alike in all samples that have several.
        share = np.where((df.min(axis=0) >= 1) & (within > ROUNDING), 1 - left, 0)
        share.sort()
        return [float(share[-n:].mean()) for n in largest]

    df = np.array([found.df_between[varies], found.df_within[varies]])
    orders = _relabelled(len(residuals), seed, PERMUTATIONS)
    each = [statistics(np.arange(len(residuals)), df), *map(statistics, orders)]
    # How many are as large, of each statistic, over the observed one and all permuted ones.
    rarity = rankdata(np.round(-np.array(each), 10), method="max", axis=0).min(axis=1)
    return float((rarity <= rarity[0]).mean())


def p_of_kernel(left: np.ndarray, bins: Bins, seed: int) -> float:
    """Return p of the hypothesis that samples do not differ, given the covariates.

    As :func:`p_of_values`, with the F ratio of the kernel's squared distances.

    Parameters
    ----------
    left : ndarray of shape (n_bins, n_bins)
        The kernel given the covariates.
    bins, seed
        As of :func:`p_of_values`.
    """
    df = degrees_of_freedom(bins.samples, bins.fixed)
    if min(df) < 1:
        return math.nan
    first, second = np.triu_indices(len(left), 1)
    own = bins.samples[first] == bins.samples[second]
    first, second, itself = first[own], second[own], left.diagonal()
    weight = 1 / bins.sizes[bins.samples]
    fixed = _basis(bins.fixed)
    inner = _basis(_within(bins.fixed, indicators(bins.samples)))

    def statistic(order: np.ndarray) -> float:
        of_samples = (weight * itself[order]).sum()
        of_samples += 2 * (weight[first] * left[order[first], order[second]]).sum()
        back = np.argsort(order)
        explained, more = (((left @ one[back]) * one[back]).sum() for one in (fixed, inner))
        within = itself.sum() - of_samples - more
        between = itself.sum() - explained - within
        return float(between / within) if within > 0 else math.inf

    observed = statistic(np.arange(len(left))) * (1 - ROUNDING)
    orders = _relabelled(len(left), seed, PERMUTATIONS)
    reached = sum(statistic(order) >= observed for order in orders)
    return (reached + 1) / (PERMUTATIONS + 1)


def spearman_brown(icc: np.ndarray | float, k: float) -> np.ndarray:
    """Return the reliability of the mean over k bins, given that of one; below 0 it is 0."""
    icc = np.maximum(icc, 0)
    return np.asarray(k * icc / (1 + (k - 1) * icc))


def degrees_of_freedom(samples: np.ndarray, fixed: np.ndarray) -> tuple[int, int]:
    """Return the degrees of freedom between samples, beyond the covariates, and within them."""
    member = indicators(samples)
    inner = np.linalg.matrix_rank(_scaled(_within(fixed, member)), tol=1e-8)
    within = len(samples) - member.shape[0] - int(inner)
    return len(samples) - int(np.linalg.matrix_rank(_scaled(fixed))) - within, within


def cosine(gram: np.ndarray) -> np.ndarray:
    """Return inner products of vectors of length 1; 0 of those without length."""
    length = np.sqrt(np.maximum(gram.diagonal(), 0))
    length = np.where(length > ROUNDING, length, np.inf)
    cosine: np.ndarray = gram / length / length[:, None]
    return cosine


def _relabelled(n: int, seed: int, n_permutations: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(derive_seed(seed, "relabelled bins"))
    for _ in range(n_permutations):
        yield rng.permutation(n)


def _recognised(gram: np.ndarray, samples: np.ndarray) -> float:
    """Return the share of bins most like the others of their sample; ties count in part."""
    sizes = np.bincount(samples)
    rows = np.arange(len(samples))
    summed = np.asarray((indicators(samples) @ gram).T)
    summed[rows, samples] -= gram.diagonal()
    others = np.tile(sizes.astype(float), (len(samples), 1))
    others[rows, samples] -= 1
    asked = sizes[samples] > 1
    mean = np.round(summed[asked] / np.maximum(others[asked], 1), 12)
    best = mean == mean.max(axis=1, keepdims=True)
    return float((best[np.arange(asked.sum()), samples[asked]] / best.sum(axis=1)).mean())


def _icc(
    total: np.ndarray,
    within: np.ndarray,
    df_total: np.ndarray,
    df_within: np.ndarray,
    trace: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:
    df_between = df_total - df_within
    with np.errstate(divide="ignore", invalid="ignore"):
        of_bins = within / df_within
        of_samples = (total - within - df_between * of_bins) / trace
        icc = of_samples / (of_samples + of_bins)
    icc = np.where(of_samples + of_bins > 0, np.clip(icc, -1, 1), -1)
    # Without any difference within samples, as in genes whose only edges are those of lone bins,
    # nothing is known of the noise.
    known = (df_between > 0) & (df_within > 0) & (within > ROUNDING * scale)
    return np.where(known, icc, np.nan)


def indicators(code: np.ndarray, n_groups: int | None = None) -> sparse.csr_array:
    """Return which observations belong to each group, (n_groups, n).

    Parameters
    ----------
    code : ndarray of int, of shape (n,)
        The group of each, as a number from 0.
    n_groups : int, optional
        By default those up to the largest number.
    """
    shape = (int(code.max(initial=-1)) + 1 if n_groups is None else n_groups, len(code))
    return sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape)


def _within(values: np.ndarray, member: sparse.csr_array) -> np.ndarray:
    """Return values less the mean of their sample."""
    means = (member @ values) / np.asarray(member.sum(axis=1)).reshape(-1, 1)
    left: np.ndarray = values - member.T @ means
    return left


def _scaled(columns: np.ndarray) -> np.ndarray:
    length = np.sqrt((columns**2).sum(axis=0))
    return columns / np.where(length > ROUNDING, length, np.inf)


def _basis(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of columns, (n, rank)."""
    left, singular, _ = np.linalg.svd(_scaled(columns), full_matrices=False)
    basis: np.ndarray = left[:, singular > 1e-8]
    return basis


def _given(gram: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Return inner products given an orthonormal basis of covariates."""
    left = gram - fixed @ (fixed.T @ gram)
    both: np.ndarray = left - (left @ fixed) @ fixed.T
    return both


def _unit(columns: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Return columns of length 1; 0 where next to nothing is left of what had a squared length."""
    length = np.sqrt((columns**2).sum(axis=0))
    known = length**2 > ROUNDING * scale
    return np.where(known, columns / np.where(known, length, 1), 0)
