"""Do the modules of a cell type differ from themselves in another cell type of the same samples?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet.associations.testing import PERMUTED_PHENOTYPES, Testing
from popnet.seeds import derive_seed
from popnet.stats.mixed import mixed_t, permuted_outcomes, permuted_t
from popnet.stats.mixed_model import Model, variance_ratios
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first

# What hits by chance are counted as.
ANALYSIS = "module_types"
COLUMNS = (
    *("kind", "module1", "module2", "name1", "name2", "other", "n_genes", "n", "n_donors"),
    *("own_mean", "other_mean", "estimate", "low", "high", "t", "p", "q"),
    *("plain_estimate", "plain_p"),
)


@dataclass(frozen=True)
class InType:
    """Values of modules in the bins of a cell type.

    Parameters
    ----------
    values, relative : ndarray of shape (n_bins, m)
        As they are, and over the root mean square weight of all pairs of the bin
        (:func:`popnet.networks.modules_across.across_types`).
    bin_samples : sequence of shape (n_bins,)
    """

    values: np.ndarray
    relative: np.ndarray
    bin_samples: Sequence[str]


def robust(
    columns: pd.DataFrame, own: InType, other: InType, samples: pd.DataFrame, testing: Testing
) -> pd.DataFrame:
    """Test density and coupling of modules in their cell type against another, within samples.

    One observation is a sample with bins of both cell types: its mean in the one less that in the
    other. Donors and batches are random effects, and so is the sampling variance by the numbers of
    bins; the mean difference is tested by a moderated t. Tested are the relative values, beside
    which those of the plain ones stand.

    Parameters
    ----------
    columns : DataFrame of m rows
        kind, module1, module2, name1, name2, n_genes.
    own, other : InType
    samples : DataFrame, indexed by sample
        donor and batch; NaN where there is none.
    testing : Testing

    Returns
    -------
    DataFrame of `COLUMNS` but other, kind by kind, sorted by p
        n and n_donors (samples and donors that have both cell types), own_mean and other_mean
        (plain), estimate (own less other, relative values) with its 95 % confidence interval low to
        high, t, p, q (Benjamini-Hochberg within the kind), plain_estimate and plain_p.
    """
    of_other = set(other.bin_samples)
    both = [name for name in dict.fromkeys(own.bin_samples) if name in of_other]
    model = _model(both, own, other, samples)
    tables, chance = [], []
    for kind, rows in columns.groupby("kind", sort=False).groups.items():
        at = columns.index.get_indexer(rows)
        differences = []
        for scale in ("relative", "values"):
            first, second = (_means(getattr(one, scale)[:, at], one, both) for one in (own, other))
            differences.append(first - second)
        ratios = variance_ratios(differences[0], model)
        tested = mixed_t(differences[0], model, ratios)
        plain = mixed_t(differences[1], model)
        table = columns.loc[rows].reset_index(drop=True)
        table = table.join(tested[["estimate", "low", "high", "t", "p", "n"]])
        table["q"] = benjamini_hochberg(table["p"].to_numpy())
        # The values as they are come last.
        table["own_mean"], table["other_mean"] = (
            one.mean(axis=0) if len(one) else np.nan for one in (first, second)
        )
        table["plain_estimate"], table["plain_p"] = plain["estimate"], plain["p"]
        tables.append(strongest_first(table))
        n = 0 if testing.chance is None else PERMUTED_PHENOTYPES
        seed = derive_seed(testing.seed, ANALYSIS, kind)
        outcomes = permuted_outcomes(model, ratios, n, seed)
        chance.append(permuted_t(differences[0], model, ratios, outcomes)[1])
    if not tables:
        return columns.reindex(columns=[one for one in COLUMNS if one != "other"])
    table = pd.concat(tables, ignore_index=True)
    testing.count(ANALYSIS, np.concatenate(chance, axis=1), table["kind"].to_numpy(str))
    table["n_donors"] = len(set(model.donors())) if model.n else 0
    return table[[one for one in COLUMNS if one != "other"]]


def _means(values: np.ndarray, one: InType, samples: list[str]) -> np.ndarray:
    """Return the means over the bins of samples, (n, m)."""
    found = pd.DataFrame(values).groupby(np.asarray(one.bin_samples)).mean().reindex(samples)
    return found.to_numpy(float)


def _model(both: list[str], own: InType, other: InType, samples: pd.DataFrame) -> Model:
    """Return the model of differences: their mean is tested, nothing else is fixed."""
    about = samples.reindex(both)
    donor = about["donor"].fillna(about.index.to_series())
    n_bins = [pd.Series(one.bin_samples).value_counts().reindex(both) for one in (own, other)]
    noise = np.sum([1 / n.to_numpy(float) for n in n_bins], axis=0)
    random = {"donor": donor, "batch": about["batch"].fillna("")}
    indicators = {name: pd.get_dummies(one).to_numpy(float) for name, one in random.items()}
    # As many levels as samples are the residual, and one level is the mean.
    kept = {name: one for name, one in indicators.items() if 1 < one.shape[1] < len(both)}
    if len(both) and np.ptp(noise) > 1e-9:
        kept["bins"] = np.diag(np.sqrt(noise / noise.max()))
    return Model(np.ones(len(both)), np.zeros((len(both), 0)), kept)
