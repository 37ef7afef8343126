"""What is PostgreSQL's own about a ledger: how its database is opened, read and written.

Rules:

- One ledger lies in one schema: the first of the connection's ``search_path``.
- Whoever writes holds an advisory lock until the transaction ends, so there is one writer at a time, as on SQLite. It
  is waited for (`BUSY_SECONDS`), then it is `EnvironmentFailed`. Writing runs at READ COMMITTED: the lock is granted
  after what the one before wrote is visible.
- A message to the server and back takes longer than the work of most statements, so what need not wait for an answer is
  sent together (psycopg's pipeline), and by the driver alone where SQLAlchemy would take longer than the server.
- A kept connection that the server has closed, as one that is started again does, is opened anew before it is used.
  One that was struck down in the middle of a command is closed (`audit.postgres_driver`).
- No message shows a password, and no error repeats what was written.

What else differs stands in `audit.postgres_url`, `audit.postgres_schema`, `audit.postgres_session`,
`audit.postgres_failures` and `audit.postgres_scrub`.

Source: PostgreSQL 15 documentation, 13.3.5 (advisory locks), 34.5 (pipeline mode).
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from select import POLLIN, poll
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from audit.errors import AffidavitError, EnvironmentFailed
from audit.forks import at_fork
from audit.postgres_failures import BUSY_SECONDS, damage, failure, is_damage
from audit.postgres_schema import (
    create_guards,
    create_tables,
    drop_tables,
    expected_schema,
    inbox,
    lost_columns,
    schema,
    set_version,
    version_of,
)
from audit.postgres_scrub import scrub
from audit.postgres_session import check_durable, look_at_sessions
from audit.postgres_url import HARMLESS, parse_url

__all__ = [
    "LOCK",
    "NEXT",
    "SHARED",
    "check_pages",
    "create_guards",
    "create_tables",
    "damage",
    "drop_tables",
    "expected_schema",
    "failure",
    "fetch_row",
    "foreign_marks",
    "glance",
    "identity_of",
    "inbox",
    "is_damage",
    "is_lock_taken",
    "keeping",
    "lock",
    "lost_columns",
    "open_place",
    "open_url",
    "parse_url",
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
    "translated",
    "version_of",
]

SHARED = True
LOCK = "1095124553, hashtext(current_schema())"
"""The advisory lock of the ledger in the current schema: "AFFI", as SQLite's application id."""

NEXT = "1095124558, hashtext(current_schema())"
"""The advisory lock of the one who waits to be the next with that lock: "AFFN"."""

_KEPT_CONNECTIONS = 16
_LOCK_TAKEN = "55P03"
_GLANCING = "affidavit_glancing"
_USED = "affidavit_used"
_QUIET = logging.NullHandler()


def open_url(url: URL) -> Engine:
    """Open the database of a shared ledger; nothing is connected yet."""
    # The driver logs, besides raising it, that a connection was lost: who wants to read it sets logging up.
    logging.getLogger("psycopg").addHandler(_QUIET)
    try:
        glancing = _engine(url, isolation_level="AUTOCOMMIT")
        # The lock is granted after what the one before wrote is visible, whatever the server's default is.
        engine = _engine(url, isolation_level="READ COMMITTED", execution_options={_GLANCING: glancing})
    except ModuleNotFoundError:
        raise EnvironmentFailed(
            "a ledger on PostgreSQL needs the driver: pip install 'affidavit[postgres]'"
        ) from None

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get("affidavit_writer", False):
            lock(connection)

    event.listen(engine, "engine_disposed", lambda _: glancing.dispose())
    at_fork(engine, before=Engine.dispose)  # a child process must not speak over its parent's connection
    return engine


def _engine(url: URL, *, execution_options: dict[str, Any] | None = None, **more: Any) -> Engine:
    # What could be a secret is given to the driver alone: SQLAlchemy shows the query of a URL.
    aside = {key: value for key, value in url.query.items() if key not in HARMLESS}
    place = {"affidavit_place": partial(url.render_as_string, hide_password=False), "affidavit_ledger": True}
    engine = create_engine(
        url.difference_update_query(aside),
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 10, "application_name": "affidavit", **aside},
        execution_options=place | (execution_options or {}),
        **more,
    )
    event.listen(engine, "do_connect", _connect)
    look_at_sessions(engine)
    event.listen(engine, "checkin", _was_used)
    event.listen(engine, "checkout", _check_open)
    return engine


def _connect(
    dialect: Dialect, record: ConnectionPoolEntry, arguments: list[Any], more: dict[str, Any]
) -> Any:
    from audit.postgres_driver import ClosingConnection

    return ClosingConnection.connect(*arguments, **more)


