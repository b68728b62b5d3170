"""What a linear mixed model of a phenotype compares: every observation, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from popnet.stats.mixed_model import Model
from popnet.stats.ranks import normal_scores
from popnet.stats.units import (
    Units,
    coded_columns,
    combinations_of,
    covariates_of,
    interaction,
    known_values,
    units,
)

# Fewest residual degrees of freedom that fixed effects leave.
MIN_DF = 3
# Fewest observations of a group whose residual variance is told apart.
MIN_GROUP = 3
# Values of a phenotype in one donor from which its slope can be told from chance.
MIN_VALUES = 3
# Acts strongly where it acts: its variance is taken at the upper profile bound.
BOUNDED = ("depth",)


@dataclass(frozen=True)
class MixedDesign:
    """Observations of a phenotype, and the models that explain them.

    Parameters
    ----------
    units : Units
        One observation per donor, or per donor and value of the phenotype.
    model : Model
        Random effects of donors, batches, 1 / bins and technical covariates.
    adjusted : Model
        The same with technical covariates as fixed effects: it does not depend on how their
        effects are distributed over genes, and finds less.
    """

    units: Units
    model: Model
    adjusted: Model

    def over(self, samples: Sequence[str]) -> MixedDesign:
        """Return the design for a table with one row per sample (:meth:`Units.over`)."""
        return replace(self, units=self.units.over(samples))


def make_mixed_design(
    bin_samples: Sequence[str] | pd.Index,
    samples: pd.DataFrame,
    phenotype: pd.Series,
    binary: bool,
    covariates: Sequence[str] = (),
    technical: Sequence[str] = (),
    factors: Sequence[str] = (),
) -> MixedDesign:
    """Return what a mixed model of a phenotype compares.

    A donor may lie in several batches, have one value of the phenotype or several. Observations
    with a missing covariate are left out. The outcome is 0 and 1, or the normal scores of the
    phenotype, so that an effect is per standard deviation.

    Where donors have three values or more of a phenotype that is a number, such as time, their
    slopes differ at random: the effect is compared with how far donors differ in it.

    Fixed effects are the covariates: numeric ones as they are and as normal scores (scores alone
    miss what acts in its own units, such as a skewed post-mortem interval), without the scores
    where the cohort is too small. A batch is fixed where it says all of the phenotype, which then
    cannot be tested.

    Parameters
    ----------
    bin_samples, samples, phenotype, binary, covariates, factors
        As of :func:`popnet.stats.designs.make_design`.
    technical : sequence of str
        Numeric columns of `samples` whose effects differ over genes at random, such as depth.
    """
    if factors:
        phenotype = combinations_of(samples, factors)
    donor, values = known_values(bin_samples, samples, phenotype)
    over = units(list(bin_samples), donor, values, "donor")
    table = covariates_of(over, samples, [*covariates, *technical])
    complete = table.notna().all(axis=1).to_numpy()
    over, table = over.take(complete), table[complete].reset_index(drop=True)
    of_unit = over.samples()
    outcome = over.phenotype.astype(float)
    if factors:
        outcome = interaction(table[list(factors)].to_numpy())
        over = replace(over, phenotype=outcome)
    elif not binary and len(outcome):
        outcome = normal_scores(outcome[:, None])[:, 0]
        outcome = outcome / (outcome.std() or 1)
    random = {
        "donor": _indicators([[donor[rows[0]]] for rows in of_unit]),
        "batch": _indicators(
            [[str(samples.loc[one, "batch"]) for one in rows] for rows in of_unit]
        ),
        "bins": np.diag(np.sqrt((over.weights.tocsr() ** 2).sum(axis=1))),
    }
    numeric = [name for name in covariates if pd.api.types.is_numeric_dtype(table[name])]
    own_units = [_standardised(table[name].to_numpy(float)) for name in numeric]
    fixed = [
        np.ones((len(outcome), 1)),
        *own_units,
        *(coded_columns(table[name]) for name in covariates),
    ]
    if len(outcome) - np.linalg.matrix_rank(np.column_stack(fixed)) <= MIN_DF:
        others = [name for name in covariates if name not in numeric or name in factors]
        fixed = [fixed[0], *own_units, *(coded_columns(table[name]) for name in others)]
    if _says_all(random["batch"], outcome):
        fixed.append(random.pop("batch"))
    random = {name: columns for name, columns in random.items() if _informative(columns)}
    of_donor = _indicators([[donor[rows[0]]] for rows in of_unit])
    numbers = {name: table[name].to_numpy(float) for name in factors} if factors else {}
    for name, moving in (numbers or {"phenotype": outcome}).items():
        if (own := _own_slopes(of_donor, moving)) is not None and not binary:
            random[f"slope of {name}"] = own
    slopes = {name: _standardised(table[name].to_numpy(float)) for name in technical}
    groups = _groups_of(table, factors) if factors else {}
    if binary:
        cases = outcome == 1
        if min(cases.sum(), (~cases).sum()) >= MIN_GROUP:
            groups = {"cases": cases}
    model = Model(
        outcome,
        np.column_stack(fixed),
        random | slopes,
        tuple(name for name in BOUNDED if name in slopes),
        groups,
    )
    adjusted = replace(
        model, fixed=np.column_stack([*fixed, *slopes.values()]), random=random, bounded=()
    )
    return MixedDesign(over, model, adjusted)


def _indicators(groups: list[list[str]]) -> np.ndarray:
    """Return the share of each group in every observation, (n, n_groups)."""
    names = {name: place for place, name in enumerate(sorted({n for row in groups for n in row}))}
    shares = np.zeros((len(groups), len(names)))
    for row, members in enumerate(groups):
        for name in members:
            shares[row, names[name]] += 1 / len(members)
    return shares


def _own_slopes(of_donor: np.ndarray, moving: np.ndarray) -> np.ndarray | None:
    """Return Z of slopes that donors have of their own, (n, n_donors); None where none can be told.

    Two observations of a donor cannot tell its slope from chance.

    Parameters
    ----------
    of_donor : ndarray of shape (n, n_donors)
        Indicators.
    moving : ndarray of shape (n,)
    """
    sizes = [len(np.unique(moving[column > 0])) for column in of_donor.T]
    if not sizes or max(sizes) < MIN_VALUES:
        return None
    means = of_donor @ (of_donor.T @ moving / of_donor.sum(0))
    deviation = moving - means
    slopes: np.ndarray = of_donor * (deviation / (deviation.std() or 1))[:, None]
    return slopes


def _groups_of(table: pd.DataFrame, factors: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the groups that factors of two levels make, but for the largest and small ones."""
    names = pd.Series("", table.index)
    for factor in factors:
        if table[factor].isin((-0.5, 0.5)).all():
            names = names + f" {factor}" + np.where(table[factor] > 0, "+", "-")
    sizes = names.value_counts().sort_index()
    told = sizes[sizes >= MIN_GROUP].drop(sizes.idxmax(), errors="ignore") if len(sizes) else sizes
    return {name.strip(): (names == name).to_numpy() for name in told.index}


def _informative(columns: np.ndarray) -> bool:
    """Return whether a random effect is not the same in all observations, nor each's own."""
    kernel = columns @ columns.T
    if kernel.size == 0:
        return False
    own = np.diag(kernel.diagonal())
    return bool(np.ptp(kernel) > 1e-9 and not np.allclose(kernel, own[0, 0] * np.eye(len(kernel))))


def _says_all(columns: np.ndarray, outcome: np.ndarray) -> bool:
    """Return whether groups say all of an outcome, as one group or as many as there are do not."""
    if columns.shape[1] < 2 or columns.shape[1] >= len(outcome):
        return False
    left = outcome - columns @ np.linalg.lstsq(columns, outcome)[0]
    return bool((left**2).sum() <= 1e-9 * ((outcome - outcome.mean()) ** 2).sum())


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean() if len(values) else values
    deviation = centred.std() if len(values) else 0
    return (centred / (deviation or 1)).reshape(-1, 1)
