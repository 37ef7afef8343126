"""What is SQLite's own about a ledger: how its file is opened and marked, and what SQLite can tell about it.

Rules:

- WAL and ``synchronous=FULL``: what a commit has acknowledged survives a crash of the machine.
- ``BEGIN IMMEDIATE`` for writers only: a reader that took it would wait for itself.
- A database that others hold locked is waited for (`BUSY_SECONDS`), then it is `EnvironmentFailed`.
- The number ``user_version`` in the file says which tables there are.
- What SQLite knows of a file is asked with statements (``PRAGMA table_list``), never with the table-valued functions
  of the same names: a table that is called ``pragma_table_list`` in the file would answer in their place.

This module knows no table: `audit.tables` says which there are.

Source: sqlite.org, "Write-Ahead Logging", "STRICT Tables", "Result and Error Codes".
"""

import os
import sqlite3
import weakref
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, MetaData, RowMapping, Table, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from audit.errors import EnvironmentFailed, MalformedInput, NotFound

__all__ = [
    "APPLICATION_ID",
    "check_pages",
    "create_file",
    "create_guards",
    "create_tables",
    "damage",
    "failure",
    "fetch_row",
    "foreign_marks",
    "glance",
    "identity",
    "is_damage",
    "keeping",
    "lost_columns",
    "open_file",
    "open_scratch",
    "place_of",
    "quick_row",
    "read_any_text",
    "run",
    "run_together",
    "schema",
    "set_version",
    "snapshot",
    "version_of",
]

APPLICATION_ID = 0x41464649  # "AFFI": file(1) and other tools recognise the database by it
BUSY_SECONDS = 60.0
# secure_delete: what an erasure deletes is overwritten, and so is what a later grant of the same key replaces.
_PRAGMAS = ("synchronous=FULL", "trusted_schema=OFF", "cell_size_check=ON", "secure_delete=ON")


def open_file(path: Path) -> Engine:
    """Open the SQLite file of an embedded ledger; `NotFound` where there is none."""
    if not path.is_file():
        raise NotFound(f"there is no ledger at {path.parent}: make one with `affidavit init`")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _engine(f"file:{_quoted(path)}?mode=rw")
    # An auditor's read-only copy: SQLite would need to write beside a database with WAL, unless nobody can.
    journal = path.with_name(path.name + "-wal")
    if journal.exists() and journal.stat().st_size > 0:
        raise EnvironmentFailed(
            f"{path} cannot be written and its newest entries are still in {journal.name}: copy the whole folder to "
            "a place that can be written, and open the copy"
        )
    return _engine(f"file:{_quoted(path)}?mode=ro&immutable=1")


def place_of(connection: Connection) -> str:
    """Return the path of the file that is open; empty for a database without one."""
    rows = connection.exec_driver_sql("PRAGMA database_list").all()
    return next((str(file or "") for _, name, file in rows if name == "main"), "")


def identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from another that has its name later: its device and its inode, None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_scratch() -> Engine:
    """Open an empty database for replaying: it goes away with its one connection, and is on disk once it is large."""
    # SQLite documentation, "Temporary databases": no name means one of its own, kept in memory while it fits a cache.
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(""), poolclass=NullPool)
    _configure(engine, durable=False)
    return engine


