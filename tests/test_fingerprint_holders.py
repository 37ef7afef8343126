"""Fingerprints of tables: the same content has the same name, whatever library, query or file holds it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import feather, ipc, parquet

from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import fingerprint
from tests.known_table import EXPECTED, ROWS, TABLE, chunked, recast, replaced, sliced, to_pandas

Holding = Callable[[pa.Table], object]


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


def run_ends_of_a_dictionary(table: pa.Table) -> pa.Table:
    ages = table["age"].combine_chunks()
    ends = pa.array(range(1, len(ages) + 1), pa.int32())
    return replaced(table, "age", pa.RunEndEncodedArray.from_arrays(ends, ages.dictionary_encode()))


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
    "run ends of dictionaries": run_ends_of_a_dictionary,
    "a slice of run ends of dictionaries": lambda table: run_ends_of_a_dictionary(
        pa.concat_tables([table.slice(0, 2), table])
    ).slice(2),
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


@pytest.mark.parametrize(
    "held",
    ["TIMETZ '10:00:00+01'", "[TIMETZ '10:00:00+01']", "{'a': TIMETZ '10:00:00+01'}"],
)
def test_duckdbs_times_of_day_with_a_zone_are_refused_since_arrow_gets_no_zone(held: str) -> None:
    with pytest.raises(MalformedInput, match="column 'a' holds times of day with a zone"):
        fingerprint(duckdb.sql(f"SELECT {held} AS a"))


@pytest.mark.parametrize("held", ["(2::UHUGEINT ** 100)::UHUGEINT", "[1::UHUGEINT]"])
def test_duckdbs_unsigned_integers_of_128_bits_are_refused_since_arrow_gets_negative_ones(held: str) -> None:
    with pytest.raises(MalformedInput, match="column 'a' holds UHUGEINT numbers"):
        fingerprint(duckdb.sql(f"SELECT {held} AS a"))


def test_duckdbs_moments_with_a_zone_are_instants() -> None:
    (column,) = fingerprint(duckdb.sql("SELECT TIMESTAMPTZ '2024-01-01 10:00:00+01' AS a")).columns
    assert column.type == "instant"


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
