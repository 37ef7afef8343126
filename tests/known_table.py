"""A table of two runs with every type, its fingerprint, and other ways to hold it."""

import itertools
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from registry.diff import RUN
from registry.fingerprint import fingerprint

__all__ = [
    "EXPECTED", "ROWS", "TABLE", "chunked", "make_table", "recast", "replaced", "sliced", "to_pandas",
]  # fmt: skip

ROWS = RUN + 1000


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


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """numpy-backed where pandas can say the same, objects elsewhere; `age` stays nullable."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=True)
    frame["age"] = table["age"].to_pandas(types_mapper=pd.ArrowDtype).astype("Int64")
    frame["tags"] = table["tags"].to_pylist()
    return frame
