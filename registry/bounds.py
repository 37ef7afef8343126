"""Bounds that stand for enough rows: values of a column, on a grid as coarse as the small-cell rule asks for.

Rules:

- A value that `small_cell` rows hold is shown as it is. Any other is rounded to a multiple of a step, the finest within
  which `small_cell` rows lie: so a bound is nobody's own value. Where no step will do, nothing is shown.
- Steps are 1, 2 and 5 times a power of ten, from 200 steps in the range on; those of whole numbers and of dates (days)
  begin with 1, those of times go by seconds, minutes, hours and days.
- The lowest bound is rounded down, the highest up; what is between is rounded to the nearest, stays within the two, and
  never falls below one of a lower rank.
- Rows are counted in a sample where there is no more (`registry.distribution`): all rows are no fewer.

>>> import numpy as np
>>> from registry.distribution import Counted
>>> [str(each) for each in bounds(Counted(np.arange(374, 474), np.arange(1, 101)), "int", 10, [50])]
['380', '420', '470']
"""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import count, islice
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from registry.distribution import Counted, Sampled

__all__ = ["Bound", "bounds", "steps"]

Bound = Fraction | float
"""A bound: a fraction, or a float that many rows hold."""

Rounding = Literal["down", "nearest", "up"]

FINEST = 200
"""So many steps the range has at most."""

MOST_STEPS = 100
"""So often a step is made coarser, over 33 powers of ten, before nothing is shown."""

SECOND, DAY = 1_000_000, 86_400_000_000
CLOCK = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200)
"""The steps of times between a second and a day, in seconds."""

TIMES = frozenset({"time", "duration", "timestamp", "instant"})


def bounds(
    ranked: "Counted | Sampled", base: str, small_cell: int, ranks: Sequence[int]
) -> list[Bound | None]:
    """Return what may be shown of the lowest rows, of the ranks (ascending), and of the highest.

    `base` is the logical type of the column. There are at least twice `small_cell` rows.
    """
    ends = ranked.outermost(small_cell)
    finest = _finest(*ends)
    low = _bound(ranked, ends[0], finest, base, small_cell, "down")
    high = _bound(ranked, ends[1], finest, base, small_cell, "up")
    between: list[Bound | None] = []
    least = low
    for rank in ranks:
        found = _bound(ranked, ranked.at(rank), finest, base, small_cell, "nearest")
        if found is not None:
            found = found if least is None else max(least, found)
            found = found if high is None else min(high, found)
            least = found
        between.append(found)
    return [low, *between, high]


def steps(base: str, least: Fraction) -> Iterator[Fraction]:
    """Yield the steps of a type, the finest first, none below `least`, which is above 0."""
    if base not in TIMES:
        yield from _decimal(max(least, Fraction(1)) if base in ("int", "date") else least)
        return
    for step in _decimal(max(least, Fraction(1))):
        if step >= SECOND:
            break
        yield step
    yield from (Fraction(step * SECOND) for step in CLOCK if step * SECOND >= least)
    yield from (step * DAY for step in _decimal(max(least / DAY, Fraction(1))))


def _bound(
    ranked: "Counted | Sampled",
    value: float,
    finest: Fraction,
    base: str,
    small_cell: int,
    rounding: Rounding,
) -> Bound | None:
    if ranked.rows_between(value, value) >= small_cell:
        return Fraction(value) if isinstance(value, int) else value
    if not math.isfinite(value):
        return None
    for step in islice(steps(base, finest), MOST_STEPS):
        low, shown, high = _cell(Fraction(value), step, rounding)
        if ranked.rows_between(low, high) >= small_cell:
            return shown
    return None


def _cell(value: Fraction, step: Fraction, rounding: Rounding) -> tuple[Fraction, Fraction, Fraction]:
    """Return a rounded value between the ends of what is rounded to it."""
    match rounding:
        case "down":
            shown = math.floor(value / step) * step
            return shown, shown, shown + step
        case "up":
            shown = math.ceil(value / step) * step
            return shown - step, shown, shown
    shown = math.floor(value / step + Fraction(1, 2)) * step
    return shown - step / 2, shown, shown + step / 2


def _decimal(least: Fraction) -> Iterator[Fraction]:
    power = (Decimal(least.numerator) / Decimal(least.denominator)).adjusted()
    for exponent in count(power):
        for digit in (1, 2, 5):
            step = digit * Fraction(10) ** exponent
            if step >= least:
                yield step


def _finest(low: float, high: float) -> Fraction:
    """Return the step to begin with: a share of the range, else of the greater end."""
    ends = [Fraction(end) for end in (low, high) if math.isfinite(end)]
    width = max(ends, default=Fraction(0)) - min(ends, default=Fraction(0))
    return (width or max(map(abs, ends), default=Fraction(0)) or Fraction(1)) / FINEST
