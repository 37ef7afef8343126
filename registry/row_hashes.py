"""A 64-bit hash of every row, to find rows again that moved: quick, and no proof of anything.

Rules:

- Rows that the scheme calls equal have one hash, whatever holds them; hashes are of this process alone, since text is
  hashed with Python's own seed.
- Nothing is concluded from two equal hashes but that two rows are worth comparing.

>>> hashes_of([pa.array([1, 2, 1])])[[0, 2]].ptp() == 0
True
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.columns import numbers_of, plain, valid_of

__all__ = ["hashes_of"]

Hashes = NDArray[np.uint64]

MISSING = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Of splitmix64 (G. L. Steele et al., 2014)."""


def hashes_of(columns: list[pa.Array]) -> Hashes:
    """Hash the rows of columns of one length."""
    rows = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        # Mixed anew with every column, so that equal values in two columns do not cancel out.
        rows = _mixed(rows * np.uint64(31) + _mixed(_words(plain(column))))
    return rows


def _mixed(words: Hashes) -> Hashes:
    words = (words ^ (words >> np.uint64(30))) * MULTIPLIERS[0]
    words = (words ^ (words >> np.uint64(27))) * MULTIPLIERS[1]
    mixed: Hashes = words ^ (words >> np.uint64(31))
    return mixed


def _words(array: pa.Array) -> Hashes:
    """Return one word for every cell, the same for equal cells."""
    types, data_type = pa.types, array.type
    if types.is_floating(data_type):
        array = array.cast(pa.float64())
        with np.errstate(all="ignore"):
            values = numbers_of(array, "<f8") + 0.0
        return _filled(np.where(np.isnan(values), MISSING, values.view(np.uint64)), array)
    if types.is_integer(data_type) or types.is_boolean(data_type):
        wide = array if types.is_unsigned_integer(data_type) else array.cast(pa.int64())
        sign = "u" if types.is_unsigned_integer(data_type) else "i"
        return _filled(numbers_of(wide, f"<{sign}{wide.type.bit_width // 8}").astype(np.uint64), wide)
    if types.is_date(data_type):
        return _words(array.cast(pa.date32()).cast(pa.int32()))
    if types.is_time(data_type) or types.is_timestamp(data_type) or types.is_duration(data_type):
        return _filled(_times(array), array)
    return _of_objects(array)


def _filled(words: Any, array: pa.Array) -> Hashes:
    valid = valid_of(array)
    filled: Hashes = words.astype(np.uint64) if valid is None else np.where(valid, words, MISSING)
    return filled


def _times(array: pa.Array) -> Any:
    """Return microseconds and what is left over, folded into one word."""
    values = numbers_of(array, f"<i{array.type.bit_width // 8}").astype(np.int64)
    unit = array.type.unit
    if unit == "ns":
        micros = values // 1000
        return micros.view(np.uint64) ^ ((values - micros * 1000).view(np.uint64) << np.uint64(40))
    return (values * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]).view(np.uint64)


def _of_objects(array: pa.Array) -> Hashes:
    """Hash text, bytes and whatever else has no fixed width by Python's own hash, each value once where possible."""
    try:
        encoded = pc.dictionary_encode(array)
        values, codes = encoded.dictionary.to_pylist(), encoded.indices
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return np.array([_of_object(value) for value in array.to_pylist()], np.uint64)
    words = np.array([_of_object(value) for value in values] + [int(MISSING)], np.uint64)
    found: Hashes = words[pc.fill_null(codes, len(values)).to_numpy(zero_copy_only=False)]
    return found


def _of_object(value: object) -> int:
    if value is None:
        return int(MISSING)
    if isinstance(value, list | dict | tuple):
        return hash(repr(value)) % 2**64
    return hash(value) % 2**64
