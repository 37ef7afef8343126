"""A key as the ledger knows it: its name, its roles, its holder, and between which entries it holds them.

Rules:

- A grant names the key, its public part, each role once in alphabetical order, and a commitment to its holder.
- From entry to entry: a key holds its roles after the entry that granted them, and before the one numbered
  ``expires``, if there is one. No clock is asked.
- A key is named by the SHA-256 of its public part, which has one encoding: one key is one key under whatever name.
- What a key signed from the entry that a revocation names up to that revocation is in doubt, and stays so. What it
  signs once it is granted roles again is not: an admin gave it them, knowing of the revocation. Unless that grant is
  in doubt itself: which entries gave a key its roles, and which keys signed them, stays known (`audit.doubt`).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from audit.keys import PublicKey

__all__ = ["ROLES", "Giving", "Grant", "Suspicion", "grant_json", "parse_grant"]

ROLES = ("admin", "recorder", "validator", "approver", "auditor", "witness")

_COMMITMENT = re.compile(r"[0-9a-f]{64}")
_MEMBERS = {"name", "keyid", "public", "roles", "holder"}


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What one revocation says of a key: what it signed in the entries `since` to `until`, itself, is in doubt."""

    since: int
    until: int

    def covers(self, seq: int) -> bool:
        """Say whether an entry by the key is in doubt."""
        return self.since <= seq <= self.until


@dataclass(frozen=True, slots=True)
class Giving:
    """The number of an entry that gave a key its roles, and the ids of the keys that signed it."""

    entry: int
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A key as the ledger knows it. `roles` is empty once the key is revoked or another took its place.

    All numbers are numbers of entries: `since` granted it, `revoked` revoked it, `rotated` put another key in its
    place, and `expires` is the first in which it holds its roles no more. `suspicions` are in the order of the
    revocations that said them, and `givings`, the entries that gave it roles, in theirs. `replaces` is the id of the
    key whose place it took.
    """

    name: str
    public: PublicKey
    roles: tuple[str, ...]
    holder: str
    since: int
    expires: int | None = None
    revoked: int | None = None
    rotated: int | None = None
    suspicions: tuple[Suspicion, ...] = ()
    replaces: str | None = None
    givings: tuple[Giving, ...] = ()

    @property
    def keyid(self) -> str:
        """The id by which signatures name the key."""
        return self.public.keyid

    @property
    def suspect_since(self) -> int | None:
        """The first entry that somebody else may have signed with the key; None where no revocation names one."""
        return min((suspicion.since for suspicion in self.suspicions), default=None)

    def holds(self, role: str, seq: int) -> bool:
        """Say whether the key holds a role at the entry `seq`, which comes after all that is known here."""
        return role in self.roles and not self.is_expired(seq)

    def is_expired(self, seq: int) -> bool:
        """Say whether the key's time is over at the entry `seq`."""
        return self.expires is not None and seq >= self.expires

    def standing(self, seq: int) -> str:
        """Say in words what the key may do at the entry `seq`, or why nothing."""
        if self.revoked is not None:
            return f"revoked by entry {self.revoked}"
        if self.rotated is not None:
            return f"replaced by another key in entry {self.rotated}"
        if self.is_expired(seq):
            return f"expired at entry {self.expires}"
        return ", ".join(self.roles)


def grant_json(
    name: str, public: PublicKey, roles: tuple[str, ...], holder: str, expires: int | None = None
) -> JsonObject:
    """Write a grant as the `key` member of a genesis, key-grant or key-rotate predicate.

    `holder` commits to who holds the key (see `audit.holders`); the name itself stays out of the ledger. `expires` is
    the number of the first entry in which the key holds its roles no more, None for never.
    """
    return {
        "name": name,
        "keyid": public.keyid,
        "public": public.base64(),
        "roles": cast(list[Json], sorted(set(roles))),
        "holder": holder,
        **({} if expires is None else {"expires": expires}),
    }


def parse_grant(predicate: Mapping[str, Json], seq: int) -> Grant:
    """Read the `key` member of the predicate of entry `seq`; raise `MalformedInput`."""
    key = predicate.get("key")
    if not isinstance(key, dict) or set(key) - {"expires"} != _MEMBERS:
        raise MalformedInput(
            "a grant's `key` has exactly name, keyid, public, roles and holder, and may have expires"
        )
    name, roles = key["name"], key["roles"]
    if not isinstance(name, str) or not isinstance(roles, list) or not isinstance(key["holder"], str):
        raise MalformedInput("a grant's name and holder are text, and its roles a list")
    if _COMMITMENT.fullmatch(key["holder"]) is None:
        raise MalformedInput("a grant's holder is a commitment of 64 lower-case hexadecimal digits")
    if not _is_name(name):
        raise MalformedInput(
            f"the key name {name!r} is not usable: 1 to 100 printable characters in Unicode's form NFC"
        )
    unknown = [str(role) for role in roles if role not in ROLES]
    if unknown or not roles:
        said = f"there is no role {', '.join(unknown)}" if unknown else "no role is given"
        raise MalformedInput(f"{said}: the roles are {', '.join(ROLES)}")
    if roles != sorted(set(cast(list[str], roles))):
        raise MalformedInput("a grant names each role once, in alphabetical order")
    public = PublicKey.parse_base64(str(key["public"]))
    if public.keyid != key["keyid"]:
        raise MalformedInput("a grant's keyid is not the SHA-256 of its public key")
    expires = _expires(key, seq)
    return Grant(name, public, tuple(cast(list[str], roles)), key["holder"], seq, expires)


def _expires(key: Mapping[str, Json], seq: int) -> int | None:
    if "expires" not in key:
        return None
    expires = key["expires"]
    if type(expires) is not int or expires < seq + 2:
        raise MalformedInput(
            f"a key expires at the number of an entry to come: this is entry {seq}, the key holds its roles from "
            f"{seq + 1} on, so give {seq + 2} or more"
        )
    return expires


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 100 and name.isprintable() and unicodedata.normalize("NFC", name) == name
