"""Designs of tests: observations, what they are adjusted for, and how they may be permuted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import fdtrc

from popnet.seeds import derive_seed
from popnet.stats.mixed_designs import MixedDesign
from popnet.stats.ranks import centred_ranks, normal_scores
from popnet.stats.units import (
    Units,
    coded_columns,
    combinations_of,
    covariates_of,
    interaction,
    known_values,
    units,
)

# Fewest residual degrees of freedom for a test.
MIN_DF = 3


# Smallest share of a covariate's variance that is left given the others.
TOLERANCE = 1e-6


# The usual limit of the variance inflation factor, above which there is a warning.
MAX_VIF = 10.0


# The note of a covariate that determines the phenotype completely.
SAME = "the same as the phenotype"


# Random numbers in memory while permutations are drawn.
DRAWN_AT_ONCE = 2**22


# Permutations that are drawn for each permuted phenotype, to find all where there are few.
DRAWS = 50


@dataclass(frozen=True)
class Design:
    """Observations of one phenotype, adjusted for covariates, permuted within blocks.

    Made by :func:`make_design`. Permutations depend only on the seed and the labels of the
    observations: two designs of the same donors are permuted in the same way, for any phenotype.

    Parameters
    ----------
    units : Units
        The observations, with their phenotype.
    binary : bool
    paired : bool
        Within donors: every donor is a block.
    outcome : ndarray of shape (n,)
        The phenotype's `scores`, or 0 and 1.
    residual : ndarray of shape (n,)
        Residuals of `outcome` given blocks and covariates; all 0 if nothing is left.
    nuisance : ndarray of shape (n, k)
        Orthonormal basis of the covariates given the blocks.
    blocks : ndarray of int, shape (n,)
        Observations are exchanged only within a block; its mean is subtracted.
    donors, batches : ndarray of shape (n,)
        The groups that leave-one-out analyses leave out.
    covariates : DataFrame
        covariate, association with the phenotype within blocks (statistic: multiple correlation),
        p, vif (of the covariate given the others), note.
    remarks : tuple of str
        Warnings for the reader of the tests.
    mixed : MixedDesign, optional
        The same question to a linear mixed model, which leaves no observation out.
    factors : ndarray of shape (n, 2) or (n, 0)
        The variables whose interaction is tested, if it is one.
    margin : float, optional
        Of a test of equivalence (:func:`popnet.stats.mixed.equivalence_p`).
    """

    units: Units
    binary: bool
    paired: bool
    outcome: np.ndarray
    residual: np.ndarray
    nuisance: np.ndarray
    blocks: np.ndarray
    donors: np.ndarray
    batches: np.ndarray
    covariates: pd.DataFrame
    remarks: tuple[str, ...]
    mixed: MixedDesign | None = None
    factors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    margin: float | None = None

    @property
    def n(self) -> int:
        """Number of observations."""
        return len(self.outcome)

    @property
    def interaction(self) -> bool:
        """Whether the interaction of two variables is tested."""
        return self.factors.shape[1] > 0

    @property
    def of_model(self) -> Units:
        """The observations of the mixed model, or those of the design where it has none."""
        return self.units if self.mixed is None else self.mixed.units

    @property
    def df(self) -> int:
        """Residual degrees of freedom of a partial correlation."""
        return self.n - len(np.unique(self.blocks)) - self.nuisance.shape[1] - 1

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return the centred ranks of columns, or normal scores if there are covariates.

        If gene and phenotype depend on a covariate, the residuals of ranks vary less near both
        ends, and agree more often than under permutation. Normal scores do not have this problem.
        For an interaction values are only centred: what is additive is no longer so after ranking.
        """
        if self.interaction:
            return values - values.mean(0) if len(values) else values
        return normal_scores(values) if self.nuisance.shape[1] else centred_ranks(values)

    @property
    def testable(self) -> bool:
        """Whether a test is possible: the phenotype varies given blocks and covariates."""
        return self.df >= 1 and bool(self.residual.any())

    @property
    def vif(self) -> float:
        """Variance inflation of the phenotype by blocks and covariates."""
        left = (self.residual**2).sum()
        total = ((self.outcome - self.outcome.mean()) ** 2).sum() if self.n else 0
        return float(total / left) if left > 0 else math.inf

    @cached_property
    def block_indicators(self) -> sparse.csr_array:
        """Orthonormal indicators of the blocks, (n_blocks, n)."""
        _, code, size = np.unique(self.blocks, return_inverse=True, return_counts=True)
        return sparse.csr_array(
            (1 / np.sqrt(size[code]), (code, np.arange(self.n))), (len(size), self.n)
        )

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Return residuals of columns (n, m) given blocks and covariates; exactly 0 if none."""
        left = values - self.block_indicators.T @ (self.block_indicators @ values)
        left -= self.nuisance @ (self.nuisance.T @ left)
        nothing = (left**2).sum(0) <= TOLERANCE**2 * (values**2).sum(0)
        left[:, nothing] = 0
        return left

    def without_covariates(self) -> Design:
        """Return the design with its blocks but without covariates."""
        plain = replace(self, nuisance=np.zeros((self.n, 0)))
        return replace(plain, residual=plain.residuals(self.outcome[:, None])[:, 0])

    def untested(self, reason: str | None) -> Design:
        """Return the design with nothing to test, and why; the design itself without a reason.

        Tests give the same rows, without p.
        """
        if reason is None:
            return self
        nothing = np.zeros(self.n)
        remarks = (*self.remarks, reason)
        return replace(self, outcome=nothing, residual=nothing, remarks=remarks, mixed=None)

    def over(self, samples: Sequence[str]) -> Design:
        """Return the design for a table with one row per sample, such as that of their edges.

        Parameters
        ----------
        samples : sequence of str
            Rows of the table: the samples that the design was made of, in any order.
        """
        mixed = None if self.mixed is None else self.mixed.over(samples)
        return replace(self, units=self.units.over(samples), mixed=mixed)

    def subset(self, kept: np.ndarray) -> Design:
        """Return the design of some of the observations; given as a mask, the phenotype re-ranked.

        Covariates keep their values; directions without variance are removed.
        """
        code = np.flatnonzero(kept)
        part = self.units.take(code)
        return _design(
            part,
            self.binary,
            self.paired,
            [("", self.nuisance[code])] if self.nuisance.shape[1] else [],
            self.blocks[code],
            self.donors[code],
            self.batches[code],
            (),
            self.factors[code] if self.interaction else self.factors,
        )

    def arrangements(self, n_permutations: int, seed: int) -> Arrangements:
        """Return permutations of the observations: all if they are few, otherwise random ones.

        Parameters
        ----------
        n_permutations : int
            Number of random permutations, and the largest number for which all are used.
        seed : int
        """
        every = self._enumerate(n_permutations) if self.testable else np.arange(self.n)[None]
        if every is not None:
            # Mixed, so that the first of them are a sample of all.
            every = np.random.default_rng(derive_seed(seed, "order")).permutation(every)
            return Arrangements(len(every), True, lambda: iter([every]))
        return Arrangements(n_permutations, False, lambda: self._drawn(n_permutations, seed))

    def permuted(self, n: int, seed: int) -> np.ndarray:
        """Return arrangements that give the observations another phenotype, (n or fewer, n).

        No two give the same one, and none the observed one; exchanged groups (or ranks) are the
        same phenotype, since two-sided tests do not tell them apart. Fewer than `n` where there are
        no more, as for four pairs, which have seven.

        Parameters
        ----------
        n : int
        seed : int
        """
        found: list[np.ndarray] = []
        if n and self.testable:
            # What covariates leave is exchanged with them, so that the phenotype alone counts.
            phenotype = self.without_covariates().residual
            phenotype = np.round(phenotype / np.abs(phenotype).max(), 9) + 0.0
            seen = {phenotype.tobytes(), (0 - phenotype).tobytes()}
            draws = self._drawn(DRAWS * n, derive_seed(seed, "permuted phenotypes"), n)
            for places in draws:
                for row in places:
                    moved = phenotype[row]
                    if len(found) < n and moved.tobytes() not in seen:
                        found.append(row)
                        seen |= {moved.tobytes(), (0 - moved).tobytes()}
                if len(found) == n:
                    break
        return np.array(found, np.intp).reshape(len(found), self.n)

    def _drawn(self, n: int, seed: int, at_once: int | None = None) -> Iterator[np.ndarray]:
        """Yield random arrangements, some at a time."""
        labels = list(self._labels())
        generators = [np.random.default_rng(derive_seed(seed, *label)) for label in labels]
        # Positions sorted by label, so that the order of the rows has no effect.
        by_label = np.array(sorted(range(self.n), key=labels.__getitem__), np.intp)
        order = by_label[np.argsort(self.blocks[by_label], kind="stable")]
        at_once = at_once or max(1, DRAWN_AT_ONCE // self.n)
        code = np.unique(self.blocks, return_inverse=True)[1]
        for start in range(0, n, at_once):
            size = min(at_once, n - start)
            keys = np.stack([generator.random(size) for generator in generators], 1)
            places = np.empty((size, self.n), np.intp)
            places[:, order] = np.argsort(keys + code, axis=1)
            yield places

    def _labels(self) -> Iterator[tuple[str, ...]]:
        """Yield the labels by which an observation is recognised in other designs."""
        for donor, label in zip(self.donors, self.units.labels, strict=True):
            yield (str(donor), str(label)) if self.paired else (str(donor),)

    def _enumerate(self, most: int) -> np.ndarray | None:
        """Return all arrangements of the outcome, equally likely; None if there are too many."""
        # With covariates, equal outcomes differ by their covariates.
        code = np.arange(self.n) if self.nuisance.shape[1] else _dense(self.outcome)
        members = [np.flatnonzero(self.blocks == block) for block in np.unique(self.blocks)]
        total = 1
        for rows in members:
            total *= math.factorial(len(rows))
            for size in np.unique(code[rows], return_counts=True)[1]:
                total //= math.factorial(size)
            if len(rows) > 8 and len(np.unique(code[rows])) > 2:
                return None
        if total > most:
            return None
        ways = [list(_distinct(rows, code[rows])) for rows in members]
        places = np.empty((total, self.n), np.intp)
        for number, chosen in enumerate(product(*ways)):
            for rows, sources in zip(members, chosen, strict=True):
                places[number, rows] = sources
        return places


@dataclass(frozen=True)
class Arrangements:
    """Permutations of observations: row numbers to take, within blocks.

    Parameters
    ----------
    n : int
    exact : bool
        All arrangements, including the observed one, instead of random ones.
    chunks : callable
        Returns an iterator over arrays of (some, n_observations); the same in each call.
    """

    n: int
    exact: bool
    chunks: Callable[[], Iterator[np.ndarray]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.chunks()

    def p(self, exceeding: np.ndarray) -> np.ndarray:
        """Return p from the number of arrangements that are at least as extreme as observed."""
        return exceeding / self.n if self.exact else (exceeding + 1) / (self.n + 1)


def unadjusted(units: Units, binary: bool) -> Design:
    """Return a design in which every unit is an observation and nothing is adjusted for.

    Parameters
    ----------
    units : Units
    binary : bool
    """
    n = len(units.labels)
    return Design(
        units=units,
        binary=binary,
        paired=False,
        outcome=units.phenotype.astype(float),
        residual=units.phenotype - (units.phenotype.mean() if n else 0),
        nuisance=np.zeros((n, 0)),
        blocks=np.zeros(n, int),
        donors=units.labels,
        batches=np.full(n, "", dtype=object),
        covariates=pd.DataFrame(columns=["covariate"]),
        remarks=(),
    )


def make_design(
    bin_samples: Sequence[str] | pd.Index,
    samples: pd.DataFrame,
    phenotype: pd.Series,
    binary: bool,
    covariates: Sequence[str] = (),
    technical: Sequence[str] = (),
    factors: Sequence[str] = (),
) -> Design:
    """Return the design of a phenotype.

    A sample's value is the mean over its bins. If the phenotype is constant within donors, a donor
    is one observation (mean over samples). If at least half of the donors have several values of
    it, as in before-and-after designs, an observation is a donor at one value, and observations
    are compared within donors. If fewer donors have several values, each of these is one
    observation with the mean value; for a binary phenotype, these donors are left out.

    Parameters
    ----------
    bin_samples : sequence of shape (n_bins,)
        Sample of every bin, or of every row of a table of samples.
    samples : DataFrame, indexed by sample
        donor, batch ("" if unknown) and the covariates; numeric covariates are ranked.
    phenotype : Series, sample -> float
        1 for cases and 0 for controls if `binary`; samples with a missing value are left out.
    binary : bool
    covariates : sequence of str
        Columns of `samples`. Observations with a missing covariate are left out.
    technical : sequence of str
        Further covariates; if the cohort is too small to adjust for all, they are dropped, the
        last one first.
    factors : sequence of str
        Two of the covariates (:func:`popnet.stats.units.factor_values`), whose interaction is
        tested in place of `phenotype`: an observation is a donor at a combination of both. Donors
        with several combinations are left out where they are too few to test within donors.

    Returns
    -------
    Design
    """
    remarks = []
    if factors:
        phenotype = combinations_of(samples, factors)
    donor, values = known_values(bin_samples, samples, phenotype)
    n_values = values.groupby(donor[values.index]).nunique()
    varying = n_values.index[n_values > 1]
    paired = len(varying) > 0 and 2 * len(varying) >= len(n_values)
    if paired and len(varying) < len(n_values):
        remarks.append(
            f"{len(n_values) - len(varying)} of {len(n_values)} donors have one value of the "
            "phenotype only and tell nothing within donors: left out"
        )
        values = values[donor[values.index].isin(varying)]
    elif len(varying) and not paired:
        several = donor[values.index].isin(varying)
        if binary or factors:
            what = "left out" if factors else "left out, as they are both case and control"
            values = values[~several]
        else:
            what = "counted once, with their mean"
            values = values.groupby(donor[values.index]).transform("mean")
        remarks.append(
            f"the phenotype varies within {len(varying)} of {len(n_values)} donors, too few to "
            f"test it within donors: {what}"
        )
    over = units(list(bin_samples), donor, values, "donor")
    of_unit = over.samples()
    wanted = [*covariates, *technical]
    table = covariates_of(over, samples, wanted)
    complete = table.notna().all(axis=1).to_numpy()
    if not complete.all():
        lacking = [name for name in wanted if table[name].isna().any()]
        remarks.append(
            f"{(~complete).sum()} of {len(complete)} observations lack {', '.join(lacking)}: "
            "left out"
        )
        over = over.take(complete)
        of_unit = [rows for rows, keep in zip(of_unit, complete, strict=True) if keep]
        table = table[complete]
    if paired:
        over = replace(over, kind="sample")
    pair = table[list(factors)].to_numpy(float)
    if factors:
        over = replace(over, phenotype=interaction(pair))
    batch = samples["batch"].astype(str).to_dict()
    batches = np.array(
        [" + ".join(sorted({batch[sample] for sample in rows})) for rows in of_unit],
        dtype=object,
    )
    donors = np.array([donor[rows[0]] for rows in of_unit], dtype=object)
    coded = [(name, coded_columns(table[name])) for name in wanted]
    several_batches = len(set(batches)) > 1
    if paired:
        blocks = _dense(donors)
        if several_batches:
            coded.insert(0, ("batch", coded_columns(pd.Series(batches))))
    elif several_batches and len(set(batches)) < len(batches):
        blocks = _dense(batches)
        alone = int((np.bincount(blocks) == 1).sum())
        if alone:
            remarks.append(
                f"{alone} of {len(batches)} observations are alone in their batch: left out"
            )
    else:
        blocks = np.zeros(len(batches), int)
        if several_batches:
            remarks.append("every observation has a batch of its own: batch is not adjusted for")
    n_technical = len(technical)
    while True:
        design = _design(over, binary, paired, coded, blocks, donors, batches, tuple(remarks), pair)
        if design.df >= MIN_DF or not n_technical or not design.n:
            return design
        name, _ = coded.pop()
        n_technical -= 1
        remarks.append(f"{design.n} observations are too few to adjust for {name} as well")


def _design(
    over: Units,
    binary: bool,
    paired: bool,
    coded: list[tuple[str, np.ndarray]],
    blocks: np.ndarray,
    donors: np.ndarray,
    batches: np.ndarray,
    remarks: tuple[str, ...],
    factors: np.ndarray,
) -> Design:
    n = len(blocks)
    outcome = over.phenotype.astype(float)
    ranked = not binary and factors.shape[1] == 0
    if n and ranked:
        outcome = (normal_scores if coded else centred_ranks)(outcome[:, None])[:, 0]
    design = Design(
        units=over,
        binary=binary,
        paired=paired,
        outcome=outcome,
        residual=np.zeros(n),
        nuisance=np.zeros((n, 0)),
        blocks=blocks,
        donors=donors,
        batches=batches,
        covariates=pd.DataFrame(columns=["covariate", "statistic", "p", "vif", "note"]),
        remarks=remarks,
        factors=factors,
    )
    if not n:
        return replace(design, remarks=(*remarks, "no observation has the phenotype"))
    within = design.residuals(outcome[:, None])[:, 0]
    if not within.any():
        where = " within any donor" if paired else " within any batch"
        where = where if len(np.unique(blocks)) > 1 else ""
        note = f"the phenotype does not vary{where}: nothing can be tested"
        return replace(design, remarks=(*remarks, note))
    rows, notes = [], []
    for name, columns in coded:
        inside = design_left = replace(design, nuisance=np.zeros((n, 0))).residuals(columns)
        design_left = design.residuals(columns)
        basis = _basis(design_left, inside)
        others = [other for other_name, other in coded if other_name != name]
        note = ""
        if not inside.any():
            note = "constant within blocks" if len(np.unique(blocks)) > 1 else "constant"
        elif basis.shape[1] < np.linalg.matrix_rank(inside):
            note = "follows from the covariates above"
        alone = _basis(inside, inside)
        shared = ((alone.T @ within) ** 2).sum() / (within**2).sum()
        if alone.shape[1] >= n - len(np.unique(blocks)):
            note = "has as many levels as there are observations"
        elif shared > 1 - TOLERANCE:
            note = SAME
        rows.append(
            {
                "covariate": name,
                "statistic": math.sqrt(shared),
                "p": _regression_p(shared, alone.shape[1], n - len(np.unique(blocks))),
                "vif": _vif(inside, others, design) if note == "" else math.nan,
                "note": note,
            }
        )
        if basis.shape[1]:
            design = replace(design, nuisance=np.column_stack([design.nuisance, basis]))
    if coded and ranked and not design.nuisance.shape[1]:
        outcome = centred_ranks(outcome[:, None])[:, 0]
        design = replace(design, outcome=outcome)
    design = replace(design, residual=design.residuals(outcome[:, None])[:, 0])
    table = pd.DataFrame(rows, columns=design.covariates.columns)
    for row in rows:
        if row["note"] == SAME:
            notes.append(f"{row['covariate']} is {SAME}: nothing can be tested")
    if not design.residual.any() and not notes:
        notes.append("the covariates together say all of the phenotype: nothing can be tested")
    elif design.df < MIN_DF:
        notes.append(f"{design.df} degrees of freedom are left: too few to test anything well")
    elif design.residual.any() and design.vif > MAX_VIF:
        share = 100 * (1 - 1 / design.vif)
        notes.append(f"covariates and batches say {share:.0f} % of the phenotype: little is left")
    return replace(design, covariates=table, remarks=(*remarks, *notes))


def _basis(left: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of columns, without directions nearly determined by `before`."""
    if not left.size:
        return np.zeros((len(left), 0))
    vectors, sizes, _ = np.linalg.svd(left, full_matrices=False)
    scale = np.linalg.norm(before)
    return vectors[:, sizes > math.sqrt(TOLERANCE) * scale] if scale else vectors[:, :0]


