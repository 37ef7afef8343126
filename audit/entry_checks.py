"""What is checked of entries that are read in rising order, all of a ledger or some of it: steps 1, 4 and 8.

Rules:

- A record parses, is canonical, says the number under which it is found, and belongs to the one ledger; where the
  record before it is there too, it names that one by its leaf hash.
- Who may say what follows from the key entries among those that were read. Where some may be missing, so may a
  revocation: that is said with the answer, and is the caller's to say again.
- What an entry that failed says about keys is not believed.
- What is kept of each entry, however many there are: its statement's id, where whoever reads them says (`Ids`), and its
  number under each key that signed it, eight bytes.

>>> checks = EntryChecks("bank.example/models")
>>> checks.see(0, b"{}") is None
True
>>> checks.records.step("").status
'failed'
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from audit.doubt import Doubted, Doubts, entries_of, granted_words
from audit.entry_findings import (
    check_chain,
    check_origin,
    check_statement,
    check_time,
    is_there_twice,
    is_unread,
)
from audit.errors import AffidavitError
from audit.evidence import NOTHING_READ
from audit.merkle import leaf_hash
from audit.record import FIRST_PREV, Entry, parse_record
from audit.report import Findings, Step, listed
from audit.trust import Trust

__all__ = ["EntryChecks", "Ids", "IdsInMemory"]

_AT_A_TIME = 1_024


class Ids(Protocol):
    """Takes the ids of statements with the numbers of their entries, in order, and finds what is there twice."""

    def add(self, ids: Sequence[tuple[str, int]], found: Findings) -> None:
        """Take some more."""
        ...


class IdsInMemory:
    """The ids of so few statements that they fit in memory, about 150 bytes each."""

    def __init__(self) -> None:
        """Know of no statement yet."""
        self._known: set[str] = set()

    def add(self, ids: Sequence[tuple[str, int]], found: Findings) -> None:
        """Take some more; a statement that is known already is a finding at the later entry."""
        for text, seq in ids:
            if text in self._known:
                is_there_twice(found, seq)
            self._known.add(text)


@dataclass(slots=True)
class EntryChecks:
    """Reads one record after the other; holds what was found, and the trust that stands after the last."""

    origin: str
    ids: Ids = field(default_factory=IdsInMemory)
    trust: Trust = field(default_factory=Trust)
    count: int = 0
    signatures: int = 0
    """How many were checked and hold; those of an entry that failed are not counted, nor are their keys."""
    held: set[str] = field(default_factory=set)
    signers: "dict[str, array[int]]" = field(default_factory=dict)
    records: Findings = field(default_factory=lambda: Findings(1, "records"))
    said: Findings = field(default_factory=lambda: Findings(4, "signatures"))
    times: Findings = field(default_factory=lambda: Findings(8, "times"))
    _before: tuple[int, str] = (-1, FIRST_PREV)
    _new_ids: list[tuple[str, int]] = field(default_factory=list)
    _span: tuple[str, str] = ("", "")

    def see(self, seq: int, record: bytes) -> Entry | None:
        """Check the record that is found under a number, higher than that of the one before; return its entry."""
        self.count += 1
        self.records.figures["records"] += 1
        try:
            entry = parse_record(record)
        except AffidavitError as error:
            is_unread(self.records, self.said, self.times, seq, str(error))
            entry = None
        if entry is not None:
            self._place(seq, entry)
            self._signed(seq, entry)
            self._time(seq, entry)
        self._before = (seq, leaf_hash(record).hex())
        return entry

    @property
    def doubted(self) -> tuple[Doubted, ...]:
        """The entries in doubt, by the keys that signed them and the reasons."""
        return tuple(Doubts.of(self.trust.grants).doubted(self.signers))

    def records_step(self, what: str) -> Step:
        """Close step 1; `what` says in words which records these are."""
        if not self.count:
            self.records.add("there is no record: not even that of the genesis entry", 0)
        return self.records.step(what)

    def signatures_step(self, more: str = "") -> Step:
        """Close step 4; `more` says what this does not show."""
        if not self.count:
            return self.said.skipped(NOTHING_READ)
        self._take_ids()
        doubted, keys = self.doubted, len(self.held)
        suspect = {seq for group in doubted if group.grant is None for seq in group.entries}
        words = [f"in doubt, by a key that was suspect: entries {listed(sorted(suspect))}"] if suspect else []
        words += granted_words(doubted, self.trust.grants)
        in_doubt = len(entries_of(doubted))
        self.said.figures.update({"signatures": self.signatures, "keys": keys, "in doubt": in_doubt})
        return self.said.step(
            f"{self.signatures} signatures by {keys} {'key' if keys == 1 else 'keys'} that held their roles at that "
            f"entry{''.join(f'; {said}' for said in words)}{more}"
        )

    def times_step(self) -> Step:
        """Close step 8."""
        first, last = self._span
        if not first:
            return self.times.skipped(NOTHING_READ)
        return self.times.step(f"the log's times run from {first} to {last} without going back")

    def _place(self, seq: int, entry: Entry) -> None:
        if entry.seq != seq:
            self.records.add(f"the record of entry {seq} says that it is entry {entry.seq}", seq)
        check_origin(self.records, seq, entry, self.origin)
        number, leaf = self._before
        if seq == number + 1:
            check_chain(self.records, seq, entry, leaf)

    def _signed(self, seq: int, entry: Entry) -> None:
        found = Findings(4, "signatures")
        self.trust = check_statement(found, seq, entry, self.trust)
        if not found:
            self.held.update(signature.keyid for signature in entry.envelope.signatures)
            self.signatures += len(entry.envelope.signatures)
        self.said.join(found)
        self._new_ids.append((entry.entry_id, seq))
        if len(self._new_ids) >= _AT_A_TIME:
            self._take_ids()
        for signature in entry.envelope.signatures:
            self.signers.setdefault(signature.keyid, array("Q")).append(seq)

    def _take_ids(self) -> None:
        self.ids.add(self._new_ids, self.said)
        self._new_ids.clear()

    def _time(self, seq: int, entry: Entry) -> None:
        first, last = self._span
        self.times.figures["times"] += 1
        check_time(self.times, seq, entry.time, last)
        self._span = (first or entry.time, entry.time)
