"""Data inside a page: JSON that can never end its element, and arrays of few bytes."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
from markupsafe import Markup

# What could be read as markup, and the two ends of a line that JSON has and old scripts do not.
ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def as_json(data: Any) -> Markup:
    """Return data as JSON for an element ``<script type="application/json">``.

    ``<``, ``>`` and ``&`` are escaped, so that no name from the data is ever markup. A number that
    is not finite is null.
    """
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(ESCAPES))


def packed(values: np.ndarray, bits: int = 16) -> dict[str, Any]:
    """Return an array as text of few bytes.

    Parameters
    ----------
    values : ndarray of float, of one or two dimensions
        NaN is missing.
    bits : {8, 16}
        Of a value: 8 are enough for a place in a small figure, 16 for a number of three digits.

    Returns
    -------
    dict
        shape, bits; low and high of each row; data, base64 of unsigned little-endian integers: 0
        is missing, 1 is low and the largest integer is high.
    """
    values = np.asarray(values, dtype=float)
    rows = np.where(np.isfinite(values), values, np.nan).reshape(-1, values.shape[-1])
    known = np.isfinite(rows)
    low = np.where(known, rows, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, rows, -np.inf).max(axis=1, initial=-np.inf)
    low, high = (np.where(np.isfinite(ends), ends, 0.0) for ends in (low, high))
    span = np.where(high > low, high - low, 1.0)
    place = np.nan_to_num((rows - low[:, None]) / span[:, None])
    coded = np.where(known, 1 + np.rint(place * (2**bits - 2)), 0).astype(f"<u{bits // 8}")
    return {
        "shape": list(values.shape),
        "bits": bits,
        "low": [float(f"{value:.6g}") for value in low],
        "high": [float(f"{value:.6g}") for value in high],
        "data": base64.b64encode(coded.tobytes()).decode("ascii"),
    }


def short(value: float, digits: int = 4) -> float | None:
    """Return a number with few digits; None of one that is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _finite(data: Any) -> Any:
    """Return data as JSON knows it: numbers as those of Python, NaN and infinity as None."""
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, np.ndarray):
        return _finite(data.tolist())
    if isinstance(data, np.generic):
        data = data.item()
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
