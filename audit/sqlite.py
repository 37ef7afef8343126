"""What is SQLite's own about a ledger: how its file is made, opened and kept open, and how it is written and read.

Rules:

- WAL and ``synchronous=FULL``: what a commit has acknowledged survives a crash of the machine.
- ``BEGIN IMMEDIATE`` for writers only: a reader that took it would wait for itself.
- A database that others hold locked is waited for (`audit.sqlite_lock`).

This module knows no table: `audit.tables` says which there are. What a database defines is in `audit.sqlite_schema`.

Source: sqlite.org, "Write-Ahead Logging".
"""

import functools
import os
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from audit import sqlite_lock
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.forks import at_fork
from audit.sqlite_lock import failure
from audit.sqlite_schema import (
    APPLICATION_ID,
    check_pages,
    create_empty,
    create_guards,
    create_tables,
    foreign_marks,
    is_damage,
    lost_columns,
    read_any_text,
    schema,
    set_version,
    translated,
    version_of,
)
from audit.sqlite_scrub import scrub

__all__ = [
    "APPLICATION_ID",
    "SHARED",
    "check_pages",
    "create_empty",
    "create_file",
    "create_guards",
    "create_tables",
    "damage",
    "expected_schema",
    "failure",
    "fetch_row",
    "foreign_marks",
    "glance",
    "identity_of",
    "is_damage",
    "keeping",
    "lost_columns",
    "open_file",
    "open_place",
    "open_scratch",
    "place_of",
    "quick_row",
    "read_any_text",
    "run",
    "run_together",
    "schema",
    "scrub",
    "sent_together",
    "set_version",
    "snapshot",
    "version_of",
]

SHARED = False
_KEPT_CONNECTIONS = 16
"""Of so many threads that append at once none opens the file anew, which takes a millisecond."""

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


def open_place(place: str) -> Engine:
    """Open what `place_of` named."""
    return open_file(Path(place))


def identity_of(place: str) -> list[int] | None:
    """Tell a file from another that has its name later: its device and its inode, None where there is no file."""
    try:
        found = os.stat(place)  # noqa: PTH116 - a Path takes ten times as long, and this is asked for every append
    except OSError:
        return None
    return [found.st_dev, found.st_ino]


@functools.cache  # with each engine goes what SQLAlchemy compiled for it, a fifth of the verification of a small ledger
def open_scratch() -> Engine:
    """Open an empty database for replaying, of each connection its own: it goes away with that.

    It is on disk once it is large.
    """
    # SQLite documentation, "Temporary databases": no name means one of its own, kept in memory while it fits a cache.
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(""),
        poolclass=NullPool,
        execution_options={"affidavit_ledger": True},
    )
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
    path = unquote(str(engine.url.database).removeprefix("file:"))
    kept = create_engine(
        engine.url,
        poolclass=QueuePool,
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=-1,
        execution_options={"affidavit_ledger": True},
        connect_args={"timeout": sqlite_lock.BUSY_SECONDS, "check_same_thread": False},
    )
    _configure(kept, durable=True)

    files = (path, f"{path}-wal")

    @event.listens_for(kept, "checkin")
    def checked_in(_: object, record: ConnectionPoolEntry) -> None:
        # The WAL is there from the first use on, and as long as somebody has the database open.
        if "files" not in record.info:
            record.info["files"] = [identity_of(file) for file in files]

    @event.listens_for(kept, "checkout")
    def checked_out(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info.get("files") not in (None, [identity_of(file) for file in files]):
            raise EnvironmentFailed(
                f"{path} was replaced while this process had it open: nothing was appended; end every process that "
                "uses it, look with `affidavit verify`, and start again"
            )

    at_fork(kept, before=Engine.dispose)
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
        raise translated(connection, sql, error) from error


def run_together(
    connection: Connection, statements: Sequence[tuple[str, Sequence[dict[str, Any]]]]
) -> list[int]:
    """Execute statements that do not wait for each other's answers; return how many rows each touched."""
    return [run(connection, sql, rows) for sql, rows in statements]


def sent_together(connection: Connection) -> AbstractContextManager[None]:
    """Do nothing: no message is sent to a file."""
    return nullcontext()


def fetch_row(
    connection: Connection, sql: str, values: dict[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """Read one row; None where there is none."""
    driver: Any = connection.connection.driver_connection
    try:
        row: tuple[Any, ...] | None = driver.execute(sql, values or {}).fetchone()
    except sqlite3.Error as error:
        raise translated(connection, sql, error) from error
    return row


def expected_schema(
    scratch: Connection, expected: Sequence[Table], only_grow: Sequence[Table]
) -> dict[str, str]:
    """Describe what `schema` should find: what is in `scratch`, an SQLite database whose tables were just made."""
    return schema(scratch)


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


def damage(error: DBAPIError) -> str | None:
    """Say nothing of its own: SQLite's words must do."""
    return None


def _engine(uri: str) -> Engine:
    # No pool: a forked child never inherits an open connection, and nobody holds the file who does not use it.
    engine = create_engine(
        f"sqlite:///{uri}&uri=true",
        poolclass=NullPool,
        connect_args={"timeout": sqlite_lock.BUSY_SECONDS},
        execution_options={"affidavit_ledger": True},
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
        driver: Any = connection.connection.driver_connection
        if not connection.get_execution_options().get("affidavit_writer", False):
            driver.execute("BEGIN")  # which waits for nobody, so there is no error to translate
        else:
            try:
                sqlite_lock.begin_writing(driver)
            except sqlite3.Error as error:
                raise translated(connection, "BEGIN IMMEDIATE", error) from error


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))
