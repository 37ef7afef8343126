"""What an entry about keys, or about an erasure, is about: its one subject follows from what it says.

Who signs a draft is shown its statement in words, and who searches the ledger searches by subject. Neither may be led
to another key than the one that the entry speaks of. And an entry that takes something away, or puts another thing in
its place, says why.
"""

import hashlib

from audit.errors import MalformedInput
from audit.keys import PublicKey
from audit.note import VerifierKey
from audit.statement import Statement

__all__ = ["check_subject", "subject_of"]

_REASONED = ("key-revoke", "key-rotate", "log-rotate", "erasure")


def check_subject(statement: Statement) -> None:
    """Raise `MalformedInput` where a key entry or erasure has another subject than what it is about, or no reason."""
    expected = subject_of(statement)
    if expected is not None and [subject.sha256 for subject in statement.subjects] != [expected]:
        raise MalformedInput(f"the subject of the {statement.kind} entry is not what the entry is about")
    if statement.kind in _REASONED:
        statement.text("reason")


def subject_of(statement: Statement) -> str | None:
    """Return the digest that such an entry has as its subject; None for another kind of statement."""
    match statement.kind:
        case "genesis" | "key-grant" | "key-rotate":
            key = statement.predicate.get("key")
            keyid = key.get("keyid") if isinstance(key, dict) else None
            # Where there is no key id, the grant is malformed, and is said to be.
            return keyid if isinstance(keyid, str) else None
        case "key-revoke":
            return statement.text("keyid")
        case "log-rotate":
            return PublicKey.of_raw(VerifierKey.parse(statement.text("log")).raw).keyid
        case "threshold":
            return _sha256(statement.text("ledger"))
        case "erasure":
            return _sha256(statement.text("id"))
    return None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
