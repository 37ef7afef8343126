"""The canonical bytes of one run of a column, part of the scheme `affidavit-table-v1`.

A run is at most 65,536 rows of one column. Its canonical bytes depend on its logical values alone::

    form  = rows (8 bytes) | missing (1) | width (1) | mark (1) | validity? | sections

All integers are little endian. `missing` is 1 where at least one row is missing; then a validity bitmap
follows (one bit per row, least significant first, 1 for present, unused bits 0) and every missing slot below
is zero. Width, mark and sections by logical type:

==================  ===============================================================================
bool                a bitmap
int                 integers of `width` bytes: the smallest of 1, 2, 4, 8 that holds the run as signed;
                    mark 1 and 8 unsigned bytes where one is above 2^63-1
float               float64; NaN is missing, -0.0 is 0.0
text, bytes         lengths as unsigned integers of `width` bytes (the smallest of 1, 2, 4, 8), then all
                    the bytes; text is UTF-8
date                days since 1970-01-01, as int
time, duration,     int64 microseconds (since midnight, none, 1970-01-01, 1970-01-01 UTC); mark 1 where
timestamp, instant  one has nanoseconds left over, which then follow as uint16
decimal             mark is the smallest scale that holds every value of the run; the values at that scale
                    as signed integers of `width` bytes, the smallest of 1, 2, 4, 8, 16, 32
null                nothing
list                lengths as for text, then the form of all the items together
map                 as a list of structs of key and value, entries in their order
struct              the form of each field in order; under a missing struct every field is missing
==================  ===============================================================================

Encodings (dictionary, run ends, views) and Arrow's extension types for UUIDs, JSON and truths of a byte are undone.

The type of a list is written `list<item>`, of a map `map<key,value>`, of a struct
`struct<"name":type,...>` with names as JSON strings.

>>> logical_type(pa.list_(pa.dictionary(pa.int8(), pa.string())))
'list<text>'
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.errors import MalformedInput
from registry.layouts import (
    MICROSECONDS,
    MILLISECONDS_A_DAY,
    PER_MICROSECOND,
    Mask,
    Numbers,
    bits_of,
    fields_of,
    is_list,
    is_named,
    items_of,
    numbers_of,
    offsets_of,
    plain,
    valid_of,
    zeroed,
)

__all__ = ["form_of", "leaf", "logical_type"]

Form = Iterator[bytes | memoryview]

WIDTHS = (1, 2, 4, 8)
BLOCK = 8_192
"""Rows that are converted at a time: what that takes stays in the cache, and is not new memory for every run."""
MINUS_ZERO = -(2**63)
"""The bits of -0.0 as int64, of all float64 the lowest."""


def logical_type(data_type: pa.DataType) -> str:
    """Return the name of the logical type behind an Arrow type, or raise `MalformedInput`."""
    for test, name in SIMPLE_TYPES:
        if test(data_type):
            return name
    types = pa.types
    if types.is_dictionary(data_type) or types.is_run_end_encoded(data_type):
        return logical_type(data_type.value_type)
    if is_named(data_type):
        return "bool" if data_type.extension_name == "arrow.bool8" else logical_type(data_type.storage_type)
    if types.is_timestamp(data_type):
        return "timestamp" if data_type.tz is None else "instant"
    if types.is_map(data_type):
        return f"map<{logical_type(data_type.key_type)},{logical_type(data_type.item_type)}>"
    if is_list(data_type):
        return f"list<{logical_type(data_type.value_type)}>"
    if types.is_struct(data_type):
        fields = (
            f"{json.dumps(_name_of(field), ensure_ascii=False)}:{logical_type(field.type)}"
            for field in data_type
        )
        return f"struct<{','.join(fields)}>"
    raise MalformedInput(
        f"has the type {data_type}, which has no canonical form: convert it to numbers or text"
    )


def _name_of(field: pa.Field) -> str:
    try:
        name: str = field.name
    except UnicodeDecodeError:
        raise MalformedInput("has a field whose name is not text in UTF-8: rename it") from None
    return name


def leaf(kind: str, run: pa.Array, key: bytes | None = None) -> bytes:
    """Hash one run of at most 65,536 rows: SHA-256(0x00 | length of kind | kind | form), or HMAC of the same."""
    name = kind.encode("utf-8")
    begin = struct.pack("<BI", 0, len(name)) + name
    digest = hashlib.sha256(begin) if key is None else hmac.new(key, begin, "sha256")
    for part in form_of(run):
        digest.update(part)
    return digest.digest()


def form_of(array: pa.Array) -> Form:
    """Write the values of one run as the scheme does, whatever encoding holds them."""
    array = plain(array)
    base = logical_type(array.type).partition("<")[0]
    return FORMS[base](array)


def _head(rows: int, valid: Mask | None, width: int = 0, mark: int = 0) -> bytes:
    head = struct.pack("<QBBB", rows, valid is not None, width, mark)
    return head if valid is None else head + np.packbits(valid, bitorder="little").tobytes()


def _blocks(values: Numbers, valid: Mask | None) -> Iterator[Numbers]:
    """Yield the values a block at a time, zero where missing."""
    for start in range(0, len(values), BLOCK):
        stop = start + BLOCK
        yield zeroed(values[start:stop], None if valid is None else valid[start:stop])


def _bools(array: pa.Array) -> Form:
    valid = valid_of(array)
    yield _head(len(array), valid)
    if len(array):
        bits = bits_of(array.buffers()[1], array.offset, len(array))
        yield np.packbits(bits if valid is None else bits & valid, bitorder="little").data


def _ints(array: pa.Array) -> Form:
    data_type = array.type
    sign = "i" if pa.types.is_signed_integer(data_type) else "u"
    yield from _integers(numbers_of(array, f"<{sign}{data_type.bit_width // 8}"), valid_of(array))


def _integers(values: Numbers, valid: Mask | None) -> Form:
    dtype = _narrowest(values, valid)
    yield _head(len(values), valid, dtype.itemsize, dtype.kind == "u")
    yield from _as_type(values, valid, dtype)


def _as_type(values: Numbers, valid: Mask | None, dtype: np.dtype[Any]) -> Form:
    """Yield the values in another type, zero where missing; without a copy where neither is needed."""
    if valid is None and values.dtype == dtype:
        yield values.data
        return
    for block in _blocks(values, valid):
        yield block.astype(dtype, copy=False).data


def _narrowest(values: Numbers, valid: Mask | None) -> np.dtype[Any]:
    """Return the smallest signed integer type that the values fit in; unsigned where one is above 2^63-1."""
    low, high = _extremes(values, valid)
    if high >= 2**63:
        return values.dtype
    width = next(width for width in WIDTHS if -(2 ** (8 * width - 1)) <= low and high < 2 ** (8 * width - 1))
    return np.dtype(f"<i{width}")


def _extremes(values: Numbers, valid: Mask | None) -> tuple[int, int]:
    """Return the lowest and the highest value, missing ones being zero; two zeros of none."""
    if len(values) == 0:
        return 0, 0
    if valid is None:
        return int(values.min()), int(values.max())
    ends = [(int(block.min()), int(block.max())) for block in _blocks(values, valid)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _floats(array: pa.Array) -> Form:
    valid = valid_of(array)
    values = numbers_of(array, f"<f{array.type.bit_width // 8}")
    # A signalling NaN is still only a missing value.
    with np.errstate(all="ignore"):
        if len(values) and np.isnan(values.min()):
            nan = np.isnan(values)
            valid = ~nan if valid is None else valid & ~nan
        yield _head(len(values), valid)
        if valid is None and values.itemsize == 8 and not _has_minus_zero(values):
            yield values.data
            return
    for block in _blocks(values, valid):
        with np.errstate(all="ignore"):
            wide = block.astype("<f8", copy=False) + 0.0
        yield wide.data


def _has_minus_zero(values: Numbers) -> bool:
    return bool(len(values) and values.view("<i8").min() == MINUS_ZERO)


def _strings(array: pa.Array) -> Form:
    rows, valid = len(array), valid_of(array)
    offsets = offsets_of(array)
    lengths = np.diff(offsets)
    if valid is not None:
        lengths = zeroed(lengths, valid)
        if int(lengths.sum(dtype="<i8")) != int(offsets[-1]) - int(offsets[0]):  # bytes under missing slots
            array = array.drop_null()
            offsets = offsets_of(array)
    yield from _sizes(rows, valid, lengths)
    first, last = int(offsets[0]), int(offsets[-1])
    if last > first:
        yield memoryview(array.buffers()[2])[first:last]


def _sizes(rows: int, valid: Mask | None, lengths: Numbers) -> Form:
    most = int(lengths.max()) if rows else 0
    width = next(width for width in WIDTHS if most < 2 ** (8 * width))
    yield _head(rows, valid, width)
    yield from _as_type(lengths, None, np.dtype(f"<u{width}"))


def _dates(array: pa.Array) -> Form:
    if pa.types.is_date32(array.type):
        yield from _integers(numbers_of(array, "<i4"), valid_of(array))
        return
    valid = valid_of(array)
    milliseconds = zeroed(numbers_of(array, "<i8"), valid)
    days = milliseconds // MILLISECONDS_A_DAY
    if (days * MILLISECONDS_A_DAY != milliseconds).any():
        raise MalformedInput("holds dates with a time of day: convert it to timestamps")
    yield from _integers(days, valid)


def _times(array: pa.Array) -> Form:
    unit, valid = array.type.unit, valid_of(array)
    values = numbers_of(array, f"<i{array.type.bit_width // 8}")
    if unit == "ns":
        yield from _nanoseconds(values, valid)
        return
    factor = MICROSECONDS[unit]
    most = (2**63 - 1) // factor
    low, high = _extremes(values, valid) if factor > 1 else (0, 0)
    if low < -most or high > most:
        raise MalformedInput("holds times too far away to count in microseconds: remove them")
    yield _head(len(values), valid, 8)
    if factor == 1:
        yield from _as_type(values, valid, np.dtype("<i8"))
        return
    for block in _blocks(values, valid):
        yield (block.astype("<i8") * factor).data


def _nanoseconds(values: Numbers, valid: Mask | None) -> Form:
    micros = np.empty(len(values), "<i8")
    left = np.empty(len(values), "<u2")
    for start, block in zip(range(0, len(values), BLOCK), _blocks(values, valid), strict=True):
        whole = block // PER_MICROSECOND
        micros[start : start + BLOCK] = whole
        left[start : start + BLOCK] = block - whole * PER_MICROSECOND
    mark = bool(left.any())
    yield _head(len(values), valid, 8, mark)
    yield micros.data
    if mark:
        yield left.data


def _decimals(array: pa.Array) -> Form:
    valid, data_type = valid_of(array), array.type
    if data_type.scale < 0:
        array = array.cast(pa.decimal256(76, 0))
    elif data_type.bit_width < 128:
        array = array.cast(pa.decimal128(38, data_type.scale))
    scale, words = array.type.scale, _words(array, valid)
    if not words.any():
        scale = 0
    while scale > 0 and _tenfold(words):
        scale -= 1
        make = pa.decimal128 if array.type.bit_width == 128 else pa.decimal256
        array = array.cast(make(array.type.precision, scale))
        words = _words(array, valid)
    # As many words as are needed for what is above them to be the sign alone.
    count = next(n for n in (1, 2, 4) if (words[:, n:] == words[:, n - 1 : n] >> 63).all())
    values = words[:, 0].astype(_narrowest(words[:, 0], None)) if count == 1 else words[:, :count]
    yield _head(len(words), valid, values.itemsize * count, scale)
    yield values.ravel().data


def _words(array: pa.Array, valid: Mask | None) -> NDArray[np.int64]:
    """Return the unscaled values as rows of 64-bit words, the lowest first; missing ones are zero."""
    count = array.type.bit_width // 64
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros((len(array), count), "<i8")
    words = np.frombuffer(buffer, "<i8", len(array) * count, array.offset * count * 8).reshape(-1, count)
    return words if valid is None else np.where(valid[:, None], words, np.int64(0))


def _tenfold(words: NDArray[np.int64]) -> bool:
    """Tell whether every value is a multiple of ten."""
    for part in (words[:64], words):
        low = (
            part[:, 0].view("<u8")
            if part.flags.c_contiguous and part.shape[1] == 1
            else part[:, 0].astype("<u8")
        )
        units = (low % np.uint64(10)).astype("<i8")
        # 2^64, 2^128 and 2^192 all leave 6 when divided by 10; upper words below the last are unsigned.
        for index in range(1, part.shape[1]):
            word = part[:, index]
            top = index == part.shape[1] - 1
            rest = word % 10 if top else (word.astype("<u8") % np.uint64(10)).astype("<i8")
            units = units + 6 * rest
        if (units % 10).any():
            return False
    return True


def _nulls(array: pa.Array) -> Form:
    yield _head(len(array), None)


def _lists(array: pa.Array) -> Form:
    valid = valid_of(array)
    lengths, items = items_of(array, valid)
    yield from _sizes(len(array), valid, lengths)
    yield from form_of(items)


def _structs(array: pa.Array) -> Form:
    yield _head(len(array), valid_of(array))
    for field in fields_of(array):
        yield from form_of(field)


SIMPLE_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int"),
    (pa.types.is_floating, "float"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_string_view, "text"),
    (pa.types.is_binary, "bytes"),
    (pa.types.is_large_binary, "bytes"),
    (pa.types.is_binary_view, "bytes"),
    (pa.types.is_fixed_size_binary, "bytes"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (pa.types.is_duration, "duration"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_null, "null"),
)

FORMS: dict[str, Callable[[pa.Array], Form]] = {
    "bool": _bools,
    "int": _ints,
    "float": _floats,
    "text": _strings,
    "bytes": _strings,
    "date": _dates,
    "time": _times,
    "duration": _times,
    "timestamp": _times,
    "instant": _times,
    "decimal": _decimals,
    "null": _nulls,
    "list": _lists,
    "map": _lists,
    "struct": _structs,
}
