"""Random logical columns, nested too, and random ways in which Arrow may hold one of them.

A logical column is its kind and plain Python values: whether two are equal is for Python to say, not for the scheme.

>>> kind, values = column(random.Random(1))
>>> holding(random.Random(2), kind, values).to_pylist() == holding(random.Random(3), kind, values).to_pylist()
True
"""

import random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Kind", "column", "holding"]

Kind = tuple[Any, ...]
"""A name, then the kinds of the items of a list or a map, or the names and kinds of a struct's fields."""

POOL: dict[str, list[Any]] = {
    "int": [0, 1, -1, 127, -129, 2**31, 2**53 + 1, -(2**63)],
    "float": [0.0, 1.5, -2.0, float("inf")],
    "bool": [True, False],
    "text": ["", "a", "ä", "a\0", "x" * 20],
    "bytes": [b"", b"\0", b"ab", b"\xff" * 20],
    "instant": [0, 1, -1, 999, 1_500_000],
}

TYPES: dict[str, list[pa.DataType]] = {
    "int": [pa.int64()],
    "float": [pa.float64(), pa.float32(), pa.float16()],
    "bool": [pa.bool_()],
    "text": [pa.string(), pa.large_string(), pa.string_view()],
    "bytes": [pa.binary(), pa.large_binary(), pa.binary_view()],
    "instant": [pa.timestamp("us", zone) for zone in ("UTC", "Europe/Lisbon", "+05:45")],
}


def column(chance: random.Random) -> tuple[Kind, list[Any]]:
    """Draw a logical column."""
    kind = _kind(chance)
    return kind, [_value(chance, kind) for _ in range(chance.choice([0, 1, 2, 3, 5, 9]))]


def holding(chance: random.Random, kind: Kind, values: list[Any]) -> pa.ChunkedArray:
    """Hold a logical column in some layout: sliced, in chunks, encoded, with leftovers where something is missing."""
    before, after = ([_value(chance, kind) for _ in range(chance.choice([0, 0, 1, 9]))] for _ in range(2))
    array = _array(chance, kind, [*before, *values, *after]).slice(len(before), len(values))
    cut = chance.randint(0, len(values))
    return pa.chunked_array([array[:cut], array[cut:]], array.type)


def _kind(chance: random.Random, depth: int = 0) -> Kind:
    if depth == 2 or chance.random() < 0.4:
        return (chance.choice(list(POOL)),)
    match chance.choice(["list", "map", "struct"]):
        case "struct":
            names = chance.sample(["a", "b", "ä"], chance.randint(1, 2))
            return ("struct", *((name, _kind(chance, depth + 1)) for name in names))
        case nested:
            return (nested, _kind(chance, depth + 1))


def _value(chance: random.Random, kind: Kind) -> Any:
    if chance.random() < 0.3:
        return None
    match kind:
        case ("list", inner):
            return [_value(chance, inner) for _ in range(chance.randint(0, 2))]
        case ("map", inner):
            return [(key, _value(chance, inner)) for key in chance.sample(["k", "l"], chance.randint(0, 2))]
        case ("struct", *fields):
            return {name: _value(chance, inner) for name, inner in fields}
    return chance.choice(POOL[kind[0]])


def _array(chance: random.Random, kind: Kind, values: list[Any]) -> pa.Array:
    missing = pa.array([value is None for value in values], pa.bool_())
    match kind:
        case ("list" | "map", inner):
            # What lies under a missing list or struct is no value, and may be anything.
            filled = [_value(chance, kind) or [] if value is None else value for value in values]
            return _lists(chance, kind[0], inner, filled, missing)
        case ("struct", *fields):
            rows = [_value(chance, kind) or {} if value is None else value for value in values]
            held = [_array(chance, inner, [row.get(name) for row in rows]) for name, inner in fields]
            return pa.StructArray.from_arrays(held, [name for name, _ in fields], mask=missing)
    return _encoded(chance, pa.array(values, chance.choice(TYPES[kind[0]])))


def _lists(chance: random.Random, nested: str, inner: Kind, filled: list[Any], missing: pa.Array) -> pa.Array:
    ends = [0]
    for value in filled:
        ends.append(ends[-1] + len(value))
    flat = [item for value in filled for item in value]
    if nested == "map":
        keys, items = pa.array([key for key, _ in flat], pa.string()), [item for _, item in flat]
        return pa.MapArray.from_arrays(
            pa.array(ends, pa.int32()), keys, _array(chance, inner, items), mask=missing
        )
    items = _array(chance, inner, flat)
    if chance.random() < 0.3:
        starts, sizes = ends[:-1], [len(value) for value in filled]
        return pa.ListViewArray.from_arrays(
            pa.array(starts, pa.int32()), pa.array(sizes, pa.int32()), items, mask=missing
        )
    if chance.random() < 0.5:
        return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), items, mask=missing)
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items, mask=missing)


def _encoded(chance: random.Random, array: pa.Array) -> pa.Array:
    how = chance.choice(["plain", "plain", "dictionary", "run ends"])
    if how == "plain" or array.type in (pa.float16(), pa.string_view(), pa.binary_view()):
        return array
    if how == "run ends":
        return pc.run_end_encode(array, chance.choice([pa.int16(), pa.int64()]))
    return array.dictionary_encode(chance.choice(["mask", "encode"]))
