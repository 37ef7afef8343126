"""The lock of SQLite's one writer: how long it is waited for, and what is said meanwhile.

Rules:

- A database that others hold locked is waited for (`BUSY_SECONDS`), then it is `EnvironmentFailed`.
- Who waits long to write is told so (`QUIET_SECONDS`), by a warning of the logger ``audit.sqlite``, which is on
  standard error unless the program says otherwise.

Source: sqlite.org, "Result and Error Codes".
"""

import logging
import sqlite3

from sqlalchemy.exc import DBAPIError

__all__ = ["BUSY_SECONDS", "QUIET_SECONDS", "begin_writing", "failure"]

BUSY_SECONDS = 60.0
QUIET_SECONDS = 3.0
_logger = logging.getLogger("audit.sqlite")


def begin_writing(driver: sqlite3.Connection) -> None:
    """Wait for the one writer's lock; say so before that has taken long."""
    quiet = min(QUIET_SECONDS, BUSY_SECONDS)
    try:
        driver.execute(f"PRAGMA busy_timeout={quiet * 1000:.0f}")
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        left = BUSY_SECONDS - quiet
        if not _is_busy(error) or left <= 0:
            raise
        file = driver.execute("PRAGMA database_list").fetchone()[2]
        _logger.warning("another process is writing to %s: waiting up to %g s for it to end", file, left)
        driver.execute(f"PRAGMA busy_timeout={left * 1000:.0f}")
        driver.execute("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")


def failure(error: DBAPIError) -> str | None:
    """Say in a sentence of its own what failed around the database; None where the driver's words must do."""
    if _is_busy(error.orig):
        return (
            f"another process has held the ledger's database for {BUSY_SECONDS:g} s: "
            "nothing was half-written, look what writes to it and try again"
        )
    return None


def _is_busy(error: object) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY
