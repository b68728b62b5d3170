"""Do any of several levels of a phenotype differ? The overall F test of the mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from popnet.stats.mixed import ROUNDING, free_coordinates, whitened
from popnet.stats.mixed_designs import MIN_GROUP, make_mixed_design
from popnet.stats.mixed_model import Model, draws_of, variance_ratios
from popnet.stats.units import Units
from popnet.stats.variances import moderated_variance

MIN_LEVELS = 3


@dataclass(frozen=True)
class LevelsDesign:
    """Observations of a phenotype of several levels, and the models that explain them.

    Parameters
    ----------
    units : Units
        One observation per donor, or per donor and level; its phenotype is the place of the level.
    levels : tuple of str
        Those that observations have; nothing is tested if they are fewer than three.
    model : Model
        The outcome indicates the last level; the others but the first are fixed effects.
    others : ndarray of shape (n, k)
        The fixed effects that are no levels.
    """

    units: Units
    levels: tuple[str, ...]
    model: Model
    others: np.ndarray

    @property
    def indicators(self) -> np.ndarray:
        """Every level but the first, (n, n_levels - 1)."""
        places = np.arange(1, len(self.levels))
        return (self.units.phenotype[:, None] == places).astype(float)

    def over(self, samples: Sequence[str]) -> LevelsDesign:
        """Return the design for a table with one row per sample (:meth:`Units.over`)."""
        return replace(self, units=self.units.over(samples))


def make_levels_design(
    bin_samples: Sequence[str] | pd.Index,
    samples: pd.DataFrame,
    phenotype: pd.Series,
    levels: Sequence[str],
    covariates: Sequence[str] = (),
    technical: Sequence[str] = (),
) -> LevelsDesign:
    """Return what the overall test of a phenotype of several levels compares.

    Observations, covariates and random effects are those of
    :func:`popnet.stats.mixed_designs.make_mixed_design`. Each level with three observations or
    more has a residual variance of its own.

    Parameters
    ----------
    bin_samples, samples, covariates, technical
        As of :func:`popnet.stats.mixed_designs.make_mixed_design`.
    phenotype : Series, sample -> str
        Other values than `levels` count as missing.
    levels : sequence of str
    """
    own = phenotype[phenotype.index.isin(set(bin_samples))]
    known = [level for level in levels if (own == level).any()]

    def design(codes: Mapping[str, int]) -> tuple[Units, Model]:
        found = make_mixed_design(
            bin_samples, samples, phenotype.map(codes), True, covariates, technical
        )
        return found.units, found.model

    units, model = design({level: place for place, level in enumerate(known)})
    # Observations with a missing covariate are left out, and may have been all of a level.
    left = [level for place, level in enumerate(known) if (units.phenotype == place).any()]
    if left != known:
        units, model = design({level: place for place, level in enumerate(left)})
    found = LevelsDesign(units, tuple(left), model, model.fixed)
    columns = found.indicators
    sizes = np.bincount(units.phenotype.astype(int), minlength=len(left))
    # That of the largest level is the one that the others are compared with.
    told = [place for place in range(len(left)) if sizes[place] >= MIN_GROUP]
    groups = {
        left[place]: units.phenotype == place
        for place in told
        if place != sizes.argmax() and len(told) > 1
    }
    fixed = np.column_stack([model.fixed, columns[:, :-1]])
    outcome = columns[:, -1] if columns.shape[1] else np.zeros(model.n)
    return replace(found, model=replace(model, outcome=outcome, fixed=fixed, groups=groups))


def mixed_f(
    values: np.ndarray, design: LevelsDesign, ratios: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Test of every column whether any two levels differ, by a moderated F.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        By observation; NaN if missing.
    design : LevelsDesign
    ratios : mapping of name to float, optional
        Of :func:`popnet.stats.mixed_model.variance_ratios` and `design.model`; found in `values`
        otherwise. Where they are uncertain, p is the mean over their `draws`.

    Returns
    -------
    DataFrame of m rows
        f, df1 (levels less one), df2 (residual degrees of freedom with those of the prior), p, n,
        highest and lowest (the levels of the largest and the smallest adjusted mean), difference
        (between these, in units of the values). NaN, and no level, where nothing varies, more than
        half of the values are missing, a level has no values, or nothing can be tested.

    References
    ----------
    Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3.
    """
    m = values.shape[1]
    ratios = variance_ratios(values, design.model) if ratios is None else ratios
    of_levels = design.indicators
    k = of_levels.shape[1]
    f, df2 = (one[0] for one in _moderated(values, design, ratios, of_levels[None]))
    means = np.zeros((k + 1, m))
    for part in _parts(values, design, ratios, of_levels[None]):
        both = np.column_stack([part.others, part.tested[0]])
        means[1:, part.columns] = np.linalg.lstsq(both, part.values, rcond=None)[0][-k:]
    tested = np.isfinite(f)
    names = np.array([*design.levels, ""], dtype=object)
    highest, lowest = (
        np.where(tested, place, len(names) - 1) for place in (means.argmax(0), means.argmin(0))
    )
    return pd.DataFrame(
        {
            "f": f,
            "df1": np.where(tested, k, np.nan),
            "df2": df2,
            "p": permuted_f(values, design, ratios, of_levels[None])[0],
            "n": np.isfinite(values).sum(0),
            "highest": names[highest],
            "lowest": names[lowest],
            "difference": np.where(tested, np.ptp(means, axis=0), np.nan),
        }
    )


def permuted_levels(
    design: LevelsDesign, ratios: Mapping[str, float], n: int, seed: int
) -> np.ndarray:
    """Return phenotypes that only chance connects with any values, (n, n_observations, k).

    Random directions of what the other fixed effects leave of whitened values, as many as levels
    less one (:func:`popnet.stats.mixed.permuted_outcomes`). None where nothing can be tested.
    """
    k = len(design.levels) - 1
    alone = replace(design.model, fixed=design.others)
    found = free_coordinates(alone, ratios) if k > 0 else None
    if found is None:
        return np.zeros((0, design.model.n, max(k, 0)))
    factor, basis, own = found
    turned = np.random.default_rng(seed).normal(size=(n, len(own), k))
    outcomes: np.ndarray = (factor @ basis) @ turned
    return outcomes


def permuted_f(
    values: np.ndarray, design: LevelsDesign, ratios: Mapping[str, float], outcomes: np.ndarray
) -> np.ndarray:
    """Return p of every column with other phenotypes, (n_outcomes, m).

    Parameters
    ----------
    values, design, ratios
        As in :func:`mixed_f`.
    outcomes : ndarray of shape (n_outcomes, n, k)
        Of :func:`permuted_levels`.
    """
    k = outcomes.shape[2]
    if not k:
        return np.full((len(outcomes), values.shape[1]), np.nan)
    draws = draws_of(ratios) or ((1.0, ratios),)
    tested = ((weight, *_moderated(values, design, one, outcomes)) for weight, one in draws)
    p: np.ndarray = sum(weight * fdtrc(k, df2, f) for weight, f, df2 in tested)
    return p


@dataclass(frozen=True)
class _Part:
    """Columns with the same missing values, whitened, as what is tested and what is not."""

    columns: np.ndarray
    others: np.ndarray
    tested: np.ndarray
    values: np.ndarray


def _parts(
    values: np.ndarray, design: LevelsDesign, ratios: Mapping[str, float], outcomes: np.ndarray
) -> list[_Part]:
    """Return the columns that can be tested.

    Parameters
    ----------
    outcomes : ndarray of shape (n_outcomes, n, k)
    """
    n_outcomes, n, k = outcomes.shape
    if len(design.levels) < MIN_LEVELS or not n_outcomes:
        return []
    beside = np.column_stack([design.others, outcomes.transpose(1, 0, 2).reshape(n, -1)])
    first = design.others.shape[1]
    parts = []
    for part in whitened(values, design.model, ratios, beside.T):
        tested = part.outcomes[:, first:].reshape(-1, n_outcomes, k).transpose(1, 0, 2)
        parts.append(_Part(part.columns, part.outcomes[:, :first], tested, part.values))
    return parts


def _moderated(
    values: np.ndarray, design: LevelsDesign, ratios: Mapping[str, float], outcomes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return moderated F and its second degrees of freedom, (n_outcomes, m)."""
    shape = len(outcomes), values.shape[1]
    explained, variance = np.full((2, *shape), np.nan)
    own_df = np.full(shape[1], np.nan)
    for part in _parts(values, design, ratios, outcomes):
        n, k = part.tested.shape[1:]
        left, size, _ = np.linalg.svd(part.others, full_matrices=False)
        basis = left[:, size > 1e-8 * size.max(initial=0)]
        df = n - basis.shape[1] - k
        rest = part.values - basis @ (basis.T @ part.values)
        total = (rest**2).sum(0)
        varies = total > ROUNDING * (part.values**2).sum(0)
        for run, tested in enumerate(part.tested):
            directions = tested - basis @ (basis.T @ tested)
            found, sizes, _ = np.linalg.svd(directions, full_matrices=False)
            # A level has no values here, or is all that a covariate or a batch is.
            if df < 1 or sizes[-1] <= 1e-6 * np.linalg.norm(tested):
                continue
            own = ((found.T @ rest) ** 2).sum(0)
            explained[run, part.columns] = np.where(varies, own, np.nan)
            variance[run, part.columns] = np.where(varies, np.maximum(total - own, 0) / df, np.nan)
        own_df[part.columns] = df
    f, df2 = np.full((2, *shape), np.nan)
    for run in range(shape[0]):
        own = np.where(np.isfinite(variance[run]), own_df, np.nan)
        posterior, df2[run] = moderated_variance(variance[run], own)
        with np.errstate(divide="ignore", invalid="ignore"):
            f[run] = explained[run] / outcomes.shape[2] / posterior
    return f, df2
