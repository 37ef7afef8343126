"""Scrubbing an embedded ledger: what was deleted is overwritten in SQLite's files, and looked for.

Rules:

- The connections that delete run with ``secure_delete=ON``. Afterwards the write-ahead log is emptied (a checkpoint,
  TRUNCATE) and the bytes of the file are read again.
- Where a remnant is found (a page that was split once keeps old bytes), the file is rebuilt with VACUUM and read again.

Source: SQLite documentation, PRAGMA secure_delete and wal_checkpoint.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

__all__ = ["scrub"]

_CHUNK = 1 << 20
_LONG_ENOUGH = 6
"""A shorter name is found by chance among the hashes."""
_AGAIN = "run the same command again"


def scrub(
    engine: Engine, written: Sequence[str], secrets: Sequence[bytes], names: Sequence[str]
) -> tuple[str, str | None]:
    """Empty the log and read the file again; return what was done, and why they are not clean yet, if they are not."""
    long = [name.encode() for name in names if len(name.encode()) >= _LONG_ENOUGH]
    with closing(engine.raw_connection()) as raw:
        try:
            return _scrubbed(raw.driver_connection, secrets, long)
        except (sqlite3.Error, OSError) as error:
            return "", f"the database's file could not be scrubbed ({error}): {_AGAIN}"


def _scrubbed(connection: Any, secrets: Sequence[bytes], names: Sequence[bytes]) -> tuple[str, str | None]:
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    if not _emptied(connection):
        return "", f"another process is reading, so the write-ahead log was not emptied: {_AGAIN}"
    if secrets and not _holds(path, [*secrets, *names]):
        return (
            "the write-ahead log was emptied and the database's file read again: no trace is left in them",
            None,
        )
    connection.execute("VACUUM")
    if not _emptied(connection):
        return "", f"another process is reading, so the write-ahead log was not emptied: {_AGAIN}"
    if _holds(path, secrets):
        return "", f"the database's file still holds a key after it was rebuilt: {_AGAIN}"
    elsewhere = "; the name stands elsewhere in it, in another row or entry" if _holds(path, names) else ""
    return f"the write-ahead log was emptied and the database's file rebuilt{elsewhere}", None


def _emptied(connection: Any) -> bool:
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _holds(path: Path, remnants: Sequence[bytes]) -> bool:
    """Say whether a file holds one of these byte strings, reading it piece by piece."""
    overlap = max((len(remnant) for remnant in remnants), default=1) - 1
    before = b""
    with path.open("rb") as file:
        while remnants and (piece := file.read(_CHUNK)):
            window = before + piece
            if any(remnant in window for remnant in remnants):
                return True
            before = window[-overlap:] if overlap else b""
    return False
