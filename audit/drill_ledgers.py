"""The ledgers that a drill attacks: a copy of the one at hand, and one made for the drill.

Rules:

- The ledger at hand is only read. Its private keys are never opened: what takes a stolen key is tried on a ledger that
  is made for the drill, with keys of its own and the same code.
- A copy is made row by row into a new SQLite file, whatever database the ledger is in. Of a long ledger it is the
  beginning, up to a head that the log signed, so that a drill takes seconds. The table `anchors` stays behind: what
  others signed proves itself, and a drill brings its own anchor, the newest checkpoint of the copy.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, select

from audit import forgery, tables
from audit.canonical import JsonObject
from audit.erasure import erasable, erase
from audit.errors import MalformedInput
from audit.follower import Artifacts, Follower
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger, create_ledger
from audit.statement import Statement, Subject
from audit.subjects import Referrer

__all__ = ["LEAVER", "MOST_ENTRIES", "OLDER", "RECORDER", "Victim", "copied", "made"]

MOST_ENTRIES = 100
LEAST_ENTRIES = 3
RECORDER, AUDITOR, LEAVER = "recorder", "auditor", "leaver"
OLDER = "older.db"
"""The file of the made ledger as it was before somebody was erased from it, as a backup has it."""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Victim:
    """A ledger to be attacked: its file, its size, the head that is the anchor, and the keys that may be stolen."""

    folder: Path
    size: int
    anchor: bytes
    followers: Sequence[Follower] = ()
    artifacts: Artifacts | None = None
    keys: Mapping[str, LocalSigner] = field(default_factory=dict)
    log: LocalSigner | None = None


def copied(ledger: Ledger, folder: Path, most: int = MOST_ENTRIES) -> Victim:
    """Copy a ledger, or the beginning of a long one, into an empty folder; `MalformedInput` for a very short one."""
    head = ledger.head()
    size = head.size if head.size <= most else _signed_size(ledger.engine, most)
    if size < LEAST_ENTRIES:
        raise MalformedInput(f"the ledger has {size} entries, too few to attack: record something first")
    followers = [f.metadata for f in ledger.followers]
    target = tables.create(folder / "ledger.db", followers)
    kept = [t for t in tables.ledger_metadata.sorted_tables if t is not tables.anchors]
    kept += [t for metadata in followers for t in metadata.sorted_tables]
    with tables.failures(), ledger.engine.connect() as source, target.begin() as into:
        here = tables.tables_of(tables.version_of(source))
        for table in kept:
            if table in here or table.metadata is not tables.ledger_metadata:
                _copy_rows(table, source, into)
    target.dispose()
    if size < head.size:
        forgery.cut_back(folder, size, ledger.followers)
    return Victim(folder, size, ledger.head_at(size).checkpoint, ledger.followers, ledger.artifacts)


def made(folder: Path) -> Victim:
    """Make a small ledger with keys of its own: people come and go, several say something, and one is erased."""
    keys = {name: LocalSigner(new_private_key()) for name in ("admin", RECORDER, AUDITOR, LEAVER)}
    log = LocalSigner(new_private_key())
    ledger = create_ledger(
        tables.create(folder / "ledger.db", []),
        origin="drill.example/made",
        name="admin",
        holder="Ada Admin",
        roles=("admin",),
        signer=keys["admin"],
        log_signer=log,
    )
    for name, role in ((RECORDER, "recorder"), (AUDITOR, "auditor"), (LEAVER, "recorder")):
        ledger.grant(name, keys[name].public, (role,), f"{name} person", by=keys["admin"])
    say = _reports(ledger)
    for name in (RECORDER, AUDITOR, LEAVER, RECORDER):
        say(name, keys[name])
    ledger.revoke(keys[LEAVER].public.keyid, "left", None, by=keys["admin"])
    _back_up(folder)
    erase(ledger, erasable(ledger, "a person"), "a request", by=keys["admin"])
    for name in (AUDITOR, RECORDER, AUDITOR, RECORDER):
        say(name, keys[name])
    head = ledger.head()
    ledger.close()
    return Victim(folder, head.size, head.checkpoint, keys=keys, log=log)


def _back_up(folder: Path) -> None:
    with (
        closing(sqlite3.connect(folder / "ledger.db")) as source,
        closing(sqlite3.connect(folder / OLDER)) as into,
    ):
        source.backup(into)


def _reports(ledger: Ledger) -> Callable[[str, LocalSigner], object]:
    """Return what lets a key say a report, about a person."""

    def say(name: str, key: LocalSigner) -> object:
        referrer = Referrer(ledger.engine, os.urandom)
        said: JsonObject = {"title": f"by {name}", "about": referrer.refer("a person", name)}
        statement = Statement("report", (Subject("report", key.public.keyid),), said | referrer.members())
        return ledger.append(statement, signer=key, within=referrer.remember)

    return say


def _signed_size(engine: Engine, most: int) -> int:
    """Find the largest head of at most so many entries, else the smallest one that is enough to attack."""
    size = tables.checkpoints.c.size
    with tables.failures(), engine.connect() as connection:
        below = connection.execute(select(func.max(size)).where(size <= most)).scalar() or 0
        if below >= LEAST_ENTRIES:
            return int(below)
        return int(connection.execute(select(func.min(size)).where(size > most)).scalar_one())


def _copy_rows(table: Table, source: Connection, into: Connection) -> None:
    rows = source.execution_options(yield_per=_BATCH).execute(select(table)).mappings()
    for batch in rows.partitions(_BATCH):
        into.execute(table.insert(), [dict(row) for row in batch])
