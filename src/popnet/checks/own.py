"""Own networks against the sheet: their samples, cell types and every row of their tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from popnet.errors import InputError, Problem
from popnet.networks.own import EVERY_CELL, read_own, read_own_bins
from popnet.presets import PRESETS
from popnet.study.cohort import Cohort
from popnet.study.definitions import OwnNetwork
from popnet.study.problems import name_problems, quoted


def check_own_networks(
    cohort: Cohort, samples: Collection[str], types: Sequence[str], config: Mapping[str, Any]
) -> list[Problem]:
    """Return what is wrong with the tables of own networks; every row is read.

    Parameters
    ----------
    cohort : Cohort
    samples : collection of str
        The samples of the sheet, or those that its cells have.
    types : sequence of str
        The cell types of the study.
    config : mapping
        The checked config.
    """
    problems: list[Problem] = []
    if cohort.own_networks and PRESETS[config["preset"]].unit == "bin":
        message = "The preset paper tests bins of siVAE models, and takes no own networks"
        remedy = "Use the preset robust, or take own_networks out of the sheet"
        problems.append(Problem(cohort.file, "own_networks", None, message, remedy))
    for network in cohort.own_networks:
        try:
            bins = read_own(network, samples, cohort.excluded).bins
        except InputError as error:
            problems += error.problems
            continue
        problems += _type_problems(cohort, network, bins["cell_type"].unique(), types)
        absent = [id for id in samples if id not in set(bins["sample"])]
        if absent:
            message = (
                f"{len(absent)} of {len(samples)} samples have no rows and are left out of this "
                f"network: {quoted(absent)}"
            )
            field = f"own_networks.{network.name}, column sample"
            problems.append(Problem(network.path, field, None, message, "Nothing", "warning"))
    return problems


def types_of_tables(cohort: Cohort, problems: list[Problem]) -> list[str]:
    """Return the cell types of a study without cells: the sheet's, or all in the tables."""
    if cohort.cell_types is not None:
        return list(cohort.cell_types)
    found: set[str] = set()
    for network in cohort.own_networks:
        if "cell_type" not in network.columns:
            continue
        try:
            names = sorted(read_own_bins(network)["cell_type"].unique())
        except InputError:
            continue  # It is told with the rows.
        entries = [(f"own_networks.{network.name}, column cell_type", name) for name in names]
        problems += name_problems(network.path, entries, "cell type")
        found |= set(names)
    return sorted(found) or [EVERY_CELL]


def _type_problems(
    cohort: Cohort, network: OwnNetwork, found: Collection[str], types: Sequence[str]
) -> list[Problem]:
    """Return what is wrong with the cell types of a table."""
    field = f"own_networks.{network.name}, column cell_type"
    if "cell_type" not in network.columns:
        if len(types) == 1:
            return []
        message = f"The table has no cell types, and the study has {quoted(types)}"
        remedy = "Add the column cell_type"
        return [Problem(network.path, field, None, message, remedy)]
    problems = []
    if lacking := [name for name in types if name not in found]:
        message = f"The table has no rows of {quoted(lacking)}"
        remedy = f"Its cell types are {quoted(found, 12)}: name those to analyse in cell_types"
        problems.append(Problem(network.path, field, lacking[0], message, remedy))
    if others := [name for name in found if name not in types]:
        message = f"Rows of {quoted(others)} are left out: the study has no such cell types"
        problems.append(Problem(network.path, field, None, message, "Nothing", "warning"))
    return problems
