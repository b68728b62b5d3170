"""Shares of cell states: are they associated with a phenotype, and do they explain a hit?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from popnet.associations.expression_switch import HARDLY_EXPRESSED, SWITCHED, UNKNOWN
from popnet.associations.groups import cases, group_means
from popnet.associations.testing import OF_MODEL, Testing
from popnet.files import read_table
from popnet.stats.designs import Design
from popnet.stats.mixed import conditional_p, mixed_t
from popnet.stats.multiplicity import strongest_first
from popnet.stats.power import ALPHA
from popnet.stats.ranks import MIN_PRESENT

COMPOSITION = "composition"
# Added to the cells of a state, and to those of all others, so that none is 0 (Haldane, Anscombe).
PSEUDO_COUNT = 0.5
# A control for as many observations.
OBSERVATIONS_PER_CONTROL = 10
COLUMNS = ("state", "name", "statistic", "p", "q", "p_family", "n", "n_permutations")
OF_GROUPS = ("mean", "mean_case", "mean_control")


@dataclass(frozen=True)
class Composition:
    """How many cells of every sample are in each state of a cell type.

    Parameters
    ----------
    counts : DataFrame, indexed by sample
        A column per state.
    names : list of str
        Of the states.
    """

    counts: pd.DataFrame
    names: list[str]

    @classmethod
    def of(cls, by_bin: pd.DataFrame, states: pd.DataFrame) -> Composition:
        """Return the composition of samples.

        Parameters
        ----------
        by_bin : DataFrame
            sample, bin and a column per state (:func:`popnet.networks.states.count_states`).
        states : DataFrame
            state and name (:func:`popnet.networks.states.describe`).
        """
        names = states.drop_duplicates("state")["name"]
        samples = by_bin["sample"].astype(str)
        return cls(by_bin.drop(columns=["sample", "bin"]).groupby(samples).sum(), list(names))

    def log_odds(self, samples: np.ndarray) -> np.ndarray:
        """Return log(cells of the state / cells of all others) of samples, (n, n_states).

        NaN for samples that are not known. No columns if there is one state.
        """
        counts = self.counts.reindex(samples).to_numpy(float)
        if len(self.names) < 2:
            return counts[:, :0]
        others = counts.sum(1, keepdims=True) - counts
        found: np.ndarray = np.log((counts + PSEUDO_COUNT) / (others + PSEUDO_COUNT))
        return found


def read_composition(paths: Sequence[str | Path]) -> tuple[Composition, ...]:
    """Read a composition of its two tables; nothing of a study without states.

    Parameters
    ----------
    paths : sequence of str or Path
        composition.tsv and states.tsv, or none.
    """
    if not paths:
        return ()
    by_bin, states = (read_table(path, text=["sample", "name"]) for path in paths)
    return (Composition.of(by_bin, states),)


def robust(composition: Composition, design: Design, testing: Testing) -> pd.DataFrame:
    """Test the share of every state, as the expression of genes is tested.

    Parameters
    ----------
    composition : Composition
    design : Design
        Over the bins.
    testing : Testing

    Returns
    -------
    DataFrame sorted by p, a row per state; no rows if there is one state
        state (from 1) name statistic (by permutation) p and q (of the mixed model; q over the
        states) p_family n n_permutations; the columns `OF_MODEL`, of the log odds of the share;
        mean, mean_case and mean_control (of the share; cases of a continuous phenotype are its
        upper half).

    References
    ----------
    Phipson et al., Bioinformatics 38 (2022), test transformed shares by a linear model, too.
    """
    values = composition.log_odds(design.units.bin_samples)
    table = testing.both(COMPOSITION, values, design)[1]
    n_states = values.shape[1]
    table["state"], table["name"] = np.arange(1, n_states + 1), composition.names[:n_states]
    counts = composition.counts.reindex(design.units.bin_samples).to_numpy(float)[:, :n_states]
    shares = design.units.average(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    table = table.join(group_means(shares, cases(design)))
    columns = [*COLUMNS, *(name for name in OF_MODEL if name in table), *OF_GROUPS]
    return strongest_first(table).reset_index(drop=True)[columns]


def given_composition(
    hits: np.ndarray,
    values: np.ndarray,
    composition: Composition | None,
    design: Design,
    ratios: dict[str, float] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the association of hits given the shares of cell states, and which these explain.

    Shares that are themselves associated with the phenotype (p <= 0.05 by the mixed model) are
    fixed effects, those of smallest p first, one for every ten observations and at least one. They
    explain a hit that has p > 0.05 given them.

    Parameters
    ----------
    hits : bool ndarray of shape (m,)
    values : ndarray of shape (n, m)
        By observation of the model.
    composition : Composition, optional
    design : Design
    ratios : dict, optional
        Variance ratios of the values.

    Returns
    -------
    p : ndarray of shape (m,)
        NaN of what is no hit, and where no share is associated.
    explained : bool ndarray of shape (m,)
    """
    p = np.full(len(hits), np.nan)
    at = np.flatnonzero(hits)
    if composition is not None and design.mixed is not None and ratios is not None and len(at):
        over = design.of_model
        controls = over.average(composition.log_odds(over.bin_samples))
        own = mixed_t(controls, design.mixed.model)["p"].to_numpy()
        most = max(1, len(controls) // OBSERVATIONS_PER_CONTROL)
        chosen = [place for place in np.argsort(own, kind="stable")[:most] if own[place] <= ALPHA]
        if chosen:
            shape = len(controls), len(at)
            of_hits = [np.broadcast_to(controls[:, [place]], shape) for place in chosen]
            p[at] = conditional_p(values[:, at], of_hits, design.mixed.model, ratios)
            there = np.isfinite(controls[:, chosen]).all(1, keepdims=True)
            known = np.zeros(len(hits), bool)
            # Where too few observations have shares, these explain nothing.
            known[at] = (np.isfinite(values[:, at]) & there).mean(0) >= MIN_PRESENT
            return p, known & ~(p <= ALPHA)
    return p, np.zeros(len(hits), bool)


def joined(
    explained_by: np.ndarray, by_another: np.ndarray, another: str = COMPOSITION
) -> np.ndarray:
    """Return explanations with another among them, such as composition.

    A gene that is switched off stays that alone; another joins other explanations, and takes
    the place of ``none`` and of an unknown expression.

    Parameters
    ----------
    explained_by : ndarray of str, of shape (m,)
        Of the other explanations.
    by_another : bool ndarray of shape (m,)
    another : str
    """
    alone = np.isin(explained_by, ["", "none", UNKNOWN])
    off = np.isin(explained_by, [SWITCHED, HARDLY_EXPRESSED])
    both = np.where(alone, another, explained_by + f";{another}")
    found: np.ndarray = np.where(by_another & ~off, both, explained_by).astype(object)
    return found
