"""What stands for a table and does not hold it is never shown as recorded, and never used up."""

import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset, ipc, parquet

from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.fingerprint import fingerprint
from registry.parts import describe, parts_of

TABLE = pa.table({"a": [1, 2]})


class Stream:
    """An object with the Arrow stream interface, whose rows are no part of its state."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


def reader() -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches())


def ipc_file() -> object:
    sink = io.BytesIO()
    with ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return ipc.open_file(sink.getvalue())


def on_disk(folder: Path) -> Path:
    parquet.write_table(TABLE, folder / "a.parquet")
    return folder / "a.parquet"


def rows_at_a_time(folder: Path) -> object:
    (folder / "a.csv").write_text("a\n1\n2\n")
    return pd.read_csv(folder / "a.csv", iterator=True)


UNREAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "an Arrow reader": (lambda _: reader(), "can be read once only"),
    "rows of pandas at a time": (rows_at_a_time, "can be read once only"),
    "a scanner": (lambda folder: dataset.dataset(on_disk(folder)).scanner(), "can be read once only"),
    "a dataset of files": (lambda folder: dataset.dataset(on_disk(folder)), "is not in memory"),
    "a dataset of a table": (lambda _: dataset.dataset(TABLE), "is not in memory"),
    "a Parquet file": (lambda folder: parquet.ParquetFile(on_disk(folder)), "is not in memory"),
    "an Arrow file": (lambda _: ipc_file(), "is not in memory"),
    "a DuckDB relation": (lambda _: duckdb.sql("SELECT 1 AS a"), "is a plan that was not run"),
    "a DuckDB connection": (lambda _: duckdb.connect(), "is a connection and no table"),
    "any Arrow stream": (lambda _: Stream(), "hands its rows over as an Arrow stream"),
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_does_not_hold_its_table_is_opaque_with_the_reason(what: str, tmp_path: Path) -> None:
    make, reason = UNREAD[what]
    value = make(tmp_path)
    try:
        part = describe("rows", value, ArtifactStore(tmp_path / "store"))
    finally:
        if isinstance(value, pd.io.parsers.TextFileReader):
            value.close()
    assert (part["kind"], part["fingerprint"]) == ("opaque", None)
    assert reason in str(part["note"])


def test_an_arrow_reader_still_has_its_rows_when_it_was_described(tmp_path: Path) -> None:
    rows = reader()
    describe("rows", rows, ArtifactStore(tmp_path))
    assert rows.read_all() == TABLE


def test_of_a_path_it_is_said_that_its_file_is_not_recorded(tmp_path: Path) -> None:
    part = describe("rows", on_disk(tmp_path), ArtifactStore(tmp_path))
    assert "only the path is recorded" in str(part["note"])


def test_an_arrow_reader_that_was_read_before_is_refused() -> None:
    rows = reader()
    assert fingerprint(rows) == fingerprint(TABLE)
    with pytest.raises(MalformedInput, match="gives nothing: it was read before, or its table has no rows"):
        fingerprint(rows)


def test_an_arrow_reader_with_an_empty_batch_is_an_empty_table() -> None:
    empty = pa.RecordBatchReader.from_batches(TABLE.schema, [TABLE.to_batches()[0].slice(0, 0)])
    assert fingerprint(empty) == fingerprint(TABLE.slice(0, 0))


def test_what_does_not_hold_its_table_is_a_part_of_its_own_in_a_list() -> None:
    rows = [reader(), 3]
    assert [name for name, _ in parts_of("rows", rows)] == ["rows.0", "rows.1"]
