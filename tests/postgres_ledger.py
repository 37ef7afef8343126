"""Ledgers on PostgreSQL for the tests: one server for all tests of a process, and a copy of one ledger for each test.

A ledger is made once and its database is the template of the others: that is cheaper than to make one for each test.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from audit import postgres, tables
from audit.errors import EnvironmentFailed
from audit.inbox_rows import COME
from audit.keystore import KeyStore
from audit.ledger import Ledger, create_ledger
from tests.postgres_server import Server, named_server, needed_binaries
from tests.small_ledger import ORIGIN, Clock, People, Titles

__all__ = [
    "Database",
    "Databases",
    "Sequencing",
    "databases",
    "empty_database",
    "failed",
    "made_at",
    "opened",
    "own_server",
    "shared_database",
    "shared_ledger",
    "titles",
]


@dataclass(frozen=True)
class Database:
    """One database of a server, the keys of its ledger, and the folder that they are in."""

    url: URL
    people: People
    keys: Path

    @property
    def text(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def as_user(self, user: str) -> "Database":
        return Database(self.url.set(username=user), self.people, self.keys)

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """Execute a statement by itself, outside any transaction."""
        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass
class Databases:
    """Makes databases on one server."""

    root: Database
    server: Server | None = None
    """The server, where it is ours: its files may be looked into."""
    template: str = ""
    made: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def empty(self) -> Database:
        return self._new("template0")

    def with_ledger(self) -> Database:
        if not self.template:
            made = self.empty()
            made_at(made).close()
            self.template = str(made.url.database)
        return self._new(self.template)

    def drop(self) -> None:
        for name in self.made:
            self.root.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _new(self, template: str) -> Database:
        name = f"affidavit_{os.getpid()}_{next(self.numbers)}"
        self.root.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        self.made.append(name)
        return Database(self.root.url.set(database=name), self.root.people, self.root.keys)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Start a server for all tests of this process that are not about a crash, or use the one that is named."""
    folder = tmp_path_factory.mktemp("postgres") / "keys"
    keys = KeyStore(folder)
    people = People(keys.create("admin", b""), keys.create("log", b""))
    named = named_server()
    if named is not None:
        elsewhere = Databases(Database(named, people, folder))
        yield elsewhere
        elsewhere.drop()
        return
    server = Server.make(needed_binaries("a ledger on PostgreSQL"), durable=False)
    yield Databases(Database(server.url("postgres"), people, folder), server)
    server.stop()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Start a server that may be killed, or looked into, and that keeps what it says it keeps."""
    server = Server.make(needed_binaries("a ledger on a PostgreSQL server that dies"))
    yield server
    server.stop()


@pytest.fixture
def empty_database(databases: Databases) -> Database:
    """Make an empty database."""
    return databases.empty()


@pytest.fixture
def shared_database(databases: Databases) -> Database:
    """Make a database with a ledger of one entry."""
    return databases.with_ledger()


@pytest.fixture
def shared_ledger(shared_database: Database) -> Iterator[Ledger]:
    """Open the ledger of the shared database with the log's key."""
    ledger = opened(shared_database)
    yield ledger
    ledger.close()


def made_at(place: Database) -> Ledger:
    """Make a ledger in an empty database."""
    engine = postgres.open_url(place.url)
    with tables.failures(), engine.begin() as connection:
        tables.create_tables(connection, [Titles.metadata])
    return create_ledger(
        engine,
        origin=ORIGIN,
        name="admin",
        holder="Ilse Brandt",
        roles=("admin", "recorder"),
        signer=place.people.admin,
        log_signer=place.people.log,
        followers=[Titles()],
        clock=Clock(),
    )


def opened(place: Database, *, keyless: bool = False, patience: float = 20.0) -> Ledger:
    """Open the ledger of a database, with the log's key or without."""
    return Ledger(
        postgres.open_url(place.url),
        followers=[Titles()],
        signer=lambda kind: place.people.admin,
        log_signer=None if keyless else lambda: place.people.log,
        patience=patience,
        clock=Clock(),
    )


class Sequencing:
    """A sequencer in the foreground, as `affidavit ledger sequence` runs one; it waits for a database that is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._over = threading.Event()
        self._ledger = ledger
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(EnvironmentFailed):
                self._ledger.sequence(self._over.is_set, lambda taken: None)
                return
            time.sleep(0.1)

    def __enter__(self) -> "Sequencing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(EnvironmentFailed), tables.failures(), self._ledger.engine.begin() as connection:
            connection.exec_driver_sql(f"NOTIFY {COME}")  # it looks up
        self._thread.join(30)


def failed(ledger: Ledger) -> list[str]:
    """List what verification finds."""
    return [step.detail for step in ledger.verify().steps if step.status == "failed"]


def titles(ledger: Ledger) -> list[str]:
    """List the titles that stand, in order."""
    return [e.statement.text("title") for e in ledger.entries(kind="report")]
