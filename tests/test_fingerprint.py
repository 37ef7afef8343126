"""Fingerprints of tables: same content, same name; another content, another name, and where."""

import functools
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import feather, ipc, parquet

from audit import canonical
from audit.canonical import Json
from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import Fingerprint, fingerprint, is_table

ROWS = RUN + 1000

KNOWN = "affidavit-table-v1:sha256:0f95a3915dcce6bf21dc2797963f15e57946a0cc1e6acb00817ef0e0b2f29fce"
KNOWN_OF_TWO_RUNS = (
    "affidavit-table-v1:sha256:f8aa55333ca6758e04813fd5daa2ee83e31909fc5e9789a826d22b3683d74db6"
)
KNOWN_OF_OTHER_TYPES = (
    "affidavit-table-v1:sha256:87292937a9bf908b434001c7a5118d6cd11f6a774b00b4a696fed1ec7c50f063"
)
KNOWN_UNORDERED = "6da210fd411fcdafdae76a3efae8bc8927387b0ec2c49612c955d5afd5f2a07b"

Holding = Callable[[pa.Table], object]
Change = Callable[[list[Any]], None]


def make_table() -> pa.Table:
    """A table of two runs that has something missing in most columns."""
    rows = np.arange(ROWS)
    gone = rows % 7 == 3
    start = datetime(2024, 2, 28, 23, 59, 59)
    names = np.array(["Ada", "Bjørn", "陈", "", "Zoë"], dtype=object)[rows % 5]
    return pa.table(
        {
            "id": pa.array(rows - 100),
            "age": pa.array(rows % 90, mask=gone),
            "score": pa.array(rows % 1000 / 8, mask=gone),
            "approved": pa.array(rows % 3 == 0, mask=gone),
            "name": pa.array(names, mask=gone),
            "raw": pa.array(np.array([b"\x00\x01", b"ab"], dtype=object)[rows % 2]),
            "day": pa.array((rows % 20000).astype("M8[D]"), mask=gone),
            "seen": pa.array(np.datetime64(start, "us") + rows.astype("m8[s]"), mask=gone),
            "signed": pa.array(np.datetime64(start, "us") + rows.astype("m8[s]")).cast(
                pa.timestamp("us", "UTC")
            ),
            "took": pa.array(rows.astype("m8[s]").astype("m8[us]")),
            "paid": pa.array([None if row % 7 == 3 else Decimal(row % 100) / 4 for row in range(ROWS)]),
            "tags": pa.array([None if row % 7 == 3 else [row, None] for row in range(ROWS)]),
        }
    )


TABLE = make_table()
EXPECTED = fingerprint(TABLE)


def recast(table: pa.Table, **types: pa.DataType) -> pa.Table:
    for name, data_type in types.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table[name].cast(data_type))
    return table


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def sliced(table: pa.Table) -> pa.Table:
    padded = pa.concat_tables([table.slice(5, 3), table, table.slice(0, 13)]).combine_chunks()
    return padded.slice(3, ROWS)


def chunked(table: pa.Table, *cuts: int) -> pa.Table:
    edges = [0, *cuts, table.num_rows]
    parts = [table.slice(start, stop - start) for start, stop in itertools.pairwise(edges)]
    return pa.Table.from_batches([batch for part in parts for batch in part.combine_chunks().to_batches()])


def garbage_under_nulls(table: pa.Table) -> pa.Table:
    """Missing slots that hold values all the same, which Arrow allows."""
    for name in ("age", "score", "seen", "day", "approved", "name"):
        array = table[name].combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        last = array.drop_null()[-1]
        full = pc.fill_null(array, last)
        buffers = [array.buffers()[0], *full.buffers()[1:]]
        table = replaced(table, name, pa.Array.from_buffers(array.type, ROWS, buffers, offset=array.offset))
    return table


def dictionary_with_nulls_and_leftovers(table: pa.Table) -> pa.Table:
    values = pa.array(["unused", "Zoë", None, "Ada", "", "陈", "Bjørn", "Ada"])
    order = {"Ada": 7, "Bjørn": 6, "陈": 5, "": 4, "Zoë": 1, None: 2}
    codes = pa.array([order[name] for name in table["name"].to_pylist()], pa.int16())
    return replaced(table, "name", pa.DictionaryArray.from_arrays(codes, values))


def dictionary_per_chunk(table: pa.Table) -> pa.Table:
    chunks = [table["name"].slice(start, 30_000).combine_chunks() for start in range(0, ROWS, 30_000)]
    encoded = [(chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk)[::-1] for chunk in chunks]
    flipped = [pc.dictionary_encode(chunk) for chunk in encoded]
    back = [pa.DictionaryArray.from_arrays(chunk.indices[::-1], chunk.dictionary) for chunk in flipped]
    return replaced(table, "name", pa.chunked_array([chunk.cast(back[0].type) for chunk in back]))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """numpy-backed where pandas can say the same, objects elsewhere; `age` stays nullable."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=True)
    frame["age"] = table["age"].to_pandas(types_mapper=pd.ArrowDtype).astype("Int64")
    frame["tags"] = table["tags"].to_pylist()
    return frame


def to_nullable(table: pa.Table) -> pd.DataFrame:
    frame = to_pandas(table)
    types = {"id": "Int16", "score": "Float64", "approved": "boolean", "name": "string"}
    return frame.astype({**types, "id": "Int32"})


def minus_zero(table: pa.Table) -> pa.Table:
    values = table["score"].to_numpy().copy()
    values[values == 0] = -0.0
    return replaced(table, "score", pa.array(values))


def odd_nans(table: pa.Table) -> pa.Table:
    values = table["score"].to_numpy().copy()
    bits = values.view("u8")
    bits[np.isnan(values)] = 0xFFF4_0000_0000_0001
    return replaced(table, "score", pa.array(values))


def run_ends(table: pa.Table) -> pa.Table:
    return replaced(table, "age", pc.run_end_encode(table["age"].combine_chunks()))


class Stream:
    """Only the Arrow stream interface, as a query engine's result has."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


