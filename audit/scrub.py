"""Scrubbing: what was deleted from a database is made to leave the database's files.

Rules:

- SQLite: the connections that delete run with ``secure_delete=ON``. Afterwards the write-ahead log is emptied (a
  checkpoint, TRUNCATE) and the bytes of the file are read again; where a remnant is found (a page that was split
  once keeps old bytes), the file is rebuilt with VACUUM and read again.
- PostgreSQL: the tables are rewritten (VACUUM FULL), so that no page keeps dead rows, and whether they were is looked
  at: a role that does not own them may not. The write-ahead log and its archives are the operator's.
- It says what it did and what it found. It cannot reach backups, file system blocks, and the spare cells of an SSD.

Source: SQLite documentation, PRAGMA secure_delete and wal_checkpoint; PostgreSQL documentation, VACUUM.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from audit import tables
from audit.canonical import JsonObject

__all__ = ["OUT_OF_REACH", "Scrubbed", "scrub"]

OUT_OF_REACH = (
    "backups and copies, blocks that the file system or an SSD has set aside, files in the artifact store, and "
    "documents that were handed out"
)
_CHUNK = 1 << 20
_LONG_ENOUGH = 6
"""A shorter name is found by chance among the hashes."""
_AGAIN = "run the same command again"


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What scrubbing did, in a sentence, and why the files are not clean yet, if they are not."""

    done: str
    problem: str | None = None

    def to_json(self) -> JsonObject:
        """Write it as `erase --json` prints it."""
        return {
            "scrubbed": self.problem is None,
            "detail": self.problem or self.done,
            "out_of_reach": OUT_OF_REACH,
        }


def scrub(engine: Engine, secrets: Sequence[bytes], names: Sequence[str] = ()) -> Scrubbed:
    """Make deleted rows leave the database's files.

    `secrets` (random keys and salts) must not be found in them again; `names` can stand elsewhere too, which is said.
    Without any secret to look for, the file is rebuilt.
    """
    if engine.dialect.name == "postgresql":
        with tables.failures(), engine.connect() as connection:
            return _scrub_postgresql(connection.execution_options(isolation_level="AUTOCOMMIT"))
    written = [name.encode() for name in names if len(name.encode()) >= _LONG_ENOUGH]
    with closing(engine.raw_connection()) as raw:
        try:
            return _scrub_sqlite(raw.driver_connection, secrets, written)
        except (sqlite3.Error, OSError) as error:
            return Scrubbed("", f"the database's file could not be scrubbed ({error}): {_AGAIN}")


def _scrub_postgresql(connection: Connection) -> Scrubbed:
    """Rewrite the tables. A role that does not own them is warned only, so whether it was done is looked at."""

    def files() -> list[object]:
        return [
            connection.exec_driver_sql(f"SELECT pg_relation_filenode('{table.name}')").scalar_one()
            for table in (tables.holders, tables.subjects)
        ]

    before = files()
    connection.exec_driver_sql("VACUUM FULL holders, subjects")
    if any(one == other for one, other in zip(before, files(), strict=True)):
        return Scrubbed(
            "",
            "this role may not rewrite the tables, and their files keep what was deleted: let the ledger's owner say "
            "VACUUM FULL holders, subjects",
        )
    return Scrubbed(
        "the tables were rewritten; the server's write-ahead log and its archives are the operator's"
    )


def _scrub_sqlite(connection: Any, secrets: Sequence[bytes], names: Sequence[bytes]) -> Scrubbed:
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    if not _emptied(connection):
        return Scrubbed("", f"another process is reading, so the write-ahead log was not emptied: {_AGAIN}")
    if secrets and not _holds(path, [*secrets, *names]):
        return Scrubbed(
            "the write-ahead log was emptied and the database's file read again: no trace is left in them"
        )
    connection.execute("VACUUM")
    if not _emptied(connection):
        return Scrubbed("", f"another process is reading, so the write-ahead log was not emptied: {_AGAIN}")
    if _holds(path, secrets):
        return Scrubbed("", f"the database's file still holds a key after it was rebuilt: {_AGAIN}")
    elsewhere = "; the name stands elsewhere in it, in another row or entry" if _holds(path, names) else ""
    return Scrubbed(f"the write-ahead log was emptied and the database's file rebuilt{elsewhere}")


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
