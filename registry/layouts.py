"""How Arrow lays out the values of a column: encodings undone, pieces joined, and buffers looked at without a copy.

Rules:

- Nothing here changes a value; what is in a missing slot is not one, and may be anything until it is `zeroed`.
- An array may be a slice of its buffers: everything here begins at its offset.

>>> array = pa.array([1, None, 3])
>>> valid_of(array).tolist(), zeroed(numbers_of(array, "<i8"), valid_of(array)).tolist()
([True, False, True], [1, 0, 3])
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = [
    "MICROSECONDS",
    "MILLISECONDS_A_DAY",
    "PER_MICROSECOND",
    "Mask",
    "Numbers",
    "bits_of",
    "fields_of",
    "is_list",
    "is_named",
    "items_of",
    "joined",
    "numbers_of",
    "offsets_of",
    "plain",
    "undone",
    "valid_of",
    "zeroed",
]

Mask = NDArray[np.bool_]
Numbers = NDArray[Any]
MOST_BYTES = 2**31 - 1
"""Bytes that 32-bit offsets reach over."""
PER_MICROSECOND = 1000
MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""How many microseconds each of Arrow's coarser units of time has."""
MILLISECONDS_A_DAY = 86_400_000
NAMED_TYPES = frozenset({"arrow.uuid", "arrow.json", "arrow.bool8"})
"""Extension types that are equal to their storage: 16 bytes, text, and truths of one byte each."""


def joined(pieces: list[pa.Array]) -> pa.Array:
    """Make one array of the pieces of a run."""
    if len(pieces) == 1:
        return pieces[0]
    bare = [undone(piece) for piece in pieces]
    types = {piece.type for piece in bare}
    # 32-bit offsets may not reach over what fits into each piece alone.
    if types & {pa.string(), pa.binary()}:
        types.add(pa.large_string() if types & {pa.string()} else pa.large_binary())
    if len(types) > 1:
        common = _common(types)
        if common == pa.int64() and pa.uint64() in types and not any(_has_negative(piece) for piece in bare):
            common = pa.uint64()
        bare = [piece.cast(common) for piece in bare]
    return pa.concat_arrays(bare)


def _common(types: set[pa.DataType]) -> pa.DataType:
    """Return the type that holds the values of pieces which differ in width, unit, zone or scale."""
    schemas = [pa.schema([("column", _in_utc(data_type))]) for data_type in types]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _in_utc(data_type: pa.DataType) -> pa.DataType:
    """Return a type of instants with the zone that they are counted in, and any other as it is."""
    has_zone = pa.types.is_timestamp(data_type) and data_type.tz is not None
    return pa.timestamp(data_type.unit, "UTC") if has_zone else data_type


def _has_negative(array: pa.Array) -> bool:
    return (pc.min(array).as_py() or 0) < 0


def plain(array: pa.Array) -> pa.Array:
    """Undo encodings (dictionary, run ends, views) that do not change the values."""
    types, data_type = pa.types, array.type
    if types.is_dictionary(data_type):
        return plain(pc.take(undone(array.dictionary), array.indices))
    if types.is_run_end_encoded(data_type):
        if _is_encoded(data_type.value_type):  # of which Arrow decodes no runs
            whole = pa.RunEndEncodedArray.from_arrays(array.run_ends, undone(array.values))
            array = whole.slice(array.offset, len(array))
        return plain(pc.run_end_decode(array))
    # Arrow copies a view in 3 ns with offsets of 32 bits and in 4 with 64; gathered by numpy it took 5 and more.
    if types.is_string_view(data_type):
        return array.cast(pa.large_string() if _bytes_viewed(array) > MOST_BYTES else pa.string())
    if types.is_binary_view(data_type):
        return array.cast(pa.large_binary() if _bytes_viewed(array) > MOST_BYTES else pa.binary())
    if types.is_fixed_size_binary(data_type):
        return array.cast(pa.binary())
    if is_named(data_type):
        storage = plain(array.storage)
        return storage.cast(pa.bool_()) if data_type.extension_name == "arrow.bool8" else storage
    return array


def undone(array: pa.Array) -> pa.Array:
    """Undo encodings inside lists, maps and structs too: Arrow joins and filters few of them there."""
    array = plain(array)
    if not any(_is_encoded(child) for child in _children(array.type)):
        return array
    valid = valid_of(array)
    mask = None if valid is None else pa.array(~valid)
    if pa.types.is_struct(array.type):
        fields = [undone(field) for field in fields_of(array)]
        return pa.StructArray.from_arrays(fields, [field.name for field in array.type], mask=mask)
    lengths, items = _held_by(array)
    starts = pa.array(np.append(0, np.cumsum(lengths, dtype="<i8")))
    return pa.LargeListArray.from_arrays(starts, undone(items), mask=mask)


def _is_encoded(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_dictionary(data_type)
        or types.is_run_end_encoded(data_type)
        or types.is_string_view(data_type)
        or types.is_binary_view(data_type)
        or is_named(data_type)
        or any(_is_encoded(child) for child in _children(data_type))
    )


