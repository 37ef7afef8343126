"""Erasure of personal data: the row that gives a reference its meaning is deleted, and an entry says so.

Rules:

- Row and key are deleted in the transaction that appends the `erasure` entry, which an admin signs, or several by a
  draft (`audit.drafts`); then the database's files are scrubbed (`audit.scrub`).
- No entry changes. What refers to the row is verified as before, as bytes; what it says can no longer be told.
- The reason stands in the ledger for ever: one that holds the name that it is to erase is refused.
- What cannot be reached from here: backups and copies, blocks that the file system or the disk has set aside, files
  in the artifact store, and documents that were handed out.

>>> found = erasable(ledger, "applicant 4711")                                # doctest: +SKIP
>>> erase(ledger, found, "request of 3 March", by=admin)                      # doctest: +SKIP
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Table, select

from audit import tables
from audit.bindings import Erasure, What
from audit.canonical import Json, JsonObject
from audit.errors import Conflict, MalformedInput, NotFound
from audit.keys import Signer
from audit.ledger import Ledger
from audit.record import Entry
from audit.scrub import Scrubbed, scrub
from audit.statement import Statement
from audit.subjects import known_subjects

__all__ = [
    "Erasable",
    "Erased",
    "check_reason",
    "deleting",
    "erasable",
    "erase",
    "erased_before",
    "erasures",
    "holder_shown",
    "named_by",
    "scrub_after",
]


_ROWS: dict[What, tuple[Table, Column[str]]] = {
    "holder": (tables.holders, tables.holders.c.key),
    "subject": (tables.subjects, tables.subjects.c.subject),
}


@dataclass(frozen=True, slots=True)
class Erasable:
    """A row that can be erased, and the entries that refer to it (for a holder, those that the key signed)."""

    erased: What
    id: str
    name: str
    secret: bytes
    entries: tuple[int, ...]

    def to_json(self) -> JsonObject:
        """Write it without its secret."""
        return {"erased": self.erased, "id": self.id, "name": self.name, "entries": list[Json](self.entries)}


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: the entries that say so, and what the database's files still hold."""

    entries: tuple[Entry, ...]
    scrubbed: Scrubbed


def erasable(ledger: Ledger, named: str) -> tuple[Erasable, ...]:
    """Find what a text names: a key by name or id, a subject by number or name, or a person by name.

    A person's name finds every key that the person holds and every subject of that name. Nothing is found where it was
    erased before (`erased_before`). Raises `NotFound` where nothing is known under this name, and `MalformedInput`
    where a key and a subject bear it.
    """
    keyids = _keys_named(ledger, named)
    people = [k for k in known_subjects(ledger.engine) if named in (k.number, k.name)]
    with tables.failures(), ledger.engine.connect() as connection:
        held = {row.key: row for row in connection.execute(select(tables.holders))}
    holders = [held[keyid] for keyid in keyids if keyid in held]
    if holders and people:
        raise MalformedInput(
            f"both a key and a subject are named {named!r}: give the key's id {holders[0].key[:16]} or the subject's "
            f"number {people[0].number}"
        )
    holders = holders or [row for row in held.values() if row.name == named]
    if not holders and not people and erased_before(ledger, named) is None:
        raise NotFound(
            f"nothing is known here under {named!r}: `affidavit key list` and `affidavit subject list` show what is, "
            "and what was erased is not found by its name any more"
        )
    referring = _entries_referring(ledger, {known.number for known in people})
    return (
        *(Erasable("holder", h.key, h.name, bytes(h.salt), _signed_by(ledger, h.key)) for h in holders),
        *(Erasable("subject", k.number, k.name, k.key, referring[k.number]) for k in people),
    )


def erased_before(ledger: Ledger, named: str) -> int | None:
    """Say which entry erased the holder of a key (by its name or id) or a subject (by number), or None."""
    keyids = _keys_named(ledger, named)
    found = [
        seq
        for (erased, ident), seq in erasures(ledger).items()
        if (ident in keyids if erased == "holder" else ident == named)
    ]
    return max(found, default=None)


def erase(
    ledger: Ledger,
    found: Sequence[Erasable],
    reason: str,
    *,
    by: Signer | Sequence[Signer] | None = None,
) -> Erased:
    """Delete rows and keys, append the entries that say so, and scrub the database's files.

    Raises `Conflict` where another erasure came first; then nothing was written.
    """
    reason = check_reason(reason, found)

    statements = [Erasure(one.erased, one.id, reason).statement() for one in found]
    entries = ledger.append_many(statements, signer=by, within=deleting(found))
    return Erased(tuple(entries), scrub_after(ledger, found))


