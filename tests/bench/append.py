"""Measure appending beside what this machine's disk and SQLite can do at all, in one run.

- one writer: signed entries a second, each durable by itself, beside bare SQLite commits with ``synchronous=FULL``;
- 16 writers: threads that append at once, beside one writer;
- append_many: a thousand entries in one transaction, beside bare SQLite rows in one transaction, and beside the one
  Ed25519 signature and the one verification that every entry takes; the processor time of the thread that appends is
  what it takes where the processors have nothing else to do, the others making and checking signatures beside it;
- what an append costs in microseconds of CPU, all told.

Where the work of one append goes, by samples of it with py-spy on a file in memory: a quarter is SQLite (four tables
with their indexes, beside the one row of the bare commit), 15% two signatures and a verification, 15% SQLAlchemy (a
connection from the pool, the transaction), 5% looking whether database and WAL are still the files that were opened;
the rest, two fifths, is Python that claims, encodes, reads back strictly and places. No part of it is large by itself.
Of 16 writers only one at a time is in Python, and each of their entries takes half of what a single append does.

The goals are for a disk whose fsync takes about 4 ms. Here it may take a tenth of that, so every figure stands twice:
as it is, and **emulated**, with a sleep of 4 ms before each commit of either side.
"""

import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from audit import tables
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.statement import Statement, Subject
from audit.terminal import print_table
from tests.bench.rows import HEADER, Row, at_least, at_most, computed, rate, ratio_row

__all__ = ["RECORD_BYTES", "append_together", "bench_append", "new_ledger", "statement"]

APPENDS = 320
EMULATED = 160
BATCH = 1_000
WRITERS = 16
RECORD_BYTES = 2_800
DISK_SECONDS = 0.004


def bench_append() -> list[Row]:
    """Measure all of them in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        folder = Path(scratch)
        with closing(new_ledger(folder)) as ledger:
            return [*_as_it_is(folder, ledger), *_emulated(folder, ledger), *_in_one(folder, ledger)]


def fsync_seconds(folder: Path) -> float:
    """Return what an fsync after four kilobytes takes here, in the middle."""
    taken = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4_096))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def new_ledger(folder: Path, engine: Engine | None = None) -> Ledger:
    """Make a ledger whose keys are at hand, in a file in a folder or where `engine` leads."""
    signer, log = LocalSigner(new_private_key()), LocalSigner(new_private_key())
    return create_ledger(
        engine or tables.create(folder / "ledger.db", []),
        origin="bench.example/ledger",
        name="owner",
        holder="Owner",
        roles=("admin", "recorder"),
        signer=signer,
        log_signer=log,
    )


def statement(number: int) -> Statement:
    """Say something of the size of a small run."""
    return Statement("run", (Subject("model", "0" * 64),), {"number": number, "text": "x" * 1_500})


def append_together(ledgers: list[Ledger], count: int) -> None:
    """Append `count` entries, as many of them through each of the ledgers, at once."""

    def work(ledger: Ledger) -> None:
        for number in range(count // len(ledgers)):
            ledger.append(statement(number))

    threads = [threading.Thread(target=work, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _as_it_is(folder: Path, ledger: Ledger) -> list[Row]:
    commits = _bare_commits(folder / "commits.db", APPENDS)
    work, one = _one_writer(ledger, APPENDS)
    many = rate(APPENDS, lambda: append_together([ledger] * WRITERS, APPENDS))
    fsync = fsync_seconds(folder)
    limit = DISK_SECONDS * (1 / 0.85 - 1) * 1e6
    return [
        ratio_row("one writer", one, f"SQLite commits, fsync {fsync * 1e3:.2f} ms", commits, 0.85),
        ("  its work", f"{work:,.0f} us of CPU", "", "", "", *at_most(work, round(limit), " us")),
        ratio_row(f"{WRITERS} writers", many, "one writer", one, 8),
    ]


def _emulated(folder: Path, ledger: Ledger) -> list[Row]:
    with _slow_commits():
        commits = _bare_commits(folder / "slow.db", EMULATED, DISK_SECONDS)
        _, one = _one_writer(ledger, EMULATED)
        many = rate(APPENDS, lambda: append_together([ledger] * WRITERS, APPENDS))
    return [
        ratio_row("one writer, 4 ms emulated", one, "SQLite commits, 4 ms emulated", commits, 0.85),
        ratio_row(f"{WRITERS} writers, 4 ms emulated", many, "one writer, 4 ms emulated", one, 8),
    ]


def _in_one(folder: Path, ledger: Ledger) -> list[Row]:
    rows, signatures = _bare_rows(folder / "rows.db", BATCH), _signatures()
    begun = time.thread_time()
    batch = rate(BATCH, lambda: ledger.append_many([statement(n) for n in range(BATCH)]))
    work = (time.thread_time() - begun) / BATCH * 1e6
    what, ours, beside, limit, ratio, *_ = ratio_row("append_many", batch, "SQLite rows in one", rows)
    return [
        (what, ours, beside, limit, ratio, *at_least(batch, 4_000, " a second")),
        ("  its caller's work", f"{work:,.0f} us of CPU", "", "", "", *at_most(work, 250, " us")),
        ratio_row("append_many", batch, "Ed25519 sign and verify", signatures),
    ]


def _one_writer(ledger: Ledger, count: int) -> tuple[float, float]:
    """Return the microseconds of processor time that an append takes, and how many a second there were."""
    begun = time.perf_counter()
    work = computed(count, lambda: [ledger.append(statement(n)) for n in range(count)])
    return work, count / (time.perf_counter() - begun)


@contextmanager
def _slow_commits() -> Iterator[None]:
    """Let every commit through SQLAlchemy take as much longer as the fsync of a slow disk."""

    def wait(_: Connection) -> None:
        time.sleep(DISK_SECONDS)

    event.listen(Engine, "commit", wait)
    try:
        yield
    finally:
        event.remove(Engine, "commit", wait)


def _bare_commits(path: Path, count: int, seconds: float = 0.0) -> float:
    """Return how many rows a second SQLite alone writes with a commit for each, which takes `seconds` longer."""
    record = os.urandom(RECORD_BYTES)

    def write(connection: sqlite3.Connection) -> None:
        for _ in range(count):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (record) VALUES (?)", (record,))
            time.sleep(seconds)
            connection.execute("COMMIT")

    with _bare(path) as connection:
        return rate(count, lambda: write(connection))


def _bare_rows(path: Path, count: int) -> float:
    """Return how many rows a second SQLite alone writes with one commit for all."""
    rows = [(os.urandom(RECORD_BYTES),) for _ in range(count)]

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO rows (record) VALUES (?)", rows)
        connection.execute("COMMIT")

    with _bare(path) as connection:
        return rate(count, lambda: write(connection))


@contextmanager
def _bare(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, record BLOB) STRICT")
        yield connection


def _signatures() -> float:
    """Return how many messages a second are signed and verified."""
    signer, message = LocalSigner(new_private_key()), bytes(1_900)
    return rate(BATCH, lambda: [signer.public.verify(signer.sign(message), message) for _ in range(BATCH)])


def main() -> None:
    """Measure and print."""
    print_table(HEADER, bench_append())


if __name__ == "__main__":
    main()
