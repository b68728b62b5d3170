"""Cases and controls, or the two halves of a continuous phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.networks.consensus import split_halves
from popnet.stats.designs import Design


def cases(design: Design) -> np.ndarray:
    """Return which observations are cases, or in the upper half of a continuous phenotype."""
    phenotype = design.units.phenotype
    if design.binary:
        return phenotype == 1
    return (split_halves(pd.Series(phenotype)) == "case").to_numpy()


def group_means(values: np.ndarray, case: np.ndarray) -> pd.DataFrame:
    """Return the mean of columns over all units, over cases and over controls."""
    groups = {"mean": np.ones_like(case), "mean_case": case, "mean_control": ~case}
    missing = np.full(values.shape[1], np.nan)
    return pd.DataFrame(
        {
            name: values[rows].mean(axis=0) if rows.any() else missing
            for name, rows in groups.items()
        }
    )
