"""The samples of the sheet against those of the cells: who has cells, and who is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from popnet.checks.cells import among, present
from popnet.checks.values import check_within, values_by_sample
from popnet.errors import Problem, nearest
from popnet.study.cohort import Cohort, with_samples
from popnet.study.phenotypes import as_number
from popnet.study.problems import folded, quoted
from popnet.study.tables import SPREADSHEET_DATE


def with_samples_of_cells(
    cohort: Cohort,
    cells: pd.DataFrame,
    obs: pd.DataFrame,
    passed: np.ndarray,
    problems: list[Problem],
) -> Cohort:
    """Return the cohort with the samples that the cells have, where the sheet takes them all."""
    if cohort.samples is not None:
        return cohort
    ids = present(cells["sample"], passed)
    for id in cohort.excluded:
        if id not in ids:
            message = "No cell is of this sample"
            remedy = nearest(id, ids) + "Correct the id or take it out of exclude"
            field = f"samples.exclude.{id}"
            problems.append(Problem(cohort.file, field, id, message, remedy, "warning"))
    donors = {}
    if cohort.donor is not None:
        of_cells = obs.loc[passed, cohort.donor]
        pairs = values_by_sample(cells["sample"][passed], of_cells, cohort.missing)
        donors = {id: found[0] for id, found in pairs.items()}
        if without := [id for id in ids if id not in donors and id not in cohort.excluded]:
            message = f"{len(without)} of {len(ids)} samples have no donor: {quoted(without)}"
            remedy = "Fill it in, exclude the samples, or take samples.donor out: each sample then "
            remedy += "is a donor"
            problems.append(Problem(cohort.file, "samples.donor", cohort.donor, message, remedy))
        check_within(cohort, "samples.donor", cohort.donor, pairs, problems)
    return with_samples(cohort, ids, donors)


def left_out_samples(
    cohort: Cohort, cells: pd.DataFrame, passed: np.ndarray, problems: list[Problem]
) -> dict[str, str]:
    """Return the samples that are left out, with the reason."""
    assert cohort.samples is not None
    found = present(cells["sample"])
    listed = [sample.id for sample in cohort.samples]
    left_out = {id: reason for id, reason in cohort.excluded.items() if id in found}
    without = sorted(set(listed) - set(found))
    _check_without(cohort, listed, without, found, problems)
    if without and len(without) == len(listed):
        return left_out
    left_out |= dict.fromkeys(without, "no cells")
    left = present(cells["sample"], passed)
    unlisted = sorted(set(left) - set(listed) - set(cohort.excluded))
    if unlisted:
        n_cells = int((passed & among(cells["sample"], unlisted)).sum())
        message = (
            f"{len(unlisted)} samples of the cells ({n_cells:,} cells) are "
            f"not in the sheet and are left out: {quoted(unlisted)}"
        )
        remedy = "Add them, or nothing"
        problems.append(Problem(cohort.file, "samples", None, message, remedy, "warning"))
    left_out |= dict.fromkeys(unlisted, "not in the sheet")
    if n_lost := int((passed & cells["sample"].isna()).sum()):
        message = f"{n_lost:,} cells have no sample and are left out"
        problems.append(
            Problem(cohort.file, "cells.sample", cohort.cells.sample, message, "Nothing", "warning")
        )
    of_listed = passed & among(cells["sample"], listed)
    n_untyped = int((of_listed & cells["cell_type"].isna()).sum())
    if n_untyped:
        message = f"{n_untyped:,} cells of the samples have no cell type and are left out"
        column = cohort.cells.cell_type
        problems.append(
            Problem(cohort.file, "cells.cell_type", column, message, "Nothing", "warning")
        )
    return left_out


def _check_without(
    cohort: Cohort,
    listed: Sequence[str],
    without: Sequence[str],
    found: Sequence[str],
    problems: list[Problem],
) -> None:
    """Say which samples of the sheet have no cells, where that is an error."""
    if not without:
        return
    unlisted = {_form(id): id for id in found if id not in listed}
    written = [(id, unlisted[_form(id)]) for id in without if _form(id) in unlisted]
    alike = "; ".join(f"{id!a} of the sheet is {other!a} in the cells" for id, other in written[:5])
    alike = alike and f"They look the same, but {alike}. "
    if dates := [id for id in without if SPREADSHEET_DATE.fullmatch(id)]:
        alike += f"A spreadsheet has made dates of ids, it seems: {quoted(dates)}. "
    if len(without) == len(listed):
        message = (
            f"None of the sheet's {len(listed)} ids is among the {len(found)} of the cells. "
            f"Sheet: {quoted(listed)}. Cells: {quoted(found)}"
        )
        remedy = "Write ids exactly as the cells have them, or name another column in cells.sample"
        column = cohort.cells.sample
        problems.append(Problem(cohort.file, "cells.sample", column, message, alike + remedy))
    elif cohort.without_cells == "error" or alike:
        message = f"{len(without)} of {len(listed)} samples have no cells: {quoted(without)}"
        remedy = alike + nearest(without[0], set(found) - set(listed))
        remedy += "Correct the ids, or exclude them"
        if cohort.without_cells == "error":
            remedy += " (all such rows of a table at once: samples.without_cells: exclude)"
        value = without[0] if len(without) == 1 else None
        problems.append(Problem(cohort.file, "samples", value, message, remedy))


def _form(id: str) -> str:
    """Return what two ids have in common that look alike, or are one number: 1 and 1.0, or 007."""
    number = as_number(id)
    return folded(id) if number is None else str(number)


def warn_astray(
    cohort: Cohort, cells: pd.DataFrame, asked: np.ndarray, problems: list[Problem]
) -> np.ndarray:
    """Return which of the cells that are asked for lie in another file than their sample's."""
    paths = {sample.id: sample.path for sample in cohort.samples or ()}
    found, of_cell = cells["sample"].array, cells["source"].array
    own = of_cell.categories.get_indexer([paths.get(id, "") for id in found.categories])
    own = np.append(own, -1).astype(of_cell.codes.dtype)
    astray = asked & (own[found.codes] != of_cell.codes)
    for path, of_path in cells[astray].groupby("source", observed=True):
        id = of_path["sample"].iloc[0]
        message = (
            f"{len(of_path):,} cells of {of_path['sample'].nunique()} samples in {path} are left "
            "out: the sheet says that their cells are in another file"
        )
        remedy = "Put all cells of a sample in one file"
        problems.append(Problem(cohort.file, "samples.path", id, message, remedy, "warning"))
    return np.asarray(astray)


def warn_empty(
    cohort: Cohort, ids: Sequence[str], cells: pd.DataFrame, problems: list[Problem]
) -> dict[str, str]:
    """Return the samples that none of the study's cells is of, with the reason."""
    empty = sorted(set(ids) - set(present(cells["sample"])))
    for id in empty:
        message = "The sample has no cells of the study's types after the filters"
        remedy = "Nothing, or list it under exclude"
        problems.append(Problem(cohort.file, "samples", id, message, remedy, "warning"))
    return dict.fromkeys(empty, "no cells after the filters")
