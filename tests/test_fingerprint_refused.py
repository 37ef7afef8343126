"""Fingerprints of tables: what has no canonical form is refused in one sentence."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from audit.errors import MalformedInput
from registry.fingerprint import fingerprint


def a_failing_stream() -> pa.RecordBatchReader:
    """A stream whose second batch cannot be read."""
    batches = (pa.record_batch({"a": [1 // (2 - number)]}) for number in (1, 2))
    return pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches)


def misnamed(table: pa.Table) -> pa.Table:
    """The table with a name that is no UTF-8 in the place of `name`, as another program may have sent it."""
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return ipc.open_stream(sink.getvalue().to_pybytes().replace(b"name", b"\xff\xfeme")).read_all()


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
    "large integers of numpy among floats": (
        pd.DataFrame({"a": pd.Series([np.uint64(2**64 - 1), 0.5], dtype=object)}),
        "column 'a' holds float and integer above 2^63-1 values: convert it to one type",
    ),
    "large integers of numpy among floats in a list": (
        pd.DataFrame({"a": [[0.5, np.uint64(2**63)]]}),
        "column 'a' holds float and integer above 2^63-1 values: convert it to one type",
    ),
    "Python objects": (
        pd.DataFrame({"a": [object()]}),
        "column 'a' holds object objects: convert it to numbers or text",
    ),
    "sets": (pd.DataFrame({"a": [{1}]}), "column 'a' holds set objects: convert it to numbers or text"),
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
    "a name that is no UTF-8": (
        misnamed(pa.table({"name": [1]})),
        "a column has a name that is not text in UTF-8",
    ),
    "a field's name that is no UTF-8": (
        misnamed(pa.table({"a": [{"name": 1}]})),
        "column 'a' has a field whose name is not text in UTF-8: rename it",
    ),
    "whole numbers beyond 64 bits": (
        pd.DataFrame({"a": [2**70, None, 1]}, dtype=object),
        "column 'a' holds whole numbers that no 64 bits hold: convert it to decimals or text",
    ),
    "whole numbers that need a sign and 64 bits": (
        pd.DataFrame({"a": [2**63, -1]}, dtype=object),
        "column 'a' holds whole numbers that no 64 bits hold: convert it to decimals or text",
    ),
    "integers of 128 bits of polars": (
        pl.DataFrame({"a": [1]}, schema={"a": pl.Int128}),
        "column 'a' holds integers of 128 bits: convert it to decimals or text",
    ),
    "records among the columns of numpy": (
        np.zeros(2, [("a", [("x", "i4"), ("y", "i4")]), ("b", "i4")]),
        "column 'a' holds records of x, y: make each field a column",
    ),
    "rows of values among the columns of numpy": (
        np.zeros(2, [("a", "i4", (3, 2))]),
        "column 'a' holds 6 values in each row: make each a column",
    ),
    "records of numpy in two dimensions": (
        np.zeros((2, 2), [("x", "i4"), ("y", "i4")]),
        "column '0' holds records of x, y: make each field a column",
    ),
    "a stream that fails on the way": (
        a_failing_stream(),
        "the RecordBatchReader cannot be read to its end (ArrowInvalid): see what its own library says of it",
    ),
    "a query that fails on the way": (
        duckdb.sql("SELECT CASE WHEN i = 99999 THEN 'secret' ELSE '1' END::INT AS a FROM range(100000) t(i)"),
        "the DuckDBPyRelation cannot be read to its end (OSError): see what its own library says of it",
    ),
    "a lazy frame of a file that is not there": (
        pl.scan_csv("/no/such/file.csv"),
        "the LazyFrame cannot be run (FileNotFoundError): see what collect() says of it",
    ),
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


def test_a_lazy_frame_that_makes_polars_panic_is_refused(tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT INTERVAL 1 MONTH AS waited) TO '{tmp_path}/a.parquet'")
    with pytest.raises(MalformedInput, match=r"the LazyFrame cannot be run \(PanicException\)"):
        fingerprint(pl.scan_parquet(tmp_path / "a.parquet"))
