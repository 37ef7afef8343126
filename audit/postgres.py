"""What is PostgreSQL's own about a ledger: how its database is opened, guarded and marked, and its inbox.

Rules:

- One ledger lies in one schema: the first of the connection's ``search_path``.
- Whoever writes holds an advisory lock until the transaction ends, so there is one writer at a time, as on SQLite. It
  is waited for (`BUSY_SECONDS`), then it is `EnvironmentFailed`. Writing runs at READ COMMITTED: the lock is granted
  after what the one before wrote is visible.
- Text is compared byte by byte (``COLLATE "C"``), as SQLite does, so that both order rows alike.
- Which tables there are is a comment on the table `records`.
- No message shows a password.

Source: PostgreSQL 15 documentation, 13.3.5 (advisory locks), 37.1 (information schema), appendix A (error codes).
"""

import os
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from audit.errors import EnvironmentFailed, MalformedInput

__all__ = [
    "LOCK",
    "check_pages",
    "create_guards",
    "create_tables",
    "drop_tables",
    "expected_schema",
    "failure",
    "fetch_row",
    "foreign_marks",
    "glance",
    "inbox",
    "is_damage",
    "keeping",
    "listening",
    "lost_columns",
    "open_url",
    "parse_url",
    "place_of",
    "quick_row",
    "read_any_text",
    "run",
    "schema",
    "set_version",
    "snapshot",
    "version_of",
]

BUSY_SECONDS = 60
LOCK = "1095124553, hashtext(current_schema())"
"""The advisory lock of the ledger in the current schema: "AFFI", as SQLite's application id."""

_MARK = "affidavit ledger, tables of version "
_GUARD = "affidavit_only_grows"
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


def parse_url(named: str) -> URL:
    """Read the URL of a shared ledger; `MalformedInput`, which shows no password, where it is of another database."""
    scheme = named.partition("://")[0]
    try:
        url = make_url(named)
    except (ArgumentError, ValueError):
        raise MalformedInput(f"the ledger's URL {scheme}://... does not read as one") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg") or not url.database:
        raise MalformedInput(
            f"the ledger {scheme}://... is of no database that is known here: give a path, or "
            "postgresql+psycopg://USER@HOST/DATABASE"
        )
    return url.set(drivername="postgresql+psycopg")


def open_url(url: URL) -> Engine:
    """Open the database of a shared ledger; nothing is connected yet."""
    try:
        engine = create_engine(
            url,
            pool_size=2,
            max_overflow=-1,
            execution_options={"affidavit_ledger": True},
            connect_args={"connect_timeout": 10, "application_name": "affidavit"},
        )
    except ModuleNotFoundError:
        raise EnvironmentFailed(
            "a ledger on PostgreSQL needs the driver: pip install 'affidavit[postgres]'"
        ) from None

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get("affidavit_writer", False):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")

    # A child process must not speak over its parent's connection. The hook cannot be taken back: it must not keep
    # the engine alive.
    ref = weakref.ref(engine)
    os.register_at_fork(before=lambda: None if (here := ref()) is None else here.dispose())
    return engine


def keeping(engine: Engine) -> Engine:
    """Return the engine itself: it keeps its connections anyway."""
    return engine


def snapshot(engine: Engine) -> Connection:
    """Open a connection that reads one view of the database, row by row."""
    return engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True, stream_results=True
    )


def place_of(connection: Connection) -> str:
    """Return the URL of the database, with its password."""
    return connection.engine.url.render_as_string(hide_password=False)


def glance(engine: Engine) -> Connection:
    """Open a connection to read a row or two, without the two messages to the server that a transaction takes."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def quick_row(engine: Engine, sql: str) -> tuple[Any, ...] | None:
    """Read one row as it is now; None where there is none."""
    with glance(engine) as connection:
        return fetch_row(connection, sql)


def run(connection: Connection, sql: str, rows: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each row of named values; return how many rows it touched."""
    return connection.execute(text(sql), rows).rowcount


def fetch_row(connection: Connection, sql: str) -> tuple[Any, ...] | None:
    """Read one row; None where there is none."""
    row = connection.exec_driver_sql(sql).first()
    return None if row is None else tuple(row)


@contextmanager
def listening(engine: Engine, channel: str) -> Iterator[Callable[[float], None]]:
    """Listen to a channel; yields what waits for a notice, or for so many seconds."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver: Any = connection.connection.driver_connection
        connection.exec_driver_sql(f"LISTEN {channel}")

        def wait(seconds: float) -> None:
            list(driver.notifies(timeout=seconds, stop_after=1))

        try:
            yield wait
        finally:
            if not driver.closed:
                connection.exec_driver_sql("UNLISTEN *")


def create_tables(connection: Connection, several: Sequence[MetaData]) -> None:
    """Create the tables, with text that is compared byte by byte, and the inbox."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise MalformedInput(f"the database holds text as {encoding}: make one with ENCODING 'UTF8'")
    if connection.exec_driver_sql("SELECT to_regclass('records')").scalar() is not None:
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
    said = connection.exec_driver_sql("SELECT obj_description(to_regclass('records'))").scalar()
    found = re.fullmatch(_MARK + "([0-9]{1,9})", said or "")
    return int(found[1]) if found else 0


def set_version(connection: Connection, version: int) -> None:
    """Say which version of the tables the database has from now on."""
    connection.exec_driver_sql(f"COMMENT ON TABLE records IS '{_MARK}{version}'")


def foreign_marks(connection: Connection) -> list[str]:
    """Name no mark: there is none but the version."""
    return []


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


def read_any_text(connection: Connection) -> None:
    """Do nothing: PostgreSQL lets no text in that is not UTF-8."""


def check_pages(connection: Connection) -> None:
    """Check nothing: what does it on PostgreSQL is pg_amcheck, which a superuser runs."""


def is_damage(error: DBAPIError) -> bool:
    """Say whether the database itself is at fault, and not what is around it."""
    code = str(getattr(error.orig, "sqlstate", None) or "")
    around = isinstance(error, OperationalError | InterfaceError) or code in _AROUND
    return not around


def failure(error: DBAPIError) -> str | None:
    """Say in a sentence of its own what failed around the database; None where the driver's words must do."""
    code = str(getattr(error.orig, "sqlstate", None) or "")
    if code in _AROUND:
        return _AROUND[code].format(words=" ".join(str(error.orig).split()))
    if error.connection_invalidated:
        return (
            "the connection to the ledger's database was lost: what was under way stands whole or not at all; look "
            "with `affidavit log` before you try again"
        )
    return None


_AROUND = {
    "42501": "the database's user lacks a right ({words}): nothing was half-written; "
    "`affidavit ledger roles` shows which roles there are",
    "25006": "this cannot be done by who may only read ({words}): it takes the log's key and the database's role "
    "affidavit_sequencer; nothing was half-written",
    "55P03": f"another process has held the ledger's lock for {BUSY_SECONDS} s: nothing was half-written, look what "
    "writes to it and try again",
}
"""Errors by SQLSTATE that are about rights and locks, and not about what the database holds."""


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


def expected_schema(expected: Sequence[Table], only_grow: Sequence[Table]) -> dict[str, str]:
    """Describe, in the same words, what the schema should hold."""
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
