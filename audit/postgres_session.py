"""What a session with PostgreSQL must be before a ledger relies on it: one with the server itself, and durable.

Rules:

- It is asked once for each connection, in one message to the server.
- A pooler between (PgBouncer and others) that shares connections is refused: in transaction mode the next statement may
  go to another process of the server, so that nobody hears what was listened for, and prepared statements are gone.
  That there is a pooler is known by the process that the connection was told of and the one that answers, which are
  two; that it shares, by a second process that answers the same connection, or by one that answers two connections
  that are open at once: which of them happens depends on how it takes turns (PgBouncer's `server_round_robin`).
- Where the server's default is `synchronous_commit = off`, the session has it on: what is acknowledged is on the disk.
- Who writes is refused where `fsync` or `full_page_writes` is off: a loss of power takes acknowledged entries then, or
  leaves halves of pages. Reading is not.

Source: PostgreSQL 15 documentation, 20.5.1 (settings of the write-ahead log), 55.2.8 (canceling requests).
"""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from audit.errors import EnvironmentFailed

__all__ = ["check_durable", "look_at_sessions"]

_LOOK = (
    "SELECT pg_backend_pid(), current_setting('synchronous_commit'), "
    "ARRAY(SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes']) AS name WHERE current_setting(name) = 'off')"
)
_PROCESS = "SELECT pg_backend_pid()"
_TRIES = 3
"""Somebody else may take the process over in between, so that one look proves nothing."""

_OFF = "affidavit_off"


def look_at_sessions(engine: Engine) -> None:
    """Look at every new connection of an engine; `EnvironmentFailed` where a pooler stands between."""
    event.listen(engine, "connect", _look)


def _look(driver: Any, record: ConnectionPoolEntry) -> None:
    was = driver.autocommit
    driver.autocommit = True
    process, commit, off = driver.execute(_LOOK).fetchone()
    if process != driver.info.backend_pid and _is_shared(driver, process):
        driver.close()
        raise EnvironmentFailed(
            "a connection pooler (such as PgBouncer) stands before the ledger's database and shares its connections: "
            "what a ledger listens for and prepares is lost there; name the server itself in the URL, or a pooler in "
            "session mode (pool_mode = session)"
        )
    if commit == "off":
        driver.execute("SET synchronous_commit = on")
    driver.autocommit = was
    record.info[_OFF] = off


def _is_shared(driver: Any, process: int) -> bool:
    """Say whether not only `process` answers this connection, or it answers one opened beside this one too."""
    for _ in range(_TRIES):
        if _process(driver) != process or _process(driver) != process:
            return True
        with type(driver).connect(driver.info.dsn, password=driver.info.password, autocommit=True) as other:
            if _process(other) == process:
                return True
    return False


def _process(driver: Any) -> int:
    # Never prepared, as the driver does with what is asked often: behind a pooler that fails.
    [process] = driver.execute(_PROCESS, prepare=False).fetchone()
    return int(process)


def check_durable(connection: Connection) -> None:
    """Refuse to write where the server does not keep what it acknowledges; `EnvironmentFailed`."""
    off = connection.info.get(_OFF)
    if off:
        raise EnvironmentFailed(
            f"the server runs with {' and '.join(off)} off, so that a loss of power takes entries that were "
            "acknowledged: turn it on in postgresql.conf; nothing was written"
        )
