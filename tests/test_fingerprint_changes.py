"""Fingerprints of tables: another content has another name, and it is said where."""

import functools
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from registry.diff import RUN
from registry.fingerprint import Fingerprint, fingerprint
from tests.known_table import EXPECTED, ROWS, TABLE, recast, replaced

Change = Callable[[list[Any]], None]


def put(row: int, value: object) -> Change:
    def change(values: list[Any]) -> None:
        values[row] = value

    return change


def swap(row: int, other: int) -> Change:
    def change(values: list[Any]) -> None:
        values[row], values[other] = values[other], values[row]

    return change


MOMENT = datetime(2024, 2, 28, 23, 59, 59)
LAST = ROWS - 1
CHANGES: dict[str, tuple[str, int, Change]] = {
    "an int by one": ("id", 5, put(5, -94)),
    "an int in the last row": ("id", LAST, put(LAST, 0)),
    "the sign of an int": ("id", 5, put(5, 95)),
    "an int far outside": ("id", 70, put(70, 2**62)),
    "a missing int": ("age", 0, put(0, None)),
    "a missing int that becomes zero": ("age", 3, put(3, 0)),
    "a float by one ulp": ("score", RUN, put(RUN, float(np.nextafter(RUN % 1000 / 8, 1e9)))),
    "a float to infinity": ("score", 8, put(8, float("inf"))),
    "a missing float that becomes zero": ("score", 3, put(3, 0.0)),
    "a float that becomes NaN": ("score", 4, put(4, float("nan"))),
    "a bool": ("approved", LAST, put(LAST, LAST % 3 != 0)),
    "a missing bool that becomes false": ("approved", 3, put(3, False)),
    "one letter": ("name", 0, put(0, "Ado")),
    "a space": ("name", 0, put(0, "Ada ")),
    "a letter composed otherwise": ("name", 4, put(4, "Zoe\u0308")),
    "a text that becomes missing": ("name", 8, put(8, None)),
    "a missing text that becomes empty": ("name", 3, put(3, "")),
    "two texts with a letter moved over": (
        "name",
        0,
        lambda values: values.__setitem__(slice(0, 2), ["AdaB", "jørn"]),
    ),
    "a zero byte more": ("raw", 0, put(0, b"\x00\x01\x00")),
    "two neighbours swapped": ("raw", 0, swap(0, 1)),
    "a day": ("day", 2, put(2, date(1970, 1, 4))),
    "a microsecond": ("seen", RUN + 2, put(RUN + 2, MOMENT + timedelta(seconds=RUN + 2, microseconds=1))),
    "an hour in another zone": (
        "signed",
        1,
        put(1, (MOMENT + timedelta(seconds=1)).replace(tzinfo=ZoneInfo("Asia/Kathmandu"))),
    ),
    "a duration": ("took", 1, put(1, timedelta(seconds=1, microseconds=1))),
    "a decimal": ("paid", 1, put(1, Decimal("0.26"))),
    "a decimal of more places": ("paid", 1, put(1, Decimal("0.250000000000000000001"))),
    "the sign of a decimal": ("paid", 1, put(1, Decimal("-0.25"))),
    "an item of a list": ("tags", 1, put(1, [2, None])),
    "a list without its null": ("tags", 1, put(1, [1])),
    "a missing list that becomes empty": ("tags", 3, put(3, [])),
    "an item moved to the next list": (
        "tags",
        0,
        lambda values: values.__setitem__(slice(0, 2), [[0], [None, 1, None]]),
    ),
}


@functools.cache
def fingerprint_after(what: str) -> Fingerprint:
    column, _, change = CHANGES[what]
    values = TABLE[column].to_pylist()
    change(values)
    data_type = None if column == "paid" else TABLE[column].type
    return fingerprint(replaced(TABLE, column, pa.array(values, data_type)))


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen_and_located(what: str) -> None:
    column, row, _ = CHANGES[what]
    found = fingerprint_after(what)
    start = row // RUN * RUN
    difference = EXPECTED.diff(found)
    assert [(each.column, each.rows) for each in difference.differences] == [
        (column, (start, min(start + RUN, ROWS)))
    ]
    assert not difference.equal
    assert found.digest != EXPECTED.digest


