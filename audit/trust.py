"""Which key may say what, and since which entry: learned from the key entries of the ledger itself.

Rules:

- The genesis entry names the first key, its roles and the log's key. A ``key-grant`` gives a key its roles from
  the next entry on, in place of those it had; a ``key-revoke`` takes them from the next entry on.
- Validity is counted in sequence numbers, never by a clock.
- Each kind of statement may be said in certain roles (`MAY_SAY`). A statement states the one it is said in, and
  every key that signed it must hold that role at that entry.
- There is always a key with the role admin, and the log's own key is nobody else's.
- From which entry on a key is suspect stays known, also when it is granted roles again.
- Deny unless: an unknown kind, role or key may say nothing.

`Trust` is a value: `after` returns what is trusted once an entry stands, so a writer and a verifier that read the
same entries hold the same trust.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from audit.canonical import Json, JsonObject
from audit.envelope import Envelope
from audit.errors import MalformedInput, NotFound, NotPermitted
from audit.keys import PublicKey
from audit.note import VerifierKey
from audit.statement import Statement

__all__ = ["FORMAT", "MAY_SAY", "ROLES", "Grant", "Trust", "article", "grant_json"]

FORMAT = "urn:affidavit:ledger:v1"
ROLES = ("admin", "recorder", "validator", "approver", "auditor", "witness")

MAY_SAY: Mapping[str, tuple[str, ...]] = {
    "genesis": ("admin",),
    "key-grant": ("admin",),
    "key-revoke": ("admin",),
    "stage": ("admin",),
    "run": ("recorder",),
    "approval": ("validator", "approver"),
    "decision": ("approver",),
    "reproduction": ("recorder", "validator", "auditor"),
    "report": ("recorder", "validator", "approver", "auditor"),
}
"""For each kind of statement, the roles in which it may be said, the usual one first."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A key as the ledger knows it. `roles` is empty once the key is revoked."""

    name: str
    public: PublicKey
    roles: tuple[str, ...]
    holder: str
    since: int
    revoked: int | None = None
    suspect_since: int | None = None

    @property
    def keyid(self) -> str:
        """The id by which signatures name the key."""
        return self.public.keyid


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys by id, and the log's verifier key, after some entry."""

    grants: Mapping[str, Grant] = field(default_factory=dict)
    log: VerifierKey | None = None

    def key(self, keyid: str) -> PublicKey:
        """Return the public key of a key id; `NotPermitted` when the ledger never granted it."""
        grant = self.grants.get(keyid)
        if grant is None:
            raise NotPermitted(f"the key {keyid[:16]} is not granted in this ledger")
        return grant.public

    def named(self, name: str) -> Grant:
        """Find a key by its name or by the start of its id."""
        found = [g for g in self.grants.values() if g.name == name]
        found = found or [g for g in self.grants.values() if len(name) >= 8 and g.keyid.startswith(name)]
        if len(found) != 1:
            known = ", ".join(sorted(g.name for g in self.grants.values()))
            raise NotFound(f"this ledger has no key named {name!r}: its keys are {known}")
        return found[0]

    def role_for(self, keyid: str, kind: str) -> str:
        """Return the first role in which a key may say a kind of statement, or raise `NotPermitted`."""
        grant = self.grants.get(keyid)
        may = MAY_SAY.get(kind, ())
        role = next((r for r in may if grant is not None and r in grant.roles), None)
        if role is None:
            name = f"{grant.name!r}" if grant else keyid[:16]
            has = f"it holds {', '.join(grant.roles)}" if grant and grant.roles else "it holds no role here"
            raise NotPermitted(
                f"the key {name} may not sign {article(kind)} {kind} entry: "
                f"that takes the role {' or '.join(may) or 'of none'}, {has} (`affidavit key grant` gives roles)"
            )
        return role

    def permit(self, envelope: Envelope, statement: Statement) -> None:
        """Check signatures, role and kind of a statement about to stand; `NotVerified` or `NotPermitted`."""
        if statement.kind == "genesis" and not self.grants:
            first = _grant(statement.predicate, 0).public
            if [s.keyid for s in envelope.signatures] != [first.keyid]:
                raise NotPermitted("the genesis entry is signed by the key that it names, and by no other")
            envelope.verify(lambda _: first)
            return
        role = statement.text("role")
        if role not in MAY_SAY.get(statement.kind, ()) or statement.kind == "genesis":
            raise NotPermitted(f"a {statement.kind} entry may not be said in the role {role!r}")
        for signature in envelope.signatures:
            grant = self.grants.get(signature.keyid)
            if grant is None or role not in grant.roles:
                who = repr(grant.name) if grant else signature.keyid[:16]
                raise NotPermitted(
                    f"the key {who} does not hold the role {role} that a {statement.kind} entry needs here"
                )
        envelope.verify(self.key)

    def after(self, seq: int, statement: Statement) -> "Trust":
        """Return the trust once the entry `seq` stands; `MalformedInput` when a key entry makes no sense."""
        match statement.kind:
            case "genesis":
                if seq != 0 or self.grants:
                    raise MalformedInput("the genesis entry is the first, and there is only one")
                if statement.predicate.get("format") != FORMAT:
                    raise MalformedInput(f"the ledger's format is not {FORMAT}")
                log = VerifierKey.parse(statement.text("log"))
                if log.name != statement.text("ledger"):
                    raise MalformedInput("the log's key is named by another ledger than the one it is for")
                return Trust(log=log)._with(seq, statement)
            case "key-grant":
                return self._with(seq, statement)
            case "key-revoke":
                return self._without(seq, statement)
        return self

    def _with(self, seq: int, statement: Statement) -> "Trust":
        grant = _grant(statement.predicate, seq)
        if any(g.name == grant.name and g.keyid != grant.keyid for g in self.grants.values()):
            raise MalformedInput(f"the key name {grant.name!r} is taken by another key: choose another")
        if self.log is not None and grant.public == PublicKey.of_raw(self.log.raw):
            raise MalformedInput("the log's key and a person's key are two different keys")
        before = self.grants.get(grant.keyid)
        grant = replace(grant, suspect_since=before.suspect_since if before else None)
        return replace(self, grants=_with_an_admin({**self.grants, grant.keyid: grant}))

    def _without(self, seq: int, statement: Statement) -> "Trust":
        keyid, suspect = statement.text("keyid"), statement.predicate.get("suspect_since")
        grant = self.grants.get(keyid)
        if grant is None:
            raise MalformedInput(
                f"the key {keyid[:16]} is not granted in this ledger, so it cannot be revoked"
            )
        if not (suspect is None or (type(suspect) is int and 0 <= suspect <= seq)):
            raise MalformedInput(f"suspect_since is an entry that stands already (0 to {seq}), or null")
        known = [s for s in (grant.suspect_since, suspect) if s is not None]
        revoked = replace(grant, roles=(), revoked=seq, suspect_since=min(known, default=None))
        return replace(self, grants=_with_an_admin({**self.grants, keyid: revoked}))


