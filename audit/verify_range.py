"""What one process recomputes over a range of records: steps 1, 2, 4, 5 and 8 of verification.

Rules:

- The record's bytes are what counts. Everything else is compared with them: index columns, the chain, times, the
  signed heads whose size falls into the range.
- A head is recomputed from the records before it, whoever signed it or says to have seen it.
- Who holds which role at an entry follows from the key entries before it, as they were checked on the way.
- Of entries before `Asked.trusted` the bytes are hashed, so that the tree is recomputed whole, key entries are read,
  and the id of every statement is taken, since a later entry may say an old statement again; everything else about
  them is taken from the checkpoint that the auditor trusts.
"""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from audit import tables
from audit.entry_findings import check_chain, check_origin, check_statement, check_time, is_unread
from audit.errors import AffidavitError
from audit.merkle import leaf_hash
from audit.record import FIRST_PREV, Entry, parse_record
from audit.report import Findings
from audit.trust import KEY_KINDS, Trust
from audit.verify_checkpoints import Checkpoints
from audit.verify_tree import Tree

__all__ = ["Asked", "RangeCheck", "learned", "may_be_key_entry", "payload_of", "records_query"]

_COLUMNS = ("seq", "record", "leaf_hash", "entry_id", "kind", "key", "time")
_BEFORE_PAYLOAD = b'{"entry":{"payload":"'
_KEY_TYPES = tuple(f'"urn:affidavit:{kind}:v1"'.encode() for kind in KEY_KINDS)


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is recomputed.

    `structural` leaves out steps 4 to 7; of the entries before `trusted` only the bytes are compared.
    """

    structural: bool = False
    trusted: int = 0


def records_query() -> Select[Any]:
    """Select the rows that `RangeCheck.see` takes, in order."""
    columns = (tables.records.c[name] for name in _COLUMNS)
    return select(*columns).order_by(tables.records.c.seq)


@dataclass(slots=True)
class RangeCheck:
    """Reads one record after the other, and holds what was found and what the next range continues from."""

    tree: Tree
    checkpoints: Checkpoints
    asked: Asked = field(default_factory=Asked)
    trust: Trust = field(default_factory=Trust)
    origin: str = ""
    next_seq: int = 0
    last_leaf: bytes = bytes.fromhex(FIRST_PREV)
    first_time: str = ""
    last_time: str = ""
    key_entries: list[tuple[int, str]] = field(default_factory=list)
    ids: list[tuple[str, int]] = field(default_factory=list)
    signers: set[str] = field(default_factory=set)
    records: Findings = field(default_factory=lambda: Findings(1, "records"))
    signatures: Findings = field(default_factory=lambda: Findings(4, "signatures"))
    observed: Findings = field(default_factory=lambda: Findings(5, "observed"))
    times: Findings = field(default_factory=lambda: Findings(8, "times"))

    def see(self, row: Sequence[Any]) -> Entry | None:
        """Check one stored row, the next in order; return its entry where it reads."""
        seq, stored = row[0], row[1]
        record = stored if isinstance(stored, bytes) else b""
        leaf = leaf_hash(record)
        self._place(seq, len(record))
        if seq < self.asked.trusted:
            payload = payload_of(record)
            self._trusted_id(seq, payload)
            if not self._is_needed(seq, payload):
                self._grow(leaf)
                return None
        try:
            entry = parse_record(record)
        except AffidavitError as error:
            is_unread(self.records, self.signatures, self.times, seq, str(error))
            self._grow(leaf)
            return None
        if seq >= self.asked.trusted:
            self._columns(row, entry, leaf)
            self._time(entry)
            if not self.asked.structural:
                self._seen_head(seq, entry)
                self._statement(seq, entry)
        self._keys(seq, entry, leaf)
        self.last_time = entry.time
        self._grow(leaf)
        return entry

    def _place(self, seq: int, length: int) -> None:
        found = self.records
        found.figures["records"] += 1
        found.figures["bytes"] += length
        if seq < self.next_seq:
            found.add(f"entry {seq} is before the genesis entry", seq)
        elif seq != self.next_seq:
            gone = f"entry {self.next_seq}"
            if seq != self.next_seq + 1:
                gone = f"entries {self.next_seq} to {seq - 1}"
            found.add(f"{gone} missing from the table records", self.next_seq)
        self.next_seq = seq + 1

    def _is_needed(self, seq: int, payload: bytes | None) -> bool:
        """Say whether a trusted entry is read all the same: a key entry, or the one whose time comes before."""
        return seq == self.asked.trusted - 1 or may_be_key_entry(payload)

    def _trusted_id(self, seq: int, payload: bytes | None) -> None:
        """Take the id of a trusted statement: the checkpoint stands for it, so it is read without its rules."""
        if self.asked.structural:
            return
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            entry_id = json.loads(payload or b"")["predicate"]["entry_id"]
            self.ids.append((str(UUID(entry_id)), seq))

    def _grow(self, leaf: bytes) -> None:
        self.tree.append(leaf)
        self.checkpoints.reach(self.tree, self.trust)
        self.last_leaf = leaf

    def _columns(self, row: Sequence[Any], entry: Entry, leaf: bytes) -> None:
        seq, found = row[0], self.records
        self.origin = self.origin or entry.log
        check_origin(found, seq, entry, self.origin)
        check_chain(found, seq, entry, self.last_leaf.hex())
        # As `audit.record.index_columns` has them, without hashing the record twice.
        expected = (entry.seq, entry.record, leaf, entry.entry_id, entry.kind, entry.key, entry.time)
        if tuple(row) != expected:
            for column, stored, value in zip(_COLUMNS, row, expected, strict=True):
                if stored != value:
                    found.add(f"records.{column} of entry {seq} is not what its record says", seq)

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

    def _statement(self, seq: int, entry: Entry) -> None:
        self.trust = check_statement(self.signatures, seq, entry, self.trust)
        self.ids.append((entry.entry_id, seq))
        self.signatures.figures["signatures"] += len(entry.envelope.signatures)
        self.signers.update(signature.keyid for signature in entry.envelope.signatures)

    def _keys(self, seq: int, entry: Entry, leaf: bytes) -> None:
        if entry.kind not in KEY_KINDS:
            return
        self.key_entries.append((seq, leaf.hex()))
        if self.asked.structural or seq < self.asked.trusted:
            self.trust = learned(self.trust, entry)

    def _time(self, entry: Entry) -> None:
        self.times.figures["times"] += 1
        check_time(self.times, entry.seq, entry.time, self.last_time)
        self.first_time = self.first_time or entry.time


def learned(trust: Trust, entry: Entry) -> Trust:
    """Return the trust once a key entry stands, unchanged where the entry is not permitted: step 4 names that."""
    try:
        trust.permit(entry.envelope, entry.statement, entry.seq)
        return trust.after(entry.seq, entry.statement, entry.envelope.keyids)
    except AffidavitError:
        return trust


def payload_of(record: bytes) -> bytes | None:
    """Take the payload out of a record without reading the rest; None where it is not at its place."""
    if not record.startswith(_BEFORE_PAYLOAD):
        return None
    end = record.find(b'"', len(_BEFORE_PAYLOAD))
    try:
        return base64.b64decode(record[len(_BEFORE_PAYLOAD) : end])
    except ValueError:
        return None


def may_be_key_entry(payload: bytes | None) -> bool:
    """Say whether a payload could be a key entry's, by its bytes: canonical JSON spells its type one way."""
    return payload is None or any(kind in payload for kind in _KEY_TYPES)