@pytest.mark.parametrize("nested", [False, True])
def test_zones_count_though_another_library_has_arrow_ignore_them(
    monkeypatch: pytest.MonkeyPatch, nested: bool
) -> None:
    here = datetime(2024, 2, 29, 5, 45, tzinfo=ZoneInfo("Asia/Kathmandu"))
    there = here.astimezone(UTC)
    held = [np.array([[each] if nested else each, None], dtype=object) for each in (here, there)]
    held.append(
        np.array([[there.replace(tzinfo=None)] if nested else there.replace(tzinfo=None), None], object)
    )
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")
    one, same, without = (str(fingerprint(pd.DataFrame({"signed": values}))) for values in held)
    assert one == same != without
    assert os.environ["PYARROW_IGNORE_TIMEZONE"] == "1"


RESHAPED: dict[str, tuple[Callable[[pa.Table], pa.Table], list[str]]] = {
    "a column's name": (
        lambda table: table.rename_columns({"age": "years"}),
        ["column 'age' is called 'years' now: all its values are the same"],
    ),
    "two names changed over": (
        lambda table: table.rename_columns({"day": "raw", "raw": "day"}),
        ["column 'raw' was bytes and is date", "column 'day' was date and is bytes"],
    ),
    "the order of columns": (
        lambda table: table.select(table.column_names[::-1]),
        ["the columns stand in another order"],
    ),
    "a column less": (lambda table: table.drop_columns(["age"]), ["column 'age' is gone"]),
    "a column more": (
        lambda table: table.append_column("more", table["age"]),
        ["column 'more' is new"],
    ),
    "the last row less": (lambda table: table.slice(0, LAST), ["66,536 rows became 66,535"]),
    "the first row less": (lambda table: table.slice(1), ["66,536 rows became 66,535"]),
    "the last row twice": (
        lambda table: pa.concat_tables([table, table.slice(LAST)]),
        ["66,536 rows became 66,537"],
    ),
    "no rows": (lambda table: table.slice(0, 0), ["66,536 rows became 0"]),
    "ints as floats": (
        lambda table: recast(table, id=pa.float64()),
        ["column 'id' was int and is float"],
    ),
    "ints as text": (lambda table: recast(table, id=pa.string()), ["column 'id' was int and is text"]),
    "truths as ints": (
        lambda table: recast(table, approved=pa.int8()),
        ["column 'approved' was bool and is int"],
    ),
    "text as bytes": (lambda table: recast(table, name=pa.binary()), ["column 'name' was text and is bytes"]),
    "days as moments": (
        lambda table: recast(table, day=pa.timestamp("s")),
        ["column 'day' was date and is timestamp"],
    ),
    "moments as instants": (
        lambda table: recast(table, seen=pa.timestamp("us", "UTC")),
        ["column 'seen' was timestamp and is instant"],
    ),
    "missing throughout": (
        lambda table: replaced(table, "age", pa.nulls(ROWS, pa.int64())),
        ["column 'age' differs somewhere in rows 0 to 66535"],
    ),
    "missing throughout, of no type": (
        lambda table: replaced(table, "age", pa.nulls(ROWS)),
        ["column 'age' was int and is null"],
    ),
}


@pytest.mark.parametrize("what", RESHAPED)
def test_a_change_of_the_shape_is_seen_and_named(what: str) -> None:
    change, lines = RESHAPED[what]
    assert EXPECTED.diff(fingerprint(change(TABLE))).lines()[: len(lines)] == lines


def test_all_changes_differ_from_one_another() -> None:
    found = {what: fingerprint_after(what).digest for what in CHANGES}
    found |= {what: fingerprint(change(TABLE)).digest for what, (change, _) in RESHAPED.items()}
    assert len({EXPECTED.digest, *found.values()}) == len(CHANGES) + len(RESHAPED) + 1


def test_another_order_of_the_columns_is_another_digest_and_is_said() -> None:
    found = fingerprint(TABLE.select(TABLE.column_names[::-1]))
    difference = EXPECTED.diff(found)
    assert found.digest != EXPECTED.digest
    assert (difference.reordered, list(difference.differences)) == (True, [])


def test_an_int_column_that_became_float_by_a_missing_value_is_another_column() -> None:
    ints, floats = pa.table({"a": pa.array([1, None])}), pd.DataFrame({"a": [1, None]})
    assert fingerprint(ints).diff(fingerprint(floats)).retyped == (("a", "int", "float"),)
