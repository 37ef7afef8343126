"""Which cells differ and which rows moved, with both tables at hand."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from pyarrow import csv, feather, parquet

from audit import canonical
from audit.errors import MalformedInput
from registry.at_hand import AtHand
from registry.cells import Cells, cells_of, unequal
from registry.columns import leaf, logical_type
from registry.diff import RUN
from registry.fingerprint_key import FingerprintKey
from registry.row_hashes import hashes_of
from tests.test_columns import arrays, values_of

SEED = b"sixteen bytes..."

ROWS = RUN + 500
TABLE = pa.table(
    {
        "id": np.arange(ROWS),
        "name": pa.array(np.char.add("person ", (np.arange(ROWS) % 1000).astype(str))),
        "score": pa.array(np.arange(ROWS) / 8, mask=np.arange(ROWS) % 7 == 3),
        "paid": pa.array((np.arange(ROWS) % 90).tolist(), pa.decimal128(9, 2)),
    }
)


def compared(old: object, new: object, **options: Any) -> Cells:
    return cells_of(AtHand.of(old), AtHand.of(new), **options)


def changed(table: pa.Table, **cells: dict[int, object]) -> pa.Table:
    for name, values in cells.items():
        column = table[name].to_pylist()
        for row, value in values.items():
            column[row] = value
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, pa.array(column, table.schema.field(index).type))
    return table


CHANGED = changed(TABLE, name={5: None, RUN + 7: "Ada"}, score={3: 0.5}, paid={RUN: Decimal("0.01")})


def test_every_changed_cell_is_listed_with_both_values() -> None:
    assert compared(TABLE, CHANGED).lines() == [
        "column 'score', row 3: missing became 0.5",
        "column 'name', row 5: \"person 5\" became missing",
        f"column 'paid', row {RUN}: 16.00 became 0.01",
        f'column \'name\', row {RUN + 7}: "person 543" became "Ada"',
    ]


def test_the_list_is_bounded_and_the_rest_is_counted() -> None:
    found = compared(TABLE, CHANGED, most=2)
    assert [(cell.column, cell.row) for cell in found.listed] == [("score", 3), ("name", 5)]
    assert (found.count, found.lines()[-1]) == (4, "2 more cells differ")


def test_the_first_cells_are_listed_though_thousands_differ() -> None:
    found = compared(TABLE, TABLE.set_column(0, "id", pa.array(np.arange(ROWS) + 1)), most=3)
    assert ([cell.row for cell in found.listed], found.count) == ([0, 1, 2], ROWS)


def test_values_are_left_out_where_nobody_is_to_see_them() -> None:
    found = compared(TABLE, CHANGED)
    assert found.lines(values=False)[0] == "column 'score', row 3: another value"
    document = found.to_json(values=False)
    assert b"Ada" not in canonical.encode(document)
    assert document["listed"][0].keys() == {"column", "row", "row_before"}  # type: ignore[index, union-attr]


def test_values_of_a_keyed_column_are_never_shown() -> None:
    key = FingerprintKey(bytes(32))
    old, new = (AtHand.of(table, keyed=["name"], key=key) for table in (TABLE, CHANGED))
    found = cells_of(old, new)
    assert found.lines()[1] == "column 'name', row 5: another value"
    assert b"Ada" not in canonical.encode(found.to_json(values=True))


def test_a_column_that_is_keyed_on_one_side_is_compared_by_its_cells() -> None:
    key = FingerprintKey(bytes(32))
    found = cells_of(AtHand.of(TABLE, keyed=["name"], key=key), AtHand.of(CHANGED))
    assert [(cell.column, cell.row) for cell in found.listed][1] == ("name", 5)


def test_a_retyped_column_is_not_compared_cell_by_cell() -> None:
    found = compared(pa.table({"a": [1, 2], "b": [1, 2]}), pa.table({"a": ["1", "2"], "b": [1, 3]}))
    assert [(cell.column, cell.row) for cell in found.listed] == [("b", 1)]


HOLDERS: dict[str, Callable[[pa.Table, Path], object]] = {
    "pandas": lambda table, path: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda table, path: pl.DataFrame(table),
    "parquet": lambda table, path: written(parquet.write_table, table, path / "a.parquet"),
    "small groups": lambda table, path: written(
        lambda t, p: parquet.write_table(t, p, row_group_size=10_000), table, path / "a.parquet"
    ),
    "arrow": lambda table, path: written(
        lambda t, p: feather.write_feather(t, str(p)), table, path / "a.arrow"
    ),
}


def written(write: Callable[[pa.Table, Path], object], table: pa.Table, path: Path) -> Path:
    write(table, path)
    return path


@pytest.mark.parametrize("how", HOLDERS)
def test_cells_are_found_whatever_holds_the_tables(how: str, tmp_path: Path) -> None:
    held = HOLDERS[how](CHANGED, tmp_path)
    assert compared(TABLE, held).lines() == compared(TABLE, CHANGED).lines()


def test_cells_of_a_csv_file_have_the_types_of_the_whole_file(tmp_path: Path) -> None:
    table = pa.table({"a": ["1"] * 600_000 + ["x"], "b": np.arange(600_001)})
    csv.write_csv(table, tmp_path / "old.csv")
    csv.write_csv(changed(table, a={7: "2"}), tmp_path / "new.csv")
    assert compared(tmp_path / "old.csv", tmp_path / "new.csv").lines() == [
        'column \'a\', row 7: "1" became "2"'
    ]


def test_what_can_be_read_only_once_is_refused() -> None:
    with pytest.raises(MalformedInput, match="a RecordBatchReader can be read only once"):
        AtHand.of(TABLE.to_reader())


# --- rows that moved ----------------------------------------------------------------------------------------


def without(table: pa.Table, start: int, stop: int) -> pa.Table:
    return pa.concat_tables([table.slice(0, start), table.slice(stop)])


def test_a_row_put_in_near_the_top_is_told_from_changes_everywhere() -> None:
    more = pa.concat_tables([TABLE.slice(0, 9), TABLE.slice(3, 1), TABLE.slice(9)])
    found = compared(TABLE, more)
    assert found.lines() == ["row 9 of the new table was put in", f"rows 9 to {ROWS - 1} moved by +1"]
    assert found.count == 0


def test_rows_that_were_taken_out_are_told() -> None:
    assert compared(TABLE, without(TABLE, 9, 12)).lines() == [
        "rows 9 to 11 of the old table were taken out",
        f"rows 12 to {ROWS - 1} moved by -3",
    ]


def test_a_cell_that_changed_in_a_row_that_moved_is_found() -> None:
    found = compared(without(TABLE, 9, 12), CHANGED)
    assert (found.put_in, found.taken_out) == (((9, 12),), ())
    assert found.lines()[2:] == [
        "column 'score', row 3: missing became 0.5",
        "column 'name', row 5: \"person 5\" became missing",
        f"column 'paid', row {RUN} (before: {RUN - 3}): 16.00 became 0.01",
        f'column \'name\', row {RUN + 7} (before: {RUN + 4}): "person 543" became "Ada"',
    ]


def test_rows_at_the_end_are_put_in_and_move_nothing() -> None:
    found = compared(TABLE.slice(0, ROWS - 3), TABLE)
    assert found.lines() == [f"rows {ROWS - 3} to {ROWS - 1} of the new table were put in"]
    assert found.to_json(values=True)["moved"] == []


def test_the_same_rows_in_another_order_are_told() -> None:
    order = np.random.default_rng(7).permutation(ROWS)
    found = compared(TABLE, TABLE.take(order))
    moved = int((order != np.arange(ROWS)).sum())
    assert found.lines() == [
        f"the same rows in another order: {moved:,} of {ROWS:,} stand elsewhere than before"
    ]
    assert found.count is None  # no cell was compared with another


def test_a_row_that_changed_among_rows_in_another_order_is_told_without_its_cells() -> None:
    order = np.random.default_rng(7).permutation(ROWS)
    stayed = int((order == np.arange(ROWS))[1:].sum())
    found = compared(TABLE, changed(TABLE.take(order), id={0: -1}))
    assert found.lines() == [
        "row 0 of the new table was put in",
        f"row {order[0]} of the old table was taken out",
        f"{ROWS - 1 - stayed:,} of the same rows in another order",
    ]


def test_tables_without_a_common_column_have_no_rows_to_match() -> None:
    found = compared(pa.table({"a": [1]}), pa.table({"b": [1, 2]}))
    assert found.lines() == ["rows were not matched: no column to match them by"]


# --- any table ----------------------------------------------------------------------------------------------


@given(arrays(), st.data())
def test_two_cells_are_unequal_where_their_leaves_are(array: pa.Array, data: st.DataObject) -> None:
    values = [data.draw(values_of(array.type)) if data.draw(st.booleans()) else v for v in array.to_pylist()]
    try:
        other = pa.array(values, array.type)
    except (pa.ArrowException, ValueError):  # Python's values are not all the column's own
        return
    kind = logical_type(array.type)
    expected = [leaf(kind, array.slice(i, 1)) != leaf(kind, other.slice(i, 1)) for i in range(len(array))]
    assert unequal(array, other).tolist() == expected


@given(arrays(), st.data())
def test_equal_rows_have_equal_hashes(array: pa.Array, data: st.DataObject) -> None:
    kind, hashes = logical_type(array.type), hashes_of([array], SEED)
    leaves = [leaf(kind, array.slice(i, 1)) for i in range(len(array))]
    for one, first in zip(leaves, hashes, strict=True):
        assert {int(h) for leaf_, h in zip(leaves, hashes, strict=True) if leaf_ == one} == {int(first)}


@given(st.data())
def test_one_changed_cell_of_a_generated_table_is_located(data: st.DataObject) -> None:
    columns = data.draw(st.lists(arrays(least=2), min_size=1, max_size=3))
    rows = min(map(len, columns))
    table = pa.table([column.slice(0, rows) for column in columns], [f"c{i}" for i in range(len(columns))])
    index, row = data.draw(st.integers(0, len(columns) - 1)), data.draw(st.integers(0, rows - 1))
    column = table.column(index).combine_chunks()
    donor = data.draw(st.integers(0, rows - 1))
    moved = pa.concat_arrays([column.slice(0, row), column.slice(donor, 1), column.slice(row + 1)])
    other = table.set_column(index, f"c{index}", moved)
    kind = logical_type(column.type)
    same = leaf(kind, column.slice(row, 1)) == leaf(kind, column.slice(donor, 1))
    old, new = AtHand.of(table), AtHand.of(other)
    difference = old.fingerprint.diff(new.fingerprint)
    assert difference.equal is same
    if not same:
        assert [each.column for each in difference.differences] == [f"c{index}"]
        found = cells_of(old, new)
        located = [(cell.column, cell.row) for cell in found.listed]
        assert located == [(f"c{index}", row)] or found.blocks is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1, None], pa.int8()), pa.array([1, None], pa.uint64())),
        (pa.array([1.5, float("nan"), 0.0]), pa.array([1.5, None, -0.0], pa.float32())),
        (pa.array(["a", None]), pa.array(["a", None]).dictionary_encode()),
        (pa.array(["a", None]), pa.array(["a", None], pa.string_view())),
        (pa.array([1, None], pa.timestamp("s")), pa.array([10**9, None], pa.timestamp("ns"))),
        (pa.array([Decimal("1.5"), None]), pa.array([Decimal("1.50"), None], pa.decimal256(60, 9))),
        (pa.array([Decimal("1.5"), None]), pa.array([Decimal("1.5"), None], pa.decimal32(9, 2))),
        (pa.array([1, None], pa.date32()), pa.array([86_400_000, None], pa.date64())),
        (pa.array([[float("nan"), -0.0], []]), pa.array([[None, 0.0], []], pa.list_view(pa.float32()))),
        (
            pa.array([[Decimal("1.5")], None]),
            pa.array([[Decimal("1.50")], None], pa.list_(pa.decimal128(9, 2))),
        ),
        (pa.array([{"a": "x"}, None]), pa.array([{"a": "x"}, None], pa.struct({"a": pa.large_string()}))),
    ],
    ids=str,
)
def test_equal_columns_of_two_types_have_equal_cells_and_rows(one: pa.Array, other: pa.Array) -> None:
    assert not unequal(one, other).any()
    assert hashes_of([one], SEED).tolist() == hashes_of([other], SEED).tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([Decimal(-1)]), pa.array([Decimal(-2)])),  # which have one hash in Python
        (pa.array([-1]), pa.array([2**64 - 1], pa.uint64())),
        (pa.array([0x9E3779B97F4A7C15], pa.uint64()), pa.array([None], pa.uint64())),
        (pa.array([1], pa.timestamp("ns")), pa.array([2**40 * 1000], pa.timestamp("ns"))),
        (pa.array([[1, 2]]), pa.array([[2, 1]])),
        (pa.array([[], [1]], pa.list_(pa.int64())), pa.array([[1], []])),
        (pa.array([[0]]), pa.array([[]], pa.list_(pa.int64()))),
        (pa.array([{}], pa.struct([])), pa.array([None], pa.struct([]))),
    ],
    ids=str,
)
def test_cells_that_differ_have_different_hashes(one: pa.Array, other: pa.Array) -> None:
    assert hashes_of([one], SEED)[0] != hashes_of([other], SEED)[0]


def test_a_changed_cell_is_listed_though_python_hashes_both_values_alike() -> None:
    old = pa.table({"paid": [Decimal(-1), Decimal(5)], "id": [1, 2]})
    new = pa.table({"paid": [Decimal(-2), Decimal(5)], "id": [1, 3]})
    assert compared(old, new).lines()[0] == "column 'paid', row 0: -1 became -2"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("x" * 99 + "old", "x" * 99 + "new", f'...{"x" * 20}old" became ...{"x" * 20}new"'),
        ("e\u0301", "\u00e9", r'"e\u0301" became "\xe9"'),
        ("a" * 99, None, f'"{"a" * 56}... became missing'),
    ],
    ids=["alike for long", "accents", "missing"],
)
def test_two_values_are_shown_where_they_differ(old: str, new: str | None, said: str) -> None:
    found = compared(pa.table({"a": [old]}), pa.table({"a": pa.array([new], pa.string())}))
    assert found.lines() == [f"column 'a', row 0: {said}"]


NO_UTF8 = pa.array([b"caf\xe9"]).view(pa.string())
TWINS = pa.StructArray.from_arrays([pa.array([0]), pa.array([1])], ["x", "x"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (pa.array([0], pa.date32()), pa.array([2 * 10**8], pa.date32()),
         "1970-01-01 became <value out of range: 200000000>"),
        (pa.array([{}], pa.struct([])), pa.array([None], pa.struct([])), "{} became missing"),
        (TWINS, pa.StructArray.from_arrays([pa.array([7]), pa.array([1])], ["x", "x"]),
         "a value that cannot be shown became a value that cannot be shown"),
        (NO_UTF8, pa.array(["café"]), 'a value that cannot be shown became "café"'),
    ],
    ids=["a date too far away for Python", "a struct without fields", "two fields of one name", "no UTF-8"],
)  # fmt: skip
def test_values_that_python_does_not_have_are_compared_too(old: pa.Array, new: pa.Array, said: str) -> None:
    expected = [f"column 'a', row 0: {said}"]
    assert compared(pa.table({"a": old}), pa.table({"a": new})).lines() == expected
    one, other = pa.table({"a": old, "n": [1]}), pa.table({"a": new, "n": [2]})  # rows are matched by hashes
    assert compared(one, other).lines() == [*expected, "column 'n', row 0: 1 became 2"]


@pytest.mark.parametrize("keyed", [(), ("b",)], ids=["bare", "keyed"])
@pytest.mark.parametrize("after", ["a,b\n1,2\n", "a,b\n1,2\n3,5\n", "a,b\n1,2\n3,4\n5,6\n"])
def test_a_file_that_changes_while_it_is_compared_is_refused(
    after: str, keyed: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    key = FingerprintKey(bytes(32))
    old = AtHand.of(pa.table({"a": [1, 3], "b": [2, 7]}), keyed=keyed, key=key)
    new = AtHand.of(tmp_path / "t.csv", keyed=keyed, key=key)
    (tmp_path / "t.csv").write_text(after)
    with pytest.raises(MalformedInput, match="a table changed while it was compared"):
        cells_of(old, new)


@pytest.mark.parametrize("values", [["a", "b" * 20], [1, -1], [b"x"], [None], [1.5], [Decimal("1.5")]])
def test_hashes_of_another_seed_tell_nothing_of_each_other(values: list[Any]) -> None:
    column = pa.array(values)
    assert hashes_of([column], SEED).tolist() == hashes_of([column], SEED).tolist()
    assert not set(hashes_of([column], SEED)) & set(hashes_of([column], b"another"))
