"""Mean and standard deviation of values of which those beyond two bounds count as the bounds.

Rules:

- No single value weighs more than a bound does (top and bottom coding, `registry.disclosure`).
- Sums are exact before they are rounded (`math.fsum`), of values that are counted in their order: the same on every
  machine, whatever the order of the rows.

>>> coded_moments(np.array([1.0, 2.0, 900.0]), np.array([2, 1, 1]), 1.0, 3.0)
Coded(rows=4, mean=1.75, deviation=0.9574271077563381)
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coded", "coded_moments"]

Numbers = NDArray[Any]


class Coded(NamedTuple):
    """How many rows there are, their mean, and their standard deviation (n - 1)."""

    rows: int
    mean: float
    deviation: float


def coded_moments(values: Numbers, counts: Numbers, low: float, high: float) -> Coded | None:
    """Return the moments of counted values; None where they are no finite numbers."""
    rows = int(counts.sum())
    if rows < 2 or not (math.isfinite(low) and math.isfinite(high)):
        return None
    with np.errstate(all="ignore"):  # what overflows is no finite number, and gives None
        above = np.clip(values.astype(np.float64), low, high) - low
        mean = _sum(above * counts) / rows
        deviation = math.sqrt(_sum((above - mean) ** 2 * counts) / (rows - 1))
    return Coded(rows, low + mean, deviation) if math.isfinite(low + mean + deviation) else None


def _sum(values: Numbers) -> float:
    try:
        return math.fsum(values.tolist())
    except (OverflowError, ValueError):  # beyond the largest float, or of two infinities
        return math.inf