def _children(data_type: pa.DataType) -> list[pa.DataType]:
    return [data_type.field(number).type for number in range(data_type.num_fields)]


def _bytes_viewed(array: pa.Array) -> int:
    """Return how many bytes the values of an array of views have together, or more."""
    _, views, *elsewhere = array.buffers()
    if views is None or not elsewhere:
        return 12 * len(array)
    # A view is 16 bytes, of which the first four are the length.
    lengths = np.frombuffer(views, "<i4")[4 * array.offset : 4 * (array.offset + len(array)) : 4]
    return int(zeroed(lengths, valid_of(array)).sum(dtype="<i8"))


def is_named(data_type: pa.DataType) -> bool:
    """Tell whether this is one of Arrow's extension types that only name a meaning of what they store."""
    return isinstance(data_type, pa.BaseExtensionType) and data_type.extension_name in NAMED_TYPES


def is_list(data_type: pa.DataType) -> bool:
    """Tell whether this is one of Arrow's types of lists."""
    types = pa.types
    return bool(
        types.is_list(data_type)
        or types.is_large_list(data_type)
        or types.is_fixed_size_list(data_type)
        or types.is_list_view(data_type)
        or types.is_large_list_view(data_type)
    )


def valid_of(array: pa.Array) -> Mask | None:
    """Return which rows are present, or None where all are."""
    if array.null_count == 0:
        return None
    return bits_of(array.buffers()[0], array.offset, len(array))


def bits_of(buffer: pa.Buffer, offset: int, rows: int) -> Mask:
    """Unpack the bits of rows from a bitmap; `offset` is the bit of the first one."""
    first, skip = divmod(offset, 8)
    packed = np.frombuffer(buffer, np.uint8)[first : first + (skip + rows + 7) // 8]
    bits: Mask = np.unpackbits(packed, count=skip + rows, bitorder="little")[skip:].view(np.bool_)
    return bits


def numbers_of(array: pa.Array, dtype: str) -> Numbers:
    """Look at the values of a fixed-width array without copying; missing slots may hold anything."""
    size = np.dtype(dtype).itemsize
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, len(array), array.offset * size)


def zeroed(values: Numbers, valid: Mask | None) -> Numbers:
    """Zero the missing slots, by the bits, since whatever is there may be NaN; twice as fast as a choice."""
    if valid is None:
        return values
    return (values.view(f"<i{values.itemsize}") * valid).view(values.dtype)


def offsets_of(array: pa.Array) -> Numbers:
    """Look at where each value begins, and where the last one ends."""
    types, data_type = pa.types, array.type
    large = types.is_large_string(data_type) or types.is_large_binary(data_type)
    dtype = np.dtype("<i8" if large or types.is_large_list(data_type) else "<i4")
    if len(array) == 0:
        return np.zeros(1, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array) + 1, array.offset * dtype.itemsize)


def items_of(array: pa.Array, valid: Mask | None) -> tuple[Numbers, pa.Array]:
    """Return the length of each list, 0 where missing, and the items of all present lists together."""
    lengths, items = _held_by(array)
    present = zeroed(lengths, valid)
    if valid is not None and int(present.sum(dtype="<i8")) != len(items):  # items under missing slots
        items = undone(items).filter(pa.array(np.repeat(valid, lengths)))
    return present, items


def _held_by(array: pa.Array) -> tuple[Numbers, pa.Array]:
    """Return the length of each list and all items, those under missing slots too."""
    types, data_type, rows = pa.types, array.type, len(array)
    if types.is_fixed_size_list(data_type):
        size = data_type.list_size
        return np.full(rows, size), array.values.slice(array.offset * size, rows * size)
    if types.is_list_view(data_type) or types.is_large_list_view(data_type):
        # Views may overlap and stand in any order, so their items are gathered; of missing ones there are none.
        dtype = np.dtype("<i8" if types.is_large_list_view(data_type) else "<i4")
        starts, sizes = (np.frombuffer(each, dtype)[array.offset :][:rows] for each in array.buffers()[1:3])
        lengths = zeroed(sizes, valid_of(array))
        before = np.cumsum(lengths, dtype="<i8") - lengths
        places = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
        # Of what all views of the column share, only the part that these reach into is decoded.
        first, last = (int(places.min()), int(places.max()) + 1) if len(places) else (0, 0)
        return lengths, undone(array.values.slice(first, last - first)).take(pa.array(places - first))
    offsets = offsets_of(array)
    first, last = int(offsets[0]), int(offsets[-1])
    return np.diff(offsets), array.values.slice(first, last - first)


def fields_of(array: pa.Array) -> list[pa.Array]:
    """Return the fields of structs, each missing where its struct is."""
    fields: list[pa.Array] = array.flatten()
    valid = valid_of(array)
    for number, field in enumerate(fields if valid is not None else ()):
        if pa.types.is_run_end_encoded(field.type):  # which have no bitmap that could say what is missing
            values = plain(array.field(number))
            fields[number] = pc.if_else(pa.array(valid), values, pa.scalar(None, values.type))
    return fields
