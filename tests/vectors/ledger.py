"""A small whole ledger as the product writes it, with its clock and its randomness set: records, heads, the root."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from audit import key_events, tables
from audit.ledger import Ledger, create_ledger
from audit.merkle import leaf_hash
from tests.small_ledger import Clock
from tests.vectors.history import report
from tests.vectors.people import LOG, ORIGIN, VKEY, signer

__all__ = ["FILES", "written"]

_ENTRIES = 9


class _Counted:
    """Stands for randomness: 0, 1, 2, ... in as many bytes as are asked for."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count, "big")


def written(folder: Path) -> Ledger:
    """Write the ledger into a folder: two keys, four reports of which three in one batch, a revocation, a new admin."""
    admin = signer("admin")
    ledger = create_ledger(
        tables.create(folder / "ledger.db", []),
        origin=ORIGIN,
        name="admin",
        holder="Ilse Brandt",
        roles=("admin", "recorder"),
        signer=admin,
        log_signer=LOG,
        clock=Clock(),
        random_bytes=_Counted(),
    )
    ledger.grant("ana", signer("ana").public, ("auditor",), "Ana Ruiz")
    ledger.append(report("one"), signer=signer("ana"))
    ledger.append_many([report(f"of a batch, {number}") for number in range(3)])
    ledger.revoke(signer("ana").public.keyid, "left", 2)
    ledger.grant("pat", signer("pat").public, ("admin",), "Pat Lindqvist")
    ledger.say(key_events.threshold(ORIGIN, 2), by=[admin])
    return ledger


def small_ledger() -> list[dict[str, Any]]:
    """The whole ledger as one case."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = written(Path(folder))
        records = [entry.record for entry in ledger.entries()]
        assert len(records) == _ENTRIES
        return [
            {
                "origin": ORIGIN,
                "vkey": str(VKEY),
                "records": [record.decode() for record in records],
                "leaf_hashes": [leaf_hash(record).hex() for record in records],
                "checkpoints": list(_checkpoints(ledger)),
                "size": len(records),
                "root": ledger.head().root.hex(),
                "answer": "accepted",
                "why": "a whole ledger",
            }
        ]


def _checkpoints(ledger: Ledger) -> Iterator[str]:
    with ledger.engine.connect() as connection:
        rows = connection.execute(select(tables.checkpoints.c.note).order_by(tables.checkpoints.c.number))
        for note in rows.scalars():
            yield bytes(note).decode()


FILES: dict[str, Callable[[], list[dict[str, Any]]]] = {"ledger": small_ledger}
