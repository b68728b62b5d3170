"""Genes whose centrality goes with a phenotype, and whether to believe it (preset robust)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import ndtri

from popnet.association import CONTROL_ALPHA, benjamini_hochberg, correlation_p
from popnet.design import Design
from popnet.permutation import (
    Permuted,
    Prepared,
    observed_correlations,
    permutation_test,
    prepare,
)

# Genes that are tried without each sample, donor and batch: the hits, and at least so many.
TRIED = 20
# What may explain a hit, by the prefix of its columns.
CONTROLS = {"mean": "mean expression", "dropout": "dropout rate", "depth": "depth"}
LEAVE_OUT_PERMUTATIONS = 999
ALPHA = 0.05
POWER = 0.8


def associate(
    centrality: np.ndarray,
    controls: Mapping[str, np.ndarray],
    genes: Sequence[str],
    design: Design,
    n_permutations: int,
    seed: int,
    fdr: float,
    icc: pd.Series,
    min_icc: float,
) -> tuple[pd.DataFrame, Permuted]:
    """Test the centrality of every gene, and say what explains it and how stable it is.

    A control explains a hit (q <= `fdr`) where the association given the control has p > 0.05
    and the control itself goes with the phenotype (p <= 0.05).

    Parameters
    ----------
    centrality : ndarray of shape (n_bins, n_genes)
    controls : mapping of name to ndarray of shape (n_bins, n_genes) or (n_bins, 1)
        Of the same cells; the names are keys of `CONTROLS` and prefixes of columns.
    genes : sequence of shape (n_genes,)
    design : Design
    n_permutations, seed : int
    fdr : float
        Largest q of a hit.
    icc : Series, gene -> intraclass correlation over bins
    min_icc : float
        Smallest icc of a reliable gene.

    Returns
    -------
    table : DataFrame sorted by p
        gene statistic p q p_family, per control its own <control>_statistic, _p and _q and the
        association given it, <control>_partial_statistic and _partial_p, the association given all
        of them, partial_statistic and partial_p, icc reliable, of the tried genes effect_low
        effect_high (range of the statistic without a sample, donor or batch) and stable_share (of
        these runs that have its sign and p <= 0.05), n_units n_samples n_donors [n_case n_control]
        n_permutations explained_by. The last is empty for what is no hit, ``none`` where no control
        explains the hit, otherwise the controls joined by ``;``, or ``all together``.
    tested : Permuted
    """
    values = design.units.average(centrality)
    tested = permutation_test(values, design, n_permutations, seed, resolve=True)
    own = prepare(values, design)
    table = tested.table[["statistic", "p", "q", "p_family"]].copy()
    table.insert(0, "gene", np.asarray(genes, dtype=object))
    prepared = []
    explains = []
    for name, by_bin in controls.items():
        control = design.units.average(by_bin)
        ready = prepare(control, design)
        # What is adjusted for already has nothing left: by itself it may go with the phenotype.
        alone = design if ready.tested.any() else design.without_covariates()
        found = permutation_test(control, alone, n_permutations, seed).table
        prepared.append(ready)
        given = partial(own, [ready], design)
        for column in ("statistic", "p", "q"):
            # One control for all genes is one row.
            table[f"{name}_{column}"] = np.broadcast_to(found[column], len(table))
        table[[f"{name}_partial_statistic", f"{name}_partial_p"]] = given
        explains.append(~(given["p"] <= CONTROL_ALPHA) & (table[f"{name}_p"] <= CONTROL_ALPHA))
    together = partial(own, prepared, design)
    table[["partial_statistic", "partial_p"]] = together
    table["icc"] = icc.reindex(pd.Index(genes)).to_numpy(dtype=float)
    table["reliable"] = table["icc"] >= min_icc

    hit = (table["q"] <= fdr).to_numpy()
    order = table["p"].to_numpy().argsort(kind="stable")
    tried = order[: max(TRIED, hit.sum())]
    tried = tried[np.isfinite(table["p"].to_numpy()[tried])]
    table[["effect_low", "effect_high", "stable_share"]] = np.nan
    stability = leave_out(centrality[:, tried], design, own, tried, seed)
    table.loc[tried, ["effect_low", "effect_high", "stable_share"]] = stability

    table["n_units"] = tested.table["n"]
    table["n_samples"] = len(set(samples_of(design)))
    table["n_donors"] = len(set(design.donors))
    if design.binary:
        for column, code in (("n_case", 1), ("n_control", 0)):
            at = design.units.phenotype == code
            table[column] = own.present[at].sum(0)
    table["n_permutations"] = tested.table["n_permutations"]
    named = [
        np.where(explained, CONTROLS[name], "")
        for name, explained in zip(controls, explains, strict=True)
    ]
    by = np.array([";".join(filter(None, row)) for row in zip(*named, strict=True)], dtype=object)
    jointly = ~(together["p"] <= CONTROL_ALPHA).to_numpy()
    table["explained_by"] = np.select(
        [~hit, by != "", jointly], ["", by, "all together"], default="none"
    )
    return table.sort_values("p", kind="stable", ignore_index=True), tested


def partial(own: Prepared, controls: Sequence[Prepared], design: Design) -> pd.DataFrame:
    """Return each gene's association given controls of its own, beside blocks and covariates.

    Parameters
    ----------
    own : Prepared
        Of n_genes columns.
    controls : sequence of Prepared
        Of n_genes columns, or one.
    design : Design

    Returns
    -------
    DataFrame of n_genes rows
        statistic (partial correlation of the scores) and p by the t distribution: permutations
        of thousands of designs would cost much to say nearly the same.
    """
    gene = own.residuals
    size = np.sqrt((design.residual**2).sum()) or 1.0
    outcome = np.repeat(design.residual[:, None] / size, gene.shape[1], axis=1)
    df = np.full(gene.shape[1], design.df)
    basis: list[np.ndarray] = []
    for control in controls:
        direction = np.broadcast_to(control.residuals, gene.shape)
        direction, left = _given(direction, basis)
        basis.append(direction)
        df = df - left
    gene, kept = _given(gene, basis)
    outcome, kept_outcome = _given(outcome, basis)
    r = np.where(own.tested & kept & kept_outcome, (gene * outcome).sum(0), np.nan)
    r = np.clip(r, -1, 1)
    return pd.DataFrame({"statistic": r, "p": correlation_p(r, df, design.n)})


def _given(columns: np.ndarray, basis: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return what is left of columns given others, of length 1, and whether anything is."""
    left = columns
    for direction in basis:
        left = left - (left * direction).sum(0) * direction
    length = np.sqrt((left**2).sum(0))
    something = length > 1e-5 * np.sqrt((columns**2).sum(0))
    return np.where(something, left / np.where(something, length, 1), 0), something


