"""What a dishonest operator does to a ledger's files with SQL alone: each trick is one function with a name.

A trick takes a folder with `ledger.db`. None goes through the code that writes a ledger honestly. `audit.forgery` has
those that take knowledge of the format and stolen keys; `audit.drill` tries all of them on copies.

The triggers against UPDATE and DELETE are put out of the way, and back as they were: they are guard rails.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "Value",
    "add_table",
    "delete",
    "drop_column",
    "drop_table",
    "drop_trigger",
    "edit",
    "flip_artifact",
    "insert_copy",
    "leave_stray",
    "lose_artifact",
    "other",
    "sql",
    "swap_entries",
]

Value = int | float | str | bytes | None


@contextmanager
def sql(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database with the guards out of the way, and put them back as they were."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, definition in guards:
            connection.execute(definition)
        connection.commit()


# -- single rows -------------------------------------------------------------------------------------------------------


def other(value: Any) -> Value:
    """Return another value of the same type."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return f"{value}x"


def edit(folder: Path, table: str, column: str, rowid: int, value: Value) -> None:
    """Change one value of one row."""
    with sql(folder) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))


def delete(folder: Path, table: str, rowid: int) -> None:
    """Remove one row."""
    with sql(folder) as connection:
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))


def insert_copy(folder: Path, table: str, rowid: int, unique: Sequence[str]) -> None:
    """Insert a row that differs from another only where the table asks for it."""
    with sql(folder) as connection:
        cursor = connection.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,))
        row = dict(zip([c[0] for c in cursor.description], cursor.fetchone(), strict=True))
        row |= {column: other(row[column]) for column in unique}
        places = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))


def swap_entries(folder: Path, one: int, two: int) -> None:
    """Let two entries trade places, with all their index columns but the place."""
    with sql(folder) as connection:
        connection.execute("UPDATE records SET seq = -1 WHERE seq = ?", (one,))
        connection.execute("UPDATE records SET seq = ? WHERE seq = ?", (one, two))
        connection.execute("UPDATE records SET seq = ? WHERE seq = -1", (two,))


# -- the database as a whole -------------------------------------------------------------------------------------------


def drop_trigger(folder: Path, name: str) -> None:
    """Take a guard rail away."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"DROP TRIGGER {name}")


def drop_table(folder: Path, name: str) -> None:
    """Take a whole table away."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"DROP TABLE {name}")


def drop_column(folder: Path, table: str, column: str) -> None:
    """Make a table anew without one of its columns."""
    with sql(folder) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != column]
        connection.execute(f"CREATE TABLE kept AS SELECT {', '.join(names)} FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE kept RENAME TO {table}")


def add_table(folder: Path, name: str = "notes") -> None:
    """Keep something of one's own."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"CREATE TABLE {name} (note TEXT)")


# -- artifacts (the layout is that of docs/ledger-format.md) -----------------------------------------------------------


def _artifact(folder: Path, digest: str) -> Path:
    return folder / "artifacts" / "sha256" / digest[:2] / digest[2:]


def lose_artifact(folder: Path, digest: str) -> None:
    """Take an artifact away."""
    _artifact(folder, digest).unlink()


def flip_artifact(folder: Path, digest: str, place: int = 0) -> None:
    """Change one byte of an artifact."""
    path = _artifact(folder, digest)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


def leave_stray(folder: Path, name: str) -> None:
    """Leave a file in the artifact store that is no artifact."""
    path = folder / "artifacts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"stray")
