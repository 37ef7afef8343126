"""How the values of a column are distributed: counted one by one while they are few, by sketches beyond.

Rules:

- Up to `MOST_COUNTED` different values are counted exactly, and everything that is said of them is exact. Beyond that
  their number is estimated (`registry.cardinality`) and order statistics come from buckets that are 2^-12 of their
  value wide, so that a quantile is off by at most `VALUE_ERROR` of itself. No single value is counted then.
- The buckets are the idea of C. Masson, J. E. Rim, H. K. Lee: "DDSketch: a fast and fully-mergeable quantile sketch
  with relative-error guarantees" (2019), cut by the leading bits of the float64 instead of a logarithm, which is exact
  on every machine.
- Nothing depends on the order or the pieces in which the values come.
- An order statistic is the value at a rank, never between two: the inverse of the empirical distribution function
  (type 1 of R. J. Hyndman, Y. Fan: "Sample quantiles in statistical packages", 1996).

>>> found = Distribution()
>>> found.add(pa.array([3, 1, 2, 2]))
>>> found.distinct, found.exact, found.at(2)
(3, True, 2)
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.cardinality import HyperLogLog, hashed_numbers, hashed_texts

__all__ = ["MOST_COUNTED", "VALUE_ERROR", "Distribution"]

MOST_COUNTED = 65_536
"""As many different values are counted one by one."""

MANTISSA_BITS = 12
VALUE_ERROR = "0.000123"
"""How far a quantile from buckets may be off, relative to its value: half of 2^-12, rounded up."""

SHIFT = 52 - MANTISSA_BITS
NO_SIGN = np.int64(2**63 - 1)


class Distribution:
    """Takes the present values of a column: int64, float64 (no NaN, no -0.0), large_string or large_binary."""

    def __init__(self) -> None:
        self.rows = 0
        self._pending: list[pa.Table] = []
        self._waiting = 0
        self._estimated: HyperLogLog | None = None
        self._buckets: list[pa.Table] = []
        self._bucketed = 0

    def add(self, values: pa.Array) -> None:
        """Take more values; none may be missing."""
        self.rows += len(values)
        if len(values) == 0:
            return
        if self._estimated is not None:
            self._sketch(values, None)
            return
        counted = pc.value_counts(values)
        self._pending.append(pa.table({"value": counted.field("values"), "count": counted.field("counts")}))
        self._waiting += len(counted)
        if self._waiting > 2 * MOST_COUNTED:
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
        return self._waiting if self._estimated is None else self._estimated.estimate()

    def counts(self) -> list[tuple[Any, int]]:
        """List every value with its count, the most frequent first, then by value; nothing if not all were counted."""
        if not self.exact or not self._pending:
            return []
        ordered = self._pending[0].sort_by([("count", "descending"), ("value", "ascending")])
        return list(zip(ordered["value"].to_pylist(), ordered["count"].to_pylist(), strict=True))

    def ranked(self) -> "Ranked":
        """Put numbers in their order, once, to ask for ranks."""
        held = self._pending if self.exact else [_summed(self._buckets, "bucket")]
        if not held:
            return Ranked(np.zeros(0, np.int64), np.zeros(0, np.int64), self.exact)
        name = held[0].column_names[0]
        ordered = held[0].sort_by(name)
        ends = np.cumsum(ordered["count"].to_numpy())
        return Ranked(ordered[name].to_numpy(), ends, self.exact)

    def at(self, rank: int) -> Any:
        """Return the number at a rank, counted from 1."""
        return self.ranked().at(rank)

    def _settle(self) -> None:
        """Count what waits; where that is too much, go over to sketches."""
        if self._estimated is not None or (len(self._pending) < 2 and self._waiting <= MOST_COUNTED):
            return
        counted = _summed(self._pending, "value")
        self._pending, self._waiting = [counted], counted.num_rows
        if counted.num_rows > MOST_COUNTED:
            self._estimated = HyperLogLog()
            self._pending, self._waiting = [], 0
            self._sketch(counted["value"].combine_chunks(), counted["count"].to_numpy())

    def _sketch(self, values: pa.Array, counts: NDArray[np.int64] | None) -> None:
        assert self._estimated is not None
        if pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type):
            self._estimated.add(hashed_texts(values))
            return
        numbers = values.to_numpy(zero_copy_only=False)
        self._estimated.add(hashed_numbers(numbers))
        buckets = pa.array(_bucketed(numbers))
        if counts is None:
            counted = pc.value_counts(buckets)
            new = pa.table({"bucket": counted.field("values"), "count": counted.field("counts")})
        else:
            new = _summed([pa.table({"bucket": buckets, "count": counts})], "bucket")
        self._buckets.append(new)
        self._bucketed += len(new)
        # As many as were summed last time may wait, so that summing stays a small part of the work.
        if self._bucketed > 2 * max(len(self._buckets[0]), MOST_COUNTED):
            self._buckets = [_summed(self._buckets, "bucket")]
            self._bucketed = len(self._buckets[0])


class Ranked:
    """Values (or buckets of them) in order, and up to which rank each reaches."""

    __slots__ = ("_ends", "_exact", "_values")

    def __init__(self, values: NDArray[Any], ends: NDArray[np.int64], exact: bool) -> None:
        self._values, self._ends, self._exact = values, ends, exact

    def at(self, rank: int) -> Any:
        """Return the value at a rank, counted from 1."""
        found = self._values[int(np.searchsorted(self._ends, rank))]
        return found.item() if self._exact else _middle(int(found))


def _summed(tables: list[pa.Table], name: str) -> pa.Table:
    """Add up the counts of equal values."""
    together = pa.concat_tables(tables)
    coded = pc.dictionary_encode(together[name].combine_chunks())
    # Sums of float64 are exact here: no table has 2^53 rows.
    counts = np.bincount(np.asarray(coded.indices), np.asarray(together["count"]), len(coded.dictionary))
    return pa.table({name: coded.dictionary, "count": counts.astype(np.int64)})


def _bucketed(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bucket of each number; buckets are ordered as the numbers are."""
    return _ordered(numbers.astype(np.float64).view(np.int64)) >> np.int64(SHIFT)


def _middle(bucket: int) -> float:
    """Return the float64 in the middle of a bucket; those around zero are zero, those of infinities infinite."""
    bits = np.array([(bucket << SHIFT) + (1 << (SHIFT - 1))], np.int64)
    value = float(_ordered(bits).view(np.float64)[0])
    if value != value:
        return float("inf") if bucket > 0 else float("-inf")
    return 0.0 if abs(value) < 2.3e-308 else value


def _ordered(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn the bits of floats into integers in the same order, and back."""
    return bits ^ ((bits >> np.int64(63)) & NO_SIGN)
