"""The tables that can be erased, against the entries that commit to them (part of step 6 of verification).

Rules:

- `holders` has one row for each key that was granted, and its name and salt open the newest grant's commitment.
- `subjects` has one row for each subject that an entry refers to, and its number, name and key open every commitment.
- A row is missing exactly where an `erasure` says so: missing without one, or still there after one, is a finding. A
  key that is granted again after its holder was erased has a row again.

`Bindings` reads entries in order and answers once; it reads no database.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from audit.holders import SALT_BYTES, commitment
from audit.record import Entry
from audit.statement import Statement, Subject
from audit.subjects import KEY_BYTES, KnownSubject
from audit.trust import Grant

__all__ = ["Bindings", "Erasure", "What"]

What = Literal["holder", "subject"]
Found = Iterator[tuple[str, int | None]]
Row = Any
"""A row of `holders` (key, name, salt) or of `subjects` (subject, name, key); a damaged one holds any type."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an `erasure` entry says: the holder of a key, by key id, or a subject, by number, was erased."""

    erased: What
    id: str
    reason: str

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "Erasure":
        """Read an erasure strictly, or raise `MalformedInput`."""
        erased, ident, reason = (predicate.get(member) for member in ("erased", "id", "reason"))
        if erased not in ("holder", "subject") or not isinstance(ident, str) or not isinstance(reason, str):
            raise MalformedInput("an erasure names a holder or a subject, its id, and the reason")
        return cls("holder" if erased == "holder" else "subject", ident, reason)

    def statement(self) -> Statement:
        """Say it."""
        predicate: JsonObject = {"erased": self.erased, "id": self.id, "reason": self.reason}
        return Statement(
            "erasure", (Subject(self.erased, hashlib.sha256(self.id.encode()).hexdigest()),), predicate
        )


@dataclass(slots=True)
class Bindings:
    """What the entries say of people: commitments and erasures."""

    erased: dict[tuple[str, str], int] = field(default_factory=dict)
    referred: dict[str, tuple[int, str]] = field(default_factory=dict)
    found: list[tuple[str, int]] = field(default_factory=list)

    def see(self, entry: Entry) -> None:
        """Learn from one entry."""
        for number, commits in entry.statement.refers_to:
            first, before = self.referred.setdefault(number, (entry.seq, commits))
            if commits != before:
                told = f"entry {entry.seq} commits to another row for the subject {number[:8]}… than entry {first}"
                self.found.append((told, entry.seq))
        if entry.kind == "erasure":
            try:
                said = Erasure.read(entry.statement.predicate)
            except MalformedInput as error:
                self.found.append((f"entry {entry.seq}: {error}", entry.seq))
            else:
                self.erased[said.erased, said.id] = entry.seq

    def problems(self, grants: Mapping[str, Grant], holders: Sequence[Row], subjects: Sequence[Row]) -> Found:
        """Yield what is wrong with the rows, each in a sentence, with the entry that it concerns."""
        yield from self.found
        yield from self._unknown(grants)
        yield from self._holders(grants, {row.key: row for row in holders})
        yield from self._subjects({row.subject: row for row in subjects})

    def summary(self, grants: Mapping[str, Grant]) -> str:
        """Say what was compared, and what was erased by which entry."""
        gone = [keyid for keyid, grant in grants.items() if self._holder_erased(grant) is not None]
        held = len(grants) - len(gone)
        told = [f"{_count(held, 'key holder')} {'matches its grant' if held == 1 else 'match their grants'}"]
        if self.referred:
            here = [number for number in self.referred if ("subject", number) not in self.erased]
            match = (
                "matches the entries that refer to it"
                if len(here) == 1
                else "match the entries that refer to them"
            )
            told.append(f"{_count(len(here), 'subject')} {match}")
        for what, name in (("holder", "key holder"), ("subject", "subject")):
            entries = sorted(
                seq
                for (kind, ident), seq in self.erased.items()
                if kind == what and (what != "holder" or ident in gone)
            )
            if entries:
                told.append(f"{_count(len(entries), name)} erased by {_entries(entries)}")
        return "; ".join(told)

    def _holder_erased(self, grant: Grant) -> int | None:
        seq = self.erased.get(("holder", grant.keyid))
        return seq if seq is not None and seq > grant.since else None

    def _unknown(self, grants: Mapping[str, Grant]) -> Found:
        for (what, ident), seq in self.erased.items():
            known = ident in grants if what == "holder" else ident in self.referred
            if not known:
                yield f"entry {seq} erased a {what} of whom no entry says anything", seq

    def _holders(self, grants: Mapping[str, Grant], rows: Mapping[Any, Row]) -> Found:
        for keyid in sorted(rows.keys() | grants.keys(), key=repr):
            row, grant = rows.get(keyid), grants.get(keyid)
            if grant is None:
                yield f"the row holders {str(keyid)[:16]} is of a key that was never granted", None
                continue
            erased = self._holder_erased(grant)
            if row is None and erased is None:
                yield f"the holder of the key {grant.name!r} is missing from the table holders", grant.since
            elif row is not None and erased is not None:
                yield (
                    f"the holder of the key {grant.name!r} is still there, though entry {erased} erased it",
                    erased,
                )
            # The length too: HMAC fills a short key up with zeros, so a salt with zeros behind it commits alike.
            elif row is not None and (
                len(_blob(row.salt)) != SALT_BYTES
                or commitment(_blob(row.salt), str(row.name)) != grant.holder
            ):
                yield (
                    f"holders.name or salt of the key {grant.name!r} is not what it was granted for",
                    grant.since,
                )

    def _subjects(self, rows: Mapping[Any, Row]) -> Found:
        for number in sorted(rows.keys() | self.referred.keys(), key=repr):
            row, (seq, commits) = rows.get(number), self.referred.get(number, (None, ""))
            erased = self.erased.get(("subject", number))
            told = f"the row subjects {str(number)[:8]}…"
            if seq is None:
                yield f"{told} is of a subject to whom no entry refers", None
            elif row is None and erased is None:
                yield f"{told} is missing", seq
            elif row is not None and erased is not None:
                yield f"{told} is still there, though entry {erased} erased it", erased
            elif row is not None and not _opens(row, commits):
                yield (
                    f"subjects.name or key of the row subjects {str(number)[:8]}… is not what entry {seq} refers to",
                    seq,
                )


def _opens(row: Row, commits: str) -> bool:
    key = _blob(row.key)
    return (
        len(key) == KEY_BYTES and KnownSubject(str(row.subject), str(row.name), key).commitment() == commits
    )


def _blob(value: object) -> bytes:
    """Return what a BLOB column gave; a damaged page can give another type, which stands for no bytes."""
    return value if isinstance(value, bytes) else b""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _entries(entries: Sequence[int]) -> str:
    return f"entr{'y' if len(entries) == 1 else 'ies'} {', '.join(map(str, entries[:5]))}" + (
        f" and {len(entries) - 5} more" if len(entries) > 5 else ""
    )
