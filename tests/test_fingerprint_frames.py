"""Fingerprints of arrays and frames: what numpy and pandas can say of one table in several ways."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from registry.fingerprint import fingerprint


def same(left: object, right: object) -> bool:
    return fingerprint(left) == fingerprint(right)


NUMPY: dict[str, tuple[Any, Any]] = {
    "a matrix by rows": (
        np.arange(12).reshape(4, 3),
        pa.table({str(i): np.arange(i, 12, 3) for i in range(3)}),
    ),
    "a matrix by columns": (np.asfortranarray(np.arange(12.0).reshape(4, 3)), np.arange(12.0).reshape(4, 3)),
    "a transposed matrix": (np.arange(12).reshape(3, 4).T, np.arange(12).reshape(3, 4).T.copy()),
    "one column": (np.arange(4).reshape(4, 1), np.arange(4)),
    "a list as a column": (np.arange(4), pa.array([0, 1, 2, 3])),
    "a strided array": (np.arange(8)[::2], pa.array([0, 2, 4, 6])),
    "a reversed array": (np.arange(4)[::-1], pa.array([3, 2, 1, 0])),
    "big-endian numbers": (np.arange(4, dtype=">i4"), np.arange(4)),
    "big-endian times": (np.array(["2024-01-01"], dtype=">M8[us]"), pa.array([datetime(2024, 1, 1)])),
    "text of fixed width": (np.array(["a", "bcd"]), pa.array(["a", "bcd"])),
    "bytes of fixed width": (np.array([b"a", b"bcd"]), pa.array([b"a", b"bcd"])),
    "times in reverse": (
        np.array([2, 1], "M8[us]")[::-1],
        pa.array([1, 2], pa.timestamp("us")),
    ),
    "times that cannot be written to": (
        np.frombuffer(np.array([1, 2], "i8").tobytes(), "m8[ns]"),
        pa.array([1, 2], pa.duration("ns")),
    ),
    "days": (np.array(["2024-01-01", "NaT"], "M8[D]"), pa.array([date(2024, 1, 1), None])),
    "hours": (np.array(["2024-01-01T05", "NaT"], "M8[h]"), pa.array([datetime(2024, 1, 1, 5), None])),
    "durations in minutes": (np.array([1, "NaT"], "m8[m]"), pa.array([timedelta(minutes=1), None])),
    "records": (np.array([(1, 2.5)], [("a", "i4"), ("b", "f4")]), pa.table({"a": [1], "b": [2.5]})),
    "a masked array": (np.ma.masked_array([1, 2], [False, True]), pa.array([1, None])),
    "booleans": (np.array([True, False]), pa.array([True, False])),
    "objects": (np.array(["a", None], dtype=object), pa.array(["a", None])),
    "a read-only array": (np.frombuffer(b"\x01\x02", "u1"), pa.array([1, 2])),
    "text with a NUL inside": (np.array(["a\0b", "c"]), pa.array(["a\0b", "c"])),
    "big-endian text with a NUL inside": (np.array(["a\0b", "c"], dtype=">U3"), pa.array(["a\0b", "c"])),
    "bytes with a NUL inside": (np.array([b"a\0b", b"c"]), pa.array([b"a\0b", b"c"])),
    "a numpy matrix": (np.array([[1, 2], [3, 4]]).view(np.matrix), np.array([[1, 2], [3, 4]])),
    "picoseconds that are whole nanoseconds": (
        np.array(["1970-01-02T00:00:00.5", "NaT"], "M8[ps]"),
        pa.array([datetime(1970, 1, 2, 0, 0, 0, 500_000), None]),
    ),
    "tens of milliseconds": (np.array([1], "m8[10ms]"), pa.array([timedelta(milliseconds=10)])),
}


@pytest.mark.parametrize("what", NUMPY)
def test_numpy_holds_the_same_table_as(what: str) -> None:
    left, right = NUMPY[what]
    assert same(left, right)


PANDAS: dict[str, tuple[Any, Any]] = {
    "a series": (pd.Series([1, 2], name="a"), pa.table({"a": [1, 2]})),
    "a series without a name": (pd.Series([1, 2]), np.array([1, 2])),
    "a polars series": (pl.Series("a", [1, 2]), pd.Series([1, 2], name="a")),
    "a polars series without a name": (pl.Series([1, 2]), np.array([1, 2])),
    "a chunked array": (pa.chunked_array([[1], [2]]), np.array([1, 2])),
    "columns without names": (pd.DataFrame(np.eye(2)), np.eye(2)),
    "a sparse column": (pd.Series(pd.arrays.SparseArray([0, 0, 1])), np.array([0, 0, 1])),
    "integers above 2^63 with NaN": (
        pd.Series([2**64 - 1, float("nan")], dtype=object),
        pa.array([2**64 - 1, None], pa.uint64()),
    ),
    "texts with a NaN of numpy": (pd.Series(["a", np.float32("nan")], dtype=object), pa.array(["a", None])),
    "integers above 2^63": (pd.Series([2**63, None], dtype=object), pa.array([2**63, None], pa.uint64())),
    "ints and floats as objects": (pd.Series([1, 2.5], dtype=object), np.array([1.0, 2.5])),
    "nullable floats with NaN and NA": (
        pd.Series(pd.array(np.array([1.0, np.nan]), dtype="Float64")),
        np.array([1.0, np.nan]),
    ),
    "objects with every kind of missing": (
        pd.Series(["a", None, float("nan"), pd.NA, pd.NaT], dtype=object),
        pa.array(["a", None, None, None, None]),
    ),
    "timestamps as objects": (
        pd.Series([pd.Timestamp("2024-01-01 00:00:00.000000001"), pd.NaT], dtype=object),
        np.array(["2024-01-01T00:00:00.000000001", "NaT"], dtype="M8[ns]"),
    ),
    "instants as objects": (
        pd.Series([pd.Timestamp("2024-01-01 00:00:00.000000001", tz="Europe/Paris")], dtype=object),
        pd.Series(pd.to_datetime(["2023-12-31 23:00:00.000000001"])).dt.tz_localize("UTC"),
    ),
    "durations as objects": (
        pd.Series([pd.Timedelta(1, "ns"), None], dtype=object),
        np.array([1, "NaT"], dtype="m8[ns]"),
    ),
    "instants of two zones": (
        pd.Series(
            [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=1)))]
        ),
        pa.array([datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 1, tzinfo=UTC)]),
    ),
    "a fixed offset": (
        pd.Series(pd.DatetimeIndex(["2024-01-01T05:30+05:30"])),
        pa.array([datetime(2024, 1, 1, tzinfo=UTC)]),
    ),
    "categories of integers": (
        pd.Series([3, 1, None]).astype("Int64").astype("category"),
        pa.array([3, 1, None]),
    ),
    "categories of instants": (
        pd.Series(pd.date_range("2024", periods=2, tz="Asia/Tokyo")).astype("category"),
        pd.Series(pd.date_range("2024", periods=2, tz="Asia/Tokyo")),
    ),
    "ordered categories, some unused": (
        pd.Series(pd.Categorical(["b", None], categories=["z", "b", "a"], ordered=True)),
        pa.array(["b", None]),
    ),
    "dates as objects": (pd.Series([date(2024, 1, 1), None]), pa.array([date(2024, 1, 1), None])),
    "decimals as objects": (
        pd.Series([Decimal("1.50"), Decimal("NaN"), None], dtype=object),
        pa.array([Decimal("1.5"), None, None]),
    ),
    "lists of categories, in chunks": (
        pl.concat(
            [pl.DataFrame({"a": pl.Series([[c]], dtype=pl.List(pl.Categorical))}) for c in "ab"],
            rechunk=False,
        ),
        pa.table({"a": [["a"], ["b"]]}),
    ),
    "structs of run ends": (
        pa.StructArray.from_arrays([pc.run_end_encode(pa.array([1, 1, 2]))], ["a"]),
        pa.array([{"a": 1}, {"a": 1}, {"a": 2}]),
    ),
    "UUIDs": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", None], pa.binary(16))),
        pa.array([b"0123456789abcdef", None]),
    ),
    "JSON": (pa.array(["{}", None], pa.json_(pa.string())), pa.array(["{}", None])),
    "truths of one byte": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        pa.array([True, False, None]),
    ),
    "nested objects": (
        pd.Series([{"a": [1]}, {"a": None}, None], dtype=object),
        pa.array([{"a": [1]}, {"a": None}, None]),
    ),
    "arrays as objects": (pd.Series([np.array([1, 2]), [3]], dtype=object), pa.array([[1, 2], [3]])),
    "no rows": (pd.DataFrame({"a": np.zeros(0)}), pa.table({"a": pa.array([], pa.float64())})),
    "no rows of text": (
        pl.DataFrame({"a": []}, schema={"a": pl.String}),
        pa.table({"a": pa.array([], pa.string())}),
    ),
    "no columns": (pd.DataFrame(index=[]), pa.table({})),
}


@pytest.mark.parametrize("what", PANDAS)
def test_equal_tables_are_equal_with(what: str) -> None:
    left, right = PANDAS[what]
    assert same(left, right)


def test_a_table_without_columns_still_has_its_rows() -> None:
    assert fingerprint(pd.DataFrame(index=range(3))).rows == 3
    assert not same(pd.DataFrame(index=range(3)), pd.DataFrame())
