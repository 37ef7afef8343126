"""Who holds a key: a person's name, kept beside the ledger so that it can be erased, and bound to it.

A grant in the ledger carries only a commitment, HMAC-SHA256(salt, name), with a random salt of 32 bytes per key.
The table `holders` keeps name and salt. With the row, anyone can check the name against the grant; without it,
the commitment says nothing about the person.

>>> commitment(bytes(32), check_holder(" Ana Ruiz "))[:16]
'fc1f5a7ac121bf60'
"""

import hashlib
import hmac
import unicodedata

from audit.errors import MalformedInput

__all__ = ["SALT_BYTES", "check_holder", "commitment"]

SALT_BYTES = 32


def commitment(salt: bytes, name: str) -> str:
    """Commit to a holder's name: HMAC-SHA256(salt, name in UTF-8) in hexadecimal."""
    # A name that was read from a damaged table may hold bytes that are not UTF-8: they go in as they are.
    return hmac.new(salt, name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def check_holder(name: str) -> str:
    """Return the name in Unicode's form NFC, or raise `MalformedInput`."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > 200 or not name.isprintable():
        raise MalformedInput("the holder of a key is a printable name of 1 to 200 characters")
    return name