HOLDINGS: dict[str, Holding] = {
    "an Arrow table": lambda table: table,
    "a slice of a larger table": sliced,
    "chunks of equal size": lambda table: chunked(table, *range(1000, ROWS, 1000)),
    "chunks that end inside bytes of bitmaps": lambda table: chunked(
        table, 1, 10, 11, 40_003, RUN - 1, RUN + 1
    ),
    "chunks with an empty one": lambda table: pa.concat_tables(
        [table.slice(0, 9), table.slice(0, 0), table.slice(9)]
    ),
    "a record batch": lambda table: table.combine_chunks().to_batches()[0],
    "a record batch reader": lambda table: table.to_reader(max_chunksize=9999),
    "an Arrow stream": Stream,
    "large strings": lambda table: recast(table, name=pa.large_string(), raw=pa.large_binary()),
    "string views": lambda table: recast(table, name=pa.string_view(), raw=pa.binary_view()),
    "string views, sliced": lambda table: sliced(recast(table, name=pa.string_view())),
    "bytes of fixed width": lambda table: recast(table, raw=pa.binary(2)),
    "a dictionary": lambda table: recast(table, name=pa.dictionary(pa.int8(), pa.string())),
    "a dictionary of large strings": lambda table: recast(
        table, name=pa.dictionary(pa.int32(), pa.large_string())
    ),
    "a dictionary that holds null, repeats and leftovers": dictionary_with_nulls_and_leftovers,
    "another dictionary in every chunk": dictionary_per_chunk,
    "a dictionary of integers": lambda table: replaced(table, "age", table["age"].dictionary_encode()),
    "run ends": run_ends,
    "narrow integers": lambda table: recast(table, id=pa.int32(), age=pa.int8()),
    "unsigned integers": lambda table: recast(table, age=pa.uint64()),
    "float32": lambda table: recast(table, score=pa.float32()),
    "float16": lambda table: recast(table, score=pa.float32()).cast(
        pa.schema([f if f.name != "score" else pa.field("score", pa.float16()) for f in table.schema])
    ),
    "NaN for missing floats": lambda table: replaced(table, "score", pa.array(table["score"].to_numpy())),
    "NaN of other bits": odd_nans,
    "minus zero": minus_zero,
    "garbage under nulls": garbage_under_nulls,
    "garbage under nulls, sliced": lambda table: sliced(garbage_under_nulls(table)),
    "seconds": lambda table: recast(
        table, seen=pa.timestamp("s"), signed=pa.timestamp("s", "UTC"), took=pa.duration("s")
    ),
    "milliseconds": lambda table: recast(table, seen=pa.timestamp("ms"), took=pa.duration("ms")),
    "nanoseconds": lambda table: recast(table, seen=pa.timestamp("ns"), took=pa.duration("ns")),
    "another time zone": lambda table: recast(table, signed=pa.timestamp("us", "Asia/Kathmandu")),
    "dates in milliseconds": lambda table: recast(table, day=pa.date64()),
    "decimals of larger scale": lambda table: recast(table, paid=pa.decimal128(38, 20)),
    "decimals of 256 bits": lambda table: recast(table, paid=pa.decimal256(70, 31)),
    "decimals of 64 bits": lambda table: recast(table, paid=pa.decimal64(12, 4)),
    "large lists": lambda table: recast(table, tags=pa.large_list(pa.int32())),
    "list views": lambda table: replaced(
        table, "tags", pa.array(table["tags"].to_pylist(), pa.list_view(pa.int64()))
    ),
    "lists of fixed size": lambda table: recast(table, tags=pa.list_(pa.int64(), 2)),
    "lists, sliced": lambda table: sliced(table.select(table.column_names)),
    "pandas on numpy": to_pandas,
    "pandas nullable": to_nullable,
    "pandas on Arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas objects": lambda table: to_pandas(table).astype({"id": object, "name": object, "score": object}),
    "pandas categories": lambda table: to_pandas(table).astype({"name": "category", "score": "category"}),
    "pandas with an index": lambda table: to_pandas(table).set_index(
        pd.Index(np.arange(ROWS)[::-1], name="key")
    ),
    "pandas, every second row of two": lambda table: (
        to_pandas(table).loc[np.repeat(np.arange(ROWS), 2)].iloc[::2]
    ),
    "pandas in another zone": lambda table: to_pandas(table).assign(
        signed=lambda frame: frame["signed"].dt.tz_convert("Europe/Lisbon")
    ),
    "pandas in nanoseconds": lambda table: to_pandas(table).astype(
        {"seen": "datetime64[ns]", "took": "m8[ns]"}
    ),
    "polars": pl.from_arrow,
    "a polars LazyFrame": lambda table: pl.DataFrame(table).lazy(),
    "polars categories": lambda table: pl.DataFrame(table).with_columns(pl.col("name").cast(pl.Categorical)),
    "polars enum": lambda table: pl.DataFrame(table).with_columns(
        pl.col("name").cast(pl.Enum(["", "never", "Zoë", "陈", "Ada", "Bjørn"]))
    ),
    "polars in chunks": lambda table: pl.concat(
        [pl.DataFrame(table.slice(0, 77)), pl.DataFrame(table.slice(77))], rechunk=False
    ),
    "polars small types": lambda table: pl.DataFrame(table).with_columns(
        pl.col("age").cast(pl.UInt8), pl.col("score").cast(pl.Float32), pl.col("seen").cast(pl.Datetime("ms"))
    ),
}


@pytest.mark.parametrize("how", HOLDINGS)
def test_the_same_table_has_the_same_fingerprint_held_as(how: str) -> None:
    found = fingerprint(HOLDINGS[how](TABLE))
    assert EXPECTED.diff(found).lines() == ["the tables are equal"]
    assert found == EXPECTED


# DuckDB and SQLite have no durations.
QUERIED = TABLE.drop_columns(["took"])
PLAIN = TABLE.select(["id", "age", "score", "name"])