def _was_used(driver: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = True


def _check_open(driver: Any, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """Have a kept connection replaced on which the server said something unasked: all that it says then is goodbye.

    It costs no message to the server, as asking whether it is still there would.
    """
    if not record.info.get(_USED):
        return
    if driver.closed or _has_something_to_say(driver.fileno()):
        raise DisconnectionError


def _has_something_to_say(socket: int) -> bool:
    # Not select, which takes no number from 1,024 on.
    polled = poll()
    polled.register(socket, POLLIN)
    return bool(polled.poll(0))


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
    place: str = connection.get_execution_options()["affidavit_place"]()
    return place


def open_place(place: str) -> Engine:
    """Open what `place_of` named."""
    return open_url(parse_url(place))


def identity_of(place: str) -> None:
    """Tell nothing of a server's database from another: it has no file here."""


def glance(engine: Engine) -> Connection:
    """Open a connection to read a row or two, without the two messages to the server that a transaction takes."""
    glancing: Engine = engine.get_execution_options()[_GLANCING]
    return glancing.connect()


def quick_row(engine: Engine, sql: str, values: dict[str, Any] | None = None) -> tuple[Any, ...] | None:
    """Read one row as it is now; None where there is none."""
    try:
        with glance(engine) as connection:
            return fetch_row(connection, sql, values)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    # The connection was kept, and cut while nobody used it, as by a server that was started again.
    with glance(engine) as connection:
        return fetch_row(connection, sql, values)


def run(connection: Connection, sql: str, rows: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each row of named values by the driver alone; return how many rows it touched."""
    if not rows:
        return 0
    with translated(connection) as driver, driver.cursor() as cursor:
        cursor.executemany(_driver_sql(sql), rows)
        return int(cursor.rowcount)


def run_together(
    connection: Connection, statements: Sequence[tuple[str, Sequence[dict[str, Any]]]]
) -> list[int]:
    """Execute statements that do not wait for each other's answers; return how many rows each touched."""
    with translated(connection) as driver:
        cursors = [driver.cursor() for _ in statements]
        with driver.pipeline():
            for cursor, (sql, rows) in zip(cursors, statements, strict=True):
                cursor.executemany(_driver_sql(sql), rows)
        return [int(cursor.rowcount) for cursor in cursors]


@contextmanager
def sent_together(connection: Connection) -> Iterator[None]:
    """Send what is executed in the block as one message; what failed is raised when it ends."""
    with translated(connection) as driver, driver.pipeline():
        yield


def fetch_row(
    connection: Connection, sql: str, values: dict[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """Read one row; None where there is none."""
    with translated(connection) as driver:
        row: tuple[Any, ...] | None = driver.execute(_driver_sql(sql), values or {}).fetchone()
        return row


def lock(connection: Connection, seconds: int = BUSY_SECONDS) -> None:
    """Wait so long for the ledger's lock, which ends with the transaction; then raise `EnvironmentFailed`."""
    check_durable(connection)
    try:
        connection.exec_driver_sql(
            f"SELECT set_config('lock_timeout', '{seconds}s', true), pg_advisory_xact_lock({LOCK})"
        )
    except DBAPIError as error:
        if not is_lock_taken(error):
            raise
        raise EnvironmentFailed(
            f"another process has held the ledger's lock for {seconds} s: nothing was half-written, look what writes "
            "to it and try again"
        ) from error


def is_lock_taken(error: BaseException | None) -> bool:
    """Say whether an error, or what it was raised from, is that the lock was waited for in vain."""
    if not isinstance(error, DBAPIError):
        return error is not None and is_lock_taken(error.__cause__)
    return getattr(error.orig, "sqlstate", None) == _LOCK_TAKEN


@contextmanager
def translated(connection: Connection) -> Iterator[Any]:
    """Give the driver's own connection; what it raises is SQLAlchemy's error, as of a statement that SQLAlchemy ran."""
    driver: Any = connection.connection.driver_connection
    dialect: Any = connection.dialect
    try:
        yield driver
    except dialect.dbapi.Error as error:
        lost = bool(driver.closed)
        if lost:
            connection.invalidate(error)
            connection.engine.dispose()  # the others that are kept are those of a server that is gone
        raise DBAPIError.instance(
            None, None, error, dialect.dbapi.Error, connection_invalidated=lost, dialect=dialect
        ) from error
    except (AffidavitError, SQLAlchemyError):
        raise
    except BaseException:
        # Struck down before an answer was read, as by a signal: the next to use it would take that for its own.
        connection.invalidate()
        raise


@cache
def _driver_sql(sql: str) -> str:
    """Write a statement's ``:name`` as psycopg does."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql.replace("%", "%%"))


def foreign_marks(connection: Connection) -> list[str]:
    """Name no mark: there is none but the version."""
    return []


def read_any_text(connection: Connection) -> None:
    """Do nothing: PostgreSQL lets no text in that is not UTF-8."""


def check_pages(connection: Connection) -> None:
    """Check nothing: what does it on PostgreSQL is pg_amcheck, which a superuser runs."""
