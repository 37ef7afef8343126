"""Fingerprints of tables: the bytes of the scheme, what is a table, and how far it is."""

import subprocess
import sys
from datetime import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from registry.fingerprint import fingerprint, is_table
from tests.known_table import EXPECTED, ROWS, TABLE, chunked

KNOWN = "affidavit-table-v1:sha256:0f95a3915dcce6bf21dc2797963f15e57946a0cc1e6acb00817ef0e0b2f29fce"
KNOWN_OF_TWO_RUNS = (
    "affidavit-table-v1:sha256:f8aa55333ca6758e04813fd5daa2ee83e31909fc5e9789a826d22b3683d74db6"
)
KNOWN_OF_OTHER_TYPES = (
    "affidavit-table-v1:sha256:87292937a9bf908b434001c7a5118d6cd11f6a774b00b4a696fed1ec7c50f063"
)


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
    assert str(found) == KNOWN_OF_OTHER_TYPES


def test_the_root_of_no_rows_is_that_of_the_empty_tree() -> None:
    (column,) = fingerprint(pa.table({"a": pa.array([], pa.int8())})).columns
    assert column.leaves == ()
    assert column.root == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


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