def deleting(found: Sequence[Erasable]) -> Callable[[Connection], None]:
    """Return what deletes rows in the transaction that appends their erasure."""

    def delete(connection: Connection) -> None:
        for one in found:
            _delete(connection, one)

    return delete


def scrub_after(ledger: Ledger, found: Sequence[Erasable]) -> Scrubbed:
    """Scrub the database's files of rows that were deleted.

    Keys that took each other's place have one holder and salt: it is looked for once the last of their rows is gone.
    """
    table = tables.holders
    with tables.failures(), ledger.engine.connect() as connection:
        kept = {bytes(salt) for salt in connection.execute(select(table.c.salt)).scalars()}
    gone = [one for one in found if one.secret not in kept]
    return scrub(ledger.engine, [one.secret for one in gone], [one.name for one in gone])


def named_by(ledger: Ledger, statement: Statement) -> Erasable:
    """Find the row that an `erasure` statement names; `Conflict` where it is gone, or was never there."""
    said = Erasure.read(statement.predicate)
    table, key = _ROWS[said.erased]
    with tables.failures(), ledger.engine.connect() as connection:
        row = connection.execute(select(table).where(key == said.id)).one_or_none()
    if row is None:
        raise Conflict(f"the {said.erased} {said.id[:16]} is not known here, or was erased: look again")
    secret = row.salt if said.erased == "holder" else row.key
    return Erasable(said.erased, said.id, row.name, bytes(secret), ())


def check_reason(reason: str, found: Sequence[Erasable]) -> str:
    """Return the reason of an erasure, or raise `MalformedInput` where there is none or it holds what is erased."""
    reason = reason.strip()
    if not reason:
        raise MalformedInput("an erasure states its reason (--reason)")
    if any(_plain(one.name) in _plain(reason) for one in found):
        raise MalformedInput(
            "the reason stays in the ledger for ever: say it without the name that is erased"
        )
    return reason


def _plain(text: str) -> str:
    """Return a text as two spellings of it compare: compatibility forms, case, marks that do not show, spacing."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(c for c in folded if unicodedata.category(c) != "Cf").split())


def erasures(ledger: Ledger) -> dict[tuple[str, str], int]:
    """Say which entry erased what, by kind and id; the newest where there are several."""
    found: dict[tuple[str, str], int] = {}
    for entry in ledger.entries(kind="erasure"):
        said = Erasure.read(entry.statement.predicate)
        found[said.erased, said.id] = entry.seq
    return found


def holder_shown(ledger: Ledger, keyid: str) -> str:
    """Say who holds a key, or why that cannot be said."""
    name = ledger.holder(keyid)
    if name is not None:
        return name
    entry = erasures(ledger).get(("holder", keyid))
    return "not known" if entry is None else f"erased by entry {entry}"


def _delete(connection: Connection, one: Erasable) -> None:
    table, key = _ROWS[one.erased]
    if connection.execute(table.delete().where(key == one.id)).rowcount != 1:
        raise Conflict(f"the {one.erased} {one.id[:16]} was erased or changed meanwhile: look again")


def _keys_named(ledger: Ledger, named: str) -> list[str]:
    """List the ids of the keys of a name, or of the key whose id starts so, with those they took the place of."""
    trust = ledger.trust()
    found = [grant.keyid for grant in trust.grants.values() if grant.name == named]
    if not found and len(named) >= 8:
        found = [keyid for keyid in trust.grants if keyid.startswith(named)]
        found = found if len(found) == 1 else []
    # Keys that took each other's place have one holder, name and salt: they are erased together.
    firsts = {trust.first_key(keyid) for keyid in found}
    return [keyid for keyid in trust.grants if trust.first_key(keyid) in firsts]


def _signed_by(ledger: Ledger, keyid: str) -> tuple[int, ...]:
    query = select(tables.records.c.seq).where(tables.records.c.key == keyid).order_by(tables.records.c.seq)
    with tables.failures(), ledger.engine.connect() as connection:
        return tuple(connection.execute(query).scalars())


def _entries_referring(ledger: Ledger, numbers: set[str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {number: [] for number in numbers}
    for entry in ledger.entries() if numbers else ():
        for number, _ in entry.statement.refers_to:
            if number in found:
                found[number].append(entry.seq)
    return {number: tuple(entries) for number, entries in found.items()}
