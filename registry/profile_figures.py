"""What a profile tells of a measured column: which figures, by the small-cell rule, and how they are written.

Rules:

- Numbers are shortest decimals. Dates and times are ISO 8601 (UTC for instants), durations and the deviation of times
  seconds, the deviation of dates days.
- Mean and deviation have no more digits than a hundredth of the deviation's leading one, and fewer where the rule asks.
- A text longer than `LONGEST` is a hidden value: it may be anything.

>>> written(20484, "date"), written(90_000_000, "duration")
('2026-01-31', '90')
"""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from registry.bounds import Bound, bounds, steps
from registry.coded_moments import coded_moments
from registry.column_profile import MeasuredColumn
from registry.disclosure import FEW, Shown, may_show_mean, ranks_shown, shown_values
from registry.distribution import Counted, Distribution, Sampled
from registry.profile import ColumnProfile

__all__ = ["ToldColumn", "told"]

LONGEST = 64
IDENTIFIERS = "no two are alike, as where they name rows: neither range nor mean is told"
NEARLY_ALL = Fraction(39, 40)
"""So many different values to a row are all of them, where they are estimated: three standard errors."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = Decimal(1_000_000)
DAY = 86_400_000_000


class ToldColumn:
    """A column that is measured, and told of as soon as all its rows are in: from then on it holds no values.

    Where columns come one after another, as from a Parquet file of many, few are held at a time.
    """

    def __init__(self, column: MeasuredColumn, small_cell: int, rows: int | None) -> None:
        self.rows = 0
        self._column: MeasuredColumn | None = column
        self._small_cell, self._expected = small_cell, rows
        self._told: ColumnProfile | None = None

    def feed(self, array: pa.Array) -> None:
        """Take the next rows."""
        if self._column is not None:
            self._column.feed(array)
            self.rows = self._column.rows
            if self.rows and self.rows == self._expected:
                self.told()

    def told(self) -> ColumnProfile:
        """Say what may be said of the column."""
        if self._column is not None:
            self._column.finish()
            self._told, self._column = told(self._column, self._small_cell), None
        assert self._told is not None
        return self._told


def told(column: MeasuredColumn, small_cell: int) -> ColumnProfile:
    """Say what may be said of a column."""
    base = column.type.partition("<")[0]
    said: dict[str, Any] = {
        "name": column.name,
        "type": column.type or "null",
        "missing": column.missing,
        "missing_share": _share(column.missing, column.rows),
        "note": column.note,
    }
    present = column.rows - column.missing
    if column.note is not None or present < small_cell:
        return ColumnProfile(**said)
    if column.lengths is not None and present >= 2 * small_cell:
        said["lengths"] = _lengths(column.lengths.ranked(), present, small_cell)
    if column.values is not None:
        said |= _values(column.values, base, small_cell)
    return ColumnProfile(**said)


def _values(values: Distribution, base: str, small_cell: int) -> dict[str, Any]:
    exact, distinct = values.exact, values.distinct
    found = _shown(values, base, small_cell)
    said: dict[str, Any] = {"exact": exact}
    said["distinct"] = distinct if exact else min(_rough_count(distinct), values.rows)
    if exact:
        shown = tuple((written(value, base), rows) for value, rows in found.values)
        said |= {"values": shown, "hidden": found.hidden, "hidden_rows": found.hidden_rows}
    if base in ("text", "bytes", "bool"):
        return said
    ranked = values.ranked()
    if distinct >= values.rows * (1 if exact else NEARLY_ALL) and _whole(ranked, base):
        return said | {"note": IDENTIFIERS}
    return said | _order(ranked, values.rows, base, small_cell, mean=may_show_mean(distinct, found.small))


def _whole(ranked: Counted | Sampled, base: str) -> bool:
    """Say whether these are whole numbers, whatever they are held in."""
    values, _ = ranked.weighted()
    return base == "int" or (base in ("float", "decimal") and bool((values % 1 == 0).all()))


def _order(ranked: Counted | Sampled, rows: int, base: str, small_cell: int, *, mean: bool) -> dict[str, Any]:
    """Say what may be said of the order of numbers and times, and of their mean."""
    if rows < 2 * small_cell:
        return {}
    shares = ranks_shown(rows, small_cell)
    low, *between, high = bounds(ranked, base, small_cell, [rank for _, rank in shares])
    quantiles = tuple(
        (share, written(at, base)) for (share, _), at in zip(shares, between, strict=True) if at is not None
    )
    if low is None or high is None:
        return {"quantiles": quantiles}
    said = {"low": written(low, base), "high": written(high, base), "quantiles": quantiles}
    return said | (_moments(ranked, low, high, base) if mean else {})


def _shown(values: Distribution, base: str, small_cell: int) -> Shown:
    counts = values.counts()
    if base in ("text", "bytes") and (
        base == "bytes" or len(counts) > FEW or any(len(value) > LONGEST for value, _ in counts)
    ):
        total = sum(rows for _, rows in counts)
        return Shown((), len(counts), total, small=False)
    return shown_values(counts, small_cell)


def _lengths(ranked: Counted | Sampled, rows: int, small_cell: int) -> tuple[str, str, str] | None:
    found = [each for each in bounds(ranked, "int", small_cell, [-(-rows // 2)]) if each is not None]
    low, median, high = (written(each, "int") for each in found) if len(found) == 3 else ("", "", "")
    return (low, median, high) if low else None


def _moments(ranked: Counted | Sampled, low: Bound, high: Bound, base: str) -> dict[str, str]:
    """Round mean and deviation until one row, wherever it lies from `low` to `high`, moves them by a step at most."""
    found = coded_moments(*ranked.weighted(), float(low), float(high))
    if found is None:
        return {}
    if found.deviation == 0.0:
        return {"mean": written(low, base), "deviation": "0"}
    width, spread = Fraction(high) - Fraction(low), Decimal(f"{found.deviation:.2e}")
    least = Fraction(10) ** (spread.adjusted() - 2)
    moves = width / found.rows
    mean = _to_step(found.mean, max(least, moves))
    deviation = _to_step(found.deviation, max(least, moves * width / Fraction(found.deviation)))
    if deviation == 0:
        return {}
    if base in ("time", "duration", "timestamp", "instant"):
        deviation /= 1_000_000
    return {"mean": written(mean, base), "deviation": written(deviation, "float")}


def _to_step(value: float, least: Fraction) -> Fraction:
    step = next(steps("float", least))
    return round(Fraction(value) / step) * step


def written(value: Any, base: str) -> str:
    """Write a value of a column as a profile holds it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Fraction) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    if base == "bool":
        return "true" if value else "false"
    if base in ("date", "time", "timestamp", "instant"):
        return _time(round(value), base)
    if base == "duration":
        return _plain(Decimal(round(value)) / MICRO)
    if isinstance(value, Fraction):
        return _plain(Decimal(value.numerator) / Decimal(value.denominator))
    return _plain(Decimal(value) if isinstance(value, int) else Decimal(repr(float(value))))


def _time(value: int, base: str) -> str:
    try:
        if base == "date":
            return (EPOCH + timedelta(days=value)).date().isoformat()
        moment = EPOCH + timedelta(microseconds=value)
    except OverflowError:
        return f"{value} {'days' if base == 'date' else 'microseconds'} after 1970-01-01"
    if base == "time":
        return moment.time().isoformat() if value < DAY else "24:00:00"
    return moment.replace(tzinfo=None).isoformat() + ("Z" if base == "instant" else "")


def _plain(number: Decimal) -> str:
    """Write a decimal without trailing zeros, in digits unless it is very small or very large."""
    if number == 0:
        return "0"
    small = number.normalize()
    return f"{small:f}" if -7 <= small.adjusted() <= 18 else f"{small:e}"


def _rough_count(count: int) -> int:
    """Round an estimate to three digits: more would pretend."""
    return int(Decimal(f"{count:.2e}"))


def _share(part: int, whole: int) -> str | None:
    return None if whole == 0 else _plain(Decimal(f"{part / whole:.2f}"))
