"""Values that stand for a table and do not hold it: why they are not read to be recorded, and what to record instead.

Rules:

- What can be read once only is not read: whoever made it still needs its rows. What would have to be run, or read from
  files, can give other rows each time, and what was recorded would not be what was used.
- Their state says nothing of their rows (paths, a plan, a connection), so that no digest of it is taken.
- Values are known by the names of their classes alone: no library is loaded to find out.

>>> why_unread({"no": "table"}) is None
True
"""

from typing import Any, Final

__all__ = ["is_query", "why_unread"]

ONCE: Final = "can be read once only, and recording it would use it up: read it into a table first"
FILES: Final = "is not in memory: record the table that you read with it"
PLAN: Final = "is a plan that was not run: record the table that it gives"
STREAM: Final = "hands its rows over as an Arrow stream: record the table that pyarrow.table() makes of it"

WHY: Final = {
    ("dask", "DataFrame"): PLAN,
    ("dask", "Series"): PLAN,
    ("datafusion", "DataFrame"): PLAN,
    ("duckdb", "DuckDBPyConnection"): "is a connection and no table: record what a query on it gives",
    ("duckdb", "DuckDBPyRelation"): PLAN,
    ("ibis", "Table"): PLAN,
    ("pandas", "TextFileReader"): ONCE,
    ("pyarrow", "Dataset"): FILES,
    ("pyarrow", "ParquetDataset"): FILES,
    ("pyarrow", "ParquetFile"): FILES,
    ("pyarrow", "RecordBatchReader"): ONCE,
    ("pyarrow", "Scanner"): ONCE,
    ("pyarrow", "_RecordBatchFileReader"): FILES,
    ("pyspark", "DataFrame"): PLAN,
}
"""By package and class, as it goes on after the name of the class."""


def why_unread(value: object) -> str | None:
    """Say in a sentence why a value that stands for a table is not read; None of any other value."""
    kind = type(value)
    if (why := next((WHY[name] for name in _names(kind) if name in WHY), None)) is not None:
        return f"a {kind.__name__} {why}"
    if hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__"):
        return f"a {kind.__name__} {STREAM}"
    return None


def is_query(value: object) -> bool:
    """Say whether a value is a DuckDB relation: a query that can be run any number of times."""
    return ("duckdb", "DuckDBPyRelation") in _names(type(value))


def _names(kind: type[Any]) -> list[tuple[str, str]]:
    """Name the classes that a class is one of, each with its package."""
    # What is written in C stands in a module of its own: _duckdb.
    return [(base.__module__.partition(".")[0].removeprefix("_"), base.__name__) for base in kind.__mro__]
