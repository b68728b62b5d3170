"""Kernel tests of a gene's rare variants, which may have effects in both directions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.stats.designs import Design
from popnet.stats.permutation import STATISTICS_AT_ONCE, TIE, prepare

# Weight of the burden in SKAT-O (0 is SKAT), the grid of Lee et al.
RHO = (0.0, 0.01, 0.04, 0.09, 0.16, 0.25, 0.5, 1.0)


def skat(
    carrier: np.ndarray,
    groups: np.ndarray,
    design: Design,
    n_permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Test groups of variants by SKAT and SKAT-O, with the phenotype permuted.

    S_j is the product of variant j's minor allele and the phenotype, both given blocks and
    covariates. SKAT is the sum of (w_j S_j)^2 over a group, the burden is the square of the sum of
    w_j S_j, and SKAT-O is the smallest p of their mixtures. The weights w_j are the density of
    Beta(1, 25) at the frequency of the minor allele.

    Parameters
    ----------
    carrier : ndarray of shape (n, m)
        1 for carriers of a variant, 0 for others, NaN for missing values, which are replaced by
        the mean. Variants with too many missing values are not used.
    groups : ndarray of shape (m, g)
        1 if a variant belongs to a group, otherwise 0.
    design : Design
    n_permutations : int
        Fewer if there are fewer arrangements.
    seed : int

    Returns
    -------
    DataFrame of g rows
        skat_p, skato_p and skato_rho (the weight of the burden with the smallest p); NaN for
        groups in which nothing can be tested.

    References
    ----------
    Wu et al., American Journal of Human Genetics 89 (2011); Lee, Wu and Lin, Biostatistics 13
    (2012).
    """
    found = pd.DataFrame(
        np.nan, index=range(groups.shape[1]), columns=["skat_p", "skato_p", "skato_rho"]
    )
    if not design.testable:
        return found
    prepared = prepare(carrier, design, rank=False)
    used = groups * prepared.tested[:, None]
    some = used.any(axis=0)
    if not some.any():
        return found
    used = used[:, some]
    n_carriers = np.where(prepared.present, carrier, 0).sum(axis=0)
    frequency = n_carriers / np.maximum(prepared.present.sum(axis=0), 1)
    minor = np.minimum(frequency, 1 - frequency)
    weights = 25 * (1 - minor) ** 24 * np.where(frequency > 0.5, -1, 1)
    variants = design.residuals(prepared.scores) * weights
    outcome = design.residual

    def statistics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        permuted = outcome[rows]
        product = permuted @ variants
        # The part of a permuted phenotype that covariates explain is not part of its variance.
        left = (outcome**2).sum() - ((permuted @ design.nuisance) ** 2).sum(axis=1)
        left = np.maximum(left, 1e-12)[:, None]
        return product**2 @ used / left, (product @ used) ** 2 / left

    observed = statistics(np.arange(design.n)[None])
    arrangements = design.arrangements(n_permutations, seed)
    # The observed data are one of the arrangements, if these are all or a sample.
    pool = [] if arrangements.exact else [observed]
    at_once = max(1, STATISTICS_AT_ONCE // len(carrier.T))
    for places in arrangements:
        for start in range(0, len(places), at_once):
            pool.append(statistics(places[start : start + at_once]))
    kernels, burdens = (np.concatenate(parts) for parts in zip(*pool, strict=True))

    smallest = np.ones_like(kernels)
    p = np.empty((len(RHO), some.sum()))
    for number, rho in enumerate(RHO):
        mixed = (1 - rho) * kernels + rho * burdens
        own = ((1 - rho) * observed[0] + rho * observed[1])[0]
        for group, (column, value) in enumerate(zip(mixed.T, own, strict=True)):
            ordered = np.sort(column)
            rarer = np.searchsorted(ordered, np.append(column, value) * (1 - TIE), side="left")
            share = 1 - rarer / len(ordered)
            np.minimum(smallest[:, group], share[:-1], out=smallest[:, group])
            p[number, group] = share[-1]
    found.loc[some, "skat_p"] = p[0]
    found.loc[some, "skato_p"] = (smallest <= p.min(axis=0) + TIE).mean(axis=0)
    found.loc[some, "skato_rho"] = np.array(RHO)[p.argmin(axis=0)]
    return found