def in_duckdb(table: pa.Table) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("held", table)
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    connection.execute("CREATE TABLE kept AS SELECT * FROM held")
    return connection


def in_sqlite(table: pa.Table) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE kept (id INTEGER, age INTEGER, score REAL, name TEXT)")
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    connection.executemany("INSERT INTO kept VALUES (?, ?, ?, ?)", rows)
    return connection


ALL = "SELECT * FROM kept"
QUERIES: dict[str, tuple[pa.Table, Callable[[pa.Table], object]]] = {
    "a DuckDB relation": (QUERIED, lambda table: in_duckdb(table).sql(ALL)),
    "the batches of a DuckDB query": (QUERIED, lambda table: in_duckdb(table).sql(ALL).to_arrow_reader(999)),
    "DuckDB to polars": (QUERIED, lambda table: in_duckdb(table).sql(ALL).pl()),
    "DuckDB to Arrow": (QUERIED, lambda table: in_duckdb(table).sql(ALL).to_arrow_table()),
    "SQLite by pandas, nullable": (
        PLAIN,
        lambda table: pd.read_sql(ALL, in_sqlite(table), dtype_backend="numpy_nullable"),
    ),
    "SQLite by pandas, on Arrow": (
        PLAIN,
        lambda table: pd.read_sql(ALL, in_sqlite(table), dtype_backend="pyarrow"),
    ),
    "SQLite by polars": (PLAIN, lambda table: pl.read_database(ALL, in_sqlite(table))),
}


@pytest.mark.parametrize("how", QUERIES)
def test_a_query_has_the_fingerprint_of_the_table_that_it_gives(how: str) -> None:
    table, query = QUERIES[how]
    assert fingerprint(table).diff(fingerprint(query(table))).lines() == ["the tables are equal"]


def test_a_query_that_pandas_turns_into_floats_is_shown_as_retyped() -> None:
    found = fingerprint(pd.read_sql(ALL, in_sqlite(PLAIN)))
    assert fingerprint(PLAIN).diff(found).retyped == (("age", "int", "float"),)


def test_a_duckdb_interval_is_refused_since_a_month_has_no_length() -> None:
    with pytest.raises(MalformedInput, match="column 'took' has the type month_day_nano_interval"):
        fingerprint(in_duckdb(TABLE).sql(ALL))


FILES: dict[str, Callable[[pa.Table, Path], object]] = {
    "table.parquet": lambda table, path: parquet.write_table(table, path),
    "small groups.parquet": lambda table, path: parquet.write_table(table, path, row_group_size=7001),
    "plain.PARQUET": lambda table, path: parquet.write_table(
        table, path, use_dictionary=False, compression="zstd"
    ),
    "polars.parquet": lambda table, path: pl.DataFrame(table).write_parquet(path),
    "pandas.parquet": lambda table, path: to_pandas(table).to_parquet(path),
    "table.feather": lambda table, path: feather.write_feather(table, str(path), compression="lz4"),
    "table.arrow": lambda table, path: write_ipc(ipc.new_file(str(path), table.schema), table),
    "stream.arrow": lambda table, path: write_ipc(ipc.new_stream(str(path), table.schema), table),
    "a folder of parts": lambda table, path: write_parts(table, path),
}


def write_ipc(writer: Any, table: pa.Table) -> None:
    with writer:
        writer.write_table(table, max_chunksize=5000)


def write_parts(table: pa.Table, path: Path) -> None:
    """Ten parts and more, so that their names need to be read as numbers."""
    path.mkdir()
    (path / "_SUCCESS").touch()
    for number in range(12):
        part = table.slice(number * 6000, 6000 if number < 11 else None)
        parquet.write_table(part, path / f"part.{number}.parquet")


@pytest.mark.parametrize("name", FILES)
def test_the_same_table_has_the_same_fingerprint_in_the_file(name: str, tmp_path: Path) -> None:
    FILES[name](TABLE, tmp_path / name)
    assert fingerprint(tmp_path / name) == EXPECTED
    assert fingerprint(str(tmp_path / name)) == EXPECTED