def _vif(inside: np.ndarray, others: list[np.ndarray], design: Design) -> float:
    """Return the variance inflation of a covariate's effect by the other covariates.

    For a covariate with several columns, the largest over their linear combinations.
    """
    if not others:
        return 1.0
    plain = replace(design, nuisance=np.zeros((design.n, 0)))
    together = plain.residuals(np.column_stack(others))
    basis = _basis(together, together)
    own = _basis(inside, inside)
    shared = np.linalg.svd(basis.T @ own, compute_uv=False)
    largest = min(float(shared.max(initial=0)) ** 2, 1.0)
    return 1 / (1 - largest) if largest < 1 - TOLERANCE else math.inf


def _regression_p(r2: float, k: int, df_total: int) -> float:
    """Return p of a squared multiple correlation with k columns, by the F distribution."""
    df = df_total - k
    if k == 0 or df < 1:
        return math.nan
    return float(fdtrc(k, df, r2 / k / (max(1 - r2, 1e-300) / df)))


def _dense(values: np.ndarray) -> np.ndarray:
    return pd.factorize(values)[0]


def _distinct(rows: np.ndarray, code: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the distinct arrangements of the members of a block, as row numbers."""
    levels = np.unique(code)
    if len(levels) == 1:
        yield rows
    elif len(levels) == 2:
        first, second = rows[code == levels[0]], rows[code == levels[1]]
        for chosen in combinations(range(len(rows)), len(first)):
            sources = np.empty(len(rows), np.intp)
            taken = np.zeros(len(rows), bool)
            taken[list(chosen)] = True
            sources[taken], sources[~taken] = first, second
            yield sources
    else:
        seen = set()
        for order in permutations(range(len(rows))):
            key = tuple(code[list(order)])
            if key not in seen:
                seen.add(key)
                yield rows[list(order)]
