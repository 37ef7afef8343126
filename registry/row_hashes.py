"""A 64-bit hash of every row, to find rows again that moved: quick, and no proof of anything.

Rules:

- Rows that the scheme calls equal have one hash, whatever holds them. Two others share one by accident alone, once in
  2^64. Who knows the seed could make two such rows: take another each time that tables are compared.
- They order rows and say which ones to compare. That two tables are equal is for their fingerprints to say.

>>> first, second, third = hashes_of([pa.array([1, 2, 1])], b"16 or more bytes")
>>> bool(first == third), bool(first == second)
(True, False)
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.cardinality import hashed_texts, mixed
from registry.layouts import MICROSECONDS, fields_of, is_list, items_of, numbers_of, plain, valid_of

__all__ = ["hashes_of"]

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Hashing:
    """What one seed makes: the word that every hash is mixed with, and the one of a missing cell."""

    seed: np.uint64
    missing: np.uint64

    @classmethod
    def of(cls, seed: bytes) -> "_Hashing":
        digest = hashlib.sha256(seed).digest()
        return cls(*(np.uint64(int.from_bytes(digest[at : at + 8], "little")) for at in (0, 8)))

    def joined(self, columns: list[pa.Array], count: int) -> Hashes:
        rows = np.zeros(count, np.uint64)
        for column in columns:
            # Mixed anew with every column, so that equal values in two columns do not cancel out.
            rows = mixed(rows * np.uint64(31) + mixed(self.words(plain(column)) ^ self.seed))
        return rows

    def words(self, array: pa.Array) -> Hashes:
        """Return one word for every cell, the same for equal cells."""
        types, data_type = pa.types, array.type
        if types.is_floating(data_type):
            array = array.cast(pa.float64())
            with np.errstate(all="ignore"):
                values = numbers_of(array, "<f8") + 0.0
            return self._filled(np.where(np.isnan(values), self.missing, values.view(np.uint64)), array)
        if types.is_unsigned_integer(data_type):
            return self._filled(numbers_of(array, f"<u{data_type.bit_width // 8}"), array)
        if types.is_integer(data_type) or types.is_boolean(data_type):
            wide = array.cast(pa.int64())
            numbers = numbers_of(wide, "<i8")
            words = numbers.view(np.uint64)
            return self._filled(np.where(numbers < 0, mixed(words ^ self.seed), words), wide)
        if types.is_date(data_type):
            return self.words(array.cast(pa.date32()).cast(pa.int32()))
        if types.is_time(data_type) or types.is_timestamp(data_type) or types.is_duration(data_type):
            return self._filled(self._times(array), array)
        if is_list(data_type) or types.is_map(data_type):
            return self._filled(self._lists(array), array)
        if types.is_struct(data_type):
            return self._filled(self.joined(fields_of(array), len(array)), array)
        return self._of_texts(array)

    def _filled(self, words: Any, array: pa.Array) -> Hashes:
        valid = valid_of(array)
        filled: Hashes = words.astype(np.uint64) if valid is None else np.where(valid, words, self.missing)
        return filled

    def _times(self, array: pa.Array) -> Any:
        """Return microseconds and what is left over, folded into one word."""
        values = numbers_of(array, f"<i{array.type.bit_width // 8}").astype(np.int64)
        unit = array.type.unit
        if unit == "ns":
            micros = values // 1000
            nanos = (values - micros * 1000).view(np.uint64)
            return micros.view(np.uint64) ^ np.where(nanos != 0, mixed(nanos ^ self.seed), np.uint64(0))
        return (values * MICROSECONDS[unit]).view(np.uint64)

    def _lists(self, array: pa.Array) -> Hashes:
        """Return for each list the sum of its items' hashes, each mixed with its place."""
        lengths, items = items_of(array, valid_of(array))
        stops = np.cumsum(lengths, dtype=np.int64)
        places = np.arange(len(items)) - np.repeat(stops - lengths, lengths)
        each = mixed(self.joined([items], len(items)) + places.view(np.uint64))
        sums = np.concatenate([[np.uint64(0)], np.cumsum(each)])
        words: Hashes = sums[stops] - sums[stops - lengths] + lengths.astype(np.uint64)
        return words

    def _of_texts(self, array: pa.Array) -> Hashes:
        """Hash text, bytes and decimals, each value once."""
        is_decimal = pa.types.is_decimal(array.type)
        if not is_decimal:
            array = array.cast(pa.large_binary())  # some writers put other encodings where UTF-8 belongs
        elif array.type.bit_width < 128:
            array = array.cast(pa.decimal128(38, array.type.scale))
        encoded = pc.dictionary_encode(array)
        values = encoded.dictionary
        if is_decimal:
            # Equal at any scale: 1.5 is 1.50.
            values = pa.array([_ratio(value) for value in values.to_pylist()], pa.large_string())
        words = np.append(hashed_texts(values.cast(pa.large_binary()), self.seed), self.missing)
        codes = pc.fill_null(encoded.indices, len(values)).to_numpy(zero_copy_only=False)
        found: Hashes = words[codes]
        return found


def hashes_of(columns: list[pa.Array], seed: bytes) -> Hashes:
    """Hash the rows of columns of one length; hashes of one seed can be compared."""
    return _Hashing.of(seed).joined(columns, len(columns[0]))


def _ratio(value: Decimal) -> str:
    return str(value.as_integer_ratio())
