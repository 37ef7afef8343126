"""What one process recomputes over a range of records: steps 1, 2, 4, 5 and 8 of verification.

Rules:

- The record's bytes are what counts. Everything else is compared with them: index columns, the chain, times, the
  signed heads whose size falls into the range.
- A head is recomputed from the records before it, whoever signed it or says to have seen it.
- Who holds which role at an entry follows from the key entries before it, as they were checked on the way.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from audit.errors import AffidavitError
from audit.merkle import leaf_hash
from audit.record import FIRST_PREV, Entry, index_columns, parse_record
from audit.report import Findings
from audit.trust import Trust
from audit.verify_checkpoints import Checkpoints
from audit.verify_tree import RecomputedTree

__all__ = ["RangeCheck"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A stored row with what was recomputed from its record."""

    row: Row[Any]
    record: bytes
    leaf: bytes
    entry: Entry | None
    problem: str


@dataclass(slots=True)
class RangeCheck:
    """Reads one record after the other, and holds what was found and what the next range continues from."""

    tree: RecomputedTree
    checkpoints: Checkpoints
    trust: Trust = field(default_factory=Trust)
    origin: str = ""
    next_seq: int = 0
    last_leaf: str = FIRST_PREV
    first_time: str = ""
    last_time: str = ""
    ids: set[str] = field(default_factory=set)
    records: Findings = field(default_factory=lambda: Findings(1, "records"))
    signatures: Findings = field(default_factory=lambda: Findings(4, "signatures"))
    observed: Findings = field(default_factory=lambda: Findings(5, "observed"))
    times: Findings = field(default_factory=lambda: Findings(8, "times"))

    def see(self, row: Row[Any]) -> Entry | None:
        """Check one stored row, the next in order; return its entry where it reads."""
        record = row.record if isinstance(row.record, bytes) else b""
        try:
            entry, problem = parse_record(record), ""
        except AffidavitError as error:
            entry, problem = None, str(error)
        seen = _Seen(row, record, leaf_hash(record), entry, problem)
        self._record(seen)
        if entry is not None:
            self._seen_head(row.seq, entry)
        self.tree.append(seen.leaf)
        self._signature(seen)
        self._time(seen)
        self.checkpoints.reach(self.tree, self.trust)
        self.last_leaf = seen.leaf.hex()
        return entry

    def _record(self, seen: _Seen) -> None:
        seq, found = seen.row.seq, self.records
        found.figures["records"] += 1
        found.figures["bytes"] += len(seen.record)
        if seq < self.next_seq:
            found.add(f"entry {seq} is before the genesis entry", seq)
        elif seq != self.next_seq:
            gone = f"entry {self.next_seq}"
            if seq != self.next_seq + 1:
                gone = f"entries {self.next_seq} to {seq - 1}"
            found.add(f"{gone} missing from the table records", self.next_seq)
        self.next_seq = seq + 1
        if seen.entry is None:
            found.add(f"the record of entry {seq} is not one: {seen.problem}", seq)
        else:
            self._columns(seq, seen.entry, seen)

    def _columns(self, seq: int, entry: Entry, seen: _Seen) -> None:
        self.origin = self.origin or entry.log
        if entry.log != self.origin:
            self.records.add(f"the record of entry {seq} belongs to the ledger {entry.log!r}", seq)
        if entry.prev != self.last_leaf:
            self.records.add(f"the record of entry {seq} does not follow from the record before it", seq)
        stored = seen.row._mapping
        for column, value in index_columns(entry).items():
            if stored[column] != value:
                self.records.add(f"records.{column} of entry {seq} is not what its record says", seq)

    def _seen_head(self, seq: int, entry: Entry) -> None:
        """Check the tree head that the signer saw, before the entry itself is in the tree."""
        head = entry.statement.observed
        self.observed.figures["tree heads"] += 1
        expected = self.tree.root_at(head.size) if head.size <= seq else None
        if expected is None or expected.hex() != head.root:
            self.observed.add(
                f"entry {seq} was signed after seeing a tree head of {head.size} entries that is not here",
                seq,
            )

    def _signature(self, seen: _Seen) -> None:
        seq, entry, found = seen.row.seq, seen.entry, self.signatures
        if entry is None:
            found.add(f"entry {seq} does not read, so its signature could not be checked", seq)
            return
        try:
            self.trust.permit(entry.envelope, entry.statement, entry.seq)
            self.trust = self.trust.after(entry.seq, entry.statement)
        except AffidavitError as error:
            found.add(f"entry {seq}: {error}", seq)
        if entry.statement.text("ledger") != entry.log:
            found.add(f"the statement of entry {seq} was signed for another ledger", seq)
        if entry.entry_id in self.ids:
            found.add(f"the statement of entry {seq} stands in the ledger twice", seq)
        self.ids.add(entry.entry_id)
        found.figures["signatures"] += len(entry.envelope.signatures)

    def _time(self, seen: _Seen) -> None:
        if seen.entry is None:
            self.times.add(f"entry {seen.row.seq} does not read, so it has no time", seen.row.seq)
            return
        time = seen.entry.time
        self.times.figures["times"] += 1
        if time < self.last_time:
            self.times.add(
                f"the time of entry {seen.entry.seq} is before that of the entry before it", seen.entry.seq
            )
        self.first_time, self.last_time = self.first_time or time, time
