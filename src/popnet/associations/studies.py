"""Genes whose effect several studies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet.errors import InputError, Problem
from popnet.stats.designs import Design
from popnet.stats.meta import combine_studies, effects_of_tests, standardised_effects


@dataclass(frozen=True)
class StudyTests:
    """The tests of a phenotype in one study.

    Parameters
    ----------
    table : DataFrame with columns gene, estimate, low, high, t, p
        centrality.tsv, or the rows of expression in expression.tsv.
    design : Design
    labels : DataFrame, indexed by sample
        The phenotype as the sheet has it; of an interaction its two variables.
    """

    table: pd.DataFrame
    design: Design
    labels: pd.DataFrame

    @property
    def spread(self) -> float:
        """Standard error of a standardised effect of 0, in a design of these sizes."""
        outcome = self.design.of_model.phenotype
        if not self.design.binary:
            return float(1 / np.sqrt(len(outcome)))
        return float(np.sqrt(1 / (outcome == 1).sum() + 1 / (outcome == 0).sum()))

    def groups(self) -> tuple[str, ...]:
        """Return the labels of controls and of cases; nothing of a continuous phenotype.

        Of an interaction those of each variable of two levels.
        """
        design = self.design
        over = design.units if design.interaction else design.of_model
        codes = design.factors if design.interaction else over.phenotype[:, None]
        levels = (0, 1) if design.binary else (-0.5, 0.5)
        samples = np.array([one[0] for one in over.samples()], dtype=object)
        return tuple(
            " and ".join(sorted(set(self.labels.loc[samples[code == level], name].map(str))))
            for name, code in zip(map(str, self.labels), codes.T, strict=True)
            if (design.binary or design.interaction) and np.isin(code, levels).all()
            for level in levels
        )


def studies_combined(studies: Mapping[str, StudyTests]) -> pd.DataFrame:
    """Combine the tests of several studies, gene by gene.

    Parameters
    ----------
    studies : mapping of study to StudyTests
        At least two, of other donors.

    Returns
    -------
    DataFrame sorted by p, a row per gene that two studies have tested
        gene, the columns of :func:`popnet.stats.meta.combine_studies`, same_direction (studies
        whose effect has the sign of the estimate), and of each study `<study>: effect` (standard
        deviations), `<study>: error`, `<study>: estimate` (in units of its values), `<study>: p`.

    Raises
    ------
    InputError
        The phenotype is not the same in all studies.
    """
    _check_phenotypes(studies)
    tables = {name: one.table.set_index("gene") for name, one in studies.items()}
    known = [table.index[table["p"].notna()].to_series() for table in tables.values()]
    counts = pd.concat(known).value_counts()
    genes = counts.index[counts >= 2].sort_values()
    aligned = {name: table.reindex(genes) for name, table in tables.items()}
    t = np.column_stack([table["t"] for table in aligned.values()])
    df = np.column_stack([effects_of_tests(table)[0] for table in aligned.values()])
    spread = np.array([one.spread for one in studies.values()])
    found = combine_studies(t, df, spread)
    effects, errors = standardised_effects(t, df, spread)
    same = (np.sign(effects) == np.sign(found["estimate"].to_numpy())[:, None]).sum(axis=1)
    found.insert(0, "gene", genes.to_numpy(object))
    found.insert(2, "same_direction", same)
    for number, (name, table) in enumerate(aligned.items()):
        found[f"{name}: effect"], found[f"{name}: error"] = effects[:, number], errors[:, number]
        found[f"{name}: estimate"] = table["estimate"].to_numpy()
        found[f"{name}: p"] = table["p"].to_numpy()
    return found.sort_values("p", kind="stable", ignore_index=True)


def _check_phenotypes(studies: Mapping[str, StudyTests]) -> None:
    groups = {name: one.groups() for name, one in studies.items()}
    first, *others = groups
    for other in others:
        own, theirs = groups[first], groups[other]
        if own == theirs:
            continue
        remedy = "Define the phenotype alike in both sheets (type, case and control)"
        if len(own) != len(theirs):
            fault = f"The phenotype is binary in one of {first} and {other} and continuous in one"
        elif len(own) > 2:
            fault = (
                f"The levels are {', '.join(own)} in {first}, but {', '.join(theirs)} in {other}"
            )
        else:
            fault = (
                f"Cases and controls are {own[1]!r} and {own[0]!r} in {first}, but "
                f"{theirs[1]!r} and {theirs[0]!r} in {other}"
            )
        raise InputError([Problem("config", "meta.studies", [first, other], fault, remedy)])
