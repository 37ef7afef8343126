"""The canonical bytes of columns, and what may not change them."""

import hashlib
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from audit import canonical
from registry.columns import form_of
from registry.fingerprint import Fingerprint, fingerprint
from registry.row_runs import Column


def test_a_leaf_is_the_hash_that_the_scheme_spells_out() -> None:
    leaf = hashlib.sha256(
        b"\x00"
        + (4).to_bytes(4, "little")
        + b"text"
        + (3).to_bytes(8, "little")
        + b"\x01\x01\x00"  # something missing, lengths of one byte
        + b"\x05"  # rows 0 and 2 are present
        + b"\x03\x00\x02"
        + b"Ada\xc3\xab"
    ).hexdigest()
    (column,) = fingerprint(pa.table({"name": ["Ada", None, "ë"]})).columns
    assert column.leaves == (leaf,)


@pytest.mark.parametrize(
    ("values", "data_type", "form"),
    [
        ([True, False, None], pa.bool_(), b"\x01\x00\x00" + b"\x03\x01"),
        ([1, -1], pa.int64(), b"\x00\x01\x00" + b"\x01\xff"),
        ([1, -129], pa.int64(), b"\x00\x02\x00" + b"\x01\x00\x7f\xff"),
        ([127, 128], pa.uint8(), b"\x00\x02\x00" + b"\x7f\x00\x80\x00"),
        ([2**64 - 1], pa.uint64(), b"\x00\x08\x01" + b"\xff" * 8),
        ([2**63 - 1], pa.uint64(), b"\x00\x08\x00" + b"\xff" * 7 + b"\x7f"),
        ([1.5], pa.float32(), b"\x00\x00\x00" + b"\x00\x00\x00\x00\x00\x00\xf8\x3f"),
        ([date(1970, 1, 2)], pa.date32(), b"\x00\x01\x00" + b"\x01"),
        ([time(0, 0, 0, 1)], pa.time64("ns"), b"\x00\x08\x00" + b"\x01" + b"\x00" * 7),
        ([1001], pa.timestamp("ns"), b"\x00\x08\x01" + b"\x01" + b"\x00" * 7 + b"\x01\x00"),
        ([-1], pa.timestamp("ns"), b"\x00\x08\x01" + b"\xff" * 8 + b"\xe7\x03"),
        ([Decimal("1.50"), Decimal("-0.1")], pa.decimal128(9, 4), b"\x00\x01\x01" + b"\x0f\xff"),
        ([Decimal(2**64)], pa.decimal128(38, 4), b"\x00\x10\x00" + (2**64).to_bytes(16, "little")),
        ([Decimal(2**63)], pa.decimal128(38, 4), b"\x00\x10\x00" + (2**63).to_bytes(16, "little")),
        ([Decimal(-(2**130))], pa.decimal256(76, 1), b"\x00\x20\x00" + (-(2**130)).to_bytes(32, "little", signed=True)),
        ([Decimal(300), None], pa.decimal128(5, -2), b"\x01\x02\x00" + b"\x01" + b"\x2c\x01\x00\x00"),
        ([None, None], pa.null(), b"\x00\x00\x00"),
        ([["a"], [], None], pa.list_(pa.string()), b"\x01\x01\x00" + b"\x03" + b"\x01\x00\x00"
         + b"\x01" + bytes(7) + b"\x00\x01\x00" + b"\x01a"),
        ([{"a": 1}, None], pa.struct({"a": pa.int8()}), b"\x01\x00\x00" + b"\x01"
         + b"\x02" + bytes(7) + b"\x01\x01\x00" + b"\x01" + b"\x01\x00"),
        ([[("k", 1)]], pa.map_(pa.string(), pa.int8()), b"\x00\x01\x00" + b"\x01"
         + b"\x01" + bytes(7) + b"\x00\x00\x00"
         + b"\x01" + bytes(7) + b"\x00\x01\x00" + b"\x01k"
         + b"\x01" + bytes(7) + b"\x00\x01\x00" + b"\x01"),
    ],
    ids=str,
)  # fmt: skip
def test_the_canonical_bytes_are_those_of_the_scheme(
    values: list[Any], data_type: pa.DataType, form: bytes
) -> None:
    assert b"".join(form_of(pa.array(values, data_type))) == len(values).to_bytes(8, "little") + form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1], pa.int8()), pa.array([2**40])),
        (pa.array([1], pa.uint8()), pa.array([-1])),
        (pa.array(["a"], pa.large_string()), pa.array(["b"])),
        (pa.array(["a"]), pa.array(["b"], pa.string_view())),
        (pa.array([b"a"], pa.binary(1)), pa.array([b"bc"])),
        (pa.array([0.5], pa.float32()), pa.array([1e300])),
        (pa.array([1], pa.timestamp("s")), pa.array([1], pa.timestamp("us"))),
        (pa.array([Decimal("0.5")]), pa.array([Decimal("12345.125")])),
        (pa.array([1], pa.date32()), pa.array([86_400_000], pa.date64())),
    ],
    ids=str,
)  # fmt: skip
def test_pieces_of_two_widths_are_one_column(one: pa.Array, other: pa.Array) -> None:
    column = Column("a")
    for piece in (one, other):
        column.feed(piece)
    whole = pa.array(one.to_pylist() + other.to_pylist())
    assert column.finish() == fingerprint(whole).columns[0].leaves


