"""What an entry about keys, or about an erasure, is about: its one subject follows from what it says.

Who signs a draft is shown its statement in words, and who searches the ledger searches by subject. Neither may be led
to another key than the one that the entry speaks of.
"""

import hashlib

from audit.errors import MalformedInput
from audit.keys import PublicKey
from audit.note import VerifierKey
from audit.statement import Statement

__all__ = ["check_subject", "subject_of"]


def check_subject(statement: Statement) -> None:
    """Raise `MalformedInput` where the subject of a key entry or erasure is not the one thing that it is about."""
    expected = subject_of(statement)
    if expected is not None and [subject.sha256 for subject in statement.subjects] != [expected]:
        raise MalformedInput(f"the subject of the {statement.kind} entry is not what the entry is about")


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
