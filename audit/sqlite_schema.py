"""What SQLite tells about a ledger's database: its marks, what it defines, and whether it is damaged.

Rules:

- The number ``user_version`` in the file says which tables there are.
- What SQLite knows of a file is asked with statements (``PRAGMA table_list``), never with the table-valued functions
  of the same names: a table that is called ``pragma_table_list`` in the file would answer in their place.

This module knows no table: `audit.tables` says which there are.

Source: sqlite.org, "Pragma statements", "STRICT Tables", "Result and Error Codes".
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Index, MetaData, Table
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable

__all__ = [
    "APPLICATION_ID",
    "check_pages",
    "create_empty",
    "create_guards",
    "create_tables",
    "foreign_marks",
    "is_damage",
    "lost_columns",
    "read_any_text",
    "schema",
    "set_version",
    "translated",
    "version_of",
]

APPLICATION_ID = 0x41464649  # "AFFI": file(1) and other tools recognise the database by it


def create_tables(connection: Connection, several: Sequence[MetaData]) -> None:
    """Create the tables of a new ledger."""
    for metadata in several:
        create_empty(connection, metadata.sorted_tables)


def create_empty(connection: Connection, wanted: Sequence[Table]) -> None:
    """Create tables, of which there is none yet, with their indexes."""
    for statement in _definitions(tuple(wanted)):
        connection.exec_driver_sql(statement)


# Every verification makes the same tables anew, and to put them into words took it longer than to make them.
@lru_cache(maxsize=32)
def _definitions(wanted: tuple[Table, ...]) -> tuple[str, ...]:
    dialect = SQLiteDialect()
    made: list[CreateTable | CreateIndex] = []
    for table in wanted:
        made += [CreateTable(table), *map(CreateIndex, _by_name(table))]
    return tuple(str(each.compile(dialect=dialect)) for each in made)


def _by_name(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def create_guards(connection: Connection, only_grow: Sequence[Table]) -> None:
    """Create the triggers that stop an accidental UPDATE or DELETE."""
    for table in only_grow:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, 'a ledger only grows: {table.name} has no {verb}'); END"
            )


def version_of(connection: Connection) -> int:
    """Read which version of the tables the database has."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def set_version(connection: Connection, version: int) -> None:
    """Say which version of the tables the database has from now on."""
    connection.exec_driver_sql(f"PRAGMA user_version={version}")


def foreign_marks(connection: Connection) -> list[str]:
    """Name the marks, but for the version, by which a ledger is known and that are not what they should be."""
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    wrong = application != APPLICATION_ID
    return [f"application_id is {application}, not {APPLICATION_ID}"] if wrong else []


def lost_columns(connection: Connection, expected: Sequence[Table]) -> list[str]:
    """Name the tables and columns, of those expected, that the database no longer has."""
    lost = []
    for table in expected:
        info = connection.exec_driver_sql(f"PRAGMA table_info({table.name})").mappings()
        here = {row["name"] for row in info}
        if not here:
            lost.append(f"table {table.name}")
        else:
            lost.extend(f"column {table.name}.{c.name}" for c in table.columns if c.name not in here)
    return lost


def read_any_text(connection: Connection) -> None:
    """Read text that is not UTF-8 as it is, each byte as a surrogate of its own, instead of failing on it."""
    driver: Any = connection.connection.driver_connection
    driver.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


def check_pages(connection: Connection) -> list[str]:
    """List the damage that SQLite's own check finds."""
    try:
        said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except DatabaseError as error:
        if not is_damage(error):
            raise
        return [str(error.orig)]
    return [] if said == ["ok"] else [str(line) for line in said]


def is_damage(error: DBAPIError) -> bool:
    """Say whether the database itself is at fault, and not what is around it (a full disk, a lock, a lost mount)."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    # SQLITE_ERROR is what SQLite says when a table or column is not there, or its definition does not read.
    meant_for_it = code is not None and code & 0xFF == sqlite3.SQLITE_ERROR
    return meant_for_it or not isinstance(error, OperationalError)


def translated(connection: Connection, sql: str, error: sqlite3.Error) -> BaseException:
    """Wrap what the driver raises as SQLAlchemy does."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=connection.dialect)


def schema(connection: Connection) -> dict[str, str]:
    """Describe every table, index, view and trigger by name: what it does, not how its definition is spelled.

    The spelling is SQLAlchemy's and may change with its releases; a ledger made by another release is no worse.
    Only triggers are compared by their text, which is ours.
    """
    described = {}
    rows = connection.exec_driver_sql("SELECT type, name, coalesce(sql, '') FROM sqlite_master").all()
    for kind, name, sql in rows:
        if kind == "table":
            described[f"table {name}"] = repr((_columns(connection, name), _indexes(connection, name)))
        elif not str(name).startswith("sqlite_autoindex_"):
            described[f"{kind} {name}"] = str(sql) if kind == "trigger" else ""
    return described


def _columns(connection: Connection, table: str) -> list[tuple[object, ...]]:
    strict = [row["strict"] for row in _pragma(connection, "table_list", table)]
    columns = (tuple(row.values()) for row in _pragma(connection, "table_xinfo", table))
    return [tuple(strict), *columns]


def _indexes(connection: Connection, table: str) -> list[tuple[object, ...]]:
    found = []
    for index in _pragma(connection, "index_list", table):
        columns = ",".join(str(row["name"]) for row in _pragma(connection, "index_info", index["name"]))
        found.append((index["unique"], index["origin"], index["partial"], columns))
    return sorted(found)


def _pragma(connection: Connection, what: str, of: str) -> list[dict[str, Any]]:
    """Ask for what SQLite knows of a table or an index, whatever that is called."""
    quoted = of.replace('"', '""')
    statement = f'PRAGMA main.{what}("{quoted}")'
    # The driver is asked: eighty answers are wanted of a ledger, and SQLAlchemy takes longer over each than SQLite.
    driver: Any = connection.connection.driver_connection
    try:
        asked = driver.execute(statement)
        names = [column[0] for column in asked.description or ()]
        return [dict(zip(names, row, strict=True)) for row in asked]
    except sqlite3.Error as error:
        raise translated(connection, statement, error) from error
