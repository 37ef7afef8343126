"""A table in parts has the fingerprint of the whole table."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import Fingerprint, fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.fingerprint_parts import Piece, assembled, joint_schema, leaves_of, pieces_of
from tests.test_columns import arrays

KEY = FingerprintKey(bytes(32))


def cut(table: pa.Table, cuts: list[int]) -> list[pa.Table]:
    edges = [0, *sorted(cuts), table.num_rows]
    return [table.slice(start, stop - start).combine_chunks() for start, stop in itertools.pairwise(edges)]


def in_parts(
    parts: list[pa.Table], *, keyed: tuple[str, ...] = (), order: tuple[str, ...] = ()
) -> Fingerprint:
    schema = joint_schema([part.schema for part in parts])
    keys = {name: KEY.of_column(name) for name in keyed}
    rows = sum(part.num_rows for part in parts)
    start = 0
    by_run: dict[int, list[Piece]] = {}
    for part in parts:
        for piece in pieces_of(part.to_batches(), schema, start, keys=keys, order=order):
            by_run.setdefault(piece.run, []).append(piece)
        start += part.num_rows
    leaves = [leaves_of(pieces[::-1], schema, rows, keys=keys) for pieces in by_run.values()]
    return assembled(schema, rows, leaves[::-1], keyed=keyed, key=KEY if keyed else None)


@given(st.lists(arrays(least=1), min_size=1, max_size=3), st.data())
def test_any_table_cut_anywhere_has_the_fingerprint_of_the_whole(
    columns: list[pa.Array], data: st.DataObject
) -> None:
    rows = min(map(len, columns))
    table = pa.table([column.slice(0, rows) for column in columns], [f"c{i}" for i in range(len(columns))])
    cuts = data.draw(st.lists(st.integers(0, rows), max_size=5))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("row_runs", "fingerprint", "fingerprint_parts"):
            patch.setattr(f"registry.{module}.RUN", 4)
        assert in_parts(cut(table, cuts)) == fingerprint(table)


ROWS = 3 * RUN + 5
TABLE = pa.table({"id": np.arange(ROWS), "name": pa.array((np.arange(ROWS) % 90).astype(str))})


@pytest.mark.parametrize(
    "cuts",
    [[], [RUN], [1], [RUN - 1, RUN + 1], [7, 7, 2 * RUN + 9], list(range(0, ROWS, 20_000))],
    ids=["one part", "at a run", "after a row", "around a run", "an empty part", "many in a run"],
)
def test_parts_that_do_not_end_where_runs_do_are_put_together(cuts: list[int]) -> None:
    assert in_parts(cut(TABLE, cuts)) == fingerprint(TABLE)


def test_a_part_that_holds_whole_runs_hands_over_leaves_and_no_rows() -> None:
    pieces = list(pieces_of(TABLE.to_batches(), TABLE.schema, RUN - 3))
    assert [(piece.run, piece.rows, piece.data is None) for piece in pieces] == [
        (0, 3, False),
        (1, RUN, True),
        (2, RUN, True),
        (3, RUN, True),
        (4, 2, False),
    ]


def test_keyed_columns_are_keyed_in_parts_too() -> None:
    expected = fingerprint(TABLE, keyed=["name"], key=KEY)
    assert in_parts(cut(TABLE, [RUN + 9]), keyed=("name",)) == expected


def test_a_column_that_is_missing_throughout_a_part_has_the_type_of_the_others() -> None:
    whole = pa.table({"a": pa.array([None, None, "x"])})
    assert in_parts([pa.table({"a": pa.nulls(2)}), whole.slice(2)]) == fingerprint(whole)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (pa.table({"b": [1]}), "part 1 has other columns than part 0"),
        (pa.table({"a": [1.5]}), "column 'a' is double in part 1 and int64 before it"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(other: pa.Table, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        joint_schema([pa.table({"a": [1]}).schema, other.schema])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (pa.table({}), "without columns"),
        (pa.table([[1], [2]], ["a", "a"]), "two columns are named 'a'"),
        (
            pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}),
            "column 'a' has the type month",
        ),
    ],
)
def test_what_is_no_table_is_no_table_in_parts(table: pa.Table, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        joint_schema([table.schema])


def pieces(*spans: tuple[int, int]) -> list[Piece]:
    return [
        piece
        for start, rows in spans
        for piece in pieces_of(TABLE.slice(start, rows).to_batches(), TABLE.schema, start)
    ]


@pytest.mark.parametrize(
    "spans",
    [[(1, 9)], [(0, 5), (6, 4)], [(0, 5), (4, 6)], [(0, 9)], [(0, 11)]],
    ids=["begins late", "a gap", "an overlap", "ends early", "ends late"],
)
def test_parts_that_had_other_rows_the_second_time_are_refused(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(MalformedInput, match="had other rows when they were read a second time"):
        leaves_of(pieces(*spans), TABLE.schema, 10)


def test_a_run_that_nobody_had_is_refused() -> None:
    with pytest.raises(MalformedInput, match="had other rows when they were read a second time"):
        assembled(TABLE.schema, 10, [])


@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 3]], ids=["in a part", "across batches", "rows alone"])
def test_sort_keys_that_are_equal_leave_the_order_open(cuts: list[int]) -> None:
    table = pa.table({"a": [1, 2, 3, 3], "b": [1, 2, 3, 4]})
    batches = [batch for part in cut(table, cuts) for batch in part.to_batches()]
    with pytest.raises(MalformedInput, match=r"rows 12 and 13 have the same sort key \(a\)"):
        list(pieces_of(batches, table.schema, 10, order=["a"]))
    assert list(pieces_of(batches, table.schema, 10, order=["a", "b"]))


@pytest.mark.parametrize("values", [[1, None], [1.5, float("nan")]])
def test_sort_keys_that_are_missing_leave_the_order_open(values: list[float | None]) -> None:
    table = pa.table({"a": values})
    with pytest.raises(MalformedInput, match=r"the sort key \(a\) is missing in some rows"):
        list(pieces_of(table.to_batches(), table.schema, 0, order=["a"]))


def test_columns_that_only_gave_the_order_are_left_out() -> None:
    schema = pa.schema([TABLE.schema.field("name")])
    found = list(pieces_of(TABLE.slice(0, 9).to_batches(), schema, 0, order=["id"]))
    assert leaves_of(found, schema, 9)[1] == fingerprint(TABLE.slice(0, 9).select(["name"])).columns[0].leaves