def keeping(engine: Engine) -> Engine:
    """Return an engine on the same file that keeps its connections, for one who writes again and again.

    Opening costs about as much as an fsync, and closing the last connection empties the WAL. But who writes to a file
    that was replaced writes to nothing, so a kept connection is handed out only while database and WAL are the files
    that it opened; and SQLite's locks do not survive a fork, so all are closed before one (sqlite.org, "How To Corrupt
    An SQLite Database File", 2.2 and 2.6). `dispose` closes them.
    """
    if not str(engine.url.database).startswith("file:"):
        return engine
    path = Path(unquote(str(engine.url.database).removeprefix("file:")))
    kept = create_engine(
        engine.url,
        poolclass=QueuePool,
        max_overflow=-1,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    _configure(kept, durable=True)

    files = (path, path.with_name(path.name + "-wal"))

    @event.listens_for(kept, "checkin")
    def checked_in(_: object, record: ConnectionPoolEntry) -> None:
        # The WAL is there from the first use on, and as long as somebody has the database open.
        record.info.setdefault("files", [identity(file) for file in files])

    @event.listens_for(kept, "checkout")
    def checked_out(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info.get("files") not in (None, [identity(file) for file in files]):
            raise EnvironmentFailed(
                f"{path} was replaced while this process had it open: nothing was appended; end every process that "
                "uses it, look with `affidavit verify`, and start again"
            )

    # The hooks cannot be taken back: they must not keep the engine alive.
    ref = weakref.ref(kept)
    os.register_at_fork(before=lambda: None if (here := ref()) is None else here.dispose())
    return kept


def snapshot(engine: Engine) -> Connection:
    """Open a connection whose transaction reads one view of the database."""
    return engine.connect()


def glance(engine: Engine) -> Connection:
    """Open a connection to read a row or two: on a file, a transaction costs next to nothing."""
    return engine.connect()


def quick_row(engine: Engine, sql: str, values: dict[str, Any] | None = None) -> tuple[Any, ...] | None:
    """Read one row as it is now; None where there is none, or it cannot be read."""
    pooled = engine.raw_connection()
    try:
        driver: Any = pooled.driver_connection
        row: tuple[Any, ...] | None = driver.execute(sql, values or {}).fetchone()
        return row
    except sqlite3.Error:
        return None
    finally:
        pooled.close()


def run(connection: Connection, sql: str, rows: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each row of named values by the driver alone; return how many rows it touched.

    SQLAlchemy takes ten times as long for it as SQLite does.
    """
    driver: Any = connection.connection.driver_connection
    try:
        return int(driver.executemany(sql, rows).rowcount)
    except sqlite3.Error as error:
        raise DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=connection.dialect) from error


def run_together(
    connection: Connection, statements: Sequence[tuple[str, Sequence[dict[str, Any]]]]
) -> list[int]:
    """Execute statements that do not wait for each other's answers; return how many rows each touched."""
    return [run(connection, sql, rows) for sql, rows in statements]


def fetch_row(
    connection: Connection, sql: str, values: dict[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """Read one row; None where there is none."""
    driver: Any = connection.connection.driver_connection
    try:
        row: tuple[Any, ...] | None = driver.execute(sql, values or {}).fetchone()
    except sqlite3.Error as error:
        raise DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=connection.dialect) from error
    return row


def create_file(path: Path) -> None:
    """Create the SQLite file with its marks and no table; `MalformedInput` where there is a file already."""
    if path.exists():
        raise MalformedInput(f"{path} exists: a ledger is never overwritten, choose another folder")
    try:
        # These are the file's own settings, and SQLite changes the journal's mode only outside a transaction.
        with closing(sqlite3.connect(path)) as bare:
            bare.execute("PRAGMA journal_mode=WAL")
            bare.execute(f"PRAGMA application_id={APPLICATION_ID}")
    except sqlite3.Error as error:
        raise EnvironmentFailed(f"the ledger's database {path} cannot be made: {error}") from error


def create_tables(connection: Connection, several: Sequence[MetaData]) -> None:
    """Create the tables of a new ledger."""
    for metadata in several:
        metadata.create_all(connection)


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


def damage(error: DBAPIError) -> str | None:
    """Say nothing of its own: SQLite's words must do."""
    return None


def failure(error: DBAPIError) -> str | None:
    """Say in a sentence of its own what failed around the database; None where the driver's words must do."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return (
            f"another process has held the ledger's database for {BUSY_SECONDS:g} s: "
            "nothing was half-written, look what writes to it and try again"
        )
    return None


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


def _pragma(connection: Connection, what: str, of: str) -> Sequence[RowMapping]:
    """Ask for what SQLite knows of a table or an index, whatever that is called."""
    quoted = of.replace('"', '""')
    return connection.exec_driver_sql(f'PRAGMA main.{what}("{quoted}")').mappings().all()


def _engine(uri: str) -> Engine:
    # No pool: a forked child never inherits an open connection, and nobody holds the file who does not use it.
    engine = create_engine(
        f"sqlite:///{uri}&uri=true", poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}
    )
    _configure(engine, durable=True)
    return engine


def _configure(engine: Engine, *, durable: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # SQLAlchemy and not the driver says BEGIN (SQLAlchemy docs, "Serializable isolation / Savepoints").
        connection.isolation_level = None
        for pragma in _PRAGMAS if durable else ():
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writer = connection.get_execution_options().get("affidavit_writer", False)
        if not writer:
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")  # which waits for nobody, so there is no error to translate
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))
