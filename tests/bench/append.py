"""Measure appending beside what this machine's disk and SQLite can do at all, in one run.

- one writer: signed entries a second, each durable by itself, beside bare SQLite commits with ``synchronous=FULL``;
- 16 writers: threads that append at once, beside one writer;
- append_many: a thousand entries in one transaction, beside bare SQLite rows in one transaction;
- what an append costs in microseconds of CPU, all told, and what the first ratio would be beside an fsync of 4 ms;
- MLflow's run logging and pymerkle's SQLite tree, where they are installed.

An fsync here may be a cached write: then one writer is slower beside it than on a disk, and 16 gain less.
"""

import importlib.util
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from audit import tables
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.statement import Statement, Subject
from audit.terminal import print_table

APPENDS = 300
BATCH = 1_000
WRITERS = 16
RECORD_BYTES = 2_800
DISK_SECONDS = 0.004

Row = tuple[str, str, str, str, str, str]


def bench_append() -> list[Row]:
    """Measure all of them in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        folder = Path(scratch)
        ledger = _new_ledger(folder)
        commits, rows = _bare(folder, each=True), _bare(folder, each=False)
        begun = time.process_time()
        one = _rate(APPENDS, lambda: [ledger.append(_statement(n)) for n in range(APPENDS)])
        work = (time.process_time() - begun) / APPENDS
        many = _rate(APPENDS, lambda: _at_once(ledger))
        batch = _rate(BATCH, lambda: ledger.append_many([_statement(n) for n in range(BATCH)]))
        ledger.close()
        on_a_disk = DISK_SECONDS / (DISK_SECONDS + work)
        return [
            _row("one writer", one, "SQLite commits", commits, "0.85"),
            ("  its work", f"{work * 1e6:,.0f} us of CPU", "an fsync", "4 ms", f"{on_a_disk:.2f}", "0.85"),
            _row("16 writers", many, "one writer", one, "8 where fsync dominates"),
            _row("append_many", batch, "SQLite rows in one", rows, "0.40"),
            *_peers(folder, one),
        ]


def _new_ledger(folder: Path) -> Ledger:
    signer, log = LocalSigner(new_private_key()), LocalSigner(new_private_key())
    return create_ledger(
        tables.create(folder / "ledger.db", []),
        origin="bench.example/ledger",
        name="owner",
        holder="Owner",
        roles=("admin", "recorder"),
        signer=signer,
        log_signer=log,
    )


def _statement(number: int) -> Statement:
    """Say something of the size of a small run."""
    return Statement("run", (Subject("model", "0" * 64),), {"number": number, "text": "x" * 1_500})


def _bare(folder: Path, *, each: bool) -> float:
    """Return how many rows a second SQLite alone writes, with a commit for each or one for all."""
    count = APPENDS if each else BATCH
    with closing(sqlite3.connect(folder / f"bare-{each}.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, record BLOB) STRICT")
        record = os.urandom(RECORD_BYTES)

        def write() -> None:
            if not each:
                connection.execute("BEGIN IMMEDIATE")
            for _ in range(count):
                connection.execute("INSERT INTO rows (record) VALUES (?)", (record,))
            if not each:
                connection.execute("COMMIT")

        return _rate(count, write)


def _at_once(ledger: Ledger) -> None:
    def work() -> None:
        for number in range(APPENDS // WRITERS):
            ledger.append(_statement(number))

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _peers(folder: Path, ours: float) -> list[Row]:
    found = []
    if importlib.util.find_spec("pymerkle"):
        found.append(_row("one writer", ours, "pymerkle's SQLite tree, unsigned", _pymerkle(folder), "-"))
    if importlib.util.find_spec("mlflow"):
        found.append(_row("one writer", ours, "MLflow runs, unsigned", _mlflow(folder), "-"))
    return found


def _pymerkle(folder: Path) -> float:
    pymerkle: Any = importlib.import_module("pymerkle")
    tree, record = pymerkle.SqliteTree(str(folder / "pymerkle.db")), os.urandom(RECORD_BYTES)
    return _rate(100, lambda: [tree.append_entry(record) for _ in range(100)])


def _mlflow(folder: Path) -> float:
    mlflow: Any = importlib.import_module("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")

    def log(number: int) -> None:
        with mlflow.start_run():
            mlflow.log_param("number", number)
            mlflow.log_metric("auc", 0.8)

    log(0)

    def several() -> None:
        for number in range(20):
            log(number)

    return _rate(20, several)


def _rate(count: int, work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def _row(what: str, ours: float, beside: str, other: float, goal: str) -> Row:
    return (what, f"{ours:,.0f} a second", beside, f"{other:,.0f} a second", f"{ours / other:.2f}", goal)


def main() -> None:
    """Measure and print."""
    print_table(("What", "affidavit", "Beside", "Limit or peer", "Ratio", "Goal"), bench_append())


if __name__ == "__main__":
    main()
