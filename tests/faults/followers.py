"""A follower that raises at one entry of a batch: nothing of the batch is written, in the ledger or in any table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from audit import tables
from audit.errors import MalformedInput
from audit.ledger import Ledger
from audit.record import Entry
from tests.small_ledger import Clock, People, Titles, new_ledger, reopened, report

__all__ = ["FOLLOWER_FAULTS", "follower_rows"]

BATCH = 3
FOLLOWER_FAULTS: tuple[Exception, ...] = (
    RuntimeError("a fault of its own"),
    MalformedInput("a refusal"),
    MemoryError(),
)


class _Raising(Titles):
    """Learns like `Titles`, and raises after it learned from one entry."""

    def __init__(self, seq: int, fault: Exception) -> None:
        self.seq, self.fault = seq, fault

    def apply(self, connection: Connection, entry: Entry) -> None:
        super().apply(connection, entry)
        if entry.seq == self.seq:
            raise self.fault


def follower_rows(place: Path) -> Iterator[tuple[str, str, str]]:
    """Let a follower raise at each entry of a batch, in several ways; yield point, fault and outcome."""
    people = People()
    new_ledger(place, people, followers=[Titles()]).append(report("before", sha256="ab" * 32))
    for part in range(BATCH):
        for fault in FOLLOWER_FAULTS:
            outcome = _strike(place, people, _Raising(2 + part, fault))
            yield f"entry {part + 1} of {BATCH}", f"raises {type(fault).__name__}", outcome


def _strike(place: Path, people: People, follower: _Raising) -> str:
    before = _everything(place)
    ledger = Ledger(
        tables.open_database(place / "ledger.db"),
        followers=[follower],
        signer=lambda _: people.admin,
        log_signer=lambda: people.log,
        clock=Clock(),
    )
    with pytest.raises(type(follower.fault)):
        ledger.append_many([report(f"title {number}") for number in range(BATCH)])
    assert _everything(place) == before, "something was written"
    assert reopened(place, people, [Titles()]).verify()
    return f"{type(follower.fault).__name__}, nothing written"


def _everything(place: Path) -> list[str]:
    with closing(sqlite3.connect(place / "ledger.db")) as database:
        return list(database.iterdump())