def article(kind: str) -> str:
    """Return the article that goes before a kind of statement in a sentence."""
    return "an" if kind[:1] in "aeiou" else "a"


def grant_json(name: str, public: PublicKey, roles: tuple[str, ...], holder: str) -> JsonObject:
    """Write a grant as the `key` member of a genesis or key-grant predicate.

    `holder` commits to who holds the key (see `audit.holders`); the name itself stays out of the ledger.
    """
    return {
        "name": name,
        "keyid": public.keyid,
        "public": public.base64(),
        "roles": cast(list[Json], sorted(set(roles))),
        "holder": holder,
    }


def _with_an_admin(grants: Mapping[str, Grant]) -> Mapping[str, Grant]:
    if not any("admin" in grant.roles for grant in grants.values()):
        raise MalformedInput(
            "no key would hold the role admin, and nobody could grant it again: give it to another key first"
        )
    return grants


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 100 and name.isprintable() and unicodedata.normalize("NFC", name) == name


def _grant(predicate: Mapping[str, Json], seq: int) -> Grant:
    key = predicate.get("key")
    if not isinstance(key, dict) or set(key) != {"name", "keyid", "public", "roles", "holder"}:
        raise MalformedInput("a grant's `key` has exactly name, keyid, public, roles and holder")
    name, roles = key["name"], key["roles"]
    if not isinstance(name, str) or not isinstance(roles, list) or not isinstance(key["holder"], str):
        raise MalformedInput("a grant's name and holder are text, and its roles a list")
    if not _is_name(name):
        raise MalformedInput(
            f"the key name {name!r} is not usable: 1 to 100 printable characters in Unicode's form NFC"
        )
    unknown = [str(role) for role in roles if role not in ROLES]
    if unknown or not roles:
        raise MalformedInput(f"{', '.join(unknown) or 'no role'} given: the roles are {', '.join(ROLES)}")
    if roles != sorted(set(cast(list[str], roles))):
        raise MalformedInput("a grant names each role once, in alphabetical order")
    public = PublicKey.parse_base64(str(key["public"]))
    if public.keyid != key["keyid"]:
        raise MalformedInput("a grant's keyid is not the SHA-256 of its public key")
    return Grant(name, public, tuple(cast(list[str], roles)), key["holder"], seq)
