"""Measure appending to a ledger on PostgreSQL beside bare commits on the same server, in one run.

- one writer: a ledger whose log key is at hand, beside bare commits of one row of the same size;
- 16 clients: each a process of its own (`tests.bench.client`) with the log's key at hand, beside one writer.

What binds is messages and processors: an append of one writer is about nine messages to the server and back, one after
the other, where a bare commit is one; and 16 clients and as many processes of the server share the processors, so that
who holds the ledger's lock waits for others to be scheduled at each of its messages, and all others wait for it.

The server is the one that `tests.postgres_server` finds: the one that is named, or Debian's, started for this. Without
either there is nothing to measure, and that is said.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from uuid import uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import URL

from audit import postgres, tables
from audit.keys import LocalSigner
from audit.ledger import create_ledger
from audit.terminal import print_table
from tests.bench.append import RECORD_BYTES, statement
from tests.bench.client import Setup, rate_together
from tests.bench.rows import HEADER, Row, rate, ratio_row
from tests.postgres_server import Server, binaries, named_server

APPENDS = 80
CLIENTS = 16
APPENDS_OF_EACH = 20


def bench_shared() -> list[Row]:
    """Measure in a new database on the server, which is dropped again; nothing where there is no server."""
    with _database() as url:
        if url is None:
            return []
        keys = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        signer, log = (LocalSigner(key) for key in keys)
        commits = _bare_commits(url)
        engine = postgres.open_url(url)
        with tables.failures(), engine.begin() as connection:
            tables.create_tables(connection, [])
        ledger = create_ledger(
            engine,
            origin="bench.example/ledger",
            name="owner",
            holder="Owner",
            roles=("admin", "recorder"),
            signer=signer,
            log_signer=log,
        )
        one = rate(APPENDS, lambda: [ledger.append(statement(number)) for number in range(APPENDS)])
        ledger.close()
        place = url.render_as_string(hide_password=False)
        signs, logs = (key.private_bytes_raw().hex() for key in keys)
        many = rate_together(Setup(place, signs, logs, APPENDS_OF_EACH), CLIENTS)
        return [
            ratio_row("PostgreSQL, one writer", one, "PostgreSQL commits", commits, 0.85),
            ratio_row(f"PostgreSQL, {CLIENTS} clients", many, "PostgreSQL, one writer", one, 8),
        ]


def _bare_commits(url: URL) -> float:
    """Return how many rows a second the server writes with a commit for each."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    record = os.urandom(RECORD_BYTES)
    with closing(psycopg.connect(plain, autocommit=True)) as connection:
        connection.execute("CREATE TABLE bare (seq bigint GENERATED ALWAYS AS IDENTITY, record bytea)")

        def write() -> None:
            for _ in range(APPENDS):
                connection.execute("INSERT INTO bare (record) VALUES (%s)", (record,))

        found = rate(APPENDS, write)
        connection.execute("DROP TABLE bare")
        return found


@contextmanager
def _database() -> Iterator[URL | None]:
    named, found = named_server(), binaries()
    if named is None and found is None:
        yield None
        return
    server = Server.make(found) if named is None and found is not None else None
    try:
        root = server.url("postgres") if server is not None else named
        assert root is not None
        name = f"affidavit_bench_{uuid4().hex[:12]}"
        _say(root, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            yield root.set(database=name)
        finally:
            with suppress(psycopg.Error):
                _say(root, f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        if server is not None:
            server.stop()


def _say(root: URL, sql: str) -> None:
    plain = root.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(plain, autocommit=True)) as connection:
        connection.execute(sql.encode())


def main() -> None:
    """Measure and print."""
    found = bench_shared()
    print_table(HEADER, found) if found else print("PostgreSQL was not measured: there is no server here.")


if __name__ == "__main__":
    main()
