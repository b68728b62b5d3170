"""The cell types of the study, and whether samples fill bins of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from popnet.checks.cells import present
from popnet.errors import Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.problems import name_problems, quoted


def study_types(
    cohort: Cohort, cells: pd.DataFrame, passed: np.ndarray, problems: list[Problem]
) -> list[str]:
    """Return the study's cell types: the sheet's, or all that are left after the filters."""
    found = present(cells["cell_type"], passed)
    if cohort.cell_types is None:
        entries = [(f"cells.cell_type ({cohort.cells.cell_type})", name) for name in found]
        problems += name_problems(cohort.file, entries, "cell type")
        return found
    everywhere = present(cells["cell_type"])
    for number, name in enumerate(cohort.cell_types):
        if name in found or not passed.any():
            continue
        message = "No cell has this cell type"
        if name in everywhere:
            message = "No cell of this type is left after the filters of cells.keep"
        remedy = f"{nearest(name, set(found) - {name})}Cell types are {quoted(found, 12)}"
        problems.append(Problem(cohort.file, f"cell_types[{number}]", name, message, remedy))
    return list(cohort.cell_types)


def warn_short(
    cohort: Cohort,
    counts: pd.Series,
    types: Sequence[str],
    size: int,
    problems: list[Problem],
) -> None:
    """Say which cell types have no bin, where the sheet does not name them and others have some."""
    most = counts.groupby(level="cell_type", observed=True).max()
    if cohort.cell_types or (counts < size).all():
        return
    for name in types:
        if (largest := int(most.get(name, 0))) < size:
            message = (
                f"No sample fills a bin of {size:,} cells of this type: the largest has {largest:,}"
            )
            remedy = "Lower bins.size, or take the cell type out of cell_types"
            problems.append(Problem(cohort.file, "cell_types", name, message, remedy, "warning"))
