"""One column measured for a profile: its values brought to one form, and counted.

Rules:

- What is measured depends on the logical values alone (`registry.columns`): not on the library, its types, or the
  pieces in which the rows come. NaN is missing; -0.0 is 0.0; a category is its value; times are microseconds (dates
  days), rounded down; decimals are the nearest float64.
- Texts, bytes and lists are measured by their lengths (code points, bytes, items). Structs and maps have no values
  here, only missing ones.

>>> column = MeasuredColumn("income")
>>> column.feed(pa.array([1.0, float("nan"), 4.0]))
>>> column.finish()
>>> column.missing, column.values.distinct
(1, 2)
"""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import MalformedInput
from registry.columns import logical_type
from registry.diff import RUN
from registry.disclosure import SMALL_CELL
from registry.distribution import Distribution
from registry.layouts import MICROSECONDS, MILLISECONDS_A_DAY, PER_MICROSECOND, plain
from registry.row_runs import cut

__all__ = ["MeasuredColumn"]

NUMBERS = frozenset({"int", "float", "decimal", "date", "time", "duration", "timestamp", "instant"})
"""The types that have an order and a mean."""


class MeasuredColumn:
    """Takes the pieces of one column in row order, of any length; `finish` closes the last run.

    One that is not to be measured `whole` counts its missing values only.
    """

    def __init__(self, name: str, small_cell: int = SMALL_CELL, *, whole: bool = True) -> None:
        self.name = name
        self._whole = whole
        self._small_cell = small_cell
        self.type = ""
        self.rows = 0
        self.missing = 0
        self.note: str | None = None
        self.values: Distribution | None = None
        self.lengths: Distribution | None = None
        self._held: list[pa.Array] = []

    def feed(self, array: pa.Array) -> None:
        """Take the next rows; raise `MalformedInput` where they have no canonical form."""
        if not self.type:
            try:
                self._begin(logical_type(array.type))
            except MalformedInput as error:
                raise MalformedInput(f"column {self.name!r} {error}") from None
        for _, piece in cut(array, self.rows):
            self._held.append(self._form(piece))
            self.rows += len(piece)
            if self.rows % RUN == 0:
                self._flush()

    def finish(self) -> None:
        """Take what waits for its run to be full."""
        if self._held:
            self._flush()

    def _begin(self, kind: str) -> None:
        self.type = kind
        base = kind.partition("<")[0]
        if not self._whole:
            return
        if base in NUMBERS or base in ("bool", "text", "bytes"):
            self.values = Distribution(self._small_cell)
        if base in ("text", "bytes", "list"):
            self.lengths = Distribution(self._small_cell)

    def _form(self, piece: pa.Array) -> pa.Array:
        try:
            return normal(piece, self.type.partition("<")[0])
        except pa.ArrowInvalid:
            # What no 64-bit form here holds; whether it is missing can still be told.
            what = "integers above 2^63-1" if self.type == "int" else "values too far away"
            self.note = f"holds {what}: only its missing values are profiled"
            return pa.array(np.zeros(len(piece), np.int64), mask=np.asarray(piece.is_null()))

    def _flush(self) -> None:
        run = self._held[0] if len(self._held) == 1 else pa.concat_arrays(self._held)
        self._held = []
        self.missing += run.null_count
        present = run.drop_null() if run.null_count else run
        if self.lengths is not None:
            lengths = present if self.values is None else _lengths(present)
            self.lengths.add(lengths)
        if self.values is not None:
            self.values.add(present)


def normal(array: pa.Array, base: str) -> pa.Array:
    """Bring values to int64, float64, large_string or large_binary; what is missing stays so.

    Structs, maps and nulls become integers that only tell which rows are missing, lists their lengths.
    """
    array = plain(array)
    match base:
        case "bool" | "int":
            return array.cast(pa.int64())
        case "float":
            return _settled(array.cast(pa.float64()))
        case "decimal":
            return _settled(array.cast(pa.string()).cast(pa.float64()))
        case "text":
            return array.cast(pa.large_string())
        case "bytes":
            return array.cast(pa.large_binary())
        case "date" | "time" | "duration" | "timestamp" | "instant":
            return _whole_times(array)
        case "list":
            return pc.list_value_length(array).cast(pa.int64())
    return pa.array(np.zeros(len(array), np.int64), mask=np.asarray(array.is_null()))


def _settled(array: pa.Array) -> pa.Array:
    """Make NaN missing and -0.0 zero."""
    with np.errstate(all="ignore"):
        if array.null_count == 0 and len(array):
            values = np.asarray(array)
            # The bits of -0.0 are the lowest int64.
            if not np.isnan(values.min()) and values.view(np.int64).min() != np.iinfo(np.int64).min:
                return array
        values = np.asarray(array.fill_null(math.nan))
        return pa.array(values + 0.0, mask=np.isnan(values))


def _whole_times(array: pa.Array) -> pa.Array:
    """Return microseconds, or days of dates, rounded down."""
    types, data_type = pa.types, array.type
    missing = np.asarray(array.is_null())
    width = pa.int32() if data_type.bit_width == 32 else pa.int64()
    whole = np.asarray(array.view(width).fill_null(0)).astype(np.int64)
    if types.is_date32(data_type):
        return pa.array(whole, mask=missing)
    if types.is_date64(data_type):
        return pa.array(whole // MILLISECONDS_A_DAY, mask=missing)
    if data_type.unit == "ns":
        return pa.array(whole // PER_MICROSECOND, mask=missing)
    return pc.multiply_checked(pa.array(whole, mask=missing), MICROSECONDS[data_type.unit])


def _lengths(present: pa.Array) -> pa.Array:
    measure = pc.utf8_length if pa.types.is_large_string(present.type) else pc.binary_length
    return measure(present).cast(pa.int64())
