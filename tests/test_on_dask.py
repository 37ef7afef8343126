"""The fingerprint of a Dask dataframe, on a local cluster of two processes that the tests start."""

from collections.abc import Iterator
from pathlib import Path

import dask
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.on_dask import fingerprint_dask

ROWS = 2 * RUN + 700
FRAME = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "age": pd.array(np.arange(ROWS) % 90, dtype="Int64"),
        "score": np.where(np.arange(ROWS) % 7 == 3, np.nan, np.arange(ROWS) / 8),
        "name": pd.Series((np.arange(ROWS) % 1000).astype(str)).where(np.arange(ROWS) % 5 != 2),
        "seen": pd.Timestamp("2024-02-28") + pd.to_timedelta(np.arange(ROWS), unit="s"),
        "kind": pd.Categorical(np.array(["a", "b", "c"])[np.arange(ROWS) % 3]),
    }
)
EXPECTED = fingerprint(FRAME)


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distributed.Client]:
    """Start two worker processes, without a dashboard."""
    with (
        dask.config.set({"temporary-directory": str(tmp_path_factory.mktemp("dask"))}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.parametrize("partitions", [1, 3, 11])
def test_a_dataframe_in_partitions_has_the_fingerprint_of_the_whole(partitions: int) -> None:
    assert fingerprint_dask(dd.from_pandas(FRAME, npartitions=partitions), order="partitions") == EXPECTED


def test_parquet_parts_have_the_fingerprint_of_their_folder(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME.drop(columns="kind"), preserve_index=False)
    for number in range(12):
        rows = table.slice(number * 12_000, 12_000 if number < 11 else None)
        parquet.write_table(rows, tmp_path / f"part.{number}.parquet")
    frame = dd.read_parquet(tmp_path, dtype_backend="pyarrow")
    assert fingerprint_dask(frame, order="partitions") == fingerprint(tmp_path) == fingerprint(table)


def test_a_sort_key_gives_the_order() -> None:
    shuffled = dd.from_pandas(FRAME.sample(frac=1.0, random_state=7), npartitions=5, sort=False)
    assert fingerprint_dask(shuffled, order=["id"]) == EXPECTED


def test_a_sort_key_that_leaves_the_order_open_is_refused() -> None:
    with pytest.raises(MalformedInput, match=r"have the same sort key \(age\)"):
        fingerprint_dask(dd.from_pandas(FRAME[:500], npartitions=2), order=["age"])


def test_keyed_columns_are_keyed_on_the_workers() -> None:
    key = FingerprintKey(bytes(32))
    found = fingerprint_dask(
        dd.from_pandas(FRAME, npartitions=3), order="partitions", keyed=["name"], key=key
    )
    assert found == fingerprint(FRAME, keyed=["name"], key=key)


def test_a_partition_without_rows_changes_nothing() -> None:
    frame = dd.from_pandas(FRAME[:1000], npartitions=4)
    assert fingerprint_dask(frame[frame["id"] >= 600], order="partitions") == fingerprint(FRAME[600:1000])


@pytest.mark.parametrize("order", ["rows", "id", []])
def test_the_order_of_the_rows_is_never_guessed(order: object) -> None:
    with pytest.raises(MalformedInput, match='is no order: give "partitions", or a list of columns'):
        fingerprint_dask(dd.from_pandas(FRAME[:9], npartitions=1), order=order)  # type: ignore[arg-type]


def test_a_column_that_is_not_there_cannot_be_keyed() -> None:
    with pytest.raises(MalformedInput, match="there is no column 'born' to key"):
        fingerprint_dask(dd.from_pandas(FRAME[:9], npartitions=1), order="partitions", keyed=["born"])


def test_a_column_that_is_not_there_cannot_be_sorted_by() -> None:
    with pytest.raises(MalformedInput, match="there is no column 'born' to sort by: the columns are id, age"):
        fingerprint_dask(dd.from_pandas(FRAME[:9], npartitions=1), order=["born"])


def test_a_pandas_dataframe_is_no_dask_dataframe() -> None:
    with pytest.raises(MalformedInput, match="a DataFrame is no Dask dataframe"):
        fingerprint_dask(FRAME, order="partitions")
