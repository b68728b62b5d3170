"""The second cohort of a study: what it takes from the discovery, and whether its sheet fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from popnet.errors import InputError, Problem, nearest
from popnet.presets import PRESETS
from popnet.study.cohort import Cohort, load_cohort
from popnet.study.definitions import Covariate, Phenotype
from popnet.study.problems import quoted


def replicated_phenotypes(discovery: Cohort) -> tuple[Phenotype, ...]:
    """Return the phenotypes of a discovery that are tested in its second cohort."""
    wanted = discovery.replicate.phenotypes if discovery.replicate else ()
    return tuple(one for one in discovery.phenotypes if wanted is None or one.written in wanted)


def second_cohort(discovery: Cohort) -> Cohort:
    """Return the second cohort of a discovery: its cell types and phenotypes, and nothing else.

    Raises
    ------
    InputError
        With everything that is wrong with the second sheet, or does not fit the discovery's.
    """
    assert discovery.replicate is not None
    second = load_cohort(discovery.replicate.cohort)
    problems = [
        *_of_sheets(discovery, second),
        *_of_phenotypes(discovery, second),
        *_of_cells(discovery, second),
    ]
    if problems:
        raise InputError([*second.warnings, *problems])
    names = {phenotype.name for phenotype in replicated_phenotypes(discovery)}
    phenotypes = tuple(one for one in second.phenotypes if one.name in names)
    types = discovery.cell_types
    return replace(second, phenotypes=phenotypes, cell_types=types, variants=None)


def replication_problems(discovery: Cohort, config: Mapping[str, Any]) -> list[Problem]:
    """Return what stands in the way of a replication, of both sheets and the config.

    Parameters
    ----------
    discovery : Cohort
        With `replicate`.
    config : mapping
        Of the discovery.
    """
    assert discovery.replicate is not None
    problems, file = [], discovery.file
    if PRESETS.get(config["preset"], PRESETS["robust"]).unit != "donor":
        message = "Replication needs the effects of the mixed model, which preset paper has not"
        problems.append(Problem(file, "replicate", config["preset"], message, "Use preset: robust"))
    if discovery.cell_types is None:
        message = "The cell types that are replicated must be known before any work"
        remedy = "List them: cell_types: [...]"
        problems.append(Problem(file, "cell_types", None, message, remedy))
    try:
        second_cohort(discovery)
    except InputError as error:
        problems += [one for one in error.problems if one.severity == "error"]
    return problems


def _of_sheets(discovery: Cohort, second: Cohort) -> list[Problem]:
    problems, file = [], second.file
    for cohort in (discovery, second):
        if not cohort.has_cells or cohort.own_networks:
            message = "Networks of other tools cannot be made again in a second cohort"
            remedy = "Take own_networks away, and name cells in both sheets"
            problems.append(Problem(cohort.file, "own_networks", None, message, remedy))
    if second.replicate:
        message = "The second cohort has a second cohort of its own"
        problems.append(Problem(file, "replicate", second.replicate.cohort, message, "Remove it"))
    if second.config:
        message = "The settings of a replication are those of the discovery"
        remedy = "Take config out of the second sheet"
        problems.append(Problem(file, "config", second.config, message, remedy))
    return problems


def _of_phenotypes(discovery: Cohort, second: Cohort) -> list[Problem]:
    problems = []
    known = {phenotype.name: phenotype for phenotype in second.phenotypes}
    for phenotype in replicated_phenotypes(discovery):
        other = known.get(phenotype.name)
        place = "interactions" if phenotype.factors else f"phenotypes.{phenotype.written}"
        if other is None:
            message = f"The discovery ({discovery.file}) has this phenotype, this sheet has not"
            remedy = nearest(phenotype.name, known)
            remedy += "Add it, or name those that both have in replicate.phenotypes of the other"
            problems.append(Problem(second.file, place, None, message, remedy))
            continue
        if _kind(other) != _kind(phenotype):
            message = f"It is {_kind(phenotype)} in {discovery.file}"
            remedy = "Give it the same type in both sheets"
            problems.append(Problem(second.file, f"{place}.type", _kind(other), message, remedy))
            continue
        pairs = [(phenotype, other), *zip(phenotype.factors, other.factors, strict=True)]
        for one, same in pairs:
            low, low_here = _order(discovery, one), _order(second, same)
            others = (
                one.type == "categorical" and low and low_here and _folded(low) != _folded(low_here)
            )
            if others or _turned(low, low_here):
                message = (
                    f"The levels of {one.name}, the lowest first, are {quoted(low_here)}, but "
                    f"{quoted(low)} in {discovery.file}: the sign of an effect would be another"
                )
                remedy = (
                    "Give it the same case and control, order or names of levels in both sheets"
                )
                problems.append(Problem(second.file, place, None, message, remedy))
    return problems


def _order(cohort: Cohort, one: Phenotype | Covariate) -> list[str]:
    """Return the levels in the order of their codes; those of a covariate are of the sheet."""
    if one.type == "binary":
        return [str(one.control), str(one.case)]
    if one.type == "categorical":
        found = {sample.covariates.get(one.name) for sample in cohort.samples or ()}
        return sorted(str(level) for level in found if level is not None)
    return list(one.levels) if isinstance(one, Phenotype) else []


def _folded(levels: Sequence[str]) -> set[str]:
    return {level.casefold() for level in levels}


def _turned(levels: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether levels that both have stand in another order."""
    first, second = ([level.casefold() for level in one] for one in (levels, others))
    if len(first) == len(second) == 2 and (first[0] == second[1] or first[1] == second[0]):
        return True
    return [one for one in first if one in second] != [one for one in second if one in first]


