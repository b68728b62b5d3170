"""Freedman-Lane permutation tests of many variables against one phenotype at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from popnet.stats.designs import Arrangements, Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.ranks import MIN_PRESENT, centred_ranks, patterns

# Rounding error, below which two correlations are equal.
TIE = 1e-10


# Permuted statistics in memory.
STATISTICS_AT_ONCE = 2**21


# A variable that fewer random permutations exceed is permuted further, up to this many times the
# number of variables. Otherwise a single one of thousands could never pass the false discovery
# rate.
FEW = 10


FOR_EACH_TEST = 50


# Permutations after which tests of permuted phenotypes are given up that no longer can be called,
# each time more, and the risk of a wrong farewell.
FIRST_LOOK, NEXT_LOOK, MISJUDGED = 200, 5, 1e-6


@dataclass(frozen=True)
class Prepared:
    """Variables ready to be permuted.

    Parameters
    ----------
    residuals : ndarray of shape (n, m)
        Scores given blocks and covariates, scaled to length 1; 0 if nothing is left or too many
        values are missing. A missing value has the mean score.
    tested : bool ndarray of shape (m,)
    present : bool ndarray of shape (n, m)
    scores : ndarray of shape (n, m)
        Scores of the design, or centred values; 0 if missing.
    """

    residuals: np.ndarray
    tested: np.ndarray
    present: np.ndarray
    scores: np.ndarray


def prepare(values: np.ndarray, design: Design, rank: bool = True) -> Prepared:
    """Transform variables to scores, and adjust them for blocks and covariates.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation of the design; NaN if missing.
    design : Design
    rank : bool
        False to use the values themselves.
    """
    values = np.asarray(values, dtype=float)
    present = np.isfinite(values)
    tested = present.mean(0) >= MIN_PRESENT if len(values) else np.zeros(values.shape[1], bool)
    scores = np.zeros(values.shape)
    complete = present.all(0)
    of = design.scores if rank else _centred
    scores[:, complete] = of(values[:, complete])
    for rows, columns in patterns(present, np.flatnonzero(~complete & tested)):
        scores[np.ix_(rows, columns)] = of(values[np.ix_(rows, columns)])
        # A gene that no case has, or no control, says nothing.
        outcomes = pd.Series(design.outcome[rows]).groupby(design.blocks[rows])
        tested[columns] = bool((outcomes.nunique() > 1).any())
    residuals = design.residuals(scores)
    length = np.sqrt((residuals**2).sum(0))
    tested = tested & (length > 0) & design.testable
    residuals = np.where(tested, residuals / np.where(length > 0, length, 1), 0)
    return Prepared(residuals, tested, present, scores)


def permuted_correlations(
    residuals: np.ndarray, design: Design, arrangements: Arrangements
) -> Iterator[np.ndarray]:
    """Yield partial correlations under permutation, (some arrangements, m) at a time.

    Freedman and Lane: the residuals of the variables are permuted within blocks, added to what
    covariates predict, and regressed again on covariates and phenotype. The prediction cancels, so
    that two matrix products are sufficient: of the permuted residual of the phenotype with the
    residuals of the variables, and of the permuted covariates with these, for their residual
    variance.

    Parameters
    ----------
    residuals : ndarray of shape (n, m)
        As in :class:`Prepared`.
    design : Design
    arrangements : Arrangements

    References
    ----------
    Freedman and Lane, Journal of Business and Economic Statistics 1 (1983); Winkler et al.,
    NeuroImage 92 (2014).
    """
    at_once = max(1, STATISTICS_AT_ONCE // max(*residuals.shape, 1))
    for places in arrangements:
        for start in range(0, len(places), at_once):
            yield correlations_at(places[start : start + at_once], residuals, design)


def correlations_at(rows: np.ndarray, residuals: np.ndarray, design: Design) -> np.ndarray:
    """Return the partial correlations under some permutations, (some, m)."""
    outcome = design.residual / np.sqrt((design.residual**2).sum())
    r = outcome[rows] @ residuals
    if design.nuisance.shape[1]:
        left = np.ones_like(r)
        for column in design.nuisance.T:
            explained = column[rows] @ residuals
            np.multiply(explained, explained, out=explained)
            left -= explained
        np.maximum(left, 1e-12, out=left)
        np.sqrt(left, out=left)
        r /= left
    return r


@dataclass(frozen=True)
class Permuted:
    """Result of :func:`permutation_test`.

    Parameters
    ----------
    table : DataFrame of m rows
        ``statistic`` (partial Spearman correlation, or rank-biserial correlation adjusted for the
        covariates: positive if higher with the phenotype or in cases), ``p`` (two-sided),
        ``q`` (Benjamini-Hochberg), ``p_family`` (family-wise, by the largest statistic of each
        permutation), ``n`` (observations with a value), ``n_permutations``.
    maxima : ndarray of shape (n_arrangements,)
        Largest absolute t statistic of each arrangement.
    largest : float
        The same for the observed data.
    exact : bool
        Whether all arrangements were used.
    smallest_p : float
        The p of a variable that is perfectly associated with the phenotype.
    by_chance : ndarray of shape (n_phenotypes, m)
        The p of every variable with each permuted phenotype; a mere estimate where
        Benjamini-Hochberg cannot call it.
    """

    table: pd.DataFrame
    maxima: np.ndarray
    largest: float
    exact: bool
    smallest_p: float
    by_chance: np.ndarray


def permutation_test(
    values: np.ndarray,
    design: Design,
    n_permutations: int,
    seed: int,
    rank: bool = True,
    watch: Callable[[np.ndarray], None] | None = None,
    resolve: bool = False,
    families: np.ndarray | None = None,
    phenotypes: np.ndarray | None = None,
    fdr: float = 0.05,
) -> Permuted:
    """Test every column against the design's phenotype, and against permuted ones.

    Permutations within blocks are a group: those of a permuted phenotype are those of the observed
    one. So the statistics of both have one null distribution, and one set of permutations gives the
    p of all. (With covariates this is as nearly true as Freedman and Lane's test is.)

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation; see `design.units.average` for values by bin.
    design : Design
    n_permutations : int
        Fewer if there are fewer arrangements.
    seed : int
    rank : bool
        Test ranks, or the values themselves.
    watch : callable, optional
        Called with the permuted partial correlations (some arrangements, m) of each chunk.
    resolve : bool
        Permute variables of small p further, so that BH can call one of many (Besag and Clifford,
        Biometrika 78, 1991). `n_permutations` of the table then differs between variables.
    families : ndarray of shape (m,), optional
        The family of each variable, within which Benjamini-Hochberg corrects; one without them.
    phenotypes : ndarray of int, shape (n_phenotypes, n), optional
        Arrangements that give the permuted phenotypes, of :meth:`Design.permuted`.
    fdr : float
        Largest q of a call under a permuted phenotype.
    """
    prepared = prepare(values, design, rank)
    if phenotypes is None:
        phenotypes = np.zeros((0, design.n), np.intp)
    arrangements = design.arrangements(n_permutations, seed)
    most = FOR_EACH_TEST * int(prepared.tested.sum()) if resolve else 0
    if most > n_permutations:
        wider = design.arrangements(most, seed)
        arrangements = wider if wider.exact else arrangements
    observed = observed_correlations(prepared, design)
    m = values.shape[1]
    exceeding, family = np.zeros(m), np.zeros(m)
    maxima = []
    threshold = np.abs(observed) - TIE
    perfect = 0
    follows, reached = _perfect(design)
    extended = np.column_stack([prepared.residuals, follows])
    of_phenotypes = np.full((len(phenotypes), m), np.nan)
    if len(phenotypes):
        found = correlations_at(phenotypes, prepared.residuals, design)
        of_phenotypes = np.where(prepared.tested, found, np.nan)
    chance = _Chance(of_phenotypes, families, fdr, arrangements.exact)
    if design.testable:
        for r in permuted_correlations(extended, design, arrangements):
            size = np.abs(r)
            perfect += int((size[:, -1] >= reached).sum())
            if watch is not None:
                watch(r[:, :-1])
            size = size[:, :-1]
            chance.count(size)
            exceeding += (size >= threshold).sum(0)
            largest = size.max(1, initial=0)
            maxima.append(largest)
            family += len(largest) - np.searchsorted(np.sort(largest), threshold, side="left")
    p = arrangements.p(exceeding)
    n_permuted = np.full(m, arrangements.n)
    least = least_p(design, n_permutations, seed)
    if not arrangements.exact and most > arrangements.n:
        few = np.flatnonzero(prepared.tested & (exceeding < FEW))
        run, column = chance.few()
        counted, n_counted = permute_on(
            prepared.residuals[:, np.append(few, column)],
            np.append(threshold[few], chance.threshold[run, column]),
            np.append(exceeding[few], chance.exceeding[run, column]),
            design,
            arrangements.n,
            design.arrangements(most, seed),
        )
        n_permuted[few] = n_counted[: len(few)]
        p[few] = (counted[: len(few)] + 1) / (n_permuted[few] + 1)
        chance.exceeding[run, column] = counted[len(few) :]
        chance.n[run, column] = n_counted[len(few) :]
    untested = ~prepared.tested
    table = pd.DataFrame(
        {
            "statistic": effect(prepared, design),
            "p": np.maximum(p, least),
            "p_family": np.maximum(arrangements.p(family), least),
        }
    )
    table.loc[untested, ["statistic", "p", "p_family"]] = np.nan
    table.insert(2, "q", benjamini_hochberg(table["p"].to_numpy(), families))
    table["n"] = prepared.present.sum(0)
    table["n_permutations"] = n_permuted
    found = np.concatenate(maxima) if maxima else np.zeros(0)
    return Permuted(
        table,
        t_statistic(found, design.df),
        float(t_statistic(np.abs(observed).max(initial=0), design.df)),
        arrangements.exact,
        max(smallest_p(design, arrangements, perfect, most), least),
        np.maximum(chance.p(), least),
    )


class _Chance:
    """Permutations that exceed the statistics of permuted phenotypes, counted as far as needed.

    Hardly any of these tests can be called. Once the lower bounds of their p say so, a test is
    given up, and its p remains an estimate, too large to be called.

    Parameters
    ----------
    correlations : ndarray of shape (n_phenotypes, m)
        NaN where nothing is tested.
    families : ndarray of shape (m,), optional
    fdr : float
    exact : bool
        As in :class:`popnet.stats.designs.Arrangements`.
    """

    def __init__(
        self, correlations: np.ndarray, families: np.ndarray | None, fdr: float, exact: bool
    ) -> None:
        self.threshold = np.abs(correlations) - TIE
        self.exceeding, self.n = np.zeros((2, *correlations.shape))
        self.families, self.fdr, self.observed = families, fdr, 0 if exact else 1
        self.run, self.column = np.nonzero(np.isfinite(correlations))
        self.least = 0 * correlations
        self.done, self.look = 0, FIRST_LOOK

    def count(self, size: np.ndarray) -> None:
        """Add permutations, given their absolute correlations (some, m)."""
        while len(size) and len(self.run):
            part, size = np.split(size, [self.look - self.done])
            if self.look == FIRST_LOOK:
                for exceeding, threshold in zip(self.exceeding, self.threshold, strict=True):
                    exceeding += (part >= threshold).sum(0)
            else:
                reached = part[:, self.column] >= self.threshold[self.run, self.column]
                self.exceeding[self.run, self.column] += reached.sum(0)
            self.n[self.run, self.column] += len(part)
            self.done += len(part)
            if self.done == self.look:
                self._give_up()
                self.look *= NEXT_LOOK

    def _give_up(self) -> None:
        """Keep the tests that Benjamini-Hochberg would call if p were at its lower bound."""
        counts = np.arange(1, self.done + 1)
        bounds = np.append(0, betaincinv(counts, self.done - counts + 1, MISJUDGED))
        exceeding = self.exceeding[self.run, self.column].astype(int)
        self.least[self.run, self.column] = bounds[exceeding]
        corrected = [benjamini_hochberg(least, self.families) for least in self.least]
        q = np.reshape(corrected, self.least.shape)
        kept = q[self.run, self.column] <= self.fdr
        self.run, self.column = self.run[kept], self.column[kept]

    def few(self) -> tuple[np.ndarray, np.ndarray]:
        """Return phenotype and variable of the tests that few permutations exceed."""
        self._give_up()
        few = self.exceeding[self.run, self.column] < FEW
        return self.run[few], self.column[few]

    def p(self) -> np.ndarray:
        """Return p, (n_phenotypes, m)."""
        n = np.where(self.n > 0, self.n, np.nan)
        return (self.exceeding + self.observed) / (n + self.observed)


def permute_on(
    residuals: np.ndarray,
    threshold: np.ndarray,
    exceeding: np.ndarray,
    design: Design,
    n_done: int,
    arrangements: Arrangements,
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of exceedances and permutations of variables, each with `FEW` exceedances.

    Parameters
    ----------
    residuals : ndarray of shape (n, m)
    threshold, exceeding : ndarray of shape (m,)
        Absolute correlations to exceed, and the number of `n_done` permutations that did.
    design : Design
    n_done : int
        Number of `arrangements` to skip.
    arrangements : Arrangements
    """
    exceeding = exceeding.copy()
    n_permuted = np.full(len(threshold), n_done)
    going = np.arange(len(threshold))
    passed = 0
    for places in arrangements:
        later = places[max(n_done - passed, 0) :]
        passed += len(places)
        for start in range(0, len(later), n_done):
            rows = later[start : start + n_done]
            r = np.abs(correlations_at(rows, residuals[:, going], design))
            exceeding[going] += (r >= threshold[going]).sum(0)
            n_permuted[going] += len(rows)
            going = going[exceeding[going] < FEW]
            if not going.size:
                return exceeding, n_permuted
    return exceeding, n_permuted


def _perfect(design: Design) -> tuple[np.ndarray, float]:
    """Return the residuals of a perfectly associated variable, (n, 1), and its correlation.

    In it all cases are above all controls; with covariates, it is the residual of the phenotype.
    """
    if design.nuisance.shape[1]:
        follows = prepare(design.residual[:, None], design, rank=False)
    else:
        order = np.lexsort((design.residual, design.outcome))
        follows = prepare(np.argsort(order)[:, None], design)
    return follows.residuals, np.abs(observed_correlations(follows, design))[0] - TIE


def least_p(design: Design, n_permutations: int, seed: int) -> float:
    """Return the lower bound of p, from the number of distinct arrangements of the phenotype.

    With covariates, equal outcomes count as different, so that few observations have many
    arrangements. But adjustment does not make 3 cases and 3 controls more convincing. 0 if there
    are many arrangements.
    """
    if not design.testable or not design.nuisance.shape[1]:
        return 0.0
    plain = design.without_covariates()
    arrangements = plain.arrangements(n_permutations, seed)
    if not arrangements.exact:
        return 0.0
    follows, reached = _perfect(plain)
    as_good = sum(
        int((np.abs(r) >= reached).sum())
        for r in permuted_correlations(follows, plain, arrangements)
    )
    return as_good / arrangements.n


def smallest_p(design: Design, arrangements: Arrangements, perfect: int, most: int) -> float:
    """Return the p of a variable that is perfectly associated with the phenotype.

    Parameters
    ----------
    perfect : int
        Number of arrangements in which it is still perfectly associated.
    most : int
        Number of random permutations for variables of small p.
    """
    if not design.testable:
        return 1.0
    if perfect or arrangements.exact:
        return float(arrangements.p(np.asarray(perfect)))
    return 1 / (max(arrangements.n, most) + 1)


def observed_correlations(prepared: Prepared, design: Design) -> np.ndarray:
    """Return the partial correlation of every variable with the phenotype, (m,)."""
    length = np.sqrt((design.residual**2).sum())
    return (design.residual / (length or 1)) @ prepared.residuals


def effect(prepared: Prepared, design: Design) -> np.ndarray:
    """Return the effect of every variable, (m,), over the observations that have a value.

    The partial correlation of the scores (Spearman's rho without covariates). For a binary
    phenotype the difference between cases and controls in the mean rank, given the covariates,
    times 2 / n: without covariates this is the rank-biserial correlation.
    """
    found = np.full(prepared.tested.shape, np.nan)
    for rows, columns in patterns(prepared.present, np.flatnonzero(prepared.tested)):
        part = design if rows.all() else design.subset(rows)
        if not part.testable:
            continue
        scores = prepared.scores[np.ix_(rows, columns)]
        left = part.residuals(centred_ranks(scores) if design.binary else scores)
        along = part.residual @ left
        if design.binary:
            # If covariates determine most of the phenotype, extrapolation can exceed this range.
            found[columns] = np.clip(along / (part.residual**2).sum() * 2 / part.n, -1, 1)
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                found[columns] = along / np.sqrt((left**2).sum(0) * (part.residual**2).sum())
    return found


def t_statistic(r: np.ndarray | float, df: int) -> np.ndarray:
    """Return the t statistic of (partial) correlations, at most 1e6."""
    r = np.asarray(r, dtype=float)
    return np.minimum(np.abs(r) * np.sqrt(max(df, 0) / np.maximum(1 - r**2, 1e-12)), 1e6)


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(0)
