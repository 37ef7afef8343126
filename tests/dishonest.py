"""A dishonest operator against a registry's ledger: the package's own attacks, with the catalogue made to fit as well.

The attacks that `affidavit drill` tries are in `audit.attacks` and `audit.forgery`, and none is written twice. Here
stand those that only the tests try: damage to the file as such, and definitions of tables.
"""

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from audit import forgery
from audit.attacks import (
    Value,
    add_table,
    delete,
    drop_column,
    drop_table,
    drop_trigger,
    edit,
    flip_artifact,
    insert_copy,
    leave_stray,
    lose_artifact,
    other,
    sql,
    swap_entries,
)
from audit.forgery import backdate, forge, records_of, replay, sizes_of
from registry.catalog import Catalog

__all__ = [
    "add_column",
    "add_table",
    "backdate",
    "delete",
    "drop_column",
    "drop_table",
    "drop_trigger",
    "edit",
    "everything",
    "flip_artifact",
    "flip_page_byte",
    "forge",
    "forget_types",
    "insert_copy",
    "leave_stray",
    "lose_artifact",
    "mark",
    "other",
    "records_of",
    "refit",
    "replay",
    "resign",
    "sizes_of",
    "sql",
    "swap_entries",
    "truncate_file",
    "truncate_tail",
]

refit = partial(forgery.refit, followers=[Catalog()])
resign = partial(forgery.resign, followers=[Catalog()])
truncate_tail = partial(forgery.truncate_tail, followers=[Catalog()])


def everything(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Read all that a database says: definitions, marks, and every row with its types."""
    with closing(sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        said = {
            "definitions": connection.execute(
                "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            ).fetchall(),
            "marks": [
                connection.execute(f"PRAGMA {m}").fetchone() for m in ("user_version", "application_id")
            ],
        }
        for kind, name, _ in said["definitions"]:
            if kind == b"table":
                # Without an index: the table itself is what is read.
                rows = connection.execute(f"SELECT * FROM {name.decode()} NOT INDEXED").fetchall()
                said[name.decode()] = sorted(rows, key=repr)
        return said


def add_column(folder: Path, table: str) -> None:
    """Give a table a column of one's own."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN remark TEXT")


def forget_types(folder: Path, table: str, column: str, value: Value) -> None:
    """Make a table anew so that it holds any type anywhere, and put one where it does not belong."""
    with sql(folder) as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT * FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE kept RENAME TO {table}")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))


def mark(folder: Path, name: str, value: int) -> None:
    """Change a number in the file's header."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"PRAGMA {name}={value}")


def truncate_file(folder: Path, size: int) -> None:
    """Cut the file short, as a copy that broke off."""
    os.truncate(folder / "ledger.db", size)


def flip_page_byte(folder: Path, place: int, difference: int = 1) -> None:
    """Change one byte of the database file."""
    with (folder / "ledger.db").open("r+b") as file:
        file.seek(place)
        [byte] = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ difference]))
