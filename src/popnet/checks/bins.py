"""The cell types of the study, and whether samples fill bins of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from popnet.errors import Problem, nearest
from popnet.study.cohort import Cohort
from popnet.study.problems import name_problems, quoted


def study_types(
    cohort: Cohort, cells: pd.DataFrame, passed: np.ndarray, problems: list[Problem]
) -> list[str]:
    """Return the study's cell types: the sheet's, or all that are left after the filters."""
    found = sorted(set(cells["cell_type"][passed].dropna()))
    if cohort.cell_types is None:
        entries = [(f"cells.cell_type ({cohort.cells.cell_type})", name) for name in found]
        problems += name_problems(cohort.file, entries, "cell type")
        return found
    everywhere = sorted(set(cells["cell_type"].dropna()))
    for number, name in enumerate(cohort.cell_types):
        if name in found or not passed.any():
            continue
        message = "No cell has this cell type"
        if name in everywhere:
            message = "No cell of this type is left after the filters of cells.keep"
        remedy = f"{nearest(name, set(found) - {name})}Cell types are {quoted(found, 12)}"
        problems.append(Problem(cohort.file, f"cell_types[{number}]", name, message, remedy))
    return list(cohort.cell_types)


def check_bins(
    cohort: Cohort,
    counts: pd.Series,
    types: Sequence[str],
    ids: Sequence[str],
    size: int,
    problems: list[Problem],
) -> set[str]:
    """Return the samples that fill a bin; say which cell types have none."""
    counts = counts[
        counts.index.get_level_values("cell_type").isin(types)
        & counts.index.get_level_values("sample").isin(ids)
    ]
    full = counts[counts >= size]
    short = [name for name in types if name not in full.index.get_level_values("cell_type")]
    if full.empty:
        largest = counts.sort_values(kind="stable").index[-1]
        message = (
            f"No sample fills a bin: the largest is {largest[1]!r} with {counts.max():,} cells "
            f"of {largest[0]!r}"
        )
        remedy = f"Set bins.size to {counts.max()} or less"
        problems.append(Problem(cohort.file, "bins.size", size, message, remedy))
    for name in short if not full.empty else ():
        of_type = counts[counts.index.get_level_values("cell_type") == name]
        most = int(of_type.max()) if len(of_type) else 0
        message = f"No sample fills a bin of {size:,} cells of this type: the largest has {most:,}"
        remedy = "Lower bins.size, or take the cell type out of cell_types"
        severity: Literal["error", "warning"] = "error" if cohort.cell_types else "warning"
        problems.append(Problem(cohort.file, "cell_types", name, message, remedy, severity))
    return set(full.index.get_level_values("sample"))
