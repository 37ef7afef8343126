"""Columns of Python objects as Arrow, without the losses that Arrow's own inference allows.

Rules:

- One column, one family of types, at every level of nesting; ints among floats are floats. Left to itself Arrow
  makes bytes of texts among bytes, dates of datetimes among dates, and drops zones in silence: all refused.
- None, NaN, NaT and NA are missing.
- Integers up to 2^64-1 and the nanoseconds of pandas' times are kept. Among floats Arrow makes -1.0 of numpy's 2^64-1:
  refused.

>>> from_objects(np.array(["a", None], dtype=object)).to_pylist()
['a', None]
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.errors import MalformedInput

__all__ = ["from_objects"]


def from_objects(values: NDArray[np.object_]) -> pa.Array | pa.ChunkedArray:
    """Convert Python objects of one type to Arrow; refuse what Arrow would convert with loss."""
    found = {SCALARS.get(kind) for kind in set(map(type, values)) - {type(None)}}
    families = {"": found}
    if None in found or not _is_one(found):
        families = {}
        for value in values:
            _gather(value, "", families)
    for each in families.values():
        if not _is_one(each):
            raise MalformedInput(
                f"holds {' and '.join(sorted(map(str, each)))} values: convert it to one type"
            )
    try:
        return pa.array(values, _exact_type(values, families.get("", set())), from_pandas=True)
    except (pa.ArrowException, OverflowError):
        _refuse_beyond_64_bits(values, families.get("", set()))
        missing = np.fromiter((_family(value) is None for value in values), np.bool_, len(values))
        if not missing.any():
            raise
        # Arrow looks at a missing value, too, as one of the type that it makes.
        kinds = {_family(value) for value in values[~missing]}
        return pa.array(values, _exact_type(values, kinds), mask=missing)


def _is_one(families: set[str | None]) -> bool:
    """Tell whether values of these families make one Arrow type; ints among floats are floats."""
    return len(families) < 2 or families in ({"int", "float"}, {"int", LARGE})


def _gather(value: object, path: str, families: dict[str, set[str | None]]) -> None:
    """Note which family of types a value is of, and its items and fields under their own paths."""
    family = _family(value)
    if family is None:
        return
    families.setdefault(path, set()).add(family)
    if path and _has_nanoseconds(value):
        raise MalformedInput(
            "holds nanoseconds inside lists, which Arrow drops: put them in a column of their own"
        )
    if family == "list":
        for item in value:  # type: ignore[attr-defined]
            _gather(item, f"{path}[]", families)
    elif family == "dict":
        for key, item in value.items():  # type: ignore[attr-defined]
            _gather(item, f"{path}[{key!r}]", families)


def _family(value: object) -> str | None:
    """Name the family of a value's type: types of one family have one Arrow type; None is a missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float | np.floating | np.datetime64 | np.timedelta64) and value != value:
        return None
    if isinstance(value, datetime):
        return "datetime" if value.tzinfo is None else "datetime with a zone"
    if isinstance(value, time) and value.tzinfo is not None:
        raise MalformedInput("holds times of day with a zone, which Arrow drops: convert them to text")
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value.dtype)
    if isinstance(value, np.uint64) and value >= 2**63:
        return LARGE
    for types, name in FAMILIES:
        if isinstance(value, types):
            return name
    raise MalformedInput(f"holds {type(value).__name__} objects: convert it to numbers or text")


def _exact_type(values: NDArray[np.object_], families: set[str | None]) -> pa.DataType | None:
    """Return the type to convert to where Arrow infers one that is too narrow, else None.

    It takes no integer above 2^63-1 and drops the nanoseconds of pandas' times.
    """
    ints = families in ({"int"}, {LARGE}, {"int", LARGE})
    if ints and max(value for value in values if _family(value) is not None) >= 2**63:
        return pa.uint64()
    if families <= {"timedelta", "datetime", "datetime with a zone"} and any(map(_has_nanoseconds, values)):
        if families == {"timedelta"}:
            return pa.duration("ns")
        return pa.timestamp("ns", None if families == {"datetime"} else "UTC")
    return None


def _refuse_beyond_64_bits(values: NDArray[np.object_], families: set[str | None]) -> None:
    if not families or not families <= {"int", LARGE}:
        return
    present = [value for value in values if _family(value) is not None]
    low, high = min(present), max(present)
    if high >= 2**64 or low < -(2**63) or (high >= 2**63 and low < 0):
        raise MalformedInput("holds whole numbers that no 64 bits hold: convert it to decimals or text")


def _has_nanoseconds(value: object) -> bool:
    # Of pandas' times alone; those of NaT are NaN.
    return getattr(value, "nanosecond", 0) > 0 or getattr(value, "nanoseconds", 0) > 0


LARGE = "integer above 2^63-1"
"""The family of numpy's integers that only 64 bits without a sign hold."""

FAMILIES: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), "bool"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    (str, "str"),
    ((bytes, bytearray, memoryview), "bytes"),
    (Decimal, "Decimal"),
    (date, "date"),
    (time, "time"),
    (timedelta, "timedelta"),
    ((list, tuple, np.ndarray), "list"),
    (dict, "dict"),
)

SCALARS: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    Decimal: "Decimal",
    date: "date",
}
"""The families that the exact type of a value tells at once, without a look at the value."""
