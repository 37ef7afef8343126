"""The schema of a ledger on PostgreSQL: making it, and describing it so that what was changed is found.

Rules:

- Text is compared byte by byte (``COLLATE "C"``), as SQLite does, so that both order rows alike.
- Which version the tables are of is a comment on the table `records`.
- A table of somebody else in the schema is neither used nor dropped.
- The definitions of tables and triggers are compared with what this module would make, in the same words.

Source: PostgreSQL 15 documentation, 37.1 (information schema), CREATE TRIGGER, COMMENT.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    TEXT,
    Column,
    Connection,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
)

from audit.errors import MalformedInput

__all__ = [
    "create_guards",
    "create_tables",
    "drop_tables",
    "expected_schema",
    "inbox",
    "lost_columns",
    "schema",
    "set_version",
    "version_of",
]

_MARK = "affidavit ledger, tables of version "
_GUARD = "affidavit_only_grows"
_RECORDS = "to_regclass(quote_ident(current_schema()) || '.records')"
_GUARD_BODY = "BEGIN RAISE EXCEPTION 'a ledger only grows: % has no %', TG_TABLE_NAME, TG_OP; END"

inbox_metadata = MetaData()
inbox = Table(
    "inbox",
    inbox_metadata,
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("said", LargeBinary, nullable=False),
    Column("if_size", Integer),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("refused_as", Text),
    Column("refused", Text),
)
"""Envelopes that wait to be appended, a row for each submission. A row goes away when its entries stand.

`if_size`: append only while the ledger has this many entries. `until`: no later. `refused`: why it was not appended.
"""


def create_tables(connection: Connection, several: Sequence[MetaData]) -> None:
    """Create the tables, with text that is compared byte by byte, and the inbox."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise MalformedInput(f"the database holds text as {encoding}: make one with ENCODING 'UTF8'")
    if connection.exec_driver_sql(f"SELECT {_RECORDS}").scalar() is not None:
        raise MalformedInput("the database holds a ledger already: a ledger is never overwritten")
    # What is somebody else's is never taken for ours: an init that fails takes its own tables away again.
    ours = {table.name for metadata in (*several, inbox_metadata) for table in metadata.sorted_tables}
    taken = sorted(ours & set(inspect(connection).get_table_names()))
    if taken:
        raise MalformedInput(
            f"the database has tables called {', '.join(taken)} already: give an empty database, or a schema of its own"
        )
    for metadata in (*several, inbox_metadata):
        _with_plain_text(metadata).create_all(connection, checkfirst=False)


def drop_tables(connection: Connection, several: Sequence[MetaData]) -> None:
    """Take away the tables of a ledger that was not made to the end."""
    for metadata in (*several, inbox_metadata):
        metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {_GUARD}")


def create_guards(connection: Connection, only_grow: Sequence[Table]) -> None:
    """Create the triggers that stop an accidental UPDATE, DELETE or TRUNCATE."""
    body = _GUARD_BODY.replace("%", "%%")  # a single one is the driver's placeholder
    connection.exec_driver_sql(f"CREATE FUNCTION {_GUARD}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    for table in only_grow:
        connection.exec_driver_sql(_guard_of(table.name))


def version_of(connection: Connection) -> int:
    """Read which version of the tables the database has; 0 where it says none."""
    said = connection.exec_driver_sql(f"SELECT obj_description({_RECORDS})").scalar()
    found = re.fullmatch(_MARK + "([0-9]{1,9})", said or "")
    return int(found[1]) if found else 0


def set_version(connection: Connection, version: int) -> None:
    """Say which version of the tables the database has from now on."""
    connection.exec_driver_sql(f"COMMENT ON TABLE records IS '{_MARK}{version}'")


def lost_columns(connection: Connection, expected: Sequence[Table]) -> list[str]:
    """Name the tables and columns, of those expected, that the database no longer has."""
    rows = connection.exec_driver_sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    ).all()
    here = {(row[0], row[1]) for row in rows}
    names = {table for table, _ in here}
    lost = []
    for table in expected:
        if table.name not in names:
            lost.append(f"table {table.name}")
        else:
            lost.extend(
                f"column {table.name}.{c.name}" for c in table.columns if (table.name, c.name) not in here
            )
    return lost


def schema(connection: Connection) -> dict[str, str]:
    """Describe every table, view and trigger of the schema by name."""
    seen = inspect(connection)
    described = {f"table {name}": _described(seen, name) for name in seen.get_table_names()}
    described |= {f"view {name}": "" for name in seen.get_view_names()}
    triggers = connection.exec_driver_sql(
        "SELECT t.tgname, pg_get_triggerdef(t.oid, true), t.tgenabled::text, p.prosrc FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
    )
    return described | {f"trigger {name}": repr(tuple(map(str, about))) for name, *about in triggers}


def expected_schema(
    scratch: Connection, expected: Sequence[Table], only_grow: Sequence[Table]
) -> dict[str, str]:
    """Describe, in the same words, what the schema should hold; `scratch` is an SQLite database and shows nothing."""
    described = {f"table {table.name}": _wanted(table) for table in (*expected, inbox)}
    for table in only_grow:
        about = (_guard_of(table.name), "O", _GUARD_BODY)
        described[f"trigger {table.name}_only_grows"] = repr(about)
    return described


def _described(seen: Any, name: str) -> str:
    columns = [
        (c["name"], c["type"].__class__.__name__, getattr(c["type"], "collation", None), c["nullable"])
        for c in seen.get_columns(name)
    ]
    unique = sorted(tuple(u["column_names"]) for u in seen.get_unique_constraints(name))
    return repr((columns, tuple(seen.get_pk_constraint(name)["constrained_columns"]), unique))


def _wanted(table: Table) -> str:
    names = {"Integer": "INTEGER", "LargeBinary": "BYTEA", "Text": "TEXT", "DateTime": "TIMESTAMP"}
    columns = [
        (
            c.name,
            names[type(c.type).__name__],
            "C" if isinstance(c.type, Text) else None,
            bool(c.nullable),
        )
        for c in table.columns
    ]
    unique = sorted((c.name,) for c in table.columns if c.unique)
    return repr((columns, tuple(c.name for c in table.primary_key.columns), unique))


def _guard_of(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_only_grows BEFORE DELETE OR UPDATE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {_GUARD}()"
    )


def _with_plain_text(metadata: MetaData) -> MetaData:
    copied = MetaData()
    for table in metadata.sorted_tables:
        for column in table.to_metadata(copied).columns:
            if isinstance(column.type, Text):
                column.type = TEXT(collation="C")
    return copied
