"""What is checked of entries that are read in rising order, all of a ledger or some of it: steps 1, 4 and 8.

Rules:

- A record parses, is canonical, says the number under which it is found, and belongs to the one ledger; where the
  record before it is there too, it names that one by its leaf hash.
- Who may say what follows from the key entries among those that were read. Where some may be missing, so may a
  revocation: that is said with the answer, and is the caller's to say again.
- What an entry that failed says about keys is not believed.

>>> checks = EntryChecks("bank.example/models")
>>> checks.see(0, b"{}") is None
True
>>> checks.records.step("").status
'failed'
"""

from array import array
from dataclasses import dataclass, field

from audit.errors import AffidavitError
from audit.evidence import NOTHING_READ
from audit.merkle import leaf_hash
from audit.record import FIRST_PREV, Entry, parse_record
from audit.report import Findings, Step
from audit.trust import Trust

__all__ = ["EntryChecks"]


@dataclass(slots=True)
class EntryChecks:
    """Reads one record after the other; holds what was found, and the trust that stands after the last."""

    origin: str
    trust: Trust = field(default_factory=Trust)
    count: int = 0
    signatures: int = 0
    signers: "dict[str, array[int]]" = field(default_factory=dict)
    records: Findings = field(default_factory=lambda: Findings(1, "records"))
    said: Findings = field(default_factory=lambda: Findings(4, "signatures"))
    times: Findings = field(default_factory=lambda: Findings(8, "times"))
    _before: tuple[int, str] = (-1, FIRST_PREV)
    _ids: set[str] = field(default_factory=set)
    _span: tuple[str, str] = ("", "")

    def see(self, seq: int, record: bytes) -> Entry | None:
        """Check the record that is found under a number, higher than that of the one before; return its entry."""
        self.count += 1
        self.records.figures["records"] += 1
        try:
            entry = parse_record(record)
        except AffidavitError as error:
            self.records.add(f"the record of entry {seq} is not one: {error}", seq)
            self.said.add(f"entry {seq} does not read, so its signature could not be checked", seq)
            self.times.add(f"entry {seq} does not read, so it has no time", seq)
            entry = None
        if entry is not None:
            self._place(seq, entry)
            self._signed(seq, entry)
            self._time(seq, entry)
        self._before = (seq, leaf_hash(record).hex())
        return entry

    @property
    def in_doubt(self) -> list[int]:
        """The entries that a key signed while it was suspect, by what its revocation says."""
        doubted: set[int] = set()
        for grant in self.trust.grants.values():
            if grant.suspect_since is not None:
                signed = self.signers.get(grant.keyid, ())
                doubted.update(seq for seq in signed if seq >= grant.suspect_since)
        return sorted(doubted)

    def records_step(self, what: str) -> Step:
        """Close step 1; `what` says in words which records these are."""
        if not self.count:
            self.records.add("there is no record: not even that of the genesis entry", 0)
        return self.records.step(what)

    def signatures_step(self, more: str = "") -> Step:
        """Close step 4; `more` says what this does not show."""
        if not self.count:
            return self.said.skipped(NOTHING_READ)
        doubt = self.in_doubt
        suspect = (
            f"; in doubt, by a key that was suspect: entries {', '.join(map(str, doubt))}" if doubt else ""
        )
        keys = len(self.signers)
        self.said.figures.update({"signatures": self.signatures, "keys": keys, "in doubt": len(doubt)})
        return self.said.step(
            f"{self.signatures} signatures by {keys} {'key' if keys == 1 else 'keys'} that held their roles at that "
            f"entry{suspect}{more}"
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
        if entry.log != self.origin:
            self.records.add(f"the record of entry {seq} belongs to the ledger {entry.log!r}", seq)
        number, leaf = self._before
        if seq == number + 1 and entry.prev != leaf:
            self.records.add(f"the record of entry {seq} does not follow from the record before it", seq)

    def _signed(self, seq: int, entry: Entry) -> None:
        try:
            self.trust.permit(entry.envelope, entry.statement, seq)
            self.trust = self.trust.after(seq, entry.statement)
        except AffidavitError as error:
            self.said.add(f"entry {seq}: {error}", seq)
        if entry.statement.text("ledger") != entry.log:
            self.said.add(f"the statement of entry {seq} was signed for another ledger", seq)
        if entry.entry_id in self._ids:
            self.said.add(f"the statement of entry {seq} stands here twice", seq)
        self._ids.add(entry.entry_id)
        for signature in entry.envelope.signatures:
            self.signers.setdefault(signature.keyid, array("Q")).append(seq)
        self.signatures += len(entry.envelope.signatures)

    def _time(self, seq: int, entry: Entry) -> None:
        first, last = self._span
        self.times.figures["times"] += 1
        if entry.time < last:
            self.times.add(f"the time of entry {seq} is before that of the entry before it", seq)
        self._span = (first or entry.time, entry.time)
