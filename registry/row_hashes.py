"""A 64-bit hash of every row, to find rows again that moved: quick, and no proof of anything.

Rules:

- Rows that the scheme calls equal have one hash, whatever holds them. Two others share one by accident alone, once in
  2^64: hashes are seeded anew in every process, so that nobody can make two such rows.
- They order rows and say which ones to compare. That two tables are equal is for their fingerprints to say.

>>> hashes_of([pa.array([1, 2, 1])])[[0, 2]].ptp() == 0
True
"""

import secrets
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.columns import is_list, items_of, numbers_of, plain, valid_of

__all__ = ["hashes_of"]

Hashes = NDArray[np.uint64]

SEED, MISSING = (np.uint64(secrets.randbits(64)) for _ in range(2))
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Of splitmix64 (G. L. Steele et al., 2014)."""


def hashes_of(columns: list[pa.Array]) -> Hashes:
    """Hash the rows of columns of one length."""
    return _joined(np.zeros(len(columns[0]), np.uint64), columns)


def _joined(rows: Hashes, columns: list[pa.Array]) -> Hashes:
    for column in columns:
        # Mixed anew with every column, so that equal values in two columns do not cancel out.
        rows = _mixed(rows * np.uint64(31) + _mixed(_words(plain(column)) ^ SEED))
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
    if types.is_unsigned_integer(data_type):
        return _filled(numbers_of(array, f"<u{data_type.bit_width // 8}"), array)
    if types.is_integer(data_type) or types.is_boolean(data_type):
        wide = array.cast(pa.int64())
        numbers = numbers_of(wide, "<i8")
        words = numbers.view(np.uint64)
        return _filled(np.where(numbers < 0, _mixed(words ^ SEED), words), wide)
    if types.is_date(data_type):
        return _words(array.cast(pa.date32()).cast(pa.int32()))
    if types.is_time(data_type) or types.is_timestamp(data_type) or types.is_duration(data_type):
        return _filled(_times(array), array)
    if is_list(data_type) or types.is_map(data_type):
        return _filled(_lists(array), array)
    if types.is_struct(data_type):
        return _filled(_joined(np.zeros(len(array), np.uint64), array.flatten()), array)
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
        nanos = (values - micros * 1000).view(np.uint64)
        return micros.view(np.uint64) ^ np.where(nanos != 0, _mixed(nanos ^ SEED), np.uint64(0))
    return (values * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]).view(np.uint64)


def _lists(array: pa.Array) -> Hashes:
    """Return for each list the sum of its items' hashes, each mixed with its place."""
    lengths, items = items_of(array, valid_of(array))
    stops = np.cumsum(lengths, dtype=np.int64)
    places = np.arange(len(items)) - np.repeat(stops - lengths, lengths)
    sums = np.concatenate([[np.uint64(0)], np.cumsum(_mixed(hashes_of([items]) + places.view(np.uint64)))])
    words: Hashes = sums[stops] - sums[stops - lengths] + lengths.astype(np.uint64)
    return words


def _of_objects(array: pa.Array) -> Hashes:
    """Hash text, bytes and decimals by Python's own hash, each value once."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = array.cast(pa.large_binary())  # some writers put other encodings where UTF-8 belongs
    if pa.types.is_decimal(array.type) and array.type.bit_width < 128:
        array = array.cast(pa.decimal128(38, array.type.scale))
    encoded = pc.dictionary_encode(array)
    values, codes = encoded.dictionary.to_pylist(), encoded.indices
    words = np.array([_of_object(value) for value in values] + [int(MISSING)], np.uint64)
    found: Hashes = words[pc.fill_null(codes, len(values)).to_numpy(zero_copy_only=False)]
    return found


def _of_object(value: object) -> int:
    if value is None:
        return int(MISSING)
    # Python hashes numbers by a rule that has no seed: -1 and -2 have one hash.
    if isinstance(value, Decimal):
        value = str(value.as_integer_ratio())
    return hash(value) % 2**64
