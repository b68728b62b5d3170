"""Who carries a variant, and which variants enough genomes have to be tested."""

from __future__ import annotations

import numpy as np

# Fewest carriers, and fewest non-carriers, of a variant that is tested.
MIN_CARRIERS = 3


def carriers(dosage: np.ndarray) -> np.ndarray:
    """Return 1 for carriers, 0 for non-carriers and NaN for missing genotypes."""
    dosage = np.asarray(dosage, dtype=float)
    return np.where(np.isfinite(dosage), dosage >= 1, np.nan)


def imputed(carrier: np.ndarray) -> np.ndarray:
    """Return carriers, with missing values replaced by the mean of the variant."""
    called = np.isfinite(carrier)
    mean = np.where(called, carrier, 0).sum(axis=0) / np.maximum(called.sum(axis=0), 1)
    return np.where(called, carrier, mean)


def common(carrier: np.ndarray) -> np.ndarray:
    """Return which variants have enough carriers and non-carriers for a test."""
    return np.minimum((carrier == 1).sum(axis=0), (carrier == 0).sum(axis=0)) >= MIN_CARRIERS


def varying(carrier: np.ndarray) -> np.ndarray:
    """Return which variants have a carrier and enough non-carriers."""
    return (carrier == 1).any(axis=0) & ((carrier == 0).sum(axis=0) >= MIN_CARRIERS)