# --- any table ----------------------------------------------------------------------------------------------


def column_types() -> st.SearchStrategy[pa.DataType]:
    simple = st.sampled_from(
        [pa.null(), pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(),
         pa.large_string(), pa.binary(), pa.binary(3), pa.date32(), pa.time64("ns"), pa.duration("ns"),
         pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.decimal128(12, 3), pa.decimal256(50, 7)]
    )  # fmt: skip
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            inner.map(pa.list_),
            inner.map(pa.large_list),
            inner.map(lambda item: pa.list_(item, 2)),
            inner.map(lambda item: pa.map_(pa.string(), item)),
            st.tuples(inner, inner).map(lambda pair: pa.struct({"a": pair[0], "b": pair[1]})),
        ),
        max_leaves=3,
    )


def values_of(data_type: pa.DataType) -> st.SearchStrategy[Any]:
    for test, present in VALUES:
        if test(data_type):
            return st.none() | present(data_type)
    return st.none() | st.integers(0, 86_399_999_999)


def integers(data_type: pa.DataType) -> st.SearchStrategy[int]:
    bits, signed = data_type.bit_width, pa.types.is_signed_integer(data_type)
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def decimals(data_type: pa.DataType) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**9), 10**9).map(lambda number: Decimal(number).scaleb(-data_type.scale))


def entries(data_type: pa.DataType) -> st.SearchStrategy[list[tuple[str, Any]]]:
    pairs = st.dictionaries(st.text(max_size=2), values_of(data_type.item_type), max_size=2)
    return pairs.map(lambda found: list(found.items()))


def items(data_type: pa.DataType) -> st.SearchStrategy[list[Any]]:
    size = data_type.list_size if pa.types.is_fixed_size_list(data_type) else None
    return st.lists(values_of(data_type.value_type), min_size=size or 0, max_size=size or 3)


VALUES: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], st.SearchStrategy[Any]]]] = [
    (pa.types.is_null, lambda _: st.none()),
    (pa.types.is_boolean, lambda _: st.booleans()),
    (pa.types.is_integer, integers),
    (pa.types.is_floating, lambda data_type: st.floats(width=data_type.bit_width)),
    (pa.types.is_fixed_size_binary, lambda _: st.binary(min_size=3, max_size=3)),
    (pa.types.is_binary, lambda _: st.binary(max_size=5)),
    (pa.types.is_string, lambda _: st.text(max_size=5)),
    (pa.types.is_large_string, lambda _: st.text(max_size=5)),
    (pa.types.is_decimal, decimals),
    (pa.types.is_map, entries),
    (lambda data_type: pa.types.is_nested(data_type) and not pa.types.is_struct(data_type), items),
    (
        pa.types.is_struct,
        lambda data_type: st.fixed_dictionaries({field.name: values_of(field.type) for field in data_type}),
    ),
    (pa.types.is_date, lambda _: st.integers(-10000, 30000)),
]


@st.composite
def arrays(draw: st.DrawFn, least: int = 0) -> pa.Array:
    data_type = draw(column_types())
    return pa.array(draw(st.lists(values_of(data_type), min_size=least, max_size=12)), data_type)


@given(arrays(), st.data())
def test_chunks_slices_and_encodings_do_not_matter(array: pa.Array, data: st.DataObject) -> None:
    expected = fingerprint(array)
    at = data.draw(st.integers(0, len(array)))
    chunks = [array[:at], array[at:at], array[at:]]
    assert fingerprint(pa.chunked_array(chunks, array.type)) == expected
    padded = pa.concat_arrays([array[at:], array, array[:at]])
    assert fingerprint(padded.slice(len(array) - at, len(array))) == expected
    if not pa.types.is_nested(array.type):
        assert fingerprint(array.dictionary_encode()) == expected
    assert Fingerprint.from_json(canonical.decode(canonical.encode(expected.to_json()))) == expected


@given(arrays(), st.data())
def test_runs_are_counted_from_row_0_whatever_the_chunks(array: pa.Array, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registry.row_runs.RUN", 4)
        patch.setattr("registry.fingerprint.RUN", 4)
        expected = fingerprint(array)
        assert len(expected.columns[0].leaves) == -(-len(array) // 4)
        size = data.draw(st.integers(1, 13))
        chunks = [array.slice(start, size) for start in range(0, len(array), size)]
        assert fingerprint(pa.chunked_array(chunks, array.type)) == expected


def normal(value: Any) -> Any:
    """The value as the scheme sees it, for comparing with ==."""
    if isinstance(value, float):
        return None if value != value else value + 0.0
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    return value


@given(st.data())
def test_two_columns_have_one_fingerprint_only_if_their_values_are_equal(data: st.DataObject) -> None:
    data_type = data.draw(column_types())
    few = st.lists(values_of(data_type), max_size=3)
    left, right = (pa.array(data.draw(few), data_type) for _ in range(2))
    equal = normal(raw(left)) == normal(raw(right))
    assert (fingerprint(left) == fingerprint(right)) is equal


def raw(array: pa.Array) -> Any:
    return [scalar.as_py() if array.type != pa.time64("ns") else scalar.value for scalar in array]
