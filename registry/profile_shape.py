"""The shape of a profiled column: what a small drawing shows of it, from the profile alone.

Rules:

- Few values that are all told with their counts are bars, one each, with one more for the rows that are hidden
  together. Numbers and times are bars of equal width from `low` to `high`: between two quantiles the rows are spread
  evenly, which is all that a profile says.
- A drawing shows nothing that the profile does not tell. What cannot be drawn has no bars.

>>> blocks((1.0, 0.5, 0.0))
'█▅▁'
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from itertools import pairwise

from registry.profile import ColumnProfile

__all__ = ["blocks", "shape"]

BLOCKS = "▁▂▃▄▅▆▇█"


def shape(column: ColumnProfile, bars: int) -> tuple[float, ...]:
    """Return the heights of bars, the highest 1; at most `bars`, or none."""
    heights = _counted(column) if column.values and not column.quantiles else _spread(column, bars)
    most = max(heights, default=0.0)
    return tuple(height / most for height in heights[:bars]) if most > 0 else ()


def blocks(heights: Sequence[float]) -> str:
    """Draw bars as one line of block characters."""
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(height * len(BLOCKS)))] for height in heights)


def _counted(column: ColumnProfile) -> list[float]:
    return [float(rows) for _, rows in column.values] + (
        [float(column.hidden_rows)] if column.hidden_rows else []
    )


def _spread(column: ColumnProfile, bars: int) -> list[float]:
    """Spread the rows between each two quantiles over the bars that they reach."""
    if column.low is None or column.high is None:
        return []
    shares = [(0.0, column.low), *((float(share), at) for share, at in column.quantiles), (1.0, column.high)]
    places = [(share, _place(at, column.type)) for share, at in shares]
    known = [(share, place) for share, place in places if place is not None]
    if len(known) < len(places) or not known:
        return []
    low, high = known[0][1], known[-1][1]
    if not low < high:
        return [1.0]
    width = (high - low) / bars
    heights = [0.0] * bars
    for (share, start), (until, end) in pairwise(known):
        first, last = (min(bars - 1, max(0, int((place - low) / width))) for place in (start, end))
        for bar in range(first, last + 1):
            left, right = max(start, low + bar * width), min(end, low + (bar + 1) * width)
            part = 1.0 if first == last else max(0.0, right - left) / (end - start)
            heights[bar] += (until - share) * part
    return heights


def _place(text: str, kind: str) -> float | None:
    """Return where a value lies on the axis, or None where it has no place."""
    try:
        if kind == "date":
            return float(date.fromisoformat(text).toordinal())
        if kind in ("timestamp", "instant"):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        if kind == "time":
            moment = time.fromisoformat(text)
            return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e300 else None
