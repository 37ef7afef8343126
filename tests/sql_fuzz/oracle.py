"""What really depends on what: a query is run with one input column changed, and what moves depends on it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from registry.sql_reads import Column
from registry.sql_step import SETTINGS
from tests.sql_fuzz.tables import varied

__all__ = ["Databases", "Moved", "Result"]

VALUES = {"least": 1}


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave: the names of its columns and their values."""

    names: list[str]
    values: list[list[Any]]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(self.values[0])


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved when an input column was changed: output columns by their place, or which rows there are."""

    source: Column
    columns: frozenset[int]
    rows: bool


class Databases:
    """The tables in DuckDB as they are, and in a database of its own for each change of each column."""

    def __init__(self) -> None:
        (_, _, self.tables), *others = varied()
        self._base = _database(self.tables)
        self._changed = [(part, column, _database(held)) for part, column, held in others]

    def run(self, text: str) -> Result:
        """Run a query on the tables as they are; raises `duckdb.Error`."""
        return _run(self._base, text)

    def moved(self, text: str, base: Result, skipped: Iterable[Column] = ()) -> Iterator[Moved]:
        """Run a query on every change but those of the columns `skipped`, and yield what moved."""
        unneeded, said = set(skipped), text.lower()
        for part, column, database in self._changed:
            if (part, column) in unneeded or part.rpartition(".")[2] not in said:
                continue
            try:
                came = _run(database, text)
            except duckdb.Error:
                continue  # a cast that fails on other values tells nothing
            rows = came.height != base.height
            columns = [
                n for n, pair in enumerate(zip(base.values, came.values, strict=True)) if pair[0] != pair[1]
            ]
            if rows or columns:
                yield Moved((part, column), frozenset(() if rows else columns), rows)

    def close(self) -> None:
        """Close all of them."""
        for database in (self._base, *(each for _, _, each in self._changed)):
            database.close()


def _database(held: Mapping[str, pa.Table]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=SETTINGS)
    connection.execute("CREATE SCHEMA split")
    for name, table in held.items():
        connection.register(f"held {name}", table)
        connection.execute(f'CREATE VIEW {name} AS SELECT * FROM "held {name}"')
    return connection


def _run(connection: duckdb.DuckDBPyConnection, text: str) -> Result:
    params = VALUES if "$least" in text else None
    cursor = connection.execute(text, params)
    names = [each[0] for each in cursor.description]
    rows = cursor.fetchall()
    return Result(
        names, [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    )
