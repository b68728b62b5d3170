"""Numeric coding of cell covariates: the vector s of equation 21."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Covariates:
    """Coding of columns of obs as numbers.

    Parameters
    ----------
    levels : mapping
        By column: the levels that are coded one-hot, or None for a numeric column.
    """

    levels: Mapping[str, list[str] | None]

    @classmethod
    def of(cls, obs: pd.DataFrame, columns: Sequence[str]) -> Covariates:
        """Return the coding of `columns`: numeric columns unchanged, others one-hot."""
        levels: dict[str, list[str] | None] = {}
        for column in columns:
            if column not in obs:
                known = ", ".join(map(str, obs.columns)) or "none"
                raise ValueError(f"covariates: no column {column!r} in obs; there are: {known}")
            values = obs[column]
            if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
                levels[column] = None
            else:
                levels[column] = sorted(set(values.dropna().astype(str)))
        return cls(levels)

    @property
    def width(self) -> int:
        """Length of s."""
        return sum(1 if levels is None else len(levels) for levels in self.levels.values())

    def encode(self, obs: pd.DataFrame) -> np.ndarray:
        """Return s of every cell, (n_cells, width).

        Raises
        ------
        ValueError
            A column or a value is missing, or a value did not occur in the training data.
        """
        parts = [np.empty((len(obs), 0), np.float32)]
        for column, levels in self.levels.items():
            if column not in obs:
                raise ValueError(
                    f"covariates: no column {column!r} in obs, which the model was trained with"
                )
            values = obs[column]
            if values.isna().any():
                raise ValueError(f"covariates: {column!r} has missing values")
            if levels is None:
                part = values.to_numpy(np.float32)[:, None]
                if not np.isfinite(part).all():
                    raise ValueError(f"covariates: {column!r} has infinite values")
            else:
                unknown = set(values.astype(str)) - set(levels)
                if unknown:
                    raise ValueError(
                        f"covariates: {column!r} has {min(unknown)!r}, which is none of the levels "
                        f"that the model was trained with: {', '.join(levels)}"
                    )
                part = (values.astype(str).to_numpy()[:, None] == np.array(levels)).astype(
                    np.float32
                )
            parts.append(part)
        return np.concatenate(parts, 1)
