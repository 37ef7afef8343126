"""What a profile tells of a measured column: which figures, by the small-cell rule, and how they are written.

Rules:

- Numbers are shortest decimals; those from a sample have six digits, and its times are days, since more would pretend.
  Dates and times are ISO 8601 (UTC for instants), durations and the deviation of times seconds, the deviation of dates
  days.
- A mean is rounded to a hundredth of the leading digit of the standard deviation, which has three digits.
- A text longer than `LONGEST` is a hidden value: it may be anything.

>>> written(20484, "date"), written(90_000_000, "duration")
('2026-01-31', '90')
"""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from registry.column_profile import MeasuredColumn, Moments
from registry.disclosure import FEW, Shown, may_show_mean, rank_of, shown_values
from registry.distribution import Distribution
from registry.profile import ColumnProfile

__all__ = ["told"]

LONGEST = 64
SHARES = tuple((f"0.{5 * number:02}".rstrip("0"), (5 * number, 100)) for number in range(1, 20))
"""The quantiles: 5% to 95% in steps of 5%."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = Decimal(1_000_000)


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
    if column.lengths is not None:
        said["lengths"] = _lengths(column.lengths, small_cell)
    if column.values is not None:
        said |= _values(column.values, base, small_cell)
        few_hidden = said.pop("small")
        if column.moments is not None and may_show_mean(present, said["distinct"], few_hidden, small_cell):
            said |= _moments(column.moments, base)
    return ColumnProfile(**said)


def _values(values: Distribution, base: str, small_cell: int) -> dict[str, Any]:
    exact, distinct = values.exact, values.distinct
    found = _shown(values, base, small_cell)
    said: dict[str, Any] = {"exact": exact}
    said["distinct"] = distinct if exact else min(_rough_count(distinct), values.rows)
    said["small"] = found.small
    if exact:
        shown = tuple((written(value, base), rows) for value, rows in found.values)
        said |= {"values": shown, "hidden": found.hidden, "hidden_rows": found.hidden_rows}
    if base in ("text", "bytes", "bool"):
        return said
    ranked, rows = values.ranked(), values.rows
    quantiles = [
        (share, written(ranked.at(rank), base, exact=exact))
        for share, fraction in SHARES
        if (rank := rank_of(fraction, rows, small_cell)) is not None
    ]
    said["quantiles"] = tuple(quantiles)
    if rows >= 2 * small_cell:
        low, high = ranked.outermost(small_cell)
        said |= {"low": written(low, base), "high": written(high, base)}
    return said


def _shown(values: Distribution, base: str, small_cell: int) -> Shown:
    counts = values.counts()
    if base in ("text", "bytes") and (
        base == "bytes" or len(counts) > FEW or any(len(value) > LONGEST for value, _ in counts)
    ):
        total = sum(rows for _, rows in counts)
        return Shown((), len(counts), total, small=False)
    return shown_values(counts, small_cell)


def _lengths(lengths: Distribution, small_cell: int) -> tuple[str, str, str] | None:
    if lengths.rows < 2 * small_cell:
        return None
    ranked = lengths.ranked()
    low, high = (written(end, "int") for end in ranked.outermost(small_cell))
    return low, written(ranked.at(-(-lengths.rows // 2)), "int", exact=lengths.exact), high


def _moments(moments: Moments, base: str) -> dict[str, str | None]:
    deviation = moments.deviation
    if deviation is None:
        return {}
    if deviation == 0.0:
        return {"mean": written(moments.mean, base), "deviation": "0"}
    spread = Decimal(f"{deviation:.2e}")
    step = Fraction(10) ** (spread.adjusted() - 2)
    mean = round(Fraction(moments.mean) / step) * step
    if base in ("time", "duration", "timestamp", "instant"):
        spread = spread / MICRO
    return {"mean": written(mean, base), "deviation": _plain(spread)}


def written(value: Any, base: str, *, exact: bool = True) -> str:
    """Write a value of a column as a profile holds it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Fraction) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    if base == "bool":
        return "true" if value else "false"
    if base in ("date", "time", "timestamp", "instant"):
        return _time(round(value), base, exact)
    if base == "duration":
        return _plain(Decimal(round(value)) / MICRO)
    if base == "int" and not isinstance(value, Fraction):
        return str(round(value)) if exact and isinstance(value, int) else _plain(_six(round(value)))
    if isinstance(value, Fraction):
        return _plain(Decimal(value.numerator) / Decimal(value.denominator))
    return _plain(Decimal(repr(float(value))) if exact else _six(value))


def _time(value: int, base: str, exact: bool) -> str:
    try:
        if base == "date":
            return (EPOCH + timedelta(days=value)).date().isoformat()
        moment = EPOCH + timedelta(microseconds=value)
    except OverflowError:
        return f"{value} {'days' if base == 'date' else 'microseconds'} after 1970-01-01"
    if base == "time":
        return moment.time().isoformat()
    if not exact:
        return moment.date().isoformat()
    return moment.replace(tzinfo=None).isoformat() + ("Z" if base == "instant" else "")


def _six(value: float) -> Decimal:
    return Decimal(f"{value:.6g}")


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