# --- changes ------------------------------------------------------------------------------------------------


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
    assert found.unordered != EXPECTED.unordered


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
        ["column 'years' is new", "column 'age' is gone"],
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


def test_the_column_order_counts_only_in_the_digest() -> None:
    found = fingerprint(TABLE.select(TABLE.column_names[::-1]))
    assert found.digest != EXPECTED.digest
    assert found.unordered == EXPECTED.unordered
    assert EXPECTED.diff(found).reordered


def test_an_int_column_that_became_float_by_a_missing_value_is_another_column() -> None:
    ints, floats = pa.table({"a": pa.array([1, None])}), pd.DataFrame({"a": [1, None]})
    assert fingerprint(ints).diff(fingerprint(floats)).retyped == (("a", "int", "float"),)


# --- the scheme's bytes -------------------------------------------------------------------------------------


def test_the_digest_of_a_known_table_is_the_published_one() -> None:
    table = pa.table({"id": [1, 2, None], "name": ["Ada", None, ""], "score": [0.5, float("nan"), -0.0]})
    assert str(fingerprint(table)) == KNOWN


def test_the_digest_of_a_table_of_two_runs_is_the_one_that_ledgers_have_recorded() -> None:
    assert str(EXPECTED) == KNOWN_OF_TWO_RUNS


def test_the_digest_of_every_other_type_is_the_one_that_ledgers_have_recorded() -> None:
    table = pa.table(
        {
            "null": pa.nulls(3),
            "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]),
            "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int8())),
            "lists": pa.array([[[1.5], []], None, [None]]),
            "time": pa.array([time(1, 2, 3, 4), None, time(0)]),
            "nanos": pa.array([1, None, -1], pa.timestamp("ns", "UTC")),
            "wide": pa.array([2**64 - 1, 0, None], pa.uint64()),
            "decimal": pa.array([Decimal(-(2**130)), Decimal("0.5"), None], pa.decimal256(76, 3)),
            "half": pa.array([1.5, float("nan"), -0.0], pa.float16()),
            "ähnlich": pa.array(["é", "e\u0301", None]),
        }
    )
    found = fingerprint(table)
    assert (str(found), found.unordered) == (KNOWN_OF_OTHER_TYPES, KNOWN_UNORDERED)


# --- numpy, pandas and other holders ------------------------------------------------------------------------


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


def test_the_root_of_no_rows_is_that_of_the_empty_tree() -> None:
    (column,) = fingerprint(pa.table({"a": pa.array([], pa.int8())})).columns
    assert column.leaves == ()
    assert column.root == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


