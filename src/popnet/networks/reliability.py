"""How reproducible a network is, and how much of it is sample, donor and batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.networks.kernels import KernelSums
from popnet.seeds import derive_seed
from popnet.stats.components import indicators
from popnet.stats.ranks import patterns

# Rounding, below which two mean ranks are the same.
TIE = 1e-10


# Permuted pairs held at once.
PAIRS_AT_ONCE = 2**21


def icc(values: np.ndarray, groups: Sequence[str] | Sequence[int] | np.ndarray) -> pd.DataFrame:
    """Return per gene the intraclass correlation ICC(1,k) of bins nested in samples.

    One-way random effects by analysis of variance: the reliability of a sample's mean over k
    bins, (MSB - MSW) / MSB. With unequal numbers of bins k is
    n0 = (N - sum(n_i^2) / N) / (n_samples - 1), for which the same formula holds: n0 cancels.

    Parameters
    ----------
    values : array of shape (n_bins, n_genes)
        NaN where a bin has no value for a gene.
    groups : sequence of str
        The sample of each bin.

    Returns
    -------
    DataFrame with columns icc, n_samples, n_bins, one row per gene
        Samples and bins with a value. NaN where no sample has two bins, where there is one
        sample only, and for constant genes. Negative where bins of one sample differ more than
        samples do, cut at -1.

    References
    ----------
    Shrout and Fleiss, Psychological Bulletin 86 (1979); Donner, International Statistical
    Review 54 (1986) for n0.
    """
    values = np.asarray(values, dtype=np.float64)
    code, samples = pd.factorize(np.asarray(groups, dtype=object))
    total = sparse.csr_array(
        (np.ones(len(code)), (code, np.arange(len(code)))), (len(samples), len(code))
    )
    present = ~np.isnan(values)
    sizes = total @ present.astype(np.float64)
    n_bins = present.sum(axis=0)
    n_samples = (sizes > 0).sum(axis=0)

    # Each gene's first value as origin: exact zeros for constant genes.
    first = values[present.argmax(axis=0), np.arange(values.shape[1])]
    centred = np.where(present, values - first, 0.0)
    mean = centred.sum(axis=0) / np.maximum(n_bins, 1)
    centred = np.where(present, centred - mean, 0.0)
    sample_means = (total @ centred) / np.maximum(sizes, 1)
    between = (sizes * sample_means**2).sum(axis=0)
    within = (np.where(present, centred - sample_means[code], 0.0) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_between = between / (n_samples - 1)
        mean_within = within / (n_bins - n_samples)
        reliability = np.maximum(1 - mean_within / mean_between, -1.0)
    reliability[(n_samples < 2) | (n_bins == n_samples)] = np.nan
    return pd.DataFrame({"icc": reliability, "n_samples": n_samples, "n_bins": n_bins})


def seed_reliability(values: np.ndarray, bins: Sequence[int] | np.ndarray) -> pd.DataFrame:
    """Return per gene how reliable the mean over a bin's models of several seeds is.

    The ICC(1,k) of :func:`icc` of repeats nested in bins: one less it is the share of the variance
    of the bins' means that the seed makes.

    Parameters
    ----------
    values : array of shape (n_models, n_genes)
        NaN where a model has no value for a gene.
    bins : sequence of int, of shape (n_models,)
        The bin of each model.

    Returns
    -------
    DataFrame with columns icc_seeds, n_repeats, one row per gene
        icc_seeds: NaN where no bin has two models. n_repeats: models with a value per bin that has
        one, a mean where bins differ.
    """
    found = icc(values, bins)
    n_repeats = found["n_bins"] / found["n_samples"]
    return pd.DataFrame({"icc_seeds": found["icc"], "n_repeats": n_repeats})


def kernel_reliability(sums: KernelSums) -> dict[str, float]:
    """Return how similar networks are within samples, donors and batches, and between them.

    Parameters
    ----------
    sums : KernelSums
        Of samples, donors and batches; batch "" where unknown.

    Returns
    -------
    dict
        ``within_samples``, ``within_donors`` (different samples of one donor),
        ``within_batches`` (different donors of one batch) and ``between_batches`` (different
        donors and batches): mean similarity of such pairs of bins, NaN without any, each followed
        by their number, ``n_...``. ``icc``: ICC(1,k), the reliability of a sample's mean over its
        bins, as :func:`icc` has it, with the kernel's squared distances for those of one gene:
        1 - 1 / F with the F of PERMANOVA. ``dicc``: of a single bin, 1 less the mean squared
        distance within samples over that between them. ``n_samples``, ``n_bins``.

    References
    ----------
    Xu, Reiss and Cribben, Biometrics 77 (2021) for dicc; Anderson, Austral Ecology 26 (2001).
    """
    sample, donor, batch = (
        _code(sums.groups[name].to_list()) for name in ("samples", "donors", "batches")
    )
    both = donor * (batch.max() + 1) + batch
    itself, sizes = sums.itself, np.bincount(sample)
    own = sums.of_samples.diagonal()
    total, of_sample, of_donor, of_batch, of_both = (
        _pairs(together - itself.sum(), code)
        for together, code in (
            (sums.of_samples.sum(), np.zeros_like(sample)),
            (own.sum(), sample),
            (sums.together["donors",], donor),
            (sums.together["batches",], batch),
            (sums.together["donors", "batches"], both),
        )
    )
    kinds = {
        "within_samples": of_sample,
        "within_donors": of_donor - of_sample,
        "within_batches": of_batch - of_both,
        "between_batches": total - of_batch - of_donor + of_both,
    }
    found: dict[str, float] = {}
    for name, (similarity, n_pairs) in kinds.items():
        found[name] = float(similarity / n_pairs) if n_pairs else math.nan
        found[f"n_{name}"] = int(n_pairs)

    n_bins, n_samples = len(sample), len(sizes)
    reliability = dicc = math.nan
    if 1 < n_samples < n_bins:
        within = itself.sum() - (own / sizes).sum()
        between = itself.sum() - sums.of_samples.sum() / n_bins - within
        reliability = _reliability(
            between / (n_samples - 1), within / (n_bins - n_samples), itself.mean()
        )
        # Squared distances: of a pair, what both are like themselves less what they share twice.
        near = (itself * (sizes[sample] - 1)).sum() - 2 * of_sample[0]
        far = (itself * (n_bins - sizes[sample])).sum() - 2 * (total - of_sample)[0]
        dicc = _reliability(far / (total - of_sample)[1], near / of_sample[1], itself.mean())
    return found | {"icc": reliability, "dicc": dicc, "n_samples": n_samples, "n_bins": n_bins}


def donor_rank(
    similarity: np.ndarray,
    donors: Sequence[str],
    batches: Sequence[str],
    n_permutations: int,
    seed: int,
) -> dict[str, float]:
    """Return how near on the map a sample is to other samples of its donor.

    Their rank is the share of all other samples that are nearer: 0 for the nearest, 0.5 by
    chance. For p donors are permuted over samples; where one has several samples in a batch,
    which are alike for that alone, within batches. Samples of one donor that are all of different
    batches are less alike for it, which makes p large rather than small.

    Parameters
    ----------
    similarity : ndarray of shape (n_samples, n_samples)
    donors, batches : sequence of str, of shape (n_samples,)
    n_permutations : int
        Random ones, unless all ways are fewer.
    seed : int

    Returns
    -------
    dict
        ``donor_rank`` (mean), ``donor_nearest`` (share of samples whose nearest is of their
        donor), ``donor_p`` (one-sided), ``n_repeated`` (donors with several samples),
        ``n_permutations``; NaN where there are none or no other samples.
    """
    donor, batch = _code(donors), _code(batches)
    n = len(donor)
    groups = [np.flatnonzero(donor == code) for code in np.unique(donor)]
    repeated = [rows for rows in groups if len(rows) > 1]
    if not repeated or n < 3:
        return {
            "donor_rank": math.nan,
            "donor_nearest": math.nan,
            "donor_p": math.nan,
            "n_repeated": len(repeated),
            "n_permutations": 0,
        }
    pairs = np.array([pair for rows in repeated for pair in combinations(rows, 2)])
    first, second = np.concatenate([pairs, pairs[:, ::-1]]).T
    others = np.where(np.eye(n, dtype=bool), -np.inf, similarity)
    rank = (pd.DataFrame(-others).rank(axis=1).to_numpy() - 1) / (n - 2)
    own = np.isin(np.arange(n), first)
    same = donor[:, None] == donor
    nearest = np.where(same, others, -np.inf).max(axis=1) >= others.max(axis=1)
    observed = rank[first, second].mean()

    sizes = [len(rows) for rows in repeated]
    total = math.factorial(n) // math.factorial(n - sum(sizes))
    total //= math.prod(math.factorial(size) for size in sizes)
    within = any(len(np.unique(batch[rows])) < len(rows) for rows in repeated)
    exact = (not within or not batch.any()) and total <= n_permutations
    members = np.concatenate(repeated)
    if exact:
        places = np.tile(np.arange(n), (total, 1))
        places[:, members] = list(_assignments(frozenset(range(n)), sizes))
    else:
        generator = np.random.default_rng(derive_seed(seed, "donor rank"))
        order = np.argsort(batch, kind="stable") if within else np.arange(n)
        block = batch if within else np.zeros(n, int)
    exceeding = done = 0
    n_drawn = total if exact else n_permutations
    at_once = max(1, PAIRS_AT_ONCE // max(len(first), n))
    while done < n_drawn:
        size = min(at_once, n_drawn - done)
        if exact:
            chosen = places[done : done + size]
        else:
            chosen = np.empty((size, n), np.intp)
            chosen[:, order] = np.argsort(generator.random((size, n)) + block, axis=1)
        permuted = rank[chosen[:, first], chosen[:, second]].mean(axis=1)
        exceeding += int((permuted <= observed + TIE).sum())
        done += size
    return {
        "donor_rank": float(observed),
        "donor_nearest": float(nearest[own].mean()),
        "donor_p": exceeding / total if exact else (exceeding + 1) / (n_permutations + 1),
        "n_repeated": len(repeated),
        "n_permutations": n_drawn,
    }


def variance_sources(
    values: np.ndarray, samples: Sequence[str], donors: Sequence[str], batches: Sequence[str]
) -> pd.DataFrame:
    """Return how much of each gene's variance over bins is batch, donor, sample and residual.

    Random effects of each, by the method of moments (MINQUE(0), or Haseman-Elston regression of
    products of two bins on what they share); for balanced nested data these are the estimates of
    analysis of variance. The estimates are unbiased, so that some are negative by chance.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
        NaN where missing.
    samples, donors, batches : sequence of str, of shape (n_bins,)

    Returns
    -------
    DataFrame of n_genes rows
        ``batch``, ``donor``, ``sample``, ``bin``: share of their sum. NaN where a source has one
        group only, or cannot be told apart from the finer ones (donors with one sample each,
        samples with one bin each), which then stand for both; all NaN for constant genes.

    References
    ----------
    Rao, Annals of Mathematical Statistics 43 (1972); Haseman and Elston, Behavior Genetics 2
    (1972).
    """
    values = np.asarray(values, dtype=float)
    codes = {"sample": _code(samples), "donor": _code(donors), "batch": _code(batches)}
    shares = pd.DataFrame(np.nan, range(values.shape[1]), ["batch", "donor", "sample", "bin"])
    present = np.isfinite(values)
    for rows, genes in patterns(present):
        n = int(rows.sum())
        if n < 2:
            continue
        part = values[np.ix_(rows, genes)]
        part = part - part[:1]
        part = part - part.mean(axis=0)
        varies = (part**2).sum(axis=0) > 0
        sources = {"bin": sparse.csr_array(sparse.eye(n))}
        for name, code in codes.items():
            wider = sources | {name: indicators(np.unique(code[rows], return_inverse=True)[1])}
            shared = _shared(list(wider.values()))
            scale = np.sqrt(np.diagonal(shared))
            if (scale > 0).all() and np.linalg.matrix_rank(
                shared / np.outer(scale, scale), tol=1e-9
            ) == len(wider):
                sources = wider
        squares = np.stack([((one @ part) ** 2).sum(axis=0) for one in sources.values()])
        components = np.linalg.solve(_shared(list(sources.values())), squares)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(varies, components / components.sum(axis=0), np.nan)
        shares.loc[genes, list(sources)] = found.T
    return shares


def summarise_sources(
    shares: pd.DataFrame, samples: Sequence[str], donors: Sequence[str], batches: Sequence[str]
) -> pd.DataFrame:
    """Return median and quartiles over genes of :func:`variance_sources`.

    Returns
    -------
    DataFrame
        source share lower_quartile upper_quartile n_groups n_genes; one row per source.
    """
    n_groups = {
        "batch": len(set(batches)),
        "donor": len(set(donors)),
        "sample": len(set(samples)),
        "bin": len(samples),
    }
    quartiles = shares.quantile([0.25, 0.5, 0.75])
    return pd.DataFrame(
        {
            "source": list(n_groups),
            "share": quartiles.loc[0.5, list(n_groups)].to_numpy(),
            "lower_quartile": quartiles.loc[0.25, list(n_groups)].to_numpy(),
            "upper_quartile": quartiles.loc[0.75, list(n_groups)].to_numpy(),
            "n_groups": list(n_groups.values()),
            "n_genes": shares[list(n_groups)].notna().sum().to_numpy(),
        }
    )


def _code(groups: Sequence[str]) -> np.ndarray:
    return pd.factorize(np.asarray(groups, dtype=object))[0]


def _pairs(in_both_orders: float, code: np.ndarray) -> np.ndarray:
    """Return the summed similarity, and the number, of pairs of distinct bins of one group."""
    sizes = np.bincount(code)
    return np.array([in_both_orders / 2, (sizes * (sizes - 1) / 2).sum()])


def _reliability(between: float, within: float, scale: float) -> float:
    """Return one less the ratio, at least -1; NaN where both are rounding beside `scale`."""
    if max(abs(between), abs(within)) <= TIE * abs(scale):
        return math.nan
    return float(max(1 - within / between, -1.0)) if between > 0 else -1.0


def _shared(sources: Sequence[sparse.csr_array]) -> np.ndarray:
    """Return the sums of squared products of centred indicators, for every two sources."""
    n = sources[0].shape[1]
    sizes = [one.sum(axis=1) for one in sources]
    found = np.empty((len(sources), len(sources)))
    for i, one in enumerate(sources):
        for j, other in enumerate(sources):
            both = one @ other.T
            found[i, j] = (
                both.power(2).sum()
                - 2 / n * (sizes[i] @ (both @ sizes[j]))
                + (sizes[i] @ sizes[i]) * (sizes[j] @ sizes[j]) / n**2
            )
    return found


def _assignments(left: frozenset[int], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield all ways to give groups of the given sizes their members."""
    if not sizes:
        yield ()
        return
    for chosen in combinations(sorted(left), sizes[0]):
        for rest in _assignments(left - set(chosen), sizes[1:]):
            yield (*chosen, *rest)
