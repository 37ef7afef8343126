"""How the values of a column are distributed: counted one by one while they are few, by estimates beyond.

Rules:

- Up to `MOST_COUNTED` different values are counted exactly, and everything that is said of them is exact. Beyond that
  no single value is counted, their number is estimated (`registry.cardinality`), and order statistics come from a
  sample of the rows (`registry.value_sample`). Counting ends as soon as an estimate says so beyond doubt.
- What the small-cell rule rests on is exact all the same: the values at which `small_cell` rows lie at or below, and at
  or above, are found among all rows, and no order statistic lies beyond them.
- Nothing depends on the pieces in which the values come, and nothing that is exact on their order.
- An order statistic is the value at a rank, never between two: the inverse of the empirical distribution function
  (type 1 of R. J. Hyndman, Y. Fan: "Sample quantiles in statistical packages", 1996).

>>> found = Distribution()
>>> found.add(pa.array([3, 1, 2, 2]))
>>> found.distinct, found.exact, found.ranked().at(2)
(3, True, 2)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.cardinality import HyperLogLog
from registry.disclosure import SMALL_CELL
from registry.value_sample import ValueSample

__all__ = ["MOST_COUNTED", "Counted", "Distribution", "Sampled"]

MOST_COUNTED = 65_536
"""As many different values are counted one by one."""

BEYOND_DOUBT = 80_000
"""An estimate above this is 27 of its standard errors above `MOST_COUNTED`."""

WAITING = 2 * MOST_COUNTED
"""Values that wait to be counted together."""

Numbers = NDArray[Any]


class Distribution:
    """Takes the present values of a column: int64, float64 (no NaN, no -0.0), large_string or large_binary."""

    def __init__(self, small_cell: int = SMALL_CELL) -> None:
        self.rows = 0
        self._small_cell = small_cell
        self._waiting: list[pa.Array] = []
        self._counted: pa.Table | None = None
        self._estimated: HyperLogLog | None = None
        self._sample = ValueSample()
        self._ends: tuple[Numbers, Numbers] | None = None

    def add(self, values: pa.Array) -> None:
        """Take more values; none may be missing."""
        self.rows += len(values)
        if len(values):
            self._waiting.append(values)
        if sum(map(len, self._waiting)) >= WAITING:
            self._settle()

    @property
    def exact(self) -> bool:
        """Whether every value was counted."""
        self._settle()
        return self._estimated is None

    @property
    def distinct(self) -> int:
        """How many different values there are, exactly or by estimate."""
        self._settle()
        if self._estimated is not None:
            return self._estimated.estimate()
        return 0 if self._counted is None else self._counted.num_rows

    def counts(self) -> list[tuple[Any, int]]:
        """List every value with its count, the most frequent first, then by value; nothing if not all were counted."""
        if not self.exact or self._counted is None:
            return []
        ordered = self._counted.sort_by([("count", "descending"), ("value", "ascending")])
        return list(zip(ordered["value"].to_pylist(), ordered["count"].to_pylist(), strict=True))

    def ranked(self) -> "Counted | Sampled":
        """Put numbers in their order, once, to ask for ranks."""
        if not self.exact:
            assert self._ends is not None
            lowest, highest = self._ends
            return Sampled(self._sample, self.rows, lowest.max().item(), highest.min().item())
        if self._counted is None:
            return Counted(np.zeros(0, np.int64), np.zeros(0, np.int64))
        ordered = self._counted.sort_by("value")
        return Counted(ordered["value"].to_numpy(), np.cumsum(ordered["count"].to_numpy()))

    def _settle(self) -> None:
        """Take what waits: count it, or where there is too much, go over to estimates."""
        if not self._waiting:
            return
        values = pa.chunked_array(self._waiting)
        self._waiting = []
        if self._estimated is not None:
            _add(self._estimated, values)
            self._follow(values)
            return
        beyond = self._too_many(values)
        if beyond is not None:
            self._go_over(beyond)
            self._follow(values)
            return
        self._counted = _summed(_counts(values), self._counted)
        if self._counted.num_rows > MOST_COUNTED:
            self._go_over(HyperLogLog())

    def _too_many(self, values: pa.ChunkedArray) -> HyperLogLog | None:
        """Return an estimate by which counting would be in vain; none is made where few values were counted before."""
        known = 0 if self._counted is None else self._counted.num_rows
        if len(values) <= MOST_COUNTED or 0 < known < MOST_COUNTED // 2:
            return None
        seen = HyperLogLog()
        _add(seen, values)
        return seen if seen.estimate() > BEYOND_DOUBT else None

    def _go_over(self, estimated: HyperLogLog) -> None:
        """Estimate from here on, and take what was counted before."""
        self._estimated = estimated
        if self._counted is None:
            return
        ordered, self._counted = self._counted.sort_by("value"), None
        _add(estimated, ordered["value"])
        if not _is_text(ordered["value"].type):
            values, counts = _numbers(ordered["value"]), ordered["count"].to_numpy()
            self._sample.add_counted(values, counts)
            # As often as each stands, up to as often as can count.
            self._keep_ends(np.repeat(values, np.minimum(counts, self._small_cell)))

    def _follow(self, values: pa.ChunkedArray) -> None:
        if not _is_text(values.type):
            numbers = _numbers(values)
            self._sample.add(numbers)
            self._keep_ends(numbers)

    def _keep_ends(self, numbers: Numbers) -> None:
        """Keep the lowest and the highest numbers, as many as a small cell has."""
        low, high, most = numbers, numbers, self._small_cell
        if self._ends is not None:
            lowest, highest = self._ends
            if len(lowest) == most:
                low, high = low[low < lowest.max()], high[high > highest.min()]
            low, high = np.concatenate([lowest, low]), np.concatenate([highest, high])
        if len(low) > most:
            low = np.partition(low, most - 1)[:most]
        if len(high) > most:
            high = np.partition(high, len(high) - most)[-most:]
        self._ends = low, high


def _add(estimated: HyperLogLog, values: pa.ChunkedArray) -> None:
    for chunk in values.chunks:
        if _is_text(values.type):
            estimated.add_texts(chunk)
        else:
            estimated.add_numbers(_numbers(chunk))


def _is_text(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(data_type) or pa.types.is_large_binary(data_type))


def _numbers(values: pa.Array | pa.ChunkedArray) -> Numbers:
    numbers: Numbers = (
        values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)
    )
    return numbers


@dataclass(frozen=True, slots=True)
class Counted:
    """All values in order, and up to which rank each reaches."""

    values: Numbers
    ends: Numbers

    def at(self, rank: int) -> Any:
        """Return the value at a rank, counted from 1."""
        return self.values[int(np.searchsorted(self.ends, rank))].item()

    def outermost(self, small_cell: int) -> tuple[Any, Any]:
        """Return the values at which so many rows lie at or below, and at or above."""
        return self.at(small_cell), self.at(int(self.ends[-1]) - small_cell + 1)

    def rows_between(self, low: Fraction | float, high: Fraction | float) -> int:
        """Count the rows from one value to another, both included."""
        first, last = _places(self.values, low, high)
        return int(self.ends[last - 1] - (self.ends[first - 1] if first else 0)) if last > first else 0

    def weighted(self) -> tuple[Numbers, Numbers]:
        """Return the values in order and how many rows hold each."""
        return self.values, np.diff(self.ends, prepend=0)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sample of the values, and the two at which the small cell of all rows lies at or beyond."""

    sample: ValueSample
    rows: int
    low: Any
    high: Any

    def at(self, rank: int) -> Any:
        """Return the value about at a rank, counted from 1, and none beyond the two."""
        return min(max(self.sample.at(rank, self.rows), self.low), self.high)

    def outermost(self, small_cell: int) -> tuple[Any, Any]:
        """Return the two values; `small_cell` is what the distribution was made with."""
        return self.low, self.high

    def rows_between(self, low: Fraction | float, high: Fraction | float) -> int:
        """Count the rows of the sample from one value to another, both included: there are no fewer."""
        first, last = _places(self.sample.ordered, low, high)
        return last - first

    def weighted(self) -> tuple[Numbers, Numbers]:
        """Return the values of the sample in order, each for one row."""
        return self.sample.ordered, np.ones(len(self.sample.ordered), np.int64)


