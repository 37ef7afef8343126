"""What is said about keys: the first of them, grant, revoke, rotate, the log's next key, and how many admins must sign.

Each verb makes a `KeyEvent`: an unsigned statement, with what has to be remembered beside the ledger in the
transaction that appends it. `audit.trust` says what each means once it stands, and refuses what makes no sense;
nothing is judged here.

Rules:

- Who holds a key is never in a statement: a grant carries a commitment, the table `holders` name and salt.
- A key that takes the place of another keeps its commitment, salt and all: it is the same person.
- The subject of an entry about a key is that key's id; of a threshold, SHA-256 of the ledger's origin.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from audit import tables
from audit.canonical import JsonObject
from audit.errors import MalformedInput
from audit.grants import Grant, grant_json
from audit.holders import check_holder, commitment
from audit.keys import PublicKey
from audit.note import VerifierKey
from audit.statement import Statement, Subject
from audit.trust import FORMAT

__all__ = [
    "Holder",
    "KeyEvent",
    "genesis",
    "grant",
    "log_rotate",
    "remembering",
    "revoke",
    "rotate",
    "threshold",
]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a key, with the salt that its commitment was made with."""

    name: str
    salt: bytes

    @property
    def commitment(self) -> str:
        """What a grant says of the holder."""
        return commitment(self.salt, self.name)


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A statement about keys, and the holder whom a grant names."""

    statement: Statement
    holder: Holder | None = None


def genesis(
    origin: str,
    name: str,
    public: PublicKey,
    roles: tuple[str, ...],
    holder: str,
    salt: bytes,
    log: PublicKey,
) -> KeyEvent:
    """Begin a ledger: its first key with its roles, and the log's key. `salt` is 32 random bytes."""
    if public == log:
        raise MalformedInput("the log's key and a person's key are two different keys")
    held = Holder(check_holder(holder), salt)
    predicate: JsonObject = {
        "format": FORMAT,
        "log": str(VerifierKey(origin, log.raw)),
        "key": grant_json(name, public, roles, held.commitment),
    }
    return KeyEvent(Statement("genesis", (Subject(name, public.keyid),), predicate), held)


def grant(
    name: str, public: PublicKey, roles: tuple[str, ...], holder: str, salt: bytes, expires: int | None = None
) -> KeyEvent:
    """Give a key its roles, up to and without the entry numbered `expires`. `salt` is 32 random bytes."""
    held = Holder(check_holder(holder), salt)
    said = grant_json(name, public, roles, held.commitment, expires)
    return KeyEvent(Statement("key-grant", (Subject(name, public.keyid),), {"key": said}), held)


def revoke(keyid: str, reason: str, suspect_since: int | None) -> KeyEvent:
    """Take a key's roles; `suspect_since` is the first entry that someone else may have signed with it."""
    predicate: JsonObject = {"keyid": keyid, "reason": _reason(reason), "suspect_since": suspect_since}
    return KeyEvent(Statement("key-revoke", (Subject("key", keyid),), predicate))


def rotate(old: Grant, public: PublicKey, reason: str) -> KeyEvent:
    """Put another key in the place of one, with its name, roles, holder and the entry at which it expires."""
    said = grant_json(old.name, public, old.roles, old.holder, old.expires)
    predicate: JsonObject = {"keyid": old.keyid, "key": said, "reason": _reason(reason)}
    return KeyEvent(Statement("key-rotate", (Subject(old.name, public.keyid),), predicate))


def log_rotate(origin: str, public: PublicKey, reason: str) -> KeyEvent:
    """Let another key sign the log's heads; the head that ends with this entry needs both."""
    predicate: JsonObject = {"log": str(VerifierKey(origin, public.raw)), "reason": _reason(reason)}
    return KeyEvent(Statement("log-rotate", (Subject("log", public.keyid),), predicate))


def threshold(origin: str, needed: int) -> KeyEvent:
    """Ask for the signatures of so many different keys under what is said in the role admin."""
    subject = Subject("threshold", hashlib.sha256(origin.encode()).hexdigest())
    return KeyEvent(Statement("threshold", (subject,), {"needed": needed}))


def remembering(statement: Statement, holder: Holder | None) -> Callable[[Connection], None]:
    """Return what must be written beside the statement, in the same transaction: who holds the key it names."""

    def remember(connection: Connection) -> None:
        if statement.kind in ("genesis", "key-grant") and holder is not None:
            _write_holder(connection, statement.subjects[0].sha256, holder)
        elif statement.kind == "key-rotate":
            _write_holder(
                connection, statement.subjects[0].sha256, _holder_of(connection, statement.text("keyid"))
            )

    return remember


def _holder_of(connection: Connection, keyid: str) -> Holder:
    row = connection.execute(select(tables.holders).where(tables.holders.c.key == keyid)).one_or_none()
    if row is None:
        raise MalformedInput(
            f"who holds the key {keyid[:16]} is not known any more, so no key can take its place: revoke it, and "
            "grant another key its roles"
        )
    return Holder(row.name, bytes(row.salt))


def _write_holder(connection: Connection, keyid: str, holder: Holder) -> None:
    connection.execute(tables.holders.delete().where(tables.holders.c.key == keyid))
    connection.execute(tables.holders.insert().values(key=keyid, name=holder.name, salt=holder.salt))


def _reason(reason: str) -> str:
    if not reason.strip() or len(reason) > 1000:
        raise MalformedInput("an entry about a key states its reason, in up to 1,000 characters (--reason)")
    return reason.strip()
