"""Measure verification beside raw signatures and raw hashing, in one run, and its memory at two lengths.

- full: what one process computes for an entry in all steps, beside one raw Ed25519 verification. The ledger holds runs
  with the tables that a registry learns from them, which are replayed, as `affidavit verify` does. Goal: 7,000 entries
  a second by two processes with `cryptography` alone.
- structural: the same for steps 1, 2, 3 and 8, as `affidavit verify --structural` does, beside SHA-256 of as many
  bytes. Goal: a million entries in 12 s, by two processes.
- a checkpoint: what one costs. A ledger of single appends has one for every entry, this one for every thousand.
- memory: the largest resident size of a process that verifies, at two lengths. Goal: the same. Linux tells it of the
  program alone; what `getrusage` tells begins with the size of the process that started it.

Computed is processor time, which other work on the machine disturbs little; a goal for two processes is met where one
computes at most twice as long. The rates by the clock include starting the two processes, which takes each the time of
some thousand entries.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit import tables
from audit.canonical import Json
from audit.checkpoint import Checkpoint
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.log_keys import LogKeys
from audit.note import VerifierKey, sign_note
from audit.statement import Statement, Subject
from audit.terminal import print_table
from registry.catalog import Catalog
from tests.bench.rows import HEADER, Row, at_least, at_most

ORIGIN = "bench.example/ledger"
SHORT, LONG = 2_000, 17_000
SAID_BYTES = 300
MODELS = 20

_PEAK = (
    "import re, sys; from pathlib import Path; from audit import tables; from audit.verify import verify_ledger; "
    "from registry.catalog import Catalog; "
    "assert verify_ledger(tables.open_database(Path(sys.argv[1])), followers=[Catalog()], jobs=1); "
    "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
)


def made(folder: Path, size: int) -> Path:
    """Make a ledger of at least `size` small entries; return its database."""
    log = LocalSigner(new_private_key())
    ledger = create_ledger(
        tables.create(folder / "ledger.db", [Catalog().metadata]),
        origin=ORIGIN,
        name="owner",
        holder="Owner",
        roles=("admin", "recorder"),
        signer=LocalSigner(new_private_key()),
        log_signer=log,
        followers=[Catalog()],
    )
    _fill(ledger, size)
    ledger.close()
    return folder / "ledger.db"


def _fill(ledger: Ledger, size: int) -> None:
    for start in range(0, size, 1_000):
        ledger.append_many([_run(start + number) for number in range(1_000)])


def _run(number: int) -> Statement:
    """Say a run of one of some models, small enough for many of them."""
    said: dict[str, Json] = {
        "model": f"model-{number % MODELS}",
        "status": "succeeded",
        "code": {"commit": f"{number:040x}"},
        "environment": {"python": "3.13.1"},
        "steps": [{"name": "train", "seconds": "1.25"}],
        "sources": [],
        "parameters": {"text": "x" * SAID_BYTES},
    }
    return Statement("run", (Subject(f"model-{number % MODELS}", f"{number:064x}"),), said)


def processor_seconds() -> float:
    """Return the seconds that this process and those it started have computed."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def taken(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Return the microseconds of the clock, and those computed, that each of `count` things took."""
    begun, computed = time.perf_counter(), processor_seconds()
    work()
    elapsed, computed = time.perf_counter() - begun, processor_seconds() - computed
    return elapsed / count * 1e6, computed / count * 1e6


def bench_verify(database: Path) -> list[Row]:
    """Verify in full and by structure."""
    ledger = Ledger(tables.open_database(database), followers=[Catalog()])
    size = ledger.verify(structural=True, jobs=1).size
    key, message = Ed25519PrivateKey.generate(), b"x" * 1_200
    signature, public = key.sign(message), key.public_key()
    _, signatures = taken(lambda: [public.verify(signature, message) for _ in range(3_000)], 3_000)
    record = os.urandom(database.stat().st_size // size)
    _, hashes = taken(lambda: [hashlib.sha256(record).digest() for _ in range(30_000)], 30_000)
    return [
        *_verified("full", ledger.verify, size, (signatures, "Ed25519 verify"), 7_000),
        *_verified(
            "structural", partial(ledger.verify, structural=True), size, (hashes, "SHA-256"), 1_000_000 / 12
        ),
    ]


def _verified(
    what: str, work: Callable[..., object], size: int, beside: tuple[float, str], goal: float
) -> list[Row]:
    """Measure by one process what is computed, and by two how many entries a second there are."""
    clock, together = taken(lambda: work(jobs=2), size)
    _, alone = taken(lambda: work(jobs=1), size)
    limit, name = beside
    return [
        (
            f"{what} verification, an entry",
            f"{alone:,.0f} us",
            name,
            f"{limit:,.1f} us",
            f"{alone / limit:.2f}",
            *at_most(alone, round(2e6 / goal), " us"),
        ),
        (
            "  by 2 processes, with their start",
            f"{together:,.0f} us",
            "by the clock",
            f"{1e6 / clock:,.0f} a second",
            "-",
            *at_least(1e6 / clock, round(goal), " a second"),
        ),
    ]


def bench_checkpoint() -> Row:
    """Say what a checkpoint costs beside its signature."""
    signer = LocalSigner(new_private_key())
    key, text = VerifierKey(ORIGIN, signer.public.raw), Checkpoint(ORIGIN, 7, bytes(32)).text()
    logs, note = LogKeys().then(0, key), sign_note(text, ORIGIN, signer)
    data, public = note.to_bytes(), Ed25519PublicKey.from_public_bytes(key.raw)
    signature = note.signatures[0].signature
    _, limit = taken(lambda: [public.verify(signature, text.encode()) for _ in range(2_000)], 2_000)
    _, ours = taken(lambda: [logs.open(data) for _ in range(2_000)], 2_000)
    return (
        "a checkpoint",
        f"{ours:,.0f} us",
        "Ed25519 verify",
        f"{limit:,.1f} us",
        f"{ours / limit:.2f}",
        "-",
        "-",
    )


def bench_memory(short: Path, long: Path) -> Row:
    """Compare the largest resident size at two lengths."""
    peaks = [
        int(subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, check=True).stdout)
        for path in (short, long)
    ]
    ratio = peaks[1] / peaks[0]
    return (
        f"memory, {LONG:,} entries",
        f"{peaks[1] / 1024:,.1f} MB",
        f"{SHORT:,} entries",
        f"{peaks[0] / 1024:,.1f} MB",
        f"{ratio:.2f}",
        *at_most(ratio, 1.1),
    )


def rows() -> list[Row]:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        folders = [Path(scratch) / name for name in ("short", "long")]
        for folder in folders:
            folder.mkdir()
        short, long = made(folders[0], SHORT), made(folders[1], LONG)
        memory = [bench_memory(short, long)] if sys.platform == "linux" else []
        return [*bench_verify(long), bench_checkpoint(), *memory]


def main() -> None:
    """Measure and print."""
    print_table(HEADER, rows())


if __name__ == "__main__":
    main()