def _places(values: Numbers, low: Fraction | float, high: Fraction | float) -> tuple[int, int]:
    """Return where the values from `low` to `high` begin and end in order."""
    start, stop = (_bounded(values.dtype, low, math.ceil), _bounded(values.dtype, high, math.floor))
    return int(np.searchsorted(values, start)), int(np.searchsorted(values, stop, side="right"))


def _bounded(kind: np.dtype[Any], value: Fraction | float, whole: Callable[[Fraction], int]) -> Any:
    """Write a number as the type of an array can hold it; for whole numbers, the next one."""
    if kind.kind == "f":
        most = np.finfo(kind).max.item()
        return float(min(max(value, -most), most) if isinstance(value, Fraction) else value)
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    return kind.type(min(max(whole(Fraction(value)), least), most))


def _counts(values: pa.ChunkedArray) -> pa.Table:
    counted = pc.value_counts(values)
    return pa.table({"value": counted.field("values"), "count": counted.field("counts")})


def _summed(one: pa.Table, other: pa.Table | None) -> pa.Table:
    """Add up the counts of equal values."""
    if other is None:
        return one
    together = pa.concat_tables([one, other])
    coded = pc.dictionary_encode(together["value"].combine_chunks())
    # Sums of float64 are exact here: no table has 2^53 rows.
    counts = np.bincount(np.asarray(coded.indices), np.asarray(together["count"]), len(coded.dictionary))
    return pa.table({"value": coded.dictionary, "count": counts.astype(np.int64)})