def _kind(phenotype: Phenotype) -> str:
    return "ordinal" if phenotype.type == "continuous" and phenotype.levels else phenotype.type


def _of_cells(discovery: Cohort, second: Cohort) -> list[Problem]:
    problems = []
    types = second.cell_types
    for name in discovery.cell_types or ():
        if types is not None and name not in types:
            message = f"The discovery ({discovery.file}) has this cell type, this sheet has not"
            remedy = nearest(name, types) + "Add it, or take it out of the discovery's cell types"
            problems.append(Problem(second.file, "cell_types", name, message, remedy))
    first = {(sample.path, sample.id) for sample in discovery.samples or ()}
    both = [sample.id for sample in second.samples or () if (sample.path, sample.id) in first]
    if both:
        message = (
            f"{len(both)} samples are in the discovery ({discovery.file}), too: {quoted(both)}"
        )
        remedy = "A finding is replicated in other samples: leave them out of one of the sheets"
        problems.append(Problem(second.file, "samples", None, message, remedy))
    shared = {sample.path for sample in discovery.samples or ()}
    donors = {sample.donor for sample in discovery.samples or ()}
    again = {
        sample.donor
        for sample in second.samples or ()
        if sample.path in shared and sample.donor in donors and sample.id not in both
    }
    if again:
        message = f"{len(again)} donors are in the discovery, too: {quoted(sorted(again))}"
        remedy = "A finding is replicated in other donors: leave them out of one of the sheets"
        problems.append(Problem(second.file, "samples", None, message, remedy))
    # Of another file, but sample and donor by the same name: a copy.
    named = {(sample.id, sample.donor) for sample in discovery.samples or ()}
    copied = [
        sample.id
        for sample in second.samples or ()
        if (sample.id, sample.donor) in named and sample.id not in both
    ]
    if copied and not again:
        message = (
            f"{len(copied)} samples have the names, and donors, of samples of the discovery "
            f"({discovery.file}): {quoted(copied)}"
        )
        remedy = "Leave them out of one of the sheets, or give other samples other names"
        problems.append(Problem(second.file, "samples", None, message, remedy))
    return problems
