"""The fingerprint of a Spark dataframe, on a local cluster of two executor threads that the tests start.

`make spark` runs this file; it is none of those that `make test` collects.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.on_spark import fingerprint_spark

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

ROWS = 2 * RUN + 700
GONE = np.arange(ROWS) % 7 == 3
SECONDS = np.datetime64("2024-02-28", "us") + np.arange(ROWS).astype("m8[s]")
TABLE = pa.table(
    {
        "id": np.arange(ROWS),
        "age": pa.array((np.arange(ROWS) % 90).astype("i4"), mask=GONE),
        "score": pa.array(np.where(np.arange(ROWS) % 11 == 5, np.nan, np.arange(ROWS) / 8), mask=GONE),
        "approved": pa.array(np.arange(ROWS) % 3 == 0, mask=GONE),
        "name": pa.array((np.arange(ROWS) % 1000).astype(str).astype(object), mask=GONE),
        "day": pa.array((np.arange(ROWS) % 20_000).astype("M8[D]"), mask=GONE),
        "seen": pa.array(SECONDS, mask=GONE),
        "signed": pa.array(SECONDS).cast(pa.timestamp("us", "UTC")),
        "paid": pa.array([Decimal(row % 90) / 4 for row in range(ROWS)], pa.decimal128(9, 2)),
        "tags": pa.array([None if row % 7 == 3 else [row, None] for row in range(ROWS)]),
        "raw": pa.array([bytes([row % 256]) for row in range(ROWS)]),
    }
)
EXPECTED = fingerprint(TABLE)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Start Spark on this machine, with nothing that listens to others."""
    from pyspark.sql import SparkSession

    patch = pytest.MonkeyPatch()
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "Asia/Tokyo")
        .getOrCreate()
    )
    yield session
    session.stop()
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of twelve Parquet files of different lengths; Spark does not read them in the order of names."""
    folder = tmp_path_factory.mktemp("parts")
    edges = [
        0,
        50_000,
        51_000,
        51_001,
        60_000,
        61_000,
        80_000,
        90_000,
        91_000,
        100_000,
        101_000,
        130_000,
        ROWS,
    ]
    for number in range(12):
        rows = TABLE.slice(edges[number], edges[number + 1] - edges[number])
        parquet.write_table(rows, folder / f"part-{number:05}.parquet")
    return folder


def test_files_have_the_fingerprint_of_the_whole_in_their_own_order(spark: Any, folder: Path) -> None:
    assert fingerprint_spark(spark.read.parquet(str(folder)), order="files") == EXPECTED
    assert fingerprint(folder) == EXPECTED


def test_a_sort_key_gives_the_order(spark: Any, folder: Path) -> None:
    shuffled = spark.read.parquet(str(folder)).repartition(5)
    assert fingerprint_spark(shuffled, order=["id"]) == EXPECTED


def test_keyed_columns_are_keyed_on_the_executors(spark: Any, folder: Path) -> None:
    key = FingerprintKey(bytes(32))
    found = fingerprint_spark(spark.read.parquet(str(folder)), order="files", keyed=["name"], key=key)
    assert found == fingerprint(TABLE, keyed=["name"], key=key)


def test_partitions_are_taken_as_they_come(spark: Any) -> None:
    frame = spark.range(0, ROWS, 1, 7)
    assert fingerprint_spark(frame, order="partitions") == fingerprint(pa.table({"id": np.arange(ROWS)}))


def test_a_dataframe_without_rows_has_the_fingerprint_of_an_empty_table(spark: Any) -> None:
    expected = fingerprint(pa.table({"id": pa.array([], pa.int64())}))
    assert fingerprint_spark(spark.range(0), order="partitions") == expected


def test_a_sort_key_that_leaves_the_order_open_is_refused(spark: Any, folder: Path) -> None:
    with pytest.raises(MalformedInput, match=r"have the same sort key \(signed\)"):
        fingerprint_spark(
            spark.createDataFrame(
                [(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=d),) for d in (1, 1, 2)], ["signed"]
            ),
            order=["signed"],
        )


@pytest.mark.parametrize("order", ["rows", []])
def test_the_order_of_the_rows_is_never_guessed(spark: Any, order: Any) -> None:
    with pytest.raises(MalformedInput, match='is no order: give "files", "partitions", or a list'):
        fingerprint_spark(spark.range(9), order=order)


def test_files_give_no_order_to_what_was_not_read_from_them(spark: Any) -> None:
    with pytest.raises(MalformedInput, match="is for a dataframe as it was read from Parquet files"):
        fingerprint_spark(spark.range(9), order="files")
