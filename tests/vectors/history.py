"""A history without a database: what a log would write, one record after the other, and what it would refuse to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.canonical import Json
from audit.checkpoint import Checkpoint
from audit.envelope import sign
from audit.key_events import KeyEvent, genesis
from audit.merkle import EMPTY_ROOT, leaf_hash, root
from audit.note import Note, sign_note
from audit.record import FIRST_PREV, write_record
from audit.statement import Observed, Statement, Subject, claim
from tests.vectors.people import ORIGIN, signer

__all__ = ["DIGEST", "History", "begin", "begun", "report", "signed_by"]

DIGEST = "ab" * 32


def report(title: str = "a title", **more: Json) -> Statement:
    """Say a report."""
    return Statement("report", (Subject("report.pdf", DIGEST),), {"title": title, "sha256": DIGEST, **more})


def begin(name: str = "admin", log: str = "log", roles: tuple[str, ...] = ("admin", "recorder")) -> KeyEvent:
    """Begin a ledger with a first key."""
    return genesis(ORIGIN, name, signer(name).public, roles, "Ilse Brandt", bytes(32), signer(log).public)


@dataclass
class History:
    """The records that stand, and the offers made so far with the answer that each must get."""

    records: list[bytes] = field(default_factory=list)
    offers: list[dict[str, Json]] = field(default_factory=list)

    def offer(
        self,
        stands: bool,
        why: str,
        said: KeyEvent | Statement,
        *by: str,
        role: str = "admin",
        ledger: str = ORIGIN,
        log: str = ORIGIN,
        entry: int | None = None,
        observed: Observed | None = None,
    ) -> bytes:
        """Write the record of a statement at the next place, and note how it must be answered."""
        seq = len(self.records)
        claimed = claim(
            said.statement if isinstance(said, KeyEvent) else said,
            ledger=ledger,
            entry_id=f"019bbb5c-5a3e-7000-8000-{seq if entry is None else entry:012x}",
            signed_at=_time(seq),
            observed=observed or Observed(seq, self.root().hex()),
            role=role,
        )
        envelope = sign(claimed.payload(), [signer(name) for name in by])
        before = leaf_hash(self.records[-1]).hex() if self.records else FIRST_PREV
        return self.offer_bytes(
            stands, why, write_record(envelope, log=log, prev=before, seq=seq, time=_time(seq))
        )

    def takes(self, why: str, said: KeyEvent | Statement, *by: str, role: str = "admin") -> None:
        """Offer what must stand."""
        self.offer(True, why, said, *by, role=role)

    def refuses(self, why: str, said: KeyEvent | Statement, *by: str, role: str = "admin") -> None:
        """Offer what must be refused."""
        self.offer(False, why, said, *by, role=role)

    def offer_bytes(self, stands: bool, why: str, record: bytes) -> bytes:
        """Offer a record as it is."""
        self.offers.append(
            {"record": record.decode(), "answer": "stands" if stands else "refused", "why": why}
        )
        if stands:
            self.records.append(record)
        return record

    def root(self, size: int | None = None) -> bytes:
        """Compute the root over the first records."""
        return root([leaf_hash(record) for record in self.records[:size]]) if self.records else EMPTY_ROOT

    def checkpoint(self, *by: str, size: int | None = None) -> str:
        """Write the signed head."""
        head = Checkpoint(ORIGIN, len(self.records) if size is None else size, self.root(size))
        return signed_by(head.text(), by or ("log",))


def signed_by(text: str, names: Sequence[str], origin: str = ORIGIN) -> str:
    """Sign a note's text with test keys, one signature line after the other."""
    lines = [line for name in names for line in sign_note(text, origin, signer(name)).signatures]
    return Note(text, tuple(lines)).to_bytes().decode()


def begun() -> History:
    """Return a history with a genesis entry."""
    history = History()
    history.offer(True, "the genesis entry, signed by the key that it names", begin(), "admin")
    return history


def _time(seq: int) -> str:
    return f"2026-01-13T09:30:{seq:02}.000000Z"
