"""What is SQLite's own: waiting for another writer, and what a kept connection notices."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit import sqlite_lock, tables
from audit.errors import EnvironmentFailed


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    tables.create(path, [])
    return path


@pytest.fixture
def other(database: Path) -> Iterator[sqlite3.Connection]:
    """Another connection that holds the writer's lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


class Ends(logging.Handler):
    """Ends the other's transaction as soon as somebody says that it is waited for."""

    def __init__(self, other: sqlite3.Connection) -> None:
        super().__init__()
        self.other, self.said = other, ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()
        self.other.execute("COMMIT")


def test_who_waits_long_to_write_is_told_so_and_writes_when_the_other_has_ended(
    database: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_lock, "QUIET_SECONDS", 0.01)
    ends = Ends(other)
    logging.getLogger("audit.sqlite").addHandler(ends)
    try:
        with tables.writing(tables.open_database(database)) as connection:
            connection.execute(tables.holders.insert().values(key="k", name="n", salt=b"s"))
    finally:
        logging.getLogger("audit.sqlite").removeHandler(ends)
    assert ends.said == f"another process is writing to {database}: waiting up to 59.99 s for it to end"


def test_who_never_gets_the_lock_is_refused_and_the_connection_waits_as_before(
    database: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_lock, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(sqlite_lock, "BUSY_SECONDS", 0.02)
    engine = tables.keeping(tables.open_database(database))
    with (
        pytest.raises(EnvironmentFailed, match=r"has held the ledger's database for 0\.02 s"),
        tables.writing(engine),
    ):
        pass
    monkeypatch.undo()
    other.execute("COMMIT")
    with tables.writing(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000
    engine.dispose()


def test_a_file_that_was_replaced_while_it_was_open_is_not_written_to(database: Path, tmp_path: Path) -> None:
    engine = tables.keeping(tables.open_database(database))
    with tables.writing(engine):
        pass
    tables.create(tmp_path / "other.db", [])
    (tmp_path / "other.db").replace(database)
    with (
        pytest.raises(EnvironmentFailed, match="was replaced while this process had it open"),
        tables.writing(engine),
    ):
        pass
    engine.dispose()