REFUSED: dict[str, tuple[Any, str]] = {
    "texts and ints": (pd.DataFrame({"a": ["x", 1]}), "column 'a' holds int and str values: convert it"),
    "texts and bytes": (pd.DataFrame({"a": ["x", b"x"]}), "column 'a' holds bytes and str values"),
    "bools and ints": (
        pd.DataFrame({"a": pd.Series([True, 1], dtype=object)}),
        "column 'a' holds bool and int",
    ),
    "dates and datetimes": (
        pd.DataFrame({"a": pd.Series([date(2024, 1, 1), datetime(2024, 1, 1, 5)], dtype=object)}),
        "column 'a' holds date and datetime values",
    ),
    "times with and without a zone": (
        pd.DataFrame(
            {"a": pd.Series([datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], dtype=object)}
        ),
        "column 'a' holds datetime and datetime with a zone values",
    ),
    "nanoseconds in lists": (
        pd.DataFrame({"a": pd.Series([[pd.Timestamp(1)]], dtype=object)}),
        "column 'a' holds nanoseconds inside lists, which Arrow drops",
    ),
    "nested mixtures": (pd.DataFrame({"a": [["x", b"x"]]}), "column 'a' holds bytes and str values"),
    "lists and numbers": (pd.DataFrame({"a": [[1], 2]}), "column 'a' holds int and list values"),
    "Python objects": (
        pd.DataFrame({"a": [object()]}),
        "column 'a' holds object objects: convert it to numbers or text",
    ),
    "sets": (pd.DataFrame({"a": [{1}]}), "column 'a' holds set objects: convert it to numbers or text"),
    "integers beyond 64 bits": (pd.DataFrame({"a": [2**64]}), "column 'a' cannot be read as one type"),
    "lone surrogates": (
        pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}),
        "column 'a' cannot be read",
    ),
    "complex numbers": (
        pd.DataFrame({"a": [1j]}),
        "column 'a' holds complex128 numbers: convert it to float64",
    ),
    "periods": (
        pd.DataFrame({"a": pd.period_range("2024", periods=1)}),
        "column 'a' has the type extension<",
    ),
    "intervals": (pd.DataFrame({"a": pd.interval_range(0, 1)}), "column 'a' has the type extension<"),
    "polars objects": (
        pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}),
        "column 'a' holds Python objects",
    ),
    "128-bit integers": (pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "column 'a' cannot be read"),
    "month intervals": (
        pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}),
        "column 'a' has the type",
    ),
    "dates with a time of day": (
        pa.table({"a": pa.Array.from_buffers(pa.date64(), 1, [None, pa.py_buffer(b"\x01" * 8)])}),
        "column 'a' holds dates with a time of day",
    ),
    "times beyond the calendar": (
        pa.table({"a": pa.array([2**60], pa.timestamp("s"))}),
        "column 'a' holds times too far away to count in microseconds",
    ),
    "two columns of one name": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        "two columns are named 'a': rename one",
    ),
    "two Arrow columns of one name": (pa.table([[1], [2]], ["a", "a"]), "two columns are named 'a'"),
    "labels that are numbers": (pd.DataFrame({5: [1]}), "the column label 5 is not text: rename the column"),
    "labels that are tuples": (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        "the column label ('a', 'b') is not text",
    ),
    "a label with a lone surrogate": (
        pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object)),
        "is not text: rename the column",
    ),
    "labels that are truths": (
        pd.DataFrame([[1, 2]], columns=[False, True]),
        "the column label False is not text: rename the column",
    ),
    "labels that are floats": (pd.DataFrame([[1]], columns=[0.0]), "the column label 0.0 is not text"),
    "times of day with a zone": (
        pd.DataFrame({"a": pd.Series([time(1, tzinfo=UTC)], dtype=object)}),
        "column 'a' holds times of day with a zone, which Arrow drops",
    ),
    "years as durations": (
        np.array([1], "m8[Y]"),
        "column '0' holds timedelta64[Y], which is no length of time",
    ),
    "durations without a unit": (
        np.zeros(1, "i8").view("m8"),
        "column '0' holds timedelta64, which is no length",
    ),
    "parts of a nanosecond": (np.array([1], "M8[ps]"), "column '0' holds datetime64[ps] too fine"),
    "three dimensions": (np.zeros((1, 1, 1)), "an array of 3 dimensions is not a table"),
    "no dimension": (np.array(1), "an array of 0 dimensions is not a table"),
    "a dict": ({"a": [1]}, "a dict is not a table"),
    "nothing": (None, "a NoneType is not a table"),
    "a lazy frame that cannot be run": (
        pl.LazyFrame({"a": ["secret"]}).select(pl.col("a").cast(pl.Int8)),
        "the LazyFrame cannot be run (InvalidOperationError): see what collect() says of it",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_canonical_form_is_refused_in_one_sentence(what: str) -> None:
    table, sentence = REFUSED[what]
    with pytest.raises(MalformedInput) as refusal:
        fingerprint(table)
    assert str(refusal.value).startswith(sentence) or str(refusal.value).endswith(sentence)
    assert "\n" not in str(refusal.value)
    assert ": " in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (pa.table({}), True),
        (pa.array([1]), True),
        (pa.chunked_array([[1]]), True),
        (pa.record_batch({"a": [1]}), True),
        (pd.DataFrame(), True),
        (pd.Series([1]), True),
        (pl.DataFrame(), True),
        (pl.Series([1]), True),
        (np.zeros(1), True),
        (np.zeros((1, 1)), True),
        (np.zeros(1, [("a", "i4")]), True),
        (type("Frame", (pd.DataFrame,), {})(), True),
        (np.array(1), False),
        (np.zeros((1, 1, 1)), False),
        (np.float64(1), False),
        (np.array([1j]), False),
        (pa.table({}).to_reader(), False),
        (pd.Index([1]), False),
        (pl.LazyFrame(), False),
        ("table.csv", False),
        (Path("table.csv"), False),
        ([1], False),
        ({"a": [1]}, False),
        (pd.DataFrame, False),
        (None, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_table_is_known_by_its_class(value: object, answer: bool) -> None:
    assert is_table(value) is answer


def test_asking_whether_something_is_a_table_loads_no_library() -> None:
    code = (
        "import sys; from registry.fingerprint import is_table; assert not is_table({}); "
        "assert not {'numpy', 'pandas', 'polars', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_progress_counts_rows_up_to_all_of_them() -> None:
    done: list[int] = []
    totals: set[int | None] = set()

    def watch(rows: int, total: int | None) -> None:
        done.append(rows)
        totals.add(total)

    fingerprint(chunked(TABLE, 100, 1000), progress=watch)
    assert done == sorted(done)
    assert done[-1] == ROWS
    assert totals == {ROWS}


def test_progress_has_no_total_where_it_is_not_known() -> None:
    totals: set[int | None] = set()
    fingerprint(TABLE.to_reader(), progress=lambda rows, total: totals.add(total))
    assert totals == {None}


# --- the document -------------------------------------------------------------------------------------------


def test_a_fingerprint_comes_back_from_its_canonical_document() -> None:
    data = canonical.encode(EXPECTED.to_json())
    assert Fingerprint.from_json(canonical.decode(data)) == EXPECTED


def spoil(path: list[str | int], value: Json) -> Json:
    document: Any = canonical.decode(canonical.encode(EXPECTED.to_json()))
    place = document
    for key in path[:-1]:
        place = place[key]
    if value == "GONE":
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["scheme"], "affidavit-table-v2", "the fingerprint's scheme is 'affidavit-table-v2'"),
        (["rows"], ROWS - 1, "the fingerprint's digest is not that of its columns"),
        (["rows"], 1, "has 2 leaves, which is not the number for 1 rows"),
        (["rows"], True, "the fingerprint's row count is not a count"),
        (["rows"], -1, "the fingerprint's row count is not a count"),
        (["digest"], "0" * 64, "the fingerprint's digest is not that of its columns"),
        (["digest"], "GONE", "must be an object with exactly the keys columns, digest, rows, scheme"),
        (["more"], 1, "must be an object with exactly the keys"),
        (["columns"], None, "the fingerprint's columns are not a list"),
        (["columns", 0], "GONE", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "name"], "other", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "name"], "age", "the fingerprint names a column twice"),
        (["columns", 0, "name"], 1, "has no name or no type"),
        (["columns", 0, "type"], "float", "the fingerprint's digest is not that of its columns"),
        (["columns", 0, "root"], "0" * 64, "the root of column 'id' is not that of its leaves"),
        (["columns", 0, "leaves", 0], "0" * 64, "the root of column 'id' is not that of its leaves"),
        (["columns", 0, "leaves", 0], "0" * 63, "the leaves of column 'id' are not SHA-256 digests"),
        (["columns", 0, "leaves", 0], 5, "the leaves of column 'id' are not SHA-256 digests"),
        (["columns", 0, "leaves", 0], "GONE", "column 'id' has 1 leaves"),
        (["columns", 0, "extra"], 1, "a column of the fingerprint must be an object with exactly the keys"),
    ],
)
def test_a_document_that_does_not_add_up_is_refused(
    path: list[str | int], value: Json, sentence: str
) -> None:
    with pytest.raises(MalformedInput) as refusal:
        Fingerprint.from_json(spoil(path, value))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_a_document_that_is_no_object_is_refused(value: Json) -> None:
    with pytest.raises(MalformedInput, match="the fingerprint must be an object"):
        Fingerprint.from_json(value)