def samples_of(design: Design) -> np.ndarray:
    """Return the sample of every bin that an observation of the design holds."""
    used = np.unique(design.units.weights.tocsr().indices)
    return design.units.bin_samples[used]


def leave_out(
    centrality: np.ndarray, design: Design, own: Prepared, columns: np.ndarray, seed: int
) -> np.ndarray:
    """Return lowest and highest effect without a sample, donor or batch, and the stable share.

    Parameters
    ----------
    centrality : ndarray of shape (n_bins, n_genes)
    design : Design
    own : Prepared
        Of all genes, for the sign of the effect.
    columns : ndarray of int
        Which of them the genes are.
    seed : int

    Returns
    -------
    ndarray of shape (n_genes, 3)
        The last is the share of runs with the effect's sign and p <= 0.05.
    """
    sign = np.sign(observed_correlations(own, design)[columns])
    effects, stable = [], []
    for part in _leaving_out(design):
        if not part.testable:
            continue
        found = permutation_test(
            part.units.average(centrality), part, LEAVE_OUT_PERMUTATIONS, seed
        ).table
        effect = found["statistic"].to_numpy()
        effects.append(effect)
        stable.append((np.sign(effect) == sign) & (found["p"].to_numpy() <= ALPHA))
    if not effects:
        return np.full((len(columns), 3), np.nan)
    return np.column_stack([np.min(effects, 0), np.max(effects, 0), np.mean(stable, 0)])


def _leaving_out(design: Design) -> Iterator[Design]:
    """Yield the design without each sample, each donor of several samples and each batch."""
    samples = samples_of(design)
    for sample in dict.fromkeys(samples):
        keep = (design.units.bin_samples != sample).astype(float)
        weights = (design.units.weights @ sparse.diags_array(keep)).tocsr()
        total = weights.sum(1)
        left = total > 0
        scaled = sparse.diags_array(1 / np.where(left, total, 1)) @ weights
        part = replace(design, units=replace(design.units, weights=scaled.tocsr()))
        yield part.subset(left)
    several = len(set(samples)) > len(set(design.donors)) or design.paired
    if several:
        for donor in dict.fromkeys(design.donors):
            yield design.subset(design.donors != donor)
    if len(set(design.batches)) > 1:
        for batch in dict.fromkeys(design.batches):
            yield design.subset(design.batches != batch)


@dataclass(frozen=True)
class Power:
    """What a design can find.

    Parameters
    ----------
    smallest_p : float
        Of a variable that follows the phenotype perfectly, by permutation.
    effect, effect_of_many : float
        Smallest effect found with a probability of 80 % at p <= 0.05, in one test and after
        Bonferroni's correction for all tests; NaN where no p can be so small. In the unit of the
        tests' statistic.
    n_at_smallest_p : int
        How many variables must reach the smallest p for Benjamini and Hochberg to call them.
    """

    smallest_p: float
    effect: float
    effect_of_many: float
    n_at_smallest_p: int


