"""Measure affidavit beside the limit of this machine and beside peers, in one run, as ratios.

``make bench`` prints one table. A ratio of 1.00 is as fast as the limit; no figure here is asserted anywhere.

- append: signed entries a second, one at a time, beside bare SQLite commits with ``synchronous=FULL``;
- append_many: the same, 1,000 entries in a transaction, beside bare SQLite rows in a transaction;
- verify: entries verified a CPU second by all eight steps, beside raw Ed25519 verifications;
- fingerprint: bytes a CPU second of a table in memory, beside SHA-256 over the same Arrow buffers, and beside
  ``pandas.util.hash_pandas_object``, which is neither cryptographic nor sees every change.
"""

import hashlib
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import tables
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.statement import Statement, Subject
from audit.terminal import print_table
from registry.fingerprint import fingerprint

APPENDS = 400
BATCH = 1_000
ROWS = 2_000_000

Row = tuple[str, str, str, str, str]


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the CPU seconds, of all threads, of the shortest of several runs: the others were disturbed."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def new_ledger(folder: Path) -> Ledger:
    """Make a ledger with one key that records."""
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


def statement(number: int) -> Statement:
    """Say something of the size of a small run."""
    return Statement("run", (Subject("model", "0" * 64),), {"number": number, "text": "x" * 1_500})


def bare_rows(folder: Path, count: int, each: bool) -> float:
    """Write rows of the same size with SQLite alone, one commit each or one for all; return rows a second."""
    path = folder / f"bare-{each}.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, record BLOB) STRICT")
        record = os.urandom(2_800)
        begun = time.perf_counter()
        if not each:
            connection.execute("BEGIN IMMEDIATE")
        for _ in range(count):
            connection.execute("INSERT INTO rows (record) VALUES (?)", (record,))
        if not each:
            connection.execute("COMMIT")
        return count / (time.perf_counter() - begun)


def bench_append(ledger: Ledger, folder: Path) -> Row:
    """One entry at a time."""
    begun = time.perf_counter()
    for number in range(APPENDS):
        ledger.append(statement(number))
    return row(
        "append", APPENDS / (time.perf_counter() - begun), bare_rows(folder, APPENDS, True), "SQLite commits"
    )


def bench_append_many(ledger: Ledger, folder: Path) -> Row:
    """A thousand entries in one transaction."""
    statements = [statement(number) for number in range(BATCH)]
    begun = time.perf_counter()
    ledger.append_many(statements)
    return row(
        "append_many", BATCH / (time.perf_counter() - begun), bare_rows(folder, BATCH, False), "SQLite rows"
    )


def bench_verify(ledger: Ledger) -> Row:
    """The whole ledger, all steps."""
    size = ledger.head().size
    taken = seconds(ledger.verify)
    key, message = Ed25519PrivateKey.generate(), b"x" * 2_000
    signature, public = key.sign(message), key.public_key()
    raw = seconds(lambda: [public.verify(signature, message) for _ in range(2_000)])
    return row("verify", size / taken, 2_000 / raw, "Ed25519 verifications", "a CPU second")


def bench_fingerprint() -> list[Row]:
    """Two million rows of numbers and text."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({f"number{i}": random.normal(size=ROWS) for i in range(4)})
    frame["whole"] = random.integers(0, 100_000, ROWS)
    frame["text"] = pd.array(random.integers(0, 1_000, ROWS).astype(str), dtype="string[pyarrow]")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    buffers = [
        b for column in table.columns for chunk in column.chunks for b in chunk.buffers() if b is not None
    ]
    size = sum(b.size for b in buffers) / 1e6
    limit = seconds(lambda: [hashlib.sha256(b).digest() for b in buffers])
    ours = seconds(lambda: fingerprint(table))
    peer = seconds(lambda: pd.util.hash_pandas_object(frame, index=False))
    return [
        row("fingerprint", size / ours, size / limit, "SHA-256 of the buffers", "MB a CPU second"),
        row("fingerprint", size / ours, size / peer, "pandas.util.hash_pandas_object", "MB a CPU second"),
    ]


def row(what: str, ours: float, other: float, beside: str, unit: str = "a second") -> Row:
    """Put two rates side by side."""
    return (what, f"{ours:,.0f} {unit}", beside, f"{other:,.0f} {unit}", f"{ours / other:.2f}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        folder = Path(scratch)
        ledger = new_ledger(folder)
        rows = [bench_append(ledger, folder), bench_append_many(ledger, folder), bench_verify(ledger)]
    rows += bench_fingerprint()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    print_table(("What", "affidavit", "Beside", "Limit or peer", "Ratio"), rows)


if __name__ == "__main__":
    main()