def power(design: Design, smallest_p: float, n_tests: int, fdr: float) -> Power:
    """Return what a design can find, by Fisher's z of partial correlations.

    Parameters
    ----------
    design : Design
    smallest_p : float
        See `Permuted`.
    n_tests : int
    fdr : float
    """

    def effect_at(alpha: float) -> float:
        if design.df < 2 or smallest_p > alpha:
            return math.nan
        r = math.tanh((ndtri(1 - alpha / 2) + ndtri(POWER)) / math.sqrt(design.df - 1))
        if design.binary:
            n = design.n
            r *= 2 / n * math.sqrt(n * (n**2 - 1) / 12 / (design.residual**2).sum())
        return min(r, 1.0)

    needed = math.ceil(smallest_p * n_tests / fdr)
    return Power(smallest_p, effect_at(ALPHA), effect_at(ALPHA / max(n_tests, 1)), needed)


def describe(design: Design, tested: Permuted, fdr: float) -> pd.DataFrame:
    """Return what was compared and what could be found, as items and values.

    Items called "warning" belong at the top of a report.

    Parameters
    ----------
    design : Design
    tested : Permuted
    fdr : float
    """
    n_tests = int(tested.table["p"].notna().sum())
    found = power(design, tested.smallest_p, n_tests, fdr)
    arrangements = len(tested.maxima)
    how = "all there are" if tested.exact else "random"
    several = len(np.unique(design.blocks)) > 1
    within = "donors" if design.paired else "batches" if several else "cohort"
    items = {
        "observations": design.n,
        "each is a": design.units.kind if not design.paired else "donor at one value",
        "samples": len(set(samples_of(design))),
        "donors": len(set(design.donors)),
        "permuted within": f"{len(np.unique(design.blocks))} {within}",
        "adjusted for": ", ".join(design.covariates["covariate"]) or "nothing",
        "degrees of freedom": design.df,
        "VIF": round(design.vif, 3),
        "permutations": f"{arrangements} ({how})",
        "smallest p": found.smallest_p,
        "genes tested": n_tests,
        "genes needed at smallest p": found.n_at_smallest_p,
        "detectable effect": found.effect,
        "detectable effect, all tests": found.effect_of_many,
    }
    if design.binary:
        items |= {
            "cases": int((design.units.phenotype == 1).sum()),
            "controls": int((design.units.phenotype == 0).sum()),
        }
    warnings = list(design.remarks)
    if design.testable and found.smallest_p > ALPHA:
        warnings.append(
            f"no test can be significant: with {design.n} observations p is at least "
            f"{found.smallest_p:.2g}"
        )
    elif design.testable and n_tests and found.n_at_smallest_p > n_tests:
        warnings.append(
            f"no gene can pass the false discovery rate of {fdr:g}: p is at least "
            f"{found.smallest_p:.2g}, even if all {n_tests:,} genes reached it"
        )
    elif design.testable and found.n_at_smallest_p > 1:
        warnings.append(
            f"p is at least {found.smallest_p:.2g}: at least {found.n_at_smallest_p:,} of "
            f"{n_tests:,} genes must reach it for one to pass"
        )
    rows = [*items.items(), *(("warning", warning) for warning in warnings)]
    return pd.DataFrame([(item, str(value)) for item, value in rows], columns=["item", "value"])


def study_wide(families: Sequence[tuple[pd.DataFrame, np.ndarray]], seed: int) -> pd.DataFrame:
    """Correct the tests of several cell types and phenotypes for each other.

    Parameters
    ----------
    families : sequence of (DataFrame, ndarray)
        Of each family its table with p and p_family, and the largest statistic of each
        arrangement. Random arrangements of the same donors agree between families by their
        number; of families that know few, which have all, arrangements are drawn.
    seed : int

    Returns
    -------
    DataFrame
        study_q (Benjamini-Hochberg over all) and study_p_family (by the smallest family-wise p of
        each arrangement), the families' rows one after another.
    """
    n = max((len(maxima) for _, maxima in families), default=0)
    rng = np.random.default_rng(seed)
    smallest = np.ones(n)
    for _, maxima in families:
        if not len(maxima):
            continue
        ordered = np.sort(maxima)
        # Rounding must not make an arrangement smaller than itself.
        p = (len(maxima) - np.searchsorted(ordered, maxima * (1 - 1e-9), side="left")) / len(maxima)
        aligned = p if len(p) == n else p[rng.integers(len(p), size=n)]
        smallest = np.minimum(smallest, aligned)
    smallest.sort()
    p = np.concatenate([table["p"].to_numpy(float) for table, _ in families])
    family = np.concatenate([table["p_family"].to_numpy(float) for table, _ in families])
    # Tables keep six digits: what was rounded down must still count its ties.
    count = np.searchsorted(smallest, family * (1 + 1e-5), side="right")
    return pd.DataFrame(
        {
            "study_q": benjamini_hochberg(p),
            "study_p_family": np.where(np.isfinite(family), (count + 1) / (n + 1), np.nan),
        }
    )
